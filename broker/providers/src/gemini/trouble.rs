//! Google's error objects (`google.rpc.Status` in JSON).

use crate::codec::{Trouble, classify, clean};
use serde_json::Value;

/// Reads a response whose status is not a success.
pub fn refusal(status: u16, retry_after: Option<&str>, body: &[u8]) -> Trouble {
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    // A stream that fails at once may answer with a list of one error.
    let parsed = parsed.as_ref().map(|value| value.get(0).unwrap_or(value));
    match parsed.and_then(|value| value.get("error")) {
        Some(error) => sort(status, retry_after, error),
        None => {
            let said = clean(&String::from_utf8_lossy(&body[..body.len().min(2048)]));
            classify(status, retry_after, "", said)
        }
    }
}

/// Reads an `error` object that stands in a stream or a body with a successful status.
pub(super) fn embedded(error: &Value) -> Trouble {
    let status = error
        .get("code")
        .and_then(Value::as_u64)
        .and_then(|code| u16::try_from(code).ok())
        .filter(|code| (400..600).contains(code))
        .unwrap_or_else(|| match word(error) {
            "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => 400,
            "UNAUTHENTICATED" => 401,
            "PERMISSION_DENIED" => 403,
            "NOT_FOUND" => 404,
            "RESOURCE_EXHAUSTED" => 429,
            "INTERNAL" => 500,
            "UNAVAILABLE" => 503,
            "DEADLINE_EXCEEDED" => 504,
            _ => 0,
        });
    sort(status, None, error)
}

fn sort(status: u16, retry_after: Option<&str>, error: &Value) -> Trouble {
    let said = error
        .as_str()
        .or_else(|| error.get("message").and_then(Value::as_str))
        .map_or_else(|| clean(&error.to_string()), clean);
    let lower = said.to_lowercase();
    let mut hint = word(error).to_lowercase();
    // Both come with the status 400, as every other fault of a request does.
    if details(error, "reason").is_some_and(|reason| reason.starts_with("API_KEY"))
        || lower.contains("api key not valid")
        || lower.contains("api key expired")
    {
        hint.push_str(" invalid_api_key");
    }
    if status == 400 && lower.contains("token count") && lower.contains("exceeds") {
        hint.push_str(" context_length");
    }
    let delay = details(error, "retryDelay").and_then(seconds);
    let wait = retry_after.map(str::to_owned).or(delay);
    classify(status, wait.as_deref(), &hint, said)
}

/// The machine-readable word of an error object.
fn word(error: &Value) -> &str {
    error
        .get("status")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A field of the first of the details that has it.
fn details<'a>(error: &'a Value, key: &str) -> Option<&'a str> {
    let rows = error.get("details")?.as_array()?;
    rows.iter().find_map(|row| row.get(key)?.as_str())
}

/// Whole seconds of a duration as `google.protobuf.Duration` writes it (`12.3s`), rounded up.
fn seconds(duration: &str) -> Option<String> {
    let (whole, part) = match duration.strip_suffix('s')?.split_once('.') {
        Some((whole, part)) => (whole, part),
        None => (duration.strip_suffix('s')?, ""),
    };
    let more = u32::from(part.bytes().any(|digit| digit != b'0'));
    Some(whole.parse::<u32>().ok()?.saturating_add(more).to_string())
}
