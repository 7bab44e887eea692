//! The speaking half of a confined process's channel, shared by everything that answers it.
//!
//! A queue of bounded length and one task that writes. Who answers a slow process waits with it,
//! alone; a process that does not read is closed by the link's deadline.

use carapace_ipc_proto::broker_link;
use carapace_ipc_proto::limits;
use carapace_ipc_proto::link::LinkError;
use carapace_ipc_proto::words::{Part, Reply, Word};
use std::rc::Rc;
use tokio::sync::{mpsc, watch};

/// Where words to one confined process go.
#[derive(Clone)]
pub(crate) struct Wire {
    queue: mpsc::Sender<Vec<u8>>,
    broken: Rc<watch::Receiver<Option<String>>>,
}

impl Wire {
    /// Starts the writer.
    pub(crate) fn start(mut sender: broker_link::Sender) -> Self {
        let (queue, mut waiting) = mpsc::channel::<Vec<u8>>(limits::OUTBOX);
        let (tell, broken) = watch::channel(None);
        tokio::task::spawn_local(async move {
            let mut outcome = sender.greet().await;
            while outcome.is_ok() {
                let Some(frame) = waiting.recv().await else {
                    return;
                };
                outcome = sender.send(&frame).await;
            }
            // That the other end is gone is the listener's to explain.
            if let Err(error) = outcome
                && !matches!(error, LinkError::Closed)
            {
                let _ = tell.send(Some(error.to_string()));
            }
        });
        Self {
            queue,
            broken: Rc::new(broken),
        }
    }

    /// Queues a word, in parts where it is long. False once the process does not take any more.
    pub(crate) async fn say(&self, word: Word) -> bool {
        for frame in clean(word).frames() {
            if self.queue.send(frame).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Waits until writing has failed, and says why.
    pub(crate) async fn broken(&self) -> String {
        let mut broken = (*self.broken).clone();
        match broken.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            // The writer ended without a fault: nobody speaks to this process any more.
            Err(_) => std::future::pending().await,
        }
    }
}

/// A word without secrets: whatever comes this way was cleaned before; this is the last look.
fn clean(word: Word) -> Word {
    let json = |reply: Reply| Reply {
        json: crate::clean::json_bytes(reply.json).0,
        ..reply
    };
    match word {
        Word::Turn(part) => Word::Turn(Part {
            json: crate::clean::json_bytes(part.json).0,
            ..part
        }),
        Word::Result(reply) => Word::Result(json(reply)),
        Word::Error(reply) => Word::Error(json(reply)),
        // Deltas went through a stream of their own; the rest carries nothing from outside.
        other => other,
    }
}
