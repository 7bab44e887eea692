//! The broker's stream during a turn, readable by `poll`.

use crate::broker::{self, BrokerError, Speaker};
use crate::chat::attach::Attached;
use carapace_contract::control::{Ask, Tell};
use carapace_contract::home::Home;
use carapace_contract::id::Digest;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// Tells that wait to be shown; beyond it the broker is read more slowly.
const WAITING: usize = 1024;
/// For the broker to take one piece of a file.
const HAND_OVER: Duration = Duration::from_secs(15);

/// An open stream. Its descriptor is readable when something came.
pub(crate) struct Stream {
    speaker: Speaker,
    tells: Receiver<Result<Tell, BrokerError>>,
    wake: UnixStream,
    socket: UnixStream,
}

impl Stream {
    /// Connects, hands these files over and starts to listen. Gives the files' names for the message.
    ///
    /// # Errors
    /// Nothing listens, or the system has no thread or socket to give.
    pub(crate) fn open(
        home: &Home,
        files: &[Attached],
    ) -> Result<(Self, Vec<Digest>), BrokerError> {
        let mut connection = broker::connect(home, Some(HAND_OVER))?;
        let ids = files
            .iter()
            .map(|file| file.hand_over(&mut connection))
            .collect::<Result<Vec<_>, _>>()?;
        connection.socket.set_read_timeout(None)?;
        let mut listener = connection.listener;
        let (wake, mut poke) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        poke.set_nonblocking(true)?;
        let (send, tells) = sync_channel(WAITING);
        std::thread::Builder::new()
            .name("broker".to_owned())
            .spawn(move || {
                loop {
                    let heard = listener.hear();
                    let last = heard.is_err();
                    let gone = send.send(heard).is_err();
                    // A full wake pipe wakes as well as one more byte would.
                    let _ = poke.write(&[1]);
                    if last || gone {
                        return;
                    }
                }
            })?;
        let stream = Self {
            speaker: connection.speaker,
            tells,
            wake,
            socket: connection.socket,
        };
        Ok((stream, ids))
    }

    /// Says one thing.
    ///
    /// # Errors
    /// The link ended.
    pub(crate) fn say(&mut self, ask: &Ask) -> Result<(), BrokerError> {
        self.speaker.say(ask)
    }

    /// Everything that came since the last call.
    pub(crate) fn take(&mut self) -> Vec<Result<Tell, BrokerError>> {
        let mut bytes = [0; 256];
        while matches!(self.wake.read(&mut bytes), Ok(1..)) {}
        self.tells.try_iter().collect()
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}
