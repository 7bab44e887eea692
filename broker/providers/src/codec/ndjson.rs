//! Newline-delimited JSON, bounded: bytes may be split anywhere, and nothing is held beyond one
//! line of [`MAX_LINE`] bytes. What a line means is the caller's to say.

use super::{DecodeError, malformed};

/// The longest line, in bytes: an answer in one piece is one line, so there is room for the
/// largest text and for its escapes.
pub const MAX_LINE: usize = 8 * 1024 * 1024;

/// Reads lines.
#[derive(Debug, Default)]
pub struct Reader {
    /// The line that is not complete yet.
    pending: Vec<u8>,
}

impl Reader {
    /// Takes the next bytes and returns the lines that they complete, without those that are
    /// white space.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`], and [`DecodeError::Malformed`] for a line that is not UTF-8.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<Vec<String>, DecodeError> {
        let mut lines = Vec::new();
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.hold(&bytes[..end])?;
            bytes = &bytes[end + 1..];
            lines.extend(text(std::mem::take(&mut self.pending))?);
        }
        self.hold(bytes)?;
        Ok(lines)
    }

    /// The last line, where the server has closed without a line feed after it.
    ///
    /// # Errors
    /// [`DecodeError::Cut`] where it ends within a character, else as [`feed`](Self::feed).
    pub fn finish(self) -> Result<Option<String>, DecodeError> {
        text(self.pending)
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        if self.pending.len() + bytes.len() > MAX_LINE {
            return Err(DecodeError::TooLarge {
                what: "a line",
                limit: MAX_LINE,
            });
        }
        self.pending.extend_from_slice(bytes);
        Ok(())
    }
}

fn text(line: Vec<u8>) -> Result<Option<String>, DecodeError> {
    let line = String::from_utf8(line).map_err(|error| {
        match error.utf8_error().error_len() {
            // It ends within a character.
            None => DecodeError::Cut,
            Some(_) => malformed("a line is not UTF-8"),
        }
    })?;
    Ok((!line.trim().is_empty()).then_some(line))
}
