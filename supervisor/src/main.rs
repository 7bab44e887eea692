//! The supervisor: starts the broker and the confined processes of one home, looks at each from
//! outside before it is used, watches them, and ends with none left.
//!
//! It has no network, no secret and no thread, and it parses nothing but its command line,
//! `cage.toml`, boot reports, fixed-size frames and five words. It never waits for a process it
//! started: one loop polls everything, and every wait has a deadline.

mod anchor;
mod broker;
mod cages;
mod configuration;
mod control;
mod home;
mod journal;
mod keys;
mod link;
mod orders;
mod process;
mod readiness;
mod report;
mod secrets;
mod startup;
mod supervisor;

use std::process::ExitCode;

use carapace_supervisor::arguments::{self, Asked};

use crate::readiness::Readiness;
use crate::supervisor::Supervisor;

fn main() -> ExitCode {
    let arguments = match arguments::parse(std::env::args_os().skip(1)) {
        Ok(Asked::Run(arguments)) => arguments,
        Ok(Asked::Help) => return readiness::print(arguments::USAGE),
        Ok(Asked::Version) => {
            return readiness::print(concat!(
                "carapace-supervisor ",
                env!("CARGO_PKG_VERSION"),
                "\n"
            ));
        }
        Err(error) => {
            readiness::complain(&error.to_string());
            return ExitCode::from(2);
        }
    };
    let mut readiness = Readiness::new(arguments.ready_fd);
    let outcome = startup::prepare(arguments.home)
        .map_err(|error| (error.exit_code(), error.to_string()))
        .and_then(|ground| {
            Supervisor::new(ground)
                .run(&mut readiness)
                .map_err(|error| (error.exit_code(), error.to_string()))
        });
    match outcome {
        Ok(()) => {
            readiness.failed("it was stopped before it was ready");
            ExitCode::SUCCESS
        }
        Err((code, message)) => {
            readiness::complain(&message);
            readiness.failed(&message);
            ExitCode::from(code)
        }
    }
}
