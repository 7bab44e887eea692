//! What left the broker: where to, how much, with which secret, and how it went.

use crate::db::{DbError, stored, unsigned};
use carapace_contract::control::SendRow;
use carapace_contract::id::{EffectId, SecretName, SessionId};
use rusqlite::{Connection, params};

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn add(db: &Connection, row: &SendRow) -> Result<(), DbError> {
    db.prepare_cached(
        "INSERT INTO sends (effect, at, origin, purpose, session, secret, sent, received, outcome)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        row.effect.to_string(),
        row.at,
        row.origin,
        row.purpose,
        row.session.map(|session| session.to_string()),
        row.secret.as_ref().map(SecretName::as_str),
        signed(row.sent),
        signed(row.received),
        row.outcome
    ])?;
    Ok(())
}

pub(crate) fn newest(db: &Connection, limit: u32) -> Result<Vec<SendRow>, DbError> {
    let mut statement = db.prepare_cached(
        "SELECT effect, at, origin, purpose, session, secret, sent, received, outcome FROM sends
         ORDER BY number DESC LIMIT ?1",
    )?;
    let rows = statement.query_map([limit], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, Option<String>>(4)?,
            row.get::<_, Option<String>>(5)?,
            SendRow {
                effect: EffectId::from_bytes([0; 8]),
                at: row.get(1)?,
                origin: row.get(2)?,
                purpose: row.get(3)?,
                session: None,
                secret: None,
                sent: unsigned(row.get(6)?),
                received: unsigned(row.get(7)?),
                outcome: row.get(8)?,
            },
        ))
    })?;
    rows.map(|row| {
        let (effect, session, secret, row) = row?;
        Ok(SendRow {
            effect: stored("effect", &effect)?,
            session: session
                .map(|session| stored::<SessionId>("session", &session))
                .transpose()?,
            secret: secret
                .map(|secret| stored::<SecretName>("secret", &secret))
                .transpose()?,
            ..row
        })
    })
    .collect()
}
