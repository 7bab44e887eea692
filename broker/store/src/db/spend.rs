//! What model calls cost: one row per call, reserved before it and settled after it. A row that was
//! never settled counts with its worst case.

use crate::db::{DbError, stored, unsigned};
use carapace_contract::control::SpentRow;
use carapace_contract::id::{EffectId, GroupId, SessionId};
use carapace_contract::model::Usage;
use carapace_policy::{Amount, Moment, Spender, Spending};
use rusqlite::{Connection, params};

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn reserve(db: &Connection, spending: &Spending, model: &str) -> Result<(), DbError> {
    db.prepare_cached(
        "INSERT INTO spend (effect, session, grp, channel, day, month, model, usd, tokens)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (effect) DO NOTHING",
    )?
    .execute(params![
        spending.effect.to_string(),
        spending.who.session.to_string(),
        spending.who.group.as_str(),
        spending.who.channel,
        spending.at.day,
        spending.at.month,
        model,
        spending.amount.usd.map(signed),
        signed(spending.amount.tokens)
    ])?;
    Ok(())
}

pub(crate) fn settle(
    db: &Connection,
    effect: EffectId,
    usd: Option<u64>,
    usage: Usage,
) -> Result<(), DbError> {
    db.prepare_cached(
        "UPDATE spend SET settled = 1, usd = ?2, tokens = ?3, input = ?4, output = ?5, cache_read = ?6, cache_write = ?7
         WHERE effect = ?1 AND settled = 0",
    )?
    .execute(params![
        effect.to_string(),
        usd.map(signed),
        signed(usage.input + usage.output),
        signed(usage.input),
        signed(usage.output),
        signed(usage.cache_read),
        signed(usage.cache_write)
    ])?;
    Ok(())
}

/// Everything that a budget may still look at, added up by session, group, channel and day: one line
/// each, so that years of calls are few lines.
pub(crate) fn sums(db: &Connection) -> Result<Vec<Spending>, DbError> {
    let mut statement = db.prepare(
        "SELECT session, grp, channel, day, month, SUM(usd), SUM(tokens), SUM(usd IS NULL) FROM spend
         GROUP BY session, grp, channel, day, month",
    )?;
    let rows = statement.query_map([], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, String>(2)?,
            row.get::<_, i64>(3)?,
            row.get::<_, i64>(4)?,
            row.get::<_, Option<i64>>(5)?,
            row.get::<_, i64>(6)?,
        ))
    })?;
    rows.map(|row| {
        let (session, group, channel, day, month, usd, tokens) = row?;
        let group = GroupId::try_from(group).map_err(|error| DbError::Stored {
            what: "group",
            cause: error.to_string(),
        })?;
        Ok(Spending {
            effect: EffectId::from_bytes([0; 8]),
            who: Spender {
                session: stored::<SessionId>("session", &session)?,
                group,
                channel,
            },
            at: Moment { day, month },
            amount: Amount {
                usd: usd.map(unsigned),
                tokens: unsigned(tokens),
            },
        })
    })
    .collect()
}

/// By day and model, newest first.
pub(crate) fn by_day(db: &Connection, limit: u32) -> Result<Vec<SpentRow>, DbError> {
    let mut statement = db.prepare_cached(
        "SELECT date(day * 86400, 'unixepoch'), model, COUNT(*), SUM(input), SUM(output), SUM(cache_read),
                SUM(cache_write), SUM(usd), SUM(usd IS NULL)
         FROM spend GROUP BY day, model ORDER BY day DESC, model LIMIT ?1",
    )?;
    let rows = statement.query_map([limit], |row| {
        let number = |at| row.get::<_, i64>(at).map(unsigned);
        Ok(SpentRow {
            day: row.get(0)?,
            model: row.get(1)?,
            calls: number(2)?,
            usage: Usage {
                input: number(3)?,
                output: number(4)?,
                cache_read: number(5)?,
                cache_write: number(6)?,
            },
            usd: match row.get::<_, i64>(8)? {
                0 => row.get::<_, Option<i64>>(7)?.map(unsigned),
                _ => None,
            },
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
