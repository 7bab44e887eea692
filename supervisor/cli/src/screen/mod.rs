//! What reaches the terminal: text with its power taken out, the margin of agent text, the frame
//! of a question, times for people.

pub(crate) mod frame;
pub(crate) mod margin;
pub(crate) mod neutral;
pub(crate) mod time;

use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use unicode_width::UnicodeWidthChar;

/// Prints one JSON value on one line of standard output. What a terminal could act on is written
/// as an escape; a reader of JSON gets the exact text.
pub(crate) fn print_json(value: &impl Serialize) {
    // NOTE(to_string): the values are plain data without maps of non-string keys.
    let text = serde_json::to_string(value).unwrap_or_default();
    print(&format!("{}\n", neutral::json(&text)));
}

/// Writes to standard output. A reader that went away ends the program quietly, as it does other programs.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        let status = if error.kind() == io::ErrorKind::BrokenPipe {
            141
        } else {
            1
        };
        std::process::exit(status);
    }
}

/// Writes to standard error; what cannot be written there cannot be said anywhere.
pub(crate) fn aside(text: &str) {
    let mut out = io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// The columns of the terminal on standard output or standard error; 80 where there is none.
pub(crate) fn width() -> usize {
    [
        rustix::termios::tcgetwinsize(io::stdout()),
        rustix::termios::tcgetwinsize(io::stderr()),
    ]
    .into_iter()
    .flatten()
    .map(|size| usize::from(size.ws_col))
    .find(|columns| *columns >= 20)
    .unwrap_or(80)
}

/// Whether standard error may be coloured.
pub(crate) fn colour() -> bool {
    io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|value| value != "dumb")
}

/// Lines of a text, wrapped to the terminal, each behind a prefix: no part of it begins a line.
pub(crate) fn wrapped(prefix: &str, text: &str, width: usize) -> String {
    let room = width.saturating_sub(prefix.chars().count() + 1).max(10);
    let mut out = String::new();
    for line in neutral::lines(text).split('\n') {
        let mut rest = line;
        loop {
            let (now, later) = rest.split_at(fitting(rest, room));
            out.push_str(&format!("{prefix}{now}\n"));
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
    }
    out
}

/// One line of at most so many columns; what does not fit is left out, and that shows.
pub(crate) fn cut(text: &str, room: usize) -> String {
    let line = neutral::line(text);
    if columns(&line, room) == line.len() {
        return line;
    }
    format!(
        "{}…",
        line[..columns(&line, room.saturating_sub(2))].trim_end()
    )
}

/// How many bytes of the text fit into so many columns; at least one character. Breaks behind a
/// space where one is near.
pub(crate) fn fitting(text: &str, room: usize) -> usize {
    let at = columns(text, room);
    if at == text.len() {
        return at;
    }
    let space = text[..at].rfind(' ').filter(|space| *space > at / 2);
    space.map_or(at, |space| space + 1)
}

/// How many bytes of the text fit into so many columns; at least one character. Zero-width
/// characters count as one, so that a line has an end.
fn columns(text: &str, room: usize) -> usize {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width_cjk().unwrap_or(1).max(1);
        if used > room && at > 0 {
            return at;
        }
    }
    text.len()
}
