//! How a Claude model is told to think. The vendor has two forms: a number of tokens for the models
//! up to 4.5, and for all later ones an effort, where it decides the number itself (and refuses
//! a number). Claude models are told apart by their names, also within those of Bedrock.

use serde_json::{Value, json};

/// The least number of tokens that the vendor takes.
const LEAST: u32 = 1024;

/// What the names of the models hold that take a number of tokens.
const BY_NUMBER: [&str; 7] = [
    "claude-3", "-4-2025", "-4-0", "-4-1", "-4-5", "-4.1", "-4.5",
];

/// How a request asks for thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// At most this many tokens. The last answer with calls must then begin with a thought.
    Number(u32),
    /// As much as this effort is worth.
    Effort(&'static str),
}

impl Way {
    /// The way of a model, for an owner who allows this many tokens. A model that is no Claude and
    /// is served by Anthropic's protocol takes a number.
    pub(crate) fn of(model: &str, tokens: u32) -> Self {
        let model = model.to_lowercase();
        if !model.contains("claude") || BY_NUMBER.iter().any(|part| model.contains(part)) {
            return Self::Number(tokens.max(LEAST));
        }
        Self::Effort(match tokens {
            0..=2048 => "low",
            2049..=8192 => "medium",
            _ => "high",
        })
    }

    /// Puts it into a request, or into Bedrock's fields for the model.
    pub(crate) fn put(self, body: &mut Value) {
        match self {
            Self::Number(tokens) => {
                body["thinking"] = json!({ "type": "enabled", "budget_tokens": tokens });
            }
            Self::Effort(effort) => {
                body["thinking"] = json!({ "type": "adaptive", "display": "summarized" });
                body["output_config"] = json!({ "effort": effort });
            }
        }
    }
}
