//! The entries as JSON, the way they are before they are sealed and after they were opened. Values are base64, so
//! that the reader never needs a buffer of its own for one, and every buffer that holds one is zeroed. The types that
//! know JSON are private to this file: nothing else can write a secret down by mistake.

use crate::entry::{Entries, Entry, Held, MAX_ENTRIES, Pending};
use crate::secret::{Credential, Secret};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use carapace_contract::id::SecretName;
use carapace_contract::secret::MAX_SECRET;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::io::{self, Write};
use zeroize::Zeroizing;

/// The entries are none that can be written, or these bytes are none that were.
#[derive(Debug)]
pub(crate) struct NotEntries;

/// The same entries give the same bytes.
pub(crate) fn encode(entries: &Entries) -> Result<Zeroizing<Vec<u8>>, NotEntries> {
    // Counted first: a buffer that grows leaves copies behind that nobody zeroes.
    let mut count = Count(0);
    write(entries, &mut count)?;
    let mut text = Zeroizing::new(Vec::with_capacity(count.0));
    write(entries, &mut *text)?;
    Ok(text)
}

/// Reads what [`encode`] wrote. What the parser would say is dropped: it may quote what it read.
pub(crate) fn decode(text: &[u8]) -> Result<Entries, NotEntries> {
    let mut parser = serde_json::Deserializer::from_slice(text);
    let entries = parser.deserialize_map(Names).map_err(|_| NotEntries)?;
    parser.end().map_err(|_| NotEntries)?;
    Ok(entries)
}

fn write(entries: &Entries, to: impl Write) -> Result<(), NotEntries> {
    serde_json::Serializer::new(to)
        .collect_map(entries.iter().map(|(name, entry)| (name, Out(entry))))
        .map_err(|_| NotEntries)
}

struct Count(usize);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Entries;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("entries by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        let mut entries = Entries::new();
        while let Some((name, In(entry))) = map.next_entry::<SecretName, In>()? {
            if entries.len() == MAX_ENTRIES || entries.insert(name, entry).is_some() {
                return Err(A::Error::custom("too many, or one twice"));
            }
        }
        Ok(entries)
    }
}

struct Out<'a>(&'a Entry);

impl Serialize for Out<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        EntryText::serialize(self.0, serializer)
    }
}

struct In(Entry);

impl<'de> Deserialize<'de> for In {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        EntryText::deserialize(deserializer).map(Self)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Entry", deny_unknown_fields)]
struct EntryText {
    #[serde(with = "HeldText")]
    held: Held,
    #[serde(with = "pending")]
    pending: Option<Pending>,
    ask: bool,
    origins: Vec<String>,
    created: i64,
    rotated: Option<i64>,
    used: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Held", rename_all = "kebab-case")]
enum HeldText {
    Credential(#[serde(with = "CredentialText")] Credential),
    External,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Pending", deny_unknown_fields)]
struct PendingText {
    #[serde(with = "CredentialText")]
    credential: Credential,
    staged: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Credential", rename_all = "kebab-case", deny_unknown_fields)]
enum CredentialText {
    Key(#[serde(with = "value")] Secret),
    Aws {
        #[serde(with = "value")]
        access_key_id: Secret,
        #[serde(with = "value")]
        secret_access_key: Secret,
        #[serde(with = "optional_value")]
        session_token: Option<Secret>,
    },
    Oauth {
        #[serde(with = "value")]
        access_token: Secret,
        #[serde(with = "optional_value")]
        refresh_token: Option<Secret>,
        expires: Option<i64>,
    },
}

mod pending {
    use super::*;

    #[derive(Serialize)]
    #[serde(transparent)]
    struct Given<'a>(#[serde(serialize_with = "by_reference")] &'a Pending);

    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Taken(#[serde(with = "PendingText")] Pending);

    fn by_reference<S: Serializer>(pending: &&Pending, serializer: S) -> Result<S::Ok, S::Error> {
        PendingText::serialize(pending, serializer)
    }

    pub(super) fn serialize<S: Serializer>(
        pending: &Option<Pending>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        pending.as_ref().map(Given).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Pending>, D::Error> {
        Option::<Taken>::deserialize(deserializer).map(|taken| taken.map(|Taken(pending)| pending))
    }
}

mod value {
    use super::*;

    pub(super) fn serialize<S: Serializer>(
        secret: &Secret,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let room = base64::encoded_len(secret.len(), true).unwrap_or_default();
        let mut text = Zeroizing::new(String::with_capacity(room));
        STANDARD.encode_string(secret.expose(), &mut text);
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Secret, D::Error> {
        deserializer.deserialize_str(Base64)
    }

    struct Base64;

    impl Visitor<'_> for Base64 {
        type Value = Secret;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("base64")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
            if text.len() > MAX_SECRET.div_ceil(3) * 4 {
                return Err(E::custom("a value is too long"));
            }
            let mut bytes = Zeroizing::new(vec![0; text.len().div_ceil(4) * 3]);
            let length = STANDARD
                .decode_slice(text, &mut bytes)
                .map_err(|_| E::custom("a value is no base64"))?;
            bytes.truncate(length);
            Ok(Secret::new(std::mem::take(&mut *bytes)))
        }
    }
}

mod optional_value {
    use super::*;

    struct Given<'a>(&'a Secret);

    impl Serialize for Given<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            value::serialize(self.0, serializer)
        }
    }

    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Taken(#[serde(deserialize_with = "value::deserialize")] Secret);

    pub(super) fn serialize<S: Serializer>(
        secret: &Option<Secret>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(Given).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Secret>, D::Error> {
        Option::<Taken>::deserialize(deserializer).map(|taken| taken.map(|Taken(secret)| secret))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secret() -> impl Strategy<Value = Secret> {
        prop::collection::vec(any::<u8>(), 0..70).prop_map(Secret::new)
    }

    fn credential() -> impl Strategy<Value = Credential> {
        prop_oneof![
            secret().prop_map(Credential::Key),
            (secret(), secret(), prop::option::of(secret())).prop_map(
                |(access_key_id, secret_access_key, session_token)| Credential::Aws {
                    access_key_id,
                    secret_access_key,
                    session_token
                }
            ),
            (secret(), prop::option::of(secret()), any::<Option<i64>>()).prop_map(
                |(access_token, refresh_token, expires)| Credential::Oauth {
                    access_token,
                    refresh_token,
                    expires
                }
            ),
        ]
    }

    fn entry() -> impl Strategy<Value = Entry> {
        (
            prop::option::of(credential()),
            prop::option::of((credential(), any::<i64>())),
            any::<bool>(),
            prop::collection::vec(".*", 0..3),
            any::<(i64, Option<i64>, Option<i64>)>(),
        )
            .prop_map(
                |(held, pending, ask, origins, (created, rotated, used))| Entry {
                    held: held.map_or(Held::External, Held::Credential),
                    pending: pending.map(|(credential, staged)| Pending { credential, staged }),
                    ask,
                    origins,
                    created,
                    rotated,
                    used,
                },
            )
    }

    fn entries() -> impl Strategy<Value = Entries> {
        prop::collection::btree_map(
            "[a-z0-9][a-z0-9._-]{0,39}".prop_map(|name| name.parse().unwrap()),
            entry(),
            0..6,
        )
    }

    fn shown(entries: &Entries) -> Vec<String> {
        entries
            .iter()
            .map(|(name, entry)| {
                let values: Vec<_> = entry
                    .credentials()
                    .map(|credential| {
                        let values = credential.values().into_iter();
                        values
                            .map(|value| value.expose().to_vec())
                            .collect::<Vec<_>>()
                    })
                    .collect();
                format!("{name} {entry:?} {values:?}")
            })
            .collect()
    }

    proptest! {
        #[test]
        fn entries_survive_their_text(entries in entries()) {
            let text = encode(&entries).unwrap();
            prop_assert_eq!(text.capacity(), text.len());
            let back = decode(&text).unwrap();
            prop_assert_eq!(shown(&back), shown(&entries));
            prop_assert_eq!(encode(&back).unwrap(), text);
        }

        #[test]
        fn a_changed_text_is_answered(entries in entries(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
            let mut text = encode(&entries).unwrap();
            let at = at.index(text.len());
            if cut {
                text.truncate(at);
                prop_assert!(decode(&text).is_err());
            } else {
                text[at] = byte;
                let _ = decode(&text);
            }
        }

        #[test]
        fn any_text_is_answered(text in "[\\[{\"a-z:, 0-9\\]}]{0,80}") {
            let _ = decode(text.as_bytes());
        }
    }

    #[test]
    fn more_than_the_limits_is_refused() {
        let one = r#":{"held":"external","pending":null,"ask":false,"origins":[],"created":0,"rotated":null,"used":null}"#;
        let many = |count: usize| {
            let all: Vec<_> = (0..count)
                .map(|index| format!("\"n{index}\"{one}"))
                .collect();
            decode(format!("{{{}}}", all.join(",")).as_bytes())
        };
        assert_eq!(many(100).unwrap().len(), 100);
        assert!(many(101).is_err());
        assert!(decode(format!("{{\"a\"{one},\"a\"{one}}}").as_bytes()).is_err());
        let long = |length: usize| {
            let value = STANDARD.encode(vec![b'x'; length]);
            let one = one.replace(
                "\"external\"",
                &format!("{{\"credential\":{{\"key\":\"{value}\"}}}}"),
            );
            decode(format!("{{\"a\"{one}}}").as_bytes())
        };
        assert!(long(MAX_SECRET).is_ok());
        assert!(long(MAX_SECRET + 3).is_err());
    }
}
