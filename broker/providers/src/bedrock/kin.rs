//! What a model can do beyond the common form, told by its name: Bedrock does not say it in the
//! conversation. A name that says nothing, such as an inference profile's, gets the common form.

/// The family of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kin {
    /// Anthropic's.
    Claude {
        /// Whether it takes marks for the cache.
        caches: bool,
    },
    /// Amazon's.
    Nova {
        /// Whether it can be told to think.
        thinks: bool,
    },
    /// Any other.
    Other,
}

/// Claude models from before the cache.
const WITHOUT_CACHE: [&str; 6] = [
    "claude-v2",
    "claude-instant",
    "claude-3-haiku",
    "claude-3-sonnet",
    "claude-3-opus",
    "claude-3-5-sonnet",
];

impl Kin {
    pub(super) fn of(model: &str) -> Self {
        let has = |part: &str| model.contains(part);
        if has("anthropic.claude") {
            return Self::Claude {
                caches: !WITHOUT_CACHE.iter().any(|part| has(part)),
            };
        }
        if has("amazon.nova") {
            return Self::Nova {
                thinks: has("amazon.nova-2"),
            };
        }
        Self::Other
    }

    /// Whether it takes marks for the cache after the instructions and the messages.
    pub(super) fn caches(self) -> bool {
        matches!(self, Self::Claude { caches: true } | Self::Nova { .. })
    }

    /// Whether it takes a mark for the cache after the tools.
    pub(super) fn caches_tools(self) -> bool {
        matches!(self, Self::Claude { caches: true })
    }
}
