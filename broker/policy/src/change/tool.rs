//! What the assistant can use, and what each tool declares.

use super::effects::{difference, in_words, passes};
use super::grant::Grants;
use super::line::{fitted, listed};
use super::{Change, Direction, Kind};
use carapace_contract::effects::Effects;
use carapace_contract::id::{Digest, ToolName};
use carapace_contract::tool;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most parts of a declaration that one sentence tells.
const PARTS: usize = 5;

/// All tools.
pub(super) type Tools = BTreeMap<ToolName, Tool>;

/// One tool, as far as judgements and grants rest on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Tool {
    effects: Effects,
    place: Place,
    /// Of its schema.
    arguments: Digest,
    /// Of everything that a person relied on.
    manifest: Digest,
}

/// Where its work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Place {
    Hands,
    Broker,
    Network,
    Quarantine,
}

impl Tool {
    fn of(tool: &tool::Tool) -> Self {
        // JSON always serialises.
        let schema = serde_json_canonicalizer::to_vec(&tool.schema).expect("JSON serialises");
        Self {
            effects: tool.effects.clone(),
            place: match tool.place {
                tool::Place::Hands => Place::Hands,
                tool::Place::Broker => Place::Broker,
                tool::Place::Network => Place::Network,
                tool::Place::Quarantine => Place::Quarantine,
            },
            arguments: Digest::of(&schema),
            manifest: tool.manifest_digest(),
        }
    }

    /// What it declares.
    pub(super) fn effects(&self) -> &Effects {
        &self.effects
    }
}

pub(super) fn of<'a>(tools: impl IntoIterator<Item = &'a tool::Tool>) -> Tools {
    tools
        .into_iter()
        .map(|tool| (tool.name.clone(), Tool::of(tool)))
        .collect()
}

impl Place {
    fn in_words(self) -> &'static str {
        match self {
            Place::Hands => "in the session's cage",
            Place::Broker => "in the broker",
            Place::Network => "by the broker's sender",
            Place::Quarantine => "by a reader of its own",
        }
    }
}

/// `granted` is what passes without a question afterwards.
pub(super) fn compare(before: &Tools, after: &Tools, granted: &Grants, all: &mut Vec<Change>) {
    for (name, tool) in after {
        match before.get(name) {
            None => all.push(added(name, tool, granted)),
            Some(known) => changed(name, known, tool, all),
        }
    }
    for name in before.keys().filter(|name| !after.contains_key(name)) {
        let text = format!("the assistant can no longer use {name}");
        all.push(Change::new(Direction::Narrower, Kind::Tool, &text));
    }
}

fn added(name: &ToolName, tool: &Tool, granted: &Grants) -> Change {
    let tail = if granted.has_whole(name) {
        let (which, how) = passes(&tool.effects);
        format!("; every call of it{which} {how}")
    } else {
        "; each call is asked about unless a grant covers it".to_owned()
    };
    let head = format!("the assistant can now use {name}, which ");
    let text = fitted(&head, &in_words(&tool.effects), &tail);
    Change::new(Direction::Wider, Kind::Tool, &text)
}

fn changed(name: &ToolName, before: &Tool, after: &Tool, all: &mut Vec<Change>) {
    if before == after {
        return;
    }
    let known = all.len();
    let mut push = |direction, text: &str| all.push(Change::new(direction, Kind::Tool, text));
    let found = difference(&before.effects, &after.effects);
    for (direction, verb, parts, tail) in [
        (
            Direction::Wider,
            "declares no more",
            found.less,
            "it is checked less",
        ),
        (
            Direction::Wider,
            "declares now",
            found.more,
            "it may do so where a grant or your answer lets it",
        ),
        (
            Direction::Wider,
            "declares now",
            found.looser,
            "it is treated less strictly",
        ),
        (
            Direction::Narrower,
            "declares no more",
            found.stricter,
            "it is treated more strictly",
        ),
    ] {
        if !parts.is_empty() {
            let head = format!("{name} {verb} that ");
            let text = fitted(&head, &listed(&parts, PARTS), &format!(": {tail}"));
            push(direction, &text);
        }
    }
    if before.place != after.place {
        let text = format!(
            "{name} does its work {} now (before: {})",
            after.place.in_words(),
            before.place.in_words()
        );
        push(Direction::Wider, &text);
    }
    if before.arguments != after.arguments {
        let text =
            format!("{name} takes other arguments than before, which may say what they could not");
        push(Direction::Wider, &text);
    }
    if all.len() == known {
        let text = format!("{name} is described in other words, or lists the same otherwise");
        all.push(Change::new(Direction::Other, Kind::Tool, &text));
    }
}
