//! A text as it is and with its escapes undone, each squeezed.

use crate::index::PADDING;
use std::borrow::Cow;

/// How many layers of escapes are undone.
const LAYERS: usize = 3;
/// Squeezed positions are marked each so many bytes of the view.
const BLOCK: usize = 256;
/// The most digits of a numeric escape of variable length.
const MAX_DIGITS: usize = 8;

pub(crate) struct View<'a> {
    pub bytes: Cow<'a, [u8]>,
    /// Where the bytes come from in the view before; empty for the text itself.
    pieces: Vec<Piece>,
    /// How many bytes the view before has.
    before: usize,
    /// Letters and digits in lower case, then padding.
    squeezed: Vec<u8>,
    /// Squeezed bytes before each block.
    marks: Vec<usize>,
    /// Where in the view before an escape begins that the end of the text cuts.
    pub cut_escape: Option<usize>,
}

/// From `from` on, the bytes come from `source` on: one by one, or all of the piece from one escape.
struct Piece {
    from: usize,
    source: usize,
    escape: bool,
}

/// The text and the views under it. With `open`, more text may follow: an escape that the end
/// cuts is then not read as plain characters but told in `cut_escape`.
pub(crate) fn views(text: &[u8], open: bool) -> Vec<View<'_>> {
    let (first, mut escapes) = View::new(Cow::Borrowed(text), Vec::new(), 0, None);
    let mut views = vec![first];
    while escapes && views.len() <= LAYERS {
        let above = &views[views.len() - 1].bytes;
        let before = above.len();
        let undone = undo(above, open);
        if undone.pieces.is_empty() && undone.cut.is_none() {
            break;
        }
        let (view, more) = View::new(Cow::Owned(undone.bytes), undone.pieces, before, undone.cut);
        escapes = more;
        views.push(view);
    }
    views
}

/// A position in a lower view as a position in the text: of a beginning, or of an end.
pub(crate) fn in_text(views: &[View<'_>], level: usize, at: usize, end: bool) -> usize {
    (1..=level).rev().fold(at, |at, level| {
        if end {
            views[level].end_before(at)
        } else {
            views[level].start_before(at)
        }
    })
}

/// The last position at or before `at` where in no view an escape is cut in two.
pub(crate) fn between_escapes(views: &[View<'_>], at: usize) -> usize {
    let deepest = views[1..].iter().fold(at, |at, view| view.inside(at));
    in_text(views, views.len() - 1, deepest, false)
}

/// Letters and digits in lower case.
pub(crate) fn squeezed(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .map(u8::to_ascii_lowercase)
        .collect()
}

impl<'a> View<'a> {
    /// The view, and whether it may have escapes.
    fn new(
        bytes: Cow<'a, [u8]>,
        pieces: Vec<Piece>,
        before: usize,
        cut_escape: Option<usize>,
    ) -> (Self, bool) {
        let mut squeezed = vec![0; bytes.len() + PADDING];
        let mut marks = Vec::with_capacity(bytes.len() / BLOCK + 1);
        let (mut length, mut seen) = (0, 0);
        for block in bytes.chunks(BLOCK) {
            marks.push(length);
            for &byte in block {
                let class = CLASSES[usize::from(byte)];
                squeezed[length] = class as u8;
                length += usize::from(class >> 8 & 1);
                seen |= class;
            }
        }
        squeezed.truncate(length + PADDING);
        squeezed[length..].fill(0);
        let view = Self {
            bytes,
            pieces,
            before,
            squeezed,
            marks,
            cut_escape,
        };
        (view, seen & ESCAPE != 0)
    }

    /// The squeezed bytes.
    pub(crate) fn squeezed(&self) -> &[u8] {
        &self.squeezed[..self.squeezed.len() - PADDING]
    }

    /// The squeezed bytes with the padding that an index wants.
    pub(crate) fn padded(&self) -> &[u8] {
        &self.squeezed
    }

    /// Where the squeezed byte stands in the view.
    pub(crate) fn position(&self, squeezed: usize) -> usize {
        let block = self.marks.partition_point(|&mark| mark <= squeezed) - 1;
        let from = block * BLOCK;
        let mut left = squeezed - self.marks[block];
        for (at, byte) in self.bytes[from..].iter().enumerate() {
            if byte.is_ascii_alphanumeric() {
                if left == 0 {
                    return from + at;
                }
                left -= 1;
            }
        }
        self.bytes.len()
    }

    fn start_before(&self, at: usize) -> usize {
        match self.pieces.partition_point(|piece| piece.from <= at) {
            0 => at,
            next => {
                let piece = &self.pieces[next - 1];
                piece.source + if piece.escape { 0 } else { at - piece.from }
            }
        }
    }

    fn end_before(&self, at: usize) -> usize {
        match self.pieces.partition_point(|piece| piece.from < at) {
            0 => at,
            next => {
                let piece = &self.pieces[next - 1];
                if piece.escape {
                    self.pieces
                        .get(next)
                        .map_or(self.before, |piece| piece.source)
                } else {
                    piece.source + (at - piece.from)
                }
            }
        }
    }

    /// A position of the view before as one of this view; inside an escape it is the escape's.
    fn inside(&self, at: usize) -> usize {
        match self.pieces.partition_point(|piece| piece.source <= at) {
            0 => at.min(self.bytes.len()),
            next => {
                let piece = &self.pieces[next - 1];
                let at = piece.from + if piece.escape { 0 } else { at - piece.source };
                at.min(self.bytes.len())
            }
        }
    }
}

/// What undoing one layer gave.
struct Undone {
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    cut: Option<usize>,
}

fn undo(bytes: &[u8], open: bool) -> Undone {
    let mut undone = Undone {
        bytes: Vec::with_capacity(bytes.len()),
        pieces: Vec::new(),
        cut: None,
    };
    let (mut at, mut copied) = (0, 0);
    while at < bytes.len() {
        if CLASSES[usize::from(bytes[at])] & ESCAPE == 0 {
            at += 1;
            continue;
        }
        match escape(&bytes[at..]) {
            Read::Escape { length, character } => {
                undone.bytes.extend_from_slice(&bytes[copied..at]);
                undone.piece(at, true);
                let mut room = [0; 4];
                undone.bytes.extend_from_slice(match character {
                    Character::Byte(byte) => {
                        room[0] = byte;
                        &room[..1]
                    }
                    Character::Unicode(character) => character.encode_utf8(&mut room).as_bytes(),
                });
                at += length;
                copied = at;
                undone.piece(at, false);
            }
            Read::Cut if open => {
                undone.cut = Some(at);
                break;
            }
            Read::Cut | Read::Other => at += 1,
        }
    }
    undone
        .bytes
        .extend_from_slice(&bytes[copied..at.min(bytes.len())]);
    undone
}

impl Undone {
    fn piece(&mut self, source: usize, escape: bool) {
        let from = self.bytes.len();
        match self.pieces.last_mut() {
            // an empty piece between two escapes
            Some(last) if last.from == from && last.source == source => last.escape = escape,
            _ => self.pieces.push(Piece {
                from,
                source,
                escape,
            }),
        }
    }
}

enum Character {
    Byte(u8),
    Unicode(char),
}

enum Read {
    Escape {
        length: usize,
        character: Character,
    },
    /// The bytes end inside what may be an escape.
    Cut,
    Other,
}

/// Reads the escape at the beginning.
fn escape(bytes: &[u8]) -> Read {
    match bytes {
        [b'%', rest @ ..] => digits(rest, 1, 2, 2, 16, None, byte),
        [b'\\', b'u', b'{', rest @ ..] => digits(rest, 3, 1, MAX_DIGITS, 16, Some(b'}'), unicode),
        [b'\\', b'u', rest @ ..] => utf16(rest),
        [b'\\', b'U', rest @ ..] => digits(rest, 2, 8, 8, 16, None, unicode),
        [b'\\', b'x', rest @ ..] => digits(rest, 2, 2, 2, 16, None, byte),
        [b'\\', b'0'..=b'7', ..] => digits(&bytes[1..], 1, 3, 3, 8, None, byte),
        [b'\\', letter, ..] => match letter {
            b'n' => letter_escape(b'\n'),
            b'r' => letter_escape(b'\r'),
            b't' => letter_escape(b'\t'),
            b'b' => letter_escape(8),
            b'f' => letter_escape(12),
            b'"' | b'\\' | b'/' | b'\'' => letter_escape(*letter),
            _ => Read::Other,
        },
        [b'&', b'#', b'x' | b'X', rest @ ..] => {
            digits(rest, 3, 1, MAX_DIGITS, 16, Some(b';'), unicode)
        }
        [b'&', b'#', rest @ ..] => digits(rest, 2, 1, MAX_DIGITS, 10, Some(b';'), unicode),
        [b'&', rest @ ..] => entity(rest),
        [b'\\'] => Read::Cut,
        _ => Read::Other,
    }
}

fn letter_escape(byte: u8) -> Read {
    Read::Escape {
        length: 2,
        character: Character::Byte(byte),
    }
}

fn byte(number: u32) -> Option<Character> {
    u8::try_from(number).ok().map(Character::Byte)
}

fn unicode(number: u32) -> Option<Character> {
    char::from_u32(number).map(Character::Unicode)
}

/// `least` to `most` digits and, if there is one, the closing byte.
fn digits(
    bytes: &[u8],
    before: usize,
    least: usize,
    most: usize,
    base: u32,
    close: Option<u8>,
    character: fn(u32) -> Option<Character>,
) -> Read {
    let mut number = 0u32;
    let mut count = 0;
    loop {
        let Some(&next) = bytes.get(count) else {
            if count < most || close.is_some() {
                return Read::Cut;
            }
            break;
        };
        match char::from(next).to_digit(base) {
            Some(digit) if count < most => number = number.wrapping_mul(base).wrapping_add(digit),
            _ => break,
        }
        count += 1;
    }
    if count < least || close.is_some_and(|close| bytes[count] != close) {
        return Read::Other;
    }
    match character(number) {
        Some(character) => Read::Escape {
            length: before + count + usize::from(close.is_some()),
            character,
        },
        None => Read::Other,
    }
}

/// The four digits of `\u`, and the second half where they are the first of a surrogate pair.
fn utf16(bytes: &[u8]) -> Read {
    let unit = |bytes: &[u8]| -> Result<u32, Read> {
        match digits(bytes, 0, 4, 4, 16, None, |number| {
            // every unit is a character here, surrogates too: the caller looks at the number
            char::from_u32(number + 0x1_0000).map(Character::Unicode)
        }) {
            Read::Escape {
                character: Character::Unicode(moved),
                ..
            } => Ok(u32::from(moved) - 0x1_0000),
            other => Err(other),
        }
    };
    let first = match unit(bytes) {
        Ok(first) => first,
        Err(read) => return read,
    };
    if let Some(character) = unicode(first) {
        return Read::Escape {
            length: 6,
            character,
        };
    }
    let rest = &bytes[4..];
    let lone = Read::Escape {
        length: 6,
        character: Character::Unicode(char::REPLACEMENT_CHARACTER),
    };
    if !(0xd800..0xdc00).contains(&first) {
        return lone;
    }
    match rest {
        [] | [b'\\'] => Read::Cut,
        [b'\\', b'u', rest @ ..] => match unit(rest) {
            Ok(second @ 0xdc00..0xe000) => {
                let number = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                Read::Escape {
                    length: 12,
                    character: unicode(number).unwrap_or(Character::Byte(b'?')),
                }
            }
            Err(Read::Cut) => Read::Cut,
            _ => lone,
        },
        _ => lone,
    }
}

fn entity(bytes: &[u8]) -> Read {
    const NAMED: [(&[u8], u8); 5] = [
        (b"amp;", b'&'),
        (b"lt;", b'<'),
        (b"gt;", b'>'),
        (b"quot;", b'"'),
        (b"apos;", b'\''),
    ];
    for (name, byte) in NAMED {
        if bytes.starts_with(name) {
            return Read::Escape {
                length: 1 + name.len(),
                character: Character::Byte(byte),
            };
        }
        if name.starts_with(bytes) {
            return Read::Cut;
        }
    }
    Read::Other
}

const KEEP: u16 = 1 << 8;
const ESCAPE: u16 = 1 << 9;

/// Of each byte: its lower case, whether it is kept, whether it may begin an escape.
static CLASSES: [u16; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let value = byte as u8;
        classes[byte] = value.to_ascii_lowercase() as u16;
        if value.is_ascii_alphanumeric() {
            classes[byte] |= KEEP;
        }
        if matches!(value, b'%' | b'\\' | b'&') {
            classes[byte] |= ESCAPE;
        }
        byte += 1;
    }
    classes
};
