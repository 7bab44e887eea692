//! Ollama's own API: `POST /api/chat`, answered in newline-delimited JSON
//! (<https://docs.ollama.com/api/chat>, the API of Ollama 0.9 and later).
//!
//! Differences that matter here: arguments of calls are objects, a call comes whole and in one
//! line, pictures stand beside the text, a thought is a plain text of the message, and an error may
//! come as a line of its own after a good beginning. There are no documents: a text becomes part of
//! the message's text, a PDF is refused. Ollama caches prompts by itself and reports nothing of it.

mod request;
mod stream;
#[cfg(test)]
mod tests;
mod trouble;

pub use stream::Decoder;
pub use trouble::refusal;

use crate::codec::{Blobs, Codec, Decode, DecodeError, Endpoint, RequestError, Trouble, Usual};
use crate::outbound::Outbound;
use carapace_contract::config::Auth;
use carapace_contract::model::Completion;
use carapace_contract::tool::Tool;

/// The kinds of this folder.
pub const KINDS: &[crate::Kind] = &[
    crate::Kind {
        name: "ollama",
        what: "Ollama's own API, on this machine or elsewhere",
        usual: USUAL,
        codec: &Chat,
    },
];

/// What is usual on one's own machine.
pub const USUAL: Usual = Usual {
    base_url: "http://127.0.0.1:11434",
    auth: Auth::None,
    key_header: ("authorization", "Bearer "),
    service: "",
};

/// The name in [`Thinking::maker`](carapace_contract::model::Thinking::maker).
const MAKER: &str = "ollama";

/// The protocol.
pub struct Chat;

impl Codec for Chat {
    fn request(
        &self,
        endpoint: &Endpoint,
        completion: &Completion,
        tools: &[Tool],
        blobs: &Blobs,
    ) -> Result<Outbound, RequestError> {
        request::request(endpoint, completion, tools, blobs)
    }

    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Decoder::new())
    }

    fn refusal(&self, status: u16, retry_after: Option<&str>, body: &[u8]) -> Trouble {
        refusal(status, retry_after, body)
    }

    fn list_models(&self, endpoint: &Endpoint) -> Option<Outbound> {
        Some(endpoint.get("/api/tags", Vec::new()))
    }

    fn read_models(&self, body: &[u8]) -> Result<Vec<String>, DecodeError> {
        request::read_models(body)
    }
}
