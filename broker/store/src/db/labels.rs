//! Labels of what is stored: a session, a workspace. They only grow; who writes them joined them before.

use crate::db::{DbError, stored_json, to_json};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) fn set(
    db: &Connection,
    thing: &str,
    label: &impl Serialize,
    now: i64,
) -> Result<(), DbError> {
    db.prepare_cached(
        "INSERT INTO labels (thing, json, touched) VALUES (?1, ?2, ?3)
         ON CONFLICT (thing) DO UPDATE SET json = ?2, touched = ?3",
    )?
    .execute(params![thing, to_json("label", label)?, now])?;
    Ok(())
}

pub(crate) fn get<T: DeserializeOwned>(db: &Connection, thing: &str) -> Result<Option<T>, DbError> {
    let text: Option<String> = db
        .prepare_cached("SELECT json FROM labels WHERE thing = ?1")?
        .query_row([thing], |row| row.get(0))
        .optional()?;
    text.map(|text| stored_json("label", &text)).transpose()
}
