//! The bytes of attachments, found and checked.

use super::{Blobs, RequestError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use carapace_contract::model::{Attachment, MAX_ATTACHMENTS, MediaType, Message, Role};

/// The most bytes of all attachments of one request. A conversation may name the same attachment again
/// and again, and each time it is sent.
pub const MAX_ATTACHED: usize = 20 * 1024 * 1024;

/// Checks what the messages have attached: known, what they say they are, on messages of a person, not
/// too many and not too large together. To be asked before anything is built from them.
///
/// # Errors
/// [`RequestError::Blob`] or [`RequestError::Media`].
pub fn check_attached(messages: &[Message], blobs: &Blobs) -> Result<(), RequestError> {
    let mut total = 0usize;
    for message in messages {
        if message.attachments.is_empty() {
            continue;
        }
        if message.role != Role::User {
            return Err(RequestError::Media(
                "attachments on messages that are not a person's",
            ));
        }
        if message.attachments.len() > MAX_ATTACHMENTS {
            return Err(RequestError::Media("so many attachments on one message"));
        }
        for attachment in &message.attachments {
            total = total.saturating_add(attached(attachment, blobs)?.len());
        }
        if total > MAX_ATTACHED {
            return Err(RequestError::Media("so many bytes of attachments"));
        }
    }
    Ok(())
}

/// The bytes of one attachment.
///
/// # Errors
/// [`RequestError::Blob`] where they are not at hand, [`RequestError::Media`] where they are not what the
/// description says: it came from a process that is not trusted.
pub fn attached<'a>(attachment: &Attachment, blobs: &'a Blobs) -> Result<&'a Bytes, RequestError> {
    let bytes = blobs
        .get(&attachment.id)
        .ok_or(RequestError::Blob(attachment.id))?;
    if MediaType::of(bytes) != Some(attachment.media_type) {
        return Err(RequestError::Media(
            "attachments that are not what they are said to be",
        ));
    }
    Ok(bytes)
}

/// `data:image/png;base64,…` (RFC 2397).
pub fn data_url(media: MediaType, bytes: &[u8]) -> String {
    let mut url = format!("data:{};base64,", media.as_str());
    STANDARD.encode_string(bytes, &mut url);
    url
}

/// A text document as text, beneath its name. Bytes that are not UTF-8 are replaced; a checked attachment has none.
pub fn document(name: &str, bytes: &[u8]) -> String {
    let name: String = name.chars().take(200).collect();
    format!("Document {name:?}:\n\n{}", String::from_utf8_lossy(bytes))
}
