//! The keyring of the desktop session, over the Secret Service (specifications.freedesktop.org,
//! "Secret Service API"): GNOME Keyring, KWallet, KeePassXC. Items carry the attributes
//! `service = carapace` and `username = ACCOUNT`; the value travels encrypted over the bus.
//!
//! A service may ask the person at the screen for a password and so may never answer; each call has
//! a limit of time. A bus that is not a plain Unix socket is refused: among the other kinds of
//! address is one that starts a program.
//!
//! The client's own buffers for messages are not zeroed; they end with this process, which dumps no core.

use crate::failure::Exit;
use crate::limit::{self, PROBE, READING, Unanswered};
use crate::request::Account;
use crate::value::{Raw, Value};
use keyring_core::api::CredentialStoreApi;
use keyring_core::{Entry, Error};
use secret_service::EncryptionType;
use secret_service::blocking::SecretService;
use std::fmt;
use std::time::Duration;
use zbus_secret_service_keyring_store::Store;
use zeroize::Zeroizing;

/// The `service` attribute of all our items.
const SERVICE: &str = "carapace";

/// Where the bus is. Unset, it is the socket `bus` in `XDG_RUNTIME_DIR`.
const ADDRESS: &str = "DBUS_SESSION_BUS_ADDRESS";

/// The value of one item.
///
/// # Errors
/// [`KeyringError`].
pub fn read(account: Account) -> Result<Raw, KeyringError> {
    ask(READING, move || {
        Ok(Zeroizing::new(entry(&account)?.get_secret()?))
    })
}

/// Puts a value there, in place of the one that may be there, in the default collection if it is new.
///
/// # Errors
/// [`KeyringError`].
pub fn set(account: Account, value: Value) -> Result<(), KeyringError> {
    ask(READING, move || {
        Ok(entry(&account)?.set_secret(value.bytes())?)
    })
}

/// Removes one item.
///
/// # Errors
/// [`KeyringError`].
pub fn delete(account: Account) -> Result<(), KeyringError> {
    ask(READING, move || Ok(entry(&account)?.delete_credential()?))
}

/// Whether a Secret Service answers, and in what state; nobody is asked for a password.
///
/// # Errors
/// [`KeyringError::Absent`] if none answers, also if it is only late.
pub fn probe() -> Result<State, KeyringError> {
    ask(PROBE, || {
        let service = SecretService::connect(EncryptionType::Dh).map_err(absent)?;
        let collection = match service.get_default_collection() {
            Ok(collection) => collection,
            Err(secret_service::Error::NoResult) => return Ok(State::NoCollection),
            Err(error) => return Err(absent(error)),
        };
        Ok(if collection.is_locked().map_err(absent)? {
            State::Locked
        } else {
            State::Unlocked
        })
    })
    .map_err(|error| match error {
        KeyringError::TooLong => absent("no answer"),
        other => other,
    })
}

/// The state of a keyring that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It can be used now.
    Unlocked,
    /// It would ask for its password.
    Locked,
    /// It has no default collection: nobody has used it yet.
    NoCollection,
}

impl fmt::Display for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Unlocked => "unlocked",
            Self::Locked => "locked",
            Self::NoCollection => "no-collection",
        })
    }
}

fn ask<T: Send + 'static>(
    time: Duration,
    work: impl FnOnce() -> Result<T, KeyringError> + Send + 'static,
) -> Result<T, KeyringError> {
    let address = std::env::var(ADDRESS).unwrap_or_default();
    if !is_socket(&address) {
        return Err(KeyringError::Address);
    }
    limit::within(time, work).unwrap_or_else(|none| {
        Err(match none {
            Unanswered::Late => KeyringError::TooLong,
            Unanswered::Died => KeyringError::Failed("the client failed".to_owned()),
        })
    })
}

/// Whether all of the alternatives of a bus address are Unix sockets. None at all is the default
/// one, which is.
fn is_socket(address: &str) -> bool {
    address
        .split(';')
        .filter(|one| !one.is_empty())
        .all(|one| one.starts_with("unix:"))
}

fn entry(account: &Account) -> Result<Entry, KeyringError> {
    let store = Store::new().map_err(absent)?;
    Ok(store.build(SERVICE, account.text(), None)?)
}

fn absent(cause: impl fmt::Display) -> KeyringError {
    KeyringError::Absent(printable(cause))
}

/// The bus's own words, as one line that steers no terminal.
fn printable(cause: impl fmt::Display) -> String {
    let printable = |c: &char| c.is_ascii_graphic() || *c == ' ';
    cause
        .to_string()
        .chars()
        .filter(printable)
        .take(300)
        .collect()
}

/// Why the keyring did not do it.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The bus's address is not a Unix socket.
    #[error(
        "reach the keyring: DBUS_SESSION_BUS_ADDRESS names more than a Unix socket\n  remedy: start carapace in a desktop session, or set the address to unix:path=…"
    )]
    Address,
    /// No bus, or no Secret Service on it.
    #[error(
        "reach the keyring: {0}\n  remedy: start carapace in a desktop session with GNOME Keyring, KWallet or KeePassXC, or keep the secret in the vault"
    )]
    Absent(String),
    /// No item for this account.
    #[error(
        "read the keyring: it has no such item of carapace\n  remedy: store it there with `secret-tool store --label=carapace service carapace username ACCOUNT`"
    )]
    NotFound,
    /// Locked, and the question for its password was not answered.
    #[error(
        "open the keyring: {0}\n  remedy: unlock the keyring, or log in to the desktop session"
    )]
    Locked(String),
    /// Two items carry the same attributes.
    #[error(
        "read the keyring: more than one item has this account\n  remedy: remove the others with the keyring's own program"
    )]
    Ambiguous,
    /// Out of time, probably because somebody is asked for a password.
    #[error(
        "ask the keyring: no answer within 15 seconds\n  remedy: unlock the keyring first, then try again"
    )]
    TooLong,
    /// Anything else that the service says.
    #[error("ask the keyring: {0}\n  remedy: look at the item with the keyring's own program")]
    Failed(String),
}

impl From<Error> for KeyringError {
    fn from(error: Error) -> Self {
        // Some variants carry the value; only those that cannot are put into words.
        match error {
            Error::NoEntry => Self::NotFound,
            Error::NoStorageAccess(cause) => Self::Locked(printable(cause)),
            Error::PlatformFailure(cause) => Self::Failed(printable(cause)),
            Error::Ambiguous(_) => Self::Ambiguous,
            _ => Self::Failed("it answers with something that is no secret".to_owned()),
        }
    }
}

impl KeyringError {
    /// The status to exit with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Absent(_) | Self::Address => Exit::Missing,
            Self::NotFound => Exit::NotFound,
            Self::Locked(_) => Exit::Locked,
            Self::Ambiguous | Self::TooLong | Self::Failed(_) => Exit::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_are_addresses() {
        for address in [
            "",
            "unix:path=/run/user/1000/bus",
            "unix:abstract=/tmp/x,guid=00;unix:path=/a",
        ] {
            assert!(is_socket(address), "{address}");
        }
        for address in [
            "unixexec:path=/bin/sh",
            "tcp:host=192.0.2.1,port=1",
            "unix:path=/a;unixexec:path=/bin/sh",
            "autolaunch:",
            " unix:path=/a",
        ] {
            assert!(!is_socket(address), "{address}");
        }
    }

    #[test]
    fn a_value_in_an_error_is_not_told() {
        let error = KeyringError::from(Error::BadEncoding(b"sk-ant-api03".to_vec()));
        assert!(!format!("{error} {error:?}").contains("sk-ant"));
        assert!(!format!("{error:?}").contains("115, 107"));
    }
}
