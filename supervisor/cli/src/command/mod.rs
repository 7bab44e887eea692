//! The subcommands, one module each. Each turns its arguments into questions to supervisor and
//! broker or into work on the home, and shows the answer.

pub(crate) mod approvals;
pub(crate) mod attack;
pub(crate) mod audit;
pub(crate) mod auth;
pub(crate) mod cage;
pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod effects;
pub(crate) mod egress;
pub(crate) mod grants;
pub(crate) mod logs;
pub(crate) mod models;
pub(crate) mod panic;
pub(crate) mod policy;
pub(crate) mod rules;
pub(crate) mod sandbox;
pub(crate) mod sessions;
pub(crate) mod setup;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod tools;
pub(crate) mod usage;
pub(crate) mod why;

use crate::arguments::{Arguments, Command};
use crate::failure::{Exit, Failure};
use crate::{home, supervisor};
use carapace_contract::home::Home;

/// What every command knows.
#[derive(Debug)]
pub(crate) struct Context {
    /// The home that is meant; it may not exist.
    pub(crate) home: Home,
    /// Whether programs read what is printed.
    pub(crate) json: bool,
}

/// Runs a command to its end.
///
/// # Errors
/// What the person is told.
pub(crate) fn run(arguments: Arguments) -> Result<Exit, Failure> {
    if let Command::Completions(args) = arguments.command {
        return Ok(completions::run(&args));
    }
    let context = Context {
        home: home::locate(arguments.home.as_deref())?,
        json: arguments.json,
    };
    match arguments.command {
        Command::Start(args) => start::run(&context, &args),
        Command::Stop => stop::run(&context),
        Command::Auth(args) => auth::run(&context, args),
        Command::Setup(args) => setup::run(&context, args),
        Command::Models(args) => models::run(&context, args),
        Command::Usage => usage::run(&context),
        Command::Egress(args) => egress::run(&context, &args),
        Command::Restart => start::restart(&context),
        Command::Attack(args) => attack::run(&context, &args),
        Command::Policy(args) => policy::run(&context, args),
        Command::Rules(args) => rules::run(&context, args),
        Command::Panic => panic::run(&context),
        Command::Status => status::run(&context),
        Command::Chat(args) => chat::run(&context, args),
        Command::Sessions => sessions::run(&context),
        Command::Doctor(args) => doctor::run(&context, &args),
        Command::Sandbox(args) => sandbox::run(&context, args),
        Command::Config(args) => config::run(&context, args),
        Command::Approvals(args) => approvals::run(&context, args),
        Command::Grants(args) => grants::run(&context, args),
        Command::Tools => tools::run(&context),
        Command::Effects(args) => effects::run(&context, &args),
        Command::Why(args) => why::run(&context, &args),
        Command::Audit(args) => audit::run(&context, &args),
        Command::Logs(args) => logs::run(&context, &args),
        Command::Completions(args) => Ok(completions::run(&args)),
        Command::Cage(args) => cage::run(&context, args),
        Command::Detach { ready } => match supervisor::become_daemon(&context.home, ready)? {},
    }
}
