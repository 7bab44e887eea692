//! The tables, their versions, and how a file of an older version becomes one of this version: a
//! copy is migrated, brought to disk and put in the old one's place. A crash at any point leaves
//! the old file or the new one, each whole.

use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::io;
use std::path::Path;

/// The database's file in the state folder.
pub(crate) const FILE: &str = "carapace.db";

/// Why the database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A system call failed.
    #[error(
        "state database: cannot {step}: {cause}\n  remedy: check that the state folder exists, is yours and has space"
    )]
    Io {
        /// What was tried.
        step: &'static str,
        /// What the system said.
        cause: io::Error,
    },
    /// SQLite refused.
    #[error(
        "state database: cannot {step}: {cause}\n  remedy: if another carapace runs, stop it; else restore carapace.db from a backup"
    )]
    Sqlite {
        /// What was tried.
        step: &'static str,
        /// What SQLite said.
        cause: rusqlite::Error,
    },
    /// It was made by a newer program.
    #[error(
        "state database: it has version {found}, this program knows up to {known}\n  remedy: use the newer carapace that wrote it"
    )]
    Newer {
        /// Its version.
        found: usize,
        /// The newest this program knows.
        known: usize,
    },
}

/// Each entry brings the schema one version further. Entries are never changed, only added.
const MIGRATIONS: &[&str] = &[
    // 1: sessions, messages, inbox, effects, questions, standing grants.
    "CREATE TABLE sessions (
        session TEXT PRIMARY KEY, grp TEXT NOT NULL, title TEXT NOT NULL,
        created INTEGER NOT NULL, touched INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE messages (
        session TEXT NOT NULL REFERENCES sessions, seq INTEGER NOT NULL, grp TEXT NOT NULL,
        turn TEXT, role TEXT NOT NULL, json TEXT NOT NULL, created INTEGER NOT NULL,
        PRIMARY KEY (session, seq)
     ) STRICT, WITHOUT ROWID;
     CREATE TRIGGER messages_stay BEFORE UPDATE ON messages
        BEGIN SELECT RAISE(ABORT, 'messages are append-only'); END;
     CREATE TABLE turns (
        number INTEGER PRIMARY KEY, turn TEXT NOT NULL UNIQUE, session TEXT NOT NULL REFERENCES sessions,
        grp TEXT NOT NULL, text TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'waiting'
            CHECK (state IN ('waiting', 'running', 'ended')),
        attempts INTEGER NOT NULL DEFAULT 0, ending TEXT, final TEXT,
        tokens_in INTEGER NOT NULL DEFAULT 0, tokens_out INTEGER NOT NULL DEFAULT 0,
        created INTEGER NOT NULL, ended INTEGER
     ) STRICT;
     CREATE INDEX turns_open ON turns (state) WHERE state != 'ended';
     CREATE TABLE effects (
        number INTEGER PRIMARY KEY, effect TEXT NOT NULL UNIQUE, grp TEXT NOT NULL, session TEXT NOT NULL,
        turn TEXT NOT NULL, within TEXT NOT NULL, call TEXT NOT NULL, what TEXT NOT NULL,
        digest TEXT NOT NULL, idempotent INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('refused', 'asked', 'acting', 'done', 'failed', 'unknown')),
        result TEXT, judged INTEGER NOT NULL, ended INTEGER,
        UNIQUE (turn, within, call)
     ) STRICT;
     CREATE INDEX effects_open ON effects (state) WHERE state IN ('acting', 'unknown');
     CREATE TABLE questions (
        number INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, effect TEXT NOT NULL, grp TEXT NOT NULL,
        session TEXT NOT NULL, turn TEXT NOT NULL, digest TEXT NOT NULL, shape TEXT NOT NULL,
        tool TEXT NOT NULL, arguments TEXT NOT NULL, card TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('open', 'allowed', 'denied', 'expired', 'used', 'void')),
        decision TEXT, approver TEXT, note TEXT,
        created INTEGER NOT NULL, expires INTEGER NOT NULL, answered INTEGER
     ) STRICT;
     CREATE INDEX questions_open ON questions (state) WHERE state = 'open';
     CREATE INDEX questions_effect ON questions (effect);
     CREATE TABLE always (
        code TEXT PRIMARY KEY, grp TEXT NOT NULL, shape TEXT NOT NULL, tool TEXT NOT NULL,
        arguments TEXT NOT NULL, expires INTEGER NOT NULL, revoked INTEGER
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX always_shape ON always (shape) WHERE revoked IS NULL;",
    // 2: spending, sends, attachments, the route of a session.
    "CREATE TABLE spend (
        number INTEGER PRIMARY KEY, effect TEXT NOT NULL UNIQUE, session TEXT NOT NULL, grp TEXT NOT NULL,
        channel TEXT NOT NULL, day INTEGER NOT NULL, month INTEGER NOT NULL, model TEXT NOT NULL,
        settled INTEGER NOT NULL DEFAULT 0, usd INTEGER, tokens INTEGER NOT NULL,
        input INTEGER NOT NULL DEFAULT 0, output INTEGER NOT NULL DEFAULT 0,
        cache_read INTEGER NOT NULL DEFAULT 0, cache_write INTEGER NOT NULL DEFAULT 0
     ) STRICT;
     CREATE INDEX spend_day ON spend (day, model);
     CREATE TABLE sends (
        number INTEGER PRIMARY KEY, effect TEXT NOT NULL, at INTEGER NOT NULL, origin TEXT NOT NULL,
        purpose TEXT NOT NULL, session TEXT, secret TEXT, sent INTEGER NOT NULL, received INTEGER NOT NULL,
        outcome TEXT NOT NULL
     ) STRICT;
     CREATE TABLE attachments (
        session TEXT NOT NULL, id TEXT NOT NULL, bytes BLOB NOT NULL, created INTEGER NOT NULL,
        PRIMARY KEY (session, id)
     ) STRICT, WITHOUT ROWID;
     ALTER TABLE sessions ADD COLUMN route TEXT;",
    // 3: labels of sessions and workspaces; which steps of a plan a person said yes to.
    "CREATE TABLE labels (
        thing TEXT PRIMARY KEY, json TEXT NOT NULL, touched INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;
     ALTER TABLE questions ADD COLUMN part TEXT;",
];

/// Opens the database, made or migrated as needed, for this process alone.
pub(crate) fn open(path: &Path) -> Result<Connection, SchemaError> {
    open_with(path, MIGRATIONS, &mut |_| {})
}

/// `at` is told each step that was reached, so that a test can end the process there.
fn open_with(
    path: &Path,
    migrations: &[&str],
    at: &mut dyn FnMut(&'static str),
) -> Result<Connection, SchemaError> {
    let fresh = path.with_extension("db.new");
    for leftover in [fresh.clone(), path.with_extension("db.new-journal")] {
        match std::fs::remove_file(&leftover) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                return Err(SchemaError::Io {
                    step: "remove an unfinished migration",
                    cause,
                });
            }
            _ => {}
        }
    }
    let version = if path.exists() { version_of(path)? } else { 0 };
    if version > migrations.len() {
        return Err(SchemaError::Newer {
            found: version,
            known: migrations.len(),
        });
    }
    if version < migrations.len() {
        migrate(path, &fresh, version, migrations, at)?;
    }
    let connection = plain(path)?;
    let set = |name, value: &str| {
        connection
            .pragma_update_and_check(None, name, value, |_| Ok(()))
            .or_else(|error| {
                if error == rusqlite::Error::QueryReturnedNoRows {
                    Ok(())
                } else {
                    Err(error)
                }
            })
            .map_err(|cause| SchemaError::Sqlite {
                step: "set it up",
                cause,
            })
    };
    // Alone with the file: the write-ahead index stays in this process's memory, no shared map is needed.
    set("locking_mode", "EXCLUSIVE")?;
    set("journal_mode", "WAL")?;
    set("foreign_keys", "ON")?;
    set("trusted_schema", "OFF")?;
    set("temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn migrate(
    path: &Path,
    fresh: &Path,
    version: usize,
    migrations: &[&str],
    at: &mut dyn FnMut(&'static str),
) -> Result<(), SchemaError> {
    let sqlite = |step| move |cause| SchemaError::Sqlite { step, cause };
    let failed = |step| move |cause| SchemaError::Io { step, cause };
    if version > 0 {
        // Everything of the old file into the file itself: a log left behind would be applied to the new one.
        let old = plain(path)?;
        old.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
            .map_err(sqlite("fold its log into it"))?;
        drop(old);
        at("folded");
        std::fs::copy(path, fresh).map_err(failed("copy it for a migration"))?;
        at("copied");
    }
    let copy = plain(fresh)?;
    for (index, migration) in migrations.iter().enumerate().skip(version) {
        let step = format!(
            "BEGIN; {migration}; PRAGMA user_version = {}; COMMIT;",
            index + 1
        );
        copy.execute_batch(&step)
            .map_err(sqlite("migrate a copy"))?;
        at("migrated");
    }
    copy.close().map_err(|(_, cause)| SchemaError::Sqlite {
        step: "finish the migrated copy",
        cause,
    })?;
    File::open(fresh)
        .and_then(|file| file.sync_all())
        .map_err(failed("bring the migrated copy to disk"))?;
    at("synced");
    std::fs::rename(fresh, path).map_err(failed("put the migrated copy in its place"))?;
    at("renamed");
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed("bring its folder to disk"))
}

fn version_of(path: &Path) -> Result<usize, SchemaError> {
    let version: i64 = plain(path)?
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|cause| SchemaError::Sqlite {
            step: "read its version",
            cause,
        })?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

fn plain(path: &Path) -> Result<Connection, SchemaError> {
    // The file is private to whoever runs this; SQLite gives its log the same mode.
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|cause| SchemaError::Io {
            step: "open its file",
            cause,
        })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    Connection::open_with_flags(path, flags).map_err(|cause| SchemaError::Sqlite {
        step: "open it",
        cause,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const NEXT: &[&str] = &[
        MIGRATIONS[0],
        MIGRATIONS[1],
        MIGRATIONS[2],
        "ALTER TABLE sessions ADD COLUMN later TEXT",
        "CREATE TABLE more (x INTEGER) STRICT",
    ];
    const STEPS: usize = 6;
    const VICTIM: &str = "CARAPACE_MIGRATION_VICTIM";

    fn sessions(connection: &Connection) -> i64 {
        connection
            .query_row("SELECT COUNT(*) FROM sessions", [], |row| row.get(0))
            .unwrap()
    }

    fn add_session(connection: &Connection) {
        let sql = "INSERT INTO sessions (session, grp, title, created, touched) VALUES (hex(randomblob(16)), 'owner', '', 0, 0)";
        connection.execute(sql, []).unwrap();
    }

    #[test]
    fn a_fresh_file_has_this_version_and_opens_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        add_session(&open(&path).unwrap());
        assert_eq!(sessions(&open(&path).unwrap()), 1);
        assert_eq!(version_of(&path).unwrap(), MIGRATIONS.len());
    }

    #[test]
    fn a_newer_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        drop(open(&path).unwrap());
        plain(&path)
            .unwrap()
            .pragma_update(None, "user_version", 99)
            .unwrap();
        assert!(matches!(
            open(&path),
            Err(SchemaError::Newer { found: 99, .. })
        ));
    }

    /// Migrates until the step it was told, and is gone there without a trace of a clean-up.
    #[test]
    fn victim() {
        let Ok(told) = std::env::var(VICTIM) else {
            return;
        };
        let (step, path) = told.split_once(':').unwrap();
        let mut left: usize = step.parse().unwrap();
        let _ = open_with(path.as_ref(), NEXT, &mut |_| {
            if left == 0 {
                let own = std::process::id().to_string();
                Command::new("kill").args(["-9", &own]).status().unwrap();
            }
            left = left.wrapping_sub(1);
        });
    }

    #[test]
    fn a_migration_killed_at_any_step_loses_nothing() {
        let live = tempfile::tempdir().unwrap();
        let old = open(&live.path().join(FILE)).unwrap();
        add_session(&old);
        for step in 0..STEPS {
            // As a killed broker leaves it: with a log that is not folded in.
            let folder = tempfile::tempdir().unwrap();
            for name in [FILE, "carapace.db-wal"] {
                std::fs::copy(live.path().join(name), folder.path().join(name)).unwrap();
            }
            let path = folder.path().join(FILE);
            let status = Command::new(std::env::current_exe().unwrap())
                .args(["db::schema::tests::victim", "--exact", "--test-threads=1"])
                .env(VICTIM, format!("{step}:{}", path.display()))
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .status()
                .unwrap();
            assert!(!status.success(), "step {step} was not reached");
            let connection = open_with(&path, NEXT, &mut |_| {}).unwrap();
            assert_eq!(sessions(&connection), 1, "killed at step {step}");
            connection
                .execute("UPDATE sessions SET later = 'x'", [])
                .unwrap();
            connection
                .execute("INSERT INTO more VALUES (1)", [])
                .unwrap();
            let check: String = connection
                .query_row("PRAGMA integrity_check", [], |row| row.get(0))
                .unwrap();
            assert_eq!(check, "ok");
            drop(connection);
            assert_eq!(version_of(&path).unwrap(), NEXT.len());
        }
    }
}
