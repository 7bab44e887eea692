//! The prompt: lines with history, words that begin with a slash, and turns in between.

use crate::broker;
use crate::chat::answer;
use crate::chat::attach::{self, Attached};
use crate::chat::{Person, Request, View, follow};
use crate::command::{Context, approvals, grants, rules, sessions, tools, usage, why};
use crate::config_file;
use crate::failure::{Exit, Explain, Failure};
use crate::screen;
use crate::signals::Signals;
use carapace_contract::control::{Ask, MAX_TEXT, Tell};
use carapace_contract::id::{SessionId, TurnId};
use carapace_contract::model::MAX_ATTACHMENTS;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor};
use std::path::Path;

/// Lines of history that are kept.
const HISTORY: usize = 1_000;

const HELP: &str = "\
Type a message, or
  /new, /reset            begin a new conversation: it has seen nothing, and all rules count
  /sessions               list the conversations
  /session NUMBER|ID      continue one of them
  /model ROUTE            which model answers from the next message on
  /attach FILE            a picture, PDF or text that goes with the next message
  /usage                  what was spent, and what is left
  /tools                  the tools, and which of them ask
  /rules                  your rules, and how they stand in this conversation
  /disable RULE           a rule does not count in this conversation
  /enable RULE            it counts again
  /grants                 what is done without a question
  /approve CODE [once|task|always]      answer a question
  /approve CODE [all|1-3,5]             answer a plan, or some of its steps
  /deny CODE [NOTE]       refuse it; the note goes to the assistant
  /why ID                 the story of one effect
  /exit                   leave; carapace goes on running
Ctrl-C stops the turn that runs; at the prompt, twice leaves.
";

/// Why there is no prompt.
#[derive(Debug, thiserror::Error)]
enum PromptError {
    #[error("reading from the terminal: {0}")]
    Terminal(#[from] ReadlineError),
}

impl Explain for PromptError {
    fn code(&self) -> &'static str {
        "terminal"
    }

    fn remedy(&self) -> String {
        "use `carapace chat \"…\"` where there is no terminal".to_owned()
    }
}

/// Converses until the person leaves.
///
/// # Errors
/// The terminal fails, or carapace ended.
pub(crate) fn converse(
    context: &Context,
    session: Option<SessionId>,
    route: Option<String>,
    files: Vec<Attached>,
    signals: &Signals,
) -> Result<Exit, Failure> {
    let config = Config::builder()
        .max_history_size(HISTORY)
        .and_then(|config| config.history_ignore_dups(true))
        .map_err(PromptError::from)?
        .build();
    let mut editor: Editor<(), FileHistory> =
        Editor::with_config(config).map_err(PromptError::from)?;
    let history = context.home.root().join("history");
    // Without its file there is no history; that is all that is lost.
    let _ = crate::files::create(&history, b"");
    let _ = editor.load_history(&history);
    let mut next = Next {
        session,
        route,
        files,
    };
    let mut interrupted = false;
    loop {
        match editor.readline("> ") {
            Ok(line) => {
                interrupted = false;
                let line = line.trim();
                if line.is_empty() {
                    continue;
                }
                if keeps(line) {
                    let _ = editor.add_history_entry(line);
                    let _ = editor.append_history(&history);
                }
                let done = if line.starts_with('/') {
                    command(context, line, &mut next)
                } else {
                    say(context, line, &mut next, signals)
                };
                match done {
                    Ok(true) => return Ok(Exit::Done),
                    Ok(false) => {}
                    Err(failure) => {
                        screen::aside(&screen::wrapped("! ", failure.message(), screen::width()));
                        if !failure.remedy().is_empty() {
                            screen::aside(&screen::wrapped(
                                "! remedy: ",
                                failure.remedy(),
                                screen::width(),
                            ));
                        }
                    }
                }
            }
            Err(ReadlineError::Interrupted) if interrupted => return Ok(Exit::Done),
            Err(ReadlineError::Interrupted) => {
                interrupted = true;
                screen::aside("Ctrl-C once more leaves; so does /exit\n");
            }
            Err(ReadlineError::Eof) => return Ok(Exit::Done),
            Err(error) => return Err(PromptError::from(error).into()),
        }
    }
}

/// What the next message begins with.
#[derive(Debug, Default)]
struct Next {
    /// The session; `None` for a new one.
    session: Option<SessionId>,
    /// The model that answers from then on.
    route: Option<String>,
    /// Files that go along.
    files: Vec<Attached>,
}

/// Whether a line may stand in the history file: none that is about a key, and none that shows one.
fn keeps(line: &str) -> bool {
    const ABOUT: [&str; 6] = ["key", "auth", "secret", "token", "password", "passphrase"];
    let word = line.split_whitespace().next().unwrap_or_default();
    let is_about = word.starts_with('/') && ABOUT.iter().any(|about| word.contains(about));
    !is_about && !crate::secret::paste::shows_a_key(line)
}

fn say(context: &Context, line: &str, next: &mut Next, signals: &Signals) -> Result<bool, Failure> {
    if line.len() > MAX_TEXT {
        screen::aside(&format!(
            "! a message may have at most {MAX_TEXT} bytes; this one has {}\n",
            line.len()
        ));
        return Ok(false);
    }
    let request = Request {
        session: next.session,
        turn: TurnId::random(),
        text: line.to_owned(),
        route: next.route.clone(),
        files: next.files.clone(),
    };
    let outcome = follow(
        &context.home,
        request,
        Person::Here,
        &mut View::new(false),
        signals,
    )?;
    next.session = outcome.session.or(next.session);
    // They went with this message.
    next.route = None;
    next.files.clear();
    Ok(false)
}

/// A line that begins with a slash; true where it means to leave.
fn command(context: &Context, line: &str, next: &mut Next) -> Result<bool, Failure> {
    let (word, rest) = line
        .split_once(char::is_whitespace)
        .map_or((line, ""), |(word, rest)| (word, rest.trim()));
    match (word, rest) {
        ("/help", _) => screen::aside(HELP),
        ("/exit" | "/quit", _) => return Ok(true),
        ("/new" | "/reset", _) => {
            next.session = None;
            screen::aside(
                "the next message begins a new conversation, which has seen nothing and under all rules\n",
            );
        }
        ("/sessions", _) => {
            sessions::run(context)?;
        }
        ("/session", which) if !which.is_empty() => {
            next.session = Some(continued(context, which)?);
        }
        ("/model", "") => {
            let config = config_file::load(&context.home)?.1;
            screen::aside(&format!(
                "write /model ROUTE; `carapace models` lists them. New conversations begin with {}\n",
                screen::neutral::line(&config.model.route)
            ));
        }
        ("/model", route) => {
            // Looked up where routes are written, so that a typo is told before a message is typed.
            match config_file::load(&context.home)?.1.candidates(route) {
                Ok(_) => {
                    next.route = Some(route.to_owned());
                    screen::aside("it answers from the next message on\n");
                }
                Err(problem) => screen::aside(&format!(
                    "! {}\n",
                    screen::neutral::line(&problem.to_string())
                )),
            }
        }
        ("/attach", path) if !path.is_empty() => {
            let file = attach::read(Path::new(path))?;
            if next.files.len() == MAX_ATTACHMENTS {
                return Err(attach::AttachError::TooMany(MAX_ATTACHMENTS + 1).into());
            }
            screen::aside(&format!(
                "{} goes with the next message\n",
                screen::neutral::line(&file.words())
            ));
            next.files.push(file);
        }
        ("/usage", _) => {
            usage::run(context)?;
        }
        ("/tools", _) => {
            tools::run(context)?;
        }
        ("/rules", _) => rules::in_session(context, next.session)?,
        ("/disable" | "/enable", id) if !id.is_empty() => match next.session {
            Some(session) => rules::set(context, session, id, word == "/enable")?,
            None => screen::aside(
                "! there is no conversation yet: a rule is disabled in one; `carapace rules remove` removes it\n",
            ),
        },
        ("/grants", _) => grants::list(context)?,
        ("/why", id) if !id.is_empty() => why::show(context, id)?,
        ("/approve" | "/deny", _) => match answer::named(line) {
            Some((code, given)) => approvals::answer(context, code, given)?,
            None => screen::aside(
                "! write /approve CODE [once|task|always|STEPS], or /deny CODE [NOTE]\n",
            ),
        },
        _ => screen::aside("! that is no command; /help lists them\n"),
    }
    Ok(false)
}

/// The session that a number of the list, or an id, names; its end is shown.
fn continued(context: &Context, which: &str) -> Result<SessionId, Failure> {
    let session = sessions::find(context, which)?;
    if let Tell::Transcript { messages, .. } = broker::ask(&context.home, &Ask::Show { session })? {
        sessions::show_end(&messages);
    }
    Ok(session)
}
