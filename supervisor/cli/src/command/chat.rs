//! `carapace chat`: at a terminal a conversation, elsewhere one question and its answer.

use super::Context;
use super::sessions;
use super::start::{level, start_if_needed};
use crate::chat::{Person, Request, View, attach, converse, follow};
use crate::failure::{Exit, Explain, Failure};
use crate::signals::Signals;
use crate::{broker, model_servers, screen, supervisor};
use carapace_contract::control::{Ask, MAX_TEXT, Tell};
use carapace_contract::id::{SessionId, TurnId};
use nix::sys::signal::Signal;
use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;

/// Talk to the assistant.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carapace chat                               a conversation; /help lists its commands
  carapace chat \"list the files here\"         one question; the answer goes to standard output
  echo \"what is in notes.md?\" | carapace chat
  carapace chat --session last \"go on\"
  carapace chat --model local:llama3.2 \"who are you?\"
  carapace chat \"what is on this picture?\" --attach photo.png
  carapace chat --json --no-wait \"run uname\"  one JSON object a line; questions are denied at once

Exit status: 0 answered, 1 failed, 5 a question was refused or expired, 6 a limit, 130 stopped")]
pub(crate) struct Args {
    /// The message; without it, a conversation, or what comes on standard input
    text: Option<String>,
    /// Continue a conversation: its id, or `last`
    #[arg(long, value_name = "ID|last", conflicts_with = "new")]
    session: Option<String>,
    /// Begin a new conversation (the default)
    #[arg(long)]
    new: bool,
    /// Without a terminal: deny questions at once instead of waiting for an answer from elsewhere
    #[arg(long)]
    no_wait: bool,
    /// Which model answers from now on in this conversation: PROVIDER:MODEL, a route of [routes], or offline
    #[arg(long, value_name = "ROUTE")]
    model: Option<String>,
    /// A picture, PDF or text that goes with the message; at most 8 of 5 MiB
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// Follow a turn that was sent before, by its id
    #[arg(long, value_name = "TURN", conflicts_with_all = ["text", "session", "new", "model", "attach"])]
    follow: Option<TurnId>,
}

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
enum ChatError {
    #[error("reading the message: standard input: {0}")]
    Input(io::Error),
    #[error("reading the message: it is empty")]
    Empty,
    #[error("reading the message: it is longer than {MAX_TEXT} bytes")]
    TooLong,
    #[error("taking over Ctrl-C: {0}")]
    Signals(io::Error),
}

impl Explain for ChatError {
    fn code(&self) -> &'static str {
        match self {
            Self::Input(_) => "message-input",
            Self::Empty => "message-empty",
            Self::TooLong => "message-too-long",
            Self::Signals(_) => "system",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Input(_) => "give UTF-8 text on standard input, or as an argument".to_owned(),
            Self::Empty => "write carapace chat \"your message\"".to_owned(),
            Self::TooLong => {
                "put the text into a file of the workspace and ask about the file".to_owned()
            }
            Self::Signals(_) => "mend what the system names and try again".to_owned(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Empty | Self::TooLong => Exit::Usage,
            Self::Input(_) | Self::Signals(_) => Exit::Failed,
        }
    }
}

/// Runs `chat`.
///
/// # Errors
/// It cannot be started, or the broker does not take the message.
pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let keyboard = io::stdin().is_terminal();
    let converses = args.text.is_none()
        && args.follow.is_none()
        && keyboard
        && io::stdout().is_terminal()
        && !context.json;
    // The message first: nothing is started for an empty one.
    let text = match args.text {
        _ if converses || args.follow.is_some() => String::new(),
        Some(text) => checked(text)?,
        None => checked(from_input()?)?,
    };
    let files = attach::read_all(&args.attach)?;
    let was_started = start_if_needed(context)?;
    if converses {
        model_servers::offer(context)?;
    }
    let signals = Signals::take(&[Signal::SIGINT]).map_err(ChatError::Signals)?;
    let session = match args.session {
        Some(which) => Some(sessions::find(context, &which)?),
        None => None,
    };
    if converses {
        banner(context, session, was_started)?;
        return converse(context, session, args.model, files, &signals);
    }
    let person = match (
        args.no_wait,
        keyboard && io::stderr().is_terminal() && !context.json,
    ) {
        (true, _) => Person::Nobody,
        (false, true) => Person::Here,
        (false, false) => Person::Elsewhere,
    };
    let turn = args.follow.unwrap_or_else(TurnId::random);
    let request = Request {
        session,
        turn,
        text,
        route: args.model,
        files,
    };
    let outcome = follow(
        &context.home,
        request,
        person,
        &mut View::new(context.json),
        &signals,
    )?;
    Ok(outcome.exit())
}

fn from_input() -> Result<String, ChatError> {
    let mut text = String::new();
    io::stdin()
        .lock()
        .take(MAX_TEXT as u64 + 1)
        .read_to_string(&mut text)
        .map_err(ChatError::Input)?;
    Ok(text)
}

fn checked(text: String) -> Result<String, ChatError> {
    let text = text.trim();
    if text.is_empty() {
        Err(ChatError::Empty)
    } else if text.len() > MAX_TEXT {
        Err(ChatError::TooLong)
    } else {
        Ok(text.to_owned())
    }
}

/// Who answers, where it works, and how well it is confined. `was_started`: the start has told of the vault already.
fn banner(context: &Context, session: Option<SessionId>, was_started: bool) -> Result<(), Failure> {
    let status = supervisor::status(&context.home)?
        .map(|(status, _)| status)
        .unwrap_or_default();
    let Tell::Status {
        route,
        frozen,
        vault,
        questions,
        unknown,
        ..
    } = broker::ask(&context.home, &Ask::Status {})?
    else {
        return Err(broker::BrokerError::Other.into());
    };
    let model = match route.as_str() {
        "offline" => {
            "offline: plain requests such as \"list the files\", without a model (/help, `carapace setup`)"
        }
        other => other,
    };
    let mut text = format!(
        "carapace {}\n  model      {}\n  workspace  {}\n  cage       {}\n",
        env!("CARGO_PKG_VERSION"),
        screen::neutral::line(model),
        context.home.workspace("owner").display(),
        level(&status.level, &status.waived),
    );
    if let Some(session) = session {
        text.push_str(&format!("  session    {session}\n"));
    }
    if !was_started && vault == "locked" {
        text.push_str("  vault      LOCKED: `carapace auth unlock`\n");
    }
    if frozen {
        text.push_str("  FROZEN     after `carapace panic` everything is refused; `carapace restart` ends it\n");
    }
    if questions > 0 {
        text.push_str(&format!(
            "  questions  {questions} open: `carapace approvals`\n"
        ));
    }
    if unknown > 0 {
        text.push_str(&format!(
            "  UNKNOWN    {unknown} effects whose outcome is not known: `carapace effects`\n"
        ));
    }
    screen::aside(&text);
    Ok(())
}
