//! What a person may type at a question. Only these words; a free "yes" is none of them.

use carapace_contract::id::Code;
use carapace_contract::verdict::Decision;

/// Below a frame.
pub(crate) const CHOICES: &str = "allow once [o] / this session [s] / always exactly this [a] / deny [d] / deny with a note [n]: ";
/// Below the frame of what cannot be allowed for good.
pub(crate) const CHOICES_FOR_NOW: &str =
    "allow once [o] / this session [s] / deny [d] / deny with a note [n]: ";
/// The longest note, in bytes; the broker takes no longer one.
pub(crate) const NOTE: usize = 1_000;

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// An answer to the question that is shown.
    Answer(Decision),
    /// No, and a note follows.
    WithNote,
    /// An answer that names its question.
    Named(Code, Decision, Option<String>),
    /// Nothing that counts.
    Nothing,
}

/// Reads one line. `may_last`: whether the question can be allowed for good.
pub(crate) fn choice(typed: &str, may_last: bool) -> Choice {
    let words: Vec<&str> = typed.split_whitespace().collect();
    match words.as_slice() {
        ["o" | "once"] => Choice::Answer(Decision::Once),
        ["s" | "session"] => Choice::Answer(Decision::Session),
        ["a" | "always"] if may_last => Choice::Answer(Decision::Always),
        ["d" | "deny"] => Choice::Answer(Decision::Deny),
        ["n" | "note"] => Choice::WithNote,
        ["/approve" | "/deny", ..] => named(typed)
            .map_or(Choice::Nothing, |(code, decision, note)| {
                Choice::Named(code, decision, note)
            }),
        _ => Choice::Nothing,
    }
}

/// Reads `/approve CODE [once|session|always]` or `/deny CODE [NOTE]`.
pub(crate) fn named(typed: &str) -> Option<(Code, Decision, Option<String>)> {
    let mut words = typed.trim().splitn(3, char::is_whitespace);
    let (verb, code, rest) = (
        words.next()?,
        words.next()?,
        words.next().map(str::trim).filter(|rest| !rest.is_empty()),
    );
    let code: Code = code.parse().ok()?;
    match (verb, rest) {
        ("/approve", None | Some("once")) => Some((code, Decision::Once, None)),
        ("/approve", Some("session")) => Some((code, Decision::Session, None)),
        ("/approve", Some("always")) => Some((code, Decision::Always, None)),
        ("/deny", rest) => Some((code, Decision::Deny, rest.map(note))),
        _ => None,
    }
}

/// A note, cut to what the broker takes.
pub(crate) fn note(text: &str) -> String {
    let text = text.trim();
    let mut end = text.len().min(NOTE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_words_of_the_prompt_count() {
        let choice = |typed| choice(typed, true);
        assert_eq!(choice(" o "), Choice::Answer(Decision::Once));
        assert_eq!(choice("always"), Choice::Answer(Decision::Always));
        assert_eq!(choice("n"), Choice::WithNote);
        for nothing in [
            "",
            "y",
            "yes",
            "ok",
            "oo",
            "o s",
            "O",
            "/approve",
            "/approve nope",
            "/approve k7m2qd forever",
            "allow",
        ] {
            assert_eq!(choice(nothing), Choice::Nothing, "{nothing:?}");
        }
    }

    #[test]
    fn what_cannot_last_is_not_allowed_for_good() {
        for typed in ["a", "always"] {
            assert_eq!(choice(typed, false), Choice::Nothing);
        }
        assert_eq!(choice("s", false), Choice::Answer(Decision::Session));
        assert!(!CHOICES_FOR_NOW.contains("[a]"));
    }

    #[test]
    fn an_answer_may_name_its_question() {
        let choice = |typed| choice(typed, true);
        let code: Code = "k7m2qd".parse().unwrap();
        assert_eq!(
            choice("/approve K7M2QD"),
            Choice::Named(code.clone(), Decision::Once, None)
        );
        assert_eq!(
            choice("/approve k7m2qd session"),
            Choice::Named(code.clone(), Decision::Session, None)
        );
        assert_eq!(
            choice("/deny k7m2qd not today, please"),
            Choice::Named(code, Decision::Deny, Some("not today, please".into()))
        );
    }

    #[test]
    fn a_note_is_cut_between_characters() {
        assert_eq!(note(&"é".repeat(NOTE)).len(), NOTE);
        assert_eq!(note(&format!("x{}", "é".repeat(NOTE))).len(), NOTE - 1);
    }
}
