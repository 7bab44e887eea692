//! `cage.toml`: what the owner waives, which folders are mounted into the hands' cage, which ids
//! cages get. Written by the cli alone, read by the supervisor alone; the broker never sees it.

use std::fmt::Write as _;
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
        Ok(())
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
        };
        assert_eq!(CageConfig::parse(&config.to_toml()).unwrap(), config);
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
