//! What the supervisor decides, without any input or output of its own.
//!
//! The program in `main.rs` acts: it starts cages, polls descriptors and writes files. The code here
//! takes values and returns values. Nothing here touches the system, reads a clock or panics.

pub mod arguments;
pub mod ending;
pub mod line;
pub mod request;
pub mod restart;
pub mod status;
