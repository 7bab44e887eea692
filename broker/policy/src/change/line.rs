//! Text of others within a sentence: one line, bounded, with every sign that hides, reorders or draws
//! written out as `<U+XXXX>`.

use crate::token::is_invisible;

/// The most characters of a sentence about a change.
pub const MAX_TEXT: usize = 400;

/// The text, cut to `most` characters.
pub(super) fn safe(text: &str, most: usize) -> String {
    cut(text, most, |sign| {
        if is_hidden(sign) {
            Some(format!("<U+{:04X}>", u32::from(sign)))
        } else {
            None
        }
    })
}

/// The text, cut at its beginning: whose an address is stands at the end of its host.
pub(super) fn ending(text: &str, most: usize) -> String {
    let whole = safe(text, usize::MAX);
    let length = whole.chars().count();
    if length <= most {
        return whole;
    }
    let kept: String = whole.chars().skip(length + 1 - most.max(1)).collect();
    format!("…{kept}")
}

/// The text in quotation marks, so that it cannot pass for the sentence around it; `most` counts what is
/// between them. Lines become spaces.
pub(super) fn quoted(text: &str, most: usize) -> String {
    let words: Vec<&str> = text
        .split([' ', '\n'])
        .filter(|word| !word.is_empty())
        .collect();
    let inner = cut(&words.join(" "), most, |sign| match sign {
        '"' | '\\' => Some(format!("\\{sign}")),
        hidden if is_hidden(hidden) => Some(format!("<U+{:04X}>", u32::from(hidden))),
        _ => None,
    });
    format!("\"{inner}\"")
}

/// Two texts to stand beside each other, in quotation marks. Where they are too long, what they begin and end
/// with in common is left out, so that what differs is seen.
pub(super) fn beside(one: &str, other: &str, most: usize) -> (String, String) {
    let fits = |text: &str| text.chars().count() <= most;
    if fits(one) && fits(other) {
        return (quoted(one, most), quoted(other, most));
    }
    // Texts of many lines differ in lines, others in words.
    let at = if one.contains('\n') && other.contains('\n') {
        '\n'
    } else {
        ' '
    };
    let pieces = |text: &'_ str| -> Vec<String> {
        text.split(at)
            .map(|piece| piece.trim().to_owned())
            .collect()
    };
    let (one, other) = (pieces(one), pieces(other));
    let alike = |pairs: &mut dyn Iterator<Item = (&String, &String)>| {
        pairs.take_while(|(one, other)| one == other).count()
    };
    let head = alike(&mut one.iter().zip(&other));
    let tail = alike(&mut one[head..].iter().rev().zip(other[head..].iter().rev()));
    let told = |pieces: &[String]| {
        let left = pieces[head..pieces.len() - tail].join(" ");
        let before = if head > 0 { "… " } else { "" };
        let after = if tail > 0 { " …" } else { "" };
        quoted(&format!("{before}{left}{after}"), most)
    };
    (told(&one), told(&other))
}

/// A sentence whose middle gives way where it is too long as a whole.
pub(super) fn fitted(head: &str, middle: &str, tail: &str) -> String {
    let fixed = head.chars().count() + tail.chars().count();
    format!(
        "{head}{}{tail}",
        safe(middle, MAX_TEXT.saturating_sub(fixed))
    )
}

/// Several things in one sentence: `a, b and c`, and of more than `most` their number.
pub(super) fn listed(parts: &[String], most: usize) -> String {
    let more = parts.len().saturating_sub(most);
    let mut told: Vec<String> = parts.iter().take(most).cloned().collect();
    if more > 0 {
        told.push(format!("{more} more"));
    }
    match told.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

fn cut(text: &str, most: usize, written: impl Fn(char) -> Option<String>) -> String {
    let mut out = String::new();
    let mut length = 0;
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        let piece = written(sign).unwrap_or_else(|| sign.to_string());
        let needed = piece.chars().count() + usize::from(signs.peek().is_some());
        if length + needed > most {
            out.push('…');
            return out;
        }
        length += piece.chars().count();
        out.push_str(&piece);
    }
    out
}

fn is_hidden(sign: char) -> bool {
    let odd = matches!(
        sign,
        '\u{2800}' | '\u{FFF0}'..='\u{FFFB}' | '\u{E000}'..='\u{F8FF}' | '\u{E0000}'..='\u{10FFFF}'
    );
    odd || sign.is_control() || is_invisible(sign) || (sign.is_whitespace() && sign != ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hides_draws_or_breaks_the_line() {
        let hostile = "a\u{202E}b\nc\u{1b}[2J\u{a0}d\u{3164}e\u{2028}f\u{E0041}g";
        let shown = safe(hostile, 400);
        assert!(!shown.chars().any(is_hidden), "{shown}");
        assert!(shown.starts_with("a<U+202E>b<U+000A>c<U+001B>[2J<U+00A0>d"));
        assert_eq!(safe("grüße 漢字 नमस्ते", 400), "grüße 漢字 नमस्ते");
    }

    #[test]
    fn a_quotation_ends_where_it_ends() {
        assert_eq!(quoted("a\" and all\\", 40), "\"a\\\" and all\\\\\"");
        assert_eq!(quoted("a\n  b", 40), "\"a b\"");
        assert_eq!(quoted("abcdef", 4), "\"abc…\"");
    }

    #[test]
    fn what_is_too_long_is_cut_at_the_bound_and_no_sooner() {
        assert_eq!(safe("abcd", 4), "abcd");
        assert_eq!(safe("abcde", 4), "abc…");
        assert_eq!(safe("\u{202E}\u{202E}", 9), "<U+202E>…");
        assert_eq!(safe("abc", 0).chars().count(), 1);
        assert_eq!(ending("abcd", 4), "abcd");
        assert_eq!(ending("abcde", 4), "…cde");
        let whole = fitted("head ", &"x".repeat(1000), " tail");
        assert!(whole.ends_with("… tail") && whole.chars().count() == MAX_TEXT);
    }

    #[test]
    fn of_two_long_texts_what_differs_is_seen() {
        let (one, other) = beside("a\nb\n  c\nd", "a\nb\n  x\nd", 4);
        assert_eq!((one.as_str(), other.as_str()), ("\"… c…\"", "\"… x…\""));
        let (one, other) = beside("a\nb\nc", "a\nb\nx\nc", 4);
        assert_eq!((one.as_str(), other.as_str()), ("\"… …\"", "\"… x…\""));
        let same = "word ".repeat(40);
        let (one, other) = beside(&format!("{same}cat"), &format!("{same}dog"), 20);
        assert_eq!((one.as_str(), other.as_str()), ("\"… cat\"", "\"… dog\""));
        let (one, _) = beside("short", "other", 20);
        assert_eq!(one, "\"short\"");
    }

    #[test]
    fn a_list_reads_as_a_list() {
        let all: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
        assert_eq!(listed(&all, 3), "a, b and c");
        assert_eq!(listed(&all, 1), "a and 2 more");
        assert_eq!(listed(&all[..1], 3), "a");
    }
}
