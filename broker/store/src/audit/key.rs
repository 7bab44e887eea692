//! The keys of the chain: the first one, which the owner keeps, and the current one, which the
//! broker keeps and forgets step by step.
//!
//! `audit.key` has two slots, each whole with a checksum. One is written and brought to disk, then
//! the other is overwritten with the same: at every instant at least one slot is whole, and soon
//! after each step no older key is left in the file.

use crate::audit::head::Head;
use crate::audit::line::next_key;
#[cfg(feature = "database")]
use carapace_contract::id::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
#[cfg(feature = "database")]
use std::os::unix::fs::FileExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The owner's file with the first key, in the anchor folder.
pub const FIRST_KEY_FILE: &str = "audit.k0";
/// The broker's file with the current key, in the state folder.
pub const KEY_FILE: &str = "audit.key";
/// The log, in the state folder.
pub const LOG_FILE: &str = "audit.log";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file cannot be read or written.
    #[error(
        "audit key: cannot {step} {path}: {cause}\n  remedy: check that the folder exists, is yours and has space"
    )]
    Io {
        /// What was tried.
        step: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The first key is not 32 bytes.
    #[error(
        "audit key: {0} is not a key of 32 bytes\n  remedy: restore it from a backup; without it the log cannot be verified"
    )]
    BadFirstKey(PathBuf),
    /// No slot of the current key is whole.
    #[error(
        "audit key: {0} has no whole slot\n  remedy: restore the state folder from a backup, or set it aside and start afresh"
    )]
    BadKey(PathBuf),
    /// One key exists without the other, and the log has records.
    #[error(
        "audit key: {missing} is missing while {present} exists\n  remedy: restore it from a backup, or set both and audit.log aside to start a new chain"
    )]
    HalfMissing {
        /// The one that is gone.
        missing: PathBuf,
        /// The one that is there.
        present: PathBuf,
    },
}

/// The key of one epoch.
#[derive(Clone)]
pub struct ChainKey {
    epoch: u64,
    bytes: [u8; 32],
}

impl ChainKey {
    /// The key of epoch 0.
    pub fn first(bytes: [u8; 32]) -> Self {
        Self { epoch: 0, bytes }
    }

    /// Which epoch it belongs to.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Replaces it by the key of the next epoch. There is no way back.
    pub fn advance(&mut self) {
        self.bytes = next_key(&self.bytes);
        self.epoch += 1;
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

/// Makes the keys of a new chain: the first key in `anchor_dir` and the broker's in `state_dir`,
/// both 0600 and on disk when this returns. Where both exist, nothing is changed.
///
/// # Errors
/// A file cannot be read or written, or only one of the two keys exists although there are records.
pub fn create_keys(anchor_dir: &Path, state_dir: &Path) -> Result<(), KeyError> {
    let first_path = anchor_dir.join(FIRST_KEY_FILE);
    let key_path = state_dir.join(KEY_FILE);
    if key_path.exists() {
        return if first_path.exists() {
            Ok(())
        } else {
            Err(KeyError::HalfMissing {
                missing: first_path,
                present: key_path,
            })
        };
    }
    let log_path = state_dir.join(LOG_FILE);
    if log_path.metadata().is_ok_and(|log| log.len() > 0) {
        return Err(KeyError::HalfMissing {
            missing: key_path,
            present: log_path,
        });
    }
    if !first_path.exists() {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| KeyError::Io {
            step: "draw random bytes for",
            path: first_path.clone(),
            cause: io::Error::other("the kernel's random generator does not answer"),
        })?;
        write_new(&first_path, &bytes)?;
    }
    let first = ChainKey::first(read_first_key(&first_path)?);
    let slot = Slot {
        turn: 1,
        head: Head::EMPTY,
        offset: 0,
    }
    .encode(&first);
    let mut file = vec![0; SLOT_AT[1] as usize + SLOT_SIZE];
    for at in SLOT_AT {
        file[at as usize..at as usize + SLOT_SIZE].copy_from_slice(&slot);
    }
    write_new(&key_path, &file)
}

/// Reads the first key.
///
/// # Errors
/// It cannot be read, or is not 32 bytes long.
pub fn read_first_key(path: &Path) -> Result<[u8; 32], KeyError> {
    let mut bytes = Vec::with_capacity(33);
    File::open(path)
        .and_then(|file| file.take(33).read_to_end(&mut bytes))
        .map_err(|cause| KeyError::Io {
            step: "read",
            path: path.to_owned(),
            cause,
        })?;
    bytes
        .try_into()
        .map_err(|_| KeyError::BadFirstKey(path.to_owned()))
}

#[cfg(feature = "database")]
/// The broker's key file, open.
#[derive(Debug)]
pub(crate) struct KeyFile {
    file: File,
    turn: u64,
    // The slot that is known to be whole on disk; the other one is written next.
    whole: usize,
}

#[cfg(feature = "database")]
/// What was on disk when the key last advanced.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Synced {
    pub head: Head,
    pub offset: u64,
}

#[cfg(feature = "database")]
impl KeyFile {
    pub(crate) fn open(path: &Path) -> Result<(Self, ChainKey, Synced), KeyError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|cause| KeyError::Io {
                step: "open",
                path: path.to_owned(),
                cause,
            })?;
        let mut best: Option<(usize, Slot, ChainKey)> = None;
        for (index, at) in SLOT_AT.into_iter().enumerate() {
            let mut bytes = [0; SLOT_SIZE];
            let Ok(()) = file.read_exact_at(&mut bytes, at) else {
                continue;
            };
            let Some((slot, key)) = Slot::decode(&bytes) else {
                continue;
            };
            if best
                .as_ref()
                .is_none_or(|(_, other, _)| slot.turn > other.turn)
            {
                best = Some((index, slot, key));
            }
        }
        let (whole, slot, key) = best.ok_or_else(|| KeyError::BadKey(path.to_owned()))?;
        // The winner may be one that was not brought to disk yet; from here on it is.
        file.sync_data().map_err(|cause| KeyError::Io {
            step: "bring to disk",
            path: path.to_owned(),
            cause,
        })?;
        let synced = Synced {
            head: slot.head,
            offset: slot.offset,
        };
        Ok((
            Self {
                file,
                turn: slot.turn,
                whole,
            },
            key,
            synced,
        ))
    }

    /// Replaces the key on disk and forgets the one before.
    pub(crate) fn store(&mut self, key: &ChainKey, synced: Synced) -> io::Result<()> {
        let slot = Slot {
            turn: self.turn + 1,
            head: synced.head,
            offset: synced.offset,
        }
        .encode(key);
        let other = 1 - self.whole;
        self.file.write_all_at(&slot, SLOT_AT[other])?;
        self.file.sync_data()?;
        self.turn += 1;
        let stale = std::mem::replace(&mut self.whole, other);
        self.file.write_all_at(&slot, SLOT_AT[stale])
    }
}

// A sector each, far enough apart that no write touches both.
const SLOT_AT: [u64; 2] = [0, 4096];
const SLOT_SIZE: usize = 136;
const MAGIC: &[u8; 8] = b"CRPAUDK1";

struct Slot {
    turn: u64,
    head: Head,
    offset: u64,
}

impl Slot {
    fn encode(&self, key: &ChainKey) -> [u8; SLOT_SIZE] {
        let mut bytes = Vec::with_capacity(SLOT_SIZE);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.turn.to_le_bytes());
        bytes.extend_from_slice(&key.epoch.to_le_bytes());
        bytes.extend_from_slice(&key.bytes);
        bytes.extend_from_slice(&self.head.encode());
        bytes.extend_from_slice(&self.offset.to_le_bytes());
        let sum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&sum);
        let mut slot = [0; SLOT_SIZE];
        slot.copy_from_slice(&bytes);
        slot
    }

    #[cfg(feature = "database")]
    fn decode(bytes: &[u8; SLOT_SIZE]) -> Option<(Slot, ChainKey)> {
        let (content, sum) = bytes.split_at(SLOT_SIZE - 32);
        if content[..8] != *MAGIC || Sha256::digest(content)[..] != *sum {
            return None;
        }
        let number = |at: usize| {
            let mut raw = [0; 8];
            raw.copy_from_slice(&content[at..at + 8]);
            u64::from_le_bytes(raw)
        };
        let block = |at: usize| {
            let mut raw = [0; 32];
            raw.copy_from_slice(&content[at..at + 32]);
            raw
        };
        let key = ChainKey {
            epoch: number(16),
            bytes: block(24),
        };
        let head = Head {
            count: number(56),
            hash: Digest::from_bytes(block(64)),
        };
        Some((
            Slot {
                turn: number(8),
                head,
                offset: number(96),
            },
            key,
        ))
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    let failed = |step| {
        move |cause| KeyError::Io {
            step,
            path: path.to_owned(),
            cause,
        }
    };
    // Under another name first: a crash leaves no half key under the real one.
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)
        .map_err(failed("create"))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(failed("write"))?;
    // A link fails where the name exists, so a key is never replaced.
    std::fs::hard_link(&fresh, path).map_err(failed("create"))?;
    std::fs::remove_file(&fresh).map_err(failed("clean up after"))?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed("bring to disk"))
}

#[cfg(all(test, feature = "database"))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn made() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        create_keys(folder.path(), folder.path()).unwrap();
        let key = folder.path().join(KEY_FILE);
        (folder, key)
    }

    #[test]
    fn keys_are_private_and_never_replaced() {
        let (folder, key) = made();
        let first = folder.path().join(FIRST_KEY_FILE);
        let before = (std::fs::read(&first).unwrap(), std::fs::read(&key).unwrap());
        create_keys(folder.path(), folder.path()).unwrap();
        assert_eq!(
            before,
            (std::fs::read(&first).unwrap(), std::fs::read(&key).unwrap())
        );
        for path in [&first, &key] {
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::remove_file(&first).unwrap();
        assert!(matches!(
            create_keys(folder.path(), folder.path()),
            Err(KeyError::HalfMissing { .. })
        ));
    }

    #[test]
    fn a_lost_key_of_a_chain_with_records_is_not_made_anew() {
        let (folder, key) = made();
        std::fs::remove_file(&key).unwrap();
        std::fs::write(folder.path().join(LOG_FILE), b"{}\n").unwrap();
        assert!(matches!(
            create_keys(folder.path(), folder.path()),
            Err(KeyError::HalfMissing { .. })
        ));
    }

    #[test]
    fn after_each_step_no_older_key_is_in_the_file() {
        let (folder, path) = made();
        let mut old = vec![read_first_key(&folder.path().join(FIRST_KEY_FILE)).unwrap()];
        let (mut file, mut key, synced) = KeyFile::open(&path).unwrap();
        for _ in 0..5 {
            key.advance();
            file.store(&key, synced).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            for old in &old {
                assert!(!bytes.windows(32).any(|window| window == old));
            }
            old.push(*key.bytes());
        }
        let (_, found, _) = KeyFile::open(&path).unwrap();
        assert_eq!((found.epoch(), *found.bytes()), (5, *key.bytes()));
    }

    #[test]
    fn a_write_torn_at_any_byte_leaves_a_usable_key() {
        let (_folder, path) = made();
        let (mut file, mut key, synced) = KeyFile::open(&path).unwrap();
        let before = std::fs::read(&path).unwrap();
        key.advance();
        file.store(&key, synced).unwrap();
        let after = std::fs::read(&path).unwrap();
        // The order of the writes: the slot that was not whole, then the other.
        let order = [file.whole, 1 - file.whole].map(|slot| SLOT_AT[slot] as usize);
        let mut disk = before;
        for at in order {
            for byte in at..at + SLOT_SIZE {
                disk[byte] = after[byte];
                std::fs::write(&path, &disk).unwrap();
                let (_, found, _) = KeyFile::open(&path).unwrap();
                assert!(found.epoch() <= 1);
            }
        }
        assert_eq!(KeyFile::open(&path).unwrap().1.epoch(), 1);
    }
}
