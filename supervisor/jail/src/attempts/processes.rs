//! Reading, steering and ending other processes, and starting ones that live longer.

use super::decoys::CANARY;
use super::steps::{CHANNEL, MARK, answers, found, int, open, write};
use super::{Attacked, Attempt, Class, Decoys, Outcome, through};
use crate::sys::attack::{at, at_mut, call};

const fn row(id: &'static str, what: &'static str, run: fn(&Decoys) -> Attacked) -> Attempt {
    Attempt::new(Class::Processes, id, what, run)
}

/// The class.
pub(super) const ALL: &[Attempt] = &[
    row("proc_ptrace_seize", "traces a foreign process", |decoys| {
        const SEIZE: u64 = 0x4206;
        answers(
            libc::SYS_ptrace,
            &[SEIZE, victim(decoys), 0, 0],
            "the victim is traced",
        )
    }),
    row(
        "proc_ptrace_attach",
        "attaches to a foreign process and reads its memory",
        |decoys| {
            call(libc::SYS_ptrace, &[16, victim(decoys), 0, 0])?;
            call(libc::SYS_wait4, &[victim(decoys), 0, int(libc::__WALL), 0])?;
            let mut word = 0_u64;
            let place = decoys.address;
            call(
                libc::SYS_ptrace,
                &[2, victim(decoys), place, at_mut(&mut word)],
            )?;
            found(
                &String::from_utf8_lossy(&word.to_ne_bytes()),
                &CANARY[..8],
                "the secret",
            )
        },
    ),
    row("proc_ptrace_supervisor", "traces the prover", |decoys| {
        const SEIZE: u64 = 0x4206;
        answers(
            libc::SYS_ptrace,
            &[SEIZE, u64::from(decoys.prover), 0, 0],
            "traced",
        )
    })
    .caged_only("a tracer that ends may leave the prover stopped"),
    row(
        "proc_ptrace_traceme",
        "asks to be traced, to hide from the filter's judge",
        |_| answers(libc::SYS_ptrace, &[0, 0, 0, 0], "traced"),
    ),
    row(
        "proc_vm_readv",
        "reads a secret in a foreign process' memory",
        |decoys| {
            let mut bytes = [0_u8; 64];
            let mine = [at_mut(&mut bytes), 32];
            let theirs = [decoys.address, 32];
            let arguments = [victim(decoys), at(&mine), 1, at(&theirs), 1, 0];
            call(libc::SYS_process_vm_readv, &arguments)?;
            found(&String::from_utf8_lossy(&bytes), CANARY, "the secret")
        },
    ),
    row(
        "proc_vm_writev",
        "writes a foreign process' memory",
        |decoys| {
            let mine = [at(MARK), MARK.len() as u64];
            let theirs = [decoys.address, MARK.len() as u64];
            let arguments = [victim(decoys), at(&mine), 1, at(&theirs), 1, 0];
            answers(
                libc::SYS_process_vm_writev,
                &arguments,
                "memory was written",
            )
        },
    ),
    row(
        "proc_pidfd_open",
        "a handle of a foreign process",
        |decoys| {
            answers(
                libc::SYS_pidfd_open,
                &[victim(decoys), 0],
                "a handle was given",
            )
        },
    ),
    row(
        "proc_pidfd_getfd",
        "steals a foreign process' channel",
        |decoys| {
            let handle = call(libc::SYS_pidfd_open, &[victim(decoys), 0])?;
            let stolen = call(libc::SYS_pidfd_getfd, &[handle, CHANNEL, 0])?;
            through(format!("the victim's channel is descriptor {stolen}"))
        },
    ),
    row(
        "proc_pidfd_kill",
        "ends a foreign process by its handle",
        |decoys| {
            let handle = call(libc::SYS_pidfd_open, &[victim(decoys), 0])?;
            let signal = [handle, int(libc::SIGKILL), 0, 0];
            answers(libc::SYS_pidfd_send_signal, &signal, "the victim was ended")
        },
    ),
    row("proc_kill_victim", "ends a foreign process", |decoys| {
        answers(
            libc::SYS_kill,
            &[victim(decoys), int(libc::SIGKILL)],
            "the victim was ended",
        )
    }),
    row(
        "proc_stop_victim",
        "stops a foreign process to hold its place",
        |decoys| {
            answers(
                libc::SYS_kill,
                &[victim(decoys), int(libc::SIGSTOP)],
                "the victim was stopped",
            )
        },
    ),
    row(
        "proc_kill_group",
        "signals a foreign process group",
        |decoys| {
            let group = -(i64::from(decoys.victim)) as u64;
            answers(
                libc::SYS_kill,
                &[group, int(libc::SIGUSR1)],
                "a signal was sent",
            )
        },
    ),
    row(
        "proc_kill_supervisor",
        "whether it may signal the prover",
        |decoys| {
            answers(
                libc::SYS_kill,
                &[u64::from(decoys.prover), 0],
                "the prover may be signalled",
            )
        },
    ),
    row(
        "proc_kill_all",
        "a signal to everything it may signal",
        |_| {
            let _ = call(libc::SYS_kill, &[u64::MAX, int(libc::SIGUSR1)])?;
            Ok(Outcome::Nothing)
        },
    )
    .caged_only("would reach all processes of the owner"),
    row("proc_tkill_other", "signals a foreign thread", |decoys| {
        answers(
            libc::SYS_tkill,
            &[victim(decoys), int(libc::SIGUSR1)],
            "a signal was sent",
        )
    }),
    row(
        "proc_tgkill_other",
        "signals a foreign thread by group and number",
        |decoys| {
            let arguments = [victim(decoys), victim(decoys), int(libc::SIGUSR1)];
            answers(libc::SYS_tgkill, &arguments, "a signal was sent")
        },
    ),
    row(
        "proc_sigqueue",
        "signals a foreign process with forged data",
        |decoys| {
            let mut info = [0_u32; 32];
            info[0] = libc::SIGUSR1 as u32;
            info[2] = -1_i32 as u32;
            let arguments = [victim(decoys), int(libc::SIGUSR1), at(&info)];
            answers(libc::SYS_rt_sigqueueinfo, &arguments, "a signal was sent")
        },
    ),
    row(
        "proc_sigio_owner",
        "has the kernel signal a foreign process (F_SETOWN, O_ASYNC)",
        |decoys| {
            let mut ends = [0_i32; 2];
            call(libc::SYS_pipe2, &[at_mut(&mut ends), 0])?;
            let reader = int(ends[0]);
            call(
                libc::SYS_fcntl,
                &[reader, int(libc::F_SETOWN), victim(decoys)],
            )?;
            call(libc::SYS_fcntl, &[reader, 10, int(libc::SIGUSR2)])?;
            call(
                libc::SYS_fcntl,
                &[reader, int(libc::F_SETFL), int(libc::O_ASYNC)],
            )?;
            write(int(ends[1]), MARK)?;
            Ok(Outcome::Nothing)
        },
    ),
    row(
        "proc_sigio_channel",
        "the same over the channel",
        |decoys| {
            call(
                libc::SYS_fcntl,
                &[CHANNEL, int(libc::F_SETOWN), victim(decoys)],
            )?;
            call(
                libc::SYS_fcntl,
                &[CHANNEL, int(libc::F_SETFL), int(libc::O_ASYNC)],
            )?;
            through("the channel's signals go to the victim")
        },
    ),
    row(
        "proc_timer_other",
        "a timer that signals a foreign thread",
        |decoys| {
            // sigevent: value, signal, kind (SIGEV_THREAD_ID), thread.
            let mut event = [0_u32; 16];
            (event[2], event[3], event[4]) = (libc::SIGUSR1 as u32, 4, decoys.victim);
            let mut timer = 0_i32;
            let arguments = [1, at(&event), at_mut(&mut timer)];
            answers(
                libc::SYS_timer_create,
                &arguments,
                "a timer aims at the victim",
            )
        },
    ),
    row(
        "proc_mq_notify",
        "has a message queue signal others",
        |_| answers(libc::SYS_mq_notify, &[CHANNEL, 0], "a notification was set"),
    ),
    row(
        "proc_kcmp",
        "compares its descriptors with a foreign process'",
        |decoys| {
            let own = call(libc::SYS_getpid, &[])?;
            answers(libc::SYS_kcmp, &[own, victim(decoys), 0, 0, 0], "compared")
        },
    ),
    row(
        "proc_prio_other",
        "lowers a foreign process' priority",
        |decoys| {
            answers(
                libc::SYS_setpriority,
                &[0, victim(decoys), 19],
                "the priority was set",
            )
        },
    ),
    row(
        "proc_affinity_other",
        "ties a foreign process to one processor",
        |decoys| {
            let mask = [1_u64; 1];
            answers(
                libc::SYS_sched_setaffinity,
                &[victim(decoys), 8, at(&mask)],
                "tied",
            )
        },
    ),
    row(
        "proc_scheduler_other",
        "gives a foreign process another scheduler",
        |decoys| {
            let parameter = [0_u32; 1];
            let arguments = [victim(decoys), 5, at(&parameter)];
            answers(
                libc::SYS_sched_setscheduler,
                &arguments,
                "the scheduler was set",
            )
        },
    ),
    row(
        "proc_sched_attr_other",
        "reads a foreign process' scheduling",
        |decoys| {
            let mut attributes = [0_u64; 7];
            let arguments = [victim(decoys), at_mut(&mut attributes), 56, 0];
            answers(libc::SYS_sched_getattr, &arguments, "scheduling was read")
        },
    ),
    row(
        "proc_ioprio_other",
        "gives a foreign process another disk priority",
        |decoys| {
            answers(
                libc::SYS_ioprio_set,
                &[1, victim(decoys), 3 << 13],
                "the priority was set",
            )
        },
    ),
    row(
        "proc_prlimit_other",
        "lowers a foreign process' limits",
        |decoys| {
            let limit = [60_u64, 60];
            let arguments = [victim(decoys), u64::from(libc::RLIMIT_CPU), at(&limit), 0];
            answers(libc::SYS_prlimit64, &arguments, "a limit was set")
        },
    ),
    row(
        "proc_prlimit_read_other",
        "reads a foreign process' limits",
        |decoys| {
            let mut limit = [0_u64; 2];
            let arguments = [victim(decoys), 7, 0, at_mut(&mut limit)];
            answers(libc::SYS_prlimit64, &arguments, "limits were read")
        },
    ),
    row(
        "proc_robust_list_other",
        "an address in a foreign process",
        |decoys| {
            let (mut head, mut length) = (0_u64, 0_u64);
            let arguments = [victim(decoys), at_mut(&mut head), at_mut(&mut length)];
            answers(libc::SYS_get_robust_list, &arguments, "an address was told")
        },
    ),
    row("proc_getpgid_other", "a foreign process' group", |decoys| {
        answers(libc::SYS_getpgid, &[victim(decoys)], "the group is known")
    }),
    row(
        "proc_move_pages",
        "moves a foreign process' memory",
        |decoys| {
            answers(
                libc::SYS_move_pages,
                &[victim(decoys), 0, 0, 0, 0, 0],
                "moved",
            )
        },
    ),
    row(
        "proc_migrate_pages",
        "moves a foreign process to another memory node",
        |decoys| {
            let node = [1_u64; 1];
            let arguments = [victim(decoys), 64, at(&node), at(&node)];
            answers(libc::SYS_migrate_pages, &arguments, "moved")
        },
    ),
    row(
        "proc_madvise_other",
        "pages a foreign process out",
        |decoys| {
            let handle = call(libc::SYS_pidfd_open, &[victim(decoys), 0])?;
            let part = [decoys.address & !4095, 4096];
            const PAGE_OUT: u64 = 21;
            let arguments = [handle, at(&part), 1, PAGE_OUT, 0];
            answers(libc::SYS_process_madvise, &arguments, "paged out")
        },
    ),
    row(
        "proc_mrelease_other",
        "reaps a foreign process' memory",
        |decoys| {
            let handle = call(libc::SYS_pidfd_open, &[victim(decoys), 0])?;
            answers(libc::SYS_process_mrelease, &[handle, 0], "reaped")
        },
    ),
    row(
        "proc_perf_other",
        "counts a foreign process' events",
        |decoys| {
            let attributes = [112_u64 << 32 | 1, 2];
            let mut full = [0_u64; 16];
            full[..2].copy_from_slice(&attributes);
            let arguments = [at(&full), victim(decoys), u64::MAX, u64::MAX, 0];
            answers(libc::SYS_perf_event_open, &arguments, "counted")
        },
    ),
    row(
        "proc_listed",
        "finds a foreign process in /proc",
        |decoys| {
            open(&format!("/proc/{}", decoys.victim), libc::O_PATH)?;
            through("the victim is listed")
        },
    ),
];

fn victim(decoys: &Decoys) -> u64 {
    u64::from(decoys.victim)
}
