//! One file for each place where a secret may live. Each gives bytes as the place has them, or an
//! error that knows its exit status; what is a fit value is decided once, in `value`.

pub mod bw;
pub mod env;
pub mod file;
pub mod keyring;
pub mod op;
pub mod pass;
pub mod program;
