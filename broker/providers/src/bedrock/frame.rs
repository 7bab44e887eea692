//! Frames of `application/vnd.amazon.eventstream`, bounded: the length that a frame claims is
//! checked before a byte of it is kept. The checksums and headers are read by the vendor's own crate.

use crate::codec::{DecodeError, malformed};
use aws_smithy_eventstream::frame::read_message_from;
use bytes::Bytes;

/// The longest frame, in bytes.
pub const MAX_FRAME: usize = 1024 * 1024;

/// The shortest: the prelude of twelve bytes and the checksum of four.
const MIN_FRAME: usize = 16;

/// One frame.
#[derive(Debug)]
pub(super) struct Frame {
    headers: Vec<(String, String)>,
    payload: Bytes,
}

impl Frame {
    /// A header of text; empty where there is none.
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// What it carries.
    pub(super) fn payload(&self) -> &[u8] {
        &self.payload
    }
}

/// Reads frames.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pending: Vec<u8>,
}

impl Reader {
    /// Takes bytes until a frame is complete; the caller comes again with what is left in `bytes`.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`] over [`MAX_FRAME`], [`DecodeError::Malformed`] for what is no frame.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Frame>, DecodeError> {
        if !self.fill(bytes, 4) {
            return Ok(None);
        }
        let claimed = self
            .pending
            .first_chunk()
            .map_or(0, |first| u32::from_be_bytes(*first));
        let length = usize::try_from(claimed).unwrap_or(usize::MAX);
        if length > MAX_FRAME {
            return Err(DecodeError::TooLarge {
                what: "a frame",
                limit: MAX_FRAME,
            });
        }
        if length < MIN_FRAME {
            return Err(malformed("a frame is shorter than its own frame"));
        }
        if !self.fill(bytes, length) {
            return Ok(None);
        }
        let whole = std::mem::take(&mut self.pending);
        let message = read_message_from(Bytes::from(whole))
            .map_err(|error| malformed(format!("a frame cannot be read: {error}")))?;
        let headers = message.headers().iter().filter_map(|header| {
            let value = header.value().as_string().ok()?;
            Some((header.name().as_str().to_owned(), value.as_str().to_owned()))
        });
        Ok(Some(Frame {
            headers: headers.collect(),
            payload: message.payload().clone(),
        }))
    }

    /// Whether it holds nothing that is incomplete.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    fn fill(&mut self, bytes: &mut &[u8], length: usize) -> bool {
        let wanted = length.saturating_sub(self.pending.len()).min(bytes.len());
        let (now, later) = bytes.split_at(wanted);
        self.pending.extend_from_slice(now);
        *bytes = later;
        self.pending.len() >= length
    }
}
