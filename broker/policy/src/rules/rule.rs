//! One rule: what its owner wrote, and the conditions that they accepted for it.

use super::condition::{Condition, Place};
use carapace_contract::id::Digest;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The trigger of a rule that is armed from the start.
pub const ALWAYS: &str = "always";

/// The longest trigger, effect or description, in bytes.
const TEXT: usize = 2000;
/// The longest id, in bytes.
const ID: usize = 64;

/// What a rule is called: 1 to 64 of `a` to `z`, digits and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RuleId(String);

impl RuleId {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for RuleId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = (1..=ID).contains(&text.len())
            && text
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            let found: String = text.chars().take(80).collect();
            Err(format!(
                "{found:?} is no id of a rule: 1 to {ID} of a to z, 0 to 9 and -"
            ))
        }
    }
}

impl TryFrom<String> for RuleId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<RuleId> for String {
    fn from(id: RuleId) -> Self {
        id.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// What happens where a rule applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A person is asked.
    Approve,
    /// It is not done; only disabling the rule for the session lifts it.
    Block,
}

/// The compiled part of a rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct When {
    /// What arms it, judged after each delivery into a session. None where the rule is always armed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Condition>,
    /// What it applies to.
    pub effect: Condition,
}

impl When {
    /// Whether it says something that can be judged.
    ///
    /// # Errors
    /// The field, and what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        if let Some(trigger) = &self.trigger {
            trigger
                .check(Place::Trigger)
                .map_err(|cause| ("when.trigger", cause))?;
        }
        self.effect
            .check(Place::Effect)
            .map_err(|cause| ("when.effect", cause))
    }
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rule {
    /// What it is called.
    pub id: RuleId,
    /// [`ALWAYS`], or in plain words what has to happen in a session before it is armed.
    pub trigger: String,
    /// In plain words what it restricts.
    pub effect: String,
    /// What happens where it applies.
    pub mode: Mode,
    /// For people: shown with a question, and in lists.
    #[serde(default)]
    pub description: String,
    /// The conditions that stand for its words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    /// The digest of the words that `when` was accepted for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Digest>,
}

/// How far a rule is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Its conditions stand for its words.
    Compiled,
    /// It has none.
    Uncompiled,
    /// Its words were changed since: its conditions do not count.
    Changed,
}

impl Standing {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Compiled => "compiled",
            Standing::Uncompiled => "uncompiled",
            Standing::Changed => "changed",
        }
    }
}

impl Rule {
    /// True where it is armed from the start.
    pub fn is_always(&self) -> bool {
        self.trigger.trim().eq_ignore_ascii_case(ALWAYS)
    }

    /// The digest of its trigger and effect, as written.
    pub fn digest(&self) -> Digest {
        let words = [self.trigger.trim(), self.effect.trim()];
        // Two texts always serialise.
        Digest::of(&serde_json_canonicalizer::to_vec(&words).expect("texts serialise"))
    }

    /// Words alone, for a model that is to compile them.
    ///
    /// # Errors
    /// The field, and what is wrong with it.
    pub fn plain(
        trigger: &str,
        effect: &str,
        description: &str,
    ) -> Result<Self, (&'static str, String)> {
        let rule = Self {
            id: RuleId("rule".to_owned()),
            trigger: trigger.to_owned(),
            effect: effect.to_owned(),
            mode: Mode::Approve,
            description: description.to_owned(),
            when: None,
            of: None,
        };
        rule.check().map(|()| rule)
    }

    /// How far it is compiled.
    pub fn standing(&self) -> Standing {
        match (&self.when, self.of) {
            (None, _) => Standing::Uncompiled,
            (Some(_), Some(of)) if of == self.digest() => Standing::Compiled,
            (Some(_), _) => Standing::Changed,
        }
    }

    /// Its conditions, where they stand for its words.
    pub fn compiled(&self) -> Option<&When> {
        self.when
            .as_ref()
            .filter(|_| self.standing() == Standing::Compiled)
    }

    /// Takes conditions that a person accepted for its words as they are now.
    ///
    /// # Errors
    /// The field, and what is wrong with it; the rule is then as it was.
    pub fn accept(&mut self, when: When) -> Result<(), (&'static str, String)> {
        let accepted = Self {
            when: Some(when),
            of: Some(self.digest()),
            ..self.clone()
        };
        accepted.check()?;
        *self = accepted;
        Ok(())
    }

    /// Whether it can be used.
    ///
    /// # Errors
    /// The field, and what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        let texts = [
            ("trigger", &self.trigger, true),
            ("effect", &self.effect, true),
            ("description", &self.description, false),
        ];
        for (field, text, needed) in texts {
            if needed && text.trim().is_empty() {
                return Err((field, "it is empty".to_owned()));
            }
            if text.len() > TEXT {
                return Err((field, format!("it is longer than {TEXT} bytes")));
            }
            if text.chars().any(|one| one.is_control() && one != '\n') {
                return Err((field, "it holds control characters".to_owned()));
            }
        }
        let Some(when) = &self.when else {
            return Ok(());
        };
        when.check()?;
        // Where the words were changed, what is left of the conditions does not count.
        if self.standing() == Standing::Compiled && self.is_always() == when.trigger.is_some() {
            let cause = if self.is_always() {
                "a rule that is always armed has no trigger to judge"
            } else {
                "it is missing, and the rule has a trigger"
            };
            return Err(("when.trigger", cause.to_owned()));
        }
        Ok(())
    }
}
