//! A secret's value: what may be one, and a buffer that is zeroed when it goes.

use crate::failure::Exit;
use std::io::Read;
use zeroize::Zeroizing;

/// The most bytes of one value: what the broker takes.
pub const MAX_VALUE: usize = 64 * 1024;

/// The most bytes that are read of any source: a value and the line ending that is dropped.
pub const MAX_RAW: usize = MAX_VALUE + 2;

/// Bytes as they were read. The buffer is made in full size at once: growing it would leave copies.
pub type Raw = Zeroizing<Vec<u8>>;

/// An empty buffer that takes [`MAX_RAW`] bytes, and one more that shows that there were more.
pub fn room() -> Raw {
    Zeroizing::new(Vec::with_capacity(MAX_RAW + 1))
}

/// Reads to the end of `source`, or one byte further than fits.
///
/// # Errors
/// [`ValueError::TooLarge`], [`ValueError::Read`].
pub fn from_reader(mut source: impl Read) -> Result<Raw, ValueError> {
    let mut raw = room();
    let mut chunk = Zeroizing::new([0_u8; 4096]);
    loop {
        let wanted = chunk.len().min(MAX_RAW + 1 - raw.len());
        match source.read(&mut chunk[..wanted]) {
            Ok(0) => return Ok(raw),
            Ok(read) => raw.extend_from_slice(&chunk[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ValueError::Read(error)),
        }
        if raw.len() > MAX_RAW {
            return Err(ValueError::TooLarge);
        }
    }
}

/// A value: 1 to [`MAX_VALUE`] bytes of UTF-8 without NUL.
pub struct Value(Raw);

impl Value {
    /// All that was read, less one line ending at its end.
    ///
    /// # Errors
    /// [`ValueError`], except `Read`.
    pub fn whole(mut raw: Raw) -> Result<Self, ValueError> {
        if raw.last() == Some(&b'\n') {
            raw.pop();
            if raw.last() == Some(&b'\r') {
                raw.pop();
            }
        }
        Self::check(raw)
    }

    /// The first line of what was read: where `pass` keeps the password, with notes below it.
    ///
    /// # Errors
    /// As [`Value::whole`].
    pub fn first_line(mut raw: Raw) -> Result<Self, ValueError> {
        if let Some(end) = raw.iter().position(|byte| *byte == b'\n') {
            raw.truncate(end + 1);
        }
        Self::whole(raw)
    }

    /// The bytes. Whoever calls this answers for where they go.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn check(raw: Raw) -> Result<Self, ValueError> {
        if raw.is_empty() {
            return Err(ValueError::Empty);
        }
        if raw.len() > MAX_VALUE {
            return Err(ValueError::TooLarge);
        }
        if std::str::from_utf8(&raw).is_err() {
            return Err(ValueError::NotText);
        }
        if raw.contains(&0) {
            return Err(ValueError::Nul);
        }
        Ok(Self(raw))
    }
}

/// Why bytes are no value.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// Nothing there.
    #[error("check the secret: it is empty\n  remedy: store a value there")]
    Empty,
    /// Over [`MAX_VALUE`].
    #[error(
        "check the secret: it is over 64 KiB\n  remedy: store the key alone, not the file it came in"
    )]
    TooLarge,
    /// Not UTF-8.
    #[error(
        "check the secret: it is not UTF-8 text\n  remedy: store it as text, for example in base64"
    )]
    NotText,
    /// A NUL byte.
    #[error(
        "check the secret: it holds a NUL byte\n  remedy: store it as text, for example in base64"
    )]
    Nul,
    /// The source failed while it was read.
    #[error("read the secret: {0}\n  remedy: try again")]
    Read(std::io::Error),
}

impl ValueError {
    /// The status to exit with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Read(_) => Exit::Other,
            _ => Exit::Unfit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn raw(bytes: &[u8]) -> Raw {
        Zeroizing::new(bytes.to_vec())
    }

    #[test]
    fn one_line_ending_is_dropped_and_no_more() {
        for (read, value) in [
            ("key", "key"),
            ("key\n", "key"),
            ("key\r\n", "key"),
            ("key\n\n", "key\n"),
            (" key ", " key "),
            ("key\r", "key\r"),
            ("a\nb\n", "a\nb"),
        ] {
            assert_eq!(
                Value::whole(raw(read.as_bytes())).unwrap().bytes(),
                value.as_bytes()
            );
        }
    }

    #[test]
    fn the_first_line_ends_at_the_first_newline() {
        let value = Value::first_line(raw(b"key\nuser: me\n")).unwrap();
        assert_eq!(value.bytes(), b"key");
        assert!(matches!(
            Value::first_line(raw(b"\nkey")),
            Err(ValueError::Empty)
        ));
    }

    #[test]
    fn the_largest_value_passes_with_its_line_ending_and_one_byte_more_does_not() {
        let mut largest = vec![b'k'; MAX_VALUE];
        largest.extend_from_slice(b"\r\n");
        let read = from_reader(&largest[..]).unwrap();
        assert_eq!(Value::whole(read).unwrap().bytes().len(), MAX_VALUE);
        let read = from_reader(&vec![b'k'; MAX_VALUE + 1][..]).unwrap();
        assert!(matches!(Value::whole(read), Err(ValueError::TooLarge)));
    }

    #[test]
    fn an_endless_source_is_not_read_to_its_end() {
        assert!(matches!(
            from_reader(std::io::repeat(b'k')),
            Err(ValueError::TooLarge)
        ));
    }

    proptest! {
        #[test]
        fn a_value_is_text_that_was_there(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            match Value::whole(raw(&bytes)) {
                Ok(value) => {
                    prop_assert!(bytes.starts_with(value.bytes()));
                    prop_assert!(bytes.len() - value.bytes().len() <= 2);
                    prop_assert!(!value.bytes().is_empty() && !value.bytes().contains(&0));
                    prop_assert!(std::str::from_utf8(value.bytes()).is_ok());
                }
                Err(ValueError::Empty) => prop_assert!(bytes.len() <= 2),
                Err(ValueError::NotText) => prop_assert!(std::str::from_utf8(&bytes).is_err()),
                Err(ValueError::Nul) => prop_assert!(bytes.contains(&0)),
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }
}
