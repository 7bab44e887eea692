//! Values made ready: their needles, the indexes over them, and their beginnings for streams.

use crate::index::Index;
use crate::needle::{self, Compare, Needle};
use std::collections::HashSet;

pub(crate) struct Set {
    secrets: Vec<(String, bool)>,
    pub needles: Vec<Needle>,
    /// Over squeezed views.
    pub squeezed: Index,
    /// Over views as they are: needles with too few letters and digits.
    pub exact: Index,
    /// Needles that begin with a letter or digit, in the order of their cores.
    by_core: Vec<u32>,
    /// The other needles, whose beginning is seen only in the view itself.
    pub led: Vec<u32>,
    /// The longest core.
    pub longest: usize,
}

impl Set {
    /// Of (name, value of at least eight bytes, canary).
    pub(crate) fn new(values: Vec<(String, &[u8], bool)>) -> Self {
        let mut needles = Vec::new();
        let mut secrets = Vec::new();
        let mut known = HashSet::new();
        for (name, value, canary) in values {
            if known.insert(value) {
                needle::of_value(secrets.len() as u32, value, &mut needles);
                secrets.push((name, canary));
            }
        }
        let mut written = HashSet::new();
        let first: Vec<bool> = needles
            .iter()
            .map(|needle: &Needle| written.insert((needle.compare, needle.text.as_slice())))
            .collect();
        let mut first = first.into_iter();
        needles.retain(|_| first.next().unwrap_or(true));
        let numbered = || (0u32..).zip(&needles);
        let cores = |exact: bool| {
            numbered()
                .filter(move |(_, needle)| (needle.compare == Compare::Exact) == exact)
                .map(|(number, needle)| (number, needle.core.as_slice()))
        };
        let (squeezed, exact) = (Index::new(cores(false)), Index::new(cores(true)));
        let (led, mut by_core): (Vec<u32>, Vec<u32>) =
            (0..needles.len() as u32).partition(|&number| {
                let needle = &needles[number as usize];
                needle.compare == Compare::Exact || needle.lead > 0
            });
        by_core.sort_by(|&a, &b| needles[a as usize].core.cmp(&needles[b as usize].core));
        let longest = needles.iter().map(|needle| needle.core.len()).max();
        Self {
            secrets,
            squeezed,
            exact,
            by_core,
            led,
            longest: longest.unwrap_or(0),
            needles,
        }
    }

    /// Name of a secret, and whether it is a canary.
    pub(crate) fn secret(&self, number: u32) -> (&str, bool) {
        let (name, canary) = &self.secrets[number as usize];
        (name, *canary)
    }

    /// The needles whose core begins with these squeezed bytes, where the core can be known alone.
    pub(crate) fn beginning_with(&self, squeezed: &[u8]) -> impl Iterator<Item = &Needle> {
        let core = |number: &u32| self.needles[*number as usize].core.as_slice();
        let from = self
            .by_core
            .partition_point(|number| core(number) < squeezed);
        self.by_core[from..]
            .iter()
            .map(|&number| &self.needles[number as usize])
            .take_while(move |needle| needle.core.starts_with(squeezed))
    }

    pub(crate) fn secrets(&self) -> usize {
        self.secrets.len()
    }

    pub(crate) fn memory(&self) -> usize {
        let texts: usize = self
            .needles
            .iter()
            .map(|needle| needle.text.capacity() + needle.core.capacity() + size_of::<Needle>())
            .sum();
        texts
            + self.squeezed.memory()
            + self.exact.memory()
            + (self.by_core.len() + self.led.len()) * 4
    }
}
