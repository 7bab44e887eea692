//! Which needles may stand where: a bitmap that lets almost nothing through.
//!
//! A needle is at least eight bytes, so wherever it stands, one of the four five-byte grams in its last eight
//! bytes begins at a multiple of four. Only those positions are looked at.

use zeroize::Zeroizing;

const STRIDE: usize = 4;
const GRAM: usize = 5;
/// What a needle needs for one gram to fall on the stride.
pub(crate) const WINDOW: usize = STRIDE + GRAM - 1;
/// Bytes that must stand after the scanned ones.
pub(crate) const PADDING: usize = 8;

pub(crate) struct Index {
    /// One bit per value of the hash's upper bits.
    bitmap: Vec<u64>,
    bitmap_shift: u32,
    /// Where in `entries` the hashes with given upper bits begin.
    buckets: Vec<u32>,
    bucket_shift: u32,
    entries: Zeroizing<Vec<Entry>>,
}

#[derive(Default, Clone, Copy)]
struct Entry {
    hash: u32,
    needle: u32,
    offset: u32,
}

impl zeroize::DefaultIsZeroes for Entry {}

impl Index {
    /// Of needles of at least [`WINDOW`] bytes each.
    pub(crate) fn new<'a>(needles: impl Iterator<Item = (u32, &'a [u8])>) -> Self {
        let mut entries = Vec::new();
        for (needle, text) in needles {
            let window = text.len() - WINDOW;
            for offset in window..window + STRIDE {
                let mut word = [0; 8];
                word[..GRAM].copy_from_slice(&text[offset..offset + GRAM]);
                entries.push(Entry {
                    hash: hash(u64::from_le_bytes(word)),
                    needle,
                    offset: offset as u32,
                });
            }
        }
        // of one needle the earliest beginning first
        entries.sort_unstable_by_key(|entry| (entry.hash, entry.needle, u32::MAX - entry.offset));
        // 64 bits for each gram: one position in 64 passes the bitmap; at most 2^20 bits, half a level-2 cache
        let bits = ((entries.len() * 64).next_power_of_two().ilog2()).clamp(10, 20);
        let bucket_bits = (entries.len().next_power_of_two().ilog2()).clamp(4, 20);
        let (bitmap_shift, bucket_shift) = (32 - bits, 32 - bucket_bits);
        let mut bitmap = vec![0u64; 1 << (bits - 6)];
        let mut buckets = vec![0u32; (1 << bucket_bits) + 1];
        for entry in &entries {
            let bit = (entry.hash >> bitmap_shift) as usize;
            bitmap[bit / 64] |= 1 << (bit % 64);
            buckets[(entry.hash >> bucket_shift) as usize + 1] += 1;
        }
        for bucket in 1..buckets.len() {
            buckets[bucket] += buckets[bucket - 1];
        }
        Self {
            bitmap,
            bitmap_shift,
            buckets,
            bucket_shift,
            entries: Zeroizing::new(entries),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Calls `candidate(needle, where it would begin)` in the order of the bytes. `padded` ends with
    /// [`PADDING`] bytes that do not count.
    pub(crate) fn scan(&self, padded: &[u8], mut candidate: impl FnMut(u32, usize)) {
        if self.is_empty() {
            return;
        }
        let length = padded.len() - PADDING;
        let mask = self.bitmap.len() - 1;
        let mut check = |at: usize, word: u64| {
            let hash = hash(word);
            let bit = (hash >> self.bitmap_shift) as usize;
            if self.bitmap[(bit / 64) & mask] >> (bit % 64) & 1 == 1 {
                self.candidates(hash, at, &mut candidate);
            }
        };
        let mut at = 0;
        // Two grams from each pair of neighbouring words.
        let (words, _) = padded.as_chunks::<4>();
        for pair in words.windows(2) {
            if at + GRAM > length {
                break;
            }
            let low = u32::from_le_bytes(pair[0]);
            let word = u64::from(low) | u64::from(pair[1][0]) << 32;
            check(at, word);
            at += STRIDE;
        }
    }

    #[cold]
    fn candidates(&self, hash: u32, at: usize, candidate: &mut impl FnMut(u32, usize)) {
        let bucket = (hash >> self.bucket_shift) as usize;
        let range = self.buckets[bucket] as usize..self.buckets[bucket + 1] as usize;
        for entry in &self.entries[range] {
            if entry.hash == hash
                && let Some(start) = at.checked_sub(entry.offset as usize)
            {
                candidate(entry.needle, start);
            }
        }
    }

    pub(crate) fn memory(&self) -> usize {
        self.bitmap.len() * 8 + self.buckets.len() * 4 + self.entries.len() * size_of::<Entry>()
    }
}

/// Multiplicative hashing: the upper half of the product depends on every bit of the gram.
fn hash(gram: u64) -> u32 {
    (gram.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}
