//! `cage.toml`: what the owner waives, which folders are mounted into the hands' cage, which ids
//! cages get, which name servers are asked, which secrets stay where they are and by which programs
//! they are read. Written by the cli alone, read by the supervisor alone; the broker never sees it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Layer, ids};

/// The typed content of `cage.toml`. The default waives nothing and mounts nothing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct CageConfig {
    /// Layers that may be absent on this machine. Only `landlock` and `namespaces`, and not both.
    pub allow_missing: Vec<Layer>,
    /// Folders of the owner, shown read-only under `/mnt` in the hands' cage.
    pub mounts: Vec<Mount>,
    /// First id of the range for cages when the supervisor is root; see [`ids`].
    pub uid_base: u32,
    /// How names are resolved.
    pub resolver: Resolver,
    /// Secrets that stay where they are, at most [`SECRETS`].
    pub secret: Vec<SecretSource>,
    /// The programs that secrets are read by.
    pub helpers: Helpers,
}

/// How names are resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Resolver {
    /// The name servers, address and port, at most [`SERVERS`]; none: those of `/etc/resolv.conf`.
    pub servers: Vec<SocketAddr>,
}

/// The most name servers: a system's library asks three.
pub const SERVERS: usize = 8;
/// The most secrets that stay where they are: as many as a vault holds.
pub const SECRETS: usize = 100;
/// The most bytes of an item's name.
pub const ITEM: usize = 512;

/// One secret that stays where it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SecretSource {
    /// What it is called: 1 to 40 of `a-z 0-9 - _ .`, starting with a letter or digit.
    pub name: String,
    /// Where it lives.
    pub from: Backend,
    /// What it is called there: a name in the password store, `op://vault/item/field`, an item's id,
    /// an account, a variable, an absolute path. At most [`ITEM`] bytes, no control character, not
    /// starting with `-`.
    pub item: String,
}

/// Where a secret lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// The password store of `pass`.
    Pass,
    /// 1Password, by its `op`.
    Op,
    /// Bitwarden, by its `bw`.
    Bw,
    /// The desktop's keyring, by the Secret Service.
    Keyring,
    /// A variable of the supervisor's environment.
    Env,
    /// A file of the owner.
    File,
}

impl Backend {
    /// Its name in `cage.toml` and on the command line of the program that reads it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Op => "op",
            Self::Bw => "bw",
            Self::Keyring => "keyring",
            Self::Env => "env",
            Self::File => "file",
        }
    }

    /// Whether it asks a server, and so has the host's network.
    pub fn is_online(self) -> bool {
        matches!(self, Self::Op | Self::Bw)
    }
}

/// The programs that secrets are read by; those left out are looked for in [`PROGRAM_FOLDERS`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Helpers {
    /// `pass`; absolute.
    pub pass: Option<PathBuf>,
    /// `op`; absolute.
    pub op: Option<PathBuf>,
    /// `bw`; absolute.
    pub bw: Option<PathBuf>,
}

/// Where programs of the system are.
pub const PROGRAM_FOLDERS: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

impl Helpers {
    /// The program of a backend: as configured, else where it is found, else where it would be.
    /// `None` for those that need none.
    pub fn program(&self, backend: Backend) -> Option<PathBuf> {
        let configured = match backend {
            Backend::Pass => &self.pass,
            Backend::Op => &self.op,
            Backend::Bw => &self.bw,
            Backend::Keyring | Backend::Env | Backend::File => return None,
        };
        let folders = || PROGRAM_FOLDERS.map(|folder| Path::new(folder).join(backend.as_str()));
        configured
            .clone()
            .or_else(|| folders().into_iter().find(|path| path.is_file()))
            .or_else(|| Some(Path::new("/usr/bin").join(backend.as_str())))
    }

    fn all(&self) -> impl Iterator<Item = (&'static str, &PathBuf)> {
        [("pass", &self.pass), ("op", &self.op), ("bw", &self.bw)]
            .into_iter()
            .filter_map(|(name, path)| Some((name, path.as_ref()?)))
    }
}

/// One folder of the owner in the hands' cage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mount {
    /// The folder on the host; absolute.
    pub host: PathBuf,
    /// Its name under `/mnt`: letters, digits, `.`, `_`, `-`, at most 64, not starting with a dot.
    pub at: String,
    /// How it may be used.
    #[serde(default)]
    pub mode: MountMode,
}

/// How a mounted folder may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountMode {
    /// Read and list, never write, never execute.
    #[default]
    ReadOnly,
}

/// Why `cage.toml` is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not TOML, an unknown key or a wrong type.
    #[error("cage.toml cannot be read: {0}")]
    Syntax(Box<toml::de::Error>),
    /// A layer that is never optional.
    #[error(
        "cage.toml waives `{0}`, which is never optional; only landlock or namespaces can be waived"
    )]
    NotWaivable(Layer),
    /// The two waivable layers together.
    #[error("cage.toml waives both landlock and namespaces, which leaves too little; keep one")]
    TooManyWaived,
    /// A name under `/mnt` that is not plain.
    #[error(
        "the mount name {0:?} is not plain: use letters, digits, `.`, `_`, `-`, at most 64, not starting with a dot"
    )]
    MountName(String),
    /// Two mounts of one name.
    #[error("two mounts are named {0:?}; give each its own name")]
    MountTwice(String),
    /// A path that is relative or holds `..`.
    #[error("the mount {0} must be an absolute path without `..`")]
    MountPath(PathBuf),
    /// A mount that would show the home.
    #[error(
        "the mount {mount} is, contains or lies in {home}, where keys and rules are; mount another folder"
    )]
    MountHome {
        /// The folder asked for.
        mount: PathBuf,
        /// The home it touches.
        home: PathBuf,
    },
    /// The folder does not exist or cannot be resolved.
    #[error("the mount {path} cannot be resolved: {cause}; create it or remove it from cage.toml")]
    MountMissing {
        /// The folder asked for.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Too many name servers, or one with port 0.
    #[error(
        "cage.toml names {0} name servers; name at most {SERVERS}, each with a port, or none for those of /etc/resolv.conf"
    )]
    Servers(usize),
    /// Too many secrets.
    #[error("cage.toml names {0} secrets; name at most {SECRETS}")]
    Secrets(usize),
    /// A secret's name that is not plain. What was written there is not repeated.
    #[error(
        "the name of secret number {0} in cage.toml is not plain: use 1 to 40 of a-z 0-9 - _ . starting with a letter or digit"
    )]
    SecretName(usize),
    /// Two secrets of one name.
    #[error("two secrets in cage.toml are named {0:?}; give each its own name")]
    SecretTwice(String),
    /// An item that could be taken for something else.
    #[error("the item of the secret {0:?} in cage.toml cannot be used: {1}")]
    SecretItem(String, &'static str),
    /// A program by a relative path.
    #[error("the program {0} in cage.toml must be an absolute path without `..`")]
    Helper(&'static str),
    /// The id range does not fit.
    #[error("uid-base {0} leaves no room for {range} ids, or overlaps system users; choose 65536 or more", range = ids::RANGE)]
    UidBase(u32),
}

impl Default for CageConfig {
    fn default() -> Self {
        Self {
            allow_missing: Vec::new(),
            mounts: Vec::new(),
            uid_base: ids::DEFAULT_BASE,
            resolver: Resolver::default(),
            secret: Vec::new(),
            helpers: Helpers::default(),
        }
    }
}

impl CageConfig {
    /// Reads and checks the text of a `cage.toml`; an empty text is the default.
    ///
    /// # Errors
    /// Everything of [`ConfigError`] that needs no look at the file system.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self =
            toml::from_str(text).map_err(|error| ConfigError::Syntax(Box::new(error)))?;
        config.check_values()?;
        Ok(config)
    }

    /// Whether the owner accepts that this layer is missing.
    pub fn waives(&self, layer: Layer) -> bool {
        layer.waivable() && self.allow_missing.contains(&layer)
    }

    /// Checks the mounts against the file system: each must exist, and none may show `home`, its
    /// `workspace` directory excepted.
    ///
    /// # Errors
    /// [`ConfigError::MountMissing`], [`ConfigError::MountHome`], or what [`Self::parse`] refuses.
    pub fn check(&self, home: &Path) -> Result<(), ConfigError> {
        self.check_values()?;
        let home = home.canonicalize().unwrap_or_else(|_| home.to_owned());
        let workspace = home.join("workspace");
        for mount in &self.mounts {
            let real = mount
                .host
                .canonicalize()
                .map_err(|cause| ConfigError::MountMissing {
                    path: mount.host.clone(),
                    cause,
                })?;
            let touches = real.starts_with(&home) || home.starts_with(&real);
            if touches && !real.starts_with(&workspace) {
                return Err(ConfigError::MountHome {
                    mount: mount.host.clone(),
                    home,
                });
            }
        }
        Ok(())
    }

    /// The text of a `cage.toml` that parses to this value.
    pub fn to_toml(&self) -> String {
        let names: Vec<String> = self
            .allow_missing
            .iter()
            .map(|layer| format!("\"{layer}\""))
            .collect();
        let mut text = String::new();
        // NOTE(write): writing to a String cannot fail.
        let _ = writeln!(
            text,
            "# layers that may be absent: \"landlock\" or \"namespaces\""
        );
        let _ = writeln!(text, "allow-missing = [{}]", names.join(", "));
        let _ = writeln!(
            text,
            "# first user id of cages when the supervisor runs as root"
        );
        let _ = writeln!(text, "uid-base = {}", self.uid_base);
        for mount in &self.mounts {
            let host = quote(&mount.host.to_string_lossy());
            let _ = writeln!(
                text,
                "\n[[mounts]]\nhost = {host}\nat = {}",
                quote(&mount.at)
            );
            let _ = writeln!(text, "mode = \"read-only\"");
        }
        if !self.resolver.servers.is_empty() {
            let servers: Vec<String> = self
                .resolver
                .servers
                .iter()
                .map(|server| format!("\"{server}\""))
                .collect();
            let _ = writeln!(text, "\n[resolver]\nservers = [{}]", servers.join(", "));
        }
        if self.helpers != Helpers::default() {
            let _ = writeln!(text, "\n[helpers]");
        }
        for (name, path) in self.helpers.all() {
            let _ = writeln!(text, "{name} = {}", quote(&path.to_string_lossy()));
        }
        for secret in &self.secret {
            let (name, item) = (quote(&secret.name), quote(&secret.item));
            let from = secret.from.as_str();
            let _ = writeln!(
                text,
                "\n[[secret]]\nname = {name}\nfrom = \"{from}\"\nitem = {item}"
            );
        }
        text
    }

    fn check_values(&self) -> Result<(), ConfigError> {
        if let Some(layer) = self.allow_missing.iter().find(|layer| !layer.waivable()) {
            return Err(ConfigError::NotWaivable(*layer));
        }
        if self.waives(Layer::Landlock) && self.waives(Layer::Namespaces) {
            return Err(ConfigError::TooManyWaived);
        }
        if self.uid_base < ids::RANGE || self.uid_base > (i32::MAX as u32) - ids::RANGE {
            return Err(ConfigError::UidBase(self.uid_base));
        }
        for (index, mount) in self.mounts.iter().enumerate() {
            if !is_plain_name(&mount.at) {
                return Err(ConfigError::MountName(mount.at.clone()));
            }
            if self.mounts[..index]
                .iter()
                .any(|other| other.at == mount.at)
            {
                return Err(ConfigError::MountTwice(mount.at.clone()));
            }
            let walks_up = mount
                .host
                .components()
                .any(|part| part == Component::ParentDir);
            if !mount.host.is_absolute() || walks_up {
                return Err(ConfigError::MountPath(mount.host.clone()));
            }
        }
        self.check_secrets()
    }

    fn check_secrets(&self) -> Result<(), ConfigError> {
        let servers = &self.resolver.servers;
        if servers.len() > SERVERS || servers.iter().any(|server| server.port() == 0) {
            return Err(ConfigError::Servers(servers.len()));
        }
        for (name, path) in self.helpers.all() {
            if !is_plain_path(path) {
                return Err(ConfigError::Helper(name));
            }
        }
        if self.secret.len() > SECRETS {
            return Err(ConfigError::Secrets(self.secret.len()));
        }
        for (index, secret) in self.secret.iter().enumerate() {
            if !is_secret_name(&secret.name) {
                return Err(ConfigError::SecretName(index + 1));
            }
            let same = |other: &SecretSource| other.name == secret.name;
            if self.secret[..index].iter().any(same) {
                return Err(ConfigError::SecretTwice(secret.name.clone()));
            }
            if let Some(why) = wrong_item(secret) {
                return Err(ConfigError::SecretItem(secret.name.clone(), why));
            }
        }
        Ok(())
    }

    /// The secret of this name, if it stays where it is.
    pub fn secret_named(&self, name: &str) -> Option<&SecretSource> {
        self.secret.iter().find(|secret| secret.name == name)
    }
}

fn is_plain_path(path: &Path) -> bool {
    path.is_absolute()
        && !path.components().any(|part| part == Component::ParentDir)
        && !path.to_string_lossy().chars().any(char::is_control)
}

fn is_secret_name(name: &str) -> bool {
    (1..=40).contains(&name.len())
        && name.as_bytes()[0].is_ascii_alphanumeric()
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
}

/// Why an item cannot be used.
fn wrong_item(secret: &SecretSource) -> Option<&'static str> {
    let item = &secret.item;
    let is_variable = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !text.as_bytes()[0].is_ascii_digit()
    };
    if item.is_empty() || item.len() > ITEM {
        Some("it must have 1 to 512 bytes")
    } else if item.chars().any(char::is_control) {
        Some("it has a control character")
    } else if item.starts_with('-') {
        Some("it would be taken for an option")
    } else {
        match secret.from {
            Backend::Op if !item.starts_with("op://") => Some("it must begin with op://"),
            Backend::Env if !is_variable(item) => Some("it is not the name of a variable"),
            Backend::File if !is_plain_path(Path::new(item)) => {
                Some("it must be an absolute path without `..`")
            }
            _ => None,
        }
    }
}

fn is_plain_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// A TOML basic string.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", c as u32);
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_waived_by_default() {
        let config = CageConfig::parse("").unwrap();
        assert_eq!(config, CageConfig::default());
        assert!(!config.waives(Layer::Landlock));
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let config = CageConfig {
            allow_missing: vec![Layer::Landlock],
            mounts: vec![Mount {
                host: PathBuf::from("/srv/a \"b\"\\c\t"),
                at: "notes-1".into(),
                mode: MountMode::ReadOnly,
            }],
            uid_base: 100_000,
            resolver: Resolver {
                servers: vec![
                    "192.0.2.1:53".parse().unwrap(),
                    "[::1]:5353".parse().unwrap(),
                ],
            },
            secret: vec![
                SecretSource {
                    name: "anthropic".into(),
                    from: Backend::Pass,
                    item: "ai/\"anthropic\"".into(),
                },
                SecretSource {
                    name: "openai".into(),
                    from: Backend::Op,
                    item: "op://ai/openai/key".into(),
                },
            ],
            helpers: Helpers {
                pass: Some("/opt/pass".into()),
                ..Helpers::default()
            },
        };
        assert_eq!(CageConfig::parse(&config.to_toml()).unwrap(), config);
        assert!(config.secret_named("openai").is_some());
        assert!(config.secret_named("other").is_none());
    }

    #[test]
    fn a_secret_is_named_and_found_without_doubt() {
        let secret = |name: &str, from: &str, item: &str| {
            format!("[[secret]]\nname = {name:?}\nfrom = {from:?}\nitem = {item:?}\n")
        };
        let good = secret("a", "env", "TOKEN_1") + &secret("b", "file", "/run/secrets/b");
        assert_eq!(CageConfig::parse(&good).unwrap().secret.len(), 2);
        let long = "x".repeat(513);
        for (text, part) in [
            (secret("A", "pass", "x"), "not plain"),
            (secret("", "pass", "x"), "not plain"),
            (secret("-a", "pass", "x"), "not plain"),
            (secret(&"a".repeat(41), "pass", "x"), "not plain"),
            (
                secret("a", "pass", "x") + &secret("a", "env", "X"),
                "own name",
            ),
            (secret("a", "pass", ""), "1 to 512"),
            (secret("a", "pass", &long), "1 to 512"),
            (secret("a", "pass", "-rf"), "option"),
            (secret("a", "pass", "a\nb"), "control"),
            (secret("a", "op", "vault/item"), "op://"),
            (secret("a", "env", "A-B"), "variable"),
            (secret("a", "env", "1A"), "variable"),
            (secret("a", "file", "rel"), "absolute"),
            (secret("a", "file", "/x/../y"), "absolute"),
            (secret("a", "vault", "x"), "cannot be read"),
            (secret("a", "pass", "x") + "more = 1", "cannot be read"),
            (
                (0..101)
                    .map(|n| secret(&format!("s{n}"), "pass", "x"))
                    .collect(),
                "at most 100",
            ),
            ("[helpers]\npass = \"pass\"".into(), "absolute path"),
            ("[helpers]\nother = \"/bin/x\"".into(), "cannot be read"),
            (
                "[resolver]\nservers = [\"192.0.2.1\"]".into(),
                "cannot be read",
            ),
            (
                "[resolver]\nservers = [\"192.0.2.1:0\"]".into(),
                "name servers",
            ),
            ("[resolver]\nport = 53".into(), "cannot be read"),
        ] {
            let error = CageConfig::parse(&text).unwrap_err().to_string();
            assert!(error.contains(part), "{text:?} gave {error:?}");
        }
    }

    #[test]
    fn a_name_that_is_wrong_is_not_repeated() {
        let text = "[[secret]]\nname = \"SK-Live-1\"\nfrom = \"pass\"\nitem = \"x\"";
        let error = CageConfig::parse(text).unwrap_err();
        assert!(
            !error.to_string().contains("SK-Live") && !format!("{error:?}").contains("SK-Live")
        );
    }

    #[test]
    fn what_weakens_too_much_is_refused() {
        for (text, part) in [
            ("allow-missing = [\"seccomp\"]", "never optional"),
            ("allow-missing = [\"landlock\", \"namespaces\"]", "both"),
            ("allow-missing = [\"bogus\"]", "cannot be read"),
            ("surprise = 1", "cannot be read"),
            ("uid-base = 1000", "uid-base"),
            ("[[mounts]]\nhost = \"rel\"\nat = \"x\"", "absolute"),
            ("[[mounts]]\nhost = \"/srv/../etc\"\nat = \"x\"", "absolute"),
            ("[[mounts]]\nhost = \"/srv\"\nat = \"a/b\"", "not plain"),
            ("[[mounts]]\nhost = \"/srv\"\nat = \"..\"", "not plain"),
            (
                "[[mounts]]\nhost = \"/srv\"\nat = \"x\"\nmode = \"rw\"",
                "cannot be read",
            ),
        ] {
            let error = CageConfig::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text:?} gave {error:?}");
        }
    }

    #[test]
    fn a_mount_never_shows_the_home() {
        let top = std::env::temp_dir().join(format!("carapace-mounts-{}", std::process::id()));
        let home = top.join("home");
        std::fs::create_dir_all(home.join("workspace/owner")).unwrap();
        std::fs::create_dir_all(home.join("state")).unwrap();
        std::fs::create_dir_all(top.join("other")).unwrap();
        std::os::unix::fs::symlink(home.join("state"), top.join("link")).unwrap();
        let with = |host: PathBuf| CageConfig {
            mounts: vec![Mount {
                host,
                at: "x".into(),
                mode: MountMode::ReadOnly,
            }],
            ..CageConfig::default()
        };
        for refused in [
            top.clone(),
            home.clone(),
            home.join("state"),
            top.join("link"),
            "/".into(),
        ] {
            let result = with(refused.clone()).check(&home);
            assert!(
                matches!(result, Err(ConfigError::MountHome { .. })),
                "{refused:?}"
            );
        }
        assert!(with(top.join("other")).check(&home).is_ok());
        assert!(with(home.join("workspace/owner")).check(&home).is_ok());
        let gone = with(top.join("gone")).check(&home);
        assert!(matches!(gone, Err(ConfigError::MountMissing { .. })));
        std::fs::remove_dir_all(&top).unwrap();
    }
}
