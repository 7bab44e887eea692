//! The home: found, made at first use, checked before it is trusted. Everything in it is the
//! owner's alone (0700, 0600). Nothing that exists is overwritten, and a home that is a link or
//! belongs to somebody else is refused: what is in it decides what an agent may do.

use crate::failure::{Exit, Explain, split_remedy};
use crate::files;
use carapace_contract::config::DEFAULT_TEXT;
use carapace_contract::home::{Home, MAX_SOCKET_PATH};
use carapace_jail::config::CageConfig;
use carapace_store::audit::{self, KeyError};
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The vault's file in the state folder.
const VAULT: &str = "vault";

/// Why there is no home to work with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HomeError {
    /// Neither the flag nor the environment names one.
    #[error("finding the home: neither --home, CARAPACE_HOME nor HOME names an absolute path")]
    Unnamed,
    /// There is none yet, and this command makes none.
    #[error("reading the home: {0} does not exist")]
    Absent(PathBuf),
    /// It is a symbolic link.
    #[error("checking the home: {0} is a symbolic link")]
    Link(PathBuf),
    /// It is no directory.
    #[error("checking the home: {0} is not a directory")]
    NotDirectory(PathBuf),
    /// It is another user's.
    #[error("checking the home: {path} belongs to user {owner}, not to you (user {me})")]
    Owner {
        /// The home.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who asks.
        me: u32,
    },
    /// Others may look into it.
    #[error("checking the home: {path} is open to others (mode {mode:04o})")]
    Open {
        /// The home.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A socket in it would have too long a path.
    #[error(
        "checking the home: {path} makes a socket path of {bytes} bytes; the system takes at most {MAX_SOCKET_PATH}"
    )]
    TooLong {
        /// The home.
        path: PathBuf,
        /// The longest socket path.
        bytes: usize,
    },
    /// Something in it cannot be made.
    #[error("setting up the home: {path} cannot be made: {cause}")]
    Make {
        /// What.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The audit keys cannot be made.
    #[error("setting up the home: {}", split_remedy(&.0.to_string()).0)]
    Keys(#[from] KeyError),
    /// It cannot be looked at.
    #[error("checking the home: {path} cannot be read: {cause}")]
    Unreadable {
        /// The home.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

impl Explain for HomeError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unnamed => "home-unnamed",
            Self::Absent(_) => "home-absent",
            Self::Link(_) => "home-link",
            Self::NotDirectory(_) => "home-not-directory",
            Self::Owner { .. } => "home-owner",
            Self::Open { .. } => "home-open",
            Self::TooLong { .. } => "home-path-too-long",
            Self::Make { .. } => "home-make",
            Self::Keys(_) => "home-keys",
            Self::Unreadable { .. } => "home-unreadable",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Unnamed => "give one with --home /path, or set CARAPACE_HOME".to_owned(),
            Self::Absent(_) => "make it with `carapace start`".to_owned(),
            Self::Link(path) => match path.canonicalize() {
                Ok(real) => format!("name the folder itself: --home {}", real.display()),
                Err(_) => "name a real folder with --home or CARAPACE_HOME".to_owned(),
            },
            Self::NotDirectory(_) => "move that file away, or choose another folder with --home".to_owned(),
            Self::Owner { .. } => "choose a folder of your own with --home or CARAPACE_HOME".to_owned(),
            Self::Open { path, .. } => format!("close it: chmod 700 {}", path.display()),
            Self::TooLong { .. } => {
                "choose a shorter folder, for example --home ~/.carapace or a folder in /run or /var/lib".to_owned()
            }
            Self::Make { path, cause } | Self::Unreadable { path, cause } => match cause.kind() {
                ErrorKind::PermissionDenied => {
                    "choose a folder that you may write to, with --home or CARAPACE_HOME".to_owned()
                }
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                    "free space on that disk (a few MiB are enough) and try again; nothing half-written is left".to_owned()
                }
                ErrorKind::ReadOnlyFilesystem => "choose a folder on a writable disk with --home".to_owned(),
                ErrorKind::NotFound => format!("make the folder above it first: {}", above(path).display()),
                _ => "mend what the system names, or choose another folder with --home".to_owned(),
            },
            Self::Keys(error) => split_remedy(&error.to_string()).1,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Unnamed => Exit::Usage,
            // Where there is no home, nothing runs.
            Self::Absent(_) => Exit::State,
            _ => Exit::Failed,
        }
    }
}

/// The home that is meant: the flag's, else the environment's.
///
/// # Errors
/// [`HomeError::Unnamed`] where nothing names one.
pub(crate) fn locate(flag: Option<&Path>) -> Result<Home, HomeError> {
    let from = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    match flag {
        // NOTE(absolute): fails only for an empty path or a current directory that is gone.
        Some(path) => std::path::absolute(path)
            .map(Home::at)
            .map_err(|_| HomeError::Unnamed),
        None => {
            Home::from_environment(from("CARAPACE_HOME"), from("HOME")).ok_or(HomeError::Unnamed)
        }
    }
}

/// Makes what is missing, after checking what is there. True where the home itself was made.
///
/// # Errors
/// [`HomeError`]; what this call made is taken away again then.
pub(crate) fn ensure(home: &Home) -> Result<bool, HomeError> {
    check_paths(home)?;
    let fresh = !exists(home)?;
    let mut made = Vec::new();
    let done = make(home, &mut made);
    if done.is_err() {
        for path in made.iter().rev() {
            // Only what was made here: a folder that meanwhile holds something else stays.
            let _ = if path.is_dir() {
                fs::remove_dir(path)
            } else {
                fs::remove_file(path)
            };
        }
    }
    done.map(|()| fresh)
}

/// Checks a home that must exist, and makes nothing.
///
/// # Errors
/// [`HomeError`]
pub(crate) fn check(home: &Home) -> Result<(), HomeError> {
    check_paths(home)?;
    if exists(home)? {
        Ok(())
    } else {
        Err(HomeError::Absent(home.root().to_owned()))
    }
}

/// Whether it exists; then it is also the caller's own, closed and no link.
fn exists(home: &Home) -> Result<bool, HomeError> {
    let path = home.root().to_owned();
    let about = match path.symlink_metadata() {
        Ok(about) => about,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(cause) => return Err(HomeError::Unreadable { path, cause }),
    };
    let me = rustix::process::geteuid().as_raw();
    if about.is_symlink() {
        Err(HomeError::Link(path))
    } else if !about.is_dir() {
        Err(HomeError::NotDirectory(path))
    } else if about.uid() != me {
        Err(HomeError::Owner {
            path,
            owner: about.uid(),
            me,
        })
    } else if about.mode() & 0o077 != 0 {
        Err(HomeError::Open {
            path,
            mode: about.mode() & 0o7777,
        })
    } else {
        Ok(true)
    }
}

fn check_paths(home: &Home) -> Result<(), HomeError> {
    let longest = [home.control_socket(), home.supervisor_socket()]
        .iter()
        .map(|path| path.as_os_str().as_bytes().len())
        .max()
        .unwrap_or(0);
    if longest > MAX_SOCKET_PATH {
        return Err(HomeError::TooLong {
            path: home.root().to_owned(),
            bytes: longest,
        });
    }
    Ok(())
}

fn make(home: &Home, made: &mut Vec<PathBuf>) -> Result<(), HomeError> {
    for folder in [
        home.root().to_owned(),
        home.anchor(),
        home.key_dir(),
        home.state(),
        home.run(),
        home.logs(),
        above(&home.workspace("owner")),
        home.workspace("owner"),
    ] {
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => made.push(folder),
            Err(error)
                if error.kind() == ErrorKind::AlreadyExists
                    && !folder.is_symlink()
                    && folder.is_dir() => {}
            Err(cause) => {
                return Err(HomeError::Make {
                    path: folder,
                    cause,
                });
            }
        }
    }
    for (path, text) in [
        (home.config(), DEFAULT_TEXT.to_owned()),
        (home.cage(), CageConfig::default().to_toml()),
    ] {
        match files::create(&path, text.as_bytes()) {
            Ok(true) => made.push(path),
            Ok(false) => {}
            Err(cause) => return Err(HomeError::Make { path, cause }),
        }
    }
    make_vault_key(home, made)?;
    let keys = [
        home.audit_first_key(),
        home.state().join(audit::key::KEY_FILE),
    ];
    let before: Vec<bool> = keys.iter().map(|path| path.exists()).collect();
    let created = audit::create_keys(&home.anchor(), &home.state());
    for (path, was) in keys.into_iter().zip(before) {
        if !was && path.exists() {
            made.push(path);
        }
    }
    Ok(created?)
}

/// The key that opens the vault without a passphrase. Not where there is a vault already: that one
/// is kept in another way, and this key would open nothing.
fn make_vault_key(home: &Home, made: &mut Vec<PathBuf>) -> Result<(), HomeError> {
    let path = home.vault_key();
    if home.state().join(VAULT).exists() {
        return Ok(());
    }
    let failed = |cause| HomeError::Make {
        path: path.clone(),
        cause,
    };
    let key = vault_key_text().map_err(failed)?;
    match files::create(&path, key.as_bytes()) {
        Ok(true) => made.push(path),
        Ok(false) => {}
        Err(cause) => return Err(failed(cause)),
    }
    Ok(())
}

/// A fresh key of the vault as its file has it: 64 hexadecimal digits and a line feed.
///
/// # Errors
/// The kernel gives no random bytes.
pub(crate) fn vault_key_text() -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|error| io::Error::other(error.to_string()))?;
    let mut text = Zeroizing::new(String::with_capacity(65));
    for byte in bytes.iter() {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
    text.push('\n');
    Ok(text)
}

fn above(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_fresh_home_is_closed_and_whole_and_a_second_run_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("h"));
        assert!(ensure(&home).unwrap());
        for path in [
            home.root().to_owned(),
            home.anchor(),
            home.state(),
            home.run(),
            home.logs(),
            home.workspace("owner"),
        ] {
            assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o700, "{path:?}");
        }
        for path in [home.config(), home.cage(), home.audit_first_key()] {
            assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o600, "{path:?}");
        }
        fs::write(home.config(), "# mine\n").unwrap();
        let key = fs::read(home.audit_first_key()).unwrap();
        assert!(!ensure(&home).unwrap());
        assert_eq!(fs::read_to_string(home.config()).unwrap(), "# mine\n");
        assert_eq!(fs::read(home.audit_first_key()).unwrap(), key);
    }

    #[test]
    fn what_cannot_be_made_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("h"));
        DirBuilder::new().mode(0o700).create(home.root()).unwrap();
        fs::write(home.logs(), "in the way").unwrap();
        assert!(matches!(ensure(&home), Err(HomeError::Make { .. })));
        let left: Vec<_> = fs::read_dir(home.root())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["logs"]);
    }

    #[test]
    fn a_home_that_is_not_ones_own_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real");
        fs::create_dir(&real).unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(
            ensure(&Home::at(&real)),
            Err(HomeError::Open { .. })
        ));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(matches!(ensure(&Home::at(&link)), Err(HomeError::Link(_))));
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(
            ensure(&Home::at(&file)),
            Err(HomeError::NotDirectory(_))
        ));
        let long = folder.path().join("x".repeat(100));
        assert!(matches!(
            ensure(&Home::at(&long)),
            Err(HomeError::TooLong { .. })
        ));
        assert!(!long.exists());
    }
}
