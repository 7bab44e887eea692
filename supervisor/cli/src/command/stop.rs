//! `carapace stop`: asks the supervisor to end and waits until it has.

use super::Context;
use crate::failure::{Exit, Explain, Failure};
use crate::supervisor::{self, SupervisorError, Word};
use crate::{home, screen};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::json;
use std::time::Duration;

/// The supervisor lets the broker finish for 5 s, then ends everything; twice that is broken.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why it did not stop.
#[derive(Debug, thiserror::Error)]
enum StopError {
    #[error("stopping carapace: process {pid} did not end within {} s", PATIENCE.as_secs())]
    Late { pid: i32 },
    #[error("stopping carapace: waiting for process {pid}: {cause}")]
    Wait { pid: i32, cause: std::io::Error },
}

impl Explain for StopError {
    fn code(&self) -> &'static str {
        match self {
            Self::Late { .. } => "stop-late",
            Self::Wait { .. } => "system",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Late { pid } | Self::Wait { pid, .. } => {
                format!(
                    "end it with `kill -9 {pid}`: every confined process dies with it, and nothing accepted is lost"
                )
            }
        }
    }
}

/// Runs `stop`.
///
/// # Errors
/// It runs and does not stop.
pub(crate) fn run(context: &Context) -> Result<Exit, Failure> {
    home::check(&context.home)?;
    let stopped = stop(context)?;
    if context.json {
        screen::print_json(&json!({"stopped": stopped}));
    } else if stopped {
        screen::print("carapace has stopped\n");
    } else {
        screen::print("carapace was not running\n");
    }
    Ok(Exit::Done)
}

/// Stops it if it runs; true where it ran.
///
/// # Errors
/// It runs and does not stop.
pub(crate) fn stop(context: &Context) -> Result<bool, Failure> {
    let Some((status, _)) = supervisor::status(&context.home)? else {
        return Ok(false);
    };
    let pid = status.pid;
    let process = Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    match supervisor::ask(&context.home, Word::Stop) {
        Ok(_) | Err(SupervisorError::NotRunning(_)) => {}
        // It may be gone before its answer is.
        Err(SupervisorError::Silent { .. } | SupervisorError::Unclear { .. })
            if process.is_some() => {}
        Err(error) => return Err(error.into()),
    }
    let Some(process) = process else {
        return Ok(true);
    };
    let wait = rustix::event::Timespec::try_from(PATIENCE).ok();
    loop {
        match poll(&mut [PollFd::new(&process, PollFlags::IN)], wait.as_ref()) {
            Ok(0) => return Err(StopError::Late { pid }.into()),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(cause) => {
                return Err(StopError::Wait {
                    pid,
                    cause: cause.into(),
                }
                .into());
            }
        }
    }
}
