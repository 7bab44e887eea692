//! A completion becomes a request body. Every key is written here; what a worker gives stands
//! only in the vendor's fields for it.

use super::MAKER;
use super::kin::Kin;
use crate::anthropic::media;
use crate::anthropic::thinking::Way;
use crate::anthropic::turns::{Blocks, Turns};
use crate::codec::{Blobs, Endpoint, RequestError, attached, wire_tool};
use crate::outbound::Outbound;
use carapace_contract::model::{Completion, MediaType, Message, Role, Thinking};
use carapace_contract::tool::Tool;
use serde_json::{Value, json};

/// Tokens of an answer beside its thoughts, where the completion is silent and the model thinks.
const USUAL_TOKENS: u32 = 8192;

/// The most bytes of a document's name.
const MAX_DOCUMENT_NAME: usize = 180;

/// The request that asks for this completion, streamed.
///
/// # Errors
/// [`RequestError::Empty`] without messages, [`RequestError::Unanswered`] for a tool result that
/// answers no call, [`RequestError::Model`] for a name that is a step in a path, and what attachments give.
pub(super) fn request(
    endpoint: &Endpoint,
    completion: &Completion,
    tools: &[Tool],
    blobs: &Blobs,
) -> Result<Outbound, RequestError> {
    let kin = Kin::of(endpoint.model());
    let turns = Turns::<Converse>::of(&completion.messages, blobs)?;
    let mut body = json!({});
    if let Some(most) = completion.max_tokens {
        body["inferenceConfig"]["maxTokens"] = most.max(1).into();
    }
    if let Some(tokens) = endpoint.thinking() {
        think(
            &mut body,
            kin,
            endpoint.model(),
            tokens,
            completion.max_tokens,
            turns.may_think(),
        );
    }
    let system = media::texts(&completion.messages, Role::System);
    if !system.is_empty() {
        let mut blocks: Vec<Value> = system.iter().map(|text| json!({ "text": text })).collect();
        if kin.caches() {
            blocks.push(cache_point());
        }
        body["system"] = blocks.into();
    }
    let mut offered: Vec<Value> = tools.iter().map(function).collect();
    if offered.is_empty() {
        // Calls in the conversation want their tools described, also where none may be called now.
        offered = turns.called().iter().map(|name| no_longer(name)).collect();
    }
    if !offered.is_empty() {
        if kin.caches_tools() {
            offered.push(cache_point());
        }
        body["toolConfig"] = json!({ "tools": offered });
    }
    body["messages"] = turns.into_json(|blocks| {
        if kin.caches() {
            blocks.push(cache_point());
        }
    });
    let path = format!("/model/{}/converse-stream", segment(endpoint.model())?);
    let accept = "application/vnd.amazon.eventstream, application/json";
    Ok(endpoint.post(&path, vec![("accept", accept.to_owned())], &body))
}

fn think(body: &mut Value, kin: Kin, model: &str, tokens: u32, most: Option<u32>, may_think: bool) {
    let mut fields = json!({});
    match kin {
        Kin::Claude { .. } => {
            let way = Way::of(model, tokens);
            let room = match way {
                Way::Number(_) if !may_think => return,
                Way::Number(number) => number,
                Way::Effort(_) => tokens,
            };
            way.put(&mut fields);
            // Thoughts count as part of the answer.
            let most = most.unwrap_or(USUAL_TOKENS).max(1);
            body["inferenceConfig"]["maxTokens"] = most.saturating_add(room).into();
        }
        Kin::Nova { thinks: true } => {
            // `high` is refused beside a limit on tokens.
            let effort = if tokens <= 4096 { "low" } else { "medium" };
            fields["reasoningConfig"] = json!({ "type": "enabled", "maxReasoningEffort": effort });
        }
        Kin::Nova { thinks: false } | Kin::Other => return,
    }
    body["additionalModelRequestFields"] = fields;
}

/// A model's name as one segment of a path (RFC 3986: all but the unreserved characters is encoded).
fn segment(model: &str) -> Result<String, RequestError> {
    if matches!(model, "." | "..") {
        return Err(RequestError::Model(model.to_owned()));
    }
    let mut out = String::with_capacity(model.len());
    for byte in model.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(out)
}

fn cache_point() -> Value {
    json!({ "cachePoint": { "type": "default" } })
}

fn function(tool: &Tool) -> Value {
    let mut spec = json!({
        "name": wire_tool(tool.name.as_str()),
        "inputSchema": { "json": tool.schema },
    });
    // The vendor refuses a description that says nothing.
    if media::is_something(&tool.description) {
        spec["description"] = tool.description.clone().into();
    }
    json!({ "toolSpec": spec })
}

fn no_longer(name: &str) -> Value {
    let schema = json!({ "type": "object" });
    json!({ "toolSpec": {
        "name": name, "description": "Not at hand now: do not call it.", "inputSchema": { "json": schema },
    } })
}

/// What blocks look like here.
#[derive(Default)]
struct Converse {
    documents: usize,
}

impl Blocks for Converse {
    const MAKER: &'static str = MAKER;

    fn user(&mut self, message: &Message, blobs: &Blobs) -> Result<Vec<Value>, RequestError> {
        let mut said = Vec::new();
        let mut documents = false;
        for attachment in &message.attachments {
            let bytes = attached(attachment, blobs)?;
            let source = json!({ "bytes": media::base64(bytes) });
            let (kind, format) = match attachment.media_type {
                MediaType::Png => ("image", "png"),
                MediaType::Jpeg => ("image", "jpeg"),
                MediaType::Gif => ("image", "gif"),
                MediaType::Webp => ("image", "webp"),
                MediaType::Pdf => ("document", "pdf"),
                MediaType::Text => ("document", "txt"),
            };
            let mut block = json!({ "format": format, "source": source });
            if kind == "document" {
                documents = true;
                self.documents += 1;
                block["name"] = document_name(&attachment.name, self.documents).into();
            }
            said.push(json!({ kind: block }));
        }
        match media::is_something(&message.content) {
            true => said.push(Self::text(&message.content)),
            // The vendor refuses a document without a text.
            false if documents => said.push(Self::text("(See the document.)")),
            false => {}
        }
        Ok(said)
    }

    fn text(text: &str) -> Value {
        json!({ "text": text })
    }

    fn thought(thought: &Thinking, signature: &str) -> Value {
        let content = match thought.hidden {
            true => json!({ "redactedContent": signature }),
            false => json!({ "reasoningText": { "text": thought.text, "signature": signature } }),
        };
        json!({ "reasoningContent": content })
    }

    fn call(id: &str, name: &str, input: Value) -> Value {
        json!({ "toolUse": { "toolUseId": id, "name": name, "input": input } })
    }

    fn result(id: &str, content: &str) -> Value {
        let text = match media::is_something(content) {
            true => content,
            false => "(It gave nothing.)",
        };
        json!({ "toolResult": { "toolUseId": id, "content": [{ "text": text }] } })
    }

    fn not_made(id: &str) -> Value {
        json!({ "toolResult": {
            "toolUseId": id, "status": "error", "content": [{ "text": "The call was not made." }],
        } })
    }

    fn is_call(block: &Value) -> bool {
        block.get("toolUse").is_some()
    }

    fn is_thought(block: &Value) -> bool {
        block.get("reasoningContent").is_some()
    }
}

/// A document's name: letters, digits, single spaces, hyphens, parentheses and brackets, and a
/// number, because the vendor refuses a name twice.
fn document_name(name: &str, number: usize) -> String {
    let mut out = String::new();
    for c in name.chars() {
        let c = match c {
            c if c.is_ascii_alphanumeric() || matches!(c, '-' | '(' | ')' | '[' | ']') => c,
            _ => ' ',
        };
        if out.len() == MAX_DOCUMENT_NAME {
            break;
        }
        if c != ' ' || !(out.is_empty() || out.ends_with(' ')) {
            out.push(c);
        }
    }
    let stem = match out.trim_end() {
        "" => "document",
        stem => stem,
    };
    format!("{stem} {number}")
}
