//! What the new process does to itself between clone and exec, in the one order that works.
//!
//! Each step names itself; the first that fails is the last: one line on the report pipe, exit 99.
//! Nothing here chooses: what to do was decided by the caller of `spawn`.

use std::ffi::CString;
use std::io;
use std::os::fd::RawFd;

use crate::bpf::Instruction;
use crate::limits::Limit;
use crate::root::{self, Plan};
use crate::sys::{process, secure};
use crate::{Layer, ProfileName, exit, paths, report};

/// Where the executable stands while the cage is built; it closes on exec.
pub(crate) const PROGRAM_FD: RawFd = 5;
/// Where the supervisor's process descriptor stands while the cage is built; it closes on exec.
const PARENT_FD: RawFd = 10;
/// Where the pipe stands that holds a foreign program back until it is attested.
pub(crate) const HOLD_FD: RawFd = 11;
/// Above every fixed number, below the smallest descriptor limit in use.
const PARKING: RawFd = 32;

/// What is executed in the finished cage.
#[derive(Debug)]
pub(crate) enum Program {
    /// The file behind a descriptor.
    Opened(RawFd),
    /// A path in the cage.
    Inside(CString),
}

/// Everything a child needs, prepared before clone.
#[derive(Debug)]
pub(crate) struct Boot {
    pub(crate) profile: ProfileName,
    /// The ids of an ordinary user, mapped to this one id; `None` for root.
    pub(crate) map: Option<IdMap>,
    /// The id to become when root.
    pub(crate) become_id: Option<u32>,
    /// The tree to enter; `None` when namespaces are waived.
    pub(crate) root: Option<Plan>,
    /// Descriptors and their numbers in the cage.
    pub(crate) descriptors: Vec<(RawFd, RawFd)>,
    pub(crate) report: RawFd,
    pub(crate) parent: RawFd,
    pub(crate) hold: Option<RawFd>,
    pub(crate) cgroup_doors: Vec<RawFd>,
    pub(crate) limits: &'static [Limit],
    pub(crate) landlock: bool,
    pub(crate) filter: Vec<Instruction>,
    pub(crate) program: Program,
    pub(crate) argv: Vec<CString>,
    pub(crate) environment: Vec<CString>,
}

/// One outside user and group, and how they are seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdMap {
    pub(crate) inside: u32,
    pub(crate) inside_group: u32,
    pub(crate) user: u32,
    pub(crate) group: u32,
}

/// A step that failed.
struct Stop {
    layer: Layer,
    message: String,
}

/// The child's whole life. Never returns.
pub(crate) fn run(boot: &Boot) -> ! {
    let mut report = boot.report;
    let Err(stop) = steps(boot, &mut report);
    // NOTE(write): if even the report cannot be written, the exit status still tells.
    let _ = process::write_all(
        report,
        &report::failure_line(stop.layer.as_str(), &stop.message),
    );
    process::exit_now(exit::BOOT_REFUSED)
}

fn steps(boot: &Boot, report: &mut RawFd) -> Result<std::convert::Infallible, Stop> {
    // The control group first: its files are out of sight soon.
    for door in &boot.cgroup_doors {
        process::write_all(*door, b"0").map_err(at(Layer::Cgroup, "joining the control group"))?;
    }

    place_descriptors(boot).map_err(at(Layer::Descriptors, "placing descriptors"))?;
    *report = report::REPORT_FD;
    process::umask(0o077);
    process::setsid().map_err(at(Layer::Session, "setsid"))?;
    process::reset_signals().map_err(at(Layer::Session, "resetting signals"))?;
    secure::new_session_keyring().map_err(at(Layer::Keyring, "joining a new session keyring"))?;

    if let Some(map) = &boot.map {
        map_ids(map)?;
    }

    // The namespace of clone has its root where the supervisor is, so the group just joined would
    // have a name in it, with the supervisor's number. The broker shares the host's view.
    if !boot.cgroup_doors.is_empty() && boot.profile != ProfileName::Broker && boot.root.is_some() {
        process::new_group_namespace().map_err(at(
            Layer::Namespaces,
            "a control group namespace of its own",
        ))?;
    }

    if let Some(plan) = &boot.root {
        // The host's name is nobody's business; who reads a secret shares it, and could not change it.
        if !boot.profile.is_held() {
            process::set_host_name(boot.profile.as_str())
                .map_err(at(Layer::Namespaces, "naming the host"))?;
        }
        let sources = root::take_sources(plan, boot.become_id).map_err(root_failed)?;
        if boot.map.is_some() {
            forbid_nested_namespaces();
        }
        root::enter(plan, sources).map_err(root_failed)?;
    }

    for limit in boot.limits {
        let step = format!("setting {:?} to {}", limit.title, limit.value);
        secure::hard_limit(limit.resource)
            .and_then(|hard| secure::set_limit(limit.resource, limit.value.min(hard)))
            .map_err(at(Layer::Rlimits, &step))?;
    }

    drop_power(
        boot.map.is_some() || boot.become_id.is_some(),
        boot.become_id,
    )?;

    secure::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0)
        .map_err(at(Layer::NoNewPrivs, "no_new_privs"))?;
    die_with_parent()?;

    if boot.landlock {
        restrict_paths(boot).map_err(|error| Stop {
            layer: Layer::Landlock,
            message: error.to_string(),
        })?;
    }
    secure::install_filter(&boot.filter)
        .map_err(at(Layer::Seccomp, "installing the start filter"))?;

    if boot.hold.is_some() {
        wait_for_release()?;
    }
    let error = match &boot.program {
        Program::Opened(_) => process::execveat(PROGRAM_FD, &boot.argv, &boot.environment),
        Program::Inside(path) => process::execve(path, &boot.argv, &boot.environment),
    };
    Err(at(Layer::Exec, "starting the program")(error))
}

/// Moves every kept descriptor to its number and closes all others, first all out of the way so
/// that no target is overwritten before it was read.
fn place_descriptors(boot: &Boot) -> io::Result<()> {
    let mut wanted: Vec<(RawFd, RawFd, bool)> = boot
        .descriptors
        .iter()
        .map(|(fd, target)| (*fd, *target, false))
        .collect();
    // A held program writes READY itself and must not inherit the pipe.
    wanted.push((boot.report, report::REPORT_FD, boot.hold.is_some()));
    wanted.push((boot.parent, PARENT_FD, true));
    if let Program::Opened(fd) = boot.program {
        wanted.push((fd, PROGRAM_FD, true));
    }
    if let Some(hold) = boot.hold {
        wanted.push((hold, HOLD_FD, true));
    }
    for entry in &mut wanted {
        entry.0 = process::duplicate_above(entry.0, PARKING)?;
    }
    for (fd, target, close_on_exec) in &wanted {
        process::duplicate_to(*fd, *target, *close_on_exec)?;
    }
    let mut first_free = 0;
    wanted.sort_by_key(|(_, target, _)| *target);
    for (_, target, _) in &wanted {
        if first_free < *target {
            process::close_range(first_free as u32, *target as u32 - 1)?;
        }
        first_free = target + 1;
    }
    process::close_range(first_free as u32, u32::MAX)
}

fn map_ids(map: &IdMap) -> Result<(), Stop> {
    // A process that is not dumpable does not own its files in /proc; exec and the last lock make
    // it so again.
    secure::prctl(libc::PR_SET_DUMPABLE, 1, 0).map_err(at(Layer::Namespaces, "dumpable"))?;
    let write = |file: &str, text: String| {
        let hint = "a security module may refuse user namespaces to ordinary users";
        std::fs::write(format!("/proc/self/{file}"), text)
            .map_err(at(Layer::Namespaces, &format!("writing {file} ({hint})")))
    };
    write("setgroups", "deny".into())?;
    write("uid_map", format!("{} {} 1", map.inside, map.user))?;
    write("gid_map", format!("{} {} 1", map.inside_group, map.group))
}

/// A soft layer: where `/proc/sys` is read-only the filter alone refuses namespaces.
fn forbid_nested_namespaces() {
    for kind in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"] {
        let _ = std::fs::write(format!("/proc/sys/user/max_{kind}_namespaces"), "0");
    }
}

/// [`map_ids`] for a try, with its failure as text.
pub(crate) fn map_ids_for_probe(map: &IdMap) -> Result<(), String> {
    map_ids(map).map_err(|stop| stop.message)
}

/// [`drop_power`] for a try, with its failure as text.
pub(crate) fn drop_power_for_probe(privileged: bool, become_id: Option<u32>) -> Result<(), String> {
    drop_power(privileged, become_id).map_err(|stop| stop.message)
}

/// Bounding set and securebits need CAP_SETPCAP, so they go before the id; the sets go last.
fn drop_power(privileged: bool, become_id: Option<u32>) -> Result<(), Stop> {
    let refused = |step| at(Layer::Capabilities, step);
    if privileged {
        for capability in 0..64 {
            match secure::prctl(libc::PR_CAPBSET_DROP, capability, 0) {
                Ok(_) => {}
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
                Err(error) => return Err(refused("emptying the bounding set")(error)),
            }
        }
        // NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE, all with their locks, and KEEP_CAPS
        // locked off.
        const SECUREBITS: u64 = 0b1110_1111;
        secure::prctl(libc::PR_SET_SECUREBITS, SECUREBITS, 0).map_err(refused("securebits"))?;
    }
    if let Some(id) = become_id {
        secure::leave_groups().map_err(at(Layer::Ids, "leaving all groups"))?;
        let step = format!("becoming user {id} (not mapped here? set uid-base in cage.toml)");
        secure::become_id(id).map_err(at(Layer::Ids, &step))?;
        if process::user_ids().ok() != Some([id; 3]) {
            return Err(at(Layer::Ids, "reading the ids back")(
                io::ErrorKind::Other.into(),
            ));
        }
    }
    match secure::prctl(
        libc::PR_CAP_AMBIENT,
        libc::PR_CAP_AMBIENT_CLEAR_ALL as u64,
        0,
    ) {
        Ok(_) => {}
        Err(error) => return Err(refused("clearing the ambient set")(error)),
    }
    secure::drop_capabilities().map_err(refused("emptying the sets"))?;
    let left = secure::capabilities().map_err(refused("reading the sets back"))?;
    if left != [0; 6] {
        return Err(refused("reading the sets back")(io::Error::other(
            "not empty",
        )));
    }
    Ok(())
}

/// After the change of ids, which clears the death signal. A parent that died before that is
/// noticed through its descriptor.
fn die_with_parent() -> Result<(), Stop> {
    let refused = |step| at(Layer::ParentDeath, step);
    secure::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64, 0)
        .map_err(refused("death signal"))?;
    let ended =
        process::poll_readable(&[PARENT_FD], 0).map_err(refused("asking for the parent"))?;
    if ended[0] {
        return Err(refused("asking for the parent")(io::Error::other(
            "it has ended",
        )));
    }
    process::close(PARENT_FD).map_err(refused("closing the parent's descriptor"))
}

fn restrict_paths(boot: &Boot) -> Result<(), paths::PathsError> {
    // The number was placed above and is open until exec.
    let program = matches!(boot.program, Program::Opened(_)).then(|| process::borrow(PROGRAM_FD));
    match (boot.profile, program) {
        (ProfileName::Worker, Some(program)) => paths::only_execute(program),
        (ProfileName::Worker, None) => paths::nothing(),
        (ProfileName::Hands, program) => {
            let executable = boot.root.as_ref().map(|plan| plan.executable.as_slice());
            paths::hands(program, executable.unwrap_or_default())
        }
        // These know their ports, and restrict themselves in their last lock.
        (ProfileName::Broker | ProfileName::Resolver, _) => Ok(()),
        (ProfileName::Secret | ProfileName::SecretOnline, _) => {
            let writable = boot.root.as_ref().map(Plan::writable).unwrap_or_default();
            paths::secret(&writable, boot.profile == ProfileName::SecretOnline)
        }
    }
}

/// A foreign program never says READY; its cage does, complete but for exec, and waits until it
/// was attested.
fn wait_for_release() -> Result<(), Stop> {
    let held = |step| at(Layer::Exec, step);
    process::write_all(report::REPORT_FD, report::READY_LINE).map_err(held("reporting"))?;
    match process::read_byte(HOLD_FD).map_err(held("waiting for the attestation"))? {
        Some(_) => Ok(()),
        None => Err(held("waiting for the attestation")(io::Error::other(
            "it was refused",
        ))),
    }
}

fn at(layer: Layer, step: &str) -> impl FnOnce(io::Error) -> Stop + use<> {
    let step = step.to_owned();
    move |error| Stop {
        layer,
        message: format!("{step}: {error}"),
    }
}

fn root_failed(failed: root::Failed) -> Stop {
    Stop {
        layer: failed.layer,
        message: format!("{}: {}", failed.step, failed.cause),
    }
}
