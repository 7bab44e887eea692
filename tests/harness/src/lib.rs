//! The tests' house: boots the real programs, each built alone, in a home of its own, and speaks
//! with them as a person's programs do.
//!
//! [`World`] is one running carapace. [`Control`] is one connection to its broker. What a vendor
//! would be is in [`fake_openai`].

pub mod control;
pub mod fake_openai;
pub mod programs;
pub mod world;

pub use control::Control;
pub use world::{Finished, World};
