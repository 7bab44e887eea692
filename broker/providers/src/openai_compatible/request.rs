//! A completion becomes a request body.
//!
//! The body holds what the completion, the tools and the blobs hold and nothing else: no hosted tool,
//! no remote address, no extra key can come from a worker, because every key is written here.

use super::Dialect;
use crate::codec::{
    Blobs, DecodeError, Endpoint, RequestError, attached, check_attached, data_url, document,
    read_json, read_names, wire_id, wire_tool,
};
use crate::outbound::Outbound;
use carapace_contract::model::{Completion, MediaType, Message, Role, ToolCall};
use carapace_contract::tool::Tool;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// The longest id of a call that OpenAI takes, in bytes.
const MAX_CALL_ID: usize = 40;

/// The request that asks for this completion, streamed, with usage.
///
/// # Errors
/// [`RequestError::Empty`] without messages, [`RequestError::Unanswered`] for a tool result that
/// answers no call, [`RequestError::Blob`] and [`RequestError::Media`] for attachments.
pub(super) fn request(
    dialect: Dialect,
    endpoint: &Endpoint,
    completion: &Completion,
    tools: &[Tool],
    blobs: &Blobs,
) -> Result<Outbound, RequestError> {
    if completion.messages.is_empty() {
        return Err(RequestError::Empty);
    }
    check_attached(&completion.messages, blobs)?;
    let mut body = json!({
        "model": endpoint.model(),
        "messages": messages(dialect, &completion.messages, blobs)?,
        "stream": true,
        "stream_options": { "include_usage": true },
    });
    if !tools.is_empty() {
        body["tools"] = tools.iter().map(function).collect();
    }
    match dialect {
        Dialect::Openai => {
            body["store"] = false.into();
            if let Some(most) = completion.max_tokens {
                body["max_completion_tokens"] = room(most, endpoint).into();
            }
            if let Some(effort) = effort(endpoint) {
                body["reasoning_effort"] = effort.into();
            }
        }
        Dialect::Compatible => {
            if let Some(most) = completion.max_tokens {
                body["max_tokens"] = most.into();
            }
        }
    }
    let headers = vec![("accept", "text/event-stream, application/json".to_owned())];
    Ok(endpoint.post("/chat/completions", headers, &body))
}

/// The names in a list of models.
pub(crate) fn read_models(body: &[u8]) -> Result<Vec<String>, DecodeError> {
    read_names(&read_json(body)?, "data", |row| row.get("id")?.as_str())
}

/// OpenAI takes no number of tokens to think with, but a word: little up to 2,048, much from 16,384 on.
pub(crate) fn effort(endpoint: &Endpoint) -> Option<&'static str> {
    match endpoint.thinking()? {
        0 => None,
        1..=2_048 => Some("low"),
        2_049..16_384 => Some("medium"),
        16_384.. => Some("high"),
    }
}

/// The limit of an answer's tokens, where those of thinking count too.
pub(crate) fn room(most: u32, endpoint: &Endpoint) -> u32 {
    most.saturating_add(endpoint.thinking().unwrap_or(0))
}

fn messages(
    dialect: Dialect,
    messages: &[Message],
    blobs: &Blobs,
) -> Result<Vec<Value>, RequestError> {
    // A thought is wanted back only while its turn lasts.
    let turn = messages
        .iter()
        .rposition(|message| message.role == Role::User)
        .unwrap_or(0);
    let mut sent = Vec::with_capacity(messages.len());
    if dialect == Dialect::Compatible {
        // The templates of many local models refuse instructions that do not stand first.
        let system: Vec<&str> = messages
            .iter()
            .filter(|message| message.role == Role::System)
            .map(|message| message.content.as_str())
            .collect();
        if !system.is_empty() {
            sent.push(json!({ "role": "system", "content": system.join("\n\n") }));
        }
    }
    for (at, message) in messages.iter().enumerate() {
        sent.push(match message.role {
            Role::System if dialect == Dialect::Compatible => continue,
            Role::System => json!({ "role": "system", "content": message.content }),
            Role::User => json!({ "role": "user", "content": content(message, blobs)? }),
            Role::Assistant => assistant(dialect, message, at > turn),
            Role::Tool => {
                let id = message
                    .tool_call_id
                    .as_ref()
                    .ok_or(RequestError::Unanswered(at))?;
                let id = call_id(dialect, id);
                json!({ "role": "tool", "tool_call_id": id, "content": message.content })
            }
        });
    }
    Ok(sent)
}

/// Text alone is a string, which every server takes; parts only where something is attached.
fn content(message: &Message, blobs: &Blobs) -> Result<Value, RequestError> {
    if message.attachments.is_empty() {
        return Ok(message.content.clone().into());
    }
    let mut parts = Vec::new();
    for attachment in &message.attachments {
        let bytes = attached(attachment, blobs)?;
        let media = attachment.media_type;
        parts.push(match media {
            MediaType::Text => {
                json!({ "type": "text", "text": document(&attachment.name, bytes) })
            }
            MediaType::Pdf => {
                let file =
                    json!({ "filename": attachment.name, "file_data": data_url(media, bytes) });
                json!({ "type": "file", "file": file })
            }
            MediaType::Png | MediaType::Jpeg | MediaType::Gif | MediaType::Webp => {
                json!({ "type": "image_url", "image_url": { "url": data_url(media, bytes) } })
            }
        });
    }
    if !message.content.is_empty() {
        parts.push(json!({ "type": "text", "text": message.content }));
    }
    Ok(parts.into())
}

fn assistant(dialect: Dialect, message: &Message, in_turn: bool) -> Value {
    if message.tool_calls.is_empty() {
        return json!({ "role": "assistant", "content": message.content });
    }
    let calls: Vec<Value> = message
        .tool_calls
        .iter()
        .map(|call| self::call(dialect, call))
        .collect();
    let content = match message.content.as_str() {
        "" => Value::Null,
        text => text.into(),
    };
    let mut sent = json!({ "role": "assistant", "content": content, "tool_calls": calls });
    if in_turn {
        for thought in &message.thinking {
            // The server's own word for it, and never another key.
            let key = super::THOUGHTS
                .iter()
                .find(|key| thought.id.as_deref() == Some(**key));
            if let (Some(key), Some(maker)) = (key, dialect.keeps())
                && thought.maker == maker
                && sent.get(*key).is_none()
            {
                sent[*key] = thought.text.clone().into();
            }
        }
    }
    sent
}

fn call(dialect: Dialect, call: &ToolCall) -> Value {
    json!({
        "id": call_id(dialect, &call.id),
        "type": "function",
        "function": { "name": wire_tool(&call.name), "arguments": arguments(&call.arguments) },
    })
}

/// The schema wants arguments as JSON text within the JSON, and an object.
pub(crate) fn arguments(arguments: &Value) -> String {
    match arguments {
        Value::Object(object) => Value::Object(object.clone()).to_string(),
        _ => Value::Object(Map::new()).to_string(),
    }
}

/// A server of one's own knows its own ids, of whatever form.
fn call_id(dialect: Dialect, id: &str) -> Cow<'_, str> {
    match dialect {
        Dialect::Openai => wire_id(id, MAX_CALL_ID),
        Dialect::Compatible => Cow::Borrowed(id),
    }
}

fn function(tool: &Tool) -> Value {
    json!({
        "type": "function",
        "function": {
            "name": wire_tool(tool.name.as_str()),
            "description": tool.description,
            "parameters": tool.schema,
        },
    })
}
