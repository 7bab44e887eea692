//! What a message leaves out: "not to Dana", "all but old.txt", "Dana must not see it". It goes by the words of the clause that
//! a value stands in. What it reads wrongly is left out, and then a question is asked; what it misses is named as far as
//! the rest of the message says so.

use super::{AND, EACH, EACH_BEFORE, is_act};

/// Words after which a name is not meant.
const DENIES: [&str; 21] = [
    "not",
    "never",
    "dont",
    "cannot",
    "no",
    "nobody",
    "except",
    "excluding",
    "besides",
    "without",
    "avoid",
    "nicht",
    "kein",
    "keine",
    "außer",
    "ohne",
    "pas",
    "sauf",
    "sans",
    "excepto",
    "nunca",
];
/// Words that do so for what comes right after them.
const SPARES: [&str; 8] = [
    "skip", "exclude", "omit", "ignore", "minus", "keep", "spare", "preserve",
];
/// The same in two words.
const SPARES_TWO: [(&str, &str); 6] = [
    ("rather", "than"),
    ("instead", "of"),
    ("other", "than"),
    ("apart", "from"),
    ("aside", "from"),
    ("opposed", "to"),
];
/// In how many words after them.
const SPARED: usize = 6;
/// Words that end what is denied.
const MEANT: [&str; 8] = [
    "but", "instead", "rather", "then", "sondern", "aber", "mais", "sino",
];
/// After a "not" they make it a wish: "do not forget to".
const REMINDS: [&str; 5] = ["forget", "hesitate", "fail", "only", "just"];

/// Words for everybody and everything; with those for each, "but" after them leaves something out.
const EVERY: [&str; 8] = [
    "everybody",
    "everyone",
    "everything",
    "anybody",
    "anyone",
    "anything",
    "any",
    "nothing",
];
/// Words after a name by which something is said to be so, or not to be.
const OUGHT: [&str; 7] = ["must", "should", "shall", "may", "ought", "is", "are"];
/// What then says that it is not meant.
const STAYS: [&str; 6] = ["not", "never", "stay", "remain", "stays", "remains"];
/// In how many words before a name it says "leave".
const LEAVE: usize = 4;
/// "Leave it" so.
const LEFT: [&str; 4] = ["out", "off", "alone", "untouched"];

/// The most bytes of a clause that are read before a place, and of a text after it.
pub(super) const CLAUSE: usize = 2_048;
const AFTER: usize = 256;
/// The most bytes of clauses that are read for one message, for each of its words and addresses.
const READ: usize = 16 * 1024 * 1024;

/// Reads the places of one message. It ends: what it could not read any more is left out.
pub(super) struct Reader {
    left: usize,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self { left: READ }
    }

    pub(super) fn is_left_out(&mut self, before: &str, after: &str) -> bool {
        let bytes = clause_of(before).map_or(CLAUSE, str::len) + 1;
        if self.left < bytes {
            return true;
        }
        self.left -= bytes;
        is_left_out(before, after)
    }
}

/// True where what stands between is said not to be meant, or its clause is too long for anybody to tell.
pub(super) fn is_left_out(before: &str, after: &str) -> bool {
    is_denied(before) || is_taken_back(before, after)
}

/// True where what follows it says so: "must not", "should stay"; or it stands between "leave" and "out".
fn is_taken_back(before: &str, after: &str) -> bool {
    let after = head(after).trim_start_matches(|char: char| "'\"‘’“”„«»`)".contains(char));
    let end = after
        .find(['.', ',', ';', ':', '!', '?', '\n'])
        .unwrap_or(after.len());
    let later: Vec<String> = words_of(&after[..end]).take(3).collect();
    let is = |at: usize, words: &[&str]| {
        later
            .get(at)
            .is_some_and(|word| words.contains(&word.as_str()))
    };
    if is(
        0,
        &[
            "mustn't",
            "shouldn't",
            "needn't",
            "stays",
            "remains",
            "excluded",
            "excepted",
        ],
    ) || is(0, &OUGHT) && (is(1, &STAYS) || is(2, &["not", "never"]))
    {
        return true;
    }
    let Some(clause) = clause_of(before) else {
        return true;
    };
    let leave = words_of(clause)
        .rev()
        .take(LEAVE)
        .any(|word| word == "leave" || word == "leaving");
    leave && later.iter().any(|word| LEFT.contains(&word.as_str()))
}

/// The clause that a text ends in, where it is no longer than what is read of one.
fn clause_of(before: &str) -> Option<&str> {
    let near = tail(before);
    let end = near.char_indices().rev().find(|(at, char)| {
        matches!(char, ',' | ';' | ':' | '!' | '?' | '\n')
            || *char == '.' && near[at + 1..].starts_with(char::is_whitespace)
    });
    match end {
        Some((at, char)) => Some(&near[at + char.len_utf8()..]),
        None => (near.len() == before.len()).then_some(near),
    }
}

/// The last bytes of a text, as many as are read of a clause.
pub(super) fn tail(text: &str) -> &str {
    let mut at = text.len().saturating_sub(CLAUSE);
    while !text.is_char_boundary(at) {
        at += 1;
    }
    &text[at..]
}

/// The first bytes of what comes after a place.
fn head(text: &str) -> &str {
    let mut at = text.len().min(AFTER);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    &text[..at]
}

fn words_of(text: &str) -> impl DoubleEndedIterator<Item = String> {
    text.split(|char: char| !(char.is_alphanumeric() || "'’".contains(char)))
        .map(|word| word.trim_matches(['\'', '’']))
        .filter(|word| !word.is_empty())
        .map(|word| word.replace('’', "'").to_lowercase())
}

/// True where its clause says that what follows is not meant: "do not send it to", "all but".
fn is_denied(before: &str) -> bool {
    let Some(clause) = clause_of(before) else {
        return true;
    };
    let words: Vec<String> = words_of(clause).collect();
    // "All but": what follows is left out.
    let leaves_out = |at: usize| {
        words[at] == "but"
            && words[at.saturating_sub(EACH_BEFORE)..at]
                .iter()
                .any(|word| EVERY.contains(&word.as_str()) || EACH.contains(&word.as_str()))
    };
    let spares = |at: usize| {
        let next = words.get(at + 1).map_or("", String::as_str);
        let two = SPARES_TWO.contains(&(words[at].as_str(), next));
        if !two && !SPARES.contains(&words[at].as_str()) {
            return false;
        }
        // Up to the next thing to be done: "skip the summary and send it to".
        let rest = &words[at + 1 + usize::from(two)..];
        rest.len() < SPARED
            && !rest.iter().enumerate().any(|(at, word)| {
                is_act(word)
                    || at > 0 && AND.contains(&rest[at - 1].as_str()) && crate::act::is_word(word)
            })
    };
    let meant = (0..words.len())
        .rfind(|at| MEANT.contains(&words[*at].as_str()) && !leaves_out(*at) && !spares(*at))
        .map_or(0, |at| at + 1);
    (meant..words.len()).any(|at| {
        let word = words[at].as_str();
        let denies =
            DENIES.contains(&word) || word.ends_with("n't") || leaves_out(at) || spares(at);
        let reminds = words
            .get(at + 1)
            .is_some_and(|next| REMINDS.contains(&next.as_str()));
        denies && !reminds
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the one `_` in a text is left out.
    fn left_out(text: &str) -> bool {
        let (before, after) = text.split_once('_').unwrap();
        is_left_out(before, after)
    }

    #[test]
    fn what_is_not_meant_is_left_out() {
        for text in [
            "Send it to Ann, not to _",
            "Send it to all but _",
            "Send it to everybody other than _",
            "Send it to Ann rather than to _",
            "Delete a.txt instead of _",
            "Delete everything but keep _",
            "Archive the list and skip _",
            "Exclude Ann and _",
            "Leave _ alone, please",
            "Leave my file '_' out",
            "Send it to Ann. _ must not see it",
            "Send it to Ann; _ should never know",
            "Delete the rest, '_' should stay.",
            "All of them, _ excluded",
            "_ is not to be told",
        ] {
            assert!(left_out(text), "{text}");
        }
    }

    #[test]
    fn what_is_meant_beside_something_that_is_not_stays() {
        for text in [
            "Do not forget to write to _",
            "Send it not to Ann but to _",
            "Send it to _ rather than to Ann",
            "Instead of Ann send it to _",
            "Skip the summary and mail _",
            "Delete _ instead of a.txt",
            "Tell _ not to come",
            "Tell _ that Ann must not come",
            "Leave a note for _",
            "Ask _ whether it should stay",
            "Send it to _ instead",
        ] {
            assert!(!left_out(text), "{text}");
        }
    }
}
