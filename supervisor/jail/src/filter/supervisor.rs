//! The supervisor: makes cages, watches them, and nothing else.
//!
//! Every process it starts inherits this filter, so it allows what building a cage needs (mounts,
//! namespaces, credentials, a new keyring), what the broker needs (stream sockets) and what the
//! resolver needs (datagram sockets). It takes away what neither ever does, for the supervisor and all below it.

use super::{ENOSYS, EPERM, all, calls, line};
use crate::bpf::Action::Kill;
use crate::bpf::{Line, is};

/// For the whole life of the supervisor.
pub fn lines() -> Vec<Line> {
    let mut lines = vec![
        line!(when keyctl, &[&[is(0, 1)]], EPERM, "a cage joins a session keyring of its own; no other use"),
        line!(when socket, super::sockets::ALL, EPERM,
            "local sockets for itself, streams for the broker, datagrams for the resolver; nothing raw, no netlink, vsock, MPTCP"),
        line!(when personality, &[&[is(0, u32::MAX)], &[is(0, 0)]], EPERM, "asking, and the default"),
    ];
    lines.extend(all(
        Kill,
        "reading or steering another process",
        calls!(
        ptrace process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_getfd),
    ));
    lines.extend(all(
        Kill,
        "kernel code and kernel memory",
        calls!(
        bpf perf_event_open userfaultfd init_module finit_module delete_module create_module
        kexec_load kexec_file_load iopl ioperm modify_ldt lookup_dcookie memfd_secret
        map_shadow_stack),
    ));
    lines.extend(all(
        ENOSYS,
        "a second table of calls that no filter sees; not killed, because programs in hands ask",
        calls!(io_uring_setup io_uring_enter io_uring_register),
    ));
    lines.extend(all(
        EPERM,
        "not needed by anybody; not killed, because programs in hands ask",
        calls!(kcmp name_to_handle_at),
    ));
    lines.extend(all(
        Kill,
        "keyrings are not separated by namespaces",
        calls!(add_key request_key),
    ));
    lines.extend(all(
        Kill,
        "the machine as a whole",
        calls!(
        reboot settimeofday clock_settime adjtimex clock_adjtime syslog vhangup swapon swapoff acct
        quotactl quotactl_fd),
    ));
    lines.extend(all(
        Kill,
        "a way into the host's files past the mounts",
        calls!(
        open_by_handle_at setns),
    ));
    lines.extend(all(
        ENOSYS,
        "not needed to make a cage",
        calls!(
        chroot mq_open shmget msgget semget),
    ));
    lines
}
