//! The look from outside: is a process confined as its profile says?
//!
//! Everything is read from `/proc/<pid>` by the supervisor, after READY and before the first task.
//! The process has no part in it. Landlock cannot be seen from outside; its proof is `doctor
//! --prove`. A process that ends while it is looked at is refused.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;

use serde::Serialize;

use crate::filter::Stage;
use crate::limits;
use crate::root::{ExpectedMount, HostMounts, Plan};
use crate::spawn::namespace_flags;
use crate::{ProfileName, child, ids, report};

/// What a process of one cage must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    profile: ProfileName,
    foreign: bool,
    /// User and group as the supervisor counts them.
    id: u32,
    is_root: bool,
    /// The supervisor's own namespaces that the process must not share, with their names.
    apart_from: BTreeMap<&'static str, String>,
    mounts: Option<Mounts>,
    /// User and group in a user namespace.
    inside: u32,
    /// The only numbers of descriptors, where the process can make none before it is looked at.
    descriptors: Option<Vec<i32>>,
    /// Files that the process must not hold, under whatever number.
    never_open: Vec<OpenFile>,
    filters: u64,
    parent: u32,
}

/// The mounts of a cage.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mounts {
    /// A root of its own.
    Own(Vec<ExpectedMount>),
    /// The host's tree.
    Host(HostMounts),
}

/// What was found, all of it as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attestation {
    /// The process.
    pub pid: u32,
    /// Its profile.
    pub profile: ProfileName,
    /// Each item looked at.
    pub items: Vec<Item>,
}

/// One item of an attestation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// What was looked at.
    pub item: String,
    /// What was there.
    pub found: String,
}

/// Why a process is refused. It must be killed; it was never given a task.
#[derive(Debug, thiserror::Error)]
pub enum AttestError {
    /// A file under `/proc/<pid>` cannot be read; most likely the process has ended.
    #[error("process {pid}: {file} cannot be read: {cause}")]
    Unreadable {
        /// The process.
        pid: u32,
        /// The file.
        file: String,
        /// What the system said.
        cause: io::Error,
    },
    /// An item is not as its profile says.
    #[error("process {pid}: {item} is {found:?}, and should be {expected}")]
    Differs {
        /// The process.
        pid: u32,
        /// The item.
        item: String,
        /// What was there.
        found: String,
        /// What should be.
        expected: String,
    },
}

/// An open file as the kernel names it, whoever holds it and wherever it is seen from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFile {
    mount: u64,
    inode: u64,
}

impl OpenFile {
    /// The file behind a descriptor of this process.
    ///
    /// # Errors
    /// The system's; a kernel older than 5.14 does not tell.
    pub fn of(descriptor: BorrowedFd<'_>) -> io::Result<Self> {
        let path = format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd());
        Self::parse(&fs::read_to_string(path)?).ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    fn parse(text: &str) -> Option<Self> {
        let status = Status::parse(text);
        Some(Self {
            mount: status.number("mnt_id")?,
            inode: status.number("ino")?,
        })
    }
}

/// The namespaces, by their name under `/proc/<pid>/ns` and their flag.
const NAMESPACES: [(&str, i32); 7] = [
    ("user", libc::CLONE_NEWUSER),
    ("pid", libc::CLONE_NEWPID),
    ("net", libc::CLONE_NEWNET),
    ("ipc", libc::CLONE_NEWIPC),
    ("uts", libc::CLONE_NEWUTS),
    ("mnt", libc::CLONE_NEWNS),
    ("cgroup", libc::CLONE_NEWCGROUP),
];

impl Expected {
    pub(crate) fn of(
        profile: ProfileName,
        stage: Stage,
        id: u32,
        plan: Option<&Plan>,
        is_root: bool,
        handed_over: &[(i32, i32)],
    ) -> io::Result<Self> {
        let flags = namespace_flags(profile, is_root, plan.is_some());
        let mut apart_from = BTreeMap::new();
        for (name, flag) in NAMESPACES {
            if flags & flag as u64 != 0 {
                let own = fs::read_link(format!("/proc/self/ns/{name}"))?;
                apart_from.insert(name, own.to_string_lossy().into_owned());
            }
        }
        let status = Status::parse(&fs::read_to_string("/proc/self/status")?);
        let inherited = status.number("Seccomp_filters").unwrap_or(0);
        let foreign = stage == Stage::Foreign;
        Ok(Self {
            profile,
            foreign,
            id,
            is_root,
            apart_from,
            mounts: plan.map(|plan| match plan.host_mounts() {
                Some(mounts) => Mounts::Host(mounts),
                None => Mounts::Own(plan.expected_mounts()),
            }),
            inside: ids::inside(profile, id),
            descriptors: numbers_of(profile, foreign, handed_over),
            never_open: Vec::new(),
            // The start filter, and the final one of a program that knows its cage.
            filters: inherited + if foreign { 1 } else { 2 },
            parent: std::process::id(),
        })
    }

    /// Files of others, such as the broker's keys, that the process must not hold open.
    pub fn refuse_files(&mut self, files: &[OpenFile]) {
        self.never_open.extend_from_slice(files);
    }

    /// The profile this is about.
    pub fn profile(&self) -> ProfileName {
        self.profile
    }
}

/// The only descriptors that a process can have when it is looked at. A mind can make none. A held
/// program has not begun: it has the report pipe, its program and the pipe that holds it. The others
/// may have begun to open what they work with.
fn numbers_of(profile: ProfileName, foreign: bool, handed_over: &[(i32, i32)]) -> Option<Vec<i32>> {
    let given = handed_over.iter().map(|(_, number)| *number);
    if foreign {
        let own = [report::REPORT_FD, child::PROGRAM_FD, child::HOLD_FD];
        return Some(given.chain(own).collect());
    }
    (profile == ProfileName::Worker).then(|| given.chain([report::REPORT_FD]).collect())
}

/// Looks at a child of this process.
///
/// # Errors
/// [`AttestError`] for the first item that differs or cannot be read.
pub fn attest(pid: u32, expected: &Expected) -> Result<Attestation, AttestError> {
    let mut look = Look {
        pid,
        items: Vec::new(),
    };
    let status = Status::parse(&look.read("status")?);
    look.identity(&status, expected)?;
    look.power(&status, expected)?;
    look.namespaces(&status, expected)?;
    match &expected.mounts {
        Some(Mounts::Own(mounts)) => look.mounts(mounts)?,
        Some(Mounts::Host(mounts)) => look.host_mounts(mounts)?,
        None => {}
    }
    look.limits(expected.profile)?;
    // An ordinary user may read the memory map of a process that is not dumpable only as the owner
    // of its user namespace.
    let readable = expected.is_root || expected.apart_from.contains_key("user");
    if readable {
        look.descriptors(expected)?;
    }
    if !expected.foreign && readable {
        look.dumpable(expected.id)?;
        look.memory()?;
    }
    // The number could not be reused meanwhile: the process is an unreaped child. But it may have
    // ended, and then part of the above was read from a corpse.
    let now = Status::parse(&look.read("status")?);
    let alive = !matches!(now.word("State"), Some("Z" | "X"));
    look.item("alive", alive, now.text("State"), "running")?;
    Ok(Attestation {
        pid,
        profile: expected.profile,
        items: look.items,
    })
}

struct Look {
    pid: u32,
    items: Vec<Item>,
}

impl Look {
    fn read(&self, file: &str) -> Result<String, AttestError> {
        fs::read_to_string(format!("/proc/{}/{file}", self.pid)).map_err(|cause| {
            AttestError::Unreadable {
                pid: self.pid,
                file: file.into(),
                cause,
            }
        })
    }

    fn item(
        &mut self,
        item: &str,
        holds: bool,
        found: impl Into<String>,
        expected: &str,
    ) -> Result<(), AttestError> {
        let (item, found) = (item.to_owned(), found.into());
        if !holds {
            return Err(AttestError::Differs {
                pid: self.pid,
                item,
                found,
                expected: expected.into(),
            });
        }
        self.items.push(Item { item, found });
        Ok(())
    }

    fn identity(&mut self, status: &Status, expected: &Expected) -> Result<(), AttestError> {
        let parent = expected.parent.to_string();
        self.item(
            "parent",
            status.word("PPid") == Some(&parent),
            status.text("PPid"),
            &parent,
        )?;
        self.item(
            "tracer",
            status.word("TracerPid") == Some("0"),
            status.text("TracerPid"),
            "0",
        )?;
        let id = expected.id.to_string();
        let all_are = |key: &str| {
            let words = status.words(key);
            words.len() == 4 && words.iter().all(|word| *word == id)
        };
        self.item(
            "user",
            // Who reads the owner's secrets is the owner, also where that is root.
            all_are("Uid") && (expected.id != 0 || expected.profile.is_held()),
            status.text("Uid"),
            &id,
        )?;
        if expected.is_root {
            self.item("group", all_are("Gid"), status.text("Gid"), &id)?;
            let none = status.words("Groups").is_empty();
            self.item("groups", none, status.text("Groups"), "none")?;
        }
        Ok(())
    }

    fn power(&mut self, status: &Status, expected: &Expected) -> Result<(), AttestError> {
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            // Without a user namespace an ordinary user cannot empty the bounding set; with
            // no_new_privs it gives nothing.
            let out_of_reach =
                set == "CapBnd" && !expected.is_root && !expected.apart_from.contains_key("user");
            if !out_of_reach {
                let found = status.text(set);
                let empty = !found.is_empty() && found.bytes().all(|byte| byte == b'0');
                self.item(set, empty, found, "empty")?;
            }
        }
        let no_new_privs = status.text("NoNewPrivs");
        self.item("NoNewPrivs", no_new_privs == "1", no_new_privs, "1")?;
        let seccomp = status.text("Seccomp");
        self.item("Seccomp", seccomp == "2", seccomp, "2")?;
        let filters = status.number("Seccomp_filters").unwrap_or(0);
        let enough = filters >= expected.filters;
        let wanted = format!("{} or more", expected.filters);
        self.item("Seccomp_filters", enough, filters.to_string(), &wanted)?;
        if expected.profile == ProfileName::Worker {
            self.item(
                "Threads",
                status.text("Threads") == "1",
                status.text("Threads"),
                "1",
            )?;
        }
        Ok(())
    }

    fn namespaces(&mut self, status: &Status, expected: &Expected) -> Result<(), AttestError> {
        for (name, own) in &expected.apart_from {
            let file = format!("ns/{name}");
            let link = fs::read_link(format!("/proc/{}/{file}", self.pid)).map_err(|cause| {
                AttestError::Unreadable {
                    pid: self.pid,
                    file: file.clone(),
                    cause,
                }
            })?;
            let link = link.to_string_lossy().into_owned();
            self.item(&file, link != *own, link, "not the supervisor's")?;
        }
        if expected.apart_from.contains_key("pid") {
            let numbers = status.words("NSpid");
            let first_inside = numbers.len() == 2 && numbers[1] == "1";
            self.item("NSpid", first_inside, status.text("NSpid"), "1 in the cage")?;
        }
        if expected.apart_from.contains_key("user") {
            for (file, one) in [("uid_map", Some(expected.id)), ("gid_map", None)] {
                let text = self.read(file)?;
                let words: Vec<&str> = text.split_whitespace().collect();
                let holds = text.lines().count() == 1
                    && words.len() == 3
                    && (words[0] == expected.inside.to_string()
                        // The group that is seen as itself has a number of its own.
                        || one.is_none() && expected.profile.is_held() && words[0] == words[1])
                    && one.is_none_or(|id| words[1] == id.to_string())
                    && words[2] == "1";
                self.item(file, holds, words.join(" "), "exactly one id")?;
            }
        }
        Ok(())
    }

    fn mounts(&mut self, expected: &[ExpectedMount]) -> Result<(), AttestError> {
        let text = self.read("mountinfo")?;
        let mut seen = Vec::new();
        for line in text.lines() {
            let fields: Vec<&str> = line.split(' ').collect();
            let at = unescape(fields.get(4).copied().unwrap_or_default());
            let options: Vec<&str> = fields
                .get(5)
                .copied()
                .unwrap_or_default()
                .split(',')
                .collect();
            let rule = expected.iter().find(|one| one.at == at).or_else(|| {
                expected.iter().find(|one| {
                    one.with_submounts
                        && at
                            .strip_prefix(&one.at)
                            .is_some_and(|rest| rest.starts_with('/'))
                })
            });
            let name = format!("mount {at}");
            let Some(rule) = rule else {
                return self.item(&name, false, line, "absent");
            };
            let restricted = rule.options.iter().all(|option| options.contains(option));
            self.item(
                &name,
                restricted,
                options.join(","),
                &rule.options.join(","),
            )?;
            if at == "/" {
                let frozen = line
                    .rsplit(' ')
                    .next()
                    .is_some_and(|last| last.split(',').any(|word| word == "ro"));
                let own = line.contains(" - tmpfs ");
                self.item("root file system", frozen && own, line, "a read-only tmpfs")?;
            }
            seen.push(at);
        }
        let missing = expected.iter().find(|one| !seen.contains(&one.at));
        let names = missing.map(|one| one.at.clone()).unwrap_or_default();
        self.item("mounts missing", missing.is_none(), names, "none")
    }

    /// All of the host's tree is read-only and without set-user-id but the places that are written,
    /// and what covers it lies over it.
    fn host_mounts(&mut self, expected: &HostMounts) -> Result<(), AttestError> {
        let text = self.read("mountinfo")?;
        let mut fresh = expected.fresh.clone();
        for line in text.lines() {
            let fields: Vec<&str> = line.split(' ').collect();
            let at = unescape(fields.get(4).copied().unwrap_or_default());
            let options: Vec<&str> = fields
                .get(5)
                .copied()
                .unwrap_or_default()
                .split(',')
                .collect();
            let written = expected
                .writable
                .iter()
                .any(|place| std::path::Path::new(&at).starts_with(place));
            let restricted = options.contains(&"nosuid") && (written || options.contains(&"ro"));
            self.item(
                &format!("mount {at}"),
                restricted,
                options.join(","),
                if written { "nosuid" } else { "ro,nosuid" },
            )?;
            let kind = line.split(" - ").nth(1).unwrap_or_default();
            fresh.retain(|(place, wanted)| *place != at || kind.split(' ').next() != Some(*wanted));
        }
        let names: Vec<String> = fresh.into_iter().map(|(place, _)| place).collect();
        let none = names.is_empty();
        self.item("mounts missing", none, names.join(", "), "none")
    }

    /// What the process holds open, by number and by file.
    fn descriptors(&mut self, expected: &Expected) -> Result<(), AttestError> {
        let directory = format!("/proc/{}/fdinfo", self.pid);
        let unreadable = |cause| AttestError::Unreadable {
            pid: self.pid,
            file: "fdinfo".into(),
            cause,
        };
        let mut found = Vec::new();
        for entry in fs::read_dir(&directory).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name();
            let number: i32 = name
                .to_str()
                .and_then(|name| name.parse().ok())
                .unwrap_or(-1);
            // One that was closed meanwhile is no matter.
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            found.push((number, OpenFile::parse(&text)));
        }
        if let Some(numbers) = &expected.descriptors {
            let extra = found.iter().find(|(number, _)| !numbers.contains(number));
            let text = extra.map_or_else(|| "none".to_owned(), |(number, _)| number.to_string());
            self.item("other descriptors", extra.is_none(), text, "none")?;
        }
        let secret = found
            .iter()
            .find(|(_, file)| file.is_some_and(|file| expected.never_open.contains(&file)));
        let text = secret.map_or_else(|| "none".to_owned(), |(number, _)| number.to_string());
        self.item(
            "descriptors of others' files",
            secret.is_none(),
            text,
            "none",
        )
    }

    fn limits(&mut self, profile: ProfileName) -> Result<(), AttestError> {
        let text = self.read("limits")?;
        for limit in limits::of(profile) {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(limit.title))
                .unwrap_or_default();
            let values: Vec<u64> = line
                .split_whitespace()
                .take(2)
                .map(|word| word.parse().unwrap_or(u64::MAX))
                .collect();
            let holds = values.len() == 2 && values.iter().all(|value| *value <= limit.value);
            let expected = format!("{} or less", limit.value);
            self.item(
                limit.title,
                holds,
                line.split_whitespace().collect::<Vec<_>>().join(" "),
                &expected,
            )?;
        }
        Ok(())
    }

    /// The kernel takes the files of a process that is not dumpable from its user.
    fn dumpable(&mut self, id: u32) -> Result<(), AttestError> {
        let owner = fs::metadata(format!("/proc/{}/stat", self.pid))
            .map_err(|cause| AttestError::Unreadable {
                pid: self.pid,
                file: "stat".into(),
                cause,
            })?
            .uid();
        self.item(
            "owner of /proc/<pid>/stat",
            owner != id || owner == 0,
            owner.to_string(),
            "not the process' own user",
        )
    }

    fn memory(&mut self) -> Result<(), AttestError> {
        let text = self.read("maps")?;
        let both = text.lines().find(|line| {
            let rights = line.split(' ').nth(1).unwrap_or_default();
            rights.contains('w') && rights.contains('x')
        });
        // A process that has no memory left is a corpse.
        self.item(
            "maps",
            !text.is_empty(),
            format!("{} areas", text.lines().count()),
            "readable",
        )?;
        self.item(
            "writable and executable memory",
            both.is_none(),
            both.unwrap_or("none"),
            "none",
        )
    }
}

/// `/proc/<pid>/status` as keys and values.
struct Status(BTreeMap<String, String>);

impl Status {
    fn parse(text: &str) -> Self {
        Self(
            text.lines()
                .filter_map(|line| line.split_once(':'))
                .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
                .collect(),
        )
    }

    fn text(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    fn words(&self, key: &str) -> Vec<&str> {
        self.text(key).split_whitespace().collect()
    }

    fn word(&self, key: &str) -> Option<&str> {
        self.text(key).split_whitespace().next()
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.text(key).parse().ok()
    }
}

/// The kernel writes blanks and backslashes in paths as three octal digits.
fn unescape(text: &str) -> String {
    let mut plain = Vec::new();
    let bytes = text.as_bytes();
    let mut place = 0;
    while place < bytes.len() {
        let code = bytes
            .get(place + 1..place + 4)
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match (bytes[place], code) {
            (b'\\', Some(byte)) => {
                plain.push(byte);
                place += 4;
            }
            (byte, _) => {
                plain.push(byte);
                place += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_the_kernel_writes_them() {
        assert_eq!(unescape("/mnt/a\\040b\\134c"), "/mnt/a b\\c");
        assert_eq!(unescape("/plain\\"), "/plain\\");
    }

    #[test]
    fn this_process_is_not_a_cage() {
        let plan = crate::root::plan(ProfileName::Worker, None, None, &[], 1).unwrap();
        let expected = Expected::of(
            ProfileName::Worker,
            Stage::Start,
            12345,
            Some(&plan),
            true,
            &[],
        )
        .unwrap();
        assert!(attest(std::process::id(), &expected).is_err());
    }
}
