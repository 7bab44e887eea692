//! `edit`: replaces text in a file.

use super::{Context, write};
use crate::report::{Failure, Outcome};
use serde::Deserialize;
use std::io::Read;

/// The largest file that is edited, in bytes.
const MOST: u64 = 8 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    path: String,
    old: String,
    new: String,
    #[serde(default)]
    all: bool,
}

pub(super) fn run(arguments: Arguments, context: &Context<'_>) -> Outcome {
    let Arguments {
        path,
        old,
        new,
        all,
    } = arguments;
    if old.is_empty() {
        return Err(Failure::Invalid(
            "the old text is empty; use `write` for a new file".to_owned(),
        ));
    }
    if old == new {
        return Err(Failure::Invalid(
            "the old and the new text are the same".to_owned(),
        ));
    }
    let path = context.workspace.existing(&path)?;
    if path.is_directory() {
        return Err(Failure::Failed(format!(
            "{} is a directory; name a file in it",
            path.written()
        )));
    }
    let mut bytes = Vec::new();
    path.open()?
        .take(MOST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| path.system("reading it", error))?;
    if bytes.len() as u64 > MOST {
        return Err(Failure::Failed(format!(
            "{} is larger than {MOST} bytes; use `exec` with a program such as sed",
            path.written()
        )));
    }
    let Ok(text) = String::from_utf8(bytes) else {
        return Err(Failure::Failed(format!(
            "{} is not UTF-8 text, so it is not edited",
            path.written()
        )));
    };
    let count = text.matches(old.as_str()).count();
    let Some(first) = text.find(old.as_str()) else {
        return Err(Failure::Failed(format!(
            "the old text is not in {}; it must be the same to the last space, so read the file first",
            path.written()
        )));
    };
    if count > 1 && !all {
        return Err(Failure::Failed(format!(
            "the old text is in {} {count} times; give more of what stands around it, or set all",
            path.written()
        )));
    }
    write::replace(&path, text.replace(old.as_str(), &new).as_bytes())?;
    let line = text[..first].matches('\n').count() + 1;
    Ok(match count {
        1 => format!("replaced 1 place in {}, line {line}", path.written()),
        _ => format!(
            "replaced {count} places in {}, the first in line {line}",
            path.written()
        ),
    })
}
