//! The resolver: one thread, a channel, and sockets to name servers.
//!
//! Its input is what strangers answer, so this is an allow-list: no path is opened, no process or
//! thread made, no memory becomes executable. Unknown calls are answered ENOSYS, what only an
//! attack asks for is killed. Which TCP ports it connects to is Landlock's part; datagrams, which
//! Landlock does not see, carry nothing but names.

use libc::PROT_EXEC;

use super::{EACCES, ENOSYS, EPERM, all, calls, line, sockets};
use crate::bpf::Action::{Allow, Errno, Kill};
use crate::bpf::{Line, Test, bits, is, is_long, only, only_long};

const EXECUTABLE: u64 = PROT_EXEC as u64;
const FAST_OPEN: u64 = libc::MSG_FASTOPEN as u64;
const OUT_OF_BAND: u64 = libc::MSG_OOB as u64;

/// From the last lock on.
pub fn lines() -> Vec<Line> {
    let mut lines = vec![
        line!(when socket, sockets::INTERNET, EPERM, "TCP and UDP; nothing local, nothing raw"),
        line!(when sendto, &[&[bits(3, FAST_OPEN | OUT_OF_BAND, 0)]], EPERM,
            "questions; no connect by MSG_FASTOPEN past Landlock's port rule, no out-of-band data"),
        line!(when sendmsg, &[&[bits(2, FAST_OPEN | OUT_OF_BAND, 0)]], EPERM,
            "questions; no connect by MSG_FASTOPEN past Landlock's port rule, no out-of-band data"),
        line!(when recvfrom, &[&[bits(3, OUT_OF_BAND, 0)]], EPERM, "answers; no out-of-band data"),
        line!(when recvmsg, &[&[bits(2, OUT_OF_BAND, 0)]], EPERM, "answers; no out-of-band data"),
        line!(when mmap, &[&[bits(2, EXECUTABLE, 0), is(4, u32::MAX)]], EPERM,
            "memory, never executable, of no file"),
        line!(when mprotect, &[&[bits(2, EXECUTABLE, 0)]], EPERM, "memory, never executable"),
        line!(when mremap, &[&[only_long(3, (libc::MREMAP_MAYMOVE) as u64)]], EPERM,
            "growing a buffer; may move, never to a chosen place, never duplicating"),
        line!(when getrandom, &[&[only(2, libc::GRND_NONBLOCK | libc::GRND_INSECURE)]], EPERM,
            "ids of questions, hash seeds; the urandom pool only"),
        line!(when fcntl,
            &[
                &[is(1, libc::F_GETFD as u32)], &[is(1, libc::F_SETFD as u32)],
                &[is(1, libc::F_GETFL as u32)], &[is(1, libc::F_SETFL as u32)],
                &[is(1, libc::F_DUPFD_CLOEXEC as u32)],
            ], EPERM, "own descriptors; no owner (SIGIO to others), no locks"),
        line!(when ioctl, &[&[is(1, libc::FIONBIO as u32)]], EPERM, "sockets that do not wait"),
        line!(when prlimit64, &[&[is(0, 0), is_long(2, 0)]], EPERM,
            "reading own limits; never setting, never another process"),
        line!(when tgkill, &[&[is(0, 1), is(1, 1)]], EPERM, "abort: only to itself, which is pid 1"),
    ];
    lines.extend(options());
    lines.extend(all(
        Allow,
        "the channel, the log and sockets",
        calls!(
        read write readv writev poll ppoll epoll_create1 epoll_ctl epoll_wait epoll_pwait
        epoll_pwait2 eventfd2 timerfd_create timerfd_settime close bind connect getsockname
        getpeername shutdown),
    ));
    lines.extend(all(
        Allow,
        "memory, time, and the end",
        calls!(
        brk munmap madvise futex clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday
        sched_yield restart_syscall rt_sigreturn rt_sigprocmask rt_sigaction sigaltstack exit
        exit_group),
    ));
    lines.extend(all(
        Allow,
        "own ids, seen as the cage counts them",
        calls!(getpid gettid getuid geteuid getgid getegid sched_getaffinity),
    ));
    lines.extend(all(
        EACCES,
        "libraries look for files and cope when there are none",
        calls!(open openat openat2 stat lstat fstat newfstatat statx access faccessat faccessat2
               readlink readlinkat getcwd uname sysinfo lseek),
    ));
    lines.extend(all(
        ENOSYS,
        "libraries have a path without it; for clone3 the flags are behind a pointer",
        calls!(clone3 rseq membarrier futex_waitv sendmmsg recvmmsg),
    ));
    lines.extend(all(
        EPERM,
        "one thread, no process, no listener, no pair",
        calls!(clone fork vfork listen accept accept4 socketpair prctl seccomp),
    ));
    lines.extend(killed());
    lines
}

/// What is asked and set on the sockets. Not among it: packet filters, network cards, and whatever
/// tells of the channel's other end.
fn options() -> Vec<Line> {
    const UNKNOWN: crate::bpf::Action = Errno(libc::ENOPROTOOPT as u16);
    const fn of(option: i32) -> [Test; 2] {
        [is(1, libc::SOL_SOCKET as u32), is(2, option as u32)]
    }
    const ERROR: &[Test] = &of(libc::SO_ERROR);
    const TYPE: &[Test] = &of(libc::SO_TYPE);
    const ADDRESS: &[Test] = &of(libc::SO_REUSEADDR);
    const SENDING: &[Test] = &of(libc::SO_SNDBUF);
    const RECEIVING: &[Test] = &of(libc::SO_RCVBUF);
    const DELAY: &[Test] = &[
        is(1, libc::IPPROTO_TCP as u32),
        is(2, libc::TCP_NODELAY as u32),
    ];
    const FRAGMENTS: &[Test] = &[
        is(1, libc::IPPROTO_IP as u32),
        is(2, libc::IP_MTU_DISCOVER as u32),
    ];
    const ONLY6: &[Test] = &[
        is(1, libc::IPPROTO_IPV6 as u32),
        is(2, libc::IPV6_V6ONLY as u32),
    ];
    vec![
        line!(when getsockopt, &[ERROR, TYPE, SENDING, RECEIVING], UNKNOWN,
            "whether a connection came about"),
        line!(when setsockopt, &[ADDRESS, SENDING, RECEIVING, DELAY, FRAGMENTS, ONLY6], UNKNOWN,
            "addresses, buffers and delays; no packet filter, no network card"),
    ]
}

fn killed() -> Vec<Line> {
    let mut lines = all(
        Kill,
        "no program is ever started from here",
        calls!(execve execveat),
    );
    lines.extend(all(
        Kill,
        "reading or steering another process",
        calls!(
        ptrace process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_getfd
        pidfd_open pidfd_send_signal kill tkill kcmp),
    ));
    lines.extend(all(
        Kill,
        "mounts and namespaces",
        calls!(
        mount umount2 pivot_root chroot fsopen fsconfig fsmount fspick move_mount open_tree
        open_tree_attr mount_setattr unshare setns open_by_handle_at name_to_handle_at),
    ));
    lines.extend(all(
        Kill,
        "kernel code and kernel memory",
        calls!(
        bpf perf_event_open userfaultfd init_module finit_module delete_module io_uring_setup
        io_uring_enter io_uring_register add_key request_key keyctl memfd_create memfd_secret
        pkey_mprotect personality),
    ));
    lines
}

/// What exec and the start of a static program need on top.
pub fn start() -> Vec<Line> {
    vec![
        line!(when execveat, &[&[is(0, 5), is(4, libc::AT_EMPTY_PATH as u32)]], Kill,
            "the exec of exactly the resolver, from descriptor 5, which closes with it"),
        line!(when arch_prctl, &[&[is(0, 0x1002)]], Errno(libc::EINVAL as u16),
            "ARCH_SET_FS: thread-local storage; asking for shadow stacks is answered no"),
        line!(always set_tid_address, Allow, "the C library's first call"),
        line!(always set_robust_list, Allow, "the C library's list of held locks, of this thread only"),
    ]
}

/// What the configuration's two files, the last lock and the self-check need on top, gone with it.
pub fn last_lock() -> Vec<Line> {
    let mut lines = vec![
        line!(when prctl,
            &[
                &[is(0, libc::PR_SET_DUMPABLE as u32), is_long(1, 0)],
                &[is(0, libc::PR_GET_DUMPABLE as u32)],
                &[is(0, libc::PR_SET_MDWE as u32)],
                &[is(0, libc::PR_GET_MDWE as u32)],
                &[is(0, libc::PR_SET_NO_NEW_PRIVS as u32)],
                &[is(0, libc::PR_GET_NO_NEW_PRIVS as u32)],
                &[is(0, libc::PR_CAPBSET_READ as u32)],
                &[is(0, libc::PR_GET_SECCOMP as u32)],
            ], EPERM,
            "taking power away, and looking whether it is gone"),
        line!(when seccomp,
            &[&[is(0, libc::SECCOMP_SET_MODE_FILTER), only(1, libc::SECCOMP_FILTER_FLAG_TSYNC as u32)]],
            Kill, "the last filter; no listener"),
    ];
    lines.extend(all(
        Allow,
        "its two configuration files, read before the last lock; the mounts hold nothing else",
        calls!(open openat fstat statx newfstatat stat lseek pread64),
    ));
    lines.extend(all(
        Allow,
        "Landlock",
        calls!(landlock_create_ruleset landlock_add_rule landlock_restrict_self),
    ));
    lines.extend(all(
        Allow,
        "the self-check looks at itself and for host paths",
        calls!(capget getresuid),
    ));
    lines
}
