//! Why there is no secret: one line of cause, one of remedy, and an exit status that the broker
//! understands without reading either.

use crate::backend::env::EnvError;
use crate::backend::file::FileError;
use crate::backend::keyring::KeyringError;
use crate::backend::program::ProgramError;
use crate::request::RequestError;
use crate::value::ValueError;
use std::process::ExitCode;

/// The exit statuses of this program other than 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Anything that the others do not say: a time limit, a program that failed, a broken pipe.
    Other = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The place is there and open, and has no such item.
    NotFound = 3,
    /// The place is locked, or wants a login first.
    Locked = 4,
    /// The place is not there: no such program, no keyring that answers, no store.
    Missing = 5,
    /// There is a value, but it is empty, over 64 KiB, or not text.
    Unfit = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why there is no secret. `Display` gives `step: cause`, and the remedy on a second line.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The value itself.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// `pass`, `op` or `bw`.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The desktop's keyring.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The environment.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Standard output does not take it.
    #[error("write to standard output: {0}\n  remedy: whoever started this has gone; ask again")]
    Write(std::io::Error),
}

impl Failure {
    /// The status to exit with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Request(_) => Exit::Usage,
            Self::Value(error) => error.exit(),
            Self::Program(error) => error.exit(),
            Self::Keyring(error) => error.exit(),
            Self::Env(error) => error.exit(),
            Self::File(error) => error.exit(),
            Self::Write(_) => Exit::Other,
        }
    }
}
