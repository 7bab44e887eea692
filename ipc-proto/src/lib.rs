//! The line: every word that may cross between processes, and the link that carries them.
//!
//! * [`claim`]: what came off a socket is an allegation.
//! * [`launch`]: the supervisor and the broker, fixed-size frames, no parser.
//! * [`resolve`]: the broker and the resolver, fixed-size frames, no parser.
//! * [`resolve_client`]: the broker's asynchronous end of that.
//! * [`zmtp`]: the bounded ZMTP 3.0 decoder, without I/O; limits before allocation.
//! * [`link`]: the blocking link of worker, hands and cli.
//! * [`broker_link`]: the broker's asynchronous end, with credentials.
//! * [`words`]: protobuf messages, up and down.
//! * [`json`]: limits on JSON, checked before it is parsed.
//!
//! Nothing here opens a connection, knows a secret, or decides what may be done.

pub mod claim;
pub mod launch;
pub mod limits;
pub mod resolve;
pub use claim::Claim;

#[cfg(feature = "tokio")]
pub mod broker_link;
#[cfg(feature = "line")]
pub mod error;
#[cfg(feature = "line")]
pub mod json;
#[cfg(feature = "line")]
pub mod link;
#[cfg(feature = "tokio")]
pub mod resolve_client;
#[cfg(feature = "line")]
pub mod words;
#[cfg(feature = "line")]
pub mod zmtp;
