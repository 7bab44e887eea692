//! `carapace doctor`: the home and the cage of this machine, examined by trying.

use super::Context;
use crate::failure::{Exit, Explain, Failure};
use crate::home::HomeError;
use crate::screen::{self, neutral::line};
use crate::secret::plaintext;
use crate::{broker, cage_file, config_file, files, home, supervisor};
use carapace_contract::control::Ask;
use carapace_jail::State;
use carapace_jail::config::CageConfig;
use carapace_jail::probe::{self, LayerReport, Level, Refusal};
use carapace_jail::prove::{
    self, MINIMUM_CONTROLS, Progress, Proof, ProveError, ProveOptions, Verdict,
};
use serde::Serialize;
use std::fs;
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Below this the broker's database and log may not be written, in MiB.
const SPACE: u64 = 64;

/// Examine the home and the cage of this machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carapace doctor                    state, evidence, consequence and remedy of each layer
  carapace doctor --prove            try to break out of worker and hands, in every known way
  carapace doctor --prove --json     the list of all attempts, with totals

Exit status: 1 for a problem, a breach or a proof that proves nothing, 4 where no cage is possible")]
pub(crate) struct Args {
    /// Run every known attempt to break out, each beside an unconfined control
    #[arg(long)]
    prove: bool,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
enum ProofError {
    #[error("proving the cage: {0}")]
    Run(#[from] ProveError),
    #[error("keeping the proof: {path}: {cause}")]
    Keep { path: PathBuf, cause: io::Error },
}

impl Explain for ProofError {
    fn code(&self) -> &'static str {
        match self {
            Self::Run(_) => "proof-run",
            Self::Keep { .. } => "proof-keep",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Run(_) => {
                "`carapace doctor` without --prove shows what this machine lacks".to_owned()
            }
            Self::Keep { .. } => "free space, or mend what the system names".to_owned(),
        }
    }
}

/// One thing about the home.
#[derive(Debug, Serialize)]
struct Check {
    what: &'static str,
    ok: bool,
    /// Nothing is broken, but the remedy is worth it.
    warning: bool,
    evidence: String,
    remedy: String,
}

/// Runs `doctor`. Must be called before any thread starts.
///
/// # Errors
/// The home or `cage.toml` cannot be read, or the proof cannot be run.
pub(crate) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let config = cage_file::load(&context.home)?;
    let layers = probe::layers(&config);
    let verdict = probe::verdict(&layers, &config);
    let checks = examine(context, &config);
    let exit = match (&verdict, checks.iter().all(|check| check.ok)) {
        (Err(_), _) => Exit::CageRefused,
        (Ok(_), false) => Exit::Failed,
        (Ok(_), true) => Exit::Done,
    };
    if args.prove && verdict.is_ok() {
        return prove(context, &config);
    }
    if context.json {
        screen::print_json(&serde_json::json!({
            "level": verdict.as_ref().ok(),
            "refusal": verdict.as_ref().err().map(Refusal::to_string),
            "layers": layers,
            "home": checks,
        }));
        return Ok(exit);
    }
    show_layers(&layers, &verdict);
    for check in &checks {
        screen::print(&format!(
            "{:<8} {:<17} {}\n",
            match (check.ok, check.warning) {
                (false, _) => "PROBLEM",
                (true, true) => "warn",
                (true, false) => "ok",
            },
            check.what,
            line(&check.evidence)
        ));
        if !check.ok || check.warning {
            screen::print(&format!("{:<26} remedy: {}\n", "", line(&check.remedy)));
        }
    }
    Ok(exit)
}

/// Tries to break out, in every known way.
fn prove(context: &Context, config: &CageConfig) -> Result<Exit, Failure> {
    let probe = supervisor::sibling("carapace-probe")?;
    let watched = std::io::stderr().is_terminal();
    let mut progress = |step: Progress<'_>| {
        if watched {
            screen::aside(&format!("\r{} of {} attempts ", step.done, step.total));
        }
    };
    let proof = prove::run(ProveOptions {
        probe: &probe,
        config,
        progress: &mut progress,
    })
    .map_err(ProofError::from)?;
    if watched {
        screen::aside("\r\u{1b}[K");
    }
    if home::check(&context.home).is_ok() {
        // NOTE(unwrap_or_default): a proof is plain data.
        let text = serde_json::to_vec(&proof).unwrap_or_default();
        let path = context.home.proof();
        files::replace(&path, &text).map_err(|cause| ProofError::Keep { path, cause })?;
        // On record where the broker runs; the proof stands without it.
        let (held, breached) = (proof.totals.held as u64, proof.totals.breached as u64);
        let told = broker::ask(&context.home, &Ask::Proof { held, breached });
        if let Err(error) = told {
            screen::aside(&format!(
                "the proof is not in the audit chain: {}\n",
                line(&error.to_string())
            ));
        }
    }
    let exit = if proof.passed() {
        Exit::Done
    } else {
        Exit::Failed
    };
    if context.json {
        screen::print_json(&proof);
    } else {
        show_proof(&proof);
    }
    Ok(exit)
}

fn show_proof(proof: &Proof) {
    for entry in proof.to_list() {
        let outcome = match entry.outcome {
            Verdict::Held => "held",
            Verdict::Breached => "BREACHED",
            Verdict::Allowed => "allowed",
        };
        screen::print(&format!(
            "{outcome:<8} {:<7} {:<14} {:<28} {}\n",
            line(&entry.profile),
            line(&entry.class),
            line(&entry.id),
            line(&entry.attempt)
        ));
        screen::print(&format!(
            "{:<24} in the cage: {}; without it: {}\n",
            "",
            line(&entry.result),
            line(&entry.control)
        ));
    }
    let totals = &proof.totals;
    screen::print(&format!(
        "\n{} held, {} breached, {} allowed on purpose; {} attempts work without a cage, {} were not tried there\n",
        totals.held,
        totals.breached,
        totals.allowed,
        totals.controls_working,
        totals.controls_not_run,
    ));
    if totals.breached > 0 {
        screen::print(
            "BREACHED: an agent could do what it must not; stop carapace and report this\n",
        );
    }
    if totals.vacuous {
        screen::print(&format!(
            "VACUOUS: fewer than {MINIMUM_CONTROLS} attempts work even without a cage, so this proves little\n"
        ));
    }
}

fn show_layers(layers: &[LayerReport], verdict: &Result<Level, Refusal>) {
    for report in layers {
        let state = match report.state {
            State::Ok => "ok".to_owned(),
            other => other.to_string().to_uppercase(),
        };
        screen::print(&format!(
            "{state:<8} {:<13} {}\n",
            report.layer.as_str(),
            line(&report.evidence)
        ));
        if report.state != State::Ok {
            screen::print(&format!(
                "{:<22} consequence: {}\n{:<22} remedy: {}\n",
                "",
                line(&report.consequence),
                "",
                line(&report.remedy)
            ));
        }
    }
    screen::print(&match verdict {
        Ok(Level::Full) => "cage: every layer is in place\n\n".to_owned(),
        Ok(Level::WithoutSoft) => {
            "cage: every required layer is in place; a soft one is missing\n\n".to_owned()
        }
        Ok(Level::Waived) => "cage: WEAKENED by your waiver\n\n".to_owned(),
        Err(refusal) => format!("cage: NOT POSSIBLE HERE: {refusal}\n\n"),
    });
}

fn examine(context: &Context, cage: &CageConfig) -> Vec<Check> {
    let home = &context.home;
    let check = |what, done: Result<String, (String, String)>| match done {
        Ok(evidence) => Check {
            what,
            ok: true,
            warning: false,
            evidence,
            remedy: String::new(),
        },
        Err((evidence, remedy)) => Check {
            what,
            ok: false,
            warning: false,
            evidence,
            remedy,
        },
    };
    let told = |error: &dyn Explain| (error.to_string(), error.remedy());
    let found = match home::check(home) {
        Ok(()) => Ok(format!("{}, yours alone", home.root().display())),
        Err(HomeError::Absent(path)) => {
            let evidence = format!(
                "{} does not exist yet; `carapace start` makes it",
                path.display()
            );
            return vec![check("home", Ok(evidence))];
        }
        Err(error) => return vec![check("home", Err(told(&error)))],
    };
    let mut checks = vec![check("home", found)];
    checks.push(check("modes", closed(context)));
    checks.push(check(
        "config.toml",
        config_file::load(home)
            .map(|_| "valid".to_owned())
            .map_err(|error| told(&error)),
    ));
    checks.push(check(
        "cage.toml",
        cage.check(home.root())
            .map(|()| "valid".to_owned())
            .map_err(|error| {
                (
                    error.to_string(),
                    "`carapace cage` shows and changes it".to_owned(),
                )
            }),
    ));
    checks.push(in_the_open(context));
    checks.push(check("disk space", space(context)));
    checks.push(check(
        "supervisor",
        match supervisor::status(home) {
            Ok(Some((status, _))) => Ok(format!("running, process {}", status.pid)),
            Ok(None) if home.pid_file().exists() => Ok(
                "not running; a pid file of an earlier run is taken over by the next start"
                    .to_owned(),
            ),
            Ok(None) => Ok("not running".to_owned()),
            Err(error) => Err(told(&error)),
        },
    ));
    checks
}

/// Whether everything in the home is closed to others.
fn closed(context: &Context) -> Result<String, (String, String)> {
    let home = &context.home;
    let mut seen = 0;
    for path in [
        home.config(),
        home.cage(),
        home.anchor(),
        home.audit_first_key(),
        home.key_dir(),
        home.vault_key(),
        home.state(),
        home.run(),
        home.logs(),
        home.workspace("owner"),
    ] {
        let Ok(about) = fs::symlink_metadata(&path) else {
            continue;
        };
        seen += 1;
        if about.is_symlink() {
            return Err((
                format!("{} is a symbolic link", path.display()),
                "put the real thing there".to_owned(),
            ));
        }
        if about.mode() & 0o077 != 0 {
            return Err((
                format!(
                    "{} is open to others (mode {:04o})",
                    path.display(),
                    about.mode() & 0o7777
                ),
                format!("chmod go= {}", path.display()),
            ));
        }
    }
    Ok(format!("{seen} files and folders, none open to others"))
}

/// Whether secrets lie where every program of the person can read them.
fn in_the_open(context: &Context) -> Check {
    let places: Vec<String> = plaintext::find(&context.home)
        .iter()
        .map(|found| found.place.to_string())
        .collect();
    let found = !places.is_empty();
    Check {
        what: "plaintext secrets",
        ok: true,
        warning: found,
        evidence: if found {
            places.join("; ")
        } else {
            "none found where carapace knows to look".to_owned()
        },
        remedy: if found {
            "`carapace auth import` stores them and says how to remove them".to_owned()
        } else {
            String::new()
        },
    }
}

fn space(context: &Context) -> Result<String, (String, String)> {
    let remedy = || {
        "free some space on that disk: without it nothing can be recorded, and so nothing is done"
            .to_owned()
    };
    let about =
        rustix::fs::statvfs(context.home.root()).map_err(|error| (error.to_string(), remedy()))?;
    let free = about.f_bavail.saturating_mul(about.f_frsize) / (1024 * 1024);
    let evidence = format!("{free} MiB free");
    if free >= SPACE {
        Ok(evidence)
    } else {
        Err((format!("{evidence}, less than {SPACE}"), remedy()))
    }
}
