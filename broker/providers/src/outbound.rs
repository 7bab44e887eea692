//! A request as data: everything `egress` needs to send it and to know when to give up. The
//! secret is in it by name only.

use bytes::Bytes;
use carapace_contract::id::SecretName;
use std::fmt;
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
}

/// How a secret is put on a request, by the sender, as the last thing before it goes out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Attach {
    /// `Authorization: Bearer SECRET`.
    Bearer {
        /// Which secret.
        secret: SecretName,
    },
    /// A header of its own.
    Header {
        /// The header's name, lower case.
        name: &'static str,
        /// What stands before the secret in it.
        before: &'static str,
        /// Which secret.
        secret: SecretName,
    },
    /// A parameter of the query.
    Query {
        /// The parameter's name.
        name: &'static str,
        /// Which secret.
        secret: SecretName,
    },
    /// The access token of an OAuth login, as bearer.
    Oauth {
        /// Which login.
        secret: SecretName,
    },
    /// AWS Signature Version 4 over method, path, query, headers and body.
    Sigv4 {
        /// Which AWS credentials.
        secret: SecretName,
        /// The region in the signature's scope.
        region: String,
        /// The service in the signature's scope.
        service: &'static str,
    },
}

impl Attach {
    /// The same way with another secret.
    #[must_use]
    pub fn with(mut self, other: SecretName) -> Self {
        match &mut self {
            Self::Bearer { secret }
            | Self::Header { secret, .. }
            | Self::Query { secret, .. }
            | Self::Oauth { secret }
            | Self::Sigv4 { secret, .. } => *secret = other,
        }
        self
    }

    /// Which secret it is.
    pub fn secret(&self) -> &SecretName {
        match self {
            Self::Bearer { secret }
            | Self::Header { secret, .. }
            | Self::Query { secret, .. }
            | Self::Oauth { secret }
            | Self::Sigv4 { secret, .. } => secret,
        }
    }
}

/// One request, ready to be judged, recorded and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    /// What is done.
    pub method: Method,
    /// The whole address, absolute.
    pub url: String,
    /// Headers, in order, names in lower case. None of them carries a secret.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
    /// The secret that is put on it.
    pub attach: Option<Attach>,
    /// When to give up.
    pub limits: Limits,
}

impl Outbound {
    /// Where it goes.
    ///
    /// # Errors
    /// Says in words what is wrong with the address.
    pub fn origin(&self) -> Result<Origin, String> {
        Origin::of(&self.url)
    }
}

/// Where a request goes: scheme, host and port, in one spelling. `https://api.example.com:443`,
/// `http://127.0.0.1:11434`, `http://[::1]:8080`; the port is always there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    https: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of an address: https, or plain http to a literal loopback address or `localhost`,
    /// which becomes `127.0.0.1`, so that no resolver is asked for it.
    ///
    /// # Errors
    /// Says in words what is wrong with it: another scheme, credentials, a host that is no host.
    pub fn of(address: &str) -> Result<Self, String> {
        let shown: String = address.chars().take(200).collect();
        if address.len() > 2048 {
            return Err("it is longer than 2048 bytes".to_owned());
        }
        let url = url::Url::parse(address).map_err(|error| format!("{shown:?}: {error}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it carries credentials".to_owned());
        }
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            other => return Err(format!("{other} is neither https nor http")),
        };
        let host = match url.host() {
            Some(url::Host::Domain("localhost")) => "127.0.0.1".to_owned(),
            Some(host) => host.to_string(),
            None => return Err(format!("{shown:?} has no host")),
        };
        let port = url
            .port_or_known_default()
            .filter(|port| *port != 0)
            .ok_or_else(|| format!("{shown:?} has no valid port"))?;
        let origin = Self { https, host, port };
        if !https && !origin.is_loopback() {
            return Err(format!(
                "{shown:?} is plain http, which is for this machine only"
            ));
        }
        Ok(origin)
    }

    /// Whether TLS is used.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// The host: a name in lower case and ASCII, an IPv4 address, or an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host as a literal address.
    pub fn address(&self) -> Option<std::net::IpAddr> {
        self.host.trim_matches(['[', ']']).parse().ok()
    }

    /// Whether it is a literal address of this machine.
    pub fn is_loopback(&self) -> bool {
        self.address().is_some_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(out, "{scheme}://{}:{}", self.host, self.port)
    }
}
