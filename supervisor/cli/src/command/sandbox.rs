//! `carapace sandbox run`: a program of anybody's in the agent's cage.

use super::Context;
use crate::failure::{Exit, Explain, Failure};
use crate::{cage_file, home, screen};
use carapace_jail::sandbox::{self, SandboxError};
use carapace_jail::{ProfileName, SpawnError};
use clap::Subcommand;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

/// Run a program of yours in a cage.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  gcc -static -o try try.c && carapace sandbox run -- ./try
  carapace sandbox run --profile hands -- /bin/sh -c 'id; ls /'

Exit status: the program's; 126 if it was not started, 128 + signal if a signal ended it")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run a program to its end
    Run {
        /// Whose cage: worker (static programs only) or hands
        #[arg(long, default_value = "worker", value_parser = ["worker", "hands"])]
        profile: String,
        /// The program and its arguments
        #[arg(required = true, last = true, value_name = "PROGRAM ARGS")]
        program: Vec<OsString>,
    },
}

/// Not started.
const NOT_STARTED: u8 = 126;

/// Why the program was not run.
#[derive(Debug, thiserror::Error)]
enum SandboxRunError {
    #[error("running a program in the cage: {0}")]
    Cage(#[from] SandboxError),
    #[error("listing what the cage shows: {0}")]
    Visible(#[from] SpawnError),
}

impl Explain for SandboxRunError {
    fn code(&self) -> &'static str {
        match self {
            Self::Cage(SandboxError::NotStatic { .. }) => "sandbox-not-static",
            Self::Cage(SandboxError::Open { .. }) => "sandbox-program",
            _ => "sandbox",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Cage(SandboxError::NotStatic { .. }) => {
                "link it static (gcc -static, or Rust with crt-static), or use --profile hands with a program in /usr".to_owned()
            }
            Self::Cage(SandboxError::Open { .. }) => "name a program that exists and that you may read".to_owned(),
            _ => "`carapace doctor` shows which layers this machine offers".to_owned(),
        }
    }

    fn exit(&self) -> Exit {
        Exit::Of(NOT_STARTED)
    }
}

/// Runs `sandbox run`. Must be called before any thread starts.
///
/// # Errors
/// The program was not started.
pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let Action::Run { profile, program } = args.action;
    let profile = if profile == "hands" {
        ProfileName::Hands
    } else {
        ProfileName::Worker
    };
    let workspace = match profile {
        ProfileName::Hands => {
            home::ensure(&context.home)?;
            Some(context.home.workspace("owner"))
        }
        _ => None,
    };
    let config = cage_file::load(&context.home)?;
    let mut words = program.into_iter();
    let path = PathBuf::from(words.next().unwrap_or_default());
    let arguments: Vec<OsString> = words.collect();
    let visible = sandbox::visible(profile, workspace.as_deref()).map_err(SandboxRunError::from)?;
    let mut announce = |differences: &[String]| {
        let mut text =
            format!("carapace: the cage of {profile}; what differs from its own program's:\n");
        differences
            .iter()
            .for_each(|line| text.push_str(&format!("  {line}\n")));
        text.push_str("carapace: what it sees of files:\n");
        visible
            .iter()
            .for_each(|line| text.push_str(&format!("  {line}\n")));
        screen::aside(&screen::neutral::lines(&text));
    };
    let outcome = sandbox::run_foreign(
        profile,
        &path,
        &arguments,
        &config,
        workspace.as_deref(),
        &mut announce,
    )
    .map_err(SandboxRunError::from)?;
    if context.json {
        screen::print_json(&serde_json::json!({
            "profile": profile,
            "status": outcome.status.code(),
            "signal": outcome.status.signal(),
            "cause": outcome.cause,
            "attestation": outcome.attestation,
            "differences": outcome.differences,
            "visible": visible,
        }));
    } else if let Some(signal) = outcome.status.signal() {
        screen::aside(&format!(
            "carapace: it was ended by signal {signal} ({:?})\n",
            outcome.cause
        ));
    }
    let status = match (outcome.status.code(), outcome.status.signal()) {
        (Some(code), _) => u8::try_from(code).unwrap_or(1),
        (None, signal) => 128 + u8::try_from(signal.unwrap_or(0)).unwrap_or(0).min(127),
    };
    Ok(Exit::Of(status))
}
