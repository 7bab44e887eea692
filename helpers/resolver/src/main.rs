//! `carapace-resolver [ADDRESS:PORT …]`: asks name servers for the broker, which has no datagram
//! socket. Started by the supervisor in a cage of its own; a question comes on its channel as a frame
//! of one size, an answer goes back as one.
//!
//! It reads the system's configuration before its last lock and knows no file after it. It keeps
//! answers as long as their servers allow, and nothing else. Whether an address may be connected to is
//! the broker's decision; an answer is what strangers say.

mod lookup;
mod serve;
mod settings;

use carapace_jail::{lock, take_inherited};
use settings::Settings;
use std::process::ExitCode;

/// The channel to the broker.
const CHANNEL: i32 = 3;

fn main() -> ExitCode {
    let Some(channel) = take_inherited(CHANNEL) else {
        eprintln!(
            "starting the resolver: its channel is missing\n  remedy: it is started by carapace-supervisor, not by hand"
        );
        return ExitCode::from(2);
    };
    let settings = match Settings::read(std::env::args().skip(1)) {
        Ok(settings) => settings,
        Err(error) => lock::fail_with("configuration", &error.to_string()),
    };
    let resolver = match lookup::Resolver::new(&settings) {
        Ok(resolver) => resolver,
        Err(error) => lock::fail_with("configuration", &error),
    };
    if let Err(error) = lock::resolver(&settings.ports()) {
        lock::fail(&error);
    }
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => lock::fail_with("event-loop", &error.to_string()),
    };
    if let Err(error) = lock::ready() {
        lock::fail(&error);
    }
    match runtime.block_on(serve::serve(channel, resolver)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "resolving names: the channel: {error}\n  remedy: none is needed; a new resolver is started"
            );
            ExitCode::FAILURE
        }
    }
}
