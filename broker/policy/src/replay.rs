//! Recorded tasks, run against the shipped floor without any model: lines in, decisions out.
//!
//! One JSON object per line. A task begins with `begin`; `contacts` says whom the owner knows, `plan`
//! proposes steps, `decide` asks about a call, `result` delivers what a tool gave back, and `answer` is the
//! owner's word after an `ask`. For each `decide` and each `plan` there is one line out.

use crate::facts::{Contacts, Facts};
use crate::floor::{Finding, floor};
use crate::plan::{self, STEPS, Step, TaskGrant};
use crate::rules::{Armed, History, Operation, Rules, Rulings};
use carapace_contract::effects::Effects;
use carapace_contract::id::ToolName;
use carapace_contract::verdict::{Reason, Verdict};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Who answers the questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Human {
    /// Nobody: a question is a no.
    None,
    /// The owner: the next line is the answer; without one it is a no.
    Owner,
    /// Somebody who says yes to everything.
    Always,
}

/// What is wrong with a line or a list of tools.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReplayError(String);

fn fault(text: impl Into<String>) -> ReplayError {
    ReplayError(text.into())
}

/// A tool, as a plugin's manifest has it.
#[derive(Debug, Clone, Deserialize)]
struct Listed {
    name: String,
    #[serde(default)]
    effects: Option<Effects>,
}

/// The effects of tools, by name.
#[derive(Debug, Clone, Default)]
pub struct Tools(BTreeMap<String, Effects>);

impl Tools {
    /// Reads a list: `{"tools": [{"name", "effects", …}]}`, the same beneath `provides` as in a manifest,
    /// the bare list, or an object of effects by name. A tool without effects has the worst case.
    ///
    /// # Errors
    /// What is not of this form, and which tool it is.
    pub fn read(text: &str) -> Result<Self, ReplayError> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| fault(format!("not JSON: {error}")))?;
        let list = [
            value.pointer("/provides/tools"),
            value.get("tools"),
            Some(&value),
        ]
        .into_iter()
        .flatten()
        .next()
        .cloned()
        .unwrap_or_default();
        let entries: Vec<Value> = match list {
            Value::Array(list) => list,
            Value::Object(object) => object
                .into_iter()
                .map(|(name, tool)| {
                    let effects = tool.get("effects").cloned().unwrap_or_else(|| {
                        // Effects by name, or another description of a tool, which then declares none.
                        let fields = ["reads", "writes", "undo", "egress", "recipients"];
                        if fields.iter().any(|field| tool.get(field).is_some()) {
                            tool
                        } else {
                            Value::Null
                        }
                    });
                    json!({ "name": name, "effects": effects })
                })
                .collect(),
            _ => return Err(fault("a list of tools is expected")),
        };
        let mut tools = BTreeMap::new();
        for entry in entries {
            let name = entry["name"].as_str().unwrap_or("?").to_owned();
            let listed: Listed = serde_json::from_value(entry)
                .map_err(|error| fault(format!("the tool {name}: {error}")))?;
            let effects = listed.effects.unwrap_or_else(Effects::worst_case);
            if tools.insert(key(&listed.name), effects).is_some() {
                return Err(fault(format!("the tool {name} is there twice")));
            }
        }
        Ok(Self(tools))
    }

    /// Each tool's name and effects.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Effects)> {
        self.0
            .iter()
            .map(|(name, effects)| (name.as_str(), effects))
    }
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Tasks.
    pub tasks: u64,
    /// Calls and plans that were decided.
    pub decisions: u64,
    /// Of those, asked about.
    pub asked: u64,
    /// Of those, refused.
    pub refused: u64,
}

enum Waiting {
    Call(ToolName, Vec<Reason>),
    Plan(Vec<Step>),
}

/// One run over lines.
pub struct Replay {
    tools: Tools,
    undeclared: Effects,
    human: Human,
    facts: Facts,
    offered: Option<BTreeSet<String>>,
    grants: Vec<TaskGrant>,
    waiting: Option<Waiting>,
    counted: Counted,
    began: bool,
    rules: Rules,
    armed: Armed,
    history: History,
}

impl Replay {
    /// Nothing has begun yet.
    pub fn new(tools: Tools, human: Human) -> Self {
        Self {
            tools,
            undeclared: Effects::worst_case(),
            human,
            facts: Facts::default(),
            offered: None,
            grants: Vec::new(),
            waiting: None,
            counted: Counted::default(),
            began: false,
            rules: Rules::defaults(),
            armed: Armed::default(),
            history: History::default(),
        }
    }

    /// The same under other rules than those of a fresh home.
    pub fn under(self, rules: Rules) -> Self {
        Self { rules, ..self }
    }

    /// What was counted so far.
    pub fn counted(&self) -> Counted {
        self.counted
    }

    /// Takes a line; gives the line out, where there is one.
    ///
    /// # Errors
    /// A line that is not of a known form, or comes before `begin`.
    pub fn line(&mut self, line: &str) -> Result<Option<String>, ReplayError> {
        let value: Value =
            serde_json::from_str(line).map_err(|error| fault(format!("not JSON: {error}")))?;
        let (word, body) = word_of(value)?;
        if word != "answer"
            && let Some(waiting) = self.waiting.take()
        {
            self.settle(waiting, self.human == Human::Always);
        }
        if !self.began && !matches!(word.as_str(), "begin" | "contacts") {
            return Err(fault(format!("{word} comes before begin")));
        }
        match word.as_str() {
            "begin" => self.begin(&body).map(|()| None),
            "contacts" => {
                let values = strings(body.get("values").unwrap_or(&body))?;
                self.facts.contacts = Contacts::of(values.iter().map(String::as_str));
                Ok(None)
            }
            "result" => {
                let tool = field(&body, "tool")?;
                let text = match body.get("text").or_else(|| body.get("result")) {
                    Some(Value::String(text)) => text.clone(),
                    Some(other) => other.to_string(),
                    None => String::new(),
                };
                let effects = self.tools.0.get(&key(&tool)).unwrap_or(&self.undeclared);
                self.facts.saw(&tool, effects, &text);
                if let Some(tool) = tool_name(&tool) {
                    self.history.used(&tool, effects);
                }
                self.rules.arm(&mut self.armed, &self.facts, &self.history);
                Ok(None)
            }
            "decide" => {
                let tool = field(&body, "tool")?;
                let finding = self.decide(&tool, &arguments(&body));
                Ok(Some(self.out(finding)))
            }
            "plan" => {
                let finding = self.plan(&body)?;
                Ok(Some(self.out(finding)))
            }
            "answer" => {
                let yes = is_yes(&body)? || self.human == Human::Always;
                if let Some(waiting) = self.waiting.take() {
                    self.settle(waiting, yes);
                }
                Ok(None)
            }
            other => Err(fault(format!(
                "{other:?} is not known; begin, contacts, plan, decide, result or answer is expected"
            ))),
        }
    }

    fn begin(&mut self, body: &Value) -> Result<(), ReplayError> {
        let prompt = field(body, "prompt")?;
        // Contacts hold for the tasks that follow them.
        self.facts = Facts::new(std::mem::take(&mut self.facts.contacts));
        match body.get("ask-from").or_else(|| body.get("ask_from")) {
            None | Some(Value::Null) => {}
            Some(level) => self.facts.ask_from(
                level
                    .as_u64()
                    .and_then(|level| level.try_into().ok())
                    .ok_or_else(|| fault("ask-from is a number from 0 on"))?,
            ),
        }
        self.facts.heard(&prompt);
        self.grants.clear();
        self.armed = Armed::default();
        self.history = History::default();
        self.offered = match body.get("tools") {
            None | Some(Value::Null) => None,
            Some(Value::Array(list)) => Some(
                list.iter()
                    .filter_map(|tool| tool.as_str().or_else(|| tool["name"].as_str()))
                    .map(key)
                    .collect(),
            ),
            Some(Value::Object(object)) => Some(object.keys().map(|name| key(name)).collect()),
            Some(_) => return Err(fault("tools is a list of names")),
        };
        self.began = true;
        self.counted.tasks += 1;
        Ok(())
    }

    fn decide(&mut self, name: &str, arguments: &Value) -> Finding {
        let Some(tool) = tool_name(name) else {
            return refusal("unknown-tool", "that is no name of a tool");
        };
        let offered = self
            .offered
            .as_ref()
            .is_none_or(|offered| offered.is_empty() || offered.contains(tool.as_str()));
        if !offered {
            return refusal("unknown-tool", "this tool was not offered in the task");
        }
        let effects = self.tools.0.get(tool.as_str()).unwrap_or(&self.undeclared);
        let mut finding = floor(&tool, effects, arguments, &self.facts);
        let mut approved = false;
        if finding.verdict != Verdict::Allow {
            // A grant of the owner's comes before the floor's question, and before a refusal that stands for one.
            for grant in &mut self.grants {
                if let Some(step) = grant.covers(&tool, effects, arguments, &self.facts, 0) {
                    grant.used(step);
                    approved = grant.is_answered();
                    finding = Finding {
                        verdict: Verdict::Allow,
                        reasons: vec![Reason::new(
                            "granted-task",
                            format!("step {} of the plan that was granted", step + 1),
                        )],
                    };
                    break;
                }
            }
        }
        // A no is remembered by what the floor had against it, as the broker does: a rule asks again by itself.
        let against = match finding.verdict {
            Verdict::Ask => finding.reasons.clone(),
            Verdict::Allow | Verdict::Refuse => Vec::new(),
        };
        let operation = Operation {
            tool: &tool,
            effects,
            arguments,
            facts: &self.facts,
        };
        let judged = self
            .rules
            .judge_with(&self.armed, &operation, &Rulings::new(), approved);
        if judged.verdict != Verdict::Allow {
            if finding.verdict == Verdict::Allow {
                finding.reasons.clear();
            }
            finding.verdict = finding.verdict.and(judged.verdict);
            finding.reasons.extend(judged.reasons);
        }
        if finding.verdict == Verdict::Ask {
            self.waiting = Some(Waiting::Call(tool, against));
        }
        finding
    }

    fn plan(&mut self, body: &Value) -> Result<Finding, ReplayError> {
        let list = body
            .get("steps")
            .unwrap_or(body)
            .as_array()
            .ok_or_else(|| fault("steps is a list"))?;
        if list.len() > STEPS {
            return Ok(refusal("plan-too-long", "a plan has at most 64 steps"));
        }
        let mut steps = Vec::new();
        for step in list {
            let tool = tool_name(&field(step, "tool")?)
                .ok_or_else(|| fault("that is no name of a tool"))?;
            let arguments = match arguments(step) {
                Value::Object(arguments) => arguments,
                _ => Map::new(),
            };
            steps.push(Step::exactly(tool, &arguments));
        }
        let finding = plan::judge(
            &steps,
            |tool| self.tools.0.get(tool.as_str()).unwrap_or(&self.undeclared),
            &self.facts,
        );
        match finding.verdict {
            Verdict::Ask => self.waiting = Some(Waiting::Plan(steps)),
            // What passes now may be done later, as it stands here.
            Verdict::Allow => {
                let grant = TaskGrant::new(steps, i64::MAX).unasked();
                self.grants.push(grant);
            }
            Verdict::Refuse => {}
        }
        Ok(finding)
    }

    fn settle(&mut self, waiting: Waiting, yes: bool) {
        match (waiting, yes) {
            (Waiting::Plan(steps), true) => self.grants.push(TaskGrant::new(steps, i64::MAX)),
            (Waiting::Call(..), true) => {}
            (Waiting::Call(tool, reasons), false) => self.facts.refused(tool.as_str(), &reasons),
            (Waiting::Plan(_), false) => self.facts.refused("plan.propose", &[]),
        }
    }

    fn out(&mut self, finding: Finding) -> String {
        self.counted.decisions += 1;
        let mut reasons = finding.reasons;
        let decision = match finding.verdict {
            Verdict::Allow => "allow",
            Verdict::Ask if self.human == Human::None => {
                self.counted.asked += 1;
                if let Some(waiting) = self.waiting.take() {
                    self.settle(waiting, false);
                }
                reasons.push(Reason::new("nobody-to-ask", "nobody is there to be asked"));
                "deny"
            }
            Verdict::Ask => {
                self.counted.asked += 1;
                "ask"
            }
            Verdict::Refuse => {
                self.counted.refused += 1;
                "deny"
            }
        };
        json!({ "decision": decision, "reasons": reasons }).to_string()
    }
}

fn refusal(code: &str, text: &str) -> Finding {
    Finding {
        verdict: Verdict::Refuse,
        reasons: vec![Reason::new(code, text)],
    }
}

fn key(name: &str) -> String {
    tool_name(name).map_or_else(|| name.to_owned(), |tool| tool.to_string())
}

/// A recorded tool's name in the form that names have here: other recordings write `sendMoney` or `send-money`.
fn tool_name(name: &str) -> Option<ToolName> {
    name.parse().ok().or_else(|| {
        let mut plain = String::new();
        let mut small = false;
        for char in name.chars().take(64) {
            if char.is_ascii_uppercase() && small {
                plain.push('_');
            }
            small = char.is_ascii_lowercase() || char.is_ascii_digit();
            let char = char.to_ascii_lowercase();
            if char.is_ascii_alphanumeric() {
                plain.push(char);
            } else if !plain.ends_with('_') && !plain.is_empty() {
                plain.push('_');
            }
        }
        plain.trim_end_matches('_').parse().ok()
    })
}

/// `{"decide": {…}}` or `{"type": "decide", …}`.
fn word_of(value: Value) -> Result<(String, Value), ReplayError> {
    let Value::Object(mut object) = value else {
        return Err(fault("an object is expected"));
    };
    for key in ["type", "op", "event", "kind", "line"] {
        if let Some(Value::String(word)) = object.get(key) {
            let word = word.clone();
            object.remove(key);
            return Ok((word, Value::Object(object)));
        }
    }
    let words = ["begin", "contacts", "plan", "decide", "result", "answer"];
    match words.iter().find_map(|word| object.remove_entry(*word)) {
        Some(entry) => Ok(entry),
        None => Err(fault(
            "begin, contacts, plan, decide, result or answer is expected",
        )),
    }
}

fn field(body: &Value, name: &str) -> Result<String, ReplayError> {
    body.get(name)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| fault(format!("{name} is missing or no text")))
}

fn arguments(body: &Value) -> Value {
    body.get("args")
        .or_else(|| body.get("arguments"))
        .cloned()
        .unwrap_or_else(|| Value::Object(Map::new()))
}

fn strings(value: &Value) -> Result<Vec<String>, ReplayError> {
    value
        .as_array()
        .map(|list| {
            list.iter()
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect()
        })
        .ok_or_else(|| fault("a list of values is expected"))
}

/// `"allow"`, `{"allow": …}`, `{"decision": "allow"}`, `true`; anything else that is known is a no.
fn is_yes(body: &Value) -> Result<bool, ReplayError> {
    let word = |text: &str| match text {
        "allow" | "yes" => Ok(true),
        "deny" | "no" => Ok(false),
        other => Err(fault(format!("{other:?} is no answer; allow or deny is"))),
    };
    match body {
        Value::String(text) => word(text),
        Value::Bool(yes) => Ok(*yes),
        Value::Object(object) => match (object.get("allow"), object.get("deny")) {
            (Some(Value::Bool(yes)), _) => Ok(*yes),
            (_, Some(_)) => Ok(false),
            (Some(_), None) => Ok(true),
            (None, None) => match object.values().find_map(Value::as_str) {
                Some(text) => word(text),
                None => Err(fault("allow or deny is expected")),
            },
        },
        _ => Err(fault("allow or deny is expected")),
    }
}
