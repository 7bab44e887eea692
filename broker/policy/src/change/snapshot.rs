//! What judgements rest on besides sessions, as a value that can be kept and compared later.

use super::exposure::Thresholds;
use super::grant::Grants;
use super::provider::Models;
use super::rule::Ruled;
use super::tool::Tools;
use super::web::Pages;
use super::{contact, tool};
use crate::rules::Rules;
use carapace_contract::config::Config;
use carapace_contract::id::{Code, Digest, ToolName};
use carapace_contract::tool::Tool;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The form of what is written.
pub const VERSION: u32 = 1;
/// The longest text that is read, in bytes.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Why a kept snapshot cannot be used. There is nothing to compare with then.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Too long.
    #[error("reading the snapshot: it has {0} bytes, more than {MAX_BYTES}")]
    TooLong(usize),
    /// Of another form.
    #[error("reading the snapshot: its version is {0}, and this program knows {VERSION}")]
    Version(u32),
    /// Not of the form.
    #[error("reading the snapshot: {0}")]
    Form(serde_json::Error),
    /// A rule in it is none.
    #[error("reading the snapshot: a rule in it cannot be used")]
    Rule,
}

/// A standing grant from an answer "always exactly this".
#[derive(Debug, Clone, Copy)]
pub struct Always<'a> {
    /// The code of the question.
    pub code: &'a Code,
    /// What it is bound to: group, tool, manifest and arguments.
    pub shape: Digest,
    /// The tool, for people.
    pub tool: &'a ToolName,
    /// The arguments as canonical JSON, for people.
    pub arguments: &'a str,
    /// Seconds since 1970 from which on it holds no more.
    pub expires: i64,
}

/// What a snapshot is made of.
#[derive(Debug, Clone)]
pub struct Parts<'a> {
    /// The owner's configuration, checked.
    pub config: &'a Config,
    /// All tools that are offered.
    pub tools: Vec<&'a Tool>,
    /// The owner's rules.
    pub rules: &'a Rules,
    /// The standing grants that are in force.
    pub always: Vec<Always<'a>>,
    /// Every origin that a provider is at, beside the provider's name.
    pub origins: Vec<(&'a str, &'a str)>,
}

/// What judgements rest on besides sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Snapshot {
    version: u32,
    pub(super) exposure: Thresholds,
    pub(super) web: Pages,
    pub(super) models: Models,
    pub(super) rules: Ruled,
    pub(super) grants: Grants,
    pub(super) tools: Tools,
    pub(super) contacts: BTreeSet<contact::Contact>,
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Snapshot {
    /// From what is in force now.
    pub fn of(parts: Parts<'_>) -> Self {
        let config = parts.config;
        Self {
            version: VERSION,
            exposure: Thresholds {
                ask_from: config.policy.ask_from,
                classifier: config.policy.classifier,
            },
            web: Pages::of(&config.web),
            models: Models::of(config, &parts.origins),
            rules: Ruled::of(parts.rules, &config.policy),
            grants: Grants::of(&config.grants, &parts.always),
            tools: tool::of(parts.tools),
            contacts: contact::of(&config.policy.contacts),
        }
    }

    /// Reads what [`Snapshot::to_json`] wrote.
    ///
    /// # Errors
    /// It is too long, of another version, or not of the form.
    pub fn from_json(text: &[u8]) -> Result<Self, SnapshotError> {
        if text.len() > MAX_BYTES {
            return Err(SnapshotError::TooLong(text.len()));
        }
        // First the version: what another one has would be told as an unknown field.
        let Versioned { version } = serde_json::from_slice(text).map_err(SnapshotError::Form)?;
        if version != VERSION {
            return Err(SnapshotError::Version(version));
        }
        let snapshot: Self = serde_json::from_slice(text).map_err(SnapshotError::Form)?;
        if !snapshot.rules.is_sound() {
            return Err(SnapshotError::Rule);
        }
        Ok(snapshot)
    }

    /// As canonical JSON: two snapshots with the same text are the same.
    pub fn to_json(&self) -> Vec<u8> {
        // Texts, numbers and enums; a rule's numbers are finite, or it would be none.
        serde_json_canonicalizer::to_vec(self).expect("a snapshot serialises")
    }
}
