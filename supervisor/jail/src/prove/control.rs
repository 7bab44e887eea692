//! A probe without a cage: a throw-away user, limits, a process group of its own, nothing more.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::sys::attack;
use crate::sys::process::{self, Cloned};
use crate::sys::secure;

/// Above the fixed numbers.
const PARKING: RawFd = 32;

/// Starts the probe with its channel as descriptor 3; `user` is the id to become when root.
pub(super) fn start(
    program: &File,
    argv: &[CString],
    environment: &[CString],
    user: Option<u32>,
    channel: &OwnedFd,
) -> io::Result<(u32, OwnedFd)> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    match process::clone3(0)? {
        Cloned::Parent { pid, pidfd } => Ok((pid, pidfd)),
        Cloned::Child => {
            let ended = become_probe(program, argv, environment, user, channel, &null);
            // NOTE(result): it is always an error, and the prover sees the exit status.
            let _ = ended;
            process::exit_now(98)
        }
    }
}

fn become_probe(
    program: &File,
    argv: &[CString],
    environment: &[CString],
    user: Option<u32>,
    channel: &OwnedFd,
    null: &File,
) -> io::Result<()> {
    let program = process::duplicate_above(program.as_raw_fd(), PARKING)?;
    let channel = process::duplicate_above(channel.as_raw_fd(), PARKING)?;
    let null = process::duplicate_above(null.as_raw_fd(), PARKING)?;
    for target in 0..3 {
        process::duplicate_to(null, target, false)?;
    }
    process::duplicate_to(channel, 3, false)?;
    // Only the program's own copy stays, which closes on exec.
    process::duplicate_to(program, 5, true)?;
    process::close_range(4, 4)?;
    process::close_range(6, u32::MAX)?;
    process::reset_signals()?;
    attack::lead_group()?;
    secure::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64, 0)?;
    if let Some(user) = user {
        secure::leave_groups()?;
        secure::become_id(user)?;
    }
    Err(process::execveat(5, argv, environment))
}
