//! What a server says when it does not answer, as data: which trouble, whether trying again can
//! help, and what the owner can do.

/// Why a server gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It wants a key, or another key.
    #[error(
        "the model server refused the credentials: {said}\n  remedy: `carapace auth api-key --provider NAME` stores a key, `carapace auth test` tries it"
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
        "the model server did not accept the request ({status}): {said}\n  remedy: check that base-url and kind name the server that answers there"
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

    /// The text for the owner, with the provider's name in the configuration.
    pub fn told(&self, provider: &str) -> String {
        let named = format!("--provider {provider}` stores");
        self.to_string()
            .replacen("--provider NAME` stores", &named, 1)
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

/// Which trouble it is, from the status (0 within a stream), the vendor's machine-readable words
/// (`hint`, lower case) and what it says to people (`said`, cleaned). `retry_after` is the header of that name:
/// its seconds are used, at most a day; a date there is not.
pub fn classify(status: u16, retry_after: Option<&str>, hint: &str, said: String) -> Trouble {
    let wait = retry_after
        .and_then(|text| text.trim().parse::<u32>().ok())
        .map(|seconds| seconds.min(86_400));
    sort(status, wait, hint, said)
}

fn sort(status: u16, retry_after: Option<u32>, hint: &str, said: String) -> Trouble {
    let lower = format!("{hint} {}", said.to_lowercase());
    let has = |needles: &[&str]| needles.iter().any(|needle| lower.contains(needle));
    // Those of a rate limit speak of tokens too.
    let limited = matches!(status, 401 | 403 | 429)
        || ["throttl", "rate_limit", "rate limit"]
            .iter()
            .any(|word| lower.contains(word));
    if !limited
        && has(&[
            "context_length",
            "context length",
            "context size",
            "context window",
            "maximum context",
            "too many tokens",
        ])
    {
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

/// At most 300 characters, one line, no control characters: it is shown to people and logged. A word that would be
/// cut is left out: whoever takes secrets out of the text would not recognise the half of one.
pub fn clean(text: &str) -> String {
    let bad = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut characters = text.chars().map(|c| if bad(c) { ' ' } else { c });
    let text: String = characters.by_ref().take(300).collect();
    let text = match characters.next() {
        None | Some(' ') => text.trim(),
        Some(_) => text.trim_end_matches(|c: char| c.is_ascii_graphic()).trim(),
    };
    if text.is_empty() {
        "it gave no reason".to_owned()
    } else {
        text.to_owned()
    }
}

fn after(seconds: &Option<u32>) -> String {
    seconds.map_or_else(String::new, |seconds| format!(" (wait {seconds} s)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_key_names_the_command_for_its_provider() {
        let told = classify(401, None, "", "no".to_owned()).told("work");
        assert!(
            told.contains("`carapace auth api-key --provider work` stores"),
            "{told}"
        );
    }

    #[test]
    fn a_text_is_never_cut_within_a_word() {
        let before = "word ".repeat(58);
        assert_eq!(before.len(), 290);
        let told = clean(&format!("{before}sk-a-long-secret of yours"));
        assert_eq!(told, before.trim());
        assert_eq!(
            clean(&format!("{before}0123456789 rest")),
            format!("{before}0123456789")
        );
        assert_eq!(
            clean(&format!("{before}0123456789")),
            format!("{before}0123456789")
        );
        assert_eq!(clean(&"x".repeat(301)), "it gave no reason");
        assert_eq!(clean(&"\u{e9}".repeat(301)), "\u{e9}".repeat(300));
    }
}
