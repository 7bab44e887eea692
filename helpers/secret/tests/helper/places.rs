//! The environment, files, and command lines that ask nothing.

use crate::world::run;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

fn private(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

fn file(path: &Path) -> crate::world::Outcome {
    run(&["file", path.to_str().unwrap()], &[])
}

#[test]
fn a_variable_is_read() {
    run(&["env", "KEY"], &[("KEY", "sk-1")]).gives("sk-1");
    run(&["env", "KEY"], &[("KEY", "sk-1\n")]).gives("sk-1");
    run(&["env", "KEY"], &[("KEYS", "sk-1")]).fails(3, "the variable is not set");
    run(&["env", "KEY"], &[("KEY", "")]).fails(6, "empty");
    run(&["env", "KEY"], &[("KEY", &"k".repeat(65_537))]).fails(6, "over 64 KiB");
}

#[test]
fn a_private_file_is_read() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("key");
    private(&path, b"sk-1\n");
    file(&path).gives("sk-1");
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    file(&path).gives("sk-1");
    private(&home.path().join("largest"), &[b'k'; 65_536]);
    file(&home.path().join("largest")).gives(&"k".repeat(65_536));
}

#[test]
fn a_file_that_others_may_touch_is_refused_with_the_command_that_mends_it() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("key");
    private(&path, b"sk-1\n");
    for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let refused = file(&path);
        refused.fails(1, &format!("{mode:04o}"));
        assert!(refused.said.contains("chmod 600"), "{refused:?}");
        assert!(!refused.said.contains("sk-1"));
    }
}

#[test]
fn what_is_no_regular_file_is_refused_and_not_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let key = home.path().join("key");
    private(&key, b"sk-1\n");
    let link = home.path().join("link");
    symlink(&key, &link).unwrap();
    file(&link).fails(1, "symbolic link");
    let pipe = home.path().join("pipe");
    make_pipe(&pipe);
    file(&pipe).fails(1, "no regular file");
    file(home.path()).fails(1, "no regular file");
    file(Path::new("/dev/zero")).fails(1, "no regular file");
    file(&home.path().join("none")).fails(3, "no such file");
    file(&key.join("below")).fails(3, "no such file");
    // A folder on the way may be a link: whoever could change it could change the path as well.
    let folder = home.path().join("folder");
    symlink(home.path(), &folder).unwrap();
    file(&folder.join("key")).gives("sk-1");
}

fn make_pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo")
        .arg("-m600")
        .arg(path)
        .status();
    assert!(made.unwrap().success());
}

#[test]
fn a_file_that_is_no_value_is_refused() {
    let home = tempfile::tempdir().unwrap();
    for (bytes, words) in [
        (&b""[..], "empty"),
        (b"\n", "empty"),
        (&[b'k'; 65_537], "over 64 KiB"),
        (&[b'k'; 10 * 1024 * 1024], "over 64 KiB"),
        (b"\xff\xfe", "not UTF-8"),
        (b"a\0b", "NUL"),
    ] {
        let path = home.path().join("key");
        private(&path, bytes);
        file(&path).fails(6, words);
    }
}

#[test]
fn items_that_could_steer_another_program_are_refused() {
    for item in ["-h", "--", "--clip", "a\nb", "a\u{1b}b", ""] {
        for from in [
            "pass",
            "op",
            "bw",
            "keyring",
            "keyring-set",
            "keyring-delete",
            "env",
            "file",
        ] {
            run(&[from, item], &[("CARAPACE_HELPER_PROGRAM", "/bin/echo")])
                .fails(2, "check the item");
        }
    }
}

#[test]
fn a_command_line_that_asks_nothing_is_told_what_may_be_asked() {
    for words in [
        &[][..],
        &["pass"],
        &["vault", "x"],
        &["pass", "x", "y"],
        &["--help"],
    ] {
        run(words, &[]).fails(2, "keyring-probe");
    }
}

#[test]
fn an_item_is_not_repeated_where_it_is_wrong() {
    // Somebody puts the key where its name belongs.
    let refused = run(&["op", "sk-ant-api03-AbCdEf123456"], &[]);
    refused.fails(2, "op://");
    assert!(!refused.said.contains("sk-ant"));
    let unset = run(&["env", "AIzaSyAbCdEf123456"], &[]);
    unset.fails(3, "not set");
    assert!(!unset.said.contains("AIza"));
}
