//! What a sender is made of: places, certificates, a proxy, and the two parties it depends on.

use carapace_contract::id::SecretName;
use carapace_policy::{ModelCall, OwnSend};
use carapace_providers::Origin;
use carapace_vault::Credential;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

/// Where a sender may send and with whose help.
#[derive(Clone)]
pub struct Settings {
    /// Where it may send; nowhere else. Origins on this machine may be plain http.
    pub allowed: Vec<Origin>,
    /// Those of [`allowed`](Self::allowed) that may be in a private network: exactly these origins.
    pub private_origins: Vec<Origin>,
    /// Whether tools may ask for pages anywhere on the public internet, and which private origins they may
    /// ask besides.
    pub pages: Option<Vec<Origin>>,
    /// Certificate authorities besides Mozilla's, as PEM.
    pub ca_pem: Option<String>,
    /// `http://HOST:PORT` or `https://HOST:PORT`: everything but private origins and this machine goes through it.
    /// The proxy resolves names then, so what they lead to is in its hands.
    pub proxy: Option<String>,
    /// Who is asked for the addresses of a name.
    pub resolver: Arc<dyn Resolve>,
    /// Who is asked for secrets.
    pub lender: Rc<dyn Lender>,
}

/// Turns names into addresses. What it says is checked, not trusted.
pub trait Resolve: Send + Sync {
    /// All addresses of a host, or in words why there are none.
    fn resolve(&self, host: String) -> BoxFuture<'static, Result<Vec<IpAddr>, String>>;
}

/// Lends secrets.
pub trait Lender {
    /// The credential of this name, for use at this origin.
    fn lend(
        &self,
        secret: &SecretName,
        origin: &Origin,
    ) -> LocalBoxFuture<'_, Result<Credential, LendError>>;

    /// Is told of every value that was computed from a secret (a signature, the text of a header), before it goes
    /// out, so that it is scrubbed from what comes back.
    fn derived(&self, secret: &SecretName, value: &[u8]);
}

/// Why a secret was not lent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LendError {
    /// In words, with a remedy, without any byte of a secret.
    pub message: String,
    /// Whether it may be different in a moment.
    pub retriable: bool,
}

/// What is judged and recorded of a request, as far as the sender compares it.
pub trait Addressed {
    /// Where it goes, as `Origin` writes it; `None` for nowhere.
    fn origin(&self) -> Option<&str>;
    /// The secret that is on it.
    fn secret(&self) -> Option<&SecretName>;
}

impl Addressed for ModelCall {
    fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    fn secret(&self) -> Option<&SecretName> {
        self.secret.as_ref()
    }
}

impl Addressed for OwnSend {
    fn origin(&self) -> Option<&str> {
        Some(&self.origin)
    }

    fn secret(&self) -> Option<&SecretName> {
        self.secret.as_ref()
    }
}
