//! The layers of a cage and the states they can be in.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One layer of confinement. The name in reports and in `cage.toml` is the kebab-case one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// Every descriptor but the named ones is closed.
    Descriptors,
    /// Own session, no terminal, default signal dispositions, private umask.
    Session,
    /// A fresh session keyring.
    Keyring,
    /// User, pid, net, ipc, uts, mount and cgroup namespaces.
    Namespaces,
    /// No further namespace can be made inside (`user.max_*_namespaces = 0`).
    NestedLimit,
    /// An own root directory by `pivot_root`.
    Root,
    /// Resource limits by `setrlimit`.
    Rlimits,
    /// Processes and memory limited by a control group.
    Cgroup,
    /// A user id of its own, no supplementary group.
    Ids,
    /// All capability sets empty, bounding set empty, securebits locked.
    Capabilities,
    /// No privilege is gained by exec.
    NoNewPrivs,
    /// The cage dies with its supervisor.
    ParentDeath,
    /// Landlock: paths, TCP ports, abstract sockets and signals.
    Landlock,
    /// The system call filter.
    Seccomp,
    /// Not readable by processes of the same user; no core dump.
    Dumpable,
    /// Memory is never both writable and executable.
    Mdwe,
    /// The exec of the confined program.
    Exec,
    /// What the confined program looks at before it says READY.
    SelfCheck,
}

impl Layer {
    /// The kebab-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Descriptors => "descriptors",
            Self::Session => "session",
            Self::Keyring => "keyring",
            Self::Namespaces => "namespaces",
            Self::NestedLimit => "nested-limit",
            Self::Root => "root",
            Self::Rlimits => "rlimits",
            Self::Cgroup => "cgroup",
            Self::Ids => "ids",
            Self::Capabilities => "capabilities",
            Self::NoNewPrivs => "no-new-privs",
            Self::ParentDeath => "parent-death",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::Dumpable => "dumpable",
            Self::Mdwe => "mdwe",
            Self::Exec => "exec",
            Self::SelfCheck => "self-check",
        }
    }

    /// Whether an owner may waive this layer. With either of these gone the others still stopped
    /// every measured attempt; without any other layer they did not.
    pub fn waivable(self) -> bool {
        matches!(self, Self::Landlock | Self::Namespaces)
    }

    /// Whether a start goes on without this layer, with a warning and without a waiver.
    pub fn soft(self) -> bool {
        matches!(self, Self::Cgroup | Self::NestedLimit)
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a layer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Applied, or found to work by trying.
    Ok,
    /// Not available here, and the cage holds without it.
    Soft,
    /// Not available here; nothing starts.
    Missing,
    /// Not available here; the owner's configuration accepts that.
    Waived,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Soft => "soft",
            Self::Missing => "missing",
            Self::Waived => "waived",
        })
    }
}

/// A layer of one running cage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerState {
    /// The layer.
    pub layer: Layer,
    /// How it stands.
    pub state: State,
    /// What was seen that says so; a few words for people.
    pub evidence: String,
}
