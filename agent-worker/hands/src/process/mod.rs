//! Programs: their start, their output, their end and what they left running.
//!
//! Hands is process 1 of its cage, so it also inherits every process whose parent has ended. One
//! thread waits for all of them and hands out statuses from one table; nothing else in this program
//! waits for a child. A program runs in a process group of its own, and the group ends with it.
//! What left its group is ended when no program runs any more, so nothing goes on between calls.

mod children;
mod run;

pub use children::Children;
pub use run::{Ended, Program, StartError, Why, run};

use rustix::event::EventfdFlags;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tells a call to stop, from another thread.
#[derive(Debug)]
pub struct Stop {
    stopped: AtomicBool,
    bell: Bell,
}

impl Stop {
    /// One that has not been used.
    ///
    /// # Errors
    /// The system's, where it has no descriptor left.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            stopped: AtomicBool::new(false),
            bell: Bell::new()?,
        })
    }

    /// Tells to stop.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.bell.ring();
    }

    /// Whether it was told to stop.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}

/// Wakes a thread that polls.
#[derive(Debug)]
struct Bell(OwnedFd);

impl Bell {
    fn new() -> io::Result<Self> {
        Ok(Self(rustix::event::eventfd(
            0,
            EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
        )?))
    }

    fn ring(&self) {
        // A bell that is full has been rung, which is all that is wanted.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    fn quiet(&self) {
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}
