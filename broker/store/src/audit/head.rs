//! The anchor: how many records the chain has and the hash of the last one. 40 bytes.

use carapace_contract::id::Digest;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The size of an encoded head in bytes.
pub const HEAD_SIZE: usize = 40;

/// The end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of records.
    pub count: u64,
    /// SHA-256 of the last whole line; of zero records, 32 zero bytes.
    pub hash: Digest,
}

impl Head {
    /// The head of an empty chain.
    pub const EMPTY: Head = Head {
        count: 0,
        hash: Digest::from_bytes([0; 32]),
    };

    /// Its 40 bytes: the count as a little-endian `u64`, then the hash.
    pub fn encode(&self) -> [u8; HEAD_SIZE] {
        let mut bytes = [0; HEAD_SIZE];
        bytes[..8].copy_from_slice(&self.count.to_le_bytes());
        bytes[8..].copy_from_slice(self.hash.as_bytes());
        bytes
    }

    /// From its 40 bytes; every value is legal.
    pub fn decode(bytes: &[u8; HEAD_SIZE]) -> Self {
        let mut count = [0; 8];
        let mut hash = [0; 32];
        count.copy_from_slice(&bytes[..8]);
        hash.copy_from_slice(&bytes[8..]);
        Self {
            count: u64::from_le_bytes(count),
            hash: Digest::from_bytes(hash),
        }
    }

    /// True where a keeper that has `older` may take this one instead: a chain only grows, and a
    /// head of the same length is the same head.
    pub fn follows(&self, older: &Head) -> bool {
        self.count > older.count || self == older
    }
}

/// Reads the anchor; `None` where there is none yet.
///
/// # Errors
/// It cannot be read, or is not 40 bytes long.
pub fn read_head(path: &Path) -> io::Result<Option<Head>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::with_capacity(HEAD_SIZE + 1);
    file.take(HEAD_SIZE as u64 + 1).read_to_end(&mut bytes)?;
    let bytes: [u8; HEAD_SIZE] = bytes.try_into().map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "the audit anchor is not 40 bytes long",
        )
    })?;
    Ok(Some(Head::decode(&bytes)))
}

/// Writes the anchor: whole or not at all, mode 0600, on disk when this returns.
///
/// # Errors
/// It cannot be written; the older anchor is still there then.
pub fn write_head(path: &Path, head: &Head) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(&head.encode())?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_survives_its_file_and_a_wrong_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("head");
        assert_eq!(read_head(&path).unwrap(), None);
        let head = Head {
            count: 7,
            hash: Digest::of(b"seven"),
        };
        write_head(&path, &head).unwrap();
        assert_eq!(read_head(&path).unwrap(), Some(head));
        for size in [0, 39, 41] {
            std::fs::write(&path, vec![0; size]).unwrap();
            assert!(read_head(&path).is_err(), "{size}");
        }
    }

    #[test]
    fn a_shorter_or_different_chain_does_not_follow() {
        let head = |count, text: &[u8]| Head {
            count,
            hash: Digest::of(text),
        };
        assert!(head(3, b"c").follows(&head(2, b"b")));
        assert!(head(3, b"c").follows(&head(3, b"c")));
        assert!(!head(3, b"x").follows(&head(3, b"c")));
        assert!(!head(2, b"b").follows(&head(3, b"c")));
    }
}
