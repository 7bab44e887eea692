//! A completion becomes a request body.
//!
//! The body holds what the completion and the tool list hold and nothing else: no hosted tool, no
//! remote address, no extra key can come from a worker, because every key is written here.

use super::config::Endpoint;
use crate::outbound::Outbound;
use carapace_contract::model::{Completion, Message, Role};
use carapace_contract::tool::Tool;
use serde_json::{Value, json};

/// Why a completion was not turned into a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The provider's address is not one that may be used.
    #[error(
        "the provider's address cannot be used: {0}\n  remedy: give a plain http address on this machine as base-url"
    )]
    Address(String),
    /// The model's name cannot be sent.
    #[error(
        "the model name {0:?} cannot be used\n  remedy: name a model of the server in model.route, as PROVIDER:MODEL"
    )]
    Model(String),
    /// A tool message without the call it answers, which servers refuse.
    #[error(
        "message {0} is a tool result without the call it answers\n  remedy: give it the id of the call"
    )]
    Unanswered(usize),
    /// Nothing to complete.
    #[error("the completion has no message\n  remedy: send at least one message")]
    Empty,
}

/// The request that asks for this completion, streamed, with usage.
///
/// `tools` are the tools to offer; the caller took them from the completion's names.
///
/// # Errors
/// [`RequestError::Empty`] without messages, [`RequestError::Unanswered`] for a tool result that
/// answers no call.
pub fn request(
    endpoint: &Endpoint,
    completion: &Completion,
    tools: &[Tool],
) -> Result<Outbound, RequestError> {
    if completion.messages.is_empty() {
        return Err(RequestError::Empty);
    }
    let messages = completion
        .messages
        .iter()
        .enumerate()
        .map(message)
        .collect::<Result<Vec<_>, _>>()?;
    let mut body = json!({
        "model": endpoint.model(),
        "messages": messages,
        "stream": true,
        "stream_options": { "include_usage": true },
    });
    if !tools.is_empty() {
        body["tools"] = tools.iter().map(function).collect();
    }
    if let Some(most) = completion.max_tokens {
        body["max_tokens"] = most.into();
    }
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("accept", "text/event-stream, application/json".to_owned()),
    ];
    Ok(endpoint.post("chat/completions", headers, body.to_string().into_bytes()))
}

fn message((at, message): (usize, &Message)) -> Result<Value, RequestError> {
    Ok(match message.role {
        Role::System => json!({ "role": "system", "content": message.content }),
        Role::User => json!({ "role": "user", "content": message.content }),
        Role::Assistant if message.tool_calls.is_empty() => {
            json!({ "role": "assistant", "content": message.content })
        }
        Role::Assistant => {
            let calls: Vec<Value> = message
                .tool_calls
                .iter()
                .map(|call| {
                    // The schema wants arguments as JSON text within the JSON.
                    let function =
                        json!({ "name": call.name, "arguments": call.arguments.to_string() });
                    json!({ "id": call.id, "type": "function", "function": function })
                })
                .collect();
            let content = if message.content.is_empty() {
                Value::Null
            } else {
                message.content.clone().into()
            };
            json!({ "role": "assistant", "content": content, "tool_calls": calls })
        }
        Role::Tool => {
            let call = message
                .tool_call_id
                .as_ref()
                .ok_or(RequestError::Unanswered(at))?;
            json!({ "role": "tool", "tool_call_id": call, "content": message.content })
        }
    })
}

fn function(tool: &Tool) -> Value {
    json!({
        "type": "function",
        "function": { "name": tool.name, "description": tool.description, "parameters": tool.schema },
    })
}
