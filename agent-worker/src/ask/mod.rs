//! What the mind may ask, one file per request, named as the broker names its answers.

pub mod complete;
pub mod invoke;
pub mod report;
pub mod say;

use carapace_ipc_proto::words::Request;

/// One request, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    topic: String,
    correlation: String,
    arguments: Vec<u8>,
}

impl Ask {
    fn new(
        topic: impl Into<String>,
        correlation: impl Into<String>,
        arguments: &impl serde::Serialize,
    ) -> Self {
        Self {
            topic: topic.into(),
            correlation: correlation.into(),
            // Structs and JSON values with string keys always serialise.
            arguments: serde_json::to_vec(arguments).expect("a request's arguments serialise"),
        }
    }

    /// What it asks for.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Its name within the turn.
    pub fn correlation(&self) -> &str {
        &self.correlation
    }

    /// Its arguments, JSON.
    pub fn arguments(&self) -> &[u8] {
        &self.arguments
    }

    /// As it crosses the line.
    pub fn request(self) -> Request {
        Request {
            topic: self.topic,
            correlation: self.correlation,
            arguments: self.arguments,
            more: false,
            within: String::new(),
        }
    }
}

/// Bytes that one text may have in JSON, a little under the line's limit on a string.
const TEXT: usize = carapace_ipc_proto::limits::JSON_FIELD - 1024;

/// As much of a text as fits in one JSON string of the line; says where it was cut.
fn fitting(text: &str) -> String {
    const CUT: &str = "\n(cut here: the answer is too long to be shown whole)";
    let mut written = 0;
    let mut room = text.len();
    for (at, character) in text.char_indices() {
        written += match character {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            '\0'..='\u{1f}' => 6,
            other => other.len_utf8(),
        };
        if written > TEXT {
            room = at;
            break;
        }
    }
    if room == text.len() {
        text.to_owned()
    } else {
        format!("{}{CUT}", &text[..room])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_to_what_the_line_carries() {
        assert_eq!(fitting("short \u{e9}"), "short \u{e9}");
        for long in [
            "x".repeat(200_000),
            "\n".repeat(200_000),
            "\u{1}".repeat(40_000),
            "\u{1f980}".repeat(50_000),
        ] {
            let cut = fitting(&long);
            assert!(cut.len() < long.len() && cut.ends_with("shown whole)"));
            let json = serde_json::to_vec(&cut).expect("a string serialises");
            assert_eq!(
                carapace_ipc_proto::json::check(&json, carapace_ipc_proto::limits::JSON_FIELD),
                Ok(())
            );
        }
    }
}
