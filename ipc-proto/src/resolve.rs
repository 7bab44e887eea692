//! The words between the broker and the resolver: a name goes down, addresses come back.
//!
//! Frames of one size each way on a stream socket, no parser, nothing allocated before it is
//! checked. Both ends check the name. What an address may be used for is decided elsewhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Every question has this size, in bytes.
pub const QUESTION: usize = 260;
/// Every answer has this size, in bytes.
pub const ANSWER: usize = 280;
/// The most bytes of a name: RFC 1035, 2.3.4, as text without the last dot.
pub const NAME: usize = 253;
/// The most addresses of an answer.
pub const ADDRESSES: usize = 16;
/// Questions under way at a time; one more is answered [`Status::Busy`].
pub const IN_FLIGHT: usize = 64;

/// Bytes of an address in an answer: 4 or 6, then the address, IPv4 filled up with zeros.
const ADDRESS: usize = 17;

/// The name of a host: labels of 1 to 63 of letters, digits, `-` and `_`, no `-` at an end, at most
/// [`NAME`] bytes, in lower case, without a last dot. An address is no name, however it is written:
/// the last label is not a number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostName(String);

impl HostName {
    /// The name with this text; one dot at its end is dropped. `None` where it is none.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let plain = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        // As the URL standard has it: a number there, also a hexadecimal one, makes an IPv4 address.
        let is_number = |label: &str| {
            label.bytes().all(|byte| byte.is_ascii_digit())
                || label
                    .to_ascii_lowercase()
                    .strip_prefix("0x")
                    .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
        };
        let fits = text.len() <= NAME
            && text.split('.').all(plain)
            && !text.rsplit('.').next().is_some_and(is_number);
        fits.then(|| Self(text.to_ascii_lowercase()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// From the broker to the resolver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The broker's number for it.
    pub id: u32,
    /// What is asked for; `None` where the frame's text is no name, which is answered
    /// [`Status::NoName`].
    pub name: Option<HostName>,
}

impl Question {
    /// As a frame.
    pub fn encode(&self) -> [u8; QUESTION] {
        let mut frame = [0; QUESTION];
        frame[..4].copy_from_slice(&self.id.to_le_bytes());
        let name = self.name.as_ref().map_or("", HostName::as_str).as_bytes();
        // No name is longer than 253.
        frame[4] = name.len() as u8;
        frame[5..5 + name.len()].copy_from_slice(name);
        frame
    }

    /// From a frame.
    pub fn decode(frame: &[u8; QUESTION]) -> Self {
        let id = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]);
        let length = usize::from(frame[4]).min(NAME);
        let (name, rest) = frame[5..].split_at(length);
        let name = std::str::from_utf8(name)
            .ok()
            .filter(|_| usize::from(frame[4]) <= NAME && rest.iter().all(|&byte| byte == 0))
            .and_then(HostName::new)
            // One form per name: as this side would have written it.
            .filter(|name| name.as_str().as_bytes() == &frame[5..5 + length]);
        Self { id, name }
    }
}

/// How a question fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// There are addresses.
    Found = 1,
    /// The name does not exist, or has no address.
    Absent = 2,
    /// What was asked is no name.
    NoName = 3,
    /// No server answered in time.
    Timeout = 4,
    /// No server could answer.
    Failed = 5,
    /// Too many questions at once.
    Busy = 6,
}

impl Status {
    const ALL: [Self; 6] = [
        Self::Found,
        Self::Absent,
        Self::NoName,
        Self::Timeout,
        Self::Failed,
        Self::Busy,
    ];
}

/// From the resolver to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The broker's number for the question.
    pub id: u32,
    /// How it fared.
    pub status: Status,
    /// The addresses: some with [`Status::Found`], none with the others.
    pub addresses: Vec<IpAddr>,
}

impl Answer {
    /// An answer with these addresses, the first [`ADDRESSES`] of them; [`Status::Absent`] where
    /// there is none.
    pub fn found(id: u32, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let addresses: Vec<IpAddr> = addresses.into_iter().take(ADDRESSES).collect();
        let status = if addresses.is_empty() {
            Status::Absent
        } else {
            Status::Found
        };
        Self {
            id,
            status,
            addresses,
        }
    }

    /// An answer without an address.
    pub fn none(id: u32, status: Status) -> Self {
        Self {
            id,
            status,
            addresses: Vec::new(),
        }
    }

    /// As a frame; of more than [`ADDRESSES`] addresses the first.
    pub fn encode(&self) -> [u8; ANSWER] {
        let mut frame = [0; ANSWER];
        frame[..4].copy_from_slice(&self.id.to_le_bytes());
        frame[4] = self.status as u8;
        frame[5] = self.addresses.len().min(ADDRESSES) as u8;
        for (place, address) in frame[8..].chunks_exact_mut(ADDRESS).zip(&self.addresses) {
            match address {
                IpAddr::V4(address) => {
                    place[0] = 4;
                    place[1..5].copy_from_slice(&address.octets());
                }
                IpAddr::V6(address) => {
                    place[0] = 6;
                    place[1..].copy_from_slice(&address.octets());
                }
            }
        }
        frame
    }

    /// From a frame; `None` where it is none, to the last byte.
    pub fn decode(frame: &[u8; ANSWER]) -> Option<Self> {
        let id = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]);
        let status = Status::ALL
            .into_iter()
            .find(|status| *status as u8 == frame[4])?;
        let count = usize::from(frame[5]);
        if count > ADDRESSES || (status == Status::Found) != (count > 0) {
            return None;
        }
        let addresses = frame[8..]
            .chunks_exact(ADDRESS)
            .take(count)
            .map(address)
            .collect::<Option<Vec<_>>>()?;
        let answer = Self {
            id,
            status,
            addresses,
        };
        // One meaning has one form.
        (answer.encode() == *frame).then_some(answer)
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let (kind, address) = bytes.split_first()?;
    let address: [u8; 16] = address.try_into().ok()?;
    match kind {
        4 => Some(Ipv4Addr::new(address[0], address[1], address[2], address[3]).into()),
        6 => Some(Ipv6Addr::from(address).into()),
        _ => None,
    }
}
