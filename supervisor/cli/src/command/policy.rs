//! `carapace policy`: the floor, tried on recorded tasks, for which nothing needs to be running; and what a
//! change made possible.

use super::Context;
use crate::failure::{Exit, Explain, Failure};
use crate::screen::{self, neutral, time};
use crate::{broker, files, home};
use broker::BrokerError;
use carapace_contract::control::{Ask, ChangeRow, Tell};
use carapace_policy::replay::{Human, Replay, ReplayError, Tools};
use carapace_policy::rules::{MAX_BYTES, Rules};
use clap::{Subcommand, ValueEnum};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

/// The longest line of a recording, in bytes.
const LONGEST: u64 = 16 * 1024 * 1024;

/// The floor and the rules, tried; and what a change made possible.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  carapace policy replay --tools tools.json --human owner < recorded.jsonl

A recording has one JSON object per line:
  {\"begin\": {\"prompt\": \"…\", \"tools\": [\"mail.send\"]}}   what the owner wrote, what is offered
  {\"contacts\": {\"values\": [\"bob@example.org\"]}}          whom the owner knows
  {\"plan\": {\"steps\": [{\"tool\": \"…\", \"args\": {…}}]}}     steps proposed beforehand
  {\"decide\": {\"tool\": \"…\", \"args\": {…}}}                may this be done?
  {\"answer\": \"allow\"}                                   the owner's word after an `ask`
  {\"result\": {\"tool\": \"…\", \"args\": {…}, \"text\": \"…\"}}    what the tool gave back
For each decide and plan one line comes out: {\"decision\": \"allow|ask|deny\", \"reasons\": […]}")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run the floor and the rules of a fresh home over recorded tasks, from standard input
    Replay {
        /// The tools and their effects, as a plugin's manifest has them
        #[arg(long, value_name = "FILE")]
        tools: PathBuf,
        /// Who answers questions
        #[arg(long, value_enum, default_value_t = Who::Owner)]
        human: Who,
        /// The rules that hold [default: those of a fresh home]
        #[arg(long, value_name = "FILE")]
        rules: Option<PathBuf>,
        /// No rules: the floor alone
        #[arg(long, conflicts_with = "rules")]
        no_rules: bool,
    },
    /// What the newest change of rules, tools, grants or configuration made possible, in words
    Changes,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Who {
    /// Nobody: every question is a no
    None,
    /// The line after an `ask` is the answer; without one it is a no
    Owner,
    /// Yes to everything
    Always,
}

/// Why a replay ended.
#[derive(Debug, thiserror::Error)]
enum PolicyError {
    #[error("the tools were not read: {}: {cause}", path.display())]
    Tools { path: PathBuf, cause: String },
    #[error("the rules were not read: {}: {cause}", path.display())]
    Rules { path: PathBuf, cause: String },
    #[error("line {at} of the recording: {cause}")]
    Line { at: u64, cause: ReplayError },
    #[error("the recording was not read: {0}")]
    Input(std::io::Error),
    #[error("line {0} of the recording is longer than 16 MiB")]
    TooLong(u64),
}

impl Explain for PolicyError {
    fn code(&self) -> &'static str {
        match self {
            PolicyError::Tools { .. } => "policy-tools",
            PolicyError::Rules { .. } => "policy-rules",
            PolicyError::Line { .. } | PolicyError::TooLong(_) => "policy-line",
            PolicyError::Input(_) => "policy-input",
        }
    }

    fn remedy(&self) -> String {
        match self {
            PolicyError::Tools { .. } => {
                "{\"tools\": [{\"name\": …, \"effects\": {…}}]} is expected; docs/reference/effects.md has every field".to_owned()
            }
            PolicyError::Rules { .. } => "`carapace rules` shows the form of a rule".to_owned(),
            _ => "`carapace policy --help` shows the form of a line".to_owned(),
        }
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Runs `policy`.
///
/// # Errors
/// The tools or the recording cannot be used.
pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    match args.action {
        Action::Replay {
            tools,
            human,
            rules,
            no_rules,
        } => replay(&tools, human, rules.as_deref(), no_rules),
        Action::Changes => changes(context),
    }
}

/// What the broker that runs found to be different when it started.
pub(crate) fn fresh(context: &Context) -> Vec<ChangeRow> {
    match broker::ask(&context.home, &Ask::Changes {}) {
        Ok(Tell::Changes {
            fresh: true, rows, ..
        }) => rows,
        _ => Vec::new(),
    }
}

/// What became possible, and what no more, one a line.
pub(crate) fn print_changes(rows: &[ChangeRow]) {
    for row in rows {
        let sign = match row.direction.as_str() {
            "wider" => '+',
            "narrower" => '-',
            _ => ' ',
        };
        screen::print(&format!("{sign} {}\n", neutral::line(&row.text)));
    }
}

fn changes(context: &Context) -> Result<Exit, Failure> {
    home::check(&context.home)?;
    let tell = broker::ask(&context.home, &Ask::Changes {})?;
    let Tell::Changes { at, rows, .. } = &tell else {
        return Err(BrokerError::Other.into());
    };
    if context.json {
        screen::print_json(&tell);
        return Ok(Exit::Done);
    }
    match at {
        None => screen::print("nothing has changed since the first start\n"),
        Some(at) => {
            screen::print(&format!(
                "{}; + is possible now and was not before, - is possible no more\n",
                time::clock(*at)
            ));
            print_changes(rows);
        }
    }
    Ok(Exit::Done)
}

fn replay(tools: &Path, human: Who, rules: Option<&Path>, no_rules: bool) -> Result<Exit, Failure> {
    let fault = |cause: String| PolicyError::Tools {
        path: tools.to_owned(),
        cause,
    };
    let text = std::fs::read_to_string(tools).map_err(|error| fault(error.to_string()))?;
    let list = Tools::read(&text).map_err(|error| fault(error.to_string()))?;
    let human = match human {
        Who::None => Human::None,
        Who::Owner => Human::Owner,
        Who::Always => Human::Always,
    };
    let rules = match rules {
        _ if no_rules => Rules::none(),
        None => Rules::defaults(),
        Some(path) => {
            let fault = |cause: String| PolicyError::Rules {
                path: path.to_owned(),
                cause,
            };
            let text = files::read(path, MAX_BYTES).map_err(|error| fault(error.to_string()))?;
            Rules::read(&text).map_err(|error| fault(error.to_string()))?
        }
    };
    let mut replay = Replay::new(list, human).under(rules);
    let mut input = std::io::stdin().lock();
    let mut out = std::io::stdout().lock();
    let mut line = Vec::new();
    for at in 1.. {
        line.clear();
        let read = std::io::Read::take(&mut input, LONGEST + 1)
            .read_until(b'\n', &mut line)
            .map_err(PolicyError::Input)?;
        if read == 0 {
            break;
        }
        if read as u64 > LONGEST {
            return Err(PolicyError::TooLong(at).into());
        }
        let text = String::from_utf8_lossy(&line);
        if text.trim().is_empty() {
            continue;
        }
        let answer = replay
            .line(text.trim())
            .map_err(|cause| PolicyError::Line { at, cause })?;
        // A scorer waits for each decision before it says what came of it.
        if let Some(answer) = answer
            && writeln!(out, "{answer}")
                .and_then(|()| out.flush())
                .is_err()
        {
            return Ok(Exit::Failed);
        }
    }
    let counted = replay.counted();
    screen::aside(&format!(
        "{} tasks, {} decisions: {} asked, {} refused, {:.2} questions per task\n",
        counted.tasks,
        counted.decisions,
        counted.asked,
        counted.refused,
        counted.asked as f64 / counted.tasks.max(1) as f64,
    ));
    Ok(Exit::Done)
}
