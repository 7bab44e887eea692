//! The supervisor's end of the launch link: frames of one size, and with some a descriptor.
//!
//! It never waits. What the broker does not take at once is kept in a short queue; a broker that
//! lets it fill up has stopped listening.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use carapace_ipc_proto::launch::{FRAME, Notice, Order};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
    SocketType, recv, sendmsg, socketpair,
};

/// Notices that wait: one per process and request there can be, and some.
const QUEUE: usize = 256;

/// One broker's link.
pub(crate) struct Link {
    socket: OwnedFd,
    queue: VecDeque<([u8; FRAME], Option<OwnedFd>)>,
}

/// What was read.
pub(crate) enum Incoming {
    /// An order.
    Order(Order),
    /// Nothing, now.
    Nothing,
    /// The other end is closed.
    Closed,
    /// A frame that is none of ours.
    Nonsense,
}

impl Link {
    /// A link, and the broker's end of it.
    pub(crate) fn pair() -> rustix::io::Result<(Self, OwnedFd)> {
        let (socket, other) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let link = Self {
            socket,
            queue: VecDeque::new(),
        };
        Ok((link, other))
    }

    /// Reads a frame. Descriptors that come along are dropped by the kernel: there is no room for them.
    pub(crate) fn receive(&self) -> Incoming {
        // One byte more than a frame, so that a longer one is seen to be longer.
        let mut frame = [0; FRAME + 1];
        match recv(&self.socket, &mut frame[..], RecvFlags::DONTWAIT) {
            Ok((0, _)) => Incoming::Closed,
            Ok((count, _)) => match Order::decode(&frame[..count.min(FRAME + 1)]) {
                Some(order) => Incoming::Order(order),
                None => Incoming::Nonsense,
            },
            Err(Errno::AGAIN | Errno::INTR) => Incoming::Nothing,
            Err(_) => Incoming::Closed,
        }
    }

    /// Sends a notice, or keeps it. False where the broker does not take any more.
    #[must_use]
    pub(crate) fn send(&mut self, notice: &Notice, channel: Option<OwnedFd>) -> bool {
        if self.queue.len() >= QUEUE {
            return false;
        }
        self.queue.push_back((notice.encode(), channel));
        self.flush()
    }

    /// Sends what waits. False where the broker does not take any more.
    #[must_use]
    pub(crate) fn flush(&mut self) -> bool {
        while let Some((frame, channel)) = self.queue.front() {
            match transmit(&self.socket, frame, channel.as_ref()) {
                Ok(()) => {
                    self.queue.pop_front();
                }
                Err(Errno::AGAIN | Errno::INTR) => return true,
                Err(_) => return false,
            }
        }
        true
    }

    /// Whether something waits to be sent.
    pub(crate) fn waits(&self) -> bool {
        !self.queue.is_empty()
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn transmit(
    socket: &OwnedFd,
    frame: &[u8; FRAME],
    channel: Option<&OwnedFd>,
) -> rustix::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<BorrowedFd<'_>> = channel.iter().map(|fd| fd.as_fd()).collect();
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(Errno::NOBUFS);
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    sendmsg(socket, &[IoSlice::new(frame)], &mut ancillary, flags).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_another_size_is_nonsense_and_a_reader_that_sleeps_is_seen() {
        let (mut link, other) = Link::pair().unwrap();
        assert!(matches!(link.receive(), Incoming::Nothing));
        for size in [1, FRAME - 1, FRAME + 1, 4 * FRAME] {
            rustix::net::send(&other, &vec![1; size], SendFlags::empty()).unwrap();
            assert!(matches!(link.receive(), Incoming::Nonsense), "{size}");
        }
        let ready = Order::Ready.encode();
        rustix::net::send(&other, &ready, SendFlags::empty()).unwrap();
        assert!(matches!(link.receive(), Incoming::Order(Order::Ready)));
        let taken = (0..100_000)
            .take_while(|_| link.send(&Notice::Drain, None))
            .count();
        assert!((QUEUE..100_000).contains(&taken), "{taken}");
        drop(other);
        assert!(!link.flush());
        assert!(matches!(link.receive(), Incoming::Closed));
    }
}
