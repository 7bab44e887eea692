//! The database: one thread with one connection takes jobs in order and commits them together.
//!
//! Jobs that came while a commit was under way share the next one. A batch in which somebody needs
//! the disk is committed with `synchronous=FULL`. A job that nobody waits for is kept when a commit
//! fails and runs again before anything newer, so a full disk loses nothing that was queued.

pub(crate) mod always;
pub(crate) mod attachments;
pub(crate) mod effects;
pub(crate) mod labels;
pub(crate) mod questions;
pub(crate) mod schema;
pub(crate) mod sends;
pub(crate) mod sessions;
pub(crate) mod spend;
pub(crate) mod turns;

use rusqlite::Connection;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

pub use schema::SchemaError;

/// Why the database did not do something.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DbError {
    /// SQLite refused.
    #[error(
        "state database: {0}\n  remedy: make space on the disk that holds the state folder, and check its rights"
    )]
    Sqlite(String),
    /// A stored value is not of its form.
    #[error(
        "state database: a stored {what} is not valid: {cause}\n  remedy: restore the state folder from a backup"
    )]
    Stored {
        /// What kind of value.
        what: &'static str,
        /// What is wrong with it.
        cause: String,
    },
    /// Its thread has ended.
    #[error("state database: it is closed\n  remedy: start carapace again")]
    Closed,
}

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::FromSqlConversionFailure(_, _, cause) => DbError::Stored {
                what: "value",
                cause: cause.to_string(),
            },
            other => DbError::Sqlite(other.to_string()),
        }
    }
}

/// The largest number of jobs that wait; who adds more waits for a place.
const QUEUE: usize = 4096;
/// The most jobs of one commit.
const BATCH: usize = 256;

type Run = Box<dyn FnMut(&Connection) -> Result<(), DbError> + Send>;

struct Job {
    durable: bool,
    run: Run,
    // Nobody waits where there is none; such a job is kept when a commit fails.
    reply: Option<oneshot::Sender<Result<(), DbError>>>,
}

/// A handle of the database thread.
pub(crate) struct Db {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Db {
    /// Opens the database of a state folder, migrates it if it is older, and starts its thread.
    pub(crate) fn open(state_dir: &Path) -> Result<Self, SchemaError> {
        let connection = schema::open(&state_dir.join(schema::FILE))?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("database".to_owned())
            .spawn(move || serve(&connection, receiver))
            .map_err(|cause| SchemaError::Io {
                step: "start the database's thread",
                cause,
            })?;
        Ok(Self {
            jobs: Some(sender),
            thread: Some(thread),
        })
    }

    /// Does something and waits until it is committed.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        self.wait(false, work).await
    }

    /// Does something and waits until it is on disk.
    pub(crate) async fn call_durably<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        self.wait(true, work).await
    }

    /// Leaves something to be done, in order, without waiting for it.
    pub(crate) async fn queue(
        &self,
        run: impl FnMut(&Connection) -> Result<(), DbError> + Send + 'static,
    ) -> Result<(), DbError> {
        self.send(Job {
            durable: false,
            run: Box::new(run),
            reply: None,
        })
        .await
    }

    async fn wait<T: Send + 'static>(
        &self,
        durable: bool,
        mut work: impl FnMut(&Connection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        let slot = Arc::new(Mutex::new(None));
        let filled = Arc::clone(&slot);
        let run = move |connection: &Connection| {
            let value = work(connection)?;
            *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            Ok(())
        };
        let (reply, done) = oneshot::channel();
        self.send(Job {
            durable,
            run: Box::new(run),
            reply: Some(reply),
        })
        .await?;
        done.await.map_err(|_| DbError::Closed)??;
        slot.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .ok_or(DbError::Closed)
    }

    async fn send(&self, job: Job) -> Result<(), DbError> {
        let jobs = self.jobs.as_ref().ok_or(DbError::Closed)?;
        jobs.send(job).await.map_err(|_| DbError::Closed)
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It ends after the last job. A panic in it has been reported by then.
            let _ = thread.join();
        }
    }
}

fn serve(connection: &Connection, mut jobs: mpsc::Receiver<Job>) {
    let mut batch = VecDeque::new();
    // The pragma costs a statement; it is run where it changes.
    let mut synced = None;
    while let Some(first) = jobs.blocking_recv() {
        batch.push_back(first);
        while batch.len() < BATCH
            && let Ok(more) = jobs.try_recv()
        {
            batch.push_back(more);
        }
        commit(connection, &mut batch, &mut synced);
        // What nobody waits for stays when the commit failed; a bound keeps it from growing for ever.
        while batch.len() > QUEUE {
            batch.pop_front();
            eprintln!(
                "state database: a queued change was given up, because nothing can be written"
            );
        }
    }
    if !batch.is_empty() {
        commit(connection, &mut batch, &mut synced);
    }
}

/// Runs and commits the batch; what must be tried again is left in it.
fn commit(connection: &Connection, batch: &mut VecDeque<Job>, synced: &mut Option<bool>) {
    let outcomes = transact(connection, batch, synced);
    match outcomes {
        Ok(outcomes) => {
            for (job, outcome) in batch.drain(..).zip(outcomes) {
                match (job.reply, outcome) {
                    // Who went away needs no answer.
                    (Some(reply), outcome) => drop(reply.send(outcome)),
                    (None, Err(error)) => {
                        eprintln!("state database: a queued change was refused: {error}")
                    }
                    (None, Ok(())) => {}
                }
            }
        }
        Err(error) => {
            if !connection.is_autocommit() {
                // If even this fails, the next BEGIN fails and says so.
                let _ = connection.execute_batch("ROLLBACK");
            }
            let all = std::mem::take(batch);
            for job in all {
                match job.reply {
                    Some(reply) => drop(reply.send(Err(error.clone()))),
                    None => batch.push_back(job),
                }
            }
        }
    }
}

/// The outcome of each job, or an error where the whole transaction came to nothing.
fn transact(
    connection: &Connection,
    batch: &mut VecDeque<Job>,
    synced: &mut Option<bool>,
) -> Result<Vec<Result<(), DbError>>, DbError> {
    let full = batch.iter().any(|job| job.durable);
    if *synced != Some(full) {
        connection.pragma_update(None, "synchronous", if full { "FULL" } else { "NORMAL" })?;
        *synced = Some(full);
    }
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let mut outcomes = Vec::with_capacity(batch.len());
    for job in batch.iter_mut() {
        connection.prepare_cached("SAVEPOINT job")?.execute([])?;
        let outcome = (job.run)(connection);
        if let Err(error) = &outcome {
            if connection.is_autocommit() {
                // A full disk ends the whole transaction.
                return Err(error.clone());
            }
            connection.prepare_cached("ROLLBACK TO job")?.execute([])?;
        }
        connection.prepare_cached("RELEASE job")?.execute([])?;
        outcomes.push(outcome);
    }
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(outcomes)
}

/// Reads a stored identifier back.
pub(crate) fn stored<T: std::str::FromStr>(what: &'static str, text: &str) -> Result<T, DbError>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| DbError::Stored {
        what,
        cause: error.to_string(),
    })
}

/// Reads a stored JSON value back.
pub(crate) fn stored_json<T: serde::de::DeserializeOwned>(
    what: &'static str,
    text: &str,
) -> Result<T, DbError> {
    serde_json::from_str(text).map_err(|error| DbError::Stored {
        what,
        cause: error.to_string(),
    })
}

/// Writes a value as JSON text for storing.
pub(crate) fn to_json<T: serde::Serialize>(
    what: &'static str,
    value: &T,
) -> Result<String, DbError> {
    serde_json::to_string(value).map_err(|error| DbError::Stored {
        what,
        cause: error.to_string(),
    })
}

/// Reads a stored time or number that is never negative.
pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
