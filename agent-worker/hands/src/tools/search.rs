//! `search`: lines of text files that fit a regular expression.

use super::list::{names, open_directory};
use super::{Context, LOOK, is_binary};
use crate::report::{Failure, Outcome};
use regex::bytes::{Regex, RegexBuilder};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use serde::Deserialize;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsFd, BorrowedFd};

/// Hits in one call.
const MOST: usize = 200;
/// Bytes of a line that are looked at, and characters that are shown.
const LINE: u64 = 64 * 1024;
const SHOWN: usize = 400;
/// Memory of a compiled pattern, in bytes.
const PATTERN: usize = 1024 * 1024;
/// Directories below each other.
const DEEPEST: u32 = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    pattern: String,
    path: Option<String>,
    limit: Option<usize>,
}

pub(super) fn run(arguments: Arguments, context: &Context<'_>) -> Outcome {
    let pattern = RegexBuilder::new(&arguments.pattern)
        .size_limit(PATTERN)
        .dfa_size_limit(PATTERN)
        .build()
        .map_err(|error| {
            Failure::Invalid(format!(
                "the pattern is not a regular expression that can be used: {error}"
            ))
        })?;
    let written = arguments.path.as_deref().unwrap_or(".");
    let path = context.workspace.existing(written)?;
    let limit = arguments.limit.unwrap_or(MOST).clamp(1, MOST);
    let mut search = Search {
        pattern,
        limit,
        context,
        hits: Vec::new(),
        files: 0,
        binary: 0,
        unread: 0,
    };
    let whole = if path.is_directory() {
        let prefix = match written.trim_end_matches('/') {
            "." | "./." => String::new(),
            directory => format!("{directory}/"),
        };
        search.directory(path.directory().as_fd(), &prefix, DEEPEST)?
    } else {
        search.file(path.open()?, written)?
    };
    Ok(search.text(whole))
}

struct Search<'a> {
    pattern: Regex,
    limit: usize,
    context: &'a Context<'a>,
    hits: Vec<String>,
    files: usize,
    binary: usize,
    unread: usize,
}

impl Search<'_> {
    /// Searches a directory; false where the limit was reached.
    fn directory(
        &mut self,
        directory: BorrowedFd<'_>,
        prefix: &str,
        depth: u32,
    ) -> Result<bool, Failure> {
        for name in names(directory, self.context)? {
            self.context.go_on()?;
            let Ok(found) = rustix::fs::statat(directory, name.as_str(), AtFlags::SYMLINK_NOFOLLOW)
            else {
                continue;
            };
            let path = format!("{prefix}{name}");
            let whole = match FileType::from_raw_mode(found.st_mode) {
                FileType::Directory if name == ".git" || depth == 0 => true,
                FileType::Directory => match open_directory(directory, &name) {
                    Ok(below) => self.directory(below.as_fd(), &format!("{path}/"), depth - 1)?,
                    Err(_) => {
                        self.unread += 1;
                        true
                    }
                },
                FileType::RegularFile => {
                    let flags =
                        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                    match rustix::fs::openat(directory, name.as_str(), flags, Mode::empty()) {
                        Ok(file) => self.file(File::from(file), &path)?,
                        Err(_) => {
                            self.unread += 1;
                            true
                        }
                    }
                }
                // Symlinks are not followed: what they point at is found where it is.
                _ => true,
            };
            if !whole {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Searches a file; false where the limit was reached.
    fn file(&mut self, file: File, path: &str) -> Result<bool, Failure> {
        let mut lines = BufReader::with_capacity(LOOK.max(LINE as usize), file);
        match lines.fill_buf() {
            Ok(beginning) if is_binary(beginning) => {
                self.binary += 1;
                return Ok(true);
            }
            Ok(_) => self.files += 1,
            Err(_) => {
                self.unread += 1;
                return Ok(true);
            }
        }
        let mut line = Vec::new();
        for number in 1_u64.. {
            self.context.go_on()?;
            line.clear();
            match read_line(&mut lines, &mut line) {
                Ok(false) => return Ok(true),
                Ok(true) => {}
                Err(_) => {
                    self.unread += 1;
                    return Ok(true);
                }
            }
            if self.pattern.is_match(&line) {
                if self.hits.len() >= self.limit {
                    return Ok(false);
                }
                self.hits.push(format!("{path}:{number}: {}", shown(&line)));
            }
        }
        Ok(true)
    }

    fn text(mut self, whole: bool) -> String {
        let files = self.files;
        if self.hits.is_empty() {
            self.hits.push(format!("[no line fits, in {files} files]"));
        }
        if !whole {
            self.hits.push(format!(
                "[more than {} hits: cut here; narrow the pattern or the path]",
                self.limit
            ));
        }
        for (count, what) in [
            (self.binary, "that are not text were left out"),
            (self.unread, "could not be read"),
        ] {
            if count > 0 {
                self.hits.push(format!("[{count} files {what}]"));
            }
        }
        self.hits.join("\n")
    }
}

/// Reads a line without its end, as much of it as is looked at; false at the end of the file.
fn read_line(lines: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    if lines.by_ref().take(LINE).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    } else if line.len() as u64 == LINE {
        super::read::skip_line(lines)?;
    }
    Ok(true)
}

fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{} [cut]", &text[..at]),
        None => text.into_owned(),
    }
}
