//! Bitwarden's command line, also for Vaultwarden: `bw get password --nointeraction -- ITEM`
//! (bitwarden.com/help/cli). It wants `BW_SESSION`, which `bw unlock` gives.

use crate::backend::program::{self, Manner, Meaning, ProgramError};
use crate::request::Item;
use crate::value::Raw;
use std::ffi::OsStr;

const BW: Manner = Manner {
    name: "bw",
    words: &[
        ("more than one result", Meaning::NotFound),
        ("no password available", Meaning::NotFound),
        ("not found", Meaning::NotFound),
        ("vault is locked", Meaning::Locked),
        ("not logged in", Meaning::Locked),
        ("invalid session key", Meaning::Locked),
        ("master password", Meaning::Locked),
    ],
    find: "`bw list items --search WORD` shows the ids; put the id into `item` of this secret in cage.toml",
    unlock: "log in with `bw login`, then start carapace with BW_SESSION from `bw unlock --raw`",
    set_up: "install Bitwarden's command line, or name the program in cage.toml under [helpers]",
};

/// The password of one item.
///
/// # Errors
/// [`ProgramError`].
pub fn read(item: &Item) -> Result<Raw, ProgramError> {
    program::read(
        &BW,
        &["get", "password", "--nointeraction", "--", item.text()].map(OsStr::new),
    )
}
