//! One record as a line: how it is written and how it is taken apart, byte for byte.

use crate::audit::key::ChainKey;
use carapace_contract::id::{Digest, EffectId, SessionId};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::io::{self, BufRead};

/// The longest line, with its newline, in bytes.
pub const MAX_LINE: usize = 256 * 1024;

const MAC_KEY: &[u8] = b",\"mac\":\"";
const MAC_HEX: usize = 64;
const LINE_END: &[u8] = b"\"}\n";
const MAC_TAIL: usize = MAC_KEY.len() + MAC_HEX + LINE_END.len();

/// A record without its mac.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record<B = Value> {
    /// Number of records before this one.
    pub seq: u64,
    /// Milliseconds since 1970.
    pub time_ms: i64,
    /// Which key authenticates it.
    pub epoch: u64,
    /// Hash of the line before; of the first, zeros.
    pub prev: Digest,
    /// What kind of thing happened, kebab-case.
    pub kind: String,
    /// The effect it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<EffectId>,
    /// The session it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The rest.
    pub body: B,
}

/// The hash of a whole line, its newline included.
pub fn hash_of(line: &[u8]) -> Digest {
    Digest::of(line)
}

/// Writes a record as a line with its mac.
///
/// # Errors
/// The body cannot be written as JSON.
pub fn write<B: Serialize>(
    record: &Record<B>,
    key: &ChainKey,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(record)?;
    line.pop(); // the closing brace: the mac comes before it
    let mac = hex_mac(key, &line);
    line.extend_from_slice(MAC_KEY);
    line.extend_from_slice(&mac);
    line.extend_from_slice(LINE_END);
    Ok(line)
}

/// Takes a whole line apart: the record, and whether it has the form of a line at all. The mac is
/// not checked; [`authentic`] does that.
pub fn parse(line: &[u8]) -> Option<Record> {
    let signed = signed_part(line)?;
    let mut whole = Vec::with_capacity(signed.len() + 1);
    whole.extend_from_slice(signed);
    whole.push(b'}');
    serde_json::from_slice(&whole).ok()
}

/// True where the line's mac was made with this key.
pub fn authentic(line: &[u8], key: &ChainKey) -> bool {
    let Some(signed) = signed_part(line) else {
        return false;
    };
    let at = line.len() - LINE_END.len() - MAC_HEX;
    let mut found = [0; 32];
    if !unhex(&line[at..at + MAC_HEX], &mut found) {
        return false;
    }
    mac(key, signed).verify_slice(&found).is_ok()
}

/// The next line with its newline, or what is left of one without; empty at the end.
///
/// # Errors
/// The source cannot be read, or a line is longer than [`MAX_LINE`] (`InvalidData`).
pub fn read_line(source: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<()> {
    line.clear();
    loop {
        let found = source.fill_buf()?;
        if found.is_empty() {
            return Ok(());
        }
        let (part, ended) = match found.iter().position(|byte| *byte == b'\n') {
            Some(at) => (&found[..=at], true),
            None => (found, false),
        };
        if line.len() + part.len() > MAX_LINE {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a line of the audit log is longer than 256 KiB",
            ));
        }
        line.extend_from_slice(part);
        let used = part.len();
        source.consume(used);
        if ended {
            return Ok(());
        }
    }
}

fn signed_part(line: &[u8]) -> Option<&[u8]> {
    let signed = line.len().checked_sub(MAC_TAIL)?;
    let (signed, tail) = line.split_at(signed);
    (tail.starts_with(MAC_KEY) && tail.ends_with(LINE_END)).then_some(signed)
}

fn mac(key: &ChainKey, signed: &[u8]) -> Hmac<Sha256> {
    // HMAC takes keys of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key.bytes()).expect("HMAC takes 32 bytes");
    mac.update(signed);
    mac
}

fn hex_mac(key: &ChainKey, signed: &[u8]) -> [u8; MAC_HEX] {
    let bytes = mac(key, signed).finalize().into_bytes();
    let mut text = [0; MAC_HEX];
    for (at, byte) in bytes.iter().enumerate() {
        text[2 * at] = HEX[usize::from(byte >> 4)];
        text[2 * at + 1] = HEX[usize::from(byte & 15)];
    }
    text
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn unhex(text: &[u8], bytes: &mut [u8; 32]) -> bool {
    let digit = |byte: u8| HEX.iter().position(|hex| *hex == byte);
    bytes
        .iter_mut()
        .zip(text.chunks_exact(2))
        .all(|(byte, pair)| match (digit(pair[0]), digit(pair[1])) {
            (Some(high), Some(low)) => {
                *byte = (high << 4 | low) as u8;
                true
            }
            _ => false,
        })
}

/// The key of the epoch after the one of these bytes.
pub(crate) fn next_key(bytes: &[u8; 32]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"carapace audit key");
    hash.update(bytes);
    hash.finalize().into()
}
