//! `cage.toml`: written only here, read only by the supervisor (and by commands that confine).

use crate::failure::{Exit, Explain};
use crate::files;
use carapace_contract::home::Home;
use carapace_jail::config::{CageConfig, ConfigError};
use std::io;
use std::path::PathBuf;

/// The largest `cage.toml`, in bytes: a hundred mounts are some 20 KiB.
const LIMIT: usize = 64 * 1024;

/// Why it was not read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CageFileError {
    /// The file cannot be read or written.
    #[error("{step} the cage's configuration: {path}: {cause}")]
    Io {
        /// What was being done.
        step: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// What it says is refused.
    #[error("reading the cage's configuration: {0}")]
    Invalid(#[from] ConfigError),
}

impl Explain for CageFileError {
    fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "cage-file",
            Self::Invalid(_) => "cage-invalid",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Io { .. } => "mend what the system names; the file is as it was".to_owned(),
            Self::Invalid(_) => {
                "choose what the message names, or mend cage.toml in the home".to_owned()
            }
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Io { .. } => Exit::Failed,
            Self::Invalid(_) => Exit::Configuration,
        }
    }
}

/// What it says; the default where there is none.
///
/// # Errors
/// It cannot be read or used.
pub(crate) fn load(home: &Home) -> Result<CageConfig, CageFileError> {
    let path = home.cage();
    match files::read(&path, LIMIT) {
        Ok(text) => Ok(CageConfig::parse(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(CageConfig::default()),
        Err(cause) => Err(CageFileError::Io {
            step: "reading",
            path,
            cause,
        }),
    }
}

/// Replaces it, after checking it against the file system.
///
/// # Errors
/// What it would say is refused, or it cannot be written; it is as it was then.
pub(crate) fn store(home: &Home, config: &CageConfig) -> Result<(), CageFileError> {
    let text = config.to_toml();
    CageConfig::parse(&text)?.check(home.root())?;
    let path = home.cage();
    files::replace(&path, text.as_bytes()).map_err(|cause| CageFileError::Io {
        step: "writing",
        path,
        cause,
    })
}
