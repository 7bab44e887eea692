//! A file that holds one secret and nothing else. It has to be private: a file that others may read
//! or write is no place for a secret, and saying so is worth more than reading it.

use crate::failure::Exit;
use crate::limit::{self, READING};
use crate::request::AbsolutePath;
use crate::value::{MAX_RAW, Raw, ValueError, from_reader};
use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::path::PathBuf;

/// The file's bytes.
///
/// # Errors
/// [`FileError`].
pub fn read(path: AbsolutePath) -> Result<Raw, FileError> {
    let shown = path.path().to_owned();
    // A dead network share holds whoever opens a file on it.
    limit::within(READING, move || read_now(path.path().to_owned()))
        .unwrap_or(Err(FileError::TooLong(shown)))
}

fn read_now(path: PathBuf) -> Result<Raw, FileError> {
    use rustix::io::Errno;
    // NONBLOCK: opening a pipe would wait for its writer, before it is seen that it is a pipe.
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match rustix::fs::open(&path, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::NOTDIR) => return Err(FileError::NotFound(path)),
        Err(Errno::LOOP) => return Err(FileError::Symlink(path)),
        Err(error) => return Err(FileError::Open(path, error.into())),
    };
    let stat = match rustix::fs::fstat(&file) {
        Ok(stat) => stat,
        Err(error) => return Err(FileError::Open(path, error.into())),
    };
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(FileError::NotRegular(path));
    }
    let owner = rustix::process::geteuid().as_raw();
    if stat.st_uid != owner && stat.st_uid != 0 {
        return Err(FileError::Foreign(path));
    }
    if stat.st_mode & 0o077 != 0 {
        return Err(FileError::Shared(path, stat.st_mode & 0o777));
    }
    if stat.st_size > MAX_RAW as i64 {
        return Err(FileError::Value(ValueError::TooLarge));
    }
    Ok(from_reader(File::from(file))?)
}

/// Why there is no value.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// No such file.
    #[error(
        "open {0:?}: there is no such file\n  remedy: correct `item` of this secret in cage.toml"
    )]
    NotFound(PathBuf),
    /// The last component is a symbolic link.
    #[error(
        "open {0:?}: it is a symbolic link, and who makes the link chooses the file\n  remedy: put the file's real path into `item` of this secret in cage.toml"
    )]
    Symlink(PathBuf),
    /// A folder, a pipe, a device.
    #[error(
        "open {0:?}: it is no regular file\n  remedy: correct `item` of this secret in cage.toml"
    )]
    NotRegular(PathBuf),
    /// It belongs to neither this user nor root.
    #[error(
        "open {0:?}: it belongs to another user\n  remedy: make the file anew as the user who runs carapace"
    )]
    Foreign(PathBuf),
    /// Group or others may do something with it.
    #[error("open {0:?}: its mode {1:04o} lets other users in\n  remedy: chmod 600 {0:?}")]
    Shared(PathBuf, u32),
    /// The system does not let us.
    #[error("open {0:?}: {1}\n  remedy: look at the owner and mode of the file and of its folders")]
    Open(PathBuf, std::io::Error),
    /// Out of time.
    #[error(
        "read {0:?}: it took over 15 seconds\n  remedy: look whether the file system is reachable"
    )]
    TooLong(PathBuf),
    /// What is in it.
    #[error(transparent)]
    Value(#[from] ValueError),
}

impl FileError {
    /// The status to exit with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::NotFound(_) => Exit::NotFound,
            Self::Value(error) => error.exit(),
            _ => Exit::Other,
        }
    }
}
