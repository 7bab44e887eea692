//! Patterns with `*` (anything, also nothing) and `?` (one character), matched against a whole text.
//! Upper and lower case are alike. There is no other sign with a meaning, and no escape.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest pattern, in bytes. Matching costs at most its length times that of the text.
const LONGEST: usize = 128;

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Glob {
    typed: String,
    lower: Vec<char>,
}

impl Glob {
    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.typed
    }

    /// True where it is one text, not many.
    pub fn is_exact(&self) -> bool {
        !self.typed.contains(['*', '?'])
    }

    /// True where every text fits.
    pub fn is_everything(&self) -> bool {
        self.typed.chars().all(|sign| sign == '*')
    }

    /// True where the whole text fits.
    pub fn fits(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
        let (mut at, mut in_pattern) = (0, 0);
        // Behind the last star, and where its part of the text ends: it takes one more on a mismatch.
        let mut star: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.lower.get(in_pattern) {
                Some('*') => {
                    star = Some((in_pattern + 1, at));
                    in_pattern += 1;
                }
                Some(sign) if *sign == '?' || *sign == text[at] => {
                    at += 1;
                    in_pattern += 1;
                }
                _ => {
                    let Some((behind, end)) = star else {
                        return false;
                    };
                    star = Some((behind, end + 1));
                    in_pattern = behind;
                    at = end + 1;
                }
            }
        }
        self.lower[in_pattern..].iter().all(|sign| *sign == '*')
    }
}

impl TryFrom<String> for Glob {
    type Error = String;

    fn try_from(typed: String) -> Result<Self, String> {
        if !(1..=LONGEST).contains(&typed.len()) || typed.chars().any(char::is_control) {
            return Err(format!(
                "a pattern has 1 to {LONGEST} bytes and no control characters"
            ));
        }
        let lower = typed.chars().flat_map(char::to_lowercase).collect();
        Ok(Self { typed, lower })
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> Self {
        glob.typed
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.typed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn glob(text: &str) -> Glob {
        Glob::try_from(text.to_owned()).expect("a pattern")
    }

    #[test]
    fn a_pattern_fits_the_whole_text() {
        assert!(glob("memory.*").fits("memory.write"));
        assert!(!glob("memory.*").fits("my_memory.write"));
        assert!(glob("*@a.example").fits("Bob@A.EXAMPLE"));
        assert!(!glob("*@a.example").fits("bob@a.example.b.example"));
        assert!(glob("a?c").fits("abc") && !glob("a?c").fits("ac"));
        assert!(glob("*a*b*").fits("xxaxxbxx") && !glob("*a*b*").fits("xxbxxaxx"));
        assert!(glob("*").fits("") && glob("**").fits("anything"));
        assert!(glob("[a]").fits("[a]") && !glob("[a]").fits("a"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in ["", "a\nb", &"a".repeat(129)] {
            assert!(Glob::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    /// The same, by trying every length of every star.
    fn slow(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|at| slow(rest, &text[at..])),
            Some((sign, rest)) => text.split_first().is_some_and(|(first, others)| {
                (*sign == '?' || sign == first) && slow(rest, others)
            }),
        }
    }

    proptest! {
        #[test]
        fn it_finds_what_trying_everything_finds(pattern in "[ab*?]{1,8}", text in "[ab]{0,10}") {
            let wanted = slow(
                &pattern.chars().collect::<Vec<_>>(),
                &text.chars().collect::<Vec<_>>(),
            );
            prop_assert_eq!(glob(&pattern).fits(&text), wanted);
        }
    }
}
