//! The command line: one of six places and an item there, or one of three words for the keyring.
//! The supervisor has checked the item in the owner's file; here it is checked again, by whom it
//! would harm: it becomes an argument of another program.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The most bytes of an item.
pub const MAX_ITEM: usize = 512;

const USAGE: &str = "carapace-secret-helper pass|op|bw|keyring|env|file ITEM, \
    or keyring-set ACCOUNT, keyring-delete ACCOUNT, keyring-probe";

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// The value goes to standard output.
    Read(Source),
    /// The value comes from standard input.
    KeyringSet(Account),
    /// Remove the item.
    KeyringDelete(Account),
    /// Does a keyring answer, and is it open?
    KeyringProbe,
}

/// Where a secret lives.
#[derive(Debug, PartialEq, Eq)]
pub enum Source {
    /// The store of `pass`: a name in it.
    Pass(Item),
    /// 1Password: a secret reference.
    Op(Reference),
    /// Bitwarden or Vaultwarden: the id of an item, or words that find exactly one.
    Bw(Item),
    /// The desktop's keyring.
    Keyring(Account),
    /// A variable of the environment.
    Env(Variable),
    /// A file that holds the secret alone.
    File(AbsolutePath),
}

/// 1 to [`MAX_ITEM`] bytes of text without control characters that do not look like an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item(String);

impl Item {
    /// From an argument.
    ///
    /// # Errors
    /// [`RequestError::Item`] with what is wrong.
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        let wrong = if text.is_empty() {
            "it is empty"
        } else if text.len() > MAX_ITEM {
            "it is over 512 bytes"
        } else if text.starts_with('-') {
            "it begins with '-'"
        } else if text.chars().any(char::is_control) {
            "it holds a control character"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(RequestError::Item(wrong))
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl AsRef<OsStr> for Item {
    fn as_ref(&self) -> &OsStr {
        self.0.as_ref()
    }
}

macro_rules! item {
    ($(#[$doc:meta])* $name:ident, $check:expr, $wrong:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(Item);

        impl $name {
            /// From an item.
            ///
            /// # Errors
            /// [`RequestError::Item`] with what is wrong.
            pub fn parse(item: Item) -> Result<Self, RequestError> {
                let check: fn(&str) -> bool = $check;
                if check(item.text()) { Ok(Self(item)) } else { Err(RequestError::Item($wrong)) }
            }

            /// The text.
            pub fn text(&self) -> &str {
                self.0.text()
            }
        }
    };
}

item!(
    /// `op://vault/item/field`, as 1Password writes it.
    Reference, |text| text.starts_with("op://"), "it does not begin with op://"
);
item!(
    /// Which item of the keyring, among those of carapace.
    Account, |_| true, ""
);
item!(
    /// The name of a variable as a shell can write it.
    Variable,
    |text| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !text.starts_with(|first: char| first.is_ascii_digit()),
    "it is no name of a variable"
);

/// A path from the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbsolutePath(PathBuf);

impl AbsolutePath {
    /// From an item.
    ///
    /// # Errors
    /// [`RequestError::Item`] for a path that is not absolute.
    pub fn parse(item: Item) -> Result<Self, RequestError> {
        let path = PathBuf::from(item.text());
        if path.is_absolute() {
            Ok(Self(path))
        } else {
            Err(RequestError::Item("it is no absolute path"))
        }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Request {
    /// From the arguments after the program's name.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self, RequestError> {
        // One more than any request has, so that too many are seen and not collected.
        let arguments = arguments
            .take(3)
            .map(|argument| argument.into_string().map_err(|_| RequestError::NotText))
            .collect::<Result<Vec<_>, _>>()?;
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Ok(match words.as_slice() {
            ["pass", item] => Self::Read(Source::Pass(Item::parse(item)?)),
            ["op", item] => Self::Read(Source::Op(Reference::parse(Item::parse(item)?)?)),
            ["bw", item] => Self::Read(Source::Bw(Item::parse(item)?)),
            ["keyring", item] => Self::Read(Source::Keyring(Account::parse(Item::parse(item)?)?)),
            ["env", item] => Self::Read(Source::Env(Variable::parse(Item::parse(item)?)?)),
            ["file", item] => Self::Read(Source::File(AbsolutePath::parse(Item::parse(item)?)?)),
            ["keyring-set", item] => Self::KeyringSet(Account::parse(Item::parse(item)?)?),
            ["keyring-delete", item] => Self::KeyringDelete(Account::parse(Item::parse(item)?)?),
            ["keyring-probe"] => Self::KeyringProbe,
            _ => return Err(RequestError::Words),
        })
    }
}

/// Why a command line asks nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not one of the requests.
    #[error("read the command line: it is none of this program's requests\n  remedy: {USAGE}")]
    Words,
    /// An argument that is not UTF-8.
    #[error("read the command line: an argument is not UTF-8\n  remedy: {USAGE}")]
    NotText,
    /// An item that is none. It is not shown: somebody may have put the secret there.
    #[error("check the item: {0}\n  remedy: correct `item` of this secret in cage.toml")]
    Item(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Request, RequestError> {
        Request::parse(words.iter().map(OsString::from))
    }

    #[test]
    fn an_item_that_could_be_an_option_or_split_an_argument_is_refused() {
        for item in ["", "-", "--clip", "a\0b", "a\nb", "a\u{1b}[2J", "a\u{85}b"] {
            for from in [
                "pass",
                "bw",
                "keyring",
                "keyring-set",
                "keyring-delete",
                "file",
                "env",
                "op",
            ] {
                assert!(
                    matches!(parse(&[from, item]), Err(RequestError::Item(_))),
                    "{from} {item:?}"
                );
            }
        }
        assert!(parse(&["pass", &"a".repeat(MAX_ITEM)]).is_ok());
        assert!(parse(&["pass", &"a".repeat(MAX_ITEM + 1)]).is_err());
    }

    #[test]
    fn each_place_has_its_form_of_item() {
        assert!(parse(&["op", "op://vault/item/field"]).is_ok());
        assert!(parse(&["op", "vault/item/field"]).is_err());
        assert!(parse(&["env", "_API_KEY1"]).is_ok());
        for name in ["1A", "A=B", "A-B", "A B", "ÄA"] {
            assert!(parse(&["env", name]).is_err(), "{name}");
        }
        assert!(parse(&["file", "/run/key"]).is_ok());
        assert!(parse(&["file", "run/key"]).is_err());
    }

    #[test]
    fn too_few_and_too_many_words_are_refused() {
        for words in [
            &[][..],
            &["pass"],
            &["pass", "a", "b"],
            &["keyring-probe", "a"],
            &["PASS", "a"],
        ] {
            assert_eq!(parse(words), Err(RequestError::Words));
        }
    }
}
