//! The file on disk: read within its limit, replaced as a whole or not at all.

use crate::error::VaultError;
use crate::layout::MAX_FILE;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Told each step that was reached, so that a test can end the process there.
pub(crate) type At = fn(&'static str);

/// The file's bytes; `None` where there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, VaultError> {
    let failed = |step| move |cause| VaultError::Io { step, cause };
    let too_large = |found| VaultError::TooLarge {
        found,
        limit: MAX_FILE as u64,
    };
    let found = match fs::symlink_metadata(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found.map_err(failed("look at its file"))?,
    };
    if !found.is_file() {
        return Err(VaultError::NoFile);
    }
    if found.len() > MAX_FILE as u64 {
        return Err(too_large(found.len()));
    }
    let mut bytes = Vec::with_capacity(found.len() as usize + 1);
    File::open(path)
        .map_err(failed("open its file"))?
        .take(MAX_FILE as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed("read its file"))?;
    if bytes.len() > MAX_FILE {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(Some(bytes))
}

/// Removes what a write left behind that was killed. It may hold an old slot, so it does not stay.
pub(crate) fn clear(path: &Path) -> Result<(), VaultError> {
    match fs::remove_file(beside(path)) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(VaultError::Io {
            step: "remove an unfinished write",
            cause,
        }),
        _ => Ok(()),
    }
}

/// Puts `new` in the place of `old` (`None`: of nothing). A crash at any point leaves one of them, whole. What was
/// written is read back and shown to `is_whole` before it takes the place; what then stands in the place is read
/// again, and `old` is put back where it is not `new`. Reading back asks the kernel, not the medium: the medium's word
/// is the sync before it.
pub(crate) fn replace(
    path: &Path,
    old: Option<&[u8]>,
    new: &[u8],
    is_whole: &dyn Fn(&[u8]) -> bool,
    at: At,
) -> Result<(), VaultError> {
    let fresh = beside(path);
    let prepared = write_fresh(path, new, at).and_then(|()| {
        let found = read(&fresh)?.unwrap_or_default();
        at("checked");
        if is_whole(&found) {
            Ok(())
        } else {
            Err(VaultError::NotKept)
        }
    });
    let moved = prepared.and_then(|()| {
        fs::rename(&fresh, path).map_err(|cause| VaultError::Io {
            step: "put the new file in its place",
            cause,
        })
    });
    if let Err(error) = moved {
        // The next write or load removes it otherwise.
        let _ = fs::remove_file(&fresh);
        return Err(error);
    }
    at("renamed");
    let settled = sync_folder(path).and_then(|()| {
        at("settled");
        if read(path)?.as_deref() == Some(new) {
            Ok(())
        } else {
            Err(VaultError::NotKept)
        }
    });
    settled.map_err(|error| match put_back(path, old) {
        Ok(()) => error,
        Err(VaultError::Io { cause, .. }) => VaultError::Unsure { cause },
        Err(other) => VaultError::Unsure {
            cause: io::Error::other(other),
        },
    })
}

fn put_back(path: &Path, old: Option<&[u8]>) -> Result<(), VaultError> {
    match old {
        Some(old) => {
            write_fresh(path, old, |_| {})?;
            fs::rename(beside(path), path)
        }
        None => fs::remove_file(path),
    }
    .map_err(|cause| VaultError::Io {
        step: "put the old file back",
        cause,
    })?;
    sync_folder(path)
}

fn write_fresh(path: &Path, bytes: &[u8], at: At) -> Result<(), VaultError> {
    let failed = |step| move |cause| VaultError::Io { step, cause };
    clear(path)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(beside(path))
        .map_err(failed("make a new file"))?;
    at("made");
    file.write_all(bytes)
        .map_err(failed("write the new file"))?;
    at("written");
    file.sync_all()
        .map_err(failed("bring the new file to disk"))?;
    at("synced");
    Ok(())
}

fn sync_folder(path: &Path) -> Result<(), VaultError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|cause| VaultError::Io {
            step: "bring its folder to disk",
            cause,
        })
}

fn beside(path: &Path) -> PathBuf {
    path.with_extension("new")
}
