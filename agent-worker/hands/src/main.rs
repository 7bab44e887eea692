//! The hands' process: locks itself, says so, and serves its one channel until it ends. Started
//! under the name `ipc`, by a program inside the cage, it is that command instead.

use carapace_hands::workspace::{Root, Workspace};
use carapace_jail::{lock, take_inherited};
use std::fs::File;
use std::process::ExitCode;

/// The number of the channel to the broker.
const CHANNEL: i32 = 3;

fn main() -> ExitCode {
    if carapace_hands::guest::ipc::is_meant(std::env::args_os().next().as_deref()) {
        return carapace_hands::guest::ipc::main();
    }
    let Some(channel) = take_inherited(CHANNEL) else {
        lock::fail_with(
            "channel",
            "descriptor 3, the channel to the broker, is not open",
        );
    };
    if let Err(error) = lock::hands().and_then(|()| lock::ready()) {
        lock::fail(&error);
    }
    let workspace = Workspace::new(vec![
        Root {
            seen_as: "/workspace".into(),
            at: "/workspace".into(),
        },
        Root {
            seen_as: "/mnt".into(),
            at: "/mnt".into(),
        },
    ]);
    match carapace_hands::serve(File::from(channel), workspace) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
