//! `carapace sessions`: the conversations.

use super::Context;
use crate::failure::{Exit, Explain, Failure};
use crate::screen::margin::Margin;
use crate::screen::{self, time};
use crate::{broker, home};
use broker::BrokerError;
use carapace_contract::control::{Ask, SessionRow, Tell};
use carapace_contract::id::SessionId;
use carapace_contract::model::{Message, Role};

/// Why no session was found.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error("finding the conversation: there is none yet")]
    None,
    #[error("finding the conversation: {0:?} is neither an id, `last`, nor a number of the list")]
    Unknown(String),
}

impl Explain for SessionError {
    fn code(&self) -> &'static str {
        "session"
    }

    fn remedy(&self) -> String {
        match self {
            Self::None => "begin one with `carapace chat`".to_owned(),
            Self::Unknown(_) => "`carapace sessions` lists them".to_owned(),
        }
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Runs `sessions`.
///
/// # Errors
/// It is not running, or the broker does not answer.
pub(crate) fn run(context: &Context) -> Result<Exit, Failure> {
    home::check(&context.home)?;
    let rows = rows(context)?;
    if context.json {
        screen::print_json(&rows);
        return Ok(Exit::Done);
    }
    if rows.is_empty() {
        screen::print("no conversation yet; `carapace chat` begins one\n");
    }
    let room = screen::width().saturating_sub(74).max(20);
    for (at, row) in rows.iter().enumerate() {
        screen::print(&format!(
            "{:>3}  {}  {}  {:>4} messages  {}\n",
            at + 1,
            row.session,
            time::clock(row.touched),
            row.messages,
            screen::cut(&row.title, room),
        ));
        if let Some(words) = seen(row) {
            screen::print(&format!("     {words}\n"));
        }
    }
    Ok(Exit::Done)
}

/// What a conversation has seen, in words; nothing of one that has heard only its owner.
pub(crate) fn seen(row: &SessionRow) -> Option<String> {
    if row.label.is_clean() && row.exposure == 0 {
        return None;
    }
    let causes: Vec<String> = row
        .causes
        .iter()
        .map(|(cause, points)| format!("{} {points}", screen::neutral::line(cause)))
        .collect();
    Some(format!(
        "label: {}; exposure {} ({})",
        row.label,
        row.exposure,
        causes.join(", ")
    ))
}

/// The session that an id, `last`, or a number of the list names.
///
/// # Errors
/// There is none of that name.
pub(crate) fn find(context: &Context, which: &str) -> Result<SessionId, Failure> {
    if let Ok(session) = which.parse() {
        return Ok(session);
    }
    let at = match which {
        "last" => 0,
        number => match number.parse::<usize>() {
            Ok(number @ 1..) => number - 1,
            _ => return Err(SessionError::Unknown(which.chars().take(80).collect()).into()),
        },
    };
    let rows = rows(context)?;
    if rows.is_empty() {
        return Err(SessionError::None.into());
    }
    match rows.get(at) {
        Some(row) => Ok(row.session),
        None => Err(SessionError::Unknown(which.to_owned()).into()),
    }
}

/// The last few messages of a conversation, so that a person knows where they are.
pub(crate) fn show_end(messages: &[Message]) {
    const LAST: usize = 4;
    let told: Vec<&Message> = messages
        .iter()
        .filter(|message| {
            matches!(message.role, Role::User | Role::Assistant) && !message.content.is_empty()
        })
        .collect();
    for message in &told[told.len().saturating_sub(LAST)..] {
        if message.role == Role::User {
            screen::aside(&screen::wrapped("> ", &message.content, screen::width()));
        } else {
            let mut margin = Margin::new(screen::width());
            screen::aside(&margin.push(&message.content));
            screen::aside(margin.end());
        }
    }
}

fn rows(context: &Context) -> Result<Vec<SessionRow>, Failure> {
    match broker::ask(&context.home, &Ask::Sessions {})? {
        Tell::Sessions { rows } => Ok(rows),
        _ => Err(BrokerError::Other.into()),
    }
}
