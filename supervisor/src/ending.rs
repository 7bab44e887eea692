//! How the end of a confined process, or a start that failed, is told to the broker.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use carapace_ipc_proto::launch::{End, Failure};
use carapace_jail::exit::{self, Cause};

/// The end and its number: the exit status or the signal.
pub fn end_of(status: ExitStatus) -> (End, i32) {
    let end = match exit::classify(status) {
        Cause::Clean => End::Clean,
        Cause::PolicyViolation => End::Violation,
        Cause::Limit | Cause::Stopped(_) => End::Killed,
        Cause::Crash(_) | Cause::Failed(_) | Cause::BootRefused => End::Crash,
    };
    (end, status.code().or(status.signal()).unwrap_or(-1))
}

/// The end in words, for the log.
pub fn describe(status: ExitStatus) -> String {
    match exit::classify(status) {
        Cause::Clean => "ended by itself".to_owned(),
        Cause::Failed(code) => format!("ended with status {code}"),
        Cause::Crash(signal) => format!("crashed with signal {signal}"),
        Cause::PolicyViolation => {
            "was killed for a system call that its profile does not have".to_owned()
        }
        Cause::Limit => "was killed, by this supervisor or by a limit".to_owned(),
        Cause::Stopped(signal) => format!("was ended by signal {signal}"),
        Cause::BootRefused => "refused to run: a layer of its cage is not there".to_owned(),
    }
}

/// The failure that a boot report of this layer means.
pub fn failure_of(layer: &str) -> Failure {
    if layer == carapace_jail::Layer::SelfCheck.as_str() {
        Failure::SelfCheck
    } else {
        Failure::Cage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_is_told_with_its_number() {
        for (raw, expected) in [
            (0, (End::Clean, 0)),
            (3 << 8, (End::Crash, 3)),
            (99 << 8, (End::Crash, 99)),
            (31, (End::Violation, 31)),
            (9, (End::Killed, 9)),
            (11, (End::Crash, 11)),
            (15, (End::Killed, 15)),
        ] {
            assert_eq!(
                end_of(ExitStatus::from_raw(raw)),
                expected,
                "wait status {raw}"
            );
        }
    }

    #[test]
    fn a_self_check_is_not_a_layer_of_the_cage() {
        assert_eq!(failure_of("self-check"), Failure::SelfCheck);
        assert_eq!(failure_of("landlock"), Failure::Cage);
    }
}
