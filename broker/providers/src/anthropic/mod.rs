//! Anthropic's Messages API, as Anthropic serves it, and others with it: `POST /v1/messages` with
//! server-sent events, and `GET /v1/models`.
//! <https://platform.claude.com/docs/en/api/messages>, version 2023-06-01.
//!
//! Nothing of it that acts at the vendor is used: no hosted tool, no remote address, no file id, no
//! container. The conversation is brought into turns that alternate, thoughts go back with their
//! signatures, and the ends of the tools, of the instructions and of the conversation are marked
//! for the vendor's cache.

pub(crate) mod ids;
pub(crate) mod media;
mod request;
mod stream;
#[cfg(test)]
mod tests;
pub(crate) mod thinking;
mod trouble;
pub(crate) mod turns;

pub use stream::Decoder;
pub use trouble::refusal;

use crate::codec::{Blobs, Codec, Decode, DecodeError, Endpoint, RequestError, Trouble, Usual};
use crate::outbound::Outbound;
use carapace_contract::config::Auth;
use carapace_contract::model::Completion;
use carapace_contract::tool::Tool;

/// The version of the API that is spoken.
pub const VERSION: &str = "2023-06-01";

/// What thoughts are marked with: the kind's name.
const MAKER: &str = "anthropic";

/// The kinds of this folder.
pub const KINDS: &[crate::Kind] = &[
    crate::Kind {
        name: "anthropic",
        what: "Anthropic's Messages",
        usual: USUAL,
        codec: &Messages,
    },
];

/// What is usual at Anthropic.
pub const USUAL: Usual = Usual {
    base_url: "https://api.anthropic.com",
    auth: Auth::ApiKey,
    key_header: ("x-api-key", ""),
    service: "",
};

/// The protocol.
pub struct Messages;

impl Codec for Messages {
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
        Box::<Decoder>::default()
    }

    fn refusal(&self, status: u16, retry_after: Option<&str>, body: &[u8]) -> Trouble {
        refusal(status, retry_after, body)
    }

    fn list_models(&self, endpoint: &Endpoint) -> Option<Outbound> {
        Some(request::list_models(endpoint))
    }

    fn read_models(&self, body: &[u8]) -> Result<Vec<String>, DecodeError> {
        request::read_models(body)
    }
}
