//! The well-known vendors of models: what their keys look like, in which variables they usually lie,
//! and where a person gets one. A matter of advice only: a key that looks different is taken too.

/// What a vendor's credentials are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One key.
    Key,
    /// Access key id, secret access key, perhaps a session token.
    Aws,
    /// None is needed on this machine.
    None,
}

/// One vendor.
#[derive(Debug)]
pub(crate) struct Vendor {
    /// The value of `kind` in the configuration, and the usual name of the provider.
    pub(crate) kind: &'static str,
    /// For people.
    pub(crate) name: &'static str,
    /// What a key begins with; empty where that is not known.
    pub(crate) prefixes: &'static [&'static str],
    /// Variables in which a key usually lies.
    pub(crate) variables: &'static [&'static str],
    /// The variable that names another address.
    pub(crate) address: Option<&'static str>,
    /// Where a key is made.
    pub(crate) page: &'static str,
    /// What is asked for.
    pub(crate) shape: Shape,
}

/// All of them.
pub(crate) const ALL: [Vendor; 7] = [
    Vendor {
        kind: "anthropic",
        name: "Anthropic",
        prefixes: &["sk-ant-"],
        variables: &["ANTHROPIC_API_KEY"],
        address: Some("ANTHROPIC_BASE_URL"),
        page: "console.anthropic.com/settings/keys",
        shape: Shape::Key,
    },
    Vendor {
        kind: "openai",
        name: "OpenAI",
        prefixes: &["sk-"],
        variables: &["OPENAI_API_KEY"],
        address: Some("OPENAI_BASE_URL"),
        page: "platform.openai.com/api-keys",
        shape: Shape::Key,
    },
    Vendor {
        kind: "openai-responses",
        name: "OpenAI (Responses)",
        prefixes: &["sk-"],
        variables: &[],
        address: None,
        page: "platform.openai.com/api-keys",
        shape: Shape::Key,
    },
    Vendor {
        kind: "gemini",
        name: "Google Gemini",
        prefixes: &["AIza", "AQ."],
        variables: &["GOOGLE_API_KEY", "GEMINI_API_KEY"],
        address: Some("GOOGLE_API_BASE_URL"),
        page: "aistudio.google.com/apikey",
        shape: Shape::Key,
    },
    Vendor {
        kind: "bedrock",
        name: "Amazon Bedrock",
        prefixes: &["AKIA", "ASIA", "ABSK"],
        variables: &["AWS_ACCESS_KEY_ID"],
        address: None,
        page: "console.aws.amazon.com/iam",
        shape: Shape::Aws,
    },
    Vendor {
        kind: "ollama",
        name: "Ollama",
        prefixes: &[],
        variables: &["OLLAMA_API_KEY"],
        address: Some("OLLAMA_BASE_URL"),
        page: "ollama.com/settings/keys",
        shape: Shape::None,
    },
    Vendor {
        kind: "venice",
        name: "Venice",
        prefixes: &[],
        variables: &["VENICE_API_KEY"],
        address: Some("VENICE_BASE_URL"),
        page: "venice.ai/settings/api",
        shape: Shape::Key,
    },
];

/// The vendor of a kind.
pub(crate) fn of(kind: &str) -> Option<&'static Vendor> {
    ALL.iter().find(|vendor| vendor.kind == kind)
}

/// The vendor whose keys begin so; the longest beginning counts.
pub(crate) fn by_prefix(key: &str) -> Option<&'static Vendor> {
    ALL.iter()
        .flat_map(|vendor| vendor.prefixes.iter().map(move |prefix| (prefix, vendor)))
        .filter(|(prefix, _)| key.starts_with(**prefix))
        .max_by_key(|(prefix, vendor)| (prefix.len(), vendor.address.is_some()))
        .map(|(_, vendor)| vendor)
}

impl Vendor {
    /// Whether a key looks like one of this vendor's; true where that cannot be told.
    pub(crate) fn fits(&self, key: &str) -> bool {
        self.prefixes.is_empty()
            || by_prefix(key).is_some_and(|vendor| vendor.prefixes == self.prefixes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_whose_it_is() {
        for (key, kind) in [
            ("sk-ant-api03-x", Some("anthropic")),
            ("sk-proj-x", Some("openai")),
            ("AIzaSyx", Some("gemini")),
            ("AKIAx", Some("bedrock")),
            ("hello", None),
        ] {
            assert_eq!(by_prefix(key).map(|vendor| vendor.kind), kind, "{key}");
        }
        assert!(!of("openai").unwrap().fits("sk-ant-api03-x"));
        assert!(of("openai-responses").unwrap().fits("sk-proj-x"));
        assert!(of("ollama").unwrap().fits("anything"));
    }
}
