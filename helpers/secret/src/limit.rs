//! A limit of time for what cannot be given one itself: a call to a service that may never answer,
//! a file on a dead network share.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// How long one reading may take. Below the supervisor's own limit for this process, so that what
/// is late is said here, with its cause, and not only seen there.
pub const READING: Duration = Duration::from_secs(15);

/// How long a keyring may take to say that it is there. Whoever asks waits for it.
pub const PROBE: Duration = Duration::from_millis(1500);

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// The time is over.
    Late,
    /// The work panicked, or no thread could be had for it.
    Died,
}

/// Runs `work` on a thread of its own and waits for it no longer than `limit`. Work that is late is
/// left behind; it ends with the process.
///
/// # Errors
/// [`Unanswered`].
pub fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Unanswered> {
    let (done, answer) = sync_channel(1);
    std::thread::Builder::new()
        .spawn(move || {
            // Nobody listens any more when the time is over.
            let _ = done.send(work());
        })
        .map_err(|_| Unanswered::Died)?;
    answer.recv_timeout(limit).map_err(|error| match error {
        RecvTimeoutError::Timeout => Unanswered::Late,
        RecvTimeoutError::Disconnected => Unanswered::Died,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_answered_late_or_dead() {
        assert_eq!(within(READING, || 7), Ok(7));
        let late: Result<u8, _> = within(Duration::from_millis(1), || {
            loop {
                std::thread::park();
            }
        });
        assert_eq!(late, Err(Unanswered::Late));
        let died = within(READING, || -> u8 { panic!("as a library might") });
        assert_eq!(died, Err(Unanswered::Died));
    }
}
