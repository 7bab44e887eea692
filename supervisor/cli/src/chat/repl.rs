//! The prompt: lines with history, words that begin with a slash, and turns in between.

use crate::broker;
use crate::chat::answer;
use crate::chat::{Person, Request, View, follow};
use crate::command::{Context, approvals, grants, sessions, tools, why};
use crate::failure::{Exit, Explain, Failure};
use crate::screen;
use crate::signals::Signals;
use carapace_contract::control::{Ask, MAX_TEXT, Tell};
use carapace_contract::id::{SessionId, TurnId};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor};

/// Lines of history that are kept.
const HISTORY: usize = 1_000;

const HELP: &str = "\
Type a message, or
  /new                    begin a new conversation
  /sessions               list the conversations
  /session NUMBER|ID      continue one of them
  /tools                  the tools, and which of them ask
  /rules                  what is done without a question
  /approve CODE [once|session|always]   answer a question
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
    mut session: Option<SessionId>,
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
    let mut interrupted = false;
    loop {
        match editor.readline("> ") {
            Ok(line) => {
                interrupted = false;
                let line = line.trim();
                if line.is_empty() {
                    continue;
                }
                let _ = editor.add_history_entry(line);
                let _ = editor.append_history(&history);
                let done = if line.starts_with('/') {
                    command(context, line, &mut session)
                } else {
                    say(context, line, &mut session, signals)
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

fn say(
    context: &Context,
    line: &str,
    session: &mut Option<SessionId>,
    signals: &Signals,
) -> Result<bool, Failure> {
    if line.len() > MAX_TEXT {
        screen::aside(&format!(
            "! a message may have at most {MAX_TEXT} bytes; this one has {}\n",
            line.len()
        ));
        return Ok(false);
    }
    let request = Request {
        session: *session,
        turn: TurnId::random(),
        text: line.to_owned(),
    };
    let outcome = follow(
        &context.home,
        request,
        Person::Here,
        &mut View::new(false),
        signals,
    )?;
    *session = outcome.session.or(*session);
    Ok(false)
}

/// A line that begins with a slash; true where it means to leave.
fn command(
    context: &Context,
    line: &str,
    session: &mut Option<SessionId>,
) -> Result<bool, Failure> {
    let (word, rest) = line
        .split_once(char::is_whitespace)
        .map_or((line, ""), |(word, rest)| (word, rest.trim()));
    match (word, rest) {
        ("/help", _) => screen::aside(HELP),
        ("/exit" | "/quit", _) => return Ok(true),
        ("/new", _) => {
            *session = None;
            screen::aside("the next message begins a new conversation\n");
        }
        ("/sessions", _) => {
            sessions::run(context)?;
        }
        ("/session", which) if !which.is_empty() => *session = Some(continued(context, which)?),
        ("/tools", _) => {
            tools::run(context)?;
        }
        ("/rules", _) => grants::list(context)?,
        ("/why", id) if !id.is_empty() => why::show(context, id)?,
        ("/approve" | "/deny", _) => match answer::named(line) {
            Some((code, decision, note)) => approvals::answer(context, code, decision, note)?,
            None => {
                screen::aside("! write /approve CODE [once|session|always], or /deny CODE [NOTE]\n")
            }
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
