//! Bytes of an answer become pieces, and at the end an answer: server-sent events, or the message
//! as one JSON body, told apart by the first byte that is not white space.

use super::MAKER;
use super::trouble::embedded;
use crate::codec::sse::Event;
use crate::codec::{Assembly, Decode, DecodeError, Intake, Piece, Rest, malformed, own_tool};
use carapace_contract::model::{Answer, Stop, Thinking};
use serde_json::Value;
use std::collections::HashMap;

/// The most blocks that are open at once. The vendor sends one after the other.
const MAX_OPEN: usize = 256;

/// Reads one answer.
#[derive(Debug, Default)]
pub struct Decoder {
    intake: Intake,
    message: Message,
    failed: Option<DecodeError>,
}

/// The message while it is coming.
#[derive(Debug, Default)]
struct Message {
    assembly: Assembly,
    open: HashMap<u64, Block>,
    read: Read,
    done: bool,
}

/// What a delta of a block belongs to.
#[derive(Debug, Clone, Copy)]
enum Block {
    Text,
    Thought(usize),
    Call(usize),
    /// Of a kind that was not asked for; it is left out.
    Other,
}

/// Tokens read, as the vendor counts them: three numbers, none of which holds another.
#[derive(Debug, Default)]
struct Read {
    plain: u64,
    from_cache: u64,
    to_cache: u64,
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
                self.intake = Intake::default();
                Err(error)
            }
        }
    }

    fn finish(mut self: Box<Self>) -> Result<Answer, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut pieces = Vec::new();
        if !self.message.done {
            match self.intake.finish()? {
                Rest::Body(body) => self.message.whole(&body, &mut pieces)?,
                Rest::Events(events) => {
                    for event in events {
                        self.message.event(&event, &mut pieces)?;
                    }
                }
            }
        }
        if !self.message.done {
            return Err(DecodeError::Cut);
        }
        self.message.assembly.answer()
    }
}

impl Decoder {
    fn take(&mut self, bytes: &[u8], pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        if self.message.done {
            return Ok(());
        }
        for event in self.intake.feed(bytes)? {
            self.message.event(&event, pieces)?;
        }
        Ok(())
    }
}

impl Message {
    fn event(&mut self, event: &Event, pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        if self.done || event.data.trim().is_empty() {
            return Ok(());
        }
        let data: Value = serde_json::from_str(&event.data)
            .map_err(|error| malformed(format!("an event is not JSON: {error}")))?;
        let name = data
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or(&event.name);
        match name {
            "message_start" => {
                self.usage(data.get("message").and_then(|message| message.get("usage")));
                Ok(())
            }
            "content_block_start" => {
                let at = index(&data)?;
                let block = data.get("content_block").unwrap_or(&Value::Null);
                let block = self.begin(block, pieces)?;
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
            "content_block_delta" => {
                let block = *self
                    .open
                    .get(&index(&data)?)
                    .ok_or_else(|| malformed("a delta without the block it belongs to"))?;
                self.delta(block, data.get("delta").unwrap_or(&Value::Null), pieces)
            }
            "content_block_stop" => {
                self.open.remove(&index(&data)?);
                Ok(())
            }
            "message_delta" => {
                self.stopped(data.get("delta"));
                self.usage(data.get("usage"));
                Ok(())
            }
            "message_stop" => {
                self.done = true;
                pieces.push(Piece::Done);
                Ok(())
            }
            "error" => Err(embedded(data.get("error").unwrap_or(&data)).into()),
            // The vendor adds kinds of events without notice, and says to pass over them.
            _ => Ok(()),
        }
    }

    /// A block with what it holds at its beginning; in a body that is all of it.
    fn begin(&mut self, block: &Value, pieces: &mut Vec<Piece>) -> Result<Block, DecodeError> {
        let word = |key| block.get(key).and_then(Value::as_str).unwrap_or_default();
        let thought = |text: &str, signature: &str, hidden| Thinking {
            maker: MAKER.to_owned(),
            text: text.to_owned(),
            signature: (!signature.is_empty()).then(|| signature.to_owned()),
            id: None,
            hidden,
        };
        match word("type") {
            "text" => {
                self.assembly.text(word("text"), pieces)?;
                Ok(Block::Text)
            }
            "thinking" => {
                let thought = thought(word("thinking"), word("signature"), false);
                Ok(Block::Thought(self.assembly.think(thought, pieces)?))
            }
            "redacted_thinking" => {
                self.assembly
                    .think(thought("", word("data"), true), pieces)?;
                Ok(Block::Other)
            }
            "tool_use" => {
                let at = self
                    .assembly
                    .call(word("id"), &own_tool(word("name")), pieces)?;
                match block.get("input") {
                    None | Some(Value::Null) => {}
                    Some(Value::Object(input)) if input.is_empty() => {}
                    Some(Value::Object(input)) => self.assembly.object(at, input.clone())?,
                    Some(_) => return Err(malformed("the input of a call is not an object")),
                }
                Ok(Block::Call(at))
            }
            _ => Ok(Block::Other),
        }
    }

    fn delta(
        &mut self,
        block: Block,
        delta: &Value,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), DecodeError> {
        let word = |key| delta.get(key).and_then(Value::as_str).unwrap_or_default();
        match (block, word("type")) {
            (Block::Text, "text_delta") => self.assembly.text(word("text"), pieces),
            (Block::Thought(at), "thinking_delta") => {
                self.assembly.thought(at, word("thinking"), "", pieces)
            }
            (Block::Thought(at), "signature_delta") => {
                self.assembly.thought(at, "", word("signature"), pieces)
            }
            (Block::Call(at), "input_json_delta") => {
                self.assembly.arguments(at, word("partial_json"))
            }
            (_, "text_delta" | "thinking_delta" | "signature_delta" | "input_json_delta")
                if !matches!(block, Block::Other) =>
            {
                Err(malformed("a delta of another kind than its block"))
            }
            _ => Ok(()),
        }
    }

    fn stopped(&mut self, delta: Option<&Value>) {
        let Some(reason) = delta.and_then(|delta| delta.get("stop_reason")?.as_str()) else {
            return;
        };
        self.assembly.stop(match reason {
            "max_tokens" | "model_context_window_exceeded" => Stop::Length,
            "tool_use" => Stop::ToolCalls,
            "refusal" => Stop::Refused,
            _ => Stop::End,
        });
    }

    /// The numbers are totals so far; what is not named stays as it was.
    fn usage(&mut self, usage: Option<&Value>) {
        let number = |key| usage.and_then(|usage| usage.get(key)?.as_u64());
        for (slot, key) in [
            (&mut self.read.plain, "input_tokens"),
            (&mut self.read.from_cache, "cache_read_input_tokens"),
            (&mut self.read.to_cache, "cache_creation_input_tokens"),
        ] {
            *slot = number(key).unwrap_or(0).max(*slot);
        }
        let Read {
            plain,
            from_cache,
            to_cache,
        } = self.read;
        let ours = self.assembly.usage();
        ours.input = plain.saturating_add(from_cache).saturating_add(to_cache);
        (ours.cache_read, ours.cache_write) = (from_cache, to_cache);
        ours.output = number("output_tokens").unwrap_or(0).max(ours.output);
    }

    fn whole(&mut self, body: &Value, pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        if let Some(error) = body.get("error").filter(|error| !error.is_null()) {
            return Err(embedded(error).into());
        }
        let blocks = body
            .get("content")
            .and_then(Value::as_array)
            .ok_or_else(|| malformed("the body is not a message"))?;
        for block in blocks {
            self.begin(block, pieces)?;
        }
        self.stopped(Some(body));
        self.usage(body.get("usage"));
        self.done = self.assembly.has_stopped();
        Ok(())
    }
}

fn index(data: &Value) -> Result<u64, DecodeError> {
    data.get("index")
        .and_then(Value::as_u64)
        .ok_or_else(|| malformed("a block without its index"))
}
