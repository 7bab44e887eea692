//! Control groups: processes and memory of one cage, where this process may make groups.
//!
//! A soft layer: without it the rlimits still bound processes, descriptors and address space. The
//! child joins by writing to descriptors that the supervisor opened, before it loses sight of the
//! hierarchy. Version 2 needs a delegated group whose controllers are switched on for its
//! children; version 1 is used otherwise.

use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::ProfileName;

/// Start of the name of every group; the maker's process number follows.
const PREFIX: &str = "carapace-";

/// What a cage may use.
struct Share {
    processes: u64,
    memory: u64,
}

fn share(profile: ProfileName) -> Share {
    match profile {
        // Threads and processes alike; the mind has one.
        ProfileName::Worker => Share {
            processes: 16,
            memory: 256 << 20,
        },
        // A parallel build with a linker.
        ProfileName::Hands => Share {
            processes: 256,
            memory: 2 << 30,
        },
        ProfileName::Broker => Share {
            processes: 256,
            memory: 1 << 30,
        },
        ProfileName::Resolver => Share {
            processes: 16,
            memory: 128 << 20,
        },
        // Node for the largest of the password managers.
        ProfileName::Secret | ProfileName::SecretOnline => Share {
            processes: 128,
            memory: 1 << 30,
        },
    }
}

/// The groups of one cage; removed on drop, which works once its processes are reaped.
#[derive(Debug, Default)]
pub(crate) struct Group {
    directories: Vec<PathBuf>,
    doors: Vec<File>,
    evidence: String,
}

impl Group {
    /// Makes the groups of a cage; one without any if this machine allows none.
    pub(crate) fn make(profile: ProfileName) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "{PREFIX}{}-{profile}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let share = share(profile);
        Self::version2(&own, &name, &share)
            .or_else(|| Self::version1(&own, &name, &share))
            .unwrap_or_else(|| {
                let mut none = Self::default();
                none.evidence.push_str("no control group may be made here");
                none
            })
    }

    /// Whether at least one controller holds.
    pub(crate) fn holds(&self) -> bool {
        !self.doors.is_empty()
    }

    /// What was set, or why nothing was.
    pub(crate) fn evidence(&self) -> &str {
        &self.evidence
    }

    /// The descriptors a process writes `0` to in order to join.
    pub(crate) fn doors(&self) -> Vec<RawFd> {
        self.doors.iter().map(AsRawFd::as_raw_fd).collect()
    }

    /// Closes the descriptors; the child has its own copies.
    pub(crate) fn close_doors(&mut self) {
        self.doors.clear();
    }

    fn version2(own: &str, name: &str, share: &Share) -> Option<Self> {
        let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
        let parent = Path::new("/sys/fs/cgroup").join(path.trim_start_matches('/'));
        let enabled = fs::read_to_string(parent.join("cgroup.subtree_control")).ok()?;
        let has = |name: &str| enabled.split_whitespace().any(|word| word == name);
        if !has("pids") || !has("memory") {
            return None;
        }
        let mut group = Self::default();
        let settings = [
            ("pids.max", share.processes.to_string()),
            ("memory.max", share.memory.to_string()),
            ("memory.swap.max", "0".to_owned()),
        ];
        group.add(&parent, name, &settings)?;
        group.evidence = format!(
            "v2: pids {}, memory {} MiB",
            share.processes,
            share.memory >> 20
        );
        Some(group)
    }

    fn version1(own: &str, name: &str, share: &Share) -> Option<Self> {
        let mut group = Self::default();
        let mut said = Vec::new();
        for (controller, file, value) in [
            ("pids", "pids.max", share.processes),
            ("memory", "memory.limit_in_bytes", share.memory),
        ] {
            let path = own.lines().find_map(|line| {
                let mut parts = line.splitn(3, ':').skip(1);
                let names = parts.next()?;
                names
                    .split(',')
                    .any(|one| one == controller)
                    .then(|| parts.next())
                    .flatten()
            });
            let Some(path) = path else { continue };
            let parent = Path::new("/sys/fs/cgroup")
                .join(controller)
                .join(path.trim_start_matches('/'));
            if group
                .add(&parent, name, &[(file, value.to_string())])
                .is_some()
            {
                said.push(format!("{controller} {value}"));
            }
        }
        group.evidence = format!("v1: {}", said.join(", "));
        group.holds().then_some(group)
    }

    /// Removes groups that a killed supervisor left: those whose maker's number is nobody's now.
    /// A group with a process in it stays, whatever its name.
    fn sweep(parent: &Path) {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let maker = name
                .to_str()
                .and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
            if maker.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                let _ = fs::remove_dir(entry.path());
            }
        }
    }

    /// Makes one directory, sets its limits and opens its door. On failure the group is dropped
    /// with what it made.
    fn add(&mut self, parent: &Path, name: &str, settings: &[(&str, String)]) -> Option<()> {
        // The first group of a process cleans up after its predecessors.
        if name.ends_with("-0") {
            Self::sweep(parent);
        }
        let directory = parent.join(name);
        fs::create_dir(&directory).ok()?;
        self.directories.push(directory.clone());
        for (file, value) in settings {
            // Kernels without swap accounting have no swap file, and need none.
            if fs::write(directory.join(file), value).is_err() && *file != "memory.swap.max" {
                return None;
            }
        }
        let door = OpenOptions::new()
            .write(true)
            .open(directory.join("cgroup.procs"))
            .ok()?;
        self.doors.push(door);
        Some(())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for directory in &self.directories {
            // A group that still has a process stays; its name holds the id of this process.
            let _ = fs::remove_dir(directory);
        }
    }
}
