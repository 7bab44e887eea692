//! A request that the broker makes by itself or for the owner at the control socket: a test of a
//! key, a list of models, a login, a renewal. It carries nothing that a confined process wrote.

use carapace_contract::effects::{Effects, Reach, Undo};
use carapace_contract::id::{Digest, EffectId, SecretName};
use serde::Serialize;
use std::sync::LazyLock;

/// Why it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// The owner tries a key.
    Test,
    /// The owner wants to know a provider's models.
    Models,
    /// The owner logs in.
    Login,
    /// An access token has ended.
    Renewal,
}

impl Purpose {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Models => "models",
            Self::Login => "login",
            Self::Renewal => "renewal",
        }
    }
}

/// One such request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnSend {
    /// The broker's name for this effect.
    pub effect: EffectId,
    /// Why.
    pub purpose: Purpose,
    /// Where to: scheme, host and port.
    pub origin: String,
    /// The secret that is on it, by name.
    pub secret: Option<SecretName>,
    /// The login whose code or refresh token is in its body, by name.
    pub carries: Option<SecretName>,
    /// Digest of method, address and body, without what is attached.
    pub request: Digest,
    /// Bytes of its body.
    pub bytes: u64,
}

impl OwnSend {
    /// What is bound by a permit for it.
    pub fn digest(&self) -> Digest {
        let bound = (
            self.purpose,
            &self.origin,
            &self.secret,
            &self.carries,
            &self.request,
            self.bytes,
        );
        // A tuple of strings and numbers always serialises.
        Digest::of(&serde_json_canonicalizer::to_vec(&bound).expect("a request serialises"))
    }

    /// What it does to the world.
    pub fn effects(&self) -> &Effects {
        &OWN
    }
}

static OWN: LazyLock<Effects> = LazyLock::new(|| Effects {
    reads: Reach::Internet,
    writes: Reach::Internet,
    recipients: vec!["origin".to_owned()],
    undo: Undo::Impossible,
    idempotent: true,
    ..Effects::default()
});
