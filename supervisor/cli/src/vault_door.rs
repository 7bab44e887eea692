//! The vault at a start: told whether it is locked, and unlocked where the passphrase is at hand. A
//! locked vault keeps nothing from starting; only what needs a secret waits.

use crate::broker::{self, BrokerError};
use crate::command::Context;
use crate::screen::{self, neutral::line};
use crate::secret::input;
use carapace_contract::control::{Ask, Tell, VaultRow};
use carapace_contract::id::SecretName;
use carapace_contract::secret::SecretText;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The variable that may hold the passphrase.
pub(crate) const VARIABLE: &str = "CARAPACE_VAULT_PASSPHRASE";
/// The name of systemd's credential that may hold it.
const CREDENTIAL: &str = "vault-passphrase";
/// How often a person may try.
const TRIES: usize = 3;
/// For the broker to stretch a passphrase, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The vault's state after a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// It is open, or there is nothing to open.
    Open,
    /// It stays locked.
    Locked,
}

/// Where the passphrase may come from, beside a person.
pub(crate) fn at_hand(file: Option<&Path>) -> Option<Result<SecretText, input::InputError>> {
    if let Some(path) = file {
        return Some(input::file("the passphrase", path));
    }
    if let Some(value) = std::env::var(VARIABLE)
        .ok()
        .filter(|value| !value.is_empty())
    {
        return Some(Ok(SecretText::new(value)));
    }
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)?;
    let path = folder.join(CREDENTIAL);
    path.is_file().then(|| input::file("the passphrase", &path))
}

/// Unlocks the vault where it waits for a passphrase and one is at hand or somebody types it. Never
/// fails: what went wrong is said.
pub(crate) fn open(context: &Context, file: Option<&Path>) -> Door {
    let Ok(vault) = row(context) else {
        return Door::Open;
    };
    if vault.state != "locked" {
        return Door::Open;
    }
    let waits = vault.kept.iter().any(|kept| kept == "passphrase");
    if waits {
        match at_hand(file) {
            Some(passphrase) => match passphrase {
                Ok(passphrase) => match unlock(context, passphrase) {
                    Ok(()) => return Door::Open,
                    Err(error) => screen::aside(&format!(
                        "! {}, tried with the one of {}\n",
                        line(&error.to_string()),
                        source(file)
                    )),
                },
                Err(error) => screen::aside(&format!("! {}\n", line(&error.to_string()))),
            },
            None if !context.json && input::is_terminal() && by_person(context) => {
                return Door::Open;
            }
            None => {}
        }
    }
    screen::aside("carapace: the vault is locked; `carapace auth unlock`\n");
    Door::Locked
}

/// Where [`at_hand`] found it, for people.
fn source(file: Option<&Path>) -> String {
    match file {
        Some(path) => path.display().to_string(),
        None if std::env::var_os(VARIABLE).is_some_and(|value| !value.is_empty()) => {
            format!("${VARIABLE}")
        }
        None => format!("the credential {CREDENTIAL}"),
    }
}

fn by_person(context: &Context) -> bool {
    for _ in 0..TRIES {
        let passphrase = match input::masked("passphrase of the vault (empty: stay locked)") {
            Ok(passphrase) => passphrase,
            Err(_) => return false,
        };
        match unlock(context, passphrase) {
            Ok(()) => return true,
            Err(error) => screen::aside(&format!("! {}\n", line(&error.to_string()))),
        }
    }
    false
}

/// Unlocks it.
///
/// # Errors
/// The passphrase is wrong, or the broker does not answer.
pub(crate) fn unlock(context: &Context, passphrase: SecretText) -> Result<(), BrokerError> {
    broker::ask_within(&context.home, &Ask::Unlock { passphrase }, PATIENCE).map(drop)
}

/// The names of what the vault holds; empty where it is locked.
///
/// # Errors
/// The broker does not answer.
pub(crate) fn names(context: &Context) -> Result<BTreeSet<SecretName>, BrokerError> {
    match broker::ask(&context.home, &Ask::Secrets {})? {
        Tell::Secrets { rows, .. } => Ok(rows.into_iter().map(|row| row.name).collect()),
        _ => Err(BrokerError::Other),
    }
}

/// The vault as the broker tells it.
///
/// # Errors
/// The broker does not answer.
pub(crate) fn row(context: &Context) -> Result<VaultRow, BrokerError> {
    match broker::ask(&context.home, &Ask::Secrets {})? {
        Tell::Secrets { vault, .. } => Ok(vault),
        _ => Err(BrokerError::Other),
    }
}
