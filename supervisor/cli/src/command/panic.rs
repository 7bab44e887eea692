//! `carapace panic`: every cage is killed, every grant of a session revoked, everything refused until a restart.

use super::Context;
use crate::failure::{Exit, Failure};
use crate::supervisor::{self, Word};
use crate::{home, screen};

/// Runs `panic`.
///
/// # Errors
/// It is not running, or it does not answer.
pub(crate) fn run(context: &Context) -> Result<Exit, Failure> {
    home::check(&context.home)?;
    let answer = supervisor::ask(&context.home, Word::Panic)?;
    if context.json {
        screen::print_json(&answer);
    } else {
        screen::print(
            "every agent was stopped, and everything is refused from now on\n  \
             `carapace effects` shows what was done; `carapace restart` lets it work again\n",
        );
    }
    Ok(Exit::Done)
}
