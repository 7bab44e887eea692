//! The log while it is written: appended to under one lock, brought to disk by one thread.
//!
//! **Group commit.** Whoever needs a record on disk waits; everybody who waits is served by the
//! same `fdatasync`. What nobody waits for follows within [`READ_SYNC_DELAY`].
//! **Failure.** A write that fails leaves no half line. A sync that fails may have lost pages that
//! a later sync would not bring back, so the bytes since the last good one are kept in memory and
//! written again; until that succeeds every append is refused.

use crate::audit::head::Head;
use crate::audit::key::{ChainKey, KEY_FILE, KeyError, KeyFile, LOG_FILE, Synced};
use crate::audit::line::{self, MAX_LINE, Record};
use crate::audit::recover::{BrokenChain, Continued, examine};
use carapace_contract::id::{EffectId, SessionId};
use serde::Serialize;
use std::borrow::Cow;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;

/// How long a record that nobody waits for may stay unsynced before a sync begins. The promise is
/// 50 ms on disk; the rest is for the sync itself.
pub(crate) const READ_SYNC_DELAY: Duration = Duration::from_millis(20);

/// Why a record was not written. Nothing may be done that it was to permit.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// The disk is full or failing.
    #[error(
        "audit log: cannot {step}: {cause}\n  remedy: make space on the disk that holds the state folder; nothing is done until records can be written"
    )]
    Io {
        /// What was tried.
        step: &'static str,
        /// What the system said.
        cause: String,
    },
    /// The record is longer than a line may be.
    #[error(
        "audit log: a record of {0} bytes is longer than a line may be\n  remedy: make the request smaller"
    )]
    TooLong(usize),
    /// The log is being closed.
    #[error("audit log: it is closed\n  remedy: start carapace again")]
    Closed,
}

/// Why the log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenLogError {
    /// The key is missing or damaged.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The chain is broken.
    #[error(transparent)]
    Chain(#[from] BrokenChain),
    /// A system call failed.
    #[error(
        "audit log: cannot {step}: {cause}\n  remedy: check that the state folder exists, is yours and has space"
    )]
    Io {
        /// What was tried.
        step: &'static str,
        /// What the system said.
        cause: io::Error,
    },
    /// Another broker has it.
    #[error(
        "audit log: another carapace writes it\n  remedy: stop that one first (`carapace status` shows it)"
    )]
    InUse,
}

/// What is to be written.
pub(crate) struct Entry<B> {
    pub kind: Cow<'static, str>,
    pub effect: Option<EffectId>,
    pub session: Option<SessionId>,
    pub body: B,
}

/// The open log.
pub(crate) struct Log {
    shared: Arc<Shared>,
    syncer: Mutex<Option<JoinHandle<()>>>,
}

impl Log {
    /// Opens the log of a state folder, cuts off what a crash tore, and starts the sync thread.
    /// The second value is what was torn: bytes and their digest.
    pub(crate) fn open(state_dir: &Path) -> Result<(Self, u64), OpenLogError> {
        let failed = |step| move |cause| OpenLogError::Io { step, cause };
        let (keys, key, synced) = KeyFile::open(&state_dir.join(KEY_FILE))?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(state_dir.join(LOG_FILE))
            .map_err(failed("open it"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenLogError::InUse),
            Err(TryLockError::Error(cause)) => return Err(failed("lock it")(cause)),
        }
        let Continued {
            head,
            offset,
            key,
            torn,
            unsynced,
        } = examine(&file, key, synced)?;
        if torn.is_some() {
            file.set_len(offset)
                .map_err(failed("cut off what a crash tore"))?;
        }
        // The folder's entry of a fresh log, and the cut.
        file.sync_all().map_err(failed("bring it to disk"))?;
        File::open(state_dir)
            .and_then(|folder| folder.sync_all())
            .map_err(failed("bring its folder to disk"))?;
        let state = State {
            head,
            offset,
            newest_epoch: unsynced.then(|| key.epoch()),
            key,
            unsynced: Vec::new(),
            // Records that a crash left behind the last step of the key: the key moves on with the first sync.
            dirty_since: unsynced.then(Instant::now),
            waiters: Vec::new(),
            tail_to_cut: false,
            fault: None,
            closing: false,
        };
        let shared = Arc::new(Shared {
            file,
            state: Mutex::new(state),
            wake: Condvar::new(),
        });
        let syncer = std::thread::Builder::new()
            .name("audit-sync".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || sync_loop(&shared, keys)
            })
            .map_err(failed("start its thread"))?;
        let log = Self {
            shared,
            syncer: Mutex::new(Some(syncer)),
        };
        if let Some((bytes, digest)) = torn {
            let body = serde_json::json!({ "bytes": bytes, "sha256": digest });
            log.append(Entry {
                kind: "torn".into(),
                effect: None,
                session: None,
                body,
            })
            .map_err(|error| failed("record what a crash tore")(io::Error::other(error)))?;
        }
        Ok((log, torn.map_or(0, |(bytes, _)| bytes)))
    }

    /// Writes a record; it is on disk soon.
    pub(crate) fn append<B: Serialize>(&self, entry: Entry<B>) -> Result<u64, LogError> {
        let mut state = self.shared.lock();
        let seq = self.shared.append(&mut state, entry)?;
        if state.dirty_since.is_none() {
            state.dirty_since = Some(Instant::now());
            self.shared.wake.notify_one();
        }
        Ok(seq)
    }

    /// Writes a record and waits until it is on disk. The record is written before the first await.
    pub(crate) async fn append_synced<B: Serialize>(
        &self,
        entry: Entry<B>,
    ) -> Result<u64, LogError> {
        let (seq, synced) = {
            let mut state = self.shared.lock();
            let seq = self.shared.append(&mut state, entry)?;
            (seq, self.shared.wait_for_sync(&mut state))
        };
        synced.await.unwrap_or(Err(LogError::Closed)).map(|_| seq)
    }

    /// Brings everything to disk and returns the chain's head then.
    pub(crate) async fn head(&self) -> Result<Head, LogError> {
        let synced = self.shared.wait_for_sync(&mut self.shared.lock());
        synced.await.unwrap_or(Err(LogError::Closed))
    }

    /// Number of records, on disk or not yet.
    pub(crate) fn count(&self) -> u64 {
        self.shared.lock().head.count
    }

    /// What keeps records from being written, if anything does.
    pub(crate) fn fault(&self) -> Option<LogError> {
        self.shared.lock().fault.clone()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.wake.notify_one();
        let thread = self
            .syncer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // It ends after a last sync. A panic in it has been reported by then.
            let _ = thread.join();
        }
    }
}

struct Shared {
    file: File,
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    head: Head,
    offset: u64,
    key: ChainKey,
    // The bytes since the last good sync, to be written again if a sync fails.
    unsynced: Vec<u8>,
    // The epoch of the newest record that was written or found behind the last step of the key.
    newest_epoch: Option<u64>,
    dirty_since: Option<Instant>,
    waiters: Vec<oneshot::Sender<Result<Head, LogError>>>,
    // A write failed in the middle and the half line could not be cut off yet.
    tail_to_cut: bool,
    fault: Option<LogError>,
    closing: bool,
}

impl State {
    fn sync_failed(&self) -> bool {
        matches!(self.fault, Some(LogError::Io { step: SYNC, .. }))
    }
}

impl Shared {
    fn pause<'a>(&'a self, state: MutexGuard<'a, State>, wait: Duration) -> MutexGuard<'a, State> {
        self.wake
            .wait_timeout(state, wait)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append<B: Serialize>(&self, state: &mut State, entry: Entry<B>) -> Result<u64, LogError> {
        if state.closing {
            return Err(LogError::Closed);
        }
        if let Some(fault) = state.fault.as_ref().filter(|_| state.sync_failed()) {
            return Err(fault.clone());
        }
        let record = Record {
            seq: state.head.count,
            time_ms: now_ms(),
            epoch: state.key.epoch(),
            prev: state.head.hash,
            kind: entry.kind.into_owned(),
            effect: entry.effect,
            session: entry.session,
            body: entry.body,
        };
        let text = line::write(&record, &state.key).map_err(|error| LogError::Io {
            step: "put a record into words",
            cause: error.to_string(),
        })?;
        if text.len() > MAX_LINE {
            return Err(LogError::TooLong(text.len()));
        }
        if let Err(cause) = self.write(state, &text) {
            let fault = LogError::Io {
                step: "write a record",
                cause: cause.to_string(),
            };
            state.fault = Some(fault.clone());
            return Err(fault);
        }
        state.fault = None;
        state.head = Head {
            count: record.seq + 1,
            hash: line::hash_of(&text),
        };
        state.offset += text.len() as u64;
        state.unsynced.extend_from_slice(&text);
        state.newest_epoch = Some(record.epoch);
        Ok(record.seq)
    }

    fn write(&self, state: &mut State, text: &[u8]) -> io::Result<()> {
        if state.tail_to_cut {
            self.file.set_len(state.offset)?;
            state.tail_to_cut = false;
        }
        self.file.write_all_at(text, state.offset).inspect_err(|_| {
            state.tail_to_cut = self.file.set_len(state.offset).is_err();
        })
    }

    fn wait_for_sync(&self, state: &mut State) -> oneshot::Receiver<Result<Head, LogError>> {
        let (sender, receiver) = oneshot::channel();
        state.waiters.push(sender);
        self.wake.notify_one();
        receiver
    }
}

const SYNC: &str = "bring records to disk";
const RETRY_AFTER: Duration = Duration::from_millis(200);

fn sync_loop(shared: &Shared, mut keys: KeyFile) {
    let mut state = shared.lock();
    loop {
        let faulty = state.sync_failed();
        if !state.closing && state.waiters.is_empty() {
            let due = state
                .dirty_since
                .map(|since| (since + READ_SYNC_DELAY).saturating_duration_since(Instant::now()));
            match due {
                _ if faulty => state = shared.pause(state, RETRY_AFTER),
                Some(Duration::ZERO) => {}
                Some(wait) => {
                    state = shared.pause(state, wait);
                    continue;
                }
                None => {
                    state = shared
                        .wake
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
            }
        }
        let closing = state.closing;
        state = sync(shared, state, &mut keys);
        if closing {
            let waiters = std::mem::take(&mut state.waiters);
            waiters
                .into_iter()
                .for_each(|waiter| drop(waiter.send(Err(LogError::Closed))));
            return;
        }
    }
}

/// One sync: everything written so far reaches the disk, who waits is told, the key moves on.
fn sync<'a>(
    shared: &'a Shared,
    mut state: MutexGuard<'a, State>,
    keys: &mut KeyFile,
) -> MutexGuard<'a, State> {
    let waiters = std::mem::take(&mut state.waiters);
    let bytes = std::mem::take(&mut state.unsynced);
    let faulty = state.sync_failed();
    let dirty = state.dirty_since.take().is_some() || !bytes.is_empty() || faulty;
    let synced = Synced {
        head: state.head,
        offset: state.offset,
    };
    if dirty && state.newest_epoch == Some(state.key.epoch()) {
        // What is written from here on belongs to the next epoch. An epoch without records is not left.
        state.key.advance();
    }
    let key = state.key.clone();
    drop(state);

    let mut outcome = Ok(());
    if dirty {
        if faulty {
            outcome = shared
                .file
                .write_all_at(&bytes, synced.offset - bytes.len() as u64);
        }
        outcome = outcome.and_then(|()| shared.file.sync_data());
    }
    let failure = |cause: io::Error| LogError::Io {
        step: SYNC,
        cause: cause.to_string(),
    };
    let mut result = outcome.map_err(failure);
    for waiter in waiters {
        // Who went away needs no answer.
        let _ = waiter.send(result.clone().map(|()| synced.head));
    }
    let on_disk = result.is_ok();
    if dirty && on_disk {
        result = keys.store(&key, synced).map_err(failure);
    }

    let mut state = shared.lock();
    match result {
        Ok(()) if faulty => state.fault = None,
        Ok(()) => {}
        Err(fault) => {
            if !on_disk {
                let newer = std::mem::replace(&mut state.unsynced, bytes);
                state.unsynced.extend_from_slice(&newer);
            }
            state.fault = Some(fault);
        }
    }
    state
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
