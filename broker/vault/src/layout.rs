//! The file's bytes, before anything is opened. Numbers are little-endian.
//!
//! ```text
//! magic 8 · version u16 · slots u16 · body's bytes u32 | slots | nonce 12 · sealed entries · tag 16 | SHA-256 32
//! ```
//!
//! The first 16 bytes and the checksum at the end stand in every version, so that a damaged, a truncated and a newer
//! file are told apart before the rest is looked at. The checksum finds accidents; it has no key and proves nothing
//! about who wrote the file. Everything before the body is bound to the body by its tag, so slots cannot be
//! exchanged under it.

use crate::cipher::{NONCE, TAG};
use crate::error::VaultError;
use crate::slot::{MAX_SLOTS, SLOT, Slot, SlotKind};
use sha2::{Digest, Sha256};
use std::fmt;

/// The most bytes of the file.
pub const MAX_FILE: usize = 16 * 1024 * 1024;
/// The most bytes of the entries, so that the file stays under its limit.
pub(crate) const MAX_TEXT: usize = MAX_FILE - START - MAX_SLOTS * SLOT - NONCE - TAG - CHECKSUM;
/// The newest version this program knows.
pub(crate) const VERSION: u16 = 1;
/// Magic and version: what each slot is bound to.
pub(crate) const PREFIX: [u8; 10] = *b"CRPVAULT\x01\x00";

const MAGIC: &[u8; 8] = b"CRPVAULT";
const START: usize = 16;
const CHECKSUM: usize = 32;

/// A file whose outside is sound. What is inside is still sealed.
pub struct Parsed<'a> {
    pub(crate) slots: Vec<Slot>,
    /// What the body is bound to.
    pub(crate) header: &'a [u8],
    pub(crate) nonce: &'a [u8; NONCE],
    pub(crate) sealed: &'a [u8],
    pub(crate) tag: &'a [u8; TAG],
}

impl Parsed<'_> {
    /// In which ways the vault can be unlocked.
    pub fn slots(&self) -> Vec<SlotKind> {
        self.slots.iter().map(|slot| slot.kind).collect()
    }
}

impl fmt::Debug for Parsed<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Parsed({:?})", self.slots())
    }
}

/// Takes the outside of a vault's file apart. Allocates for at most 8 slots, whatever the bytes say.
///
/// # Errors
/// [`VaultError::TooLarge`], [`VaultError::Truncated`], [`VaultError::Damaged`], [`VaultError::Newer`].
pub fn parse(bytes: &[u8]) -> Result<Parsed<'_>, VaultError> {
    let damaged = |what| VaultError::Damaged { what };
    if bytes.len() > MAX_FILE {
        return Err(VaultError::TooLarge {
            found: bytes.len() as u64,
            limit: MAX_FILE as u64,
        });
    }
    let known = bytes.len().min(MAGIC.len());
    if bytes[..known] != MAGIC[..known] {
        return Err(damaged("it does not begin as a vault does"));
    }
    let Some((&[.., v0, v1, n0, n1, b0, b1, b2, b3], rest)) = bytes.split_first_chunk::<START>()
    else {
        return Err(VaultError::Truncated {
            found: bytes.len(),
            expected: START,
        });
    };
    let version = u16::from_le_bytes([v0, v1]);
    let count = usize::from(u16::from_le_bytes([n0, n1]));
    let body = u32::from_le_bytes([b0, b1, b2, b3]) as usize;
    if count == 0 || count > MAX_SLOTS || !(NONCE + TAG..=MAX_FILE).contains(&body) {
        return Err(damaged("its lengths are none that a vault has"));
    }
    let expected = START + count * SLOT + body + CHECKSUM;
    if bytes.len() < expected {
        return Err(VaultError::Truncated {
            found: bytes.len(),
            expected,
        });
    }
    let (content, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
    if bytes.len() > expected || Sha256::digest(content)[..] != *checksum {
        return Err(damaged("its checksum does not fit"));
    }
    if version > VERSION {
        return Err(VaultError::Newer {
            found: version,
            known: VERSION,
        });
    }
    if version == 0 {
        return Err(damaged("no vault has its version"));
    }
    let (slots, body) = rest[..rest.len() - CHECKSUM].split_at(count * SLOT);
    let slots = slots
        .as_chunks::<SLOT>()
        .0
        .iter()
        .map(Slot::read)
        .collect::<Result<Vec<_>, _>>()
        .map_err(damaged)?;
    let (nonce, body) = body
        .split_first_chunk()
        .ok_or(damaged("its body is too short"))?;
    let (sealed, tag) = body
        .split_last_chunk()
        .ok_or(damaged("its body is too short"))?;
    Ok(Parsed {
        slots,
        header: &bytes[..START + count * SLOT],
        nonce,
        sealed,
        tag,
    })
}

/// Everything before the body, for a body with `text` bytes of entries.
pub(crate) fn header(slots: &[Slot], text: usize) -> Result<Vec<u8>, VaultError> {
    let full = |_| VaultError::Full { limit: MAX_TEXT };
    if text > MAX_TEXT {
        return Err(VaultError::Full { limit: MAX_TEXT });
    }
    let mut out = Vec::with_capacity(START + slots.len() * SLOT);
    out.extend(PREFIX);
    out.extend(u16::try_from(slots.len()).map_err(full)?.to_le_bytes());
    let body = u32::try_from(NONCE + text + TAG).map_err(full)?;
    out.extend(body.to_le_bytes());
    slots.iter().for_each(|slot| slot.write(&mut out));
    Ok(out)
}

/// The whole file.
pub(crate) fn assemble(
    header: Vec<u8>,
    nonce: &[u8; NONCE],
    sealed: &[u8],
    tag: &[u8; TAG],
) -> Vec<u8> {
    let mut out = header;
    out.reserve_exact(NONCE + sealed.len() + TAG + CHECKSUM);
    out.extend(nonce);
    out.extend(sealed);
    out.extend(tag);
    let checksum = Sha256::digest(&out);
    out.extend(checksum);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn with_checksum(mut content: Vec<u8>) -> Vec<u8> {
        let checksum = Sha256::digest(&content);
        content.extend(checksum);
        content
    }

    #[test]
    fn the_prefix_says_magic_and_version() {
        assert_eq!(PREFIX[..8], MAGIC[..]);
        assert_eq!(PREFIX[8..], VERSION.to_le_bytes());
    }

    #[test]
    fn a_newer_version_is_named_and_not_called_damage() {
        let mut content = b"CRPVAULT\x07\x00\x01\x00\x1c\x00\x00\x00".to_vec();
        content.extend([0xff; SLOT + 28]);
        assert!(matches!(
            parse(&with_checksum(content)),
            Err(VaultError::Newer { found: 7, known: 1 })
        ));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(parse(&bytes).is_err());
        }

        #[test]
        fn any_bytes_in_a_sound_shell_are_answered(
            version in 0u16..3, slots in 0u16..12, body in 0u32..200, middle in prop::collection::vec(any::<u8>(), 0..1200),
            kinds in prop::collection::vec(0u8..5, 12), zeroed in any::<bool>(), exact in any::<bool>(),
        ) {
            let mut content = MAGIC.to_vec();
            content.extend(version.to_le_bytes());
            content.extend(slots.to_le_bytes());
            content.extend(body.to_le_bytes());
            content.extend(middle);
            if exact {
                content.resize(START + usize::from(slots) * SLOT + body as usize, 0xa5);
                for (slot, kind) in kinds.iter().enumerate().take(usize::from(slots)) {
                    let at = START + slot * SLOT;
                    content[at] = *kind;
                    if zeroed {
                        content[at + 1..at + 32].fill(0);
                    }
                }
            }
            if let Ok(parsed) = parse(&with_checksum(content)) {
                prop_assert!(version == 1 && parsed.slots.len() == usize::from(slots) && slots <= 8);
                prop_assert_eq!(parsed.sealed.len() + NONCE + TAG, body as usize);
            }
        }
    }
}
