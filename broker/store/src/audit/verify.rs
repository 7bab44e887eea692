//! Offline verification of a whole log, by whoever holds the first key. Streams: needs memory for
//! one line.

use crate::audit::head::Head;
use crate::audit::key::ChainKey;
use crate::audit::line;
use carapace_contract::id::Digest;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// What a log proves and what it does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// True where every record is whole, in its place and authentic, and the anchor, if one was given, is in the chain.
    pub intact: bool,
    /// Records that hold, counted from the first.
    pub records: u64,
    /// Hash of the last record that holds.
    pub head: Digest,
    /// The first thing that is wrong.
    pub problem: Option<Problem>,
    /// The anchor, where one was given.
    pub anchor: Option<AnchorReport>,
    /// What nobody can know from this log, in sentences.
    pub unknowable: Vec<String>,
}

/// Where a log is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The line, counted from 1.
    pub line: u64,
    /// What is wrong there.
    pub what: String,
}

/// How the log stands to its anchor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorReport {
    /// Number of records that are anchored.
    pub count: u64,
    /// True where the chain contains exactly these records.
    pub holds: bool,
    /// Records after the last anchored one.
    pub after: u64,
}

/// Verifies the log in a file.
///
/// # Errors
/// The file cannot be read. Whatever is wrong with its content is in the report.
pub fn verify_file(
    log: &Path,
    first_key: &[u8; 32],
    anchor: Option<Head>,
) -> io::Result<VerifyReport> {
    verify(File::open(log)?, first_key, anchor)
}

/// Verifies a log from its first byte to its last.
///
/// # Errors
/// The source cannot be read. Whatever is wrong with its content is in the report.
pub fn verify(
    log: impl Read,
    first_key: &[u8; 32],
    anchor: Option<Head>,
) -> io::Result<VerifyReport> {
    let mut source = BufReader::with_capacity(64 * 1024, log);
    let mut chain = Chain::new(ChainKey::first(*first_key));
    let mut text = Vec::new();
    let mut anchored = anchor.map(|anchor| anchor == Head::EMPTY);
    let problem = loop {
        let number = chain.head.count + 1;
        match line::read_line(&mut source, &mut text) {
            Ok(()) if text.is_empty() => break None,
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                break Some(Problem {
                    line: number,
                    what: error.to_string(),
                });
            }
            Err(error) => return Err(error),
        }
        if let Err(what) = chain.take(&text) {
            break Some(Problem {
                line: number,
                what: what.to_owned(),
            });
        }
        if let Some(anchor) = anchor
            && anchor.count == chain.head.count
        {
            anchored = Some(anchor.hash == chain.head.hash);
        }
    };
    Ok(report(chain.head, problem, anchor.zip(anchored)))
}

fn report(head: Head, problem: Option<Problem>, anchor: Option<(Head, bool)>) -> VerifyReport {
    let mut unknowable = Vec::new();
    let anchor = anchor.map(|(anchor, holds)| AnchorReport {
        count: anchor.count,
        holds,
        after: head.count.saturating_sub(anchor.count),
    });
    let problem = problem.or_else(|| match &anchor {
        Some(anchor) if !anchor.holds && anchor.count > head.count => Some(Problem {
            line: head.count + 1,
            what: format!(
                "the log ends here, but {} records are anchored: the end was cut off",
                anchor.count
            ),
        }),
        Some(anchor) if !anchor.holds => Some(Problem {
            line: anchor.count,
            what: "this record is not the anchored one: the log was replaced".to_owned(),
        }),
        _ => None,
    });
    match &anchor {
        Some(anchor) => unknowable.push(format!(
            "{} records after the anchor (record {}); a cut behind the anchor cannot be seen",
            anchor.after, anchor.count
        )),
        None => unknowable.push("no anchor was given; a cut of the end cannot be seen".to_owned()),
    }
    VerifyReport {
        intact: problem.is_none(),
        records: head.count,
        head: head.hash,
        problem,
        anchor,
        unknowable,
    }
}

/// The chain up to some record, for checking the next.
pub(crate) struct Chain {
    key: ChainKey,
    pub(crate) head: Head,
    epoch: u64,
}

impl Chain {
    /// At the very beginning.
    pub(crate) fn new(key: ChainKey) -> Self {
        Self::after(key, Head::EMPTY)
    }

    /// After the records of `head`; the next is of the key's epoch or the one after.
    pub(crate) fn after(key: ChainKey, head: Head) -> Self {
        Self {
            epoch: key.epoch(),
            key,
            head,
        }
    }

    #[cfg(feature = "database")]
    /// The key of the newest record.
    pub(crate) fn into_key(self) -> ChainKey {
        self.key
    }

    /// Checks one line and moves on, or stays where it is and says what is wrong.
    pub(crate) fn take(&mut self, text: &[u8]) -> Result<(), &'static str> {
        if text.last() != Some(&b'\n') {
            return Err("the last line is unfinished: cut off, or torn by a crash \
                        (then the next start removes it and says so in the log)");
        }
        let Some(record) = line::parse(text) else {
            return Err("this line is not a record: it was changed");
        };
        if record.prev != self.head.hash {
            return Err(
                "this record does not follow the one before it: a record was changed, moved, removed or put in",
            );
        }
        if record.seq != self.head.count {
            return Err("this record has another's number");
        }
        let mut key = self.key.clone();
        if record.epoch == self.epoch + 1 {
            key.advance();
        } else if record.epoch != self.epoch {
            return Err("this record claims an epoch that cannot follow");
        }
        if !line::authentic(text, &key) {
            return Err("this record is not authentic: it was changed, or forged with a later key");
        }
        self.epoch = record.epoch;
        self.key = key;
        self.head = Head {
            count: self.head.count + 1,
            hash: line::hash_of(text),
        };
        Ok(())
    }
}
