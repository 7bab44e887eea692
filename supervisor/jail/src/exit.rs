//! What the end of a confined process means.
//!
//! A confined program is pid 1 of its cage: its own abort arrives as SIGSEGV, because pid 1 is
//! immune to its own SIGABRT and the C library then faults on purpose. So 6 and 11 are one cause.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use serde::Serialize;

/// The exit status of a cage that could not be finished; its report line says why.
pub const BOOT_REFUSED: i32 = 99;

/// Why a confined process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "cause", content = "number")]
pub enum Cause {
    /// Exit status 0.
    Clean,
    /// Another exit status, here with its number.
    Failed(i32),
    /// An abort, a panic in pid 1 or a memory fault; the number of the signal.
    Crash(i32),
    /// Killed by the system call filter. Never started again with the same task.
    PolicyViolation,
    /// Killed by SIGKILL or a resource limit: by the supervisor, or out of memory.
    Limit,
    /// Ended by another signal, here with its number.
    Stopped(i32),
    /// A layer failed before READY; nothing was run.
    BootRefused,
}

/// Names the cause of an end.
pub fn classify(status: ExitStatus) -> Cause {
    if let Some(code) = status.code() {
        return match code {
            0 => Cause::Clean,
            BOOT_REFUSED => Cause::BootRefused,
            other => Cause::Failed(other),
        };
    }
    match status.signal().unwrap_or(0) {
        libc::SIGSYS => Cause::PolicyViolation,
        libc::SIGKILL | libc::SIGXCPU | libc::SIGXFSZ => Cause::Limit,
        signal @ (libc::SIGABRT
        | libc::SIGSEGV
        | libc::SIGBUS
        | libc::SIGILL
        | libc::SIGFPE
        | libc::SIGTRAP) => Cause::Crash(signal),
        other => Cause::Stopped(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_its_cause() {
        let cases = [
            (0, Cause::Clean),
            (1 << 8, Cause::Failed(1)),
            (99 << 8, Cause::BootRefused),
            (31, Cause::PolicyViolation),
            (9, Cause::Limit),
            (6, Cause::Crash(6)),
            (11, Cause::Crash(11)),
            (15, Cause::Stopped(15)),
        ];
        for (raw, expected) in cases {
            assert_eq!(
                classify(ExitStatus::from_raw(raw)),
                expected,
                "wait status {raw}"
            );
        }
    }
}
