//! Hands: a shell, compilers and interpreters in a cage of their own.
//!
//! What such programs need is allowed, what they can do without is answered ENOSYS or EPERM, and
//! what only an attack asks for is killed. No socket can be made but a connected local pair: a
//! read-only mount does not stop `connect` to a socket file in it.

use libc::{AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_SEQPACKET, SOCK_STREAM};

use super::{ENOSYS, EPERM, all, calls, line};
use crate::bpf::Action::{Allow, Errno, Kill};
use crate::bpf::{Line, Test, bits, is, is_long};

/// All namespace flags of clone: new ns, cgroup, uts, ipc, user, pid, net, time.
const NAMESPACE_FLAGS: u64 = 0x7e02_0080;
/// The set-user-id and set-group-id bits of a mode.
const SET_ID: u64 = (libc::S_ISUID | libc::S_ISGID) as u64;
const OUT_OF_BAND: u64 = libc::MSG_OOB as u64;
const FAST_OPEN: u64 = libc::MSG_FASTOPEN as u64;

/// From the last lock on; inherited by everything hands runs.
pub fn lines() -> Vec<Line> {
    let mut lines = files();
    lines.extend(processes());
    lines.extend(memory_and_time());
    lines.extend(pairs_and_devices());
    lines.extend(refused());
    lines
}

/// What the exec of a static program needs on top.
pub fn start() -> Vec<Line> {
    vec![
        line!(when execveat, &[&[is(0, 5), is(4, libc::AT_EMPTY_PATH as u32)], &[bits(4, 0x1000, 0)]], EPERM,
            "the exec of the program itself, from descriptor 5, which closes with it"),
    ]
}

/// What the last lock of hands needs on top, gone with it. This filter stays below the final one,
/// so each line allows at least what the final line does.
pub fn last_lock() -> Vec<Line> {
    vec![
        line!(when socket, &[&[is(0, AF_UNIX as u32), bits(1, !SOCK_CLOEXEC as u32 as u64, SOCK_STREAM as u64)]], EPERM,
            "the self-check asks a socket of the cage's own network for its interfaces"),
        line!(always ioctl, Allow, "the self-check's questions; the final filter restricts it"),
        line!(when seccomp,
            &[&[is(0, libc::SECCOMP_SET_MODE_FILTER), crate::bpf::only(1, libc::SECCOMP_FILTER_FLAG_TSYNC as u32)]],
            EPERM, "the last filter; no listener"),
        line!(when prctl,
            &[
                &[is(0, libc::PR_SET_DUMPABLE as u32), is_long(1, 0)],
                &[is(0, libc::PR_SET_MDWE as u32)],
                &[is(0, libc::PR_GET_MDWE as u32)],
                &[is(0, libc::PR_SET_NAME as u32)], &[is(0, libc::PR_GET_NAME as u32)],
                &[is(0, libc::PR_SET_PDEATHSIG as u32)], &[is(0, libc::PR_GET_PDEATHSIG as u32)],
                &[is(0, libc::PR_GET_DUMPABLE as u32)],
                &[is(0, libc::PR_SET_NO_NEW_PRIVS as u32)], &[is(0, libc::PR_GET_NO_NEW_PRIVS as u32)],
                &[is(0, libc::PR_CAPBSET_READ as u32)], &[is(0, libc::PR_GET_SECCOMP as u32)],
                &[is(0, libc::PR_SET_VMA as u32)], &[is(0, libc::PR_GET_KEEPCAPS as u32)],
                &[is(0, libc::PR_SET_CHILD_SUBREAPER as u32)], &[is(0, libc::PR_GET_TIMERSLACK as u32)],
                &[is(0, libc::PR_SET_TIMERSLACK as u32)], &[is(0, libc::PR_GET_SECUREBITS as u32)],
            ], EPERM, "taking power away, looking whether it is gone, and what the final filter allows"),
    ]
}

fn files() -> Vec<Line> {
    let mut lines = all(
        Allow,
        "reading and writing",
        calls!(
        read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek close
        sendfile splice tee copy_file_range fsync fdatasync sync_file_range ftruncate truncate
        fallocate fadvise64 readahead flock dup dup2 dup3 pipe pipe2 poll ppoll select pselect6
        epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2
        inotify_init inotify_init1 inotify_add_watch inotify_rm_watch memfd_create close_range),
    );
    lines.extend(all(
        Allow,
        "paths; Landlock and the mounts decide which",
        calls!(
        stat lstat fstat newfstatat statx access faccessat faccessat2 readlink
        readlinkat getdents getdents64 getcwd chdir fchdir mkdir mkdirat rmdir unlink unlinkat
        rename renameat renameat2 link linkat symlink symlinkat
        umask utime utimes utimensat futimesat statfs fstatfs sync syncfs
        getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr cachestat),
    ));
    lines.extend(all(
        Errno(libc::EOPNOTSUPP as u16),
        "extended attributes are written nowhere; copying programs cope with this answer",
        calls!(setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
               setxattrat removexattrat),
    ));
    lines.extend(all(
        EPERM,
        "owners and file attributes: there is one user",
        calls!(chown fchown lchown fchownat file_getattr file_setattr),
    ));
    lines.extend(modes());
    // The type is in the mode; a device node is refused by the kernel too, without its capability.
    const KIND: u64 = libc::S_IFMT as u64;
    const FIFO: u64 = libc::S_IFIFO as u64;
    const FILE: u64 = libc::S_IFREG as u64;
    lines.push(
        line!(when mknod, &[&[bits(1, KIND | SET_ID, FIFO)], &[bits(1, KIND | SET_ID, FILE)]], EPERM, "named pipes"),
    );
    lines.push(line!(when mknodat, &[&[bits(2, KIND | SET_ID, FIFO)], &[bits(2, KIND | SET_ID, FILE)]], EPERM, "named pipes"));
    lines.push(line!(when fcntl,
        &[
            &[is(1, libc::F_DUPFD as u32)], &[is(1, libc::F_DUPFD_CLOEXEC as u32)],
            &[is(1, libc::F_GETFD as u32)], &[is(1, libc::F_SETFD as u32)],
            &[is(1, libc::F_GETFL as u32)], &[is(1, libc::F_SETFL as u32)],
            &[is(1, libc::F_GETLK as u32)], &[is(1, libc::F_SETLK as u32)], &[is(1, libc::F_SETLKW as u32)],
            &[is(1, libc::F_OFD_GETLK as u32)], &[is(1, libc::F_OFD_SETLK as u32)],
            &[is(1, libc::F_OFD_SETLKW as u32)],
            &[is(1, libc::F_GETPIPE_SZ as u32)], &[is(1, libc::F_SETPIPE_SZ as u32)],
            &[is(1, libc::F_ADD_SEALS as u32)], &[is(1, libc::F_GET_SEALS as u32)],
        ], EPERM, "descriptors and locks; no signal owner, no leases, no directory notifications"));
    lines
}

/// A file that carries its owner's power would stay in the workspace, where other users of the host
/// could start it.
fn modes() -> Vec<Line> {
    const REASON: &str = "modes; never set-user-id or set-group-id";
    /// O_CREAT, and the bit of O_TMPFILE that is its own: with neither there is no mode.
    const MAKES: u64 = 0o20_000_100;
    vec![
        line!(when chmod, &[&[bits(1, SET_ID, 0)]], EPERM, REASON),
        line!(when fchmod, &[&[bits(1, SET_ID, 0)]], EPERM, REASON),
        line!(when fchmodat, &[&[bits(2, SET_ID, 0)]], EPERM, REASON),
        line!(when fchmodat2, &[&[bits(2, SET_ID, 0)]], EPERM, REASON),
        line!(when creat, &[&[bits(1, SET_ID, 0)]], EPERM, REASON),
        line!(when open, &[&[bits(1, MAKES, 0)], &[bits(2, SET_ID, 0)]], EPERM,
            "paths; Landlock and the mounts decide which; nothing is made set-user-id"),
        line!(when openat, &[&[bits(2, MAKES, 0)], &[bits(3, SET_ID, 0)]], EPERM,
            "paths; Landlock and the mounts decide which; nothing is made set-user-id"),
    ]
}

fn processes() -> Vec<Line> {
    let mut lines = vec![
        line!(when clone, &[&[bits(0, NAMESPACE_FLAGS, 0)]], EPERM,
            "threads and processes; never with a namespace"),
        line!(always clone3, ENOSYS, "its flags are behind a pointer; the C library falls back to clone"),
        line!(when prctl,
            &[
                &[is(0, libc::PR_SET_NAME as u32)], &[is(0, libc::PR_GET_NAME as u32)],
                &[is(0, libc::PR_SET_PDEATHSIG as u32), is_long(1, libc::SIGKILL as u64)],
                &[is(0, libc::PR_GET_PDEATHSIG as u32)],
                &[is(0, libc::PR_GET_DUMPABLE as u32)],
                &[is(0, libc::PR_SET_NO_NEW_PRIVS as u32)], &[is(0, libc::PR_GET_NO_NEW_PRIVS as u32)],
                &[is(0, libc::PR_CAPBSET_READ as u32)], &[is(0, libc::PR_GET_SECCOMP as u32)],
                &[is(0, libc::PR_SET_VMA as u32)], &[is(0, libc::PR_GET_KEEPCAPS as u32)],
                &[is(0, libc::PR_SET_CHILD_SUBREAPER as u32)], &[is(0, libc::PR_GET_TIMERSLACK as u32)],
                &[is(0, libc::PR_SET_TIMERSLACK as u32)], &[is(0, libc::PR_GET_SECUREBITS as u32)],
            ], EPERM, "names and questions; SIGKILL for a dead parent, and nothing weaker, or hands could outlive the supervisor; no dumpable, no securebits, no speculation control"),
        line!(when personality, &[&[is(0, u32::MAX)], &[is(0, 0)]], EPERM,
            "asking, and the default; never without address randomisation"),
        line!(when arch_prctl, &[&[is(0, 0x1002)], &[is(0, 0x1003)]], Errno(libc::EINVAL as u16),
            "thread-local storage; asking for shadow stacks is answered no"),
        line!(when prlimit64, &[&[is(0, 0)]], EPERM, "own limits, which only go down"),
    ];
    lines.extend(all(
        Allow,
        "processes of the cage; none outside can be named",
        calls!(
        fork vfork execve wait4 waitid kill tkill tgkill exit exit_group getpid getppid gettid
        getuid geteuid getgid getegid getgroups getresuid getresgid setpgid getpgid getpgrp setsid
        getsid setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid
        set_tid_address set_robust_list get_robust_list rseq
        capget getrusage times getrlimit setrlimit getpriority setpriority
        sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_getscheduler
        sched_get_priority_max sched_get_priority_min sched_getattr getcpu membarrier
        pidfd_open pidfd_send_signal uname sysinfo ioprio_get
        rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigqueueinfo
        rt_tgsigqueueinfo rt_sigsuspend sigaltstack signalfd signalfd4 pause alarm),
    ));
    lines.push(
        line!(when execveat, &[&[bits(4, libc::AT_EMPTY_PATH as u64, 0)]], EPERM,
        "exec by path; not of a descriptor, which could be memory that Landlock does not see"),
    );
    lines.extend(all(
        EPERM,
        "priorities and capabilities stay as they are",
        calls!(
        sched_setscheduler sched_setparam sched_setattr ioprio_set capset setgroups chroot),
    ));
    lines
}

fn memory_and_time() -> Vec<Line> {
    let mut lines = all(
        Allow,
        "memory; just-in-time compilers need executable pages of their own",
        calls!(
        brk mmap munmap mremap mprotect madvise msync mincore
        pkey_alloc pkey_free pkey_mprotect mlock munlock mlock2 mseal),
    );
    lines.extend(all(
        Allow,
        "waiting, time and randomness",
        calls!(
        futex futex_wake futex_wait futex_waitv restart_syscall nanosleep clock_nanosleep
        clock_gettime clock_getres gettimeofday time getitimer setitimer timer_create timer_settime
        timer_gettime timer_getoverrun timer_delete timerfd_create timerfd_settime timerfd_gettime
        getrandom),
    ));
    lines
}

fn pairs_and_devices() -> Vec<Line> {
    const KINDS: &[crate::bpf::Clause] = &[
        &[
            is(0, AF_UNIX as u32),
            bits(
                1,
                !(SOCK_CLOEXEC | SOCK_NONBLOCK) as u32 as u64,
                SOCK_STREAM as u64,
            ),
            is(2, 0),
        ],
        &[
            is(0, AF_UNIX as u32),
            bits(
                1,
                !(SOCK_CLOEXEC | SOCK_NONBLOCK) as u32 as u64,
                SOCK_SEQPACKET as u64,
            ),
            is(2, 0),
        ],
    ];
    let mut lines = vec![
        line!(when socketpair, KINDS, EPERM,
            "connected local pairs; no datagram pair, which can be sent to any socket file"),
        line!(when sendto, &[&[bits(3, OUT_OF_BAND | FAST_OPEN, 0), is_long(4, 0)]], EPERM,
            "over a pair; no address, no out-of-band data"),
        line!(when recvfrom, &[&[bits(2 + 1, OUT_OF_BAND, 0)]], EPERM, "over a pair; no out-of-band data"),
        line!(when sendmsg, &[&[bits(2, OUT_OF_BAND | FAST_OPEN, 0)]], EPERM, "over a pair; no out-of-band data"),
        line!(when recvmsg, &[&[bits(2, OUT_OF_BAND, 0)]], EPERM, "over a pair; no out-of-band data"),
        ioctl(),
    ];
    lines.extend(all(
        Allow,
        "over a pair",
        calls!(shutdown getsockname getpeername),
    ));
    lines.extend(options());
    lines.extend(all(
        EPERM,
        "there is no network and no socket file to reach",
        calls!(
        socket connect bind listen accept accept4 sendmmsg recvmmsg),
    ));
    lines
}

/// What programs ask and set on a pair. Not among it: packet filters (compiled in the kernel),
/// network cards, and whatever tells of the channel's other end or of the network it was made in
/// (its process as a descriptor, its groups, the network's number).
fn options() -> Vec<Line> {
    const UNKNOWN: crate::bpf::Action = Errno(libc::ENOPROTOOPT as u16);
    const fn of(option: i32) -> [Test; 2] {
        [is(1, libc::SOL_SOCKET as u32), is(2, option as u32)]
    }
    const TYPE: &[Test] = &of(libc::SO_TYPE);
    const ERROR: &[Test] = &of(libc::SO_ERROR);
    const DOMAIN: &[Test] = &of(libc::SO_DOMAIN);
    const PROTOCOL: &[Test] = &of(libc::SO_PROTOCOL);
    const LISTENS: &[Test] = &of(libc::SO_ACCEPTCONN);
    const PEER: &[Test] = &of(libc::SO_PEERCRED);
    const SENDER: &[Test] = &of(libc::SO_PASSCRED);
    const SENDING: &[Test] = &of(libc::SO_SNDBUF);
    const RECEIVING: &[Test] = &of(libc::SO_RCVBUF);
    const SENDING_TIME: &[Test] = &of(libc::SO_SNDTIMEO);
    const RECEIVING_TIME: &[Test] = &of(libc::SO_RCVTIMEO);
    const ALIVE: &[Test] = &of(libc::SO_KEEPALIVE);
    const LINGER: &[Test] = &of(libc::SO_LINGER);
    vec![
        line!(when getsockopt,
            &[TYPE, ERROR, DOMAIN, PROTOCOL, LISTENS, PEER, SENDER, SENDING, RECEIVING,
                SENDING_TIME, RECEIVING_TIME, ALIVE, LINGER],
            UNKNOWN, "questions about a pair; none about what is beyond its other end"),
        line!(when setsockopt,
            &[SENDER, SENDING, RECEIVING, SENDING_TIME, RECEIVING_TIME, ALIVE, LINGER],
            UNKNOWN, "buffers and times of a pair; no packet filter, no network card"),
    ]
}

/// Requests that push characters into a terminal or take one over are refused, compared in 32 bits
/// as the kernel does; the upper half was an escape elsewhere.
fn ioctl() -> Line {
    const ANY: u64 = 0xffff_ffff;
    const REFUSED: &[crate::bpf::Clause] = &[
        &[bits(1, ANY, libc::TIOCSTI)],
        &[bits(1, ANY, libc::TIOCLINUX)],
        &[bits(1, ANY, libc::TIOCCONS)],
        &[bits(1, ANY, libc::TIOCSETD)],
        // FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR: immutable files and quota projects.
        &[bits(1, ANY, 0x4008_6602)],
        &[bits(1, ANY, 0x401c_5820)],
        // FIOASYNC: signals at a distance.
        &[bits(1, ANY, 0x5452)],
        // All socket requests, 0x89xx: the channel was made outside and answers for the network
        // it was made in, the host's. FIOSETOWN and SIOCSPGRP are among them.
        &[bits(1, 0xffff_ff00, 0x8900)],
    ];
    let mut line = line!(when ioctl, REFUSED, Allow, "devices are null, zero, full and random; terminal tricks are refused");
    line.action = EPERM;
    line
}

fn refused() -> Vec<Line> {
    let mut lines = all(
        Kill,
        "reading or steering another process",
        calls!(
        ptrace process_vm_readv process_vm_writev process_madvise process_mrelease
            pidfd_getfd),
    );
    lines.extend(all(
        Kill,
        "mounts and namespaces",
        calls!(
        mount umount2 pivot_root fsopen fsconfig fsmount fspick move_mount open_tree open_tree_attr
        mount_setattr unshare setns open_by_handle_at quotactl quotactl_fd
        swapon swapoff acct),
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
        EPERM,
        "some tools ask for these and cope",
        calls!(kcmp name_to_handle_at),
    ));
    lines.extend(all(
        Kill,
        "keyrings are not separated by namespaces",
        calls!(
        add_key request_key keyctl),
    ));
    lines.extend(all(Kill, "the machine as a whole", calls!(
        reboot settimeofday clock_settime adjtimex clock_adjtime sethostname setdomainname syslog vhangup)));
    lines.extend(all(
        EPERM,
        "a filter cannot be replaced, and needs no company",
        calls!(seccomp),
    ));
    lines
}
