//! `carapace auth`: the person's secrets, handed to the vault and looked after. A value goes in and
//! never comes out again: none of these commands shows one, nor a part of one.

pub(crate) mod api_key;
mod canary;
pub(crate) mod import;
mod login;
mod protect;
pub(crate) mod provider;
mod remove;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod test;
mod unlock;

pub(crate) use protect::{Manner, choices, protect};

use super::Context;
use crate::failure::{Exit, Failure};
use carapace_contract::id::SecretName;
use clap::Subcommand;
use std::path::PathBuf;

/// Keys, logins and the vault that keeps them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carapace auth api-key --provider anthropic        asks for the key, stores it, tries it
  pass show ai/openai | carapace auth api-key --provider openai
  carapace auth api-key --provider openai --from pass:ai/openai     it stays in pass
  carapace auth login --provider work               in the browser
  carapace auth status                              what there is; never a value
  carapace auth import                              find keys that lie in the open
  carapace auth protect --passphrase                how the vault's own key is kept")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Store a key: typed at a masked prompt, or sent on standard input
    ApiKey(Box<api_key::Args>),
    /// Log in with the browser (OAuth); the broker keeps and renews the tokens
    #[command(after_help = "Example:\n  carapace auth login --provider work --no-browser")]
    Login {
        /// A provider of config.toml that has an [providers.NAME.oauth]
        #[arg(long, value_name = "NAME")]
        provider: String,
        /// Only print the address
        #[arg(long)]
        no_browser: bool,
    },
    /// The vault and what it holds: where, how old, used when, sent where; never a value
    #[command(after_help = "Example:\n  carapace auth status --json | jq '.secrets[].name'")]
    Status,
    /// Remove a secret
    #[command(after_help = "Example:\n  carapace auth rm openai")]
    Rm {
        /// Its name
        name: SecretName,
    },
    /// One real call to each provider, with its secret; exit status 1 if one fails
    #[command(after_help = "Example:\n  carapace auth test anthropic openai")]
    Test {
        /// Names of [providers]; all of them without one
        providers: Vec<String>,
    },
    /// Open the vault with its passphrase
    #[command(
        after_help = "Example:\n  carapace auth unlock\n  carapace auth unlock < /run/secrets/passphrase"
    )]
    Unlock {
        /// Read the passphrase from this file
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// Choose how the vault's own key is kept
    Protect(protect::Args),
    /// Make a fake key to lay out as bait; whoever sends it through carapace raises an alarm
    #[command(after_help = "Example:\n  carapace auth canary notes")]
    Canary {
        /// Its name is canary-NAME [default: the next free number]
        name: Option<String>,
    },
    /// Find secrets that lie in the open, and store them
    #[command(
        after_help = "Example:\n  carapace auth import --dry-run\n  carapace auth import --yes"
    )]
    Import {
        /// Store all of them without asking
        #[arg(long)]
        yes: bool,
        /// Only show what would be stored
        #[arg(long)]
        dry_run: bool,
    },
}

/// Runs `auth`.
///
/// # Errors
/// What was asked cannot be done; nothing of a secret is in it.
pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    leave_no_dump();
    match args.action {
        Action::ApiKey(args) => api_key::run(context, *args),
        Action::Login {
            provider,
            no_browser,
        } => login::run(context, &provider, no_browser),
        Action::Status => status::run(context),
        Action::Rm { name } => remove::run(context, name),
        Action::Test { providers } => test::run(context, providers),
        Action::Unlock { passphrase_file } => unlock::run(context, passphrase_file.as_deref()),
        Action::Protect(args) => protect::run(context, &args),
        Action::Canary { name } => canary::run(context, name.as_deref()),
        Action::Import { yes, dry_run } => import::run(context, yes, dry_run),
    }
}

/// From now on this process leaves no core file, and another of the same user cannot look into it.
pub(crate) fn leave_no_dump() {
    // Where the system refuses, the secret is as safe as in any other program.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
