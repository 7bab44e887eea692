//! OpenAI's Responses (`POST /responses`, API reference "Responses", version v1), streamed.
//!
//! Nothing is stored at OpenAI: each request carries the whole conversation, and thoughts travel in it
//! encrypted (`reasoning.encrypted_content`), as the vendor wants them back with the results of calls.
//! A call has two names there; `call_id` is the one that its result answers to, the item's own `id` is not
//! used. Caching needs no mark: OpenAI does it by itself.

mod request;
mod stream;
#[cfg(test)]
mod tests;
mod trouble;

pub use stream::Decoder;

use crate::codec::{Blobs, Codec, Decode, DecodeError, Endpoint, RequestError, Trouble, Usual};
use crate::outbound::Outbound;
use carapace_contract::config::Auth;
use carapace_contract::model::Completion;
use carapace_contract::tool::Tool;

/// The kinds of this folder.
pub const KINDS: &[crate::Kind] = &[
    crate::Kind {
        name: "openai-responses",
        what: "OpenAI's Responses, with thinking kept between calls",
        usual: USUAL,
        codec: &Responses,
    },
];

/// What is usual at OpenAI.
pub const USUAL: Usual = Usual {
    base_url: "https://api.openai.com/v1",
    auth: Auth::ApiKey,
    key_header: ("authorization", "Bearer "),
    service: "",
};

/// The maker of the thoughts that are kept: this kind's name.
const MAKER: &str = "openai-responses";

/// The protocol.
pub struct Responses;

impl Codec for Responses {
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
        Box::new(Decoder::default())
    }

    fn refusal(&self, status: u16, retry_after: Option<&str>, body: &[u8]) -> Trouble {
        trouble::refusal(status, retry_after, body)
    }

    fn list_models(&self, endpoint: &Endpoint) -> Option<Outbound> {
        Some(endpoint.get("/models", Vec::new()))
    }

    fn read_models(&self, body: &[u8]) -> Result<Vec<String>, DecodeError> {
        crate::openai_compatible::request::read_models(body)
    }
}
