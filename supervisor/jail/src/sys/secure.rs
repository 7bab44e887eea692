//! Credentials, capabilities, limits, keyrings, filters: what takes power away.

use std::io;

use super::check;
use crate::bpf::Instruction;

/// Joins a new session keyring that nothing else has.
pub(crate) fn new_session_keyring() -> io::Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    // SAFETY: a null name asks for an anonymous keyring.
    check(unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            KEYCTL_JOIN_SESSION_KEYRING,
            std::ptr::null::<libc::c_char>(),
        )
    })
    .map(drop)
}

/// Sets the soft and hard value of a resource limit.
pub(crate) fn set_limit(resource: u32, value: u64) -> io::Result<()> {
    let limit = libc::rlimit64 {
        rlim_cur: value,
        rlim_max: value,
    };
    // SAFETY: a live structure that the kernel only reads.
    check(unsafe { libc::setrlimit64(resource, &raw const limit) }.into()).map(drop)
}

/// The hard value of a resource limit.
pub(crate) fn hard_limit(resource: u32) -> io::Result<u64> {
    let mut limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: a live structure that the kernel writes.
    check(unsafe { libc::getrlimit64(resource, &raw mut limit) }.into())?;
    Ok(limit.rlim_max)
}

/// `prctl` with integer arguments only.
pub(crate) fn prctl(option: libc::c_int, two: u64, three: u64) -> io::Result<i32> {
    // SAFETY: the options used in this crate take integers and no pointers.
    Ok(check(unsafe { libc::prctl(option, two, three, 0_u64, 0_u64) }.into())? as i32)
}

/// Leaves all supplementary groups.
pub(crate) fn leave_groups() -> io::Result<()> {
    // SAFETY: a count of zero reads nothing.
    check(unsafe { libc::syscall(libc::SYS_setgroups, 0_usize, std::ptr::null::<u32>()) }).map(drop)
}

/// Becomes one group and one user for good: real, effective and saved.
pub(crate) fn become_id(id: u32) -> io::Result<()> {
    // SAFETY: integers only. The raw calls change this thread alone, and it is the only one.
    check(unsafe { libc::syscall(libc::SYS_setresgid, id, id, id) })?;
    // SAFETY: as above.
    check(unsafe { libc::syscall(libc::SYS_setresuid, id, id, id) }).map(drop)
}

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

/// `_LINUX_CAPABILITY_VERSION_3`: two words per set.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// Empties the effective, permitted and inheritable sets.
pub(crate) fn drop_capabilities() -> io::Result<()> {
    let header = CapabilityHeader {
        version: CAPABILITY_VERSION,
        pid: 0,
    };
    let sets = [0_u32; 6];
    // SAFETY: the header asks for version 3, which has two entries of three words: `sets`.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) }).map(drop)
}

/// The effective, permitted and inheritable sets, each as two words.
pub(crate) fn capabilities() -> io::Result<[u32; 6]> {
    let mut header = CapabilityHeader {
        version: CAPABILITY_VERSION,
        pid: 0,
    };
    let mut sets = [0_u32; 6];
    // SAFETY: the header asks for version 3, which has two entries of three words: `sets`.
    check(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) })?;
    Ok(sets)
}

/// Adds a system call filter to every thread of this process.
pub(crate) fn install_filter(program: &[Instruction]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog {
        len: length,
        filter: program.as_ptr().cast_mut().cast(),
    };
    // SAFETY: Instruction is repr(C) with the layout of sock_filter; the kernel reads `length`
    // entries of a live slice and writes nothing.
    let result = check(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const program,
        )
    })?;
    // With TSYNC a positive value is the id of a thread that could not follow.
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::other("a thread could not take the filter"))
    }
}

/// The Landlock ABI version of this kernel.
pub(crate) fn landlock_abi() -> io::Result<i64> {
    const LANDLOCK_CREATE_RULESET_VERSION: u32 = 1;
    // SAFETY: with this flag the call reads no memory and returns a number.
    check(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0_usize,
            LANDLOCK_CREATE_RULESET_VERSION,
        )
    })
}
