//! Limits of the line, each with its reason. Both ends check them; the trusted end does not rely
//! on the other having done so.

use std::time::Duration;

/// A frame's body, in bytes: what one side may make the other hold before it can say no.
pub const FRAME: usize = 1024 * 1024;

/// The READY command of the handshake, in bytes: libzmq sends under 64.
pub const HANDSHAKE_COMMAND: usize = 512;

/// Until greeting and READY have come: a peer on the same machine needs microseconds.
pub const HANDSHAKE: Duration = Duration::from_secs(2);

/// Until a frame that was begun is complete, and until a frame can be written: a peer that stops
/// in the middle holds a buffer.
pub const STALL: Duration = Duration::from_secs(5);

/// A request's arguments, in bytes, in one message.
pub const ARGUMENTS: usize = FRAME - 4 * 1024;

/// `model.complete` and the turn event may come in parts: together at most this many bytes. A long
/// conversation is large, and one of them at a time is held.
pub const IN_PARTS: usize = 8 * 1024 * 1024;

/// A topic, in bytes: `tool.invoke.` and a tool's name.
pub const TOPIC: usize = 80;

/// A correlation, in bytes.
pub const CORRELATION: usize = 64;

/// Nesting of JSON: deeper than any real argument, far from any stack limit.
pub const JSON_DEPTH: usize = 64;

/// One string in JSON arguments, in bytes; `model.complete` is exempt, its messages are long.
pub const JSON_FIELD: usize = 100 * 1024;

/// Requests that one confined process may have unanswered.
pub const IN_FLIGHT: usize = 32;

/// A piece of a streamed reply, in bytes.
pub const DELTA: usize = 64 * 1024;

/// Frames waiting to be written to one peer: beyond it the peer is too slow and is closed.
pub const OUTBOX: usize = 32;
