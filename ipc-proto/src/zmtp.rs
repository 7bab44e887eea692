//! ZMTP 3.0 with the NULL mechanism (RFC 23/ZMTP), bounded and without I/O.
//!
//! The decoder holds at most one frame. A length is compared with its limit before room is made
//! for it, and room grows with the bytes that came, never with the bytes that were announced. One
//! peer, no identities, no commands after the handshake, no multipart. What does not fit is a
//! [`Breach`], and a breach ends the link.

use crate::limits;

/// What each end sends first: greeting and READY, in one write. Socket type DEALER, so that a
/// DEALER or ROUTER of another implementation can be the peer.
pub const HELLO: [u8; GREETING + 2 + READY.len()] = {
    let mut bytes = [0; GREETING + 2 + READY.len()];
    bytes[0] = 0xFF;
    bytes[8] = 1;
    bytes[9] = 0x7F;
    bytes[10] = 3;
    bytes[12] = b'N';
    bytes[13] = b'U';
    bytes[14] = b'L';
    bytes[15] = b'L';
    bytes[GREETING] = COMMAND;
    bytes[GREETING + 1] = READY.len() as u8;
    let mut at = 0;
    while at < READY.len() {
        bytes[GREETING + 2 + at] = READY[at];
        at += 1;
    }
    bytes
};

const GREETING: usize = 64;
const READY: &[u8] = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER";

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// A peer broke the line's rules. Fatal to the peer (invariant I7).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// The greeting is not ZMTP 3.
    #[error("the greeting is not that of ZMTP 3")]
    Greeting,
    /// Another mechanism than NULL, or a peer that claims to be the server of one.
    #[error("the greeting asks for another mechanism than NULL")]
    Mechanism,
    /// The READY command is missing, too long or not well-formed.
    #[error("the handshake's READY is not well-formed")]
    Ready,
    /// A socket type that does not go with ours.
    #[error("the peer's socket type does not go with DEALER")]
    SocketType,
    /// A frame longer than the limit was announced.
    #[error("a frame of {announced} bytes was announced; the limit is {limit}")]
    FrameTooLong {
        /// What the header says.
        announced: u64,
        /// What is allowed.
        limit: usize,
    },
    /// A part of a multipart message.
    #[error("a multipart message was begun")]
    Multipart,
    /// A command after the handshake.
    #[error("a command came after the handshake")]
    Command,
    /// Reserved bits of a frame's flags.
    #[error("reserved bits are set in a frame's flags")]
    ReservedBits,
    /// The payload is not a message of this line.
    #[error("a frame is not a message of this line: {0}")]
    NotAMessage(&'static str),
    /// A byte came from another process than the one the link belongs to.
    #[error("a byte came from process {found}, the link belongs to {expected}")]
    Sender {
        /// Whose link it is.
        expected: i32,
        /// Who sent.
        found: i32,
    },
    /// Descriptors or other ancillary data came along.
    #[error("ancillary data came with a message")]
    Ancillary,
    /// The peer stopped in the middle of the handshake or of a frame, or does not read.
    #[error("the peer stopped: {0}")]
    Stalled(&'static str),
    /// Another rule of the conversation.
    #[error("{0}")]
    Conversation(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Greeting,
    Ready,
    Data,
}

/// Decodes one peer's bytes.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    limit: usize,
}

/// Room kept between frames.
const IDLE: usize = 16 * 1024;

impl Decoder {
    /// For frames of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            state: State::Greeting,
            buffer: vec![0; IDLE],
            start: 0,
            end: 0,
            limit,
        }
    }

    /// True once greeting and READY have come.
    pub fn is_established(&self) -> bool {
        self.state == State::Data
    }

    /// True where a frame was begun and is not complete.
    pub fn is_in_frame(&self) -> bool {
        self.start != self.end
    }

    /// Bytes of room that are held now.
    pub fn held(&self) -> usize {
        self.buffer.capacity()
    }

    /// Where the next bytes go; never empty.
    pub fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            if self.buffer.len() > IDLE {
                self.buffer.truncate(IDLE);
                self.buffer.shrink_to(IDLE);
            }
        } else if self.start > 0 && self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            // One frame and its header is all there can be: `next_frame` has refused a longer one.
            let most = self.limit + 9 + IDLE;
            let grown = (self.buffer.len() * 2).min(most).max(IDLE);
            self.buffer.resize(grown.max(self.buffer.len() + 1), 0);
        }
        &mut self.buffer[self.end..]
    }

    /// Says that `count` bytes were put into [`Decoder::room`].
    pub fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.buffer.len());
    }

    /// The next whole frame's body, `None` where more bytes are needed.
    ///
    /// # Errors
    /// The rule that the peer broke.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, Breach> {
        loop {
            match self.state {
                State::Greeting => {
                    if !self.greeting()? {
                        return Ok(None);
                    }
                }
                State::Ready => {
                    let Some((flags, body)) = self.frame(limits::HANDSHAKE_COMMAND)? else {
                        return Ok(None);
                    };
                    if flags & COMMAND == 0 || flags & MORE != 0 {
                        return Err(Breach::Ready);
                    }
                    ready(&self.buffer[body])?;
                    self.state = State::Data;
                }
                State::Data => {
                    let Some((flags, body)) = self.frame(self.limit)? else {
                        return Ok(None);
                    };
                    if flags & COMMAND != 0 {
                        return Err(Breach::Command);
                    }
                    if flags & MORE != 0 {
                        return Err(Breach::Multipart);
                    }
                    return Ok(Some(&self.buffer[body]));
                }
            }
        }
    }

    fn greeting(&mut self) -> Result<bool, Breach> {
        let have = &self.buffer[self.start..self.end];
        // Each byte is checked as soon as it is there: a peer that speaks something else is refused early.
        if have.first().is_some_and(|&byte| byte != 0xFF)
            || have.get(9).is_some_and(|&byte| byte & 1 == 0)
            || have.get(10).is_some_and(|&byte| byte != 3)
        {
            return Err(Breach::Greeting);
        }
        if have.len() < GREETING {
            return Ok(false);
        }
        let mut mechanism = [0; 20];
        mechanism[..4].copy_from_slice(b"NULL");
        if have[12..32] != mechanism || have[32] != 0 {
            return Err(Breach::Mechanism);
        }
        self.start += GREETING;
        self.state = State::Ready;
        Ok(true)
    }

    /// Takes one frame off the buffer: its flags and where its body lies.
    fn frame(&mut self, limit: usize) -> Result<Option<(u8, std::ops::Range<usize>)>, Breach> {
        let have = &self.buffer[self.start..self.end];
        let Some(&flags) = have.first() else {
            return Ok(None);
        };
        if flags & !(MORE | LONG | COMMAND) != 0 {
            return Err(Breach::ReservedBits);
        }
        // These need no length: refused on the first byte.
        if self.state == State::Data && flags & COMMAND != 0 {
            return Err(Breach::Command);
        }
        if self.state == State::Data && flags & MORE != 0 {
            return Err(Breach::Multipart);
        }
        let (header, announced) = if flags & LONG != 0 {
            let Some(length) = have.get(1..9) else {
                return Ok(None);
            };
            let mut bytes = [0; 8];
            bytes.copy_from_slice(length);
            (9, u64::from_be_bytes(bytes))
        } else {
            let Some(&length) = have.get(1) else {
                return Ok(None);
            };
            (2, u64::from(length))
        };
        let length = match usize::try_from(announced) {
            Ok(length) if length <= limit => length,
            _ => return Err(Breach::FrameTooLong { announced, limit }),
        };
        if have.len() < header + length {
            return Ok(None);
        }
        let body = self.start + header..self.start + header + length;
        self.start = body.end;
        Ok(Some((flags, body)))
    }
}

/// Checks a READY command: `READY`, then properties of one length byte, a name, four length bytes and a value.
fn ready(body: &[u8]) -> Result<(), Breach> {
    let mut rest = body.strip_prefix(b"\x05READY").ok_or(Breach::Ready)?;
    let mut socket_type = None;
    while let [name_length, after @ ..] = rest {
        let (name, after) = after
            .split_at_checked(usize::from(*name_length))
            .ok_or(Breach::Ready)?;
        let (length, after) = after.split_first_chunk::<4>().ok_or(Breach::Ready)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Breach::Ready)?;
        let (value, after) = after.split_at_checked(length).ok_or(Breach::Ready)?;
        if name.is_empty() {
            return Err(Breach::Ready);
        }
        if name.eq_ignore_ascii_case(b"Socket-Type") && socket_type.replace(value).is_some() {
            return Err(Breach::Ready);
        }
        // An Identity is neither refused nor believed: the channel is the identity.
        rest = after;
    }
    match socket_type {
        Some(b"DEALER" | b"ROUTER") => Ok(()),
        _ => Err(Breach::SocketType),
    }
}

/// Appends one frame with this body to `out`.
pub fn encode(body: &[u8], out: &mut Vec<u8>) {
    match u8::try_from(body.len()) {
        Ok(length) => out.extend_from_slice(&[0, length]),
        Err(_) => {
            out.push(LONG);
            out.extend_from_slice(&(body.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(body);
}
