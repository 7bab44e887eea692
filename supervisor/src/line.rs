//! Lines of the log: cut out of a confined process's output, bounded, made harmless, counted.
//!
//! The bytes are hostile: they may be binary, without end, a flood, or aim at the terminal of who
//! reads the log. What comes out is one line of printable text per line in.

use std::fmt::Write as _;
use std::time::Duration;

/// The most bytes of one line that are kept; the rest of it is cut.
pub const LINE_LIMIT: usize = 4096;
/// The most lines per second that are kept of one process: a person reads fewer, a loop writes more.
pub const LINES_PER_SECOND: u32 = 200;

/// Cuts a stream into lines.
#[derive(Debug, Default)]
pub struct Lines {
    part: Vec<u8>,
    cutting: bool,
}

impl Lines {
    /// Takes more bytes and gives each line that is complete, escaped.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(String)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, complete) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            let room = LINE_LIMIT - self.part.len();
            self.part.extend_from_slice(&text[..text.len().min(room)]);
            self.cutting |= text.len() > room;
            if complete {
                each(self.take());
            }
        }
    }

    /// What is left at the end of the stream, if anything.
    pub fn finish(&mut self) -> Option<String> {
        (!self.part.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> String {
        let mut line = escape(&self.part);
        if std::mem::take(&mut self.cutting) {
            line.push_str(" [cut]");
        }
        self.part.clear();
        line
    }
}

/// Limits the lines of one process.
#[derive(Debug, Default)]
pub struct Rate {
    second: u64,
    count: u32,
    dropped: u64,
}

impl Rate {
    /// Whether a line in this second (of any clock) is kept; if so, how many before it were not.
    pub fn admit(&mut self, second: u64) -> Option<u64> {
        if second != self.second {
            self.second = second;
            self.count = 0;
        }
        if self.count >= LINES_PER_SECOND {
            self.dropped += 1;
            return None;
        }
        self.count += 1;
        Some(self.take_dropped())
    }

    /// How many lines were not kept since this was asked last.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

/// Printable text of any bytes: what a terminal could act on, and what is not UTF-8, is escaped.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if acts(c) {
                text.extend(c.escape_default());
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            // NOTE(write): writing to a String cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// A text of several lines as one, printable.
pub fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.lines().map(str::trim).collect();
    escape(words.join("; ").as_bytes())
}

/// Whether a character does something else than show itself: controls, line and paragraph ends,
/// the marks and overrides of writing direction, the invisible ones.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A time as `2026-01-31T23:59:59.123Z`.
pub fn stamp(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (day, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, date) = civil(day);
    format!(
        "{year:04}-{month:02}-{date:02}T{:02}:{:02}:{:02}.{:03}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60,
        since_epoch.subsec_millis()
    )
}

/// The date of a day counted from 1970-01-01, in the Gregorian calendar.
///
/// Years are counted from March, so that the leap day is the last of its year and the lengths of
/// the months before it follow one formula; 400 years have 146,097 days.
fn civil(day: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    // Day 0 of the count is 1 March of the year 0.
    let day = day + 719_468;
    let (era, day_of_era) = (day / ERA, day % ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / (ERA - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, date)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(parts: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        for part in parts {
            lines.push(part, |line| out.push(line));
        }
        out.extend(lines.finish());
        out
    }

    #[test]
    fn lines_come_out_whole_however_they_arrive() {
        assert_eq!(
            lines(&[b"on", b"e\ntwo\n\nth", b"ree"]),
            ["one", "two", "", "three"]
        );
        assert_eq!(lines(&[b""]), Vec::<String>::new());
    }

    #[test]
    fn a_line_without_end_takes_no_more_room_than_a_line() {
        let flood = vec![b'a'; 3 * LINE_LIMIT];
        let out = lines(&[&flood, &flood, b"\nnext\n"]);
        assert_eq!(
            out,
            [
                format!("{} [cut]", "a".repeat(LINE_LIMIT)),
                "next".to_owned()
            ]
        );
        let exact = vec![b'b'; LINE_LIMIT];
        assert_eq!(lines(&[&exact, b"\n"]), ["b".repeat(LINE_LIMIT)]);
    }

    #[test]
    fn nothing_that_acts_on_a_terminal_is_left() {
        assert_eq!(
            escape("\x1b[2J\r\u{9b}31m\t\u{202e}x\u{200b}".as_bytes()),
            "\\u{1b}[2J\\r\\u{9b}31m\\t\\u{202e}x\\u{200b}"
        );
        assert_eq!(escape(b"a\xff\xc3z\0"), "a\\xff\\xc3z\\u{0}");
        assert_eq!(escape("grüße 🦀".as_bytes()), "grüße 🦀");
        for byte in 0..=u8::MAX {
            let out = escape(&[byte, b'[', byte]);
            assert!(!out.chars().any(char::is_control), "{byte}");
        }
    }

    #[test]
    fn several_lines_become_one() {
        assert_eq!(
            one_line("it failed\n  remedy: try\r\n"),
            "it failed; remedy: try"
        );
        assert_eq!(one_line("a\x1b[2J\rb"), "a\\u{1b}[2J\\rb");
    }

    #[test]
    fn a_flood_is_cut_and_counted() {
        let mut rate = Rate::default();
        let kept = (0..1000).filter(|_| rate.admit(7).is_some()).count();
        assert_eq!(kept, LINES_PER_SECOND as usize);
        assert_eq!(rate.admit(8), Some(800));
        assert_eq!(rate.admit(8), Some(0));
        assert_eq!(rate.take_dropped(), 0);
    }

    #[test]
    fn days_have_their_dates() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_799, "2000-02-29T23:59:59.000Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000Z"),
            (1_798_761_599, "2026-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(stamp(Duration::from_secs(seconds)), expected);
        }
        assert_eq!(stamp(Duration::from_millis(1)), "1970-01-01T00:00:00.001Z");
    }
}
