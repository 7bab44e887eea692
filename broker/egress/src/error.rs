//! What can go wrong while sending: one variant for each thing an owner would do about it. No text of an error
//! holds a query, the value of a header, or a secret.

use crate::attach::AttachError;
use crate::client::Unresolved;
use crate::guard::Refused;
use crate::settings::LendError;
use bytes::Bytes;
use std::error::Error;
use std::fmt;

/// Why there is no sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// A place that may be sent to is not on the public internet, and not named as private either.
    #[error("{origin} cannot be sent to: {refused}")]
    Origin {
        /// Which.
        origin: String,
        /// Why.
        refused: Refused,
    },
    /// The owner's own certificate authorities.
    #[error(
        "the additional certificate authorities cannot be used: {0}\n  remedy: give PEM text with the certificates of authorities"
    )]
    Authorities(String),
    /// The proxy's address.
    #[error(
        "the proxy cannot be used: {0}\n  remedy: give http://HOST:PORT or https://HOST:PORT, without name and password"
    )]
    Proxy(String),
    /// The HTTP client was not made.
    #[error(
        "the HTTP client could not be made: {0}\n  remedy: check the limits on open files and memory"
    )]
    Client(String),
}

/// Why a request was not sent or its answer not received in full.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Everything was stopped.
    #[error("sending is stopped\n  remedy: `carapace restart` when you are sure")]
    Stopped,
    /// It goes where this sender may not send.
    #[error(
        "sending to {wanted} is not allowed\n  remedy: only origins of the configuration are; restart after changing it"
    )]
    WrongOrigin {
        /// Where it was to go.
        wanted: String,
    },
    /// The record names another origin.
    #[error(
        "the recorded call goes to {recorded}, the request to {wanted}; nothing was sent\n  remedy: report this, it is a fault of the broker"
    )]
    NotRecorded {
        /// What was recorded.
        recorded: String,
        /// Where it was to go.
        wanted: String,
    },
    /// The record names another secret.
    #[error(
        "the recorded call carries {recorded}, the request {wanted}; nothing was sent\n  remedy: report this, it is a fault of the broker"
    )]
    SecretNotRecorded {
        /// The secret's name in the record.
        recorded: String,
        /// Its name in the request.
        wanted: String,
    },
    /// The guard refused the address, or what its name resolved to.
    #[error("the request was not sent: {0}")]
    Guard(#[from] Refused),
    /// The request cannot be put into HTTP.
    #[error(
        "the request cannot be sent, because of {what}\n  remedy: check base-url and the model's name"
    )]
    Unusable {
        /// Which part.
        what: String,
    },
    /// The secret was not to be had.
    #[error("the secret {secret} was not lent: {cause}")]
    Lend {
        /// Its name.
        secret: String,
        /// What the vault said.
        cause: LendError,
    },
    /// The secret does not fit the request.
    #[error("the secret {secret} was not used: {cause}")]
    Attach {
        /// Its name.
        secret: String,
        /// Why.
        cause: AttachError,
    },
    /// The name has no address.
    #[error(
        "the name of {origin} was not resolved: {cause}\n  remedy: check the name, the network and the resolver"
    )]
    Resolve {
        /// Where.
        origin: String,
        /// What the resolver said.
        cause: String,
    },
    /// Nobody took the connection.
    #[error(
        "no connection to {origin}: {cause}\n  remedy: start the model server there, or change base-url or model.route"
    )]
    Connect {
        /// Where.
        origin: String,
        /// What the system said.
        cause: String,
    },
    /// The other side is not who it should be, or does not speak TLS.
    #[error(
        "no trusted connection to {origin}: {cause}\n  remedy: check the address and the clock; for a server with a certificate of your own, configure its authority"
    )]
    Tls {
        /// Where.
        origin: String,
        /// What is wrong with its certificate or its TLS.
        cause: String,
    },
    /// No first byte in time.
    #[error(
        "the model server sent nothing within {0} ms\n  remedy: raise first-byte-ms, or use a smaller model"
    )]
    FirstByte(u128),
    /// Not complete in time.
    #[error(
        "the answer was not complete within {0} ms\n  remedy: raise deadline-ms, or ask for less"
    )]
    Deadline(u128),
    /// The server sends elsewhere; that is not followed.
    #[error("the model server redirects to {host:?}{}, which is not followed\n  remedy: give the final address as base-url, if it is one that you trust", to_what(.refused))]
    Redirect {
        /// The host, at most 253 characters.
        host: String,
        /// What the guard says to the new address; `None` where it would pass.
        refused: Option<Refused>,
    },
    /// More bytes than allowed.
    #[error("the answer is larger than {limit} bytes\n  remedy: check what answers at base-url")]
    TooLarge {
        /// The cap.
        limit: u64,
    },
    /// The connection ended within the answer.
    #[error(
        "the connection ended before the answer did: {0}\n  remedy: try again; if it happens always, look at the server's own log"
    )]
    Cut(String),
    /// What came is not HTTP.
    #[error("what came back is not HTTP: {0}\n  remedy: check that base-url names a model server")]
    NotHttp(String),
    /// The server refused; the provider's `refusal` reads the body.
    #[error(
        "the model server answered with status {status}\n  remedy: look at the server's own log"
    )]
    Status {
        /// The HTTP status.
        status: u16,
        /// The header of that name: seconds or a date.
        retry_after: Option<String>,
        /// At most 64 KiB of the body. The server wrote it and knows the secret: scrub it before it is shown.
        body: Bytes,
    },
    /// The error's own text would have repeated the secret.
    #[error(
        "the server's answer failed and repeated the secret in a place where it does not belong\n  remedy: check what answers at base-url, and change the secret if it is not yours"
    )]
    Withheld,
}

impl SendError {
    /// Whether it is certain that no byte of the request has left this machine.
    pub fn nothing_left(&self) -> bool {
        matches!(
            self,
            Self::WrongOrigin { .. }
                | Self::NotRecorded { .. }
                | Self::SecretNotRecorded { .. }
                | Self::Guard(_)
                | Self::Unusable { .. }
                | Self::Lend { .. }
                | Self::Attach { .. }
                | Self::Resolve { .. }
                | Self::Connect { .. }
                | Self::Tls { .. }
        )
    }
}

/// As the text says it, with the status and the size of a body instead of its bytes.
impl fmt::Debug for SendError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_string();
        let line = first_line(&text);
        match self {
            Self::Status {
                retry_after, body, ..
            } => write!(
                out,
                "SendError({line}; retry after {retry_after:?}; {} bytes)",
                body.len()
            ),
            _ => write!(out, "SendError({line})"),
        }
    }
}

fn to_what(refused: &Option<Refused>) -> String {
    match refused {
        None => String::new(),
        Some(Refused::Address { why, .. } | Refused::Name { why, .. }) => format!(" ({why})"),
        Some(other) => {
            let text = other.to_string();
            format!(" ({})", first_line(&text))
        }
    }
}

/// Without the remedy below it.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// An error of the client before or while the connection was made.
pub(crate) fn unconnected(error: reqwest::Error, origin: String) -> SendError {
    // What comes later may be a fault of TLS too, but then the request has left.
    if !error.is_connect() {
        return broken(error);
    }
    // The client's own text names the whole address.
    let error = error.without_url();
    if let Some(refused) = find::<Refused>(&error) {
        return SendError::Guard(refused.clone());
    }
    if let Some(unresolved) = find::<Unresolved>(&error) {
        return SendError::Resolve {
            origin,
            cause: shown(first_line(&unresolved.0)),
        };
    }
    if let Some(tls) = find::<rustls::Error>(&error) {
        return SendError::Tls {
            origin,
            cause: shown(&tls.to_string()),
        };
    }
    SendError::Connect {
        origin,
        cause: chain(&error),
    }
}

/// An error of the client after the connection stood.
pub(crate) fn broken(error: reqwest::Error) -> SendError {
    let cause = chain(&error.without_url());
    // The client does not export its parser's error type; what it cannot parse it calls "invalid".
    let not_http = [
        "invalid HTTP",
        "invalid header",
        "message head is too large",
        "invalid content-length",
        "invalid chunk",
    ];
    if not_http
        .iter()
        .any(|words| cause.to_lowercase().contains(&words.to_lowercase()))
    {
        SendError::NotHttp(cause)
    } else {
        SendError::Cut(cause)
    }
}

/// The cause of this type, also where an I/O error carries it.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        // What an I/O error carries is not its source, so it is looked into.
        next = match error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// The last cause of an error.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    shown(&last.to_string())
}

/// At most 300 characters, no control characters.
pub(crate) fn shown(text: &str) -> String {
    text.chars()
        .take(300)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
