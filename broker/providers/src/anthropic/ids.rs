//! The ids of a conversation's calls as vendors take them.

use std::collections::{HashMap, HashSet};

/// The longest id that vendors take, in bytes.
const MAX: usize = 64;

/// The ids of a conversation's calls as they are sent: allowed characters only, each one once. A
/// conversation can hold calls of several vendors, and some vendors number the calls of each
/// answer from zero.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    sent: HashSet<String>,
    newest: HashMap<String, String>,
}

impl Ids {
    /// The id that a new call is sent with.
    pub(crate) fn begin(&mut self, id: &str) -> String {
        let sound = (1..=MAX).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        let mut sent = id.to_owned();
        // As many tries as there are ids always find a free one.
        let mut number = self.sent.len();
        if !sound || self.sent.contains(&sent) {
            sent = format!("carapace-{number}");
        }
        while self.sent.contains(&sent) {
            number += 1;
            sent = format!("carapace-{number}");
        }
        self.sent.insert(sent.clone());
        self.newest.insert(id.to_owned(), sent.clone());
        sent
    }

    /// The id that the newest call of this name was sent with.
    pub(crate) fn get(&self, id: &str) -> Option<&str> {
        self.newest.get(id).map(String::as_str)
    }
}
