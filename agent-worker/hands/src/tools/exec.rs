//! `exec`: a program in the workspace. No shell is implied.

use super::Context;
use crate::capture::begin_line;
use crate::process::{self, Program, Why};
use crate::report::{Failure, Outcome};
use serde::Deserialize;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    argv: Vec<String>,
    stdin: Option<String>,
    seconds: Option<u64>,
}

pub(super) fn run(arguments: Arguments, context: &Context<'_>) -> Outcome {
    let Arguments {
        argv,
        stdin,
        seconds,
    } = arguments;
    if argv.first().is_none_or(String::is_empty) {
        return Err(Failure::Invalid(
            "argv is empty; its first word is the program".to_owned(),
        ));
    }
    if argv.iter().any(|word| word.contains('\0')) {
        return Err(Failure::Invalid(
            "a word of argv holds a zero byte, which no program can be given".to_owned(),
        ));
    }
    let begun = Instant::now();
    let until = match seconds {
        Some(0) => {
            return Err(Failure::Invalid(
                "seconds is 0; it must be at least 1".to_owned(),
            ));
        }
        Some(seconds) => begun
            .checked_add(Duration::from_secs(seconds))
            .map_or(context.until, |until| until.min(context.until)),
        None => context.until,
    };
    let guest = context
        .ipc
        .then(|| context.hands.guests.admit(context.hands, context.call))
        .transpose();
    let guest = guest
        .map_err(|error| Failure::Failed(format!("the ipc command cannot be offered: {error}")))?;
    let (guest, ipc) = guest.map_or((None, None), |(guest, theirs)| (Some(guest), Some(theirs)));
    let program = Program {
        argv,
        stdin: stdin.map(String::into_bytes),
        directory: context.workspace.start_directory(),
        until,
        ipc,
    };
    let ended =
        process::run(program, context.stop).map_err(|error| Failure::Failed(error.to_string()));
    // Its programs are gone; what they asked and did not wait for means nothing any more.
    drop(guest);
    let ended = ended?;
    let mut text = ended.output;
    begin_line(&mut text);
    text.push_str(&match ended.why {
        Why::Itself => format!("[{}]", status(ended.status)),
        Why::Time => format!(
            "[stopped: it was not done after {} s]",
            until.duration_since(begun).as_secs_f32().round()
        ),
        Why::Stopped => return Err(Failure::Cancelled),
    });
    Ok(text)
}

fn status(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}{}", meaning(signal)),
        (None, None) => "ended".to_owned(),
    }
}

/// Signals that a confined program is likely to end by.
fn meaning(signal: i32) -> &'static str {
    match signal {
        6 => ": it aborted",
        9 => ": killed, perhaps for want of memory",
        11 => ": a fault in memory",
        25 => ": a file grew beyond the limit of 1 GiB",
        31 => ": it asked the system for something that is forbidden here",
        _ => "",
    }
}
