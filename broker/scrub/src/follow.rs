//! Comparing a needle with bytes that may have separators in between.

/// The most bytes of separator between two bytes of a value: a line end and a deep indentation.
pub(crate) const MAX_GAP: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Followed {
    /// Something else stands here.
    No,
    /// The bytes ended first, and so far all fits.
    Partly,
    /// The whole needle, in `length` bytes, of which `junk` are not the needle's.
    Whole { length: usize, junk: usize },
}

/// Follows `needle` through `bytes`. Between two bytes of the needle up to `gap` bytes may stand
/// that are neither letter nor digit.
pub(crate) fn follow(
    bytes: impl Iterator<Item = u8>,
    mut needle: impl Iterator<Item = u8>,
    gap: usize,
    same: impl Fn(u8, u8) -> bool,
) -> Followed {
    let Some(mut wanted) = needle.next() else {
        return Followed::Whole { length: 0, junk: 0 };
    };
    let (mut length, mut junk, mut run) = (0, 0, 0);
    for byte in bytes {
        length += 1;
        if same(byte, wanted) {
            run = 0;
            match needle.next() {
                Some(next) => wanted = next,
                None => return Followed::Whole { length, junk },
            }
        } else if byte.is_ascii_alphanumeric() || run == gap {
            return Followed::No;
        } else {
            run += 1;
            junk += 1;
        }
    }
    Followed::Partly
}
