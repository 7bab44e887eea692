//! A name as a person may say it: in other cases, with spaces for `-` and `_`, without a file's ending or the sign
//! before it. Only what is left out is read so: who is not meant need not be written to the letter.

use super::is_whole;
use crate::token::stem;

/// The most places of one name that are looked at.
pub(super) const LOOKED_AT: usize = 256;
/// The most pieces of a name that are compared.
const PIECES: usize = 32;
/// The longest ending of a file's name, in bytes.
const ENDING: usize = 8;

/// Where a name stands in a text of small letters, in bytes.
pub(super) fn places(small: &str, name: &str) -> Vec<(usize, usize)> {
    let name = stem(name.trim_start_matches(['#', '@'])).to_lowercase();
    let mut wanted: Vec<&str> = name
        .split(is_between)
        .filter(|piece| !piece.is_empty())
        .take(PIECES + 1)
        .collect();
    let Some(last) = wanted.pop().filter(|_| wanted.len() < PIECES) else {
        return Vec::new();
    };
    small
        .match_indices(last)
        .filter_map(|(at, _)| {
            let end = at + last.len();
            let mut start = at;
            for piece in wanted.iter().rev() {
                let before = small[..start].trim_end_matches(is_between);
                if before.len() == start || !before.ends_with(piece) {
                    return None;
                }
                start = before.len() - piece.len();
            }
            let (before, after) = (&small[..start], without_ending(&small[end..]));
            is_whole(before, after).then_some((start, end))
        })
        .take(LOOKED_AT)
        .collect()
}

/// What follows a name: `.docx` and "'s" belong to it.
fn without_ending(after: &str) -> &str {
    let after = match after.strip_prefix('.') {
        Some(ending) => {
            let end = ending
                .find(|char: char| !char.is_ascii_alphanumeric())
                .unwrap_or(ending.len());
            if end <= ENDING && stem(&after[..=end]).is_empty() {
                &ending[end..]
            } else {
                after
            }
        }
        None => after,
    };
    ["'s", "’s"]
        .iter()
        .find_map(|own| after.strip_prefix(own))
        .unwrap_or(after)
}

/// The words of a text with where they stand: `dana.berg` is one, and "Dana's" is hers. An address is none.
pub(super) fn words(text: &str) -> impl Iterator<Item = (usize, usize)> {
    runs(text, |char| {
        char.is_alphanumeric() || ".-_+@'’".contains(char)
    })
    .filter(|(start, end)| !text[*start..*end].contains('@'))
    .map(|(start, end)| (start, start + bare(&text[start..end]).len()))
}

/// The words that the local part of a mail address or a name is made of, in small letters, beside the whole.
pub(super) fn parts(name: &str) -> impl Iterator<Item = String> {
    std::iter::once(name)
        .chain(name.split(|char: char| !(char.is_alphanumeric() || "'’".contains(char))))
        .filter(|part| part.chars().nth(1).is_some())
        .map(str::to_lowercase)
}

/// Runs of such characters, without signs at their ends.
fn runs(text: &str, is: impl Fn(char) -> bool) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + text[at..].find(&is)?;
            let end = text[start..]
                .find(|char| !is(char))
                .map_or(text.len(), |length| start + length);
            at = end;
            let run = &text[start..end];
            let begins = run.trim_start_matches(|char: char| !char.is_alphanumeric());
            let start = end - begins.len();
            let end = start
                + begins
                    .trim_end_matches(|char: char| !char.is_alphanumeric())
                    .len();
            if start < end {
                return Some((start, end));
            }
        }
    })
}

fn is_between(char: char) -> bool {
    matches!(char, ' ' | '-' | '_')
}

fn bare(word: &str) -> &str {
    ["'s", "’s", "'S", "’S"]
        .iter()
        .find_map(|own| word.strip_suffix(own))
        .unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_where_it_is_said_in_any_of_these_ways() {
        for (text, name) in [
            ("not to dana", "Dana"),
            ("not to Dana's team", "Dana"),
            ("not the shopping list, please", "Shopping-list.docx"),
            ("not (Shopping_List.docx)", "Shopping-list.docx"),
            ("not to dana-berg.", "Dana Berg"),
            ("not in releases", "#releases"),
            ("not the plan", "plan.txt"),
        ] {
            let found = places(&text.to_lowercase(), name);
            assert_eq!(found.len(), 1, "{text} {name}");
        }
        for (text, name) in [
            ("not to Dana-Marie", "Dana"),
            ("not to Danas", "Dana"),
            ("not to dana@b.example", "Dana"),
            ("not the shopping. List it", "Shopping-list.docx"),
            ("not the list", "Shopping-list.docx"),
            ("not it", "#"),
        ] {
            assert_eq!(places(&text.to_lowercase(), name), [], "{text} {name}");
        }
    }

    #[test]
    fn the_words_of_a_text_hold_no_address() {
        let text = "(Dana's) 'plan' dana.berg, eve@b.example; a-b. The end.";
        let words: Vec<&str> = words(text).map(|(start, end)| &text[start..end]).collect();
        assert_eq!(words, ["Dana", "plan", "dana.berg", "a-b", "The", "end"]);
    }
}
