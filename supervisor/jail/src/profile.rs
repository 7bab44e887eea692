//! The names of the cages. What each name means is in [`crate::filter`], [`crate::root`] and
//! [`crate::limits`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which cage a process gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileName {
    /// The mind of a session: its channel and nothing else.
    Worker,
    /// The hands of a session: a workspace, the system's programs read-only, no network.
    Hands,
    /// The holder of secrets: its state directory and the network, no exec.
    Broker,
    /// Asks name servers: datagrams and port 53, no file, no exec.
    Resolver,
    /// Reads one secret by a program of the owner: the owner's files, no network.
    Secret,
    /// The same for a program that asks a server of its own: with the host's network.
    SecretOnline,
}

impl ProfileName {
    /// Every profile, in the order in which status views show them.
    pub const ALL: [Self; 6] = [
        Self::Worker,
        Self::Hands,
        Self::Broker,
        Self::Resolver,
        Self::Secret,
        Self::SecretOnline,
    ];

    /// The name on command lines, in logs and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Hands => "hands",
            Self::Broker => "broker",
            Self::Resolver => "resolver",
            Self::Secret => "secret",
            Self::SecretOnline => "secret-online",
        }
    }

    /// Whether its program knows nothing of cages: it is held back until it was attested, and has
    /// no last lock of its own.
    pub fn is_held(self) -> bool {
        matches!(self, Self::Secret | Self::SecretOnline)
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not the name of a profile.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "there is no profile {0:?}; the profiles are worker, hands, broker, resolver, secret and secret-online"
)]
pub struct UnknownProfile(pub String);

impl FromStr for ProfileName {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.as_str() == text)
            .ok_or_else(|| UnknownProfile(text.to_owned()))
    }
}
