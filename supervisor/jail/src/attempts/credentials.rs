//! Becoming somebody else, and getting power back.

use super::steps::{CWD, answers, contents, found, in_child, int, open, path, text, write};
use super::{Attacked, Attempt, Class, Decoys, Outcome, through};
use crate::sys::attack::{at, at_mut, call};

const fn row(id: &'static str, what: &'static str, run: fn(&Decoys) -> Attacked) -> Attempt {
    Attempt::new(Class::Credentials, id, what, run)
}

/// The class.
pub(super) const ALL: &[Attempt] = &[
    row("cred_setuid0", "setuid(0)", |_| {
        answers(libc::SYS_setuid, &[0], "user 0")
    }),
    row("cred_setresuid0", "setresuid(0, 0, 0)", |_| {
        answers(libc::SYS_setresuid, &[0, 0, 0], "user 0")
    }),
    row("cred_setreuid0", "setreuid(0, 0)", |_| {
        answers(libc::SYS_setreuid, &[0, 0], "user 0")
    }),
    row("cred_setgid0", "setresgid(0, 0, 0)", |_| {
        answers(libc::SYS_setresgid, &[0, 0, 0], "group 0")
    }),
    row("cred_setfsuid0", "files as user 0", |_| {
        call(libc::SYS_setfsuid, &[0])?;
        match call(libc::SYS_setfsuid, &[u64::MAX])? {
            0 => through("files as user 0"),
            _ => Ok(Outcome::Nothing),
        }
    }),
    row("cred_setuid_other", "another user of the machine", |_| {
        answers(libc::SYS_setresuid, &[1, 1, 1], "another user")
    }),
    row("cred_setgroups", "joins group 0", |_| {
        let groups = [0_u32; 1];
        answers(libc::SYS_setgroups, &[1, at(&groups)], "joined")
    }),
    row("cred_capset", "takes CAP_SYS_ADMIN", |_| {
        capability(1 << 21)
    }),
    row("cred_capset_all", "takes every capability", |_| {
        capability(u32::MAX)
    }),
    row("cred_ambient", "an ambient capability", |_| {
        prctl([47, 2, 21, 0])
    }),
    row(
        "cred_keepcaps",
        "keeps capabilities across a change of user",
        |_| prctl([8, 1, 0, 0]),
    ),
    row("cred_securebits", "unlocks the meaning of user 0", |_| {
        prctl([28, 0, 0, 0])
    }),
    row(
        "cred_bounding",
        "whether a capability is left in the bounding set",
        |_| {
            const READ: u64 = 23;
            for capability in 0..41 {
                if call(libc::SYS_prctl, &[READ, capability, 0, 0, 0])? == 1 {
                    return through(format!("capability {capability}"));
                }
            }
            Ok(Outcome::Nothing)
        },
    ),
    row("cred_nnp_off", "clears no_new_privs", |_| {
        prctl([38, 0, 0, 0])
    }),
    row(
        "cred_nnp_absent",
        "whether exec could give privileges",
        |_| match call(libc::SYS_prctl, &[39, 0, 0, 0, 0])? {
            0 => through("no_new_privs is not set"),
            _ => Ok(Outcome::Nothing),
        },
    ),
    row(
        "cred_suid_exec",
        "runs a set-uid program and asks who it is",
        |_| {
            let mut ends = [0_i32; 2];
            call(libc::SYS_pipe2, &[at_mut(&mut ends), 0])?;
            in_child(|| {
                let _ = call(libc::SYS_dup2, &[int(ends[1]), 1]);
                let _ = call(libc::SYS_dup2, &[int(ends[1]), 2]);
                let (program, option, command) = (text("/bin/su"), text("-c"), text("id"));
                let arguments = [path(&program), path(&option), path(&command), 0];
                let _ = call(libc::SYS_execve, &[path(&program), at(&arguments), 0]);
                1
            })?;
            call(libc::SYS_close, &[int(ends[1])])?;
            let said = super::steps::read(int(ends[0]))?;
            found(
                &String::from_utf8_lossy(&said),
                "uid=0",
                "the word of user 0",
            )
        },
    ),
    row(
        "cred_suid_root",
        "whether a set-uid program would run as its owner",
        |_| {
            // ST_NOSUID of the file system that holds the system's set-uid programs.
            let mut buffer = [0_u64; 15];
            let name = text("/usr/bin");
            call(libc::SYS_statfs, &[path(&name), at_mut(&mut buffer)])?;
            const NOSUID: u64 = 2;
            if buffer[10] & NOSUID == 0 {
                return through("set-uid bits count");
            }
            Ok(Outcome::Nothing)
        },
    ),
    row("cred_file_capability", "gives a file a capability", |_| {
        let directory = if call(libc::SYS_access, &[path(&text("/workspace")), 2]).is_ok() {
            "/workspace"
        } else {
            "/tmp"
        };
        let name = text(&format!("{directory}/capable-{}", std::process::id()));
        let flags = int(libc::O_CREAT | libc::O_WRONLY);
        let made = call(libc::SYS_openat, &[CWD, path(&name), flags, 0o700]);
        let attribute = text("security.capability");
        let value = [0x0200_0001_u32, 1 << 21, 0, 0, 0];
        let arguments = [path(&name), path(&attribute), at(&value), 20, 0];
        let set = call(libc::SYS_setxattr, &arguments);
        let _ = call(libc::SYS_unlink, &[path(&name)]);
        made?;
        set?;
        through("a file has a capability")
    }),
    row(
        "cred_uid_is_hosts_root",
        "whether it is user 0 of the machine",
        |_| {
            let map = contents("/proc/self/uid_map")?;
            let user = call(libc::SYS_getuid, &[])?;
            let words: Vec<u64> = map
                .split_whitespace()
                .filter_map(|word| word.parse().ok())
                .collect();
            let outside = match words.as_slice() {
                [inside, outside, ..] => user.wrapping_sub(*inside).wrapping_add(*outside),
                _ => user,
            };
            if outside == 0 {
                through("user 0")
            } else {
                Ok(Outcome::Nothing)
            }
        },
    ),
    row(
        "cred_setgroups_allow",
        "allows setgroups in its user namespace again",
        |_| {
            let file = open("/proc/self/setgroups", libc::O_WRONLY)?;
            write(file, b"allow")?;
            through("allowed")
        },
    )
    .caged_only("in the first user namespace the word changes nothing"),
    row(
        "cred_loginuid",
        "poses as another login for the audit",
        |_| {
            let file = open("/proc/self/loginuid", libc::O_WRONLY)?;
            write(file, b"0")?;
            through("written")
        },
    ),
];

fn prctl([option, two, three, four]: [u64; 4]) -> Attacked {
    answers(libc::SYS_prctl, &[option, two, three, four, 0], "set")
}

fn capability(set: u32) -> Attacked {
    let header = [0x2008_0522_u32, 0];
    let sets = [set, set, set, 0, 0, 0];
    answers(libc::SYS_capset, &[at(&header), at(&sets)], "taken")
}
