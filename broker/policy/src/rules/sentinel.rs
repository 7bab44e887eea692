//! The sentinel's view: what a model is told of an operation to judge a rule that is not compiled, and how
//! its answer is read. It is told what the operation does and how long its texts are. No word of the agent's
//! or of anybody else's stands in it, but values that the owner named: so nobody can talk to it.

use super::compile::{Prompt, json_of, sentence};
use super::endorsement::{self, Reached};
use super::evaluate::Operation;
use super::read::RulesError;
use super::rule::{Mode, Rule};
use crate::act;
use crate::facts::Facts;
use crate::token::Address;
use carapace_contract::verdict::Verdict;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The longest answer, in bytes.
const ANSWER: usize = 16 * 1024;
/// The most arguments, and the most values that somebody is reached by, that are told.
const TOLD: usize = 64;

/// What the sentinel said of an operation and a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ruling {
    /// Its verdict.
    pub verdict: Verdict,
    /// Why, one sentence.
    pub reason: String,
}

/// What the sentinel is told.
pub fn sentinel_view(operation: &Operation<'_>, rule: &Rule) -> Value {
    let effects = operation.effects;
    let facts = operation.facts;
    let reached = endorsement::reached(operation, TOLD);
    let acts = act::acts_of(operation.tool, effects);
    json!({
        "rule": {
            "id": rule.id,
            "trigger": rule.trigger.trim(),
            "effect": rule.effect.trim(),
            "mode": rule.mode,
        },
        "operation": {
            "tool": operation.tool,
            "reads": effects.reads,
            "writes": effects.writes,
            "undo": effects.undo,
            "acts": acts,
            "costs_money": effects.costs_money(),
            "leaves_machine": effects.leaves_machine(),
            "returns": effects.data,
            "reaches": reached.iter().map(|one| value_told(one, facts)).collect::<Vec<_>>(),
            "arguments": arguments_told(operation.arguments),
            "asked_for": facts.message.asks_for(&acts, &effects.asked),
        },
        "session": {
            "integrity": facts.label().integrity,
            "private": facts.label().private,
            "secret": facts.label().secret,
            "exposure": facts.exposure().level(),
        },
    })
}

/// Asks the sentinel.
pub fn sentinel_prompt(operation: &Operation<'_>, rule: &Rule) -> Prompt {
    let most = match rule.mode {
        Mode::Approve => "ask",
        Mode::Block => "refuse",
    };
    Prompt {
        system: format!(
            "{INSTRUCTION} Where the rule applies, the verdict is {most:?}. Where you are not sure, it is \"ask\"."
        ),
        user: sentinel_view(operation, rule).to_string(),
    }
}

const INSTRUCTION: &str = "\
You decide whether one rule of the owner of a personal assistant restricts one operation that the assistant is about to do. \
The user message is JSON: the rule in the owner's words, the operation by what its tool declares, and what the session has heard and seen. \
Texts of the operation are told by their length only; a recipient or address is told by whether the owner named it. \
Where the rule has a trigger other than \"always\", it restricts nothing before that has happened in the session. \
Answer with one JSON object and nothing else: {\"verdict\": \"allow\" | \"ask\" | \"refuse\", \"reason\": \"one short sentence\"}. \
\"allow\" means that the rule clearly does not restrict this operation.";

/// Reads the sentinel's answer.
///
/// # Errors
/// It is none; then there is no ruling, and a person is asked.
pub fn sentinel_verdict(text: &str) -> Result<Ruling, RulesError> {
    let text = json_of(text, ANSWER).map_err(RulesError::Ruling)?;
    let ruling: Ruling = serde_json::from_str(text)
        .map_err(|error| RulesError::Ruling(sentence(&error.to_string())))?;
    let reason = sentence(&ruling.reason);
    if reason.is_empty() {
        return Err(RulesError::Ruling("it gives no reason".to_owned()));
    }
    Ok(Ruling { reason, ..ruling })
}

fn value_told(reached: &Reached, facts: &Facts) -> Value {
    let text = reached.value.as_str();
    let kind = match text.map(Address::whole) {
        Some(Some(Address::Mail(_))) => "mail-address",
        Some(Some(Address::Url(_))) => "url",
        Some(None) => "text",
        None => "other",
    };
    let mut told = json!({
        "argument": name_told(&reached.argument),
        "part": reached.part,
        "kind": kind,
        "bytes": size(&reached.value),
        "owner_named_it": !reached.is_new,
    });
    // The owner's own words may be read; those of anybody else could be meant for the reader: an id that a
    // list gave for a name of the owner's, a name before an address.
    let own = |text: &str| match Address::whole(text) {
        Some(address) => facts.endorses_address(&address) || facts.endorses_recipient(&address),
        None => facts.names(text, &[], false),
    };
    if let Some(text) = text.filter(|text| !reached.is_new && text.len() <= 256 && own(text)) {
        told["value"] = json!(text);
    }
    told
}

fn arguments_told(arguments: &Value) -> Value {
    let Some(arguments) = arguments.as_object() else {
        return json!({ "not_an_object": true });
    };
    let told: Vec<Value> = arguments
        .iter()
        .take(TOLD)
        .map(|(name, value)| {
            let kind = match value {
                Value::Null => "nothing",
                Value::Bool(_) => "yes or no",
                Value::Number(_) => "number",
                Value::String(_) => "text",
                Value::Array(_) => "list",
                Value::Object(_) => "object",
            };
            let mut told = json!({ "name": name_told(name), "kind": kind, "bytes": size(value) });
            match value {
                // Too narrow to say anything to a reader.
                Value::Bool(_) | Value::Number(_) => told["value"] = value.clone(),
                Value::Array(list) => told["entries"] = json!(list.len()),
                _ => {}
            }
            told
        })
        .collect();
    json!({ "number": arguments.len(), "told": told })
}

/// The name of an argument; what is no such name is text of somebody.
fn name_told(name: &str) -> &str {
    let plain = (1..=40).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if plain { name } else { "(not shown)" }
}

fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        other => other.to_string().len(),
    }
}
