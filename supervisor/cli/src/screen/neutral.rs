//! Taking the power out of text. What an agent, a file or another process wrote may hold escape
//! sequences, direction marks and characters that do not show. None of them reaches the terminal:
//! each is shown by its number, `␣U+202E`.
//!
//! Two strictnesses. [`line`] and [`lines`] make everything visible that is not plainly visible, for text
//! that a person decides by. [`prose`] leaves the joiners that scripts and emoji need, for the
//! conversation, whose lines carry a margin.

/// Ranges of characters that show nothing or change how others show, by code point; first and last.
/// Controls are not in it, they are asked for by [`char::is_control`].
const HIDDEN: &[(u32, u32)] = &[
    (0x00AD, 0x00AD),    // soft hyphen
    (0x034F, 0x034F),    // combining grapheme joiner
    (0x0600, 0x0605),    // Arabic number marks
    (0x061C, 0x061C),    // Arabic letter mark
    (0x06DD, 0x06DD),    // Arabic end of ayah
    (0x070F, 0x070F),    // Syriac abbreviation mark
    (0x0890, 0x0891),    // Arabic pound and piastre marks
    (0x08E2, 0x08E2),    // Arabic disputed end of ayah
    (0x115F, 0x1160),    // Hangul fillers
    (0x17B4, 0x17B5),    // Khmer inherent vowels
    (0x180B, 0x180F),    // Mongolian selectors and separator
    (0x200B, 0x200F),    // zero width, direction marks
    (0x2028, 0x202E),    // line and paragraph separators, direction embeddings and overrides
    (0x2060, 0x206F),    // word joiner, invisible operators, direction isolates
    (0x2800, 0x2800),    // blank braille
    (0x3164, 0x3164),    // Hangul filler
    (0xFE00, 0xFE0F),    // variation selectors
    (0xFEFF, 0xFEFF),    // byte order mark
    (0xFFA0, 0xFFA0),    // half-width Hangul filler
    (0xFFF0, 0xFFFB),    // interlinear annotation and unassigned ignorables
    (0x110BD, 0x110BD),  // Kaithi number sign
    (0x110CD, 0x110CD),  // Kaithi number sign above
    (0x13430, 0x1345F),  // Egyptian format controls
    (0x1BCA0, 0x1BCA3),  // shorthand format controls
    (0x1D173, 0x1D17A),  // musical format controls
    (0xE0000, 0xE0FFF),  // tags and further variation selectors
    (0xE000, 0xF8FF),    // private use: a font decides what it looks like
    (0xF0000, 0x10FFFF), // private use
];

/// Spaces that are not the space: alike to the eye, different to a program.
const ODD_SPACES: &[(u32, u32)] = &[
    (0x00A0, 0x00A0),
    (0x1680, 0x1680),
    (0x2000, 0x200A),
    (0x202F, 0x202F),
    (0x205F, 0x205F),
    (0x3000, 0x3000),
];

/// What scripts and emoji need between visible characters.
const JOINERS: [char; 4] = ['\u{200C}', '\u{200D}', '\u{FE0E}', '\u{FE0F}'];

/// One line for a decision: nothing in it is invisible, line breaks and tabs included.
pub(crate) fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push(c, is_hidden(c) || is_odd_space(c), &mut out);
    }
    out
}

/// Lines for a decision: as [`line`], but line feeds stay, and tabs become spaces.
pub(crate) fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push('\n'),
            '\t' => out.push_str("    "),
            _ => push(c, is_hidden(c) || is_odd_space(c), &mut out),
        }
    }
    out
}

/// One character of the conversation, `None` where it may be shown as it is. Line feed and tab are
/// the caller's.
pub(crate) fn prose(c: char) -> Option<String> {
    if JOINERS.contains(&c) || !is_hidden(c) {
        return None;
    }
    let mut out = String::new();
    push(c, true, &mut out);
    Some(out)
}

/// A whole text of the conversation without a margin, for a pipe or a file.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('\r', Some('\n')) => {}
            ('\n' | '\t', _) => out.push(c),
            _ => match prose(c) {
                Some(visible) => out.push_str(&visible),
                None => out.push(c),
            },
        }
    }
    out
}

/// JSON text with everything that a terminal could act on written as `\u` escapes. Such characters
/// stand only inside strings, so the value stays the same.
pub(crate) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether a character shows nothing, or changes how others show. Controls are.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control() || among(HIDDEN, c)
}

fn is_odd_space(c: char) -> bool {
    among(ODD_SPACES, c)
}

fn among(ranges: &[(u32, u32)], c: char) -> bool {
    let number = u32::from(c);
    number >= 0xA0
        && ranges
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&number))
}

fn push(c: char, by_number: bool, out: &mut String) {
    if by_number {
        out.push_str(&format!("␣U+{:04X}", u32::from(c)));
    } else {
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_has_power_is_shown_by_its_number() {
        for (text, shown) in [
            ("\u{1b}[2J", "␣U+001B[2J"),
            ("a\rb", "a␣U+000Db"),
            ("\u{9b}31m", "␣U+009B31m"),
            ("exe.\u{202e}gpj", "exe.␣U+202Egpj"),
            ("\u{2066}x\u{2069}", "␣U+2066x␣U+2069"),
            ("a\u{200b}b", "a␣U+200Bb"),
            ("a\nb", "a␣U+000Ab"),
            ("a\u{a0}b", "a␣U+00A0b"),
            ("\u{e0041}", "␣U+E0041"),
            ("été 日本 ✓", "été 日本 ✓"),
        ] {
            assert_eq!(line(text), shown, "{text:?}");
        }
    }

    #[test]
    fn prose_keeps_what_scripts_need_and_nothing_more() {
        assert_eq!(
            plain("👩\u{200d}💻 می\u{200c}خواهم\r\n\tx"),
            "👩\u{200d}💻 می\u{200c}خواهم\n\tx"
        );
        assert_eq!(
            plain("\u{202e}\u{1b}]0;x\u{7}"),
            "␣U+202E␣U+001B]0;x␣U+0007"
        );
    }

    proptest! {
        #[test]
        fn nothing_hidden_survives(text in any::<String>()) {
            prop_assert!(!line(&text).chars().any(|c| is_hidden(c) || is_odd_space(c)));
            prop_assert!(!lines(&text).chars().any(|c| c != '\n' && is_hidden(c)));
            prop_assert!(!plain(&text).chars().any(|c| !matches!(c, '\n' | '\t') && !JOINERS.contains(&c) && is_hidden(c)));
        }

        #[test]
        fn json_keeps_its_value_and_loses_its_power(text in any::<String>()) {
            let shown = json(&serde_json::to_string(&text).unwrap());
            prop_assert!(!shown.chars().any(is_hidden));
            prop_assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        }
    }
}
