//! Leaving namespaces, making new ones, changing mounts.

use super::steps::{CWD, answers, in_child, int, open, path, text};
use super::{Attacked, Attempt, Class, Decoys, Outcome, through};
use crate::sys::attack::{at, at_mut, call, fork};
use crate::sys::process;

const fn row(id: &'static str, what: &'static str, run: fn(&Decoys) -> Attacked) -> Attempt {
    Attempt::new(Class::Namespaces, id, what, run)
}

/// The class.
pub(super) const ALL: &[Attempt] = &[
    row(
        "ns_unshare_user",
        "a user namespace, to be root in it",
        unshare_user,
    ),
    row("ns_unshare_net", "a network namespace", |_| {
        unshare(libc::CLONE_NEWNET)
    }),
    row("ns_unshare_mount", "a mount namespace", |_| {
        unshare(libc::CLONE_NEWNS)
    }),
    row("ns_unshare_pid", "a process namespace", |_| {
        unshare(libc::CLONE_NEWPID)
    }),
    row(
        "ns_unshare_user_all",
        "all namespaces at once behind a user namespace",
        |_| {
            unshare(
                libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWNET | libc::CLONE_NEWPID,
            )
        },
    ),
    row(
        "ns_unshare_time",
        "a time namespace behind a user namespace",
        |_| unshare(libc::CLONE_NEWUSER | 0x80),
    ),
    row(
        "ns_unshare_fs_files",
        "its own table of descriptors and directories",
        |_| unshare(libc::CLONE_FILES | libc::CLONE_FS),
    ),
    row(
        "ns_clone_user",
        "a child in a user namespace, by clone",
        |_| match call(libc::SYS_clone, &[int(libc::CLONE_NEWUSER | libc::SIGCHLD)])? {
            0 => process::exit_now(0),
            child => {
                let _ = process::wait(child as u32, true);
                through("a child is in a new user namespace")
            }
        },
    ),
    row(
        "ns_clone_high_bits",
        "the same with the upper half of the flags set",
        |_| {
            let flags = int(libc::CLONE_NEWUSER | libc::SIGCHLD) | 1 << 40;
            match call(libc::SYS_clone, &[flags])? {
                0 => process::exit_now(0),
                child => {
                    let _ = process::wait(child as u32, true);
                    through("a child is in a new user namespace")
                }
            }
        },
    ),
    row(
        "ns_clone3_user",
        "the same by clone3, flags hidden behind a pointer",
        |_| {
            let mut arguments = [0_u64; 11];
            arguments[0] = int(libc::CLONE_NEWUSER);
            arguments[4] = libc::SIGCHLD as u64;
            match call(libc::SYS_clone3, &[at(&arguments), 88])? {
                0 => process::exit_now(0),
                child => {
                    let _ = process::wait(child as u32, true);
                    through("a child is in a new user namespace")
                }
            }
        },
    ),
    row(
        "ns_clone3_into_cgroup",
        "a child in another control group by clone3",
        |_| {
            let group = open("/sys/fs/cgroup", libc::O_PATH)?;
            let mut arguments = [0_u64; 11];
            arguments[0] = 0x2_0000_0000;
            arguments[4] = libc::SIGCHLD as u64;
            arguments[10] = group;
            match call(libc::SYS_clone3, &[at(&arguments), 88])? {
                0 => process::exit_now(0),
                _ => through("a child is in another group"),
            }
        },
    ),
    row(
        "ns_setns_victim",
        "joins a foreign process' namespaces by its descriptor",
        |decoys| {
            let fd = call(libc::SYS_pidfd_open, &[u64::from(decoys.victim), 0])?;
            answers(libc::SYS_setns, &[fd, int(libc::CLONE_NEWNET)], "joined")
        },
    ),
    row(
        "ns_setns_proc",
        "joins the host's network through /proc",
        |decoys| {
            let fd = open(&format!("/proc/{}/ns/net", decoys.victim), libc::O_RDONLY)?;
            answers(libc::SYS_setns, &[fd, 0], "joined")
        },
    ),
    row(
        "ns_same_as_host",
        "whether it shares a namespace with the prover",
        same,
    ),
    row(
        "ns_parent_userns",
        "climbs to the parent user namespace by ioctl",
        |_| {
            let own = open("/proc/self/ns/user", libc::O_RDONLY)?;
            const GET_PARENT: u64 = 0xb702;
            answers(libc::SYS_ioctl, &[own, GET_PARENT], "the parent was opened")
        },
    ),
    row(
        "ns_owner_userns",
        "the owning user namespace of its network by ioctl",
        |_| {
            let own = open("/proc/self/ns/net", libc::O_RDONLY)?;
            const GET_USERNS: u64 = 0xb701;
            let owner = call(libc::SYS_ioctl, &[own, GET_USERNS])?;
            const GET_PARENT: u64 = 0xb702;
            answers(
                libc::SYS_ioctl,
                &[owner, GET_PARENT],
                "the owner's parent was opened",
            )
        },
    ),
    row("ns_mount_tmpfs", "mounts a tmpfs", |_| {
        mount("none", "/tmp", Some("tmpfs"), 0)
    }),
    row("ns_mount_proc", "mounts a procfs", |_| {
        mount("none", "/proc", Some("proc"), 0)
    }),
    row("ns_mount_sysfs", "mounts a sysfs", |_| {
        mount("none", "/tmp", Some("sysfs"), 0)
    }),
    row("ns_mount_cgroup", "mounts the control groups", |_| {
        mount("none", "/tmp", Some("cgroup2"), 0)
    }),
    row("ns_mount_bind", "binds / over /tmp", |_| {
        mount("/", "/tmp", None, libc::MS_BIND | libc::MS_REC)
    }),
    row("ns_mount_overlay", "mounts an overlay", |_| {
        mount("none", "/tmp", Some("overlay"), 0)
    }),
    row("ns_remount_rw", "makes the root writable", |_| {
        mount("none", "/", None, libc::MS_REMOUNT | libc::MS_BIND)
    }),
    row("ns_mount_shared", "makes mounts travel to the host", |_| {
        mount("none", "/", None, libc::MS_SHARED | libc::MS_REC)
    }),
    row("ns_umount", "unmounts what hides something", |_| {
        let name = text("/proc");
        answers(
            libc::SYS_umount2,
            &[path(&name), int(libc::MNT_DETACH)],
            "unmounted",
        )
    }),
    row("ns_fsopen", "a new file system by fsopen", |_| {
        let kind = text("tmpfs");
        answers(
            libc::SYS_fsopen,
            &[path(&kind), 0],
            "a file system is being made",
        )
    }),
    row("ns_fspick", "reconfigures the root's file system", |_| {
        let name = text("/");
        answers(
            libc::SYS_fspick,
            &[CWD, path(&name), 0],
            "the file system was picked",
        )
    }),
    row("ns_open_tree", "a copy of the mount tree", |_| {
        let name = text("/");
        answers(
            libc::SYS_open_tree,
            &[CWD, path(&name), 1],
            "the tree was copied",
        )
    }),
    row(
        "ns_open_tree_attr",
        "a copy of the mount tree with other attributes",
        |_| {
            let name = text("/");
            let attributes = [0_u64, 1, 0, 0];
            let arguments = [CWD, path(&name), 1, at(&attributes), 32];
            answers(467, &arguments, "the tree was copied")
        },
    ),
    row("ns_move_mount", "moves a mount", |_| {
        let (from, to) = (text("/proc"), text("/tmp"));
        let arguments = [CWD, path(&from), CWD, path(&to), 0];
        answers(libc::SYS_move_mount, &arguments, "a mount was moved")
    }),
    row("ns_mount_setattr", "clears the read-only attribute", |_| {
        let name = text("/");
        let attributes = [0_u64, 1, 0, 0];
        let arguments = [CWD, path(&name), 0, at(&attributes), 32];
        answers(libc::SYS_mount_setattr, &arguments, "the root is writable")
    }),
    row("ns_pivot", "pivot_root('.', '.')", |_| {
        let here = text(".");
        answers(
            libc::SYS_pivot_root,
            &[path(&here), path(&here)],
            "the root was changed",
        )
    }),
    row("ns_sethostname", "renames the machine", |_| {
        let name = text("carapace");
        answers(libc::SYS_sethostname, &[path(&name), 8], "the name was set")
    }),
    row("ns_setdomainname", "renames the machine's domain", |_| {
        let name = text("carapace");
        answers(
            libc::SYS_setdomainname,
            &[path(&name), 8],
            "the name was set",
        )
    }),
    row("ns_uid_map", "maps itself to user 0", |_| {
        let map = open("/proc/self/uid_map", libc::O_WRONLY)?;
        super::steps::write(map, b"0 0 1")?;
        through("the map was written")
    }),
    row(
        "ns_raise_limit",
        "raises the limit of nested namespaces",
        |_| {
            let limit = open("/proc/sys/user/max_user_namespaces", libc::O_WRONLY)?;
            super::steps::write(limit, b"1000")?;
            through("the limit was written")
        },
    ),
    row(
        "ns_child_escape",
        "a child that is adopted outside the cage",
        |_| {
            // Its parent ends; in a process namespace of its own it is adopted inside.
            let mut ends = [0_i32; 2];
            call(libc::SYS_pipe2, &[at_mut(&mut ends), 0])?;
            in_child(|| match fork() {
                Ok(0) => {
                    let _ = call(libc::SYS_close, &[int(ends[0])]);
                    for _ in 0..1000 {
                        let _ = call(libc::SYS_sched_yield, &[]);
                    }
                    let parent = call(libc::SYS_getppid, &[]).unwrap_or(0);
                    let _ = super::steps::write(int(ends[1]), &parent.to_ne_bytes());
                    0
                }
                _ => 0,
            })?;
            call(libc::SYS_close, &[int(ends[1])])?;
            let bytes = super::steps::read(int(ends[0]))?;
            let own = call(libc::SYS_getpid, &[])?;
            match bytes.as_slice().try_into().map(u64::from_ne_bytes) {
                Ok(parent) if parent != own => through(format!("adopted by process {parent}")),
                _ => Ok(Outcome::Nothing),
            }
        },
    ),
];

fn unshare(flags: i32) -> Attacked {
    answers(libc::SYS_unshare, &[int(flags)], "namespaces were made")
}

/// The point of it is the power in the new namespace.
fn unshare_user(_: &Decoys) -> Attacked {
    call(libc::SYS_unshare, &[int(libc::CLONE_NEWUSER)])?;
    call(libc::SYS_unshare, &[int(libc::CLONE_NEWNET)])?;
    through("all capabilities in a new user namespace, one used")
}

fn mount(from: &str, to: &str, kind: Option<&str>, flags: u64) -> Attacked {
    let (from, to, kind) = (text(from), text(to), kind.map(text));
    let kind = kind.as_ref().map_or(0, path);
    answers(
        libc::SYS_mount,
        &[path(&from), path(&to), kind, flags, 0],
        "mounted",
    )
}

fn same(decoys: &Decoys) -> Attacked {
    for expected in decoys.namespaces.split(',').filter(|link| !link.is_empty()) {
        let kind = expected.split(':').next().unwrap_or_default();
        let name = text(&format!("/proc/self/ns/{kind}"));
        let mut buffer = [0_u8; 64];
        let length = call(libc::SYS_readlink, &[path(&name), at_mut(&mut buffer), 64])?;
        if buffer[..length as usize] == *expected.as_bytes() {
            return through(format!("shares {expected}"));
        }
    }
    Ok(Outcome::Nothing)
}
