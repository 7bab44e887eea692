//! `carapace audit`: the log of everything decided, verified without the broker.

use super::Context;
use crate::failure::{Exit, Explain, Failure, split_remedy};
use crate::screen::{self, neutral::line};
use crate::{broker, home};
use broker::BrokerError;
use carapace_contract::control::{Ask, Tell};
use carapace_store::audit::{self, KeyError};
use clap::Subcommand;
use std::io;
use std::path::PathBuf;

/// The audit log.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carapace audit verify     exit status 1 if a record was changed, cut, moved or forged
  carapace audit head       an anchor to keep elsewhere")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Verify the whole log, running or not
    Verify,
    /// Print number and hash of the newest record
    Head,
}

/// Why the log was not verified.
#[derive(Debug, thiserror::Error)]
enum AuditError {
    #[error("verifying the audit log: {}", split_remedy(&.0.to_string()).0)]
    Key(#[from] KeyError),
    #[error("verifying the audit log: {path}: {cause}")]
    Unreadable { path: PathBuf, cause: io::Error },
}

impl Explain for AuditError {
    fn code(&self) -> &'static str {
        match self {
            Self::Key(_) => "audit-key",
            Self::Unreadable { .. } => "audit-unreadable",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Key(error) => split_remedy(&error.to_string()).1,
            Self::Unreadable { .. } => {
                "restore it from a backup, or mend what the system names".to_owned()
            }
        }
    }
}

/// Runs `audit`.
///
/// # Errors
/// The log, its key or its anchor cannot be read.
pub(crate) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    home::check(&context.home)?;
    match args.action {
        Action::Verify => verify(context),
        Action::Head => head(context),
    }
}

fn verify(context: &Context) -> Result<Exit, Failure> {
    let home = &context.home;
    let key = audit::read_first_key(&home.audit_first_key()).map_err(AuditError::from)?;
    // The anchor first: records may follow it while the log is read, and none before it may be missing.
    let path = home.audit_head();
    let anchor =
        audit::head::read_head(&path).map_err(|cause| AuditError::Unreadable { path, cause })?;
    let path = home.audit_log();
    let report = match audit::verify_file(&path, &key, anchor) {
        Ok(report) => report,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            audit::verify(io::empty(), &key, anchor)
                .map_err(|cause| AuditError::Unreadable { path, cause })?
        }
        Err(cause) => return Err(AuditError::Unreadable { path, cause }.into()),
    };
    let exit = if report.intact {
        Exit::Done
    } else {
        Exit::Failed
    };
    if context.json {
        screen::print_json(&report);
        return Ok(exit);
    }
    if report.intact {
        screen::print(&format!(
            "intact: {} records, head {}\n",
            report.records, report.head
        ));
    } else {
        screen::print(&format!(
            "NOT INTACT: the first {} records hold\n",
            report.records
        ));
    }
    if let Some(problem) = &report.problem {
        screen::print(&format!(
            "  line {}: {}\n",
            problem.line,
            line(&problem.what)
        ));
    }
    if let Some(anchor) = &report.anchor {
        let words = if anchor.holds {
            "is in the chain"
        } else {
            "is NOT in the chain"
        };
        screen::print(&format!(
            "anchored: record {}, which {words}\n",
            anchor.count
        ));
    }
    for sentence in &report.unknowable {
        screen::print(&format!("cannot be known: {}\n", line(sentence)));
    }
    Ok(exit)
}

fn head(context: &Context) -> Result<Exit, Failure> {
    let (count, hash) = match broker::ask(&context.home, &Ask::AuditHead {}) {
        Ok(Tell::AuditHead { count, head }) => (count, head),
        Ok(_) => return Err(BrokerError::Other.into()),
        Err(BrokerError::NotRunning(_)) => {
            let path = context.home.audit_head();
            let stored = audit::head::read_head(&path)
                .map_err(|cause| AuditError::Unreadable { path, cause })?;
            let head = stored.unwrap_or(audit::Head::EMPTY);
            (head.count, head.hash.to_string())
        }
        Err(error) => return Err(error.into()),
    };
    if context.json {
        screen::print_json(&serde_json::json!({"count": count, "head": hash}));
    } else {
        screen::print(&format!("{count} {}\n", line(&hash)));
    }
    Ok(Exit::Done)
}
