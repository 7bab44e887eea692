//! The loop between the channel and the turn: reads a word, gives it to the machine, sends what
//! the machine asks. One thread; waits only on the channel and on the machine's next moment.

use crate::turn::{Input, Machine};
use carapace_ipc_proto::error::{Code, ErrorWord};
use carapace_ipc_proto::link::{self, LinkError};
use carapace_ipc_proto::words::{Down, Joiner, Word};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Why the mind ends other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The channel failed or the broker broke the line's rules; only a new process can help.
    #[error("the mind's channel to the broker failed: {0}; the broker starts another mind")]
    Link(#[from] LinkError),
}

/// Serves turns until the broker says to end or closes the channel.
///
/// # Errors
/// [`ServeError`]; the process is of no use after it.
pub fn serve(channel: &File) -> Result<(), ServeError> {
    match run(channel) {
        Err(ServeError::Link(LinkError::Closed)) => Ok(()),
        ended => ended,
    }
}

fn run(channel: &File) -> Result<(), ServeError> {
    let start = Instant::now();
    let until = Cell::new(None);
    let (mut receiver, mut sender) = link::open(
        Timed {
            channel,
            until: &until,
            start,
        },
        channel,
    )?;
    let mut machine = Machine::default();
    let mut parts = Parts::default();
    loop {
        until.set(machine.next_moment());
        let input = match receiver.receive() {
            Ok(frame) => {
                let word = Down::read(&frame).map_err(LinkError::from)?;
                if matches!(word, Word::Shutdown(_)) {
                    return Ok(());
                }
                match parts.input(word)? {
                    Some(input) => input,
                    None => continue,
                }
            }
            Err(LinkError::Io(error)) if error.kind() == io::ErrorKind::TimedOut => Input::Tick,
            Err(error) => return Err(error.into()),
        };
        for ask in machine.take(input, start.elapsed()) {
            for frame in ask.request().frames() {
                sender.send(&frame)?;
            }
        }
    }
}

/// Long values come in parts, one value at a time.
#[derive(Default)]
struct Parts {
    turn: Joiner,
    result: Joiner,
}

impl Parts {
    /// What a word means to the machine; `None` where more of it follows, or where it means nothing
    /// to a mind.
    fn input(&mut self, word: Word) -> Result<Option<Input>, ServeError> {
        Ok(match word {
            Word::Turn(part) => {
                let whole = self
                    .turn
                    .take(part.json, part.more)
                    .map_err(LinkError::from)?;
                whole.map(|json| Input::Turn { json })
            }
            Word::Result(reply) => {
                let whole = self
                    .result
                    .take(reply.json, reply.more)
                    .map_err(LinkError::from)?;
                whole.map(|json| Input::Result {
                    correlation: reply.correlation,
                    json,
                })
            }
            Word::Error(reply) => {
                let error = serde_json::from_slice(&reply.json).unwrap_or_else(|_| unreadable());
                Some(Input::Error {
                    correlation: reply.correlation,
                    error,
                })
            }
            Word::Cancel(_) => Some(Input::Cancel),
            // A piece of an answer that the broker shows to the person itself.
            Word::Delta(reply) => Some(Input::Delta {
                correlation: reply.correlation,
            }),
            // The first ends the loop before it gets here; the rest are for hands.
            Word::Shutdown(_) | Word::Invoke(_) | Word::Gone(_) => None,
        })
    }
}

fn unreadable() -> ErrorWord {
    ErrorWord {
        code: Code::HandlerError,
        message: "the broker's error could not be read".to_owned(),
        retriable: false,
        stage: None,
        field: None,
        retry_after: None,
    }
}

/// The channel, read with a moment at which waiting ends.
struct Timed<'a> {
    channel: &'a File,
    /// Since `start`; without one, waiting does not end.
    until: &'a Cell<Option<Duration>>,
    start: Instant,
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(until) = self.until.get() {
            let left = until.saturating_sub(self.start.elapsed());
            // Rounded up: a wait that ends too early would be taken up again and again.
            let millis = u32::try_from(left.as_millis() + 1).unwrap_or(u32::MAX);
            let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
            let mut waiting = [PollFd::new(self.channel.as_fd(), PollFlags::POLLIN)];
            if nix::poll::poll(&mut waiting, timeout).map_err(io::Error::from)? == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        let mut channel = self.channel;
        channel.read(buffer)
    }
}
