//! A vendor's body: server-sent events, or one JSON object where a server does not stream though it
//! was asked to. Told apart by the first byte that is not white space.

use super::sse::{Event, Reader};
use super::{DecodeError, malformed};
use serde_json::Value;

/// The largest answer that comes as one JSON body, in bytes: the largest text and the escapes JSON
/// may need for it, and the largest arguments.
pub const MAX_BODY: usize = 24 * 1024 * 1024;

/// The most values in one JSON body. A value takes some 32 bytes of memory and may take two on the wire,
/// so it is this that bounds the memory.
pub const MAX_VALUES: usize = 250_000;

/// The bytes so far.
#[derive(Debug, Default)]
pub enum Intake {
    /// Nothing but white space has come.
    #[default]
    Unknown,
    /// A stream of events.
    Events(Reader),
    /// One body.
    Body(Vec<u8>),
}

/// What was still held when the server closed.
#[derive(Debug)]
pub enum Rest {
    /// The last events of a stream.
    Events(Vec<Event>),
    /// The whole body.
    Body(Value),
}

impl Intake {
    /// Takes the next bytes, split anywhere, and returns the events that they complete.
    ///
    /// # Errors
    /// As [`Reader::feed`]; [`DecodeError::TooLarge`] over [`MAX_BODY`].
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<Vec<Event>, DecodeError> {
        if matches!(self, Self::Unknown) {
            let Some(first) = bytes.iter().position(|byte| !byte.is_ascii_whitespace()) else {
                return Ok(Vec::new());
            };
            bytes = &bytes[first..];
            *self = match bytes[0] {
                b'{' => Self::Body(Vec::new()),
                _ => Self::Events(Reader::default()),
            };
        }
        match self {
            Self::Unknown => Ok(Vec::new()),
            Self::Events(reader) => reader.feed(bytes),
            Self::Body(held) if held.len() + bytes.len() > MAX_BODY => Err(DecodeError::TooLarge {
                what: "a body",
                limit: MAX_BODY,
            }),
            Self::Body(held) => {
                held.extend_from_slice(bytes);
                Ok(Vec::new())
            }
        }
    }

    /// What is left when the server has closed.
    ///
    /// # Errors
    /// [`DecodeError::Cut`] where nothing came or a body is not complete, else as [`read_json`].
    pub fn finish(self) -> Result<Rest, DecodeError> {
        match self {
            Self::Unknown => Err(DecodeError::Cut),
            Self::Events(reader) => reader.finish().map(Rest::Events),
            Self::Body(body) => read_json(&body).map(Rest::Body),
        }
    }
}

/// The names of a list of models: what `name` finds in each entry of the body's list `key`, at most 1,000
/// of them. One that is empty, longer than 256 bytes or holds control characters is left out.
///
/// # Errors
/// A malformed body, where there is no such list.
pub fn read_names<'a>(
    body: &'a Value,
    key: &str,
    name: impl Fn(&'a Value) -> Option<&'a str>,
) -> Result<Vec<String>, DecodeError> {
    let rows = body
        .get(key)
        .and_then(Value::as_array)
        .ok_or_else(|| malformed(format!("the list of models has no {key}")))?;
    Ok(rows
        .iter()
        .filter_map(name)
        .filter(|name| !name.is_empty() && name.len() <= 256 && !name.chars().any(char::is_control))
        .take(1000)
        .map(str::to_owned)
        .collect())
}

/// A body as JSON, bounded in memory.
///
/// # Errors
/// [`DecodeError::TooLarge`] over [`MAX_VALUES`], [`DecodeError::Cut`] where it ends too early,
/// [`DecodeError::Malformed`] where it is no JSON.
pub fn read_json(body: &[u8]) -> Result<Value, DecodeError> {
    if values(body) > MAX_VALUES {
        return Err(DecodeError::TooLarge {
            what: "values in a body",
            limit: MAX_VALUES,
        });
    }
    // serde_json says "EOF" for what is cut short and names the place for what is not JSON.
    serde_json::from_slice(body).map_err(|error| match error.is_eof() {
        true => DecodeError::Cut,
        false => malformed(format!("the body is not JSON: {error}")),
    })
}

/// At least as many as there are values: every one but the first comes after `[`, `,` or `:`.
fn values(body: &[u8]) -> usize {
    let (mut values, mut within, mut escaped) = (1, false, false);
    for &byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if within => escaped = true,
            b'"' => within = !within,
            b'[' | b',' | b':' if !within => values += 1,
            _ => {}
        }
    }
    values
}
