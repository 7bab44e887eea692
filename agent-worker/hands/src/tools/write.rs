//! `write`: a whole file, at once or not at all.

use super::Context;
use crate::report::{Failure, Outcome};
use crate::workspace::WorkspacePath;
use rustix::fs::{AtFlags, Mode, OFlags};
use serde::Deserialize;
use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// Of a new file.
const NEW: u32 = 0o666;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    path: String,
    content: String,
}

pub(super) fn run(arguments: Arguments, context: &Context<'_>) -> Outcome {
    let path = context.workspace.to_write(&arguments.path)?;
    if path.is_directory() {
        return Err(Failure::Failed(format!(
            "{} is a directory; name a file in it",
            path.written()
        )));
    }
    replace(&path, arguments.content.as_bytes())?;
    let what = if path.exists() { "replaced" } else { "created" };
    Ok(format!(
        "{what} {}: {} bytes",
        path.written(),
        arguments.content.len()
    ))
}

/// Puts a file with this content in place of what is there, with the mode that was there. Whoever
/// reads meanwhile sees the old content or the new, never a part.
pub(super) fn replace(path: &WorkspacePath, content: &[u8]) -> Result<(), Failure> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let directory = path.directory();
    let failed =
        |step| move |error: rustix::io::Errno| Failure::from(path.system(step, error.into()));
    let mode = if path.exists() {
        let found = rustix::fs::statat(directory, path.name(), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(failed("looking at it"))?;
        Some(Mode::from_raw_mode(found.st_mode & 0o7777))
    } else {
        None
    };
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let temporary = format!(".carapace-{}-{number}.tmp", std::process::id());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // One that an earlier process left behind.
    let _ = rustix::fs::unlinkat(directory, &temporary, AtFlags::empty());
    let opened = rustix::fs::openat(directory, &temporary, flags, Mode::from_raw_mode(NEW))
        .map_err(failed("making a file beside it"))?;
    let mut file = File::from(opened);
    let written = file
        .write_all(content)
        .and_then(|()| mode.map_or(Ok(()), |mode| Ok(rustix::fs::fchmod(&file, mode)?)))
        .and_then(|()| file.sync_data())
        .map_err(|error| Failure::from(path.system("writing beside it", error)))
        .and_then(|()| {
            rustix::fs::renameat(directory, &temporary, directory, path.name())
                .map_err(failed("putting it in place"))
        });
    if written.is_err() {
        let _ = rustix::fs::unlinkat(directory, &temporary, AtFlags::empty());
    }
    written
}
