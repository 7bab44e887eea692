//! The audit chain: an append-only log in which each record is bound to the one before it and
//! authenticated with a key that is forgotten soon after.
//!
//! * A **record** is one JSON line: `{seq, time_ms, epoch, prev, kind, effect, session, body, mac}`.
//!   `prev` is the SHA-256 of the whole line before it, `mac` the HMAC-SHA256 of everything in the
//!   line before `,"mac":`. Its exact bytes count, so there is nothing to canonicalise.
//! * An **epoch** is what reaches the disk together. The key of the next one is a hash of this
//!   one's, and the old key is overwritten: who takes the state folder can neither change nor
//!   replace what was written before.
//! * The **first key** stays with the owner, outside what the broker can see; whoever has it can
//!   verify the whole log, offline.
//! * The **anchor** is the number of records and the hash of the last, kept by the supervisor. A
//!   cut before it shows. A cut behind it cannot be seen by anyone, and `verify` says so.

pub mod head;
pub mod key;
pub mod line;
pub mod verify;

#[cfg(feature = "database")]
pub(crate) mod log;
#[cfg(feature = "database")]
pub(crate) mod recover;

pub use head::Head;
pub use key::{KeyError, create_keys, read_first_key};
pub use verify::{VerifyReport, verify, verify_file};
