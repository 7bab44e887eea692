//! The tools through the channel, as the broker calls them, on a directory of the test's own.

mod world;

use proptest::prelude::*;
use serde_json::json;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use world::Hands;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it exists").permissions().mode() & 0o7777
}

#[test]
fn paths_that_leave_are_refused_by_every_tool() {
    let mut hands = Hands::new();
    let top = hands.top.path().to_owned();
    symlink(top.join("secret"), hands.path("absolute")).expect("a link");
    symlink("../secret", hands.path("relative")).expect("a link");
    symlink("..", hands.path("up")).expect("a link");
    symlink("/proc/self", hands.path("proc")).expect("a link");
    symlink("loop", hands.path("loop")).expect("a link");
    fs::create_dir(hands.path("sub")).expect("a directory");
    let paths = [
        "../secret",
        "sub/../../secret",
        "/etc/passwd",
        "/",
        "/workspacex",
        "/workspace/../secret",
        "absolute",
        "relative",
        "up/secret",
        "proc/environ",
        "loop",
        "",
        "a\0b",
        "..",
        "/mnt/..",
        "sub/../..",
    ];
    for path in paths {
        for (tool, arguments) in [
            ("read", json!({"path": path})),
            ("write", json!({"path": path, "content": "x"})),
            ("edit", json!({"path": path, "old": "secret", "new": "x"})),
            ("list", json!({"path": path})),
            ("search", json!({"path": path, "pattern": "secret"})),
        ] {
            let said = hands.broker.refused(tool, arguments);
            let clear = ["outside the workspace", "is not a path", "symlinks"]
                .iter()
                .any(|words| said.contains(words));
            assert!(clear, "{tool} {path:?}: {said}");
        }
    }
    assert_eq!(
        fs::read_to_string(top.join("secret")).expect("it exists"),
        "secret"
    );
    // A search and a list from above do not follow them either.
    assert_eq!(
        hands.broker.done("search", json!({"pattern": "secret"})),
        "[no line fits, in 0 files]"
    );
    assert!(
        !hands
            .broker
            .done("list", json!({"depth": 8}))
            .contains("secret  ")
    );
}

#[test]
fn links_that_stay_are_followed() {
    let mut hands = Hands::new();
    hands.file("sub/a", "A");
    fs::write(hands.top.path().join("mnt/shown/b"), "B").expect("a file");
    symlink("sub/../sub/./a", hands.path("link")).expect("a link");
    symlink("/workspace/sub", hands.path("whole")).expect("a link");
    symlink("/mnt/shown/b", hands.path("shown")).expect("a link");
    symlink("made", hands.path("new")).expect("a link");
    for (path, content) in [
        ("link", "A"),
        ("whole/a", "A"),
        ("whole/../sub/a", "A"),
        ("shown", "B"),
        ("/mnt/shown/b", "B"),
        ("/workspace/sub//a", "A"),
        ("./sub/a", "A"),
    ] {
        assert_eq!(
            hands.broker.done("read", json!({"path": path})),
            content,
            "{path}"
        );
    }
    hands
        .broker
        .done("write", json!({"path": "new", "content": "N"}));
    assert_eq!(
        fs::read_to_string(hands.path("made")).expect("it was made"),
        "N"
    );
    assert!(
        fs::symlink_metadata(hands.path("new"))
            .expect("it exists")
            .is_symlink()
    );
}

#[test]
fn a_link_that_is_swapped_during_the_walk_never_leads_out() {
    let mut hands = Hands::new();
    hands.file("a/b/secret", "inside");
    let (path, top) = (hands.path("a"), hands.top.path().to_owned());
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopping = std::sync::Arc::clone(&stop);
    let swapper = std::thread::spawn(move || {
        while !stopping.load(std::sync::atomic::Ordering::SeqCst) {
            let _ = fs::rename(path.join("b"), path.join("c"));
            let _ = symlink(&top, path.join("b"));
            let _ = fs::remove_file(path.join("b"));
            let _ = fs::rename(path.join("c"), path.join("b"));
        }
    });
    for _ in 0..2000 {
        match hands.broker.call("read", json!({"path": "a/b/secret"})) {
            Ok(text) => assert_eq!(text, "inside"),
            Err((_, message)) => assert!(!message.contains("secret\""), "{message}"),
        }
    }
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    swapper.join().expect("the swapper ends");
}

#[test]
fn read_gives_lines_and_says_how_to_go_on() {
    let mut hands = Hands::new();
    hands.file("a", "one\ntwo\nthree");
    hands.file("empty", "");
    hands.file("binary", b"\x7fELF\0\0");
    hands.file("latin", b"caf\xe9\n");
    hands.file(
        "many",
        (1..=100_000)
            .map(|number| format!("line {number}\n"))
            .collect::<String>(),
    );
    hands.file("wide", "x".repeat(300 * 1024));
    let broker = &mut hands.broker;
    assert_eq!(broker.done("read", json!({"path": "a"})), "one\ntwo\nthree");
    assert_eq!(
        broker.done("read", json!({"path": "a", "offset": 3})),
        "three"
    );
    assert_eq!(
        broker.done("read", json!({"path": "a", "offset": 2, "limit": 1})),
        "two\n[lines 2 to 2 of a file of 13 bytes; go on with offset 3]"
    );
    assert_eq!(
        broker.done("read", json!({"path": "a", "offset": 2, "limit": 2})),
        "two\nthree"
    );
    assert_eq!(
        broker.done("read", json!({"path": "empty"})),
        "[the file is empty]"
    );
    assert_eq!(
        broker.done("read", json!({"path": "latin"})),
        "caf\u{fffd}\n"
    );
    assert!(
        broker
            .refused("read", json!({"path": "a", "offset": 9}))
            .contains("3 lines")
    );
    assert!(
        broker
            .refused("read", json!({"path": "binary"}))
            .contains("binary data, 6 bytes")
    );
    assert!(
        broker
            .refused("read", json!({"path": "."}))
            .contains("is a directory")
    );
    assert!(
        broker
            .refused("read", json!({"path": "none/at/all"}))
            .contains("does not exist")
    );
    assert!(
        broker
            .refused("read", json!({"path": "a/b"}))
            .contains("not a directory")
    );
    assert!(
        broker
            .done("read", json!({"path": "wide"}))
            .contains("[cut here: line 1 is longer")
    );
    // All of a long file, by following what it says.
    let (mut offset, mut lines) = (1, Vec::new());
    loop {
        let text = broker.done("read", json!({"path": "many", "offset": offset}));
        assert!(text.len() < 257 * 1024);
        lines.extend(
            text.lines()
                .filter(|line| line.starts_with("line "))
                .map(str::to_owned),
        );
        match text.rsplit_once("go on with offset ") {
            Some((_, next)) => offset = next.trim_end_matches(']').parse().expect("a number"),
            None => break,
        }
    }
    assert_eq!(lines.len(), 100_000);
    assert!(
        lines
            .iter()
            .enumerate()
            .all(|(at, line)| *line == format!("line {}", at + 1))
    );
}

#[test]
fn write_replaces_whole_files_and_keeps_their_mode() {
    let mut hands = Hands::new();
    assert_eq!(
        hands
            .broker
            .done("write", json!({"path": "d/e/f", "content": "1"})),
        "created d/e/f: 1 bytes"
    );
    fs::set_permissions(hands.path("d/e/f"), fs::Permissions::from_mode(0o755)).expect("a mode");
    let before = fs::File::open(hands.path("d/e/f")).expect("it exists");
    assert_eq!(
        hands
            .broker
            .done("write", json!({"path": "d/e/f", "content": "22"})),
        "replaced d/e/f: 2 bytes"
    );
    assert_eq!(
        (
            mode(&hands.path("d/e/f")),
            fs::read_to_string(hands.path("d/e/f")).expect("text")
        ),
        (0o755, "22".to_owned())
    );
    // Whoever had it open still reads what was there.
    assert_eq!(std::io::read_to_string(before).expect("text"), "1");
    assert!(
        hands
            .broker
            .refused("write", json!({"path": "d", "content": ""}))
            .contains("is a directory")
    );
    assert!(
        hands
            .broker
            .refused("write", json!({"path": "d/e/f/g", "content": ""}))
            .contains("not a directory")
    );
    // Nothing is left beside it.
    assert_eq!(
        hands.broker.done("list", json!({"path": "d", "depth": 2})),
        "e/\ne/f  2 bytes"
    );
}

#[test]
fn edit_wants_its_text_once() {
    let mut hands = Hands::new();
    hands.file("a", "x = 1\ny = 2\nx = 1\n");
    fs::set_permissions(hands.path("a"), fs::Permissions::from_mode(0o600)).expect("a mode");
    hands.file("latin", b"caf\xe9");
    let edit = |old: &str, new: &str| json!({"path": "a", "old": old, "new": new});
    assert_eq!(
        hands.broker.done("edit", edit("y = 2", "y = 3")),
        "replaced 1 place in a, line 2"
    );
    assert!(
        hands
            .broker
            .refused("edit", edit("x = 1", "x = 2"))
            .contains("2 times")
    );
    assert!(
        hands
            .broker
            .refused("edit", edit("z", "x"))
            .contains("is not in a")
    );
    assert!(
        hands
            .broker
            .refused("edit", edit("", "x"))
            .starts_with("VALIDATION_FAILED")
    );
    assert!(
        hands
            .broker
            .refused("edit", edit("x", "x"))
            .starts_with("VALIDATION_FAILED")
    );
    assert!(
        hands
            .broker
            .refused("edit", json!({"path": "latin", "old": "c", "new": "k"}))
            .contains("not UTF-8")
    );
    let all = json!({"path": "a", "old": "x = 1", "new": "x = 2", "all": true});
    assert_eq!(
        hands.broker.done("edit", all),
        "replaced 2 places in a, the first in line 1"
    );
    assert_eq!(
        fs::read_to_string(hands.path("a")).expect("text"),
        "x = 2\ny = 3\nx = 2\n"
    );
    assert_eq!(mode(&hands.path("a")), 0o600);
}

#[test]
fn list_is_sorted_and_bounded() {
    let mut hands = Hands::new();
    hands.file("b/c/d", "1234");
    hands.file("a", "1");
    hands.file(".git/config", "");
    symlink("a", hands.path("z")).expect("a link");
    assert_eq!(
        hands.broker.done("list", json!({})),
        ".git/\na  1 bytes\nb/\nz -> a"
    );
    assert_eq!(
        hands.broker.done("list", json!({"depth": 3})),
        ".git/\na  1 bytes\nb/\nb/c/\nb/c/d  4 bytes\nz -> a"
    );
    assert_eq!(
        hands.broker.done("list", json!({"path": "a"})),
        "a  1 bytes"
    );
    assert!(
        hands
            .broker
            .refused("list", json!({"depth": 9}))
            .contains("1 to 8")
    );
    for number in 0..1100 {
        hands.file(&format!("many/{number:04}"), "");
    }
    let text = hands.broker.done("list", json!({"path": "many"}));
    assert_eq!(text.lines().count(), 1001);
    assert!(
        text.starts_with("0000  0 bytes")
            && text.contains("0999")
            && text.ends_with("list a directory further down]")
    );
}

#[test]
fn search_finds_lines_and_says_what_it_left_out() {
    let mut hands = Hands::new();
    hands.file("src/a.rs", "fn main() {}\n// caf\u{e9} fn\r\n");
    hands.file("src/b.bin", b"fn \0");
    hands.file(".git/x", "fn main");
    hands.file(
        "long",
        format!("{} fn\n{}fn\n", "y".repeat(500), "z".repeat(70_000)),
    );
    let broker = &mut hands.broker;
    let found = broker.done("search", json!({"pattern": r"\bfn\b", "path": "src"}));
    assert_eq!(
        found,
        "src/a.rs:1: fn main() {}\nsrc/a.rs:2: // caf\u{e9} fn\n[1 files that are not text were left out]"
    );
    assert_eq!(
        broker.done(
            "search",
            json!({"pattern": "MAIN|caf\u{e9}", "path": "src/a.rs"})
        ),
        "src/a.rs:2: // caf\u{e9} fn"
    );
    let found = broker.done("search", json!({"pattern": "y fn$", "path": "long"}));
    assert!(found.starts_with("long:1: yyy") && found.ends_with(" [cut]") && found.len() < 450);
    assert!(
        broker
            .done("search", json!({"pattern": "fn", "limit": 1}))
            .contains("[more than 1 hits")
    );
    assert!(
        broker
            .refused("search", json!({"pattern": "("}))
            .starts_with("VALIDATION_FAILED")
    );
    assert!(
        broker
            .refused("search", json!({"pattern": "(a{1000}){1000}"}))
            .starts_with("VALIDATION_FAILED")
    );
    hands.file("hits", "hit\n".repeat(1000));
    let found = hands.broker.done("search", json!({"pattern": "hit"}));
    assert_eq!(found.lines().count(), 201, "200 hits and the limit");
}

#[test]
fn what_is_no_call_is_refused_with_a_sentence() {
    let mut hands = Hands::new();
    for (tool, arguments) in [
        ("delete", json!({})),
        ("read", json!({})),
        ("read", json!([])),
        ("read", json!({"path": "a", "extra": 1})),
        ("list", json!({"depth": -1})),
        ("exec", json!({"argv": "ls"})),
        ("exec", json!({"argv": ["ls"], "seconds": 0})),
    ] {
        assert!(
            hands
                .broker
                .refused(tool, arguments)
                .starts_with("VALIDATION_FAILED: "),
            "{tool}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn no_path_reads_what_is_outside(parts in prop::collection::vec(prop::sample::select(vec!["..", ".", "", "sub", "up", "workspace", "secret", "self", "/workspace", "mnt"]), 1..8)) {
        let mut hands = Hands::new();
        fs::create_dir(hands.path("sub")).expect("a directory");
        symlink("../..", hands.path("sub/up")).expect("a link");
        symlink(".", hands.path("self")).expect("a link");
        let path = parts.join("/");
        if let Ok(text) = hands.broker.call("read", json!({"path": path})) {
            prop_assert!(false, "{} gave {}", path, text);
        }
    }
}
