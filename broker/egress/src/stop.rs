//! The switch that ends everything in flight.

use crate::error::SendError;
use futures_util::future::{Either, select};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::watch;

/// Thrown once, seen by all clones, never reset.
#[derive(Debug, Clone)]
pub(crate) struct Stop(Arc<watch::Sender<bool>>);

impl Stop {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    pub(crate) fn throw(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn is_thrown(&self) -> bool {
        *self.0.borrow()
    }

    /// Does this unless the switch is thrown before or meanwhile; then what was begun is dropped.
    pub(crate) async fn unless<F, T>(&self, what: F) -> Result<T, SendError>
    where
        F: Future<Output = Result<T, SendError>>,
    {
        let mut seen = self.0.subscribe();
        // The sender lives in `self`, so waiting ends by the switch only.
        let thrown = pin!(seen.wait_for(|thrown| *thrown));
        match select(thrown, pin!(what)).await {
            Either::Left(_) => Err(SendError::Stopped),
            Either::Right((result, _)) => result,
        }
    }
}
