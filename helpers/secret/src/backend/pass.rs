//! `pass`, the password store over GnuPG: `pass show -- NAME`. The first line is the password.
//!
//! For a folder `pass` prints the tree of names below it and calls that a success; such an answer
//! begins with the folder's own name and is taken for what it is.

use crate::backend::program::{self, Manner, Meaning, ProgramError};
use crate::request::Item;
use crate::value::Raw;
use std::ffi::OsStr;

const PASS: Manner = Manner {
    name: "pass",
    words: &[
        ("is not in the password store", Meaning::NotFound),
        ("no secret key", Meaning::Locked),
        ("pinentry", Meaning::Locked),
        ("inappropriate ioctl for device", Meaning::Locked),
        ("operation cancelled", Meaning::Locked),
        ("bad passphrase", Meaning::Locked),
        ("no agent running", Meaning::Locked),
        ("can't connect to the agent", Meaning::Locked),
    ],
    find: "`pass ls` lists the names; correct `item` of this secret in cage.toml, or PASSWORD_STORE_DIR if the store is elsewhere",
    unlock: "unlock the key in a terminal with `pass show` of this name; gpg-agent keeps it for a while",
    set_up: "install pass and gnupg and make a store with `pass init`, or name the program in cage.toml under [helpers]",
};

/// The text of one entry.
///
/// # Errors
/// [`ProgramError`].
pub fn read(name: &Item) -> Result<Raw, ProgramError> {
    let text = program::read(&PASS, &["show", "--", name.text()].map(OsStr::new))?;
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if is_folder(first, name.text()) {
        return Err(ProgramError::Folder(PASS.name, PASS.find));
    }
    Ok(text)
}

fn is_folder(first_line: &[u8], name: &str) -> bool {
    fn trimmed(mut bytes: &[u8]) -> &[u8] {
        while let [rest @ .., b'/'] = bytes {
            bytes = rest;
        }
        bytes
    }
    trimmed(first_line) == trimmed(name.as_bytes())
}
