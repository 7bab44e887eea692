//! A completion becomes the body of `/api/chat`. Every key of it is written here.

use super::MAKER;
use crate::codec::{
    Blobs, DecodeError, Endpoint, RequestError, attached, check_attached, document,
    read_json, read_names, wire_tool,
};
use crate::outbound::Outbound;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use carapace_contract::model::{Completion, MediaType, Message, Role};
use carapace_contract::tool::Tool;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// The names in a list of models.
pub(super) fn read_models(body: &[u8]) -> Result<Vec<String>, DecodeError> {
    read_names(&read_json(body)?, "models", |row| {
        ["name", "model"]
            .iter()
            .find_map(|key| row.get(key)?.as_str())
    })
}

/// The request that asks for this completion, streamed.
///
/// A thought is asked for or asked not to be: models that can think do so where nothing is said.
/// Ollama knows no budget for it, so the budget only widens the room for the answer.
pub(super) fn request(
    endpoint: &Endpoint,
    completion: &Completion,
    tools: &[Tool],
    blobs: &Blobs,
) -> Result<Outbound, RequestError> {
    if completion.messages.is_empty() {
        return Err(RequestError::Empty);
    }
    check_attached(&completion.messages, blobs)?;
    let mut called = HashMap::new();
    let mut messages = Vec::with_capacity(completion.messages.len());
    for (at, said) in completion.messages.iter().enumerate() {
        for call in &said.tool_calls {
            called.insert(call.id.as_str(), call.name.as_str());
        }
        messages.push(message(at, said, &called, blobs)?);
    }
    let budget = endpoint.thinking().unwrap_or(0);
    let mut body = json!({
        "model": endpoint.model(),
        "messages": messages,
        "stream": true,
        "think": budget > 0,
    });
    if !tools.is_empty() {
        body["tools"] = tools.iter().map(function).collect();
    }
    if let Some(most) = completion.max_tokens {
        body["options"] = json!({ "num_predict": most.saturating_add(budget) });
    }
    let headers = vec![(
        "accept",
        "application/x-ndjson, application/json".to_owned(),
    )];
    Ok(endpoint.post("/api/chat", headers, &body))
}

fn message(
    at: usize,
    message: &Message,
    called: &HashMap<&str, &str>,
    blobs: &Blobs,
) -> Result<Value, RequestError> {
    Ok(match message.role {
        Role::System => json!({ "role": "system", "content": message.content }),
        Role::User => user(message, blobs)?,
        Role::Assistant => assistant(message),
        Role::Tool => {
            let id = message.tool_call_id.as_deref();
            let (id, name) = id
                .and_then(|id| Some((id, called.get(id)?)))
                .ok_or(RequestError::Unanswered(at))?;
            json!({
                "role": "tool",
                "tool_name": wire_tool(name),
                "tool_call_id": id,
                "content": message.content,
            })
        }
    })
}

fn user(message: &Message, blobs: &Blobs) -> Result<Value, RequestError> {
    let mut content = message.content.clone();
    let mut images = Vec::new();
    for attachment in &message.attachments {
        let bytes = attached(attachment, blobs)?;
        match attachment.media_type {
            MediaType::Png | MediaType::Jpeg | MediaType::Webp => {
                images.push(STANDARD.encode(bytes));
            }
            MediaType::Gif => return Err(RequestError::Media("GIF pictures")),
            MediaType::Pdf => return Err(RequestError::Media("PDF documents")),
            MediaType::Text => {
                if !content.is_empty() {
                    content.push_str("\n\n");
                }
                content.push_str(&document(&attachment.name, bytes));
            }
        }
    }
    let mut body = json!({ "role": "user", "content": content });
    if !images.is_empty() {
        body["images"] = images.into();
    }
    Ok(body)
}

fn assistant(message: &Message) -> Value {
    let mut body = json!({ "role": "assistant", "content": message.content });
    let thoughts: Vec<&str> = message
        .thinking
        .iter()
        .filter(|thought| thought.maker == MAKER && !thought.text.is_empty())
        .map(|thought| thought.text.as_str())
        .collect();
    if !thoughts.is_empty() {
        body["thinking"] = thoughts.concat().into();
    }
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| {
            let arguments = call.arguments.as_object().cloned().unwrap_or_else(Map::new);
            json!({
                "id": call.id,
                "function": { "name": wire_tool(&call.name), "arguments": arguments },
            })
        });
        body["tool_calls"] = calls.collect();
    }
    body
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
