//! Talking to the supervisor: one word a connection, one JSON value back. And starting it.

use crate::failure::{Exit, Explain};
use carapace_contract::home::Home;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The longest answer that is read: a status with 64 processes is some 20 KiB.
const ANSWER: u64 = 1024 * 1024;
/// Until an answer has come. The supervisor answers at once; stopping takes it some seconds.
const PATIENCE: Duration = Duration::from_secs(12);
/// Until a started supervisor says READY.
const START: Duration = Duration::from_secs(10);
/// Between two looks at whether a reload is done.
const LOOK: Duration = Duration::from_millis(50);

/// What the supervisor may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// How everything is.
    Status,
    /// End, after the broker finished what it was at.
    Stop,
    /// Read the configuration anew.
    Reload,
    /// Stop every agent now.
    Panic,
}

impl Word {
    fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Stop => "stop",
            Self::Reload => "reload",
            Self::Panic => "panic",
        }
    }
}

/// Why the supervisor was not started or did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SupervisorError {
    /// Nothing listens.
    #[error("asking the supervisor: carapace is not running ({0})")]
    NotRunning(PathBuf),
    /// It listens and does not answer.
    #[error("asking the supervisor for {word}: {cause}")]
    Silent {
        /// What was asked.
        word: &'static str,
        /// What the system said.
        cause: io::Error,
    },
    /// It answers something else.
    #[error("asking the supervisor for {word}: the answer cannot be read: {cause}")]
    Unclear {
        /// What was asked.
        word: &'static str,
        /// What is wrong with it.
        cause: serde_json::Error,
    },
    /// It refuses.
    #[error("asking the supervisor for {word}: {message}")]
    Refused {
        /// What was asked.
        word: &'static str,
        /// Its words.
        message: String,
        /// What to do, in its words; empty where it said nothing.
        remedy: String,
    },
    /// Its program is not there or cannot be started.
    #[error("starting the supervisor: {path}: {cause}")]
    Program {
        /// The program.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It says why it does not start.
    #[error("starting carapace: {message}")]
    Failed {
        /// Its words.
        message: String,
        /// What to do, in its words; empty where it said nothing.
        remedy: String,
        /// Its exit status.
        status: Option<u8>,
    },
    /// It ended or waits without a word.
    #[error("starting carapace: the supervisor {what}")]
    Mute {
        /// What it did instead.
        what: String,
        /// Its log.
        log: PathBuf,
    },
    /// A pipe or a wait failed.
    #[error("starting carapace: {step}: {cause}")]
    System {
        /// What was being done.
        step: &'static str,
        /// What the system said.
        cause: io::Error,
    },
}

impl Explain for SupervisorError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotRunning(_) => "not-running",
            Self::Silent { .. } => "supervisor-silent",
            Self::Unclear { .. } => "supervisor-unclear",
            Self::Refused { .. } => "supervisor-refused",
            Self::Program { .. } => "supervisor-program",
            Self::Failed {
                status: Some(3), ..
            } => "already-running",
            Self::Failed {
                status: Some(4), ..
            } => "cage-refused",
            Self::Failed {
                status: Some(78), ..
            } => "configuration",
            Self::Failed { .. } => "start-failed",
            Self::Mute { .. } => "start-mute",
            Self::System { .. } => "system",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::NotRunning(_) => "start it with `carapace start`".to_owned(),
            Self::Silent { .. } => "look at `carapace logs`; if it hangs, end its process (run/supervisor.pid) and start again".to_owned(),
            Self::Unclear { .. } => "cli and supervisor are of different versions: `carapace restart`".to_owned(),
            Self::Refused { remedy, .. } if !remedy.is_empty() => remedy.clone(),
            Self::Refused { .. } => "look at `carapace logs` and `carapace status`".to_owned(),
            Self::Program { .. } => "the programs of carapace belong into one folder; install them again".to_owned(),
            Self::Failed { remedy, .. } if !remedy.is_empty() => remedy.clone(),
            Self::Failed { status: Some(4), .. } => "`carapace doctor` says which layer is missing and what to do".to_owned(),
            Self::Failed { .. } => "look at `carapace logs`, then `carapace doctor`".to_owned(),
            Self::Mute { log, .. } => format!("look at {} and at `carapace doctor`", log.display()),
            Self::System { .. } => "mend what the system names and try again".to_owned(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NotRunning(_) => Exit::State,
            Self::Failed {
                status: Some(3), ..
            } => Exit::State,
            Self::Failed {
                status: Some(4), ..
            } => Exit::CageRefused,
            Self::Failed {
                status: Some(78), ..
            } => Exit::Configuration,
            _ => Exit::Failed,
        }
    }
}

/// What the supervisor says about itself. Keys that it may leave out have a default.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    /// Its version.
    pub(crate) version: String,
    /// Its process id.
    pub(crate) pid: i32,
    /// When it started, in seconds since 1970.
    pub(crate) started: i64,
    /// `root` or `user`.
    pub(crate) mode: String,
    /// `starting`, `running`, `reloading`, `panic` or `stopping`.
    pub(crate) state: String,
    /// Why the newest `config.toml` is not in force.
    pub(crate) config_refused: Option<String>,
    /// `full`, `without-soft` or `waived`.
    pub(crate) level: String,
    /// The layers, per profile.
    pub(crate) layers: Vec<LayerRow>,
    /// Names of the layers that the owner waived.
    pub(crate) waived: Vec<String>,
    /// The processes it keeps.
    pub(crate) processes: Vec<ProcessRow>,
    /// How often the broker was started again.
    pub(crate) broker_restarts: u64,
    /// The last proof.
    pub(crate) proof: Option<ProofRow>,
}

/// A layer of a profile's cage.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LayerRow {
    /// The profile.
    pub(crate) profile: String,
    /// The layer.
    pub(crate) layer: String,
    /// `ok`, `soft`, `missing` or `waived`.
    pub(crate) state: String,
    /// What says so.
    pub(crate) evidence: String,
}

/// A confined process.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ProcessRow {
    /// Its name.
    pub(crate) name: String,
    /// Its process id.
    pub(crate) pid: i32,
    /// Its number, never used again.
    pub(crate) number: u64,
    /// The broker's start that it belongs to.
    pub(crate) generation: u32,
    /// `starting`, `idle` or `serving`.
    pub(crate) state: String,
    /// Whether it was checked from outside.
    pub(crate) attested: bool,
    /// Seconds since it started.
    pub(crate) uptime_s: i64,
    /// Its own share of memory, in KiB.
    pub(crate) pss_kib: Option<u64>,
}

/// The last `carapace doctor --prove`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ProofRow {
    /// Seconds since then.
    pub(crate) age_s: i64,
    /// Attempts that got through.
    pub(crate) breached: u64,
    /// Attempts that were held.
    pub(crate) held: u64,
}

/// Asks one thing.
///
/// # Errors
/// [`SupervisorError::NotRunning`] where nothing listens; others where it does not answer or refuses.
pub(crate) fn ask(home: &Home, word: Word) -> Result<Value, SupervisorError> {
    let path = home.supervisor_socket();
    let name = word.as_str();
    let silent = |cause| SupervisorError::Silent { word: name, cause };
    let mut stream = match UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::ConnectionRefused
            ) =>
        {
            return Err(SupervisorError::NotRunning(path));
        }
        Err(cause) => return Err(silent(cause)),
    };
    stream.set_read_timeout(Some(PATIENCE)).map_err(silent)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(silent)?;
    stream
        .write_all(format!("{name}\n").as_bytes())
        .map_err(silent)?;
    let mut text = Vec::new();
    stream
        .take(ANSWER)
        .read_to_end(&mut text)
        .map_err(|cause| match cause.kind() {
            ErrorKind::WouldBlock => silent(io::Error::other(format!(
                "no answer within {} s",
                PATIENCE.as_secs()
            ))),
            _ => silent(cause),
        })?;
    let value: Value = serde_json::from_slice(&text)
        .map_err(|cause| SupervisorError::Unclear { word: name, cause })?;
    if value.get("ok").and_then(Value::as_bool) != Some(false) {
        return Ok(value);
    }
    let message = value
        .get("message")
        .and_then(Value::as_str)
        .unwrap_or("it says no");
    let (message, remedy) = parted(message);
    Err(SupervisorError::Refused {
        word: name,
        message,
        remedy,
    })
}

/// Brings a changed `config.toml` into force, and waits until it is.
///
/// # Errors
/// As [`ask`]; [`SupervisorError::Refused`] where the broker does not take it and goes on with the one before.
pub(crate) fn reload(home: &Home) -> Result<(), SupervisorError> {
    ask(home, Word::Reload)?;
    let until = Instant::now() + START;
    loop {
        let Some((status, _)) = status(home)? else {
            return Err(SupervisorError::NotRunning(home.supervisor_socket()));
        };
        if let Some(message) = status.config_refused {
            let (message, remedy) = parted(&message);
            return Err(SupervisorError::Refused {
                word: Word::Reload.as_str(),
                message,
                remedy,
            });
        }
        if !matches!(status.state.as_str(), "reloading" | "starting") {
            return Ok(());
        }
        if Instant::now() >= until {
            let cause = io::Error::other(format!("not done within {} s", START.as_secs()));
            return Err(SupervisorError::Silent {
                word: Word::Reload.as_str(),
                cause,
            });
        }
        std::thread::sleep(LOOK);
    }
}

/// Its status; `None` where it does not run.
///
/// # Errors
/// As [`ask`], but for [`SupervisorError::NotRunning`].
pub(crate) fn status(home: &Home) -> Result<Option<(Status, Value)>, SupervisorError> {
    match ask(home, Word::Status) {
        Ok(value) => {
            let status = Status::deserialize(&value).map_err(|cause| SupervisorError::Unclear {
                word: "status",
                cause,
            })?;
            Ok(Some((status, value)))
        }
        Err(SupervisorError::NotRunning(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// How a supervisor is to be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// In a session of its own, without a terminal; it outlives the caller.
    Daemon,
    /// As a child with the caller's standard output and error.
    Foreground,
}

/// Starts a supervisor and waits until it is ready. Call it before any thread starts.
///
/// # Errors
/// What kept it from starting, in its own words where it had some.
pub(crate) fn start(home: &Home, manner: Manner) -> Result<Child, SupervisorError> {
    let system = |step| {
        move |cause: rustix::io::Errno| SupervisorError::System {
            step,
            cause: cause.into(),
        }
    };
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(system("making a pipe"))?;
    fcntl_setfd(&write, FdFlags::empty()).map_err(system("preparing a pipe"))?;
    let mut command = match manner {
        Manner::Daemon => {
            // A fresh session needs a process of its own between; it becomes the supervisor.
            let mut command = Command::new("/proc/self/exe");
            command
                .arg("--home")
                .arg(home.root())
                .arg("detach")
                .arg(write.as_raw_fd().to_string());
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command
        }
        Manner::Foreground => {
            let mut command = Command::new(program()?);
            command
                .arg("--home")
                .arg(home.root())
                .arg("--ready-fd")
                .arg(write.as_raw_fd().to_string());
            // The caller passes signals on; a Ctrl-C from the terminal shall not reach it twice.
            command.process_group(0);
            command
        }
    };
    let path = PathBuf::from(command.get_program());
    let mut child = command
        .stdin(Stdio::null())
        .env_remove(crate::vault_door::VARIABLE)
        .spawn()
        .map_err(|cause| SupervisorError::Program { path, cause })?;
    drop(write);
    match ready_line(read)? {
        Line::Ready => Ok(child),
        Line::Other(line) => {
            let message = line.strip_prefix("FAILED ").unwrap_or(&line);
            let (message, remedy) = parted(message);
            Err(SupervisorError::Failed {
                message,
                remedy,
                status: ended(&mut child, Duration::from_secs(3)),
            })
        }
        Line::Closed => {
            let what = match ended(&mut child, Duration::from_secs(3)) {
                Some(status) => format!("ended with status {status} and without a word"),
                None => "closed its report without a word".to_owned(),
            };
            Err(SupervisorError::Mute {
                what,
                log: home.logs(),
            })
        }
        Line::Late => {
            let _ = child.kill();
            let _ = child.wait();
            Err(SupervisorError::Mute {
                what: format!("was not ready within {} s and was ended", START.as_secs()),
                log: home.logs(),
            })
        }
    }
}

/// Becomes the supervisor, in a session of its own. Returns only if that fails.
///
/// # Errors
/// The program is not there or the session cannot be made.
pub(crate) fn become_daemon(
    home: &Home,
    ready: i32,
) -> Result<std::convert::Infallible, SupervisorError> {
    rustix::process::setsid().map_err(|cause| SupervisorError::System {
        step: "making a session",
        cause: cause.into(),
    })?;
    let path = program()?;
    let cause = Command::new(&path)
        .arg("--home")
        .arg(home.root())
        .arg("--ready-fd")
        .arg(ready.to_string())
        .current_dir("/")
        .exec();
    Err(SupervisorError::Program { path, cause })
}

/// A program that lies beside this one.
///
/// # Errors
/// This program's own place is not known, or nothing of that name is there.
pub(crate) fn sibling(name: &str) -> Result<PathBuf, SupervisorError> {
    let own = std::fs::read_link("/proc/self/exe").map_err(|cause| SupervisorError::System {
        step: "finding this program's folder",
        cause,
    })?;
    let path = own.with_file_name(name);
    match path.metadata() {
        Ok(_) => Ok(path),
        Err(cause) => Err(SupervisorError::Program { path, cause }),
    }
}

fn program() -> Result<PathBuf, SupervisorError> {
    sibling("carapace-supervisor")
}

enum Line {
    Ready,
    Other(String),
    Closed,
    Late,
}

/// The first line of the report, or its absence.
fn ready_line(read: OwnedFd) -> Result<Line, SupervisorError> {
    const LONGEST: usize = 8 * 1024;
    let until = Instant::now() + START;
    let mut text = Vec::new();
    let mut file = File::from(read);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Line::Late);
        }
        let wait = rustix::event::Timespec::try_from(left).ok();
        match poll(&mut [PollFd::new(&file, PollFlags::IN)], wait.as_ref()) {
            Ok(0) => return Ok(Line::Late),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(cause) => {
                return Err(SupervisorError::System {
                    step: "waiting for the supervisor",
                    cause: cause.into(),
                });
            }
        }
        let mut piece = [0; 1024];
        let count = file
            .read(&mut piece)
            .map_err(|cause| SupervisorError::System {
                step: "reading the supervisor's report",
                cause,
            })?;
        text.extend_from_slice(&piece[..count]);
        // READY is one line; a failure may have several, up to the end.
        if text.starts_with(b"READY\n") {
            return Ok(Line::Ready);
        }
        if count == 0 || text.len() > LONGEST {
            let text = String::from_utf8_lossy(&text).trim().to_owned();
            return Ok(if text.is_empty() {
                Line::Closed
            } else {
                Line::Other(text)
            });
        }
    }
}

/// A failure line parted into message and remedy, whether the line break before the remedy was kept or escaped.
fn parted(text: &str) -> (String, String) {
    for mark in ["\n  remedy: ", "\\n  remedy: ", "; remedy: ", " remedy: "] {
        if let Some((message, remedy)) = text.split_once(mark) {
            return (message.trim_end().to_owned(), remedy.trim().to_owned());
        }
    }
    (text.to_owned(), String::new())
}

/// The status of a child that is about to end.
fn ended(child: &mut Child, patience: Duration) -> Option<u8> {
    let until = Instant::now() + patience;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.code().and_then(|code| u8::try_from(code).ok()),
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_parted_into_what_and_what_to_do() {
        for text in ["a\n  remedy: b", "a\\n  remedy: b", "a; remedy: b"] {
            assert_eq!(parted(text), ("a".to_owned(), "b".to_owned()), "{text:?}");
        }
        assert_eq!(parted("a").1, "");
    }

    #[test]
    fn a_home_where_nothing_listens_is_not_running() {
        let folder = tempfile::tempdir().unwrap();
        assert!(status(&Home::at(folder.path())).unwrap().is_none());
    }
}
