//! What a person may type at a question. Only these words; a free "yes" is none of them.

use carapace_contract::control::{Ask, QuestionCard};
use carapace_contract::id::Code;
use carapace_contract::part::Part;
use carapace_contract::verdict::Decision;

/// Below a frame.
pub(crate) const CHOICES: &str =
    "allow once [o] / this task [t] / always exactly this [a] / deny [d] / deny with a note [n]: ";
/// Below the frame of what cannot be allowed for good.
pub(crate) const CHOICES_FOR_NOW: &str =
    "allow once [o] / this task [t] / deny [d] / deny with a note [n]: ";
/// Below the frame of a plan.
pub(crate) const PLAN_CHOICES: &str =
    "allow all steps [all] / some, as in [1-3,5] / deny [d] / deny with a note [n]: ";
/// The longest note, in bytes; the broker takes no longer one.
pub(crate) const NOTE: usize = 1_000;

/// An answer, as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    /// What was decided.
    pub(crate) decision: Decision,
    /// Of a plan: the steps that are allowed; all of them without it.
    pub(crate) part: Option<Part>,
    /// For the assistant, with a no.
    pub(crate) note: Option<String>,
}

impl Given {
    /// This decision, about the whole, without a note.
    pub(crate) fn whole(decision: Decision) -> Self {
        Self {
            decision,
            part: None,
            note: None,
        }
    }

    /// Yes to these steps of a plan.
    pub(crate) fn in_part(part: Part) -> Self {
        Self {
            part: Some(part),
            ..Self::whole(Decision::Once)
        }
    }

    /// No, with words for the assistant where there are some.
    pub(crate) fn no(note: Option<String>) -> Self {
        Self {
            note,
            ..Self::whole(Decision::Deny)
        }
    }

    /// As the broker is told.
    pub(crate) fn to(self, code: Code) -> Ask {
        Ask::Answer {
            code,
            decision: self.decision,
            note: self.note,
            part: self.part,
        }
    }
}

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// An answer to the question that is shown.
    Answer(Given),
    /// No, and a note follows.
    WithNote,
    /// An answer that names its question.
    Named(Code, Given),
    /// Nothing that counts.
    Nothing,
}

/// What may be typed below the frame of a question.
pub(crate) fn choices(card: &QuestionCard) -> &'static str {
    if card.parts > 0 {
        PLAN_CHOICES
    } else if card.may_last() {
        CHOICES
    } else {
        CHOICES_FOR_NOW
    }
}

/// Reads one line, typed at a question with so many steps; none where it is no plan.
/// `may_last`: whether the question can be allowed for good.
pub(crate) fn choice(typed: &str, steps: u8, may_last: bool) -> Choice {
    let words: Vec<&str> = typed.split_whitespace().collect();
    let decision = match words.as_slice() {
        ["d" | "deny"] => Decision::Deny,
        ["n" | "note"] => return Choice::WithNote,
        ["/approve" | "/deny", ..] => {
            return named(typed)
                .map_or(Choice::Nothing, |(code, given)| Choice::Named(code, given));
        }
        ["all"] if steps > 0 => Decision::Once,
        _ if steps > 0 => {
            return match typed.parse::<Part>() {
                Ok(part) if part.last() <= steps => Choice::Answer(Given::in_part(part)),
                _ => Choice::Nothing,
            };
        }
        ["o" | "once"] => Decision::Once,
        ["t" | "task"] => Decision::Session,
        ["a" | "always"] if may_last => Decision::Always,
        _ => return Choice::Nothing,
    };
    Choice::Answer(Given::whole(decision))
}

/// Reads `/approve CODE [once|task|always|all|STEPS]` or `/deny CODE [NOTE]`.
pub(crate) fn named(typed: &str) -> Option<(Code, Given)> {
    let mut words = typed.trim().splitn(3, char::is_whitespace);
    let (verb, code, rest) = (
        words.next()?,
        words.next()?,
        words.next().map(str::trim).filter(|rest| !rest.is_empty()),
    );
    let code: Code = code.parse().ok()?;
    let given = match (verb, rest) {
        ("/approve", None | Some("once" | "all")) => Given::whole(Decision::Once),
        ("/approve", Some("task" | "session")) => Given::whole(Decision::Session),
        ("/approve", Some("always")) => Given::whole(Decision::Always),
        ("/approve", Some(steps)) => Given::in_part(steps.parse().ok()?),
        ("/deny", rest) => Given::no(rest.map(note)),
        _ => return None,
    };
    Some((code, given))
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

    fn whole(decision: Decision) -> Choice {
        Choice::Answer(Given::whole(decision))
    }

    #[test]
    fn only_the_words_of_the_prompt_count() {
        assert_eq!(choice(" o ", 0, true), whole(Decision::Once));
        assert_eq!(choice("t", 0, true), whole(Decision::Session));
        assert_eq!(choice("always", 0, true), whole(Decision::Always));
        assert_eq!(choice("n", 0, true), Choice::WithNote);
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
            "all",
            "1",
        ] {
            assert_eq!(choice(nothing, 0, true), Choice::Nothing, "{nothing:?}");
        }
    }

    #[test]
    fn a_plan_is_answered_whole_or_in_steps_that_it_has() {
        let part = |steps: &str| Choice::Answer(Given::in_part(steps.parse().unwrap()));
        assert_eq!(choice("all", 3, true), whole(Decision::Once));
        assert_eq!(choice("1-2", 3, true), part("1-2"));
        assert_eq!(choice(" 3, 1 ", 3, true), part("1,3"));
        assert_eq!(choice("d", 3, true), whole(Decision::Deny));
        for nothing in ["o", "t", "a", "4", "1-4", "0", "", "y"] {
            assert_eq!(choice(nothing, 3, true), Choice::Nothing, "{nothing:?}");
        }
    }

    #[test]
    fn what_cannot_last_is_not_allowed_for_good() {
        for typed in ["a", "always"] {
            assert_eq!(choice(typed, 0, false), Choice::Nothing);
        }
        assert_eq!(choice("t", 0, false), whole(Decision::Session));
        assert!(!CHOICES_FOR_NOW.contains("[a]"));
    }

    #[test]
    fn an_answer_may_name_its_question() {
        let code: Code = "k7m2qd".parse().unwrap();
        let named = |given| Choice::Named(code.clone(), given);
        assert_eq!(
            choice("/approve K7M2QD", 0, true),
            named(Given::whole(Decision::Once))
        );
        assert_eq!(
            choice("/approve k7m2qd task", 0, true),
            named(Given::whole(Decision::Session))
        );
        assert_eq!(
            choice("/approve k7m2qd 1-3, 5", 0, true),
            named(Given::in_part("1-3,5".parse().unwrap()))
        );
        assert_eq!(
            choice("/deny k7m2qd not today, please", 0, true),
            named(Given::no(Some("not today, please".into())))
        );
    }

    #[test]
    fn a_note_is_cut_between_characters() {
        assert_eq!(note(&"é".repeat(NOTE)).len(), NOTE);
        assert_eq!(note(&format!("x{}", "é".repeat(NOTE))).len(), NOTE - 1);
    }
}
