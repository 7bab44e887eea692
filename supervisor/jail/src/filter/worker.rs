//! The mind: one thread that reads and writes its channel and computes.
//!
//! Nothing here makes a descriptor, opens a path, starts a process or gets executable memory.

use libc::{
    CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW,
    CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_THREAD_CPUTIME_ID,
    MAP_ANONYMOUS, MAP_FIXED, MAP_NORESERVE, MAP_PRIVATE, MAP_STACK, MSG_DONTWAIT, MSG_NOSIGNAL,
    PROT_READ, PROT_WRITE,
};

use super::{EACCES, ENOSYS, EPERM, all, calls, line};
use crate::bpf::Action::{Allow, Errno, Kill};
use crate::bpf::{Line, is, is_long, only, only_long};

const READ_WRITE: u64 = (PROT_READ | PROT_WRITE) as u64;
/// The only shape of new memory: private and anonymous, whose other flags change nothing outside.
const PLAIN_MAP: u64 =
    (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK | MAP_FIXED | 0x10_0000) as u64;
const NEEDED_MAP: u64 = (MAP_PRIVATE | MAP_ANONYMOUS) as u64;
const FUTEX_PRIVATE: u32 = libc::FUTEX_PRIVATE_FLAG as u32;

/// From the last lock on.
pub fn lines() -> Vec<Line> {
    let mut lines = vec![
        line!(always read, Allow, "the channel"),
        line!(always write, Allow, "the channel and the log"),
        line!(always poll, Allow, "waits on the channel"),
        line!(when recvfrom,
            &[&[only(3, (MSG_DONTWAIT | MSG_NOSIGNAL) as u32), is_long(4, 0), is_long(5, 0)]], Kill,
            "the channel; no address, no out-of-band data (a kernel escape went through it), no error queue"),
        line!(when sendto,
            &[&[only(3, (MSG_DONTWAIT | MSG_NOSIGNAL) as u32), is_long(4, 0), is(5, 0)]], Kill,
            "the channel; no address, no out-of-band data, no connect by MSG_FASTOPEN"),
        line!(when futex,
            &[
                &[is(1, FUTEX_PRIVATE)],
                &[is(1, FUTEX_PRIVATE | libc::FUTEX_WAKE as u32)],
                &[is(1, FUTEX_PRIVATE | libc::FUTEX_WAIT_BITSET as u32)],
                &[is(1, FUTEX_PRIVATE | libc::FUTEX_WAIT_BITSET as u32 | libc::FUTEX_CLOCK_REALTIME as u32)],
                &[is(1, FUTEX_PRIVATE | libc::FUTEX_WAKE_BITSET as u32)],
            ], Kill,
            "locks of the standard library; wait and wake only, private only: no priority inheritance, no requeue"),
        line!(always brk, Allow, "memory; bounded by RLIMIT_AS"),
        line!(when mmap,
            &[&[only_long(2, READ_WRITE), is(4, u32::MAX), only_long(3, PLAIN_MAP),
                crate::bpf::bits(3, NEEDED_MAP, NEEDED_MAP)]], Kill,
            "memory; private, anonymous, never executable, growing down, shared, huge or locked"),
        line!(always munmap, Allow, "gives memory back"),
        line!(when mremap, &[&[only_long(3, (libc::MREMAP_MAYMOVE) as u64)]], Kill,
            "growing a buffer; may move, never to a chosen place, never duplicating"),
        line!(when mprotect, &[&[only_long(2, READ_WRITE)]], Kill,
            "guard pages and read-only data; never executable, no growing down"),
        line!(when madvise,
            &[
                &[is(2, libc::MADV_DONTNEED as u32)], &[is(2, libc::MADV_FREE as u32)],
                &[is(2, libc::MADV_WILLNEED as u32)], &[is(2, libc::MADV_DONTDUMP as u32)],
                &[is(2, libc::MADV_HUGEPAGE as u32)], &[is(2, libc::MADV_NOHUGEPAGE as u32)],
            ], Kill,
            "hints of the allocator; the six that only concern own pages"),
        line!(when clock_gettime,
            &[
                &[is(0, CLOCK_REALTIME as u32)], &[is(0, CLOCK_MONOTONIC as u32)],
                &[is(0, CLOCK_PROCESS_CPUTIME_ID as u32)], &[is(0, CLOCK_THREAD_CPUTIME_ID as u32)],
                &[is(0, CLOCK_MONOTONIC_RAW as u32)], &[is(0, CLOCK_REALTIME_COARSE as u32)],
                &[is(0, CLOCK_MONOTONIC_COARSE as u32)], &[is(0, CLOCK_BOOTTIME as u32)],
            ], Kill,
            "time; usually answered without a call. Clocks of other processes and devices are not"),
        line!(when clock_nanosleep,
            &[&[is(0, CLOCK_REALTIME as u32)], &[is(0, CLOCK_MONOTONIC as u32)]], Kill,
            "sleeping"),
        line!(always nanosleep, Allow, "sleeping"),
        line!(always gettimeofday, Allow, "time, where it is not answered without a call"),
        line!(when getrandom, &[&[only(2, libc::GRND_NONBLOCK)]], Kill, "hash seeds; the urandom pool only"),
        line!(always sched_yield, Allow, "spin loops of the standard library"),
        line!(always restart_syscall, Allow, "the kernel's own restart of an interrupted wait"),
        line!(always close, Allow, "gives a descriptor up"),
        line!(when fcntl, &[&[is(1, libc::F_GETFD as u32)], &[is(1, libc::F_GETFL as u32)]], Kill,
            "looking at own descriptors; no owner (SIGIO to others), no duplicates, no locks"),
        line!(when prlimit64, &[&[is(0, 0), is_long(2, 0)]], Kill,
            "reading own limits; never setting, never another process"),
        line!(always rt_sigreturn, Allow, "returning from a signal handler"),
        line!(always rt_sigprocmask, Allow, "abort and panics"),
        line!(always rt_sigaction, Allow, "abort and the stack overflow handler"),
        line!(always sigaltstack, Allow, "the stack overflow handler"),
        line!(when tgkill, &[&[is(0, 1), is(1, 1)]], Kill, "abort: only to itself, which is pid 1"),
        line!(always exit, Allow, "the end of the thread"),
        line!(always exit_group, Allow, "the end of the process"),
    ];
    lines.extend(all(
        Allow,
        "own ids, seen as the cage counts them",
        calls!(getpid gettid getuid geteuid getgid getegid),
    ));
    lines.extend(all(
        EACCES,
        "libraries look for files and cope when there are none",
        calls!(open openat openat2 stat lstat newfstatat statx access faccessat faccessat2
               readlink readlinkat getcwd uname sysinfo),
    ));
    lines.extend(all(
        ENOSYS,
        "libraries have a path without it; for clone3 the flags are behind a pointer",
        calls!(clone3 rseq membarrier futex_waitv),
    ));
    lines
}

/// What exec and the start of a static program need on top.
pub fn start() -> Vec<Line> {
    let mut lines = vec![
        line!(when execveat, &[&[is(0, 5), is(4, libc::AT_EMPTY_PATH as u32)]], Kill,
            "the exec of exactly the program behind descriptor 5, which closes with it"),
        line!(when arch_prctl, &[&[is(0, 0x1002)]], Errno(libc::EINVAL as u16),
            "ARCH_SET_FS: thread-local storage; asking for shadow stacks is answered no"),
        line!(always set_tid_address, Allow, "the C library's first call"),
        line!(always set_robust_list, Allow, "the C library's list of held locks, of this thread only"),
        line!(always fstat, Allow, "the C library looks at its standard descriptors"),
    ];
    lines.extend(all(
        Allow,
        "finding the stack's bounds",
        calls!(sched_getaffinity),
    ));
    lines
}

/// What the program's own last lock and self-check need on top, all gone with it.
pub fn last_lock() -> Vec<Line> {
    const SIOCGIFNAME: u32 = libc::SIOCGIFNAME as u32;
    const SIOCGIFFLAGS: u32 = libc::SIOCGIFFLAGS as u32;
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
        line!(when ioctl, &[&[is(1, SIOCGIFNAME)], &[is(1, SIOCGIFFLAGS)]], Kill,
            "the self-check looks at the network interfaces"),
        line!(when socket, &[&[is(0, libc::AF_UNIX as u32),
                crate::bpf::bits(1, !libc::SOCK_CLOEXEC as u32 as u64, libc::SOCK_STREAM as u64)]], Kill,
            "the self-check asks a socket of the cage's own network; the channel would answer for the host's"),
    ];
    lines.extend(all(
        Allow,
        "Landlock layer 2",
        calls!(landlock_create_ruleset landlock_add_rule landlock_restrict_self),
    ));
    lines.extend(all(Allow, "the self-check looks at itself and for host paths; Landlock layer 1 and an empty root refuse",
        calls!(capget getresuid newfstatat stat statx)));
    lines
}

/// What a foreign program's C library does with its standard descriptors on top.
pub fn foreign() -> Vec<Line> {
    vec![
        line!(always writev, Allow, "how some C libraries write to standard output"),
        line!(always readv, Allow, "how some C libraries read standard input"),
        line!(always lseek, Allow, "the C library finds out that standard output is a pipe"),
        line!(always ioctl, Errno(libc::ENOTTY as u16), "is it a terminal? it is not; no ioctl is executed"),
    ]
}
