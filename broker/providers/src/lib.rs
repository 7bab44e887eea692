//! Codecs for model vendors: a completion becomes an [`Outbound`], and the bytes that come back
//! become an answer. One folder per provider, one line in [`KINDS`].
//!
//! Nothing here opens a connection, reads a clock or a file, or sees a secret: `egress` is the only
//! sender. What comes back from a vendor is hostile text until it is parsed, and parsed text is
//! still only text: nothing in an answer is acted on here.

pub mod codec;
pub mod offline;
mod outbound;

pub use codec::{Blobs, Codec, Decode, DecodeError, Endpoint, Piece, RequestError, Trouble, Usual};
pub use outbound::{Attach, Limits, Method, Origin, Outbound};

/// One kind of provider that this build knows.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Its name, as `kind = "…"` of `[providers]` spells it.
    pub name: &'static str,
    /// What it is, in one line for a person.
    pub what: &'static str,
    /// What holds where the configuration is silent.
    pub usual: Usual,
    /// Its protocol.
    pub codec: &'static dyn Codec,
}

macro_rules! folders {
    ($($folder:ident,)+) => {
        $(pub mod $folder;)+
        /// Every folder's kinds; `offline` needs no provider and is none.
        pub const KINDS: &[&[Kind]] = &[$($folder::KINDS),+];
    };
}

// To add a provider: its folder and its line here.
folders! {
    anthropic,
    bedrock,
    gemini,
    ollama,
    openai_compatible,
    openai_responses,
    venice,
}

/// Every kind.
pub fn kinds() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().copied().flatten()
}

/// The kind of this name; `None` where this build has none.
pub fn kind(name: &str) -> Option<&'static Kind> {
    kinds().find(|kind| kind.name == name)
}
