//! The mind: runs the turns of one session and does nothing else.
//!
//! It has no file, no network, no program and no secret; all it can do is ask the broker over its
//! one channel, and everything it asks is judged there. So nothing in this crate is a guard: it is
//! written to be useful, and the cage around it is what is relied on.
//!
//! * [`turn`]: the turn as a state machine, without I/O.
//! * [`prompt`]: what the model is told.
//! * [`ask`]: the four requests, one file each, named as the broker names its answers.
//! * [`serve`]: the loop between channel and machine.

pub mod ask;
pub mod prompt;
mod serve;
pub mod turn;

pub use serve::{ServeError, serve};
