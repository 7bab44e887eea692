//! A completion becomes a request body. Every key is written here; what a worker gives stands
//! only in the vendor's fields for it.

use super::media;
use super::thinking::Way;
use super::turns::{Blocks, Turns};
use super::{MAKER, VERSION};
use crate::codec::{
    Blobs, DecodeError, Endpoint, RequestError, attached, read_json, read_names, wire_tool,
};
use crate::outbound::{Attach, Outbound};
use carapace_contract::model::{Completion, MediaType, Message, Role, Thinking};
use carapace_contract::tool::Tool;
use serde_json::{Value, json};

/// Tokens of an answer where the completion is silent; the vendor wants a number.
const USUAL_TOKENS: u32 = 8192;

/// What the vendor wants beside an access token of OAuth (its Python library, `lib/credentials`).
const OAUTH: &str = "oauth-2025-04-20";

/// The names in a list of models.
pub(super) fn read_models(body: &[u8]) -> Result<Vec<String>, DecodeError> {
    read_names(&read_json(body)?, "data", |row| row.get("id")?.as_str())
}

/// The request for the list of models.
pub(super) fn list_models(endpoint: &Endpoint) -> Outbound {
    endpoint.get(
        "/v1/models?limit=1000",
        headers(endpoint, "application/json"),
    )
}

/// The request that asks for this completion, streamed.
///
/// # Errors
/// [`RequestError::Empty`] without messages, [`RequestError::Unanswered`] for a tool result that
/// answers no call, and what attachments give.
pub(super) fn request(
    endpoint: &Endpoint,
    completion: &Completion,
    tools: &[Tool],
    blobs: &Blobs,
) -> Result<Outbound, RequestError> {
    let turns = Turns::<Messages>::of(&completion.messages, blobs)?;
    let most = completion.max_tokens.unwrap_or(USUAL_TOKENS).max(1);
    let mut body = json!({
        "model": endpoint.model(),
        "max_tokens": most,
        "stream": true,
    });
    if let Some(tokens) = endpoint.thinking() {
        let way = Way::of(endpoint.model(), tokens);
        if matches!(way, Way::Effort(_)) || turns.may_think() {
            // The vendor counts thoughts as part of the answer.
            let room = match way {
                Way::Number(number) => number,
                Way::Effort(_) => tokens,
            };
            body["max_tokens"] = most.saturating_add(room).into();
            way.put(&mut body);
        }
    }
    let system = media::texts(&completion.messages, Role::System);
    if !system.is_empty() {
        let mut blocks: Vec<Value> = system
            .iter()
            .map(|text| json!({ "type": "text", "text": text }))
            .collect();
        mark(blocks.last_mut());
        body["system"] = blocks.into();
    }
    let mut offered: Vec<Value> = tools.iter().map(function).collect();
    if offered.is_empty() && !turns.called().is_empty() {
        // Calls in the conversation want their tools described, also where none may be called now.
        offered = turns.called().iter().map(|name| no_longer(name)).collect();
        body["tool_choice"] = json!({ "type": "none" });
    }
    if !offered.is_empty() {
        mark(offered.last_mut());
        body["tools"] = offered.into();
    }
    body["messages"] = turns.into_json(|blocks| mark(blocks.last_mut()));
    let headers = headers(endpoint, "text/event-stream, application/json");
    Ok(endpoint.post("/v1/messages", headers, &body))
}

fn headers(endpoint: &Endpoint, accept: &str) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("accept", accept.to_owned()),
        ("anthropic-version", VERSION.to_owned()),
    ];
    // At the vendor every bearer is an access token; elsewhere it is whatever the server wants.
    let oauth = match endpoint.get("", Vec::new()).attach {
        Some(Attach::Oauth { .. }) => true,
        Some(Attach::Bearer { .. }) => endpoint.origin().host() == "api.anthropic.com",
        _ => false,
    };
    if oauth {
        headers.push(("anthropic-beta", OAUTH.to_owned()));
    }
    headers
}

fn function(tool: &Tool) -> Value {
    json!({
        "name": wire_tool(tool.name.as_str()),
        "description": tool.description,
        "input_schema": tool.schema,
    })
}

fn no_longer(name: &str) -> Value {
    json!({ "name": name, "description": "Not at hand now.", "input_schema": { "type": "object" } })
}

/// Marks the end of what the vendor shall keep in its cache.
fn mark(block: Option<&mut Value>) {
    if let Some(block) = block {
        block["cache_control"] = json!({ "type": "ephemeral" });
    }
}

/// What blocks look like here.
#[derive(Default)]
struct Messages;

impl Blocks for Messages {
    const MAKER: &'static str = MAKER;

    fn user(&mut self, message: &Message, blobs: &Blobs) -> Result<Vec<Value>, RequestError> {
        let mut said = Vec::new();
        for attachment in &message.attachments {
            let bytes = attached(attachment, blobs)?;
            let media = attachment.media_type;
            let source = json!({ "type": "base64", "media_type": media.as_str() });
            said.push(match media {
                media if media.is_image() => {
                    let mut block = json!({ "type": "image", "source": source });
                    block["source"]["data"] = media::base64(bytes).into();
                    block
                }
                MediaType::Text => json!({
                    "type": "document",
                    "title": media::title(&attachment.name),
                    "source": { "type": "text", "media_type": "text/plain", "data": media::utf8(bytes)? },
                }),
                _ => {
                    let mut block = json!({ "type": "document", "title": media::title(&attachment.name), "source": source });
                    block["source"]["data"] = media::base64(bytes).into();
                    block
                }
            });
        }
        if media::is_something(&message.content) {
            said
                .push(Self::text(&message.content));
        }
        Ok(said)
    }

    fn text(text: &str) -> Value {
        json!({ "type": "text", "text": text })
    }

    fn thought(thought: &Thinking, signature: &str) -> Value {
        match thought.hidden {
            true => json!({ "type": "redacted_thinking", "data": signature }),
            false => json!({ "type": "thinking", "thinking": thought.text, "signature": signature }),
        }
    }

    fn call(id: &str, name: &str, input: Value) -> Value {
        json!({ "type": "tool_use", "id": id, "name": name, "input": input })
    }

    fn result(id: &str, content: &str) -> Value {
        let mut block = json!({ "type": "tool_result", "tool_use_id": id });
        if media::is_something(content) {
            block["content"] = content.into();
        }
        block
    }

    fn not_made(id: &str) -> Value {
        json!({
            "type": "tool_result", "tool_use_id": id, "is_error": true, "content": "The call was not made.",
        })
    }

    fn is_call(block: &Value) -> bool {
        block["type"] == "tool_use"
    }

    fn is_thought(block: &Value) -> bool {
        block["type"].as_str().is_some_and(|kind| kind.ends_with("thinking"))
    }
}
