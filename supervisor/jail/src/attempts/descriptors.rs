//! What was left open, and what can be made of what is open on purpose.

use super::steps::{CHANNEL, MARK, answers, int, open, read, write};
use super::{Attacked, Attempt, Class, Decoys, Outcome, through};
use crate::sys::attack::{at_mut, call};

const fn row(id: &'static str, what: &'static str, run: fn(&Decoys) -> Attacked) -> Attempt {
    Attempt::new(Class::Descriptors, id, what, run)
}

const OWN: &str = "its own descriptors, which shells move about";

/// The class.
pub(super) const ALL: &[Attempt] = &[
    row(
        "fd_left_open",
        "a descriptor that nobody meant to hand over",
        |_| {
            for fd in 4..1024 {
                match call(libc::SYS_fcntl, &[fd, int(libc::F_GETFD)]) {
                    Ok(_) => return through(format!("descriptor {fd}")),
                    Err(libc::EBADF) => {}
                    Err(number) => return Err(number),
                }
            }
            Ok(Outcome::Nothing)
        },
    ),
    row("fd_report_again", "a second report after READY", |_| {
        write(4, b"READY\n")?;
        through("written")
    }),
    row("fd_log_read", "reads what stands in the log pipe", |_| {
        let flags = call(libc::SYS_fcntl, &[1, int(libc::F_GETFL)])?;
        if flags & 3 == int(libc::O_WRONLY) {
            return Err(libc::EBADF);
        }
        call(
            libc::SYS_fcntl,
            &[1, int(libc::F_SETFL), int(libc::O_NONBLOCK)],
        )?;
        read(1)?;
        through("read")
    }),
    row("fd_log_reopen", "opens the log again, for reading", |_| {
        open("/proc/self/fd/1", libc::O_RDWR | libc::O_NONBLOCK)?;
        through("opened")
    }),
    row("fd_channel_reopen", "opens the channel again", |_| {
        open("/proc/self/fd/3", libc::O_RDWR)?;
        through("opened")
    }),
    row("fd_input_write", "writes to its standard input", |_| {
        open("/proc/self/fd/0", libc::O_RDWR)?;
        through("opened")
    })
    .hands_may("it is /dev/null, which swallows everything"),
    row("fd_up", "goes up from an open directory", |_| {
        for fd in 0..64 {
            if call(libc::SYS_fchdir, &[fd]).is_ok() {
                return through(format!("descriptor {fd} is a directory"));
            }
        }
        Err(libc::ENOTDIR)
    }),
    row("fd_dup", "a second number of the channel", |_| {
        answers(libc::SYS_dup, &[CHANNEL], "copied")
    })
    .hands_may(OWN),
    row(
        "fd_dup2",
        "puts the channel where a child would inherit it",
        |_| answers(libc::SYS_dup2, &[CHANNEL, 2], "copied"),
    )
    .hands_may("hands hold the channel; what they start is given it by nobody else"),
    row("fd_fcntl_dup", "the same by fcntl", |_| {
        answers(
            libc::SYS_fcntl,
            &[CHANNEL, int(libc::F_DUPFD), 10],
            "copied",
        )
    })
    .hands_may(OWN),
    row(
        "fd_not_closed_on_exec",
        "keeps the channel across exec",
        |_| answers(libc::SYS_fcntl, &[CHANNEL, int(libc::F_SETFD), 0], "kept"),
    )
    .hands_may("hands hold the channel; what they start is given it by nobody else"),
    row("fd_nonblocking", "changes how the channel waits", |_| {
        let flags = int(libc::O_NONBLOCK);
        answers(
            libc::SYS_fcntl,
            &[CHANNEL, int(libc::F_SETFL), flags],
            "changed",
        )
    })
    .hands_may("its own end; the broker's has flags of its own"),
    row("fd_lease", "a lease that delays others", |_| {
        let file = open("/usr/bin/env", libc::O_RDONLY)?;
        answers(libc::SYS_fcntl, &[file, 1024, 0], "a lease")
    }),
    row("fd_notify", "signals about a directory", |_| {
        let directory = open("/usr/bin", libc::O_RDONLY)?;
        answers(libc::SYS_fcntl, &[directory, 1026, 1], "a notification")
    }),
    row(
        "fd_sendfile",
        "copies a file into the channel inside the kernel",
        |decoys| {
            let file = open(&decoys.canary(), libc::O_RDONLY)?;
            answers(libc::SYS_sendfile, &[CHANNEL, file, 0, 64], "sent")
        },
    ),
    row(
        "fd_splice",
        "moves the channel's bytes inside the kernel",
        |_| {
            let mut ends = [0_i32; 2];
            call(libc::SYS_pipe2, &[at_mut(&mut ends), 0])?;
            write(int(ends[1]), MARK)?;
            answers(
                libc::SYS_splice,
                &[int(ends[0]), 0, CHANNEL, 0, 8, 0],
                "moved",
            )
        },
    )
    .hands_may("its own bytes, into its own channel"),
    row(
        "fd_copy_range",
        "copies a foreign file inside the kernel",
        |decoys| {
            let file = open(&decoys.canary(), libc::O_RDONLY)?;
            let copy = open(&decoys.planted(), libc::O_RDWR | libc::O_CREAT)?;
            answers(
                libc::SYS_copy_file_range,
                &[file, 0, copy, 0, 64, 0],
                "copied",
            )
        },
    ),
    row("fd_close_range", "closes everything", |_| {
        answers(libc::SYS_close_range, &[100, 200, 0], "closed")
    })
    .hands_may(OWN),
];
