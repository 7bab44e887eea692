//! `carapace`: the person's hand. It sets up the home, starts and stops the supervisor, talks to
//! supervisor and broker over their control sockets, and shows what they say.
//!
//! It never talks to a worker, never decides what an agent may do, and never shows a byte that an
//! agent wrote without taking the power out of it first ([`screen::neutral`]).

mod arguments;
mod broker;
mod cage_file;
mod chat;
mod command;
mod config_file;
mod failure;
mod files;
mod home;
mod model_servers;
mod person;
mod screen;
mod secret;
mod signals;
mod supervisor;
mod vault_door;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = match arguments::parse() {
        Ok(arguments) => arguments,
        Err(exit) => return exit.into(),
    };
    let json = arguments.json;
    match command::run(arguments) {
        Ok(exit) => exit.into(),
        Err(failure) => failure.show(json).into(),
    }
}
