//! What is said to who started the supervisor: one line on the descriptor it named, and the standard
//! streams. None of it can hold the supervisor up or end it: who started it may be gone.

use std::fs::File;
use std::io::Write as _;
use std::process::ExitCode;

use carapace_supervisor::line;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The descriptor that gets one line.
pub(crate) struct Readiness(Option<File>);

impl Readiness {
    /// Takes the descriptor over; called before anything is opened.
    pub(crate) fn new(number: Option<i32>) -> Self {
        Self(
            number
                .and_then(carapace_jail::take_inherited)
                .map(File::from),
        )
    }

    /// Says READY, unless a line was said before.
    pub(crate) fn ready(&mut self) {
        self.say("READY\n");
    }

    /// Says FAILED with the message on one line, unless a line was said before.
    pub(crate) fn failed(&mut self, message: &str) {
        self.say(&format!("FAILED {}\n", line::one_line(message)));
    }

    fn say(&mut self, text: &str) {
        if let Some(mut file) = self.0.take() {
            // NOTE(write): who asked may be gone; the outcome is also in the log.
            let _ = file.write_all(text.as_bytes());
        }
    }
}

/// Writes to standard output.
pub(crate) fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Writes a line to standard error, if it takes one at once.
pub(crate) fn complain(text: &str) {
    let stderr = std::io::stderr();
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let writable = {
        let mut list = [PollFd::new(&stderr, PollFlags::OUT)];
        matches!(poll(&mut list, Some(&now)), Ok(1)) && list[0].revents() == PollFlags::OUT
    };
    if writable {
        // NOTE(write): nobody may be reading.
        let _ = stderr.lock().write_all(format!("{text}\n").as_bytes());
    }
}
