//! The tests' house: boots the real programs, each built alone, in a home of its own, and speaks
//! with them as a person's programs do.
//!
//! [`World`] is one running carapace. [`Control`] is one connection to its broker. What a vendor
//! would be is in [`fake_openai`], scripted, and in [`peers`], written by others; [`tap`] sees what
//! arrives there, [`names`] says where names are, [`needles`] finds a secret where it must not be.

pub mod control;
pub mod fake_openai;
pub mod http;
pub mod names;
pub mod needles;
pub mod pages;
pub mod peers;
pub mod programs;
pub mod tap;
pub mod world;

pub use control::Control;
pub use needles::Needles;
pub use pages::Site;
pub use peers::Peer;
pub use tap::Tap;
pub use world::{Finished, World};
