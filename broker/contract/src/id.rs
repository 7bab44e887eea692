//! Identifiers. Each is its own type, so that one cannot stand where another belongs, and each
//! is parsed once, at the edge.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An identifier that is not of its form.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{kind} {found:?} is not valid: expected {expected}")]
pub struct BadId {
    kind: &'static str,
    found: String,
    expected: &'static str,
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // The kernel's generator fails only before it was ever seeded; nothing can run then.
    getrandom::fill(&mut bytes).expect("the kernel's random generator answers");
    bytes
}

fn hex(bytes: &[u8], out: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let raw = text.as_bytes();
    if raw.len() != N * 2 {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = digit(raw[2 * at])? << 4 | digit(raw[2 * at + 1])?;
    }
    Some(bytes)
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $size:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $size]);

        impl $name {
            /// A fresh one from the kernel's random generator.
            pub fn random() -> Self {
                Self(random())
            }

            /// From its raw bytes.
            pub const fn from_bytes(bytes: [u8; $size]) -> Self {
                Self(bytes)
            }

            /// Its raw bytes.
            pub const fn as_bytes(&self) -> &[u8; $size] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                hex(&self.0, out)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                unhex(text).map(Self).ok_or_else(|| BadId {
                    kind: stringify!($name),
                    found: text.chars().take(80).collect(),
                    expected: $expected,
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

hex_id!(
    /// One conversation. Random, 128 bits.
    SessionId, 16, "32 lower-case hexadecimal digits"
);
hex_id!(
    /// One message accepted from a person, and the turn that answers it. Random, 128 bits.
    TurnId, 16, "32 lower-case hexadecimal digits"
);
hex_id!(
    /// One judged effect: a tool call or a model call. `carapace why` takes it. Random, 64 bits.
    EffectId, 8, "16 lower-case hexadecimal digits"
);
hex_id!(
    /// A SHA-256 digest.
    Digest, 32, "64 lower-case hexadecimal digits"
);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }
}

/// One confined process. The generation makes a late message from an earlier incarnation go nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WorkerId {
    /// Counts up over the supervisor's life.
    pub number: u64,
    /// Counts the supervisor's starts of a broker.
    pub generation: u32,
}

impl fmt::Display for WorkerId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "w{}.{}", self.number, self.generation)
    }
}

/// A person or chat with its own sessions, memory and budgets: 1 to 32 of `a-z 0-9 -`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupId(String);

impl GroupId {
    /// The group of the person whose machine this is.
    pub fn owner() -> Self {
        Self("owner".to_owned())
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for GroupId {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        let fits = (1..=32).contains(&text.len())
            && text
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if fits {
            Ok(Self(text))
        } else {
            Err(BadId {
                kind: "group",
                found: text.chars().take(80).collect(),
                expected: "1 to 32 of a-z 0-9 -",
            })
        }
    }
}

impl From<GroupId> for String {
    fn from(group: GroupId) -> String {
        group.0
    }
}

/// A tool's fully qualified name: 1 to 64 of `a-z 0-9 _ .`, starting with a letter. Dots and underscores do not
/// follow each other, and the name still has at most 64 letters when each dot is written as two:
/// vendors know no dot, and the name must come back as it was.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ToolName(String);

impl ToolName {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ToolName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromStr for ToolName {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let dots = text.bytes().filter(|byte| *byte == b'.').count();
        let fits = (1..=64).contains(&(text.len() + dots))
            && !["__", "_.", "._", ".."]
                .iter()
                .any(|pair| text.contains(pair))
            && text.as_bytes()[0].is_ascii_lowercase()
            && text
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.'));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadId {
                kind: "tool name",
                found: text.chars().take(80).collect(),
                expected: "1 to 64 of a-z 0-9 _ . starting with a letter, no two signs in a row",
            })
        }
    }
}

impl TryFrom<String> for ToolName {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        text.parse()
    }
}

impl From<ToolName> for String {
    fn from(name: ToolName) -> String {
        name.0
    }
}

/// What a secret is called: 1 to 40 of `a-z 0-9 - _ .`, starting with a letter or digit. Everybody but the
/// vault and the sender knows a secret by this name only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

impl SecretName {
    /// The most bytes of a name: it fits a frame of the launch link.
    pub const MAX: usize = 40;

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromStr for SecretName {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let fits = (1..=Self::MAX).contains(&text.len())
            && text.as_bytes()[0].is_ascii_alphanumeric()
            && text
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadId {
                kind: "secret name",
                // What was typed in a name's place may be the secret itself.
                found: format!("{} bytes", text.len()),
                expected: "1 to 40 of a-z 0-9 - _ . starting with a letter or digit",
            })
        }
    }
}

impl TryFrom<String> for SecretName {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        text.parse()
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> String {
        name.0
    }
}

/// What a confined process calls one of its requests: 1 to 64 of `A-Z a-z 0-9 _ - .`.
/// It is chosen by the process and means nothing outside its own turn.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallId(String);

impl CallId {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromStr for CallId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let fits = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadId {
                kind: "correlation",
                found: text.chars().take(80).collect(),
                expected: "1 to 64 of A-Z a-z 0-9 _ - .",
            })
        }
    }
}

impl TryFrom<String> for CallId {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        text.parse()
    }
}

impl From<CallId> for String {
    fn from(id: CallId) -> String {
        id.0
    }
}

/// The short code of a question, shown in the broker's frame: 6 characters of an alphabet without look-alikes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Code(String);

const CODE_ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz234567890";

impl Code {
    /// A fresh one: 30 random bits.
    pub fn random() -> Self {
        let bytes: [u8; 6] = random();
        Self(
            bytes
                .iter()
                .map(|byte| char::from(CODE_ALPHABET[usize::from(byte % 32)]))
                .collect(),
        )
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl TryFrom<String> for Code {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        let text = text.trim().to_ascii_lowercase();
        if text.len() == 6 && text.bytes().all(|byte| CODE_ALPHABET.contains(&byte)) {
            Ok(Self(text))
        } else {
            Err(BadId {
                kind: "approval code",
                found: text.chars().take(80).collect(),
                expected: "the 6 characters shown with the question",
            })
        }
    }
}

impl FromStr for Code {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        Self::try_from(text.to_owned())
    }
}

impl From<Code> for String {
    fn from(code: Code) -> String {
        code.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_ids_survive_their_text() {
        let session = SessionId::random();
        assert_eq!(session.to_string().parse::<SessionId>(), Ok(session));
        assert!("00".parse::<SessionId>().is_err());
        assert!("ZZ".repeat(16).parse::<SessionId>().is_err());
    }

    #[test]
    fn names_refuse_what_could_be_mistaken_for_something_else() {
        for bad in [
            "",
            "Exec",
            "exec ",
            "../exec",
            "exec\n",
            "1exec",
            "a__b",
            "a_.b",
            "a..b",
            &"a".repeat(65),
        ] {
            assert!(bad.parse::<ToolName>().is_err(), "{bad:?}");
        }
        for bad in ["", "a b", "a/b", "\u{202e}a", &"a".repeat(65)] {
            assert!(bad.parse::<CallId>().is_err(), "{bad:?}");
        }
        assert!("memory.write".parse::<ToolName>().is_ok());
    }

    #[test]
    fn a_code_is_read_as_a_person_types_it() {
        let code = Code::random();
        assert_eq!(
            format!(" {} ", code.as_str().to_uppercase()).parse::<Code>(),
            Ok(code)
        );
    }
}
