//! `carapace auth unlock`.

use crate::command::Context;
use crate::failure::{Exit, Failure};
use crate::secret::input;
use crate::{home, screen, vault_door};
use std::path::Path;

/// Opens the vault.
///
/// # Errors
/// It is not running, or the passphrase is wrong.
pub(crate) fn run(context: &Context, file: Option<&Path>) -> Result<Exit, Failure> {
    home::check(&context.home)?;
    let state = vault_door::row(context)?.state;
    let told = match state.as_str() {
        "locked" => {
            let passphrase = match file {
                Some(path) => input::file("the passphrase", path)?,
                None => input::secret("passphrase of the vault")?,
            };
            vault_door::unlock(context, passphrase)?;
            "the vault is open"
        }
        "open" => "the vault was open already",
        "none" => "there is nothing to unlock: no secret is stored yet",
        _ => "the vault is damaged: `carapace auth status` says how",
    };
    if context.json {
        screen::print_json(&serde_json::json!({"vault": vault_door::row(context)?.state}));
    } else {
        screen::print(&format!("{told}\n"));
    }
    Ok(if state == "damaged" {
        Exit::Failed
    } else {
        Exit::Done
    })
}
