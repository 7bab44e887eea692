//! `carapace tools`: what the assistant can ask for, and which of it asks you.

use super::Context;
use crate::failure::{Exit, Failure};
use crate::screen::{self, frame, neutral::line};
use crate::{broker, home};
use broker::BrokerError;
use carapace_contract::control::{Ask, Tell};

/// Runs `tools`.
///
/// # Errors
/// It is not running, or the broker does not answer.
pub(crate) fn run(context: &Context) -> Result<Exit, Failure> {
    home::check(&context.home)?;
    let Tell::Tools { rows } = broker::ask(&context.home, &Ask::Tools {})? else {
        return Err(BrokerError::Other.into());
    };
    if context.json {
        screen::print_json(&rows);
        return Ok(Exit::Done);
    }
    for row in rows {
        screen::print(&format!(
            "{:<16} {:<8} {}\n",
            row.name.as_str(),
            line(&row.standing),
            line(&row.description)
        ));
        screen::print(&format!(
            "{:<16} {:<8} {}\n",
            "",
            "",
            line(&frame::effects(&row.effects))
        ));
    }
    Ok(Exit::Done)
}
