//! What people paste in place of a key, and what they meant. Only what is certain is mended; the
//! rest is said. No sentence here holds a part of what was pasted.

use super::vendor::{self, Vendor};
use crate::failure::{Exit, Explain};
use carapace_contract::secret::SecretText;

/// Below this a value is too short to be anyone's key.
const SHORT: usize = 8;

/// Why a paste is no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasteError {
    /// It is empty once everything around it is gone.
    #[error("reading the key: nothing is left of it without what stands around it")]
    Nothing,
    /// A shortened display of a key.
    #[error("reading the key: this is a key as a web page shows it, with its middle left out")]
    Shortened,
}

impl Explain for PasteError {
    fn code(&self) -> &'static str {
        match self {
            Self::Nothing => "key-empty",
            Self::Shortened => "key-shortened",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Nothing => "paste the key alone",
            Self::Shortened => {
                "copy the whole key; most vendors show it only once, when it is made"
            }
        }
        .to_owned()
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// The key in what was pasted, and what the person should know about it.
///
/// # Errors
/// [`PasteError`]
pub(crate) fn tidy(
    pasted: &SecretText,
    vendor: Option<&Vendor>,
) -> Result<(SecretText, Vec<String>), PasteError> {
    let mut notes = Vec::new();
    let mut key = pasted.reveal().trim();
    if key.len() != pasted.reveal().len() {
        notes.push("spaces around it were left out".to_owned());
    }
    if let Some(value) = assigned(key) {
        key = value;
        notes.push("a whole assignment was pasted; its value was taken".to_owned());
    }
    if let Some(value) = header(key) {
        key = value;
        notes.push("a whole header was pasted; its value was taken".to_owned());
    }
    let bare = unquoted(key);
    if bare.len() != key.len() {
        key = bare;
        notes.push("the quotes around it were left out".to_owned());
    }
    if key.is_empty() {
        return Err(PasteError::Nothing);
    }
    if key.contains("...") || key.contains('…') || key.contains("***") || key.contains('•') {
        return Err(PasteError::Shortened);
    }
    if key.len() < SHORT {
        notes.push("it is very short: it cannot be recognised where it should not be".to_owned());
    }
    if vendor.is_some() && key.contains(char::is_whitespace) {
        notes.push("it has a space or a line break in it, which keys have not".to_owned());
    }
    if let Some(vendor) = vendor.filter(|vendor| !vendor.fits(key)) {
        notes.push(match vendor::by_prefix(key) {
            Some(other) => format!(
                "it looks like a key of {}, not of {}",
                other.name, vendor.name
            ),
            None => format!(
                "keys of {} begin with {}, this one does not",
                vendor.name,
                vendor.prefixes.join(" or ")
            ),
        });
    }
    Ok((SecretText::new(key.to_owned()), notes))
}

/// The value of `export NAME=VALUE`, `NAME=VALUE` and `set -x NAME VALUE`. A name is written in
/// capitals, so that a key with an equals sign in it stays whole.
fn assigned(line: &str) -> Option<&str> {
    let rest = line
        .strip_prefix("export ")
        .or_else(|| line.strip_prefix("setx "))
        .map(str::trim_start);
    let fish = ["set -x ", "set -gx ", "set -Ux "]
        .iter()
        .find_map(|start| line.strip_prefix(start));
    let is_name = |name: &str| {
        name.len() >= 3
            && name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.contains('_')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let (name, value) = match fish {
        Some(rest) => rest.trim_start().split_once(' ')?,
        None => rest.unwrap_or(line).split_once(['=', ' '])?,
    };
    is_name(name.trim()).then(|| value.trim().trim_end_matches(';').trim_end())
}

/// The value of a header line.
fn header(line: &str) -> Option<&str> {
    let lower = line.get(..line.len().min(24))?.to_ascii_lowercase();
    let behind = [
        "authorization: bearer ",
        "x-goog-api-key: ",
        "x-api-key: ",
        "bearer ",
    ]
    .iter()
    .find(|start| lower.starts_with(**start))?;
    Some(line[behind.len()..].trim())
}

fn unquoted(text: &str) -> &str {
    for quote in ['"', '\'', '`'] {
        if let Some(inner) = text
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
        {
            return inner.trim();
        }
    }
    text
}

/// Whether a text has a word in it that looks like somebody's key. Such a line is not kept in a history.
pub(crate) fn shows_a_key(text: &str) -> bool {
    const MARKS: [&str; 12] = [
        "sk-",
        "AIza",
        "AKIA",
        "ASIA",
        "ABSK",
        "ghp_",
        "gho_",
        "github_pat_",
        "xoxb-",
        "xoxp-",
        "glpat-",
        "AGE-SECRET-KEY-",
    ];
    text.split(|c: char| c.is_whitespace() || "\"'`=:,;()[]{}<>".contains(c))
        .any(|word| word.len() >= 16 && MARKS.iter().any(|mark| word.starts_with(mark)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tidied(pasted: &str, kind: &str) -> (String, String) {
        let (key, notes) = tidy(&SecretText::new(pasted.to_owned()), vendor::of(kind)).unwrap();
        (key.reveal().to_owned(), notes.join("; "))
    }

    #[test]
    fn what_was_meant_is_taken() {
        const KEY: &str = "sk-ant-api03-abcdefghijkl";
        for pasted in [
            format!("  {KEY} \n"),
            format!("export ANTHROPIC_API_KEY={KEY}"),
            format!("export ANTHROPIC_API_KEY=\"{KEY}\";"),
            format!("ANTHROPIC_API_KEY='{KEY}'"),
            format!("set -gx ANTHROPIC_API_KEY {KEY}"),
            format!("setx ANTHROPIC_API_KEY {KEY}"),
            format!("x-api-key: {KEY}"),
            format!("Authorization: Bearer {KEY}"),
            format!("\"{KEY}\""),
        ] {
            let (key, notes) = tidied(&pasted, "anthropic");
            assert_eq!(key, KEY, "{pasted}");
            assert!(
                !notes.is_empty() && !notes.contains("begin with"),
                "{notes}"
            );
        }
        assert_eq!(tidied(KEY, "anthropic").1, "");
        assert_eq!(tidied("abcd1234==efgh", "ollama").0, "abcd1234==efgh");
    }

    #[test]
    fn a_key_of_somebody_else_is_named() {
        assert!(
            tidied("sk-ant-api03-abcdef", "openai")
                .1
                .contains("Anthropic, not of OpenAI")
        );
        assert!(
            tidied("hello-world-hello", "gemini")
                .1
                .contains("begin with AIza")
        );
        assert!(tidied("sk-a b-cdefghij", "openai").1.contains("space"));
        for shown in ["sk-ant-…xyz", "sk-ant-...", "sk-****"] {
            let pasted = SecretText::new(shown.to_owned());
            assert!(matches!(tidy(&pasted, None), Err(PasteError::Shortened)));
        }
    }

    #[test]
    fn a_line_with_a_key_is_known() {
        assert!(shows_a_key("my key is sk-ant-api03-abcdefghij, use it"));
        assert!(shows_a_key("KEY=\"AIzaSyA1234567890abcdef\""));
        assert!(!shows_a_key(
            "sk- is how keys begin; ask-me-anything-you-like-today"
        ));
    }

    proptest! {
        #[test]
        fn no_note_holds_a_part_of_the_key(key in "[a-z]{2}-[A-Za-z0-9]{12,40}") {
            let (tidy, notes) = tidied(&format!(" {key} "), "anthropic");
            prop_assert_eq!(&tidy, &key);
            prop_assert!(!notes.contains(&key[3..]));
        }

        #[test]
        fn anything_may_be_pasted(pasted in any::<String>()) {
            let _ = tidy(&SecretText::new(pasted.clone()), vendor::of("openai"));
            shows_a_key(&pasted);
        }
    }
}
