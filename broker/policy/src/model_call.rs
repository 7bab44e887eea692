//! A model call as it is judged and recorded: who, where to, how much. The conversation itself is
//! bound by its digest and stays with the sender.

use carapace_contract::effects::{Effects, Reach, Undo};
use carapace_contract::id::{CallId, Digest, EffectId};
use carapace_contract::tool::Caller;
use serde::Serialize;
use std::sync::LazyLock;

/// One request to a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelCall {
    /// The broker's name for this effect.
    pub effect: EffectId,
    /// Who called.
    pub caller: Caller,
    /// What the caller calls it; unique within its turn.
    pub call: CallId,
    /// The route it will take: `offline` or `PROVIDER:MODEL`.
    pub route: String,
    /// Where the bytes go (`http://HOST:PORT`); `None` for the model inside the broker.
    pub origin: Option<String>,
    /// Digest of the canonical request.
    pub completion: Digest,
    /// Size of the request in bytes.
    pub bytes: u64,
    /// The most tokens it may use, read and written: what is reserved for it.
    pub tokens: u64,
}

impl ModelCall {
    /// What is bound by a permit for this call.
    pub fn digest(&self) -> Digest {
        // A struct of strings and numbers always serialises; the effect's own name is not part of what is asked.
        let bound = (
            &self.caller,
            &self.call,
            &self.route,
            &self.origin,
            &self.completion,
            self.bytes,
            self.tokens,
        );
        Digest::of(&serde_json_canonicalizer::to_vec(&bound).expect("a model call serialises"))
    }

    /// What it does to the world: nothing where the model is in the broker, else the conversation
    /// leaves for a recipient and untrusted bytes come back. Asking a model twice does nothing
    /// twice but cost.
    pub fn effects(&self) -> &Effects {
        if self.origin.is_some() {
            &PROVIDER
        } else {
            &OFFLINE
        }
    }
}

static OFFLINE: LazyLock<Effects> = LazyLock::new(|| Effects {
    reads: Reach::None,
    writes: Reach::None,
    egress: Vec::new(),
    recipients: Vec::new(),
    undo: Undo::Nothing,
    idempotent: true,
});

static PROVIDER: LazyLock<Effects> = LazyLock::new(|| Effects {
    reads: Reach::Internet,
    writes: Reach::Internet,
    egress: vec!["messages".to_owned()],
    recipients: vec!["route".to_owned()],
    undo: Undo::Impossible,
    idempotent: true,
});
