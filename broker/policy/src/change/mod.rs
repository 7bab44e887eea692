//! What a change of the owner's choices makes newly possible, in words: tools, grants, rules, contacts, pages,
//! exposure, model providers. Two snapshots are compared: what judgements rested on before, and what they
//! rest on now.
//!
//! A change counts as wider unless it certainly is not: where two states cannot be compared, both are told.
//! Where one change takes away and gives, it is told as two. What a tool declares is what it may do and what
//! is checked of it: less declared is less checked, more declared is more that it may do, so both are wider.
//!
//! Here is nothing that belongs to one session (its label, its task grants, which rules it armed), no time
//! limit, price or budget, and nothing about how the network is reached. Nothing here reads a file or judges
//! a call.

mod contact;
mod effects;
mod exposure;
mod grant;
mod line;
mod provider;
mod rule;
mod snapshot;
mod tool;
mod web;

pub use line::MAX_TEXT;
pub use snapshot::{Always, MAX_BYTES, Parts, Snapshot, SnapshotError, VERSION};

use serde::Serialize;

/// The most changes that are told one by one; of more, their number is told.
pub const MAX_CHANGES: usize = 200;

/// Whether more is possible after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// More is possible, or more passes without a question, or nobody can tell.
    Wider,
    /// Less is.
    Narrower,
    /// Nothing that is judged changes.
    Other,
}

impl Direction {
    /// Stable, kebab-case.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Wider => "wider",
            Direction::Narrower => "narrower",
            Direction::Other => "other",
        }
    }
}

/// What a change is about. Kinds of which there are few come first, so that many of another kind do not
/// crowd them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// From when on everything is asked about.
    Exposure,
    /// Which pages may be read.
    Web,
    /// Which models are asked, and what they may see.
    Provider,
    /// The owner's rules.
    Rule,
    /// What passes without a question.
    Grant,
    /// What the assistant can use.
    Tool,
    /// Whom the owner knows.
    Contact,
}

impl Kind {
    /// Stable, kebab-case.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Exposure => "exposure",
            Kind::Web => "web",
            Kind::Provider => "provider",
            Kind::Rule => "rule",
            Kind::Grant => "grant",
            Kind::Tool => "tool",
            Kind::Contact => "contact",
        }
    }
}

/// One thing that is different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Whether more is possible.
    pub direction: Direction,
    /// What it is about.
    pub what: Kind,
    /// One sentence: one line of at most [`MAX_TEXT`] characters, nothing hidden in it.
    pub text: String,
}

impl Change {
    fn new(direction: Direction, what: Kind, text: &str) -> Self {
        Self {
            direction,
            what,
            text: line::safe(text, MAX_TEXT),
        }
    }
}

impl Snapshot {
    /// What is different in `newer`, what became possible first. At most [`MAX_CHANGES`], and one more that
    /// says how many there are besides.
    pub fn changes(&self, newer: &Snapshot) -> Vec<Change> {
        let mut all = Vec::new();
        exposure::compare(&self.exposure, &newer.exposure, &mut all);
        web::compare(&self.web, &newer.web, &mut all);
        provider::compare(&self.models, &newer.models, &mut all);
        rule::compare(&self.rules, &newer.rules, &mut all);
        grant::compare(&self.grants, &newer.grants, &newer.tools, &mut all);
        tool::compare(&self.tools, &newer.tools, &newer.grants, &mut all);
        contact::compare(&self.contacts, &newer.contacts, &mut all);
        all.sort_by_key(|change| (change.direction, change.what));
        shortened(all)
    }
}

fn shortened(mut all: Vec<Change>) -> Vec<Change> {
    if all.len() <= MAX_CHANGES {
        return all;
    }
    let rest = all.split_off(MAX_CHANGES);
    let wider = rest
        .iter()
        .filter(|change| change.direction == Direction::Wider)
        .count();
    let text = match wider {
        0 => format!(
            "and {} more changes, none of which makes more possible",
            rest.len()
        ),
        _ => format!(
            "and {} more changes, {wider} of which make more possible",
            rest.len()
        ),
    };
    // They are in order: the first of the rest is the one that matters most.
    let first = &rest[0];
    all.push(Change::new(first.direction, first.what, &text));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(direction: Direction, count: usize) -> Vec<Change> {
        vec![Change::new(direction, Kind::Contact, "x"); count]
    }

    #[test]
    fn what_is_not_told_one_by_one_is_counted() {
        assert_eq!(shortened(some(Direction::Wider, 200)).len(), 200);
        let told = shortened([some(Direction::Wider, 203), some(Direction::Other, 4)].concat());
        assert_eq!(told.len(), 201);
        let last = told.last().unwrap();
        assert_eq!(last.direction, Direction::Wider);
        assert_eq!(
            last.text,
            "and 7 more changes, 3 of which make more possible"
        );
        let told = shortened([some(Direction::Wider, 200), some(Direction::Narrower, 1)].concat());
        assert_eq!(told[200].direction, Direction::Narrower);
    }
}
