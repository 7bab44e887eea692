//! Lines that a person types while a turn runs, read without waiting.

use rustix::termios::{QueueSelector, tcflush};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// The longest line, in bytes; what is longer is no answer.
const LINE: usize = 4 * 1024;

/// The lines of standard input.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    typed: Vec<u8>,
}

/// What reading gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// A line, without its end.
    Line(String),
    /// Not a whole line yet.
    Part,
    /// There will be no more.
    End,
}

impl Keys {
    /// Forgets what was typed before a question was shown: it cannot be its answer.
    pub(crate) fn forget(&mut self) {
        self.typed.clear();
        let _ = tcflush(io::stdin(), QueueSelector::IFlush);
    }

    /// Reads once; call it when standard input is readable.
    pub(crate) fn read(&mut self) -> Typed {
        let mut piece = [0; 1024];
        match rustix::io::read(io::stdin(), &mut piece) {
            Ok(0) => Typed::End,
            Ok(count) => self.take(&piece[..count]),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => Typed::Part,
            Err(_) => Typed::End,
        }
    }

    fn take(&mut self, piece: &[u8]) -> Typed {
        self.typed.extend_from_slice(piece);
        let Some(end) = self.typed.iter().position(|byte| *byte == b'\n') else {
            if self.typed.len() > LINE {
                self.typed.clear();
            }
            return Typed::Part;
        };
        // What follows the first line was typed for nothing that was shown.
        let line = String::from_utf8_lossy(&self.typed[..end.min(LINE)]).into_owned();
        self.typed.clear();
        Typed::Line(line)
    }
}

impl AsFd for Keys {
    fn as_fd(&self) -> BorrowedFd<'_> {
        rustix::stdio::stdin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_whole_and_only_the_first_counts() {
        let mut keys = Keys::default();
        assert_eq!(keys.take(b"al"), Typed::Part);
        assert_eq!(keys.take(b"ways\no\n"), Typed::Line("always".to_owned()));
        assert_eq!(keys.take(b"d\n"), Typed::Line("d".to_owned()));
    }
}
