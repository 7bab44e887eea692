//! `carapace config`: the owner's choices.

use super::Context;
use super::auth::provider;
use super::policy;
use crate::failure::{Exit, Failure};
use crate::{config_file, home, model_servers, screen, supervisor};
use carapace_contract::config::{Config, DEFAULT_TEXT};
use clap::Subcommand;
use serde_json::{Value, json};

/// Show and change the configuration.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carapace config set limits.rounds 30
  carapace config get model.route
  carapace config use-model 11434              the first model of the Ollama on this machine
  carapace config set providers.local '{kind=\"openai-compatible\", base-url=\"http://127.0.0.1:8080/v1\"}'

A change keeps your comments, is checked as a whole before it is written, and is in force at once.")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print config.toml
    Show {
        /// Print what a fresh home gets: every key, explained
        #[arg(long)]
        defaults: bool,
    },
    /// Print one value, defaults included
    Get {
        /// Dotted, such as limits.rounds
        key: String,
    },
    /// Change one value
    Set {
        /// Dotted, such as limits.rounds
        key: String,
        /// TOML, or a text that needs no quotes
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Print where config.toml is
    Path,
    /// Answer with a model of a server on this machine
    UseModel {
        /// PORT, or PORT:MODEL
        server: String,
    },
}

/// Runs `config`.
///
/// # Errors
/// The file cannot be read, written or used.
pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    match args.action {
        Action::Show { defaults } => show(context, defaults)?,
        Action::Get { key } => {
            home::ensure(&context.home)?;
            let value = config_file::value(&config_file::load(&context.home)?.1, &key)?;
            match value {
                Value::String(text) if !context.json => {
                    screen::print(&format!("{}\n", screen::neutral::line(&text)))
                }
                value => screen::print_json(&value),
            }
        }
        Action::Set { key, value } => {
            home::ensure(&context.home)?;
            provider::change(context, &[(key.clone(), value)])?;
            let running = supervisor::status(&context.home)?.is_some();
            let changes = if running {
                policy::fresh(context)
            } else {
                Vec::new()
            };
            let value = config_file::value(&config_file::load(&context.home)?.1, &key)?;
            if context.json {
                screen::print_json(
                    &json!({"key": key, "value": value, "in_force": running, "changes": changes}),
                );
            } else {
                let when = if running {
                    "in force now"
                } else {
                    "in force from the next start"
                };
                screen::print(&format!(
                    "{} = {}  ({when})\n",
                    screen::neutral::line(&key),
                    screen::neutral::line(&value.to_string())
                ));
                policy::print_changes(&changes);
            }
        }
        Action::Path => {
            let path = context.home.config();
            if context.json {
                screen::print_json(&json!({"path": path}));
            } else {
                screen::print(&format!("{}\n", path.display()));
            }
        }
        Action::UseModel { server } => {
            home::ensure(&context.home)?;
            model_servers::take_named(context, &server)?;
        }
    }
    Ok(Exit::Done)
}

fn show(context: &Context, defaults: bool) -> Result<(), Failure> {
    let text = if defaults {
        DEFAULT_TEXT.to_owned()
    } else {
        home::ensure(&context.home)?;
        config_file::text(&context.home)?
    };
    if context.json {
        let config = Config::parse(&text).map_err(config_file::ConfigFileError::from)?;
        screen::print_json(&config);
    } else {
        screen::print(&screen::neutral::plain(&text));
    }
    Ok(())
}
