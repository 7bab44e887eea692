//! The real `pass` over the real GnuPG, with a key and a store that live as long as the test.

use crate::world::{Outcome, program, run};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use tempfile::TempDir;

struct Store {
    home: TempDir,
    pass: String,
}

impl Store {
    /// A key, with this passphrase if it is not empty, and a store for it.
    fn new(passphrase: &str) -> Self {
        program("gpg", "gnupg");
        program("tree", "tree");
        let pass = program("pass", "pass").to_str().unwrap().to_owned();
        // The agent's socket lies in here, and a socket's path is at most 107 bytes.
        let home = tempfile::Builder::new()
            .prefix("pass")
            .tempdir_in("/tmp")
            .unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let store = Self { home, pass };
        let words = [
            "--batch",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            passphrase,
        ];
        let key = [
            "--quick-gen-key",
            "carapace-test",
            "rsa2048",
            "encrypt",
            "never",
        ];
        store.tool("gpg", &[&words[..], &key[..]].concat(), b"");
        store.tool("pass", &["init", "carapace-test"], b"");
        store
    }

    fn environment(&self) -> Vec<(String, String)> {
        let home = self.home.path().to_str().unwrap();
        vec![
            ("HOME".to_owned(), home.to_owned()),
            ("GNUPGHOME".to_owned(), format!("{home}/gnupg")),
            ("PASSWORD_STORE_DIR".to_owned(), format!("{home}/store")),
            ("CARAPACE_HELPER_PROGRAM".to_owned(), self.pass.clone()),
        ]
    }

    #[track_caller]
    fn tool(&self, name: &str, arguments: &[&str], input: &[u8]) {
        let folder = self.home.path().join("gnupg");
        if !folder.exists() {
            fs::create_dir(&folder).unwrap();
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        }
        let mut child = Command::new(name)
            .args(arguments)
            .envs(self.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name} {arguments:?}: {said}");
    }

    fn insert(&self, name: &str, text: &[u8]) {
        self.tool("pass", &["insert", "--multiline", "--force", name], text);
    }

    fn read(&self, name: &str) -> Outcome {
        let environment = self.environment();
        let borrowed: Vec<_> = environment
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        run(&["pass", name], &borrowed)
    }

    fn stop_agent(&self) {
        let _ = Command::new("gpgconf")
            .args(["--kill", "all"])
            .envs(self.environment())
            .status();
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.stop_agent();
    }
}

#[test]
fn pass_gives_the_first_line_of_an_entry() {
    let store = Store::new("");
    store.insert(
        "ai/anthropic",
        b"sk-real-pass-1\nuser: me\nurl: somewhere\n",
    );
    store.read("ai/anthropic").gives("sk-real-pass-1");
    store.insert("ai/no newline", b"schl\xc3\xbcssel");
    store.read("ai/no newline").gives("schlüssel");
    store.insert("ai/x; id", b"sk-2\n");
    store.read("ai/x; id").gives("sk-2");
    // It also works while no agent runs yet: gpg starts one, which stays, and is not waited for.
    store.stop_agent();
    store.read("ai/anthropic").gives("sk-real-pass-1");
}

#[test]
fn what_is_no_entry_of_pass_is_not_found() {
    let store = Store::new("");
    store.insert("ai/anthropic", b"sk-real-pass-1\n");
    store
        .read("ai/none")
        .fails(3, "is not in the password store");
    // For these `pass` prints a list of names and exits with 0.
    for folder in ["ai", "ai/", "ai//", ".", "./", "./ai", "/"] {
        store.read(folder).fails(3, "folder");
    }
    // `pass` refuses to leave its store.
    store.read("../gnupg/pubring.kbx").fails(1, "run pass");
}

#[test]
fn entries_of_pass_that_are_no_value_are_refused() {
    let store = Store::new("");
    store.insert("empty", b"\nuser: me\n");
    store.read("empty").fails(6, "empty");
    store.insert("binary", b"\xff\xfe\n");
    store.read("binary").fails(6, "not UTF-8");
    store.insert("long", &vec![b'k'; 70_000]);
    store.read("long").fails(6, "over 64 KiB");
}

#[test]
fn a_key_that_wants_its_passphrase_is_locked() {
    let store = Store::new("throw-away");
    store.insert("ai/anthropic", b"sk-real-pass-1\n");
    store.stop_agent();
    // Nobody can be asked here.
    fs::write(
        store.home.path().join("gnupg/gpg-agent.conf"),
        "pinentry-program /bin/false\n",
    )
    .unwrap();
    let locked = store.read("ai/anthropic");
    locked.fails(4, "run pass");
    assert!(locked.said.contains("unlock the key"), "{locked:?}");
}

#[test]
fn in_a_store_that_was_never_made_nothing_is_found() {
    let store = Store::new("");
    fs::remove_dir_all(store.home.path().join("store")).unwrap();
    let missing = store.read("ai/anthropic");
    missing.fails(3, "is not in the password store");
    assert!(missing.said.contains("PASSWORD_STORE_DIR"), "{missing:?}");
}
