//! The words of a message that are its writer's own: without quoted lines, fenced blocks, tables and forwards. Where nothing
//! says where such a part ends, it goes on to the end of the message.

use crate::token::is_invisible;

/// Lines that begin what another person wrote.
const OTHERS: [&str; 6] = [
    "-----original message",
    "---------- forwarded message",
    "begin forwarded message",
    "-------- forwarded message",
    "-----begin ",
    "<blockquote",
];

/// The first line of a mail's head, and what its second begins with.
const SENDERS: [&str; 3] = ["from:", "von:", "de:"];
const HEADS: [&str; 10] = [
    "to:",
    "sent:",
    "date:",
    "subject:",
    "cc:",
    "an:",
    "gesendet:",
    "betreff:",
    "datum:",
    "à:",
];

/// The message without what its writer only passes on: quoted lines, fenced blocks, forwards.
pub(super) fn own_words(text: &str) -> String {
    const ENDS: [char; 7] = [
        '\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}',
    ];
    let mut out = String::with_capacity(text.len());
    let mut fence: Option<(char, usize)> = None;
    let mut lines = text.split(ENDS).peekable();
    while let Some(line) = lines.next() {
        let trimmed =
            line.trim_start_matches(|char: char| char.is_whitespace() || is_invisible(char));
        if let Some((mark, length)) = fence {
            if run(trimmed, mark) >= length {
                fence = None;
            }
            continue;
        }
        let lower = trimmed.to_lowercase();
        let mut next = || lines.peek().map(|next| next.trim_start().to_lowercase());
        if OTHERS.iter().any(|mark| lower.starts_with(mark))
            || lower.starts_with("on ") && lower.trim_end().ends_with(" wrote:")
            || SENDERS.iter().any(|mark| lower.starts_with(mark))
                && next().is_some_and(|next| HEADS.iter().any(|mark| next.starts_with(mark)))
        {
            break;
        }
        if let Some(mark) = ['`', '~'].into_iter().find(|mark| run(trimmed, *mark) >= 3) {
            fence = Some((mark, run(trimmed, mark)));
            continue;
        }
        if trimmed.starts_with(['>', '|', '＞', '│', '┃']) || lower.starts_with("&gt;") {
            continue;
        }
        let passed_on = ["```", "<blockquote", "<BLOCKQUOTE"]
            .into_iter()
            .filter_map(|mark| line.find(mark))
            .min();
        if let Some(at) = passed_on {
            // Within a line nothing says where it ends.
            out.push_str(&line[..at]);
            out.push('\n');
            break;
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// How often a mark stands at the beginning.
fn run(text: &str, mark: char) -> usize {
    text.chars().take_while(|char| *char == mark).count()
}
