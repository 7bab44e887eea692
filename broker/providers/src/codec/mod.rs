//! What every provider folder gives, and the parts they share: the bounded readers of a stream
//! ([`sse`]), the assembly of an answer ([`Assembly`]), what a vendor says when it does not answer
//! ([`Trouble`]), and what the codec needs to know of the place ([`Endpoint`]).

mod assembly;
mod attached;
mod endpoint;
mod intake;
pub mod ndjson;
pub mod sse;
mod trouble;
mod wire;

pub use assembly::{Assembly, MAX_ARGUMENTS, MAX_CALLS, MAX_TEXT, MAX_THINKING};
pub use attached::{MAX_ATTACHED, attached, check_attached, data_url, document};
pub use endpoint::{Endpoint, Usual};
pub use intake::{Intake, MAX_BODY, MAX_VALUES, Rest, read_json, read_names};
pub use trouble::{Trouble, classify, clean};
pub use wire::{own_tool, wire_id, wire_tool};

use crate::outbound::Outbound;
use bytes::Bytes;
use carapace_contract::id::Digest;
use carapace_contract::model::{Answer, Completion};
use carapace_contract::tool::Tool;
use std::collections::HashMap;

/// The bytes of the attachments that a completion names, by their digest.
pub type Blobs = HashMap<Digest, Bytes>;

/// A vendor's protocol: completions become requests, bytes become answers. No I/O, no clock, no secret.
pub trait Codec: Sync {
    /// The request that asks for this completion, streamed.
    ///
    /// The body holds what the completion, the tools and the blobs hold and nothing else: every key of it is
    /// written here, so that no hosted tool, remote address or extra body can come from a worker.
    /// `tools` are the tools to offer, `blobs` the bytes of the attachments that the messages name.
    ///
    /// # Errors
    /// [`RequestError`] where the completion cannot be asked in this protocol.
    fn request(
        &self,
        endpoint: &Endpoint,
        completion: &Completion,
        tools: &[Tool],
        blobs: &Blobs,
    ) -> Result<Outbound, RequestError>;

    /// A reader for the answer to one request.
    fn decoder(&self) -> Box<dyn Decode>;

    /// What a response with a status that is no success says. `retry_after` is the header of that
    /// name, `body` at most 64 KiB of the body.
    fn refusal(&self, status: u16, retry_after: Option<&str>, body: &[u8]) -> Trouble;

    /// The request for the list of models, where the vendor has one: the smallest real call.
    fn list_models(&self, endpoint: &Endpoint) -> Option<Outbound>;

    /// The names in the answer to [`list_models`](Self::list_models), at most 1,000, in the vendor's order.
    ///
    /// # Errors
    /// [`DecodeError`] where the body is not the vendor's list.
    fn read_models(&self, body: &[u8]) -> Result<Vec<String>, DecodeError>;
}

/// Reads one answer. Bytes may be split anywhere, also within a character.
pub trait Decode: Send {
    /// Takes the next bytes and returns what became known by them.
    ///
    /// # Errors
    /// See [`DecodeError`]. After an error every further call gives the same error.
    fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Piece>, DecodeError>;

    /// The whole answer, once the server has closed the stream or said that it is done.
    ///
    /// # Errors
    /// [`DecodeError::Cut`] where the end is missing, [`DecodeError::Malformed`] where a call's
    /// arguments are not a JSON object, else as [`feed`](Self::feed).
    fn finish(self: Box<Self>) -> Result<Answer, DecodeError>;
}

/// Something that became known while an answer was coming.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// More of the answer's text.
    Text(String),
    /// More of what the model thinks before it answers; not part of the answer.
    Reasoning(String),
    /// A tool call has begun. Its arguments are in the answer.
    CallStarted {
        /// Its place among the calls.
        index: usize,
        /// The tool.
        name: String,
    },
    /// The server said that it is done.
    Done,
}

/// Why a completion was not turned into a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The provider's address is not one that may be used.
    #[error(
        "the provider's address cannot be used: {0}\n  remedy: give an https address, or plain http on this machine, as base-url"
    )]
    Address(String),
    /// The model's name cannot be sent.
    #[error(
        "the model name {0:?} cannot be used\n  remedy: name a model of the provider, as PROVIDER:MODEL"
    )]
    Model(String),
    /// A setting that this kind of provider needs is missing.
    #[error("the provider needs {0}\n  remedy: set it under [providers] of config.toml")]
    Setting(&'static str),
    /// A tool message without the call it answers, which servers refuse.
    #[error(
        "message {0} is a tool result without the call it answers\n  remedy: give it the id of the call"
    )]
    Unanswered(usize),
    /// Nothing to complete.
    #[error("the completion has no message\n  remedy: send at least one message")]
    Empty,
    /// An attachment whose bytes are not at hand.
    #[error("the attachment {0} is not known\n  remedy: attach the file again")]
    Blob(Digest),
    /// An attachment that this provider does not take.
    #[error(
        "this provider does not take {0}\n  remedy: leave the attachment out, or use another model"
    )]
    Media(&'static str),
}

/// Why an answer was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The server answered with an error object.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// A part is larger than its limit.
    #[error(
        "the model's answer has {what} over {limit}\n  remedy: lower max_tokens, or check what answers at base-url"
    )]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// Its limit, in bytes or in number.
        limit: usize,
    },
    /// It ended before it was complete.
    #[error(
        "the model's answer stopped before its end\n  remedy: try again; if it happens always, look at the server's own log"
    )]
    Cut,
    /// It is not of the published form.
    #[error(
        "the model's answer cannot be read: {0}\n  remedy: check that base-url and kind name the server that answers there"
    )]
    Malformed(String),
}

/// [`DecodeError::Malformed`] with these words.
pub(crate) fn malformed(what: impl Into<String>) -> DecodeError {
    DecodeError::Malformed(what.into())
}
