//! A model call as it is judged and recorded: who, where to, how much. The conversation itself is
//! bound by its digest and stays with the sender.

use crate::ledger::{Amount, Spender};
use carapace_contract::effects::{Effects, Reach, Undo};
use carapace_contract::id::{CallId, Digest, EffectId, SecretName};
use carapace_contract::tool::Caller;
use std::sync::LazyLock;

/// One request to a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelCall {
    /// The broker's name for this effect.
    pub effect: EffectId,
    /// Who called.
    pub caller: Caller,
    /// What the caller calls it; unique within its turn.
    pub call: CallId,
    /// The session's route: `offline`, `PROVIDER:MODEL` or a name of `[routes]`.
    pub route: String,
    /// The model that is asked: `offline` or `PROVIDER:MODEL`.
    pub model: String,
    /// Where the bytes go (`https://HOST:PORT`); `None` for the model inside the broker.
    pub origin: Option<String>,
    /// The secret that is on the request, by name.
    pub secret: Option<SecretName>,
    /// Where the message came in.
    pub channel: String,
    /// Digest of the canonical request.
    pub completion: Digest,
    /// Size of the request in bytes.
    pub bytes: u64,
    /// The tokens it will use by a fair estimate, read and written: what is reserved in the turn.
    pub tokens: u64,
    /// The most that it can cost: what is reserved in the budgets.
    pub worst: Amount,
}

impl ModelCall {
    /// What is bound by a permit for this call.
    pub fn digest(&self) -> Digest {
        // A struct of strings and numbers always serialises; the effect's own name is not part of what is asked.
        let bound = (
            &self.caller,
            &self.call,
            &self.route,
            (&self.model, &self.origin, &self.secret),
            &self.completion,
            self.bytes,
            (self.tokens, self.worst.usd, self.worst.tokens),
        );
        Digest::of(&serde_json_canonicalizer::to_vec(&bound).expect("a model call serialises"))
    }

    /// Who spends on it.
    pub fn spender(&self) -> Spender {
        Spender {
            session: self.caller.session,
            group: self.caller.group.clone(),
            channel: self.channel.clone(),
        }
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
    undo: Undo::Nothing,
    idempotent: true,
    ..Effects::default()
});

static PROVIDER: LazyLock<Effects> = LazyLock::new(|| Effects {
    reads: Reach::Internet,
    writes: Reach::Internet,
    egress: vec!["messages".to_owned()],
    recipients: vec!["route".to_owned()],
    undo: Undo::Impossible,
    idempotent: true,
    ..Effects::default()
});
