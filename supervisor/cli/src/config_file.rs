//! `config.toml` as a file: read, and changed key by key without losing the owner's comments. The
//! whole is validated before a byte is written.

use crate::failure::{Exit, Explain, split_remedy};
use crate::files;
use carapace_contract::config::{Config, ConfigError, MAX_CONFIG};
use carapace_contract::home::Home;
use serde_json::Value;
use std::io;
use std::path::PathBuf;
use toml_edit::{DocumentMut, Item, Table};

/// Why the configuration was not read or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigFileError {
    /// The file cannot be read or written.
    #[error("{step} the configuration: {path}: {cause}")]
    Io {
        /// What was being done.
        step: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// What it says cannot be used.
    #[error("reading the configuration: {}", split_remedy(&.0.to_string()).0)]
    Invalid(#[from] ConfigError),
    /// The change would make it unusable.
    #[error("changing the configuration: {key}: {}", split_remedy(&.cause.to_string()).0)]
    Change {
        /// The key.
        key: String,
        /// What would be wrong.
        cause: ConfigError,
    },
    /// No such key.
    #[error("looking up the configuration: there is no key {0:?}")]
    UnknownKey(String, Option<String>),
    /// Not a key at all.
    #[error("looking up the configuration: {0:?} is not a key")]
    BadKey(String),
}

impl Explain for ConfigFileError {
    fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "config-file",
            Self::Invalid(_) => "config-invalid",
            Self::Change { .. } => "config-value",
            Self::UnknownKey(..) | Self::BadKey(_) => "config-key",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Io { cause, .. } if cause.kind() == io::ErrorKind::NotFound => {
                "make it with `carapace start`".to_owned()
            }
            Self::Io { cause, .. } if cause.kind() == io::ErrorKind::StorageFull => {
                "free space on that disk and try again; the file is as it was".to_owned()
            }
            Self::Io { .. } => "mend what the system names; the file is as it was".to_owned(),
            Self::Invalid(error) | Self::Change { cause: error, .. } => {
                split_remedy(&error.to_string()).1
            }
            Self::UnknownKey(_, Some(near)) => {
                format!("did you mean {near:?}? `carapace config show --defaults` shows every key")
            }
            Self::UnknownKey(_, None) => {
                "`carapace config show --defaults` shows every key".to_owned()
            }
            Self::BadKey(_) => "write it with dots, such as limits.rounds".to_owned(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Io { .. } => Exit::Failed,
            Self::Invalid(_) => Exit::Configuration,
            Self::Change { .. } | Self::UnknownKey(..) | Self::BadKey(_) => Exit::Usage,
        }
    }
}

/// Its text, and what it says.
///
/// # Errors
/// [`ConfigFileError::Io`], [`ConfigFileError::Invalid`]
pub(crate) fn load(home: &Home) -> Result<(String, Config), ConfigFileError> {
    let text = text(home)?;
    let config = Config::parse(&text)?;
    Ok((text, config))
}

/// Its text, whether it can be used or not.
///
/// # Errors
/// [`ConfigFileError::Io`]
pub(crate) fn text(home: &Home) -> Result<String, ConfigFileError> {
    let path = home.config();
    files::read(&path, MAX_CONFIG).map_err(|cause| ConfigFileError::Io {
        step: "reading",
        path,
        cause,
    })
}

/// The value of a dotted key, defaults included.
///
/// # Errors
/// [`ConfigFileError::UnknownKey`] with the nearest one.
pub(crate) fn value(config: &Config, key: &str) -> Result<Value, ConfigFileError> {
    let whole = as_json(config);
    let mut here = &whole;
    for part in parts(key)? {
        let next = match here {
            Value::Array(items) => part.parse().ok().and_then(|at: usize| items.get(at)),
            other => other.get(&part),
        };
        here = next.ok_or_else(|| unknown(key, &whole))?;
    }
    Ok(here.clone())
}

/// Changes several keys at once, or none: (dotted key, value as it is typed). Gives the new text.
///
/// # Errors
/// The first key that is not known, or what the new whole lacks; nothing is written then.
pub(crate) fn set(home: &Home, changes: &[(String, String)]) -> Result<(), ConfigFileError> {
    let changed = change(&text(home)?, changes)?;
    let path = home.config();
    files::replace(&path, changed.as_bytes()).map_err(|cause| ConfigFileError::Io {
        step: "writing",
        path,
        cause,
    })
}

/// Puts an earlier text back.
///
/// # Errors
/// [`ConfigFileError::Io`]
pub(crate) fn restore(home: &Home, text: &str) -> Result<(), ConfigFileError> {
    let path = home.config();
    files::replace(&path, text.as_bytes()).map_err(|cause| ConfigFileError::Io {
        step: "writing",
        path,
        cause,
    })
}

/// Pure: the text after the changes, comments kept, valid as a whole.
fn change(text: &str, changes: &[(String, String)]) -> Result<String, ConfigFileError> {
    let document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| ConfigError::Syntax(error.to_string()))?;
    let known = as_json(&Config::parse(text).unwrap_or_default());
    for (key, _) in changes {
        check_known(key, &known)?;
    }
    let key = changes
        .iter()
        .map(|(key, _)| key.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    // A value is TOML where that is valid, else it is a text: `limits.rounds 30`, `model.route offline`.
    let mut last = None;
    for as_text in [false, true] {
        let mut document = document.clone();
        for (key, typed) in changes {
            put(&mut document, &parts(key)?, typed, as_text);
        }
        let changed = document.to_string();
        match Config::parse(&changed) {
            Ok(_) => return Ok(changed),
            Err(cause) => last = last.or(Some(cause)),
        }
    }
    // NOTE(unwrap_or): the loop ran, so there is a first error.
    let cause = last.unwrap_or_else(|| ConfigError::Syntax("it cannot be changed".to_owned()));
    Err(ConfigFileError::Change { key, cause })
}

fn put(document: &mut DocumentMut, parts: &[String], typed: &str, as_text: bool) {
    let parsed = if as_text {
        None
    } else {
        typed.trim().parse::<toml_edit::Value>().ok()
    };
    let mut value = parsed.unwrap_or_else(|| typed.into());
    let Some((name, tables)) = parts.split_last() else {
        return;
    };
    let mut table: &mut Table = document.as_table_mut();
    for part in tables {
        let item = table.entry(part).or_insert_with(|| {
            let mut fresh = Table::new();
            fresh.set_implicit(true);
            Item::Table(fresh)
        });
        if let Item::Value(toml_edit::Value::InlineTable(inline)) = item {
            *item = Item::Table(std::mem::take(inline).into_table());
        }
        match item.as_table_mut() {
            Some(next) => table = next,
            // Something else stands there; the validation of the whole will name it.
            None => return,
        }
    }
    // The comment behind the old value stays behind the new one.
    if let Some(old) = table.get(name).and_then(Item::as_value) {
        *value.decor_mut() = old.decor().clone();
    }
    let item = match value {
        toml_edit::Value::InlineTable(inline) => Item::Table(inline.into_table()),
        value => Item::Value(value),
    };
    table.insert(name, item);
}

/// Keys below `providers.NAME` are checked by the typed configuration; all others must exist.
fn check_known(key: &str, known: &Value) -> Result<(), ConfigFileError> {
    let parts = parts(key)?;
    let found = match parts
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["providers", _] => true,
        ["providers", _, field] => PROVIDER_FIELDS.contains(field),
        ["routes", _] => true,
        ["routes", _, field] => ROUTE_FIELDS.contains(field),
        ["grants" | "prices" | "budgets"] => true,
        ["network", "ca-pem" | "proxy" | "private-origins"] => true,
        path => path
            .iter()
            .try_fold(known, |here, part| here.get(part))
            .is_some_and(|value| !value.is_object()),
    };
    if found {
        Ok(())
    } else {
        Err(unknown(key, known))
    }
}

const PROVIDER_FIELDS: [&str; 9] = [
    "kind",
    "base-url",
    "secret",
    "auth",
    "region",
    "thinking-tokens",
    "oauth",
    "first-byte-ms",
    "deadline-ms",
];
const ROUTE_FIELDS: [&str; 3] = ["models", "first-byte-ms", "deadline-ms"];

fn unknown(key: &str, whole: &Value) -> ConfigFileError {
    let mut all = Vec::new();
    keys(whole, "", &mut all);
    let mut parts = key.split('.');
    if let (Some("providers"), Some(name), Some(_)) = (parts.next(), parts.next(), parts.next()) {
        all.extend(
            PROVIDER_FIELDS
                .iter()
                .map(|field| format!("providers.{name}.{field}")),
        );
    }
    // The last part alone is as good as a typo.
    let distance = |known: &str| match known.ends_with(&format!(".{key}")) {
        true => 0,
        false => strsim::damerau_levenshtein(key, known),
    };
    let near = all
        .into_iter()
        .map(|known| (distance(&known), known))
        .min()
        .filter(|(distance, known)| *distance <= 2 + known.len() / 6)
        .map(|(_, known)| known);
    ConfigFileError::UnknownKey(key.to_owned(), near)
}

fn keys(value: &Value, prefix: &str, all: &mut Vec<String>) {
    let Value::Object(map) = value else {
        all.push(prefix.to_owned());
        return;
    };
    for (name, value) in map {
        let key = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        keys(value, &key, all);
    }
}

fn parts(key: &str) -> Result<Vec<String>, ConfigFileError> {
    let parts: Vec<String> = key.split('.').map(str::to_owned).collect();
    if parts
        .iter()
        .any(|part| part.is_empty() || part.chars().any(|c| c.is_control() || c.is_whitespace()))
    {
        return Err(ConfigFileError::BadKey(key.chars().take(80).collect()));
    }
    Ok(parts)
}

fn as_json(config: &Config) -> Value {
    // NOTE(unwrap_or_default): a configuration is plain data.
    serde_json::to_value(config).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use carapace_contract::config::DEFAULT_TEXT;

    fn one(key: &str, value: &str) -> Result<String, ConfigFileError> {
        change(DEFAULT_TEXT, &[(key.to_owned(), value.to_owned())])
    }

    #[test]
    fn a_change_keeps_every_comment() {
        let changed = one("limits.rounds", "30").unwrap();
        assert_eq!(
            changed,
            DEFAULT_TEXT.replace("rounds = 24 ", "rounds = 30 ")
        );
    }

    #[test]
    fn a_value_is_toml_where_that_fits_and_text_where_not() {
        assert!(
            one("model.route", "offline")
                .unwrap()
                .contains("route = \"offline\"")
        );
        assert!(one("model.route", "\"offline\"").is_ok());
        assert!(matches!(
            one("limits.rounds", "many"),
            Err(ConfigFileError::Change { .. })
        ));
        assert!(matches!(
            one("limits.rounds", "0"),
            Err(ConfigFileError::Change { .. })
        ));
    }

    #[test]
    fn a_typo_is_answered_with_the_nearest_key() {
        for (typo, meant) in [
            ("limits.roundz", "limits.rounds"),
            ("model.rout", "model.route"),
            ("rounds", "limits.rounds"),
        ] {
            match one(typo, "1") {
                Err(error @ ConfigFileError::UnknownKey(..)) => {
                    assert!(error.remedy().contains(meant), "{}", error.remedy())
                }
                other => panic!("{typo}: {other:?}"),
            }
        }
        assert!(matches!(
            one("limits", "1"),
            Err(ConfigFileError::UnknownKey(..))
        ));
        assert!(matches!(one("a..b", "1"), Err(ConfigFileError::BadKey(_))));
    }

    #[test]
    fn a_provider_and_its_route_are_set_together() {
        let changes = [
            ("providers.local.kind", "openai-compatible"),
            ("providers.local.base-url", "http://127.0.0.1:11434/v1"),
            ("model.route", "local:llama3.2"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
        let changed = change(DEFAULT_TEXT, &changes).unwrap();
        let config = Config::parse(&changed).unwrap();
        let found = config.candidates(&config.model.route).unwrap();
        assert_eq!(found[0].0.to_string(), "local:llama3.2");
        assert!(matches!(
            change(DEFAULT_TEXT, &changes[2..]),
            Err(ConfigFileError::Change { .. })
        ));
        let inline = "{kind=\"openai-compatible\", base-url=\"http://127.0.0.1:1/v1\"}";
        let first = one("providers.local", inline).unwrap();
        assert!(
            change(
                &first,
                &[(
                    "providers.local.base-url".into(),
                    "http://127.0.0.1:2/v1".into()
                )]
            )
            .unwrap()
            .contains(":2/v1")
        );
    }

    #[test]
    fn a_value_is_looked_up_with_its_default() {
        let config = Config::default();
        assert_eq!(value(&config, "limits.rounds").unwrap(), 24);
        assert_eq!(value(&config, "limits").unwrap()["rounds"], 24);
        assert!(value(&config, "limits.nothing").is_err());
    }
}
