//! The ways a value may be written, each a needle.

use crate::Encoding;
use crate::index::WINDOW;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Values longer than this are not looked for in two encodings at once: the needles would be too large.
const MAX_TWICE: usize = 4096;
/// A line of a value counts as a value from this many bytes on.
const MIN_LINE: usize = 16;

type Bytes = Zeroizing<Vec<u8>>;

pub(crate) struct Needle {
    /// Which secret of the set.
    pub secret: u32,
    pub encoding: Encoding,
    pub compare: Compare,
    /// What must stand there.
    pub text: Bytes,
    /// How many bytes of `text` stand before its first letter or digit.
    pub lead: usize,
    /// `text` squeezed; what the index looks for. Equal to `text` with [`Compare::Exact`].
    pub core: Bytes,
}

/// When two bytes are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Compare {
    /// Letters in either case; separators allowed.
    AnyCase,
    /// `+` is `-`, `/` is `_`; separators allowed.
    Base64,
    /// Byte for byte and nothing in between: for values with too few letters and digits to be squeezed.
    Exact,
}

impl Needle {
    pub(crate) fn same(&self, byte: u8, wanted: u8) -> bool {
        match self.compare {
            Compare::AnyCase => byte.eq_ignore_ascii_case(&wanted),
            Compare::Base64 => {
                byte == wanted || matches!((byte, wanted), (b'-', b'+') | (b'_', b'/'))
            }
            Compare::Exact => byte == wanted,
        }
    }
}

/// Every needle of one value.
pub(crate) fn of_value(secret: u32, value: &[u8], into: &mut Vec<Needle>) {
    of_one(secret, value, into);
    for line in lines(value) {
        of_one(secret, line, into);
    }
}

/// The lines of a value that has several and that are secret by themselves: PEM bodies, also where the
/// line ends are written `\n` as in a JSON key file. Words, frames and JSON members are not.
fn lines(value: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = value;
    while let Some(end) =
        (0..rest.len()).find(|&at| rest[at] == b'\n' || rest[at..].starts_with(b"\\n"))
    {
        lines.push(&rest[..end]);
        rest = &rest[end + if rest[end] == b'\n' { 1 } else { 2 }..];
    }
    if lines.is_empty() {
        return lines;
    }
    lines.push(rest);
    lines
        .into_iter()
        .map(<[u8]>::trim_ascii)
        .filter(|line| {
            line.len() >= MIN_LINE
                && !line.starts_with(b"-----")
                && line
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_.~".contains(byte))
        })
        .collect()
}

fn of_one(secret: u32, value: &[u8], into: &mut Vec<Needle>) {
    let mut add = |encoding, compare, text: Bytes| {
        into.extend(needle(secret, encoding, compare, text));
    };
    use Compare::{AnyCase, Base64};
    let owned = |bytes: &[u8]| Zeroizing::new(bytes.to_vec());

    add(Encoding::Plain, AnyCase, owned(value));
    add(Encoding::Reversed, AnyCase, reversed(value));
    let rotated = rot13(value);
    if *rotated != *value {
        add(Encoding::Rot13, AnyCase, rotated);
    }
    let hex = hex(value);
    add(Encoding::Twice, AnyCase, reversed(&hex));
    let mut in_base64 = Vec::new();
    for skipped in 0..3 {
        let encoded = base64(value, skipped);
        add(Encoding::Base64, Base64, encoded.clone());
        add(Encoding::Twice, Base64, reversed(&encoded));
        in_base64.push(encoded);
    }
    for skipped in 0..5 {
        add(Encoding::Base32, AnyCase, base32(value, skipped));
    }
    if value.len() <= MAX_TWICE {
        let mut inner: Vec<Bytes> = vec![hex.clone(), owned(&hex.to_ascii_uppercase())];
        inner.push(owned(&utf16(value)));
        for encoded in &in_base64 {
            add(Encoding::Twice, AnyCase, self::hex(encoded));
            inner.push(encoded.clone());
        }
        for text in inner {
            for skipped in 0..3 {
                add(Encoding::Twice, Base64, base64(&text, skipped));
            }
        }
    }
    add(Encoding::Hex, AnyCase, hex);
}

fn needle(secret: u32, encoding: Encoding, compare: Compare, text: Bytes) -> Option<Needle> {
    let core = Zeroizing::new(crate::view::squeezed(&text));
    if core.len() < WINDOW {
        return (text.len() >= WINDOW).then(|| Needle {
            secret,
            encoding,
            compare: Compare::Exact,
            lead: 0,
            core: text.clone(),
            text,
        });
    }
    let literal = matches!(
        encoding,
        Encoding::Plain | Encoding::Reversed | Encoding::Rot13
    );
    // White space may be missing or be another one. The `+` or `/` at an end of an encoded value tells six
    // bits at most, and without it every encoded needle begins with a letter or digit.
    let text: Bytes = if literal {
        Zeroizing::new(
            text.iter()
                .copied()
                .filter(|byte| !byte.is_ascii_whitespace())
                .collect(),
        )
    } else {
        let first = text.iter().position(u8::is_ascii_alphanumeric)?;
        let last = text.iter().rposition(u8::is_ascii_alphanumeric)?;
        Zeroizing::new(text[first..=last].to_vec())
    };
    let lead = text.iter().position(u8::is_ascii_alphanumeric)?;
    Some(Needle {
        secret,
        encoding,
        compare,
        text,
        lead,
        core,
    })
}

fn reversed(bytes: &[u8]) -> Bytes {
    Zeroizing::new(bytes.iter().rev().copied().collect())
}

fn rot13(bytes: &[u8]) -> Bytes {
    let turn = |byte: &u8| match *byte {
        letter @ b'a'..=b'z' => (letter - b'a' + 13) % 26 + b'a',
        letter @ b'A'..=b'Z' => (letter - b'A' + 13) % 26 + b'A',
        other => other,
    };
    Zeroizing::new(bytes.iter().map(turn).collect())
}

fn hex(bytes: &[u8]) -> Bytes {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = Zeroizing::new(Vec::with_capacity(bytes.len() * 2));
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
    text
}

/// UTF-16, little end first, of bytes taken as Latin letters.
fn utf16(bytes: &[u8]) -> Bytes {
    Zeroizing::new(bytes.iter().flat_map(|&byte| [byte, 0]).collect())
}

/// Base64 of the value after `skipped` unknown bytes: only the characters that the value alone decides.
fn base64(bytes: &[u8], skipped: usize) -> Bytes {
    let mut padded = Zeroizing::new(vec![0; skipped]);
    padded.extend_from_slice(bytes);
    let text = Zeroizing::new(STANDARD.encode(&*padded));
    let decided = (8 * skipped).div_ceil(6)..8 * padded.len() / 6;
    Zeroizing::new(text.as_bytes()[decided].to_vec())
}

/// Base32 (RFC 4648), as [`base64`].
fn base32(bytes: &[u8], skipped: usize) -> Bytes {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let decided = (8 * skipped).div_ceil(5)..8 * (skipped + bytes.len()) / 5;
    let byte = |at: usize| {
        at.checked_sub(skipped)
            .and_then(|at| bytes.get(at))
            .copied()
            .unwrap_or(0)
    };
    let digit = |at: usize| {
        let bit = at * 5;
        let pair = u16::from_be_bytes([byte(bit / 8), byte(bit / 8 + 1)]);
        DIGITS[usize::from(pair >> (11 - bit % 8) & 31)]
    };
    Zeroizing::new(decided.map(digit).collect())
}
