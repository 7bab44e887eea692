//! The file: what opens it, what does not, and what each refusal is called.

use carapace_vault::{
    Credential, FILE, Held, Key, Locked, NewEntry, Secret, SlotKind, Vault, VaultError, parse,
};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const ORIGIN: &str = "https://api.example.com:443";
const VALUE: &str = "sk-made-up-0123456789abcdefghij";
const PASSPHRASE: &str = "correct horse battery staple";

fn raw(kind: SlotKind, byte: u8) -> Key {
    let key = Zeroizing::new([byte; 32]);
    Key::Raw { kind, key }
}

fn file_key(byte: u8) -> Key {
    raw(SlotKind::KeyFile, byte)
}

fn passphrase(text: &str) -> Key {
    Key::Passphrase(Secret::from(text))
}

fn entry(value: &str) -> NewEntry {
    NewEntry {
        held: Held::Credential(Credential::Key(Secret::from(value))),
        ask: true,
        origins: vec![ORIGIN.to_owned()],
    }
}

struct World {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        Self { folder, path }
    }

    fn create(&self, key: Key) -> Vault {
        let mut vault = Vault::create(&self.path, key).unwrap();
        vault
            .put(&"main".parse().unwrap(), entry(VALUE), 100)
            .unwrap();
        vault
    }

    fn locked(&self) -> Locked {
        Vault::load(&self.path).unwrap().unwrap()
    }

    fn unlock(&self, key: Key) -> Result<Vault, VaultError> {
        self.locked().unlock(key).map_err(|(_, error)| error)
    }

    /// What loading and opening ends with.
    fn open(&self, key: Key) -> Result<Vault, VaultError> {
        match Vault::load(&self.path)? {
            Some(locked) => locked.unlock(key).map_err(|(_, error)| error),
            None => panic!("there is no file"),
        }
    }
}

fn holds_the_value(vault: &Vault) -> bool {
    vault
        .values()
        .any(|(name, value)| name.as_str() == "main" && value.expose() == VALUE.as_bytes())
}

#[test]
fn what_was_stored_is_there_after_a_restart() {
    let world = World::new();
    assert!(Vault::load(&world.path).unwrap().is_none());
    let rows = world.create(file_key(1)).rows();
    let vault = world.unlock(file_key(1)).unwrap();
    assert!(holds_the_value(&vault));
    assert_eq!(vault.rows(), rows);
    let mode = fs::metadata(&world.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn a_vault_is_never_made_over_another() {
    let world = World::new();
    drop(world.create(file_key(1)));
    let again = Vault::create(&world.path, file_key(2));
    assert!(matches!(again, Err(VaultError::Exists)));
    assert!(holds_the_value(&world.unlock(file_key(1)).unwrap()));
}

#[test]
fn a_wrong_passphrase_is_told_and_the_right_one_opens_after_it() {
    let world = World::new();
    drop(world.create(passphrase(PASSPHRASE)));
    let (locked, error) = world
        .locked()
        .unlock(passphrase("something else"))
        .unwrap_err();
    assert!(
        matches!(error, VaultError::WrongKey { kind: "passphrase" }),
        "{error}"
    );
    assert!(!format!("{error} {error:?}").contains("something else"));
    assert!(holds_the_value(
        &locked.unlock(passphrase(PASSPHRASE)).unwrap()
    ));
}

#[test]
fn a_wrong_raw_key_a_missing_way_and_a_raw_passphrase_are_told_apart() {
    let world = World::new();
    drop(world.create(file_key(1)));
    assert!(matches!(
        world.unlock(file_key(2)),
        Err(VaultError::WrongKey { kind: "key file" })
    ));
    assert!(matches!(
        world.unlock(raw(SlotKind::Keyring, 1)),
        Err(VaultError::NoSlot {
            kind: SlotKind::Keyring,
            ..
        })
    ));
    let made = Vault::create(
        &world.folder.path().join("other"),
        raw(SlotKind::Passphrase, 1),
    );
    assert!(matches!(made, Err(VaultError::NotRaw)));
    assert!(!world.folder.path().join("other").exists());
}

#[test]
fn a_key_of_one_kind_does_not_open_the_slot_of_another() {
    let world = World::new();
    let mut vault = world.create(file_key(1));
    vault.add_slot(raw(SlotKind::Keyring, 2)).unwrap();
    assert!(world.unlock(raw(SlotKind::Keyring, 1)).is_err());
    assert!(world.unlock(file_key(2)).is_err());
    assert!(world.unlock(raw(SlotKind::Keyring, 2)).is_ok());
}

#[test]
fn every_flipped_bit_is_found() {
    let world = World::new();
    let mut vault = world.create(file_key(1));
    vault.add_slot(raw(SlotKind::Keyring, 2)).unwrap();
    drop(vault);
    let whole = fs::read(&world.path).unwrap();
    for at in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[at / 8] ^= 1 << (at % 8);
        fs::write(&world.path, &bytes).unwrap();
        let error = world.open(file_key(1)).unwrap_err();
        let as_expected = match error {
            VaultError::Damaged { .. } => true,
            // A length that grew reads as a file that is too short.
            VaultError::Truncated { .. } => (80..128).contains(&at),
            _ => false,
        };
        assert!(as_expected, "bit {at}: {error}");
        assert_eq!(fs::read(&world.path).unwrap(), bytes);
    }
}

/// Somebody who can write the file can also write a checksum that fits.
#[test]
fn every_flipped_bit_is_found_also_under_a_checksum_that_fits() {
    use sha2::{Digest, Sha256};
    let world = World::new();
    let mut vault = world.create(file_key(1));
    vault.add_slot(raw(SlotKind::Keyring, 2)).unwrap();
    drop(vault);
    let whole = fs::read(&world.path).unwrap();
    let content = whole.len() - 32;
    let (mut damaged, mut wrong_key) = (0, 0);
    for at in 0..content * 8 {
        let mut bytes = whole.clone();
        bytes[at / 8] ^= 1 << (at % 8);
        let checksum = Sha256::digest(&bytes[..content]);
        bytes[content..].copy_from_slice(&checksum);
        fs::write(&world.path, &bytes).unwrap();
        match world.open(file_key(1)) {
            Err(VaultError::Damaged { .. }) => damaged += 1,
            Err(VaultError::WrongKey { .. }) => wrong_key += 1,
            Err(VaultError::NoSlot { .. }) => assert!(at / 8 == 16, "bit {at}"),
            Err(VaultError::Newer { .. }) => assert!((64..80).contains(&at), "bit {at}"),
            Err(VaultError::Truncated { .. }) => assert!((80..128).contains(&at), "bit {at}"),
            other => panic!("bit {at}: {other:?}"),
        }
    }
    // The own slot's sealed part is the only place where damage looks like another key.
    assert!(
        damaged > 1000 && wrong_key == 8 * (12 + 32 + 16),
        "{damaged} {wrong_key}"
    );
}

#[test]
fn every_truncation_is_found() {
    let world = World::new();
    drop(world.create(file_key(1)));
    let whole = fs::read(&world.path).unwrap();
    for length in 0..whole.len() {
        fs::write(&world.path, &whole[..length]).unwrap();
        let error = world.open(file_key(1)).unwrap_err();
        assert!(
            matches!(error, VaultError::Truncated { found, .. } if found == length),
            "{length} bytes: {error}"
        );
    }
    let mut longer = whole;
    longer.push(0);
    fs::write(&world.path, longer).unwrap();
    assert!(matches!(
        world.open(file_key(1)),
        Err(VaultError::Damaged { .. })
    ));
}

#[test]
fn a_slot_taken_from_an_older_file_does_not_open_the_newer() {
    use sha2::{Digest, Sha256};
    let world = World::new();
    let mut vault = world.create(file_key(1));
    let old = fs::read(&world.path).unwrap();
    vault.protect(file_key(2)).unwrap();
    drop(vault);
    let mut bytes = fs::read(&world.path).unwrap();
    let slot = 16..16 + 92;
    bytes[slot.clone()].copy_from_slice(&old[slot]);
    let content = bytes.len() - 32;
    let checksum = Sha256::digest(&bytes[..content]);
    bytes[content..].copy_from_slice(&checksum);
    fs::write(&world.path, bytes).unwrap();
    // The data key is the same and comes out of the old slot, but the body knows which slots it belongs to.
    assert!(matches!(
        world.unlock(file_key(1)),
        Err(VaultError::Damaged { .. })
    ));
}

#[test]
fn what_is_no_file_and_what_is_too_large_is_not_read() {
    let world = World::new();
    fs::create_dir(&world.path).unwrap();
    assert!(matches!(Vault::load(&world.path), Err(VaultError::NoFile)));
    fs::remove_dir(&world.path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &world.path).unwrap();
    assert!(matches!(Vault::load(&world.path), Err(VaultError::NoFile)));
    assert!(Vault::create(&world.path, file_key(1)).is_err());
    fs::remove_file(&world.path).unwrap();
    let sparse = fs::File::create(&world.path).unwrap();
    sparse.set_len(1 << 40).unwrap();
    assert!(matches!(
        Vault::load(&world.path),
        Err(VaultError::TooLarge { .. })
    ));
    assert!(Vault::create(&world.path, file_key(1)).is_err());
}

#[test]
fn a_file_that_changed_under_an_open_vault_is_left_alone() {
    let world = World::new();
    let mut vault = world.create(file_key(1));
    for content in [&b"restored from elsewhere"[..], b""] {
        fs::write(&world.path, content).unwrap();
        let put = vault.put(&"more".parse().unwrap(), entry(VALUE), 0);
        assert!(matches!(put, Err(VaultError::Changed)));
        assert!(matches!(vault.rekey(file_key(2)), Err(VaultError::Changed)));
        assert_eq!(fs::read(&world.path).unwrap(), content);
    }
    assert_eq!(vault.rows().len(), 1);
}

#[test]
fn each_slot_opens_it_and_protecting_takes_all_others_away() {
    let world = World::new();
    let mut vault = world.create(file_key(1));
    vault.add_slot(passphrase(PASSPHRASE)).unwrap();
    vault.add_slot(raw(SlotKind::Keyring, 2)).unwrap();
    assert_eq!(world.locked().slots(), vault.slots());
    assert_eq!(vault.slots().len(), 3);
    for key in [
        file_key(1),
        passphrase(PASSPHRASE),
        raw(SlotKind::Keyring, 2),
    ] {
        assert!(holds_the_value(&world.unlock(key).unwrap()));
    }
    vault.protect(raw(SlotKind::Keyring, 3)).unwrap();
    assert_eq!(vault.slots(), [SlotKind::Keyring]);
    assert!(world.unlock(file_key(1)).is_err());
    assert!(world.unlock(raw(SlotKind::Keyring, 2)).is_err());
    assert!(world.unlock(raw(SlotKind::Keyring, 3)).is_ok());
}

#[test]
fn a_second_slot_of_a_kind_takes_the_place_of_the_first() {
    let world = World::new();
    let mut vault = world.create(file_key(1));
    vault.add_slot(file_key(2)).unwrap();
    assert_eq!(vault.slots(), [SlotKind::KeyFile]);
    assert!(world.unlock(file_key(1)).is_err());
    assert!(holds_the_value(&world.unlock(file_key(2)).unwrap()));
}

#[test]
fn the_data_key_opens_what_it_was_taken_from_and_nothing_after_a_rekey() {
    let world = World::new();
    let mut vault = world.create(file_key(1));
    let data_key = vault.data_key();
    assert!(holds_the_value(
        &world
            .locked()
            .unlock_with_data_key(data_key.clone())
            .unwrap()
    ));
    let (_, error) = world.locked().unlock_with_data_key([7; 32]).unwrap_err();
    assert!(matches!(error, VaultError::WrongKey { kind: "data key" }));
    vault.protect(raw(SlotKind::Keyring, 3)).unwrap();
    assert_eq!(vault.data_key(), data_key);
    vault.rekey(raw(SlotKind::Keyring, 4)).unwrap();
    assert_ne!(vault.data_key(), data_key);
    assert!(world.locked().unlock_with_data_key(data_key).is_err());
    assert!(world.unlock(raw(SlotKind::Keyring, 3)).is_err());
    assert!(holds_the_value(
        &world.unlock(raw(SlotKind::Keyring, 4)).unwrap()
    ));
}

#[test]
fn no_two_files_of_the_same_content_are_alike() {
    let world = World::new();
    let mut vault = world.create(file_key(1));
    let body = |bytes: &[u8]| bytes[16 + 92..].to_vec();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..8 {
        vault
            .put(&"main".parse().unwrap(), entry(VALUE), 100)
            .unwrap();
        let bytes = fs::read(&world.path).unwrap();
        let nonce = body(&bytes)[..12].to_vec();
        assert!(seen.insert(nonce));
    }
}

fn load_bytes(folder: &Path, bytes: &[u8]) -> Result<Option<Locked>, VaultError> {
    let path = folder.join(FILE);
    fs::write(&path, bytes).unwrap();
    Vault::load(&path)
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..400), framed in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = bytes;
        if framed {
            bytes.splice(..0, *b"CRPVAULT\x01\x00");
        }
        prop_assert!(parse(&bytes).is_err());
        prop_assert!(load_bytes(folder.path(), &bytes).is_err());
        prop_assert_eq!(fs::read(folder.path().join(FILE)).unwrap(), bytes);
    }
}
