//! Questions to a person and their answers. An answer is taken once, in time, and used once.

use crate::db::{DbError, stored, stored_json, to_json};
use carapace_contract::control::QuestionCard;
use carapace_contract::id::{Code, Digest, EffectId, GroupId, SessionId, ToolName, TurnId};
use carapace_contract::part::Part;
use carapace_contract::verdict::Decision;
use carapace_policy::AnswerRecord;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// A question that is to be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct NewQuestion {
    /// The effect it is about.
    pub effect: EffectId,
    /// The group of the session.
    pub group: GroupId,
    /// What the answer is bound to.
    pub digest: Digest,
    /// What an "always" is bound to.
    pub shape: Digest,
    /// The arguments as canonical JSON, for the list of standing grants.
    pub arguments: String,
    /// What is shown. Code, session, turn, tool and expiry are taken from it.
    pub card: QuestionCard,
}

/// What became of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum AnswerTaken {
    /// It counts.
    Taken(Box<StoredQuestion>),
    /// There is no such question.
    NoSuchQuestion,
    /// The question is not open; this is its state.
    NotOpen(String),
    /// It came too late; the question is expired from now on.
    Expired,
}

/// A question as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredQuestion {
    /// The effect it is about.
    pub effect: EffectId,
    /// What the answer is bound to.
    pub digest: Digest,
    /// What an "always" is bound to.
    pub shape: Digest,
    /// The arguments as canonical JSON.
    pub arguments: String,
    /// The card, with its present state and approver.
    pub card: QuestionCard,
    /// What was decided, where somebody answered.
    pub decision: Option<Decision>,
    /// What the person wrote beside it.
    pub note: Option<String>,
    /// The steps of a plan that they allowed; all of them where it is `None`.
    pub part: Option<Part>,
}

pub(crate) fn create(db: &Connection, question: &NewQuestion, now: i64) -> Result<(), DbError> {
    let card = &question.card;
    db.prepare_cached(
        "INSERT INTO questions (code, effect, grp, session, turn, digest, shape, tool, arguments, card, state, created, expires)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'open', ?11, ?12)",
    )?
    .execute(params![
        card.code.as_str(),
        question.effect.to_string(),
        question.group.as_str(),
        card.session.to_string(),
        card.turn.to_string(),
        question.digest.to_string(),
        question.shape.to_string(),
        card.tool.as_str(),
        question.arguments,
        to_json("card", card)?,
        now,
        card.expires
    ])?;
    Ok(())
}

pub(crate) fn find(db: &Connection, code: &Code) -> Result<Option<StoredQuestion>, DbError> {
    one(db, "WHERE code = ?1", code.as_str())
}

/// The newest question about an effect.
pub(crate) fn about(db: &Connection, effect: EffectId) -> Result<Option<StoredQuestion>, DbError> {
    one(
        db,
        "WHERE effect = ?1 ORDER BY number DESC LIMIT 1",
        &effect.to_string(),
    )
}

/// Oldest first.
pub(crate) fn list(db: &Connection, all: bool) -> Result<Vec<StoredQuestion>, DbError> {
    let which = if all {
        "ORDER BY number"
    } else {
        "WHERE state = 'open' ORDER BY number"
    };
    let mut statement = db.prepare_cached(&format!("{SELECT} {which}"))?;
    let rows = statement.query_map([], raw)?;
    rows.map(|row| typed(row?)).collect()
}

pub(crate) fn answer(
    db: &Connection,
    code: &Code,
    decision: Decision,
    part: Option<&Part>,
    approver: &str,
    note: Option<&str>,
    now: i64,
) -> Result<AnswerTaken, DbError> {
    let Some(question) = find(db, code)? else {
        return Ok(AnswerTaken::NoSuchQuestion);
    };
    if question.card.state != "open" {
        return Ok(AnswerTaken::NotOpen(question.card.state));
    }
    if question.card.expires <= now {
        set_state(
            db,
            "WHERE code = ?2 AND state = 'open'",
            "expired",
            code.as_str(),
        )?;
        return Ok(AnswerTaken::Expired);
    }
    let state = if decision == Decision::Deny {
        "denied"
    } else {
        "allowed"
    };
    db.prepare_cached(
        "UPDATE questions SET state = ?2, decision = ?3, approver = ?4, note = ?5, answered = ?6, part = ?7
         WHERE code = ?1 AND state = 'open'",
    )?
    .execute(params![
        code.as_str(),
        state,
        to_json("decision", &decision)?,
        approver,
        note,
        now,
        part.map(ToString::to_string)
    ])?;
    Ok(
        find(db, code)?.map_or(AnswerTaken::NoSuchQuestion, |question| {
            AnswerTaken::Taken(Box::new(question))
        }),
    )
}

/// The answer to a question, for resolving it. An allowing answer is used up by this: the next time
/// it says so. `None` where nobody has answered.
pub(crate) fn use_answer(db: &Connection, code: &Code) -> Result<Option<AnswerRecord>, DbError> {
    let Some(question) = find(db, code)? else {
        return Ok(None);
    };
    let (Some(decision), Some(approver)) = (question.decision, question.card.approver) else {
        return Ok(None);
    };
    let allowed = question.card.state == "allowed";
    if allowed {
        set_state(
            db,
            "WHERE code = ?2 AND state = 'allowed'",
            "used",
            code.as_str(),
        )?;
    }
    let used = !allowed && question.card.state != "denied";
    Ok(Some(AnswerRecord {
        digest: question.digest,
        decision,
        approver,
        expires: question.card.expires,
        used,
        part: question.part,
    }))
}

/// Ends the open questions whose time has come.
pub(crate) fn expire(db: &Connection, now: i64) -> Result<Vec<(Code, EffectId)>, DbError> {
    closed(
        db,
        "UPDATE questions SET state = 'expired' WHERE state = 'open' AND expires <= ?1 RETURNING code, effect",
        &now,
    )
}

/// Ends the questions of a turn that is over: open ones, and answers not used.
pub(crate) fn void_turn(db: &Connection, turn: TurnId) -> Result<Vec<(Code, EffectId)>, DbError> {
    let turn = turn.to_string();
    closed(
        db,
        "UPDATE questions SET state = 'void' WHERE state IN ('open', 'allowed') AND turn = ?1 RETURNING code, effect",
        &turn,
    )
}

/// Ends all questions: open ones, and answers not used.
pub(crate) fn void_all(db: &Connection) -> Result<Vec<(Code, EffectId)>, DbError> {
    closed(
        db,
        "UPDATE questions SET state = 'void' WHERE state IN ('open', ?1) RETURNING code, effect",
        &"allowed",
    )
}

fn closed(
    db: &Connection,
    sql: &str,
    value: &dyn rusqlite::ToSql,
) -> Result<Vec<(Code, EffectId)>, DbError> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([value], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    rows.map(|row| {
        let (code, effect) = row?;
        Ok((stored("code", &code)?, stored("effect", &effect)?))
    })
    .collect()
}

fn set_state(db: &Connection, which: &str, state: &str, code: &str) -> Result<(), DbError> {
    db.prepare_cached(&format!("UPDATE questions SET state = ?1 {which}"))?
        .execute(params![state, code])?;
    Ok(())
}

fn one(db: &Connection, which: &str, value: &str) -> Result<Option<StoredQuestion>, DbError> {
    db.prepare_cached(&format!("{SELECT} {which}"))?
        .query_row([value], raw)
        .optional()?
        .map(typed)
        .transpose()
}

const SELECT: &str = "SELECT effect, digest, shape, arguments, card, state, approver, decision, note, part FROM questions";

struct Raw {
    effect: String,
    digest: String,
    shape: String,
    arguments: String,
    card: String,
    state: String,
    approver: Option<String>,
    decision: Option<String>,
    note: Option<String>,
    part: Option<String>,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        effect: row.get(0)?,
        digest: row.get(1)?,
        shape: row.get(2)?,
        arguments: row.get(3)?,
        card: row.get(4)?,
        state: row.get(5)?,
        approver: row.get(6)?,
        decision: row.get(7)?,
        note: row.get(8)?,
        part: row.get(9)?,
    })
}

fn typed(raw: Raw) -> Result<StoredQuestion, DbError> {
    let mut card: QuestionCard = stored_json("card", &raw.card)?;
    card.state = raw.state;
    card.approver = raw.approver;
    Ok(StoredQuestion {
        effect: stored("effect", &raw.effect)?,
        digest: stored("digest", &raw.digest)?,
        shape: stored("shape", &raw.shape)?,
        arguments: raw.arguments,
        card,
        decision: raw
            .decision
            .map(|text| stored_json("decision", &text))
            .transpose()?,
        note: raw.note,
        part: raw.part.map(|text| stored("part", &text)).transpose()?,
    })
}

/// Keeps the names that a question shares with its card in one place.
impl NewQuestion {
    /// The code that answers it.
    pub fn code(&self) -> &Code {
        &self.card.code
    }

    /// The session that wants it.
    pub fn session(&self) -> SessionId {
        self.card.session
    }

    /// The tool.
    pub fn tool(&self) -> &ToolName {
        &self.card.tool
    }
}
