//! The floor: whether an effect is one that the owner asked for, from the tool's effects, the call's
//! arguments and what is known about the session. It has no clock, no I/O and no model.
//!
//! - What only reads on this machine, and what stays in the session's workspace, passes.
//! - What reaches others, or cannot be undone, passes where the owner asked for such an act and every
//!   recipient, address and object in it is endorsed. That holds in a fresh session, too: the
//!   agent may be hostile from its first word.
//! - What changes the owner's own data so that it can be undone passes in a session that has heard
//!   nobody else, and otherwise as above. A step of a plan is done later, so for it that session
//!   counts as one that has.
//! - A read whose address carries data out passes where the address is endorsed, its words are all the
//!   owner's, or the session is clean: it has nothing to carry.
//! - Money is always asked about.
//!
//! A grant of exactly a call, or an answer, comes before this; [`judge`](crate::judge()) knows them.

use crate::act;
use crate::exposure::ASK_FROM;
use crate::facts::Facts;
use crate::resolve::kind::Place;
use crate::token::{Address, SEARCHED, addresses};
use carapace_contract::effects::{Effects, Reach, Undo};
use carapace_contract::id::ToolName;
use carapace_contract::verdict::{Reason, Verdict};
use serde_json::Value;

/// Reasons of one call that are spelt out; of more, their number is told.
const REASONS: usize = 12;
/// Values of one argument that are looked at.
const VALUES: usize = 1024;
/// Characters of a value that a reason shows.
const SHOWN: usize = 80;

/// What the floor found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The outcome.
    pub verdict: Verdict,
    /// Why, where it is not [`Verdict::Allow`]; else what it rests on.
    pub reasons: Vec<Reason>,
}

/// Judges one call.
pub fn floor(tool: &ToolName, effects: &Effects, arguments: &Value, facts: &Facts) -> Finding {
    decide(
        tool,
        effects,
        &objections(tool, effects, arguments, facts),
        facts,
    )
}

/// The finding from what speaks against a call.
pub(crate) fn decide(
    tool: &ToolName,
    effects: &Effects,
    objections: &[Objection],
    facts: &Facts,
) -> Finding {
    let why: Vec<Reason> = objections.iter().map(Objection::reason).collect();
    if why.is_empty() {
        return Finding {
            verdict: Verdict::Allow,
            reasons: vec![basis(effects)],
        };
    }
    if facts.was_refused(tool.as_str(), &why) {
        return refuse("refused-before", "you said no to this in the same turn");
    }
    let unasked = why.iter().any(|reason| reason.code == "not-asked");
    if unasked && facts.refusals > 0 && !facts.message.words().hand_over() {
        return refuse(
            "refused-unasked",
            "you said no once in this turn, and your message does not ask for such an act; say it in the chat if you want it",
        );
    }
    Finding {
        verdict: Verdict::Ask,
        reasons: shortened(why),
    }
}

fn refuse(code: &str, text: &str) -> Finding {
    Finding {
        verdict: Verdict::Refuse,
        reasons: vec![Reason::new(code, text)],
    }
}

fn shortened(mut why: Vec<Reason>) -> Vec<Reason> {
    if why.len() > REASONS {
        let more = why.len() - REASONS;
        why.truncate(REASONS);
        why.push(Reason::new("more", format!("and {more} more reasons")));
    }
    why
}

fn basis(effects: &Effects) -> Reason {
    if effects.writes <= Reach::Workspace && effects.egress.is_empty() {
        Reason::new(
            "harmless",
            "it changes nothing outside the session's workspace",
        )
    } else {
        Reason::new(
            "endorsed",
            "you asked for it, and everything it names is yours or named by you",
        )
    }
}

/// One thing that speaks against doing a call without a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Objection {
    pub(crate) code: &'static str,
    /// The argument that it is about.
    pub(crate) argument: Option<String>,
    text: String,
}

impl Objection {
    fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self {
            code,
            argument: None,
            text: text.into(),
        }
    }

    fn about(code: &'static str, argument: &str, text: impl Into<String>) -> Self {
        Self {
            code,
            argument: Some(argument.to_owned()),
            text: text.into(),
        }
    }

    pub(crate) fn reason(&self) -> Reason {
        Reason::new(self.code, self.text.clone())
    }
}

/// What speaks against doing it without a question.
pub(crate) fn objections(
    tool: &ToolName,
    effects: &Effects,
    arguments: &Value,
    facts: &Facts,
) -> Vec<Objection> {
    against(tool, effects, arguments, facts, false)
}

/// What speaks against doing it at some later time without a question: nobody knows what the session
/// will have read by then.
pub(crate) fn objections_later(
    tool: &ToolName,
    effects: &Effects,
    arguments: &Value,
    facts: &Facts,
) -> Vec<Objection> {
    against(tool, effects, arguments, facts, true)
}

/// True where the floor looks at every part of a call, and not only at what a read carries out.
pub(crate) fn is_judged_whole(effects: &Effects) -> bool {
    effects.writes >= Reach::Private || effects.costs_money()
}

fn against(
    tool: &ToolName,
    effects: &Effects,
    arguments: &Value,
    facts: &Facts,
    later: bool,
) -> Vec<Objection> {
    let changes = is_judged_whole(effects);
    let carries = effects.reads == Reach::Internet || !effects.egress.is_empty();
    let mut why = Vec::new();
    if !changes && !carries {
        return why;
    }
    if !arguments.is_object() {
        why.push(Objection::new(
            "not-arguments",
            "its arguments are no object",
        ));
    }
    if facts.exposure.is_suspected() {
        why.push(Objection::new(
            "suspected",
            "words of others in this conversation look like orders to the assistant, or could not be looked at",
        ));
    }
    let limit = facts.ask_from.unwrap_or(ASK_FROM);
    if limit > 0 && facts.exposure.level() >= limit {
        why.push(Objection::new(
            "exposure",
            format!(
                "the session's exposure is {}, and from {limit} on everything is asked about",
                facts.exposure.level()
            ),
        ));
    }
    if !changes {
        if !facts.label.is_clean() || later {
            carried_out(effects, arguments, facts, &mut why);
        }
        return why;
    }
    // What others see, or what cannot be taken back, is judged in every session.
    let reaches_others = effects.writes == Reach::Internet || !effects.egress.is_empty();
    let named = [
        &effects.recipients,
        &effects.egress,
        &effects.objects,
        &effects.attachments,
        &effects.names,
    ];
    let mut crowded = false;
    for argument in named.into_iter().flatten() {
        if let Some(Value::Array(list)) = arguments.get(argument)
            && list.len() > VALUES
        {
            crowded = true;
            why.push(Objection::about(
                "too-many",
                argument,
                format!(
                    "{argument} has {} values, and more than {VALUES} are not looked at",
                    list.len()
                ),
            ));
        }
    }
    if crowded {
        return why;
    }
    let recipients = values(arguments, &effects.recipients);
    let light = !reaches_others
        && effects.undo != Undo::Impossible
        && recipients.is_empty()
        && !effects.costs_money();
    // What is granted for later is done when the session has heard others.
    if light && facts.label.is_clean() && !later {
        return why;
    }
    money(effects, arguments, &mut why);
    for (argument, value) in &recipients {
        check(
            recipient(value, &place(tool, argument, false), facts),
            "new-recipient",
            argument,
            value,
            &mut why,
        );
    }
    carried_out(effects, arguments, facts, &mut why);
    for (argument, value) in values(arguments, &effects.objects) {
        let place = place(tool, &argument, false);
        let spoken =
            || light && word(&value).is_some_and(|id| facts.resolves_as_spoken(&id, &place));
        check(
            object(&value, &place, facts) || spoken(),
            "new-object",
            &argument,
            &value,
            &mut why,
        );
    }
    for (argument, value) in values(arguments, &effects.attachments) {
        check(
            object(&value, &place(tool, &argument, true), facts),
            "new-attachment",
            &argument,
            &value,
            &mut why,
        );
    }
    for (argument, value) in values(arguments, &effects.names) {
        let own = text(&value).is_some_and(|value| {
            facts.names(value, &beside(&argument), false) || facts.holds(value)
        });
        check(own, "new-name", &argument, &value, &mut why);
    }
    content(effects, arguments, facts, &mut why);
    let named = [
        &effects.recipients,
        &effects.egress,
        &effects.objects,
        &effects.names,
    ];
    if named.iter().all(|list| values(arguments, list).is_empty()) {
        // With what is in it: another call of the same tool is another question.
        why.push(Objection::new(
            "nothing-named",
            format!(
                "nothing in it says what it changes or whom it reaches: {}",
                shown(arguments)
            ),
        ));
    }
    let acts = act::acts_of(tool, effects);
    if !facts.message.asks_for(&acts, &effects.asked) {
        why.push(Objection::new(
            "not-asked",
            format!("your message does not ask for {tool}"),
        ));
    }
    why
}

fn money(effects: &Effects, arguments: &Value, why: &mut Vec<Objection>) {
    for argument in &effects.cost {
        let amount = arguments
            .get(argument)
            .map_or("an unknown amount".to_owned(), shown);
        why.push(Objection::about(
            "money",
            argument,
            format!("it costs money: {argument} is {amount}"),
        ));
    }
    if effects.cost.is_empty() && effects.costs_money() {
        why.push(Objection::new(
            "money",
            "it costs money, and does not say how much",
        ));
    }
}

/// Addresses and words that leave the machine as part of a request.
fn carried_out(effects: &Effects, arguments: &Value, facts: &Facts, why: &mut Vec<Objection>) {
    if effects.egress.is_empty()
        && effects.reads == Reach::Internet
        && effects.writes < Reach::Internet
    {
        why.push(Objection::new(
            "leaves-machine",
            "it reads beyond this machine and does not say what leaves it",
        ));
    }
    for (argument, value) in values(arguments, &effects.egress) {
        let own = text(&value).is_some_and(|value| match Address::whole(value) {
            Some(address) => facts.endorses_address(&address),
            None => {
                facts.message.says(value)
                    && addresses(value)
                        .iter()
                        .all(|address| facts.endorses_address(address))
            }
        });
        check(own, "new-address", &argument, &value, why);
    }
}

fn recipient(value: &Value, place: &Place<'_>, facts: &Facts) -> bool {
    let Some(value) = text(value) else {
        return false;
    };
    if let Some(address) = Address::whole(value) {
        return facts.endorses_recipient(&address);
    }
    if addresses(value).is_empty() {
        return facts.names_here(value, &beside(place.argument), true, place)
            || facts.resolves_recipient(value, place);
    }
    // Several addresses in one text, each with or without a name before it.
    value.len() <= SEARCHED
        && value.split([',', ';']).all(|one| {
            mailbox(one.trim_matches(' '))
                .and_then(Address::whole)
                .is_some_and(|address| facts.endorses_recipient(&address))
        })
}

/// The address in `Name <address>`, or the text itself where it has no name.
fn mailbox(text: &str) -> Option<&str> {
    let Some((name, address)) = text.split_once('<') else {
        return Some(text);
    };
    let plain = |char: char| char.is_alphanumeric() || " .'-".contains(char);
    name.chars().all(plain).then_some(())?;
    address.strip_suffix('>')
}

/// A thing that is changed, removed or sent along: by the owner's name for it, or by the id that stands for that name.
fn object(value: &Value, place: &Place<'_>, facts: &Facts) -> bool {
    let one = |value: &Value, place: &Place<'_>| {
        let Some(id) = word(value) else {
            return false;
        };
        match Address::whole(&id) {
            Some(address) => facts.endorses_address(&address) || facts.resolves(&id, place),
            None => {
                facts.resolves(&id, place)
                    || facts.names_here(&id, &beside(place.name()), false, place)
            }
        }
    };
    match value {
        // A reference with its parts: each that is an id or a path must be one of the owner's.
        Value::Object(parts) => {
            let (said, ids): (Vec<_>, Vec<_>) = parts
                .iter()
                .partition(|(key, part)| matches!(key.as_str(), "type" | "kind") && is_kind(part));
            // Of two words for what it is, nobody knows which one the tool reads.
            let told = parts
                .keys()
                .filter(|key| matches!(key.as_str(), "type" | "kind"));
            let told = told.count() < 2;
            let said = said.first().and_then(|(_, part)| part.as_str());
            told && !ids.is_empty()
                && ids.into_iter().all(|(key, part)| {
                    let place = Place {
                        part: Some(key),
                        said,
                        ..*place
                    };
                    one(part, &place)
                })
        }
        value => one(value, place),
    }
}

fn place<'a>(tool: &'a ToolName, argument: &'a str, along: bool) -> Place<'a> {
    Place {
        tool: tool.as_str(),
        argument,
        part: None,
        along,
        said: None,
    }
}

/// A word for what something is, too short to say anything else.
fn is_kind(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_lowercase()))
}

/// Addresses within what may say anything.
fn content(effects: &Effects, arguments: &Value, facts: &Facts, why: &mut Vec<Objection>) {
    let Some(arguments) = arguments.as_object() else {
        return;
    };
    let named = |argument: &String| {
        [
            &effects.recipients,
            &effects.egress,
            &effects.objects,
            &effects.names,
            &effects.attachments,
        ]
        .iter()
        .any(|list| list.contains(argument))
    };
    for (argument, value) in arguments {
        if named(argument) {
            continue;
        }
        let mut texts = Vec::new();
        gather(value, &mut texts);
        for one in texts {
            if one.len() > SEARCHED {
                why.push(Objection::about(
                    "content-too-long",
                    argument,
                    format!("{argument} is too long to be searched for addresses"),
                ));
                continue;
            }
            for address in addresses(one) {
                if !facts.endorses_address(&address) {
                    why.push(Objection::about(
                        "content-address",
                        argument,
                        format!(
                            "{argument} holds {}, which you did not name",
                            crop(address.as_str())
                        ),
                    ));
                }
            }
        }
    }
}

fn gather<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => into.push(text),
        Value::Array(list) => list.iter().for_each(|value| gather(value, into)),
        Value::Object(object) => {
            for (key, value) in object {
                into.push(key);
                gather(value, into);
            }
        }
        _ => {}
    }
}

fn check(own: bool, code: &'static str, argument: &str, value: &Value, why: &mut Vec<Objection>) {
    if !own {
        why.push(Objection::about(
            code,
            argument,
            format!("{argument} is {}, which you did not name", shown(value)),
        ));
    }
}

/// The values of these arguments, one by one: a list counts as each of its parts. Empty ones name nothing.
pub(crate) fn values(arguments: &Value, names: &[String]) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for name in names {
        match arguments.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if text.is_empty() => {}
            Some(Value::Array(list)) => {
                all.extend(list.iter().map(|value| (name.clone(), value.clone())));
            }
            Some(value) => all.push((name.clone(), value.clone())),
        }
    }
    all
}

fn text(value: &Value) -> Option<&str> {
    value.as_str()
}

fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Words for what an argument is: `file_id` is a file, `channels` are channels.
fn beside(argument: &str) -> Vec<&str> {
    argument
        .split(|char: char| !char.is_alphanumeric())
        .flat_map(|part| [part, part.strip_suffix('s').unwrap_or(part)])
        .filter(|part| part.len() > 2)
        .collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{:?}", crop(text)),
        value => crop(&value.to_string()),
    }
}

fn crop(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    let mut cropped: String = text.chars().take(SHOWN).collect();
    cropped.push('…');
    cropped
}
