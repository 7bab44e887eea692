//! Whom the owner knows: whole values that pass without being named in a conversation.

use super::line::{ending, quoted, safe};
use super::{Change, Direction, Kind};
use crate::token::Address;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Characters of a value that are shown.
const SHOWN: usize = 200;

/// One value, in the spelling in which it is compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Contact {
    /// A mail address.
    Mail(String),
    /// A URL.
    Address(String),
    /// Anything else: a handle, an account, a name.
    Name(String),
}

pub(super) fn of(values: &[String]) -> BTreeSet<Contact> {
    values
        .iter()
        .map(|value| value.trim())
        .filter(|value| !value.is_empty())
        .map(|value| match Address::whole(value) {
            Some(Address::Mail(text)) => Contact::Mail(text),
            Some(Address::Url(text)) => Contact::Address(text),
            None => Contact::Name(value.to_owned()),
        })
        .collect()
}

pub(super) fn compare(
    before: &BTreeSet<Contact>,
    after: &BTreeSet<Contact>,
    all: &mut Vec<Change>,
) {
    let mut push = |direction, text: &str| all.push(Change::new(direction, Kind::Contact, text));
    for known in after.difference(before) {
        let text = match known {
            Contact::Mail(text) => format!(
                "mail and calls to {} now pass without a question where you ask for them and a grant covers them",
                ending(text, SHOWN)
            ),
            Contact::Address(text) => format!(
                "calls that reach or mention {} now pass without a question where you ask for them and a grant covers them",
                safe(text, SHOWN)
            ),
            Contact::Name(text) => format!(
                "calls that name {} as a recipient or a thing now pass without a question where you ask for them and a grant covers them",
                quoted(text, SHOWN)
            ),
        };
        push(Direction::Wider, &text);
    }
    for gone in before.difference(after) {
        let shown = match gone {
            Contact::Mail(text) => ending(text, SHOWN),
            Contact::Address(text) => safe(text, SHOWN),
            Contact::Name(text) => quoted(text, SHOWN),
        };
        push(
            Direction::Narrower,
            &format!(
                "{shown} is no contact any more: calls to it are asked about unless you name it"
            ),
        );
    }
}
