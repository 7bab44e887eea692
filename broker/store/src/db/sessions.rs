//! Sessions and their messages, which are only ever added to.

use crate::db::{DbError, stored, stored_json, to_json, unsigned};
use crate::labels::Seen;
use carapace_contract::control::SessionRow;
use carapace_contract::id::{GroupId, SessionId, TurnId};
use carapace_contract::model::Message;
use rusqlite::{Connection, OptionalExtension, params};

/// The most characters of a session's title.
const TITLE: usize = 60;

pub(crate) fn create(
    db: &Connection,
    session: SessionId,
    group: &GroupId,
    text: &str,
    now: i64,
) -> Result<(), DbError> {
    db.prepare_cached(
        "INSERT OR IGNORE INTO sessions (session, grp, title, created, touched) VALUES (?1, ?2, ?3, ?4, ?4)",
    )?
    .execute(params![session.to_string(), group.as_str(), title(text), now])?;
    Ok(())
}

pub(crate) fn group(db: &Connection, session: SessionId) -> Result<Option<GroupId>, DbError> {
    let group: Option<String> = db
        .prepare_cached("SELECT grp FROM sessions WHERE session = ?1")?
        .query_row([session.to_string()], |row| row.get(0))
        .optional()?;
    group
        .map(|group| {
            GroupId::try_from(group).map_err(|error| DbError::Stored {
                what: "group",
                cause: error.to_string(),
            })
        })
        .transpose()
}

pub(crate) fn set_route(db: &Connection, session: SessionId, route: &str) -> Result<(), DbError> {
    db.prepare_cached("UPDATE sessions SET route = ?2 WHERE session = ?1")?
        .execute(params![session.to_string(), route])?;
    Ok(())
}

pub(crate) fn route(db: &Connection, session: SessionId) -> Result<Option<String>, DbError> {
    let route: Option<Option<String>> = db
        .prepare_cached("SELECT route FROM sessions WHERE session = ?1")?
        .query_row([session.to_string()], |row| row.get(0))
        .optional()?;
    Ok(route.flatten())
}

pub(crate) fn append(
    db: &Connection,
    session: SessionId,
    turn: Option<TurnId>,
    message: &Message,
    now: i64,
) -> Result<(), DbError> {
    let session = session.to_string();
    let role = to_json("role", &message.role)?;
    let added = db
        .prepare_cached(
            "INSERT INTO messages (session, seq, grp, turn, role, json, created)
             SELECT session, (SELECT COALESCE(MAX(seq) + 1, 0) FROM messages WHERE session = ?1), grp, ?2, ?3, ?4, ?5
             FROM sessions WHERE session = ?1",
        )?
        .execute(params![
            session,
            turn.map(|turn| turn.to_string()),
            role.trim_matches('"'),
            to_json("message", message)?,
            now
        ])?;
    if added != 1 {
        return Err(DbError::Stored {
            what: "session",
            cause: format!("{session} does not exist"),
        });
    }
    db.prepare_cached("UPDATE sessions SET touched = MAX(touched, ?2) WHERE session = ?1")?
        .execute(params![session, now])?;
    Ok(())
}

pub(crate) fn transcript(db: &Connection, session: SessionId) -> Result<Vec<Message>, DbError> {
    let mut statement =
        db.prepare_cached("SELECT json FROM messages WHERE session = ?1 ORDER BY seq")?;
    let rows = statement.query_map([session.to_string()], |row| row.get::<_, String>(0))?;
    rows.map(|text| stored_json("message", &text?)).collect()
}

pub(crate) fn list(
    db: &Connection,
    group: &GroupId,
    limit: u32,
) -> Result<Vec<SessionRow>, DbError> {
    let mut statement = db.prepare_cached(
        "SELECT session, title, touched, (SELECT COUNT(*) FROM messages m WHERE m.session = s.session),
            (SELECT json FROM labels l WHERE l.thing = 'session ' || s.session)
         FROM sessions s WHERE grp = ?1 ORDER BY touched DESC, created DESC LIMIT ?2",
    )?;
    let rows = statement.query_map(params![group.as_str(), limit], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, i64>(2)?,
            row.get::<_, i64>(3)?,
            row.get::<_, Option<String>>(4)?,
        ))
    })?;
    rows.map(|row| {
        let (session, title, touched, messages, seen) = row?;
        let seen: Seen = match seen {
            Some(text) => stored_json("label", &text)?,
            None => Seen::default(),
        };
        Ok(SessionRow {
            exposure: seen.exposure.level(),
            causes: seen
                .exposure
                .causes()
                .into_iter()
                .map(|(cause, points)| (cause.to_owned(), points))
                .collect(),
            label: seen.label,
            session: stored("session", &session)?,
            title,
            touched,
            messages: unsigned(messages),
        })
    })
    .collect()
}

/// The first words of a text on one line, with characters that do not show made visible.
fn title(text: &str) -> String {
    let mut title = String::new();
    for character in text.trim().chars().take(TITLE) {
        match character {
            '\n' | '\t' | '\r' => title.push(' '),
            hidden if hidden.is_control() || is_invisible(hidden) => {
                title.extend(hidden.escape_unicode())
            }
            shown => title.push(shown),
        }
    }
    title
}

fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_title_shows_what_is_hidden() {
        assert_eq!(
            super::title(" a\nb\u{202e}c\x1b[2J"),
            "a b\\u{202e}c\\u{1b}[2J"
        );
        assert_eq!(super::title(&"x".repeat(500)).len(), super::TITLE);
    }
}
