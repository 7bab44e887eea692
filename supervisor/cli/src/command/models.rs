//! `carapace models`: what each provider offers, asked from it.

use super::auth::test::{PATIENCE, Tested, tested};
use super::{Context, start};
use crate::broker::{self, BrokerError};
use crate::config_file;
use crate::failure::{Exit, Explain, Failure};
use crate::screen::{self, neutral::line};
use carapace_contract::control::Ask;
use serde_json::json;

/// What the providers offer.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  carapace models anthropic
  carapace config set model.route anthropic:MODEL      use one of them from now on
  carapace chat --model anthropic:MODEL \"hello\"        in one conversation")]
pub(crate) struct Args {
    /// A name of [providers]; all of them without one
    provider: Option<String>,
}

/// The models of a provider.
///
/// # Errors
/// What the provider or the broker says.
pub(crate) fn ask(context: &Context, provider: &str) -> Result<Tested, BrokerError> {
    let ask = Ask::Models {
        provider: provider.to_owned(),
    };
    tested(broker::ask_within(&context.home, &ask, PATIENCE)?)
}

/// Runs `models`.
///
/// # Errors
/// The named provider does not answer, or carapace cannot be started.
pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    start::start_if_needed(context)?;
    let config = config_file::load(&context.home)?.1;
    let named = args.provider.is_some();
    let providers: Vec<String> = match args.provider {
        Some(provider) => vec![provider],
        None => config.providers.keys().cloned().collect(),
    };
    if providers.is_empty() && !context.json {
        screen::aside("no provider is configured; `carapace setup` adds one\n");
    }
    let mut exit = Exit::Done;
    let mut rows = Vec::new();
    for provider in providers {
        match ask(context, &provider) {
            Ok(told) => {
                for model in &told.models {
                    let route = format!("{provider}:{model}");
                    if context.json {
                        rows.push(json!({"provider": provider, "model": model, "route": route}));
                        continue;
                    }
                    let mark = if config.model.route == route {
                        "*"
                    } else {
                        " "
                    };
                    screen::print(&format!("{mark} {}\n", line(&route)));
                }
            }
            Err(error) if named => return Err(error.into()),
            Err(error) => {
                // One without a list has not failed.
                if !matches!(&error, BrokerError::Failed { code, .. } if code == "no-list") {
                    exit = Exit::Failed;
                }
                screen::aside(&format!(
                    "! {}: {}\n",
                    line(&provider),
                    line(&error.to_string())
                ));
                let remedy = error.remedy();
                if !remedy.is_empty() {
                    screen::aside(&format!("!   remedy: {}\n", line(&remedy)));
                }
            }
        }
    }
    if context.json {
        screen::print_json(&rows);
    }
    Ok(exit)
}
