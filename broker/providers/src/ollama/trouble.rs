//! Ollama's errors: one sentence under the key `error`, with no code beside it.

use crate::codec::{Trouble, classify, clean};
use serde_json::Value;

/// Reads a response whose status is not a success.
pub fn refusal(status: u16, retry_after: Option<&str>, body: &[u8]) -> Trouble {
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    let said = match parsed.as_ref().and_then(|body| body.get("error")) {
        Some(error) => words(error),
        None => clean(&String::from_utf8_lossy(&body[..body.len().min(2048)])),
    };
    classify(status, retry_after, "", said)
}

/// Reads an error that comes as a line of a stream. There is no status to go by, and what fails
/// after a good beginning is the machine: unless the words say otherwise it may be tried again.
pub(super) fn embedded(error: &Value) -> Trouble {
    let said = words(error);
    let lower = said.to_lowercase();
    let hint = if lower.contains("model") && lower.contains("not found") {
        "model_not_found"
    } else {
        "server_error"
    };
    classify(0, None, hint, said)
}

fn words(error: &Value) -> String {
    error
        .as_str()
        .or_else(|| error.get("message").and_then(Value::as_str))
        .map_or_else(|| clean(&error.to_string()), clean)
}
