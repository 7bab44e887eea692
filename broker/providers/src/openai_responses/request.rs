//! A completion becomes a request body.
//!
//! The body holds what the completion, the tools and the blobs hold and nothing else: every key of it is
//! written here.

use super::MAKER;
use crate::codec::{
    Blobs, Endpoint, RequestError, attached, check_attached, data_url, document, wire_id, wire_tool,
};
use crate::openai_compatible::request::{arguments, effort, room};
use crate::outbound::Outbound;
use carapace_contract::model::{Completion, MediaType, Message, Role};
use carapace_contract::tool::Tool;
use serde_json::{Value, json};

/// The longest id of a call that is taken, in bytes.
const MAX_CALL_ID: usize = 64;

/// The least limit of an answer's tokens that is taken.
const LEAST_TOKENS: u32 = 16;

/// The request that asks for this completion, streamed.
///
/// # Errors
/// [`RequestError::Empty`] without messages, [`RequestError::Unanswered`] for a tool result that
/// answers no call, [`RequestError::Blob`] and [`RequestError::Media`] for attachments.
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
    let mut input = Vec::with_capacity(completion.messages.len());
    for (at, message) in completion.messages.iter().enumerate() {
        items(at, message, blobs, &mut input)?;
    }
    let mut body = json!({
        "model": endpoint.model(),
        "input": input,
        "stream": true,
        "store": false,
    });
    if !tools.is_empty() {
        body["tools"] = tools.iter().map(function).collect();
    }
    if let Some(most) = completion.max_tokens {
        body["max_output_tokens"] = room(most, endpoint).max(LEAST_TOKENS).into();
    }
    if let Some(effort) = effort(endpoint) {
        // No summary is asked for: OpenAI refuses that to organisations it has not verified.
        body["reasoning"] = json!({ "effort": effort });
        body["include"] = json!(["reasoning.encrypted_content"]);
    }
    let headers = vec![("accept", "text/event-stream, application/json".to_owned())];
    Ok(endpoint.post("/responses", headers, &body))
}

fn items(
    at: usize,
    message: &Message,
    blobs: &Blobs,
    input: &mut Vec<Value>,
) -> Result<(), RequestError> {
    match message.role {
        Role::System => {
            input.push(said("system", json!([text(&message.content)])));
        }
        Role::User => input.push(said("user", content(message, blobs)?)),
        Role::Assistant => assistant(message, input),
        Role::Tool => {
            let call = message
                .tool_call_id
                .as_ref()
                .ok_or(RequestError::Unanswered(at))?;
            input.push(json!({
                "type": "function_call_output",
                "call_id": wire_id(call, MAX_CALL_ID),
                "output": message.content,
            }));
        }
    }
    Ok(())
}

fn assistant(message: &Message, input: &mut Vec<Value>) {
    // A thought is refused where nothing follows it.
    if message.content.is_empty() && message.tool_calls.is_empty() {
        return;
    }
    for thought in message.thinking.iter().filter(|it| it.maker == MAKER) {
        if let (Some(id), Some(encrypted)) = (&thought.id, &thought.signature) {
            let summary: Vec<Value> = match thought.text.as_str() {
                "" => Vec::new(),
                text => vec![json!({ "type": "summary_text", "text": text })],
            };
            input.push(json!({
                "type": "reasoning",
                "id": id,
                "summary": summary,
                "encrypted_content": encrypted,
            }));
        }
    }
    if !message.content.is_empty() {
        input.push(said("assistant", message.content.clone().into()));
    }
    for call in &message.tool_calls {
        input.push(json!({
            "type": "function_call",
            "call_id": wire_id(&call.id, MAX_CALL_ID),
            "name": wire_tool(&call.name),
            "arguments": arguments(&call.arguments),
        }));
    }
}

fn content(message: &Message, blobs: &Blobs) -> Result<Value, RequestError> {
    let mut parts = Vec::new();
    for attachment in &message.attachments {
        let bytes = attached(attachment, blobs)?;
        let media = attachment.media_type;
        parts.push(match media {
            MediaType::Text => text(&document(&attachment.name, bytes)),
            MediaType::Pdf => json!({
                "type": "input_file",
                "filename": attachment.name,
                "file_data": data_url(media, bytes),
            }),
            MediaType::Png | MediaType::Jpeg | MediaType::Gif | MediaType::Webp => json!({
                "type": "input_image",
                "detail": "auto",
                "image_url": data_url(media, bytes),
            }),
        });
    }
    if !message.content.is_empty() || parts.is_empty() {
        parts.push(text(&message.content));
    }
    Ok(parts.into())
}

fn said(role: &str, content: Value) -> Value {
    json!({ "type": "message", "role": role, "content": content })
}

fn text(text: &str) -> Value {
    json!({ "type": "input_text", "text": text })
}

fn function(tool: &Tool) -> Value {
    json!({
        "type": "function",
        "name": wire_tool(tool.name.as_str()),
        "description": tool.description,
        "parameters": tool.schema,
        "strict": false,
    })
}
