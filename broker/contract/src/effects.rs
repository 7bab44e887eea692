//! What a tool does to the world, as data. The floor decides from this and the labels; a tool
//! that declares nothing has the worst case.

use serde::{Deserialize, Serialize};

/// How far something reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Nothing at all.
    None,
    /// The session's own workspace and cage.
    Workspace,
    /// The owner's private data or the broker's own store.
    Private,
    /// Anything beyond this machine.
    Internet,
}

/// Whether what was done can be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undo {
    /// Nothing changed.
    Nothing,
    /// The previous state can be restored.
    Possible,
    /// It cannot.
    Impossible,
}

/// The declared effects of one tool.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Effects {
    /// Where it takes data from.
    pub reads: Reach,
    /// Where it puts data.
    pub writes: Reach,
    /// Arguments whose value leaves the machine.
    #[serde(default)]
    pub egress: Vec<String>,
    /// Arguments that name a recipient.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// Whether it can be undone.
    pub undo: Undo,
    /// Whether the same call may be made again after an interruption without doing anything twice.
    pub idempotent: bool,
}

impl Effects {
    /// What holds for a tool that declares nothing.
    pub fn worst_case() -> Self {
        Self {
            reads: Reach::Internet,
            writes: Reach::Internet,
            egress: Vec::new(),
            recipients: Vec::new(),
            undo: Undo::Impossible,
            idempotent: false,
        }
    }

    /// True where the record must be on disk before the effect (invariant I9): anything that
    /// changes something, or that leaves the machine.
    pub fn is_outward(&self) -> bool {
        self.writes > Reach::None || self.reads == Reach::Internet || !self.egress.is_empty()
    }
}
