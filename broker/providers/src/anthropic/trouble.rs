//! Anthropic's error objects.

use crate::codec::{Trouble, classify, clean};
use serde_json::Value;

/// Reads a response whose status is not a success.
pub fn refusal(status: u16, retry_after: Option<&str>, body: &[u8]) -> Trouble {
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    match parsed
        .as_ref()
        .map(|value| value.get("error").unwrap_or(value))
    {
        Some(error) => sort(status, retry_after, error),
        None => {
            let said = clean(&String::from_utf8_lossy(&body[..body.len().min(2048)]));
            classify(status, retry_after, "", said)
        }
    }
}

/// Reads an `error` object that stands inside a stream: the status is the one that the vendor's page
/// of errors names for its type.
pub(super) fn embedded(error: &Value) -> Trouble {
    let status = match error
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default()
    {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "api_error" => 500,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 0,
    };
    sort(status, None, error)
}

fn sort(status: u16, retry_after: Option<&str>, error: &Value) -> Trouble {
    let word = |key| error.get(key).and_then(Value::as_str);
    let said = word("message")
        .or(error.as_str())
        .map_or_else(|| clean(&error.to_string()), clean);
    let mut hint = word("type").unwrap_or_default().to_lowercase();
    // The vendor has one type for all bad requests; these it tells apart by words only.
    if status == 400 {
        let lower = said.to_lowercase();
        let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
        hint += match () {
            () if has(&["prompt is too long", "exceed context limit"]) => " context_length",
            () if has(&["credit balance"]) => " insufficient_quota",
            () if has(&["content filtering policy"]) => " content_filter",
            () => "",
        };
    }
    classify(status, retry_after, &hint, said)
}
