//! Which pages the assistant may read.

use super::line::ending;
use super::{Change, Direction, Kind};
use carapace_contract::config;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use url::Url;

/// Characters of an origin that are shown.
const SHOWN: usize = 200;

/// Which pages may be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Pages {
    /// Those of the public internet, and of `private`.
    pub(super) fetch: bool,
    /// Origins in a private network, in one spelling.
    pub(super) private: BTreeSet<String>,
}

impl Pages {
    pub(super) fn of(web: &config::Web) -> Self {
        Self {
            fetch: web.fetch,
            private: web
                .private_origins
                .iter()
                .map(|text| origin(text))
                .collect(),
        }
    }
}

/// One spelling of an origin; what is none stays as it is.
pub(super) fn origin(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) if url.origin().is_tuple() => url.origin().ascii_serialization(),
        _ => text.to_owned(),
    }
}

pub(super) fn compare(before: &Pages, after: &Pages, all: &mut Vec<Change>) {
    let mut push = |direction, text: &str| all.push(Change::new(direction, Kind::Web, text));
    match (before.fetch, after.fetch) {
        (false, true) => push(
            Direction::Wider,
            "the assistant may now read pages of the public internet, each as the floor allows",
        ),
        (true, false) => push(
            Direction::Narrower,
            "the assistant may read no pages of the internet any more",
        ),
        _ => {}
    }
    for origin in before.private.union(&after.private) {
        let could = before.fetch && before.private.contains(origin);
        let can = after.fetch && after.private.contains(origin);
        let shown = ending(origin, SHOWN);
        match (could, can) {
            (false, true) => push(
                Direction::Wider,
                &format!(
                    "it may now read pages of {shown}, which is in a private network or on this machine"
                ),
            ),
            (true, false) => push(
                Direction::Narrower,
                &format!("it may read no pages of {shown} any more"),
            ),
            _ if before.private.contains(origin) == after.private.contains(origin) => {}
            _ if after.private.contains(origin) => push(
                Direction::Other,
                &format!("pages of {shown} are named as readable, but no pages may be read at all"),
            ),
            _ => push(
                Direction::Other,
                &format!("pages of {shown} are not named as readable any more; none could be read"),
            ),
        }
    }
}
