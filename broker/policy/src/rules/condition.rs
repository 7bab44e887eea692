//! Conditions: small readable data that says when a rule is armed and what it applies to. Each is one key
//! with one value. What a condition may be about depends on where it stands, and is checked when it is read.

use super::glob::Glob;
use carapace_contract::effects::{Act, Reach, Undo};
use carapace_contract::label::Integrity;
use serde::{Deserialize, Serialize};

/// The most conditions within one, and how deeply they may be nested.
const PARTS: usize = 256;
const DEPTH: usize = 12;
/// The longest folder of [`Argument::under`], in bytes.
const FOLDER: usize = 256;

/// A condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Every one of these.
    All(Vec<Condition>),
    /// At least one of these.
    Any(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// The tool's name.
    Tool(Glob),
    /// What a person would ask for, to have it done: as the tool declares, else by its name.
    Act(Act),
    /// It takes data from there, or from further away.
    Reads(Reach),
    /// It puts data there, or further away.
    Writes(Reach),
    /// It changes something that can be restored (`possible`), or that cannot (`impossible`).
    Undo(Undo),
    /// Whether anything of it leaves the machine.
    LeavesMachine(bool),
    /// Whether it costs money.
    Cost(bool),
    /// Its result holds private data of a category.
    Returns(Glob),
    /// Something in it is not the owner's: neither typed by them, nor kept, nor resolved from what they named.
    New(Part),
    /// Whether the owner's message asks for such an act.
    Asked(bool),
    /// Whom or what address it reaches.
    Recipient(Recipient),
    /// What an argument says.
    Argument(Argument),
    /// The session has heard somebody of this trust, or of less.
    Integrity(Integrity),
    /// The session has seen private data of a category.
    Private(Glob),
    /// Whether the session has seen a secret.
    Secret(bool),
    /// The session's exposure is at least this.
    Exposure(u32),
    /// An operation of this kind was done in the session before.
    Used(Box<Condition>),
}

/// A part of an operation that may be new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// A recipient or a member.
    Recipient,
    /// An address that a request goes to, or words in it.
    Address,
    /// An existing thing that is changed or removed.
    Object,
    /// The name of something newly made.
    Name,
    /// Something that is sent along.
    Attachment,
    /// An address within a text.
    Content,
    /// Any of these.
    Anything,
}

/// A test of each recipient and address. Exactly one of the fields is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recipient {
    /// At least one fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<Glob>,
    /// At least one does not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_than: Option<Glob>,
}

/// A test of arguments by name. Exactly one of the fields besides the name is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Argument {
    /// Which arguments.
    pub name: Glob,
    /// A value fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<Glob>,
    /// A value does not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_than: Option<Glob>,
    /// A value is a path to or within a folder of this name, wherever that folder is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under: Option<String>,
    /// A value is a number greater than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_than: Option<f64>,
}

/// Where a condition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// What arms a rule: about the session.
    Trigger,
    /// What a rule applies to: about an operation, and the session at that time.
    Effect,
    /// Within `used`: about an operation of the past, of which only the tool is known.
    Past,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Place::Trigger => "trigger",
            Place::Effect => "effect",
            Place::Past => "used",
        }
    }
}

impl Condition {
    /// Its key.
    pub fn key(&self) -> &'static str {
        match self {
            Condition::All(_) => "all",
            Condition::Any(_) => "any",
            Condition::Not(_) => "not",
            Condition::Tool(_) => "tool",
            Condition::Act(_) => "act",
            Condition::Reads(_) => "reads",
            Condition::Writes(_) => "writes",
            Condition::Undo(_) => "undo",
            Condition::LeavesMachine(_) => "leaves-machine",
            Condition::Cost(_) => "cost",
            Condition::Returns(_) => "returns",
            Condition::New(_) => "new",
            Condition::Asked(_) => "asked",
            Condition::Recipient(_) => "recipient",
            Condition::Argument(_) => "argument",
            Condition::Integrity(_) => "integrity",
            Condition::Private(_) => "private",
            Condition::Secret(_) => "secret",
            Condition::Exposure(_) => "exposure",
            Condition::Used(_) => "used",
        }
    }

    /// True where it may stand there.
    fn may_stand(&self, place: Place) -> bool {
        match self {
            Condition::All(_) | Condition::Any(_) | Condition::Not(_) => true,
            Condition::Tool(_)
            | Condition::Act(_)
            | Condition::Reads(_)
            | Condition::Writes(_)
            | Condition::Undo(_)
            | Condition::LeavesMachine(_)
            | Condition::Cost(_)
            | Condition::Returns(_) => place != Place::Trigger,
            Condition::New(_)
            | Condition::Asked(_)
            | Condition::Recipient(_)
            | Condition::Argument(_) => place == Place::Effect,
            Condition::Integrity(_)
            | Condition::Private(_)
            | Condition::Secret(_)
            | Condition::Exposure(_) => place != Place::Past,
            Condition::Used(_) => place == Place::Trigger,
        }
    }

    /// Whether it says something that can be judged where it stands.
    ///
    /// # Errors
    /// What does not, one sentence.
    pub(crate) fn check(&self, place: Place) -> Result<(), String> {
        let mut parts = 0;
        self.check_within(place, DEPTH, &mut parts)
    }

    fn check_within(&self, place: Place, depth: usize, parts: &mut usize) -> Result<(), String> {
        *parts += 1;
        if *parts > PARTS {
            return Err(format!("there are more than {PARTS} conditions"));
        }
        if depth == 0 {
            return Err(format!("conditions are nested more than {DEPTH} deep"));
        }
        let key = self.key();
        if !self.may_stand(place) {
            return Err(format!("{key} cannot stand in {}", place.name()));
        }
        let inner = |condition: &Condition, place, parts: &mut usize| {
            condition.check_within(place, depth - 1, parts)
        };
        match self {
            Condition::All(list) | Condition::Any(list) => {
                if list.is_empty() {
                    return Err(format!("{key} is empty"));
                }
                list.iter().try_for_each(|one| inner(one, place, parts))
            }
            Condition::Not(one) => inner(one, place, parts),
            Condition::Used(one) => inner(one, Place::Past, parts),
            // What always holds is a slip, not a condition.
            Condition::Reads(Reach::None)
            | Condition::Writes(Reach::None)
            | Condition::Undo(Undo::Nothing)
            | Condition::Integrity(Integrity::Owner)
            | Condition::Exposure(0) => Err(format!("this {key} holds for everything")),
            Condition::Recipient(test) => match (&test.matches, &test.other_than) {
                (Some(_), None) | (None, Some(_)) => Ok(()),
                _ => Err("recipient takes one of matches, other-than".to_owned()),
            },
            Condition::Argument(test) => test.check(),
            _ => Ok(()),
        }
    }
}

impl Argument {
    fn check(&self) -> Result<(), String> {
        let tests = [
            self.matches.is_some(),
            self.other_than.is_some(),
            self.under.is_some(),
            self.more_than.is_some(),
        ];
        if tests.into_iter().filter(|there| *there).count() != 1 {
            return Err(
                "argument takes a name and one of matches, other-than, under, more-than".to_owned(),
            );
        }
        if self.more_than.is_some_and(|limit| !limit.is_finite()) {
            return Err("more-than is no number".to_owned());
        }
        let Some(folder) = &self.under else {
            return Ok(());
        };
        let plain = folder
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..");
        if folder.len() > FOLDER || !plain || folder.chars().any(char::is_control) {
            return Err(
                "under is the name of a folder, such as skills or notes/private".to_owned(),
            );
        }
        Ok(())
    }
}
