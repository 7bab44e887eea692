//! What a server says when it does not answer, as data: which trouble, whether trying again can
//! help, and what the owner can do.

use serde_json::Value;

/// Why a server gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It wants a key, or another key.
    #[error(
        "the model server refused the credentials: {said}\n  remedy: start the server without a key, or use another provider"
    )]
    Auth {
        /// The server's words, cut and cleaned.
        said: String,
    },
    /// Too many requests, or the quota is used up.
    #[error("the model server allows no more requests now{}: {said}\n  remedy: wait, or route to another model", after(.retry_after))]
    Quota {
        /// Seconds to wait, where the server names them.
        retry_after: Option<u32>,
        /// The server's words, cut and cleaned.
        said: String,
    },
    /// It failed or is too busy.
    #[error("the model server failed ({status}){}: {said}\n  remedy: try again, or look at the server's own log", after(.retry_after))]
    Overloaded {
        /// The HTTP status, 0 within a stream.
        status: u16,
        /// Seconds to wait, where the server names them.
        retry_after: Option<u32>,
        /// The server's words, cut and cleaned.
        said: String,
    },
    /// The conversation does not fit the model.
    #[error(
        "the conversation is longer than the model can read: {said}\n  remedy: start a new session, or use a model with a longer context"
    )]
    ContextTooLong {
        /// The server's words, cut and cleaned.
        said: String,
    },
    /// No such model, or no such address on the server.
    #[error(
        "the model server does not have that model: {said}\n  remedy: load or pull the model on the server, or change model.route"
    )]
    ModelNotFound {
        /// The server's words, cut and cleaned.
        said: String,
    },
    /// The content was refused.
    #[error("the model server refused the content: {said}\n  remedy: rephrase the request")]
    Refused {
        /// The server's words, cut and cleaned.
        said: String,
    },
    /// The server could not use the request.
    #[error(
        "the model server did not accept the request ({status}): {said}\n  remedy: check that base-url names a server of chat completions with tools"
    )]
    Malformed {
        /// The HTTP status, 0 within a stream.
        status: u16,
        /// The server's words, cut and cleaned.
        said: String,
    },
}

impl Trouble {
    /// True where the same request may succeed later.
    pub fn retryable(&self) -> bool {
        matches!(self, Trouble::Quota { .. } | Trouble::Overloaded { .. })
    }

    /// Seconds the server asked to wait.
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            Trouble::Quota { retry_after, .. } | Trouble::Overloaded { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }
}

/// Reads a response whose status is not a success. `retry_after` is the header of that name: its
/// seconds are used, at most a day; a date there is not.
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
    let wait = retry_after
        .and_then(|text| text.trim().parse::<u32>().ok())
        .map(|seconds| seconds.min(86_400));
    classify(status, wait, &hint, said)
}

/// Reads an `error` object that stands inside a stream or a body with a successful status.
pub(super) fn embedded(error: &Value) -> Trouble {
    let status = ["code", "status"]
        .iter()
        .find_map(|key| error.get(key)?.as_u64())
        .and_then(|code| u16::try_from(code).ok())
        .filter(|code| (400..600).contains(code))
        .unwrap_or(0);
    classify(status, None, &hint(error), words(error))
}

fn classify(status: u16, retry_after: Option<u32>, hint: &str, said: String) -> Trouble {
    let lower = format!("{hint} {}", said.to_lowercase());
    let has = |needles: &[&str]| needles.iter().any(|needle| lower.contains(needle));
    if has(&[
        "context_length",
        "context length",
        "context size",
        "context window",
        "maximum context",
        "too many tokens",
    ]) {
        return Trouble::ContextTooLong { said };
    }
    match status {
        401 | 403 if has(&["content_policy", "content_filter", "moderation"]) => {
            Trouble::Refused { said }
        }
        401 | 403 => Trouble::Auth { said },
        404 => Trouble::ModelNotFound { said },
        413 => Trouble::ContextTooLong { said },
        402 | 429 => Trouble::Quota { retry_after, said },
        408 | 409 | 425 | 500..=599 => Trouble::Overloaded {
            status,
            retry_after,
            said,
        },
        _ if has(&["content_policy", "content_filter", "content policy"]) => {
            Trouble::Refused { said }
        }
        _ if has(&["model_not_found", "model not found", "no such model"]) => {
            Trouble::ModelNotFound { said }
        }
        _ if has(&["invalid_api_key", "authentication_error", "unauthorized"]) => {
            Trouble::Auth { said }
        }
        _ if has(&["rate_limit", "insufficient_quota", "rate limit"]) => {
            Trouble::Quota { retry_after, said }
        }
        _ if has(&[
            "overloaded",
            "server_error",
            "internal_error",
            "unavailable",
        ]) =>
        {
            Trouble::Overloaded {
                status,
                retry_after,
                said,
            }
        }
        _ => Trouble::Malformed { status, said },
    }
}

/// The machine-readable words of an error object.
fn hint(error: &Value) -> String {
    let word = |key| error.get(key).and_then(Value::as_str).unwrap_or_default();
    format!("{} {}", word("type"), word("code")).to_lowercase()
}

fn words(error: &Value) -> String {
    let message = error
        .as_str()
        .or_else(|| error.get("message").and_then(Value::as_str));
    message.map_or_else(|| clean(&error.to_string()), clean)
}

/// At most 300 characters, one line, no control characters: it is shown to people and logged.
pub(super) fn clean(text: &str) -> String {
    let bad = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let text: String = text
        .chars()
        .take(300)
        .map(|c| if bad(c) { ' ' } else { c })
        .collect();
    let text = text.trim();
    if text.is_empty() {
        "it gave no reason".to_owned()
    } else {
        text.to_owned()
    }
}

fn after(seconds: &Option<u32>) -> String {
    seconds.map_or_else(String::new, |seconds| format!(" (wait {seconds} s)"))
}
