//! A completion becomes the body of `streamGenerateContent`. Every key of it is written here.

use super::{MAKER, schema};
use crate::codec::{
    Blobs, DecodeError, Endpoint, RequestError, attached, check_attached, read_json,
    read_names, wire_tool,
};
use crate::outbound::Outbound;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use carapace_contract::model::{Attachment, Completion, MediaType, Message, Role, ToolCall};
use carapace_contract::tool::Tool;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// The most tokens of an answer that any model of the vendor takes as a limit.
const MAX_OUTPUT: u32 = 65_536;

/// Stands for a signature where another vendor's model made the call; the vendor names it for that.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// The names in a list of models: those that answer completions, without `models/`.
/// Tuned models, which stand beneath another path, are not in it.
pub(super) fn read_models(body: &[u8]) -> Result<Vec<String>, DecodeError> {
    read_names(&read_json(body)?, "models", |row| {
        let answers = match row.get("supportedGenerationMethods") {
            Some(Value::Array(methods)) => methods.iter().any(|method| method == "generateContent"),
            _ => true,
        };
        let name = row.get("name")?.as_str().filter(|_| answers)?;
        let name = name.strip_prefix("models/").unwrap_or(name);
        (!name.contains('/')).then_some(name)
    })
}

/// The request that asks for this completion, streamed. Nothing is said about thinking where none
/// is configured: some models cannot be without it.
pub(super) fn request(
    endpoint: &Endpoint,
    completion: &Completion,
    tools: &[Tool],
    blobs: &Blobs,
) -> Result<Outbound, RequestError> {
    let model = endpoint.model();
    let model = model.strip_prefix("models/").unwrap_or(model);
    // It becomes a part of the path, where nothing but a name may stand.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if model.is_empty() || !model.bytes().all(plain) {
        return Err(RequestError::Model(
            endpoint.model().chars().take(80).collect(),
        ));
    }
    check_attached(&completion.messages, blobs)?;
    let contents = contents(&completion.messages, blobs, wants_signatures(model))?;
    if contents.is_empty() {
        return Err(RequestError::Empty);
    }
    let mut body = json!({ "contents": contents });
    let system: Vec<Value> = completion
        .messages
        .iter()
        .filter(|message| message.role == Role::System && !message.content.is_empty())
        .map(|message| json!({ "text": message.content }))
        .collect();
    if !system.is_empty() {
        body["systemInstruction"] = json!({ "parts": system });
    }
    if !tools.is_empty() {
        let functions: Vec<Value> = tools.iter().map(function).collect();
        body["tools"] = json!([{ "functionDeclarations": functions }]);
    }
    let mut generation = Map::new();
    let budget = endpoint.thinking().unwrap_or(0);
    if budget > 0 {
        generation.insert(
            "thinkingConfig".to_owned(),
            json!({ "thinkingBudget": budget, "includeThoughts": true }),
        );
    }
    if let Some(most) = completion.max_tokens {
        // The vendor counts thoughts in.
        let most = most.saturating_add(budget).min(most.max(MAX_OUTPUT));
        generation.insert("maxOutputTokens".to_owned(), most.into());
    }
    if !generation.is_empty() {
        body["generationConfig"] = generation.into();
    }
    let headers = vec![("accept", "text/event-stream, application/json".to_owned())];
    let path = format!("/models/{model}:streamGenerateContent?alt=sse");
    Ok(endpoint.post(&path, headers, &body))
}

/// Whether a model refuses a round of calls that has no signature: all since Gemini 3.
fn wants_signatures(model: &str) -> bool {
    !["gemini-1", "gemini-2", "gemma-", "learnlm"]
        .iter()
        .any(|older| model.starts_with(older))
}

/// An id that the vendor gave. Where it gave none the assembly made one, which is unique in its
/// round only and means nothing to the vendor.
fn vendors_id(id: &str) -> Option<&str> {
    let made = id
        .strip_prefix("call-")
        .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    (!id.is_empty() && !made).then_some(id)
}

/// What kind of content a message belongs to. Neighbours of one kind are one content: the vendor
/// counts the results that follow a round of calls, and wants a round in one piece.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    Model,
    Results,
}

fn contents(
    messages: &[Message],
    blobs: &Blobs,
    signatures: bool,
) -> Result<Vec<Value>, RequestError> {
    // The calls so far: their place and tool. Results come in the order of their calls.
    let mut calls: HashMap<&str, (usize, &str)> = HashMap::new();
    let mut called = 0;
    let mut runs: Vec<(Kind, Vec<(usize, Value)>)> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let (kind, parts) = match message.role {
            Role::System => continue,
            Role::User => (Kind::User, user(message, blobs)?),
            Role::Assistant => {
                for call in &message.tool_calls {
                    calls.insert(&call.id, (called, &call.name));
                    called += 1;
                }
                (Kind::Model, model(message))
            }
            Role::Tool => {
                let id = message.tool_call_id.as_deref();
                let (id, (place, name)) = id
                    .and_then(|id| Some((id, *calls.get(id)?)))
                    .ok_or(RequestError::Unanswered(at))?;
                (Kind::Results, vec![(place, result(id, name, message))])
            }
        };
        match runs.last_mut() {
            _ if parts.is_empty() => {}
            Some((last, run)) if *last == kind => run.extend(parts),
            _ => runs.push((kind, parts)),
        }
    }
    Ok(runs
        .into_iter()
        .map(|(kind, mut run)| {
            if kind == Kind::Results {
                run.sort_by_key(|(place, _)| *place);
            }
            let mut parts: Vec<Value> = run.into_iter().map(|(_, part)| part).collect();
            let first = parts
                .iter_mut()
                .find(|part| part.get("functionCall").is_some());
            if let Some(part) =
                first.filter(|part| signatures && part.get("thoughtSignature").is_none())
            {
                part["thoughtSignature"] = NO_SIGNATURE.into();
            }
            let role = if kind == Kind::Model { "model" } else { "user" };
            json!({ "role": role, "parts": parts })
        })
        .collect())
}

fn user(message: &Message, blobs: &Blobs) -> Result<Vec<(usize, Value)>, RequestError> {
    let mut parts = Vec::new();
    for attachment in &message.attachments {
        parts.extend(inline(attachment, blobs)?);
    }
    if !message.content.is_empty() {
        parts.push(json!({ "text": message.content }));
    }
    Ok(unordered(parts))
}

/// An attachment; the vendor has no place for a document's name but a text before it.
fn inline(attachment: &Attachment, blobs: &Blobs) -> Result<Vec<Value>, RequestError> {
    if attachment.media_type == MediaType::Gif {
        return Err(RequestError::Media("GIF pictures"));
    }
    let bytes = attached(attachment, blobs)?;
    let data = json!({
        "inlineData": {
            "mimeType": attachment.media_type.as_str(),
            "data": STANDARD.encode(bytes),
        },
    });
    Ok(
        if attachment.media_type.is_image() || attachment.name.is_empty() {
            vec![data]
        } else {
            vec![json!({ "text": format!("{}:", attachment.name) }), data]
        },
    )
}

/// Thoughts go back only where they are signed; a signature that came with the text goes back with
/// the text.
fn model(message: &Message) -> Vec<(usize, Value)> {
    let mut parts = Vec::new();
    let mut beside = None;
    for thought in &message.thinking {
        let Some(signature) = &thought.signature else {
            continue;
        };
        if thought.maker != MAKER {
            continue;
        }
        if thought.hidden {
            beside = Some(signature);
        } else {
            parts.push(json!({
                "text": thought.text,
                "thought": true,
                "thoughtSignature": signature,
            }));
        }
    }
    if !message.content.is_empty() || beside.is_some() {
        let mut part = json!({ "text": message.content });
        if let Some(signature) = beside {
            part["thoughtSignature"] = signature.as_str().into();
        }
        parts.push(part);
    }
    parts.extend(message.tool_calls.iter().map(call));
    unordered(parts)
}

fn call(call: &ToolCall) -> Value {
    let arguments = call.arguments.as_object().cloned().unwrap_or_default();
    let mut function = json!({ "name": wire_tool(&call.name), "args": arguments });
    if let Some(id) = vendors_id(&call.id) {
        function["id"] = id.into();
    }
    let mut part = json!({ "functionCall": function });
    if let Some(signature) = &call.signature {
        part["thoughtSignature"] = signature.as_str().into();
    }
    part
}

fn result(id: &str, name: &str, message: &Message) -> Value {
    let mut response = json!({
        "name": wire_tool(name),
        "response": { "output": message.content },
    });
    if let Some(id) = vendors_id(id) {
        response["id"] = id.into();
    }
    json!({ "functionResponse": response })
}

fn unordered(parts: Vec<Value>) -> Vec<(usize, Value)> {
    parts.into_iter().map(|part| (0, part)).collect()
}

fn function(tool: &Tool) -> Value {
    json!({
        "name": wire_tool(tool.name.as_str()),
        "description": tool.description,
        "parametersJsonSchema": schema::subset(&tool.schema),
    })
}
