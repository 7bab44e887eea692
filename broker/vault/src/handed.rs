//! What a person hands over the control socket, as the vault takes it. The text it came in is zeroed by its own type.

use crate::entry::Held;
use crate::error::VaultError;
use crate::secret::{Credential, Secret};
use crate::slot::{Key, SlotKind};
use carapace_contract::secret::{NewSecret, Protect, SecretText};
use zeroize::Zeroizing;

impl From<&NewSecret> for Held {
    fn from(new: &NewSecret) -> Self {
        Self::Credential(match new {
            NewSecret::Key { value } => Credential::Key(secret(value)),
            NewSecret::Aws {
                access_key_id,
                secret_access_key,
                session_token,
            } => Credential::Aws {
                access_key_id: secret(access_key_id),
                secret_access_key: secret(secret_access_key),
                session_token: session_token.as_ref().map(secret),
            },
            NewSecret::Oauth {
                access_token,
                refresh_token,
                expires,
            } => Credential::Oauth {
                access_token: secret(access_token),
                refresh_token: refresh_token.as_ref().map(secret),
                expires: *expires,
            },
            NewSecret::External {} => return Self::External,
        })
    }
}

impl TryFrom<&Protect> for Key {
    type Error = VaultError;

    /// # Errors
    /// [`VaultError::BadKey`].
    fn try_from(with: &Protect) -> Result<Self, VaultError> {
        let raw = |kind, text: &SecretText| {
            let key = raw_key(text.reveal().as_bytes()).ok_or(VaultError::BadKey { kind })?;
            Ok(Self::Raw { kind, key })
        };
        match with {
            Protect::Passphrase { passphrase } => Ok(Self::Passphrase(secret(passphrase))),
            Protect::KeyFile { key } => raw(SlotKind::KeyFile, key),
            Protect::Keyring { key } => raw(SlotKind::Keyring, key),
        }
    }
}

fn secret(text: &SecretText) -> Secret {
    Secret::from(text.reveal())
}

/// A raw key, as a key file and a keyring hold it: 64 hexadecimal digits; `None` for anything else.
pub fn raw_key(text: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != key.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(pairs) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? << 4 | low?).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_64_digits_is_read_and_nothing_else() {
        let read = |text: &str| {
            let key = SecretText::new(text.to_owned());
            Key::try_from(&Protect::KeyFile { key })
        };
        let text = "00ff7F".to_owned() + &"a5".repeat(29);
        let Ok(Key::Raw {
            kind: SlotKind::KeyFile,
            key,
        }) = read(&text)
        else {
            panic!("it was not read");
        };
        assert_eq!((&key[..4], key[31]), (&[0, 0xff, 0x7f, 0xa5][..], 0xa5));
        for bad in [
            "",
            &text[1..],
            &text[2..],
            &(text.clone() + "00"),
            &text.replace("ff", "+f"),
            &text.replace("ff", "\u{e9}"),
            &text.replace("ff", " f"),
        ] {
            let error = read(bad).unwrap_err();
            assert!(matches!(error, VaultError::BadKey { .. }), "{bad}");
            assert!(!error.to_string().contains("a5a5"));
        }
    }

    #[test]
    fn each_kind_of_secret_arrives_whole() {
        let text = |text: &str| SecretText::new(text.to_owned());
        let held = Held::from(&NewSecret::Aws {
            access_key_id: text("id"),
            secret_access_key: text("secret"),
            session_token: Some(text("token")),
        });
        let Held::Credential(credential) = held else {
            panic!("it is here");
        };
        let values: Vec<_> = credential.values().iter().map(|v| v.expose()).collect();
        assert_eq!(values, [&b"id"[..], b"secret", b"token"]);
        assert!(matches!(
            Held::from(&NewSecret::External {}),
            Held::External
        ));
    }
}
