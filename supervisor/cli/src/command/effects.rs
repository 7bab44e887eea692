//! `carapace effects`: what was judged and done.

use super::Context;
use crate::failure::{Exit, Failure};
use crate::screen::{self, neutral::line, time};
use crate::{broker, home};
use broker::BrokerError;
use carapace_contract::control::{Ask, Tell};

/// What was done, newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  carapace effects -n 5\n  carapace why 0123456789abcdef")]
pub(crate) struct Args {
    /// How many
    #[arg(short = 'n', long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

/// Runs `effects`.
///
/// # Errors
/// It is not running, or the broker does not answer.
pub(crate) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    home::check(&context.home)?;
    let Tell::Effects { rows } = broker::ask(&context.home, &Ask::Effects { limit: args.limit })?
    else {
        return Err(BrokerError::Other.into());
    };
    if context.json {
        screen::print_json(&rows);
        return Ok(Exit::Done);
    }
    for row in rows {
        let state = if row.state == "unknown" {
            "UNKNOWN".to_owned()
        } else {
            line(&row.state)
        };
        screen::print(&format!(
            "{}  {}  {state:<8} {:<16} session {}\n",
            row.effect,
            time::clock(row.at),
            line(&row.what),
            row.session
        ));
    }
    Ok(Exit::Done)
}
