//! The only unsafe code of the workspace: one function per system call, with the reason each call
//! holds. Nothing here decides anything; every error is the kernel's own.

#![allow(unsafe_code)]

pub(crate) mod attack;
pub(crate) mod mount;
pub(crate) mod process;
pub(crate) mod secure;

use std::io;

/// Turns the return value of a system call into a result.
fn check(value: libc::c_long) -> io::Result<libc::c_long> {
    if value < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(value)
    }
}
