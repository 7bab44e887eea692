//! The program as a person starts it, wherever that needs no broker: bad homes, bad values, the
//! configuration file, completions, and a foreign program in the cage.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// An empty folder for one test, and the program pointed at a home in it.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("h")
    }

    fn run<S: AsRef<OsStr>>(&self, words: &[S]) -> Done {
        self.run_in(&self.home(), words)
    }

    fn run_in<S: AsRef<OsStr>>(&self, home: &Path, words: &[S]) -> Done {
        let output = Command::new(env!("CARGO_BIN_EXE_carapace"))
            .arg("--home")
            .arg(home)
            .args(words)
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Done(output)
    }
}

struct Done(Output);

impl Done {
    fn status(&self) -> i32 {
        self.0.status.code().unwrap_or(-1)
    }

    fn out(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    fn err(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out())
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.out()))
    }

    #[track_caller]
    fn fails(&self, status: i32, parts: &[&str]) {
        let told = self.err();
        assert_eq!(self.status(), status, "{told}");
        for part in parts.iter().chain(&["remedy: "]) {
            assert!(told.contains(part), "{part:?} is missing in {told:?}");
        }
    }

    #[track_caller]
    fn done(&self) -> &Self {
        assert_eq!(self.status(), 0, "{}{}", self.out(), self.err());
        self
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn a_home_that_cannot_be_trusted_is_refused_with_the_remedy() {
    let world = World::new();
    let at = |name: &str| world.folder.path().join(name);
    fs::create_dir(at("open")).unwrap();
    fs::set_permissions(at("open"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(at("file"), "").unwrap();
    std::os::unix::fs::symlink(at("open"), at("link")).unwrap();
    for (name, part) in [
        ("open", "chmod 700"),
        ("file", "not a directory"),
        ("link", "symbolic link"),
        ("no/where", "folder above"),
    ] {
        world
            .run_in(&at(name), &["config", "show"])
            .fails(1, &[part]);
    }
    world
        .run_in(&at(&"x".repeat(100)), &["start"])
        .fails(1, &["socket path", "shorter"]);
    assert_eq!(
        fs::read_dir(at("open")).unwrap().count(),
        0,
        "nothing is written into it"
    );
    if is_root() {
        fs::set_permissions(at("open"), fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::chown(at("open"), Some(12345), Some(12345)).unwrap();
        world
            .run_in(&at("open"), &["status"])
            .fails(1, &["belongs to user 12345"]);
        world
            .run_in(Path::new("/proc/home"), &["start"])
            .fails(1, &["setting up the home: /proc/home"]);
    }
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    // A file size limit of zero takes no byte, as a full disk does.
    let world = World::new();
    let script = format!(
        "ulimit -f 0; trap '' XFSZ; exec {} --home {} config show",
        env!("CARGO_BIN_EXE_carapace"),
        world.home().display()
    );
    let output = Command::new("/bin/sh")
        .arg("-c")
        .arg(script)
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("setting up the home"));
    assert!(!world.home().exists(), "what was made is taken away again");
    world.run(&["config", "show"]).done();
}

#[test]
fn a_command_that_needs_a_running_carapace_says_how_to_start_it() {
    let world = World::new();
    let status = world.run(&["status"]);
    assert_eq!(status.status(), 3, "{}", status.err());
    assert!(status.out().contains("carapace start"), "{}", status.out());
    assert!(!world.home().exists(), "looking makes nothing");
    world.run(&["config", "show"]).done();
    assert_eq!(world.run(&["status"]).status(), 3);
    assert_eq!(world.run(&["status", "--json"]).json()["running"], false);
    for words in [
        &["sessions"][..],
        &["approvals"],
        &["tools"],
        &["effects"],
        &["grants"],
        &["panic"],
        &["why", "0123456789abcdef"],
    ] {
        world
            .run(words)
            .fails(3, &["not running", "carapace start"]);
    }
    assert_eq!(
        world.run(&["--json", "tools"]).json()["error"]["code"],
        "not-running"
    );
    world.run(&["stop"]).done();
}

#[test]
fn a_change_of_the_configuration_keeps_comments_and_is_checked_before() {
    let world = World::new();
    world.run(&["config", "show"]).done();
    let path = world.home().join("config.toml");
    let before = fs::read_to_string(&path).unwrap();
    world.run(&["config", "set", "limits.rounds", "30"]).done();
    let after = fs::read_to_string(&path).unwrap();
    assert_eq!(after, before.replace("rounds = 24 ", "rounds = 30 "));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(world.run(&["config", "get", "limits.rounds"]).out(), "30\n");

    world
        .run(&["config", "set", "limits.roundz", "1"])
        .fails(2, &["did you mean \"limits.rounds\""]);
    world
        .run(&["config", "set", "limits.rounds", "0"])
        .fails(2, &["limits.rounds", "1 to 1000"]);
    world
        .run(&["config", "set", "model.route", "nowhere:m"])
        .fails(2, &["nowhere", "[providers]"]);
    world
        .run(&["config", "get", "nothing"])
        .fails(2, &["no key"]);
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        after,
        "a refused change changes nothing"
    );

    fs::write(&path, "[limits]\nroundz = 1\n").unwrap();
    world.run(&["start"]).fails(78, &["roundz"]);
    assert_eq!(
        world.run(&["--json", "start"]).json()["error"]["code"],
        "config-invalid"
    );
}

#[test]
fn only_what_may_be_waived_is_waived_and_the_home_is_never_mounted() {
    let world = World::new();
    world.run(&["cage", "waive", "landlock"]).done();
    let shown = world.run(&["cage"]);
    assert!(
        shown.done().out().contains("WAIVED: LANDLOCK"),
        "{}",
        shown.out()
    );
    assert_eq!(world.run(&["cage", "waive", "seccomp"]).status(), 2);
    assert_eq!(
        world.run(&["cage", "waive", "namespaces"]).status(),
        78,
        "not both"
    );
    world.run(&["cage", "unwaive", "landlock"]).done();
    assert_eq!(
        world.run(&["--json", "cage"]).json()["allow_missing"],
        serde_json::json!([])
    );

    let docs = world.folder.path().join("docs");
    fs::create_dir(&docs).unwrap();
    world
        .run(&[
            OsStr::new("cage"),
            "mount".as_ref(),
            docs.as_ref(),
            "docs".as_ref(),
        ])
        .done();
    for home in [
        world.home(),
        world.home().join("state"),
        world.folder.path().to_owned(),
    ] {
        world
            .run(&[
                OsStr::new("cage"),
                "mount".as_ref(),
                home.as_ref(),
                "x".as_ref(),
            ])
            .fails(78, &["home"]);
    }
    world.run(&["cage", "unmount", "docs"]).done();
}

#[test]
fn an_empty_audit_log_is_intact_and_a_changed_one_is_not() {
    let world = World::new();
    world.run(&["config", "show"]).done();
    let report = world.run(&["--json", "audit", "verify"]);
    assert_eq!(report.done().json()["intact"], true);
    fs::write(world.home().join("state/audit.log"), "{\"seq\":0}\n").unwrap();
    let changed = world.run(&["audit", "verify"]);
    assert_eq!(changed.status(), 1);
    assert!(
        changed.out().contains("NOT INTACT") && changed.out().contains("line 1"),
        "{}",
        changed.out()
    );
}

#[test]
fn help_teaches_and_wrong_words_are_answered() {
    let world = World::new();
    assert!(world.run(&["--help"]).done().out().contains("Exit status"));
    assert!(
        world
            .run(&["chat", "--help"])
            .done()
            .out()
            .contains("Examples:")
    );
    assert_eq!(world.run(&["caht"]).status(), 2);
    assert!(world.run(&["caht"]).err().contains("chat"));
    assert_eq!(
        world.run(&["--json", "caht"]).json()["error"]["code"],
        "usage"
    );
    assert_eq!(world.run(&["chat", ""]).status(), 2);
    assert_eq!(world.run(&["chat", &"x".repeat(110_000)]).status(), 2);
    assert_eq!(world.run(&["approvals", "allow", "no"]).status(), 2);
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            world
                .run(&["completions", shell])
                .done()
                .out()
                .contains("carapace")
        );
    }
    assert!(!world.home().exists(), "none of this makes a home");
}

#[test]
fn the_doctor_names_what_is_wrong_with_the_home() {
    let world = World::new();
    world.run(&["config", "show"]).done();
    let state = world.home().join("state");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    let report = world.run(&["--json", "doctor"]);
    let checks = report.json()["home"].as_array().unwrap().clone();
    let modes = checks
        .iter()
        .find(|check| check["what"] == "modes")
        .unwrap();
    assert_eq!(modes["ok"], false);
    assert!(modes["remedy"].as_str().unwrap().contains("chmod"));
    assert!(matches!(report.status(), 1 | 4));
    assert!(report.json()["layers"].as_array().unwrap().len() > 8);
}

#[test]
fn a_foreign_static_program_runs_in_the_cage_and_keeps_its_status() {
    let world = World::new();
    let (source, program) = (
        world.folder.path().join("try.c"),
        world.folder.path().join("try"),
    );
    fs::write(
        &source,
        "#include <stdio.h>\n#include <unistd.h>\n#include <errno.h>\n#include <fcntl.h>\n\
         int main(int n, char **v) { int f = open(\"/etc/passwd\", O_RDONLY); printf(\"%s %d %d\\n\", v[1], f, getpid()); return 7; }\n",
    )
    .unwrap();
    let built = Command::new("cc")
        .arg("-static")
        .arg("-o")
        .arg(&program)
        .arg(&source)
        .status();
    if !built.is_ok_and(|status| status.success()) {
        eprintln!("not run: there is no C compiler with a static library here");
        return;
    }
    let words = [
        OsStr::new("sandbox"),
        "run".as_ref(),
        "--".as_ref(),
        program.as_ref(),
        "hello".as_ref(),
    ];
    let done = world.run(&words);
    if done.status() == 126 {
        eprintln!("not run: this machine offers no cage: {}", done.err());
        return;
    }
    assert_eq!(done.status(), 7, "{}", done.err());
    assert_eq!(done.out(), "hello -1 1\n", "no file of the host, and pid 1");
    assert!(done.err().contains("what differs"), "{}", done.err());
    world
        .run(&["sandbox", "run", "--", "/nowhere/x"])
        .fails(126, &["cannot be opened"]);
}
