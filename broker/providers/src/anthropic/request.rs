//! A completion becomes a request body. Every key is written here; what a worker gives stands
//! only in the vendor's fields for it.

use super::ids::Ids;
use super::media;
use super::thinking::Way;
use super::{MAKER, VERSION};
use crate::codec::{
    Blobs, DecodeError, Endpoint, RequestError, attached, check_attached, malformed, wire_tool,
};
use crate::outbound::{Attach, Outbound};
use carapace_contract::model::{Completion, MediaType, Message, Role, ToolCall};
use carapace_contract::tool::Tool;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};

/// Tokens of an answer where the completion is silent; the vendor wants a number.
const USUAL_TOKENS: u32 = 8192;

/// What the vendor wants beside an access token of OAuth (its Python library, `lib/credentials`).
const OAUTH: &str = "oauth-2025-04-20";

/// The names in a list of models.
pub(super) fn read_models(body: &[u8]) -> Result<Vec<String>, DecodeError> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| malformed(format!("the list of models is not JSON: {error}")))?;
    let rows = body
        .get("data")
        .and_then(Value::as_array)
        .ok_or_else(|| malformed("the list of models has no data"))?;
    Ok(rows
        .iter()
        .filter_map(|row| row.get("id").and_then(Value::as_str))
        .filter(|id| id.len() <= 256)
        .take(1000)
        .map(str::to_owned)
        .collect())
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
    let turns = Turns::of(&completion.messages, blobs)?;
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
    if offered.is_empty() && !turns.called.is_empty() {
        // Calls in the conversation want their tools described, also where none may be called now.
        offered = turns.called.iter().map(|name| no_longer(name)).collect();
        body["tool_choice"] = json!({ "type": "none" });
    }
    if !offered.is_empty() {
        mark(offered.last_mut());
        body["tools"] = offered.into();
    }
    body["messages"] = turns.into_json();
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

/// The conversation as turns of user and assistant, one after the other.
#[derive(Default)]
struct Turns {
    done: Vec<(Role, Vec<Value>)>,
    /// What the next user turn holds first: answers to the calls before it.
    results: Vec<Value>,
    /// And then.
    said: Vec<Value>,
    /// The calls of the turn before, by their ids as they are sent.
    made: Vec<String>,
    /// Those of them that no result has answered.
    open: HashSet<String>,
    ids: Ids,
    /// The names of the tools called, as they are sent.
    called: BTreeSet<String>,
}

impl Turns {
    fn of(messages: &[Message], blobs: &Blobs) -> Result<Self, RequestError> {
        if messages.is_empty() {
            return Err(RequestError::Empty);
        }
        let mut turns = Self::default();
        check_attached(messages, blobs)?;
        for (at, message) in messages.iter().enumerate() {
            match message.role {
                Role::System => {}
                Role::User => turns.user(message, blobs)?,
                Role::Assistant => turns.assistant(message),
                Role::Tool => turns.result(at, message)?,
            }
        }
        turns.end_user();
        if turns.done.is_empty() {
            return Err(RequestError::Empty);
        }
        Ok(turns)
    }

    fn user(&mut self, message: &Message, blobs: &Blobs) -> Result<(), RequestError> {
        for attachment in &message.attachments {
            let bytes = attached(attachment, blobs)?;
            let media = attachment.media_type;
            let source = json!({ "type": "base64", "media_type": media.as_str() });
            self.said.push(match media {
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
            self.said
                .push(json!({ "type": "text", "text": message.content }));
        }
        Ok(())
    }

    fn assistant(&mut self, message: &Message) {
        let mut blocks = Vec::new();
        for thought in message
            .thinking
            .iter()
            .filter(|thought| thought.maker == MAKER)
        {
            // Without its signature the vendor does not take it back.
            let Some(signature) = &thought.signature else {
                continue;
            };
            blocks.push(match thought.hidden {
                true => json!({ "type": "redacted_thinking", "data": signature }),
                false => {
                    json!({ "type": "thinking", "thinking": thought.text, "signature": signature })
                }
            });
        }
        if media::is_something(&message.content) {
            blocks.push(json!({ "type": "text", "text": message.content }));
        }
        // A turn of thoughts alone says nothing, and the vendor refuses it.
        if message.tool_calls.is_empty() && !media::is_something(&message.content) {
            return;
        }
        self.end_user();
        if self.done.is_empty() {
            self.push(
                Role::User,
                vec![json!({ "type": "text", "text": "(The conversation goes on.)" })],
            );
        }
        for call in &message.tool_calls {
            blocks.push(self.call(call));
        }
        self.push(Role::Assistant, blocks);
    }

    fn call(&mut self, call: &ToolCall) -> Value {
        let (id, name) = (self.ids.begin(&call.id), wire_tool(&call.name));
        self.called.insert(name.clone());
        self.made.push(id.clone());
        self.open.insert(id.clone());
        json!({ "type": "tool_use", "id": id, "name": name, "input": media::object(&call.arguments) })
    }

    fn result(&mut self, at: usize, message: &Message) -> Result<(), RequestError> {
        let call = message
            .tool_call_id
            .as_ref()
            .ok_or(RequestError::Unanswered(at))?;
        let id = self.ids.get(call).ok_or(RequestError::Unanswered(at))?;
        let id = self.open.take(id).ok_or(RequestError::Unanswered(at))?;
        let mut block = json!({ "type": "tool_result", "tool_use_id": id });
        if media::is_something(&message.content) {
            block["content"] = message.content.clone().into();
        }
        self.results.push(block);
        Ok(())
    }

    /// Ends the user's turn. A call without a result gets one that says so: a cancelled turn leaves
    /// such calls, and the vendor refuses a conversation with them.
    fn end_user(&mut self) {
        for id in std::mem::take(&mut self.made) {
            if !self.open.remove(&id) {
                continue;
            }
            self.results.push(json!({
                "type": "tool_result", "tool_use_id": id, "is_error": true, "content": "The call was not made.",
            }));
        }
        let mut blocks = std::mem::take(&mut self.results);
        blocks.append(&mut self.said);
        if !blocks.is_empty() {
            self.push(Role::User, blocks);
        }
    }

    fn push(&mut self, role: Role, mut blocks: Vec<Value>) {
        match self.done.last_mut() {
            Some((last, earlier)) if *last == role => earlier.append(&mut blocks),
            _ => self.done.push((role, blocks)),
        }
    }

    /// False where the calls that are answered last have no thought before them: another vendor made
    /// them, and the models that think by number refuse to go on thinking from there.
    fn may_think(&self) -> bool {
        let Some((_, blocks)) = self
            .done
            .iter()
            .rev()
            .find(|(role, _)| *role == Role::Assistant)
        else {
            return true;
        };
        let kind = |block: &Value| block["type"].as_str().unwrap_or_default().to_owned();
        !blocks.iter().any(|block| kind(block) == "tool_use")
            || blocks
                .first()
                .is_some_and(|block| kind(block).ends_with("thinking"))
    }

    fn into_json(self) -> Value {
        let mut done = self.done;
        let last = done.iter_mut().rev().find(|(role, _)| *role == Role::User);
        mark(last.and_then(|(_, blocks)| blocks.last_mut()));
        done.into_iter()
            .map(|(role, content)| json!({ "role": role, "content": content }))
            .collect()
    }
}
