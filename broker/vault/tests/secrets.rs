//! The secrets in it: what is kept, lent, rotated, renewed and refused, and that none of it shows.

use carapace_contract::id::SecretName;
use carapace_vault::{
    Credential, FILE, Held, Key, MAX_ENTRIES, NewEntry, Put, Secret, SlotKind, Vault, VaultError,
};
use std::fs;
use std::path::PathBuf;
use zeroize::Zeroizing;

const ORIGIN: &str = "https://api.example.com:443";
const OTHER: &str = "https://evil.example.com:443";

fn key() -> Key {
    Key::Raw {
        kind: SlotKind::KeyFile,
        key: Zeroizing::new([0x5a; 32]),
    }
}

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

fn plain(value: &str) -> Credential {
    Credential::Key(Secret::from(value))
}

fn oauth(access: &str, refresh: Option<&str>, expires: i64) -> Credential {
    Credential::Oauth {
        access_token: Secret::from(access),
        refresh_token: refresh.map(Secret::from),
        expires: Some(expires),
    }
}

fn new(credential: Credential) -> NewEntry {
    NewEntry {
        held: Held::Credential(credential),
        ask: false,
        origins: vec![ORIGIN.to_owned()],
    }
}

fn external() -> NewEntry {
    NewEntry {
        held: Held::External,
        ask: true,
        origins: vec![ORIGIN.to_owned()],
    }
}

fn text(credential: &Credential) -> Vec<String> {
    credential
        .values()
        .iter()
        .map(|value| String::from_utf8(value.expose().to_vec()).unwrap())
        .collect()
}

struct World {
    folder: tempfile::TempDir,
    path: PathBuf,
    vault: Vault,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let vault = Vault::create(&path, key()).unwrap();
        Self {
            folder,
            path,
            vault,
        }
    }

    fn with(credential: Credential) -> Self {
        let mut world = Self::new();
        world
            .vault
            .put(&name("main"), new(credential), 100)
            .unwrap();
        world
    }

    fn on_disk(&self) -> Vault {
        let locked = Vault::load(&self.path).unwrap().unwrap();
        locked.unlock(key()).unwrap()
    }

    fn values(&self) -> Vec<String> {
        let values = self.vault.values();
        values
            .map(|(_, value)| String::from_utf8(value.expose().to_vec()).unwrap())
            .collect()
    }
}

#[test]
fn a_secret_is_lent_to_its_origin_and_to_no_other() {
    let mut world = World::with(plain("value-of-main"));
    let lent = world.vault.lend(&name("main"), ORIGIN, 200).unwrap();
    assert_eq!(text(&lent), ["value-of-main"]);
    for elsewhere in [
        OTHER,
        "http://api.example.com:443",
        "https://api.example.com:8443",
        "https://api.example.com",
        "https://api.example.com:443/",
        "https://API.example.com:443",
        "",
    ] {
        let refused = world.vault.lend(&name("main"), elsewhere, 200);
        assert!(
            matches!(refused, Err(VaultError::WrongOrigin { .. })),
            "{elsewhere}"
        );
    }
    assert!(matches!(
        world.vault.lend(&name("absent"), ORIGIN, 200),
        Err(VaultError::NotFound { .. })
    ));
}

#[test]
fn without_an_origin_it_goes_nowhere_and_the_refusal_says_what_to_do() {
    let mut world = World::new();
    let mut entry = new(plain("value-of-main"));
    entry.origins.clear();
    world.vault.put(&name("main"), entry, 0).unwrap();
    let error = world.vault.lend(&name("main"), ORIGIN, 1).unwrap_err();
    let words = error.to_string();
    assert!(
        words.contains("\n  remedy: ") && words.contains(ORIGIN),
        "{words}"
    );
}

#[test]
fn an_external_secret_is_told_only_for_its_origin() {
    let mut world = World::new();
    world.vault.put(&name("ext"), external(), 0).unwrap();
    assert!(matches!(
        world.vault.lend(&name("ext"), OTHER, 1),
        Err(VaultError::WrongOrigin { .. })
    ));
    assert!(matches!(
        world.vault.lend(&name("ext"), ORIGIN, 1),
        Err(VaultError::External { .. })
    ));
    let on_disk = {
        world.vault.write_uses().unwrap();
        world.on_disk()
    };
    let entry = on_disk.get(&name("ext")).unwrap();
    assert!(entry.is_external() && entry.ask() && entry.kind() == "external");
    assert_eq!(on_disk.rows()[0].last_used, Some(1));
    assert_eq!(on_disk.values().count(), 0);
    let staged = world.vault.stage(&name("ext"), plain("a-new-value"), 2);
    assert!(matches!(staged, Err(VaultError::External { .. })));
}

#[test]
fn every_kind_survives_the_disk() {
    let mut world = World::new();
    let aws = Credential::Aws {
        access_key_id: Secret::from("access-key-id"),
        secret_access_key: Secret::from("quote \" and \\ and \u{1f980}"),
        session_token: Some(Secret::from("session\nof\nlines")),
    };
    let binary = Credential::Key(Secret::new((0..=255).collect()));
    world.vault.put(&name("aws"), new(aws), 1).unwrap();
    world.vault.put(&name("binary"), new(binary), 1).unwrap();
    world
        .vault
        .put(&name("login"), new(oauth("access-token", None, 77)), 1)
        .unwrap();
    let on_disk = world.on_disk();
    let all = |vault: &Vault| {
        let values = vault.values();
        values
            .map(|(name, value)| (name.to_string(), value.expose().to_vec()))
            .collect::<Vec<_>>()
    };
    assert_eq!(all(&on_disk), all(&world.vault));
    assert_eq!(all(&on_disk).len(), 5);
    assert_eq!(on_disk.rows(), world.vault.rows());
    assert_eq!(on_disk.rows()[2].expires, Some(77));
}

#[test]
fn replacing_says_so_and_keeps_when_it_was_made() {
    let mut world = World::new();
    let first = world
        .vault
        .put(&name("main"), new(plain("first-value")), 10);
    let again = world.vault.put(&name("main"), new(plain("short")), 20);
    let put = |replaced, too_short| Put {
        replaced,
        too_short,
    };
    assert_eq!(first.unwrap(), put(false, false));
    assert_eq!(again.unwrap(), put(true, true));
    let row = &world.on_disk().rows()[0];
    assert_eq!((row.created, row.rotated), (10, Some(20)));
    assert!(row.too_short);
}

#[test]
fn a_staged_value_waits_beside_the_old_until_it_is_promoted() {
    let mut world = World::with(plain("the-old-value"));
    let main = name("main");
    assert!(matches!(
        world.vault.promote(&main, 1),
        Err(VaultError::NothingPending { .. })
    ));
    world
        .vault
        .stage(&main, plain("the-new-value"), 200)
        .unwrap();
    assert_eq!(world.vault.rows()[0].pending, Some(200));
    assert_eq!(world.on_disk().rows(), world.vault.rows());
    assert_eq!(world.values(), ["the-old-value", "the-new-value"]);
    let lent = world.vault.lend(&main, ORIGIN, 201).unwrap();
    assert_eq!(text(&lent), ["the-old-value"]);
    let tried = world.vault.lend_pending(&main, ORIGIN).unwrap();
    assert_eq!(text(&tried), ["the-new-value"]);
    assert!(matches!(
        world.vault.lend_pending(&main, OTHER),
        Err(VaultError::WrongOrigin { .. })
    ));

    world.vault.promote(&main, 300).unwrap();
    assert_eq!(world.values(), ["the-new-value"]);
    let row = &world.on_disk().rows()[0];
    assert_eq!(
        (row.created, row.rotated, row.pending),
        (100, Some(300), None)
    );
}

#[test]
fn a_discarded_value_leaves_the_old_as_it_was() {
    let mut world = World::with(plain("the-old-value"));
    let main = name("main");
    world
        .vault
        .stage(&main, plain("the-new-value"), 200)
        .unwrap();
    world.vault.discard(&main).unwrap();
    assert_eq!(world.values(), ["the-old-value"]);
    assert_eq!(world.on_disk().rows()[0].rotated, None);
    assert!(world.vault.discard(&main).is_err());
    assert!(world.vault.lend_pending(&main, ORIGIN).is_err());
    assert!(matches!(
        world
            .vault
            .stage(&name("absent"), plain("the-new-value"), 1),
        Err(VaultError::NotFound { .. })
    ));
}

#[test]
fn a_renewed_login_keeps_what_it_does_not_bring() {
    let mut world = World::with(oauth("access-one", Some("refresh-one"), 1000));
    let main = name("main");
    // More often than the owner may change it: renewal must not fail for that.
    for round in 0..30 {
        let renewed = oauth(&format!("access-of-{round}"), None, 2000 + round);
        world.vault.refresh(&main, renewed, 500).unwrap();
    }
    let on_disk = world.on_disk();
    let row = &on_disk.rows()[0];
    assert_eq!(
        (row.created, row.rotated, row.expires),
        (100, None, Some(2029))
    );
    assert_eq!(row.origins, [ORIGIN]);
    assert_eq!(world.values(), ["access-of-29", "refresh-one"]);
    let exchanged = oauth("access-two", Some("refresh-two"), 3000);
    world.vault.refresh(&main, exchanged, 600).unwrap();
    assert_eq!(world.values(), ["access-two", "refresh-two"]);
}

#[test]
fn only_a_login_is_renewed() {
    let mut world = World::with(plain("value-of-main"));
    let renewed = world
        .vault
        .refresh(&name("main"), oauth("access-one", None, 1), 1);
    assert!(matches!(renewed, Err(VaultError::NotOauth { .. })));
    let mut world = World::with(oauth("access-one", None, 1));
    let renewed = world
        .vault
        .refresh(&name("main"), plain("value-of-main"), 1);
    assert!(matches!(renewed, Err(VaultError::NotOauth { .. })));
    assert_eq!(world.values(), ["access-one"]);
}

#[test]
fn ten_changes_a_minute_are_taken_and_removal_is_not_counted() {
    let mut world = World::new();
    for round in 0..10 {
        world
            .vault
            .put(&name("main"), new(plain("value-of-main")), 1000 + round % 2)
            .unwrap();
    }
    let content = fs::read(&world.path).unwrap();
    assert!(matches!(
        world.vault.put(&name("main"), new(plain("another")), 1001),
        Err(VaultError::TooFast { limit: 10, .. })
    ));
    assert!(matches!(
        world.vault.stage(&name("main"), plain("another"), 1001),
        Err(VaultError::TooFast { .. })
    ));
    assert_eq!(fs::read(&world.path).unwrap(), content);
    assert!(world.vault.remove(&name("main")).unwrap());
    assert!(!world.vault.remove(&name("main")).unwrap());
    assert!(world.on_disk().rows().is_empty());
    assert!(
        world
            .vault
            .put(&name("main"), new(plain("another")), 1061)
            .is_ok()
    );
}

#[test]
fn values_and_origins_have_limits_that_say_so() {
    let mut world = World::new();
    let main = name("main");
    let mut put = |entry| world.vault.put(&main, entry, 0);
    assert!(matches!(put(new(plain(""))), Err(VaultError::Empty { .. })));
    let long = "x".repeat(64 * 1024 + 1);
    assert!(matches!(
        put(new(plain(&long))),
        Err(VaultError::TooLong { found: 65537, .. })
    ));
    for bad in ["https://api.example.com", "file:///etc", "https://a:443/x"] {
        let mut entry = new(plain("value-of-main"));
        entry.origins.push(bad.to_owned());
        assert!(matches!(put(entry), Err(VaultError::BadOrigin { .. })));
    }
    let mut entry = new(plain("value-of-main"));
    entry.origins = vec![ORIGIN.to_owned(); 17];
    assert!(matches!(put(entry), Err(VaultError::BadOrigin { .. })));
    assert!(put(new(plain(&long[1..]))).is_ok());
    assert_eq!(world.on_disk().values().next().unwrap().1.len(), 64 * 1024);
}

#[test]
fn a_hundred_secrets_fit_and_no_more() {
    let mut world = World::new();
    for index in 0..MAX_ENTRIES as i64 {
        let name = name(&format!("secret-{index}"));
        let entry = new(plain("value-of-one"));
        world.vault.put(&name, entry, index * 60).unwrap();
    }
    assert!(matches!(
        world
            .vault
            .put(&name("one-more"), new(plain("value")), 9000),
        Err(VaultError::TooMany { limit: 100 })
    ));
    let replaced = world
        .vault
        .put(&name("secret-7"), new(plain("value")), 9000);
    assert!(replaced.unwrap().replaced);
    assert_eq!(world.on_disk().rows().len(), 100);
}

#[test]
fn a_full_vault_refuses_and_loses_nothing() {
    let mut world = World::new();
    let value = "v".repeat(64 * 1024);
    let largest = || Credential::Aws {
        access_key_id: Secret::from(&value[..]),
        secret_access_key: Secret::from(&value[..]),
        session_token: Some(Secret::from(&value[..])),
    };
    // 256 KiB in base64 each.
    let full = (0..MAX_ENTRIES as i64).find_map(|index| {
        let name = name(&format!("secret-{index}"));
        let put = world.vault.put(&name, new(largest()), index * 60);
        put.err().map(|error| (index, error))
    });
    assert!(
        matches!(full, Some((63, VaultError::Full { .. }))),
        "{full:?}"
    );
    assert!(fs::metadata(&world.path).unwrap().len() <= carapace_vault::MAX_FILE as u64);
    let on_disk = world.on_disk();
    assert_eq!(on_disk.rows(), world.vault.rows());
    assert!(
        on_disk
            .values()
            .all(|(_, one)| one.expose() == value.as_bytes())
    );
}

#[test]
fn times_of_use_reach_the_disk_with_the_next_change_or_after_an_hour() {
    let mut world = World::with(plain("value-of-main"));
    let used = |world: &World| world.on_disk().rows()[0].last_used;
    let main = name("main");
    world.vault.lend(&main, ORIGIN, 1000).unwrap();
    world.vault.lend(&main, ORIGIN, 1001).unwrap();
    assert_eq!(used(&world), None);
    world
        .vault
        .put(&name("other"), new(plain("value-of-other")), 1002)
        .unwrap();
    assert_eq!(used(&world), Some(1001));
    world.vault.lend(&main, ORIGIN, 4599).unwrap();
    assert_eq!(used(&world), Some(1001));
    world.vault.lend(&main, ORIGIN, 4600).unwrap();
    assert_eq!(used(&world), Some(4600));
    world.vault.lend(&main, ORIGIN, 4700).unwrap();
    assert_eq!(used(&world), Some(4600));
    world.vault.write_uses().unwrap();
    assert_eq!(used(&world), Some(4700));
}

#[test]
fn a_disk_that_refuses_the_time_of_use_does_not_stop_the_lending() {
    let mut world = World::with(plain("value-of-main"));
    world.vault.lend(&name("main"), ORIGIN, 0).unwrap();
    fs::write(&world.path, "changed").unwrap();
    let lent = world.vault.lend(&name("main"), ORIGIN, 9000).unwrap();
    assert_eq!(text(&lent), ["value-of-main"]);
    assert!(world.vault.write_uses().is_err());
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn no_file_of_the_folder_holds_a_value_a_name_or_a_key_in_any_encoding() {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    let mut world = World::with(oauth(
        "access-token-of-main",
        Some("refresh-token-of-main"),
        5,
    ));
    world
        .vault
        .stage(&name("main"), plain("pending-value-of-main"), 100)
        .unwrap();
    let passphrase = "a passphrase of some length";
    world
        .vault
        .add_slot(Key::Passphrase(Secret::from(passphrase)))
        .unwrap();
    let data_key = world.vault.data_key();
    let secrets: [&[u8]; 8] = [
        b"access-token-of-main",
        b"refresh-token-of-main",
        b"pending-value-of-main",
        passphrase.as_bytes(),
        &[0x5a; 32],
        &data_key[..],
        b"example.com",
        b"access_token",
    ];
    let mut files = 0;
    for file in fs::read_dir(world.folder.path()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let lower = bytes.to_ascii_lowercase();
        files += 1;
        for secret in secrets {
            let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(!contains(&bytes, secret));
            assert!(!contains(&lower, hex.as_bytes()));
            for skip in 0..3 {
                // The characters that the secret alone determines, at each alignment.
                let whole = (secret.len() - skip) / 3 * 3;
                let part = &secret[skip..skip + whole];
                for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                    assert!(!contains(&bytes, engine.encode(part).as_bytes()));
                }
            }
        }
    }
    assert_eq!(files, 1);
}

#[test]
fn debug_and_errors_show_no_value_and_no_key() {
    let mut world = World::with(oauth(
        "access-token-of-main",
        Some("refresh-token-of-main"),
        5,
    ));
    let main = name("main");
    world
        .vault
        .stage(&main, plain("pending-value-of-main"), 1)
        .unwrap();
    let lent = world.vault.lend(&main, ORIGIN, 1).unwrap();
    let locked = Vault::load(&world.path).unwrap().unwrap();
    let bytes = fs::read(&world.path).unwrap();
    let passphrase = Key::Passphrase(Secret::from("pass-phrase-of-main"));
    let mut shown = vec![
        format!("{:?}", world.vault),
        format!("{locked:?}"),
        format!("{:?}", world.vault.get(&main).unwrap()),
        format!("{:?}", world.vault.rows()),
        format!("{lent:?}"),
        format!("{:?} {:?}", key(), passphrase),
        format!("{:?}", new(plain("pending-value-of-main"))),
        format!("{:?}", carapace_vault::parse(&bytes).unwrap()),
    ];
    let (_, wrong) = locked.unlock(passphrase).unwrap_err();
    let query = format!("{ORIGIN}/?key=access-token-of-main");
    for error in [
        wrong,
        world.vault.lend(&main, &query, 1).unwrap_err(),
        world
            .vault
            .refresh(&main, plain("pending-value-of-main"), 1)
            .unwrap_err(),
    ] {
        shown.push(format!("{error} {error:?}"));
    }
    for text in shown {
        for secret in [
            "access-token-of-main",
            "refresh-token-of-main",
            "pending-value-of-main",
            "pass-phrase-of-main",
            "90, 90, 90",
            "5a5a",
        ] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn every_refusal_names_a_remedy() {
    let mut world = World::new();
    let refusals = [
        world
            .vault
            .put(&name("main"), new(plain("")), 0)
            .unwrap_err(),
        world.vault.promote(&name("main"), 0).unwrap_err(),
        world.vault.discard(&name("main")).unwrap_err(),
        Vault::create(&world.path, key()).unwrap_err(),
        carapace_vault::parse(b"").unwrap_err(),
    ];
    for refusal in refusals {
        assert!(refusal.to_string().contains("\n  remedy: "), "{refusal}");
    }
}
