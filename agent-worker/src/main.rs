//! The mind's process: locks itself, says so, and serves its one channel until it ends.

use carapace_jail::{lock, take_inherited};
use std::fs::File;
use std::process::ExitCode;

/// The number of the channel to the broker.
const CHANNEL: i32 = 3;

fn main() -> ExitCode {
    let Some(channel) = take_inherited(CHANNEL) else {
        lock::fail_with(
            "channel",
            "descriptor 3, the channel to the broker, is not open",
        );
    };
    if let Err(error) = lock::worker().and_then(|()| lock::ready()) {
        lock::fail(&error);
    }
    match carapace_worker::serve(&File::from(channel)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
