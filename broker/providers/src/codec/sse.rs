//! Server-sent events (WHATWG HTML, section 9.2), bounded: bytes may be split anywhere, and nothing
//! is held beyond one event of [`MAX_EVENT`] bytes. The readers that exist as crates hold what
//! the server sends without a limit.

use super::{DecodeError, clean, malformed};

/// The longest line and the largest event, in bytes.
pub const MAX_EVENT: usize = 1024 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Its `event` field; empty where there is none.
    pub name: String,
    /// Its `data` fields, joined by line feeds.
    pub data: String,
}

/// Reads events.
#[derive(Debug, Default)]
pub struct Reader {
    /// The line that is not complete yet.
    pending: Vec<u8>,
    event: Event,
    has_data: bool,
}

impl Reader {
    /// Takes the next bytes and returns the events that they complete. An event is complete with its blank
    /// line, and also where its first data line is a whole JSON object or `[DONE]`, because some servers leave
    /// the blank line out.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`], and [`DecodeError::Malformed`] for a line that is no field.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<Vec<Event>, DecodeError> {
        let mut events = Vec::new();
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.hold(&bytes[..end])?;
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.pending);
            events.extend(self.line(&line)?);
        }
        self.hold(bytes)?;
        Ok(events)
    }

    /// What is left when the server has closed: some close without the last line feed, or without
    /// the blank line after the last event.
    ///
    /// # Errors
    /// As [`feed`](Self::feed).
    pub fn finish(mut self) -> Result<Vec<Event>, DecodeError> {
        let line = std::mem::take(&mut self.pending);
        let mut events = Vec::new();
        if !line.is_empty() {
            events.extend(self.line(&line)?);
        }
        events.extend(self.dispatch());
        Ok(events)
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        if self.pending.len() + bytes.len() > MAX_EVENT {
            return Err(DecodeError::TooLarge {
                what: "a line",
                limit: MAX_EVENT,
            });
        }
        self.pending.extend_from_slice(bytes);
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Event>, DecodeError> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Ok(self.dispatch());
        }
        let text = std::str::from_utf8(line).map_err(|error| match error.error_len() {
            // It ends within a character.
            None => DecodeError::Cut,
            Some(_) => malformed("a line is not UTF-8"),
        })?;
        let (field, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => {
                self.event.name = value.chars().take(100).collect();
                Ok(None)
            }
            "data" => {
                // Only the first line is tried for a whole value: trying each of many takes time that
                // grows with the square of the event.
                let first = !self.has_data;
                if !first {
                    self.event.data.push('\n');
                }
                if self.event.data.len() + value.len() > MAX_EVENT {
                    return Err(DecodeError::TooLarge {
                        what: "an event",
                        limit: MAX_EVENT,
                    });
                }
                self.event.data.push_str(value);
                self.has_data = true;
                let whole = value == "[DONE]"
                    || first
                        && value.ends_with('}')
                        && serde_json::from_str::<serde::de::IgnoredAny>(&self.event.data).is_ok();
                Ok(if whole { self.dispatch() } else { None })
            }
            "" | "id" | "retry" => Ok(None),
            _ => Err(malformed(format!(
                "not a line of a stream: {}",
                clean(text)
            ))),
        }
    }

    fn dispatch(&mut self) -> Option<Event> {
        let event = std::mem::take(&mut self.event);
        std::mem::take(&mut self.has_data).then_some(event)
    }
}
