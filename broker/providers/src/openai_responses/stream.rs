//! Bytes of an answer become pieces, and at the end an answer.
//!
//! An answer is a list of items (thoughts, messages, calls); events say to which of them their delta
//! belongs. What an item says at its end counts only where its deltas did not come.

use super::{MAKER, trouble};
use crate::codec::sse::Event;
use crate::codec::{Assembly, Decode, DecodeError, Intake, Piece, Rest, malformed, own_tool};
use carapace_contract::model::{Answer, Stop, Thinking};
use serde_json::Value;
use std::collections::HashMap;

/// The most items of one answer.
const MAX_ITEMS: usize = 256;

/// Reads one answer: server-sent events, or one JSON body.
#[derive(Debug, Default)]
pub struct Decoder {
    intake: Intake,
    assembly: Assembly,
    /// By the vendor's number of the item.
    items: HashMap<u64, Item>,
    refused: bool,
    done: bool,
    failed: Option<DecodeError>,
}

/// What is known of an item.
#[derive(Debug, Clone, Copy)]
struct Item {
    what: What,
    /// Whether a delta of it has come.
    begun: bool,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Message,
    /// Its place in the assembly.
    Call(usize),
    /// Its place in the assembly.
    Thought(usize),
    /// Nothing that was asked for.
    Other,
}

impl Decode for Decoder {
    fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Piece>, DecodeError> {
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

    fn finish(mut self: Box<Self>) -> Result<Answer, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut pieces = Vec::new();
        match std::mem::take(&mut self.intake).finish()? {
            Rest::Events(events) => self.events(events, &mut pieces)?,
            Rest::Body(body) if body.get("object").and_then(Value::as_str) == Some("response") => {
                self.ended(&body, &mut pieces)?;
            }
            Rest::Body(body) if body.get("error").is_some_and(|error| !error.is_null()) => {
                return Err(trouble::event(&body).into());
            }
            Rest::Body(_) => return Err(malformed("the body is no response")),
        }
        if !self.done {
            return Err(DecodeError::Cut);
        }
        if self.refused {
            self.assembly.stop(Stop::Refused);
        }
        let mut answer = self.assembly.answer()?;
        // Without its encrypted form a thought cannot be given back.
        answer
            .thinking
            .retain(|thought| thought.id.is_some() && thought.signature.is_some());
        Ok(answer)
    }
}

impl Decoder {
    fn events(&mut self, events: Vec<Event>, pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        for event in events {
            let data = event.data.trim();
            // A proxy may add the end mark of the older protocol.
            if self.done || data.is_empty() || data == "[DONE]" {
                continue;
            }
            let value: Value = serde_json::from_str(data)
                .map_err(|error| malformed(format!("an event is not JSON: {error}")))?;
            let kind = match value.get("type").and_then(Value::as_str) {
                Some(kind) => kind,
                None if value.get("error").is_some_and(|error| !error.is_null()) => "error",
                None => event.name.as_str(),
            };
            self.event(kind, &value, pieces)?;
        }
        Ok(())
    }

    fn event(
        &mut self,
        kind: &str,
        event: &Value,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), DecodeError> {
        let index = event
            .get("output_index")
            .and_then(Value::as_u64)
            .unwrap_or(0);
        match kind {
            "response.output_item.added" => self.added(index, part(event, "item")?, pieces),
            "response.output_item.done" => self.complete(index, part(event, "item")?, pieces),
            "response.output_text.delta" => {
                self.begin(index, What::Message)?;
                self.assembly.text(string(event, "delta"), pieces)
            }
            "response.refusal.delta" => {
                self.begin(index, What::Message)?;
                self.refused = true;
                self.assembly.text(string(event, "delta"), pieces)
            }
            "response.function_call_arguments.delta" => match self.items.get_mut(&index) {
                Some(Item {
                    what: What::Call(at),
                    begun,
                }) => {
                    *begun = true;
                    self.assembly.arguments(*at, string(event, "delta"))
                }
                _ => Err(malformed("arguments without a call")),
            },
            "response.reasoning_summary_part.added" => {
                let later = event.get("summary_index").and_then(Value::as_u64) > Some(0);
                match later {
                    true => self.thought(index, "\n\n", pieces),
                    false => Ok(()),
                }
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                self.thought(index, string(event, "delta"), pieces)
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                self.ended(part(event, "response")?, pieces)
            }
            "error" => Err(trouble::event(event).into()),
            // New kinds of events are added to the published list without a new version.
            _ if kind.starts_with("response.") => Ok(()),
            _ => Err(malformed("an event is not one of a response")),
        }
    }

    /// An item begins.
    fn added(
        &mut self,
        index: u64,
        item: &Value,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), DecodeError> {
        if self.items.contains_key(&index) {
            return Err(malformed("two items have one number"));
        }
        if self.items.len() == MAX_ITEMS {
            return Err(DecodeError::TooLarge {
                what: "output items",
                limit: MAX_ITEMS,
            });
        }
        let what = match string(item, "type") {
            "message" => What::Message,
            "function_call" => {
                let name = own_tool(string(item, "name"));
                let at = self.assembly.call(string(item, "call_id"), &name, pieces)?;
                What::Call(at)
            }
            "reasoning" => {
                let id = string(item, "id");
                let thought = Thinking {
                    maker: MAKER.to_owned(),
                    text: String::new(),
                    signature: None,
                    id: (!id.is_empty()).then(|| id.to_owned()),
                    hidden: false,
                };
                What::Thought(self.assembly.think(thought, pieces)?)
            }
            _ => What::Other,
        };
        self.items.insert(index, Item { what, begun: false });
        Ok(())
    }

    /// An item is complete, and says so as a whole.
    fn complete(
        &mut self,
        index: u64,
        item: &Value,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), DecodeError> {
        if !self.items.contains_key(&index) {
            self.added(index, item, pieces)?;
        }
        let Some(known) = self.items.get_mut(&index) else {
            return Ok(());
        };
        let silent = !std::mem::replace(&mut known.begun, true);
        match known.what {
            What::Message if silent => {
                for part in list(item, "content") {
                    let refusal = string(part, "refusal");
                    self.refused |= !refusal.is_empty();
                    self.assembly.text(string(part, "text"), pieces)?;
                    self.assembly.text(refusal, pieces)?;
                }
                Ok(())
            }
            What::Call(at) => {
                let name = own_tool(string(item, "name"));
                self.assembly
                    .name(at, string(item, "call_id"), &name, pieces)?;
                match silent {
                    true => self.assembly.arguments(at, string(item, "arguments")),
                    false => Ok(()),
                }
            }
            What::Thought(at) => {
                let shown: Vec<&str> = list(item, "summary")
                    .iter()
                    .map(|part| string(part, "text"))
                    .collect();
                let text = if silent {
                    shown.join("\n\n")
                } else {
                    String::new()
                };
                let encrypted = string(item, "encrypted_content");
                self.assembly.thought(at, &text, encrypted, pieces)?;
                // An item is complete once: what comes for it again would be added to it.
                known.what = What::Other;
                Ok(())
            }
            What::Message | What::Other => Ok(()),
        }
    }

    /// The response is at its end, or is the whole body.
    fn ended(&mut self, response: &Value, pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        self.usage(response);
        let error = response.get("error").is_some_and(|error| !error.is_null());
        let stop = match string(response, "status") {
            _ if error => return Err(trouble::failed(response).into()),
            "completed" => Stop::End,
            "incomplete" => {
                let reason = response.pointer("/incomplete_details/reason");
                match reason.and_then(Value::as_str) {
                    Some("content_filter") => Stop::Refused,
                    _ => Stop::Length,
                }
            }
            "failed" | "cancelled" => return Err(trouble::failed(response).into()),
            _ => return Err(DecodeError::Cut),
        };
        // Some servers say everything only here.
        if self.items.is_empty() {
            for (index, item) in (0..).zip(list(response, "output")) {
                self.complete(index, item, pieces)?;
            }
        }
        self.assembly.stop(stop);
        self.done = true;
        pieces.push(Piece::Done);
        Ok(())
    }

    /// Notes a delta of an item, also of one that was not announced.
    fn begin(&mut self, index: u64, what: What) -> Result<(), DecodeError> {
        if self.items.len() == MAX_ITEMS && !self.items.contains_key(&index) {
            return Err(DecodeError::TooLarge {
                what: "output items",
                limit: MAX_ITEMS,
            });
        }
        self.items
            .entry(index)
            .or_insert(Item { what, begun: true })
            .begun = true;
        Ok(())
    }

    fn thought(
        &mut self,
        index: u64,
        text: &str,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), DecodeError> {
        match self.items.get_mut(&index) {
            Some(Item {
                what: What::Thought(at),
                begun,
            }) => {
                *begun = true;
                self.assembly.thought(*at, text, "", pieces)
            }
            _ => self.assembly.reasoning(text, pieces),
        }
    }

    fn usage(&mut self, response: &Value) {
        let number = |path| {
            response
                .pointer(path)
                .and_then(Value::as_u64)
                .unwrap_or_default()
        };
        let counted = self.assembly.usage();
        counted.input = number("/usage/input_tokens");
        counted.output = number("/usage/output_tokens");
        counted.cache_read = number("/usage/input_tokens_details/cached_tokens").min(counted.input);
        counted.cache_write = number("/usage/input_tokens_details/cache_write_tokens")
            .min(counted.input - counted.cache_read);
    }
}

fn part<'a>(value: &'a Value, key: &str) -> Result<&'a Value, DecodeError> {
    value
        .get(key)
        .filter(|part| part.is_object())
        .ok_or_else(|| malformed(format!("an event has no {key}")))
}

fn string<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}
