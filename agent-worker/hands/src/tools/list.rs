//! `list`: what is in a directory.

use super::Context;
use crate::report::{Failure, Outcome};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use serde::Deserialize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Entries in one call.
const MOST: usize = 1000;
/// Names read from one directory before it is given up on; sorting needs all of them.
const NAMES: usize = 100_000;
const DEEPEST: u32 = 8;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    #[serde(default = "here")]
    path: String,
    depth: Option<u32>,
}

fn here() -> String {
    ".".to_owned()
}

pub(super) fn run(arguments: Arguments, context: &Context<'_>) -> Outcome {
    let depth = arguments.depth.unwrap_or(1);
    if !(1..=DEEPEST).contains(&depth) {
        return Err(Failure::Invalid(format!(
            "depth is {depth}; it must be 1 to {DEEPEST}"
        )));
    }
    let path = context.workspace.existing(&arguments.path)?;
    let mut lines = Vec::new();
    if !path.is_directory() {
        lines.extend(entry(path.directory().as_fd(), path.name(), "").map(|(line, _)| line));
        return Ok(lines.concat());
    }
    let whole = walk(path.directory().as_fd(), "", depth, context, &mut lines)?;
    if lines.is_empty() {
        return Ok("[the directory is empty]".to_owned());
    }
    if !whole {
        lines.push(format!(
            "[more than {MOST} entries: cut here; list a directory further down]"
        ));
    }
    Ok(lines.join("\n"))
}

/// Adds a directory's entries; false where there was no room for all.
fn walk(
    directory: BorrowedFd<'_>,
    prefix: &str,
    depth: u32,
    context: &Context<'_>,
    lines: &mut Vec<String>,
) -> Result<bool, Failure> {
    for name in names(directory, context)? {
        context.go_on()?;
        if lines.len() >= MOST {
            return Ok(false);
        }
        // One that is gone since is left out.
        let Some((line, kind)) = entry(directory, &name, prefix) else {
            continue;
        };
        lines.push(line);
        if kind == FileType::Directory && depth > 1 && name != ".git" {
            // One that may not be entered is shown and not entered.
            let Ok(below) = open_directory(directory, &name) else {
                continue;
            };
            if !walk(
                below.as_fd(),
                &format!("{prefix}{name}/"),
                depth - 1,
                context,
                lines,
            )? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// An entry's line and what it is.
fn entry(directory: BorrowedFd<'_>, name: &str, prefix: &str) -> Option<(String, FileType)> {
    let found = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let kind = FileType::from_raw_mode(found.st_mode);
    let line = match kind {
        FileType::Directory => format!("{prefix}{name}/"),
        FileType::RegularFile => format!("{prefix}{name}  {} bytes", found.st_size),
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(directory, name, Vec::new()).ok()?;
            format!("{prefix}{name} -> {}", target.to_string_lossy())
        }
        _ => format!("{prefix}{name}  (neither file nor directory)"),
    };
    Some((line, kind))
}

/// The names in a directory, sorted.
pub(super) fn names(
    directory: BorrowedFd<'_>,
    context: &Context<'_>,
) -> Result<Vec<String>, Failure> {
    let failed = |error: rustix::io::Errno| {
        Failure::Failed(format!(
            "reading a directory: {}",
            std::io::Error::from(error)
        ))
    };
    let mut names = Vec::new();
    for found in Dir::read_from(directory).map_err(failed)? {
        context.go_on()?;
        let found = found.map_err(failed)?;
        // A name that is no text could not be given back in a call.
        let Ok(name) = found.file_name().to_str() else {
            continue;
        };
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
        if names.len() > NAMES {
            return Err(Failure::Failed(format!(
                "a directory has more than {NAMES} entries; use `exec` with a program such as find"
            )));
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Opens a directory in another, following nothing.
pub(super) fn open_directory(directory: BorrowedFd<'_>, name: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, Mode::empty())
}
