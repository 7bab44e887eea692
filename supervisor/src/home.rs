//! The home as the supervisor needs it: checked, completed, and locked against a second one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
    PermissionsExt as _,
};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use carapace_contract::home::{Home, MAX_SOCKET_PATH};
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

/// Why a home is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HomeError {
    #[error(
        "looking at {path}: {cause}\n  remedy: run `carapace start`, which makes what is missing"
    )]
    Unreachable { path: PathBuf, cause: io::Error },
    #[error(
        "looking at {path}: it is not a directory of its own\n  remedy: remove or rename what is there"
    )]
    NotADirectory { path: PathBuf },
    #[error(
        "looking at {path}: it belongs to user {owner}, and this is user {user}\n  remedy: use a home of your own, or chown it"
    )]
    Foreign {
        path: PathBuf,
        owner: u32,
        user: u32,
    },
    #[error(
        "looking at {path}: others may enter it (mode {mode:o})\n  remedy: run `chmod 700` on it"
    )]
    Open { path: PathBuf, mode: u32 },
    #[error(
        "the socket path {path} has {length} bytes and may have {MAX_SOCKET_PATH}\n  remedy: choose a home with a shorter path"
    )]
    SocketPath { path: PathBuf, length: usize },
    #[error("making {path}: {cause}\n  remedy: make the home writable or make room on its disk")]
    Make { path: PathBuf, cause: io::Error },
    #[error(
        "the supervisor of this home is already running, pid {pid}\n  remedy: stop it with `carapace stop`"
    )]
    AlreadyRunning { pid: String },
    #[error("locking {path}: {cause}\n  remedy: remove it if no supervisor runs")]
    Lock { path: PathBuf, cause: io::Error },
    #[error("making the socket {path}: something else is in its place\n  remedy: remove it")]
    NotASocket { path: PathBuf },
    #[error("making the socket {path}: {cause}\n  remedy: make its folder writable")]
    Socket { path: PathBuf, cause: io::Error },
}

/// Checks the home itself and makes the folders that are missing.
pub(crate) fn check(home: &Home) -> Result<(), HomeError> {
    check_folder(home.root(), true)?;
    for path in [home.supervisor_socket(), home.control_socket()] {
        let length = path.as_os_str().as_bytes().len();
        if length > MAX_SOCKET_PATH {
            return Err(HomeError::SocketPath { path, length });
        }
    }
    for path in [home.run(), home.logs(), home.anchor(), home.key_dir()] {
        make_folder(&path)?;
        check_folder(&path, true)?;
    }
    // These two belong to the user ids of their cages where the supervisor is root.
    let workspace = home.workspace("owner");
    if let Some(above) = workspace.parent() {
        make_folder(above)?;
        check_folder(above, false)?;
    }
    for path in [home.state(), workspace] {
        make_folder(&path)?;
        check_folder(&path, false)?;
    }
    Ok(())
}

fn make_folder(path: &Path) -> Result<(), HomeError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => Err(HomeError::Make {
            path: path.to_owned(),
            cause,
        }),
        _ => Ok(()),
    }
}

fn check_folder(path: &Path, only_mine: bool) -> Result<(), HomeError> {
    let path = path.to_owned();
    let found = match fs::symlink_metadata(&path) {
        Ok(found) => found,
        Err(cause) => return Err(HomeError::Unreachable { path, cause }),
    };
    if !found.is_dir() {
        return Err(HomeError::NotADirectory { path });
    }
    let (owner, user) = (found.uid(), rustix::process::geteuid().as_raw());
    if only_mine && owner != user {
        return Err(HomeError::Foreign { path, owner, user });
    }
    let mode = found.mode() & 0o7777;
    if only_mine && mode & 0o077 != 0 {
        return Err(HomeError::Open { path, mode });
    }
    Ok(())
}

/// The pid file, locked as long as this value lives.
pub(crate) struct PidFile {
    path: PathBuf,
    /// Held for its lock.
    _file: File,
}

impl PidFile {
    /// Locks the file and writes this process's number into it; a file that nobody has locked is taken over.
    pub(crate) fn lock(path: PathBuf) -> Result<Self, HomeError> {
        let failed = |cause: io::Error| HomeError::Lock {
            path: path.clone(),
            cause,
        };
        // The file may be removed by its owner between the opening and the lock; then the next one
        // is tried. Each turn needs a supervisor that ended in that moment.
        loop {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(OFlags::NOFOLLOW.bits() as i32)
                .open(&path)
                .map_err(failed)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::AGAIN) => {
                    return Err(HomeError::AlreadyRunning {
                        pid: written_pid(&file),
                    });
                }
                Err(error) => return Err(failed(error.into())),
            }
            let locked = file.metadata().map_err(failed)?;
            let named = fs::symlink_metadata(&path);
            if !named.is_ok_and(|named| named.ino() == locked.ino() && named.dev() == locked.dev())
            {
                continue;
            }
            file.set_len(0)
                .and_then(|()| file.rewind())
                .and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()))
                .map_err(failed)?;
            return Ok(Self { path, _file: file });
        }
    }

    /// Removes the file; the lock ends with this value, after it.
    pub(crate) fn remove(&self) {
        // NOTE(remove): a file that is left over is taken over by the next start.
        let _ = fs::remove_file(&self.path);
    }
}

fn written_pid(file: &File) -> String {
    let mut text = String::new();
    match file.take(16).read_to_string(&mut text) {
        Ok(_) if text.trim().parse::<u32>().is_ok() => text.trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}

/// Binds a listener that only this user can reach, in the place of one that is left over.
///
/// Called with the home locked: no other supervisor can be listening there.
pub(crate) fn listen(path: &Path) -> Result<UnixListener, HomeError> {
    let failed = |cause| HomeError::Socket {
        path: path.to_owned(),
        cause,
    };
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path).map_err(failed)?,
        Ok(_) => {
            return Err(HomeError::NotASocket {
                path: path.to_owned(),
            });
        }
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
        Err(cause) => return Err(failed(cause)),
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()
            .unwrap()
    }

    #[test]
    fn a_home_is_completed_and_one_that_others_enter_is_refused() {
        let folder = folder();
        let home = Home::at(folder.path().join("h"));
        assert!(matches!(check(&home), Err(HomeError::Unreachable { .. })));
        DirBuilder::new().mode(0o755).create(home.root()).unwrap();
        assert!(matches!(
            check(&home),
            Err(HomeError::Open { mode: 0o755, .. })
        ));
        fs::set_permissions(home.root(), fs::Permissions::from_mode(0o700)).unwrap();
        check(&home).unwrap();
        assert!(
            home.workspace("owner").is_dir() && home.anchor().is_dir() && home.key_dir().is_dir()
        );
        fs::remove_dir(home.state()).unwrap();
        std::os::unix::fs::symlink("/", home.state()).unwrap();
        assert!(matches!(check(&home), Err(HomeError::NotADirectory { .. })));
    }

    #[test]
    fn a_long_home_is_refused_before_anything_is_made() {
        let folder = folder();
        let home = Home::at(folder.path().join("x".repeat(100)));
        DirBuilder::new().mode(0o700).create(home.root()).unwrap();
        assert!(matches!(check(&home), Err(HomeError::SocketPath { .. })));
        assert_eq!(fs::read_dir(home.root()).unwrap().count(), 0);
    }

    #[test]
    fn one_supervisor_per_home_and_a_left_over_file_is_taken_over() {
        let folder = folder();
        let path = folder.path().join("pid");
        fs::write(&path, "12345678901234567890\n").unwrap();
        let first = PidFile::lock(path.clone()).unwrap();
        let own = std::process::id().to_string();
        let second = PidFile::lock(path.clone());
        assert!(matches!(second, Err(HomeError::AlreadyRunning { pid }) if pid == own));
        first.remove();
        drop(first);
        assert!(!path.exists());
        PidFile::lock(path).unwrap();
    }

    #[test]
    fn only_a_socket_is_replaced() {
        let folder = folder();
        let path = folder.path().join("s");
        drop(listen(&path).unwrap());
        let listener = listen(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        drop(listener);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        assert!(matches!(listen(&path), Err(HomeError::NotASocket { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"mine");
    }
}
