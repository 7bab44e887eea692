//! Where things are in `$CARAPACE_HOME`. Pure: paths are computed, nothing is touched.

use std::path::{Path, PathBuf};

/// The most bytes a Unix socket's path may have (`sun_path` without its final NUL).
pub const MAX_SOCKET_PATH: usize = 107;

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

    /// `cage.toml`: waivers and mounts; the broker cannot see it.
    pub fn cage(&self) -> PathBuf {
        self.0.join("cage.toml")
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
