//! Puts a secret on a request, as the last thing before it goes out. Every header that carries one is marked
//! sensitive; every value that was computed from one is handed back, so that the scrubber learns it first.
//!
//! The request holds copies that the HTTP client frees without zeroing them.

mod sigv4;

use carapace_providers::Attach;
use carapace_vault::{Credential, Secret};
use reqwest::Request;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use std::time::SystemTime;
use zeroize::Zeroizing;

/// Why a secret was not put on a request. None of the texts holds a byte of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    /// Another kind of secret is stored under the name.
    #[error(
        "the request needs {wants}, and what is stored is {has}\n  remedy: store the right kind with `carapace auth`, or change `auth` of the provider"
    )]
    Kind {
        /// What the request needs.
        wants: &'static str,
        /// What the vault lent.
        has: &'static str,
    },
    /// It is empty, or has line breaks, NUL or other characters that the place cannot hold.
    #[error(
        "the secret cannot be put {place}: it is empty or has characters that do not belong there\n  remedy: store it again with `carapace auth`, without line breaks"
    )]
    Bytes {
        /// Where it was to go.
        place: &'static str,
    },
    /// The request already has something in that place.
    #[error("the request already has {0}\n  remedy: report this, it is a fault of the broker")]
    Taken(String),
    /// The signature was not made.
    #[error(
        "the request could not be signed: {0}\n  remedy: check region and service of the provider"
    )]
    Signing(&'static str),
}

/// Values that must not come back: the secret itself and what was computed from it.
pub(crate) type Derived = Vec<Zeroizing<Vec<u8>>>;

/// Puts it on, and returns what was computed from it.
///
/// # Errors
/// [`AttachError`]; the request is not to be sent then.
pub(crate) fn attach(
    request: &mut Request,
    attach: &Attach,
    credential: &Credential,
    now: SystemTime,
) -> Result<Derived, AttachError> {
    match (attach, credential) {
        (Attach::Bearer { .. }, Credential::Key(key)) => {
            header(request, AUTHORIZATION, "Bearer ", key)
        }
        (Attach::Oauth { .. }, Credential::Oauth { access_token, .. }) => {
            header(request, AUTHORIZATION, "Bearer ", access_token)
        }
        (Attach::Header { name, before, .. }, Credential::Key(key)) => {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| AttachError::Taken(format!("no place for a header {name:?}")))?;
            header(request, name, before, key)
        }
        (Attach::Query { name, .. }, Credential::Key(key)) => query(request, name, key),
        (
            Attach::Sigv4 {
                region, service, ..
            },
            Credential::Aws {
                access_key_id,
                secret_access_key,
                session_token,
            },
        ) => {
            let keys = sigv4::Keys {
                id: plain(access_key_id)?,
                secret: plain(secret_access_key)?,
                session: session_token.as_ref().map(plain).transpose()?,
            };
            sigv4::sign(request, region, service, &keys, now)
        }
        (attach, credential) => Err(AttachError::Kind {
            wants: match attach {
                Attach::Bearer { .. } | Attach::Header { .. } | Attach::Query { .. } => "a key",
                Attach::Oauth { .. } => "an OAuth login",
                Attach::Sigv4 { .. } => "AWS credentials",
            },
            has: match credential {
                Credential::Key(_) => "a key",
                Credential::Oauth { .. } => "an OAuth login",
                Credential::Aws { .. } => "AWS credentials",
            },
        }),
    }
}

fn header(
    request: &mut Request,
    name: HeaderName,
    before: &str,
    secret: &Secret,
) -> Result<Derived, AttachError> {
    let text = Zeroizing::new([before.as_bytes(), plain(secret)?.as_bytes()].concat());
    put(request, name, &text)?;
    Ok(if before.is_empty() {
        Derived::new()
    } else {
        vec![text]
    })
}

/// Sets a header that is not there yet, marked sensitive.
fn put(request: &mut Request, name: HeaderName, text: &[u8]) -> Result<(), AttachError> {
    if request.headers().contains_key(&name) {
        return Err(AttachError::Taken(format!("a header {name}")));
    }
    let mut value = HeaderValue::from_bytes(text).map_err(|_| AttachError::Bytes {
        place: "in a header",
    })?;
    value.set_sensitive(true);
    request.headers_mut().insert(name, value);
    Ok(())
}

fn query(request: &mut Request, name: &str, secret: &Secret) -> Result<Derived, AttachError> {
    if request.url().query_pairs().any(|(key, _)| key == name) {
        return Err(AttachError::Taken(format!("a parameter {name}")));
    }
    let value = plain(secret)?;
    request.url_mut().query_pairs_mut().append_pair(name, value);
    let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    Ok(if encoded == value {
        Derived::new()
    } else {
        vec![Zeroizing::new(encoded.into_bytes())]
    })
}

/// The secret as printable ASCII, which is what all vendors give out. Line breaks and NUL would end a header and
/// begin something else; spaces at an end would be cut on the way.
fn plain(secret: &Secret) -> Result<&str, AttachError> {
    let refused = AttachError::Bytes {
        place: "on a request",
    };
    let text = std::str::from_utf8(secret.expose()).map_err(|_| refused.clone())?;
    let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if text.is_empty() || !printable || text.trim() != text {
        return Err(refused);
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
