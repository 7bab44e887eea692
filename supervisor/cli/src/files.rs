//! Writing files of the home: whole or not at all, 0600, never through a link.

use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Writes a file that does not exist yet; false where it exists, which is then left as it is.
///
/// # Errors
/// The system's; nothing is left behind then.
pub(crate) fn create(path: &Path, text: &[u8]) -> io::Result<bool> {
    if path.symlink_metadata().is_ok() {
        return Ok(false);
    }
    let fresh = write_beside(path, text)?;
    match renameat_with(CWD, &fresh, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => sync_folder(path).map(|()| true),
        Err(error) => {
            let _ = fs::remove_file(&fresh);
            if error == rustix::io::Errno::EXIST {
                Ok(false)
            } else {
                Err(error.into())
            }
        }
    }
}

/// Replaces a file.
///
/// # Errors
/// The system's; the older file is still there then.
pub(crate) fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let fresh = write_beside(path, text)?;
    if let Err(error) = fs::rename(&fresh, path) {
        let _ = fs::remove_file(&fresh);
        return Err(error);
    }
    sync_folder(path)
}

/// Reads a text of at most so many bytes.
///
/// # Errors
/// The system's; `InvalidData` where it is longer or is not UTF-8.
pub(crate) fn read(path: &Path, limit: usize) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(limit as u64 + 1)
        .read_to_string(&mut text)?;
    if text.len() > limit {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it is longer than {limit} bytes"),
        ));
    }
    Ok(text)
}

fn write_beside(path: &Path, text: &[u8]) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)
        .and_then(|mut file| {
            file.write_all(text)?;
            file.sync_all()
        });
    match written {
        Ok(()) => Ok(fresh),
        Err(error) => {
            if error.kind() != io::ErrorKind::AlreadyExists {
                let _ = fs::remove_file(&fresh);
            }
            Err(error)
        }
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_once_and_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        assert!(create(&path, b"one").unwrap());
        assert!(!create(&path, b"two").unwrap());
        assert_eq!(read(&path, 10).unwrap(), "one");
        replace(&path, b"three").unwrap();
        assert_eq!(read(&path, 10).unwrap(), "three");
        assert!(read(&path, 4).is_err());
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }

    #[test]
    fn a_link_is_not_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let (link, target) = (folder.path().join("link"), folder.path().join("target"));
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(!create(&link, b"x").unwrap());
        replace(&link, b"y").unwrap();
        assert!(!target.exists());
    }
}
