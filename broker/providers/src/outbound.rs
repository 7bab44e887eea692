//! A request as data: everything `egress` needs to send it and to know when to give up.

use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What is done with the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Asks.
    Get,
    /// Sends a body.
    Post,
}

/// When the sender gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until the first byte of the answer's body.
    pub first_byte: Duration,
    /// Until the answer is complete.
    pub deadline: Duration,
    /// The most bytes of an answer's body.
    pub response_bytes: u64,
    /// The longest line of a stream, in bytes; kept by the decoder.
    pub line_bytes: usize,
}

/// One request, ready to be judged, recorded and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    /// What is done.
    pub method: Method,
    /// The whole address. Its host is the literal address of `origin`, never a name.
    pub url: String,
    /// Headers, in order. None of them carries a secret.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
    /// Where it goes: what is connected to.
    pub origin: (IpAddr, u16),
    /// When to give up.
    pub limits: Limits,
}

impl Outbound {
    /// [`origin_text`] of this request's origin.
    pub fn origin_text(&self) -> String {
        origin_text(self.origin)
    }
}

/// An origin as a recorded model call names it: `http://127.0.0.1:11434`, `http://[::1]:8080`.
/// The port is always there.
pub fn origin_text((address, port): (IpAddr, u16)) -> String {
    format!("http://{}", SocketAddr::new(address, port))
}
