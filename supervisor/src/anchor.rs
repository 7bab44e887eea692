//! Keeps the head of the audit chain where the broker cannot write.
//!
//! A head that does not follow the kept one means that the chain was cut or rewritten: it is
//! refused and counted, and the kept one stays, so that `carapace audit verify` shows it.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use carapace_contract::home::Home;
use carapace_contract::id::Digest;
use carapace_store::audit::{Head, head};

/// Heads are written no more often than this: each write waits for the disk, and so would
/// everything else if a broker could ask for it at will.
const BETWEEN_WRITES: Duration = Duration::from_millis(250);

/// The anchor.
pub(crate) struct Anchor {
    path: PathBuf,
    kept: Head,
    unwritten: bool,
    not_before: Instant,
    refused: u64,
}

/// Why the anchor is not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnchorError {
    #[error(
        "reading the audit anchor {path}: {cause}\n  remedy: check it with `carapace audit verify` before you remove it"
    )]
    Unreadable { path: PathBuf, cause: io::Error },
    #[error(
        "the broker's audit chain has {offered} records and does not follow the anchored one of {kept}; the anchor stays\n  remedy: run `carapace audit verify`"
    )]
    DoesNotFollow { offered: u64, kept: u64 },
    #[error(
        "writing the audit anchor {path}: {cause}; it is tried again\n  remedy: make room or make it writable"
    )]
    Unwritable { path: PathBuf, cause: io::Error },
}

impl Anchor {
    /// Reads what is kept; nothing yet is the empty chain.
    pub(crate) fn open(home: &Home) -> Result<Self, AnchorError> {
        let path = home.audit_head();
        match head::read_head(&path) {
            Ok(kept) => Ok(Self {
                path,
                kept: kept.unwrap_or(Head::EMPTY),
                unwritten: false,
                not_before: Instant::now(),
                refused: 0,
            }),
            Err(cause) => Err(AnchorError::Unreadable { path, cause }),
        }
    }

    /// Takes a head that the broker offers; it is written soon.
    pub(crate) fn offer(&mut self, count: u64, hash: [u8; 32]) -> Result<(), AnchorError> {
        let offered = Head {
            count,
            hash: Digest::from_bytes(hash),
        };
        if offered == self.kept {
            return Ok(());
        }
        if !offered.follows(&self.kept) {
            self.refused += 1;
            return Err(AnchorError::DoesNotFollow {
                offered: count,
                kept: self.kept.count,
            });
        }
        self.kept = offered;
        self.unwritten = true;
        Ok(())
    }

    /// When it wants to be written, if at all.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.unwritten.then_some(self.not_before)
    }

    /// Writes it, if there is something to write.
    pub(crate) fn write(&mut self, now: Instant) -> Result<(), AnchorError> {
        if !self.unwritten {
            return Ok(());
        }
        self.not_before = now + BETWEEN_WRITES;
        match head::write_head(&self.path, &self.kept) {
            Ok(()) => {
                self.unwritten = false;
                Ok(())
            }
            Err(cause) => {
                // A full disk is not full for milliseconds.
                self.not_before = now + 20 * BETWEEN_WRITES;
                Err(AnchorError::Unwritable {
                    path: self.path.clone(),
                    cause,
                })
            }
        }
    }

    /// Heads that did not follow.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }
}
