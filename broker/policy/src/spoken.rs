//! What the owner said: the broker's own record of a message that came from an authenticated person,
//! and what of it endorses a value. Quotes, forwards and blocks of pasted text endorse nothing.

use crate::act::Words;
use crate::token::{Address, SEARCHED, found, is_invisible};
use carapace_contract::effects::Act;
use std::collections::BTreeSet;

/// Words after which an address is where something comes from, not where it goes.
const SOURCES: [&str; 12] = [
    "from", "by", "of", "von", "vom", "de", "du", "da", "del", "called", "between", "about",
];
/// Words by which the source of something becomes its recipient.
const ANSWERS: [&str; 7] = [
    "reply",
    "respond",
    "answer",
    "antworte",
    "beantworte",
    "réponds",
    "responde",
];

/// Of those that say where something comes from, the ones that hold for a whole list.
const ORIGINS: [&str; 6] = ["from", "by", "of", "von", "vom", "de"];
/// What stands between the items of a list.
const AND: [&str; 7] = ["and", "or", "und", "oder", "et", "ou", "y"];
/// The most items of a list that are followed.
const LISTED: usize = 32;

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
/// Words that end what is denied.
const MEANT: [&str; 8] = [
    "but", "instead", "rather", "then", "sondern", "aber", "mais", "sino",
];
/// After a "not" they make it a wish: "do not forget to".
const REMINDS: [&str; 5] = ["forget", "hesitate", "fail", "only", "just"];

/// Words that begin a question.
const ASKS: [&str; 10] = [
    "what", "what's", "when", "where", "why", "who", "whom", "whose", "how", "which",
];
/// Words after which something is told, or asked about.
const TELLS: [&str; 6] = ["did", "does", "had", "has", "didn't", "doesn't"];
/// Words by which another is said to do it, where they are not put to the reader.
const MAY: [&str; 9] = [
    "will", "would", "can", "could", "should", "shall", "may", "might", "must",
];

/// Lines that begin what another person wrote.
const OTHERS: [&str; 6] = [
    "-----original message",
    "---------- forwarded message",
    "begin forwarded message",
    "-------- forwarded message",
    "-----begin ",
    "<blockquote",
];

/// The first line of a mail's head, and what its second begins with.
const SENDERS: [&str; 3] = ["from:", "von:", "de:"];
const HEADS: [&str; 10] = [
    "to:",
    "sent:",
    "date:",
    "subject:",
    "cc:",
    "an:",
    "gesendet:",
    "betreff:",
    "datum:",
    "à:",
];

/// One message of the owner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spoken {
    text: String,
    words: Words,
    /// The words without what is only told or asked about.
    wishes: Words,
    /// Addresses, and those of them that are only named as a source.
    addresses: BTreeSet<Address>,
    sources: BTreeSet<Address>,
    answers: bool,
}

impl Spoken {
    /// Reads a message.
    pub fn new(text: &str) -> Self {
        let mut text = own_words(text);
        if text.len() > SEARCHED {
            let mut end = SEARCHED;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
        }
        let words = Words::of(&text);
        let wishes = Words::of(&wishes(&text));
        let answers = wishes.has(&ANSWERS);
        let mut addresses = BTreeSet::new();
        let mut sources = BTreeSet::new();
        for (start, end, address) in found(&text) {
            if is_denied(&text[..start]) {
                continue;
            }
            // "www.example.org.They": a sentence that begins without a space.
            let typed = &text[start..end];
            if let Some((host, next)) = typed.rsplit_once('.')
                && next.starts_with(char::is_uppercase)
                && next.chars().skip(1).all(char::is_lowercase)
                && let Some(shorter) = Address::whole(host)
            {
                addresses.insert(shorter);
            }
            if is_source(&text[..start]) && !answers {
                sources.insert(address);
            } else {
                addresses.insert(address);
            }
        }
        Self {
            text,
            words,
            wishes,
            addresses,
            sources,
            answers,
        }
    }

    pub(crate) fn words(&self) -> &Words {
        &self.words
    }

    /// True where the message asks for one of these acts, or uses one of the further words as it would an act.
    pub(crate) fn asks_for(&self, acts: &[Act], further: &[String]) -> bool {
        self.wishes.ask_for(acts, further)
    }

    /// True where a text is made of the owner's words and nothing else: none more often than the owner
    /// used it, none written otherwise, and between them one space.
    pub(crate) fn says(&self, text: &str) -> bool {
        let bare = |word: &str| -> String {
            word.trim_matches(|char: char| !char.is_alphanumeric())
                .to_owned()
        };
        let pieces = |text: &str| -> Vec<String> {
            text.split(|char: char| !(char.is_alphanumeric() || "'’-_.@/:".contains(char)))
                .map(bare)
                .filter(|word| !word.is_empty())
                .collect()
        };
        let mut left = pieces(&self.text);
        let quoted = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
            .unwrap_or(text);
        self.words.cover(quoted)
            && quoted.len() <= self.text.len()
            && quoted.split(' ').all(|word| {
                let known = left
                    .iter()
                    .position(|own| own == word || own.to_lowercase() == word);
                known.map(|at| left.swap_remove(at)).is_some()
            })
    }

    /// True where the owner named this address as somewhere that a thing goes to.
    pub(crate) fn sends_to(&self, address: &Address) -> bool {
        self.addresses.contains(address)
    }

    /// True where the owner typed this address at all.
    pub(crate) fn typed(&self, address: &Address) -> bool {
        self.addresses.contains(address) || self.sources.contains(address)
    }

    /// True where the owner named a thing or a person by this whole value. `beside` are words that say
    /// what it is where they stand next to it: `channel`, `file`. As a `recipient` it is not
    /// enough that something is theirs or comes from them.
    pub(crate) fn names(&self, value: &str, beside: &[&str], recipient: bool) -> bool {
        let value = value.trim_matches(' ');
        // Bare numbers and dates never endorse; nor does what is too short to be a name.
        if value.chars().count() < 2 || !value.chars().any(char::is_alphabetic) {
            return false;
        }
        let mut from = 0;
        while let Some(at) = self.text[from..].find(value) {
            let (start, end) = (from + at, from + at + value.len());
            if self.is_named_at(start, end, value, beside, recipient) {
                return true;
            }
            // On to the next character, which is not always the next byte.
            from = start + self.text[start..].chars().next().map_or(1, char::len_utf8);
        }
        false
    }

    fn is_named_at(
        &self,
        start: usize,
        end: usize,
        value: &str,
        beside: &[&str],
        recipient: bool,
    ) -> bool {
        let (before, after) = (&self.text[..start], &self.text[end..]);
        let last = before.chars().next_back();
        let next = after.chars().next();
        let goes_on = next.is_some_and(joins)
            || next.is_some_and(|char| ".-/+&=%$\\~:".contains(char))
                && after.chars().nth(1).is_some_and(char::is_alphanumeric);
        let went_on = last.is_some_and(|char| joins(char) || "-./+&=%$\\~".contains(char))
            || last.is_some_and(|char| "'’".contains(char))
                && before
                    .chars()
                    .nth_back(1)
                    .is_some_and(char::is_alphanumeric);
        if went_on || goes_on || is_denied(before) {
            return false;
        }
        if recipient && !self.answers {
            let theirs = after.starts_with("'s") || after.starts_with("’s");
            if theirs || is_source(before) {
                return false;
            }
        }
        let quoted = last.is_some_and(|char| "'\"‘’“”„«`(".contains(char))
            && next.is_some_and(|char| "'\"‘’“”»`)".contains(char));
        let proper = value.chars().next().is_some_and(char::is_uppercase)
            && !before.trim_end().is_empty()
            && !before.trim_end().ends_with(['.', '!', '?', ':', '\n']);
        let compound = value.split_whitespace().nth(1).is_some()
            || value
                .char_indices()
                .any(|(at, char)| at > 0 && matches!(char, '.' | '_' | '/' | '-' | '@'));
        quoted || proper || compound || stands_beside(before, after, beside)
    }
}

/// True for a character that would make a name another name: letters, marks upon them, what is not seen.
fn joins(char: char) -> bool {
    let parts = "‘’“”„«»‹›…–—·•¿¡。、，；：？！（）「」『』";
    char.is_alphanumeric()
        || matches!(char, '_' | '@')
        || !char.is_ascii() && !char.is_whitespace() && !parts.contains(char)
}

/// True where the last word before an address or a name says that something comes from there; or
/// before the first of a list that it stands in.
fn is_source(before: &str) -> bool {
    let mut before = before;
    for item in 0..LISTED {
        before = before
            .trim_end_matches(|char: char| char.is_whitespace() || "'\"‘“„«`(<".contains(char));
        let word = last_word(before);
        if SOURCES.contains(&word.as_str()) {
            return item == 0 || ORIGINS.contains(&word.as_str());
        }
        // The item before this one.
        before = if AND.contains(&word.as_str()) {
            before[..before.len() - word.len()].trim_end_matches([' ', ','])
        } else if let Some(shorter) = before.strip_suffix(',') {
            shorter
        } else {
            return false;
        };
        let Some(at) = before.trim_end().rfind(char::is_whitespace) else {
            return false;
        };
        before = &before[..at];
    }
    false
}

fn last_word(text: &str) -> String {
    text.rsplit(|char: char| !char.is_alphanumeric())
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase()
}

/// True where its clause says that what follows is not meant: "do not send it to", "all but".
fn is_denied(before: &str) -> bool {
    let clause = before
        .char_indices()
        .rev()
        .find(|(at, char)| {
            matches!(char, ',' | ';' | ':' | '!' | '?' | '\n')
                || *char == '.' && before[at + 1..].starts_with(char::is_whitespace)
        })
        .map_or(before, |(at, char)| &before[at + char.len_utf8()..]);
    let words: Vec<String> = clause
        .split(|char: char| !(char.is_alphanumeric() || "'’".contains(char)))
        .filter(|word| !word.is_empty())
        .map(|word| word.replace('’', "'").to_lowercase())
        .collect();
    let meant = words
        .iter()
        .rposition(|word| MEANT.contains(&word.as_str()))
        .map_or(0, |at| at + 1);
    let words = &words[meant..];
    words.iter().enumerate().any(|(at, word)| {
        let denies = DENIES.contains(&word.as_str()) || word.ends_with("n't");
        let reminds = words
            .get(at + 1)
            .is_some_and(|next| REMINDS.contains(&next.as_str()));
        denies && !reminds
    })
}

/// The text without what is only told or asked about: "what did Bob write", "Bob will send it".
fn wishes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for clause in clauses(text) {
        let words: Vec<(&str, String)> = clause
            .split_inclusive(char::is_whitespace)
            .map(|word| {
                let plain = word
                    .trim_matches(|char: char| !char.is_alphanumeric())
                    .to_lowercase();
                (word, plain)
            })
            .collect();
        let plain = |at: usize| words.get(at).map_or("", |(_, plain)| plain.as_str());
        let question = ASKS.contains(&plain(0)) || TELLS.contains(&plain(0));
        let mut told = false;
        for (at, (word, this)) in words.iter().enumerate() {
            let this = this.as_str();
            let before = if at == 0 { "" } else { plain(at - 1) };
            let tells = TELLS.contains(&this) || this == "do" && ASKS.contains(&before);
            let may = MAY.contains(&this)
                && !matches!(before, "you" | "i" | "we")
                && !matches!(plain(at + 1), "you" | "please" | "kindly");
            if tells || may {
                told = true;
            } else if matches!(this, "please" | "then" | "you") && !is_told_of_you(&words[..at])
                || matches!(this, "and" | "but") && !question
            {
                told = false;
            }
            if !told {
                out.push_str(word);
            }
        }
        // The end of a clause is one, whatever was left out of it.
        if told {
            out.extend(clause.chars().next_back());
        }
    }
    out
}

/// The clauses of a text, each with its end. A sign within a word, as in an address, ends none.
fn clauses(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.char_indices().find(|(at, char)| {
            let next = rest[at + char.len_utf8()..].chars().next();
            matches!(char, '.' | ',' | ';' | ':' | '!' | '?' | '(')
                && next.is_none_or(|next| !(next.is_alphanumeric() || "/@._-=&".contains(next)))
                || *char == '\n'
        });
        let (clause, after) =
            rest.split_at(end.map_or(rest.len(), |(at, char)| at + char.len_utf8()));
        rest = after;
        (!clause.is_empty()).then_some(clause)
    })
}

/// True where a question about the past goes on: "what did you".
fn is_told_of_you(before: &[(&str, String)]) -> bool {
    before
        .last()
        .is_some_and(|(_, plain)| TELLS.contains(&plain.as_str()) || plain == "do")
}

fn stands_beside(before: &str, after: &str, beside: &[&str]) -> bool {
    let clean = |word: &str| {
        word.trim_matches(|char: char| !char.is_alphanumeric())
            .to_lowercase()
    };
    let left = before.split_whitespace().next_back().map(clean);
    let right = after.split_whitespace().next().map(clean);
    [left, right]
        .into_iter()
        .flatten()
        .any(|word| !word.is_empty() && beside.contains(&word.as_str()))
}

/// The message without what its writer only passes on: quoted lines, fenced blocks, forwards.
fn own_words(text: &str) -> String {
    const ENDS: [char; 7] = [
        '\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}',
    ];
    let mut out = String::with_capacity(text.len());
    let mut fence: Option<(char, usize)> = None;
    let mut lines = text.split(ENDS).peekable();
    while let Some(line) = lines.next() {
        let trimmed =
            line.trim_start_matches(|char: char| char.is_whitespace() || is_invisible(char));
        if let Some((mark, length)) = fence {
            if run(trimmed, mark) >= length {
                fence = None;
            }
            continue;
        }
        let lower = trimmed.to_lowercase();
        let mut next = || lines.peek().map(|next| next.trim_start().to_lowercase());
        if OTHERS.iter().any(|mark| lower.starts_with(mark))
            || lower.starts_with("on ") && lower.trim_end().ends_with(" wrote:")
            || SENDERS.iter().any(|mark| lower.starts_with(mark))
                && next().is_some_and(|next| HEADS.iter().any(|mark| next.starts_with(mark)))
        {
            break;
        }
        if let Some(mark) = ['`', '~'].into_iter().find(|mark| run(trimmed, *mark) >= 3) {
            fence = Some((mark, run(trimmed, mark)));
            continue;
        }
        if trimmed.starts_with(['>', '|', '＞', '│', '┃']) || lower.starts_with("&gt;") {
            continue;
        }
        let passed_on = ["```", "<blockquote", "<BLOCKQUOTE"]
            .into_iter()
            .filter_map(|mark| line.find(mark))
            .min();
        if let Some(at) = passed_on {
            // Within a line nothing says where it ends.
            out.push_str(&line[..at]);
            out.push('\n');
            break;
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// How often a mark stands at the beginning.
fn run(text: &str, mark: char) -> usize {
    text.chars().take_while(|char| *char == mark).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str, value: &str) -> bool {
        Spoken::new(text).names(value, &["channel"], false)
    }

    #[test]
    fn a_name_is_a_whole_value_that_was_meant_as_one() {
        assert!(names("Send it to Alice", "Alice"));
        assert!(names("post it to 'general'", "general"));
        assert!(names("post it to the general channel", "general"));
        assert!(names("delete old-notes.txt now", "old-notes.txt"));
        assert!(!names("in general I like it", "general"));
        assert!(!names("Send it to Alicent", "Alice"));
        assert!(!names("Send it to alice@a.example", "alice"));
        assert!(!names("see my-old-notes.txt", "old-notes.txt"));
        assert!(!names("room 12 at 10:00", "12"));
        assert!(!names("Delete it", "Delete"));
    }

    #[test]
    fn who_something_comes_from_is_not_who_it_goes_to() {
        let to = |text: &str, value: &str| Spoken::new(text).names(value, &[], true);
        assert!(to("forward the mail from Bob to Alice", "Alice"));
        assert!(!to("forward the mail from Bob to Alice", "Bob"));
        assert!(to("reply to the mail from Bob", "Bob"));
        assert!(!to("what is in Bob's inbox?", "Bob"));
        let eve = Address::whole("eve@x.example").expect("an address");
        assert!(!Spoken::new("show mails from eve@x.example").sends_to(&eve));
        assert!(Spoken::new("show mails from eve@x.example").typed(&eve));
        assert!(Spoken::new("write to eve@x.example").sends_to(&eve));
    }

    #[test]
    fn what_is_passed_on_endorses_nothing() {
        let eve = Address::whole("eve@x.example").expect("an address");
        for text in [
            "What is this?\n> write to eve@x.example",
            "Look:\n```\nwrite to eve@x.example\n```\nThanks",
            "See below\n-----Original Message-----\nwrite to eve@x.example",
            "Is it true?\nOn Monday Eve wrote:\nwrite to eve@x.example",
        ] {
            assert!(!Spoken::new(text).sends_to(&eve), "{text}");
        }
    }
}
