//! The log file: one line each, with the time and who wrote it, bounded by one rotation.
//!
//! A full disk loses lines and nothing else; the loss is counted and shown in the status.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use carapace_supervisor::line;

use crate::readiness;

/// At this size the file becomes `.1`, and the `.1` before it is gone: days of quiet use, and
/// never more than twice this of the owner's disk.
const ROTATE_AT: u64 = 8 << 20;

/// The log.
pub(crate) struct Journal {
    path: PathBuf,
    file: Option<File>,
    size: u64,
    lost: u64,
}

/// Why the log cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "opening the log {path}: {cause}\n  remedy: make the folder logs writable, or remove what is in the way"
)]
pub(crate) struct JournalError {
    path: PathBuf,
    cause: io::Error,
}

impl Journal {
    /// Opens `carapace.log` in a folder.
    pub(crate) fn open(folder: &Path) -> Result<Self, JournalError> {
        let path = folder.join("carapace.log");
        let opened = append(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        match opened {
            Ok((size, file)) => Ok(Self {
                path,
                file: Some(file),
                size,
                lost: 0,
            }),
            Err(cause) => Err(JournalError { path, cause }),
        }
    }

    /// A line of the supervisor itself; several lines become one.
    pub(crate) fn say(&mut self, text: &str) {
        self.write("supervisor", &line::one_line(text));
    }

    /// A line that is escaped already, of the process `who`.
    pub(crate) fn write(&mut self, who: &str, text: &str) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let line = format!("{} {who}: {text}", line::stamp(now));
        readiness::complain(&line);
        if self.size >= ROTATE_AT {
            self.rotate();
        }
        let line = format!("{line}\n");
        let written = match &mut self.file {
            Some(file) => file.write_all(line.as_bytes()).is_ok(),
            None => false,
        };
        if written {
            self.size += line.len() as u64;
        } else {
            self.lost += 1;
        }
    }

    /// How many lines the file did not take.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    fn rotate(&mut self) {
        let old = self.path.with_extension("log.1");
        let fresh = fs::rename(&self.path, old).and_then(|()| append(&self.path));
        // On an error the old file is written on: a log that grows is better than none.
        if let Ok(file) = fresh {
            self.file = Some(file);
        }
        self.size = 0;
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_is_kept_once_and_a_new_one_begun() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name| fs::read_to_string(folder.path().join(name)).unwrap();
        let mut journal = Journal::open(folder.path()).unwrap();
        journal.say("one");
        journal.say("two\nlines");
        journal.size = ROTATE_AT;
        journal.write("worker#7", "three");
        assert_eq!(read("carapace.log.1").lines().count(), 2);
        assert!(read("carapace.log.1").ends_with("supervisor: two; lines\n"));
        assert!(read("carapace.log").ends_with("Z worker#7: three\n"));
        drop(journal);
        Journal::open(folder.path()).unwrap().say("four");
        assert_eq!(read("carapace.log").lines().count(), 2);
    }

    #[test]
    fn a_log_that_is_a_link_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        std::os::unix::fs::symlink(&target, folder.path().join("carapace.log")).unwrap();
        assert!(Journal::open(folder.path()).is_err());
        assert!(!target.exists());
    }
}
