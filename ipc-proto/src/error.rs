//! The errors that cross to a confined process. A code from a fixed list and a sentence by the
//! broker; never a stack trace, a path or another internal detail.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What kind of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// No such topic or tool, or not in this phase.
    UnknownTool,
    /// The arguments do not fit the schema or a limit; `field` says which.
    ValidationFailed,
    /// Policy says no.
    Unauthorized,
    /// Too many; `retry_after` says when.
    RateLimited,
    /// Nobody answered the question in time.
    ConfirmationTimeout,
    /// A person said no; the message carries their note.
    ConfirmationDenied,
    /// A budget of the turn or session is used up.
    BudgetExceeded,
    /// A plugin took too long.
    PluginTimeout,
    /// The process that does this is not there.
    PluginUnavailable,
    /// A plugin failed.
    PluginError,
    /// A tool failed, or its outcome cannot be known; the message says which.
    HandlerError,
    /// The model provider failed.
    ProviderError,
    /// The turn was cancelled.
    Cancelled,
}

impl Code {
    /// Whether the same request may succeed later.
    pub fn retriable(self) -> bool {
        matches!(
            self,
            Code::RateLimited
                | Code::ConfirmationTimeout
                | Code::PluginTimeout
                | Code::PluginUnavailable
                | Code::ProviderError
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A unit variant serialises as its name.
        let text = match self {
            Code::UnknownTool => "UNKNOWN_TOOL",
            Code::ValidationFailed => "VALIDATION_FAILED",
            Code::Unauthorized => "UNAUTHORIZED",
            Code::RateLimited => "RATE_LIMITED",
            Code::ConfirmationTimeout => "CONFIRMATION_TIMEOUT",
            Code::ConfirmationDenied => "CONFIRMATION_DENIED",
            Code::BudgetExceeded => "BUDGET_EXCEEDED",
            Code::PluginTimeout => "PLUGIN_TIMEOUT",
            Code::PluginUnavailable => "PLUGIN_UNAVAILABLE",
            Code::PluginError => "PLUGIN_ERROR",
            Code::HandlerError => "HANDLER_ERROR",
            Code::ProviderError => "PROVIDER_ERROR",
            Code::Cancelled => "CANCELLED",
        };
        out.write_str(text)
    }
}

/// An error as it crosses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ErrorWord {
    /// What kind.
    pub code: Code,
    /// One or two sentences for the model and the person.
    pub message: String,
    /// Whether the same request may succeed later.
    pub retriable: bool,
    /// The desk's stage that refused, 1 to 6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<u8>,
    /// The argument that is wrong, as a JSON pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Seconds until it is worth trying again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

impl ErrorWord {
    /// An error of this code, raised at this stage.
    pub fn new(code: Code, stage: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retriable: code.retriable(),
            stage: Some(stage),
            field: None,
            retry_after: None,
        }
    }

    /// With the argument that is wrong.
    pub fn in_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// With the seconds until it is worth trying again.
    pub fn after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}
