//! The blocking link: the end of worker, hands and cli.
//!
//! Reading and writing are separate halves, so that several threads can answer while one listens.
//! Works over anything that reads and writes; over a file on a socketpair it needs only the
//! `read` and `write` system calls.

use crate::limits;
use crate::zmtp::{self, Breach, Decoder};
use std::io::{self, Read, Write};

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The other end closed it.
    #[error("the other end closed the channel")]
    Closed,
    /// The operating system's word.
    #[error("the channel failed: {0}")]
    Io(#[from] io::Error),
    /// The other end broke the line's rules.
    #[error("the other end broke the line's rules: {0}")]
    Breach(#[from] Breach),
    /// What was to be sent is longer than a frame may be.
    #[error("a message of {0} bytes is longer than a frame may be")]
    TooLong(usize),
}

/// The listening half.
#[derive(Debug)]
pub struct Receiver<R> {
    from: R,
    decoder: Decoder,
}

/// The speaking half.
#[derive(Debug)]
pub struct Sender<W> {
    to: W,
    out: Vec<u8>,
}

/// Opens a link: sends greeting and READY at once and returns both halves. The peer's greeting is
/// checked with the first frame that is received.
///
/// # Errors
/// [`LinkError::Io`] where the greeting cannot be written.
pub fn open<R: Read, W: Write>(from: R, mut to: W) -> Result<(Receiver<R>, Sender<W>), LinkError> {
    to.write_all(&zmtp::HELLO)?;
    Ok((
        Receiver {
            from,
            decoder: Decoder::new(limits::FRAME),
        },
        Sender {
            to,
            out: Vec::new(),
        },
    ))
}

impl<R: Read> Receiver<R> {
    /// The next frame's body; waits for it.
    ///
    /// # Errors
    /// The link is at its end after any of them.
    pub fn receive(&mut self) -> Result<Vec<u8>, LinkError> {
        loop {
            if let Some(body) = self.decoder.next_frame()? {
                return Ok(body.to_vec());
            }
            let count = match self.from.read(self.decoder.room()) {
                Ok(0) => return Err(LinkError::Closed),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Err(LinkError::Closed);
                }
                Err(error) => return Err(error.into()),
            };
            self.decoder.filled(count);
        }
    }
}

impl<W: Write> Sender<W> {
    /// Sends one frame; waits until it is written.
    ///
    /// # Errors
    /// [`LinkError::TooLong`] leaves the link as it was; after any other it is at its end.
    pub fn send(&mut self, body: &[u8]) -> Result<(), LinkError> {
        if body.len() > limits::FRAME {
            return Err(LinkError::TooLong(body.len()));
        }
        self.out.clear();
        zmtp::encode(body, &mut self.out);
        let written = self.to.write_all(&self.out);
        if self.out.capacity() > limits::DELTA {
            self.out = Vec::new();
        }
        match written {
            Ok(()) => Ok(()),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                ) =>
            {
                Err(LinkError::Closed)
            }
            Err(error) => Err(error.into()),
        }
    }
}
