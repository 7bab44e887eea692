//! Venice (`POST /chat/completions`, docs.venice.ai, API reference v1): OpenAI's chat completions with
//! parameters of its own.
//!
//! Left to itself Venice puts a system prompt of its own before the conversation and may search the
//! web. Both are turned off in each request: what a model reads is what the broker sent.

#[cfg(test)]
mod tests;

use crate::codec::{Blobs, Codec, Decode, DecodeError, Endpoint, RequestError, Trouble, Usual};
use crate::openai_compatible::Compatible;
use crate::outbound::Outbound;
use carapace_contract::config::Auth;
use carapace_contract::model::Completion;
use carapace_contract::tool::Tool;
use serde_json::{Map, Value, json};

/// The kinds of this folder.
pub const KINDS: &[crate::Kind] = &[crate::Kind {
    name: "venice",
    what: "Venice's chat completions, without its own prompt and web search",
    usual: USUAL,
    codec: &Venice,
}];

/// What is usual at Venice.
pub const USUAL: Usual = Usual {
    base_url: "https://api.venice.ai/api/v1",
    auth: Auth::ApiKey,
    key_header: ("authorization", "Bearer "),
    service: "",
};

/// The protocol.
pub struct Venice;

impl Codec for Venice {
    fn request(
        &self,
        endpoint: &Endpoint,
        completion: &Completion,
        tools: &[Tool],
        blobs: &Blobs,
    ) -> Result<Outbound, RequestError> {
        let mut outbound = Compatible.request(endpoint, completion, tools, blobs)?;
        // It was written as an object a moment ago.
        let mut body: Map<String, Value> =
            serde_json::from_slice(&outbound.body).map_err(|_| RequestError::Empty)?;
        body.insert(
            "venice_parameters".to_owned(),
            json!({
                "include_venice_system_prompt": false,
                "enable_web_search": "off",
                "enable_web_scraping": false,
            }),
        );
        outbound.body = Value::Object(body).to_string().into();
        Ok(outbound)
    }

    fn decoder(&self) -> Box<dyn Decode> {
        Compatible.decoder()
    }

    fn refusal(&self, status: u16, retry_after: Option<&str>, body: &[u8]) -> Trouble {
        Compatible.refusal(status, retry_after, body)
    }

    fn list_models(&self, endpoint: &Endpoint) -> Option<Outbound> {
        // Without it the list holds text models only at some times and all kinds at others.
        Some(endpoint.get("/models?type=text", Vec::new()))
    }

    fn read_models(&self, body: &[u8]) -> Result<Vec<String>, DecodeError> {
        Compatible.read_models(body)
    }
}
