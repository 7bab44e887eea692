//! Google's Gemini API, version v1beta: `POST /models/{model}:streamGenerateContent?alt=sse`
//! (<https://ai.google.dev/api/generate-content>, thinking and its signatures:
//! <https://ai.google.dev/gemini-api/docs/thought-signatures>).
//!
//! Differences that matter here: a call comes whole and may have no id, so that results are matched
//! by name and order; a signature stands beside a call, a text or a thought, and the vendor wants
//! it back in the same place; a stream ends with a reason for finishing and has no other end mark.
//! The vendor caches prompts by itself; its explicit caches are objects on its side and are not used.

mod request;
mod schema;
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
        name: "gemini",
        what: "Google's Gemini API",
        usual: USUAL,
        codec: &GenerateContent,
    },
];

/// What is usual at Google.
pub const USUAL: Usual = Usual {
    base_url: "https://generativelanguage.googleapis.com/v1beta",
    auth: Auth::ApiKey,
    key_header: ("x-goog-api-key", ""),
    service: "",
};

/// The name in [`Thinking::maker`](carapace_contract::model::Thinking::maker).
const MAKER: &str = "gemini";

/// The protocol.
pub struct GenerateContent;

impl Codec for GenerateContent {
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

    /// The first page, which is as large as the vendor makes it.
    fn list_models(&self, endpoint: &Endpoint) -> Option<Outbound> {
        Some(endpoint.get("/models?pageSize=1000", Vec::new()))
    }

    fn read_models(&self, body: &[u8]) -> Result<Vec<String>, DecodeError> {
        request::read_models(body)
    }
}
