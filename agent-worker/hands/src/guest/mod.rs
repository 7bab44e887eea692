//! Programs inside that speak to the broker, where their call allows it.
//!
//! Each call that may gets a door: a pair of connected sockets, one end inherited by its programs.
//! No request crosses a door. A program that wants to ask makes a pair of its own and sends one end
//! through it, and that pair carries a link of the same bounded kind as the channel; so many
//! programs of one call can ask, one after the other or at once. What they ask goes up under the
//! name of their call and is judged there like everything else. A program that breaks the line's
//! rules loses its link, and nobody else does.

pub mod ipc;
mod links;

pub(crate) use links::Guests;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Where the `ipc` command is.
pub const COMMAND_DIRECTORY: &str = "/carapace";

/// The variable with the number of the door's descriptor.
pub const DOOR_VARIABLE: &str = "CARAPACE_IPC_FD";

/// Sends a descriptor through a door.
fn send_through(door: BorrowedFd<'_>, what: BorrowedFd<'_>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let what = [what];
    if !ancillary.push(SendAncillaryMessage::ScmRights(&what)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    rustix::net::sendmsg(
        door,
        &[IoSlice::new(&[0])],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// Receives a descriptor from a door; `None` at its end. A message without one is an error.
fn receive_through(door: impl AsFd) -> io::Result<Option<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let received = loop {
        match rustix::net::recvmsg(
            &door,
            &mut [IoSliceMut::new(&mut byte)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        ) {
            Err(rustix::io::Errno::INTR) => {}
            received => break received?,
        }
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message
            && let Some(descriptor) = descriptors.next()
        {
            return Ok(Some(descriptor));
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}
