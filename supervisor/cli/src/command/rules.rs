//! `carapace rules`: the owner's rules in plain English. Nothing needs to be running for them, but for
//! `compile`, which asks a model through the broker.

use super::Context;
use crate::command::policy;
use crate::failure::{Exit, Explain, Failure};
use crate::screen::{self, neutral::line, neutral::lines};
use crate::{broker, files, home, person, supervisor};
use broker::BrokerError;
use carapace_contract::control::{Ask, Tell};
use carapace_contract::effects::Effects;
use carapace_contract::id::{SessionId, ToolName};
use carapace_contract::label::{Category, Integrity, Label};
use carapace_contract::verdict::Verdict;
use carapace_policy::Facts;
use carapace_policy::rules::{
    self, Armed, DEFAULT_TEXT, History, MAX_BYTES, Mode, Operation, Rule, RuleId, Rules,
    RulesError, Standing,
};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

/// How long a model may take to compile a rule: longer than the broker waits for it.
const COMPILING: Duration = Duration::from_secs(330);

/// Your rules in plain English.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carapace rules                                   all of them, and which are compiled
  carapace rules explain no-write-after-web        the words, and the conditions in words
  carapace rules add no-posting --effect \"publishing anything\" --block \\
      --when '{\"effect\": {\"act\": \"publish\"}}'
  carapace rules add no-late-mail --effect \"sending mail to my boss\" && carapace rules compile no-late-mail
  carapace rules test no-posting --tool blog.post --args '{\"title\": \"x\"}'

A rule only tightens. Where one is not compiled, a model judges what has an effect, and you are asked where none can.
They are in rules.yaml; without that file the default rules hold.")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the rules (the default)
    List,
    /// Say what a rule means: its words, and its conditions in words
    Explain {
        /// The rule
        id: RuleId,
    },
    /// Say what a rule would make of a call
    Test(Test),
    /// Add a rule to rules.yaml
    Add(Add),
    /// Let a model turn the words of a rule into conditions, and accept them
    Compile(Compile),
    /// Remove a rule from rules.yaml
    Remove {
        /// The rule
        id: RuleId,
    },
}

#[derive(Debug, clap::Args)]
struct Test {
    /// The rule
    id: RuleId,
    /// The tool that is called
    #[arg(long)]
    tool: ToolName,
    /// Its arguments, a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}")]
    args: String,
    /// What the tool does, JSON as in a plugin's manifest [default: as the running carapace knows it, else the worst case]
    #[arg(long, value_name = "JSON")]
    effects: Option<String>,
    /// What you wrote before it
    #[arg(long, value_name = "TEXT", default_value = "")]
    message: String,
    /// As in a session that has heard words of others
    #[arg(long)]
    tainted: bool,
    /// As in a session that has seen private data of this kind
    #[arg(long, value_name = "KIND")]
    private: Vec<Category>,
    /// As in a session in which the rule is not armed yet, unless the above arms it
    #[arg(long)]
    fresh: bool,
}

#[derive(Debug, clap::Args)]
struct Compile {
    /// The rule
    id: RuleId,
    /// Which model: a route or PROVIDER:MODEL [default: policy.judge-route]
    #[arg(long, value_name = "ROUTE")]
    route: Option<String>,
    /// Accept what it says without being asked
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, clap::Args)]
struct Add {
    /// What it is called: a to z, 0 to 9 and -
    id: RuleId,
    /// What it restricts, in plain words
    #[arg(long, value_name = "TEXT")]
    effect: String,
    /// What has to happen in a session before it is armed, in plain words
    #[arg(long, value_name = "TEXT", default_value = rules::ALWAYS)]
    trigger: String,
    /// Shown to you with a question
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// What happens where it applies
    #[arg(long, value_enum, default_value_t = Does::Approve)]
    mode: Does,
    /// As --mode block: it is not done
    #[arg(long, conflicts_with = "mode")]
    block: bool,
    /// The same in conditions, JSON: {"trigger": …, "effect": …}
    #[arg(long, value_name = "JSON")]
    when: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Does {
    /// You are asked
    Approve,
    /// It is not done
    Block,
}

/// Why there are no rules to show or to change.
#[derive(Debug, thiserror::Error)]
enum RulesFileError {
    #[error("{step} the rules: {}: {cause}", path.display())]
    Io {
        step: &'static str,
        path: PathBuf,
        cause: io::Error,
    },
    #[error("reading the rules: {}: {why}", path.display())]
    NotOwn { path: PathBuf, why: &'static str },
    #[error("{0}")]
    Invalid(RulesError),
    #[error("{0}")]
    Change(RulesError),
    #[error("looking up the rule: there is no rule {0}")]
    Unknown(String, Option<String>),
    #[error("testing the rule: {what}: {cause}")]
    Test { what: &'static str, cause: String },
    #[error("compiling the rule {0}: its conditions were not accepted, so the rule is as it was")]
    NotAccepted(RuleId),
    #[error("compiling the rule {0}: its words were changed meanwhile, so the rule is as it is")]
    Moved(RuleId),
    #[error("reading the rules: {}: {cause}", path.display())]
    Unusable { path: PathBuf, cause: String },
}

impl Explain for RulesFileError {
    fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "rules-file",
            Self::NotOwn { .. } | Self::Unusable { .. } | Self::Invalid(_) => "rules-invalid",
            Self::Change(_) => "rules-change",
            Self::Unknown(..) => "rules-unknown",
            Self::Test { .. } => "rules-test",
            Self::NotAccepted(_) => "rules-not-accepted",
            Self::Moved(_) => "rules-moved",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Io { cause, .. } if cause.kind() == ErrorKind::StorageFull => {
                "free space on that disk and try again; the file is as it was".to_owned()
            }
            Self::Io { .. } => "mend what the system names; the file is as it was".to_owned(),
            Self::NotOwn { path, .. } => format!(
                "make it a file of your own that only you may write: `chmod 600 {}`; until then everything that has an effect asks",
                path.display()
            ),
            Self::Invalid(_) => {
                "mend that line of rules.yaml; until then everything that has an effect asks".to_owned()
            }
            Self::NotAccepted(_) => {
                "answer y where they say what you mean, or give --yes where nobody can be asked; or write them yourself: remove the rule and add it with --when".to_owned()
            }
            Self::Moved(id) => format!("`carapace rules compile {id}` once more"),
            Self::Unusable { .. } => {
                "save it as UTF-8 text of at most 256 KiB; until then everything that has an effect asks".to_owned()
            }
            Self::Change(RulesError::TooMany(_) | RulesError::TooLong(_)) => {
                "remove rules that you do not need with `carapace rules remove`".to_owned()
            }
            Self::Change(RulesError::Layout) => {
                "change rules.yaml with an editor, and look at it with `carapace rules`".to_owned()
            }
            Self::Change(RulesError::Exists(_)) => {
                "choose another id, or remove that rule first".to_owned()
            }
            Self::Change(RulesError::Conditions(_)) => {
                "`carapace rules explain ID --json` shows the conditions of a rule that is compiled".to_owned()
            }
            Self::Change(_) => "`carapace rules add --help` shows what a rule has".to_owned(),
            Self::Unknown(_, Some(near)) => format!("did you mean {near:?}?"),
            Self::Unknown(_, None) => "`carapace rules` lists them".to_owned(),
            Self::Test { .. } => {
                "write it as JSON, such as --args '{\"to\": \"bob@example.org\"}'; `carapace tools --json` shows effects".to_owned()
            }
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Io { .. } => Exit::Failed,
            Self::NotOwn { .. } | Self::Unusable { .. } | Self::Invalid(_) => Exit::Configuration,
            Self::Moved(_) => Exit::State,
            _ => Exit::Usage,
        }
    }
}

/// Runs `rules`.
///
/// # Errors
/// The file cannot be read, written or used, or there is no such rule.
pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    home::ensure(&context.home)?;
    match args.action.unwrap_or(Action::List) {
        Action::List => list(context)?,
        Action::Explain { id } => explain(context, &id)?,
        Action::Test(test) => try_out(context, &test)?,
        Action::Add(add) => {
            let text = text(context)?;
            // What is wrong with the file is told as such, not as a fault of the new rule.
            read(&text)?;
            let rule = new_rule(&add)?;
            let changed = rules::added(&text, &rule).map_err(RulesFileError::Change)?;
            replace(context, &changed, &rule.id, "added")?;
        }
        Action::Compile(compile) => return compile_rule(context, &compile),
        Action::Remove { id } => {
            let text = text(context)?;
            find(&read(&text)?, &id)?;
            let changed = rules::removed(&text, &id).map_err(RulesFileError::Change)?;
            replace(context, &changed, &id, "removed")?;
        }
    }
    Ok(Exit::Done)
}

/// The file's text; the default rules where there is none.
fn text(context: &Context) -> Result<String, RulesFileError> {
    let path = context.home.rules();
    if let Ok(found) = path.symlink_metadata() {
        let why = match found.mode() {
            _ if !found.is_file() => "it is not a regular file",
            _ if found.uid() != rustix::process::geteuid().as_raw() => "it is not yours",
            mode if mode & 0o022 != 0 => "others may write it",
            _ => "",
        };
        if !why.is_empty() {
            return Err(RulesFileError::NotOwn { path, why });
        }
    }
    match files::read(&path, MAX_BYTES) {
        Ok(text) => Ok(text),
        Err(cause) if cause.kind() == ErrorKind::NotFound && !path.is_symlink() => {
            Ok(DEFAULT_TEXT.to_owned())
        }
        Err(cause) if cause.kind() == ErrorKind::InvalidData => Err(RulesFileError::Unusable {
            path,
            cause: cause.to_string(),
        }),
        Err(cause) => Err(RulesFileError::Io {
            step: "reading",
            path,
            cause,
        }),
    }
}

fn read(text: &str) -> Result<Rules, RulesFileError> {
    Rules::read(text).map_err(RulesFileError::Invalid)
}

/// The rules of the home.
///
/// # Errors
/// The file cannot be read or used.
pub(crate) fn owned(context: &Context) -> Result<Rules, Failure> {
    Ok(read(&text(context)?)?)
}

fn find<'a>(rules: &'a Rules, id: &RuleId) -> Result<&'a Rule, RulesFileError> {
    rules.rule(id).ok_or_else(|| {
        let near = rules
            .iter()
            .map(|rule| {
                (
                    strsim::damerau_levenshtein(id.as_str(), rule.id.as_str()),
                    rule,
                )
            })
            .min_by_key(|(distance, _)| *distance)
            .filter(|(distance, rule)| *distance <= 2 + rule.id.as_str().len() / 6)
            .map(|(_, rule)| rule.id.to_string());
        RulesFileError::Unknown(id.to_string(), near)
    })
}

fn replace(context: &Context, text: &str, id: &RuleId, done: &str) -> Result<(), Failure> {
    let path = context.home.rules();
    files::replace(&path, text.as_bytes()).map_err(|cause| RulesFileError::Io {
        step: "writing",
        path,
        cause,
    })?;
    let running = supervisor::status(&context.home)?.is_some();
    if running {
        supervisor::reload(&context.home)?;
    }
    let changes = if running {
        policy::fresh(context)
    } else {
        Vec::new()
    };
    let standing = read(text)?.rule(id).map(Rule::standing);
    if context.json {
        screen::print_json(
            &json!({ "id": id, "done": done, "standing": standing, "in_force": running, "changes": changes }),
        );
        return Ok(());
    }
    let when = if running {
        "in force now"
    } else {
        "in force from the next start"
    };
    screen::print(&format!("{id}: {done}  ({when})\n"));
    if standing.is_some_and(|standing| standing != Standing::Compiled) {
        screen::print(&format!(
            "it is not compiled: while it counts a model judges, or you are asked about, everything that has an effect; `carapace rules compile {id}` changes that\n"
        ));
    }
    policy::print_changes(&changes);
    Ok(())
}

/// Lets a model say what a rule means, shows it, and keeps it where a person accepts it.
fn compile_rule(context: &Context, compile: &Compile) -> Result<Exit, Failure> {
    let text = text(context)?;
    let rules = read(&text)?;
    let rule = find(&rules, &compile.id)?;
    if !context.json {
        screen::aside("a model reads the words of the rule, nothing else …\n");
    }
    let ask = Ask::RuleCompile {
        trigger: rule.trigger.clone(),
        effect: rule.effect.clone(),
        description: rule.description.clone(),
        route: compile.route.clone(),
    };
    let tell = broker::ask_within(&context.home, &ask, COMPILING)?;
    let Tell::Compiled { when, model, .. } = &tell else {
        return Err(BrokerError::Other.into());
    };
    // What is accepted is what is shown: the words are made here, of the conditions that are written.
    let when = rules::compiled(when).map_err(RulesFileError::Change)?;
    let words = when.in_words();
    let mut accepted = rule.clone();
    accepted.accept(when).map_err(|(field, cause)| {
        RulesFileError::Change(RulesError::Conditions(format!("{field}: {cause}")))
    })?;
    if context.json && !compile.yes {
        screen::print_json(&json!({
            "id": compile.id, "model": model, "when": accepted.when, "in_words": words, "accepted": false,
        }));
    } else if !context.json {
        screen::print(&format!(
            "{}\n  trigger: {}\n  effect:  {}\n\n{} says that this means:\n{}\n",
            compile.id,
            line(rule.trigger.trim()),
            line(rule.effect.trim()),
            line(model),
            lines(&words),
        ));
    }
    let agreed =
        compile.yes || person::is_here(context) && person::agrees("Is that what you mean?", false);
    if !agreed {
        return Err(RulesFileError::NotAccepted(compile.id.clone()).into());
    }
    // The file may have been changed while the model and the person took their time.
    let text = self::text(context)?;
    let now = read(&text)?;
    let rule = find(&now, &compile.id)?;
    if Some(rule.digest()) != accepted.of {
        return Err(RulesFileError::Moved(compile.id.clone()).into());
    }
    let accepted = Rule {
        when: accepted.when,
        of: accepted.of,
        ..rule.clone()
    };
    let changed = rules::replaced(&text, &accepted).map_err(RulesFileError::Change)?;
    replace(context, &changed, &compile.id, "compiled")?;
    Ok(Exit::Done)
}

fn new_rule(add: &Add) -> Result<Rule, RulesFileError> {
    let mode = match add.mode {
        Does::Approve if !add.block => Mode::Approve,
        _ => Mode::Block,
    };
    let mut rule = Rule {
        id: add.id.clone(),
        trigger: add.trigger.clone(),
        effect: add.effect.clone(),
        mode,
        description: add.description.clone(),
        when: None,
        of: None,
    };
    if let Some(when) = &add.when {
        let when = rules::compiled(when).map_err(RulesFileError::Change)?;
        rule.accept(when).map_err(|(field, cause)| {
            RulesFileError::Change(RulesError::Conditions(format!("{field}: {cause}")))
        })?;
    }
    Ok(rule)
}

fn list(context: &Context) -> Result<(), Failure> {
    let rules = read(&text(context)?)?;
    let is_default = !context.home.rules().exists();
    if context.json {
        let rows: Vec<Value> = rules.iter().map(row).collect();
        screen::print_json(&json!({ "rules": rows, "default": is_default }));
        return Ok(());
    }
    if is_default {
        screen::print("the default rules; there is no rules.yaml\n");
    }
    for rule in rules.iter() {
        let armed = if rule.is_always() {
            "always armed"
        } else {
            "armed by its trigger"
        };
        screen::print(&format!(
            "{:<30} {:<8} {armed}{}\n",
            rule.id.as_str(),
            rule.mode.as_str(),
            match rule.standing() {
                Standing::Compiled => "",
                Standing::Uncompiled => "; not compiled: judged by a model, or asked about",
                Standing::Changed =>
                    "; changed, not compiled again: judged by a model, or asked about",
            }
        ));
        if !rule.is_always() {
            screen::print(&format!("    when: {}\n", screen::cut(&rule.trigger, 120)));
        }
        screen::print(&format!("    what: {}\n", screen::cut(&rule.effect, 120)));
    }
    if rules.iter().next().is_none() {
        screen::print("no rules: everything is judged as it is without them\n");
    }
    Ok(())
}

/// The rules as they stand in a conversation.
///
/// # Errors
/// It is not running, or there is no such conversation.
pub(crate) fn in_session(context: &Context, session: Option<SessionId>) -> Result<(), Failure> {
    show_rows(broker::ask(&context.home, &Ask::Rules { session })?)
}

/// Disables a rule in a conversation, or takes that back.
///
/// # Errors
/// It is not running, or there is no such rule.
pub(crate) fn set(
    context: &Context,
    session: SessionId,
    id: &str,
    on: bool,
) -> Result<(), Failure> {
    let id = id.to_owned();
    show_rows(broker::ask(
        &context.home,
        &Ask::RuleSet { session, id, on },
    )?)
}

fn show_rows(tell: Tell) -> Result<(), Failure> {
    let Tell::Rules { rows, fault } = tell else {
        return Err(BrokerError::Other.into());
    };
    if let Some(fault) = fault {
        screen::print(&format!(
            "! your rules cannot be read, so everything with an effect asks: {}\n",
            line(&fault)
        ));
    }
    for row in rows {
        let standing = match (row.disabled, row.in_force) {
            (true, _) => "disabled here",
            (false, true) => "counts",
            (false, false) => "waits for its trigger",
        };
        let note = match row.standing.as_str() {
            standing if standing == Standing::Compiled.as_str() => "",
            _ => ", not compiled",
        };
        screen::print(&format!(
            "{:<30} {:<8} {standing}{note}\n    {}\n",
            line(&row.id),
            line(&row.mode),
            screen::cut(&row.effect, 120)
        ));
    }
    Ok(())
}

fn row(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "trigger": rule.trigger,
        "effect": rule.effect,
        "mode": rule.mode,
        "description": rule.description,
        "always": rule.is_always(),
        "standing": rule.standing(),
    })
}

fn explain(context: &Context, id: &RuleId) -> Result<(), Failure> {
    let rules = read(&text(context)?)?;
    let rule = find(&rules, id)?;
    let words = rule.compiled().map(rules::When::in_words);
    if context.json {
        let mut told = row(rule);
        told["when"] = json!(rule.when);
        told["in_words"] = json!(words);
        told["digest"] = json!(rule.digest());
        screen::print_json(&told);
        return Ok(());
    }
    let does = match rule.mode {
        Mode::Approve => "you are asked",
        Mode::Block => "it is not done, unless you disable the rule for the session",
    };
    screen::print(&format!(
        "{id}\n  trigger: {}\n  effect:  {}\n  then:    {does}\n",
        line(rule.trigger.trim()),
        line(rule.effect.trim()),
    ));
    if !rule.description.trim().is_empty() {
        screen::print(&format!("  why:     {}\n", line(rule.description.trim())));
    }
    screen::print(&match (&words, rule.standing()) {
        (Some(words), _) => format!("\nin conditions:\n{}\n", lines(words)),
        (None, Standing::Changed) => format!(
            "\nits words were changed since its conditions were accepted (they are now {}), so these do not count: a model judges each effect, or you are asked\n",
            rule.digest()
        ),
        (None, _) => {
            "\nit is not compiled: a model judges each effect, or you are asked\n".to_owned()
        }
    });
    Ok(())
}

/// What one rule would make of one call, alone.
fn try_out(context: &Context, test: &Test) -> Result<(), Failure> {
    let all = read(&text(context)?)?;
    let rule = find(&all, &test.id)?;
    let arguments: Value =
        serde_json::from_str(&test.args).map_err(|error| RulesFileError::Test {
            what: "--args",
            cause: error.to_string(),
        })?;
    if !arguments.is_object() {
        return Err(RulesFileError::Test {
            what: "--args",
            cause: "an object is expected".to_owned(),
        }
        .into());
    }
    let (effects, source) = effects(context, test)?;
    let mut facts = Facts::default();
    facts.heard(&test.message);
    facts.joined(&Label {
        integrity: if test.tainted {
            Integrity::Untrusted
        } else {
            Integrity::Owner
        },
        private: test.private.iter().cloned().collect(),
        secret: false,
    });
    let mut state = Armed::default();
    let armed = all.arm(&mut state, &facts, &History::default());
    if !test.fresh {
        state.arm(rule.id.clone());
    }
    let others = all.iter().filter(|other| other.id != rule.id);
    for other in others {
        state.disable(other.id.clone());
    }
    let judged = all.judge(
        &state,
        &Operation {
            tool: &test.tool,
            effects: &effects,
            arguments: &arguments,
            facts: &facts,
        },
    );
    let verdict = match judged.verdict {
        Verdict::Allow => "nothing: the rule does not apply",
        Verdict::Ask => "ask",
        Verdict::Refuse => "refuse",
    };
    if context.json {
        screen::print_json(&json!({
            "id": rule.id,
            "verdict": judged.verdict,
            "reasons": judged.reasons,
            "in_force": all.in_force(rule, &state),
            "armed_by_session": armed.contains(&rule.id),
            "effects": effects,
            "effects_from": source,
        }));
        return Ok(());
    }
    screen::print(&format!("{}: {verdict}\n", rule.id));
    for reason in &judged.reasons {
        screen::print(&format!("  {}\n", line(&reason.text)));
    }
    if !all.in_force(rule, &state) {
        screen::print("  it is not armed in such a session\n");
    }
    screen::print(&format!(
        "  {} {} ({source})\n",
        test.tool,
        line(&screen::frame::effects(&effects))
    ));
    Ok(())
}

/// What the tool does, and who says so.
fn effects(context: &Context, test: &Test) -> Result<(Effects, &'static str), Failure> {
    if let Some(text) = &test.effects {
        let effects = serde_json::from_str(text).map_err(|error| RulesFileError::Test {
            what: "--effects",
            cause: error.to_string(),
        })?;
        return Ok((effects, "as given"));
    }
    if supervisor::status(&context.home)?.is_some()
        && let Tell::Tools { rows } = broker::ask(&context.home, &Ask::Tools {})?
        && let Some(row) = rows.into_iter().find(|row| row.name == test.tool)
    {
        return Ok((row.effects, "as declared"));
    }
    Ok((
        Effects::worst_case(),
        "the worst case: nothing is known of this tool",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(block: bool, trigger: &str, when: Option<&str>) -> Add {
        Add {
            id: "mine".parse().unwrap(),
            effect: "publishing anything".to_owned(),
            trigger: trigger.to_owned(),
            description: String::new(),
            mode: Does::Approve,
            block,
            when: when.map(str::to_owned),
        }
    }

    #[test]
    fn a_rule_is_compiled_where_its_conditions_are_given() {
        let rule = new_rule(&add(true, "always", None)).unwrap();
        assert_eq!(
            (rule.mode, rule.standing()),
            (Mode::Block, Standing::Uncompiled)
        );
        let when = r#"{"effect": {"act": "publish"}}"#;
        let rule = new_rule(&add(false, "always", Some(when))).unwrap();
        assert_eq!(
            (rule.mode, rule.standing()),
            (Mode::Approve, Standing::Compiled)
        );
        for (trigger, bad) in [
            ("always", "{}"),
            ("once it rains", when),
            ("always", "publish"),
        ] {
            let error = new_rule(&add(false, trigger, Some(bad))).unwrap_err();
            assert_eq!((error.code(), error.exit()), ("rules-change", Exit::Usage));
        }
    }

    #[test]
    fn a_typo_is_answered_with_the_nearest_rule() {
        let rules = Rules::defaults();
        let error = find(&rules, &"memory-writ".parse().unwrap()).unwrap_err();
        assert!(
            error.remedy().contains("memory-write"),
            "{}",
            error.remedy()
        );
        let error = find(&rules, &"something-else-altogether".parse().unwrap()).unwrap_err();
        assert!(
            error.remedy().contains("carapace rules"),
            "{}",
            error.remedy()
        );
    }

    #[test]
    fn every_fault_has_a_remedy() {
        let cause = || io::Error::from(ErrorKind::StorageFull);
        let faults = [
            RulesFileError::Io {
                step: "writing",
                path: PathBuf::from("rules.yaml"),
                cause: cause(),
            },
            RulesFileError::NotOwn {
                path: PathBuf::from("rules.yaml"),
                why: "others may write it",
            },
            RulesFileError::Invalid(RulesError::TooMany(300)),
            RulesFileError::Change(RulesError::Layout),
            RulesFileError::Unknown("a".to_owned(), None),
            RulesFileError::Test {
                what: "--args",
                cause: "x".to_owned(),
            },
            RulesFileError::NotAccepted("a".parse().unwrap()),
            RulesFileError::Moved("a".parse().unwrap()),
            RulesFileError::Unusable {
                path: PathBuf::from("rules.yaml"),
                cause: "x".to_owned(),
            },
            RulesFileError::Change(RulesError::TooMany(300)),
        ];
        for fault in faults {
            assert!(!fault.remedy().is_empty() && !fault.to_string().is_empty());
        }
    }
}
