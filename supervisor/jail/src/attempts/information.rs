//! Learning about the machine, its users and its supervisor.

use super::decoys::CANARY;
use super::steps::{CHANNEL, answers, contents, found, int, open, path, text};
use super::{Attacked, Attempt, Class, Decoys, Outcome, through};
use crate::sys::attack::{at_mut, call, started_as};

const fn row(id: &'static str, what: &'static str, run: fn(&Decoys) -> Attacked) -> Attempt {
    Attempt::new(Class::Information, id, what, run)
}

const RESIDUE: &str = "a residue that no layer here hides: the threat model lists it";

/// The class.
pub(super) const ALL: &[Attempt] = &[
    row("info_env", "a secret in its environment", |_| {
        let secret = std::env::vars_os().any(|(_, value)| value.to_string_lossy().contains(CANARY));
        if secret {
            through("the secret was there")
        } else {
            Ok(Outcome::Nothing)
        }
    }),
    row(
        "info_env_any",
        "anything in its environment",
        |_| match std::env::vars_os().next() {
            Some((name, _)) => through(format!("{} is set", name.to_string_lossy())),
            None => Ok(Outcome::Nothing),
        },
    ),
    row(
        "info_started_as",
        "the host's path of its own program",
        |decoys| {
            let name = started_as();
            let top = decoys.directory.split('/').nth(1).unwrap_or_default();
            if name.contains(top) || name.contains("target/") {
                return through(name);
            }
            Ok(Outcome::Nothing)
        },
    ),
    row("info_own_program", "the same by /proc/self/exe", |_| {
        let mut buffer = [0_u8; 512];
        let name = text("/proc/self/exe");
        call(libc::SYS_readlink, &[path(&name), at_mut(&mut buffer), 512])?;
        let end = buffer.iter().position(|byte| *byte == 0).unwrap_or(512);
        let place = String::from_utf8_lossy(&buffer[..end]);
        if place.trim_start_matches('/').contains('/') {
            return through(place);
        }
        Ok(Outcome::Nothing)
    })
    .hands_may("names where the program lies; nothing there can be reached"),
    row("info_uname", "the machine's name by uname", |decoys| {
        let mut names = [0_u8; 390];
        call(libc::SYS_uname, &[at_mut(&mut names)])?;
        let host = String::from_utf8_lossy(&names[65..130]);
        if host.trim_end_matches('\0') == decoys.host {
            return through("the machine's name");
        }
        Ok(Outcome::Nothing)
    }),
    row(
        "info_kernel_version",
        "the kernel's version by uname",
        |_| {
            let mut names = [0_u8; 390];
            answers(libc::SYS_uname, &[at_mut(&mut names)], "the version")
        },
    )
    .hands_may("build tools ask for it"),
    row("info_sysinfo", "memory, load and uptime by sysinfo", |_| {
        let mut numbers = [0_u64; 16];
        answers(
            libc::SYS_sysinfo,
            &[at_mut(&mut numbers)],
            "memory and load",
        )
    })
    .hands_may(RESIDUE),
    row("info_boottime", "how long the machine runs", |decoys| {
        let mut time = [0_u64; 2];
        call(libc::SYS_clock_gettime, &[7, at_mut(&mut time)])?;
        if time[0].abs_diff(decoys.uptime) < 3600 {
            return through("the machine's uptime");
        }
        Ok(Outcome::Nothing)
    })
    .all_may("uptime is a listed residue: a time namespace cannot be had by the same clone"),
    row(
        "info_foreign_clock",
        "the time that a foreign process used",
        |decoys| {
            let mut time = [0_u64; 2];
            let clock = !u64::from(decoys.victim) << 3 | 2;
            let clock = clock & 0xffff_ffff;
            answers(
                libc::SYS_clock_gettime,
                &[clock, at_mut(&mut time)],
                "its time",
            )
        },
    ),
    row("info_proc_maps", "its own memory map", |_| {
        open_through("/proc/self/maps")
    })
    .hands_may("its own addresses; a process that hands run may know them"),
    row("info_proc_version", "the kernel's version by /proc", |_| {
        open_through("/proc/version")
    }),
    row("info_proc_cmdline", "the kernel's command line", |_| {
        open_through("/proc/cmdline")
    }),
    row("info_proc_meminfo", "the machine's memory", |_| {
        open_through("/proc/meminfo")
    }),
    row("info_proc_cpuinfo", "the machine's processors", |_| {
        open_through("/proc/cpuinfo")
    }),
    row(
        "info_proc_stat",
        "what the machine's processors do, to time others",
        |_| open_through("/proc/stat"),
    ),
    row(
        "info_proc_interrupts",
        "interrupts, to time the owner's keys",
        |_| open_through("/proc/interrupts"),
    ),
    row("info_proc_loadavg", "the machine's load", |_| {
        open_through("/proc/loadavg")
    }),
    row("info_proc_uptime", "the machine's uptime by /proc", |_| {
        open_through("/proc/uptime")
    }),
    row("info_proc_partitions", "the machine's disks", |_| {
        open_through("/proc/partitions")
    }),
    row("info_proc_mounts", "the machine's mounts", |decoys| {
        let table = contents("/proc/self/mounts")?;
        found(&table, " /sys ", "the host's mounts").and_then(|outcome| match outcome {
            Outcome::Nothing => found(&table, &decoys.directory, "the host's mounts"),
            other => Ok(other),
        })
    }),
    row("info_proc_net_tcp", "the machine's connections", |decoys| {
        let port = format!(":{:04X} ", decoys.tcp4);
        found(
            &contents("/proc/self/net/tcp")?,
            &port,
            "the listener's port",
        )
    }),
    row(
        "info_proc_net_unix",
        "the machine's local sockets",
        |decoys| {
            found(
                &contents("/proc/self/net/unix")?,
                &decoys.abstract_name,
                "the listener's name",
            )
        },
    ),
    row("info_proc_net_route", "the machine's routes", |_| {
        found(&contents("/proc/self/net/dev")?, "eth", "a network card")
    }),
    row("info_proc_cgroup", "the supervisor's control group", |_| {
        let groups = contents("/proc/self/cgroup")?;
        let named = groups.lines().find(|line| !line.ends_with(":/"));
        named.map_or(Ok(Outcome::Nothing), |line| through(line.to_owned()))
    }),
    row("info_proc_status", "the prover's status", |decoys| {
        open_through(&format!("/proc/{}/status", decoys.prover))
    }),
    row(
        "info_proc_cmdline_other",
        "a foreign process' arguments",
        |decoys| {
            found(
                &contents(&format!("/proc/{}/cmdline", decoys.victim))?,
                "victim",
                "the victim's arguments",
            )
        },
    ),
    row("info_proc_first", "who is process 1", |decoys| {
        let stat = contents("/proc/1/stat")?;
        let own = call(libc::SYS_getpid, &[])?;
        if own != 1 && !stat.contains("(carapace") {
            return through(format!("not of a cage, prover {}", decoys.prover));
        }
        Ok(Outcome::Nothing)
    }),
    row("info_sys_net", "the machine's network cards", |_| {
        open_through("/sys/class/net")
    }),
    row("info_sys_dmi", "the machine's make", |_| {
        open_through("/sys/class/dmi")
    }),
    row("info_sys_cpu", "the machine's processors by /sys", |_| {
        open_through("/sys/devices/system/cpu/online")
    }),
    row("info_sys_block", "the machine's disks by /sys", |_| {
        open_through("/sys/block")
    }),
    row(
        "info_etc_hostname",
        "the machine's name by its file",
        |_| open_through("/etc/hostname"),
    ),
    row("info_machine_id", "the machine's number", |_| {
        open_through("/etc/machine-id")
    }),
    row("info_resolv", "the machine's name servers", |_| {
        open_through("/etc/resolv.conf")
    }),
    row("info_home", "the homes", |_| open_through("/home")),
    row("info_root_home", "the home of user 0", |_| {
        open_through("/root")
    }),
    row("info_var_log", "the machine's logs", |_| {
        open_through("/var/log")
    }),
    row("info_run", "what runs on the machine", |_| {
        open_through("/run")
    }),
    row("info_boot", "the machine's kernels", |_| {
        open_through("/boot")
    }),
    row(
        "info_packages",
        "what is installed, by its data base",
        |_| open_through("/var/lib"),
    ),
    row("info_ppid", "the supervisor's number", |_| {
        match call(libc::SYS_getppid, &[])? {
            0 => Ok(Outcome::Nothing),
            parent => through(format!("process {parent}")),
        }
    }),
    row("info_pid", "its number on the machine", |_| {
        match call(libc::SYS_getpid, &[])? {
            1 => Ok(Outcome::Nothing),
            own => through(format!("process {own}")),
        }
    }),
    row(
        "info_sid",
        "the session it was started in",
        |_| match call(libc::SYS_getsid, &[0])? {
            0 | 1 => Ok(Outcome::Nothing),
            session => through(format!("session {session}")),
        },
    ),
    row("info_groups", "the owner's groups", |_| {
        let mut groups = [0_u32; 64];
        let count = call(libc::SYS_getgroups, &[64, at_mut(&mut groups)])?;
        let known = groups[..count as usize]
            .iter()
            .any(|group| *group != 65_534);
        if known {
            through(format!("{count} groups"))
        } else {
            Ok(Outcome::Nothing)
        }
    }),
    row(
        "info_peer",
        "who is at the other end of its channel",
        |_| {
            let mut peer = [0_u32; 3];
            let mut length = 12_u32;
            let arguments = [CHANNEL, 1, 17, at_mut(&mut peer), at_mut(&mut length)];
            call(libc::SYS_getsockopt, &arguments)?;
            if peer[0] == 0 {
                Ok(Outcome::Nothing)
            } else {
                through(format!("process {}", peer[0]))
            }
        },
    ),
    row("info_usage", "what it used, finely timed", |_| {
        let mut usage = [0_u64; 18];
        answers(libc::SYS_getrusage, &[0, at_mut(&mut usage)], "told")
    })
    .hands_may("its own times, which any clock tells"),
    row("info_times", "how long the machine runs, by times", |_| {
        let mut times = [0_u64; 4];
        answers(libc::SYS_times, &[at_mut(&mut times)], "told")
    })
    .hands_may(RESIDUE),
    row("info_getcpu", "on which processor it runs", |_| {
        let mut place = [0_u32; 2];
        let node = at_mut(&mut place[1]);
        answers(libc::SYS_getcpu, &[at_mut(&mut place[0]), node, 0], "told")
    })
    .hands_may("interpreters ask for it"),
    row("info_affinity", "how many processors there are", |_| {
        let mut mask = [0_u64; 16];
        answers(
            libc::SYS_sched_getaffinity,
            &[0, 128, at_mut(&mut mask)],
            "told",
        )
    })
    .hands_may("a parallel build asks for it"),
    row("info_mincore", "which pages of a file others used", |_| {
        let file = open("/usr/bin/env", libc::O_RDONLY)?;
        let shared = int(libc::MAP_SHARED);
        let page = call(
            libc::SYS_mmap,
            &[0, 4096, int(libc::PROT_READ), shared, file, 0],
        )?;
        let mut present = [0_u8; 1];
        answers(
            libc::SYS_mincore,
            &[page, 4096, at_mut(&mut present)],
            "told",
        )
    })
    .hands_may("the kernel tells the truth about writable files only"),
    row("info_cachestat", "how much of a file is in memory", |_| {
        let file = open("/usr/bin/env", libc::O_RDONLY)?;
        let range = [0_u64, 0];
        let mut counts = [0_u64; 5];
        let arguments = [file, crate::sys::attack::at(&range), at_mut(&mut counts), 0];
        answers(451, &arguments, "told")
    })
    .hands_may("of files it may read anyway"),
    row(
        "info_terminal",
        "whether it has the owner's terminal",
        |_| {
            let mut settings = [0_u8; 64];
            let mut refused = libc::ENOTTY;
            for fd in 0..3 {
                match call(libc::SYS_ioctl, &[fd, libc::TCGETS, at_mut(&mut settings)]) {
                    Ok(_) => return through(format!("descriptor {fd}")),
                    Err(number) => refused = number,
                }
            }
            Err(refused)
        },
    ),
];

/// Through when a path that names the machine can be opened.
fn open_through(name: &str) -> Attacked {
    super::steps::opens(name, libc::O_RDONLY)
}
