//! What `pass`, `op` and `bw` share: how the program is found and run, and how its failure is told.
//!
//! A program's words are for people and change between versions, so they decide nothing but which
//! remedy is named. They are shown only in part ([`plain_words`]): a program in trouble may well
//! print what it has read.

use crate::child::{self, ChildError, Finished};
use crate::failure::Exit;
use crate::limit::READING;
use crate::value::{Raw, ValueError};
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Names the program, by an absolute path. The supervisor sets it from the owner's file.
pub const PROGRAM: &str = "CARAPACE_HELPER_PROGRAM";

/// What a program's words mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// No such item, or not one alone.
    NotFound,
    /// Locked, or logged out.
    Locked,
    /// Never set up on this machine.
    NotSetUp,
}

/// What is particular to one of the programs.
#[derive(Debug)]
pub struct Manner {
    /// Its name for people.
    pub name: &'static str,
    /// Lower-case words of its standard error; the first that is found counts.
    pub words: &'static [(&'static str, Meaning)],
    /// What to do when it does not find the item.
    pub find: &'static str,
    /// What to do when it is locked.
    pub unlock: &'static str,
    /// What to do when it is not there or not set up.
    pub set_up: &'static str,
}

/// Runs the program with `arguments` and gives its standard output.
///
/// # Errors
/// [`ProgramError`].
pub fn read(manner: &'static Manner, arguments: &[&OsStr]) -> Result<Raw, ProgramError> {
    let program = path(manner)?;
    let Finished {
        status,
        output,
        said,
    } = child::run(&program, arguments, PROGRAM, READING)
        .map_err(|error| ProgramError::from_child(manner, &program, error))?;
    if status.success() {
        return Ok(output);
    }
    let lower = String::from_utf8_lossy(&said).to_lowercase();
    let meaning = manner.words.iter().find(|(words, _)| lower.contains(words));
    let said = plain_words(&said, &output);
    let ended = Ended {
        name: manner.name,
        status: status.to_string(),
        said,
    };
    Err(match meaning.map(|(_, meaning)| meaning) {
        Some(Meaning::NotFound) => ProgramError::NotFound(ended, manner.find),
        Some(Meaning::Locked) => ProgramError::Locked(ended, manner.unlock),
        Some(Meaning::NotSetUp) => ProgramError::NotSetUp(ended, manner.set_up),
        None => ProgramError::Failed(ended),
    })
}

fn path(manner: &'static Manner) -> Result<PathBuf, ProgramError> {
    let unset = || ProgramError::Unset(manner.name, manner.set_up);
    let path = PathBuf::from(std::env::var_os(PROGRAM).ok_or_else(unset)?);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(unset())
    }
}

/// What may be shown of a program's standard error: words as dictionaries have them, one space
/// apart. Whatever could be a key, a token, a path, or steer a terminal becomes `…`, and so does
/// each word that also stands in its standard output. A passphrase of plain words that a program
/// prints to its standard error alone is not recognised.
fn plain_words(said: &[u8], output: &[u8]) -> String {
    /// "configuration" and "authentication" are meant to pass.
    const LONGEST: usize = 14;
    let said = String::from_utf8_lossy(said);
    let mut shown: Vec<&str> = Vec::new();
    for word in said.split_whitespace() {
        let letters =
            word.trim_matches(|end: char| end.is_ascii_punctuation() || end.is_ascii_control());
        let plain = !letters.is_empty()
            && letters.len() <= LONGEST
            && letters
                .bytes()
                .all(|byte| byte.is_ascii_alphabetic() || byte == b'\'')
            && letters
                .bytes()
                .skip(1)
                .all(|byte| !byte.is_ascii_uppercase());
        let printed = letters.len() > 3
            && output
                .windows(letters.len())
                .any(|window| window == letters.as_bytes());
        let word = if plain && !printed { letters } else { "…" };
        if word != "…" || shown.last() != Some(&"…") {
            shown.push(word);
        }
    }
    shown.join(" ")
}

/// How a program ended that has no secret.
#[derive(Debug)]
pub struct Ended {
    name: &'static str,
    status: String,
    said: String,
}

impl fmt::Display for Ended {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "run {}: {}", self.name, self.status)?;
        if self.said.is_empty() {
            return Ok(());
        }
        write!(out, ", it said “{}”", self.said)
    }
}

/// Why a program gave no secret.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// [`PROGRAM`] says nothing, or no absolute path.
    #[error("find {0}: {PROGRAM} names no absolute path\n  remedy: {1}")]
    Unset(&'static str, &'static str),
    /// It is not there, or is no program.
    #[error("start {name}: {program:?}: {cause}\n  remedy: {set_up}")]
    Absent {
        /// Its name.
        name: &'static str,
        /// Its path.
        program: PathBuf,
        /// What the system says.
        cause: io::Error,
        /// What to do.
        set_up: &'static str,
    },
    /// It is there and cannot be started.
    #[error("start {0}: {1}\n  remedy: look whether this machine is out of memory or processes")]
    Start(&'static str, io::Error),
    /// It cannot be watched.
    #[error("watch {0}: {1}\n  remedy: try again")]
    Watch(&'static str, io::Error),
    /// Out of time.
    #[error("run {0}: it did not end within 15 seconds and was killed\n  remedy: {1}")]
    TooLong(&'static str, &'static str),
    /// Its output is over the limit.
    #[error(transparent)]
    TooMuch(ValueError),
    /// It says that there is no such item.
    #[error("{0}\n  remedy: {1}")]
    NotFound(Ended, &'static str),
    /// What it prints is a list of items and no item.
    #[error("run {0}: the item is a folder\n  remedy: {1}")]
    Folder(&'static str, &'static str),
    /// It says that it is locked.
    #[error("{0}\n  remedy: {1}")]
    Locked(Ended, &'static str),
    /// It says that it was never set up.
    #[error("{0}\n  remedy: {1}")]
    NotSetUp(Ended, &'static str),
    /// It failed with words that mean nothing here.
    #[error("{0}\n  remedy: run the program in a terminal with this item and see what it says")]
    Failed(Ended),
}

impl ProgramError {
    fn from_child(manner: &'static Manner, program: &Path, error: ChildError) -> Self {
        use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
        match error {
            ChildError::Start(cause)
                if matches!(cause.kind(), NotFound | PermissionDenied | NotADirectory)
                    || cause.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) =>
            {
                Self::Absent {
                    name: manner.name,
                    program: program.to_owned(),
                    cause,
                    set_up: manner.set_up,
                }
            }
            ChildError::Start(cause) => Self::Start(manner.name, cause),
            ChildError::Watch(cause) => Self::Watch(manner.name, cause),
            ChildError::TooLong => Self::TooLong(manner.name, manner.unlock),
            ChildError::TooMuch => Self::TooMuch(ValueError::TooLarge),
        }
    }

    /// The status to exit with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unset(..) | Self::Absent { .. } | Self::NotSetUp(..) => Exit::Missing,
            Self::NotFound(..) | Self::Folder(..) => Exit::NotFound,
            Self::Locked(..) => Exit::Locked,
            Self::TooMuch(error) => error.exit(),
            Self::Start(..) | Self::Watch(..) | Self::TooLong(..) | Self::Failed(_) => Exit::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_stay_and_what_could_be_a_key_goes() {
        for (said, shown) in [
            (
                "gpg: decryption failed: No secret key\n",
                "gpg decryption failed No secret key",
            ),
            ("You are not logged in.", "You are not logged in"),
            ("\u{1b}[31mVault\u{1b}[0m is locked.\u{7}", "… is locked"),
            (
                "bad token sk-ant-api03-Zm9v, giving up",
                "bad token … giving up",
            ),
            ("key AKIAIOSFODNN 0123 x", "key … x"),
            ("abcdefghijklmnop isn't it", "… isn't it"),
            ("it's\u{202e}reversed", "…"),
            ("", ""),
        ] {
            assert_eq!(plain_words(said.as_bytes(), b""), shown);
        }
    }

    #[test]
    fn a_word_that_is_in_the_output_is_not_shown() {
        assert_eq!(
            plain_words(
                b"could not copy correct horse away",
                b"correct horse battery"
            ),
            "could not copy … away"
        );
    }

    proptest! {
        #[test]
        fn nothing_that_is_shown_steers_a_terminal(said in proptest::collection::vec(any::<u8>(), 0..200)) {
            let shown = plain_words(&said, b"");
            prop_assert!(shown.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, ' ' | '\'' | '…')));
        }
    }
}
