//! The ways to the data key. Each slot holds the one data key, sealed with another key: derived from a passphrase,
//! or 32 random bytes that a key file or the session's keyring keeps. A slot is [`SLOT`] bytes:
//!
//! ```text
//! kind u8 · zero u8 ×3 · memory u32 · passes u32 · lanes u32 · salt 16 · nonce 12 · sealed data key 32 · tag 16
//! ```
//!
//! Numbers are little-endian; what describes a passphrase is zero in the other kinds. Everything before the nonce,
//! after the file's magic and version, is bound to the sealed key, so that no parameter can be lowered.

use crate::cipher::{self, KEY, KeyBytes, NONCE, TAG};
use crate::error::VaultError;
use crate::secret::Secret;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a slot in the file.
pub(crate) const SLOT: usize = DESCRIPTION + NONCE + KEY + TAG;
/// The most slots.
pub(crate) const MAX_SLOTS: usize = 8;
/// The least bytes of a passphrase.
pub const MIN_PASSPHRASE: usize = 8;

const SALT: usize = 16;
const DESCRIPTION: usize = 16 + SALT;

/// New slots: the second recommended option of RFC 9106, section 4 (64 MiB, 3 passes), with one lane because the
/// broker has one thread.
const COST: Cost = Cost {
    memory: 64 * 1024,
    passes: 3,
    lanes: 1,
};
/// What a file may ask for at most, so that a foreign file cannot take the memory or the day.
const MAX_COST: Cost = Cost {
    memory: 256 * 1024,
    passes: 16,
    lanes: 4,
};

/// How a slot's key is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum SlotKind {
    /// In a person's head.
    Passphrase = 1,
    /// In a file outside the state folder.
    KeyFile = 2,
    /// In the keyring of the desktop session.
    Keyring = 3,
}

impl SlotKind {
    /// `passphrase`, `key-file`, `keyring`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passphrase => "passphrase",
            Self::KeyFile => "key-file",
            Self::Keyring => "keyring",
        }
    }
}

impl fmt::Display for SlotKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// What opens a slot.
pub enum Key {
    /// At least [`MIN_PASSPHRASE`] bytes for a new slot.
    Passphrase(Secret),
    /// 32 random bytes.
    Raw {
        /// Who keeps them: [`SlotKind::KeyFile`] or [`SlotKind::Keyring`].
        kind: SlotKind,
        /// They.
        key: Zeroizing<[u8; 32]>,
    },
}

impl Key {
    pub(crate) fn kind(&self) -> SlotKind {
        match self {
            Self::Passphrase(_) => SlotKind::Passphrase,
            Self::Raw { kind, .. } => *kind,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Key({})", self.kind())
    }
}

/// What Argon2id is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    /// KiB.
    memory: u32,
    passes: u32,
    lanes: u32,
}

/// One slot as it stands in the file.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) kind: SlotKind,
    cost: Option<Cost>,
    salt: [u8; SALT],
    nonce: [u8; NONCE],
    sealed: [u8; KEY],
    tag: [u8; TAG],
}

impl Slot {
    /// Seals the data key with `key`. `prefix` is the file's magic and version. Also gives the key that it was
    /// sealed with, so that it can be opened again without deriving it a second time.
    pub(crate) fn seal(
        prefix: &[u8],
        key: &Key,
        data_key: &KeyBytes,
    ) -> Result<(Self, KeyBytes), VaultError> {
        if let Key::Passphrase(passphrase) = key
            && passphrase.len() < MIN_PASSPHRASE
        {
            return Err(VaultError::WeakPassphrase {
                least: MIN_PASSPHRASE,
            });
        }
        let derived = matches!(key, Key::Passphrase(_));
        let mut slot = Self {
            kind: key.kind(),
            cost: derived.then_some(COST),
            salt: if derived {
                *cipher::random()?
            } else {
                [0; SALT]
            },
            nonce: *cipher::random()?,
            sealed: [0; KEY],
            tag: [0; TAG],
        };
        let outer = slot.outer(key)?;
        let mut inner = data_key.clone();
        slot.tag = cipher::seal(&outer, &slot.nonce, &slot.bound(prefix), &mut inner[..])
            .map_err(|_| VaultError::NotKept)?;
        slot.sealed = *inner;
        Ok((slot, outer))
    }

    /// The key that this slot's data key is sealed with.
    ///
    /// # Errors
    /// [`VaultError::NotRaw`], [`VaultError::Derive`].
    pub(crate) fn outer(&self, key: &Key) -> Result<KeyBytes, VaultError> {
        match (key, self.cost) {
            (Key::Passphrase(passphrase), Some(cost)) => {
                derive(passphrase, &self.salt, cost).map_err(|cause| VaultError::Derive { cause })
            }
            (Key::Raw { kind, key }, None) if *kind != SlotKind::Passphrase => Ok(key.clone()),
            _ => Err(VaultError::NotRaw),
        }
    }

    /// The data key; `None` where `outer` is not its key.
    pub(crate) fn open(&self, prefix: &[u8], outer: &KeyBytes) -> Option<KeyBytes> {
        let mut inner = Zeroizing::new(self.sealed);
        cipher::open(
            outer,
            &self.nonce,
            &self.bound(prefix),
            &mut inner[..],
            &self.tag,
        )
        .ok()
        .map(|()| inner)
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.description());
        out.extend(self.nonce);
        out.extend(self.sealed);
        out.extend(self.tag);
    }

    /// Reads what [`Slot::write`] wrote; the words say what does not fit.
    pub(crate) fn read(bytes: &[u8; SLOT]) -> Result<Self, &'static str> {
        let mut rest = &bytes[..];
        let [kind, zero @ ..] = take::<4>(&mut rest);
        let [memory, passes, lanes] = std::array::from_fn(|_| u32::from_le_bytes(take(&mut rest)));
        let salt = take(&mut rest);
        let cost = Cost {
            memory,
            passes,
            lanes,
        };
        if zero != [0; 3] {
            return Err("a slot has bytes where none belong");
        }
        let kind = match kind {
            1 => SlotKind::Passphrase,
            2 => SlotKind::KeyFile,
            3 => SlotKind::Keyring,
            _ => return Err("a slot is of an unknown kind"),
        };
        let cost = if kind == SlotKind::Passphrase {
            let fits = (8u32.saturating_mul(lanes.max(1))..=MAX_COST.memory).contains(&memory)
                && (1..=MAX_COST.passes).contains(&passes)
                && (1..=MAX_COST.lanes).contains(&lanes);
            if !fits {
                return Err("a slot asks for more work or memory than any vault does");
            }
            Some(cost)
        } else if (memory, passes, lanes) == (0, 0, 0) && salt == [0; SALT] {
            None
        } else {
            return Err("a slot has bytes where none belong");
        };
        Ok(Self {
            kind,
            cost,
            salt,
            nonce: take(&mut rest),
            sealed: take(&mut rest),
            tag: take(&mut rest),
        })
    }

    fn description(&self) -> [u8; DESCRIPTION] {
        let mut out = [0; DESCRIPTION];
        out[0] = self.kind as u8;
        if let Some(cost) = self.cost {
            out[4..8].copy_from_slice(&cost.memory.to_le_bytes());
            out[8..12].copy_from_slice(&cost.passes.to_le_bytes());
            out[12..16].copy_from_slice(&cost.lanes.to_le_bytes());
        }
        out[16..].copy_from_slice(&self.salt);
        out
    }

    fn bound(&self, prefix: &[u8]) -> Vec<u8> {
        [prefix, &self.description()].concat()
    }
}

/// The next `N` bytes of a slot. Its fields add up to [`SLOT`], so they are there.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (field, after) = rest
        .split_first_chunk()
        .expect("the fields of a slot add up to its size");
    *rest = after;
    *field
}

/// Argon2id, version 1.3 (RFC 9106). The memory it filled is zeroed.
fn derive(passphrase: &Secret, salt: &[u8], cost: Cost) -> Result<KeyBytes, argon2::Error> {
    let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(KEY))?;
    let count = params.block_count();
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut key = Zeroizing::new([0; KEY]);
    let mut memory = vec![Block::new(); count];
    let result = argon.hash_password_into_with_memory(
        passphrase.expose(),
        salt,
        &mut key[..],
        memory.as_mut_slice(),
    );
    memory.iter_mut().for_each(Zeroize::zeroize);
    result.map(|()| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &[u8] = b"prefix";

    #[test]
    fn argon2id_gives_what_rfc_9106_says() {
        // Section 5.3.
        let params = argon2::ParamsBuilder::new()
            .m_cost(32)
            .t_cost(3)
            .p_cost(4)
            .data(argon2::AssociatedData::new(&[4; 12]).unwrap())
            .output_len(32)
            .build()
            .unwrap();
        let argon =
            Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).unwrap();
        let mut tag = [0; 32];
        argon
            .hash_password_into(&[1; 32], &[2; 16], &mut tag)
            .unwrap();
        let expected: [u8; 32] = [
            0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b,
            0x53, 0xc9, 0xd0, 0x1e, 0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9,
            0x6b, 0x01, 0xe6, 0x59,
        ];
        assert_eq!(tag, expected);
    }

    #[test]
    fn own_memory_gives_the_same_key_as_the_librarys() {
        let cost = Cost {
            memory: 64,
            passes: 2,
            lanes: 1,
        };
        let params = Params::new(64, 2, 1, Some(KEY)).unwrap();
        let mut expected = [0; KEY];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(b"correct horse", &[7; 16], &mut expected)
            .unwrap();
        let key = derive(&Secret::from("correct horse"), &[7; 16], cost).unwrap();
        assert_eq!(*key, expected);
    }

    #[test]
    fn a_lowered_cost_does_not_open_the_slot() {
        let passphrase = Key::Passphrase(Secret::from("correct horse"));
        let data_key = cipher::random().unwrap();
        let (mut slot, outer) = Slot::seal(PREFIX, &passphrase, &data_key).unwrap();
        assert_eq!(slot.cost, Some(COST));
        assert_eq!(slot.open(PREFIX, &outer), Some(data_key));
        assert_eq!(slot.open(b"another", &outer), None);
        slot.cost = Some(Cost { passes: 1, ..COST });
        assert_eq!(slot.open(PREFIX, &outer), None);
    }

    #[test]
    fn a_slot_that_asks_for_too_much_is_refused_before_any_work() {
        let raw = Key::Raw {
            kind: SlotKind::KeyFile,
            key: Zeroizing::new([1; 32]),
        };
        let (mut slot, _) = Slot::seal(PREFIX, &raw, &cipher::random().unwrap()).unwrap();
        slot.kind = SlotKind::Passphrase;
        for (cost, fits) in [
            (COST, true),
            (MAX_COST, true),
            (
                Cost {
                    memory: MAX_COST.memory + 1,
                    ..COST
                },
                false,
            ),
            (
                Cost {
                    memory: u32::MAX,
                    ..COST
                },
                false,
            ),
            (Cost { memory: 7, ..COST }, false),
            (Cost { passes: 17, ..COST }, false),
            (Cost { passes: 0, ..COST }, false),
            (Cost { lanes: 0, ..COST }, false),
            (
                Cost {
                    lanes: u32::MAX,
                    ..COST
                },
                false,
            ),
        ] {
            slot.cost = Some(cost);
            let mut bytes = Vec::new();
            slot.write(&mut bytes);
            let read = Slot::read(&bytes.try_into().unwrap());
            assert_eq!(read.is_ok(), fits, "{cost:?}");
        }
    }

    #[test]
    fn a_passphrase_of_seven_bytes_makes_no_slot() {
        let key = Key::Passphrase(Secret::from("1234567"));
        let made = Slot::seal(PREFIX, &key, &cipher::random().unwrap());
        assert!(matches!(
            made.err(),
            Some(VaultError::WeakPassphrase { least: 8 })
        ));
    }
}
