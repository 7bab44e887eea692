//! Bytes of an answer become pieces, and at the end an answer.

use super::trouble::embedded;
use super::{Dialect, THOUGHTS};
use crate::codec::sse::Event;
use crate::codec::{Assembly, Decode, DecodeError, Intake, Piece, Rest, malformed, own_tool};
use carapace_contract::model::{Answer, Stop, Thinking};
use serde_json::Value;

/// Reads one answer: server-sent events, or one JSON body.
#[derive(Debug)]
pub struct Decoder {
    dialect: Dialect,
    intake: Intake,
    assembly: Assembly,
    /// The server's own number of each call; `None` where it gave none.
    indices: Vec<Option<u64>>,
    /// The place of the thought that is kept.
    thought: Option<usize>,
    seen_choice: bool,
    refused: bool,
    done: bool,
    failed: Option<DecodeError>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// One that has read nothing, for a server of one's own.
    pub fn new() -> Self {
        Self::of(Dialect::Compatible)
    }

    pub(super) fn of(dialect: Dialect) -> Self {
        Self {
            dialect,
            intake: Intake::default(),
            assembly: Assembly::default(),
            indices: Vec::new(),
            thought: None,
            seen_choice: false,
            refused: false,
            done: false,
            failed: None,
        }
    }

    /// As [`Decode::feed`].
    ///
    /// # Errors
    /// As there.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Piece>, DecodeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut pieces = Vec::new();
        let taken = self
            .intake
            .feed(bytes)
            .and_then(|events| self.events(events, &mut pieces));
        match taken {
            Ok(()) => Ok(pieces),
            Err(error) => {
                self.failed = Some(error.clone());
                self.intake = Intake::default();
                Err(error)
            }
        }
    }

    /// As [`Decode::finish`].
    ///
    /// # Errors
    /// As there.
    pub fn finish(mut self) -> Result<Answer, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut pieces = Vec::new();
        match std::mem::take(&mut self.intake).finish()? {
            Rest::Body(body) => self.whole(&check_error(body)?, &mut pieces)?,
            Rest::Events(events) => {
                self.events(events, &mut pieces)?;
                if !self.done && !self.assembly.has_stopped() {
                    return Err(DecodeError::Cut);
                }
            }
        }
        if !self.seen_choice {
            return Err(malformed("the answer has no choice"));
        }
        if self.refused {
            self.assembly.stop(Stop::Refused);
        }
        let mut answer = self.assembly.answer()?;
        if answer.tool_calls.is_empty() {
            // It is wanted back only with the results of calls.
            answer.thinking.clear();
        }
        Ok(answer)
    }

    fn events(&mut self, events: Vec<Event>, pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        for event in events {
            let data = event.data.trim();
            if self.done || data.is_empty() {
                continue;
            }
            if data == "[DONE]" {
                self.done = true;
                pieces.push(Piece::Done);
                continue;
            }
            let chunk: Value = serde_json::from_str(data)
                .map_err(|error| malformed(format!("an event is not JSON: {error}")))?;
            self.chunk(&check_error(chunk)?, pieces)?;
        }
        Ok(())
    }

    /// Takes one event of a stream.
    fn chunk(&mut self, chunk: &Value, pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
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
    fn whole(&mut self, body: &Value, pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
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
        for key in THOUGHTS {
            let text = delta.get(key).and_then(Value::as_str).unwrap_or_default();
            if !text.is_empty() {
                self.think(key, text, pieces)?;
                break;
            }
        }
        self.assembly.text(&content(delta), pieces)?;
        let refusal = delta.get("refusal").and_then(Value::as_str).unwrap_or("");
        self.refused |= !refusal.is_empty();
        self.assembly.text(refusal, pieces)?;
        match delta.get("tool_calls") {
            None | Some(Value::Null) => Ok(()),
            Some(Value::Array(calls)) => calls.iter().try_for_each(|call| self.call(call, pieces)),
            Some(_) => Err(malformed("tool_calls is not a list")),
        }
    }

    fn think(&mut self, key: &str, text: &str, pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        match (self.dialect.keeps(), self.thought) {
            (None, _) => self.assembly.reasoning(text, pieces),
            (Some(_), Some(at)) => self.assembly.thought(at, text, "", pieces),
            (Some(maker), None) => {
                let thought = Thinking {
                    maker: maker.to_owned(),
                    text: text.to_owned(),
                    signature: None,
                    id: Some(key.to_owned()),
                    hidden: false,
                };
                self.thought = Some(self.assembly.think(thought, pieces)?);
                Ok(())
            }
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
        let name = own_tool(name);
        let at = match self.place(index, id, &name) {
            Some(at) => {
                self.assembly.name(at, id, &name, pieces)?;
                at
            }
            None => {
                let at = self.assembly.call(id, &name, pieces)?;
                self.indices.push(index);
                at
            }
        };
        match function.get("arguments") {
            None | Some(Value::Null) => Ok(()),
            Some(Value::String(more)) => self.assembly.arguments(at, more),
            Some(Value::Object(object)) => self.assembly.object(at, object.clone()),
            Some(_) => Err(malformed(
                "a call's arguments are neither text nor an object",
            )),
        }
    }

    /// Which call a delta belongs to; `None` begins one.
    fn place(&self, index: Option<u64>, id: &str, name: &str) -> Option<usize> {
        match index {
            Some(_) => {
                let at = self.indices.iter().rposition(|known| *known == index)?;
                let known = self.assembly.call_id(at);
                // Some servers number every call 0: another id with a name of its own is another call.
                let other = !id.is_empty() && !name.is_empty() && !known.is_empty() && known != id;
                (!other).then_some(at)
            }
            None if !id.is_empty() => {
                (0..self.indices.len()).find(|at| self.assembly.call_id(*at) == id)
            }
            None if !name.is_empty() => None,
            None => self.indices.len().checked_sub(1),
        }
    }

    fn stopped(&mut self, choice: &Value) {
        let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) else {
            return;
        };
        self.assembly.stop(match reason {
            "length" | "max_tokens" | "model_length" => Stop::Length,
            "tool_calls" | "function_call" | "tool_use" => Stop::ToolCalls,
            "content_filter" | "refusal" | "safety" => Stop::Refused,
            _ => Stop::End,
        });
    }

    fn usage(&mut self, value: &Value) {
        let Some(usage) = value.get("usage").filter(|usage| usage.is_object()) else {
            return;
        };
        let number = |value: Option<&Value>| value.and_then(Value::as_u64);
        let detail = |key| number(usage.pointer(&format!("/prompt_tokens_details/{key}")));
        let counted = self.assembly.usage();
        counted.input = number(usage.get("prompt_tokens")).unwrap_or(0);
        counted.output = number(usage.get("completion_tokens")).unwrap_or(0);
        // DeepSeek has a name of its own for it.
        counted.cache_read = detail("cached_tokens")
            .or_else(|| number(usage.get("prompt_cache_hit_tokens")))
            .unwrap_or(0)
            .min(counted.input);
        counted.cache_write = detail("cache_write_tokens")
            .unwrap_or(0)
            .min(counted.input - counted.cache_read);
    }
}

impl Decode for Decoder {
    fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Piece>, DecodeError> {
        Decoder::feed(self, bytes)
    }

    fn finish(self: Box<Self>) -> Result<Answer, DecodeError> {
        Decoder::finish(*self)
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

fn check_error(value: Value) -> Result<Value, DecodeError> {
    match value.get("error") {
        Some(error) if !error.is_null() => Err(embedded(error).into()),
        _ => Ok(value),
    }
}
