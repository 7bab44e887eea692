//! `read`: lines of a text file.

use super::{Context, LOOK, is_binary};
use crate::capture::begin_line;
use crate::report::{Failure, Outcome};
use serde::Deserialize;
use std::io::{self, BufRead, BufReader, Read};

/// Bytes of text in one call: as much as a model can use at once.
const MOST: usize = 256 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    path: String,
    offset: Option<u64>,
    limit: Option<u64>,
}

pub(super) fn run(arguments: Arguments, context: &Context<'_>) -> Outcome {
    let path = context.workspace.existing(&arguments.path)?;
    if path.is_directory() {
        return Err(Failure::Failed(format!(
            "{} is a directory; use `list`",
            path.written()
        )));
    }
    let file = path.open()?;
    let size = file
        .metadata()
        .map_err(|error| path.system("looking at it", error))?
        .len();
    let mut lines = BufReader::with_capacity(LOOK, file);
    let system = |error| Failure::from(path.system("reading it", error));
    if is_binary(lines.fill_buf().map_err(system)?) {
        return Err(Failure::Failed(format!(
            "{} is not text: it holds binary data, {size} bytes; use `exec` with a program that knows its form",
            path.written()
        )));
    }
    let first = arguments.offset.unwrap_or(1).max(1);
    let limit = arguments.limit.unwrap_or(u64::MAX);
    let mut skipped = 0;
    while skipped + 1 < first {
        context.go_on()?;
        match skip_line(&mut lines).map_err(system)? {
            0 => {
                return Err(Failure::Invalid(format!(
                    "{} has {skipped} lines; line {first} is beyond its end",
                    path.written()
                )));
            }
            _ => skipped += 1,
        }
    }
    let mut text = Vec::new();
    let mut count = 0;
    let mut is_cut = false;
    while count < limit {
        context.go_on()?;
        let before = text.len();
        let room = (MOST + 1 - before) as u64;
        if lines
            .by_ref()
            .take(room)
            .read_until(b'\n', &mut text)
            .map_err(system)?
            == 0
        {
            break;
        }
        if text.len() > MOST {
            if count == 0 {
                text.truncate(MOST);
                let note = format!(
                    "[cut here: line {first} is longer than {MOST} bytes; `exec` with `cut` or `head -c` shows the rest]"
                );
                return Ok(format!("{}\n{note}", String::from_utf8_lossy(&text)));
            }
            text.truncate(before);
            is_cut = true;
            break;
        }
        count += 1;
    }
    if count == 0 {
        let what = if size == 0 {
            "the file is empty"
        } else {
            "the file ends before this line"
        };
        return Ok(format!("[{what}]"));
    }
    let mut shown = String::from_utf8_lossy(&text).into_owned();
    if is_cut || !lines.fill_buf().map_err(system)?.is_empty() {
        let next = first + count;
        begin_line(&mut shown);
        shown.push_str(&format!(
            "[lines {first} to {} of a file of {size} bytes; go on with offset {next}]",
            next - 1
        ));
    }
    Ok(shown)
}

/// Skips a line without keeping it; 0 at the end of the file.
pub(super) fn skip_line(lines: &mut impl BufRead) -> io::Result<usize> {
    let mut skipped = 0;
    loop {
        let buffer = lines.fill_buf()?;
        if buffer.is_empty() {
            return Ok(skipped);
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let count = end.map_or(buffer.len(), |end| end + 1);
        lines.consume(count);
        skipped += count;
        if end.is_some() {
            return Ok(skipped);
        }
    }
}
