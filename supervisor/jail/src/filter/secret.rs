//! Who reads a secret, and the programs of the owner that it runs for that: gpg, a shell, the tools
//! of password managers.
//!
//! A deny-list, because those may be any program; they are the owner's, not an attacker's. What they
//! can write and reach is the part of Landlock, of the mounts and of the network's namespace. It is
//! installed before exec and inherited by everything they run.

use super::{ENOSYS, EPERM, all, calls, line, sockets};
use crate::bpf::Action::{Errno, Kill};
use crate::bpf::{Clause, Line, bits, is};

/// All namespace flags of clone: new ns, cgroup, uts, ipc, user, pid, net, time.
const NAMESPACE_FLAGS: u64 = 0x7e02_0080;

/// Where the secret lives on this machine.
pub fn offline() -> Vec<Line> {
    let mut lines = vec![line!(when socket, sockets::LOCAL, EPERM,
        "an agent and the message bus by their files; there is no network to reach")];
    lines.extend(common());
    lines
}

/// Where a program asks a server for the secret.
pub fn online() -> Vec<Line> {
    let mut lines = vec![line!(when socket, sockets::ALL, EPERM,
        "TCP and UDP to its server; nothing raw, no netlink, vsock, MPTCP")];
    lines.extend(common());
    lines
}

fn common() -> Vec<Line> {
    let mut lines = vec![
        line!(when clone, &[&[bits(0, NAMESPACE_FLAGS, 0)]], EPERM,
            "threads and processes; never with a namespace"),
        line!(always clone3, ENOSYS, "its flags are behind a pointer; the C library falls back to clone"),
        line!(when personality, &[&[is(0, u32::MAX)], &[is(0, 0)]], EPERM,
            "asking, and the default; never without address randomisation"),
        line!(when arch_prctl, &[&[is(0, 0x1002)], &[is(0, 0x1003)]], Errno(libc::EINVAL as u16),
            "thread-local storage; asking for shadow stacks is answered no"),
        line!(when prlimit64, &[&[is(0, 0)]], EPERM, "own limits, which only go down"),
        line!(always seccomp, EPERM, "a filter cannot be replaced, and needs no company"),
    ];
    // Requests that push characters into a terminal, compared in 32 bits as the kernel does.
    const ANY: u64 = 0xffff_ffff;
    const TERMINAL: &[Clause] = &[
        &[bits(1, ANY, libc::TIOCSTI)],
        &[bits(1, ANY, libc::TIOCLINUX)],
        &[bits(1, ANY, libc::TIOCSETD)],
    ];
    let mut terminal = line!(when ioctl, TERMINAL, crate::bpf::Action::Allow,
        "everything but tricks with a terminal");
    terminal.action = EPERM;
    lines.push(terminal);
    lines.extend(all(
        Kill,
        "reading or steering another process",
        calls!(
        ptrace process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_getfd),
    ));
    lines.extend(all(
        Kill,
        "mounts and namespaces",
        calls!(
        mount umount2 pivot_root fsopen fsconfig fsmount fspick move_mount open_tree open_tree_attr
        mount_setattr unshare setns open_by_handle_at quotactl quotactl_fd swapon swapoff acct),
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
        "a second table of calls that no filter sees; the loop under node asks for it and copes",
        calls!(io_uring_setup io_uring_enter io_uring_register),
    ));
    lines.extend(all(
        Kill,
        "keyrings are not separated by namespaces",
        calls!(add_key request_key keyctl),
    ));
    lines.extend(all(Kill, "the machine as a whole", calls!(
        reboot settimeofday clock_settime adjtimex clock_adjtime sethostname setdomainname syslog vhangup)));
    lines.extend(all(
        EPERM,
        "some tools ask for these and cope",
        calls!(kcmp name_to_handle_at chroot mknod mknodat setgroups capset),
    ));
    lines
}
