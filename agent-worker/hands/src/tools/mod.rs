//! The tools: one file each, and the single list of them in [`run`]. Their names and arguments are
//! declared by the broker, which has checked a call against them; the forms here are the same.

mod edit;
mod exec;
mod list;
mod read;
mod search;
mod write;

use crate::process::Stop;
use crate::report::{Failure, Outcome};
use crate::serve::Hands;
use crate::workspace::{PathError, Workspace};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Instant;

/// What a call runs with.
pub(crate) struct Context<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) stop: &'a Stop,
    /// When it must be done.
    pub(crate) until: Instant,
    /// The broker's name for it.
    pub(crate) call: &'a str,
    /// Whether its programs may use `ipc`.
    pub(crate) ipc: bool,
    pub(crate) hands: &'a Arc<Hands>,
}

/// Carries out a call.
pub(crate) fn run(tool: &str, arguments: &[u8], context: &Context<'_>) -> Outcome {
    match tool {
        "list" => list::run(form(arguments)?, context),
        "read" => read::run(form(arguments)?, context),
        "write" => write::run(form(arguments)?, context),
        "edit" => edit::run(form(arguments)?, context),
        "search" => search::run(form(arguments)?, context),
        "exec" => exec::run(form(arguments)?, context),
        _ => Err(Failure::Invalid(
            "the hands have no tool of this name".to_owned(),
        )),
    }
}

fn form<T: DeserializeOwned>(arguments: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(arguments)
        .map_err(|error| Failure::Invalid(format!("the arguments: {error}")))
}

impl Context<'_> {
    /// Ends a long piece of work when its time is over or it was told to stop.
    fn go_on(&self) -> Result<(), Failure> {
        if self.stop.is_stopped() {
            Err(Failure::Cancelled)
        } else if Instant::now() >= self.until {
            Err(Failure::Failed(
                "it took longer than the call's time limit and was given up; narrow it down"
                    .to_owned(),
            ))
        } else {
            Ok(())
        }
    }
}

impl From<PathError> for Failure {
    fn from(error: PathError) -> Self {
        match error {
            PathError::Form(_) | PathError::Outside { .. } | PathError::Leaves(_) => {
                Self::Invalid(error.to_string())
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Bytes looked at to tell text from something else.
const LOOK: usize = 8 * 1024;

/// A zero byte near the beginning: no text has one.
fn is_binary(beginning: &[u8]) -> bool {
    beginning[..beginning.len().min(LOOK)].contains(&0)
}
