//! The messages, in protobuf (proto3 wire format; `line.proto` beside this crate says the same to other languages).
//!
//! Upward a confined process owns a topic, a correlation and arguments, and nothing else: no field
//! says who it is. Decoding upward gives a [`Claim`]; decoding downward gives the value, because the
//! broker is trusted by those it commands.

use crate::claim::Claim;
use crate::error::ErrorWord;
use crate::limits;
use crate::zmtp::Breach;
use prost::Message as _;

/// What a confined process asks or reports.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Request {
    /// What it asks for: a name of [`topic`].
    #[prost(string, tag = "1")]
    pub topic: String,
    /// Its own name for this request, 1 to 64 of `A-Z a-z 0-9 _ - .`; comes back with the reply.
    #[prost(string, tag = "2")]
    pub correlation: String,
    /// A JSON object.
    #[prost(bytes = "vec", tag = "3")]
    pub arguments: Vec<u8>,
    /// Another part of the arguments follows at once, with the same topic and correlation. Only `model.complete`.
    #[prost(bool, tag = "4")]
    pub more: bool,
    /// Only hands: the call that was running when a program inside the cage asked this through `ipc`.
    #[prost(string, tag = "5")]
    pub within: String,
}

/// What the broker says to a confined process.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Down {
    /// What.
    #[prost(oneof = "Word", tags = "1, 2, 3, 4, 5, 6, 7, 8")]
    pub word: Option<Word>,
}

/// One word downward.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Word {
    /// To a mind: a turn begins. In parts where it is long.
    #[prost(message, tag = "1")]
    Turn(Part),
    /// To a mind: stop the turn. To hands: stop the call that is named.
    #[prost(message, tag = "2")]
    Cancel(Cancel),
    /// Finish and exit.
    #[prost(message, tag = "3")]
    Shutdown(Shutdown),
    /// To hands: do this.
    #[prost(message, tag = "4")]
    Invoke(Invoke),
    /// A piece of a streamed reply.
    #[prost(message, tag = "5")]
    Delta(Reply),
    /// A request's result: JSON. In parts where it is long.
    #[prost(message, tag = "6")]
    Result(Reply),
    /// A request's error: JSON of [`ErrorWord`].
    #[prost(message, tag = "7")]
    Error(Reply),
    /// Of a request through `ipc`: nothing of it is known any more.
    #[prost(message, tag = "8")]
    Gone(Reply),
}

/// A part of a long JSON value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Part {
    /// The bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub json: Vec<u8>,
    /// Another part follows at once.
    #[prost(bool, tag = "2")]
    pub more: bool,
}

/// Stop something.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Cancel {
    /// To hands: which call. To a mind: empty.
    #[prost(string, tag = "1")]
    pub call: String,
}

/// Finish and exit.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Shutdown {}

/// To hands: do this.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Invoke {
    /// The broker's name for the call; comes back in the `report`.
    #[prost(string, tag = "1")]
    pub call: String,
    /// The tool.
    #[prost(string, tag = "2")]
    pub tool: String,
    /// A JSON object, checked against the tool's schema.
    #[prost(bytes = "vec", tag = "3")]
    pub arguments: Vec<u8>,
    /// Seconds until it must be done.
    #[prost(uint32, tag = "4")]
    pub seconds: u32,
    /// Whether programs of this call get an `ipc` channel.
    #[prost(bool, tag = "5")]
    pub ipc: bool,
}

/// A reply to a request.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Reply {
    /// The request's own name.
    #[prost(string, tag = "1")]
    pub correlation: String,
    /// JSON; text for a delta.
    #[prost(bytes = "vec", tag = "2")]
    pub json: Vec<u8>,
    /// Another part follows at once.
    #[prost(bool, tag = "3")]
    pub more: bool,
    /// Where this answers a request through `ipc`: the call it came from.
    #[prost(string, tag = "4")]
    pub within: String,
}

/// Topics.
pub mod topic {
    /// Ask the session's model.
    pub const MODEL_COMPLETE: &str = "model.complete";
    /// Prefix of the call of a tool.
    pub const TOOL_INVOKE: &str = "tool.invoke.";
    /// The tools on offer.
    pub const TOOL_LIST: &str = "tool.list";
    /// The turn's final words to the person.
    pub const SAY: &str = "say";
    /// A mind: how the turn ended. Hands: how a call ended.
    pub const REPORT: &str = "report";
}

impl Request {
    /// Reads one frame's body as an alleged request.
    ///
    /// # Errors
    /// [`Breach::NotAMessage`] where it is not protobuf of this form, or a field exceeds its limit.
    pub fn decode_claim(frame: &[u8]) -> Result<Claim<Request>, Breach> {
        let request =
            Request::decode(frame).map_err(|_| Breach::NotAMessage("not a protobuf request"))?;
        if request.topic.len() > limits::TOPIC || request.topic.is_empty() {
            return Err(Breach::NotAMessage("the topic's length"));
        }
        if request.correlation.len() > limits::CORRELATION
            || request.within.len() > limits::CORRELATION
        {
            return Err(Breach::NotAMessage("the correlation's length"));
        }
        if request.arguments.len() > limits::ARGUMENTS {
            return Err(Breach::NotAMessage("the arguments' length"));
        }
        if request.more && request.topic != topic::MODEL_COMPLETE {
            return Err(Breach::NotAMessage("parts, of a topic that has none"));
        }
        Ok(Claim::new(request))
    }

    /// This request as frame bodies: one, or several where a `model.complete` is long.
    pub fn frames(self) -> Vec<Vec<u8>> {
        if self.arguments.len() <= limits::ARGUMENTS {
            return vec![self.encode_to_vec()];
        }
        let pieces = self.arguments.chunks(limits::ARGUMENTS);
        let last = pieces.len() - 1;
        pieces
            .enumerate()
            .map(|(at, piece)| {
                Request {
                    topic: self.topic.clone(),
                    correlation: self.correlation.clone(),
                    arguments: piece.to_vec(),
                    more: at < last,
                    within: self.within.clone(),
                }
                .encode_to_vec()
            })
            .collect()
    }
}

impl Down {
    /// Reads one frame's body.
    ///
    /// # Errors
    /// [`Breach::NotAMessage`] where it is not a word of this line.
    pub fn read(frame: &[u8]) -> Result<Word, Breach> {
        Down::decode(frame)
            .map_err(|_| Breach::NotAMessage("not a protobuf word"))?
            .word
            .ok_or(Breach::NotAMessage("an empty word"))
    }
}

impl Word {
    /// This word as frame bodies: one, or several where its JSON is long.
    pub fn frames(self) -> Vec<Vec<u8>> {
        let one = |word: Word| Down { word: Some(word) }.encode_to_vec();
        let parts = |json: Vec<u8>, build: &dyn Fn(Vec<u8>, bool) -> Word| {
            if json.len() <= limits::ARGUMENTS {
                return vec![one(build(json, false))];
            }
            let pieces = json.chunks(limits::ARGUMENTS);
            let last = pieces.len() - 1;
            pieces
                .enumerate()
                .map(|(at, piece)| one(build(piece.to_vec(), at < last)))
                .collect()
        };
        match self {
            Word::Turn(part) => parts(part.json, &|json, more| Word::Turn(Part { json, more })),
            Word::Result(reply) => {
                let (correlation, within) = (reply.correlation, reply.within);
                parts(reply.json, &|json, more| {
                    Word::Result(Reply {
                        correlation: correlation.clone(),
                        json,
                        more,
                        within: within.clone(),
                    })
                })
            }
            other => vec![one(other)],
        }
    }

    /// An error word as it crosses.
    pub fn error(correlation: &str, within: &str, error: &ErrorWord) -> Word {
        Word::Error(Reply {
            correlation: correlation.to_owned(),
            // A struct of strings and numbers always serialises.
            json: serde_json::to_vec(error).expect("an error word serialises"),
            more: false,
            within: within.to_owned(),
        })
    }
}

/// Joins the parts of a long value.
#[derive(Debug, Default)]
pub struct Joiner {
    bytes: Vec<u8>,
}

impl Joiner {
    /// Takes a part; gives the whole where it was the last.
    ///
    /// # Errors
    /// [`Breach::NotAMessage`] where the whole would exceed [`limits::IN_PARTS`].
    pub fn take(&mut self, part: Vec<u8>, more: bool) -> Result<Option<Vec<u8>>, Breach> {
        if self.bytes.len() + part.len() > limits::IN_PARTS {
            return Err(Breach::NotAMessage("parts that are too long together"));
        }
        if self.bytes.is_empty() && !more {
            return Ok(Some(part));
        }
        self.bytes.extend_from_slice(&part);
        Ok(if more {
            None
        } else {
            Some(std::mem::take(&mut self.bytes))
        })
    }

    /// True between the parts of a value.
    pub fn is_open(&self) -> bool {
        !self.bytes.is_empty()
    }
}
