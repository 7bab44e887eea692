//! How much a session has read and touched: a number with its causes. It only grows, and from a
//! threshold of the owner's on every effect is asked about.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// From this on everything with an effect is asked about, where the configuration says nothing else.
pub const ASK_FROM: u32 = 100;

/// The most causes that are kept apart.
const CAUSES: usize = 64;

/// The name of [`Cause::Suspected`].
const SUSPECTED: &str = "words that look like orders to the assistant";

/// The exposure of one session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exposure {
    causes: BTreeMap<String, u32>,
}

/// What adds to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause<'a> {
    /// Words of others, through this tool.
    Untrusted(&'a str),
    /// Private data of this category.
    Private(&'a str),
    /// A person said no.
    Denied,
    /// A secret where none should be.
    Alarm,
    /// Words of others that look like orders, or that nobody could look at.
    Suspected,
}

impl Exposure {
    /// The number.
    pub fn level(&self) -> u32 {
        self.causes
            .values()
            .fold(0, |all, one| all.saturating_add(*one))
    }

    /// What it comes from, the greatest first.
    pub fn causes(&self) -> Vec<(&str, u32)> {
        let mut all: Vec<_> = self
            .causes
            .iter()
            .map(|(cause, points)| (cause.as_str(), *points))
            .collect();
        all.sort_by_key(|(_, points)| std::cmp::Reverse(*points));
        all
    }

    /// Whether words of others were met that look like orders.
    pub(crate) fn is_suspected(&self) -> bool {
        self.causes.contains_key(SUSPECTED)
    }

    /// Adds a cause. Reading counts once for each source, refusals and alarms each time.
    pub fn add(&mut self, cause: &Cause<'_>) {
        let (name, points, each) = match cause {
            Cause::Untrusted(tool) => (format!("words of others, by {tool}"), 5, false),
            Cause::Private(category) => (format!("private data: {category}"), 5, false),
            Cause::Denied => ("you said no".to_owned(), 10, true),
            Cause::Alarm => ("a secret where none should be".to_owned(), 50, true),
            Cause::Suspected => (SUSPECTED.to_owned(), 50, false),
        };
        if self.causes.len() >= CAUSES && !self.causes.contains_key(&name) && name != SUSPECTED {
            // What is not kept apart still counts.
            let rest = self.causes.entry("others".to_owned()).or_default();
            *rest = rest.saturating_add(points);
            return;
        }
        let held = self.causes.entry(name).or_default();
        *held = if each {
            held.saturating_add(points)
        } else {
            points
        };
    }
}
