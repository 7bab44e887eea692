//! `carapace logs`: what all processes wrote, one line each.

use super::Context;
use crate::failure::{Exit, Explain, Failure};
use crate::{home, screen};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two looks for new lines.
const LOOK: Duration = Duration::from_millis(250);
/// How far back it is read for the last lines, in bytes: the file is rotated at 8 MiB.
const BACK: u64 = 4 * 1024 * 1024;

/// The log of all processes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  carapace logs -n 50\n  carapace logs --follow")]
pub(crate) struct Args {
    /// Go on with new lines, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// How many of the newest lines
    #[arg(short = 'n', long, default_value_t = 100)]
    lines: usize,
}

/// The log cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("reading the log: {path}: {cause}")]
struct LogsError {
    path: PathBuf,
    cause: io::Error,
}

impl Explain for LogsError {
    fn code(&self) -> &'static str {
        "logs"
    }

    fn remedy(&self) -> String {
        match self.cause.kind() {
            io::ErrorKind::NotFound => "there is none before the first `carapace start`".to_owned(),
            _ => "mend what the system names and try again".to_owned(),
        }
    }
}

/// Runs `logs`.
///
/// # Errors
/// The log cannot be read.
pub(crate) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    home::check(&context.home)?;
    let path = context.home.logs().join("carapace.log");
    let failed = |cause| LogsError {
        path: path.clone(),
        cause,
    };
    let mut file = File::open(&path).map_err(failed)?;
    let show = |line: &[u8]| {
        let text = String::from_utf8_lossy(line);
        if context.json {
            screen::print_json(&serde_json::json!({"line": text}));
        } else {
            screen::print(&format!("{}\n", screen::neutral::line(&text)));
        }
    };
    for line in last(&mut file, args.lines).map_err(failed)? {
        show(&line);
    }
    if !args.follow {
        return Ok(Exit::Done);
    }
    let mut part = Vec::new();
    loop {
        let mut reader = BufReader::new(&mut file);
        while reader.read_until(b'\n', &mut part).map_err(failed)? > 0 {
            if part.pop_if(|byte| *byte == b'\n').is_some() {
                show(&part);
                part.clear();
            }
        }
        std::thread::sleep(LOOK);
        if let Some(fresh) = rotated(&path, &file) {
            file = fresh;
            part.clear();
        }
    }
}

/// The newest lines; the file is left at its end.
fn last(file: &mut File, count: usize) -> io::Result<Vec<Vec<u8>>> {
    let size = file.metadata()?.len();
    let from = size.saturating_sub(BACK);
    file.seek(SeekFrom::Start(from))?;
    let mut text = Vec::new();
    file.take(size - from).read_to_end(&mut text)?;
    let mut lines: Vec<Vec<u8>> = text
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    lines.pop_if(|line| line.is_empty());
    Ok(lines.split_off(lines.len().saturating_sub(count)))
}

/// The file that took the place of this one.
fn rotated(path: &Path, old: &File) -> Option<File> {
    let fresh = File::open(path).ok()?;
    let (old, new) = (old.metadata().ok()?, fresh.metadata().ok()?);
    (old.ino() != new.ino()).then_some(fresh)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_come() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l");
        std::fs::write(&path, "a\nb\nc\n").unwrap();
        let mut file = File::open(&path).unwrap();
        assert_eq!(last(&mut file, 2).unwrap(), [b"b".to_vec(), b"c".to_vec()]);
        assert_eq!(last(&mut file, 0).unwrap(), Vec::<Vec<u8>>::new());
        std::fs::rename(&path, folder.path().join("l.1")).unwrap();
        std::fs::write(&path, "d\n").unwrap();
        assert!(rotated(&path, &file).is_some());
    }
}
