//! What the broker says when a turn begins.

use carapace_contract::id::ToolName;
use carapace_contract::model::Message;
use serde::Deserialize;

/// The word that begins a turn.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TurnWord {
    /// The conversation. Ends with the person's newest message, or with an assistant message whose
    /// tool calls lack results where a turn is continued.
    pub history: Vec<Message>,
    /// The tools on offer.
    #[serde(default)]
    pub tools: Vec<ToolOffer>,
    /// What the turn may use.
    pub limits: Limits,
    /// Whether the one message is a question about a text of others, to be answered with values.
    #[serde(default)]
    pub reading: bool,
}

/// A tool on offer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ToolOffer {
    /// Its name.
    pub name: ToolName,
    /// What it does, in a sentence.
    #[serde(default)]
    pub description: String,
}

/// What a turn may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Limits {
    /// Model requests.
    pub rounds: u64,
    /// Seconds of waiting for the model.
    pub seconds: u64,
    /// Tokens read and written, as the vendor counts them.
    pub tokens: u64,
}
