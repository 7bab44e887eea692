//! `carapace attack`: a hostile agent against the person's own configuration, played in this program.
//! Nothing is called and no model is asked; the broker, where it runs, is only asked for its tools.

use super::{Context, rules};
use crate::failure::{Exit, Explain, Failure};
use crate::screen::{self, neutral::line};
use crate::{broker, config_file, files, home};
use broker::BrokerError;
use carapace_contract::control::{Ask, Tell};
use carapace_contract::effects::Effects;
use carapace_contract::id::ToolName;
use carapace_policy::attack::{self, Outcome, Row, STANDARD_TOOLS, Setting};
use carapace_policy::replay::Tools;
use serde_json::json;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The largest list of tools that is read, in bytes.
const LARGEST: usize = 4 * 1024 * 1024;
/// The most tools that the attacks are played with.
const MOST: usize = 1000;

/// Reasons that say only that no grant covers a call, or what every card shows.
const PLAIN: [&str; 6] = [
    "not-granted",
    "leaves-machine",
    "private",
    "irreversible",
    "from-inside",
    "label",
];

/// A hostile agent, tried.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  carapace attack
  carapace attack --tools tools.json --json | jq '.rows[] | select(.outcome == \"through\")'

Plays scripted attacks against your grants, rules, contacts and limits, with the tools that carapace has and
with a list of tools as assistants have them (marked *). Nothing is really called.
Exit status 1 where something would be done that you did not grant.")]
pub(crate) struct Args {
    /// Tools and their effects, as a plugin's manifest has them, in place of the list marked *
    #[arg(long, value_name = "FILE")]
    tools: Option<PathBuf>,
}

/// Why nothing was tried.
#[derive(Debug, thiserror::Error)]
enum AttackError {
    #[error("the tools were not read: {}: {cause}", path.display())]
    Tools { path: PathBuf, cause: String },
    #[error("the tools were not taken: there are more than {MOST}")]
    Many,
}

impl Explain for AttackError {
    fn code(&self) -> &'static str {
        "attack-tools"
    }

    fn remedy(&self) -> String {
        match self {
            Self::Tools { .. } => "{\"tools\": [{\"name\": …, \"effects\": {…}}]} is expected; docs/reference/effects.md has every field".to_owned(),
            Self::Many => "try them in parts".to_owned(),
        }
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Runs `attack`.
///
/// # Errors
/// The configuration or the list of tools cannot be used.
pub(crate) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    home::check(&context.home)?;
    let (_, config) = config_file::load(&context.home)?;
    let (mut tools, runs) = match broker::ask(&context.home, &Ask::Tools {}) {
        Ok(Tell::Tools { rows }) => {
            let tools = rows.into_iter().map(|row| (row.name, row.effects));
            (tools.collect::<BTreeMap<_, _>>(), true)
        }
        Ok(_) => return Err(BrokerError::Other.into()),
        Err(BrokerError::NotRunning(_)) => (BTreeMap::new(), false),
        Err(error) => return Err(error.into()),
    };
    let mut added = BTreeSet::new();
    for (name, effects) in more(args)? {
        if let Entry::Vacant(place) = tools.entry(name.clone()) {
            added.insert(name);
            place.insert(effects);
        }
    }
    if tools.len() > MOST {
        return Err(AttackError::Many.into());
    }
    let rules = rules::owned(context)?;
    let rows = attack::play(&Setting {
        config: &config,
        rules: &rules,
        tools: &tools,
    });
    let through = rows.iter().any(|row| row.outcome == Outcome::Through);
    if context.json {
        let names: Vec<_> = tools
            .keys()
            .map(|name| json!({ "name": name, "installed": !added.contains(name) }))
            .collect();
        screen::print_json(&json!({
            "attacks": attack::catalogue().len(),
            "tools": names,
            "through": count(&rows, Outcome::Through),
            "granted": count(&rows, Outcome::Granted),
            "asked": count(&rows, Outcome::Asked),
            "refused": count(&rows, Outcome::Refused),
            "rows": rows,
        }));
    } else {
        show(&rows, &added, tools.len(), runs);
    }
    Ok(if through { Exit::Failed } else { Exit::Done })
}

/// The tools of the file, or those that are shipped for this.
fn more(args: &Args) -> Result<Vec<(ToolName, Effects)>, AttackError> {
    let path = args.tools.clone().unwrap_or_default();
    let fault = |cause: String| AttackError::Tools {
        path: path.clone(),
        cause,
    };
    let text = match &args.tools {
        Some(path) => files::read(path, LARGEST).map_err(|error| fault(error.to_string()))?,
        None => STANDARD_TOOLS.to_owned(),
    };
    let tools = Tools::read(&text).map_err(|error| fault(error.to_string()))?;
    tools
        .iter()
        .map(|(name, effects)| {
            let name = name
                .parse::<ToolName>()
                .map_err(|_| fault(format!("{name:?} is no name of a tool")))?;
            Ok((name, effects.clone()))
        })
        .collect()
}

fn count(rows: &[Row], outcome: Outcome) -> usize {
    rows.iter().filter(|row| row.outcome == outcome).count()
}

fn show(rows: &[Row], added: &BTreeSet<ToolName>, tools: usize, runs: bool) {
    let mut seen = BTreeSet::new();
    for row in rows.iter().filter(|row| seen.insert(row.attack)) {
        let same: Vec<&Row> = rows
            .iter()
            .filter(|other| other.attack == row.attack)
            .collect();
        one(&same, added);
    }
    let none: Vec<&str> = attack::catalogue()
        .iter()
        .map(|attack| attack.name)
        .filter(|name| !seen.contains(name))
        .collect();
    if !none.is_empty() {
        screen::print(&format!("no tool could do it: {}\n", none.join(", ")));
    }
    if !runs {
        screen::print("carapace is not running: its own tools were not tried\n");
    }
    if !added.is_empty() {
        screen::print("* a tool as assistants have it; you do not have it\n");
    }
    screen::print(&format!(
        "{} attacks with {tools} tools, {} runs: {} got through, {} were granted by you word for word, {} asked you, {} were refused\n",
        seen.len(),
        rows.len(),
        count(rows, Outcome::Through),
        count(rows, Outcome::Granted),
        count(rows, Outcome::Asked),
        count(rows, Outcome::Refused),
    ));
}

/// One attack: what came of it at worst, with which tools, and why.
fn one(rows: &[&Row], added: &BTreeSet<ToolName>) {
    let Some(worst) = rows.iter().max_by_key(|row| row.outcome) else {
        return;
    };
    screen::print(&format!(
        "{:<8} {}: {}\n",
        word(worst.outcome),
        worst.attack,
        worst.about
    ));
    // Tools that fail for the same reason stand on one line, with the words about the first of them.
    let mut told: BTreeMap<(Outcome, &str), (&str, Vec<String>)> = BTreeMap::new();
    for row in rows {
        let star = if added.contains(&row.tool) { "*" } else { "" };
        let (code, text) = why(row);
        told.entry((row.outcome, code))
            .or_insert((text, Vec::new()))
            .1
            .push(format!("{}{star}", row.tool));
    }
    for ((outcome, code), (text, tools)) in told.into_iter().rev() {
        screen::print(&format!(
            "         {} {}: {} ({code})\n",
            word(outcome),
            tools.join(" "),
            line(text)
        ));
    }
    let names = |rows: Vec<&&Row>| -> String {
        let names: Vec<&str> = rows.iter().map(|row| row.tool.as_str()).collect();
        names.join(" ")
    };
    let looser =
        |row: &&&Row| row.with_grants == Outcome::Through && row.outcome < Outcome::Granted;
    let looser: Vec<&&Row> = rows.iter().filter(looser).collect();
    if !looser.is_empty() {
        screen::print(&format!(
            "         would get through if you granted: {}\n",
            names(looser)
        ));
    }
    let empty: Vec<&&Row> = rows.iter().filter(|row| !row.counts).collect();
    if !empty.is_empty() {
        screen::print(&format!(
            "         shows nothing (a yes to everything does not lead there either): {}\n",
            names(empty)
        ));
    }
}

/// The first reason that is about this very call; else the first. Its code and its words.
fn why(row: &Row) -> (&str, &str) {
    row.reasons
        .iter()
        .find(|reason| !PLAIN.contains(&reason.code.as_str()))
        .or(row.reasons.first())
        .map_or(("", ""), |reason| {
            (reason.code.as_str(), reason.text.as_str())
        })
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Refused => "refused",
        Outcome::Asked => "asked",
        Outcome::Granted => "granted",
        Outcome::Through => "THROUGH",
    }
}
