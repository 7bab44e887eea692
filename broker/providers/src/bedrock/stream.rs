//! Bytes of an answer become pieces, and at the end an answer: frames of an event stream, or the
//! answer of the plain operation as one JSON body. A frame begins with its length, and no length
//! that is taken begins with the byte of a brace.

use super::MAKER;
use super::frame::{Frame, Reader};
use super::trouble::embedded;
use crate::codec::{
    Assembly, Decode, DecodeError, MAX_BODY, Piece, malformed, own_tool, read_json,
};
use carapace_contract::model::{Answer, Stop, Thinking};
use serde_json::Value;
use std::collections::HashMap;

/// The most blocks that are open at once. The vendor sends one after the other.
const MAX_OPEN: usize = 256;

/// Reads one answer.
#[derive(Debug, Default)]
pub struct Decoder {
    form: Form,
    reader: Reader,
    body: Vec<u8>,
    message: Message,
    failed: Option<DecodeError>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Form {
    #[default]
    Unknown,
    Frames,
    Body,
}

/// The message while it is coming.
#[derive(Debug, Default)]
struct Message {
    assembly: Assembly,
    open: HashMap<u64, Block>,
    stopped: bool,
    done: bool,
}

/// What a delta of a block belongs to. Only calls are announced; other blocks begin with their
/// first delta.
#[derive(Debug, Clone, Copy)]
enum Block {
    Call(usize),
    Thought(usize),
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
                self.body = Vec::new();
                self.reader = Reader::default();
                Err(error)
            }
        }
    }

    fn finish(mut self: Box<Self>) -> Result<Answer, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.form == Form::Body {
            let body = read_json(&self.body)?;
            self.message.whole(&body)?;
        }
        if !self.message.stopped || !self.reader.is_empty() {
            return Err(DecodeError::Cut);
        }
        self.message.assembly.answer()
    }
}

impl Decoder {
    fn take(&mut self, mut bytes: &[u8], pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        let Some(first) = bytes.first() else {
            return Ok(());
        };
        if self.form == Form::Unknown {
            self.form = if *first == b'{' {
                Form::Body
            } else {
                Form::Frames
            };
        }
        if self.form == Form::Body {
            if self.body.len() + bytes.len() > MAX_BODY {
                return Err(DecodeError::TooLarge {
                    what: "a body",
                    limit: MAX_BODY,
                });
            }
            self.body.extend_from_slice(bytes);
            return Ok(());
        }
        while !self.message.done
            && let Some(frame) = self.reader.next(&mut bytes)?
        {
            self.message.frame(&frame, pieces)?;
        }
        Ok(())
    }
}

impl Message {
    fn frame(&mut self, frame: &Frame, pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        match frame.header(":message-type") {
            "event" => {}
            "exception" => {
                return Err(embedded(frame.header(":exception-type"), frame.payload()).into());
            }
            "error" => {
                let said = frame.header(":error-message").as_bytes();
                return Err(embedded(frame.header(":error-code"), said).into());
            }
            _ => return Err(malformed("a frame is neither event nor exception")),
        }
        let data = || -> Result<Value, DecodeError> {
            serde_json::from_slice(frame.payload())
                .map_err(|error| malformed(format!("an event is not JSON: {error}")))
        };
        match frame.header(":event-type") {
            "contentBlockStart" => {
                let data = data()?;
                let Some(call) = data.get("start").and_then(|start| start.get("toolUse")) else {
                    return Ok(());
                };
                let block = Block::Call(self.call(call, pieces)?);
                self.begin(index(&data)?, block)
            }
            "contentBlockDelta" => {
                let data = data()?;
                let delta = data.get("delta").unwrap_or(&Value::Null);
                self.delta(index(&data)?, delta, pieces)
            }
            "contentBlockStop" => {
                self.open.remove(&index(&data()?)?);
                Ok(())
            }
            "messageStop" => self.stop(data()?.get("stopReason")),
            "metadata" => {
                self.usage(data()?.get("usage"));
                // The last event; what it says is lost to one who stops reading before it.
                self.done = self.stopped;
                if self.done {
                    pieces.push(Piece::Done);
                }
                Ok(())
            }
            // The vendor may add kinds of events.
            _ => Ok(()),
        }
    }

    fn call(&mut self, call: &Value, pieces: &mut Vec<Piece>) -> Result<usize, DecodeError> {
        let word = |key| call.get(key).and_then(Value::as_str).unwrap_or_default();
        self.assembly
            .call(word("toolUseId"), &own_tool(word("name")), pieces)
    }

    fn begin(&mut self, at: u64, block: Block) -> Result<(), DecodeError> {
        if self.open.len() == MAX_OPEN {
            return Err(DecodeError::TooLarge {
                what: "open blocks",
                limit: MAX_OPEN,
            });
        }
        match self.open.insert(at, block) {
            None => Ok(()),
            Some(_) => Err(malformed("a block begins twice")),
        }
    }

    fn delta(
        &mut self,
        at: u64,
        delta: &Value,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), DecodeError> {
        if let Some(text) = delta.get("text").and_then(Value::as_str) {
            return self.assembly.text(text, pieces);
        }
        if let Some(input) = delta
            .get("toolUse")
            .and_then(|call| call.get("input")?.as_str())
        {
            return match self.open.get(&at) {
                Some(Block::Call(call)) => self.assembly.arguments(*call, input),
                _ => Err(malformed("arguments without the call they belong to")),
            };
        }
        match delta.get("reasoningContent") {
            Some(more) => self.reasoning(at, more, pieces),
            // Citations, and what the vendor may add.
            None => Ok(()),
        }
    }

    fn reasoning(
        &mut self,
        at: u64,
        more: &Value,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), DecodeError> {
        let word = |key| more.get(key).and_then(Value::as_str);
        if let Some(hidden) = word("redactedContent") {
            self.assembly.think(thought("", hidden, true), pieces)?;
            return Ok(());
        }
        let (text, signature) = (
            word("text").unwrap_or_default(),
            word("signature").unwrap_or_default(),
        );
        match self.open.get(&at) {
            Some(Block::Thought(place)) => self.assembly.thought(*place, text, signature, pieces),
            Some(Block::Call(_)) => Err(malformed("a thought within a call")),
            None => {
                let place = self
                    .assembly
                    .think(thought(text, signature, false), pieces)?;
                self.begin(at, Block::Thought(place))
            }
        }
    }

    fn stop(&mut self, reason: Option<&Value>) -> Result<(), DecodeError> {
        self.assembly
            .stop(match reason.and_then(Value::as_str).unwrap_or_default() {
                "max_tokens" | "model_context_window_exceeded" => Stop::Length,
                "tool_use" => Stop::ToolCalls,
                "guardrail_intervened" | "content_filtered" | "refusal" => Stop::Refused,
                reason @ ("malformed_model_output" | "malformed_tool_use") => {
                    return Err(malformed(format!("Bedrock itself says {reason}")));
                }
                _ => Stop::End,
            });
        self.stopped = true;
        Ok(())
    }

    /// Tokens read are three numbers, none of which holds another.
    fn usage(&mut self, usage: Option<&Value>) {
        let number = |key| {
            usage
                .and_then(|usage| usage.get(key)?.as_u64())
                .unwrap_or(0)
        };
        let (read, write) = (
            number("cacheReadInputTokens"),
            number("cacheWriteInputTokens"),
        );
        let ours = self.assembly.usage();
        ours.input = number("inputTokens")
            .saturating_add(read)
            .saturating_add(write);
        (ours.cache_read, ours.cache_write) = (read, write);
        ours.output = number("outputTokens");
    }

    fn whole(&mut self, body: &Value) -> Result<(), DecodeError> {
        let blocks = body
            .get("output")
            .and_then(|output| output.get("message")?.get("content")?.as_array())
            .ok_or_else(|| malformed("the body is not an answer"))?;
        let mut pieces = Vec::new();
        for block in blocks {
            if let Some(text) = block.get("text").and_then(Value::as_str) {
                self.assembly.text(text, &mut pieces)?;
            } else if let Some(call) = block.get("toolUse") {
                let at = self.call(call, &mut pieces)?;
                match call.get("input") {
                    None | Some(Value::Null) => {}
                    Some(Value::Object(input)) => self.assembly.object(at, input.clone())?,
                    Some(_) => return Err(malformed("the input of a call is not an object")),
                }
            } else if let Some(reasoning) = block.get("reasoningContent") {
                let shown = reasoning.get("reasoningText").unwrap_or(reasoning);
                let word = |key| shown.get(key).and_then(Value::as_str).unwrap_or_default();
                let thought = match word("redactedContent") {
                    "" => thought(word("text"), word("signature"), false),
                    hidden => thought("", hidden, true),
                };
                self.assembly.think(thought, &mut pieces)?;
            }
        }
        self.usage(body.get("usage"));
        match body.get("stopReason") {
            Some(reason) => self.stop(Some(reason)),
            None => Ok(()),
        }
    }
}

fn thought(text: &str, signature: &str, hidden: bool) -> Thinking {
    Thinking {
        maker: MAKER.to_owned(),
        text: text.to_owned(),
        signature: (!signature.is_empty()).then(|| signature.to_owned()),
        id: None,
        hidden,
    }
}

fn index(data: &Value) -> Result<u64, DecodeError> {
    data.get("contentBlockIndex")
        .and_then(Value::as_u64)
        .ok_or_else(|| malformed("a block without its index"))
}
