//! The command line: one struct per subcommand, parsed once into values that cannot be wrong.

use crate::command::{
    approvals, attack, audit, auth, cage, chat, completions, config, doctor, effects, egress,
    grants, logs, models, policy, rules, sandbox, setup, start, why,
};
use crate::failure::Exit;
use crate::screen;
use crate::secret::paste;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// A personal assistant whose agent sits in a cage: no network, no secret, no act without asking.
#[derive(Debug, Parser)]
#[command(name = "carapace", version, propagate_version = true, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The home folder [default: $CARAPACE_HOME, else ~/.carapace]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Print JSON, for programs; an error is {"error":{"code","message","remedy"}}
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  carapace setup                         choose a model and store its key
  carapace chat                          talk to the assistant (starts carapace if it is not running)
  carapace chat \"list the files here\"    one question, for scripts; exit status 0 means answered
  carapace status                        processes, cage, model, open questions
  carapace doctor --prove                try to break out of the cage, in every known way
  carapace approvals allow k7m2qd        answer a question from another terminal

Exit status: 0 done, 1 failed, 2 usage, 3 not running (start: runs already), 4 the cage is refused,
5 a question was refused or expired, 6 a limit was reached, 78 configuration, 130 stopped by you";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Choose a model, store its key, protect the vault: step by step
    Setup(setup::Args),
    /// Keys, logins and the vault that keeps them
    Auth(auth::Args),
    /// What the providers offer
    Models(models::Args),
    /// What was spent on models, and what is left
    #[command(after_help = "Example:\n  carapace usage\n  carapace usage --json | jq .budgets")]
    Usage,
    /// Where did my data go: every request that left this machine
    Egress(egress::Args),
    /// Start carapace
    Start(start::Args),
    /// Stop carapace, after what is under way was written down
    #[command(after_help = "Example:\n  carapace stop")]
    Stop,
    /// Stop and start again
    #[command(after_help = "Example:\n  carapace restart")]
    Restart,
    /// Stop every agent at once and refuse everything until a restart
    #[command(after_help = "Example:\n  carapace panic && carapace restart")]
    Panic,
    /// Show processes, cage layers, model, questions; exit status 3 where it is not running
    #[command(after_help = "Example:\n  carapace status --json | jq .supervisor.level")]
    Status,
    /// Talk to the assistant
    Chat(chat::Args),
    /// List the conversations, newest first
    #[command(after_help = "Example:\n  carapace sessions\n  carapace chat --session last")]
    Sessions,
    /// Examine the home and the cage of this machine; exit status 1 for a problem, 4 where no cage is possible
    Doctor(doctor::Args),
    /// Run a program of yours in a cage
    Sandbox(sandbox::Args),
    /// Show and change the configuration
    Config(config::Args),
    /// Answer what the assistant asks
    Approvals(approvals::Args),
    /// What is done without a question
    Grants(grants::Args),
    /// The tools, and which of them ask
    #[command(after_help = "Example:\n  carapace tools")]
    Tools,
    /// What was done, newest first
    Effects(effects::Args),
    /// The story of one effect: why it was done, or not
    Why(why::Args),
    /// A hostile agent, tried against your configuration; exit status 1 where something got through
    Attack(attack::Args),
    /// The floor tried on recorded tasks, and what a change made possible
    Policy(policy::Args),
    /// Your rules in plain English
    Rules(rules::Args),
    /// The audit log
    Audit(audit::Args),
    /// The log of all processes
    Logs(logs::Args),
    /// Completions for a shell
    Completions(completions::Args),
    /// Waivers and mounted folders (cage.toml, which no agent can see)
    Cage(cage::Args),
    /// The first step of a daemon; started by `start`.
    #[command(hide = true)]
    Detach {
        /// The descriptor for READY.
        ready: i32,
    },
}

/// Parses the command line. `--help` and `--version` are printed here; so is what is wrong with it.
///
/// # Errors
/// The status to end with.
pub(crate) fn parse() -> Result<Arguments, Exit> {
    Arguments::try_parse().map_err(|error| {
        let told = matches!(
            error.kind(),
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
        );
        if told {
            screen::print(&error.to_string());
            return Exit::Done;
        }
        if std::env::args_os()
            .skip(1)
            .take_while(|one| one != "--")
            .any(|one| one == "--json")
        {
            let message = without_keys(&error);
            screen::print_json(&serde_json::json!({"error": {
                "code": "usage",
                "message": message.trim().trim_start_matches("error: "),
                "remedy": "`carapace --help` shows what there is",
            }}));
        } else {
            screen::aside(&without_keys(&error));
        }
        Exit::Usage
    })
}

/// What is wrong with the command line. What looks like a key is left out, and in place of a name or
/// a place of a secret everything is: people put the secret itself there.
fn without_keys(error: &clap::Error) -> String {
    let of_secrets = std::env::args_os().any(|one| one == "auth");
    let mut text = error.to_string();
    for kind in [
        ContextKind::InvalidValue,
        ContextKind::InvalidArg,
        ContextKind::InvalidSubcommand,
    ] {
        let Some(ContextValue::String(value)) = error.get(kind) else {
            continue;
        };
        let is_value =
            kind == ContextKind::InvalidValue && error.kind() == ErrorKind::ValueValidation;
        if !value.is_empty() && (paste::shows_a_key(value) || (of_secrets && is_value)) {
            text = text.replace(value.as_str(), "…");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_teaches_with_an_example() {
        for command in Arguments::command()
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
        {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(help.contains("Example"), "{}", command.get_name());
        }
    }
}
