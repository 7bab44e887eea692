//! OpenAI's chat completions (`POST /chat/completions`, API reference "Chat", version v1), at OpenAI
//! and as Ollama, LM Studio, llama.cpp, vLLM and many others serve them.
//!
//! The published schema is what is written; what is read is wider, because servers differ: call
//! ids left out, whole arguments in one delta, arguments as an object instead of text, CRLF, an
//! answer in one piece though a stream was asked for, an error object within a stream.
//! What is wider never means unbounded: every size has a limit, and what cannot be read is an
//! error, never a guess.
//!
//! Caching needs no mark here: OpenAI and the servers that cache do it by themselves. OpenAI shows no
//! thought in this protocol. Others show theirs, and some want it back with the results of calls
//! (DeepSeek, Kimi): it goes back under the name it came by, within its turn.

pub(crate) mod request;
mod stream;
#[cfg(test)]
mod tests;
pub(crate) mod trouble;

pub use stream::Decoder;

use crate::codec::{Blobs, Codec, Decode, DecodeError, Endpoint, RequestError, Trouble, Usual};
use crate::outbound::Outbound;
use carapace_contract::config::Auth;
use carapace_contract::model::Completion;
use carapace_contract::tool::Tool;

/// The kinds of this folder.
pub const KINDS: &[crate::Kind] = &[
    crate::Kind {
        name: "openai",
        what: "OpenAI's chat completions",
        usual: AT_OPENAI,
        codec: &AtOpenai,
    },
    crate::Kind {
        name: "openai-compatible",
        what: "chat completions as LM Studio, llama.cpp, vLLM and others serve them",
        usual: USUAL,
        codec: &Compatible,
    },
];

/// What is usual at OpenAI.
pub const AT_OPENAI: Usual = Usual {
    base_url: "https://api.openai.com/v1",
    auth: Auth::ApiKey,
    key_header: ("authorization", "Bearer "),
    service: "",
};

/// What is usual at a server of one's own.
pub const USUAL: Usual = Usual {
    base_url: "",
    auth: Auth::None,
    key_header: ("authorization", "Bearer "),
    service: "",
};

/// The protocol as OpenAI speaks it.
pub struct AtOpenai;

/// The protocol as others speak it.
pub struct Compatible;

/// The names that servers have for a model's thought.
const THOUGHTS: [&str; 2] = ["reasoning_content", "reasoning"];

/// What differs between the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Openai,
    Compatible,
}

impl Dialect {
    /// The maker of thoughts that are kept; `None` where none are wanted back.
    fn keeps(self) -> Option<&'static str> {
        match self {
            Self::Openai => None,
            Self::Compatible => Some("openai-compatible"),
        }
    }
}

impl Codec for AtOpenai {
    fn request(
        &self,
        endpoint: &Endpoint,
        completion: &Completion,
        tools: &[Tool],
        blobs: &Blobs,
    ) -> Result<Outbound, RequestError> {
        request::request(Dialect::Openai, endpoint, completion, tools, blobs)
    }

    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Decoder::of(Dialect::Openai))
    }

    fn refusal(&self, status: u16, retry_after: Option<&str>, body: &[u8]) -> Trouble {
        trouble::refusal(status, retry_after, body)
    }

    fn list_models(&self, endpoint: &Endpoint) -> Option<Outbound> {
        Some(endpoint.get("/models", Vec::new()))
    }

    fn read_models(&self, body: &[u8]) -> Result<Vec<String>, DecodeError> {
        request::read_models(body)
    }
}

impl Codec for Compatible {
    fn request(
        &self,
        endpoint: &Endpoint,
        completion: &Completion,
        tools: &[Tool],
        blobs: &Blobs,
    ) -> Result<Outbound, RequestError> {
        request::request(Dialect::Compatible, endpoint, completion, tools, blobs)
    }

    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Decoder::of(Dialect::Compatible))
    }

    fn refusal(&self, status: u16, retry_after: Option<&str>, body: &[u8]) -> Trouble {
        trouble::refusal(status, retry_after, body)
    }

    fn list_models(&self, endpoint: &Endpoint) -> Option<Outbound> {
        Some(endpoint.get("/models", Vec::new()))
    }

    fn read_models(&self, body: &[u8]) -> Result<Vec<String>, DecodeError> {
        request::read_models(body)
    }
}
