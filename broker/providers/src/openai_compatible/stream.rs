//! Bytes of an answer become pieces, and at the end an answer.
//!
//! Server-sent events or one JSON body, told apart by the first byte that is not white space.
//! Bytes may be split anywhere; text is decoded only from whole lines, so a character that is cut
//! in two is put together again. Nothing is buffered beyond one line (or, for a body in one
//! piece, [`MAX_BODY`]).

use super::assemble::Assembly;
use super::trouble::{Trouble, clean, embedded};
use carapace_contract::model::Answer;
use serde_json::Value;

/// The longest line of a stream, in bytes.
pub const MAX_LINE: usize = 1024 * 1024;

/// The largest answer that comes as one JSON body, in bytes: the largest text and the escapes JSON
/// may need for it, and the largest arguments.
pub const MAX_BODY: usize = 24 * 1024 * 1024;

/// Something that became known while an answer was coming.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// More of the answer's text.
    Text(String),
    /// More of what the model thinks before it answers; not part of the answer.
    Reasoning(String),
    /// A tool call has begun. Its arguments are in the answer.
    CallStarted {
        /// Its place among the calls.
        index: usize,
        /// The tool.
        name: String,
    },
    /// The server said that it is done.
    Done,
}

/// Why an answer was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The server answered with an error object.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// A part is larger than its limit.
    #[error(
        "the model's answer has {what} over {limit}\n  remedy: lower max_tokens, or check what answers at base-url"
    )]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// Its limit, in bytes or in number.
        limit: usize,
    },
    /// It ended before it was complete.
    #[error(
        "the model's answer stopped before its end\n  remedy: try again; if it happens always, look at the server's own log"
    )]
    Cut,
    /// It is not of the published form.
    #[error(
        "the model's answer cannot be read: {0}\n  remedy: check that base-url names a server of chat completions"
    )]
    Malformed(String),
}

/// Reads one answer.
#[derive(Debug, Default)]
pub struct Decoder {
    form: Form,
    /// The line, or body, that is not complete yet.
    pending: Vec<u8>,
    /// The data of an event whose blank line has not come.
    event: String,
    has_event: bool,
    assembly: Assembly,
    done: bool,
    failed: Option<DecodeError>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Form {
    #[default]
    Unknown,
    Events,
    Body,
}

impl Decoder {
    /// One that has read nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes, split anywhere, and returns what became known by them.
    ///
    /// # Errors
    /// See [`DecodeError`]. After an error every further call gives the same error.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Piece>, DecodeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut pieces = Vec::new();
        match self.take(bytes, &mut pieces) {
            Ok(()) => Ok(pieces),
            Err(error) => {
                self.failed = Some(error.clone());
                self.pending = Vec::new();
                Err(error)
            }
        }
    }

    /// The whole answer, once the server has closed the stream or said that it is done.
    ///
    /// # Errors
    /// [`DecodeError::Cut`] where the end is missing, [`DecodeError::Malformed`] where a call's
    /// arguments are not a JSON object, else as [`feed`](Self::feed).
    pub fn finish(mut self) -> Result<Answer, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut pieces = Vec::new();
        match self.form {
            Form::Unknown => return Err(DecodeError::Cut),
            Form::Body => {
                // serde_json says "EOF" for what is cut short and names the place for what is not JSON.
                let body: Value =
                    serde_json::from_slice(&self.pending).map_err(|error| {
                        match error.is_eof() {
                            true => DecodeError::Cut,
                            false => {
                                DecodeError::Malformed(format!("the body is not JSON: {error}"))
                            }
                        }
                    })?;
                self.assembly.whole(&check_error(body)?, &mut pieces)?;
            }
            Form::Events => {
                // Some servers close without the last line feed, or without the blank line after the last event.
                if !self.pending.is_empty() {
                    let line = std::mem::take(&mut self.pending);
                    self.line(&line, &mut pieces)?;
                }
                self.dispatch(&mut pieces)?;
            }
        }
        if self.form == Form::Events && !self.done && !self.assembly.has_stopped() {
            return Err(DecodeError::Cut);
        }
        self.assembly.answer()
    }

    fn take(&mut self, mut bytes: &[u8], pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        if self.form == Form::Unknown {
            let Some(first) = bytes.iter().position(|byte| !byte.is_ascii_whitespace()) else {
                return Ok(());
            };
            bytes = &bytes[first..];
            self.form = if bytes[0] == b'{' {
                Form::Body
            } else {
                Form::Events
            };
        }
        if self.form == Form::Body {
            if self.pending.len() + bytes.len() > MAX_BODY {
                return Err(DecodeError::TooLarge {
                    what: "a body",
                    limit: MAX_BODY,
                });
            }
            self.pending.extend_from_slice(bytes);
            return Ok(());
        }
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.hold(&bytes[..end])?;
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.pending);
            self.line(&line, pieces)?;
        }
        self.hold(bytes)
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

    fn line(&mut self, line: &[u8], pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return self.dispatch(pieces);
        }
        let text = std::str::from_utf8(line)
            .map_err(|_| DecodeError::Malformed("a line is not UTF-8".to_owned()))?;
        let (field, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            // Some servers leave out the blank line, so data that is complete JSON is an event already.
            "data" => {
                if self.has_event {
                    self.event.push('\n');
                }
                if self.event.len() + value.len() > MAX_LINE {
                    return Err(DecodeError::TooLarge {
                        what: "an event",
                        limit: MAX_LINE,
                    });
                }
                self.event.push_str(value);
                self.has_event = true;
                if value == "[DONE]"
                    || value.ends_with('}')
                        && serde_json::from_str::<serde::de::IgnoredAny>(&self.event).is_ok()
                {
                    self.dispatch(pieces)?;
                }
                Ok(())
            }
            "" | "event" | "id" | "retry" => Ok(()),
            _ => Err(DecodeError::Malformed(format!(
                "not a line of a stream: {}",
                clean(text)
            ))),
        }
    }

    fn dispatch(&mut self, pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        if !std::mem::take(&mut self.has_event) {
            return Ok(());
        }
        let event = std::mem::take(&mut self.event);
        let event = event.trim();
        if self.done || event.is_empty() {
            return Ok(());
        }
        if event == "[DONE]" {
            self.done = true;
            pieces.push(Piece::Done);
            return Ok(());
        }
        let chunk: Value = serde_json::from_str(event)
            .map_err(|error| DecodeError::Malformed(format!("an event is not JSON: {error}")))?;
        self.assembly.chunk(&check_error(chunk)?, pieces)
    }
}

fn check_error(value: Value) -> Result<Value, DecodeError> {
    match value.get("error") {
        Some(error) if !error.is_null() => Err(embedded(error).into()),
        _ => Ok(value),
    }
}
