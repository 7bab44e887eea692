//! Secrets that stay where they are: the words of `--from`, and their line in `cage.toml`.

use carapace_jail::config::{Backend, SecretSource};
use std::path::Path;

/// A place that was named on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Elsewhere {
    from: Backend,
    item: String,
}

/// What may be written.
const WORDS: &str =
    "write pass:ITEM, op://VAULT/ITEM/FIELD, bw:ID, keyring:ACCOUNT, env:VARIABLE or file:PATH";

/// Reads `pass:ITEM`, `op://…`, `bw:ID`, `keyring:ACCOUNT`, `env:VAR` or `file:PATH`.
///
/// # Errors
/// Says what may be written; never what was, which may be the secret itself.
pub(crate) fn parse(text: &str) -> Result<Elsewhere, String> {
    let wrong = || WORDS.to_owned();
    if text.starts_with("op://") {
        return Ok(Elsewhere {
            from: Backend::Op,
            item: text.to_owned(),
        });
    }
    let (from, item) = text.split_once(':').ok_or_else(wrong)?;
    let from = match from {
        "pass" => Backend::Pass,
        "bw" => Backend::Bw,
        "keyring" => Backend::Keyring,
        "env" => Backend::Env,
        "file" => Backend::File,
        _ => return Err(wrong()),
    };
    if item.is_empty() {
        return Err(wrong());
    }
    let item = match from {
        Backend::File => absolute(item).ok_or_else(wrong)?,
        _ => item.to_owned(),
    };
    Ok(Elsewhere { from, item })
}

impl Elsewhere {
    /// The line of `cage.toml`.
    pub(crate) fn source(&self, name: &str) -> SecretSource {
        SecretSource {
            name: name.to_owned(),
            from: self.from,
            item: self.item.clone(),
        }
    }
}

/// In a word, for people.
pub(crate) fn place(source: &SecretSource) -> String {
    match source.from {
        Backend::Op => source.item.clone(),
        from => format!("{}:{}", from.as_str(), source.item),
    }
}

fn absolute(path: &str) -> Option<String> {
    let path = std::path::absolute(Path::new(path)).ok()?;
    path.to_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_backend_and_an_item() {
        let shown = |text: &str| parse(text).map(|one| place(&one.source("a")));
        for text in [
            "pass:ai/x",
            "op://v/i/f",
            "bw:1-2",
            "keyring:a:b",
            "env:X",
            "file:/a/b",
        ] {
            assert_eq!(shown(text).as_deref(), Ok(text));
        }
        for text in ["sk-ant-secret", "vault:x", "pass:", "sk-ant-secret:x"] {
            assert!(!shown(text).unwrap_err().contains("sk-ant"), "{text}");
        }
    }
}
