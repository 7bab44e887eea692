//! Codecs for model vendors: a completion becomes an [`Outbound`], and the bytes that come back
//! become an answer. One folder per provider, one line in [`KINDS`].
//!
//! Nothing here opens a connection, reads a clock or a file, or sees a secret: `egress` is the only
//! sender. What comes back from a vendor is hostile text until it is parsed, and parsed text is
//! still only text: nothing in an answer is acted on here.

pub mod offline;
pub mod openai_compatible;
mod outbound;

pub use outbound::{Limits, Method, Outbound, origin_text};

/// One provider that this build knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its name, as `kind = "…"` of `[providers]` spells it.
    pub name: &'static str,
    /// What it is, in one line for a person.
    pub what: &'static str,
    /// Whether it needs an address; the one without is the model inside the broker.
    pub remote: bool,
}

/// Every provider. To add one: its folder and its line here.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "offline",
        what: "no model: a small language of plain requests",
        remote: false,
    },
    Kind {
        name: "openai-compatible",
        what: "chat completions as Ollama, LM Studio, llama.cpp and vLLM serve them",
        remote: true,
    },
];
