//! Looks for a secret where it must not be, in every form it could have taken: files of a folder, the
//! address space of a process (as root), text.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// The most bytes of one mapping that are read at a time.
const BLOCK: usize = 4 * 1024 * 1024;

/// A secret in its forms.
#[derive(Debug)]
pub struct Needles(Vec<(&'static str, Vec<u8>)>);

impl Needles {
    /// Of this value: as it is, in base64 at each of the three alignments (both alphabets), in
    /// hexadecimal, reversed, in percent, and as UTF-16.
    ///
    /// # Panics
    /// Where the value has fewer than 16 bytes: it would be found by accident.
    pub fn of(value: &str) -> Self {
        assert!(value.len() >= 16, "too short to look for");
        let bytes = value.as_bytes();
        let hex = |upper: bool| -> String {
            let one = |byte: &u8| match upper {
                true => format!("{byte:02X}"),
                false => format!("{byte:02x}"),
            };
            bytes.iter().map(one).collect()
        };
        let percent: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
        let wide: Vec<u8> = value.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut all = vec![
            ("plain", bytes.to_vec()),
            ("reversed", bytes.iter().rev().copied().collect()),
            ("hex", hex(false).into_bytes()),
            ("HEX", hex(true).into_bytes()),
            ("percent", percent.into_bytes()),
            ("utf-16", wide),
        ];
        for shift in 0..3 {
            // What does not depend on the bytes around it.
            let first = (3 - shift) % 3;
            let whole = (bytes.len() - first) / 3 * 3;
            let middle = &bytes[first..first + whole];
            all.push(("base64", STANDARD_NO_PAD.encode(middle).into_bytes()));
            all.push(("base64url", URL_SAFE_NO_PAD.encode(middle).into_bytes()));
        }
        Self(all)
    }

    /// The form in which it is in these bytes.
    pub fn find(&self, hay: &[u8]) -> Option<&'static str> {
        self.0
            .iter()
            .find(|(_, needle)| holds(hay, needle))
            .map(|(form, _)| *form)
    }

    /// Every file beneath a folder that holds it, with the form.
    pub fn in_files(&self, folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(about) = path.symlink_metadata() else {
                continue;
            };
            if about.is_dir() {
                found.extend(self.in_files(&path));
            } else if about.is_file()
                && let Ok(bytes) = std::fs::read(&path)
                && let Some(form) = self.find(&bytes)
            {
                found.push(format!("{} ({form})", path.display()));
            }
        }
        found
    }

    /// The form in which it is in the memory of a process. The bytes that were looked at come too.
    ///
    /// # Panics
    /// Where the memory cannot be read, which only root may.
    pub fn in_memory(&self, pid: i32) -> (Option<&'static str>, usize) {
        let memory = File::open(format!("/proc/{pid}/mem")).expect("opens the memory");
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("reads the maps");
        let longest = self.0.iter().map(|(_, needle)| needle.len()).max();
        let overlap = longest.unwrap_or(0) as u64;
        let mut looked = 0;
        for line in maps.lines().filter(|line| !line.ends_with("[vvar]")) {
            let Some((from, to)) = range(line) else {
                continue;
            };
            let mut at = from;
            while at < to {
                let size = usize::try_from(to - at).map_or(BLOCK, |left| left.min(BLOCK));
                let mut block = vec![0; size];
                // Pages that were never touched, or may not be read, end a mapping early.
                let Ok(read @ 1..) = memory.read_at(&mut block, at) else {
                    break;
                };
                looked += read;
                if let Some(form) = self.find(&block[..read]) {
                    return (Some(form), looked);
                }
                let step = (read as u64).saturating_sub(overlap);
                at += if at + (read as u64) < to && step > 0 {
                    step
                } else {
                    read as u64
                };
            }
        }
        (None, looked)
    }
}

fn range(line: &str) -> Option<(u64, u64)> {
    let (words, _) = line.split_once(' ')?;
    let (from, to) = words.split_once('-')?;
    Some((
        u64::from_str_radix(from, 16).ok()?,
        u64::from_str_radix(to, 16).ok()?,
    ))
}

fn holds(hay: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else {
        return false;
    };
    let mut rest = hay;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        rest = &rest[at..];
        if rest.starts_with(needle) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_found_wherever_it_stands_and_another_value_is_not() {
        let value = "sk-test-0123456789abcdef";
        let needles = Needles::of(value);
        for before in ["", "a", "ab", "abc"] {
            let text = format!("{before}{value}xyz");
            for hay in [
                text.clone(),
                STANDARD_NO_PAD.encode(&text),
                URL_SAFE_NO_PAD.encode(&text),
                text.bytes().map(|byte| format!("{byte:02x}")).collect(),
                text.chars().rev().collect(),
            ] {
                assert!(needles.find(hay.as_bytes()).is_some(), "{hay}");
            }
        }
        assert_eq!(needles.find(b"sk-test-0123456789abcdeg sk-"), None);
    }
}
