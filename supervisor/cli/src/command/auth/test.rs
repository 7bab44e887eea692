//! `carapace auth test`: one real call to each provider.

use crate::broker::{self, BrokerError};
use crate::command::{Context, start};
use crate::config_file;
use crate::failure::{Exit, Explain, Failure};
use crate::screen::{self, neutral::line};
use carapace_contract::control::{Ask, Tell};
use serde_json::{Value, json};
use std::time::Duration;

/// The broker gives a provider half a minute.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What a provider answered.
#[derive(Debug)]
pub(crate) struct Tested {
    /// Where it is.
    pub(crate) origin: String,
    /// Its models, where it has a list.
    pub(crate) models: Vec<String>,
    /// Milliseconds.
    pub(crate) millis: u64,
}

/// Makes one call.
///
/// # Errors
/// What the provider or the broker says.
pub(crate) fn call(context: &Context, provider: &str) -> Result<Tested, BrokerError> {
    let ask = Ask::SecretTest {
        provider: provider.to_owned(),
    };
    tested(broker::ask_within(&context.home, &ask, PATIENCE)?)
}

/// Reads the answer.
///
/// # Errors
/// It is another answer.
pub(crate) fn tested(tell: Tell) -> Result<Tested, BrokerError> {
    match tell {
        Tell::Tested {
            origin,
            models,
            millis,
            ..
        } => Ok(Tested {
            origin,
            models,
            millis,
        }),
        _ => Err(BrokerError::Other),
    }
}

impl Tested {
    /// In words.
    pub(crate) fn words(&self) -> String {
        let models = match self.models.len() {
            0 => String::new(),
            1 => ", 1 model".to_owned(),
            count => format!(", {count} models"),
        };
        format!("{} ms{models}, {}", self.millis, line(&self.origin))
    }
}

/// Whether a provider could not be tried because no model is chosen yet: nothing is wrong then.
pub(crate) fn is_untried(error: &BrokerError) -> bool {
    matches!(error, BrokerError::Failed { code, .. } if code == "missing-model")
}

/// Runs `auth test`.
///
/// # Errors
/// The configuration cannot be read, or carapace cannot be started.
pub(crate) fn run(context: &Context, named: Vec<String>) -> Result<Exit, Failure> {
    start::start_if_needed(context)?;
    let providers = match named.is_empty() {
        true => config_file::load(&context.home)?
            .1
            .providers
            .into_keys()
            .collect(),
        false => named,
    };
    if providers.is_empty() && !context.json {
        screen::aside("no provider is configured; `carapace setup` adds one\n");
    }
    let mut exit = Exit::Done;
    let mut rows: Vec<Value> = Vec::new();
    for provider in providers {
        let outcome = call(context, &provider);
        let untried = outcome.as_ref().is_err_and(is_untried);
        if outcome.is_err() && !untried {
            exit = Exit::Failed;
        }
        match outcome {
            Ok(tested) if context.json => rows.push(json!({
                "provider": provider, "ok": true, "origin": tested.origin,
                "models": tested.models.len(), "millis": tested.millis,
            })),
            Err(error) if context.json => rows.push(json!({
                "provider": provider, "ok": (!untried).then_some(false), "error": error.to_string(), "remedy": error.remedy(),
            })),
            Ok(tested) => {
                screen::print(&format!("{:<8} {:<20} {}\n", "ok", line(&provider), tested.words()));
            }
            Err(error) => {
                screen::print(&format!(
                    "{:<8} {:<20} {}\n",
                    if untried { "untried" } else { "FAILED" },
                    line(&provider),
                    line(&error.to_string())
                ));
                let remedy = error.remedy();
                if !remedy.is_empty() {
                    screen::print(&format!("{:<29} remedy: {}\n", "", line(&remedy)));
                }
            }
        }
    }
    if context.json {
        screen::print_json(&rows);
    }
    Ok(exit)
}
