//! How a call ended, as the broker takes it.

use carapace_ipc_proto::error::Code;
use carapace_ipc_proto::limits;
use carapace_ipc_proto::words::{Request, topic};
use serde_json::json;

/// A report's text, in bytes.
const TEXT: usize = 512 * 1024;
/// The same text as JSON: below what one request carries.
const ESCAPED: usize = limits::ARGUMENTS - 1024;
/// An error's message, in characters: the broker keeps no more.
const MESSAGE: usize = 4000;

/// What came of a call.
pub(crate) type Outcome = Result<String, Failure>;

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The arguments are wrong; the caller can put it right.
    Invalid(String),
    /// It was tried and did not work.
    Failed(String),
    /// The broker said to stop.
    Cancelled,
}

/// The report of a call.
pub(crate) fn request(call: &str, outcome: Outcome) -> Request {
    let arguments = match outcome {
        Ok(text) => json!({ "ok": { "text": cut(text) } }),
        Err(failure) => {
            let (code, message) = match failure {
                Failure::Invalid(message) => (Code::ValidationFailed, message),
                Failure::Failed(message) => (Code::HandlerError, message),
                Failure::Cancelled => (Code::Cancelled, "the call was stopped".to_owned()),
            };
            json!({ "error": { "code": code, "message": message.chars().take(MESSAGE).collect::<String>() } })
        }
    };
    Request {
        topic: topic::REPORT.to_owned(),
        correlation: call.to_owned(),
        arguments: arguments.to_string().into_bytes(),
        more: false,
        within: String::new(),
    }
}

/// As much as a report carries; says where it was cut.
fn cut(mut text: String) -> String {
    let mut escaped = 0;
    let end = text.char_indices().find_map(|(at, character)| {
        escaped += match character {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            '\0'..='\u{1f}' => 6,
            other => other.len_utf8(),
        };
        (escaped > ESCAPED || at + character.len_utf8() > TEXT).then_some(at)
    });
    if let Some(end) = end {
        text.truncate(end);
        text.push_str("\n(cut here: a result is at most 512 KiB)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_fits_in_one_frame() {
        for long in ["x", "\u{1}", "\n", "\u{1f980}", "\""] {
            let frames = request("c", Ok(long.repeat(2 * 1024 * 1024 / long.len()))).frames();
            assert_eq!(frames.len(), 1);
            assert!(frames[0].len() <= limits::FRAME);
        }
        assert_eq!(cut("as it is".to_owned()), "as it is");
        let failed = request("c", Err(Failure::Failed("\u{1f980}".repeat(10_000))));
        assert!(failed.arguments.len() < 20_000);
    }
}
