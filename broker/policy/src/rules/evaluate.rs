//! Whether a condition holds. Three answers: what cannot be told counts as if the rule applied, also
//! beneath a `not`. No clock, no I/O, no model.

use super::condition::{Argument, Condition, Recipient};
use super::endorsement;
use super::glob::Glob;
use crate::act;
use crate::facts::Facts;
use crate::floor::values;
use crate::token::{Address, SEARCHED, addresses};
use carapace_contract::effects::{Effects, Reach};
use carapace_contract::id::ToolName;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest value that is compared with a pattern, in bytes.
const LONGEST: usize = 256 * 1024;
/// The longest path that a file system takes, in bytes.
const PATH: usize = 4096;
/// The most single values of an argument that are looked at.
const VALUES: usize = 10_000;
/// How deeply within an argument values are looked for.
const DEPTH: usize = 64;
/// The most tools of a session that are remembered.
const TOOLS: usize = 512;

/// One operation that is judged, and what is known about its session.
#[derive(Debug, Clone, Copy)]
pub struct Operation<'a> {
    /// The tool.
    pub tool: &'a ToolName,
    /// What it declares.
    pub effects: &'a Effects,
    /// An object.
    pub arguments: &'a Value,
    /// The session.
    pub facts: &'a Facts,
}

/// What was done in a session before, as far as triggers ask: which tools, and what those declare.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    tools: Vec<(ToolName, Effects)>,
    /// True where more were used than are remembered.
    more: bool,
}

impl History {
    /// A result of this tool was delivered into the session. True where that was new.
    pub fn used(&mut self, tool: &ToolName, effects: &Effects) -> bool {
        let known = self
            .tools
            .iter()
            .any(|(name, declared)| name == tool && declared == effects);
        if known {
            return false;
        }
        if self.tools.len() >= TOOLS {
            return !std::mem::replace(&mut self.more, true);
        }
        self.tools.push((tool.clone(), effects.clone()));
        true
    }
}

/// An answer to whether something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    /// It does not.
    No,
    /// It cannot be told.
    Unclear,
    /// It does.
    Yes,
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Truth::Yes } else { Truth::No }
    }
}

impl Truth {
    fn reversed(self) -> Self {
        match self {
            Truth::No => Truth::Yes,
            Truth::Unclear => Truth::Unclear,
            Truth::Yes => Truth::No,
        }
    }
}

/// What a condition is asked about.
pub(super) struct Scene<'a> {
    facts: Option<&'a Facts>,
    history: Option<&'a History>,
    declared: Option<(&'a ToolName, &'a Effects)>,
    operation: Option<&'a Operation<'a>>,
}

impl<'a> Scene<'a> {
    /// An operation that is about to be done.
    pub(super) fn of(operation: &'a Operation<'a>) -> Self {
        Self {
            facts: Some(operation.facts),
            history: None,
            declared: Some((operation.tool, operation.effects)),
            operation: Some(operation),
        }
    }

    /// A session after something was delivered into it.
    pub(super) fn session(facts: &'a Facts, history: &'a History) -> Self {
        Self {
            facts: Some(facts),
            history: Some(history),
            declared: None,
            operation: None,
        }
    }

    fn past(tool: &'a ToolName, effects: &'a Effects) -> Self {
        Self {
            facts: None,
            history: None,
            declared: Some((tool, effects)),
            operation: None,
        }
    }

    /// Whether a condition holds here. What a scene does not have cannot be told.
    pub(super) fn holds(&self, condition: &Condition) -> Truth {
        match condition {
            Condition::All(list) => self.over(list, Truth::No, Truth::min),
            Condition::Any(list) => self.over(list, Truth::Yes, Truth::max),
            Condition::Not(one) => self.holds(one).reversed(),
            Condition::Used(one) => self.used(one),
            Condition::Integrity(_)
            | Condition::Private(_)
            | Condition::Secret(_)
            | Condition::Exposure(_) => self
                .facts
                .map_or(Truth::Unclear, |facts| seen(condition, facts)),
            Condition::New(_)
            | Condition::Asked(_)
            | Condition::Recipient(_)
            | Condition::Argument(_) => self
                .operation
                .map_or(Truth::Unclear, |operation| said(condition, operation)),
            _ => self.declared.map_or(Truth::Unclear, |(tool, effects)| {
                declares(condition, tool, effects)
            }),
        }
    }

    /// All of a list together, as far as it takes to come to `last`. Of none it cannot be told.
    fn over(&self, list: &[Condition], last: Truth, join: impl Fn(Truth, Truth) -> Truth) -> Truth {
        let mut all: Option<Truth> = None;
        for one in list {
            let truth = self.holds(one);
            let joined = all.map_or(truth, |all| join(all, truth));
            if joined == last {
                return last;
            }
            all = Some(joined);
        }
        all.unwrap_or(Truth::Unclear)
    }

    fn used(&self, condition: &Condition) -> Truth {
        let Some(history) = self.history else {
            return Truth::Unclear;
        };
        let least = if history.more {
            Truth::Unclear
        } else {
            Truth::No
        };
        history
            .tools
            .iter()
            .map(|(tool, effects)| Scene::past(tool, effects).holds(condition))
            .fold(least, Truth::max)
    }
}

/// What the session has seen.
fn seen(condition: &Condition, facts: &Facts) -> Truth {
    let label = facts.label();
    match condition {
        Condition::Integrity(least) => label.integrity >= *least,
        Condition::Private(glob) => label
            .private
            .iter()
            .any(|category| glob.fits(category.as_str())),
        Condition::Secret(wanted) => label.secret == *wanted,
        Condition::Exposure(least) => facts.exposure().level() >= *least,
        _ => return Truth::Unclear,
    }
    .into()
}

/// What the tool declares.
fn declares(condition: &Condition, tool: &ToolName, effects: &Effects) -> Truth {
    match condition {
        Condition::Tool(glob) => glob.fits(tool.as_str()),
        Condition::Act(wanted) => act::acts_of(tool, effects).contains(wanted),
        Condition::Reads(least) => effects.reads >= *least,
        Condition::Writes(least) => effects.writes >= *least,
        Condition::Undo(least) => effects.undo >= *least,
        Condition::LeavesMachine(wanted) => effects.leaves_machine() == *wanted,
        Condition::Cost(wanted) => effects.costs_money() == *wanted,
        Condition::Returns(glob) => effects
            .data
            .iter()
            .any(|category| glob.fits(category.as_str())),
        _ => return Truth::Unclear,
    }
    .into()
}

/// What the operation says.
fn said(condition: &Condition, operation: &Operation<'_>) -> Truth {
    match condition {
        Condition::New(part) => endorsement::is_new(*part, operation),
        Condition::Asked(wanted) => {
            let acts = act::acts_of(operation.tool, operation.effects);
            let message = &operation.facts.message;
            (message.asks_for(&acts, &operation.effects.asked) == *wanted).into()
        }
        Condition::Recipient(test) => recipient(test, operation),
        Condition::Argument(test) => argument(test, operation.arguments),
        _ => Truth::Unclear,
    }
}

fn recipient(test: &Recipient, operation: &Operation<'_>) -> Truth {
    let effects = operation.effects;
    let all = [&effects.recipients, &effects.egress]
        .into_iter()
        .flat_map(|list| values(operation.arguments, list));
    let mut truth = Truth::No;
    let mut any = false;
    for (_, value) in all {
        any = true;
        let one = match &value {
            // Several in one text: which of them is reached, the tool alone knows.
            Value::String(text) if is_several(test, text.trim()) => Truth::Unclear,
            Value::String(text) => {
                let whole = text.trim();
                let text = whole.trim_end_matches('.');
                // Also in the one spelling that addresses are compared in.
                let plain = Address::whole(text);
                let as_written = test.matches.is_some().then_some(whole);
                let forms = [as_written, Some(text), plain.as_ref().map(Address::as_str)];
                forms
                    .into_iter()
                    .flatten()
                    .map(|form| fits(&test.matches, &test.other_than, form))
                    .max()
                    .unwrap_or(Truth::Unclear)
            }
            Value::Number(number) => fits(&test.matches, &test.other_than, &number.to_string()),
            _ => Truth::Unclear,
        };
        truth = truth.max(one);
    }
    let reaches = effects.writes == Reach::Internet || effects.reads == Reach::Internet;
    if !any && reaches {
        // It reaches somebody and does not say whom.
        return Truth::Unclear;
    }
    truth
}

/// Several addresses in one text, or a list. A name of several words is one.
fn is_several(test: &Recipient, text: &str) -> bool {
    let meant = |word: &str| test.matches.as_ref().is_some_and(|glob| glob.fits(word));
    text.contains([',', ';', '<', '>', '\n'])
        || text.contains(char::is_whitespace)
            && (text.len() > SEARCHED
                || text.contains('@')
                || !addresses(text).is_empty()
                || text.split_whitespace().any(meant))
}

fn argument(test: &Argument, arguments: &Value) -> Truth {
    let Some(arguments) = arguments.as_object() else {
        return Truth::Unclear;
    };
    let mut truth = Truth::No;
    let mut left = VALUES;
    for (name, value) in arguments {
        if test.name.fits(name) {
            truth = truth.max(within(test, value, DEPTH, &mut left));
        }
    }
    truth
}

fn within(test: &Argument, value: &Value, depth: usize, left: &mut usize) -> Truth {
    if depth == 0 || *left == 0 {
        return Truth::Unclear;
    }
    *left -= 1;
    match value {
        Value::Null => Truth::No,
        Value::Bool(flag) => one(test, &flag.to_string()),
        Value::Number(number) => one(test, &number.to_string()),
        Value::String(text) => one(test, text),
        Value::Array(list) => list
            .iter()
            .map(|part| within(test, part, depth - 1, left))
            .fold(Truth::No, Truth::max),
        Value::Object(object) => object
            .values()
            .map(|part| within(test, part, depth - 1, left))
            .fold(Truth::No, Truth::max),
    }
}

fn one(test: &Argument, text: &str) -> Truth {
    if let Some(folder) = &test.under {
        return is_under(text, folder);
    }
    if let Some(limit) = test.more_than {
        return match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => (number > limit).into(),
            // "12 EUR", "1e999": some number, but which?
            _ => Truth::Unclear,
        };
    }
    fits(&test.matches, &test.other_than, text)
}

fn fits(matches: &Option<Glob>, other_than: &Option<Glob>, text: &str) -> Truth {
    if text.len() > LONGEST {
        return Truth::Unclear;
    }
    match (matches, other_than) {
        (Some(glob), _) => glob.fits(text).into(),
        (None, Some(glob)) => (!glob.fits(text)).into(),
        (None, None) => Truth::Unclear,
    }
}

/// Whether a path leads to or into a folder of this name, by its words. Where it leads up again, only the
/// file system knows.
fn is_under(path: &str, folder: &str) -> Truth {
    if path.len() > LONGEST {
        return Truth::Unclear;
    }
    let lower = |text: &str| text.to_lowercase();
    let parts: Vec<String> = path
        .trim()
        .split(['/', '\\'])
        .filter(|part| !part.is_empty() && *part != ".")
        .map(lower)
        .collect();
    let wanted: Vec<String> = folder.split('/').map(lower).collect();
    if parts.windows(wanted.len()).any(|run| run == wanted) {
        return Truth::Yes;
    }
    if parts.iter().any(|part| part == "..") {
        return Truth::Unclear;
    }
    // A text of several words is none, however long. What else a tool makes of so long a path, nobody knows.
    if path.len() > PATH && !path.contains(char::is_whitespace) {
        return Truth::Unclear;
    }
    Truth::No
}
