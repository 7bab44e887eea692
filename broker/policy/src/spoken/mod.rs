//! What the owner said: the broker's own record of a message that came from an authenticated person,
//! and what of it endorses a value. Quotes, forwards and blocks of pasted text endorse nothing.
//!
//! A value counts whole and in the owner's letters. Three ways of writing are read as one:
//! - `#` and `@` before a name say what it is, as a word beside it does: "#random" is the random channel,
//!   and "@dana" a user. A name without its sign, or with it where the owner only said what it is, is the
//!   same; one with the other sign is not.
//! - Several words that the owner wrote one after the other name a thing whatever the case of their
//!   letters ([`Spoken::holds`]), where only what is newly made gets its name by it.
//! - "All", "both", "every" before a name mean each thing of that name ([`Spoken::means_all`]).
//!
//! What is left out need not be written to the letter ([`Spoken::leaves_out_person`]). Of what is made to be long only so
//! much is looked at as a person may have meant; the rest names nothing.

mod left_out;
mod loosely;
mod own_words;
mod wishes;

use crate::act::{self, Words};
use crate::token::{Address, SEARCHED, found};
use carapace_contract::effects::Act;
use left_out::{Reader, is_left_out, tail};
use loosely::LOOKED_AT;
use own_words::own_words;
use std::collections::BTreeSet;
use wishes::wishes;

/// The most names of one address that are looked at; of one with more, nobody can tell whose it is.
const OWNERS: usize = 32;

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

/// Words by which each thing of a name is meant.
pub(super) const EACH: [&str; 12] = [
    "all", "both", "every", "each", "alle", "beide", "jede", "jeden", "tous", "toutes", "todos",
    "todas",
];
/// Words between what something is and its name, and how many of them.
const CALLS: [&str; 11] = [
    "called", "named", "titled", "entitled", "with", "whose", "the", "subject", "title", "name",
    "is",
];
const CALLED: usize = 6;
/// In how many words before a name they stand.
pub(super) const EACH_BEFORE: usize = 6;
/// The most words of a phrase.
const PHRASE: usize = 16;
/// The most words of a text that is said to be the owner's.
const SAID: usize = 512;

/// Signs that say what the name after them is, and words that say the same.
const CHANNELS: [&str; 7] = [
    "channel", "room", "chat", "tag", "hashtag", "topic", "label",
];
const USERS: [&str; 12] = [
    "user",
    "username",
    "member",
    "account",
    "handle",
    "person",
    "recipient",
    "participant",
    "invitee",
    "attendee",
    "assignee",
    "reviewer",
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
    /// Addresses that are left out: "not to".
    denied: BTreeSet<Address>,
    /// The text in small letters.
    small: String,
    /// Words, in small letters, that are left out wherever they stand.
    spared: BTreeSet<String>,
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
        let mut denied = BTreeSet::new();
        let mut reader = Reader::new();
        for (start, end, address) in found(&text) {
            if reader.is_left_out(&text[..start], &text[end..]) {
                denied.insert(address);
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
            let theirs = text[end..].starts_with("'s") || text[end..].starts_with("’s");
            if (theirs || is_source(&text[..start])) && !answers {
                sources.insert(address);
            } else {
                addresses.insert(address);
            }
        }
        let small = text.to_lowercase();
        let spared = spared(&text, &mut reader);
        Self {
            text,
            words,
            wishes,
            addresses,
            sources,
            denied,
            small,
            spared,
            answers,
        }
    }

    /// What is kept of it when the next one is said: only the present message leaves something out.
    pub(crate) fn past(self) -> Self {
        Self {
            small: String::new(),
            spared: BTreeSet::new(),
            ..self
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
        let mut left: Vec<(String, String)> = pieces(&self.text)
            .into_iter()
            .map(|own| (own.to_lowercase(), own))
            .collect();
        let quoted = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
            .unwrap_or(text);
        self.words.cover(quoted)
            && quoted.len() <= self.text.len()
            && quoted.split(' ').nth(SAID).is_none()
            && quoted.split(' ').all(|word| {
                let known = left
                    .iter()
                    .position(|(small, own)| own == word || small == word);
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

    /// True where the message says of this address only that it is not meant.
    pub(crate) fn denies(&self, address: &Address) -> bool {
        self.denied.contains(address) && !self.typed(address)
    }

    /// True where the message says of this value, to the letter or as it is spoken, only that it is not meant.
    pub(crate) fn leaves_out(&self, value: &str) -> bool {
        let value = value.trim_matches(' ');
        if value.is_empty() {
            return false;
        }
        let mut found = self
            .text
            .match_indices(value)
            .map(|(at, _)| (&self.text[..at], &self.text[at + value.len()..]))
            .filter(|(before, after)| is_whole(before, after))
            .take(LOOKED_AT)
            .map(|(before, after)| is_left_out(before, after))
            .peekable();
        if found.peek().is_some() && found.all(|left_out| left_out) {
            return true;
        }
        let spoken = loosely::places(&self.small, value);
        !spoken.is_empty()
            && spoken
                .into_iter()
                .all(|(start, end)| is_left_out(&self.small[..start], &self.small[end..]))
    }

    /// True where the message says of this person, or of one word of their name, only that they are not meant.
    pub(crate) fn leaves_out_person(&self, name: &str) -> bool {
        self.leaves_out_part(name) || self.leaves_out(name)
    }

    fn leaves_out_part(&self, name: &str) -> bool {
        !self.spared.is_empty() && loosely::parts(name).any(|part| self.spared.contains(&part))
    }

    /// True where the message leaves out whom this address is of: by its local part, or by one of the names that
    /// are known for it, and be it by one word of them.
    pub(crate) fn leaves_out_owner<'a>(
        &self,
        address: &Address,
        names: impl Iterator<Item = &'a str>,
    ) -> bool {
        let local = match address {
            Address::Mail(mail) => mail.split('@').next(),
            Address::Url(_) => None,
        };
        local.is_some_and(|local| self.leaves_out_person(local))
            || names.enumerate().any(|(at, name)| {
                at >= OWNERS || self.leaves_out_part(name) || self.leaves_out(name)
            })
    }

    /// True where the owner named a thing or a person by this whole value. `beside` are words that say
    /// what it is where they stand next to it: `channel`, `file`. As a `recipient` it is not
    /// enough that something is theirs or comes from them.
    pub(crate) fn names(&self, value: &str, beside: &[&str], recipient: bool) -> bool {
        self.names_unless(value, beside, recipient, &|_| false)
    }

    /// The same, but not where a word right before or after it is an `other`: one that says that
    /// something else of the name is meant.
    pub(crate) fn names_unless(
        &self,
        value: &str,
        beside: &[&str],
        recipient: bool,
        other: &dyn Fn(&str) -> bool,
    ) -> bool {
        let value = value.trim_matches(' ');
        if !is_name(value) {
            return false;
        }
        if let Some((sign, bare)) = sign_of(value)
            && self.names_unless(bare, sign, recipient, other)
        {
            return true;
        }
        let mut from = 0;
        for _ in 0..LOOKED_AT {
            let Some(at) = self.text[from..].find(value) else {
                break;
            };
            let (start, end) = (from + at, from + at + value.len());
            let elsewhere = neighbours(&self.text[..start], &self.text[end..]).any(other);
            if !elsewhere && self.is_named_at(start, end, value, beside, recipient) {
                return true;
            }
            // On to the next character, which is not always the next byte.
            from = start + self.text[start..].chars().next().map_or(1, char::len_utf8);
        }
        false
    }

    /// True where the owner named this, with a word before or after it that says what it is.
    pub(crate) fn names_as(&self, name: &str, says: impl Fn(&str) -> bool) -> bool {
        let mut places = self.text.match_indices(name).take(LOOKED_AT);
        is_name(name)
            && places.any(|(at, _)| {
                let (before, after) = (&self.text[..at], &self.text[at + name.len()..]);
                let said = neighbours(before, after).any(&says);
                said && self.is_named_at(at, at + name.len(), name, &[], false)
            })
    }

    /// True where the owner wrote these words, two or more, one after the other, whatever the case of
    /// their letters.
    pub(crate) fn holds(&self, phrase: &str) -> bool {
        self.phrases(phrase).into_iter().any(|left_out| !left_out)
    }

    /// True where the message says of these words only that they are not meant.
    pub(crate) fn leaves_out_phrase(&self, phrase: &str) -> bool {
        let found = self.phrases(phrase);
        !found.is_empty() && !found.contains(&false)
    }

    /// Where the phrase stands, and for each place whether it is left out there.
    fn phrases(&self, phrase: &str) -> Vec<bool> {
        let wanted: Vec<&str> = phrase.split(' ').take(PHRASE + 1).collect();
        let plain = |word: &&str| {
            !word.is_empty()
                && word
                    .chars()
                    .all(|char| char.is_alphanumeric() || char == '-')
        };
        if !(2..=PHRASE).contains(&wanted.len()) || !wanted.iter().all(plain) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for line in self.text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            for window in words.windows(wanted.len()) {
                let last = window.len() - 1;
                let same = window
                    .iter()
                    .zip(&wanted)
                    .enumerate()
                    .all(|(at, (own, one))| {
                        let open = |char: char| at == 0 && "'\"‘“„«`(".contains(char);
                        let close = |char: char| at == last && "'\"’”»`).,;:!?".contains(char);
                        own.trim_start_matches(open)
                            .trim_end_matches(close)
                            .eq_ignore_ascii_case(one)
                    });
                if same {
                    let offset = |word: &str| word.as_ptr().addr() - self.text.as_ptr().addr();
                    let end = offset(window[last]) + window[last].len();
                    let (before, after) = (&self.text[..offset(window[0])], &self.text[end..]);
                    found.push(is_left_out(before, after));
                    if found.len() == LOOKED_AT {
                        return found;
                    }
                }
            }
        }
        found
    }

    /// True where the owner named this and meant each thing of that name: "all mails called 'Sale'".
    pub(crate) fn means_all(&self, name: &str) -> bool {
        let places = || self.text.match_indices(name);
        self.names(name, &[], false)
            && places().nth(LOOKED_AT).is_none()
            && places().all(|(at, _)| {
                let before = tail(&self.text[..at]).trim_end_matches(|char: char| {
                    char.is_whitespace() || "'\"‘“„«`(".contains(char)
                });
                // "All mails from Dana" are not those called "Dana".
                if ORIGINS.contains(&last_word(before).as_str()) {
                    return false;
                }
                let begin = before
                    .rfind(['.', ',', ';', ':', '!', '?', '\n'])
                    .map_or(0, |at| at + 1);
                let words: Vec<String> = before[begin..]
                    .split(|char: char| !char.is_alphanumeric())
                    .filter(|word| !word.is_empty())
                    .map(str::to_lowercase)
                    .collect();
                words
                    .iter()
                    .rev()
                    .take(EACH_BEFORE)
                    .take_while(|word| !AND.contains(&word.as_str()) && !is_act(word))
                    .any(|word| EACH.contains(&word.as_str()))
            })
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
        let signed = is_signed(before, beside);
        let begin = if signed {
            &before[..before.len() - 1]
        } else {
            before
        };
        if !is_whole(begin, after) {
            return false;
        }
        if recipient && !self.answers {
            let theirs = after.starts_with("'s") || after.starts_with("’s");
            if theirs || is_source(begin) {
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
        let whole = signed || sign_of(value).is_some();
        (quoted || proper || compound || whole || stands_beside(before, after, beside))
            && !is_left_out(begin, after)
    }
}

/// The words that are left out wherever they stand, in small letters.
fn spared(text: &str, reader: &mut Reader) -> BTreeSet<String> {
    let mut spared = BTreeSet::new();
    let mut meant = BTreeSet::new();
    for (start, end) in loosely::words(text) {
        let word = text[start..end].to_lowercase();
        if meant.contains(&word) {
            continue;
        }
        if reader.is_left_out(&text[..start], &text[end..]) {
            spared.insert(word);
        } else {
            spared.remove(&word);
            meant.insert(word);
        }
    }
    spared
}

/// Bare numbers and dates never endorse; nor does what is too short to be a name.
fn is_name(value: &str) -> bool {
    value.chars().nth(1).is_some() && value.chars().any(char::is_alphabetic)
}

/// True where what stands between is a whole value, and no part of a longer one.
fn is_whole(before: &str, after: &str) -> bool {
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
    !went_on && !goes_on
}

/// The plain words right before and after a name, beyond its quotation marks.
fn neighbours<'a>(before: &'a str, after: &'a str) -> impl Iterator<Item = &'a str> {
    let quote = |char: char| "'\"‘’“”„«»`".contains(char);
    let before: Vec<&str> = before
        .trim_end_matches(quote)
        .split_whitespace()
        .rev()
        .take(CALLED)
        .collect();
    // "The mail with the subject"; but "the meeting with" somebody is not called so.
    let first = before
        .iter()
        .enumerate()
        .position(|(at, word)| !CALLS.contains(word) || at == 0 && *word == "with");
    let left = first.map(|at| (before[at], before.get(at + 1).copied()));
    // "Message Dana" is done, "the message" is a thing.
    let left = left
        .filter(|(word, earlier)| {
            !act::is_word(&word.to_lowercase()) || !act::begins(earlier.as_deref())
        })
        .map(|(word, _)| word);
    let after = after.trim_start_matches(quote);
    // What belongs to the name goes on without a space, and a clause ends with a sign.
    let right = after
        .starts_with(char::is_whitespace)
        .then(|| after.split_whitespace().next())
        .flatten()
        .map(|word| word.trim_end_matches(['.', ',', ';', ':', '!', '?', ')']));
    let plain = |word: &&str| {
        word.chars()
            .all(|char| char.is_alphanumeric() || char == '-')
    };
    [left, right].into_iter().flatten().filter(plain)
}

/// The words that a name's sign stands for, and the name without it.
fn sign_of(value: &str) -> Option<(&'static [&'static str], &str)> {
    let (words, bare) = match value.split_at_checked(1)? {
        ("#", bare) => (&CHANNELS[..], bare),
        ("@", bare) => (&USERS[..], bare),
        _ => return None,
    };
    bare.starts_with(char::is_alphanumeric)
        .then_some((words, bare))
}

/// True where a sign right before a name, and not within a word, says that it is one of these.
fn is_signed(before: &str, beside: &[&str]) -> bool {
    let (words, before) = if let Some(before) = before.strip_suffix('#') {
        (&CHANNELS[..], before)
    } else if let Some(before) = before.strip_suffix('@') {
        (&USERS[..], before)
    } else {
        return false;
    };
    let begins = before
        .chars()
        .next_back()
        .is_none_or(|char| char.is_whitespace() || "'\"‘“„«`(".contains(char));
    begins && beside.iter().any(|word| words.contains(word))
}

/// True for a character that would make a name another name: letters, marks upon them, what is not seen.
fn joins(char: char) -> bool {
    let parts = "‘’“”„«»‹›…–—·•¿¡。、，；：？！（）「」『』";
    char.is_alphanumeric()
        || matches!(char, '_' | '@')
        || !char.is_ascii() && !char.is_whitespace() && !parts.contains(char)
}

/// True for a word that is more often an act than a thing.
fn is_act(word: &str) -> bool {
    act::is_word(word) && !act::is_thing(word)
}

/// True where the last word before an address or a name says that something comes from there; or
/// before the first of a list that it stands in.
fn is_source(before: &str) -> bool {
    let near = tail(before);
    // Of a list that goes on before what is read of it, nobody can tell.
    let cut = near.len() < before.len();
    let mut before = near;
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
            return cut;
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
    fn what_is_only_told_or_asked_about_is_no_wish() {
        let wants = |text: &str| Spoken::new(text).asks_for(&[Act::Book, Act::Pay], &[]);
        assert!(wants("Is the room free? If so, please book it"));
        assert!(wants("Could you book us a room?"));
        assert!(!wants("Did you book us a room?"));
        assert!(!wants("When did they pay me?"));
        assert!(!wants("Dana will book us a room, if so"));
    }

    #[test]
    fn a_sign_says_what_a_name_is() {
        let beside =
            |text: &str, value: &str, beside: &[&str]| Spoken::new(text).names(value, beside, true);
        assert!(beside("post it in #releases.", "releases", &["channel"]));
        assert!(beside("post it in #releases", "#releases", &["to"]));
        assert!(beside(
            "post it in the releases channel",
            "#releases",
            &["to"]
        ));
        assert!(beside("ping @dana about it", "dana", &["user"]));
        assert!(beside("ping @dana about it", "@dana", &["to"]));
        assert!(!beside("post it in #releases", "releases", &["user"]));
        assert!(!beside("post it in #releases", "@releases", &["user"]));
        assert!(!beside("ping @dana about it", "#dana", &["channel"]));
        assert!(!beside(
            "post it in #releases-old",
            "releases",
            &["channel"]
        ));
        assert!(!beside(
            "post it in #releases-old",
            "#releases",
            &["channel"]
        ));
        assert!(!beside("see page#releases", "releases", &["channel"]));
        assert!(!beside("write to bob@dana.example", "dana", &["user"]));
        assert!(!beside("not in #releases", "#releases", &["channel"]));
        assert!(!beside(
            "what is new in our releases",
            "#releases",
            &["channel"]
        ));
        assert!(!beside("the news from @dana", "dana", &["user"]));
    }

    #[test]
    fn words_one_after_the_other_are_held_whatever_their_case() {
        let holds = |text: &str, phrase: &str| Spoken::new(text).holds(phrase);
        assert!(holds(
            "make a list for the garden party, please",
            "Garden Party"
        ));
        assert!(holds("Open an issue (slow start page)", "Slow start page"));
        assert!(!holds("make a list for the garden party", "Garden"));
        assert!(!holds(
            "make a list for the garden, party or not",
            "garden party"
        ));
        assert!(!holds("the garden.\nparty", "garden party"));
        assert!(!holds("the gardens party", "garden party"));
        assert!(!holds("the garden  party", "garden  party"));
        assert!(!holds("not for the garden party", "garden party"));
        assert!(!holds("the bar\u{212a} party", "bark party"));
        assert!(!holds("> the garden party\nlist it", "garden party"));
    }

    #[test]
    fn each_thing_of_a_name_is_meant_where_it_says_so() {
        let all = |text: &str| Spoken::new(text).means_all("Sale");
        assert!(all("Delete all mails with the subject 'Sale'"));
        assert!(all("Please remove both 'Sale' rows"));
        assert!(all("Archive every post with the text 'Sale'"));
        assert!(!all("Delete all mails from 'Sale'"));
        assert!(!all("Delete the mail 'Sale'"));
        assert!(!all("Read all mails and delete 'Sale'"));
        assert!(!all("Of all mails, delete 'Sale'"));
        assert!(!all("All mails archive, delete the one called 'Sale'"));
        assert!(!all("Delete all mails but not 'Sale'"));
        assert!(!all("Delete every 'Sale', then open the draft 'Sale'"));
        assert!(!all("Delete all mails"));
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
