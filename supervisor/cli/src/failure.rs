//! How a command ends: exit statuses with a meaning, and failures that name step, thing, cause and remedy.

use crate::screen;
use serde_json::json;
use std::process::ExitCode;

/// The exit status of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done; for `chat`, answered.
    Done,
    /// 1: it failed, or what was checked is not as it should be.
    Failed,
    /// 2: the command line or a value on it cannot be used.
    Usage,
    /// 3: carapace is not running, or (for `start`) runs already.
    State,
    /// 4: this machine offers less than the cage needs.
    CageRefused,
    /// 5: a question was refused or nobody answered it.
    QuestionRefused,
    /// 6: the turn reached one of its limits.
    Limit,
    /// 78: the configuration cannot be used.
    Configuration,
    /// 130: the person stopped it.
    Cancelled,
    /// The status of another program, passed on.
    Of(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::State => 3,
            Exit::CageRefused => 4,
            Exit::QuestionRefused => 5,
            Exit::Limit => 6,
            Exit::Configuration => 78,
            Exit::Cancelled => 130,
            Exit::Of(status) => status,
        })
    }
}

/// An error that a person is told: each module's enum is one.
pub(crate) trait Explain: std::error::Error {
    /// Stable, kebab-case.
    fn code(&self) -> &'static str;

    /// What the person can do about it, one sentence.
    fn remedy(&self) -> String;

    /// The status the program ends with.
    fn exit(&self) -> Exit {
        Exit::Failed
    }
}

/// A failure on its way to the person.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    code: String,
    message: String,
    remedy: String,
}

/// Between message and remedy in the texts of the other crates. A text that was quoted by another has
/// a space where its line end was.
const REMEDY_MARKS: [&str; 2] = ["\n  remedy: ", "   remedy: "];

impl<E: Explain> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            exit: error.exit(),
            code: error.code().to_owned(),
            message: error.to_string(),
            remedy: error.remedy(),
        }
    }
}

impl Failure {
    /// Shows it, for people on standard error, for programs as one JSON object on standard output.
    pub(crate) fn show(&self, json: bool) -> Exit {
        if json {
            let value = json!({"error": {"code": self.code, "message": self.message, "remedy": self.remedy}});
            screen::print_json(&value);
        } else {
            let text = screen::neutral::lines(&self.message);
            eprintln!("carapace: {text}");
            if !self.remedy.is_empty() {
                eprintln!("  remedy: {}", screen::neutral::lines(&self.remedy));
            }
        }
        self.exit
    }

    /// The message alone, for a line inside a conversation.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Whether the person stopped it.
    pub(crate) fn is_stop(&self) -> bool {
        self.exit == Exit::Cancelled
    }

    /// Its stable code.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// What can be done about it.
    pub(crate) fn remedy(&self) -> &str {
        &self.remedy
    }
}

/// Parts a text of another crate into what is wrong and what to do. Of several remedies the innermost
/// comes first, which knows most.
pub(crate) fn split_remedy(text: &str) -> (String, String) {
    let text = text.replace(REMEDY_MARKS[1], REMEDY_MARKS[0]);
    let mut parts = text.split(REMEDY_MARKS[0]).map(str::trim);
    let message = parts.next().unwrap_or_default().to_owned();
    (message, parts.collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remedy_is_parted_from_the_message() {
        let (message, remedy) = split_remedy("a: b\n  remedy: do c");
        assert_eq!((message.as_str(), remedy.as_str()), ("a: b", "do c"));
        assert_eq!(split_remedy("only this").1, "");
        let (message, remedy) = split_remedy("a: b   remedy: do c\n  remedy: do d");
        assert_eq!((message.as_str(), remedy.as_str()), ("a: b", "do c; do d"));
    }
}
