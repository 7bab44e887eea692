//! What must not be lost: the audit chain and the state database.
//!
//! [`Store::record`] is the second gate before an act. It takes a permit, which only `policy`
//! makes, and gives a [`Recorded`], which the acting crates take; in between the act's record was
//! written, and for anything that changes something or leaves the machine it is on disk.
//!
//! What is accepted is on disk before it is confirmed, a turn ends once, an effect has one row
//! under its caller's name, and what was cut off between act and confirmation is `unknown` after a
//! restart and never repeated. Nothing here decides whether something may be done, and no secret
//! is ever written.

pub mod audit;

#[cfg(feature = "database")]
mod approvals;
#[cfg(feature = "database")]
mod db;
#[cfg(feature = "database")]
mod labels;
#[cfg(feature = "database")]
mod note;
#[cfg(feature = "database")]
mod record;
#[cfg(feature = "database")]
mod spending;
#[cfg(feature = "database")]
mod store;
#[cfg(feature = "database")]
pub mod story;

#[cfg(feature = "database")]
pub use audit::{
    log::{LogError, OpenLogError},
    recover::BrokenChain,
};
#[cfg(feature = "database")]
pub use db::{
    DbError, SchemaError,
    always::AlwaysGrant,
    effects::{EffectState, KnownEffect, UnknownEffect},
    questions::{AnswerTaken, NewQuestion, StoredQuestion},
    turns::{Accepted, TurnRow, TurnState},
};
#[cfg(feature = "database")]
pub use labels::{PolicySeen, Seen};
#[cfg(feature = "database")]
pub use note::Note;
#[cfg(feature = "database")]
pub use record::{About, Auditable, MAX_LOGGED_ARGUMENTS, Recorded};
#[cfg(feature = "database")]
pub use store::{Counts, OpenError, Opened, Store, StoreError};
