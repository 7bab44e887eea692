//! OpenAI's error objects.

use crate::codec::{Trouble, classify, clean};
use serde_json::Value;

/// Codes that mean that the content was refused, beside those that say so.
const REFUSALS: [&str; 4] = [
    "invalid_prompt",
    "bio_policy",
    "cyber_policy",
    "responsibleaipolicyviolation",
];

/// Reads a response whose status is not a success.
pub fn refusal(status: u16, retry_after: Option<&str>, body: &[u8]) -> Trouble {
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    let error = parsed
        .as_ref()
        .map(|value| value.get("error").unwrap_or(value));
    let said = match error {
        Some(error) => words(error),
        None => clean(&String::from_utf8_lossy(&body[..body.len().min(2048)])),
    };
    let hint = error.map(hint).unwrap_or_default();
    classify(status, retry_after, &hint, said)
}

/// Reads an `error` object that stands inside a stream or a body with a successful status.
pub(crate) fn embedded(error: &Value) -> Trouble {
    let status = ["code", "status"]
        .iter()
        .find_map(|key| error.get(key)?.as_u64())
        .and_then(|code| u16::try_from(code).ok())
        .filter(|code| (400..600).contains(code))
        .unwrap_or(0);
    classify(status, None, &hint(error), words(error))
}

/// The machine-readable words of an error object.
fn hint(error: &Value) -> String {
    let word = |key| error.get(key).and_then(Value::as_str).unwrap_or_default();
    let hint = format!("{} {}", word("type"), word("code")).to_lowercase();
    match REFUSALS.iter().any(|code| hint.contains(code)) {
        true => format!("{hint} content_policy"),
        false => hint,
    }
}

fn words(error: &Value) -> String {
    let message = error
        .as_str()
        .or_else(|| error.get("message").and_then(Value::as_str));
    message.map_or_else(|| clean(&error.to_string()), clean)
}
