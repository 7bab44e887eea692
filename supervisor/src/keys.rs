//! The two descriptors that let a broker open the vault: the owner's key file, opened for each broker
//! that is started, and the keyslot, one memory file for all of them. The supervisor reads neither.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use carapace_contract::home::KEYSLOT;
use carapace_jail::attest::OpenFile;
use rustix::fs::{MemfdFlags, OFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

/// Why a key is not handed over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error(
        "opening the vault's key {path}: {cause}\n  remedy: make it a file of your own, or remove it"
    )]
    Unreadable { path: PathBuf, cause: io::Error },
    #[error(
        "opening the vault's key {path}: it is not a regular file\n  remedy: replace it by one, or remove it"
    )]
    NotAFile { path: PathBuf },
    #[error(
        "opening the vault's key {path}: it belongs to user {owner}\n  remedy: make it yours with chown, or remove it"
    )]
    Foreign { path: PathBuf, owner: u32 },
    #[error(
        "opening the vault's key {path}: others may use it (mode {mode:o})\n  remedy: run `chmod 600` on it; if others could read it, make a new key"
    )]
    Open { path: PathBuf, mode: u32 },
    #[error("making the keyslot: {0}\n  remedy: free memory or descriptors")]
    Keyslot(#[source] io::Error),
}

/// The keyslot, and what no process but the broker may hold.
pub(crate) struct Keys {
    keyslot: OwnedFd,
    keyslot_file: OpenFile,
    vault_key_file: Option<OpenFile>,
}

impl Keys {
    /// Makes the keyslot, and looks whether the key file is one, so that a start with a wrong one fails.
    pub(crate) fn make(vault_key: &Path) -> Result<Self, KeyError> {
        let keyslot = keyslot().map_err(KeyError::Keyslot)?;
        let keyslot_file = OpenFile::of(keyslot.as_fd()).map_err(KeyError::Keyslot)?;
        let mut keys = Self {
            keyslot,
            keyslot_file,
            vault_key_file: None,
        };
        keys.vault_key(vault_key)?;
        Ok(keys)
    }

    /// The keyslot, for a broker.
    pub(crate) fn keyslot(&self) -> io::Result<OwnedFd> {
        self.keyslot.try_clone()
    }

    /// The key file, for a broker; `None` where there is none.
    pub(crate) fn vault_key(&mut self, path: &Path) -> Result<Option<OwnedFd>, KeyError> {
        let file = open_vault_key(path)?;
        let cause = |cause| KeyError::Unreadable {
            path: path.to_owned(),
            cause,
        };
        if let Some(file) = &file {
            self.vault_key_file = Some(OpenFile::of(file.as_fd()).map_err(cause)?);
        }
        Ok(file.map(OwnedFd::from))
    }

    /// What no process but the broker may hold.
    pub(crate) fn files(&self) -> Vec<OpenFile> {
        [Some(self.keyslot_file), self.vault_key_file]
            .into_iter()
            .flatten()
            .collect()
    }
}

fn keyslot() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::NOEXEC_SEAL;
    let file = memfd_create("keyslot", flags)?;
    ftruncate(&file, KEYSLOT as u64)?;
    fcntl_add_seals(&file, SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file)
}

fn open_vault_key(path: &Path) -> Result<Option<File>, KeyError> {
    let path = path.to_owned();
    // NONBLOCK: opening a named pipe must not wait for its writer.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(&path);
    let file = match opened {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        // What NOFOLLOW says of a symlink.
        Err(cause) if cause.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(KeyError::NotAFile { path });
        }
        Err(cause) => return Err(KeyError::Unreadable { path, cause }),
    };
    let found = match file.metadata() {
        Ok(found) => found,
        Err(cause) => return Err(KeyError::Unreadable { path, cause }),
    };
    if !found.is_file() {
        return Err(KeyError::NotAFile { path });
    }
    let owner = found.uid();
    if owner != rustix::process::geteuid().as_raw() {
        return Err(KeyError::Foreign { path, owner });
    }
    let mode = found.mode() & 0o7777;
    if mode & !0o600 != 0 {
        return Err(KeyError::Open { path, mode });
    }
    Ok(Some(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn only_a_file_of_ones_own_is_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.key");
        let mut keys = Keys::make(&path).unwrap();
        assert!(keys.vault_key(&path).unwrap().is_none());
        assert_eq!(keys.files().len(), 1);
        fs::write(&path, [7; 32]).unwrap();
        for (mode, good) in [
            (0o600, true),
            (0o400, true),
            (0o640, false),
            (0o604, false),
            (0o4600, false),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let found = keys.vault_key(&path);
            assert_eq!(matches!(found, Ok(Some(_))), good, "{mode:o}");
            if let Err(error) = found {
                assert!(error.to_string().contains("chmod 600"), "{error}");
            }
        }
        assert_eq!(keys.files().len(), 2);
        fs::rename(&path, folder.path().join("other")).unwrap();
        std::os::unix::fs::symlink("other", &path).unwrap();
        assert!(matches!(
            keys.vault_key(&path),
            Err(KeyError::NotAFile { .. })
        ));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(
            keys.vault_key(&path),
            Err(KeyError::NotAFile { .. })
        ));
    }

    #[test]
    fn the_keyslot_keeps_its_size_and_is_one_for_all() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::make(&folder.path().join("none")).unwrap();
        let (first, second) = (keys.keyslot().unwrap(), keys.keyslot().unwrap());
        assert_eq!(OpenFile::of(first.as_fd()).unwrap(), keys.files()[0]);
        assert_eq!(rustix::io::pwrite(&first, &[9; 40], 0).unwrap(), 40);
        let mut back = [0; 41];
        assert_eq!(rustix::io::pread(&second, &mut back[..], 0).unwrap(), 41);
        assert_eq!((back[39], back[40]), (9, 0));
        assert!(ftruncate(&first, KEYSLOT as u64 + 1).is_err());
        assert!(ftruncate(&first, 0).is_err());
        assert!(rustix::io::pwrite(&first, &[1], KEYSLOT as u64).is_err());
    }
}
