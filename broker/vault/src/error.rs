//! Why the vault refuses. No text here ever holds a value, a key or a passphrase; a name is shown only after it
//! was parsed as one.

use crate::slot::SlotKind;
use carapace_contract::id::SecretName;
use std::io;

/// One variant per thing that a person would do about it.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// A system call failed. What is on disk is as before.
    #[error(
        "vault: cannot {step}: {cause}\n  remedy: check that the state folder exists, is yours and has space"
    )]
    Io {
        /// What was tried.
        step: &'static str,
        /// What the system said.
        cause: io::Error,
    },
    /// There is one already.
    #[error("vault: there is one already\n  remedy: unlock it, or move its file away first")]
    Exists,
    /// Something else stands in its file's place.
    #[error(
        "vault: in its place stands something that is no regular file\n  remedy: move it away and put the file back from a backup"
    )]
    NoFile,
    /// It is larger than any vault.
    #[error(
        "vault: its file has {found} bytes, the limit is {limit}\n  remedy: put the file back from a backup; it was left as it is"
    )]
    TooLarge {
        /// Its bytes.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// It ends too early.
    #[error(
        "vault: its file ends after {found} of {expected} bytes\n  remedy: put the file back from a backup; it was left as it is"
    )]
    Truncated {
        /// Its bytes.
        found: usize,
        /// The bytes it should have.
        expected: usize,
    },
    /// Some of it was changed by something else than a vault.
    #[error(
        "vault: its file is damaged: {what}\n  remedy: put the file back from a backup; it was left as it is"
    )]
    Damaged {
        /// What does not fit.
        what: &'static str,
    },
    /// A newer program made it.
    #[error(
        "vault: its file has version {found}, this program knows up to {known}\n  remedy: use the newer carapace that wrote it"
    )]
    Newer {
        /// Its version.
        found: u16,
        /// The newest this program knows.
        known: u16,
    },
    /// The passphrase or key does not open it.
    #[error("vault: this {kind} does not open it\n  remedy: try again with the right one")]
    WrongKey {
        /// What was tried.
        kind: &'static str,
    },
    /// It is not kept that way.
    #[error(
        "vault: no {kind} opens it, it is kept by: {kept}\n  remedy: unlock it in one of these ways"
    )]
    NoSlot {
        /// What was tried.
        kind: SlotKind,
        /// What would do.
        kept: String,
    },
    /// A raw key was said to be a passphrase.
    #[error(
        "vault: a passphrase is not a raw key\n  remedy: hand it over as a passphrase, or as the key of a key file or keyring"
    )]
    NotRaw,
    /// A raw key is not written as one.
    #[error(
        "vault: the key of the {kind} is not 64 hexadecimal digits\n  remedy: let `carapace auth` make it"
    )]
    BadKey {
        /// Who keeps it.
        kind: SlotKind,
    },
    /// The passphrase is too short.
    #[error(
        "vault: the passphrase has fewer than {least} bytes\n  remedy: take a longer one; five random words are good"
    )]
    WeakPassphrase {
        /// The least.
        least: usize,
    },
    /// The system cannot make the key out of the passphrase.
    #[error(
        "vault: cannot make a key from the passphrase: {cause}\n  remedy: 64 MiB of memory must be free; stop something else"
    )]
    Derive {
        /// What went wrong.
        cause: argon2::Error,
    },
    /// The kernel gave no random bytes.
    #[error(
        "vault: no random bytes from the kernel: {cause}\n  remedy: wait until the machine has finished starting"
    )]
    Random {
        /// What it said.
        cause: getrandom::Error,
    },
    /// Another program changed the file while this one had it open.
    #[error(
        "vault: its file was changed by something else since it was opened\n  remedy: restart carapace; what is on disk was left as it is"
    )]
    Changed,
    /// What was written is not what is on disk; the old content is.
    #[error(
        "vault: what was written could not be read back, the old content is kept\n  remedy: check the disk, then try again"
    )]
    NotKept,
    /// What was written is not what is on disk, and the old content could not be put back either.
    #[error(
        "vault: a write failed and undoing it failed too ({cause}), the file holds the old content or the new\n  remedy: check the disk, then store the secret again"
    )]
    Unsure {
        /// Why it could not be put back.
        cause: io::Error,
    },
    /// No such secret.
    #[error(
        "secret {name}: not in the vault\n  remedy: `carapace auth status` lists what is; `carapace auth api-key` stores one"
    )]
    NotFound {
        /// Its name.
        name: SecretName,
    },
    /// It is kept elsewhere, and may be fetched from there for this origin.
    #[error(
        "secret {name}: it is kept outside the vault\n  remedy: read it with the helper that cage.toml names for it"
    )]
    External {
        /// Its name.
        name: SecretName,
    },
    /// It may not be sent there.
    #[error(
        "secret {name}: it may not be sent to {origin}\n  remedy: store it again and name this origin, if you want it sent there"
    )]
    WrongOrigin {
        /// Its name.
        name: SecretName,
        /// Where it was to go, without anything that is not an origin.
        origin: String,
    },
    /// It has no newer value that waits.
    #[error(
        "secret {name}: no new value waits to be tried\n  remedy: store one with the option that keeps the old"
    )]
    NothingPending {
        /// Its name.
        name: SecretName,
    },
    /// It is no login.
    #[error(
        "secret {name}: it is not an OAuth login, so it cannot be renewed\n  remedy: log in with `carapace auth login`"
    )]
    NotOauth {
        /// Its name.
        name: SecretName,
    },
    /// A value is empty.
    #[error("secret {name}: its value is empty\n  remedy: store it again with a value")]
    Empty {
        /// Its name.
        name: SecretName,
    },
    /// A value is too long.
    #[error(
        "secret {name}: a value of it has {found} bytes, the limit is {limit}\n  remedy: store only the secret itself, not the file around it"
    )]
    TooLong {
        /// Its name.
        name: SecretName,
        /// Its bytes.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// An origin is not written as origins are.
    #[error(
        "secret {name}: an origin it may be sent to is not usable: {problem}\n  remedy: write it as https://HOST:PORT, lower case, with the port"
    )]
    BadOrigin {
        /// Its name.
        name: SecretName,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No room for another secret.
    #[error("vault: it holds {limit} secrets, the limit\n  remedy: remove one that is not used")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// No room for so many bytes.
    #[error(
        "vault: its secrets have more than {limit} bytes together\n  remedy: remove a large one that is not used"
    )]
    Full {
        /// The limit.
        limit: usize,
    },
    /// Too many changes in a short time.
    #[error(
        "vault: more than {limit} changes in a minute\n  remedy: wait {wait} s, then try again; if you did not make them, run `carapace panic`"
    )]
    TooFast {
        /// The limit.
        limit: u32,
        /// Seconds until the next is taken.
        wait: i64,
    },
}
