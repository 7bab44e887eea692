//! Deltas are put together, under limits that hold for every vendor.

use super::{DecodeError, Piece, malformed};
use carapace_contract::model::{Answer, Stop, Thinking, ToolCall, Usage};
use serde_json::{Map, Value};

/// The most bytes of an answer's text.
pub const MAX_TEXT: usize = 4 * 1024 * 1024;
/// The most bytes of an answer's thinking, signatures included.
pub const MAX_THINKING: usize = 4 * 1024 * 1024;
/// The most tool calls of one answer.
pub const MAX_CALLS: usize = 64;
/// The most bytes of one call's arguments.
pub const MAX_ARGUMENTS: usize = 256 * 1024;
/// The most bytes of a call's id or tool name; what is longer is no name.
const MAX_NAME: usize = 256;

/// An answer while it is coming.
#[derive(Debug, Default)]
pub struct Assembly {
    text: String,
    thinking: Vec<Thinking>,
    thought: usize,
    calls: Vec<Call>,
    stop: Option<Stop>,
    usage: Usage,
}

#[derive(Debug, Default)]
struct Call {
    id: String,
    name: String,
    signature: Option<String>,
    arguments: Arguments,
}

#[derive(Debug)]
enum Arguments {
    Text(String),
    Object(Map<String, Value>),
}

impl Default for Arguments {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl Assembly {
    /// More text.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`] over [`MAX_TEXT`].
    pub fn text(&mut self, more: &str, pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        if more.is_empty() {
            return Ok(());
        }
        if self.text.len() + more.len() > MAX_TEXT {
            return Err(too_large("text", MAX_TEXT));
        }
        self.text.push_str(more);
        pieces.push(Piece::Text(more.to_owned()));
        Ok(())
    }

    /// More of a thought that is shown and not kept: for vendors that do not want it back.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`] over [`MAX_THINKING`].
    pub fn reasoning(&mut self, more: &str, pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        if more.is_empty() {
            return Ok(());
        }
        self.room(more.len())?;
        pieces.push(Piece::Reasoning(more.to_owned()));
        Ok(())
    }

    /// Begins a thought that is kept; the place of it is for [`thought`](Self::thought).
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`] over [`MAX_THINKING`].
    pub fn think(
        &mut self,
        thought: Thinking,
        pieces: &mut Vec<Piece>,
    ) -> Result<usize, DecodeError> {
        let signature = thought.signature.as_ref().map_or(0, String::len);
        let id = thought.id.as_ref().map_or(0, String::len);
        // An empty one counts too: their number is bounded by it.
        self.room(thought.text.len() + signature + id + 64)?;
        if !thought.text.is_empty() {
            pieces.push(Piece::Reasoning(thought.text.clone()));
        }
        self.thinking.push(thought);
        Ok(self.thinking.len() - 1)
    }

    /// More of a thought's text or signature.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`] over [`MAX_THINKING`]; [`DecodeError::Malformed`] for a place
    /// that [`think`](Self::think) did not give.
    pub fn thought(
        &mut self,
        at: usize,
        text: &str,
        signature: &str,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), DecodeError> {
        self.room(text.len() + signature.len())?;
        let thought = self
            .thinking
            .get_mut(at)
            .ok_or_else(|| malformed("a thought without a beginning"))?;
        if !text.is_empty() {
            thought.text.push_str(text);
            pieces.push(Piece::Reasoning(text.to_owned()));
        }
        if !signature.is_empty() {
            thought
                .signature
                .get_or_insert_default()
                .push_str(signature);
        }
        Ok(())
    }

    /// Begins a call and gives its place. Id and name may be empty and come later.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`] over [`MAX_CALLS`] or for a name that is none.
    pub fn call(
        &mut self,
        id: &str,
        name: &str,
        pieces: &mut Vec<Piece>,
    ) -> Result<usize, DecodeError> {
        if self.calls.len() == MAX_CALLS {
            return Err(too_large("tool calls", MAX_CALLS));
        }
        self.calls.push(Call::default());
        let at = self.calls.len() - 1;
        self.name(at, id, name, pieces)?;
        Ok(at)
    }

    /// Gives a call the id and name that it has not got yet.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`] for what is too long; [`DecodeError::Malformed`] for a place
    /// that [`call`](Self::call) did not give.
    pub fn name(
        &mut self,
        at: usize,
        id: &str,
        name: &str,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), DecodeError> {
        if id.len() > MAX_NAME || name.len() > MAX_NAME {
            return Err(too_large("an id or a tool name", MAX_NAME));
        }
        let call = self.get(at)?;
        if call.id.is_empty() {
            call.id = id.to_owned();
        }
        if call.name.is_empty() && !name.is_empty() {
            call.name = name.to_owned();
            pieces.push(Piece::CallStarted {
                index: at,
                name: name.to_owned(),
            });
        }
        Ok(())
    }

    /// The id of a call, as far as it is known.
    pub fn call_id(&self, at: usize) -> &str {
        self.calls.get(at).map_or("", |call| &call.id)
    }

    /// The number of calls so far.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// What the vendor wants back with a call.
    ///
    /// # Errors
    /// As [`thought`](Self::thought).
    pub fn sign(&mut self, at: usize, signature: &str) -> Result<(), DecodeError> {
        self.room(signature.len())?;
        self.get(at)?.signature = Some(signature.to_owned());
        Ok(())
    }

    /// More of a call's arguments, as JSON text.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`] over [`MAX_ARGUMENTS`]; [`DecodeError::Malformed`] after an object.
    pub fn arguments(&mut self, at: usize, more: &str) -> Result<(), DecodeError> {
        match &mut self.get(at)?.arguments {
            _ if more.is_empty() => Ok(()),
            Arguments::Text(text) if text.len() + more.len() <= MAX_ARGUMENTS => {
                text.push_str(more);
                Ok(())
            }
            Arguments::Text(_) => Err(too_large("a call's arguments", MAX_ARGUMENTS)),
            Arguments::Object(_) => Err(malformed("a call's arguments come in two forms")),
        }
    }

    /// A call's arguments as a whole.
    ///
    /// # Errors
    /// As [`arguments`](Self::arguments); [`DecodeError::Malformed`] after other arguments.
    pub fn object(&mut self, at: usize, object: Map<String, Value>) -> Result<(), DecodeError> {
        if serde_json::to_string(&object).map_or(true, |text| text.len() > MAX_ARGUMENTS) {
            return Err(too_large("a call's arguments", MAX_ARGUMENTS));
        }
        let call = self.get(at)?;
        match &call.arguments {
            Arguments::Text(text) if text.trim().is_empty() => {
                call.arguments = Arguments::Object(object);
                Ok(())
            }
            _ => Err(malformed("a call's arguments come in two forms")),
        }
    }

    /// Why it stopped.
    pub fn stop(&mut self, stop: Stop) {
        self.stop = Some(stop);
    }

    /// Whether the server has named a reason for stopping.
    pub fn has_stopped(&self) -> bool {
        self.stop.is_some()
    }

    /// What it cost, to be changed as the vendor reports it.
    pub fn usage(&mut self) -> &mut Usage {
        &mut self.usage
    }

    /// The answer. Calls without an id, or with one that is taken, get one from their place.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] for a call without a name or with arguments that are no object;
    /// where the token limit stopped the model, a call with such arguments is left out instead.
    pub fn answer(self) -> Result<Answer, DecodeError> {
        let mut tool_calls: Vec<ToolCall> = Vec::with_capacity(self.calls.len());
        for (at, call) in self.calls.into_iter().enumerate() {
            if call.name.is_empty() {
                return Err(malformed("a tool call has no name"));
            }
            let arguments = match call.arguments {
                Arguments::Object(object) => Value::Object(object),
                Arguments::Text(text) if text.trim().is_empty() => Value::Object(Map::new()),
                Arguments::Text(text) => match serde_json::from_str(&text) {
                    Ok(Value::Object(object)) => Value::Object(object),
                    // It was being written when the room was used up: it is no call.
                    _ if self.stop == Some(Stop::Length) => continue,
                    _ => {
                        return Err(malformed(format!(
                            "the arguments of call {at} are not a JSON object"
                        )));
                    }
                },
            };
            let taken = |id: &str| tool_calls.iter().any(|earlier| earlier.id == id);
            let mut id = call.id;
            if id.is_empty() || taken(&id) {
                id = (at..)
                    .map(|number| format!("call-{number}"))
                    .find(|id| !taken(id))
                    .unwrap_or_default();
            }
            tool_calls.push(ToolCall {
                id,
                name: call.name,
                arguments,
                signature: call.signature,
            });
        }
        // Servers disagree on the reason when there are calls; what was cut or refused stays so.
        let stop = match self.stop.unwrap_or(Stop::End) {
            Stop::End | Stop::ToolCalls if tool_calls.is_empty() => Stop::End,
            Stop::End => Stop::ToolCalls,
            stop => stop,
        };
        Ok(Answer {
            text: self.text,
            tool_calls,
            thinking: self.thinking,
            stop,
            usage: self.usage,
        })
    }

    fn get(&mut self, at: usize) -> Result<&mut Call, DecodeError> {
        self.calls
            .get_mut(at)
            .ok_or_else(|| malformed("a call without a beginning"))
    }

    fn room(&mut self, more: usize) -> Result<(), DecodeError> {
        self.thought += more;
        if self.thought > MAX_THINKING {
            return Err(too_large("thinking", MAX_THINKING));
        }
        Ok(())
    }
}

fn too_large(what: &'static str, limit: usize) -> DecodeError {
    DecodeError::TooLarge { what, limit }
}
