//! What the rules are to one session: which are armed, and which a person disabled in it.

use super::rule::RuleId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The most ids that are remembered of each kind: more than there can be rules.
const IDS: usize = 1024;

/// The state of the rules in a session. Arming is sticky: nothing takes it back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Armed {
    #[serde(default)]
    armed: BTreeSet<RuleId>,
    #[serde(default)]
    disabled: BTreeSet<RuleId>,
}

impl Armed {
    /// True where it is armed, and not by being always so.
    pub fn is_armed(&self, id: &RuleId) -> bool {
        self.armed.contains(id)
    }

    /// True where a person disabled it for this session.
    pub fn is_disabled(&self, id: &RuleId) -> bool {
        self.disabled.contains(id)
    }

    /// The armed ones, by id.
    pub fn armed(&self) -> impl Iterator<Item = &RuleId> {
        self.armed.iter()
    }

    /// Arms a rule. False where it was armed.
    pub fn arm(&mut self, id: RuleId) -> bool {
        self.armed.insert(id)
    }

    /// Disables a rule for this session; to be called for a person only, and for a rule that there is.
    /// False where it was disabled, or where there are too many.
    pub fn disable(&mut self, id: RuleId) -> bool {
        self.disabled.len() < IDS && self.disabled.insert(id)
    }

    /// Takes a disabling back. A rule that was armed meanwhile is armed. False where it was not disabled.
    pub fn enable(&mut self, id: &RuleId) -> bool {
        self.disabled.remove(id)
    }
}
