//! Putting names in the place of secrets.

use crate::Hit;
use crate::scan::Region;

/// Widens regions to whole characters.
pub(crate) fn to_characters(text: &str, regions: &mut [Region]) {
    for region in regions {
        while !text.is_char_boundary(region.start) {
            region.start -= 1;
        }
        while !text.is_char_boundary(region.end) {
            region.end += 1;
        }
    }
}

/// The text with names; `base` is where it begins in what the hits count from.
pub(crate) fn text(text: &str, regions: &[Region], base: usize) -> (String, Vec<Hit>) {
    let mut clean = String::with_capacity(text.len());
    let mut done = 0;
    for region in regions {
        clean.push_str(text.get(done..region.start).unwrap_or(""));
        clean.push_str(&tag(region));
        done = done.max(region.end);
    }
    clean.push_str(&text[done..]);
    (clean, hits(regions, base))
}

/// The bytes with names.
pub(crate) fn bytes(bytes: &[u8], regions: &[Region]) -> (Vec<u8>, Vec<Hit>) {
    let mut clean = Vec::with_capacity(bytes.len());
    let mut done = 0;
    for region in regions {
        clean.extend_from_slice(bytes.get(done..region.start).unwrap_or(&[]));
        clean.extend_from_slice(tag(region).as_bytes());
        done = done.max(region.end);
    }
    clean.extend_from_slice(&bytes[done..]);
    (clean, hits(regions, 0))
}

/// What to tell of the regions.
pub(crate) fn hits(regions: &[Region], base: usize) -> Vec<Hit> {
    let hit = |region: &Region| Hit {
        name: region.name.clone(),
        encoding: region.encoding,
        at: base + region.start,
        path: None,
        canary: region.canary,
    };
    regions.iter().map(hit).collect()
}

fn tag(region: &Region) -> String {
    format!("[secret {}]", region.name)
}
