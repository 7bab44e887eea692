//! Lines of an answer become pieces, and at the end an answer. An answer in one piece is a stream
//! of one line.

use super::MAKER;
use super::trouble::embedded;
use crate::codec::{Assembly, Decode, DecodeError, Piece, malformed, ndjson, own_tool, read_json};
use carapace_contract::model::{Answer, Stop, Thinking};
use serde::Deserialize;
use serde_json::Value;

/// One line.
#[derive(Debug, Deserialize)]
struct Line {
    message: Option<Message>,
    done: Option<bool>,
    done_reason: Option<String>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Message {
    content: Option<String>,
    thinking: Option<String>,
    tool_calls: Option<Vec<Call>>,
}

#[derive(Debug, Deserialize)]
struct Call {
    id: Option<String>,
    function: Function,
}

#[derive(Debug, Deserialize)]
struct Function {
    name: String,
    arguments: Option<Value>,
}

/// Reads one answer.
#[derive(Debug, Default)]
pub struct Decoder {
    lines: ndjson::Reader,
    assembly: Assembly,
    /// The place of the message's thought.
    thought: Option<usize>,
    done: bool,
    failed: Option<DecodeError>,
}

impl Decoder {
    /// One that has read nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn take(&mut self, bytes: &[u8], pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        for line in self.lines.feed(bytes)? {
            self.line(&line, pieces)?;
        }
        Ok(())
    }

    fn line(&mut self, line: &str, pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        if self.done {
            return Ok(());
        }
        let line: Line = serde_json::from_value(read_json(line.as_bytes())?)
            .map_err(|error| malformed(format!("a line is not of the published form: {error}")))?;
        if let Some(error) = &line.error {
            return Err(embedded(error).into());
        }
        if line.message.is_none() && line.done.is_none() {
            return Err(malformed("a line has neither message nor done"));
        }
        if let Some(message) = line.message {
            self.message(message, pieces)?;
        }
        if line.done == Some(true) {
            let usage = self.assembly.usage();
            usage.input = line.prompt_eval_count.unwrap_or(0);
            usage.output = line.eval_count.unwrap_or(0);
            self.assembly.stop(match line.done_reason.as_deref() {
                Some("length") => Stop::Length,
                _ => Stop::End,
            });
            self.done = true;
            pieces.push(Piece::Done);
        }
        Ok(())
    }

    fn message(&mut self, message: Message, pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        if let Some(text) = message.thinking.filter(|text| !text.is_empty()) {
            match self.thought {
                Some(at) => self.assembly.thought(at, &text, "", pieces)?,
                None => {
                    let thought = Thinking {
                        maker: MAKER.to_owned(),
                        text,
                        signature: None,
                        id: None,
                        hidden: false,
                    };
                    self.thought = Some(self.assembly.think(thought, pieces)?);
                }
            }
        }
        if let Some(text) = &message.content {
            self.assembly.text(text, pieces)?;
        }
        for call in message.tool_calls.unwrap_or_default() {
            let id = call.id.as_deref().unwrap_or_default();
            let name = own_tool(&call.function.name);
            let at = self.assembly.call(id, &name, pieces)?;
            match call.function.arguments {
                None | Some(Value::Null) => {}
                Some(Value::Object(object)) => self.assembly.object(at, object)?,
                Some(Value::String(text)) => self.assembly.arguments(at, &text)?,
                Some(_) => {
                    return Err(malformed(format!(
                        "the arguments of call {at} are not a JSON object"
                    )));
                }
            }
        }
        Ok(())
    }
}

impl Decode for Decoder {
    fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Piece>, DecodeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut pieces = Vec::new();
        match self.take(bytes, &mut pieces) {
            Ok(()) => Ok(pieces),
            Err(error) => {
                self.failed = Some(error.clone());
                self.lines = ndjson::Reader::default();
                Err(error)
            }
        }
    }

    fn finish(mut self: Box<Self>) -> Result<Answer, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if let Some(line) = std::mem::take(&mut self.lines).finish()? {
            self.line(&line, &mut Vec::new())?;
        }
        if !self.done {
            return Err(DecodeError::Cut);
        }
        self.assembly.answer()
    }
}
