//! The words that the trusted parts share: identifiers, tools and their effects, verdicts,
//! the owner's configuration, model requests and the control socket's vocabulary.
//!
//! Nothing here does I/O or decides anything, and only [`secret`] has words that carry a secret: from
//! the person's hand to the vault. A type in this crate says what a
//! value means; whether it may be acted on is said by `policy`.

pub mod config;
pub mod control;
pub mod effects;
pub mod home;
pub mod id;
pub mod label;
pub mod model;
pub mod part;
pub mod secret;
pub mod tool;
pub mod verdict;
