//! The broker: holds what may not leak, judges, records, sends.
//!
//! It is started by the supervisor in a cage of its own and cannot start a process. It reads its
//! configuration from a descriptor, locks itself, and only then listens.

mod answer;
mod approval;
mod boot;
mod broker;
mod card;
mod changes;
mod clean;
mod control;
mod desk;
mod facts;
mod guard;
mod hands;
mod keeper;
mod launcher;
mod link;
mod mind;
mod own;
mod phase;
mod plan;
mod quarantine;
mod route;
mod rules;
mod secrets;
mod sentinel;
mod spend;
mod tools;
mod turn;
mod violation;

fn main() -> std::process::ExitCode {
    boot::run()
}
