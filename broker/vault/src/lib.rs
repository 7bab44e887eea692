//! Keeps secrets: one file in the state folder, sealed with a random data key, which is itself sealed in one slot for
//! each way to unlock it. Lends a value for one origin at a time, and only where its entry names that origin.
//!
//! It guards copies of the file: a backup, a stolen disk, a bug that reads files. It does not guard against whoever
//! runs as the same user while it is unlocked, nor against somebody who puts an older copy of the file in its place.
//! After a re-key the old key still opens old copies.
//!
//! What the vault does not do: it asks nobody, speaks to no keyring, starts no program, and sends nothing.

mod body;
mod cipher;
mod disk;
mod entry;
mod error;
mod handed;
mod layout;
mod quota;
mod secret;
mod slot;
mod vault;

pub use entry::{Entry, Held, MAX_ENTRIES, MAX_ORIGINS, MIN_SCRUBBABLE, NewEntry, Row};
pub use error::VaultError;
pub use handed::raw_key;
pub use layout::{MAX_FILE, Parsed, parse};
pub use secret::{Credential, Secret};
pub use slot::{Key, MIN_PASSPHRASE, SlotKind};
pub use vault::{FILE, Locked, Put, Vault};
