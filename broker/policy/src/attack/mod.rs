//! A hostile agent against an owner's own configuration: scripted attacks, played with the judge that is
//! shipped. No process, no file, no model, and no effect: a call that would be done counts as done.
//!
//! Every attack is played with each tool that could carry it. It counts only where the same script
//! reaches its effect when every question is answered with yes.

mod catalogue;
mod play;
mod script;

pub use play::{Outcome, Row, Setting, play};
pub use script::Attack;

/// Mail, calendar, files, web, chat, bank and what else an assistant is given, as TOOLS.json has them: for
/// an owner who has none of these yet.
pub const STANDARD_TOOLS: &str = include_str!("standard-tools.json");

/// All attacks.
pub fn catalogue() -> &'static [Attack] {
    catalogue::ALL
}

#[cfg(test)]
mod tests;
