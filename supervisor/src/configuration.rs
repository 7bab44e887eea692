//! `config.toml` and `rules.yaml`, carried to the broker unread.
//!
//! The bytes are taken once per start or reload and handed over in a sealed memory file, so that a
//! broker that is started again has the same configuration as before, whatever the file says now.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use carapace_contract::config::MAX_CONFIG;
use carapace_contract::home::Home;
use rustix::fs::{MemfdFlags, OFlags, SealFlags, fcntl_add_seals, memfd_create};

/// More bytes than rules that can be used have.
const RULES_BYTES: usize = 1024 * 1024;

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
    #[error("handing a file to the broker: {0}\n  remedy: free memory or descriptors")]
    Memory(#[from] rustix::io::Errno),
    #[error("handing a file to the broker: {0}\n  remedy: free memory")]
    Copy(#[source] io::Error),
}

/// The bytes of a `config.toml` and of the `rules.yaml` beside it.
#[derive(Clone)]
pub(crate) struct Configuration {
    config: Vec<u8>,
    rules: Option<Vec<u8>>,
    /// Why the rules cannot be handed over.
    pub(crate) rules_fault: Option<String>,
}

impl Configuration {
    /// Takes the bytes of the files. Rules that cannot be used are no reason not to start: who has none to
    /// judge by asks about everything.
    pub(crate) fn read(home: &Home) -> Result<Self, FileError> {
        let config = read_own(&home.config(), MAX_CONFIG)?;
        let (rules, rules_fault) = match read_own(&home.rules(), RULES_BYTES) {
            Ok(rules) => (Some(rules), None),
            Err(FileError::Unreadable { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
                (None, None)
            }
            Err(error) => (Some(Vec::new()), Some(error.to_string())),
        };
        Ok(Self {
            config,
            rules,
            rules_fault,
        })
    }

    /// A file of its own with the bytes of `config.toml`, which nobody can change.
    pub(crate) fn file(&self) -> Result<OwnedFd, FileError> {
        sealed("config.toml", &self.config)
    }

    /// The same of `rules.yaml`; `None` where there is no such file, an empty one where it cannot be used.
    pub(crate) fn rules(&self) -> Result<Option<OwnedFd>, FileError> {
        let rules = self.rules.as_deref();
        rules.map(|rules| sealed("rules.yaml", rules)).transpose()
    }
}

fn sealed(name: &str, bytes: &[u8]) -> Result<OwnedFd, FileError> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::NOEXEC_SEAL;
    let mut file = std::fs::File::from(memfd_create(name, flags)?);
    file.write_all(bytes)
        .and_then(|()| file.rewind())
        .map_err(FileError::Copy)?;
    fcntl_add_seals(
        &file,
        SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
    )?;
    Ok(file.into())
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
