//! Turns: the durable inbox. A turn is accepted once, ended once, and survives whatever happens between.

use crate::db::{DbError, sessions, stored, stored_json, to_json, unsigned};
use carapace_contract::control::TurnEnd;
use carapace_contract::id::{GroupId, SessionId, TurnId};
use carapace_contract::model::{Attachment, Message, Role, Usage};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// What became of a message that a person sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It is on disk and waits.
    New,
    /// A turn of this id is already there, in this session; nothing was changed.
    Duplicate {
        /// The session it went to the first time.
        session: SessionId,
    },
    /// The session belongs to another group; nothing was changed.
    NotYours,
}

/// Where a turn is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnState {
    /// No worker has it yet.
    Waiting,
    /// A worker has it, or had it when the broker ended.
    Running,
    /// It is over.
    Ended,
}

/// A turn as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnRow {
    /// Its id.
    pub turn: TurnId,
    /// The session it belongs to.
    pub session: SessionId,
    /// The group of the session.
    pub group: GroupId,
    /// What the person typed.
    pub text: String,
    /// Where it is.
    pub state: TurnState,
    /// How often a worker was given it.
    pub attempts: u32,
    /// How it ended; only of an ended turn.
    pub end: Option<TurnEnd>,
    /// The final text; empty while it is not over.
    pub final_text: String,
    /// Tokens it used.
    pub usage: Usage,
    /// Seconds since 1970 when it was accepted.
    pub created: i64,
}

pub(crate) fn accept(
    db: &Connection,
    turn: TurnId,
    session: SessionId,
    group: &GroupId,
    text: &str,
    attachments: &[Attachment],
    now: i64,
) -> Result<Accepted, DbError> {
    if let Some(known) = find(db, turn)? {
        return Ok(Accepted::Duplicate {
            session: known.session,
        });
    }
    sessions::create(db, session, group, text, now)?;
    if sessions::group(db, session)?.as_ref() != Some(group) {
        return Ok(Accepted::NotYours);
    }
    db.prepare_cached(
        "INSERT INTO turns (turn, session, grp, text, created) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        turn.to_string(),
        session.to_string(),
        group.as_str(),
        text,
        now
    ])?;
    sessions::append(
        db,
        session,
        Some(turn),
        &Message {
            attachments: attachments.to_vec(),
            ..Message::text(Role::User, text)
        },
        now,
    )?;
    Ok(Accepted::New)
}

pub(crate) fn find(db: &Connection, turn: TurnId) -> Result<Option<TurnRow>, DbError> {
    let mut statement = db.prepare_cached(&format!("{SELECT} WHERE turn = ?1"))?;
    statement
        .query_row([turn.to_string()], raw)
        .optional()?
        .map(typed)
        .transpose()
}

pub(crate) fn unfinished(db: &Connection) -> Result<Vec<TurnRow>, DbError> {
    let mut statement =
        db.prepare_cached(&format!("{SELECT} WHERE state != 'ended' ORDER BY number"))?;
    let rows = statement.query_map([], raw)?;
    rows.map(|row| typed(row?)).collect()
}

/// Gives the turn to a worker and returns how often that happened, or `None` where it is over or unknown.
pub(crate) fn start(db: &Connection, turn: TurnId) -> Result<Option<u32>, DbError> {
    Ok(db
        .prepare_cached(
            "UPDATE turns SET state = 'running', attempts = attempts + 1
             WHERE turn = ?1 AND state != 'ended' RETURNING attempts",
        )?
        .query_row([turn.to_string()], |row| row.get(0))
        .optional()?)
}

/// True where this was the first end of the turn; else nothing is changed.
pub(crate) fn end(
    db: &Connection,
    turn: TurnId,
    how: TurnEnd,
    text: &str,
    usage: Usage,
    messages: &[Message],
    now: i64,
) -> Result<bool, DbError> {
    let session: Option<String> = db
        .prepare_cached(
            "UPDATE turns SET state = 'ended', ending = ?2, final = ?3, tokens_in = ?4, tokens_out = ?5, ended = ?6
             WHERE turn = ?1 AND state != 'ended' RETURNING session",
        )?
        .query_row(
            params![
                turn.to_string(),
                to_json("end", &how)?,
                text,
                usage.input.min(i64::MAX as u64) as i64,
                usage.output.min(i64::MAX as u64) as i64,
                now
            ],
            |row| row.get(0),
        )
        .optional()?;
    let Some(session) = session else {
        return Ok(false);
    };
    let session = stored("session", &session)?;
    for message in messages {
        sessions::append(db, session, Some(turn), message, now)?;
    }
    Ok(true)
}

const SELECT: &str = "SELECT turn, session, grp, text, state, attempts, ending, final, tokens_in, tokens_out, created FROM turns";

struct Raw {
    turn: String,
    session: String,
    group: String,
    text: String,
    state: String,
    attempts: u32,
    end: Option<String>,
    final_text: Option<String>,
    usage: (i64, i64),
    created: i64,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        turn: row.get(0)?,
        session: row.get(1)?,
        group: row.get(2)?,
        text: row.get(3)?,
        state: row.get(4)?,
        attempts: row.get(5)?,
        end: row.get(6)?,
        final_text: row.get(7)?,
        usage: (row.get(8)?, row.get(9)?),
        created: row.get(10)?,
    })
}

fn typed(raw: Raw) -> Result<TurnRow, DbError> {
    Ok(TurnRow {
        turn: stored("turn", &raw.turn)?,
        session: stored("session", &raw.session)?,
        group: GroupId::try_from(raw.group).map_err(|error| DbError::Stored {
            what: "group",
            cause: error.to_string(),
        })?,
        text: raw.text,
        state: match raw.state.as_str() {
            "waiting" => TurnState::Waiting,
            "running" => TurnState::Running,
            _ => TurnState::Ended,
        },
        attempts: raw.attempts,
        end: raw
            .end
            .map(|end| stored_json("end of a turn", &end))
            .transpose()?,
        final_text: raw.final_text.unwrap_or_default(),
        usage: Usage {
            input: unsigned(raw.usage.0),
            output: unsigned(raw.usage.1),
            ..Usage::default()
        },
        created: raw.created,
    })
}
