//! `carapace why`: the story of one effect, as the audit log tells it.

use super::Context;
use crate::failure::{Exit, Explain, Failure};
use crate::screen::{self, time};
use crate::{broker, home};
use broker::BrokerError;
use carapace_contract::control::{Ask, Tell};
use carapace_contract::id::{BadId, EffectId};

/// The story of one effect.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  carapace effects          lists the ids\n  carapace why 0123456789abcdef"
)]
pub(crate) struct Args {
    /// The effect's id
    id: String,
}

/// An id that is none.
#[derive(Debug, thiserror::Error)]
#[error("looking up the effect: {0}")]
struct WhyError(#[from] BadId);

impl Explain for WhyError {
    fn code(&self) -> &'static str {
        "effect-id"
    }

    fn remedy(&self) -> String {
        "`carapace effects` lists the ids".to_owned()
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Runs `why`.
///
/// # Errors
/// The id is none, it is not running, or the broker does not know it.
pub(crate) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    home::check(&context.home)?;
    show(context, &args.id)?;
    Ok(Exit::Done)
}

/// Shows one story.
///
/// # Errors
/// As [`run`].
pub(crate) fn show(context: &Context, id: &str) -> Result<(), Failure> {
    let effect: EffectId = id.parse().map_err(WhyError)?;
    let tell = broker::ask(&context.home, &Ask::Why { effect })?;
    let Tell::Story { lines, .. } = &tell else {
        return Err(BrokerError::Other.into());
    };
    if context.json {
        screen::print_json(&tell);
        return Ok(());
    }
    for (at, record, words) in lines {
        let number = match record {
            0 => String::new(),
            number => format!("#{number}"),
        };
        let prefix = format!("{}  {number:<7} ", time::clock(*at));
        screen::print(&screen::wrapped(
            &prefix,
            words,
            screen::width().max(prefix.len() + 40),
        ));
    }
    Ok(())
}
