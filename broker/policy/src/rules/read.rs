//! `rules.yaml` as text: read strictly, within bounds that are checked before anything is made of it.

use super::rule::Rule;
use serde::Deserialize;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Location, Options, Spanned};
use std::collections::BTreeSet;

/// The longest file, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;
/// The most rules.
pub const MAX_RULES: usize = 200;

/// Why there are no rules to judge by, or why they were not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// Too long.
    #[error("reading the rules: the file has {0} bytes, more than {MAX_BYTES}")]
    TooLong(usize),
    /// Too many.
    #[error("reading the rules: there are {0}, more than {MAX_RULES}")]
    TooMany(usize),
    /// Not of the form of such a file.
    #[error("reading the rules: line {line}, column {column}: {cause}")]
    Form {
        /// From 1; 0 where it is not known.
        line: u64,
        /// From 1; 0 where it is not known.
        column: u64,
        /// What is wrong.
        cause: String,
    },
    /// A rule that cannot be used.
    #[error("reading the rules: line {line}: rule {id}: {field}: {cause}")]
    Rule {
        /// Where it begins.
        line: u64,
        /// Which.
        id: String,
        /// Which part of it.
        field: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// A rule that is to be added cannot be used.
    #[error("changing the rules: rule {id}: {field}: {cause}")]
    Unfit {
        /// Which.
        id: String,
        /// Which part of it.
        field: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// A rule of that id is there.
    #[error("changing the rules: there is a rule {0} already")]
    Exists(String),
    /// No rule of that id.
    #[error("changing the rules: there is no rule {0}")]
    Missing(String),
    /// The file is laid out in a way in which it cannot be changed without risk to what is in it.
    #[error("changing the rules: the file is not laid out as a list with one rule below the other")]
    Layout,
    /// What a model or a person gave as conditions is none.
    #[error("reading the conditions: {0}")]
    Conditions(String),
    /// The model says that the words cannot be expressed.
    #[error("compiling the rule: it cannot be said in conditions: {0}")]
    NotExpressible(String),
    /// What the sentinel answered is no ruling.
    #[error("reading the sentinel's answer: {0}")]
    Ruling(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rules: Vec<Spanned<Rule>>,
}

/// A rule and the line it begins in, from 1.
pub(super) type Placed = (u64, Rule);

/// Reads and checks the whole.
pub(super) fn read(text: &str) -> Result<Vec<Placed>, RulesError> {
    if text.len() > MAX_BYTES {
        return Err(RulesError::TooLong(text.len()));
    }
    let file: File = serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let place = error.location().unwrap_or(Location::UNKNOWN);
        form(place.line(), place.column(), &told(&error))
    })?;
    if file.rules.len() > MAX_RULES {
        return Err(RulesError::TooMany(file.rules.len()));
    }
    let mut ids = BTreeSet::new();
    let mut placed = Vec::new();
    for found in file.rules {
        let (line, rule) = (found.referenced.line(), found.value);
        let fault = |(field, cause)| RulesError::Rule {
            line,
            id: rule.id.to_string(),
            field,
            cause,
        };
        rule.check().map_err(fault)?;
        if !ids.insert(rule.id.clone()) {
            return Err(fault(("id", "another rule has it".to_owned())));
        }
        placed.push((line, rule));
    }
    Ok(placed)
}

fn form(line: u64, column: u64, cause: &str) -> RulesError {
    RulesError::Form {
        line,
        column,
        cause: cause.to_owned(),
    }
}

/// What the parser says, on one line and without a copy of the file.
fn told(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let words: Vec<&str> = text.split_whitespace().take(60).collect();
    words.join(" ").chars().take(300).collect()
}

/// Plain YAML: what is there once is there once, and nothing stands for something else.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 64,
            max_documents: 1,
            max_nodes: 100_000,
            max_events: 200_000,
            max_aliases: 0,
            max_anchors: 0,
            max_merge_keys: 0,
            max_total_scalar_bytes: MAX_BYTES,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        reject_unsupported_tags: true,
        strict_booleans: true,
        with_snippet: false,
    }
}
