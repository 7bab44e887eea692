//! The loop on the channel: one thread listens, each call has a thread of its own, and each call
//! is reported exactly once.

use crate::guest::Guests;
use crate::process::Stop;
use crate::report::{self, Failure, Outcome};
use crate::tools::{self, Context};
use crate::workspace::Workspace;
use carapace_ipc_proto::link::{self, LinkError, Receiver, Sender};
use carapace_ipc_proto::words::{Down, Invoke, Request, Word};
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What the threads share.
pub(crate) struct Hands {
    workspace: Workspace,
    up: Mutex<Sender<Arc<File>>>,
    calls: Mutex<BTreeMap<String, Arc<Stop>>>,
    pub(crate) guests: Guests,
}

/// Serves calls until the broker says to end or closes the channel. Calls that still run then end
/// with the process.
///
/// # Errors
/// [`LinkError`] where the channel fails or the broker breaks the line's rules.
pub fn serve(channel: File, workspace: Workspace) -> Result<(), LinkError> {
    let (hands, mut receiver) = match Hands::on(channel, workspace) {
        Err(error) if is_end(&error) => return Ok(()),
        opened => opened?,
    };
    let ended = loop {
        let word = match receiver.receive() {
            Ok(frame) => Down::read(&frame)?,
            Err(LinkError::Closed) => break Ok(()),
            Err(error) => break Err(error),
        };
        match word {
            Word::Invoke(invoke) => hands.begin(invoke),
            Word::Cancel(cancel) => {
                if let Some(stop) = lock(&hands.calls).get(&cancel.call) {
                    stop.stop();
                }
            }
            Word::Shutdown(_) => break Ok(()),
            Word::Delta(_) | Word::Result(_) | Word::Error(_) | Word::Gone(_) => {
                hands.guests.reply(word)
            }
            // For a mind.
            Word::Turn(_) => {}
        }
    };
    for stop in lock(&hands.calls).values() {
        stop.stop();
    }
    ended
}

impl Hands {
    /// Opens the link, and gives the end to listen on.
    pub(crate) fn on(
        channel: File,
        workspace: Workspace,
    ) -> Result<(Arc<Self>, Receiver<Arc<File>>), LinkError> {
        let channel = Arc::new(channel);
        let (receiver, sender) = link::open(Arc::clone(&channel), channel)?;
        let hands = Self {
            workspace,
            up: Mutex::new(sender),
            calls: Mutex::default(),
            guests: Guests::default(),
        };
        Ok((Arc::new(hands), receiver))
    }

    /// Starts a call in a thread of its own.
    fn begin(self: &Arc<Self>, invoke: Invoke) {
        let call = invoke.call.clone();
        let begun = Stop::new().and_then(|stop| {
            let stop = Arc::new(stop);
            lock(&self.calls).insert(call.clone(), Arc::clone(&stop));
            let hands = Arc::clone(self);
            std::thread::Builder::new()
                .name("call".to_owned())
                .spawn(move || {
                    let call = invoke.call.clone();
                    let work = std::panic::AssertUnwindSafe(|| hands.work(invoke, &stop));
                    let outcome = std::panic::catch_unwind(work).unwrap_or_else(|_| {
                        Err(Failure::Failed(
                            "the tool failed in itself; this is a fault of carapace".to_owned(),
                        ))
                    });
                    hands.end(&call, outcome);
                })
        });
        if let Err(error) = begun {
            self.end(
                &call,
                Err(Failure::Failed(format!(
                    "the call cannot be started: {error}; too much may be running at once"
                ))),
            );
        }
    }

    fn work(self: &Arc<Self>, invoke: Invoke, stop: &Stop) -> Outcome {
        let until = Instant::now() + Duration::from_secs(u64::from(invoke.seconds.max(1)));
        let context = Context {
            workspace: &self.workspace,
            stop,
            until,
            call: &invoke.call,
            ipc: invoke.ipc,
            hands: self,
        };
        let outcome = tools::run(&invoke.tool, &invoke.arguments, &context);
        if stop.is_stopped() {
            Err(Failure::Cancelled)
        } else {
            outcome
        }
    }

    fn end(&self, call: &str, outcome: Outcome) {
        lock(&self.calls).remove(call);
        // Where the channel is gone, the listening thread knows it too and ends.
        let _ = self.send(report::request(call, outcome));
    }

    /// Sends a request upward.
    pub(crate) fn send(&self, request: Request) -> Result<(), LinkError> {
        let mut up = lock(&self.up);
        request.frames().iter().try_for_each(|frame| up.send(frame))
    }
}

fn is_end(error: &LinkError) -> bool {
    match error {
        LinkError::Closed => true,
        LinkError::Io(error) => error.kind() == std::io::ErrorKind::BrokenPipe,
        _ => false,
    }
}

/// What is behind these locks is whole at every moment: a panic elsewhere does not spoil it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
