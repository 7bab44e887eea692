//! A name server whose answers the test writes: A records over UDP, one answer after the other for
//! each name, the last one again and again. Every other question has no answer.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

/// The server. It ends with the process.
#[derive(Debug)]
pub struct Names {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Names {
    /// Starts with these names, in lower case and without a final dot, and the answers of each.
    ///
    /// # Panics
    /// Where no port is free.
    pub fn start<const N: usize>(names: [(&str, Vec<Vec<Ipv4Addr>>); N]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut names: HashMap<String, Vec<Vec<Ipv4Addr>>> = names
            .into_iter()
            .map(|(name, answers)| (name.to_owned(), answers))
            .collect();
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut packet = [0; 1500];
            while let Ok((size, from)) = socket.recv_from(&mut packet) {
                let Some((name, kind, end)) = question(&packet[..size]) else {
                    continue;
                };
                seen.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(name.clone());
                let known = names.get_mut(&name);
                let addresses = match known {
                    None => None,
                    Some(_) if kind != 1 => Some(Vec::new()),
                    Some(answers) if answers.len() > 1 => Some(answers.remove(0)),
                    Some(answers) => Some(answers.first().cloned().unwrap_or_default()),
                };
                let _ = socket.send_to(&answer(&packet[..end], addresses.as_deref()), from);
            }
        });
        Self { address, asked }
    }

    /// What to write as `servers` of `[resolver]`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The names that were asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Name and type of the one question (RFC 1035, section 4.1.2), and where it ends.
fn question(packet: &[u8]) -> Option<(String, u16, usize)> {
    let mut at = 12;
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(packet.get(at..at + length)?).to_lowercase());
        at += length;
    }
    let kind = packet.get(at..at + 4)?;
    Some((
        labels.join("."),
        u16::from_be_bytes([kind[0], kind[1]]),
        at + 4,
    ))
}

/// The question with its answers; `None`: there is no such name.
fn answer(question: &[u8], addresses: Option<&[Ipv4Addr]>) -> Vec<u8> {
    let mut packet = question.to_vec();
    let code = if addresses.is_some() { 0 } else { 3 };
    let addresses = addresses.unwrap_or_default();
    packet[2] = 0x85;
    packet[3] = 0x80 | code;
    packet[6..12].copy_from_slice(&[0, addresses.len() as u8, 0, 0, 0, 0]);
    for address in addresses {
        // The question's name, type A, class IN, kept for 0 seconds, four bytes.
        packet.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        packet.extend_from_slice(&address.octets());
    }
    packet
}
