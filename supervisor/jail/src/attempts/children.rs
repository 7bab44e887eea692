//! Starting processes that see or live longer than what started them, and changing its own standing.

use super::steps::{answers, in_child, int, path, text, write};
use super::{Attacked, Attempt, Class, Decoys, through};
use crate::sys::attack::{at, call, fork};
use crate::sys::process;

const fn row(id: &'static str, what: &'static str, run: fn(&Decoys) -> Attacked) -> Attempt {
    Attempt::new(Class::Processes, id, what, run)
}

const OWN_CHILDREN: &str = "processes of its own are what hands are for; they end with the cage";

/// These of the class.
pub(super) const ALL: &[Attempt] = &[
    row("proc_fork", "a child", |_| {
        in_child(|| 7)?;
        through("a child ran")
    })
    .hands_may(OWN_CHILDREN),
    row(
        "proc_vfork",
        "a child by the old fork call",
        |_| match call(libc::SYS_fork, &[])? {
            0 => process::exit_now(0),
            child => {
                let _ = process::wait(child as u32, true);
                through("a child ran")
            }
        },
    )
    .hands_may(OWN_CHILDREN),
    row("proc_execve", "executes a program of the host", |_| {
        let status = in_child(|| execute("/bin/true", libc::SYS_execve))?;
        if status == 0 {
            return through("/bin/true ran");
        }
        Err(status)
    })
    .hands_may("running the system's programs is what hands are for"),
    row(
        "proc_exec_memory",
        "executes a program from memory, by descriptor",
        memory_program,
    ),
    row(
        "proc_exec_memory_path",
        "the same through /proc/self/fd",
        |_| {
            let status = in_child(|| {
                let Ok(fd) = script() else { return 1 };
                execute(&format!("/proc/self/fd/{fd}"), libc::SYS_execve)
            })?;
            if status == 7 {
                through("a script in memory ran")
            } else {
                Err(status)
            }
        },
    )
    .hands_may("what it writes to its workspace may be executed too"),
    row(
        "proc_exec_channel",
        "a program that inherits the channel",
        |_| shell("echo through >&3 && exit 7"),
    ),
    row(
        "proc_child_maps",
        "what it starts reads the memory map of what started it",
        |_| shell("exec 9</proc/$PPID/maps && read line <&9 && exit 7"),
    ),
    row(
        "proc_child_memory",
        "what it starts opens the memory of what started it",
        |_| shell("exec 9</proc/$PPID/mem && exit 7"),
    ),
    row(
        "proc_child_descriptors",
        "what it starts lists the descriptors of what started it",
        |_| shell("cd /proc/$PPID/fd && set -- * && [ \"$1\" != '*' ] && exit 7"),
    ),
    row(
        "proc_child_root",
        "what it starts goes through the root of what started it",
        |_| shell("cd /proc/$PPID/root && exit 7"),
    ),
    row(
        "proc_child_environ",
        "what it starts reads the environment of what started it",
        |_| shell("exec 9</proc/$PPID/environ && exit 7"),
    ),
    row(
        "proc_daemon",
        "a grandchild in a session of its own, to outlive the cage",
        |_| {
            in_child(|| match fork() {
                Ok(0) => {
                    let _ = call(libc::SYS_setsid, &[]);
                    let _ = call(libc::SYS_pause, &[]);
                    0
                }
                Ok(_) => 0,
                Err(number) => number,
            })?;
            through("a grandchild is left")
        },
    )
    .hands_may(OWN_CHILDREN)
    .caged_only("would stay after the run"),
    row("proc_setsid", "a session of its own", |_| {
        answers(libc::SYS_setsid, &[], "a session")
    })
    .hands_may(OWN_CHILDREN),
    row("proc_setpgid", "a process group of its own", |_| {
        answers(libc::SYS_setpgid, &[0, 0], "a group")
    })
    .hands_may(OWN_CHILDREN),
    row(
        "proc_join_group",
        "joins a foreign process' group",
        |decoys| answers(libc::SYS_setpgid, &[0, u64::from(decoys.victim)], "joined"),
    ),
    row(
        "proc_pdeathsig_off",
        "outlives the supervisor: no death signal",
        |_| prctl(1, 0),
    ),
    row(
        "proc_pdeathsig_weak",
        "outlives the supervisor: a death signal it ignores",
        |_| prctl(1, libc::SIGWINCH as u64),
    ),
    row("proc_subreaper", "adopts orphans", |_| prctl(36, 1)).hands_may(OWN_CHILDREN),
    row(
        "proc_dumpable_on",
        "opens itself to others of its user",
        |_| prctl(4, 1),
    ),
    row("proc_set_ptracer", "lets anybody trace it", |_| {
        prctl(0x5961_6d61, u64::MAX)
    }),
    row("proc_setmm", "rewrites what /proc says of it", |_| {
        const SET_MM: u64 = 35;
        answers(libc::SYS_prctl, &[SET_MM, 8, 4096, 0, 0], "rewritten")
    }),
    row("proc_set_name", "poses as another program", |_| {
        let name = text("systemd");
        prctl(15, path(&name))
    })
    .hands_may("a name is for people; the supervisor goes by numbers"),
    row("proc_nice_up", "goes before others", |_| {
        answers(libc::SYS_setpriority, &[0, 0, -10_i64 as u64], "first")
    }),
    row("proc_realtime", "takes a processor for itself", |_| {
        let parameter = [50_u32; 1];
        answers(
            libc::SYS_sched_setscheduler,
            &[0, 1, at(&parameter)],
            "realtime",
        )
    }),
    row("proc_uclamp", "scheduling attributes of its own", |_| {
        let mut attributes = [0_u64; 7];
        attributes[0] = 48 | 3 << 32;
        answers(libc::SYS_sched_setattr, &[0, at(&attributes), 0], "set")
    }),
];

fn prctl(option: u64, value: u64) -> Attacked {
    answers(libc::SYS_prctl, &[option, value, 0, 0, 0], "set")
}

/// Becomes another program; returns why not.
fn execute(name: &str, number: i64) -> i32 {
    let program = text(name);
    let arguments = [path(&program), 0];
    call(number, &[path(&program), at(&arguments), 0]).map_or_else(|error| error, |_| 0)
}

/// Runs a script, whose status 7 says that it got through.
fn shell(script: &str) -> Attacked {
    let status = in_child(|| {
        let shell = text("/bin/sh");
        let (option, script) = (
            text("-c"),
            text(&format!("exec 2>/dev/null; {script}; exit 13")),
        );
        let arguments = [path(&shell), path(&option), path(&script), 0];
        let _ = call(libc::SYS_execve, &[path(&shell), at(&arguments), 0]);
        libc::ENOENT
    })?;
    if status == 7 {
        through("a program of the system did it")
    } else {
        Err(libc::EACCES)
    }
}

/// A script in a memory file.
fn script() -> Result<u64, i32> {
    let name = text("script");
    let fd = call(libc::SYS_memfd_create, &[path(&name), 0])?;
    write(fd, b"#!/bin/sh\nexit 7\n")?;
    Ok(fd)
}

fn memory_program(_: &Decoys) -> Attacked {
    let status = in_child(|| {
        let Ok(fd) = script() else { return 1 };
        let name = text("");
        let arguments = [path(&name), 0];
        let flags = int(libc::AT_EMPTY_PATH);
        let list = [fd, path(&name), at(&arguments), 0, flags];
        call(libc::SYS_execveat, &list).map_or_else(|error| error, |_| 0)
    })?;
    if status == 7 {
        through("a script in memory ran")
    } else {
        Err(status)
    }
}
