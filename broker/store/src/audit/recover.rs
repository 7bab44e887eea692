//! Opening a log after whatever happened: the part that was brought to disk must be whole, what
//! came after it may be torn at its end by a crash, and nothing else is excused.

use crate::audit::head::Head;
use crate::audit::key::{ChainKey, Synced};
use crate::audit::line;
use crate::audit::verify::Chain;
use carapace_contract::id::Digest;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// Why a log is not continued.
#[derive(Debug, thiserror::Error)]
pub enum BrokenChain {
    /// It cannot be read.
    #[error("audit log: cannot read it: {0}\n  remedy: check the disk and the folder's rights")]
    Io(#[from] io::Error),
    /// It has fewer bytes than were brought to disk.
    #[error(
        "audit log: it has {found} bytes, but {expected} were on disk: its end was cut off\n  remedy: run `carapace audit verify`, find out who changed it, restore it from a backup, or set the state folder aside"
    )]
    Cut {
        /// Bytes that are there.
        found: u64,
        /// Bytes that were.
        expected: u64,
    },
    /// A record in the part that was brought to disk is not the one that was written.
    #[error(
        "audit log: the chain is broken at line {line}: it was changed after it was written\n  remedy: run `carapace audit verify`, find out who changed it, restore it from a backup, or set the state folder aside"
    )]
    Broken {
        /// Counted from 1; 0 where the whole does not fit the key.
        line: u64,
    },
}

/// Where a log can be continued.
pub(crate) struct Continued {
    pub head: Head,
    pub offset: u64,
    pub key: ChainKey,
    /// Bytes after `offset` that a crash tore, with their digest.
    pub torn: Option<(u64, Digest)>,
    /// True where records lie behind what was known to be on disk.
    pub unsynced: bool,
}

/// Checks the chain and finds its end. Changes nothing.
pub(crate) fn examine(log: &File, key: ChainKey, synced: Synced) -> Result<Continued, BrokenChain> {
    let size = log.metadata()?.len();
    if size < synced.offset {
        return Err(BrokenChain::Cut {
            found: size,
            expected: synced.offset,
        });
    }
    let mut reader = log;
    reader.seek(SeekFrom::Start(0))?;
    past(
        BufReader::with_capacity(256 * 1024, reader.take(synced.offset)),
        synced,
    )?;
    reader.seek(SeekFrom::Start(synced.offset))?;
    let mut source = BufReader::new(reader);
    let mut chain = Chain::after(key, synced.head);
    let mut offset = synced.offset;
    let mut text = Vec::new();
    loop {
        let whole = match line::read_line(&mut source, &mut text) {
            Ok(()) if text.is_empty() => break,
            Ok(()) => chain.take(&text).is_ok(),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => false,
            Err(error) => return Err(error.into()),
        };
        if !whole {
            break;
        }
        offset += text.len() as u64;
    }
    let torn = if offset < size {
        Some((size - offset, digest_from(log, offset)?))
    } else {
        None
    };
    let unsynced = offset > synced.offset;
    Ok(Continued {
        head: chain.head,
        offset,
        key: chain.into_key(),
        torn,
        unsynced,
    })
}

/// The hash chain of what was brought to disk. Its keys are forgotten, so its macs are for `verify`.
fn past(mut source: impl io::BufRead, synced: Synced) -> Result<(), BrokenChain> {
    let mut head = Head::EMPTY;
    let mut text = Vec::new();
    loop {
        let number = head.count + 1;
        match line::read_line(&mut source, &mut text) {
            Ok(()) if text.is_empty() => break,
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(BrokenChain::Broken { line: number });
            }
            Err(error) => return Err(error.into()),
        }
        let follows = line::parse(&text)
            .is_some_and(|record| record.prev == head.hash && record.seq == head.count);
        if !follows || text.last() != Some(&b'\n') {
            // A changed line is found by the next one, which names the hash of what it was.
            return Err(BrokenChain::Broken { line: number });
        }
        head = Head {
            count: number,
            hash: line::hash_of(&text),
        };
    }
    if head == synced.head {
        Ok(())
    } else {
        Err(BrokenChain::Broken { line: head.count })
    }
}

fn digest_from(log: &File, offset: u64) -> io::Result<Digest> {
    use sha2::{Digest as _, Sha256};
    let mut reader = log;
    reader.seek(SeekFrom::Start(offset))?;
    let mut hash = Sha256::new();
    let mut block = vec![0; 64 * 1024];
    loop {
        let read = reader.read(&mut block)?;
        if read == 0 {
            return Ok(Digest::from_bytes(hash.finalize().into()));
        }
        hash.update(&block[..read]);
    }
}
