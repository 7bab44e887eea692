//! Files that go with a message: checked here, handed to the broker in pieces on the connection of
//! the message.

use crate::broker::{BrokerError, Connection};
use crate::failure::{Exit, Explain};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use carapace_contract::control::{Ask, MAX_PIECE, Tell};
use carapace_contract::id::Digest;
use carapace_contract::model::{MAX_ATTACHMENT, MAX_ATTACHMENTS, MediaType};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The longest file name, in bytes.
const NAME: usize = 255;

/// A file that was read.
#[derive(Debug, Clone)]
pub(crate) struct Attached {
    name: String,
    bytes: Arc<[u8]>,
}

/// Why a file cannot go along.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttachError {
    /// It cannot be read.
    #[error("attaching {path}: {cause}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It is too large.
    #[error("attaching {0}: it is larger than {MAX_ATTACHMENT} bytes")]
    TooLarge(PathBuf),
    /// It is of no kind that models read.
    #[error("attaching {0}: it is no PNG, JPEG, GIF, WebP, PDF or plain text")]
    Kind(PathBuf),
    /// Its name cannot be used.
    #[error("attaching {0}: its name cannot be used")]
    Name(PathBuf),
    /// There are too many.
    #[error("attaching files: {0} are too many; a message takes {MAX_ATTACHMENTS}")]
    TooMany(usize),
}

impl Explain for AttachError {
    fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "attach-read",
            Self::TooLarge(_) => "attach-too-large",
            Self::Kind(_) => "attach-kind",
            Self::Name(_) => "attach-name",
            Self::TooMany(_) => "attach-too-many",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Read { .. } => "mend what the system names",
            Self::TooLarge(_) => {
                "make it smaller, or put it into the workspace and ask about it there"
            }
            Self::Kind(_) => "convert it, or put it into the workspace and ask about it there",
            Self::Name(_) => "give it a name of at most 255 bytes of UTF-8",
            Self::TooMany(_) => "send some of them with another message",
        }
        .to_owned()
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Reads files.
///
/// # Errors
/// The first that cannot go along.
pub(crate) fn read_all(paths: &[PathBuf]) -> Result<Vec<Attached>, AttachError> {
    if paths.len() > MAX_ATTACHMENTS {
        return Err(AttachError::TooMany(paths.len()));
    }
    paths.iter().map(|path| read(path)).collect()
}

/// Reads one file.
///
/// # Errors
/// It cannot go along.
pub(crate) fn read(path: &Path) -> Result<Attached, AttachError> {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .filter(|name| (1..=NAME).contains(&name.len()))
        .ok_or_else(|| AttachError::Name(path.to_owned()))?
        .to_owned();
    let failed = |cause| AttachError::Read {
        path: path.to_owned(),
        cause,
    };
    let file = File::open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is no regular file")));
    }
    let mut bytes = Vec::new();
    file.take(MAX_ATTACHMENT as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() > MAX_ATTACHMENT {
        return Err(AttachError::TooLarge(path.to_owned()));
    }
    if bytes.is_empty() || MediaType::of(&bytes).is_none() {
        return Err(AttachError::Kind(path.to_owned()));
    }
    Ok(Attached {
        name,
        bytes: bytes.into(),
    })
}

impl Attached {
    /// What a person is shown of it.
    pub(crate) fn words(&self) -> String {
        let kind = MediaType::of(&self.bytes).map_or("", MediaType::as_str);
        format!("{} ({kind}, {} bytes)", self.name, self.bytes.len())
    }

    /// Hands it over on this connection.
    ///
    /// # Errors
    /// The link ended, or the broker does not take it.
    pub(crate) fn hand_over(&self, connection: &mut Connection) -> Result<Digest, BrokerError> {
        let mut pieces = self.bytes.chunks(MAX_PIECE).peekable();
        while let Some(piece) = pieces.next() {
            let last = pieces.peek().is_none();
            connection.speaker.say(&Ask::Attach {
                name: self.name.clone(),
                piece: BASE64_STANDARD.encode(piece),
                last,
            })?;
            match (connection.listener.hear()?, last) {
                (Tell::Ok {}, false) => {}
                (Tell::Attached { attachment }, true) => return Ok(attachment.id),
                (Tell::Failed { code, message }, _) => {
                    return Err(BrokerError::failed(code, &message));
                }
                _ => return Err(BrokerError::Other),
            }
        }
        Err(BrokerError::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_models_read_goes_along() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        assert_eq!(
            read(&at("a.png", b"\x89PNG\r\n\x1a\n12")).unwrap().words(),
            "a.png (image/png, 10 bytes)"
        );
        assert!(matches!(
            read(&at("b", b"\0\x01")),
            Err(AttachError::Kind(_))
        ));
        assert!(matches!(read(&at("c", b"")), Err(AttachError::Kind(_))));
        let large = vec![b'a'; MAX_ATTACHMENT + 1];
        assert!(matches!(
            read(&at("d", &large)),
            Err(AttachError::TooLarge(_))
        ));
        assert!(matches!(read(folder.path()), Err(AttachError::Read { .. })));
        let many = vec![PathBuf::from("x"); MAX_ATTACHMENTS + 1];
        assert!(matches!(read_all(&many), Err(AttachError::TooMany(9))));
    }
}
