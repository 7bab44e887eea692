//! Effects: what was judged, what became of it, and that none is had twice.

use crate::db::{DbError, stored, stored_json};
use crate::record::About;
use carapace_contract::control::EffectRow;
use carapace_contract::id::{CallId, Digest, EffectId, SessionId, TurnId};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

/// What became of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectState {
    /// It was refused.
    Refused,
    /// A person was asked.
    Asked,
    /// It was recorded and is under way.
    Acting,
    /// It was had.
    Done,
    /// It was tried and failed.
    Failed,
    /// It was under way when the broker ended: it may or may not have happened, and is not repeated.
    Unknown,
}

impl EffectState {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            EffectState::Refused => "refused",
            EffectState::Asked => "asked",
            EffectState::Acting => "acting",
            EffectState::Done => "done",
            EffectState::Failed => "failed",
            EffectState::Unknown => "unknown",
        }
    }

    fn stored(word: &str) -> Result<Self, DbError> {
        [
            Self::Refused,
            Self::Asked,
            Self::Acting,
            Self::Done,
            Self::Failed,
            Self::Unknown,
        ]
        .into_iter()
        .find(|state| state.as_str() == word)
        .ok_or_else(|| DbError::Stored {
            what: "state of an effect",
            cause: word.to_owned(),
        })
    }
}

/// An effect that is already known under the caller's name for it.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownEffect {
    /// The broker's name for it.
    pub effect: EffectId,
    /// The tool, or `model.complete`.
    pub what: String,
    /// The digest of the call it was judged as. A call with another digest is another call.
    pub digest: Digest,
    /// What became of it.
    pub state: EffectState,
    /// Its result, where one was stored.
    pub result: Option<Value>,
}

/// An effect that was cut off between act and confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownEffect {
    /// The broker's name for it.
    pub effect: EffectId,
    /// The session it belongs to.
    pub session: SessionId,
    /// The tool.
    pub what: String,
}

/// Writes what became of a judgement. False where the call is already known in a state that does not
/// lead there; nothing is changed then.
pub(crate) fn judged(
    db: &Connection,
    about: &About,
    state: EffectState,
    now: i64,
) -> Result<bool, DbError> {
    let changed = db
        .prepare_cached(
            "INSERT INTO effects (effect, grp, session, turn, within, call, what, digest, idempotent, state, judged)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (turn, within, call) DO UPDATE
             SET effect = excluded.effect, what = excluded.what, digest = excluded.digest,
                 idempotent = excluded.idempotent, state = excluded.state, judged = excluded.judged
             WHERE state IN ('asked', 'refused')",
        )?
        .execute(params![
            about.effect.to_string(),
            about.group.as_str(),
            about.session.to_string(),
            about.turn.to_string(),
            about.within.as_ref().map_or("", CallId::as_str),
            about.call.as_str(),
            about.what,
            about.digest.to_string(),
            about.idempotent,
            state.as_str(),
            now
        ])?;
    Ok(changed == 1)
}

pub(crate) fn finish(
    db: &Connection,
    effect: EffectId,
    state: EffectState,
    result: Option<&Value>,
    now: i64,
) -> Result<(), DbError> {
    db.prepare_cached(
        "UPDATE effects SET state = ?2, result = ?3, ended = ?4 WHERE effect = ?1 AND state IN ('acting', 'asked')",
    )?
    .execute(params![effect.to_string(), state.as_str(), result.map(Value::to_string), now])?;
    Ok(())
}

pub(crate) fn turn_of(db: &Connection, effect: EffectId) -> Result<Option<TurnId>, DbError> {
    let turn: Option<String> = db
        .prepare_cached("SELECT turn FROM effects WHERE effect = ?1")?
        .query_row([effect.to_string()], |row| row.get(0))
        .optional()?;
    turn.map(|turn| stored("turn", &turn)).transpose()
}

pub(crate) fn lookup(
    db: &Connection,
    turn: TurnId,
    within: Option<&CallId>,
    call: &CallId,
) -> Result<Option<KnownEffect>, DbError> {
    let row = db
        .prepare_cached(
            "SELECT effect, what, digest, state, result FROM effects WHERE turn = ?1 AND within = ?2 AND call = ?3",
        )?
        .query_row(params![turn.to_string(), within.map_or("", CallId::as_str), call.as_str()], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, String>(3)?,
                row.get::<_, Option<String>>(4)?,
            ))
        })
        .optional()?;
    let Some((effect, what, digest, state, result)) = row else {
        return Ok(None);
    };
    Ok(Some(KnownEffect {
        effect: stored("effect", &effect)?,
        what,
        digest: stored("digest", &digest)?,
        state: EffectState::stored(&state)?,
        result: result
            .map(|text| stored_json("result", &text))
            .transpose()?,
    }))
}

/// After a start: what was under way and may be repeated is forgotten, so that it is done again; the
/// rest is unknown from now on. Returns those that became unknown now.
pub(crate) fn settle(db: &Connection, now: i64) -> Result<Vec<UnknownEffect>, DbError> {
    db.execute(
        "DELETE FROM effects WHERE state = 'acting' AND idempotent = 1",
        [],
    )?;
    let mut statement = db.prepare(
        "UPDATE effects SET state = 'unknown', ended = ?1 WHERE state = 'acting' RETURNING effect, session, what",
    )?;
    let rows = statement.query_map([now], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, String>(2)?,
        ))
    })?;
    rows.map(|row| {
        let (effect, session, what) = row?;
        Ok(UnknownEffect {
            effect: stored("effect", &effect)?,
            session: stored("session", &session)?,
            what,
        })
    })
    .collect()
}

pub(crate) fn newest(db: &Connection, limit: u32) -> Result<Vec<EffectRow>, DbError> {
    let mut statement = db.prepare_cached(
        "SELECT effect, session, what, state, judged FROM effects ORDER BY number DESC LIMIT ?1",
    )?;
    let rows = statement.query_map([limit], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, String>(2)?,
            row.get::<_, String>(3)?,
            row.get::<_, i64>(4)?,
        ))
    })?;
    rows.map(|row| {
        let (effect, session, what, state, at) = row?;
        Ok(EffectRow {
            effect: stored("effect", &effect)?,
            session: stored("session", &session)?,
            what,
            state,
            at,
        })
    })
    .collect()
}
