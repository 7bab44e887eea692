//! One program, from its start to its end.

use super::{Bell, Children, Stop};
use crate::capture::{Capture, Stream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where programs are looked for.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// How long output is awaited after the program's end, from processes that left its group.
const DRAIN: Duration = Duration::from_millis(200);

/// What to run.
#[derive(Debug)]
pub struct Program {
    /// The program and its arguments, the program first.
    pub argv: Vec<String>,
    /// Its standard input; without one it reads an end at once.
    pub stdin: Option<Vec<u8>>,
    /// Where it starts.
    pub directory: PathBuf,
    /// When it must be done.
    pub until: Instant,
    /// The program's end of a door, where it may use the `ipc` command.
    pub ipc: Option<OwnedFd>,
}

/// Why a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// By itself, or by a signal from inside.
    Itself,
    /// Its time was over.
    Time,
    /// It was told to stop.
    Stopped,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its status.
    pub status: ExitStatus,
    /// Why.
    pub why: Why,
    /// What it printed, bounded.
    pub output: String,
}

/// Why a program was not started, or was lost sight of.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system refused; most often there is no such program.
    #[error("{program} cannot be started: {cause}; programs are looked for in {PATH}")]
    Refused {
        /// The program.
        program: String,
        /// What the system said.
        cause: io::Error,
    },
    /// Hands have no descriptor, thread or memory left.
    #[error("{step}: {cause}; too much may be running at once")]
    Exhausted {
        /// What was being done.
        step: &'static str,
        /// What the system said.
        cause: io::Error,
    },
}

/// Runs a program to its end. It gets no descriptor of ours but the three standard ones and, where
/// given, that of `ipc`.
///
/// # Errors
/// [`StartError`]; the program does not run then.
pub fn run(program: Program, stop: &Stop) -> Result<Ended, StartError> {
    let children = Children::of_process().map_err(exhausted("waiting for programs"))?;
    let bell = Arc::new(Bell::new().map_err(exhausted("waiting for a program"))?);
    let name = program.argv.first().cloned().unwrap_or_default();
    let mut command = Command::new(&name);
    command
        .args(program.argv.get(1..).unwrap_or_default())
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", "/tmp")
        .env("LANG", "C.UTF-8")
        .current_dir(&program.directory)
        .stdin(if program.stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(ipc) = &program.ipc {
        command
            .env(
                "PATH",
                format!("{PATH}:{}", crate::guest::COMMAND_DIRECTORY),
            )
            .env(crate::guest::DOOR_VARIABLE, ipc.as_raw_fd().to_string());
    }
    let started = children.start(&mut command, Arc::clone(&bell), program.ipc.as_ref());
    let (running, mut child) = started.map_err(|cause| StartError::Refused {
        program: name,
        cause,
    })?;
    drop(program.ipc);
    let mut pipes = Pipes {
        output: child.stdout.take().map(OwnedFd::from),
        errors: child.stderr.take().map(OwnedFd::from),
        input: child.stdin.take().map(OwnedFd::from).zip(program.stdin),
        capture: Capture::default(),
    };
    if let Some((input, _)) = &pipes.input
        && let Err(error) = rustix::fs::fcntl_setfl(input, OFlags::NONBLOCK)
    {
        children.kill(&running);
        return Err(exhausted("preparing the program's input")(error.into()));
    }
    let mut why = Why::Itself;
    let mut drained = None;
    let status = loop {
        let now = Instant::now();
        if let Some(status) = running.status() {
            let until = *drained.get_or_insert(now + DRAIN);
            if pipes.are_closed() || now >= until {
                break status;
            }
        } else if why == Why::Itself && (stop.is_stopped() || now >= program.until) {
            why = if stop.is_stopped() {
                Why::Stopped
            } else {
                Why::Time
            };
            children.kill(&running);
        }
        let until = match (drained, why) {
            (Some(until), _) => Some(until),
            (None, Why::Itself) => Some(program.until),
            // Killed: its end rings.
            (None, _) => None,
        };
        pipes.turn(&bell, stop, why == Why::Itself, until);
    };
    Ok(Ended {
        status: ExitStatus::from_raw(status.as_raw()),
        why,
        output: pipes.capture.text(),
    })
}

/// Our ends of a program's streams.
struct Pipes {
    output: Option<OwnedFd>,
    errors: Option<OwnedFd>,
    /// What is still to be written.
    input: Option<(OwnedFd, Vec<u8>)>,
    capture: Capture,
}

impl Pipes {
    fn are_closed(&self) -> bool {
        self.output.is_none() && self.errors.is_none()
    }

    /// Waits until something can be done, and does it. `until` ends the waiting.
    fn turn(&mut self, bell: &Bell, stop: &Stop, heed: bool, until: Option<Instant>) {
        // A pipe that is closed has no place in the list.
        let mut waiting = vec![PollFd::new(&bell.0, PollFlags::IN)];
        let places = [
            (self.output.as_ref(), PollFlags::IN),
            (self.errors.as_ref(), PollFlags::IN),
            (self.input.as_ref().map(|(pipe, _)| pipe), PollFlags::OUT),
            (heed.then_some(&stop.bell.0), PollFlags::IN),
        ]
        .map(|(pipe, flags)| {
            pipe.map(|pipe| {
                waiting.push(PollFd::new(pipe, flags));
                waiting.len() - 1
            })
        });
        let timeout = until.map(|until| {
            let left = until.saturating_duration_since(Instant::now());
            Timespec {
                tv_sec: left.as_secs() as i64,
                tv_nsec: i64::from(left.subsec_nanos()),
            }
        });
        match poll(&mut waiting, timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return,
            // Nothing can be waited for: look at the clock again, a little later.
            Err(_) => return std::thread::sleep(Duration::from_millis(10)),
        }
        let is_ready =
            |place: Option<usize>| place.is_some_and(|at| !waiting[at].revents().is_empty());
        let [output, errors, input, _] = places.map(is_ready);
        let rung = is_ready(Some(0));
        if rung {
            bell.quiet();
        }
        if output {
            take(&mut self.output, Stream::Output, &mut self.capture);
        }
        if errors {
            take(&mut self.errors, Stream::Errors, &mut self.capture);
        }
        if input {
            give(&mut self.input);
        }
    }
}

/// Reads once; closes at the end.
fn take(pipe: &mut Option<OwnedFd>, stream: Stream, capture: &mut Capture) {
    let mut buffer = [0; 16 * 1024];
    let Some(open) = pipe else { return };
    match rustix::io::read(open, &mut buffer) {
        Ok(0) => *pipe = None,
        Ok(count) => capture.push(stream, &buffer[..count]),
        Err(Errno::INTR | Errno::AGAIN) => {}
        Err(_) => *pipe = None,
    }
}

/// Writes once; closes when all is written, or nobody reads.
fn give(input: &mut Option<(OwnedFd, Vec<u8>)>) {
    let Some((pipe, rest)) = input else { return };
    match rustix::io::write(pipe, rest) {
        Ok(count) => {
            rest.drain(..count);
        }
        Err(Errno::INTR | Errno::AGAIN) => {}
        Err(_) => rest.clear(),
    }
    if rest.is_empty() {
        *input = None;
    }
}

fn exhausted(step: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |cause| StartError::Exhausted { step, cause }
}
