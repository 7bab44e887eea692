//! One turn as a state machine: words and time go in as values, requests come out. No I/O.
//!
//! ```text
//!            Turn                 answer with tool calls
//!   idle ───────────▶ thinking ───────────────────────────▶ acting
//!    ▲                  ▲  │ answer                           │ every result is in
//!    │ reply            │  ▼                                  │
//!  reporting ◀────── saying ◀── (limit, failure, cancel) ◀────┘ back to thinking
//! ```
//!
//! Every path ends in exactly one `report`. Limits are counted here so that a turn ends with a
//! sentence; the broker counts them again and does not rely on it. Seconds are those spent waiting
//! for the model: a tool may wait for a person, which only the broker knows.
//!
//! Replies to requests of a turn that was stopped may come later. Names of requests repeat from
//! turn to turn, so a new turn begins only when the last of them has come.

mod machine;
mod round;
#[cfg(test)]
mod tests;
mod word;

pub use machine::{Input, Machine};
pub use word::{Limits, ToolOffer, TurnWord};

use carapace_ipc_proto::limits;

/// Requests of one turn that are unanswered at a time. One of the line's own limit is kept for the
/// report, which must be possible at any moment.
pub const IN_FLIGHT: usize = limits::IN_FLIGHT - 1;

/// How often a model request that failed is tried again in one turn.
pub const RETRIES: u32 = 2;

/// Seconds before the first and the second new try, where the broker does not say.
const BACK_OFF: [u64; RETRIES as usize] = [1, 4];

/// The longest wait before a new try, in seconds; a person should not wait longer in silence.
const LONGEST_WAIT: u64 = 30;

/// Tool calls of one answer that are made; what is beyond is answered with an error.
pub const CALLS: usize = 64;
