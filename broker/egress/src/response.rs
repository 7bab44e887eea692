//! The body of an answer, under its deadlines and its cap.
//!
//! Nothing is read ahead of the caller beyond the client's own buffer, so a slow reader slows the
//! server down.

use crate::error::{SendError, broken};
use bytes::{Bytes, BytesMut};
use carapace_providers::Limits;
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The most bytes of a body that comes with a refusal.
const ERROR_BODY: usize = 64 * 1024;

/// A successful answer that is coming in.
#[derive(Debug)]
pub struct Response {
    inner: reqwest::Response,
    /// The chunk that was waited for as the first byte.
    first: Option<Bytes>,
    clock: Clock,
    left: u64,
    limit: u64,
}

impl Response {
    pub(crate) async fn begin(
        mut inner: reqwest::Response,
        clock: Clock,
        limit: u64,
    ) -> Result<Self, SendError> {
        if inner.content_length().is_some_and(|length| length > limit) {
            return Err(SendError::TooLarge { limit });
        }
        let first = clock
            .first_byte(inner.chunk())
            .await?
            .map_err(|error| broken(&error))?;
        let mut response = Self {
            inner,
            first: None,
            clock,
            left: limit,
            limit,
        };
        response.first = first.map(|bytes| response.count(bytes)).transpose()?;
        Ok(response)
    }

    /// The HTTP status, a success.
    pub fn status(&self) -> u16 {
        self.inner.status().as_u16()
    }

    /// The next bytes of the body; `None` at its end.
    ///
    /// # Errors
    /// [`SendError::Deadline`], [`SendError::TooLarge`], [`SendError::Cut`], [`SendError::NotHttp`].
    /// After an error the rest of the body is of no use.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, SendError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let next = self
            .clock
            .deadline(self.inner.chunk())
            .await?
            .map_err(|error| broken(&error))?;
        next.map(|bytes| self.count(bytes)).transpose()
    }

    fn count(&mut self, bytes: Bytes) -> Result<Bytes, SendError> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.left = self
            .left
            .checked_sub(length)
            .ok_or(SendError::TooLarge { limit: self.limit })?;
        Ok(bytes)
    }
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

/// The two deadlines of one request, counted from its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    first_byte: Duration,
    deadline: Duration,
}

impl Clock {
    pub(crate) fn start(limits: &Limits) -> Self {
        Self {
            start: Instant::now(),
            first_byte: limits.first_byte,
            deadline: limits.deadline,
        }
    }

    /// Waits for the first byte; a deadline that comes earlier is the one that is named.
    pub(crate) async fn first_byte<F: Future>(&self, what: F) -> Result<F::Output, SendError> {
        if self.deadline <= self.first_byte {
            return self.deadline(what).await;
        }
        timeout_at(self.start + self.first_byte, what)
            .await
            .map_err(|_| SendError::FirstByte(self.first_byte.as_millis()))
    }

    pub(crate) async fn deadline<F: Future>(&self, what: F) -> Result<F::Output, SendError> {
        timeout_at(self.start + self.deadline, what)
            .await
            .map_err(|_| SendError::Deadline(self.deadline.as_millis()))
    }
}
