//! Bytes of an answer become pieces, and at the end an answer.
//!
//! Server-sent events as a rule. A body that is an object, or a list of what would have been
//! events, is read too, and so is one that begins at a line within a stream: an error that comes
//! after a good beginning is written there without being an event.

use super::MAKER;
use super::trouble::embedded;
use crate::codec::{
    Assembly, Decode, DecodeError, MAX_BODY, Piece, Trouble, clean, malformed, own_tool, read_json,
    sse,
};
use carapace_contract::model::{Answer, Stop, Thinking};
use serde::Deserialize;
use serde_json::{Map, Value};

/// One event, or the whole answer: the vendor has one form for both.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk {
    candidates: Option<Vec<Candidate>>,
    prompt_feedback: Option<Feedback>,
    usage_metadata: Option<Counts>,
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    index: Option<u64>,
    content: Option<Content>,
    finish_reason: Option<String>,
    finish_message: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Content {
    parts: Option<Vec<Part>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    text: Option<String>,
    thought: Option<bool>,
    thought_signature: Option<String>,
    function_call: Option<FunctionCall>,
}

#[derive(Debug, Deserialize)]
struct FunctionCall {
    id: Option<String>,
    name: String,
    args: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<String>,
    block_reason_message: Option<String>,
}

/// Running totals: each event replaces what the one before it said.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    prompt_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
}

/// Reads one answer.
#[derive(Debug, Default)]
pub struct Decoder {
    place: Place,
    events: sse::Reader,
    body: Vec<u8>,
    assembly: Assembly,
    /// The thought that the next part may continue.
    thought: Option<usize>,
    failed: Option<DecodeError>,
}

/// Where the next byte stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    LineStart,
    WithinLine,
    WithinBody,
}

impl Decoder {
    /// One that has read nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn take(&mut self, mut bytes: &[u8], pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        while let Some(&first) = bytes.first() {
            // No field of an event begins with white space; a body may stand after some.
            if self.place == Place::LineStart && matches!(first, b' ' | b'\t') {
                bytes = &bytes[1..];
                continue;
            }
            if self.place == Place::LineStart && matches!(first, b'{' | b'[') {
                self.place = Place::WithinBody;
            }
            if self.place == Place::WithinBody {
                if self.body.len() + bytes.len() > MAX_BODY {
                    return Err(DecodeError::TooLarge {
                        what: "a body",
                        limit: MAX_BODY,
                    });
                }
                self.body.extend_from_slice(bytes);
                return Ok(());
            }
            let line = bytes.iter().position(|&byte| byte == b'\n');
            let (now, later) = bytes.split_at(line.map_or(bytes.len(), |end| end + 1));
            self.place = match line {
                Some(_) => Place::LineStart,
                None => Place::WithinLine,
            };
            for event in self.events.feed(now)? {
                self.event(&event, pieces)?;
            }
            bytes = later;
        }
        Ok(())
    }

    fn event(&mut self, event: &sse::Event, pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        let data = event.data.trim();
        if data.is_empty() || data == "[DONE]" {
            return Ok(());
        }
        let chunk = serde_json::from_str(data).map_err(|error| {
            malformed(format!("an event is not of the published form: {error}"))
        })?;
        self.chunk(chunk, pieces)
    }

    fn chunk(&mut self, chunk: Chunk, pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        if let Some(error) = &chunk.error {
            return Err(embedded(error).into());
        }
        if let Some(counts) = chunk.usage_metadata {
            self.count(&counts);
        }
        if let Some(feedback) = chunk.prompt_feedback
            && let Some(reason) = feedback.block_reason
        {
            let said = feedback.block_reason_message.unwrap_or_default();
            let said = clean(&format!("the prompt was blocked ({reason}) {said}"));
            return Err(Trouble::Refused { said }.into());
        }
        // One answer was asked for; a second one would be mixed into the first.
        let mut candidates = chunk.candidates.unwrap_or_default().into_iter();
        match candidates.find(|candidate| candidate.index.unwrap_or(0) == 0) {
            Some(candidate) if !self.assembly.has_stopped() => self.candidate(candidate, pieces),
            _ => Ok(()),
        }
    }

    fn candidate(
        &mut self,
        candidate: Candidate,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), DecodeError> {
        let parts = candidate.content.and_then(|content| content.parts);
        for part in parts.unwrap_or_default() {
            self.part(part, pieces)?;
        }
        let stop = match candidate.finish_reason.as_deref() {
            None | Some("" | "FINISH_REASON_UNSPECIFIED") => return Ok(()),
            Some("MAX_TOKENS") => Stop::Length,
            Some(
                "SAFETY"
                | "RECITATION"
                | "LANGUAGE"
                | "BLOCKLIST"
                | "PROHIBITED_CONTENT"
                | "SPII"
                | "IMAGE_SAFETY"
                | "IMAGE_PROHIBITED_CONTENT"
                | "IMAGE_RECITATION",
            ) => Stop::Refused,
            // There was to be a call, and there is none that could be made.
            Some(
                reason @ ("MALFORMED_FUNCTION_CALL"
                | "UNEXPECTED_TOOL_CALL"
                | "TOO_MANY_TOOL_CALLS"
                | "MISSING_THOUGHT_SIGNATURE"
                | "MALFORMED_RESPONSE"),
            ) => {
                let said = candidate.finish_message.unwrap_or_default();
                return Err(malformed(clean(&format!("it ended with {reason} {said}"))));
            }
            Some(_) => Stop::End,
        };
        self.assembly.stop(stop);
        pieces.push(Piece::Done);
        Ok(())
    }

    /// Takes one part. Parts of a kind that was not asked for (pictures, code that the vendor ran)
    /// are no part of the answer.
    fn part(&mut self, part: Part, pieces: &mut Vec<Piece>) -> Result<(), DecodeError> {
        let signature = part.thought_signature.filter(|text| !text.is_empty());
        let text = part.text.unwrap_or_default();
        if let Some(call) = part.function_call {
            self.thought = None;
            let id = call.id.unwrap_or_default();
            let at = self.assembly.call(&id, &own_tool(&call.name), pieces)?;
            self.assembly.object(at, call.args.unwrap_or_default())?;
            return match signature {
                Some(signature) => self.assembly.sign(at, &signature),
                None => Ok(()),
            };
        }
        let thinking = |text: String, hidden| Thinking {
            maker: MAKER.to_owned(),
            text,
            signature: None,
            id: None,
            hidden,
        };
        if part.thought == Some(true) {
            let at = match self.thought {
                Some(at) => {
                    self.assembly.thought(at, &text, "", pieces)?;
                    at
                }
                None if text.is_empty() && signature.is_none() => return Ok(()),
                None => self.assembly.think(thinking(text, false), pieces)?,
            };
            self.thought = Some(at);
            if let Some(signature) = signature {
                // What follows has a signature of its own.
                self.thought = None;
                self.assembly.thought(at, "", &signature, pieces)?;
            }
            return Ok(());
        }
        if !text.is_empty() {
            self.thought = None;
        }
        self.assembly.text(&text, pieces)?;
        if let Some(signature) = signature {
            self.thought = None;
            let at = self.assembly.think(thinking(String::new(), true), pieces)?;
            self.assembly.thought(at, "", &signature, pieces)?;
        }
        Ok(())
    }

    fn count(&mut self, counts: &Counts) {
        let usage = self.assembly.usage();
        let sum = |one: Option<u64>, other: Option<u64>| {
            one.unwrap_or(0).saturating_add(other.unwrap_or(0))
        };
        usage.input = sum(
            counts.prompt_token_count,
            counts.tool_use_prompt_token_count,
        );
        usage.output = sum(counts.candidates_token_count, counts.thoughts_token_count);
        usage.cache_read = counts.cached_content_token_count.unwrap_or(0);
    }

    /// What is left when the server has closed.
    fn rest(&mut self) -> Result<(), DecodeError> {
        let mut pieces = Vec::new();
        for event in std::mem::take(&mut self.events).finish()? {
            self.event(&event, &mut pieces)?;
        }
        let body = std::mem::take(&mut self.body);
        if body.is_empty() {
            return Ok(());
        }
        let chunks = match read_json(&body)? {
            Value::Array(chunks) => chunks,
            chunk => vec![chunk],
        };
        for chunk in chunks {
            let chunk = serde_json::from_value(chunk).map_err(|error| {
                malformed(format!("the body is not of the published form: {error}"))
            })?;
            self.chunk(chunk, &mut pieces)?;
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
                self.events = sse::Reader::default();
                self.body = Vec::new();
                Err(error)
            }
        }
    }

    fn finish(mut self: Box<Self>) -> Result<Answer, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.rest()?;
        if !self.assembly.has_stopped() {
            return Err(DecodeError::Cut);
        }
        self.assembly.answer()
    }
}
