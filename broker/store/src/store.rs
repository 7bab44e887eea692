//! The handle that the broker holds: everything that is written or read goes through it.

use crate::audit::Head;
use crate::audit::key::LOG_FILE;
use crate::audit::log::{Entry, Log, LogError, OpenLogError};
use crate::db::effects::{self, EffectState, KnownEffect, UnknownEffect};
use crate::db::turns::{self, Accepted, TurnRow};
use crate::db::{Db, DbError, SchemaError, sessions, unsigned};
use crate::note::Note;
use crate::record::{Auditable, Recorded};
use crate::story::{StoryLine, story};
use carapace_contract::control::{EffectRow, SessionRow, TurnEnd};
use carapace_contract::id::{CallId, EffectId, GroupId, SessionId, TurnId};
use carapace_contract::model::{Attachment, Message, Usage};
use carapace_policy::Permit;
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Why the store cannot be opened. The start stops here.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The audit chain.
    #[error(transparent)]
    Log(#[from] OpenLogError),
    /// The database.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// What was left over from the last run cannot be settled.
    #[error(transparent)]
    Db(#[from] DbError),
    /// What was left over from the last run cannot be recorded.
    #[error(transparent)]
    Record(#[from] StoreError),
}

/// Why something was not stored. What it was to permit is not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The audit chain cannot be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The database cannot be written or read.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The caller has used this name for a call of this turn before.
    #[error(
        "the call {call} of this turn was made before\n  remedy: look its effect up instead of repeating it, and name a new call anew"
    )]
    AlreadyMade {
        /// The caller's name for it.
        call: CallId,
    },
    /// The audit log cannot be read back.
    #[error("audit log: cannot read it: {0}\n  remedy: check the disk and the folder's rights")]
    Unreadable(String),
}

/// What was found when the store was opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// Bytes at the end of the audit log that a crash tore; they were removed and that is on record.
    pub torn_bytes: u64,
    /// Effects that were under way and may not be repeated: unknown from now on.
    pub unknown: Vec<UnknownEffect>,
    /// Turns that are not over, in the order they were accepted.
    pub unfinished: Vec<TurnRow>,
}

/// Numbers for a status view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Turns that wait or run.
    pub turns: u64,
    /// Open questions.
    pub questions: u64,
    /// Effects whose outcome is not known.
    pub unknown: u64,
    /// Records in the audit chain.
    pub audit: u64,
}

/// The store. Clones share it; it closes when the last one goes.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    log: Log,
    pub(crate) db: Db,
    log_path: PathBuf,
}

impl Store {
    /// Opens the store of a state folder, for this process alone. Blocks while it checks the chain
    /// and settles what the last run left.
    ///
    /// # Errors
    /// The keys are missing, the chain is broken, the database is newer or damaged, or the disk is
    /// full. Each says what to do.
    pub async fn open(state_dir: &Path) -> Result<(Self, Opened), OpenError> {
        let (log, torn_bytes) = Log::open(state_dir)?;
        let db = Db::open(state_dir)?;
        let store = Self {
            inner: Arc::new(Inner {
                log,
                db,
                log_path: state_dir.join(LOG_FILE),
            }),
        };
        let now = now();
        let unknown = store
            .inner
            .db
            .call_durably(move |db| effects::settle(db, now))
            .await?;
        for effect in &unknown {
            store.note(Note::Finished {
                effect: effect.effect,
                session: effect.session,
                outcome: "unknown".to_owned(),
                millis: 0,
                detail: "it was under way when the broker ended; it is not repeated".to_owned(),
            })?;
        }
        let unfinished = store.inner.db.call(turns::unfinished).await?;
        Ok((
            store,
            Opened {
                torn_bytes,
                unknown,
                unfinished,
            },
        ))
    }

    // ---- records

    /// Puts a permitted act on record. For an act that changes something or leaves the machine the
    /// record is on disk and the effect's row committed as `acting` when this returns; for a read
    /// the record is written and on disk within 50 ms.
    ///
    /// Whoever drops the future before it is done must [`Store::finish`] the effect as failed.
    ///
    /// # Errors
    /// Nothing can be written, or the caller's name for the call is taken: the act must not be done.
    pub async fn record<T: Auditable>(&self, permit: Permit<T>) -> Result<Recorded<T>, StoreError> {
        let about = permit.what().about();
        let mut body = permit.what().body();
        body["digest"] = Value::String(about.digest.to_string());
        body["basis"] = permit
            .basis()
            .iter()
            .map(|reason| serde_json::json!(reason))
            .collect();
        let entry = Entry {
            kind: "act".into(),
            effect: Some(about.effect),
            session: Some(about.session),
            body,
        };
        let now = now();
        let (effect, call, idempotent) = (about.effect, about.call.clone(), about.idempotent);
        let row =
            move |db: &rusqlite::Connection| effects::judged(db, &about, EffectState::Acting, now);
        if !permit.what().effects().is_outward() {
            let seq = self.inner.log.append(entry)?;
            self.inner.db.queue(move |db| row(db).map(drop)).await?;
            return Ok(Recorded::new(permit, seq));
        }
        // What may be repeated need not survive a power cut: it is then simply done again.
        let fresh = if idempotent {
            self.inner.db.call(row).await?
        } else {
            self.inner.db.call_durably(row).await?
        };
        if !fresh {
            return Err(StoreError::AlreadyMade { call });
        }
        match self.inner.log.append_synced(entry).await {
            Ok(seq) => Ok(Recorded::new(permit, seq)),
            Err(error) => {
                let undo = move |db: &rusqlite::Connection| {
                    effects::finish(db, effect, EffectState::Failed, None, now)
                };
                self.inner.db.queue(undo).await?;
                Err(error.into())
            }
        }
    }

    /// Writes an audit line about something that is no act; it is on disk within 50 ms.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn note(&self, note: Note) -> Result<u64, StoreError> {
        Ok(self.inner.log.append(entry(note)?)?)
    }

    /// The same, and waits until it is on disk.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn note_synced(&self, note: Note) -> Result<u64, StoreError> {
        Ok(self.inner.log.append_synced(entry(note)?).await?)
    }

    /// Brings every record to disk and returns the chain's head.
    ///
    /// # Errors
    /// The disk refuses.
    pub async fn audit_head(&self) -> Result<Head, StoreError> {
        Ok(self.inner.log.head().await?)
    }

    /// What keeps records from being written, if anything does; nothing is permitted meanwhile.
    pub fn fault(&self) -> Option<LogError> {
        self.inner.log.fault()
    }

    /// The story of an effect: seconds since 1970, number of the record, words. Reads the whole log
    /// on a thread of its own.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn story(&self, effect: EffectId) -> Result<Vec<StoryLine>, StoreError> {
        let path = self.inner.log_path.clone();
        let told = tokio::task::spawn_blocking(move || story(&path, effect)).await;
        told.unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
            .map_err(|error| StoreError::Unreadable(error.to_string()))
    }

    /// The turn that an effect was asked for in; `None` for one of the broker's own.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn cause(&self, effect: EffectId) -> Result<Option<TurnRow>, StoreError> {
        let work = move |db: &rusqlite::Connection| match effects::turn_of(db, effect)? {
            Some(turn) => turns::find(db, turn),
            None => Ok(None),
        };
        Ok(self.inner.db.call(work).await?)
    }

    // ---- sessions and turns

    /// Takes a person's message into the inbox: the session, if it is new, the turn, and the message
    /// in the session's transcript, all or nothing, on disk when this returns.
    ///
    /// # Errors
    /// It cannot be written; it was not accepted then.
    pub async fn accept(
        &self,
        turn: TurnId,
        session: SessionId,
        group: GroupId,
        text: String,
    ) -> Result<Accepted, StoreError> {
        self.accept_with(turn, session, group, text, Vec::new(), None)
            .await
    }

    /// The same with attachments, whose bytes were given to [`Store::attach`] before, and with the
    /// route that the session takes from now on, if that changes.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub async fn accept_with(
        &self,
        turn: TurnId,
        session: SessionId,
        group: GroupId,
        text: String,
        attachments: Vec<Attachment>,
        route: Option<String>,
    ) -> Result<Accepted, StoreError> {
        let now = now();
        let work = move |db: &rusqlite::Connection| {
            let accepted = turns::accept(db, turn, session, &group, &text, &attachments, now)?;
            if let (Accepted::New, Some(route)) = (&accepted, &route) {
                sessions::set_route(db, session, route)?;
            }
            Ok(accepted)
        };
        Ok(self.inner.db.call_durably(work).await?)
    }

    /// A turn.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn turn(&self, turn: TurnId) -> Result<Option<TurnRow>, StoreError> {
        Ok(self.inner.db.call(move |db| turns::find(db, turn)).await?)
    }

    /// Marks a turn as running and returns how often a worker was given it, this time included;
    /// `None` where it is over or unknown.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn start_turn(&self, turn: TurnId) -> Result<Option<u32>, StoreError> {
        Ok(self.inner.db.call(move |db| turns::start(db, turn)).await?)
    }

    /// Ends a turn, adding `messages` to the transcript in the same commit, on disk when this
    /// returns. True for the first end only; a later one changes nothing.
    ///
    /// # Errors
    /// The database cannot be written; the turn is not over then.
    pub async fn end_turn(
        &self,
        turn: TurnId,
        end: TurnEnd,
        text: String,
        usage: Usage,
        messages: Vec<Message>,
    ) -> Result<bool, StoreError> {
        let now = now();
        let work = move |db: &rusqlite::Connection| {
            turns::end(db, turn, end, &text, usage, &messages, now)
        };
        Ok(self.inner.db.call_durably(work).await?)
    }

    /// A session's messages, oldest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn transcript(&self, session: SessionId) -> Result<Vec<Message>, StoreError> {
        Ok(self
            .inner
            .db
            .call(move |db| sessions::transcript(db, session))
            .await?)
    }

    /// The group of a session; `None` where there is no such session.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn session_group(&self, session: SessionId) -> Result<Option<GroupId>, StoreError> {
        Ok(self
            .inner
            .db
            .call(move |db| sessions::group(db, session))
            .await?)
    }

    /// A group's sessions, the one touched last first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn sessions(
        &self,
        group: GroupId,
        limit: u32,
    ) -> Result<Vec<SessionRow>, StoreError> {
        Ok(self
            .inner
            .db
            .call(move |db| sessions::list(db, &group, limit))
            .await?)
    }

    // ---- effects

    /// The effect that is known under the caller's name for it, if one is.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn lookup(
        &self,
        turn: TurnId,
        within: Option<CallId>,
        call: CallId,
    ) -> Result<Option<KnownEffect>, StoreError> {
        Ok(self
            .inner
            .db
            .call(move |db| effects::lookup(db, turn, within.as_ref(), &call))
            .await?)
    }

    /// Writes down that a call was refused or is asked about. Does not wait. The audit line is a
    /// [`Note`] of its own.
    ///
    /// # Errors
    /// The store is closed.
    pub async fn judged<T: Auditable>(&self, what: &T, asked: bool) -> Result<(), StoreError> {
        let (about, now) = (what.about(), now());
        let state = if asked {
            EffectState::Asked
        } else {
            EffectState::Refused
        };
        Ok(self
            .inner
            .db
            .queue(move |db| effects::judged(db, &about, state, now).map(drop))
            .await?)
    }

    /// Writes down what became of an effect that was on record or asked about. For an `outward` one
    /// it is committed when this returns, else it is only queued.
    ///
    /// # Errors
    /// The database cannot be written; an outward effect is unknown after a restart then.
    pub async fn finish(
        &self,
        effect: EffectId,
        outward: bool,
        state: EffectState,
        result: Option<Value>,
    ) -> Result<(), StoreError> {
        let now = now();
        let work = move |db: &rusqlite::Connection| {
            effects::finish(db, effect, state, result.as_ref(), now)
        };
        if outward {
            self.inner.db.call(work).await?
        } else {
            self.inner.db.queue(work).await?
        }
        Ok(())
    }

    /// The newest effects, newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn effects(&self, limit: u32) -> Result<Vec<EffectRow>, StoreError> {
        Ok(self
            .inner
            .db
            .call(move |db| effects::newest(db, limit))
            .await?)
    }

    // ---- status

    /// Numbers for a status view.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        let count = |db: &rusqlite::Connection, sql: &str| -> Result<u64, DbError> {
            Ok(unsigned(
                db.prepare_cached(sql)?.query_row([], |row| row.get(0))?,
            ))
        };
        let work = move |db: &rusqlite::Connection| {
            Ok((
                count(db, "SELECT COUNT(*) FROM turns WHERE state != 'ended'")?,
                count(db, "SELECT COUNT(*) FROM questions WHERE state = 'open'")?,
                count(db, "SELECT COUNT(*) FROM effects WHERE state = 'unknown'")?,
            ))
        };
        let (turns, questions, unknown) = self.inner.db.call(work).await?;
        Ok(Counts {
            turns,
            questions,
            unknown,
            audit: self.inner.log.count(),
        })
    }
}

fn entry(note: Note) -> Result<Entry<Value>, LogError> {
    let (effect, session) = (note.effect(), note.session());
    let (kind, body) = note.into_line().map_err(|error| LogError::Io {
        step: "put a record into words",
        cause: error.to_string(),
    })?;
    Ok(Entry {
        kind: kind.into(),
        effect,
        session,
        body,
    })
}

pub(crate) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
