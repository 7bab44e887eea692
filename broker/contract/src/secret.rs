//! Secrets on their way from the person to the vault: the control socket carries them, nothing
//! else does. A value shows nothing of itself in `Debug` and is zeroed when it is dropped.

use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The most bytes of one secret value.
pub const MAX_SECRET: usize = 64 * 1024;

/// Text that must not be seen.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// From text; the text moves in and is zeroed with it.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text. Whoever calls this answers for where it goes.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SecretText({} bytes)", self.0.len())
    }
}

/// A secret that a person hands over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum NewSecret {
    /// One value: an API key, a token, a password.
    Key {
        /// The value.
        value: SecretText,
    },
    /// What AWS gives a program to sign with.
    Aws {
        /// Names the key; goes out in the open, but is kept here all the same.
        access_key_id: SecretText,
        /// Signs.
        secret_access_key: SecretText,
        /// With temporary credentials.
        #[serde(default)]
        session_token: Option<SecretText>,
    },
    /// OAuth tokens from elsewhere (an import).
    Oauth {
        /// Sent as bearer.
        access_token: SecretText,
        /// Buys the next access token.
        #[serde(default)]
        refresh_token: Option<SecretText>,
        /// Seconds since 1970 when the access token ends; `None` where it is not said.
        #[serde(default)]
        expires: Option<i64>,
    },
    /// It stays where it is and is read on demand by a helper: `[[secret]]` of `cage.toml` says how.
    External {},
}

/// How the vault's key is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "with", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Protect {
    /// Derived from a passphrase; the vault is locked until it is typed.
    Passphrase {
        /// The passphrase, at least 8 bytes.
        passphrase: SecretText,
    },
    /// In a file of the home that is not in the state folder. It protects copies of the state folder only.
    KeyFile {
        /// The key that the cli wrote to the file: 64 hexadecimal digits.
        key: SecretText,
    },
    /// In the keyring of the desktop session (Secret Service).
    Keyring {
        /// The key that the cli put there: 64 hexadecimal digits.
        key: SecretText,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_in_debug() {
        let secret = NewSecret::Key {
            value: SecretText::new("sk-ant-api03-abcdef".to_owned()),
        };
        assert!(!format!("{secret:?}").contains("sk-ant"));
    }
}
