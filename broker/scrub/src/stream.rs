//! Text that comes in pieces: a secret cut in two by a piece's end is found all the same.

use crate::{Hit, Scrubber, replace, scan};
use zeroize::Zeroizing;

/// Cleans text that comes in pieces. Only what may be the beginning of a secret is kept back, so that
/// ordinary text flows; all pieces together come out as [`Scrubber::text`] would have it.
pub struct Stream {
    scrubber: Scrubber,
    kept: Zeroizing<String>,
    /// Bytes of the stream before `kept`.
    passed: usize,
}

impl Stream {
    pub(crate) fn new(scrubber: Scrubber) -> Self {
        Self {
            scrubber,
            kept: Zeroizing::default(),
            passed: 0,
        }
    }

    /// Takes a piece; gives what can be shown by now.
    pub fn push(&mut self, piece: &str) -> (String, Vec<Hit>) {
        self.kept.push_str(piece);
        let (mut regions, mut keep) = scan::open(&self.scrubber.sets, self.kept.as_bytes());
        while !self.kept.is_char_boundary(keep) {
            keep -= 1;
        }
        replace::to_characters(&self.kept, &mut regions);
        let shown = replace::text(&self.kept[..keep], &regions, self.passed);
        let rest = Zeroizing::new(self.kept[keep..].to_owned());
        self.passed += keep;
        self.kept = rest;
        shown
    }

    /// No more pieces: the rest.
    pub fn finish(self) -> (String, Vec<Hit>) {
        let mut regions = scan::whole(&self.scrubber.sets, self.kept.as_bytes());
        replace::to_characters(&self.kept, &mut regions);
        replace::text(&self.kept, &regions, self.passed)
    }
}
