//! `carapace start` and `restart`: checks the configuration, sets up the home, starts the
//! supervisor and waits until it is ready.

use super::{Context, policy, stop};
use crate::config_file;
use crate::failure::{Exit, Explain, Failure};
use crate::signals::Signals;
use crate::supervisor::{self, Manner, SupervisorError};
use crate::{home, model_servers, screen, vault_door};
use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, kill_process, pidfd_open};
use serde_json::json;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use vault_door::Door;

/// Start carapace.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carapace start                 in the background; returns when it is ready
  carapace start --passphrase-file /run/secrets/vault      opens the vault as well
  carapace start --foreground    for service managers and containers; ends with it

Exit status: 3 if it runs already, 4 if this machine cannot confine, 78 for a bad configuration")]
pub(crate) struct Args {
    /// Stay in the foreground and end with carapace
    #[arg(long)]
    foreground: bool,
    /// Open the vault with the passphrase in this file; else with CARAPACE_VAULT_PASSPHRASE or the
    /// systemd credential vault-passphrase; else you are asked at a terminal
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Why a start was not made.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("starting carapace: it is already running, process {pid}, home {home}")]
    Running { pid: i32, home: String },
    #[error("staying in the foreground: {0}")]
    Foreground(std::io::Error),
}

impl Explain for StartError {
    fn code(&self) -> &'static str {
        match self {
            Self::Running { .. } => "already-running",
            Self::Foreground(_) => "system",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Running { .. } => {
                "talk to it with `carapace chat`, or use `carapace restart`".to_owned()
            }
            Self::Foreground(_) => "mend what the system names and try again".to_owned(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Running { .. } => Exit::State,
            Self::Foreground(_) => Exit::Failed,
        }
    }
}

/// Runs `start`.
///
/// # Errors
/// The home or the configuration cannot be used, it runs already, or it does not get ready.
pub(crate) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    prepare(context)?;
    if let Some((status, _)) = supervisor::status(&context.home)? {
        return Err(StartError::Running {
            pid: status.pid,
            home: context.home.root().display().to_string(),
        }
        .into());
    }
    if args.foreground {
        return foreground(context, args.passphrase_file.as_deref());
    }
    supervisor::start(&context.home, Manner::Daemon)?;
    let door = vault_door::open(context, args.passphrase_file.as_deref());
    announce(context, door)?;
    model_servers::offer(context)?;
    Ok(Exit::Done)
}

/// Runs `restart`.
///
/// # Errors
/// As `stop` and `start`.
pub(crate) fn restart(context: &Context) -> Result<Exit, Failure> {
    prepare(context)?;
    let door = again(context)?;
    announce(context, door)?;
    Ok(Exit::Done)
}

/// Stops it and starts it in the background.
///
/// # Errors
/// As `restart`.
pub(crate) fn again(context: &Context) -> Result<Door, Failure> {
    stop::stop(context)?;
    supervisor::start(&context.home, Manner::Daemon)?;
    Ok(vault_door::open(context, None))
}

/// Starts it in the background if it does not run. True where it was started.
///
/// # Errors
/// As `start`.
pub(crate) fn start_if_needed(context: &Context) -> Result<bool, Failure> {
    prepare(context)?;
    if supervisor::status(&context.home)?.is_some() {
        return Ok(false);
    }
    match supervisor::start(&context.home, Manner::Daemon) {
        Ok(_) => {
            if !context.json {
                screen::aside(
                    "carapace: it was not running and has been started; `carapace stop` ends it\n",
                );
            }
            vault_door::open(context, None);
            Ok(true)
        }
        // Another terminal was faster.
        Err(SupervisorError::Failed {
            status: Some(3), ..
        }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn prepare(context: &Context) -> Result<(), Failure> {
    let fresh = home::ensure(&context.home)?;
    config_file::load(&context.home)?;
    if fresh && !context.json {
        screen::aside(&format!(
            "carapace: made a home in {}\n",
            context.home.root().display()
        ));
    }
    Ok(())
}

fn announce(context: &Context, door: Door) -> Result<(), Failure> {
    let status = supervisor::status(&context.home)?
        .map(|(status, _)| status)
        .unwrap_or_default();
    let home = &context.home;
    let changes = policy::fresh(context);
    if context.json {
        screen::print_json(&json!({
            "pid": status.pid,
            "home": home.root(),
            "level": status.level,
            "waived": status.waived,
            "logs": home.logs(),
            "control": home.control_socket(),
            "vault": if door == Door::Locked { "locked" } else { "open" },
            "changes": changes,
        }));
        return Ok(());
    }
    screen::print(&format!(
        "carapace is running, process {}\n  home       {}\n  workspace  {}\n  logs       {}\n  cage       {}\n",
        status.pid,
        home.root().display(),
        home.workspace("owner").display(),
        home.logs().display(),
        level(&status.level, &status.waived),
    ));
    if !changes.is_empty() {
        screen::print("since it ran before (+ is possible now, - is possible no more):\n");
        policy::print_changes(&changes);
    }
    Ok(())
}

/// The cage level in words, waivers loudly.
pub(crate) fn level(level: &str, waived: &[String]) -> String {
    let words = match level {
        "full" => "every layer",
        "without-soft" => "every required layer (a soft one is missing, see `carapace doctor`)",
        "waived" => "WEAKENED by your waiver",
        "" => "not known",
        other => other,
    };
    if waived.is_empty() {
        return screen::neutral::line(words);
    }
    let names: Vec<String> = waived.iter().map(|layer| layer.to_uppercase()).collect();
    screen::neutral::line(&format!(
        "WEAKENED by your waiver: {} MISSING",
        names.join(", ")
    ))
}

/// Stays until the supervisor ends, and passes on what would end this process.
fn foreground(context: &Context, passphrase: Option<&Path>) -> Result<Exit, Failure> {
    let mut child = supervisor::start(&context.home, Manner::Foreground)?;
    let door = vault_door::open(context, passphrase);
    let failed = StartError::Foreground;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let Some(pid) = pid else {
        return Err(failed(std::io::Error::other("the supervisor has no process id")).into());
    };
    let signals =
        Signals::take(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]).map_err(failed)?;
    let process = pidfd_open(pid, PidfdFlags::empty()).map_err(|error| failed(error.into()))?;
    announce(context, door)?;
    loop {
        let mut waits = [
            PollFd::new(&process, PollFlags::IN),
            PollFd::new(&signals, PollFlags::IN),
        ];
        match poll(&mut waits, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed(error.into()).into()),
        }
        while let Some(signal) = signals.next() {
            let pass = match signal {
                Signal::SIGHUP => rustix::process::Signal::HUP,
                _ => rustix::process::Signal::TERM,
            };
            let _ = kill_process(pid, pass);
        }
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(match (status.code(), status.signal()) {
                (Some(0), _) => Exit::Done,
                (Some(code), _) => Exit::Of(u8::try_from(code).unwrap_or(1)),
                (None, signal) => Exit::Of(128 + u8::try_from(signal.unwrap_or(0)).unwrap_or(0)),
            });
        }
    }
}
