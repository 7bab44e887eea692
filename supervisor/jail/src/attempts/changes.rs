//! Changing the host's files, and leaving dangerous ones behind.

use super::steps::{CWD, MARK, int, on_path, on_paths, open, opens, path, text, write};
use super::{Attacked, Attempt, Class, Decoys, Outcome, through};
use crate::sys::attack::{at, at_mut, call};

const fn row(id: &'static str, what: &'static str, run: fn(&Decoys) -> Attacked) -> Attempt {
    Attempt::new(Class::Files, id, what, run)
}

const WRITE: i32 = libc::O_WRONLY;
const BOTH: i32 = libc::O_RDWR;

/// These of the class.
pub(super) const ALL: &[Attempt] = &[
    row("fs_create_root", "creates a file in /", |_| {
        opens("/carapace-planted", WRITE | libc::O_CREAT | libc::O_EXCL)
    }),
    row(
        "fs_create_beside",
        "creates a file among the host's",
        |decoys| opens(&decoys.planted(), WRITE | libc::O_CREAT | libc::O_EXCL),
    ),
    row(
        "fs_creat",
        "creates a file by the old creat call",
        |decoys| on_path(libc::SYS_creat, &decoys.planted(), 0o600, "a file was made"),
    ),
    row(
        "fs_otmpfile",
        "an unnamed file among the host's",
        |decoys| opens(&decoys.directory, BOTH | libc::O_TMPFILE),
    ),
    row("fs_write", "overwrites the secret", |decoys| {
        let fd = open(&decoys.canary(), WRITE)?;
        write(fd, MARK)?;
        through("the secret was overwritten")
    }),
    row("fs_append", "appends to the secret", |decoys| {
        let fd = open(&decoys.canary(), WRITE | libc::O_APPEND)?;
        write(fd, MARK)?;
        through("the secret was appended to")
    }),
    row("fs_truncate", "empties the secret by path", |decoys| {
        on_path(
            libc::SYS_truncate,
            &decoys.canary(),
            0,
            "the secret was emptied",
        )
    }),
    row(
        "fs_open_truncate",
        "empties the secret by opening it",
        |decoys| opens(&decoys.canary(), WRITE | libc::O_TRUNC),
    ),
    row(
        "fs_mkdir",
        "makes a directory among the host's files",
        |decoys| {
            on_path(
                libc::SYS_mkdir,
                &decoys.planted(),
                0o700,
                "a directory was made",
            )
        },
    ),
    row(
        "fs_mkfifo",
        "makes a named pipe among the host's files",
        |decoys| {
            let mode = u64::from(libc::S_IFIFO | 0o600);
            on_path(libc::SYS_mknod, &decoys.planted(), mode, "a pipe was made")
        },
    ),
    row("fs_mknod_blk", "makes a node of the disk", mknod_disk),
    row(
        "fs_mknod_workspace",
        "makes a node of kernel memory where it may write",
        |_| {
            let mode = u64::from(libc::S_IFCHR | 0o600);
            let name = text("/workspace/node");
            call(libc::SYS_mknodat, &[CWD, path(&name), mode, 0x101])?;
            through("a node was made")
        },
    ),
    row(
        "fs_symlink",
        "plants a symlink among the host's files",
        |decoys| {
            on_paths(
                libc::SYS_symlink,
                "/etc/passwd",
                &decoys.planted(),
                "a symlink was planted",
            )
        },
    ),
    row("fs_hardlink", "links the secret elsewhere", |decoys| {
        on_paths(
            libc::SYS_link,
            &decoys.canary(),
            &decoys.planted(),
            "the secret was linked",
        )
    }),
    row("fs_rename_secret", "renames the secret", |decoys| {
        on_paths(
            libc::SYS_rename,
            &decoys.canary(),
            &decoys.planted(),
            "the secret was renamed",
        )
    }),
    row("fs_unlink_secret", "removes the secret", |decoys| {
        on_path(
            libc::SYS_unlink,
            &decoys.canary(),
            0,
            "the secret was removed",
        )
    }),
    row(
        "fs_chmod",
        "opens the secret's mode (Landlock does not cover it)",
        |decoys| {
            on_path(
                libc::SYS_chmod,
                &decoys.canary(),
                0o666,
                "the mode was changed",
            )
        },
    ),
    row(
        "fs_fchmodat2",
        "the same by the newest call for it",
        |decoys| {
            let name = text(&decoys.canary());
            call(452, &[CWD, path(&name), 0o666, 0])?;
            through("the mode was changed")
        },
    ),
    row("fs_chown", "gives the secret away", |decoys| {
        let name = text(&decoys.canary());
        call(libc::SYS_chown, &[path(&name), u64::MAX, u64::MAX])?;
        through("the owner was set")
    }),
    row(
        "fs_setxattr",
        "sets an attribute of the secret (Landlock does not cover it)",
        set_attribute,
    ),
    row("fs_utimes", "changes the secret's times", |decoys| {
        let name = text(&decoys.canary());
        let times = [1_u64, 0, 1, 0];
        call(libc::SYS_utimensat, &[CWD, path(&name), at(&times), 0])?;
        through("the times were changed")
    }),
    row("fs_usr_write", "plants a program in /usr/bin", |_| {
        opens(
            "/usr/bin/carapace-planted",
            WRITE | libc::O_CREAT | libc::O_EXCL,
        )
    }),
    row("fs_etc_write", "changes /etc/passwd", |_| {
        opens("/etc/passwd", WRITE)
    }),
    row(
        "fs_suid_plant",
        "leaves a set-uid program where it may write",
        plant_suid,
    ),
    row("fs_suid_plant_open", "the same by the mode of open", |_| {
        leave_suid(|name| {
            call(
                libc::SYS_open,
                &[path(name), int(WRITE | libc::O_CREAT), 0o4755],
            )
        })
    }),
];

fn mknod_disk(decoys: &Decoys) -> Attacked {
    let name = text(&decoys.planted());
    let mode = u64::from(libc::S_IFBLK | 0o600);
    call(libc::SYS_mknod, &[path(&name), mode, 0xfe00])?;
    through("a node of the disk was made")
}

fn set_attribute(decoys: &Decoys) -> Attacked {
    let (name, attribute) = (text(&decoys.canary()), text("user.carapace"));
    let arguments = [
        path(&name),
        path(&attribute),
        at(MARK),
        MARK.len() as u64,
        0,
    ];
    call(libc::SYS_setxattr, &arguments)?;
    through("an attribute was set")
}

fn plant_suid(_: &Decoys) -> Attacked {
    leave_suid(|name| {
        let flags = int(libc::O_WRONLY | libc::O_CREAT);
        call(libc::SYS_open, &[path(name), flags, 0o755])?;
        call(libc::SYS_chmod, &[path(name), 0o4755])
    })
}

/// Makes a file where this process may write; through when it keeps its set-uid bit.
fn leave_suid(make: impl FnOnce(&std::ffi::CString) -> Result<u64, i32>) -> Attacked {
    let directory = ["/workspace", "/tmp"]
        .into_iter()
        .find(|place| on_path(libc::SYS_access, place, 2, "").is_ok());
    let name = text(&format!(
        "{}/suid-{}",
        directory.unwrap_or(""),
        std::process::id()
    ));
    let made = make(&name);
    let mut buffer = [0_u64; 18];
    let looked = call(libc::SYS_stat, &[path(&name), at_mut(&mut buffer)]);
    let _ = call(libc::SYS_unlink, &[path(&name)]);
    made?;
    looked?;
    const SET_USER_ID: u64 = 0o4000;
    if buffer[3] & SET_USER_ID != 0 {
        return through("a set-uid file stays behind");
    }
    Ok(Outcome::Nothing)
}
