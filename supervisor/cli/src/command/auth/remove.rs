//! `carapace auth rm`.

use crate::command::Context;
use crate::failure::{Exit, Failure};
use crate::{broker, cage_file, home, screen};
use carapace_contract::control::Ask;
use carapace_contract::id::SecretName;

/// Removes a secret from the vault, and from `cage.toml` where it says that it lives elsewhere.
///
/// # Errors
/// There is none of that name, or it is not running.
pub(crate) fn run(context: &Context, name: SecretName) -> Result<Exit, Failure> {
    home::check(&context.home)?;
    broker::ask(&context.home, &Ask::SecretRemove { name: name.clone() })?;
    let mut cage = cage_file::load(&context.home)?;
    let elsewhere = cage.secret_named(name.as_str()).is_some();
    if elsewhere {
        cage.secret.retain(|secret| secret.name != name.as_str());
        cage_file::store(&context.home, &cage)?;
    }
    if context.json {
        screen::print_json(&serde_json::json!({"removed": name}));
    } else {
        screen::print(&format!("removed {name}\n"));
        if elsewhere {
            screen::aside("where it lives, it is still there\n");
        } else {
            screen::aside(
                "its vendor still takes it: revoke it there if somebody else may have it\n",
            );
        }
    }
    Ok(Exit::Done)
}
