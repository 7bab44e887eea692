//! Finding the needles of all sets in all views of a text.

use crate::follow::{Followed, MAX_GAP, follow};
use crate::needle::{Compare, Needle};
use crate::set::Set;
use crate::view::{self, View};
use crate::{Encoding, index};
use std::collections::HashMap;
use std::sync::Arc;

/// Where a secret stands in the text.
#[derive(Clone)]
pub(crate) struct Region {
    pub start: usize,
    pub end: usize,
    pub name: String,
    pub canary: bool,
    pub encoding: Encoding,
}

/// The secrets in a text that is all there is: in order, none inside another; they may overlap.
pub(crate) fn whole(sets: &[Arc<Set>], text: &[u8]) -> Vec<Region> {
    regions(sets, &view::views(text, false))
}

/// The secrets in a text of which more may come, and from where on it must be kept back because a
/// secret may have begun there. No region reaches past that point.
pub(crate) fn open(sets: &[Arc<Set>], text: &[u8]) -> (Vec<Region>, usize) {
    let views = view::views(text, true);
    let mut regions = regions(sets, &views);
    let mut keep = text.len();
    for (level, view) in views.iter().enumerate() {
        if let Some(at) = view.cut_escape {
            keep = keep.min(view::in_text(&views, level - 1, at, false));
        }
        for set in sets {
            if let Some(at) = begun(set, view) {
                keep = keep.min(view::in_text(&views, level, at, false));
            }
        }
    }
    loop {
        let mut earlier = view::between_escapes(&views, keep);
        for region in regions.iter().rev() {
            if region.start < earlier && region.end > earlier {
                earlier = region.start;
            }
        }
        if earlier == keep {
            break;
        }
        keep = earlier;
    }
    regions.retain(|region| region.end <= keep);
    (regions, keep)
}

fn regions(sets: &[Arc<Set>], views: &[View<'_>]) -> Vec<Region> {
    let mut found: Vec<Region> = Vec::new();
    for (level, view) in views.iter().enumerate() {
        for set in sets {
            in_view(set, view, |needle, start, end, junk| {
                let exact = view.bytes[start..end] == **needle.text;
                let (name, canary) = set.secret(needle.secret);
                let length = end - start;
                let start = view::in_text(views, level, start, false);
                let end = view::in_text(views, level, end, true);
                found.push(Region {
                    start,
                    end,
                    name: name.to_owned(),
                    canary,
                    encoding: match needle.encoding {
                        Encoding::Plain if end - start != length => Encoding::Escaped,
                        Encoding::Plain if junk > 0 => Encoding::Separated,
                        Encoding::Plain if !exact => Encoding::Case,
                        encoding => encoding,
                    },
                });
            });
        }
    }
    // Leftmost, then longest, then the simplest encoding; what lies inside another is dropped.
    found.sort_by(|a, b| {
        (a.start, b.end, a.encoding, &a.name).cmp(&(b.start, a.end, b.encoding, &b.name))
    });
    let mut end = 0;
    found.retain(|region| {
        let outside = region.end > end;
        end = end.max(region.end);
        outside
    });
    found
}

/// Calls `hit(needle, start, end, separators)` for what stands whole in the view.
fn in_view(set: &Set, view: &View<'_>, mut hit: impl FnMut(&Needle, usize, usize, usize)) {
    let squeezed = view.squeezed();
    // Each needle's last end: a value made of one letter would else be compared at every place.
    let mut last: HashMap<u32, usize> = HashMap::new();
    set.squeezed.scan(view.padded(), |number, start| {
        if last.get(&number).is_some_and(|&end| start < end) {
            return;
        }
        let needle = &set.needles[number as usize];
        let core = &needle.core;
        if squeezed.get(start..start + core.len()) != Some(core.as_slice()) {
            return;
        }
        if let Some((from, end, junk)) = stands(needle, &view.bytes, view.position(start)) {
            last.insert(number, start + core.len());
            hit(needle, from, end, junk);
        }
    });
    if set.exact.is_empty() {
        return;
    }
    let mut padded = view.bytes.to_vec();
    padded.resize(padded.len() + index::PADDING, 0);
    let mut last: HashMap<u32, usize> = HashMap::new();
    set.exact.scan(&padded, |number, start| {
        if last.get(&number).is_some_and(|&end| start < end) {
            return;
        }
        let needle = &set.needles[number as usize];
        let end = start + needle.text.len();
        if view.bytes.get(start..end) == Some(needle.text.as_slice()) {
            last.insert(number, end);
            hit(needle, start, end, 0);
        }
    });
}

/// Whether the needle stands where its first letter or digit is at `at`: start, end, separators.
fn stands(needle: &Needle, bytes: &[u8], at: usize) -> Option<(usize, usize, usize)> {
    let (lead, rest) = needle.text.split_at(needle.lead);
    let same = |byte, wanted| needle.same(byte, wanted);
    let forward = bytes[at..].iter().copied();
    let Followed::Whole { length, junk } = follow(forward, rest.iter().copied(), MAX_GAP, same)
    else {
        return None;
    };
    let backward = bytes[..at].iter().rev().copied();
    let lead = lead.iter().rev().copied();
    match follow(backward, lead, MAX_GAP, same) {
        Followed::Whole {
            length: before,
            junk: more,
        } => Some((at - before, at + length, junk + more)),
        _ => None,
    }
}

/// The earliest place of the view from which to its end everything fits the beginning of a needle.
fn begun(set: &Set, view: &View<'_>) -> Option<usize> {
    let squeezed = view.squeezed();
    let fits = |needle: &Needle, at: usize| {
        let gap = match needle.compare {
            Compare::Exact => 0,
            _ => MAX_GAP,
        };
        let bytes = view.bytes[at..].iter().copied();
        let text = needle.text.iter().copied();
        needle.same(view.bytes[at], needle.text[0])
            && follow(bytes, text, gap, |a, b| needle.same(a, b)) == Followed::Partly
    };
    let by_core = (squeezed.len().saturating_sub(set.longest)..squeezed.len()).find_map(|start| {
        let mut needles = set.beginning_with(&squeezed[start..]).peekable();
        needles.peek()?;
        let at = view.position(start);
        needles.any(|needle| fits(needle, at)).then_some(at)
    });
    let led = set.led.iter().filter_map(|&number| {
        let needle = &set.needles[number as usize];
        let reach = needle.text.len() * (MAX_GAP + 1);
        (view.bytes.len().saturating_sub(reach)..view.bytes.len()).find(|&at| fits(needle, at))
    });
    by_core.into_iter().chain(led).min()
}
