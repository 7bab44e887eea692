//! The broker's end of a channel: asynchronous, one peer, every byte checked for who sent it.
//!
//! The descriptor has SO_PASSCRED from its birth, so the kernel says with each read which process
//! wrote the bytes; a byte from any other than the attested one is a breach, and so are descriptors
//! sent along. A peer that stops in the middle of the handshake or of a frame, or that does not
//! read, is closed after a deadline: the stronger never waits for the weaker.

use crate::limits;
use crate::link::LinkError;
use crate::zmtp::{self, Breach, Decoder};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Who may send on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Only this process, as the kernel says with every read.
    Process(i32),
    /// Whoever holds the other end; checked when it was accepted.
    Accepted,
}

/// The listening half.
#[derive(Debug)]
pub struct Receiver {
    stream: Arc<UnixStream>,
    peer: Peer,
    decoder: Decoder,
    handshake: Duration,
    stall: Duration,
}

/// The speaking half.
#[derive(Debug)]
pub struct Sender {
    stream: Arc<UnixStream>,
    stall: Duration,
    greeted: bool,
    out: Vec<u8>,
}

/// Takes over a connected stream socket.
///
/// # Errors
/// The operating system's word where it is no such socket.
pub fn adopt(socket: OwnedFd, peer: Peer) -> io::Result<(Receiver, Sender)> {
    let stream = std::os::unix::net::UnixStream::from(socket);
    stream.set_nonblocking(true)?;
    Ok(split(UnixStream::from_std(stream)?, peer))
}

/// Takes over an accepted stream.
pub fn split(stream: UnixStream, peer: Peer) -> (Receiver, Sender) {
    let stream = Arc::new(stream);
    let receiver = Receiver {
        stream: Arc::clone(&stream),
        peer,
        decoder: Decoder::new(limits::FRAME),
        handshake: limits::HANDSHAKE,
        stall: limits::STALL,
    };
    (
        receiver,
        Sender {
            stream,
            stall: limits::STALL,
            greeted: false,
            out: Vec::new(),
        },
    )
}

impl Receiver {
    /// With other deadlines; tests make them short.
    pub fn with_deadlines(mut self, handshake: Duration, stall: Duration) -> Self {
        self.handshake = handshake;
        self.stall = stall;
        self
    }

    /// The next frame's body; waits for it, without limit between frames.
    ///
    /// # Errors
    /// The link is at its end after any of them.
    pub async fn receive(&mut self) -> Result<Vec<u8>, LinkError> {
        loop {
            if let Some(body) = self.decoder.next_frame()? {
                return Ok(body.to_vec());
            }
            let patience = if !self.decoder.is_established() {
                Some((self.handshake, "in the handshake"))
            } else if self.decoder.is_in_frame() {
                Some((self.stall, "in the middle of a frame"))
            } else {
                None
            };
            let count = match patience {
                None => self.fill().await?,
                Some((limit, place)) => timeout(limit, self.fill())
                    .await
                    .map_err(|_| Breach::Stalled(place))??,
            };
            if count == 0 {
                return Err(LinkError::Closed);
            }
            self.decoder.filled(count);
        }
    }

    async fn fill(&mut self) -> Result<usize, LinkError> {
        let Self {
            stream,
            peer,
            decoder,
            ..
        } = self;
        let read = stream
            .async_io(Interest::READABLE, || {
                read_checked(stream, *peer, decoder.room())
            })
            .await;
        match read {
            Ok(outcome) => Ok(outcome?),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

/// One read: the outer error is the operating system's, the inner one the peer's fault.
fn read_checked(
    stream: &UnixStream,
    peer: Peer,
    room: &mut [u8],
) -> io::Result<Result<usize, Breach>> {
    let mut ancillary = nix::cmsg_space!(UnixCredentials);
    // Without room for ancillary data the kernel drops what came along, and says so.
    let space = matches!(peer, Peer::Process(_)).then_some(ancillary.as_mut_slice());
    let mut parts = [IoSliceMut::new(room)];
    let message = recvmsg::<()>(
        stream.as_raw_fd(),
        &mut parts,
        space,
        MsgFlags::MSG_CMSG_CLOEXEC,
    )?;
    if message.flags.contains(MsgFlags::MSG_CTRUNC) {
        return Ok(Err(Breach::Ancillary));
    }
    if message.bytes == 0 {
        return Ok(Ok(0));
    }
    if let Peer::Process(expected) = peer {
        let mut sender = None;
        for entry in message.cmsgs()? {
            match entry {
                ControlMessageOwned::ScmCredentials(credentials) => {
                    sender = Some(credentials.pid())
                }
                _ => return Ok(Err(Breach::Ancillary)),
            }
        }
        let found = sender.unwrap_or(0);
        if found != expected {
            return Ok(Err(Breach::Sender { expected, found }));
        }
    }
    Ok(Ok(message.bytes))
}

impl Sender {
    /// With another deadline; tests make it short.
    pub fn with_stall(mut self, stall: Duration) -> Self {
        self.stall = stall;
        self
    }

    /// Sends one frame; waits until it is written, at most [`limits::STALL`] without progress.
    ///
    /// # Errors
    /// The link is at its end after any of them but [`LinkError::TooLong`].
    pub async fn send(&mut self, body: &[u8]) -> Result<(), LinkError> {
        if body.len() > limits::FRAME {
            return Err(LinkError::TooLong(body.len()));
        }
        self.out.clear();
        if !self.greeted {
            self.out.extend_from_slice(&zmtp::HELLO);
        }
        zmtp::encode(body, &mut self.out);
        let written = self.write().await;
        self.greeted = true;
        if self.out.capacity() > limits::DELTA {
            self.out = Vec::new();
        }
        written
    }

    /// Sends greeting and READY now, without a frame.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub async fn greet(&mut self) -> Result<(), LinkError> {
        if self.greeted {
            return Ok(());
        }
        self.out.clear();
        self.out.extend_from_slice(&zmtp::HELLO);
        self.greeted = true;
        self.write().await
    }

    async fn write(&mut self) -> Result<(), LinkError> {
        let mut rest = &self.out[..];
        while !rest.is_empty() {
            match self.stream.try_write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    timeout(self.stall, self.stream.writable())
                        .await
                        .map_err(|_| Breach::Stalled("it does not read"))??;
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                    ) =>
                {
                    return Err(LinkError::Closed);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
