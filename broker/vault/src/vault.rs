//! The vault, locked and open. Each change is made on a copy, brought to disk and verified there; only then does it
//! count here. The renewal of a login alone counts in any case. `now` is seconds since 1970, from the caller's clock.

use crate::body;
use crate::cipher::{self, KeyBytes};
use crate::disk::{self, At};
use crate::entry::{self, Entries, Entry, Held, MAX_ENTRIES, NewEntry, Pending, Row};
use crate::error::VaultError;
use crate::layout::{self, MAX_TEXT, PREFIX, Parsed};
use crate::quota::Quota;
use crate::secret::{Credential, Secret};
use crate::slot::{Key, Slot, SlotKind};
use carapace_contract::id::SecretName;
use std::fmt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The vault's file in the state folder.
pub const FILE: &str = "vault";

/// Times of use are brought to disk by themselves at most this often, in seconds.
const USES_EACH: i64 = 3600;

/// A vault that nobody has opened yet. Its file was sound when it was loaded.
pub struct Locked {
    path: PathBuf,
    bytes: Vec<u8>,
    kinds: Box<[SlotKind]>,
}

/// An open vault.
pub struct Vault {
    path: PathBuf,
    state: State,
    /// The file's content, as it must stand on disk.
    content: Vec<u8>,
    quota: Quota,
    unwritten_use: bool,
    uses_written: Option<i64>,
    at: At,
}

/// What became of a value that was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Put {
    /// There was one of that name before.
    pub replaced: bool,
    /// A value of it has fewer than [`crate::MIN_SCRUBBABLE`] bytes: it is not recognised where it should not be.
    pub too_short: bool,
}

impl Locked {
    /// In which ways it can be unlocked.
    pub fn slots(&self) -> Vec<SlotKind> {
        self.kinds.to_vec()
    }

    /// Opens it. With a passphrase this takes a good part of a second and 64 MiB.
    ///
    /// # Errors
    /// [`VaultError::WrongKey`], [`VaultError::NoSlot`], [`VaultError::NotRaw`], [`VaultError::Derive`], and
    /// [`VaultError::Damaged`] where the key is right and what it sealed was exchanged. The locked vault comes back,
    /// for the next try.
    pub fn unlock(self, key: Key) -> Result<Vault, (Locked, VaultError)> {
        match State::unlock(&self.bytes, &key) {
            Ok(state) => Ok(self.opened(state)),
            Err(error) => Err((self, error)),
        }
    }

    /// Opens it with the data key that an earlier broker left with the supervisor.
    ///
    /// # Errors
    /// [`VaultError::WrongKey`], [`VaultError::Damaged`].
    pub fn unlock_with_data_key(
        self,
        key: impl Into<Zeroizing<[u8; 32]>>,
    ) -> Result<Vault, (Locked, VaultError)> {
        let opened = layout::parse(&self.bytes).and_then(|parsed| {
            let data_key = key.into();
            let entries =
                open_body(&parsed, &data_key)?.ok_or(VaultError::WrongKey { kind: "data key" })?;
            Ok(State {
                data_key,
                slots: parsed.slots,
                entries,
            })
        });
        match opened {
            Ok(state) => Ok(self.opened(state)),
            Err(error) => Err((self, error)),
        }
    }

    fn opened(self, state: State) -> Vault {
        Vault::with(self.path, state, self.bytes, |_| {})
    }
}

impl Vault {
    /// Makes a new one, empty, with one slot.
    ///
    /// # Errors
    /// [`VaultError::Exists`], [`VaultError::WeakPassphrase`], and what a write can end with: [`VaultError::Io`],
    /// [`VaultError::NotKept`], [`VaultError::Unsure`].
    pub fn create(path: &Path, key: Key) -> Result<Self, VaultError> {
        Self::create_at(path, key, |_| {})
    }

    fn create_at(path: &Path, key: Key, at: At) -> Result<Self, VaultError> {
        match disk::read(path) {
            Ok(None) => {}
            Ok(Some(_)) | Err(VaultError::TooLarge { .. }) => return Err(VaultError::Exists),
            Err(error) => return Err(error),
        }
        let data_key = cipher::random()?;
        let (slot, outer) = Slot::seal(&PREFIX, &key, &data_key)?;
        let state = State {
            data_key,
            slots: vec![slot],
            entries: Entries::new(),
        };
        let (content, text) = state.seal()?;
        let is_whole = |found: &[u8]| state.is_in(found, &text, Some(&outer));
        disk::replace(path, None, &content, &is_whole, at)?;
        Ok(Self::with(path.to_owned(), state, content, at))
    }

    /// Reads the file of one; `None` where there is none. Nothing is changed, but for the rest of a write that was
    /// killed, which is removed.
    ///
    /// # Errors
    /// [`VaultError::NoFile`], [`VaultError::TooLarge`], [`VaultError::Truncated`], [`VaultError::Damaged`],
    /// [`VaultError::Newer`], [`VaultError::Io`].
    pub fn load(path: &Path) -> Result<Option<Locked>, VaultError> {
        disk::clear(path)?;
        let Some(bytes) = disk::read(path)? else {
            return Ok(None);
        };
        let kinds = layout::parse(&bytes)?.slots().into();
        Ok(Some(Locked {
            path: path.to_owned(),
            bytes,
            kinds,
        }))
    }

    fn with(path: PathBuf, state: State, content: Vec<u8>, at: At) -> Self {
        Self {
            path,
            state,
            content,
            quota: Quota::new(),
            unwritten_use: false,
            uses_written: None,
            at,
        }
    }

    /// The data key, for the memory that the supervisor keeps while a broker is replaced. Goes nowhere else.
    pub fn data_key(&self) -> Zeroizing<[u8; 32]> {
        self.state.data_key.clone()
    }

    /// In which ways it can be unlocked.
    pub fn slots(&self) -> Vec<SlotKind> {
        self.state.slots.iter().map(|slot| slot.kind).collect()
    }

    /// Adds a way to unlock it; the slot of the same kind is replaced.
    ///
    /// # Errors
    /// [`VaultError::WeakPassphrase`], [`VaultError::NotRaw`], and what a write can end with: [`VaultError::Io`],
    /// [`VaultError::Changed`], [`VaultError::NotKept`], [`VaultError::Unsure`], [`VaultError::Full`].
    pub fn add_slot(&mut self, key: Key) -> Result<(), VaultError> {
        let mut next = self.state.clone();
        let (slot, outer) = Slot::seal(&PREFIX, &key, &next.data_key)?;
        next.slots.retain(|other| other.kind != slot.kind);
        next.slots.push(slot);
        self.commit(next, Some(&outer))
    }

    /// This slot instead of all others, in one replacement of the file; the data key stays.
    ///
    /// # Errors
    /// As [`Vault::add_slot`].
    pub fn protect(&mut self, key: Key) -> Result<(), VaultError> {
        let mut next = self.state.clone();
        let (slot, outer) = Slot::seal(&PREFIX, &key, &next.data_key)?;
        next.slots = vec![slot];
        self.commit(next, Some(&outer))
    }

    /// A new data key and this slot instead of all others, in one replacement of the file. Whoever knew an old key
    /// learns nothing from the file as it is from now on.
    ///
    /// # Errors
    /// As [`Vault::add_slot`].
    pub fn rekey(&mut self, key: Key) -> Result<(), VaultError> {
        let mut next = self.state.clone();
        next.data_key = cipher::random()?;
        let (slot, outer) = Slot::seal(&PREFIX, &key, &next.data_key)?;
        next.slots = vec![slot];
        self.commit(next, Some(&outer))
    }

    /// Stores a secret, or replaces it with everything that is known about it but when it was made and used. Durable
    /// when this returns.
    ///
    /// # Errors
    /// [`VaultError::Empty`], [`VaultError::TooLong`], [`VaultError::BadOrigin`], [`VaultError::TooMany`],
    /// [`VaultError::TooFast`], and as a write.
    pub fn put(&mut self, name: &SecretName, new: NewEntry, now: i64) -> Result<Put, VaultError> {
        if let Held::Credential(credential) = &new.held {
            entry::check_values(name, credential)?;
        }
        entry::check_origins(name, &new.origins)?;
        let before = self.state.entries.get(name);
        if before.is_none() && self.state.entries.len() >= MAX_ENTRIES {
            return Err(VaultError::TooMany { limit: MAX_ENTRIES });
        }
        let entry = Entry {
            held: new.held,
            pending: None,
            ask: new.ask,
            origins: new.origins,
            created: before.map_or(now, |before| before.created),
            rotated: before.map(|_| now),
            used: before.and_then(|before| before.used),
        };
        let put = Put {
            replaced: before.is_some(),
            too_short: entry.credentials().any(entry::too_short),
        };
        self.quota.take(now)?;
        let mut next = self.state.clone();
        next.entries.insert(name.clone(), entry);
        self.commit(next, None)?;
        Ok(put)
    }

    /// Keeps a newer value beside the one in use, until it was tried.
    ///
    /// # Errors
    /// [`VaultError::NotFound`], [`VaultError::External`], [`VaultError::Empty`], [`VaultError::TooLong`],
    /// [`VaultError::TooFast`], and as a write.
    pub fn stage(
        &mut self,
        name: &SecretName,
        credential: Credential,
        now: i64,
    ) -> Result<Put, VaultError> {
        entry::check_values(name, &credential)?;
        if self.get(name)?.is_external() {
            return Err(VaultError::External { name: name.clone() });
        }
        self.quota.take(now)?;
        let too_short = entry::too_short(&credential);
        let mut next = self.state.clone();
        let replaced = next
            .entry(name)?
            .pending
            .replace(Pending {
                credential,
                staged: now,
            })
            .is_some();
        self.commit(next, None)?;
        Ok(Put {
            replaced,
            too_short,
        })
    }

    /// The newer value takes the place of the one in use, which is forgotten.
    ///
    /// # Errors
    /// [`VaultError::NotFound`], [`VaultError::NothingPending`], and as a write.
    pub fn promote(&mut self, name: &SecretName, now: i64) -> Result<(), VaultError> {
        let mut next = self.state.clone();
        let entry = next.entry(name)?;
        let pending = entry
            .pending
            .take()
            .ok_or_else(|| VaultError::NothingPending { name: name.clone() })?;
        entry.held = Held::Credential(pending.credential);
        entry.rotated = Some(now);
        self.commit(next, None)
    }

    /// The newer value is forgotten, the one in use stays.
    ///
    /// # Errors
    /// As [`Vault::promote`].
    pub fn discard(&mut self, name: &SecretName) -> Result<(), VaultError> {
        let mut next = self.state.clone();
        if next.entry(name)?.pending.take().is_none() {
            return Err(VaultError::NothingPending { name: name.clone() });
        }
        self.commit(next, None)
    }

    /// Removes a secret with its newer value; whether there was one. Not counted against the quota.
    ///
    /// # Errors
    /// As a write.
    pub fn remove(&mut self, name: &SecretName) -> Result<bool, VaultError> {
        if !self.state.entries.contains_key(name) {
            return Ok(false);
        }
        let mut next = self.state.clone();
        next.entries.remove(name);
        self.commit(next, None).map(|()| true)
    }

    /// What is known about a secret, also one that is kept elsewhere.
    ///
    /// # Errors
    /// [`VaultError::NotFound`].
    pub fn get(&self, name: &SecretName) -> Result<&Entry, VaultError> {
        self.state
            .entries
            .get(name)
            .ok_or_else(|| VaultError::NotFound { name: name.clone() })
    }

    /// The value, to be sent to `origin` and to nowhere else, and counts it as used. The time of use is brought to
    /// disk with the next change, by itself at most once an hour; where that fails, the secret is lent all the same
    /// and the time is written later.
    ///
    /// # Errors
    /// [`VaultError::NotFound`], [`VaultError::WrongOrigin`]. [`VaultError::External`] where the value is kept
    /// elsewhere and may be fetched for this origin: it is counted as used.
    pub fn lend(
        &mut self,
        name: &SecretName,
        origin: &str,
        now: i64,
    ) -> Result<Credential, VaultError> {
        let entry = self.state.entry(name)?;
        permitted(name, entry, origin)?;
        entry.used = Some(now);
        let credential = match &entry.held {
            Held::Credential(credential) => Ok(credential.clone()),
            Held::External => Err(VaultError::External { name: name.clone() }),
        };
        self.unwritten_use = true;
        let since = *self.uses_written.get_or_insert(now);
        if now.saturating_sub(since) >= USES_EACH {
            self.uses_written = Some(now);
            let _ = self.write_uses();
        }
        credential
    }

    /// The newer value, to be tried at `origin`.
    ///
    /// # Errors
    /// [`VaultError::NotFound`], [`VaultError::WrongOrigin`], [`VaultError::NothingPending`].
    pub fn lend_pending(&self, name: &SecretName, origin: &str) -> Result<Credential, VaultError> {
        let entry = self.get(name)?;
        permitted(name, entry, origin)?;
        match &entry.pending {
            Some(pending) => Ok(pending.credential.clone()),
            None => Err(VaultError::NothingPending { name: name.clone() }),
        }
    }

    /// Brings the times of use to disk that are not there yet: for an orderly end.
    ///
    /// # Errors
    /// As a write.
    pub fn write_uses(&mut self) -> Result<(), VaultError> {
        if !self.unwritten_use {
            return Ok(());
        }
        self.commit(self.state.clone(), None)
    }

    /// The refresh token of an OAuth login whose access token ends before `by` (seconds since 1970), to buy the next
    /// one with; `None` where there is nothing to renew.
    pub fn due(&self, name: &SecretName, by: i64) -> Option<Secret> {
        match &self.state.entries.get(name)?.held {
            Held::Credential(Credential::Oauth {
                refresh_token: Some(refresh),
                expires: Some(expires),
                ..
            }) if *expires <= by => Some(refresh.clone()),
            _ => None,
        }
    }

    /// A renewed OAuth login. Everything else that is known about the secret stays, also the old refresh token where
    /// none came (RFC 6749, section 6). Durable when this returns: the old refresh token may be dead by now. Not
    /// counted against the quota.
    ///
    /// # Errors
    /// [`VaultError::NotFound`], [`VaultError::NotOauth`], [`VaultError::Empty`], [`VaultError::TooLong`], and as a
    /// write. Where only the write fails, the renewed login is in force here and is written with the next change.
    pub fn refresh(
        &mut self,
        name: &SecretName,
        credential: Credential,
        now: i64,
    ) -> Result<(), VaultError> {
        entry::check_values(name, &credential)?;
        let not_oauth = || VaultError::NotOauth { name: name.clone() };
        let mut next = self.state.clone();
        let entry = next.entry(name)?;
        let Held::Credential(Credential::Oauth {
            access_token,
            refresh_token,
            expires,
        }) = &mut entry.held
        else {
            return Err(not_oauth());
        };
        let Credential::Oauth {
            access_token: new_access,
            refresh_token: new_refresh,
            expires: new_expires,
        } = credential
        else {
            return Err(not_oauth());
        };
        *access_token = new_access;
        *refresh_token = new_refresh.or_else(|| refresh_token.take());
        *expires = new_expires;
        entry.used = Some(now);
        self.commit(next.clone(), None).inspect_err(|_| {
            // The server may know the old token no more: the new one is not thrown away with the write.
            self.state = next;
            self.unwritten_use = true;
        })
    }

    /// What may be shown, by name.
    pub fn rows(&self) -> Vec<Row> {
        let entries = self.state.entries.iter();
        entries.map(|(name, entry)| entry.row(name)).collect()
    }

    /// Every value, also those that wait to be tried, for the scrubber. Values that are kept elsewhere are not here.
    pub fn values(&self) -> impl Iterator<Item = (&SecretName, &Secret)> {
        self.state.entries.iter().flat_map(|(name, entry)| {
            let values = entry.credentials().flat_map(Credential::values);
            values.map(move |value| (name, value))
        })
    }

    /// Makes `next` what is. `outer` opens its last slot, where that is new.
    fn commit(&mut self, next: State, outer: Option<&KeyBytes>) -> Result<(), VaultError> {
        if disk::read(&self.path)?.as_deref() != Some(&self.content) {
            return Err(VaultError::Changed);
        }
        let (content, text) = next.seal()?;
        let is_whole = |found: &[u8]| next.is_in(found, &text, outer);
        disk::replace(
            &self.path,
            Some(&self.content),
            &content,
            &is_whole,
            self.at,
        )?;
        self.state = next;
        self.content = content;
        self.unwritten_use = false;
        Ok(())
    }
}

/// Everything that the file holds, opened.
#[derive(Clone)]
struct State {
    data_key: KeyBytes,
    slots: Vec<Slot>,
    entries: Entries,
}

impl State {
    fn unlock(bytes: &[u8], key: &Key) -> Result<Self, VaultError> {
        let parsed = layout::parse(bytes)?;
        let mut tried = false;
        for slot in parsed.slots.iter().filter(|slot| slot.kind == key.kind()) {
            tried = true;
            let outer = slot.outer(key)?;
            let Some(data_key) = slot.open(&PREFIX, &outer) else {
                continue;
            };
            let entries = open_body(&parsed, &data_key)?.ok_or(VaultError::Damaged {
                what: "its entries are not what its key sealed",
            })?;
            return Ok(Self {
                data_key,
                slots: parsed.slots,
                entries,
            });
        }
        if tried {
            Err(VaultError::WrongKey {
                kind: match key.kind() {
                    SlotKind::Passphrase => "passphrase",
                    SlotKind::KeyFile => "key file",
                    SlotKind::Keyring => "key of the keyring",
                },
            })
        } else {
            Err(no_slot(key.kind(), &parsed.slots()))
        }
    }

    fn entry(&mut self, name: &SecretName) -> Result<&mut Entry, VaultError> {
        self.entries
            .get_mut(name)
            .ok_or_else(|| VaultError::NotFound { name: name.clone() })
    }

    /// The whole file, with a fresh nonce, and what it seals.
    fn seal(&self) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), VaultError> {
        let full = || VaultError::Full { limit: MAX_TEXT };
        let text = body::encode(&self.entries).map_err(|_| full())?;
        let header = layout::header(&self.slots, text.len())?;
        let nonce = cipher::random()?;
        let mut sealed = text.clone();
        let tag = cipher::seal(&self.data_key, &nonce, &header, &mut sealed).map_err(|_| full())?;
        Ok((layout::assemble(header, &nonce, &sealed, &tag), text))
    }

    /// Whether `found` is a file that opens to exactly this. `text` is what it must seal.
    fn is_in(&self, found: &[u8], text: &[u8], outer: Option<&KeyBytes>) -> bool {
        let Ok(parsed) = layout::parse(found) else {
            return false;
        };
        let opens = outer.is_none_or(|outer| {
            let fresh = parsed.slots.last();
            fresh.and_then(|slot| slot.open(&PREFIX, outer)).as_ref() == Some(&self.data_key)
        });
        opens
            && parsed.slots == self.slots
            && open_text(&parsed, &self.data_key).is_some_and(|found| *found == text)
    }
}

/// The entries; `None` where they do not open.
fn open_body(parsed: &Parsed<'_>, data_key: &KeyBytes) -> Result<Option<Entries>, VaultError> {
    open_text(parsed, data_key)
        .map(|text| body::decode(&text))
        .transpose()
        .map_err(|_| VaultError::Damaged {
            what: "its entries are none that this program writes",
        })
}

fn open_text(parsed: &Parsed<'_>, data_key: &KeyBytes) -> Option<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(parsed.sealed.to_vec());
    cipher::open(data_key, parsed.nonce, parsed.header, &mut text, parsed.tag)
        .ok()
        .map(|()| text)
}

fn permitted(name: &SecretName, entry: &Entry, origin: &str) -> Result<(), VaultError> {
    if entry.origins.iter().any(|named| named == origin) {
        return Ok(());
    }
    let shown = match entry::check_origin(origin) {
        Ok(()) => origin,
        Err(_) => "what is no origin",
    };
    Err(VaultError::WrongOrigin {
        name: name.clone(),
        origin: shown.to_owned(),
    })
}

fn no_slot(kind: SlotKind, kept: &[SlotKind]) -> VaultError {
    let kept: Vec<_> = kept.iter().map(|kind| kind.as_str()).collect();
    VaultError::NoSlot {
        kind,
        kept: kept.join(", "),
    }
}

impl fmt::Debug for Locked {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Locked({:?})", self.kinds)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Vault({} entries)", self.state.entries.len())
    }
}

#[cfg(test)]
mod tests;
