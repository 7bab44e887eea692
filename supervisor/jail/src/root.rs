//! The file systems of a cage: what its root directory holds, as data, and how it is built.
//!
//! Every source is taken as a detached copy before anything is mounted, because the new root would
//! hide some of them and because no further mount namespace can be made afterwards. Sources are
//! opened without following symlinks. The finished root is read-only, as a mount and as a file
//! system.

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::config::{ConfigError, Mount};
use crate::sys::mount::{self, NODEV, NOEXEC, NOSUID, RDONLY};
use crate::{Layer, ProfileName};

/// What a cage sees.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Directories to make, in this order, with their mode.
    directories: Vec<(String, u32)>,
    /// Symlinks: path, target.
    links: Vec<(String, String)>,
    /// Files with generated content.
    files: Vec<(String, String)>,
    /// Places of the host.
    binds: Vec<Bind>,
    /// New file systems of a kind.
    fresh: Vec<Fresh>,
    /// The host's own tree, read-only, with [`Self::binds`] and [`Self::fresh`] over it, instead of
    /// a new root.
    host_view: bool,
    /// Where the program starts.
    pub(crate) directory: String,
    /// Directories whose files may be executed.
    pub(crate) executable: Vec<PathBuf>,
}

#[derive(Clone, Debug)]
struct Bind {
    host: PathBuf,
    at: String,
    is_directory: bool,
    attributes: u64,
    owner: Ownership,
}

/// Whether the cage's own id is given a directory when the supervisor is root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ownership {
    Unchanged,
    /// The directory itself; what is in it belongs to whoever made it.
    Top,
    /// The directory and its direct entries: files that only the broker makes.
    Entries,
}

#[derive(Clone, Debug)]
struct Fresh {
    kind: &'static str,
    at: String,
    options: &'static [(&'static str, &'static str)],
    attributes: u64,
}

/// What attestation expects where a cage has the host's tree: all of it read-only but this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostMounts {
    pub(crate) writable: Vec<String>,
    pub(crate) fresh: Vec<(String, &'static str)>,
}

/// A mount that a finished cage has, as attestation expects to read it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ExpectedMount {
    /// The mount point in the cage.
    pub at: String,
    /// Attributes that must be set: of `ro`, `nosuid`, `nodev`, `noexec`.
    pub options: Vec<&'static str>,
    /// Mounts of the host may lie below it, with the same attributes.
    pub with_submounts: bool,
}

/// Why a plan cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A directory that the profile needs was not named.
    #[error("the profile {profile} needs its {what} directory; the caller named none")]
    Unnamed {
        /// The profile.
        profile: ProfileName,
        /// `workspace` or `state`.
        what: &'static str,
    },
    /// A place of the host does not exist or cannot be resolved.
    #[error("{path} cannot be resolved: {cause}; create it or correct the configuration")]
    Place {
        /// The place.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A mount of the owner is not acceptable.
    #[error(transparent)]
    Mounts(#[from] ConfigError),
}

const SYSTEM: u64 = RDONLY | NOSUID | NODEV;
const ALL: u64 = RDONLY | NOSUID | NODEV | NOEXEC;
/// Where programs in a hands cage find the `ipc` command.
const COMMAND: &str = "/carapace/ipc";

/// The plan of a profile. `owner_id` is the id that the process sees as its own.
///
/// # Errors
/// [`PlanError`].
pub fn plan(
    profile: ProfileName,
    workspace: Option<&Path>,
    state: Option<&Path>,
    mounts: &[Mount],
    owner_id: u32,
) -> Result<Plan, PlanError> {
    match profile {
        ProfileName::Worker => Ok(Plan {
            directory: "/".into(),
            ..Plan::default()
        }),
        ProfileName::Broker => broker(state.ok_or(PlanError::Unnamed {
            profile,
            what: "state",
        })?),
        ProfileName::Hands => hands(
            workspace.ok_or(PlanError::Unnamed {
                profile,
                what: "workspace",
            })?,
            mounts,
            owner_id,
        ),
        ProfileName::Resolver => resolver(),
        ProfileName::Secret | ProfileName::SecretOnline => Err(PlanError::Unnamed {
            profile,
            what: "list of writable places, which only `spawn_secret` takes, instead of a",
        }),
    }
}

/// The plan of who reads a secret: the host's tree read-only, `writable` places of it as they are,
/// `hidden` ones covered, a `/proc` of its own. Places that do not exist are left out.
///
/// # Errors
/// [`PlanError::Place`].
pub(crate) fn host_view(writable: &[PathBuf], hidden: &[PathBuf]) -> Result<Plan, PlanError> {
    let mut plan = Plan {
        directory: "/".into(),
        host_view: true,
        ..Plan::default()
    };
    let resolved = |path: &PathBuf| {
        path.canonicalize().map_err(|cause| PlanError::Place {
            path: path.clone(),
            cause,
        })
    };
    for place in writable.iter().filter(|place| place.exists()) {
        let real = resolved(place)?;
        let at = real.to_string_lossy().into_owned();
        plan.bind(&real, &at, NOSUID, Ownership::Unchanged)?;
    }
    let own: &[(&str, &str)] = &[("hidepid", "invisible"), ("subset", "pid")];
    plan.fresh("proc", "/proc", own, ALL);
    for place in hidden.iter().filter(|place| place.exists()) {
        let real = resolved(place)?.to_string_lossy().into_owned();
        plan.fresh("tmpfs", &real, &[("mode", "755"), ("size", "4k")], ALL);
    }
    Ok(plan)
}

/// Names and name servers, and nothing else; the resolver reads them before its last lock.
fn resolver() -> Result<Plan, PlanError> {
    let mut plan = Plan {
        directory: "/".into(),
        ..Plan::default()
    };
    plan.directory_at("/etc", 0o755);
    for path in ["/etc/resolv.conf", "/etc/hosts"] {
        plan.bind_if_present(path, ALL)?;
    }
    Ok(plan)
}

fn broker(state: &Path) -> Result<Plan, PlanError> {
    let mut plan = Plan {
        directory: "/state".into(),
        ..Plan::default()
    };
    plan.bind(state, "/state", NOSUID | NODEV | NOEXEC, Ownership::Entries)?;
    // What name resolution and certificate checks read; absent ones are left out.
    plan.directory_at("/etc", 0o755);
    for path in [
        "/etc/resolv.conf",
        "/etc/hosts",
        "/etc/nsswitch.conf",
        "/etc/localtime",
    ] {
        plan.bind_if_present(path, ALL)?;
    }
    for path in [
        "/etc/ssl/certs",
        "/etc/pki/tls/certs",
        "/usr/share/ca-certificates",
        "/usr/share/zoneinfo",
    ] {
        plan.bind_if_present(path, ALL)?;
    }
    Ok(plan)
}

fn hands(workspace: &Path, mounts: &[Mount], owner_id: u32) -> Result<Plan, PlanError> {
    let mut plan = Plan {
        directory: "/workspace".into(),
        ..Plan::default()
    };
    // The system's programs, in the host's own layout.
    plan.bind(Path::new("/usr"), "/usr", SYSTEM, Ownership::Unchanged)?;
    plan.executable.push("/usr".into());
    for name in ["/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32"] {
        match fs::read_link(name) {
            Ok(target) => plan
                .links
                .push((name.into(), target.to_string_lossy().into_owned())),
            Err(_) if Path::new(name).is_dir() => {
                plan.bind(Path::new(name), name, SYSTEM, Ownership::Unchanged)?;
                plan.executable.push(name.into());
            }
            Err(_) => {}
        }
    }
    // A short /etc: enough to name users, find libraries and tell the time.
    plan.directory_at("/etc", 0o755);
    plan.files = etc_files(owner_id);
    for path in ["/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime"] {
        plan.bind_if_present(path, ALL)?;
    }
    // The five harmless devices, without the directory they stand in.
    plan.directory_at("/dev", 0o755);
    for name in ["null", "zero", "full", "random", "urandom"] {
        let path = format!("/dev/{name}");
        plan.bind(
            Path::new(&path),
            &path,
            RDONLY | NOSUID | NOEXEC,
            Ownership::Unchanged,
        )?;
    }
    for (name, target) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
        ("/var/tmp", "../tmp"),
    ] {
        plan.links.push((name.into(), target.into()));
    }
    plan.directory_at("/var", 0o755);
    // Scratch, bounded; it counts against the cage's memory.
    let scratch: &[(&str, &str)] = &[("mode", "1777"), ("size", "512m"), ("nr_inodes", "65536")];
    plan.fresh("tmpfs", "/tmp", scratch, NOSUID | NODEV | NOEXEC);
    let shared: &[(&str, &str)] = &[("mode", "1777"), ("size", "64m"), ("nr_inodes", "4096")];
    plan.fresh("tmpfs", "/dev/shm", shared, NOSUID | NODEV | NOEXEC);
    // Its own processes only, and nothing about the machine.
    let own: &[(&str, &str)] = &[("hidepid", "invisible"), ("subset", "pid")];
    plan.fresh("proc", "/proc", own, ALL);
    plan.bind(workspace, "/workspace", NOSUID | NODEV, Ownership::Top)?;
    plan.directory_at("/mnt", 0o755);
    for mount in mounts {
        plan.bind(
            &mount.host,
            &format!("/mnt/{}", mount.at),
            ALL,
            Ownership::Unchanged,
        )?;
    }
    Ok(plan)
}

fn etc_files(id: u32) -> Vec<(String, String)> {
    [
        (
            "/etc/passwd",
            format!("root:x:0:0:root:/:/bin/false\nagent:x:{id}:{id}:agent:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
        ),
        ("/etc/group", format!("root:x:0:\nagent:x:{id}:\nnogroup:x:65534:\n")),
        ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n".into()),
        ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n".into()),
    ]
    .map(|(path, text)| (path.to_owned(), text))
    .into()
}

impl Plan {
    /// The mounts of the finished cage.
    pub fn expected_mounts(&self) -> Vec<ExpectedMount> {
        let root = ExpectedMount {
            at: "/".into(),
            options: options(ALL),
            with_submounts: false,
        };
        let binds = self.binds.iter().map(|bind| ExpectedMount {
            at: bind.at.clone(),
            options: options(bind.attributes),
            with_submounts: bind.is_directory,
        });
        let fresh = self.fresh.iter().map(|fresh| ExpectedMount {
            at: fresh.at.clone(),
            options: options(fresh.attributes),
            with_submounts: false,
        });
        [root].into_iter().chain(binds).chain(fresh).collect()
    }

    /// Of a host's tree: the places that are written, and what is mounted over it, by place and kind.
    pub(crate) fn host_mounts(&self) -> Option<HostMounts> {
        self.host_view.then(|| HostMounts {
            writable: self.binds.iter().map(|bind| bind.at.clone()).collect(),
            fresh: self
                .fresh
                .iter()
                .map(|one| (one.at.clone(), one.kind))
                .collect(),
        })
    }

    /// The places of a host's tree that are written.
    pub(crate) fn writable(&self) -> Vec<PathBuf> {
        self.binds.iter().map(|bind| (&bind.at).into()).collect()
    }

    /// What a cage sees of the host and of its own, one line each, for people.
    pub fn visible(&self) -> Vec<String> {
        let access = |attributes: u64| {
            let write = if attributes & RDONLY == 0 {
                "read, write"
            } else {
                "read"
            };
            let execute = if attributes & NOEXEC == 0 {
                ", execute"
            } else {
                ""
            };
            format!("{write}{execute}")
        };
        let binds = self.binds.iter().map(|bind| {
            format!(
                "{}: {} of the host ({})",
                bind.at,
                bind.host.display(),
                access(bind.attributes)
            )
        });
        let fresh = self.fresh.iter().map(|fresh| {
            format!(
                "{}: a {} of its own ({})",
                fresh.at,
                fresh.kind,
                access(fresh.attributes)
            )
        });
        let made = self
            .files
            .iter()
            .filter(|(_, content)| !content.is_empty())
            .map(|(path, _)| format!("{path}: generated (read)"));
        let mut lines: Vec<String> = binds.chain(fresh).chain(made).collect();
        if lines.is_empty() {
            lines.push("/: empty, read-only".to_owned());
        }
        lines
    }

    /// Shows the program of hands to what hands runs, as the `ipc` command. Landlock knows it by
    /// its file, so it may be executed there too.
    ///
    /// # Errors
    /// [`PlanError::Place`].
    pub(crate) fn offer_command(&mut self, program: &Path) -> Result<(), PlanError> {
        self.bind(program, COMMAND, SYSTEM, Ownership::Unchanged)
    }

    fn directory_at(&mut self, path: &str, mode: u32) {
        if !self.directories.iter().any(|(known, _)| known == path) {
            self.directories.push((path.into(), mode));
        }
    }

    /// Makes the directories above a mount point.
    fn parents_of(&mut self, path: &str) {
        let mut above: Vec<&Path> = Path::new(path).ancestors().skip(1).collect();
        above.reverse();
        for parent in above.iter().skip(1) {
            self.directory_at(&parent.to_string_lossy(), 0o755);
        }
    }

    fn bind(
        &mut self,
        host: &Path,
        at: &str,
        attributes: u64,
        owner: Ownership,
    ) -> Result<(), PlanError> {
        let place = |cause| PlanError::Place {
            path: host.to_owned(),
            cause,
        };
        let real = host.canonicalize().map_err(place)?;
        let is_directory = real.metadata().map_err(place)?.is_dir();
        self.parents_of(at);
        if is_directory {
            self.directory_at(at, 0o755);
        } else {
            self.files.push((at.into(), String::new()));
        }
        self.binds.push(Bind {
            host: real,
            at: at.into(),
            is_directory,
            attributes,
            owner,
        });
        Ok(())
    }

    fn bind_if_present(&mut self, path: &str, attributes: u64) -> Result<(), PlanError> {
        if Path::new(path).exists() {
            self.bind(Path::new(path), path, attributes, Ownership::Unchanged)?;
        }
        Ok(())
    }

    fn fresh(
        &mut self,
        kind: &'static str,
        at: &str,
        options: &'static [(&'static str, &'static str)],
        attributes: u64,
    ) {
        self.parents_of(at);
        self.directory_at(at, 0o755);
        self.fresh.push(Fresh {
            kind,
            at: at.into(),
            options,
            attributes,
        });
    }
}

/// A step of building a root that failed.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) layer: Layer,
    pub(crate) step: String,
    pub(crate) cause: std::io::Error,
}

fn failed(step: impl Into<String>) -> impl FnOnce(std::io::Error) -> Failed {
    let step = step.into();
    move |cause| Failed {
        layer: Layer::Root,
        step,
        cause,
    }
}

/// The sources of a plan, detached from everything.
pub(crate) struct Sources {
    binds: Vec<OwnedFd>,
    fresh: Vec<OwnedFd>,
    root: OwnedFd,
}

/// Takes every source, in the child, while it still sees the host. `give_to` is the id that gets
/// the directories which are the cage's own, in root mode.
pub(crate) fn take_sources(plan: &Plan, give_to: Option<u32>) -> Result<Sources, Failed> {
    let mut binds = Vec::new();
    for bind in &plan.binds {
        let shown = bind.host.display();
        let place = mount::open_place(&c_path(&bind.host)?, bind.is_directory)
            .map_err(failed(format!("opening {shown}")))?;
        let tree = mount::clone_tree(place.as_fd())
            .map_err(failed(format!("copying the mount of {shown}")))?;
        if let Some(id) = give_to {
            hand_over(bind, place.as_fd(), id)?;
        }
        mount::set_attributes(tree.as_fd(), bind.attributes)
            .map_err(failed(format!("restricting the mount of {shown}")))?;
        binds.push(tree);
    }
    let mut fresh = Vec::new();
    for one in &plan.fresh {
        fresh.push(new_filesystem(
            one.kind,
            one.options,
            one.attributes,
            &one.at,
        )?);
    }
    let root = if plan.host_view {
        mount::open_place(c"/", true).map_err(failed("opening the root directory"))?
    } else {
        let options: &[(&str, &str)] = &[("mode", "755"), ("size", "1m"), ("nr_inodes", "512")];
        new_filesystem("tmpfs", options, NOSUID | NODEV | NOEXEC, "/")?
    };
    Ok(Sources { binds, fresh, root })
}

fn hand_over(bind: &Bind, place: BorrowedFd<'_>, id: u32) -> Result<(), Failed> {
    let giving = || failed(format!("giving {} to user id {id}", bind.host.display()));
    if bind.owner == Ownership::Unchanged {
        return Ok(());
    }
    mount::give_to(place, c"", id).map_err(giving())?;
    if bind.owner == Ownership::Entries {
        for entry in fs::read_dir(&bind.host).map_err(giving())? {
            let name = entry.map_err(giving())?.file_name();
            mount::give_to(place, &c_path(Path::new(&name))?, id).map_err(giving())?;
        }
    }
    Ok(())
}

fn new_filesystem(
    kind: &str,
    options: &[(&str, &str)],
    attributes: u64,
    at: &str,
) -> Result<OwnedFd, Failed> {
    let text = |text: &str| c_path(Path::new(text));
    let mut list = Vec::new();
    for (key, value) in options {
        list.push((text(key)?, text(value)?));
    }
    let list: Vec<_> = list
        .iter()
        .map(|(key, value)| (key.as_c_str(), value.as_c_str()))
        .collect();
    mount::new_filesystem(&text(kind)?, &list, attributes)
        .map_err(failed(format!("making a {kind} for {at}")))
}

/// Makes the tree, enters it, and freezes it.
pub(crate) fn enter(plan: &Plan, sources: Sources) -> Result<(), Failed> {
    mount::make_all_private().map_err(failed("making mounts private"))?;
    if plan.host_view {
        mount::set_attributes(sources.root.as_fd(), RDONLY | NOSUID)
            .map_err(failed("making the host's tree read-only"))?;
        return cover(plan, sources);
    }
    mount::attach(sources.root.as_fd(), c"/").map_err(failed("mounting the new root"))?;
    mount::enter_root(sources.root.as_fd()).map_err(failed("pivot_root"))?;
    drop(sources.root);

    // Modes are given in full here; the process' own mask is for what it makes later.
    for (path, mode) in &plan.directories {
        let made = || -> std::io::Result<()> {
            fs::create_dir(path)?;
            fs::set_permissions(path, fs::Permissions::from_mode(*mode))
        };
        // A directory below a mounted one exists already, where the host has it.
        made().map_err(failed(format!("making {path}")))?;
    }
    for (path, content) in &plan.files {
        let made = || -> std::io::Result<()> {
            fs::write(path, content)?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o644))
        };
        made().map_err(failed(format!("making {path}")))?;
    }
    for (path, target) in &plan.links {
        symlink(target, path).map_err(failed(format!("linking {path}")))?;
    }
    attach(plan, sources.binds, sources.fresh)?;
    mount::freeze_root().map_err(failed("making the root read-only"))?;
    mount::chdir(&c_path(Path::new(&plan.directory))?)
        .map_err(failed("entering the start directory"))
}

/// Mounts over the host's tree, whose directories are there.
fn cover(plan: &Plan, sources: Sources) -> Result<(), Failed> {
    attach(plan, sources.binds, sources.fresh)?;
    mount::chdir(&c_path(Path::new(&plan.directory))?)
        .map_err(failed("entering the start directory"))
}

fn attach(plan: &Plan, binds: Vec<OwnedFd>, fresh: Vec<OwnedFd>) -> Result<(), Failed> {
    for (bind, tree) in plan.binds.iter().zip(binds) {
        mount::attach(tree.as_fd(), &c_path(Path::new(&bind.at))?)
            .map_err(failed(format!("mounting {}", bind.at)))?;
    }
    for (fresh, tree) in plan.fresh.iter().zip(fresh) {
        mount::attach(tree.as_fd(), &c_path(Path::new(&fresh.at))?)
            .map_err(failed(format!("mounting {}", fresh.at)))?;
    }
    Ok(())
}

fn options(attributes: u64) -> Vec<&'static str> {
    [
        (RDONLY, "ro"),
        (NOSUID, "nosuid"),
        (NODEV, "nodev"),
        (NOEXEC, "noexec"),
    ]
    .into_iter()
    .filter(|(bit, _)| attributes & bit != 0)
    .map(|(_, name)| name)
    .collect()
}

fn c_path(path: &Path) -> Result<CString, Failed> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| failed("a path with a zero byte")(std::io::ErrorKind::InvalidInput.into()))
}
