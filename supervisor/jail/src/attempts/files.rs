//! Reading, changing and probing the host's files.

use super::steps::{
    CWD, contents, found, in_child, int, on_path, on_paths, open, opens, path, read, steal, text,
    write,
};
use super::{Attacked, Attempt, Class, Decoys, Outcome, through};
use crate::sys::attack::{at, at_mut, call};

const fn row(id: &'static str, what: &'static str, run: fn(&Decoys) -> Attacked) -> Attempt {
    Attempt::new(Class::Files, id, what, run)
}

const READ: i32 = libc::O_RDONLY;
const WRITE: i32 = libc::O_WRONLY;
const BOTH: i32 = libc::O_RDWR;

/// The class.
pub(super) const ALL: &[Attempt] = &[
    // Reading.
    row("fs_secret_path", "opens the secret by its path", |decoys| {
        steal(&decoys.canary())
    }),
    row(
        "fs_secret_dotdot",
        "opens the secret through ../..",
        |decoys| steal(&format!("../../../../../../..{}", decoys.canary())),
    ),
    row(
        "fs_secret_open",
        "opens the secret by the old open call",
        old_open,
    ),
    row(
        "fs_secret_openat2",
        "opens the secret by openat2, flags behind a pointer",
        openat2,
    ),
    row(
        "fs_secret_path_only",
        "an O_PATH handle, reopened through /proc/self/fd",
        path_only,
    ),
    row(
        "fs_etc_passwd",
        "the machine's list of accounts",
        |decoys| {
            found(
                &contents("/etc/passwd")?,
                &decoys.account,
                "an account of the machine",
            )
        },
    ),
    row("fs_etc_shadow", "the machine's password hashes", |_| {
        opens("/etc/shadow", READ)
    }),
    row(
        "fs_list_directory",
        "lists the directory of the secret",
        |decoys| list(&decoys.directory),
    ),
    row(
        "fs_proc_1_root",
        "the secret through /proc/1/root",
        |decoys| steal(&format!("/proc/1/root{}", decoys.canary())),
    ),
    row(
        "fs_proc_self_root",
        "the secret through /proc/self/root",
        |decoys| steal(&format!("/proc/self/root{}", decoys.canary())),
    ),
    row(
        "fs_proc_self_cwd",
        "the secret through /proc/self/cwd",
        |decoys| {
            steal(&format!(
                "/proc/self/cwd/../../../../../..{}",
                decoys.canary()
            ))
        },
    ),
    row(
        "fs_proc_self_environ",
        "a secret in /proc/self/environ",
        |_| steal("/proc/self/environ"),
    ),
    row(
        "fs_proc_parent_environ",
        "a secret in a foreign process' environment",
        |decoys| steal(&format!("/proc/{}/environ", decoys.victim)),
    ),
    row(
        "fs_proc_parent_fd",
        "a foreign process' descriptor through /proc",
        |decoys| opens(&format!("/proc/{}/fd/0", decoys.victim), READ),
    ),
    row(
        "fs_proc_parent_root",
        "the secret through a foreign process' root",
        |decoys| steal(&format!("/proc/{}/root{}", decoys.victim, decoys.canary())),
    ),
    row(
        "fs_proc_parent_cwd",
        "a foreign process' directory, listed",
        |decoys| list(&format!("/proc/{}/cwd", decoys.victim)),
    ),
    row(
        "fs_proc_parent_maps",
        "a foreign process' memory map",
        |decoys| opens(&format!("/proc/{}/maps", decoys.victim), READ),
    ),
    row(
        "fs_proc_victim_mem",
        "a secret in a foreign process' memory, through /proc",
        victim_memory,
    ),
    row(
        "fs_proc_victim_mem_write",
        "writes a foreign process' memory through /proc",
        |decoys| opens(&format!("/proc/{}/mem", decoys.victim), WRITE),
    ),
    row(
        "fs_proc_victim_score",
        "offers a foreign process to the out-of-memory killer",
        |decoys| {
            let fd = open(&format!("/proc/{}/oom_score_adj", decoys.victim), WRITE)?;
            write(fd, b"900")?;
            through("the score was raised")
        },
    ),
    // Places of power.
    row(
        "fs_proc_self_exe_write",
        "overwrites its own program through /proc/self/exe",
        |_| opens("/proc/self/exe", WRITE),
    ),
    row(
        "fs_proc_sys_write",
        "the core pattern: a program run as root",
        |_| opens("/proc/sys/kernel/core_pattern", WRITE),
    ),
    row(
        "fs_proc_modprobe",
        "the module loader's path: a program run as root",
        |_| opens("/proc/sys/kernel/modprobe", WRITE),
    ),
    row("fs_proc_binfmt", "registers an interpreter", |_| {
        opens("/proc/sys/fs/binfmt_misc/register", WRITE)
    }),
    row("fs_proc_sysrq", "the magic system request", |_| {
        opens("/proc/sysrq-trigger", WRITE)
    }),
    row("fs_proc_kcore", "kernel memory through /proc/kcore", |_| {
        opens("/proc/kcore", READ)
    }),
    row("fs_proc_kallsyms", "addresses of the kernel", |_| {
        opens("/proc/kallsyms", READ)
    }),
    row("fs_proc_keys", "the list of keys", |_| {
        opens("/proc/keys", READ)
    }),
    row("fs_sys_uevent_helper", "the device event helper", |_| {
        opens("/sys/kernel/uevent_helper", WRITE)
    }),
    row("fs_sys_cgroup", "joins another control group", |_| {
        open("/sys/fs/cgroup/cgroup.procs", WRITE)
            .or_else(|_| open("/sys/fs/cgroup/pids/cgroup.procs", WRITE))?;
        through("a control group was opened")
    }),
    row(
        "fs_sys_release_agent",
        "a control group's release agent: a program run as root",
        |_| opens("/sys/fs/cgroup/memory/release_agent", WRITE),
    ),
    row("fs_sys_list", "lists /sys", |_| list("/sys")),
    row("fs_sys_debug", "lists the kernel's debug files", |_| {
        list("/sys/kernel/debug")
    }),
    // Devices.
    row("fs_dev_mem", "physical memory", |_| opens("/dev/mem", READ)),
    row("fs_dev_kmsg", "the kernel's log", |_| {
        opens("/dev/kmsg", READ)
    }),
    row("fs_dev_disk", "the disk", |_| {
        open("/dev/vda", READ).or_else(|_| open("/dev/sda", READ))?;
        through("the disk was opened")
    }),
    row("fs_dev_kvm", "virtual machines", |_| {
        opens("/dev/kvm", BOTH)
    }),
    row("fs_dev_fuse", "a file system of its own", |_| {
        opens("/dev/fuse", BOTH)
    }),
    row("fs_dev_vsock", "the hypervisor's sockets", |_| {
        opens("/dev/vsock", READ)
    }),
    row("fs_dev_ptmx", "a terminal of its own", |_| {
        opens("/dev/ptmx", BOTH)
    }),
    row("fs_dev_tty", "the owner's terminal", |_| {
        opens("/dev/tty", BOTH)
    }),
    row("fs_dev_userfaultfd", "page faults by device", |_| {
        opens("/dev/userfaultfd", BOTH)
    }),
    row("fs_dev_loop", "loop devices", |_| {
        opens("/dev/loop-control", BOTH)
    }),
    row("fs_dev_shm_list", "lists the host's shared memory", |_| {
        list("/dev/shm")
    })
    .hands_may("a shared memory of the cage's own, empty at its start"),
    // Asking about.
    row(
        "fs_stat_probe",
        "whether the secret is there, by stat (Landlock does not cover it)",
        |decoys| {
            let mut buffer = [0_u64; 18];
            let name = text(&decoys.canary());
            call(libc::SYS_stat, &[path(&name), at_mut(&mut buffer)])?;
            through(format!("the secret has {} bytes", buffer[6]))
        },
    ),
    row("fs_statx_probe", "the same by statx", |decoys| {
        let mut buffer = [0_u64; 32];
        let name = text(&decoys.canary());
        call(
            libc::SYS_statx,
            &[CWD, path(&name), 0, 0xfff, at_mut(&mut buffer)],
        )?;
        through("the secret is there")
    }),
    row("fs_access_probe", "the same by access", |decoys| {
        on_path(libc::SYS_access, &decoys.canary(), 0, "the secret is there")
    }),
    row(
        "fs_readlink_probe",
        "a symlink of a foreign process",
        |decoys| {
            let mut buffer = [0_u8; 256];
            let name = text(&format!("/proc/{}/exe", decoys.victim));
            let arguments = [path(&name), at_mut(&mut buffer), 256];
            call(libc::SYS_readlink, &arguments)?;
            through("the program of a foreign process is known")
        },
    ),
    row("fs_statfs", "the disk of the secret by statfs", |decoys| {
        let mut buffer = [0_u64; 15];
        let name = text(&decoys.directory);
        call(libc::SYS_statfs, &[path(&name), at_mut(&mut buffer)])?;
        through("the size of the disk is known")
    }),
    row("fs_inotify", "watches the secret", |decoys| {
        let watcher = call(libc::SYS_inotify_init1, &[0])?;
        let name = text(&decoys.canary());
        call(libc::SYS_inotify_add_watch, &[watcher, path(&name), 0xfff])?;
        through("the secret is watched")
    }),
    row("fs_fanotify", "watches a whole mount", |_| {
        call(libc::SYS_fanotify_init, &[0x200, 0])?;
        through("a watcher was made")
    }),
    row(
        "fs_handle",
        "opens the root of the disk by a guessed handle",
        open_handle,
    ),
    row("fs_name_to_handle", "asks for a handle of /", |_| {
        let mut handle = [0_u64; 20];
        handle[0] = 128;
        let mut mount = 0_i32;
        let name = text("/");
        let arguments = [CWD, path(&name), at_mut(&mut handle), at_mut(&mut mount), 0];
        call(libc::SYS_name_to_handle_at, &arguments)?;
        through("a handle was given")
    }),
    row(
        "fs_leaked_dirfd",
        "goes up from a directory that was left open",
        |decoys| {
            let name = text(&format!("..{}", decoys.canary()));
            let opened = (0..16).find_map(|fd| call(libc::SYS_openat, &[fd, path(&name), 0]).ok());
            opened.map_or(Err(libc::EBADF), |_| through("a directory was left open"))
        },
    ),
    row(
        "fs_fchdir_cwd",
        "a working directory outside the root",
        outside_directory,
    ),
    row("fs_chroot", "chroot, then out of it", |_| {
        on_path(libc::SYS_chroot, "/", 0, "chroot works")
    }),
    row("fs_quotactl", "quotas of the disk", |_| {
        let name = text("/dev/vda");
        call(libc::SYS_quotactl, &[0x0080_0007 << 8, path(&name), 0, 0])?;
        through("quotas were asked")
    }),
    row("fs_acct", "process accounting into a file", |decoys| {
        on_path(
            libc::SYS_acct,
            &decoys.canary(),
            0,
            "accounting was started",
        )
    })
    .caged_only("would turn on accounting for the whole machine"),
    row("fs_swapon", "swaps to a file of its own", |decoys| {
        on_path(libc::SYS_swapon, &decoys.canary(), 0, "swap was added")
    })
    .caged_only("would change the machine's memory"),
    row("fs_statmount", "the mount table by statmount", mount_table),
    row("fs_listmount", "the mount table by listmount", list_mounts),
    row(
        "fs_mountinfo",
        "the host's paths in its own mount table",
        |decoys| {
            let table = contents("/proc/self/mountinfo")?;
            let top = decoys
                .directory
                .rsplit_once('/')
                .map_or("/", |(top, _)| top);
            if table.contains(top) || table.contains("/etc/hostname") {
                return through("a path of the host stands in it");
            }
            Ok(Outcome::Nothing)
        },
    )
    .hands_may(
        "names where the workspace lies on its file system; nothing below it can be reached",
    ),
    row(
        "fs_workspace_symlink",
        "a symlink to the secret in the workspace, followed",
        |decoys| {
            let name = "/workspace/link";
            let _ = on_path(libc::SYS_unlink, name, 0, "");
            on_paths(libc::SYS_symlink, &decoys.canary(), name, "")?;
            steal(name)
        },
    ),
    row(
        "fs_tmp_exec",
        "runs a program from scratch memory that must not execute",
        |_| {
            let name = "/tmp/carapace-planted";
            let fd = open(name, BOTH | libc::O_CREAT | libc::O_TRUNC)?;
            write(fd, b"#!/bin/sh\nexit 7\n")?;
            call(libc::SYS_fchmod, &[fd, 0o755])?;
            call(libc::SYS_close, &[fd])?;
            let status = in_child(|| {
                let program = text(name);
                let arguments = [path(&program), 0];
                let _ = call(libc::SYS_execve, &[path(&program), at(&arguments), 0]);
                1
            });
            let _ = on_path(libc::SYS_unlink, name, 0, "");
            if status? == 7 {
                return through("a program in /tmp was executed");
            }
            Err(libc::EACCES)
        },
    ),
];

fn old_open(decoys: &Decoys) -> Attacked {
    let name = text(&decoys.canary());
    let fd = call(libc::SYS_open, &[path(&name), int(READ), 0])?;
    found(
        &String::from_utf8_lossy(&read(fd)?),
        super::decoys::CANARY,
        "the secret",
    )
}

fn openat2(decoys: &Decoys) -> Attacked {
    let name = text(&decoys.canary());
    let how = [0_u64; 3];
    let fd = call(libc::SYS_openat2, &[CWD, path(&name), at(&how), 24])?;
    found(
        &String::from_utf8_lossy(&read(fd)?),
        super::decoys::CANARY,
        "the secret",
    )
}

fn path_only(decoys: &Decoys) -> Attacked {
    let fd = open(&decoys.canary(), libc::O_PATH)?;
    steal(&format!("/proc/self/fd/{fd}"))
}

fn list(directory: &str) -> Attacked {
    let fd = open(directory, libc::O_RDONLY | libc::O_DIRECTORY)?;
    let mut entries = [0_u64; 512];
    let count = call(libc::SYS_getdents64, &[fd, at_mut(&mut entries), 4096])?;
    through(format!("{count} bytes of names"))
}

fn victim_memory(decoys: &Decoys) -> Attacked {
    let fd = open(&format!("/proc/{}/mem", decoys.victim), READ)?;
    let mut bytes = [0_u8; 64];
    call(
        libc::SYS_pread64,
        &[fd, at_mut(&mut bytes), 32, decoys.address],
    )?;
    found(
        &String::from_utf8_lossy(&bytes),
        super::decoys::CANARY,
        "the secret",
    )
}

fn open_handle(_: &Decoys) -> Attacked {
    // An ext4 handle: inode 2, generation 0.
    let handle: [u32; 4] = [8, 1, 2, 0];
    let root = open("/", libc::O_RDONLY)?;
    call(libc::SYS_open_by_handle_at, &[root, at(&handle), 0])?;
    through("the root of the disk was opened")
}

fn outside_directory(decoys: &Decoys) -> Attacked {
    let mut bytes = [0_u8; 4096];
    let length = call(libc::SYS_getcwd, &[at_mut(&mut bytes), 4096])?;
    let place = String::from_utf8_lossy(&bytes[..length.saturating_sub(1) as usize]).into_owned();
    let up = text("..");
    for _ in 0..32 {
        call(libc::SYS_chdir, &[path(&up)])?;
    }
    let relative = decoys.canary();
    match steal(relative.trim_start_matches('/')) {
        Ok(Outcome::Through(_)) => through(format!("from {place} up to the secret")),
        other => other,
    }
}

fn mount_table(_: &Decoys) -> Attacked {
    const ROOT: u64 = u64::MAX;
    let mut table = [0_u64; 64];
    // mnt_id_req: size, then the mount, then what is asked.
    let list = [24_u64, ROOT, 0];
    let count = call(458, &[at(&list), at_mut(&mut table), 8, 0])?;
    let ask = [24_u64, table[0], 0x3f];
    let mut answer = [0_u64; 512];
    call(457, &[at(&ask), at_mut(&mut answer), 4096, 0])?;
    through(format!("{count} mounts, one of them told"))
}

fn list_mounts(_: &Decoys) -> Attacked {
    let ask = [24_u64, u64::MAX, 0];
    let mut table = [0_u64; 64];
    let count = call(458, &[at(&ask), at_mut(&mut table), 64, 0])?;
    through(format!("{count} mounts"))
}
