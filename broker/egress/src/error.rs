//! What can go wrong while sending: one variant for each thing an owner would do about it.

use bytes::Bytes;
use std::net::SocketAddr;

/// Why there is no sender.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The origin is not on this machine.
    #[error(
        "{0} is not an address and port on this machine\n  remedy: give a loopback address as base-url"
    )]
    NotLoopback(SocketAddr),
    /// The HTTP client was not made.
    #[error(
        "the HTTP client could not be made: {0}\n  remedy: check the limits on open files and memory"
    )]
    Client(String),
}

/// Why a request was not sent or its answer not received in full.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It goes where this sender may not send.
    #[error(
        "sending to {wanted} is not allowed\n  remedy: only the origin of the configured route is; restart after changing it"
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
    /// The request cannot be put into HTTP.
    #[error(
        "the request cannot be sent, because of {what}\n  remedy: check base-url and the model's name"
    )]
    Unusable {
        /// Which part.
        what: String,
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
    #[error(
        "the model server redirects to {target:?}, which is not followed\n  remedy: give the final address as base-url"
    )]
    Redirect {
        /// Where to, at most 300 characters without control characters.
        target: String,
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
        /// The header of that name.
        retry_after: Option<String>,
        /// At most 64 KiB of the body.
        body: Bytes,
    },
}

/// An error of the client after the connection stood.
pub(crate) fn broken(error: &reqwest::Error) -> SendError {
    let cause = chain(error);
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

/// An error with its causes. Addresses are left out of it: they may carry more than an origin.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
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
