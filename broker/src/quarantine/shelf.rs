//! What the broker keeps of texts that the assistant may not read: the texts themselves, each behind a
//! handle that only its session can use, and how much each source has told a session already. In memory
//! and bounded: after a restart the handles are gone.

use carapace_contract::id::SessionId;
use carapace_contract::label::Label;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

/// Bits that one source may tell one session.
pub(crate) const SOURCE_BITS: u32 = 256;
/// Bits that all sources together may tell one session: a source under many names tells no more.
pub(crate) const SESSION_BITS: u32 = 2048;
/// The most texts at once.
const TEXTS: usize = 256;
/// The most bytes of all texts together.
const BYTES: usize = 16 * 1024 * 1024;
/// The most sessions whose spent bits are remembered.
const SESSIONS: usize = 4096;

/// A text that waits behind its handle.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) text: Rc<str>,
    /// Where it came from: what is read out of it counts there.
    pub(crate) source: String,
    pub(crate) label: Label,
}

/// Why nothing more may be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Spent {
    #[error(
        "reading this could tell {wanted} bits, and of the {SOURCE_BITS} that one source may tell a session {left} are left; ask for fewer or narrower fields, or ask the person to look"
    )]
    Source { wanted: u32, left: u32 },
    #[error(
        "reading this could tell {wanted} bits, and of the {SESSION_BITS} that a session may be told {left} are left"
    )]
    Session { wanted: u32, left: u32 },
    #[error("too many sessions have read what others wrote since the start")]
    Full,
}

/// The shelf.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    texts: HashMap<(SessionId, String), Kept>,
    /// Oldest first.
    order: VecDeque<(SessionId, String)>,
    bytes: usize,
    spent: HashMap<SessionId, BTreeMap<String, u32>>,
}

impl Shelf {
    /// Keeps a text for a session, and gives its handle. The oldest go where there is no room.
    pub(crate) fn keep(&mut self, session: SessionId, kept: Kept) -> String {
        self.bytes += kept.text.len();
        let random = SessionId::random().to_string();
        let random: String = random
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(16)
            .collect();
        let handle = format!("text-{random}");
        let key = (session, handle.clone());
        self.texts.insert(key.clone(), kept);
        self.order.push_back(key);
        while self.order.len() > TEXTS || self.bytes > BYTES {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            if let Some(gone) = self.texts.remove(&oldest) {
                self.bytes -= gone.text.len();
            }
        }
        handle
    }

    /// The text behind a handle of this session.
    pub(crate) fn text(&self, session: SessionId, handle: &str) -> Option<Kept> {
        self.texts.get(&(session, handle.to_owned())).cloned()
    }

    /// Takes the bits that reading from a source may tell, before it is read.
    pub(crate) fn pay(&mut self, session: SessionId, source: &str, bits: u32) -> Result<(), Spent> {
        if self.spent.len() >= SESSIONS && !self.spent.contains_key(&session) {
            return Err(Spent::Full);
        }
        let sources = self.spent.entry(session).or_default();
        let of_session = SESSION_BITS.saturating_sub(sources.values().sum());
        let of_source = SOURCE_BITS.saturating_sub(sources.get(source).copied().unwrap_or(0));
        if bits > of_source {
            return Err(Spent::Source {
                wanted: bits,
                left: of_source,
            });
        }
        if bits > of_session {
            return Err(Spent::Session {
                wanted: bits,
                left: of_session,
            });
        }
        *sources.entry(source.to_owned()).or_default() += bits;
        Ok(())
    }
}

/// One name for a path of the workspace, however it is written.
pub(crate) fn source_of(path: &str) -> String {
    let path = path.strip_prefix("/workspace").unwrap_or(path);
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str) -> Kept {
        Kept {
            text: text.into(),
            source: "a.txt".to_owned(),
            label: Label::default(),
        }
    }

    #[test]
    fn a_handle_opens_for_its_own_session_only() {
        let mut shelf = Shelf::default();
        let (ours, theirs) = (SessionId::random(), SessionId::random());
        let handle = shelf.keep(ours, kept("words"));
        assert_eq!(
            shelf.text(ours, &handle).map(|kept| kept.text),
            Some("words".into())
        );
        assert!(shelf.text(theirs, &handle).is_none());
        assert!(shelf.text(ours, "text-0000000000000000").is_none());
        assert_ne!(shelf.keep(ours, kept("words")), handle);
    }

    #[test]
    fn the_oldest_texts_go_where_there_is_no_room() {
        let mut shelf = Shelf::default();
        let session = SessionId::random();
        let first = shelf.keep(session, kept("first"));
        let large = "x".repeat(BYTES / 4);
        let second = shelf.keep(session, kept(&large));
        for _ in 0..3 {
            shelf.keep(session, kept(&large));
        }
        assert!(shelf.text(session, &first).is_none() && shelf.bytes <= BYTES);
        assert!(shelf.text(session, &second).is_some());
        for _ in 0..TEXTS {
            shelf.keep(session, kept("small"));
        }
        assert!(shelf.text(session, &second).is_none());
        assert!(shelf.texts.len() <= TEXTS && shelf.order.len() == shelf.texts.len());
    }

    #[test]
    fn a_source_and_a_session_tell_no_more_than_their_bits() {
        let mut shelf = Shelf::default();
        let session = SessionId::random();
        assert_eq!(shelf.pay(session, "a", 200), Ok(()));
        assert_eq!(
            shelf.pay(session, "a", 57),
            Err(Spent::Source {
                wanted: 57,
                left: 56
            })
        );
        assert_eq!(shelf.pay(session, "a", 56), Ok(()));
        for other in 0..7 {
            assert_eq!(shelf.pay(session, &format!("b{other}"), 256), Ok(()));
        }
        assert_eq!(
            shelf.pay(session, "c", 1),
            Err(Spent::Session { wanted: 1, left: 0 })
        );
        assert_eq!(shelf.pay(SessionId::random(), "a", 256), Ok(()));
    }

    #[test]
    fn one_file_has_one_name() {
        for path in [
            "in/mail.txt",
            "./in//mail.txt",
            "/workspace/in/mail.txt",
            "x/../in/mail.txt",
        ] {
            assert_eq!(source_of(path), "in/mail.txt", "{path}");
        }
        assert_ne!(source_of("in/mail"), source_of("inmail"));
    }
}
