//! What a program printed: both streams in the order in which they came, its beginning and its
//! end where it is long.

use std::collections::VecDeque;

/// Bytes kept of the beginning, and as many of the end.
const HALF: usize = 128 * 1024;

/// One of a program's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Output,
    Errors,
}

/// Bytes of one stream that came in a row.
type Piece = (Stream, Vec<u8>);

/// A bounded record of two streams.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    head: VecDeque<Piece>,
    head_size: usize,
    tail: VecDeque<Piece>,
    tail_size: usize,
    left_out: u64,
}

impl Capture {
    /// Adds what came.
    pub(crate) fn push(&mut self, stream: Stream, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(HALF - self.head_size));
        append(&mut self.head, stream, first);
        self.head_size += first.len();
        append(&mut self.tail, stream, rest);
        self.tail_size += rest.len();
        while self.tail_size > HALF {
            let Some((_, oldest)) = self.tail.front_mut() else {
                return;
            };
            let excess = (self.tail_size - HALF).min(oldest.len());
            oldest.drain(..excess);
            if oldest.is_empty() {
                self.tail.pop_front();
            }
            self.tail_size -= excess;
            self.left_out += excess as u64;
        }
    }

    /// As text. A line in brackets says where errors begin and end, and what was left out.
    pub(crate) fn text(mut self) -> String {
        let mut text = String::new();
        let mut now = Stream::Output;
        let pieces = if self.left_out == 0 {
            // A piece that lies across the halves is one piece again, so that no character is torn.
            for (stream, bytes) in self.tail.drain(..) {
                append(&mut self.head, stream, &bytes);
            }
            [self.head, VecDeque::new()]
        } else {
            [self.head, self.tail]
        };
        for (half, pieces) in pieces.into_iter().enumerate() {
            if half == 1 && self.left_out > 0 {
                begin_line(&mut text);
                text.push_str(&format!("[{} bytes left out]\n", self.left_out));
            }
            for (stream, bytes) in pieces {
                if stream != now {
                    begin_line(&mut text);
                    text.push_str(if stream == Stream::Errors {
                        "[stderr]\n"
                    } else {
                        "[stdout]\n"
                    });
                    now = stream;
                }
                text.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        text
    }
}

fn append(pieces: &mut VecDeque<Piece>, stream: Stream, bytes: &[u8]) {
    match pieces.back_mut() {
        _ if bytes.is_empty() => {}
        Some((last, before)) if *last == stream => before.extend_from_slice(bytes),
        _ => pieces.push_back((stream, bytes.to_vec())),
    }
}

/// Ends a line that was begun.
pub(crate) fn begin_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::Stream::{Errors, Output};
    use super::*;
    use proptest::prelude::*;

    fn captured(pieces: &[(Stream, &str)]) -> String {
        let mut capture = Capture::default();
        for (stream, text) in pieces {
            capture.push(*stream, text.as_bytes());
        }
        capture.text()
    }

    #[test]
    fn streams_stay_in_order_with_their_names() {
        assert_eq!(captured(&[]), "");
        assert_eq!(captured(&[(Output, "a"), (Output, "b\n")]), "ab\n");
        assert_eq!(
            captured(&[(Output, "a"), (Errors, "oh"), (Output, "b")]),
            "a\n[stderr]\noh\n[stdout]\nb"
        );
        // A character that comes in two pieces.
        let mut capture = Capture::default();
        capture.push(Output, &[0xc3]);
        capture.push(Output, &[0xa9]);
        assert_eq!(capture.text(), "\u{e9}");
    }

    #[test]
    fn long_output_keeps_its_beginning_and_its_end() {
        let mut capture = Capture::default();
        capture.push(Output, b"first\n");
        for _ in 0..1000 {
            capture.push(Errors, &[b'x'; 1000]);
        }
        capture.push(Output, b"last\n");
        let text = capture.text();
        assert!(text.starts_with("first\n[stderr]\nxxx") && text.ends_with("[stdout]\nlast\n"));
        assert!(text.contains(" bytes left out]\n") && text.len() < 2 * HALF + 200);
    }

    proptest! {
        #[test]
        fn never_more_than_its_bound(sizes in prop::collection::vec((any::<bool>(), 0_usize..100_000), 0..20)) {
            let mut capture = Capture::default();
            let total: usize = sizes.iter().map(|(_, size)| size).sum();
            for (errors, size) in sizes {
                capture.push(if errors { Errors } else { Output }, &vec![b'x'; size]);
            }
            let kept = capture.head_size + capture.tail_size;
            prop_assert_eq!(kept as u64 + capture.left_out, total as u64);
            prop_assert!(kept <= 2 * HALF);
            prop_assert_eq!(capture.text().matches('x').count(), kept);
        }
    }
}
