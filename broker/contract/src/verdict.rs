//! Verdicts form a lattice: combining two takes the stricter, so a further judge can tighten
//! and never loosen (invariant I5).

use serde::{Deserialize, Serialize};
use std::fmt;

/// The outcome of one judgement, from loosest to strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[must_use]
pub enum Verdict {
    /// May be done without a question.
    Allow,
    /// A person decides.
    Ask,
    /// Is not done.
    Refuse,
}

impl Verdict {
    /// The stricter of the two.
    pub fn and(self, other: Verdict) -> Verdict {
        self.max(other)
    }
}

/// Why a verdict is what it is: a stable code for machines, a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reason {
    /// Stable, kebab-case.
    pub code: String,
    /// One sentence, written by the broker, never by the agent.
    pub text: String,
}

impl Reason {
    /// A reason from its code and sentence.
    pub fn new(code: &str, text: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            text: text.into(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.text, self.code)
    }
}

/// How a person answered a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// This call, now.
    Once,
    /// Any call of this tool in this session, until the broker is restarted.
    Session,
    /// Exactly this call (same tool, same arguments) from now on, until it expires or is revoked.
    Always,
    /// No.
    Deny,
}

#[cfg(test)]
mod tests {
    use super::Verdict::{self, *};

    #[test]
    fn combining_never_loosens_and_does_not_depend_on_order() {
        let all: [Verdict; 3] = [Allow, Ask, Refuse];
        for a in all {
            for b in all {
                assert!(a.and(b) >= a && a.and(b) >= b);
                assert_eq!(a.and(b), b.and(a));
                for c in all {
                    assert_eq!(a.and(b).and(c), a.and(b.and(c)));
                }
            }
        }
    }
}
