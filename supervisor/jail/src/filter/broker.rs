//! The broker: a TLS client, a database and one event loop; no exec, no process, no raw socket.
//!
//! A deny-list, with every call above [`super::NEWEST_KNOWN`] refused, because the runtime, the
//! database and the resolver may need a call nobody measured. What it may reach in files and TCP
//! ports is Landlock's part.

use super::{ENOSYS, EPERM, all, calls, line, sockets};
use crate::bpf::Action::Kill;
use crate::bpf::{Clause, Line, bits, is};

const THREAD: u64 = (libc::CLONE_THREAD | libc::CLONE_VM) as u64;
const EXECUTABLE: u64 = libc::PROT_EXEC as u64;
const FAST_OPEN: u64 = libc::MSG_FASTOPEN as u64;
const OUT_OF_BAND: u64 = libc::MSG_OOB as u64;

/// From the last lock on.
pub fn lines() -> Vec<Line> {
    let mut lines = vec![
        line!(when clone, &[&[bits(0, THREAD, THREAD)]], EPERM, "threads of the runtime; no process"),
        line!(when mmap, &[&[bits(2, EXECUTABLE, 0)]], EPERM, "memory, never executable"),
        line!(when mprotect, &[&[bits(2, EXECUTABLE, 0)]], EPERM, "memory, never executable"),
        line!(always pkey_mprotect, EPERM, "the third way to executable memory"),
        line!(when prctl,
            &[
                &[is(0, libc::PR_SET_NAME as u32)], &[is(0, libc::PR_GET_NAME as u32)],
                &[is(0, libc::PR_GET_DUMPABLE as u32)], &[is(0, libc::PR_SET_VMA as u32)],
                &[is(0, libc::PR_GET_NO_NEW_PRIVS as u32)], &[is(0, libc::PR_GET_SECCOMP as u32)],
            ], EPERM, "names and questions; it stays not dumpable and dies with the supervisor"),
        line!(always seccomp, EPERM, "the last filter is the last"),
    ];
    lines.extend(all(
        EPERM,
        "no program is ever started from here",
        calls!(execve execveat fork vfork),
    ));
    lines.extend(common());
    lines
}

/// Before exec: the last lock is still to come.
pub fn start_lines() -> Vec<Line> {
    let mut lines = vec![
        line!(when execveat, &[&[is(0, 5), is(4, libc::AT_EMPTY_PATH as u32)]], EPERM,
            "the exec of exactly the broker, from descriptor 5"),
        line!(when clone, &[&[bits(0, THREAD, THREAD)]], EPERM, "threads; no process"),
    ];
    lines.extend(all(
        EPERM,
        "no program is ever started from here",
        calls!(execve fork vfork),
    ));
    lines.extend(common());
    lines
}

fn common() -> Vec<Line> {
    let mut lines = vec![
        line!(always clone3, ENOSYS, "its flags are behind a pointer; the C library falls back to clone"),
        line!(when socket, sockets::STREAMS, EPERM, "streams, local sockets; nothing is resolved here"),
        line!(when sendto, &[&[bits(3, FAST_OPEN | OUT_OF_BAND, 0)]], EPERM,
            "no connect by MSG_FASTOPEN past Landlock's port rule, no out-of-band data"),
        line!(when sendmsg, &[&[bits(2, FAST_OPEN | OUT_OF_BAND, 0)]], EPERM,
            "no connect by MSG_FASTOPEN past Landlock's port rule, no out-of-band data"),
        line!(when sendmmsg, &[&[bits(3, FAST_OPEN | OUT_OF_BAND, 0)]], EPERM,
            "as sendmsg"),
        line!(when recvfrom, &[&[bits(3, OUT_OF_BAND, 0)]], EPERM, "no out-of-band data"),
        line!(when recvmsg, &[&[bits(2, OUT_OF_BAND, 0)]], EPERM, "no out-of-band data"),
        line!(when personality, &[&[is(0, u32::MAX)]], EPERM, "asking only"),
        line!(when prlimit64, &[&[is(0, 0)]], EPERM, "own limits, which only go down"),
    ];
    // Signals at a distance: SIGIO to another process through the owner of a descriptor.
    const F_SETSIG: u32 = 10;
    const F_SETOWN_EX: u32 = 15;
    const OWNER: &[Clause] = &[
        &[is(1, libc::F_SETOWN as u32)],
        &[is(1, F_SETOWN_EX)],
        &[is(1, F_SETSIG)],
    ];
    let mut owner = line!(when fcntl, OWNER, crate::bpf::Action::Allow,
        "everything but F_SETOWN, F_SETOWN_EX and F_SETSIG");
    owner.action = EPERM;
    lines.push(owner);
    lines.extend(all(
        EPERM,
        "the broker sees other processes of its user, and leaves them alone",
        calls!(
        kill tkill rt_sigqueueinfo rt_tgsigqueueinfo setpriority ioprio_set sched_setaffinity
        sched_setscheduler sched_setparam sched_setattr),
    ));
    lines.extend(all(
        Kill,
        "reading or steering another process",
        calls!(
        ptrace process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_getfd
        pidfd_open pidfd_send_signal kcmp),
    ));
    lines.extend(all(
        Kill,
        "mounts and namespaces",
        calls!(
        mount umount2 pivot_root chroot fsopen fsconfig fsmount fspick move_mount open_tree
        open_tree_attr mount_setattr unshare setns open_by_handle_at name_to_handle_at statmount
        listmount quotactl quotactl_fd swapon swapoff acct),
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
        Kill,
        "a second table of calls that no filter sees",
        calls!(
        io_uring_setup io_uring_enter io_uring_register),
    ));
    lines.extend(all(
        Kill,
        "keyrings are not separated by namespaces",
        calls!(
        add_key request_key keyctl),
    ));
    lines.extend(all(
        Kill,
        "the machine as a whole",
        calls!(
        reboot settimeofday clock_settime adjtimex clock_adjtime sethostname setdomainname syslog
        vhangup),
    ));
    lines.extend(all(
        EPERM,
        "no device, no owner, no credential changes",
        calls!(
        mknod mknodat chown fchown lchown fchownat capset setgroups setuid setgid setreuid setregid
        setresuid setresgid setfsuid setfsgid memfd_create shmget shmat shmctl msgget msgsnd msgrcv
        msgctl semget semop semctl semtimedop mq_open mq_unlink),
    ));
    lines
}
