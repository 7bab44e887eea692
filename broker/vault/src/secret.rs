//! The values themselves. Zeroed when dropped, silent in `Debug`, compared in constant time by nobody: they are
//! not compared.

use std::fmt;
use zeroize::Zeroizing;

/// Bytes that nobody but the sender and the scrubber may look at.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes. Whoever calls this answers for where they go.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Their number.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes().to_vec())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Secret({} bytes)", self.0.len())
    }
}

/// What a secret's name stands for.
#[derive(Debug, Clone)]
pub enum Credential {
    /// One value: an API key, a token, a password.
    Key(Secret),
    /// What AWS gives a program to sign with.
    Aws {
        /// Names the key.
        access_key_id: Secret,
        /// Signs.
        secret_access_key: Secret,
        /// With temporary credentials.
        session_token: Option<Secret>,
    },
    /// An OAuth login.
    Oauth {
        /// Sent as bearer.
        access_token: Secret,
        /// Buys the next access token.
        refresh_token: Option<Secret>,
        /// Seconds since 1970 when the access token ends; `None` where it is not said.
        expires: Option<i64>,
    },
}

impl Credential {
    /// Every value in it, for the scrubber.
    pub fn values(&self) -> Vec<&Secret> {
        match self {
            Self::Key(value) => vec![value],
            Self::Aws {
                access_key_id,
                secret_access_key,
                session_token,
            } => [
                Some(access_key_id),
                Some(secret_access_key),
                session_token.as_ref(),
            ]
            .into_iter()
            .flatten()
            .collect(),
            Self::Oauth {
                access_token,
                refresh_token,
                ..
            } => [Some(access_token), refresh_token.as_ref()]
                .into_iter()
                .flatten()
                .collect(),
        }
    }
}
