//! Reading a secret: from a terminal without showing it, else from standard input. Never from the
//! command line, which every user of the machine can read.

use crate::failure::{Exit, Explain};
use crate::screen;
use carapace_contract::secret::{MAX_SECRET, SecretText};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use std::io::{self, IsTerminal};
use zeroize::{Zeroize, Zeroizing};

/// Stars are drawn for so many characters and no more: enough to see that a paste arrived.
const STARS: usize = 12;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    /// The person does not want to.
    #[error("reading {0}: stopped")]
    Stopped(String),
    /// Nothing was typed or sent.
    #[error("reading {0}: it is empty")]
    Empty(String),
    /// Too much.
    #[error("reading {0}: it is longer than {MAX_SECRET} bytes")]
    TooLong(String),
    /// No text.
    #[error("reading {0}: it is not UTF-8 text")]
    NotText(String),
    /// Typed twice, differently.
    #[error("reading {0}: the two entries differ")]
    Differ(String),
    /// There is nobody to ask.
    #[error("asking for {0}: there is no terminal")]
    Nobody(String),
    /// The terminal or standard input fails.
    #[error("reading {0}: {1}")]
    Io(String, io::Error),
}

impl Explain for InputError {
    fn code(&self) -> &'static str {
        match self {
            Self::Stopped(_) => "stopped",
            Self::Empty(_) => "secret-empty",
            Self::TooLong(_) => "secret-too-long",
            Self::NotText(_) => "secret-not-text",
            Self::Differ(_) => "secret-differs",
            Self::Nobody(_) => "no-terminal",
            Self::Io(..) => "secret-input",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Stopped(_) => "nothing was changed; begin again when you like",
            Self::Empty(_) => "type or paste it at the prompt, or send it on standard input",
            Self::TooLong(_) | Self::NotText(_) => "check what was sent; a key is one line of text",
            Self::Differ(_) => "type it again",
            Self::Nobody(_) => "run this at a terminal, or say on the command line what is asked",
            Self::Io(..) => "mend what the system names and try again",
        }
        .to_owned()
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Stopped(_) => Exit::Cancelled,
            Self::Io(..) => Exit::Failed,
            _ => Exit::Usage,
        }
    }
}

/// Whether somebody is there to be asked.
pub(crate) fn is_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// One secret: typed at a masked prompt, or all of standard input where that is no terminal. The line
/// end behind it is not part of it.
///
/// # Errors
/// [`InputError`]
pub(crate) fn secret(what: &str) -> Result<SecretText, InputError> {
    if is_terminal() {
        masked(what)
    } else if io::stdin().is_terminal() {
        Err(InputError::Nobody(what.to_owned()))
    } else {
        piped(what)
    }
}

/// One line, typed at a terminal, shown as stars.
///
/// # Errors
/// [`InputError`]; the terminal is as it was before.
pub(crate) fn masked(what: &str) -> Result<SecretText, InputError> {
    if !is_terminal() {
        return Err(InputError::Nobody(what.to_owned()));
    }
    let failed = |error: io::Error| InputError::Io(what.to_owned(), error);
    let quiet = Quiet::begin().map_err(failed)?;
    screen::aside(&format!("{what}: "));
    let mut line = Line::new();
    let ended = loop {
        let mut piece = Zeroizing::new([0; 1024]);
        let count = match rustix::io::read(io::stdin(), piece.as_mut_slice()) {
            Ok(count) => count,
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(failed(error.into())),
        };
        if count == 0 {
            break Ended::Whole;
        }
        let before = line.text.len();
        let ended = line.take(&piece[..count]);
        draw_stars(before, line.text.len());
        if let Some(ended) = ended {
            break ended;
        }
    };
    drop(quiet);
    screen::aside("\n");
    match ended {
        Ended::Stopped => Err(InputError::Stopped(what.to_owned())),
        Ended::TooLong => Err(InputError::TooLong(what.to_owned())),
        Ended::Whole => text(what, line.text),
    }
}

/// One line, typed twice.
///
/// # Errors
/// [`InputError`]
pub(crate) fn masked_twice(what: &str) -> Result<SecretText, InputError> {
    let first = masked(what)?;
    let again = masked(&format!("{what} once more"))?;
    if first == again {
        Ok(first)
    } else {
        Err(InputError::Differ(what.to_owned()))
    }
}

/// A short file that holds a secret; the line end behind it is not part of it.
///
/// # Errors
/// [`InputError`]
pub(crate) fn file(what: &str, path: &std::path::Path) -> Result<SecretText, InputError> {
    let opened = std::fs::File::open(path)
        .map_err(|error| InputError::Io(format!("{what} from {}", path.display()), error))?;
    whole(what, opened)
}

fn piped(what: &str) -> Result<SecretText, InputError> {
    whole(what, rustix::stdio::stdin())
}

/// Everything up to the end. The descriptor is read itself, so that no buffer keeps a copy.
fn whole(what: &str, from: impl std::os::fd::AsFd) -> Result<SecretText, InputError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET + 1));
    let mut piece = Zeroizing::new([0; 4096]);
    loop {
        match rustix::io::read(&from, piece.as_mut_slice()) {
            Ok(0) => break,
            Ok(count) if bytes.len() + count > MAX_SECRET => {
                return Err(InputError::TooLong(what.to_owned()));
            }
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(InputError::Io(what.to_owned(), error.into())),
        }
    }
    text(what, bytes)
}

fn text(what: &str, bytes: Zeroizing<Vec<u8>>) -> Result<SecretText, InputError> {
    let text = std::str::from_utf8(&bytes).map_err(|_| InputError::NotText(what.to_owned()))?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.trim().is_empty() {
        return Err(InputError::Empty(what.to_owned()));
    }
    Ok(SecretText::new(text.to_owned()))
}

/// How typing ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Whole,
    Stopped,
    TooLong,
}

/// A line being typed.
struct Line {
    text: Zeroizing<Vec<u8>>,
}

impl Line {
    fn new() -> Self {
        Self {
            // Never grown: a larger copy would leave this one behind.
            text: Zeroizing::new(Vec::with_capacity(MAX_SECRET)),
        }
    }

    fn take(&mut self, piece: &[u8]) -> Option<Ended> {
        const STOP: u8 = 3;
        const END: u8 = 4;
        const ALL: u8 = 21;
        for byte in piece {
            match *byte {
                b'\n' | b'\r' | END => return Some(Ended::Whole),
                STOP => return Some(Ended::Stopped),
                ALL => self.text.zeroize(),
                8 | 127 => {
                    // A whole character goes, not a byte of it.
                    while self.text.pop().is_some_and(|byte| byte & 0xC0 == 0x80) {}
                }
                _ if self.text.len() == MAX_SECRET => return Some(Ended::TooLong),
                byte => self.text.push(byte),
            }
        }
        None
    }
}

fn draw_stars(before: usize, after: usize) {
    let (before, after) = (before.min(STARS), after.min(STARS));
    if after >= before {
        screen::aside(&"*".repeat(after - before));
    } else {
        screen::aside(&"\u{8} \u{8}".repeat(before - after));
    }
}

/// A terminal that shows nothing and hands over every key at once. Restored on drop; what was
/// pasted behind the first line is dropped then, so that it does not reach a shell.
struct Quiet {
    before: Termios,
}

impl Quiet {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(
            LocalModes::ECHO
                | LocalModes::ECHONL
                | LocalModes::ICANON
                | LocalModes::ISIG
                | LocalModes::IEXTEN,
        );
        quiet.input_modes.insert(InputModes::ICRNL);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self { before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(pieces: &[&[u8]]) -> (Option<Ended>, Vec<u8>) {
        let mut line = Line::new();
        let ended = pieces.iter().find_map(|piece| line.take(piece));
        (ended, line.text.to_vec())
    }

    #[test]
    fn a_line_can_be_mended_before_it_ends() {
        assert_eq!(
            typed(&[b"abx\x7fc", b"\nrest"]),
            (Some(Ended::Whole), b"abc".to_vec())
        );
        assert_eq!(
            typed(&["a\u{e9}\u{7f}b\r".as_bytes()]),
            (Some(Ended::Whole), b"ab".to_vec())
        );
        assert_eq!(typed(&[b"wrong\x15ok\n"]).1, b"ok");
        assert_eq!(typed(&[b"abc\x03"]).0, Some(Ended::Stopped));
        assert_eq!(typed(&[b"abc"]).0, None);
        assert_eq!(
            typed(&[&vec![b'x'; MAX_SECRET + 1]]).0,
            Some(Ended::TooLong)
        );
    }

    #[test]
    fn what_is_no_secret_is_refused_without_showing_it() {
        let made = |bytes: &[u8]| text("the key", Zeroizing::new(bytes.to_vec()));
        assert_eq!(made(b"abc\r\n").unwrap().reveal(), "abc");
        assert!(matches!(made(b" \n"), Err(InputError::Empty(_))));
        let error = made(b"sk-\xff").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("sk-"));
    }
}
