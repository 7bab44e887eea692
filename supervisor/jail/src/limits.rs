//! Resource limits per profile, with a reason per line.

use crate::ProfileName;

/// One limit.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// The resource, as `setrlimit` counts it.
    pub resource: u32,
    /// Its line in `/proc/<pid>/limits`.
    pub title: &'static str,
    /// Soft and hard value alike; the process' own hard limit if that is lower.
    pub value: u64,
    /// Why this much.
    pub reason: &'static str,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The limits of a profile, in the order in which they are set.
pub fn of(profile: ProfileName) -> &'static [Limit] {
    match profile {
        ProfileName::Worker => WORKER,
        ProfileName::Hands => HANDS,
        ProfileName::Broker => BROKER,
        ProfileName::Resolver => RESOLVER,
        ProfileName::Secret | ProfileName::SecretOnline => SECRET,
    }
}

const fn limit(resource: u32, title: &'static str, value: u64, reason: &'static str) -> Limit {
    Limit {
        resource,
        title,
        value,
        reason,
    }
}

const CORE: Limit = limit(
    libc::RLIMIT_CORE,
    "Max core file size",
    0,
    "a core file would hold the session",
);
const MSGQUEUE: Limit = limit(
    libc::RLIMIT_MSGQUEUE,
    "Max msgqueue size",
    0,
    "no message queues",
);
const NICE: Limit = limit(
    libc::RLIMIT_NICE,
    "Max nice priority",
    0,
    "never before others",
);
const RTPRIO: Limit = limit(
    libc::RLIMIT_RTPRIO,
    "Max realtime priority",
    0,
    "never before others",
);
const STACK: Limit = limit(
    libc::RLIMIT_STACK,
    "Max stack size",
    8 * MIB,
    "the usual size",
);
const FILES: Limit = limit(
    libc::RLIMIT_NOFILE,
    "Max open files",
    1024,
    "the usual size",
);
const SPACE: Limit = limit(
    libc::RLIMIT_AS,
    "Max address space",
    64 * GIB,
    "node reserves much and uses little; what is used is bounded by the control group",
);
const TIMERS: Limit = limit(
    libc::RLIMIT_SIGPENDING,
    "Max pending signals",
    1024,
    "timers of interpreters",
);
const NO_SIGNALS: Limit = limit(
    libc::RLIMIT_SIGPENDING,
    "Max pending signals",
    64,
    "queues no signals",
);
const ALONE: Limit = limit(libc::RLIMIT_NPROC, "Max processes", 16, "starts nothing");

const WORKER: &[Limit] = &[
    CORE,
    MSGQUEUE,
    NICE,
    RTPRIO,
    limit(libc::RLIMIT_FSIZE, "Max file size", 0, "writes no file"),
    limit(
        libc::RLIMIT_NOFILE,
        "Max open files",
        64,
        "opens nothing; poll needs some",
    ),
    ALONE,
    limit(
        libc::RLIMIT_MEMLOCK,
        "Max locked memory",
        0,
        "locks no memory",
    ),
    limit(
        libc::RLIMIT_AS,
        "Max address space",
        GIB,
        "a long conversation is some MiB",
    ),
    STACK,
    NO_SIGNALS,
];

const RESOLVER: &[Limit] = &[
    CORE,
    MSGQUEUE,
    NICE,
    RTPRIO,
    limit(libc::RLIMIT_FSIZE, "Max file size", 0, "writes no file"),
    limit(
        libc::RLIMIT_NOFILE,
        "Max open files",
        512,
        "a few sockets for each of the questions under way",
    ),
    ALONE,
    limit(
        libc::RLIMIT_MEMLOCK,
        "Max locked memory",
        0,
        "locks no memory",
    ),
    limit(
        libc::RLIMIT_AS,
        "Max address space",
        GIB,
        "a cache of names is some MiB",
    ),
    STACK,
    NO_SIGNALS,
];

const SECRET: &[Limit] = &[
    CORE,
    MSGQUEUE,
    NICE,
    RTPRIO,
    limit(
        libc::RLIMIT_FSIZE,
        "Max file size",
        64 * MIB,
        "the state that a password manager keeps",
    ),
    FILES,
    limit(
        libc::RLIMIT_NPROC,
        "Max processes",
        256,
        "a script, gpg and its agent, the threads of an interpreter",
    ),
    limit(
        libc::RLIMIT_MEMLOCK,
        "Max locked memory",
        MIB,
        "keys are kept out of swap",
    ),
    SPACE,
    STACK,
    TIMERS,
];

const HANDS: &[Limit] = &[
    CORE,
    MSGQUEUE,
    NICE,
    RTPRIO,
    limit(
        libc::RLIMIT_FSIZE,
        "Max file size",
        GIB,
        "one file does not fill a disk",
    ),
    FILES,
    limit(
        libc::RLIMIT_NPROC,
        "Max processes",
        256,
        "a parallel build, not a fork bomb",
    ),
    limit(
        libc::RLIMIT_MEMLOCK,
        "Max locked memory",
        64 * KIB,
        "as much as a key manager wants",
    ),
    SPACE,
    STACK,
    TIMERS,
];

const BROKER: &[Limit] = &[
    CORE,
    MSGQUEUE,
    NICE,
    RTPRIO,
    limit(
        libc::RLIMIT_NOFILE,
        "Max open files",
        4096,
        "a channel per process, connections",
    ),
    limit(
        libc::RLIMIT_NPROC,
        "Max processes",
        256,
        "threads for the database and names",
    ),
    limit(
        libc::RLIMIT_AS,
        "Max address space",
        8 * GIB,
        "bodies are streamed, the rest is small",
    ),
    STACK,
    limit(
        libc::RLIMIT_SIGPENDING,
        "Max pending signals",
        256,
        "queues no signals",
    ),
];
