//! The last lock: what a confined program does to itself before it reads a first byte.
//!
//! The order in a program: open and prepare what it needs, the lock of its profile, [`ready`],
//! then its channel. On an error: [`fail`]. A broker locks before it starts its runtime: Landlock
//! holds for threads made later, not for those made before.

use std::ffi::CString;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use crate::filter::{self, Stage};
use crate::sys::{process, secure};
use crate::{Layer, ProfileName, bpf, exit, paths, report};

/// The waived layers that are absent; the one variable in the environment of a program that locks
/// itself.
const WAIVED: &str = "CARAPACE_WAIVED";
/// The channel of a confined program.
const CHANNEL_FD: i32 = 3;
/// Numbers looked at for stray descriptors; the limit of a worker's descriptors.
const DESCRIPTOR_LIMIT: i32 = 64;

/// Which lock failed, and why. The process must end; it is neither confined nor of use.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct LockError {
    layer: Layer,
    message: String,
}

impl LockError {
    /// The layer that failed.
    pub fn layer(&self) -> Layer {
        self.layer
    }
}

/// What the broker keeps.
#[derive(Clone, Copy, Debug)]
pub struct BrokerLock<'a> {
    /// Its state directory, read and written; `/state` in its cage.
    pub state: &'a Path,
    /// Files and directories it reads: certificates, resolver configuration. Each must exist; see
    /// [`broker_readable`].
    pub read_only: &'a [PathBuf],
    /// TCP ports it connects to.
    pub connect_ports: &'a [u16],
}

/// The lock of the mind: nothing is left but its descriptors, memory and time.
///
/// Looks first whether the cage is what it should be: process 1, no stray descriptor, no network
/// interface up, no host path, no capability.
///
/// # Errors
/// [`LockError`] for the first layer that cannot be applied, and for anything the look finds.
pub fn worker() -> Result<(), LockError> {
    secure::prctl(libc::PR_SET_DUMPABLE, 0, 0).map_err(failed(Layer::Dumpable, "dumpable"))?;
    check_powerless()?;
    if !is_absent(Layer::Namespaces) {
        check_alone()?;
        check_empty_root()?;
    }
    check_descriptors(&[0, 1, 2, CHANNEL_FD, report::REPORT_FD])?;
    refuse_executable_memory(false)?;
    if !is_absent(Layer::Landlock) {
        paths::nothing().map_err(paths_failed)?;
    }
    install(ProfileName::Worker)
}

/// The lock of hands. What hands runs later inherits the filter, not the memory rule (just-in-time
/// compilers need executable pages) and not the channel.
///
/// # Errors
/// [`LockError`] for the first layer that cannot be applied, and for a cage that is not one.
pub fn hands() -> Result<(), LockError> {
    secure::prctl(libc::PR_SET_DUMPABLE, 0, 0).map_err(failed(Layer::Dumpable, "dumpable"))?;
    check_powerless()?;
    check_alone()?;
    check_descriptors(&[0, 1, 2, CHANNEL_FD, report::REPORT_FD])?;
    // What hands runs must never hold the channel.
    for number in [CHANNEL_FD, report::REPORT_FD] {
        process::close_on_exec(number).map_err(failed(Layer::Descriptors, "close-on-exec"))?;
    }
    refuse_executable_memory(true)?;
    install(ProfileName::Hands)
}

/// The lock of the broker: its state directory, the files named, the TCP ports named, no exec.
///
/// # Errors
/// [`LockError`] for the first layer that cannot be applied, and for a path that does not exist.
pub fn broker(keep: &BrokerLock<'_>) -> Result<(), LockError> {
    secure::prctl(libc::PR_SET_DUMPABLE, 0, 0).map_err(failed(Layer::Dumpable, "dumpable"))?;
    check_powerless()?;
    refuse_executable_memory(false)?;
    if !is_absent(Layer::Landlock) {
        paths::broker(keep.state, keep.read_only, keep.connect_ports).map_err(paths_failed)?;
    }
    install(ProfileName::Broker)
}

/// The lock of the resolver: no file, no exec, no thread, TCP to the ports named, and datagrams.
/// What it reads of the host's configuration it has read by then.
///
/// # Errors
/// [`LockError`] for the first layer that cannot be applied, and for a cage that is not one.
pub fn resolver(connect_ports: &[u16]) -> Result<(), LockError> {
    secure::prctl(libc::PR_SET_DUMPABLE, 0, 0).map_err(failed(Layer::Dumpable, "dumpable"))?;
    check_powerless()?;
    check_first()?;
    check_descriptors(&[0, 1, 2, CHANNEL_FD, report::REPORT_FD])?;
    refuse_executable_memory(false)?;
    if !is_absent(Layer::Landlock) {
        paths::resolver(connect_ports).map_err(paths_failed)?;
    }
    install(ProfileName::Resolver)
}

/// Which of the paths that name resolution and certificate checks read are in the broker's cage,
/// for [`BrokerLock::read_only`].
pub fn broker_readable() -> Vec<PathBuf> {
    ["/etc", "/usr"]
        .map(PathBuf::from)
        .into_iter()
        .filter(|path| path.exists())
        .collect()
}

/// The lock of the supervisor: not dumpable, no core file, no privilege by exec, and a filter that
/// every cage inherits, so it keeps what a cage and the broker need.
///
/// # Errors
/// [`LockError`] for the first layer that cannot be applied.
pub fn supervisor() -> Result<(), LockError> {
    secure::prctl(libc::PR_SET_DUMPABLE, 0, 0).map_err(failed(Layer::Dumpable, "dumpable"))?;
    secure::set_limit(libc::RLIMIT_CORE, 0).map_err(failed(Layer::Rlimits, "no core file"))?;
    secure::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0)
        .map_err(failed(Layer::NoNewPrivs, "no_new_privs"))?;
    let program = bpf::compile(&filter::supervisor_table()).map_err(|error| LockError {
        layer: Layer::Seccomp,
        message: error.to_string(),
    })?;
    secure::install_filter(&program).map_err(failed(Layer::Seccomp, "installing the filter"))
}

/// Says READY on the report pipe and closes it.
///
/// # Errors
/// [`LockError`] when nobody holds the other end.
pub fn ready() -> Result<(), LockError> {
    let write = process::write_all(report::REPORT_FD, report::READY_LINE);
    write.map_err(failed(Layer::Exec, "reporting READY"))?;
    process::close(report::REPORT_FD).map_err(failed(Layer::Exec, "closing the report pipe"))
}

/// Reports a lock that failed and ends the process with status 99.
pub fn fail(error: &LockError) -> ! {
    fail_with(error.layer.as_str(), &error.message)
}

/// Reports any other reason not to start, named in kebab-case, and ends with status 99.
pub fn fail_with(layer: &str, message: &str) -> ! {
    // NOTE(write): if the report cannot be written, the exit status still tells.
    let _ = process::write_all(report::REPORT_FD, &report::failure_line(layer, message));
    process::exit_now(exit::BOOT_REFUSED)
}

/// The environment that tells the last lock what is absent; empty if nothing is.
pub(crate) fn environment(landlock: bool, namespaces: bool) -> Vec<CString> {
    let absent: Vec<&str> = [(landlock, Layer::Landlock), (namespaces, Layer::Namespaces)]
        .into_iter()
        .filter(|(in_use, _)| !in_use)
        .map(|(_, layer)| layer.as_str())
        .collect();
    if absent.is_empty() {
        return Vec::new();
    }
    // NOTE(zero byte): layer names hold none.
    CString::new(format!("{WAIVED}={}", absent.join(",")))
        .into_iter()
        .collect()
}

/// Only the supervisor makes a cage's environment, from what the owner waived.
fn is_absent(layer: Layer) -> bool {
    std::env::var(WAIVED).is_ok_and(|text| {
        text.split(',')
            .any(|name| layer.waivable() && name == layer.as_str())
    })
}

fn check_powerless() -> Result<(), LockError> {
    let sets = secure::capabilities().map_err(failed(Layer::SelfCheck, "reading capabilities"))?;
    expect(sets == [0; 6], "a capability is left")?;
    let no_new_privs = secure::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0).ok() == Some(1);
    expect(no_new_privs, "no_new_privs is not set")?;
    if !is_absent(Layer::Namespaces) {
        let bounded =
            (0..64).all(|number| !matches!(secure::prctl(libc::PR_CAPBSET_READ, number, 0), Ok(1)));
        expect(bounded, "the bounding set is not empty")?;
    }
    let ids = process::user_ids().map_err(failed(Layer::SelfCheck, "reading user ids"))?;
    expect(!ids.contains(&0), "the process is user 0")
}

fn check_first() -> Result<(), LockError> {
    expect(
        process::own_pid() == 1,
        "the process is not number 1 of its own namespace",
    )
}

/// Process 1 of its own namespace, with no network interface that is up.
fn check_alone() -> Result<(), LockError> {
    check_first()?;
    // Not the channel: a socket answers for the network it was made in, and that was the host's.
    let socket = process::local_socket().map_err(failed(Layer::SelfCheck, "making a socket"))?;
    for index in 1..=16 {
        let flags = process::interface_flags(socket.as_raw_fd(), index)
            .map_err(failed(Layer::SelfCheck, "looking for network interfaces"))?;
        let up = flags.is_some_and(|flags| i32::from(flags) & libc::IFF_UP != 0);
        expect(!up, "a network interface is up")?;
    }
    Ok(())
}

fn check_empty_root() -> Result<(), LockError> {
    for path in [
        "/proc", "/sys", "/dev", "/etc", "/usr", "/bin", "/home", "/root", "/tmp", "/run", "/var",
    ] {
        let found = std::fs::symlink_metadata(path);
        let absent = found.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
        expect(absent, &format!("{path} can be seen"))?;
    }
    Ok(())
}

fn check_descriptors(expected: &[i32]) -> Result<(), LockError> {
    for number in 0..DESCRIPTOR_LIMIT {
        let (open, wanted) = (process::is_open(number), expected.contains(&number));
        expect(
            open == wanted,
            &format!("descriptor {number} is open: {open}, expected: {wanted}"),
        )?;
    }
    Ok(())
}

fn expect(holds: bool, found: &str) -> Result<(), LockError> {
    if holds {
        return Ok(());
    }
    Err(LockError {
        layer: Layer::SelfCheck,
        message: format!("self-check: {found}"),
    })
}

fn refuse_executable_memory(not_for_children: bool) -> Result<(), LockError> {
    let flags = libc::PR_MDWE_REFUSE_EXEC_GAIN
        | if not_for_children {
            libc::PR_MDWE_NO_INHERIT
        } else {
            0
        };
    secure::prctl(libc::PR_SET_MDWE, u64::from(flags), 0)
        .map(drop)
        .map_err(failed(
            Layer::Mdwe,
            "memory-deny-write-execute (Linux 6.6 or newer)",
        ))
}

fn install(profile: ProfileName) -> Result<(), LockError> {
    let program = filter::program(profile, Stage::Final).map_err(|error| LockError {
        layer: Layer::Seccomp,
        message: error.to_string(),
    })?;
    secure::install_filter(&program).map_err(failed(Layer::Seccomp, "installing the last filter"))
}

fn failed(layer: Layer, step: &'static str) -> impl FnOnce(std::io::Error) -> LockError {
    move |error| LockError {
        layer,
        message: format!("{step}: {error}"),
    }
}

fn paths_failed(error: paths::PathsError) -> LockError {
    LockError {
        layer: Layer::Landlock,
        message: error.to_string(),
    }
}
