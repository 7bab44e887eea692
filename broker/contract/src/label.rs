//! Labels: who may have written the bytes that a session has seen, and whose they are. A label only
//! grows; what is stored keeps it, and reading it back joins it again.

use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// Who may have written it, from the most to the least trusted.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Integrity {
    /// The owner, in person.
    #[default]
    Owner,
    /// Reviewed by the owner: configuration, skills.
    Reviewed,
    /// Narrow values that a reader without tools took out of untrusted text.
    Derived,
    /// Anybody: mail, web, messages of others, files.
    Untrusted,
}

/// A category of private data: 1 to 32 of `a` to `z`, digits and `-`; begins with a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Category(String);

impl Category {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Category {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=32).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "{text:?} is no category: 1 to 32 of a to z, 0 to 9 and -, beginning with a letter"
            ))
        }
    }
}

impl<'de> Deserialize<'de> for Category {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Category {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The label of a session or of stored bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Label {
    /// The least trusted hand that was in it.
    #[serde(default)]
    pub integrity: Integrity,
    /// Whose and what: empty is public.
    #[serde(default)]
    pub private: BTreeSet<Category>,
    /// True where a secret was seen.
    #[serde(default)]
    pub secret: bool,
}

impl Label {
    /// Both: the less trusted of the hands, all categories.
    pub fn join(&mut self, other: &Label) {
        self.integrity = self.integrity.max(other.integrity);
        self.private.extend(other.private.iter().cloned());
        self.secret |= other.secret;
    }

    /// True where nobody but the owner and what they reviewed was heard, and nothing private.
    pub fn is_clean(&self) -> bool {
        self.integrity <= Integrity::Reviewed && self.private.is_empty() && !self.secret
    }

    /// True where words of others were heard.
    pub fn is_tainted(&self) -> bool {
        self.integrity > Integrity::Reviewed
    }
}

impl fmt::Display for Label {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.integrity {
            Integrity::Owner => "owner",
            Integrity::Reviewed => "reviewed",
            Integrity::Derived => "derived",
            Integrity::Untrusted => "untrusted",
        })?;
        if !self.private.is_empty() {
            let all: Vec<&str> = self.private.iter().map(Category::as_str).collect();
            write!(out, ", private: {}", all.join(" "))?;
        }
        if self.secret {
            out.write_str(", secret")?;
        }
        Ok(())
    }
}
