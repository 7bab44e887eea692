//! Parts of the kernel that a confined program has no use for: the more there are, the more
//! mistakes of the kernel can be reached.

use super::steps::{CHANNEL, answers, int, open, path, text};
use super::{Attacked, Attempt, Class, Decoys, Outcome, through};
use crate::sys::attack::{at, at_mut, call, call_32};

const fn row(id: &'static str, what: &'static str, run: fn(&Decoys) -> Attacked) -> Attempt {
    Attempt::new(Class::Kernel, id, what, run)
}

const OBJECTS: &str = "interpreters wait on these; bounded by the number of descriptors and memory";
const HARMFUL: &str = "would change or end the machine where it works";

/// The class.
pub(super) const ALL: &[Attempt] = &[
    row(
        "kern_iouring",
        "a ring of calls that no filter sees",
        |_| {
            let mut parameters = [0_u8; 120];
            answers(
                libc::SYS_io_uring_setup,
                &[4, at_mut(&mut parameters)],
                "a ring",
            )
        },
    ),
    row("kern_perf", "performance counters of the kernel", |_| {
        let mut attributes = [0_u64; 16];
        attributes[0] = 112_u64 << 32;
        let arguments = [at(&attributes), 0, u64::MAX, u64::MAX, 0];
        answers(libc::SYS_perf_event_open, &arguments, "counting")
    }),
    row(
        "kern_perf_software",
        "performance counters of itself",
        |_| {
            let mut attributes = [0_u64; 16];
            attributes[0] = 112_u64 << 32 | 1;
            attributes[5] = 1 << 5 | 1 << 6;
            let arguments = [at(&attributes), 0, u64::MAX, u64::MAX, 0];
            answers(libc::SYS_perf_event_open, &arguments, "counting")
        },
    ),
    row(
        "kern_userfaultfd",
        "holds the kernel at a page fault of its own",
        |_| answers(libc::SYS_userfaultfd, &[1], "faults are handled"),
    ),
    row("kern_bpf_map", "a BPF map", |_| {
        let mut attributes = [0_u32; 32];
        (attributes[0], attributes[1], attributes[2], attributes[3]) = (2, 4, 4, 1);
        answers(libc::SYS_bpf, &[0, at(&attributes), 128], "a map")
    }),
    row("kern_bpf_program", "a BPF program", |_| {
        let code = [0xb7_u64, 0x95];
        let license = text("GPL");
        let mut attributes = [0_u64; 16];
        (attributes[0], attributes[1], attributes[2]) = (2 << 32 | 1, at(&code), path(&license));
        answers(libc::SYS_bpf, &[5, at(&attributes), 128], "a program")
    }),
    row("kern_personality_aslr", "no address randomisation", |_| {
        personality(0x004_0000)
    }),
    row(
        "kern_personality_exec",
        "everything readable is executable",
        |_| personality(0x040_0000),
    ),
    row("kern_personality_mmap0", "page zero", |_| {
        personality(0x010_0000)
    }),
    row("kern_x32", "the third table of calls", |_| {
        answers(0x4000_0000 | 39, &[], "the x32 table answers")
    }),
    row(
        "kern_int80",
        "the 32-bit table of calls",
        |_| match call_32(20) {
            answer if answer > 0 => through("the 32-bit table answers"),
            answer => Err(-answer),
        },
    ),
    row(
        "kern_high_bits",
        "a call number with its upper half set",
        |_| answers(0x1_0000_0000 | libc::SYS_getppid, &[], "answered"),
    )
    .hands_may("the kernel reads 32 bits, as the filter does: the same call as without them"),
    row(
        "kern_high_numbers",
        "numbers from 463 on, unknown to older lists",
        |_| {
            for number in 463..600 {
                match call(number, &[u64::MAX; 6]) {
                    Err(libc::ENOSYS | libc::EPERM | libc::EACCES | libc::EOPNOTSUPP) => {}
                    _ => return through(format!("number {number} was executed")),
                }
            }
            Ok(Outcome::Nothing)
        },
    ),
    row(
        "kern_old_numbers",
        "calls that nobody uses any more",
        |_| {
            let zero = [0_u64; 6];
            for number in [
                134, 136, 139, 156, 174, 177, 178, 180, 181, 182, 183, 184, 185, 205, 211, 212,
                214, 215, 216, 236,
            ] {
                match call(number, &zero) {
                    Err(libc::ENOSYS | libc::EPERM | libc::EACCES) => {}
                    _ => return through(format!("number {number} was executed")),
                }
            }
            Ok(Outcome::Nothing)
        },
    ),
    row(
        "kern_seccomp_listener",
        "a filter of its own with a judge of its own",
        |_| {
            call(libc::SYS_prctl, &[38, 1, 0, 0, 0])?;
            filter(8)
        },
    ),
    row("kern_seccomp_again", "a filter that answers for it", |_| {
        call(libc::SYS_prctl, &[38, 1, 0, 0, 0])?;
        filter(0)
    }),
    row("kern_seccomp_prctl", "the same by prctl", |_| {
        call(libc::SYS_prctl, &[38, 1, 0, 0, 0])?;
        let code = [0x7fff_0000_0000_0006_u64];
        let program = [1_u64, at(&code)];
        answers(libc::SYS_prctl, &[22, 2, at(&program), 0, 0], "a filter")
    }),
    row(
        "kern_landlock_more",
        "a Landlock ruleset of its own",
        |_| {
            let attributes = [1_u64];
            answers(
                libc::SYS_landlock_create_ruleset,
                &[at(&attributes), 8, 0],
                "a ruleset",
            )
        },
    ),
    row("kern_reboot", "restarts the machine", |_| {
        let arguments = [0xfee1_dead, 672_274_793, 0, 0];
        answers(libc::SYS_reboot, &arguments, "a reboot was accepted")
    })
    .caged_only(HARMFUL),
    row("kern_module", "a kernel module from memory", |_| {
        let options = text("");
        answers(
            libc::SYS_init_module,
            &[at(&[0_u8; 64]), 64, path(&options)],
            "loaded",
        )
    })
    .caged_only(HARMFUL),
    row("kern_module_file", "a kernel module from a file", |_| {
        let options = text("");
        answers(
            libc::SYS_finit_module,
            &[CHANNEL, path(&options), 0],
            "loaded",
        )
    })
    .caged_only(HARMFUL),
    row("kern_module_delete", "removes a kernel module", |_| {
        let name = text("carapace_none");
        answers(libc::SYS_delete_module, &[path(&name), 0], "removed")
    })
    .caged_only(HARMFUL),
    row("kern_kexec", "another kernel", |_| {
        answers(libc::SYS_kexec_load, &[0, 0, 0, 0], "loaded")
    })
    .caged_only(HARMFUL),
    row("kern_kexec_file", "another kernel from a file", |_| {
        let arguments = [CHANNEL, CHANNEL, 0, 0, 0];
        answers(libc::SYS_kexec_file_load, &arguments, "loaded")
    })
    .caged_only(HARMFUL),
    row("kern_clock", "sets the clock", |_| {
        let time = [0_u64, 0];
        answers(libc::SYS_clock_settime, &[0, at(&time)], "set")
    })
    .caged_only(HARMFUL),
    row(
        "kern_settimeofday",
        "sets the clock by the older call",
        |_| {
            let time = [0_u64, 0];
            answers(libc::SYS_settimeofday, &[at(&time), 0], "set")
        },
    )
    .caged_only(HARMFUL),
    row("kern_adjtimex", "reads how the clock is steered", |_| {
        let mut state = [0_u64; 32];
        answers(libc::SYS_adjtimex, &[at_mut(&mut state)], "told")
    }),
    row("kern_syslog", "the kernel's log", |_| {
        let mut bytes = [0_u8; 4096];
        answers(
            libc::SYS_syslog,
            &[3, at_mut(&mut bytes), 4096],
            "the log was read",
        )
    }),
    row("kern_syslog_size", "the size of the kernel's log", |_| {
        answers(libc::SYS_syslog, &[10], "told")
    }),
    row("kern_vhangup", "hangs up the terminal", |_| {
        answers(libc::SYS_vhangup, &[], "hung up")
    })
    .caged_only("would end the owner's terminal"),
    row("kern_iopl", "the machine's ports", |_| {
        answers(libc::SYS_iopl, &[3], "ports")
    }),
    row("kern_ioperm", "one of the machine's ports", |_| {
        answers(libc::SYS_ioperm, &[0x80, 1, 1], "a port")
    }),
    row("kern_modify_ldt", "a segment of its own", |_| {
        let entry = [0_u32, 0, 0xfffff, 0x51];
        answers(libc::SYS_modify_ldt, &[1, at(&entry), 16], "a segment")
    }),
    row("kern_shadow_stack", "steers shadow stacks", |_| {
        answers(libc::SYS_arch_prctl, &[0x5005, 0], "told")
    }),
    row("kern_map_shadow_stack", "a shadow stack", |_| {
        answers(453, &[0, 4096, 1], "a stack")
    }),
    row("kern_arch_cpuid", "traps the processor's questions", |_| {
        answers(libc::SYS_arch_prctl, &[0x1011, 0], "told")
    }),
    row("kern_arch_gs", "moves a segment base", |_| {
        answers(libc::SYS_arch_prctl, &[0x1001, 4096], "moved")
    }),
    row("kern_tsc", "traps the time stamp counter", |_| {
        answers(libc::SYS_prctl, &[26, 1, 0, 0, 0], "set")
    }),
    row(
        "kern_speculation",
        "turns a processor's mitigation off",
        |_| answers(libc::SYS_prctl, &[53, 0, 2, 0, 0], "set"),
    ),
    row(
        "kern_memfd_secret",
        "memory that the kernel itself cannot see",
        |_| answers(libc::SYS_memfd_secret, &[0], "secret memory"),
    ),
    row("kern_lookup_dcookie", "a path by its cookie", |_| {
        let mut bytes = [0_u8; 64];
        answers(
            libc::SYS_lookup_dcookie,
            &[0, at_mut(&mut bytes), 64],
            "told",
        )
    }),
    // Objects.
    row("kern_timer", "timers", |_| {
        let mut timer = 0_i32;
        answers(
            libc::SYS_timer_create,
            &[1, 0, at_mut(&mut timer)],
            "a timer",
        )
    })
    .hands_may(OBJECTS),
    row("kern_timerfd", "timers as descriptors", |_| {
        answers(libc::SYS_timerfd_create, &[1, 0], "a timer")
    })
    .hands_may(OBJECTS),
    row("kern_signalfd", "signals as descriptors", |_| {
        let mask = [0_u64; 1];
        answers(libc::SYS_signalfd4, &[u64::MAX, at(&mask), 8, 0], "made")
    })
    .hands_may(OBJECTS),
    row("kern_eventfd", "events as descriptors", |_| {
        answers(libc::SYS_eventfd2, &[0, 0], "made")
    })
    .hands_may(OBJECTS),
    row("kern_epoll", "a set of descriptors to wait for", |_| {
        answers(libc::SYS_epoll_create1, &[0], "made")
    })
    .hands_may(OBJECTS),
    row("kern_memfd", "files in memory", |_| {
        let name = text("memory");
        answers(libc::SYS_memfd_create, &[path(&name), 0], "made")
    })
    .hands_may(OBJECTS),
    row("kern_aio", "the old asynchronous input and output", |_| {
        let mut context = 0_u64;
        answers(libc::SYS_io_setup, &[8, at_mut(&mut context)], "made")
    }),
    row("kern_vmsplice", "gives its pages to a pipe", |_| {
        let mut ends = [0_i32; 2];
        call(libc::SYS_pipe2, &[at_mut(&mut ends), 0])?;
        let bytes = [0_u8; 64];
        let part = [at(&bytes), 64];
        answers(
            libc::SYS_vmsplice,
            &[int(ends[1]), at(&part), 1, 0],
            "given",
        )
    }),
    // Terminals.
    row("kern_tiocsti", "types into the owner's terminal", |_| {
        ioctl(libc::TIOCSTI)
    }),
    row(
        "kern_tiocsti_high",
        "the same with the upper half of the request set",
        |_| ioctl(libc::TIOCSTI | 1 << 32),
    ),
    row("kern_tioclinux", "pastes into the console", |_| {
        ioctl(libc::TIOCLINUX)
    }),
    row("kern_tiocsctty", "takes the owner's terminal over", |_| {
        ioctl(libc::TIOCSCTTY)
    }),
    row("kern_fiosetown", "a signal owner by ioctl", |decoys| {
        let owner = decoys.victim;
        answers(libc::SYS_ioctl, &[CHANNEL, 0x8901, at(&owner)], "set")
    }),
    row("kern_ioctl_immutable", "makes a file immutable", |_| {
        let file = ["/workspace", "/tmp"].into_iter().find_map(|place| {
            let name = format!("{place}/flagged-{}", std::process::id());
            let fd = open(&name, libc::O_CREAT | libc::O_RDWR).ok()?;
            let _ = call(libc::SYS_unlink, &[path(&text(&name))]);
            Some(fd)
        });
        let file = file.ok_or(libc::EACCES)?;
        let flags = 0x80_u64;
        answers(
            libc::SYS_ioctl,
            &[file, 0x4008_6602, at(&flags)],
            "flags were set",
        )
    }),
];

fn personality(flag: u64) -> Attacked {
    call(libc::SYS_personality, &[flag])?;
    match call(libc::SYS_personality, &[0xffff_ffff])? & flag {
        0 => Ok(Outcome::Nothing),
        _ => through("set"),
    }
}

/// A filter that allows everything.
fn filter(flags: u64) -> Attacked {
    let code = [0x7fff_0000_0000_0006_u64];
    let program = [1_u64, at(&code)];
    answers(libc::SYS_seccomp, &[1, flags, at(&program)], "a filter")
}

/// On each of the standard descriptors.
fn ioctl(request: u64) -> Attacked {
    let byte = b'x';
    let mut refused = libc::ENOTTY;
    for fd in 0..3 {
        match call(libc::SYS_ioctl, &[fd, request, at(&byte)]) {
            Ok(_) => return through(format!("accepted on descriptor {fd}")),
            Err(number) => refused = number,
        }
    }
    Err(refused)
}
