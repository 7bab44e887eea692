//! Secrets that lie in the open: in variables of the environment and in files that other programs
//! keep. They are found and read here, so that they can be handed to the broker; nothing is changed
//! or deleted, and `.env` files of projects are nobody's business.

use crate::files;
use carapace_contract::home::Home;
use carapace_contract::id::SecretName;
use carapace_contract::secret::{MAX_SECRET, NewSecret, SecretText};
use serde_json::Value;
use std::fmt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The largest file that is looked into, in bytes.
const FILE: usize = 256 * 1024;
/// The most files of one folder that are looked into.
const FILES: usize = 64;

/// What is found in the file of the AWS command line.
const AWS: &str = "the profile default of AWS";

/// Variables that hold secrets: the variable, and the provider that uses it.
const VARIABLES: [(&str, Option<&str>); 18] = [
    ("ANTHROPIC_API_KEY", Some("anthropic")),
    ("OPENAI_API_KEY", Some("openai")),
    ("GOOGLE_API_KEY", Some("gemini")),
    ("GEMINI_API_KEY", Some("gemini")),
    ("OLLAMA_API_KEY", Some("ollama")),
    ("VENICE_API_KEY", Some("venice")),
    ("ANTHROPIC_SETUP_TOKEN", None),
    ("NEARAI_API_KEY", None),
    ("OPENAI_OAUTH_CLIENT_SECRET", None),
    ("GOOGLE_OAUTH_CLIENT_SECRET", None),
    ("TELEGRAM_BOT_TOKEN", None),
    ("TELEGRAM_WEBHOOK_SECRET", None),
    ("DISCORD_BOT_TOKEN", None),
    ("SLACK_BOT_TOKEN", None),
    ("SLACK_SIGNING_SECRET", None),
    ("MATRIX_ACCESS_TOKEN", None),
    ("MATRIX_PASSWORD", None),
    ("MATRIX_STORE_PASSPHRASE", None),
];

/// Where one lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// These variables of the environment.
    Variables(Vec<String>),
    /// A file, and what in it.
    File(PathBuf, &'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variables(names) => write!(out, "environment: {}", names.join(", ")),
            Self::File(path, what) => write!(out, "{}: {what}", path.display()),
        }
    }
}

impl Place {
    /// How a person gets rid of it, once it is in the vault.
    pub(crate) fn farewell(&self) -> String {
        match self {
            Self::Variables(names) => format!(
                "remove {} from the file that sets it (~/.profile, ~/.bashrc, ~/.zshrc, a service file), then log in anew",
                names.join(", ")
            ),
            Self::File(path, AWS) => format!(
                "if no other program needs it, remove the part [default] from {}",
                path.display()
            ),
            Self::File(path, _) => {
                format!("if no other program needs it: shred -u {}", path.display())
            }
        }
    }
}

/// One that was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// Where.
    pub(crate) place: Place,
    /// What it would be called in the vault.
    pub(crate) name: SecretName,
    /// The well-known kind of provider that uses it.
    pub(crate) provider: Option<&'static str>,
    /// An address that the environment gives for that provider.
    pub(crate) address: Option<String>,
    /// The value.
    pub(crate) secret: NewSecret,
}

/// Where to look.
pub(crate) struct Surroundings<'a> {
    /// A variable of the environment.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
    /// The person's folder.
    pub(crate) user: Option<&'a Path>,
    /// Ours.
    pub(crate) home: &'a Home,
}

/// Looks in this process's surroundings.
pub(crate) fn find(home: &Home) -> Vec<Found> {
    let user = std::env::var_os("HOME").map(PathBuf::from);
    find_in(&Surroundings {
        variable: &|name| {
            std::env::var(name)
                .ok()
                .filter(|value| !value.trim().is_empty())
        },
        user: user.as_deref().filter(|path| path.is_absolute()),
        home,
    })
}

/// Looks around. What cannot be read is passed over.
pub(crate) fn find_in(around: &Surroundings<'_>) -> Vec<Found> {
    let mut found = variables(around);
    if let Some(user) = around.user {
        found.extend(claude(&user.join(".claude/.credentials.json")));
        found.extend(codex(&user.join(".codex/auth.json")));
        found.extend(aws(&user.join(".aws/credentials")));
        found.extend(key_files(&user.join(".carapace/credentials"), false));
        found.extend(key_files(&user.join(".carapace/credentials/plugins"), true));
    }
    let ours = around.home.root().join("credentials");
    if around
        .user
        .is_none_or(|user| user.join(".carapace/credentials") != ours)
    {
        found.extend(key_files(&ours, false));
        found.extend(key_files(&ours.join("plugins"), true));
    }
    found
}

fn variables(around: &Surroundings<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for (variable, provider) in VARIABLES {
        let Some(value) = (around.variable)(variable) else {
            continue;
        };
        let named = match provider {
            Some(provider) => provider.to_owned(),
            None => variable.to_lowercase().replace('_', "-"),
        };
        let address = provider
            .and_then(super::vendor::of)
            .and_then(|vendor| vendor.address)
            .and_then(|name| (around.variable)(name));
        found.extend(
            one(
                Place::Variables(vec![variable.to_owned()]),
                &named,
                provider,
                key(value),
            )
            .map(|found| Found { address, ..found }),
        );
    }
    let aws = [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    ];
    if let (Some(id), Some(secret)) = ((around.variable)(aws[0]), (around.variable)(aws[1])) {
        let token = (around.variable)(aws[2]);
        let there = aws[..2 + usize::from(token.is_some())].iter();
        let place = Place::Variables(there.map(|name| (*name).to_owned()).collect());
        found.extend(one(
            place,
            "bedrock",
            Some("bedrock"),
            aws_secret(id, secret, token),
        ));
    }
    found
}

/// What Claude Code keeps: `claudeAiOauth` with access and refresh token and an end in milliseconds.
fn claude(path: &Path) -> Option<Found> {
    let value = json(path)?;
    let login = value.get("claudeAiOauth")?;
    let secret = NewSecret::Oauth {
        access_token: text(login.get("accessToken"))?,
        refresh_token: text(login.get("refreshToken")),
        expires: login
            .get("expiresAt")
            .and_then(Value::as_i64)
            .map(|end| end / 1000),
    };
    one(
        Place::File(path.to_owned(), "the login of Claude Code"),
        "claude-login",
        None,
        secret,
    )
}

/// What Codex keeps: an API key, or the tokens of a login.
fn codex(path: &Path) -> Vec<Found> {
    let Some(value) = json(path) else {
        return Vec::new();
    };
    let api_key = text(value.get("OPENAI_API_KEY")).and_then(|value| {
        let place = Place::File(path.to_owned(), "the API key of Codex");
        one(place, "openai", Some("openai"), NewSecret::Key { value })
    });
    let tokens = value.get("tokens").and_then(|tokens| {
        let secret = NewSecret::Oauth {
            access_token: text(tokens.get("access_token"))?,
            refresh_token: text(tokens.get("refresh_token")),
            expires: None,
        };
        one(
            Place::File(path.to_owned(), "the login of Codex"),
            "codex-login",
            None,
            secret,
        )
    });
    api_key.into_iter().chain(tokens).collect()
}

/// The profile `default` of the AWS command line.
fn aws(path: &Path) -> Option<Found> {
    let text = Zeroizing::new(files::read(path, FILE).ok()?);
    let mut section = "";
    let mut values = [None, None, None];
    let names = [
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
    ];
    for line in text.lines().map(str::trim) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            section = name.trim();
        } else if let Some((name, value)) = line.split_once('=').filter(|_| section == "default")
            && let Some(at) = names.iter().position(|known| name.trim() == *known)
            && !value.trim().is_empty()
        {
            values[at] = Some(value.trim().to_owned());
        }
    }
    let [Some(id), Some(secret), token] = values else {
        return None;
    };
    let place = Place::File(path.to_owned(), AWS);
    one(
        place,
        "bedrock",
        Some("bedrock"),
        aws_secret(id, secret, token),
    )
}

/// Files with one value each, as earlier programs of this name kept them: `NAME-api-key`, and with
/// `of_plugins` a folder for each plugin.
fn key_files(folder: &Path, of_plugins: bool) -> Vec<Found> {
    let mut found = Vec::new();
    for path in entries(folder) {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if of_plugins {
            for file in entries(&path) {
                let key_name = file
                    .file_name()
                    .and_then(|name| name.to_str())
                    .unwrap_or_default();
                let named = format!("{name}.{key_name}")
                    .to_lowercase()
                    .replace('_', "-");
                found.extend(key_file(&file, &named, None));
            }
        } else if let Some(provider) = name.strip_suffix("-api-key") {
            let known = super::vendor::of(provider).map(|vendor| vendor.kind);
            found.extend(key_file(&path, provider, known));
        }
    }
    found
}

fn key_file(path: &Path, name: &str, provider: Option<&'static str>) -> Option<Found> {
    if !path.symlink_metadata().ok()?.is_file() {
        return None;
    }
    let value = files::read(path, MAX_SECRET).ok()?;
    let place = Place::File(path.to_owned(), "a key of an earlier carapace");
    one(place, name, provider, key(value))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(read) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = read
        .flatten()
        .take(FILES)
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths
}

/// Nothing where the value is empty or the name cannot be used.
fn one(
    place: Place,
    name: &str,
    provider: Option<&'static str>,
    secret: NewSecret,
) -> Option<Found> {
    let empty = matches!(&secret, NewSecret::Key { value } if value.reveal().is_empty());
    let name = name.parse().ok().filter(|_| !empty)?;
    Some(Found {
        place,
        name,
        provider: provider.filter(|kind| super::vendor::of(kind).is_some()),
        address: None,
        secret,
    })
}

fn key(value: String) -> NewSecret {
    let value = Zeroizing::new(value);
    NewSecret::Key {
        value: SecretText::new(value.trim().to_owned()),
    }
}

fn aws_secret(id: String, secret: String, token: Option<String>) -> NewSecret {
    NewSecret::Aws {
        access_key_id: SecretText::new(id),
        secret_access_key: SecretText::new(secret),
        session_token: token.map(SecretText::new),
    }
}

fn json(path: &Path) -> Option<Value> {
    let text = Zeroizing::new(files::read(path, FILE).ok()?);
    serde_json::from_str(&text).ok()
}

fn text(value: Option<&Value>) -> Option<SecretText> {
    let text = value?.as_str()?.trim();
    (!text.is_empty()).then(|| SecretText::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn what_lies_in_the_open_is_found_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let user = folder.path();
        write(
            user,
            ".claude/.credentials.json",
            r#"{"claudeAiOauth":{"accessToken":"VALUE1","refreshToken":"VALUE2","expiresAt":1700000000000}}"#,
        );
        write(
            user,
            ".codex/auth.json",
            r#"{"OPENAI_API_KEY":"VALUE3","tokens":{"access_token":"VALUE4","refresh_token":"VALUE5"}}"#,
        );
        write(
            user,
            ".aws/credentials",
            "[other]\naws_access_key_id=x\n[default]\naws_access_key_id = VALUE6\naws_secret_access_key=VALUE7\n",
        );
        write(user, "h/credentials/anthropic-api-key", "VALUE8\n");
        write(user, "h/credentials/plugins/mail/SMTP_PASSWORD", "VALUE9");
        write(user, ".env", "ANTHROPIC_API_KEY=VALUE10");
        let home = Home::at(user.join("h"));
        let found = find_in(&Surroundings {
            variable: &|name| match name {
                "OPENAI_API_KEY" | "TELEGRAM_BOT_TOKEN" => Some("VALUE0".to_owned()),
                "OPENAI_BASE_URL" => Some("https://proxy.example/v1".to_owned()),
                "AWS_ACCESS_KEY_ID" => Some("only half".to_owned()),
                _ => None,
            },
            user: Some(user),
            home: &home,
        });
        let names: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "openai",
                "telegram-bot-token",
                "claude-login",
                "openai",
                "codex-login",
                "bedrock",
                "anthropic",
                "mail.smtp-password"
            ]
        );
        assert_eq!(
            found[0].address.as_deref(),
            Some("https://proxy.example/v1")
        );
        assert!(matches!(
            &found[2].secret,
            NewSecret::Oauth {
                expires: Some(1_700_000_000),
                ..
            }
        ));
        assert!(matches!(&found[6].secret, NewSecret::Key { value } if value.reveal() == "VALUE8"));
        assert!(!format!("{found:?}").contains("VALUE"));
    }

    #[test]
    fn broken_files_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let user = folder.path();
        write(user, ".claude/.credentials.json", "{");
        write(user, ".codex/auth.json", r#"{"OPENAI_API_KEY":null}"#);
        write(user, ".aws/credentials", "[default\naws_access_key_id");
        write(user, ".carapace/credentials/openai-api-key", "\n");
        let home = Home::at(user.join("h"));
        let around = Surroundings {
            variable: &|_| None,
            user: Some(user),
            home: &home,
        };
        assert!(find_in(&around).is_empty());
    }
}
