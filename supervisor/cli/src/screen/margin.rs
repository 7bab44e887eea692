//! The margin of agent text. On a terminal each of its lines begins with [`MARGIN`], which nothing
//! else has, so that it cannot draw what the broker draws. Lines are wrapped here, before the
//! terminal would do it: a line that the terminal continues has no margin.

use super::neutral;
use unicode_width::UnicodeWidthChar;

/// Before each line of agent text.
pub(crate) const MARGIN: &str = "│ ";
/// The margin's columns.
const MARGIN_COLUMNS: usize = 2;
/// Marks that may be stacked on one character; more would reach into the lines above.
const MARKS: u8 = 4;
/// Columns from one tab stop to the next.
const TAB: usize = 8;

/// Text with a margin, as it comes in pieces.
#[derive(Debug)]
pub(crate) struct Margin {
    /// Columns of the terminal.
    width: usize,
    /// Columns used on this line, without the margin; `None` where no line was begun.
    column: Option<usize>,
    /// Marks on the newest character.
    marks: u8,
    /// A carriage return that a line feed may follow.
    returned: bool,
}

impl Margin {
    /// For a terminal of so many columns.
    pub(crate) fn new(width: usize) -> Self {
        Self {
            width: width.max(MARGIN_COLUMNS + 10),
            column: None,
            marks: 0,
            returned: false,
        }
    }

    /// A further piece, as it may be written to the terminal.
    pub(crate) fn push(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 16);
        for c in text.chars() {
            if std::mem::take(&mut self.returned) && c != '\n' {
                self.put_word("␣U+000D", &mut out);
            }
            match c {
                '\r' => self.returned = true,
                '\n' => {
                    self.begin(&mut out);
                    out.push('\n');
                    self.column = None;
                }
                '\t' => {
                    self.begin(&mut out);
                    let used = self.column.unwrap_or(0);
                    for _ in 0..TAB - used % TAB {
                        self.put(' ', &mut out);
                    }
                }
                _ => match neutral::prose(c) {
                    Some(visible) => self.put_word(&visible, &mut out),
                    None => self.put(c, &mut out),
                },
            }
        }
        out
    }

    /// Ends the line that was begun, if one was.
    pub(crate) fn end(&mut self) -> &'static str {
        self.returned = false;
        self.marks = 0;
        if self.column.take().is_some() {
            "\n"
        } else {
            ""
        }
    }

    fn begin(&mut self, out: &mut String) {
        if self.column.is_none() {
            out.push_str(MARGIN);
            self.column = Some(0);
            self.marks = 0;
        }
    }

    fn put_word(&mut self, word: &str, out: &mut String) {
        word.chars().for_each(|c| self.put(c, out));
    }

    fn put(&mut self, c: char, out: &mut String) {
        // The wider of the two readings of ambiguous characters: wrapping early is harmless.
        let columns = c.width_cjk().unwrap_or(1);
        if columns == 0 {
            self.marks = self.marks.saturating_add(1);
            if self.marks > MARKS {
                self.put_word(&format!("␣U+{:04X}", u32::from(c)), out);
                // The number is no character that further marks may be stacked on.
                self.marks = MARKS;
                return;
            }
        } else {
            self.marks = 0;
        }
        self.begin(out);
        let used = self.column.unwrap_or(0);
        if used + columns > self.width - MARGIN_COLUMNS - 1 {
            out.push('\n');
            self.column = None;
            self.begin(out);
        }
        self.column = Some(self.column.unwrap_or(0) + columns);
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr;

    fn shown(pieces: &[&str], width: usize) -> String {
        let mut margin = Margin::new(width);
        let mut out: String = pieces.iter().map(|piece| margin.push(piece)).collect();
        out.push_str(margin.end());
        out
    }

    #[test]
    fn every_line_has_the_margin() {
        assert_eq!(shown(&["a\nb\r", "\n\nc"], 80), "│ a\n│ b\n│ \n│ c\n");
        assert_eq!(shown(&["a\rb"], 80), "│ a␣U+000Db\n");
        assert_eq!(shown(&["1234567890"], 12), "│ 123456789\n│ 0\n");
    }

    #[test]
    fn a_perfect_fake_frame_stays_behind_the_margin() {
        let fake = "x\n╔══ QUESTION k7m2qd\r║ allow once [o]\u{85}╚══\u{2028}╔══\u{1b}[1G╔══";
        for line in shown(&[fake], 30).lines() {
            assert!(line.starts_with(MARGIN), "{line:?}");
        }
    }

    #[test]
    fn marks_do_not_climb() {
        let text = format!("a{}", "\u{301}".repeat(50));
        assert_eq!(shown(&[&text], 80).matches('\u{301}').count(), 4);
        assert!(shown(&[&text], 80).contains("␣U+0301"));
    }

    proptest! {
        #[test]
        fn no_piece_escapes(
            pieces in proptest::collection::vec(prop_oneof![any::<String>(), "[a-z \n\r\t\u{1b}\u{202e}╔║╚─]{0,80}"], 0..6),
            width in 0_usize..120,
        ) {
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let out = shown(&pieces, width);
            for line in out.lines() {
                prop_assert!(line.starts_with(MARGIN));
                prop_assert!(line.width() < width.max(12));
                prop_assert!(!line.chars().any(char::is_control), "a control");
                let turns = line.chars().any(|c| (0x202A..=0x202E).contains(&u32::from(c)));
                prop_assert!(!turns, "a direction mark");
            }
            let whole = shown(&[&pieces.concat()], width);
            prop_assert_eq!(out, whole);
        }
    }
}
