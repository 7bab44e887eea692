//! The owner's rules, and the model that judges those that are not compiled.
//!
//! Judgements rest on the conditions of a compiled rule, and on the words of any other. Two conditions are
//! not compared: whatever is different counts as wider, and both are shown. What has no effect at all (it
//! changes nothing, leaves nothing and looks at nothing private) is left out of account where rules that
//! cannot be judged ask about everything else.

use super::line::{beside, listed, quoted, safe};
use super::{Change, Direction, Kind};
use crate::rules::{Mode, Rule, RuleId, Rules, Standing};
use carapace_contract::config::{JUDGE_OFF, Policy};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Characters of a rule's words, of two wordings beside each other, and of names that are shown.
const WORDS: usize = 200;
const BESIDE: usize = 110;
const NAME: usize = 60;
/// Characters of conditions that are shown alone.
const CONDITIONS: usize = 240;
/// The most rules that one sentence names.
const NAMED: usize = 8;

/// The rules as they are written, and who judges those that are only words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Ruled {
    written: Written,
    /// `off`, `session`, a route or a model.
    judge: String,
}

/// What `rules.yaml` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Written {
    /// These rules.
    Rules(BTreeMap<RuleId, Rule>),
    /// Nobody knows: why.
    Unreadable(String),
}

impl Ruled {
    pub(super) fn of(rules: &Rules, policy: &Policy) -> Self {
        let written = match rules.fault() {
            Some(fault) => Written::Unreadable(safe(fault, WORDS)),
            None => Written::Rules(
                rules
                    .iter()
                    .map(|rule| (rule.id.clone(), rule.clone()))
                    .collect(),
            ),
        };
        Self {
            written,
            judge: policy.judge_route.clone(),
        }
    }

    /// True where every rule is one, and stands under its own name.
    pub(super) fn is_sound(&self) -> bool {
        match &self.written {
            Written::Unreadable(_) => true,
            Written::Rules(rules) => rules
                .iter()
                .all(|(id, rule)| *id == rule.id && rule.check().is_ok()),
        }
    }
}

pub(super) fn compare(before: &Ruled, after: &Ruled, all: &mut Vec<Change>) {
    judge(&before.judge, &after.judge, all);
    match (&before.written, &after.written) {
        (Written::Rules(before), Written::Rules(after)) => each(before, after, all),
        (Written::Rules(before), Written::Unreadable(why)) => lost(before, why, all),
        (Written::Unreadable(_), Written::Rules(after)) => found(after, all),
        (Written::Unreadable(before), Written::Unreadable(after)) => {
            if before != after {
                let text = format!(
                    "your rules still cannot be read, for another cause: {}",
                    quoted(after, WORDS)
                );
                all.push(change(Direction::Other, &text));
            }
        }
    }
}

fn change(direction: Direction, text: &str) -> Change {
    Change::new(direction, Kind::Rule, text)
}

fn judge(before: &str, after: &str, all: &mut Vec<Change>) {
    let (direction, text) = match (before, after) {
        _ if before == after => return,
        (_, JUDGE_OFF) => (
            Direction::Narrower,
            "no model judges rules that are not compiled any more: they ask about everything with an effect"
                .to_owned(),
        ),
        (JUDGE_OFF, _) => (
            Direction::Wider,
            format!(
                "rules that are not compiled are judged by a model now ({}): what it says they do not mean passes them",
                quoted(after, NAME)
            ),
        ),
        _ => (
            Direction::Wider,
            format!(
                "rules that are not compiled are judged by another model now: {} (before: {})",
                quoted(after, NAME),
                quoted(before, NAME)
            ),
        ),
    };
    all.push(change(direction, &text));
}

type ById = BTreeMap<RuleId, Rule>;

fn each(before: &ById, after: &ById, all: &mut Vec<Change>) {
    for (id, rule) in after {
        match before.get(id) {
            Some(known) => changed(known, rule, all),
            None => {
                let text = format!("your rule {id} is new: it {} {}", does(rule), words(rule));
                all.push(change(Direction::Narrower, &text));
            }
        }
    }
    for (id, rule) in before {
        if !after.contains_key(id) {
            let text = format!(
                "your rule {id} is gone: nothing of yours {} {} any more",
                does(rule),
                words(rule)
            );
            all.push(change(Direction::Wider, &text));
        }
    }
}

fn changed(before: &Rule, after: &Rule, all: &mut Vec<Change>) {
    if before == after {
        return;
    }
    let id = &after.id;
    let known = all.len();
    let mut push = |direction, text: String| all.push(change(direction, &text));
    match (before.mode, after.mode) {
        (Mode::Block, Mode::Approve) => push(
            Direction::Wider,
            format!(
                "your rule {id} blocks no more, it only asks about {}",
                words(after)
            ),
        ),
        (Mode::Approve, Mode::Block) => push(
            Direction::Narrower,
            format!("your rule {id} asks no more, it blocks {}", words(after)),
        ),
        _ => {}
    }
    match (before.compiled(), after.compiled()) {
        (Some(old), Some(new)) if old != new => {
            let (now, then) = beside(&new.in_words(), &old.in_words(), BESIDE);
            push(
                Direction::Wider,
                format!(
                    "your rule {id} has other conditions, and may apply to less: now {now}; before {then}"
                ),
            );
        }
        (Some(_), None) => {
            let why = match after.standing() {
                Standing::Changed => "its words were changed",
                Standing::Compiled | Standing::Uncompiled => "it has no conditions",
            };
            push(
                Direction::Narrower,
                format!(
                    "your rule {id} is not compiled any more, as {why}: where no model judges it, it asks about everything with an effect"
                ),
            );
            let sure = match before.mode {
                Mode::Block => "blocked",
                Mode::Approve => "asked about",
            };
            let said = if meaning(before) == meaning(after) {
                words(after)
            } else {
                let (now, then) = beside(&both(after), &both(before), BESIDE);
                format!("now {now}; before {then}")
            };
            push(
                Direction::Wider,
                format!(
                    "what your rule {id} {sure} by its conditions is now for a model or your answer to decide: {said}"
                ),
            );
        }
        (None, Some(new)) => {
            push(
                Direction::Wider,
                format!(
                    "your rule {id} is compiled now and asks about nothing but what its conditions say: {}",
                    quoted(&new.in_words(), CONDITIONS)
                ),
            );
            push(
                Direction::Narrower,
                format!("your rule {id} needs no model any more: its conditions decide"),
            );
        }
        (None, None) if meaning(before) != meaning(after) => {
            let (now, then) = beside(&both(after), &both(before), BESIDE);
            push(
                Direction::Wider,
                format!(
                    "your rule {id} says something else, and may apply to less: now {now}; before {then}"
                ),
            );
        }
        _ => {}
    }
    if all.len() == known {
        let text = format!("your rule {id} is written otherwise, and decides as before");
        all.push(change(Direction::Other, &text));
    }
}

/// The rules cannot be read any more.
fn lost(before: &ById, why: &str, all: &mut Vec<Change>) {
    let text = format!(
        "your rules cannot be read, so everything with an effect is asked about: {}",
        quoted(why, WORDS)
    );
    all.push(change(Direction::Narrower, &text));
    let blocking = named(before, |rule| rule.mode == Mode::Block);
    if !blocking.is_empty() {
        let text = format!("what your rules blocked is only asked about now: {blocking}");
        all.push(change(Direction::Wider, &text));
    }
}

/// The rules can be read again. What was before they could not is not known here: all are named.
fn found(after: &ById, all: &mut Vec<Change>) {
    let text = if after.is_empty() {
        "your rules can be read again: there is none, so none asks about anything".to_owned()
    } else {
        format!(
            "your rules can be read again, and of what has an effect only what they say asks: {}",
            named(after, |_| true)
        )
    };
    all.push(change(Direction::Wider, &text));
    let blocking = named(after, |rule| rule.mode == Mode::Block);
    if !blocking.is_empty() {
        let text = format!("what these rules of yours say is blocked again: {blocking}");
        all.push(change(Direction::Narrower, &text));
    }
}

fn named(rules: &ById, which: impl Fn(&Rule) -> bool) -> String {
    let ids: Vec<String> = rules
        .values()
        .filter(|rule| which(rule))
        .map(|rule| rule.id.to_string())
        .collect();
    listed(&ids, NAMED)
}

fn does(rule: &Rule) -> &'static str {
    match rule.mode {
        Mode::Approve => "asks about",
        Mode::Block => "blocks",
    }
}

/// What a rule restricts, in the owner's words.
fn words(rule: &Rule) -> String {
    quoted(&rule.effect, WORDS)
}

fn both(rule: &Rule) -> String {
    format!("{}: {}", rule.trigger.trim(), rule.effect.trim())
}

/// What a model is told of a rule that is not compiled.
fn meaning(rule: &Rule) -> (&str, &str) {
    (rule.trigger.trim(), rule.effect.trim())
}
