//! What only the hook between the steps of a write can show: death at each step, and a disk that does not keep what
//! it was given.

use super::*;
use std::cell::RefCell;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

const VICTIM: &str = "CARAPACE_VAULT_VICTIM";
/// made, written, synced, checked, renamed, settled.
const STEPS: usize = 6;
/// The file is the new one from this step on.
const RENAMED: usize = 4;
const ORIGIN: &str = "https://api.example.com:443";

static LEFT: AtomicUsize = AtomicUsize::new(0);

fn raw(byte: u8) -> Key {
    Key::Raw {
        kind: SlotKind::KeyFile,
        key: Zeroizing::new([byte; 32]),
    }
}

fn keyring(byte: u8) -> Key {
    Key::Raw {
        kind: SlotKind::Keyring,
        key: Zeroizing::new([byte; 32]),
    }
}

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

fn new(value: &str) -> NewEntry {
    NewEntry {
        held: Held::Credential(Credential::Key(Secret::from(value))),
        ask: false,
        origins: vec![ORIGIN.to_owned()],
    }
}

fn open(path: &Path, key: Key) -> Option<Vault> {
    Vault::load(path).unwrap().unwrap().unlock(key).ok()
}

fn values(vault: &Vault) -> Vec<(String, Vec<u8>)> {
    vault
        .values()
        .map(|(name, value)| (name.to_string(), value.expose().to_vec()))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    expected
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect()
}

fn with_two(path: &Path) -> Vault {
    let mut vault = Vault::create(path, raw(1)).unwrap();
    vault.put(&name("one"), new("value-of-one"), 0).unwrap();
    vault.put(&name("two"), new("value-of-two"), 0).unwrap();
    vault
}

fn die_when_told(_: &'static str) {
    if LEFT.load(Ordering::Relaxed) == 0 {
        let own = std::process::id().to_string();
        Command::new("kill").args(["-9", &own]).status().unwrap();
    }
    LEFT.fetch_sub(1, Ordering::Relaxed);
}

fn act(what: &str, path: &Path, at: At) -> Result<(), VaultError> {
    if what == "create" {
        return Vault::create_at(path, raw(1), at).map(drop);
    }
    let mut vault = open(path, raw(1)).unwrap();
    vault.at = at;
    match what {
        "put" => vault.put(&name("new"), new("value-of-new"), 0).map(drop),
        "replace" => vault.put(&name("two"), new("other-value"), 0).map(drop),
        "remove" => vault.remove(&name("two")).map(drop),
        "rekey" => vault.rekey(raw(2)),
        "add-slot" => vault.add_slot(keyring(3)),
        "protect" => vault.protect(keyring(3)),
        other => panic!("{other}"),
    }
}

/// Acts until the step it was told, and is gone there without a trace of a clean-up.
#[test]
fn victim() {
    let Ok(told) = std::env::var(VICTIM) else {
        return;
    };
    let [what, step, path] = told.splitn(3, ':').collect::<Vec<_>>()[..] else {
        panic!("{told}");
    };
    LEFT.store(step.parse().unwrap(), Ordering::Relaxed);
    act(what, path.as_ref(), die_when_told).unwrap();
}

fn kill(what: &str, step: usize, path: &Path) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["vault::tests::victim", "--exact", "--test-threads=1"])
        .env(VICTIM, format!("{what}:{step}:{}", path.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(status.signal(), Some(9), "{what} did not reach step {step}");
}

fn only_the_vault_is_in(folder: &Path) {
    let names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    assert_eq!(names, [FILE]);
}

#[test]
fn a_change_killed_at_any_step_leaves_the_old_vault_or_the_new() {
    let old = pairs(&[("one", "value-of-one"), ("two", "value-of-two")]);
    let new_ones = [
        (
            "put",
            pairs(&[
                ("new", "value-of-new"),
                ("one", "value-of-one"),
                ("two", "value-of-two"),
            ]),
        ),
        (
            "replace",
            pairs(&[("one", "value-of-one"), ("two", "other-value")]),
        ),
        ("remove", pairs(&[("one", "value-of-one")])),
    ];
    for (what, new) in new_ones {
        for step in 0..STEPS {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(FILE);
            drop(with_two(&path));
            kill(what, step, &path);
            let vault = open(&path, raw(1)).unwrap();
            let expected = if step < RENAMED { &old } else { &new };
            assert_eq!(&values(&vault), expected, "{what} killed at {step}");
            only_the_vault_is_in(folder.path());
            drop(vault);
            act(what, &path, |_| {}).unwrap();
            assert_eq!(values(&open(&path, raw(1)).unwrap()), new);
        }
    }
}

#[test]
fn a_rekey_killed_at_any_step_opens_with_the_old_key_or_the_new_and_never_both() {
    for step in 0..STEPS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let before = with_two(&path).data_key();
        kill("rekey", step, &path);
        let done = step >= RENAMED;
        let (right, wrong) = if done { (2, 1) } else { (1, 2) };
        assert!(open(&path, raw(wrong)).is_none(), "killed at {step}");
        let vault = open(&path, raw(right)).unwrap();
        assert_eq!(values(&vault).len(), 2, "killed at {step}");
        assert_eq!(vault.data_key() != before, done);
        only_the_vault_is_in(folder.path());
    }
}

#[test]
fn a_slot_added_or_exchanged_and_killed_at_any_step_loses_nothing() {
    for what in ["add-slot", "protect"] {
        for step in 0..STEPS {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(FILE);
            drop(with_two(&path));
            kill(what, step, &path);
            let done = step >= RENAMED;
            let old_stays = !done || what == "add-slot";
            assert_eq!(open(&path, raw(1)).is_some(), old_stays, "{what} {step}");
            assert_eq!(open(&path, keyring(3)).is_some(), done, "{what} {step}");
            let key = if done { keyring(3) } else { raw(1) };
            assert_eq!(values(&open(&path, key).unwrap()).len(), 2);
        }
    }
}

#[test]
fn a_creation_killed_at_any_step_leaves_none_or_a_whole_one() {
    for step in 0..STEPS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        kill("create", step, &path);
        let found = Vault::load(&path).unwrap();
        assert_eq!(found.is_some(), step >= RENAMED, "killed at {step}");
        match found {
            Some(locked) => drop(locked.unlock(raw(1)).unwrap()),
            None => drop(Vault::create(&path, raw(1)).unwrap()),
        }
        only_the_vault_is_in(folder.path());
    }
}

thread_local! {
    /// Which step spoils which file.
    static SPOILT: RefCell<Option<(&'static str, PathBuf)>> = const { RefCell::new(None) };
}

fn spoil_when_told(step: &'static str) {
    SPOILT.with_borrow(|spoilt| {
        if let Some((told, path)) = spoilt
            && *told == step
        {
            let mut bytes = fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            fs::write(path, bytes).unwrap();
        }
    });
}

#[test]
fn a_write_that_does_not_read_back_is_undone() {
    for (step, file) in [
        ("written", "vault.new"),
        ("synced", "vault.new"),
        ("renamed", FILE),
        ("settled", FILE),
    ] {
        for what in ["put", "rekey", "add-slot", "protect", "create"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(FILE);
            let before = (what != "create").then(|| {
                drop(with_two(&path));
                fs::read(&path).unwrap()
            });
            SPOILT.set(Some((step, folder.path().join(file))));
            let outcome = act(what, &path, spoil_when_told);
            assert!(
                matches!(outcome, Err(VaultError::NotKept)),
                "{what} spoilt at {step}: {outcome:?}"
            );
            assert_eq!(fs::read(&path).ok(), before, "{what} spoilt at {step}");
            assert!(!folder.path().join("vault.new").exists());
        }
    }
}

#[test]
fn after_a_write_that_was_undone_the_open_vault_is_as_before_and_takes_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let mut vault = with_two(&path);
    let before = values(&vault);
    vault.at = spoil_when_told;
    SPOILT.set(Some(("renamed", path.clone())));
    assert!(vault.put(&name("new"), new("value-of-new"), 0).is_err());
    assert!(vault.rekey(raw(9)).is_err());
    assert_eq!(values(&vault), before);
    SPOILT.set(None);
    vault.put(&name("new"), new("value-of-new"), 0).unwrap();
    assert_eq!(values(&open(&path, raw(1)).unwrap()), values(&vault));
}

#[test]
fn a_renewed_login_is_in_force_though_it_cannot_be_written_and_goes_with_the_next_change() {
    let login = |access: &str, refresh: &str| Credential::Oauth {
        access_token: Secret::from(access),
        refresh_token: Some(Secret::from(refresh)),
        expires: Some(1000),
    };
    let renewed = pairs(&[("one", "access-two"), ("one", "refresh-two")]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let mut vault = Vault::create(&path, raw(1)).unwrap();
    let entry = NewEntry {
        held: Held::Credential(login("access-one", "refresh-one")),
        ..new("")
    };
    vault.put(&name("one"), entry, 0).unwrap();
    vault.at = spoil_when_told;
    SPOILT.set(Some(("renamed", path.clone())));
    let outcome = vault.refresh(&name("one"), login("access-two", "refresh-two"), 0);
    assert!(matches!(outcome, Err(VaultError::NotKept)));
    assert_eq!(values(&vault), renewed);
    assert_ne!(values(&open(&path, raw(1)).unwrap()), renewed);
    SPOILT.set(None);
    vault.write_uses().unwrap();
    assert_eq!(values(&open(&path, raw(1)).unwrap()), renewed);
}
