//! Bedrock's exceptions.

use crate::codec::{Trouble, classify, clean};
use serde_json::Value;

/// Reads a response whose status is not a success. The exception's name stands in a header that is
/// not at hand here, and in the body only sometimes: the status and the words decide.
pub fn refusal(status: u16, retry_after: Option<&str>, body: &[u8]) -> Trouble {
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    let name = parsed
        .as_ref()
        .and_then(|body| body.get("__type")?.as_str())
        .unwrap_or_default();
    // The name may stand behind a namespace.
    let name = name.rsplit('#').next().unwrap_or_default();
    sort(status, retry_after, name, words(parsed.as_ref(), body))
}

/// Reads an exception that stands inside a stream: its name and what it carries.
pub(super) fn embedded(name: &str, payload: &[u8]) -> Trouble {
    let lower = name.to_lowercase();
    let status = match lower.trim_end_matches("exception") {
        "validation" => 400,
        "accessdenied" | "unrecognizedclient" | "expiredtoken" => 403,
        "resourcenotfound" => 404,
        "throttling" | "servicequotaexceeded" => 429,
        "internalserver" | "internalfailure" => 500,
        "serviceunavailable" | "modelnotready" => 503,
        "modeltimeout" => 408,
        "modelstreamerror" | "modelerror" => 424,
        _ => 0,
    };
    let parsed: Option<Value> = serde_json::from_slice(payload).ok();
    sort(status, None, name, words(parsed.as_ref(), payload))
}

fn words(parsed: Option<&Value>, body: &[u8]) -> String {
    let message = parsed.and_then(|body| {
        ["message", "Message", "originalMessage"]
            .iter()
            .find_map(|key| body.get(key)?.as_str())
    });
    match message {
        Some(message) => clean(message),
        None => clean(&String::from_utf8_lossy(&body[..body.len().min(2048)])),
    }
}

fn sort(status: u16, retry_after: Option<&str>, name: &str, said: String) -> Trouble {
    let lower = said.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    match status {
        // "Too many tokens" is said of a minute here, not of a conversation.
        429 if name.to_lowercase().starts_with("modelnotready") => {
            classify(503, retry_after, "", said)
        }
        429 => Trouble::Quota {
            retry_after: classify(429, retry_after, "", String::new()).retry_after(),
            said,
        },
        // The model behind Bedrock failed: the same request may succeed.
        424 => Trouble::Overloaded {
            status,
            retry_after: None,
            said,
        },
        400 if has(&["too long", "exceed context limit", "too large for model"]) => {
            Trouble::ContextTooLong { said }
        }
        400 if has(&[
            "model identifier is invalid",
            "on-demand throughput",
            "end of its life",
        ]) =>
        {
            Trouble::ModelNotFound { said }
        }
        400 if has(&["content filtering policy", "blocked by guardrail"]) => {
            Trouble::Refused { said }
        }
        _ => classify(status, retry_after, &name.to_lowercase(), said),
    }
}
