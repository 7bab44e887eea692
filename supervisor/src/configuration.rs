//! `config.toml`, carried to the broker unread.
//!
//! The bytes are taken once per start or reload and handed over in a sealed memory file, so that a
//! broker that is started again has the same configuration as before, whatever the file says now.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use carapace_contract::config::MAX_CONFIG;
use rustix::fs::{MemfdFlags, OFlags, SealFlags, fcntl_add_seals, memfd_create};

/// Why a file of the owner is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error(
        "reading {path}: {cause}\n  remedy: `carapace start` makes it, `carapace config path` names it"
    )]
    Unreadable { path: PathBuf, cause: io::Error },
    #[error("reading {path}: it is not a regular file\n  remedy: replace it by one")]
    NotAFile { path: PathBuf },
    #[error("reading {path}: it belongs to user {owner}\n  remedy: make it yours with chown")]
    Foreign { path: PathBuf, owner: u32 },
    #[error("reading {path}: others may write it\n  remedy: run `chmod 600` on it")]
    Writable { path: PathBuf },
    #[error("reading {path}: it has more than {limit} bytes\n  remedy: shorten it")]
    TooLong { path: PathBuf, limit: usize },
    #[error("handing config.toml to the broker: {0}\n  remedy: free memory or descriptors")]
    Memory(#[from] rustix::io::Errno),
    #[error("handing config.toml to the broker: {0}\n  remedy: free memory")]
    Copy(#[source] io::Error),
}

/// The bytes of a `config.toml`.
#[derive(Clone)]
pub(crate) struct Configuration(Vec<u8>);

impl Configuration {
    /// Takes the bytes of the file.
    pub(crate) fn read(path: &Path) -> Result<Self, FileError> {
        read_own(path, MAX_CONFIG).map(Self)
    }

    /// A file of its own with the bytes, which nobody can change.
    pub(crate) fn file(&self) -> Result<OwnedFd, FileError> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::NOEXEC_SEAL;
        let mut file = std::fs::File::from(memfd_create("config.toml", flags)?);
        file.write_all(&self.0)
            .and_then(|()| file.rewind())
            .map_err(FileError::Copy)?;
        fcntl_add_seals(
            &file,
            SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
        )?;
        Ok(file.into())
    }
}

/// Reads a file that belongs to this user and that nobody else may write.
pub(crate) fn read_own(path: &Path, limit: usize) -> Result<Vec<u8>, FileError> {
    let path = path.to_owned();
    let unreadable = |cause| FileError::Unreadable {
        path: path.clone(),
        cause,
    };
    // NONBLOCK: opening a named pipe must not wait for its writer.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(&path)
        .map_err(unreadable)?;
    let found = file.metadata().map_err(unreadable)?;
    if !found.is_file() {
        return Err(FileError::NotAFile { path });
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        let owner = found.uid();
        return Err(FileError::Foreign { path, owner });
    }
    if found.mode() & 0o022 != 0 {
        return Err(FileError::Writable { path });
    }
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() > limit {
        return Err(FileError::TooLong { path, limit });
    }
    Ok(bytes)
}
