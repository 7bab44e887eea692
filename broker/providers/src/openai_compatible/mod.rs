//! OpenAI's chat completions, as Ollama, LM Studio, llama.cpp, vLLM and many others serve it.
//!
//! The published schema is what is written; what is read is wider, because servers differ: call
//! ids left out, whole arguments in one delta, arguments as an object instead of text, CRLF, an
//! answer in one piece though a stream was asked for, an error object within a stream.
//! What is wider never means unbounded: every size has a limit, and what cannot be read is an
//! error, never a guess.

mod assemble;
mod config;
mod request;
mod stream;
#[cfg(test)]
mod tests;
mod trouble;

pub use assemble::{MAX_ARGUMENTS, MAX_CALLS, MAX_TEXT};
pub use config::Endpoint;
pub use request::{RequestError, request};
pub use stream::{DecodeError, Decoder, MAX_LINE, Piece};
pub use trouble::{Trouble, refusal};
