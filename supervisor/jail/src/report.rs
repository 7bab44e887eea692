//! The boot report: the single line a cage writes on descriptor 4.
//!
//! The bytes come from a confined process and are believed for nothing but display and for READY,
//! which attestation from outside then checks.

use crate::Layer;

/// The descriptor of the report pipe in a cage.
pub const REPORT_FD: i32 = 4;
/// A longer line is not a report.
pub const LINE_LIMIT: usize = 1024;

/// What a report said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// All locks are on.
    Ready,
    /// A layer failed; the process ends with status 99.
    Failed {
        /// The layer's kebab-case name.
        layer: String,
        /// The cause, with control characters escaped.
        message: String,
    },
    /// Neither; the text with control characters escaped.
    Malformed(String),
}

/// Reads a report from the bytes received so far. `None`: the line is not complete yet.
pub fn parse(bytes: &[u8]) -> Option<Line> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        let too_long = bytes.len() > LINE_LIMIT;
        return too_long.then(|| Line::Malformed("a line without end".to_owned()));
    };
    let line = &bytes[..end];
    if line == b"READY" && bytes.len() == end + 1 {
        return Some(Line::Ready);
    }
    let text = String::from_utf8_lossy(&line[..line.len().min(LINE_LIMIT)]).into_owned();
    Some(match text.split_once('\t') {
        Some((layer, message)) if is_layer_name(layer) => Line::Failed {
            layer: layer.to_owned(),
            message: escape(message),
        },
        _ => Line::Malformed(escape(&text)),
    })
}

/// The line for a failed layer, without control characters but the separators.
pub(crate) fn failure_line(layer: &str, message: &str) -> Vec<u8> {
    let mut line = format!("{layer}\t{}", escape(message)).into_bytes();
    line.truncate(LINE_LIMIT);
    line.push(b'\n');
    line
}

/// The line that says READY in a cage's report pipe.
pub(crate) const READY_LINE: &[u8] = b"READY\n";

fn is_layer_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= Layer::NoNewPrivs.as_str().len().max(24)
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn escape(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect::<Vec<_>>()
            } else {
                vec![c]
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_line_or_nothing_is_believed() {
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"READ"), None);
        assert_eq!(parse(b"READY\n"), Some(Line::Ready));
        assert!(matches!(parse(b"READY\nREADY\n"), Some(Line::Malformed(_))));
        assert!(matches!(parse(b"READY \n"), Some(Line::Malformed(_))));
        assert!(matches!(parse(&[b'a'; 2000]), Some(Line::Malformed(_))));
        assert_eq!(
            parse(b"root\tpivot_root: \x1b[2Jgone\n"),
            Some(Line::Failed {
                layer: "root".into(),
                message: "pivot_root: \\u{1b}[2Jgone".into()
            })
        );
    }

    #[test]
    fn what_a_child_writes_is_what_a_supervisor_reads() {
        let line = failure_line("landlock", "one\ntwo");
        assert_eq!(
            parse(&line),
            Some(Line::Failed {
                layer: "landlock".into(),
                message: "one\\ntwo".into()
            })
        );
    }
}
