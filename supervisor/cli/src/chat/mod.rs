//! A conversation with the assistant: one turn followed to its end, and the prompt around it.
//!
//! A thread reads the broker's stream; everything else happens in one loop that waits for that
//! stream, the person's keys and Ctrl-C at once. So a question can be answered while the stream
//! goes on, and an answer given elsewhere ends the question here.

mod answer;
pub(crate) mod attach;
mod keys;
mod repl;
mod stream;
mod turn;
mod view;

pub(crate) use answer::Given;
pub(crate) use repl::converse;
pub(crate) use turn::{Person, Request, follow};
pub(crate) use view::View;
