//! Deltas are put together: text, tool calls by index, the reason for stopping, usage.

use super::stream::{DecodeError, Piece};
use carapace_contract::model::{Answer, Stop, ToolCall, Usage};
use serde_json::{Map, Value};

/// The most bytes of an answer's text; its reasoning is counted with it.
pub const MAX_TEXT: usize = 4 * 1024 * 1024;
/// The most tool calls of one answer.
pub const MAX_CALLS: usize = 64;
/// The most bytes of one call's arguments.
pub const MAX_ARGUMENTS: usize = 256 * 1024;
/// The most bytes of a call's id or tool name; what is longer is no name.
const MAX_NAME: usize = 256;

/// An answer while it is coming.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    text: String,
    reasoning: usize,
    calls: Vec<Call>,
    stop: Option<Stop>,
    usage: Usage,
    seen_choice: bool,
}

#[derive(Debug, Default)]
struct Call {
    /// The server's own number; `None` where it gave none.
    index: Option<u64>,
    id: String,
    name: String,
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
    /// True once the server has named a reason for stopping.
    pub(super) fn has_stopped(&self) -> bool {
        self.stop.is_some()
    }

    /// Takes one event of a stream.
    pub(super) fn chunk(
        &mut self,
        chunk: &Value,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), DecodeError> {
        self.usage(chunk);
        // The last event of a stream holds usage and no choice.
        let Some(choice) = self.choice(chunk)? else {
            return Ok(());
        };
        // Some servers send the whole message instead of a delta.
        if let Some(delta) = ["delta", "message"]
            .iter()
            .find_map(|key| choice.get(key))
            .filter(|delta| !delta.is_null())
        {
            self.delta(delta, pieces)?;
        }
        self.stopped(choice);
        Ok(())
    }

    /// Takes an answer in one piece.
    pub(super) fn whole(
        &mut self,
        body: &Value,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), DecodeError> {
        self.usage(body);
        let choice = self
            .choice(body)?
            .ok_or_else(|| malformed("the answer has no choice"))?;
        let message = choice
            .get("message")
            .ok_or_else(|| malformed("the answer has no message"))?;
        self.delta(message, pieces)?;
        self.stopped(choice);
        Ok(())
    }

    /// The answer.
    pub(super) fn answer(self) -> Result<Answer, DecodeError> {
        if !self.seen_choice {
            return Err(malformed("the answer has no choice"));
        }
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
                    _ => {
                        return Err(malformed(&format!(
                            "the arguments of call {at} are not a JSON object"
                        )));
                    }
                },
            };
            // Left out, or used twice: the place is unique, so it makes the id.
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
            stop,
            usage: self.usage,
        })
    }

    fn choice<'a>(&mut self, value: &'a Value) -> Result<Option<&'a Value>, DecodeError> {
        let Some(choices) = value.get("choices").filter(|choices| !choices.is_null()) else {
            return if value.get("usage").is_some() {
                Ok(None)
            } else {
                Err(malformed("neither choices nor usage"))
            };
        };
        let choices = choices
            .as_array()
            .ok_or_else(|| malformed("choices is not a list"))?;
        // One answer was asked for; a second one would be mixed into the first.
        let choice = choices
            .iter()
            .find(|choice| choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0);
        self.seen_choice |= choice.is_some();
        Ok(choice)
    }

    fn delta(&mut self, delta: &Value, pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        for key in ["reasoning_content", "reasoning"] {
            if let Some(text) = delta
                .get(key)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
            {
                self.reasoning += text.len();
                self.room_for_text(0)?;
                pieces.push(Piece::Reasoning(text.to_owned()));
                break;
            }
        }
        for text in [
            content(delta),
            delta
                .get("refusal")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
        ] {
            if !text.is_empty() {
                self.room_for_text(text.len())?;
                self.text.push_str(&text);
                pieces.push(Piece::Text(text));
            }
        }
        match delta.get("tool_calls") {
            None | Some(Value::Null) => Ok(()),
            Some(Value::Array(calls)) => calls.iter().try_for_each(|call| self.call(call, pieces)),
            Some(_) => Err(malformed("tool_calls is not a list")),
        }
    }

    fn call(&mut self, delta: &Value, pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        let index = delta.get("index").and_then(Value::as_u64);
        let id = delta.get("id").and_then(Value::as_str).unwrap_or_default();
        let function = delta
            .get("function")
            .ok_or_else(|| malformed("a tool call is no function call"))?;
        let name = function
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if id.len() > MAX_NAME || name.len() > MAX_NAME {
            return Err(DecodeError::TooLarge {
                what: "an id or a tool name",
                limit: MAX_NAME,
            });
        }
        let at = match self.place(index, id, name) {
            Some(at) => at,
            None if self.calls.len() == MAX_CALLS => {
                return Err(DecodeError::TooLarge {
                    what: "tool calls",
                    limit: MAX_CALLS,
                });
            }
            None => {
                self.calls.push(Call {
                    index,
                    id: id.to_owned(),
                    ..Call::default()
                });
                self.calls.len() - 1
            }
        };
        let call = &mut self.calls[at];
        if call.name.is_empty() && !name.is_empty() {
            call.name = name.to_owned();
            pieces.push(Piece::CallStarted {
                index: at,
                name: name.to_owned(),
            });
        }
        if call.id.is_empty() {
            call.id = id.to_owned();
        }
        call.add(function.get("arguments"))
    }

    /// Which call a delta belongs to; `None` begins one.
    fn place(&self, index: Option<u64>, id: &str, name: &str) -> Option<usize> {
        match index {
            Some(index) => {
                let at = self
                    .calls
                    .iter()
                    .rposition(|call| call.index == Some(index))?;
                // Some servers number every call 0: another id with a name of its own is another call.
                let other = !id.is_empty()
                    && !name.is_empty()
                    && !self.calls[at].id.is_empty()
                    && self.calls[at].id != id;
                (!other).then_some(at)
            }
            None if !id.is_empty() => self.calls.iter().position(|call| call.id == id),
            None if !name.is_empty() => None,
            None => self.calls.len().checked_sub(1),
        }
    }

    fn stopped(&mut self, choice: &Value) {
        self.stop = match choice.get("finish_reason").and_then(Value::as_str) {
            None => self.stop,
            Some("length" | "max_tokens" | "model_length") => Some(Stop::Length),
            Some("tool_calls" | "function_call" | "tool_use") => Some(Stop::ToolCalls),
            Some("content_filter" | "refusal" | "safety") => Some(Stop::Refused),
            Some(_) => Some(Stop::End),
        };
    }

    fn usage(&mut self, value: &Value) {
        let Some(usage) = value.get("usage").filter(|usage| usage.is_object()) else {
            return;
        };
        let number = |key| usage.get(key).and_then(Value::as_u64).unwrap_or(0);
        self.usage = Usage {
            input: number("prompt_tokens"),
            output: number("completion_tokens"),
        };
    }

    fn room_for_text(&self, more: usize) -> Result<(), DecodeError> {
        if self.text.len() + self.reasoning + more > MAX_TEXT {
            return Err(DecodeError::TooLarge {
                what: "text",
                limit: MAX_TEXT,
            });
        }
        Ok(())
    }
}

impl Call {
    fn add(&mut self, piece: Option<&Value>) -> Result<(), DecodeError> {
        let too_large = Err(DecodeError::TooLarge {
            what: "a call's arguments",
            limit: MAX_ARGUMENTS,
        });
        match (piece, &mut self.arguments) {
            (None | Some(Value::Null), _) => Ok(()),
            (Some(Value::String(more)), _) if more.is_empty() => Ok(()),
            (Some(Value::String(more)), Arguments::Text(text)) => {
                if text.len() + more.len() > MAX_ARGUMENTS {
                    return too_large;
                }
                text.push_str(more);
                Ok(())
            }
            (Some(Value::Object(object)), Arguments::Text(text)) if text.trim().is_empty() => {
                if serde_json::to_string(object).map_or(true, |text| text.len() > MAX_ARGUMENTS) {
                    return too_large;
                }
                self.arguments = Arguments::Object(object.clone());
                Ok(())
            }
            _ => Err(malformed("a call's arguments come in two forms")),
        }
    }
}

/// The text of a message: a string, or a list of text parts.
fn content(delta: &Value) -> String {
    match delta.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts
            .iter()
            .filter_map(|part| part.get("text").and_then(Value::as_str))
            .collect(),
        _ => String::new(),
    }
}

fn malformed(what: &str) -> DecodeError {
    DecodeError::Malformed(what.to_owned())
}
