//! The command line of `carapace-supervisor`.

use std::ffi::OsString;
use std::path::PathBuf;

/// What `--help` prints.
pub const USAGE: &str = "\
usage: carapace-supervisor --home DIR [--ready-fd N]

Starts the broker and the confined processes of the home DIR and watches them until it is told to
stop (SIGTERM, or `stop` on DIR/run/supervisor.sock). `carapace start` runs it.

  --home DIR     the home, an absolute path
  --ready-fd N   an open descriptor that gets one line: READY, or FAILED and the reason
";

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// To run.
    Run(Arguments),
    /// `--help`.
    Help,
    /// `--version`.
    Version,
}

/// How to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// The home, absolute.
    pub home: PathBuf,
    /// Where to say READY or FAILED, at most once.
    pub ready_fd: Option<i32>,
}

/// Why a command line is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// An option that there is not.
    #[error("reading the command line: {0:?} is not an option\n  remedy: see --help")]
    Unknown(OsString),
    /// An option without its value.
    #[error("reading the command line: {0} needs a value\n  remedy: see --help")]
    NoValue(&'static str),
    /// No home.
    #[error(
        "reading the command line: --home is missing\n  remedy: give the absolute path of the home"
    )]
    NoHome,
    /// A home that depends on the current directory.
    #[error(
        "reading the command line: the home {0:?} is not an absolute path\n  remedy: write it in full"
    )]
    RelativeHome(PathBuf),
    /// Not a descriptor number that can have been inherited.
    #[error(
        "reading the command line: --ready-fd {0:?} is not a number from 3 to 63\n  remedy: give an inherited descriptor"
    )]
    ReadyFd(OsString),
}

/// Reads the arguments, without the program's name.
///
/// # Errors
/// [`ArgumentError`] for the first one that cannot be used.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Asked, ArgumentError> {
    let mut words = words.into_iter();
    let (mut home, mut ready_fd) = (None, None);
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--help" | "-h") => return Ok(Asked::Help),
            Some("--version" | "-V") => return Ok(Asked::Version),
            Some("--home") => {
                let value = words.next().ok_or(ArgumentError::NoValue("--home"))?;
                home = Some(PathBuf::from(value));
            }
            Some("--ready-fd") => {
                let value = words.next().ok_or(ArgumentError::NoValue("--ready-fd"))?;
                let number = value.to_str().and_then(|text| text.parse::<i32>().ok());
                match number {
                    Some(number) if (3..64).contains(&number) => ready_fd = Some(number),
                    _ => return Err(ArgumentError::ReadyFd(value)),
                }
            }
            _ => return Err(ArgumentError::Unknown(word)),
        }
    }
    let home = home.ok_or(ArgumentError::NoHome)?;
    if !home.is_absolute() {
        return Err(ArgumentError::RelativeHome(home));
    }
    Ok(Asked::Run(Arguments { home, ready_fd }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Asked, ArgumentError> {
        parse(words.iter().map(OsString::from))
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        assert_eq!(
            read(&["--home", "/h", "--ready-fd", "5"]),
            Ok(Asked::Run(Arguments {
                home: "/h".into(),
                ready_fd: Some(5)
            }))
        );
        assert_eq!(read(&[]), Err(ArgumentError::NoHome));
        assert_eq!(read(&["--home"]), Err(ArgumentError::NoValue("--home")));
        assert_eq!(
            read(&["--home", "h"]),
            Err(ArgumentError::RelativeHome("h".into()))
        );
        for number in ["2", "64", "x", "-1", ""] {
            assert_eq!(
                read(&["--home", "/h", "--ready-fd", number]),
                Err(ArgumentError::ReadyFd(number.into()))
            );
        }
        assert_eq!(
            read(&["--daemon"]),
            Err(ArgumentError::Unknown("--daemon".into()))
        );
        assert_eq!(read(&["--home", "/h", "--help"]), Ok(Asked::Help));
    }
}
