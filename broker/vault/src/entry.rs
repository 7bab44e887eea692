//! One secret with what is known about it, and what a new one must fulfil.

use crate::error::VaultError;
use crate::secret::Credential;
use carapace_contract::id::SecretName;
use carapace_contract::secret::MAX_SECRET;
use std::collections::BTreeMap;
use url::{Host, Url};

/// The most secrets in a vault.
pub const MAX_ENTRIES: usize = 100;
/// The most origins of one secret.
pub const MAX_ORIGINS: usize = 16;
/// Values with fewer bytes than this turn up by chance, so the scrubber leaves them alone.
pub const MIN_SCRUBBABLE: usize = 8;

/// The most bytes of an origin: a host name has 253.
const MAX_ORIGIN: usize = 300;

/// Every secret by its name.
pub(crate) type Entries = BTreeMap<SecretName, Entry>;

/// Where a secret's value is.
#[derive(Debug, Clone)]
pub enum Held {
    /// Here.
    Credential(Credential),
    /// In the backend that `cage.toml` names for it; fetched when it is used, never kept.
    External,
}

/// What a person wants kept.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// The value, or that it is elsewhere.
    pub held: Held,
    /// Whether its first use in each session needs the owner's yes.
    pub ask: bool,
    /// `https://HOST:PORT` (`http://` for literal loopback addresses) it may be sent to, as egress writes them; at
    /// most [`MAX_ORIGINS`]. With none it goes nowhere.
    pub origins: Vec<String>,
}

/// A secret in the vault.
#[derive(Debug, Clone)]
pub struct Entry {
    pub(crate) held: Held,
    pub(crate) pending: Option<Pending>,
    pub(crate) ask: bool,
    pub(crate) origins: Vec<String>,
    pub(crate) created: i64,
    pub(crate) rotated: Option<i64>,
    pub(crate) used: Option<i64>,
}

/// A newer value that was not tried yet.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) credential: Credential,
    pub(crate) staged: i64,
}

impl Entry {
    /// Whether its first use in each session needs the owner's yes.
    pub fn ask(&self) -> bool {
        self.ask
    }

    /// Where it may be sent.
    pub fn origins(&self) -> &[String] {
        &self.origins
    }

    /// Whether its value is kept elsewhere.
    pub fn is_external(&self) -> bool {
        matches!(self.held, Held::External)
    }

    /// Whether a newer value waits to be tried.
    pub fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// `key`, `aws`, `oauth`, `external`.
    pub fn kind(&self) -> &'static str {
        match &self.held {
            Held::Credential(Credential::Key(_)) => "key",
            Held::Credential(Credential::Aws { .. }) => "aws",
            Held::Credential(Credential::Oauth { .. }) => "oauth",
            Held::External => "external",
        }
    }

    /// Seconds since 1970 when its access token ends.
    pub fn expires(&self) -> Option<i64> {
        match &self.held {
            Held::Credential(Credential::Oauth { expires, .. }) => *expires,
            _ => None,
        }
    }

    /// Both values, the one in use first.
    pub(crate) fn credentials(&self) -> impl Iterator<Item = &Credential> {
        let held = match &self.held {
            Held::Credential(credential) => Some(credential),
            Held::External => None,
        };
        let pending = self.pending.as_ref().map(|pending| &pending.credential);
        held.into_iter().chain(pending)
    }

    pub(crate) fn row(&self, name: &SecretName) -> Row {
        Row {
            name: name.clone(),
            kind: self.kind(),
            created: self.created,
            rotated: self.rotated,
            last_used: self.used,
            expires: self.expires(),
            ask: self.ask,
            origins: self.origins.clone(),
            pending: self.pending.as_ref().map(|pending| pending.staged),
            too_short: self.credentials().any(too_short),
        }
    }
}

/// What may be shown of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: SecretName,
    /// `key`, `aws`, `oauth`, `external`.
    pub kind: &'static str,
    /// Seconds since 1970 when it was first stored.
    pub created: i64,
    /// Seconds since 1970 when its value was last replaced; `None` where it never was. A renewed login is not a
    /// replaced one.
    pub rotated: Option<i64>,
    /// Seconds since 1970 when it was last lent.
    pub last_used: Option<i64>,
    /// Seconds since 1970 when its access token ends.
    pub expires: Option<i64>,
    /// Whether its first use in each session needs the owner's yes.
    pub ask: bool,
    /// Where it may be sent.
    pub origins: Vec<String>,
    /// Seconds since 1970 when the newer value was staged that waits to be tried.
    pub pending: Option<i64>,
    /// Whether a value of it is too short to be scrubbed.
    pub too_short: bool,
}

/// Whether the scrubber leaves a value of it alone.
pub(crate) fn too_short(credential: &Credential) -> bool {
    credential
        .values()
        .iter()
        .any(|value| value.len() < MIN_SCRUBBABLE)
}

/// Values that can be kept.
///
/// # Errors
/// [`VaultError::Empty`], [`VaultError::TooLong`].
pub(crate) fn check_values(name: &SecretName, credential: &Credential) -> Result<(), VaultError> {
    for value in credential.values() {
        if value.is_empty() {
            return Err(VaultError::Empty { name: name.clone() });
        }
        if value.len() > MAX_SECRET {
            return Err(VaultError::TooLong {
                name: name.clone(),
                found: value.len(),
                limit: MAX_SECRET,
            });
        }
    }
    Ok(())
}

/// Origins that can be compared byte by byte.
///
/// # Errors
/// [`VaultError::BadOrigin`].
pub(crate) fn check_origins(name: &SecretName, origins: &[String]) -> Result<(), VaultError> {
    let bad = |problem| VaultError::BadOrigin {
        name: name.clone(),
        problem,
    };
    if origins.len() > MAX_ORIGINS {
        return Err(bad("there are more than 16"));
    }
    origins
        .iter()
        .try_for_each(|origin| check_origin(origin).map_err(bad))
}

/// Whether `text` is an origin in the one spelling that is compared; the words say what is wrong.
pub(crate) fn check_origin(text: &str) -> Result<(), &'static str> {
    if text.len() > MAX_ORIGIN {
        return Err("it is longer than 300 bytes");
    }
    let url = Url::parse(text).map_err(|_| "it is no address")?;
    let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
        return Err("it has no host or no port");
    };
    if text.contains('*') {
        return Err("it has a `*`, and origins are compared letter by letter");
    }
    let here = match &host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(_) => false,
    };
    match url.scheme() {
        "https" => {}
        "http" if here => {}
        _ => return Err("it is neither https nor a literal address of this machine"),
    }
    if port != 0 && text == format!("{}://{host}:{port}", url.scheme()) {
        Ok(())
    } else {
        Err("it is not written as scheme, host and port alone")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_spelling() {
        for good in [
            "https://api.example.com:443",
            "https://api.example.com:8443",
            "https://[2001:db8::1]:443",
            "http://127.0.0.1:11434",
            "http://[::1]:80",
        ] {
            assert_eq!(check_origin(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "https://api.example.com",
            "https://api.example.com:443/",
            "https://api.example.com:0443",
            "https://api.example.com:0",
            "https://API.example.com:443",
            "https://me@api.example.com:443",
            "https://api.example.com:443?x",
            "https://api.example.com:443#x",
            " https://api.example.com:443",
            "http://api.example.com:80",
            "http://localhost:80",
            "https://127.1:443",
            "ftp://api.example.com:21",
            "https://*.example.com:443",
            &format!("https://{}:443", "a".repeat(400)),
        ] {
            assert!(check_origin(bad).is_err(), "{bad}");
        }
    }
}
