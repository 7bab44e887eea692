//! The body of an answer, under its deadlines and its cap.
//!
//! Nothing is read ahead of the caller beyond the client's own buffer, so a slow reader slows the
//! server down.

use crate::error::{SendError, broken};
use crate::stop::Stop;
use bytes::{Bytes, BytesMut};
use carapace_providers::Limits;
use reqwest::header::HeaderMap;
use std::fmt;
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The most bytes of a body that comes with a refusal.
const ERROR_BODY: usize = 64 * 1024;

/// The most bytes of an answer's header fields; vendors send some 2 KiB.
const HEAD: u64 = 64 * 1024;

/// A successful answer that is coming in. Dropping it closes its connection.
pub struct Response {
    inner: reqwest::Response,
    /// The chunk that was waited for as the first byte.
    first: Option<Bytes>,
    clock: Clock,
    stop: Stop,
    limit: u64,
    received: u64,
    delivered: u64,
}

impl Response {
    pub(crate) async fn begin(
        mut inner: reqwest::Response,
        clock: Clock,
        stop: Stop,
        limit: u64,
    ) -> Result<Self, SendError> {
        if inner.content_length().is_some_and(|length| length > limit) {
            return Err(SendError::TooLarge { limit });
        }
        let first = clock.first_byte(inner.chunk()).await?.map_err(broken)?;
        let mut response = Self {
            inner,
            first: None,
            clock,
            stop,
            limit,
            received: 0,
            delivered: 0,
        };
        response.first = first.map(|bytes| response.count(bytes)).transpose()?;
        Ok(response)
    }

    /// The HTTP status, a success.
    pub fn status(&self) -> u16 {
        self.inner.status().as_u16()
    }

    /// Bytes of the body that [`chunk`](Self::chunk) has given out.
    pub fn received_bytes(&self) -> u64 {
        self.delivered
    }

    /// The next bytes of the body; `None` at its end.
    ///
    /// # Errors
    /// [`SendError::Stopped`], [`SendError::Deadline`], [`SendError::TooLarge`], [`SendError::Cut`],
    /// [`SendError::NotHttp`]. After an error the rest of the body is of no use.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, SendError> {
        let next = match self.first.take() {
            Some(first) if !self.stop.is_thrown() => Some(first),
            Some(_) => return Err(SendError::Stopped),
            None => {
                let stop = self.stop.clone();
                let next = stop.unless(async {
                    let chunk = self.clock.deadline(self.inner.chunk()).await?;
                    chunk.map_err(broken)
                });
                next.await?.map(|bytes| self.count(bytes)).transpose()?
            }
        };
        self.delivered += next.as_ref().map_or(0, length);
        Ok(next)
    }

    fn count(&mut self, bytes: Bytes) -> Result<Bytes, SendError> {
        self.received = self.received.saturating_add(length(&bytes));
        if self.received > self.limit {
            return Err(SendError::TooLarge { limit: self.limit });
        }
        Ok(bytes)
    }
}

/// Its status and its numbers; the client's own text would name the whole address.
impl fmt::Debug for Response {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Response")
            .field("status", &self.status())
            .field("received", &self.delivered)
            .finish_non_exhaustive()
    }
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Refuses a head that is larger than any vendor's.
pub(crate) fn check_head(headers: &HeaderMap) -> Result<(), SendError> {
    let size: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if u64::try_from(size).unwrap_or(u64::MAX) > HEAD {
        return Err(SendError::TooLarge { limit: HEAD });
    }
    Ok(())
}

/// The beginning of a refusal's body: what came in time and within the limit.
pub(crate) async fn error_body(mut response: reqwest::Response, clock: &Clock) -> Bytes {
    let mut body = BytesMut::new();
    while body.len() < ERROR_BODY
        && let Ok(Ok(Some(bytes))) = clock.first_byte(response.chunk()).await
    {
        body.extend_from_slice(&bytes[..bytes.len().min(ERROR_BODY - body.len())]);
    }
    body.freeze()
}

/// The two deadlines of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    /// When the request was ready to go out: the first byte is waited for from here.
    ready: Instant,
    first_byte: Duration,
    deadline: Duration,
}

impl Clock {
    pub(crate) fn start(limits: &Limits) -> Self {
        let now = Instant::now();
        Self {
            start: now,
            ready: now,
            first_byte: limits.first_byte,
            deadline: limits.deadline,
        }
    }

    /// The request goes out now.
    pub(crate) fn ready(&mut self) {
        self.ready = Instant::now();
    }

    /// Waits for the first byte; a deadline that comes earlier is the one that is named.
    pub(crate) async fn first_byte<F: Future>(&self, what: F) -> Result<F::Output, SendError> {
        if self.start + self.deadline <= self.ready + self.first_byte {
            return self.deadline(what).await;
        }
        timeout_at(self.ready + self.first_byte, what)
            .await
            .map_err(|_| SendError::FirstByte(self.first_byte.as_millis()))
    }

    pub(crate) async fn deadline<F: Future>(&self, what: F) -> Result<F::Output, SendError> {
        timeout_at(self.start + self.deadline, what)
            .await
            .map_err(|_| SendError::Deadline(self.deadline.as_millis()))
    }
}
