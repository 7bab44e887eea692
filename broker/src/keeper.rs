//! The vault as the broker uses it: open or locked, what was fetched from elsewhere, who agreed to
//! what, and the scrubber that knows every value. The sender borrows from here; nobody else sees a value.

use crate::broker::now;
use carapace_contract::control::VaultRow;
use carapace_contract::id::{SecretName, SessionId};
use carapace_contract::secret::{NewSecret, Protect, SecretText};
use carapace_egress::{LendError, Lender};
use carapace_policy::SecretUse;
use carapace_providers::Origin;
use carapace_scrub::Scrubber;
use carapace_vault::{Credential, Held, Key, Locked, Secret, SlotKind, Vault, VaultError};
use futures_util::future::LocalBoxFuture;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How long a value that was fetched from elsewhere is kept in memory.
const FETCHED: Duration = Duration::from_secs(15 * 60);

/// How long a value is still taken out of what is shown after another took its place: a request with it may be
/// under way, and what was shown with it may be shown again.
const RETIRED: Duration = Duration::from_secs(3600);

/// Values that are known after another took their place, at most; the newest.
const RETIRED_AT_MOST: usize = 64;

/// Derived values that are known beside the vault's: those of the requests under way.
const DERIVED: usize = 8;

/// Secrets whose name begins so are bait: nobody uses them, so whoever shows one has been where
/// nobody should be.
pub(crate) const CANARY: &str = "canary";

/// Under this ending a secret's newer value goes to be tried. It has a name of its own, so that nothing
/// but the trial gets it.
const PENDING: &str = ".new";

/// The name under which the newer value of a secret is lent.
pub(crate) fn pending_name(name: &SecretName) -> Option<SecretName> {
    format!("{name}{PENDING}").parse().ok()
}

fn pending_of(name: &SecretName) -> Option<SecretName> {
    name.as_str().strip_suffix(PENDING)?.parse().ok()
}

/// The vault's door.
enum Door {
    /// There is no vault yet.
    None,
    /// It waits for a key.
    Locked(Locked),
    /// It is open.
    Open(Box<Vault>),
    /// It cannot be read; it stays as it is.
    Damaged(String),
}

/// A value that stays elsewhere, and until when it may be used again without asking there.
type Fetched = (Credential, Instant);

/// Keeps the vault.
pub(crate) struct Keeper {
    path: PathBuf,
    door: RefCell<Door>,
    key_file: Option<Zeroizing<[u8; 32]>>,
    /// The supervisor's memory for the key of an open vault, for the broker that comes after this one.
    slot: Option<File>,
    fetched: RefCell<HashMap<SecretName, Fetched>>,
    derived: RefCell<VecDeque<(SecretName, Zeroizing<Vec<u8>>)>>,
    /// The values that are in force, and those that were a while ago.
    known: RefCell<Vec<(SecretName, Secret)>>,
    retired: RefCell<VecDeque<(SecretName, Secret, Instant)>>,
    /// Secrets that their server refused: renewed or fetched anew before they are used again.
    distrusted: RefCell<HashSet<SecretName>>,
    approved: RefCell<HashSet<(SessionId, SecretName)>>,
    /// Knows what the vault holds, without what was derived from it.
    base: RefCell<Scrubber>,
}

impl Keeper {
    /// Looks for the vault of a state folder, and opens it where a key is at hand.
    pub(crate) fn open(state: &Path, key_file: Option<File>, slot: Option<File>) -> Self {
        let nothing = Scrubber::new([], []);
        let keeper = Self {
            path: state.join(carapace_vault::FILE),
            door: RefCell::new(Door::None),
            key_file: key_file.and_then(read_key),
            slot,
            fetched: RefCell::default(),
            derived: RefCell::default(),
            known: RefCell::default(),
            retired: RefCell::default(),
            distrusted: RefCell::default(),
            approved: RefCell::default(),
            base: RefCell::new(nothing),
        };
        let door = match Vault::load(&keeper.path) {
            Ok(None) => Door::None,
            Ok(Some(locked)) => keeper.try_keys(locked),
            Err(error) => Door::Damaged(error.to_string()),
        };
        *keeper.door.borrow_mut() = door;
        keeper.learn();
        keeper
    }

    fn try_keys(&self, mut locked: Locked) -> Door {
        let left = self.slot.as_ref().and_then(read_slot);
        if let Some(key) = left {
            match locked.unlock_with_data_key(key) {
                Ok(vault) => return Door::Open(Box::new(vault)),
                Err((again, _)) => locked = again,
            }
        }
        if let Some(key) = &self.key_file {
            let key = Key::Raw {
                kind: SlotKind::KeyFile,
                key: key.clone(),
            };
            match locked.unlock(key) {
                Ok(vault) => return Door::Open(Box::new(vault)),
                Err((again, _)) => locked = again,
            }
        }
        Door::Locked(locked)
    }

    /// Whether it waits for the key of the desktop's keyring.
    pub(crate) fn wants_keyring(&self) -> bool {
        matches!(&*self.door.borrow(), Door::Locked(locked) if locked.slots().contains(&SlotKind::Keyring))
    }

    /// Opens it with the key that was in the desktop's keyring, in hexadecimal.
    ///
    /// # Errors
    /// What is wrong with the key.
    pub(crate) fn unlock_with_keyring(&self, text: &[u8]) -> Result<(), String> {
        let key = carapace_vault::raw_key(text).ok_or("what the keyring holds is no key")?;
        self.unlock(Key::Raw {
            kind: SlotKind::Keyring,
            key,
        })
    }

    /// Opens it with a passphrase.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn unlock_with_passphrase(&self, passphrase: &SecretText) -> Result<(), String> {
        self.unlock(Key::Passphrase(Secret::from(passphrase.reveal())))
    }

    fn unlock(&self, key: Key) -> Result<(), String> {
        let door = self.door.replace(Door::None);
        let (door, outcome) = match door {
            Door::Locked(locked) => match locked.unlock(key) {
                Ok(vault) => (Door::Open(Box::new(vault)), Ok(())),
                Err((locked, error)) => (Door::Locked(locked), Err(error.to_string())),
            },
            Door::Open(vault) => (Door::Open(vault), Ok(())),
            Door::None => (Door::None, Err("there is no vault yet".to_owned())),
            Door::Damaged(why) => (Door::Damaged(why.clone()), Err(why)),
        };
        *self.door.borrow_mut() = door;
        self.learn();
        outcome
    }

    /// `open`, `locked`, `none`, `damaged`.
    pub(crate) fn state(&self) -> &'static str {
        match &*self.door.borrow() {
            Door::None => "none",
            Door::Locked(_) => "locked",
            Door::Open(_) => "open",
            Door::Damaged(_) => "damaged",
        }
    }

    /// The vault as a person is shown it.
    pub(crate) fn row(&self) -> VaultRow {
        let kept: Vec<SlotKind> = match &*self.door.borrow() {
            Door::Locked(locked) => locked.slots(),
            Door::Open(vault) => vault.slots(),
            Door::None | Door::Damaged(_) => Vec::new(),
        };
        let words = match (&*self.door.borrow(), kept.first()) {
            (Door::Damaged(why), _) => why.clone(),
            (Door::None, _) => "no secret is stored yet".to_owned(),
            (_, Some(SlotKind::Passphrase)) => {
                "encrypted with a key from your passphrase: it protects copies of the home, and the home itself while carapace is not running".to_owned()
            }
            (_, Some(SlotKind::Keyring)) => {
                "encrypted with a key in the keyring of your desktop: it protects copies of the home".to_owned()
            }
            _ => "encrypted with a key in a file of the home, mode 0600: it protects copies of the state folder, not copies of the whole home; `carapace auth protect` adds a passphrase".to_owned(),
        };
        VaultRow {
            state: self.state().to_owned(),
            kept: kept.iter().map(ToString::to_string).collect(),
            words,
        }
    }

    /// The open vault, made where there is none and a key file is at hand.
    fn with<R>(&self, work: impl FnOnce(&mut Vault) -> Result<R, VaultError>) -> Result<R, String> {
        let mut door = self.door.borrow_mut();
        if let (Door::None, Some(key)) = (&*door, &self.key_file) {
            let key = Key::Raw {
                kind: SlotKind::KeyFile,
                key: key.clone(),
            };
            let vault = Vault::create(&self.path, key).map_err(|error| error.to_string())?;
            *door = Door::Open(Box::new(vault));
        }
        let outcome = match &mut *door {
            Door::Open(vault) => work(vault).map_err(|error| error.to_string()),
            Door::Locked(_) => Err("the vault is locked\n  remedy: `carapace auth unlock`".to_owned()),
            Door::Damaged(why) => Err(why.clone()),
            Door::None => Err("there is no key for a vault\n  remedy: `carapace auth protect` with a passphrase, or `carapace restart` to have a key file made".to_owned()),
        };
        drop(door);
        self.learn();
        outcome
    }

    /// Stores a secret; says whether it replaced one and whether it is too short to be scrubbed. One that asked
    /// before its use in a session goes on asking.
    ///
    /// # Errors
    /// What the vault says.
    pub(crate) fn put(
        &self,
        name: &SecretName,
        secret: NewSecret,
        ask: bool,
        origins: Vec<String>,
        staged: bool,
    ) -> Result<(bool, bool), String> {
        if pending_of(name).is_some() {
            return Err(format!(
                "a secret's name cannot end in {PENDING}\n  remedy: give it another name"
            ));
        }
        if staged && pending_name(name).is_none() {
            return Err(
                "the name is too long for a value that is tried first\n  remedy: replace the value without --rotate"
                    .to_owned(),
            );
        }
        let held = Held::from(&secret);
        if let Held::Credential(credential) = &held {
            self.check_shown(name, credential)?;
        }
        let before = self.asks(name);
        let (known, ask) = (before.is_some(), ask || before == Some(true));
        let put = self.with(|vault| match held {
            Held::Credential(credential) if staged && known => vault.stage(name, credential, now()),
            held => vault.put(name, carapace_vault::NewEntry { held, ask, origins }, now()),
        })?;
        self.fetched.borrow_mut().remove(name);
        self.distrusted.borrow_mut().remove(name);
        Ok((put.replaced, put.too_short))
    }

    /// Whether the first use in a session is asked about; `None` where there is no such secret.
    fn asks(&self, name: &SecretName) -> Option<bool> {
        match &*self.door.borrow() {
            Door::Open(vault) => vault.get(name).ok().map(carapace_vault::Entry::ask),
            _ => None,
        }
    }

    /// No value stands in the name of a secret: whatever takes the value's place would show it again.
    fn check_shown(&self, name: &SecretName, credential: &Credential) -> Result<(), String> {
        let shown = |name: &SecretName| format!("[secret {name}]").into_bytes();
        let values = credential.values().into_iter();
        let values = Scrubber::new(values.map(|value| (name.to_string(), value.expose())), []);
        let rows = self.rows();
        let is_new = !rows.iter().any(|row| row.name == *name);
        if values.contains(&shown(name))
            || rows.iter().any(|row| values.contains(&shown(&row.name)))
            || (is_new && self.base.borrow().contains(&shown(name)))
        {
            return Err(
                "a secret's name shows the value\n  remedy: give another name; a server that wants no key needs none (auth = \"none\")"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Removes a secret.
    ///
    /// # Errors
    /// There is none, or the vault cannot be written.
    pub(crate) fn remove(&self, name: &SecretName) -> Result<(), String> {
        self.fetched.borrow_mut().remove(name);
        let there = self.with(|vault| vault.remove(name))?;
        if there {
            Ok(())
        } else {
            Err(format!(
                "there is no secret {name}\n  remedy: `carapace auth status` lists them"
            ))
        }
    }

    /// Whether a newer value waits to be tried.
    pub(crate) fn is_pending(&self, name: &SecretName) -> bool {
        matches!(&*self.door.borrow(), Door::Open(vault) if vault.get(name).is_ok_and(carapace_vault::Entry::is_pending))
    }

    /// Ends a trial: keeps the newer value, or drops it.
    ///
    /// # Errors
    /// What the vault says.
    pub(crate) fn end_trial(&self, name: &SecretName, keep: bool) -> Result<(), String> {
        self.with(|vault| {
            if keep {
                vault.promote(name, now())
            } else {
                vault.discard(name)
            }
        })
    }

    /// Renews an OAuth login.
    ///
    /// # Errors
    /// What the vault says.
    pub(crate) fn refresh(&self, name: &SecretName, credential: Credential) -> Result<(), String> {
        self.check_shown(name, &credential)?;
        self.distrusted.borrow_mut().remove(name);
        self.with(|vault| vault.refresh(name, credential, now()))
    }

    /// Stores the tokens of a login.
    ///
    /// # Errors
    /// What the vault says.
    pub(crate) fn put_login(
        &self,
        name: &SecretName,
        credential: Credential,
        origins: Vec<String>,
    ) -> Result<(), String> {
        self.check_shown(name, &credential)?;
        let entry = carapace_vault::NewEntry {
            held: Held::Credential(credential),
            ask: self.asks(name) == Some(true),
            origins,
        };
        self.distrusted.borrow_mut().remove(name);
        self.with(|vault| vault.put(name, entry, now())).map(drop)
    }

    /// The login that is due for renewal, within a minute or because its server refused it: its refresh token.
    pub(crate) fn due(&self, name: &SecretName) -> Option<Secret> {
        let by = if self.distrusted.borrow().contains(name) {
            i64::MAX
        } else {
            now() + 60
        };
        match &*self.door.borrow() {
            Door::Open(vault) => vault.due(name, by),
            _ => None,
        }
    }

    /// The server did not take the secret: it is renewed or fetched anew before its next use.
    pub(crate) fn distrust(&self, name: &SecretName) {
        if let Some((_, until)) = self.fetched.borrow_mut().get_mut(name) {
            *until = Instant::now();
        }
        self.distrusted.borrow_mut().insert(name.clone());
    }

    /// Whether a login may be sent to where it is renewed.
    ///
    /// # Errors
    /// It may not: it was not stored for this origin.
    pub(crate) fn may_go(&self, name: &SecretName, to: &Origin) -> Result<(), String> {
        let to = to.to_string();
        match &*self.door.borrow() {
            Door::Open(vault)
                if vault
                    .get(name)
                    .is_ok_and(|entry| entry.origins().contains(&to)) =>
            {
                Ok(())
            }
            _ => Err(format!(
                "the login {name} may not be sent to {to}\n  remedy: `carapace auth login` logs in again there"
            )),
        }
    }

    /// Changes how the key is kept.
    ///
    /// # Errors
    /// What the vault says, with the code `vault-unsure` where the new key may be the one in force.
    pub(crate) fn protect(&self, how: &Protect, rekey: bool) -> Result<(), (&'static str, String)> {
        let code = |error: &VaultError| match error {
            VaultError::Unsure { .. } => "vault-unsure",
            _ => "vault",
        };
        let told = |error: VaultError| (code(&error), error.to_string());
        let key = Key::try_from(how).map_err(told)?;
        if self.state() == "none" {
            let vault = Vault::create(&self.path, key).map_err(told)?;
            *self.door.borrow_mut() = Door::Open(Box::new(vault));
            self.learn();
            return Ok(());
        }
        let mut refused = "vault";
        let done = self.with(|vault| {
            let done = if rekey {
                vault.rekey(key)
            } else {
                vault.protect(key)
            };
            done.inspect_err(|error| refused = code(error))
        });
        done.map_err(|message| (refused, message))
    }

    /// Whether a secret may be used in a session, and whether it is kept elsewhere and has to be fetched.
    pub(crate) fn usable(&self, name: &SecretName, session: SessionId) -> SecretUse {
        let door = self.door.borrow();
        let vault = match &*door {
            Door::Open(vault) => vault,
            Door::Locked(_) => return SecretUse::Locked,
            Door::None | Door::Damaged(_) => return SecretUse::Missing,
        };
        let name = &pending_of(name).unwrap_or_else(|| name.clone());
        match vault.get(name) {
            Err(_) => SecretUse::Missing,
            Ok(entry) if !entry.ask() => SecretUse::Free,
            Ok(_) if self.approved.borrow().contains(&(session, name.clone())) => {
                SecretUse::Approved
            }
            Ok(_) => SecretUse::Ask,
        }
    }

    /// The owner agreed that the secret is used in this session.
    pub(crate) fn approve(&self, session: SessionId, name: SecretName) {
        self.approved.borrow_mut().insert((session, name));
    }

    /// Whether the value has to be fetched before it can be lent.
    pub(crate) fn is_elsewhere(&self, name: &SecretName) -> bool {
        let door = self.door.borrow();
        let external = matches!(&*door, Door::Open(vault) if vault.get(name).is_ok_and(carapace_vault::Entry::is_external));
        let fresh = self
            .fetched
            .borrow()
            .get(name)
            .is_some_and(|(_, until)| Instant::now() < *until);
        external && !fresh
    }

    /// Keeps a fetched value for a while.
    ///
    /// # Errors
    /// It stands in the name of a secret.
    pub(crate) fn fetched(&self, name: SecretName, value: Secret) -> Result<(), String> {
        let credential = Credential::Key(value);
        self.check_shown(&name, &credential)?;
        self.distrusted.borrow_mut().remove(&name);
        let until = Instant::now() + FETCHED;
        self.fetched.borrow_mut().insert(name, (credential, until));
        self.learn();
        Ok(())
    }

    /// What the vault holds, without values.
    pub(crate) fn rows(&self) -> Vec<carapace_vault::Row> {
        match &*self.door.borrow() {
            Door::Open(vault) => vault.rows(),
            _ => Vec::new(),
        }
    }

    /// An orderly end.
    pub(crate) fn close(&self) {
        if let Door::Open(vault) = &mut *self.door.borrow_mut() {
            let _ = vault.write_uses();
        }
    }

    /// Learns the values anew, and leaves the key for the broker that comes after this one.
    fn learn(&self) {
        let mut now_known: Vec<(SecretName, Secret)> = Vec::new();
        if let Door::Open(vault) = &*self.door.borrow() {
            now_known.extend(
                vault
                    .values()
                    .map(|(name, value)| (name.clone(), value.clone())),
            );
            if let Some(slot) = &self.slot {
                write_slot(slot, &vault.data_key());
            }
        }
        for (name, (credential, _)) in self.fetched.borrow().iter() {
            let values = credential.values().into_iter();
            now_known.extend(values.map(|value| (name.clone(), value.clone())));
        }
        self.retire(&now_known);
        let retired = self.retired.borrow();
        let (canaries, values): (Vec<_>, Vec<_>) = now_known
            .iter()
            .map(|(name, value)| (name, value))
            .chain(retired.iter().map(|(name, value, _)| (name, value)))
            .map(|(name, value)| (name.to_string(), value.expose()))
            .partition(|(name, _)| name.starts_with(CANARY));
        *self.base.borrow_mut() = Scrubber::new(values, canaries);
        drop(retired);
        *self.known.borrow_mut() = now_known;
        self.rebuild();
    }

    /// Remembers for a while what is not in force any more.
    fn retire(&self, now_known: &[(SecretName, Secret)]) {
        let is_known = |value: &Secret| {
            now_known
                .iter()
                .any(|(_, other)| other.expose() == value.expose())
        };
        let mut retired = self.retired.borrow_mut();
        retired.retain(|(_, value, since)| since.elapsed() < RETIRED && !is_known(value));
        for (name, value) in self.known.take() {
            if !is_known(&value) {
                retired.push_back((name, value, Instant::now()));
            }
        }
        while retired.len() > RETIRED_AT_MOST {
            retired.pop_front();
        }
    }

    fn rebuild(&self) {
        let scrubber = self
            .derived
            .borrow()
            .iter()
            .fold(self.base.borrow().clone(), |scrubber, (name, value)| {
                scrubber.with_transient(name.to_string(), value)
            });
        crate::clean::publish(scrubber);
    }
}

impl Lender for Keeper {
    fn lend(
        &self,
        secret: &SecretName,
        origin: &Origin,
    ) -> LocalBoxFuture<'_, Result<Credential, LendError>> {
        let (secret, origin) = (secret.clone(), origin.to_string());
        Box::pin(async move {
            let failed = |message: String| LendError {
                message,
                retriable: false,
            };
            let mut door = self.door.borrow_mut();
            let Door::Open(vault) = &mut *door else {
                return Err(failed(
                    "the vault is locked\n  remedy: `carapace auth unlock`".to_owned(),
                ));
            };
            if let Some(base) = pending_of(&secret) {
                return vault
                    .lend_pending(&base, &origin)
                    .map_err(|error| failed(error.to_string()));
            }
            match vault.lend(&secret, &origin, now()) {
                Ok(credential) => Ok(credential),
                Err(VaultError::External { .. }) => self
                    .fetched
                    .borrow()
                    .get(&secret)
                    .map(|(credential, _)| credential.clone())
                    .ok_or_else(|| failed(format!("{secret} was not fetched"))),
                Err(error) => Err(failed(error.to_string())),
            }
        })
    }

    fn derived(&self, secret: &SecretName, value: &[u8]) {
        if self.base.borrow().contains(value) {
            return;
        }
        let mut derived = self.derived.borrow_mut();
        if derived.len() >= DERIVED {
            derived.pop_front();
        }
        derived.push_back((secret.clone(), Zeroizing::new(value.to_vec())));
        drop(derived);
        self.rebuild();
    }
}

/// A key file: 64 hexadecimal digits and perhaps a line feed.
fn read_key(file: File) -> Option<Zeroizing<[u8; 32]>> {
    let mut text = Zeroizing::new(Vec::with_capacity(128));
    file.take(128).read_to_end(&mut text).ok()?;
    carapace_vault::raw_key(text.trim_ascii_end())
}

/// The key that a broker before this one left: a byte that says so, and 32.
fn read_slot(file: &File) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 33]);
    // The offset belongs to every holder of the descriptor.
    file.read_exact_at(&mut bytes[..], 0).ok()?;
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(&bytes[1..]);
    (bytes[0] == 1).then_some(key)
}

fn write_slot(file: &File, key: &[u8; 32]) {
    let mut bytes = Zeroizing::new([1; 33]);
    bytes[1..].copy_from_slice(key);
    if let Err(error) = file.write_all_at(&bytes[..], 0) {
        crate::clean::log!("the key of the open vault was not left for the next broker: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(value: &str) -> NewSecret {
        NewSecret::Key {
            value: SecretText::new(value.to_owned()),
        }
    }

    fn keeper(folder: &Path) -> Keeper {
        let keeper = Keeper::open(folder, None, None);
        let passphrase = SecretText::new("five words for this test".to_owned());
        keeper
            .protect(&Protect::Passphrase { passphrase }, false)
            .unwrap();
        keeper
    }

    #[test]
    fn a_value_that_stands_in_the_name_of_a_secret_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let keeper = keeper(folder.path());
        let (local, other) = ("lm-studio".parse().unwrap(), "other".parse().unwrap());
        let put = |name, value| keeper.put(name, key(value), false, Vec::new(), false);
        let refused = put(&local, "lm-studio").unwrap_err();
        assert!(refused.contains("remedy: give another name"));
        put(&local, "a-value-of-its-own").unwrap();
        put(&other, "lm-studio").unwrap_err();
        put(&other, "in-the-way").unwrap();
        put(&"in-the-way".parse().unwrap(), "another-value").unwrap_err();
        assert!(keeper.fetched(other, Secret::from("LM-STUDIO")).is_err());
        assert_eq!(keeper.rows().len(), 2);
    }

    #[test]
    fn a_value_that_was_replaced_is_still_known_and_one_that_asked_goes_on_asking() {
        let folder = tempfile::tempdir().unwrap();
        let keeper = keeper(folder.path());
        let name: SecretName = "main".parse().unwrap();
        let put = |value, ask| {
            keeper
                .put(&name, key(value), ask, Vec::new(), false)
                .unwrap();
        };
        put("the-first-value", true);
        put("the-second-value", false);
        assert_eq!(keeper.asks(&name), Some(true));
        keeper.remove(&name).unwrap();
        for value in ["the-first-value", "the-second-value"] {
            let hits = keeper.base.borrow().find(value.as_bytes());
            assert_eq!(hits[0].name, "main");
        }
        for number in 0..=RETIRED_AT_MOST {
            let value = Secret::from(format!("fetched-{number:04}").as_str());
            keeper.fetched(name.clone(), value).unwrap();
        }
        assert!(!keeper.base.borrow().contains(b"the-second-value"));
        assert!(keeper.base.borrow().contains(b"fetched-0001"));
    }
}
