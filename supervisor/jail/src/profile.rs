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
}

impl ProfileName {
    /// Every profile, in the order in which status views show them.
    pub const ALL: [Self; 3] = [Self::Worker, Self::Hands, Self::Broker];

    /// The name on command lines, in logs and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Hands => "hands",
            Self::Broker => "broker",
        }
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not the name of a profile.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("there is no profile {0:?}; the profiles are worker, hands and broker")]
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
