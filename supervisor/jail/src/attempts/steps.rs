//! The steps that attempts are made of: paths, socket addresses, files, children.

use std::ffi::CString;

use super::decoys::CANARY;
use super::{Attacked, Outcome, through};
use crate::sys::attack::{at, at_mut, call, fork};
use crate::sys::process;

/// `AT_FDCWD` as a call takes it.
pub(super) const CWD: u64 = libc::AT_FDCWD as u64;
/// The channel of a confined process.
pub(super) const CHANNEL: u64 = 3;
/// What an attempt writes where it gets through.
pub(super) const MARK: &[u8] = b"carapace-probe";

/// A flag or constant as a call takes it.
pub(super) fn int(value: i32) -> u64 {
    value as u64
}

/// A text as a call takes it: with a zero byte. Empty where it holds one itself.
pub(super) fn text(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

/// The address of a path.
pub(super) fn path(text: &CString) -> u64 {
    text.as_ptr() as u64
}

/// Opens a path.
pub(super) fn open(name: &str, flags: i32) -> Result<u64, i32> {
    let name = text(name);
    call(libc::SYS_openat, &[CWD, path(&name), int(flags), 0o600])
}

/// Reads up to 64 KiB from a descriptor.
pub(super) fn read(fd: u64) -> Result<Vec<u8>, i32> {
    let mut bytes = vec![0_u8; 64 << 10];
    let count = call(
        libc::SYS_read,
        &[fd, at_mut(&mut bytes[..]), bytes.len() as u64],
    )?;
    bytes.truncate(count as usize);
    Ok(bytes)
}

/// Writes to a descriptor.
pub(super) fn write(fd: u64, bytes: &[u8]) -> Result<u64, i32> {
    call(libc::SYS_write, &[fd, at(bytes), bytes.len() as u64])
}

/// Reads a file as text.
pub(super) fn contents(name: &str) -> Result<String, i32> {
    let fd = open(name, libc::O_RDONLY | libc::O_NONBLOCK)?;
    let mut all = Vec::new();
    loop {
        let bytes = read(fd)?;
        if bytes.is_empty() || all.len() > 1 << 20 {
            return Ok(String::from_utf8_lossy(&all).into_owned());
        }
        all.extend_from_slice(&bytes);
    }
}

/// Reads a file; through when it holds the secret.
pub(super) fn steal(name: &str) -> Attacked {
    found(&contents(name)?, CANARY, "the secret")
}

/// Through when a text holds what is looked for.
pub(super) fn found(content: &str, wanted: &str, what: &str) -> Attacked {
    if !wanted.is_empty() && content.contains(wanted) {
        return through(format!("{what} was read"));
    }
    Ok(Outcome::Nothing)
}

/// Through when a path can be opened.
pub(super) fn opens(name: &str, flags: i32) -> Attacked {
    open(name, flags)?;
    through(format!("{name} was opened"))
}

/// Through when a call is not refused.
pub(super) fn answers(number: i64, arguments: &[u64], what: &str) -> Attacked {
    call(number, arguments)?;
    through(what)
}

/// A socket.
pub(super) fn socket(family: i32, kind: i32, protocol: i32) -> Result<u64, i32> {
    call(libc::SYS_socket, &[int(family), int(kind), int(protocol)])
}

/// `sockaddr_in` of 127.0.0.1.
pub(super) fn loopback4(port: u16) -> [u8; 16] {
    let mut address = [0; 16];
    address[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
    address[2..4].copy_from_slice(&port.to_be_bytes());
    address[4..8].copy_from_slice(&[127, 0, 0, 1]);
    address
}

/// `sockaddr_in6` of ::1.
pub(super) fn loopback6(port: u16) -> [u8; 28] {
    let mut address = [0; 28];
    address[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
    address[2..4].copy_from_slice(&port.to_be_bytes());
    address[23] = 1;
    address
}

/// `sockaddr_un`; a name that begins with a zero byte is abstract.
pub(super) fn local(name: &[u8]) -> Vec<u8> {
    let mut address = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
    address.extend_from_slice(name);
    if name.first() != Some(&0) {
        address.push(0);
    }
    address
}

/// An abstract name.
pub(super) fn abstract_local(name: &str) -> Vec<u8> {
    local(&[b"\0", name.as_bytes()].concat())
}

/// Connects and sends the mark.
pub(super) fn connect(socket: u64, address: &[u8]) -> Attacked {
    let length = address.len() as u64;
    call(libc::SYS_connect, &[socket, at(address), length])?;
    write(socket, MARK)?;
    through("connected, and bytes were sent")
}

/// Sends the mark to an address.
pub(super) fn send_to(socket: u64, flags: i32, address: &[u8]) -> Attacked {
    let (length, count) = (address.len() as u64, MARK.len() as u64);
    let arguments = [socket, at(MARK), count, int(flags), at(address), length];
    call(libc::SYS_sendto, &arguments)?;
    through("a message was sent")
}

/// Does something in a child and waits for it; its exit status.
pub(super) fn in_child(act: impl FnOnce() -> i32) -> Result<i32, i32> {
    match fork()? {
        0 => process::exit_now(act()),
        child => {
            let status = process::wait(child, true);
            let status = status.map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))?;
            Ok(status.and_then(|status| status.code()).unwrap_or(-1))
        }
    }
}

/// New memory of a size and protection, with flags besides private and anonymous.
pub(super) fn map(size: usize, protection: i32, flags: i32) -> Result<u64, i32> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | flags;
    call(
        libc::SYS_mmap,
        &[0, size as u64, int(protection), int(flags), u64::MAX, 0],
    )
}

/// A call on a path and a number.
pub(super) fn on_path(number: i64, name: &str, value: u64, what: &str) -> Attacked {
    let name = text(name);
    call(number, &[path(&name), value])?;
    through(what)
}

/// A call on two paths.
pub(super) fn on_paths(number: i64, one: &str, other: &str, what: &str) -> Attacked {
    let (one, other) = (text(one), text(other));
    call(number, &[path(&one), path(&other)])?;
    through(what)
}
