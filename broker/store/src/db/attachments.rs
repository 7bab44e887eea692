//! The bytes of pictures and documents, by session: one session cannot name what another one holds.

use crate::db::DbError;
use carapace_contract::id::{Digest, SessionId};
use rusqlite::{Connection, OptionalExtension, params};

pub(crate) fn add(
    db: &Connection,
    session: SessionId,
    id: Digest,
    bytes: &[u8],
    now: i64,
) -> Result<(), DbError> {
    db.prepare_cached(
        "INSERT INTO attachments (session, id, bytes, created) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    )?
    .execute(params![session.to_string(), id.to_string(), bytes, now])?;
    Ok(())
}

pub(crate) fn get(
    db: &Connection,
    session: SessionId,
    id: Digest,
) -> Result<Option<Vec<u8>>, DbError> {
    Ok(db
        .prepare_cached("SELECT bytes FROM attachments WHERE session = ?1 AND id = ?2")?
        .query_row(params![session.to_string(), id.to_string()], |row| {
            row.get(0)
        })
        .optional()?)
}
