//! What a tool does to the world, as data. The floor decides from this and the labels; a tool
//! that declares nothing has the worst case.

use crate::label::Category;
use serde::{Deserialize, Serialize};

/// How far something reaches.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Nothing at all.
    #[default]
    None,
    /// The session's own workspace and cage.
    Workspace,
    /// The owner's private data or the broker's own store. Nobody else is told.
    Private,
    /// Anything beyond this machine and the owner: other people, sites, services.
    Internet,
}

/// Whether what was done can be taken back.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Undo {
    /// Nothing changed.
    #[default]
    Nothing,
    /// The previous state can be restored.
    Possible,
    /// It cannot.
    Impossible,
}

/// What a person would ask for, to have such a tool used. The words of each are the floor's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// A message to somebody: send, write, reply, forward, tell.
    Send,
    /// Something where many see it: post, publish, upload.
    Publish,
    /// Access of others: share, give, grant.
    Share,
    /// Somebody joins: invite, add, include.
    Invite,
    /// Something new: create, make, add, save.
    Create,
    /// Something that is there becomes different: change, update, move, rename.
    Change,
    /// Something goes: delete, remove, cancel, clear.
    Delete,
    /// Money: pay, transfer, buy, refund.
    Pay,
    /// A place or a time: book, reserve, schedule.
    Book,
    /// A program: run, execute, install, start.
    Run,
}

/// Fields of a tool's result that tell which thing is meant: where a row's `name` is what the owner
/// named, the row's `value` is that thing's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Identifies {
    /// The field a person names it by: `filename`, `title`, `name`.
    pub name: String,
    /// The field that other tools take: `id`, `email`.
    pub value: String,
    /// For which arguments an id of these rows holds: names of arguments (`file_id`), or words for
    /// kinds of things (`file`). Where it is empty, the names of the fields and of the tool tell the kind.
    #[serde(default, rename = "for", skip_serializing_if = "Vec::is_empty")]
    pub holds_for: Vec<String>,
}

/// The declared effects of one tool. Arguments are named by their key at the top level. Whatever is not
/// named in any list is content: it may say anything, but the addresses in it are looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Effects {
    /// Where it takes data from.
    pub reads: Reach,
    /// Where it puts data.
    pub writes: Reach,
    /// Arguments that leave the machine as the address or the words of a request: `url`, `query`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<String>,
    /// Arguments that name a recipient or a member: people, channels, accounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<String>,
    /// Arguments that say which existing thing is changed or removed: an id, a path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<String>,
    /// Arguments that name what is newly made: a file name, a title.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Arguments that refer to things which are sent along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<String>,
    /// Arguments that are an amount of money.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cost: Vec<String>,
    /// What a person asks for when they want this. Where it is empty, the tool's name tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acts: Vec<Act>,
    /// Further words a person may use for it, in any language.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<String>,
    /// The categories of private data in its result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<Category>,
    /// True where nobody but the owner and this system wrote what it returns.
    #[serde(default, skip_serializing_if = "is_false")]
    pub trusted: bool,
    /// How its result tells which thing is meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identifies: Vec<Identifies>,
    /// Whether it can be undone.
    pub undo: Undo,
    /// Whether the same call may be made again after an interruption without doing anything twice.
    #[serde(default)]
    pub idempotent: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Effects {
    /// What holds for a tool that declares nothing.
    pub fn worst_case() -> Self {
        Self {
            reads: Reach::Internet,
            writes: Reach::Internet,
            undo: Undo::Impossible,
            ..Self::default()
        }
    }

    /// True where the record must be on disk before the effect (invariant I9): anything that
    /// changes something, or that leaves the machine.
    pub fn is_outward(&self) -> bool {
        self.writes > Reach::None || self.reads == Reach::Internet || !self.egress.is_empty()
    }

    /// True where anything of it leaves this machine: what it reads, what it changes, or an argument.
    pub fn leaves_machine(&self) -> bool {
        self.reads == Reach::Internet || self.writes == Reach::Internet || !self.egress.is_empty()
    }

    /// True where it costs money: an argument is an amount, or paying is what it is for.
    pub fn costs_money(&self) -> bool {
        !self.cost.is_empty() || self.acts.contains(&Act::Pay)
    }

    /// Whether its result may hold words of people who are not the owner.
    pub fn is_untrusted(&self) -> bool {
        !self.trusted && self.reads > Reach::None
    }
}
