//! `carapace grants`: what is done without a question.

use super::Context;
use crate::failure::{Exit, Failure};
use crate::screen::{self, neutral::line, time};
use crate::{broker, home};
use broker::BrokerError;
use carapace_contract::control::{Ask, Tell};
use carapace_contract::id::Code;
use clap::Subcommand;

/// What is done without a question.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  carapace grants\n  carapace grants revoke k7m2qd     takes an \"always exactly this\", or what is left of a plan, back"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the grants (the default)
    List,
    /// Take back an "always exactly this", or what is left of a plan
    Revoke {
        /// The code of the question that was answered with it
        code: Code,
    },
}

/// Runs `grants`.
///
/// # Errors
/// It is not running, or the broker refuses.
pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    home::check(&context.home)?;
    match args.action.unwrap_or(Action::List) {
        Action::List => list(context)?,
        Action::Revoke { code } => {
            let tell = broker::ask(&context.home, &Ask::Revoke { code })?;
            let Tell::Closed { code, state } = &tell else {
                return Err(BrokerError::Other.into());
            };
            if context.json {
                screen::print_json(&tell);
            } else {
                screen::print(&format!("{code}: {}\n", line(state)));
            }
        }
    }
    Ok(Exit::Done)
}

/// Lists the grants.
///
/// # Errors
/// As [`run`].
pub(crate) fn list(context: &Context) -> Result<(), Failure> {
    let tell = broker::ask(&context.home, &Ask::Grants {})?;
    let Tell::Grants {
        config,
        always,
        tasks,
    } = &tell
    else {
        return Err(BrokerError::Other.into());
    };
    if context.json {
        screen::print_json(&tell);
        return Ok(());
    }
    screen::print("without a question, by config.toml:\n");
    for (tool, arguments) in config {
        let narrowed = arguments.as_ref().map_or_else(
            || "every call".to_owned(),
            |arguments| format!("only {}", line(arguments)),
        );
        screen::print(&format!("  {:<16} {narrowed}\n", tool.as_str()));
    }
    screen::print("always exactly this, by your answers:\n");
    for (code, tool, arguments, expires) in always {
        screen::print(&format!(
            "  {code}  {:<16} until {}  {}\n",
            tool.as_str(),
            time::clock(*expires),
            line(arguments)
        ));
    }
    if always.is_empty() {
        screen::print("  none\n");
    }
    screen::print("for a task, by your answers to plans:\n");
    for task in tasks {
        screen::print(&format!(
            "  {}  session {}  until {}\n",
            task.code,
            task.session,
            time::clock(task.expires)
        ));
        for (step, left, words) in &task.steps {
            screen::print(&format!("    step {step}, {left} left: {}\n", line(words)));
        }
    }
    if tasks.is_empty() {
        screen::print("  none\n");
    }
    screen::print("everything else asks, or is refused\n");
    Ok(())
}
