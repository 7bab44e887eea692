//! How a request is read: words, quotes, and patterns over them.
//!
//! A pattern is a row of elements between spaces and must fit the whole request:
//!
//! | element | fits |
//! |---|---|
//! | `list\|show` | one of these words, in any case |
//! | `file?` | the word or nothing |
//! | `~` | any number of small words: the, a, my, this, all, of … |
//! | `{path}` | a file: quoted, or with a dot or slash in it, or a well-known name such as Makefile |
//! | `{name}` | a name in quotes or one word that is no small word |
//! | `{word}` | one word, or a text in quotes |
//! | `{quoted}` | a text in quotes |
//! | `{number}` | digits, or one … twelve, twenty |
//! | `{text}` | one or more words, taken as written |
//!
//! A name after a slash in a slot (`{path:to}`) tells two slots of one pattern apart. Quotes are
//! `` ` `` `"` `'` and the typographic ones. Words of courtesy before and after are dropped;
//! nothing else is: what no pattern fits is not understood, and nothing is done.

use std::collections::BTreeMap;

/// The most words of a request outside quotes; a longer one is a text, not a request.
const MAX_WORDS: usize = 4_000;

const FILLERS: &[&str] = &[
    "the", "a", "an", "my", "this", "our", "me", "us", "all", "of", "up", "new", "every", "some",
    "each",
];

/// What cannot be the name of a file unless it is quoted: a person who says one of these means
/// something that was said before, and guessing which is not done.
const NOT_NAMES: &[&str] = &[
    "it",
    "that",
    "this",
    "them",
    "these",
    "those",
    "everything",
    "all",
    "now",
    "there",
    "here",
    "something",
    "anything",
    "again",
    "later",
    "one",
    "ones",
    "file",
    "files",
    "folder",
    "folders",
    "directory",
    "stuff",
    "things",
    "and",
    "or",
    "not",
    "if",
    "unless",
    "what",
    "which",
    "who",
    "the",
    "a",
    "an",
    "my",
    "your",
    "me",
    "you",
    "please",
    "nothing",
    "else",
    "rest",
    "other",
    "others",
    "old",
    "new",
    "any",
    "every",
    "both",
    "some",
    "none",
    "to",
    "in",
    "into",
    "from",
    "with",
    "by",
];

const KNOWN_FILES: &[&str] = &[
    "makefile",
    "dockerfile",
    "license",
    "readme",
    "changelog",
    "notice",
    "authors",
    "justfile",
    "gemfile",
    "procfile",
];

/// One word of a request, or one text in quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Without quotes, and without punctuation after it.
    pub(super) text: String,
    /// The same in lower case.
    lower: String,
    /// It stood in quotes.
    pub(super) quoted: bool,
    /// Where it stands in the request, with quotes and punctuation.
    pub(super) span: (usize, usize),
    /// The character right after the text, where that is punctuation.
    pub(super) mark: Option<char>,
}

/// What the slots of a pattern took.
pub(super) type Slots = BTreeMap<String, String>;

/// Typographic quotes become plain ones, so that what is typed on a phone is the same.
pub(super) fn plain(message: &str) -> String {
    message
        .chars()
        .map(|c| match c {
            '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{ab}' | '\u{bb}' => '"',
            '\u{2018}' | '\u{2019}' | '\u{201a}' => '\'',
            '\u{a0}' => ' ',
            _ => c,
        })
        .collect()
}

/// The words of a request; `None` where there are too many for a request.
pub(super) fn words(text: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(skip) = text[at..].find(|c: char| !c.is_whitespace()) {
        let start = at + skip;
        let first = text[start..].chars().next()?;
        let end;
        if let Some(close) = closing(text, start, first) {
            let after = &text[close + 1..];
            end = close
                + 1
                + after
                    .find(|c: char| !matches!(c, '.' | ',' | ';' | ':' | '!' | '?'))
                    .unwrap_or(after.len());
            let inner = text[start + 1..close].to_owned();
            let mark = after.chars().next().filter(|_| end > close + 1);
            words.push(Word {
                lower: inner.to_lowercase(),
                text: inner,
                quoted: true,
                span: (start, end),
                mark,
            });
        } else {
            end = start
                + text[start..]
                    .find(char::is_whitespace)
                    .unwrap_or(text.len() - start);
            let raw = &text[start..end];
            let trimmed = raw.trim_end_matches(['.', ',', ';', ':', '!', '?']);
            let trimmed = if trimmed.is_empty() { raw } else { trimmed };
            let mark = raw[trimmed.len()..].chars().next();
            push(&mut words, trimmed, (start, end), mark);
        }
        at = end;
        if words.len() > MAX_WORDS {
            return None;
        }
    }
    Some(words)
}

/// Where the quote that opens at `start` closes.
fn closing(text: &str, start: usize, quote: char) -> Option<usize> {
    if !matches!(quote, '`' | '"' | '\'') {
        return None;
    }
    let ends_word = |at: usize| {
        quote == '`'
            || text[at + 1..].chars().next().is_none_or(|c| {
                c.is_whitespace() || matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | ')')
            })
    };
    text[start + 1..]
        .match_indices(quote)
        .map(|(at, _)| start + 1 + at)
        .find(|&at| ends_word(at))
}

fn push(words: &mut Vec<Word>, text: &str, span: (usize, usize), mark: Option<char>) {
    let lower = text.to_lowercase();
    let (head, tail) = match lower.as_str() {
        "what's" | "whats" => ("what", "is"),
        "where's" => ("where", "is"),
        "i'd" => ("i", "would"),
        "let's" => ("let", "us"),
        _ => {
            words.push(Word {
                text: text.to_owned(),
                lower,
                quoted: false,
                span,
                mark,
            });
            return;
        }
    };
    for (part, mark) in [(head, None), (tail, mark)] {
        words.push(Word {
            text: part.to_owned(),
            lower: part.to_owned(),
            quoted: false,
            span,
            mark,
        });
    }
}

impl Word {
    /// Whether it is this word, not in quotes, in any case.
    pub(super) fn is(&self, word: &str) -> bool {
        !self.quoted && self.lower == word
    }
}

/// Words of courtesy before and after a request.
const BEFORE: &[&str] = &[
    "please",
    "kindly",
    "could you",
    "can you",
    "would you",
    "will you",
    "can i",
    "could i",
    "may i",
    "i would like you to",
    "i would like to",
    "i want you to",
    "i want to",
    "i need you to",
    "do you know",
    "tell me",
    "hey",
    "ok",
    "okay",
    "now",
    "just",
    "and",
    "first",
    "finally",
    "next",
    "let us",
    "go ahead and",
    "help me to",
];
const AFTER: &[&str] = &[
    "please",
    "for me",
    "thanks",
    "thank you",
    "right now",
    "now",
    "ok",
    "pls",
];

/// Without courtesies.
pub(super) fn bare(mut words: &[Word]) -> &[Word] {
    let starts = |words: &[Word], phrase: &str| {
        let count = phrase.split(' ').count();
        (words.len() > count
            && phrase
                .split(' ')
                .zip(words)
                .all(|(want, word)| word.is(want)))
        .then_some(count)
    };
    let ends = |words: &[Word], phrase: &str| {
        let count = phrase.split(' ').count();
        let from = words.len().checked_sub(count).filter(|&from| from > 0)?;
        phrase
            .split(' ')
            .zip(&words[from..])
            .all(|(want, word)| word.is(want))
            .then_some(from)
    };
    loop {
        if let Some(count) = BEFORE.iter().find_map(|phrase| starts(words, phrase)) {
            words = &words[count..];
        } else if let Some(until) = AFTER.iter().find_map(|phrase| ends(words, phrase)) {
            words = &words[..until];
        } else {
            return words;
        }
    }
}

/// What the slots take where the pattern fits all words.
pub(super) fn fit(pattern: &str, words: &[Word], text: &str) -> Option<Slots> {
    let elements: Vec<&str> = pattern.split(' ').collect();
    let mut slots = Slots::new();
    // A pattern has one or two slots that may take many words, so this stays small.
    step(&elements, words, text, &mut slots).then_some(slots)
}

fn step(elements: &[&str], words: &[Word], text: &str, slots: &mut Slots) -> bool {
    let Some((&element, rest)) = elements.split_first() else {
        return words.is_empty();
    };
    if element == "~" {
        let most = words
            .iter()
            .take_while(|word| !word.quoted && FILLERS.contains(&word.lower.as_str()))
            .count();
        return (0..=most)
            .rev()
            .any(|count| step(rest, &words[count..], text, slots));
    }
    if let Some(slot) = element
        .strip_prefix('{')
        .and_then(|slot| slot.strip_suffix('}'))
    {
        let (kind, name) = slot.split_once(':').unwrap_or((slot, slot));
        let most = if kind == "text" {
            words.len()
        } else {
            words.len().min(1)
        };
        return (1..=most).any(|count| {
            // Where the rest must fit, the value is taken last, so that only one fit costs a copy.
            let fits = kind == "text" || single(kind, &words[0]).is_some();
            if !fits || !step(rest, &words[count..], text, slots) {
                return false;
            }
            let value = if kind == "text" {
                raw(&words[..count], text)
            } else {
                single(kind, &words[0]).unwrap_or_default()
            };
            slots.insert(name.to_owned(), value);
            true
        });
    }
    let (choices, optional) = element
        .strip_suffix('?')
        .map_or((element, false), |choices| (choices, true));
    let taken = words
        .first()
        .is_some_and(|word| choices.split('|').any(|choice| word.is(choice)));
    (taken && step(rest, &words[1..], text, slots)) || (optional && step(rest, words, text, slots))
}

/// The words as written; a single text in quotes without them.
fn raw(words: &[Word], text: &str) -> String {
    match words {
        [word] if word.quoted => word.text.clone(),
        [first, .., last] | [first @ last] => text[first.span.0..last.span.1].to_owned(),
        [] => String::new(),
    }
}

fn single(kind: &str, word: &Word) -> Option<String> {
    let text = word.text.clone();
    match kind {
        "quoted" => word.quoted.then_some(text),
        "word" => (word.quoted || !NOT_NAMES.contains(&word.lower.as_str()))
            .then_some(text)
            .filter(|text| !text.is_empty()),
        "number" => number(&word.lower).map(|number| number.to_string()),
        "name" | "path" => {
            let stands = word.quoted || !NOT_NAMES.contains(&word.lower.as_str());
            let looks = word.quoted || kind == "name" || looks_like_file(&word.lower);
            (stands && looks && may_be_path(&text)).then_some(text)
        }
        _ => None,
    }
}

fn looks_like_file(lower: &str) -> bool {
    KNOWN_FILES.contains(&lower)
        || lower.contains('/')
        || lower
            .rsplit_once('.')
            .is_some_and(|(_, kind)| kind.starts_with(|c: char| c.is_ascii_alphanumeric()))
}

/// Whether a text can name one file or folder of the workspace. What is no such name is not
/// passed on to be refused elsewhere: the request is not understood.
fn may_be_path(text: &str) -> bool {
    let bad = |c: char| {
        c.is_control()
            || matches!(
                c,
                '*' | '?' | '<' | '>' | '|' | '$' | '`' | '"' | '~' | '\\'
            )
    };
    let text = text.trim_end_matches('/');
    !text.is_empty() && text.len() <= 1024 && !text.contains(bad) && !text.contains("://")
}

pub(super) fn number(text: &str) -> Option<u64> {
    const WORDS: &[&str] = &[
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve",
    ];
    match WORDS.iter().position(|&word| word == text) {
        Some(number) => u64::try_from(number).ok(),
        None if text == "twenty" => Some(20),
        None if text.len() <= 6 => text.parse().ok(),
        None => None,
    }
}
