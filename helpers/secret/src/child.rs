//! Runs one program to its end, without a shell, without input, and within limits of time and of
//! bytes. It judges nothing of what the program says.
//!
//! The program leads a process group of its own, so that what it started goes with it: `pass` is a
//! shell script, and killing the shell alone would leave `gpg` with the pipe.

use crate::value::{MAX_RAW, Raw, room};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How many bytes of standard error are kept. A sentence or two tells the cause.
pub const MAX_SAID: usize = 4096;

/// How long one wait for the pipes lasts at most: after that it is seen that the program has ended
/// although something that it left behind still holds them.
const TURN: Duration = Duration::from_millis(25);

/// A program that ended by itself.
pub struct Finished {
    /// How.
    pub status: ExitStatus,
    /// All of its standard output, at most [`MAX_RAW`] bytes.
    pub output: Raw,
    /// The first [`MAX_SAID`] bytes of its standard error.
    pub said: Raw,
}

/// Why a program has no end that counts.
#[derive(Debug)]
pub enum ChildError {
    /// It cannot be started.
    Start(io::Error),
    /// It cannot be watched; it was killed.
    Watch(io::Error),
    /// Its standard output is longer than [`MAX_RAW`]; it was killed.
    TooMuch,
    /// It did not end in time; it was killed.
    TooLong,
}

/// Runs `program`, which ends within `limit` or is killed with all that it started in its group.
/// The environment is this process's, less `without`; words are asked for in English.
///
/// # Errors
/// [`ChildError`].
pub fn run(
    program: &Path,
    arguments: &[&OsStr],
    without: &str,
    limit: Duration,
) -> Result<Finished, ChildError> {
    let deadline = Instant::now() + limit;
    let mut child = Command::new(program)
        .args(arguments)
        .env_remove(without)
        // What a program says is looked through for its cause, in the one language that is known here.
        .env("LC_ALL", "C.UTF-8")
        .env_remove("LANGUAGE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(ChildError::Start)?;
    let watched = watch(&mut child, deadline);
    // The leader is not reaped before this, so its number, and with it the group's, is still its own.
    let _ = kill_process_group(pid(&child), Signal::KILL);
    let status = child.wait().map_err(ChildError::Watch)?;
    let (output, said) = watched?;
    Ok(Finished {
        status,
        output,
        said,
    })
}

fn watch(child: &mut Child, deadline: Instant) -> Result<(Raw, Raw), ChildError> {
    let pid = pid(child);
    let mut stdout = child.stdout.take();
    let mut stderr = child.stderr.take();
    let mut output = room();
    let mut said = Zeroizing::new(Vec::with_capacity(MAX_SAID));
    loop {
        let ended = has_ended(pid).map_err(ChildError::Watch)?;
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ChildError::TooLong);
        }
        // Of a program that has ended only what already stands in the pipes is taken.
        let wait = if ended {
            Duration::ZERO
        } else {
            TURN.min(left)
        };
        let (out_ready, said_ready) = ready(stdout.as_ref(), stderr.as_ref(), wait)?;
        if ended && !out_ready && !said_ready {
            return Ok((output, said));
        }
        if out_ready && !take(&mut stdout, &mut output, MAX_RAW + 1)? {
            stdout = None;
        }
        if output.len() > MAX_RAW {
            return Err(ChildError::TooMuch);
        }
        if said_ready && !take(&mut stderr, &mut said, MAX_SAID)? {
            stderr = None;
        }
    }
}

/// Which of the pipes have bytes or their end to give.
fn ready(
    stdout: Option<&ChildStdout>,
    stderr: Option<&ChildStderr>,
    wait: Duration,
) -> Result<(bool, bool), ChildError> {
    let mut fds = Vec::with_capacity(2);
    fds.extend(stdout.map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)));
    fds.extend(stderr.map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)));
    let wait = Timespec::try_from(wait).map_err(|_| ChildError::TooLong)?;
    match poll(&mut fds, Some(&wait)) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok((false, false)),
        Err(error) => return Err(ChildError::Watch(error.into())),
    }
    let mut states = fds.iter().map(|fd| !fd.revents().is_empty());
    let out = stdout.is_some() && states.next() == Some(true);
    let said = stderr.is_some() && states.next() == Some(true);
    Ok((out, said))
}

/// One read; what does not fit under `most` is thrown away. `false` at the end of the pipe.
fn take(pipe: &mut Option<impl Read>, into: &mut Raw, most: usize) -> Result<bool, ChildError> {
    let Some(pipe) = pipe else { return Ok(false) };
    let mut chunk = Zeroizing::new([0_u8; 4096]);
    match pipe.read(&mut chunk[..]) {
        Ok(0) => Ok(false),
        Ok(read) => {
            let fits = read.min(most - into.len());
            into.extend_from_slice(&chunk[..fits]);
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
        Err(error) => Err(ChildError::Watch(error)),
    }
}

/// Whether it is a zombie by now. It stays one until `Child::wait`.
fn has_ended(pid: Pid) -> io::Result<bool> {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(pid), look)?.is_some())
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> Result<Finished, ChildError> {
        let arguments = ["-c", script].map(OsStr::new);
        run(
            Path::new("/bin/sh"),
            &arguments,
            "CARAPACE_HELPER_PROGRAM",
            limit,
        )
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn both_streams_and_the_status_come_back() {
        let finished = sh("echo out; echo said >&2; exit 7", LONG).unwrap();
        assert_eq!(finished.output.as_slice(), b"out\n");
        assert_eq!(finished.said.as_slice(), b"said\n");
        assert_eq!(finished.status.code(), Some(7));
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_what_it_started() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; wait", file.display());
        assert!(matches!(
            sh(&script, Duration::from_secs(2)),
            Err(ChildError::TooLong)
        ));
        let pid: u32 = std::fs::read_to_string(file)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        // Its parent is gone, so whoever adopts it reaps it, or it stays a zombie: no sleep runs.
        let running = std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| stat.contains("(sleep)") && !stat.contains(") Z "));
        assert!(!running || gone_soon(pid));
    }

    /// SIGKILL is sent by then, but dying takes the victim its own time.
    fn gone_soon(pid: u32) -> bool {
        (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            std::fs::read_to_string(format!("/proc/{pid}/stat"))
                .map_or(true, |stat| stat.contains(") Z "))
        })
    }

    #[test]
    fn a_program_that_leaves_the_pipe_to_another_is_not_waited_for() {
        let finished = sh("echo key; setsid sleep 5 & exit 0", LONG).unwrap();
        assert_eq!(finished.output.as_slice(), b"key\n");
    }

    #[test]
    fn ten_mebibytes_are_not_taken() {
        assert!(matches!(
            sh("head -c 10485760 /dev/zero", LONG),
            Err(ChildError::TooMuch)
        ));
        let finished = sh("head -c 10485760 /dev/zero >&2; echo key", LONG).unwrap();
        assert_eq!(finished.said.len(), MAX_SAID);
        assert_eq!(finished.output.as_slice(), b"key\n");
    }
}
