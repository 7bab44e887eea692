//! 1Password's command line, version 2: `op read --no-newline -- op://VAULT/ITEM/FIELD`
//! (developer.1password.com, "op read").

use crate::backend::program::{self, Manner, Meaning, ProgramError};
use crate::request::Reference;
use crate::value::Raw;
use std::ffi::OsStr;

const OP: Manner = Manner {
    name: "op",
    words: &[
        ("isn't an item", Meaning::NotFound),
        ("isn't a vault", Meaning::NotFound),
        ("isn't a field", Meaning::NotFound),
        ("does not have a field", Meaning::NotFound),
        ("could not find", Meaning::NotFound),
        ("more than one", Meaning::NotFound),
        ("invalid secret reference", Meaning::NotFound),
        ("no accounts configured", Meaning::NotSetUp),
        ("signed in", Meaning::Locked),
        ("sign in", Meaning::Locked),
        ("session expired", Meaning::Locked),
        ("unauthorized", Meaning::Locked),
        ("authorization", Meaning::Locked),
        ("authenticat", Meaning::Locked),
    ],
    find: "copy the secret reference from 1Password again and correct `item` of this secret in cage.toml",
    unlock: "start carapace with OP_SERVICE_ACCOUNT_TOKEN of a service account that may read this vault; a cage has nobody to ask",
    set_up: "install 1Password's command line (version 2), or name the program in cage.toml under [helpers]",
};

/// The field that a secret reference names.
///
/// # Errors
/// [`ProgramError`].
pub fn read(reference: &Reference) -> Result<Raw, ProgramError> {
    program::read(
        &OP,
        &["read", "--no-newline", "--", reference.text()].map(OsStr::new),
    )
}
