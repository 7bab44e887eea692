//! Standing grants from answers "always exactly this".

use crate::db::{DbError, stored};
use carapace_contract::id::{Code, Digest, GroupId, ToolName};
use rusqlite::{Connection, params};

/// One standing grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlwaysGrant {
    /// The code of the question that was answered with it; it revokes it.
    pub code: Code,
    /// Whose it is.
    pub group: GroupId,
    /// What it is bound to: group, tool, manifest and arguments.
    pub shape: Digest,
    /// The tool, for people.
    pub tool: ToolName,
    /// The arguments as canonical JSON, for people.
    pub arguments: String,
    /// Seconds since 1970 from which on it holds no more.
    pub expires: i64,
}

pub(crate) fn add(db: &Connection, grant: &AlwaysGrant) -> Result<(), DbError> {
    // A code that was revoked stays revoked.
    db.prepare_cached(
        "INSERT INTO always (code, grp, shape, tool, arguments, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (code) DO NOTHING",
    )?
    .execute(params![
        grant.code.as_str(),
        grant.group.as_str(),
        grant.shape.to_string(),
        grant.tool.as_str(),
        grant.arguments,
        grant.expires
    ])?;
    Ok(())
}

/// Those that hold at `now`, soonest to expire first.
pub(crate) fn list(db: &Connection, now: i64) -> Result<Vec<AlwaysGrant>, DbError> {
    let mut statement = db.prepare_cached(
        "SELECT code, grp, shape, tool, arguments, expires FROM always
         WHERE revoked IS NULL AND expires > ?1 ORDER BY expires",
    )?;
    let rows = statement.query_map([now], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, String>(2)?,
            row.get::<_, String>(3)?,
            row.get::<_, String>(4)?,
            row.get::<_, i64>(5)?,
        ))
    })?;
    rows.map(|row| {
        let (code, group, shape, tool, arguments, expires) = row?;
        let wrong = |what| {
            move |error: carapace_contract::id::BadId| DbError::Stored {
                what,
                cause: error.to_string(),
            }
        };
        Ok(AlwaysGrant {
            code: stored("code", &code)?,
            group: GroupId::try_from(group).map_err(wrong("group"))?,
            shape: stored("shape", &shape)?,
            tool: ToolName::try_from(tool).map_err(wrong("tool"))?,
            arguments,
            expires,
        })
    })
    .collect()
}

/// The shape that is no longer allowed, or `None` where no grant of this code was in force.
pub(crate) fn revoke(db: &Connection, code: &Code, now: i64) -> Result<Option<Digest>, DbError> {
    // All of the shape: the same call may have been allowed for good twice.
    let mut statement = db.prepare_cached(
        "UPDATE always SET revoked = ?2 WHERE revoked IS NULL
         AND shape = (SELECT shape FROM always WHERE code = ?1 AND revoked IS NULL) RETURNING shape",
    )?;
    let shapes = statement
        .query_map(params![code.as_str(), now], |row| row.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    let shape = shapes.into_iter().next();
    shape.map(|shape| stored("shape", &shape)).transpose()
}
