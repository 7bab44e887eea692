//! Takes secrets out of whatever goes to a worker, a channel, a log, the audit or an error.
//!
//! First line: **exact values**. A [`Scrubber`] knows every value the vault holds and finds it plain, in
//! other letter case, reversed, rot13, hex, base64 (three alignments, both alphabets), base32, the usual
//! pairs of those, percent-, JSON-, C- and HTML-escaped (up to three layers, in any mixture), with
//! separators between its letters, wrapped over lines, and as UTF-16. Second line: the shapes of keys
//! ([`patterns`]), for values nobody told us.
//!
//! How: every text is looked at in *views*. A view is the text with one more layer of escapes undone. Each
//! view is *squeezed* to its ASCII letters and digits in lower case, so separators, line wraps and case no longer
//! matter; then one word in four bytes is looked up in a bitmap. What the bitmap lets through is compared
//! in full, back in the view, with the value's punctuation in place.
//!
//! Pure: bytes in, bytes out, no I/O. It does not undo compression, encryption or paraphrase, and it
//! is no oracle: a replacement tells a secret's name, nothing of the bytes.

mod follow;
mod index;
mod json;
mod needle;
pub mod patterns;
mod replace;
mod scan;
mod set;
mod stream;
mod view;

use set::Set;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub use stream::Stream;

/// The least bytes of a value that can be scrubbed; a shorter one would be found in ordinary text.
pub const MIN_VALUE: usize = 8;

/// Knows values and finds them. Cheap to clone; never changes.
#[derive(Clone)]
pub struct Scrubber {
    sets: Vec<Arc<Set>>,
}

/// One secret found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The secret's shown name.
    pub name: String,
    /// How it was written.
    pub encoding: Encoding,
    /// Byte offset in what was scanned: in the string for JSON, from the start of the stream for a stream.
    pub at: usize,
    /// JSON pointer (RFC 6901) to the string or, for an object's key, to its member; `None` outside JSON.
    /// Keys in it are as they stand after scrubbing.
    pub path: Option<String>,
    /// A canary: nobody has a reason to write it, so this is an alarm.
    pub canary: bool,
}

/// How a found value was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    /// Byte for byte.
    Plain,
    /// In other letter case.
    Case,
    /// With percent, JSON, C or HTML escapes.
    Escaped,
    /// With separators between its letters, or over several lines, or as UTF-16.
    Separated,
    /// Back to front.
    Reversed,
    /// Letters moved by 13.
    Rot13,
    /// Hexadecimal, in either case.
    Hex,
    /// Base64, standard or url-safe, at any alignment.
    Base64,
    /// Base32, at any alignment, in either case.
    Base32,
    /// Two encodings, or an encoding of another one.
    Twice,
}

impl Scrubber {
    /// From (shown name, value) pairs. A value with lines (a private key) is also known by each of its
    /// longer lines. Values under [`MIN_VALUE`] bytes are left out.
    pub fn new<'a>(
        secrets: impl IntoIterator<Item = (String, &'a [u8])>,
        canaries: impl IntoIterator<Item = (String, &'a [u8])>,
    ) -> Self {
        let usable = secrets
            .into_iter()
            .map(|(name, value)| (name, value, false))
            .chain(
                canaries
                    .into_iter()
                    .map(|(name, value)| (name, value, true)),
            )
            .filter(|(_, value, _)| value.len() >= MIN_VALUE)
            .collect();
        Self {
            sets: vec![Arc::new(Set::new(usable))],
        }
    }

    /// The same, and one value more: something derived (an access token, a signature). It is known for as
    /// long as the result lives. Each adds a pass, so this is for the few values of one request. A value
    /// under [`MIN_VALUE`] bytes is not added.
    pub fn with_transient(&self, name: impl Into<String>, value: &[u8]) -> Self {
        let mut more = self.clone();
        if value.len() >= MIN_VALUE {
            more.sets
                .push(Arc::new(Set::new(vec![(name.into(), value, false)])));
        }
        more
    }

    /// The text without secrets; each is replaced by `[secret NAME]`. Borrowed when there was none.
    pub fn text<'a>(&self, text: &'a str) -> (Cow<'a, str>, Vec<Hit>) {
        let mut regions = scan::whole(&self.sets, text.as_bytes());
        if regions.is_empty() {
            return (Cow::Borrowed(text), Vec::new());
        }
        replace::to_characters(text, &mut regions);
        let (clean, hits) = replace::text(text, &regions, 0);
        (Cow::Owned(clean), hits)
    }

    /// The bytes without secrets, as [`text`](Self::text).
    pub fn bytes<'a>(&self, bytes: &'a [u8]) -> (Cow<'a, [u8]>, Vec<Hit>) {
        let regions = scan::whole(&self.sets, bytes);
        if regions.is_empty() {
            return (Cow::Borrowed(bytes), Vec::new());
        }
        let (clean, hits) = replace::bytes(bytes, &regions);
        (Cow::Owned(clean), hits)
    }

    /// Cleans every string, number and object key of a JSON value, at any depth. Also a secret that was
    /// spread over the elements of one array: that array becomes one string.
    pub fn json(&self, value: &mut serde_json::Value) -> Vec<Hit> {
        json::clean(self, value)
    }

    /// Whether there is a secret in these bytes.
    pub fn contains(&self, bytes: &[u8]) -> bool {
        !scan::whole(&self.sets, bytes).is_empty()
    }

    /// The secrets in these bytes; nothing is replaced.
    pub fn find(&self, bytes: &[u8]) -> Vec<Hit> {
        replace::hits(&scan::whole(&self.sets, bytes), 0)
    }

    /// For text that comes in pieces.
    pub fn stream(&self) -> Stream {
        Stream::new(self.clone())
    }

    /// Bytes of memory held for finding, near enough; for the benchmark.
    pub fn memory(&self) -> usize {
        self.sets.iter().map(|set| set.memory()).sum()
    }
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secrets: usize = self.sets.iter().map(|set| set.secrets()).sum();
        write!(out, "Scrubber({secrets} secrets)")
    }
}
