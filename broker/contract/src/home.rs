//! Where things are in `$CARAPACE_HOME`. Pure: paths are computed, nothing is touched.

use std::path::{Path, PathBuf};

/// The most bytes a Unix socket's path may have (`sun_path` without its final NUL).
pub const MAX_SOCKET_PATH: usize = 107;

/// The broker's descriptor of [`Home::vault_key`], for reading; not open where there is none.
pub const VAULT_KEY_FD: i32 = 8;

/// The broker's descriptor of the keyslot, always open: a memory file that outlives the broker, in
/// which it leaves the key of the unlocked vault for the broker that replaces it.
///
/// It has exactly [`KEYSLOT`] bytes, zeros at first, and cannot be made longer or shorter. All brokers
/// share its offset: read and write it with `pread` and `pwrite`. Zeros mean that the vault is
/// locked; who locks it writes them. What the bytes mean is the vault's affair.
pub const KEYSLOT_FD: i32 = 9;

/// The broker's descriptor of the text of [`Home::rules`], for reading; not open where there is no such
/// file. Empty where there is one that cannot be used: then nobody knows what the rules are.
pub const RULES_FD: i32 = 12;

/// The bytes of the keyslot.
pub const KEYSLOT: usize = 4096;

/// The owner's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    /// The home at this absolute path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// `$CARAPACE_HOME`, else `.carapace` in `$HOME`. `None` where neither is an absolute path.
    pub fn from_environment(carapace_home: Option<PathBuf>, home: Option<PathBuf>) -> Option<Self> {
        carapace_home
            .or_else(|| home.map(|home| home.join(".carapace")))
            .filter(|path| path.is_absolute())
            .map(Self)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// `config.toml`.
    pub fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    /// `rules.yaml`: the owner's rules in plain English. The broker has its text as descriptor [`RULES_FD`].
    pub fn rules(&self) -> PathBuf {
        self.0.join("rules.yaml")
    }

    /// `cage.toml`: waivers and mounts; the broker cannot see it.
    pub fn cage(&self) -> PathBuf {
        self.0.join("cage.toml")
    }

    /// Keys of the owner; the broker cannot see the folder.
    ///
    /// The supervisor opens what the broker needs of it and hands over the descriptor; it reads none.
    pub fn key_dir(&self) -> PathBuf {
        self.0.join("key")
    }

    /// The key that opens the vault without a passphrase, where the owner wants that: a regular file
    /// of the owner, 0600. The broker has it as descriptor [`VAULT_KEY_FD`] if it exists.
    pub fn vault_key(&self) -> PathBuf {
        self.key_dir().join("vault.key")
    }

    /// Where the audit chain is anchored; the broker cannot see it.
    pub fn anchor(&self) -> PathBuf {
        self.0.join("anchor")
    }

    /// The first key of the audit chain.
    pub fn audit_first_key(&self) -> PathBuf {
        self.anchor().join("audit.k0")
    }

    /// The supervisor's note of the chain's head.
    pub fn audit_head(&self) -> PathBuf {
        self.anchor().join("head")
    }

    /// The workspace of a group.
    pub fn workspace(&self, group: &str) -> PathBuf {
        self.0.join("workspace").join(group)
    }

    /// The broker's folder.
    pub fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    /// The audit log.
    pub fn audit_log(&self) -> PathBuf {
        self.state().join("audit.log")
    }

    /// Sockets, pid file, the last proof.
    pub fn run(&self) -> PathBuf {
        self.0.join("run")
    }

    /// The supervisor's control socket.
    pub fn supervisor_socket(&self) -> PathBuf {
        self.run().join("supervisor.sock")
    }

    /// The broker's control socket.
    pub fn control_socket(&self) -> PathBuf {
        self.run().join("control.sock")
    }

    /// The supervisor's pid file; locked while it lives.
    pub fn pid_file(&self) -> PathBuf {
        self.run().join("supervisor.pid")
    }

    /// The result of the last `carapace doctor --prove`.
    pub fn proof(&self) -> PathBuf {
        self.run().join("proof.json")
    }

    /// Log files.
    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }
}
