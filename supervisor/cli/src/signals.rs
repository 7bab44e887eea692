//! Ctrl-C and its like as a descriptor, so that one `poll` waits for everything. While a [`Signals`]
//! lives they do not end the program.

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::{AsFd, BorrowedFd};

/// Signals that were asked for.
#[derive(Debug)]
pub(crate) struct Signals {
    from: SignalFd,
    set: SigSet,
}

impl Signals {
    /// Takes these signals over. Threads that are started later leave them to it too.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn take(signals: &[Signal]) -> std::io::Result<Self> {
        let set: SigSet = signals.iter().copied().collect();
        set.thread_block()?;
        let from = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { from, set })
    }

    /// The next signal that came, if one did.
    pub(crate) fn next(&self) -> Option<Signal> {
        let info = self.from.read_signal().ok()??;
        Signal::try_from(i32::try_from(info.ssi_signo).ok()?).ok()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.from.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let _ = self.set.thread_unblock();
    }
}
