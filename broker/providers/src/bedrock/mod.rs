//! Amazon Bedrock's Converse, streamed: `POST /model/{modelId}/converse-stream`, answered by frames
//! of `application/vnd.amazon.eventstream`.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>,
//! runtime version 2023-09-30.
//!
//! `egress` signs it with the keys of AWS (the path, encoded as it stands here, is encoded once more
//! for the signature, as AWS wants it for every service but S3), or sends a bearer key of Bedrock.
//! The list of models is served by another host (`bedrock.{region}`), which the provider's address
//! does not name, so there is none here. No guardrail, no prompt kept at the vendor and no address
//! in its storage can come from a worker.

mod frame;
mod kin;
mod request;
mod stream;
#[cfg(test)]
mod tests;
mod trouble;

pub use frame::MAX_FRAME;
pub use stream::Decoder;
pub use trouble::refusal;

use crate::codec::{
    Blobs, Codec, Decode, DecodeError, Endpoint, RequestError, Trouble, Usual, malformed,
};
use crate::outbound::Outbound;
use carapace_contract::config::Auth;
use carapace_contract::model::Completion;
use carapace_contract::tool::Tool;

/// What thoughts are marked with: the kind's name.
const MAKER: &str = "bedrock";

/// The kinds of this folder.
pub const KINDS: &[crate::Kind] = &[
    crate::Kind {
        name: "bedrock",
        what: "Amazon Bedrock's Converse",
        usual: USUAL,
        codec: &ConverseStream,
    },
];

/// What is usual at AWS. Its API keys are bearers.
pub const USUAL: Usual = Usual {
    base_url: "https://bedrock-runtime.{region}.amazonaws.com",
    auth: Auth::Sigv4,
    key_header: ("authorization", "Bearer "),
    service: "bedrock",
};

/// The protocol.
pub struct ConverseStream;

impl Codec for ConverseStream {
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

    fn list_models(&self, _endpoint: &Endpoint) -> Option<Outbound> {
        None
    }

    fn read_models(&self, _body: &[u8]) -> Result<Vec<String>, DecodeError> {
        Err(malformed("Bedrock's runtime has no list of models"))
    }
}
