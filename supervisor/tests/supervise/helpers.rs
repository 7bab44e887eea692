//! The processes that do one thing for the broker: the resolver, and who reads a secret. And the keys
//! that only the broker is given.

use std::fs;

use rustix::process::Signal;

use crate::world::{As, World, kill, lives};

const SECRETS: &str = r#"
[helpers]
pass = "/opt/nowhere/pass"

[[secret]]
name = "token"
from = "env"
item = "CARAPACE_TEST_SECRET"

[[secret]]
name = "missing"
from = "env"
item = "CARAPACE_TEST_ABSENT"

[[secret]]
name = "other"
from = "pass"
item = "ai/other"

[[secret]]
name = "online"
from = "op"
item = "op://a/b/c"

[[secret]]
name = "large"
from = "pass"
item = "large"

[[secret]]
name = "locked"
from = "pass"
item = "locked"

[[secret]]
name = "hangs"
from = "pass"
item = "hang"
"#;

fn secrets_are_read(who: As) {
    let mut world = World::new(who);
    world.write("cage.toml", SECRETS);
    world.started();
    for (name, said, end) in [
        ("token", "20 from the environment", "ended Clean 0"),
        ("missing", "0", "ended Clean 0"),
        (
            "other",
            "37 pass ai/other /opt/nowhere/pass false",
            "ended Clean 0",
        ),
        ("online", "", "ended Clean 0"),
        ("large", "60000 xxxx", "ended Clean 0"),
        ("locked", "7 half of", "ended Crash 4"),
    ] {
        let (number, generation, pid) = world.launch(name);
        assert_eq!(generation, 1);
        let read = world.broker(&format!("read {number}"));
        assert!(read.starts_with(said), "{name}: {read}");
        let ended = world.broker(&format!("ended {number}"));
        assert_eq!(ended, end, "{name}: {}", world.log());
        world.until("its process is gone", || !lives(pid));
    }
    let log = world.log();
    assert!(log.contains("it is locked"), "{log}");
    assert!(
        !log.contains("from the environment") && !log.contains("half of"),
        "{log}"
    );
    let status = world.ask("status");
    let layers = status["layers"].as_array().unwrap();
    for profile in ["secret", "secret-online"] {
        assert!(
            layers.iter().any(|one| one["profile"] == profile),
            "{profile}"
        );
    }
}

#[test]
fn secrets_are_read_by_processes_of_their_own() {
    secrets_are_read(As::Tester);
}

#[test]
fn secrets_are_read_by_processes_of_their_own_as_an_ordinary_user() {
    secrets_are_read(As::User);
}

#[test]
fn a_secret_that_is_not_named_is_unknown() {
    let mut world = World::new(As::User);
    world.started();
    assert_eq!(world.broker("launch nobody 0"), "failed Unknown");
    world.until_logged("which cage.toml does not name");
}

#[test]
fn a_reading_that_hangs_is_ended() {
    let mut world = World::new(As::User);
    world.write("cage.toml", SECRETS);
    world.started();
    let (number, _, pid) = world.launch("hangs");
    assert!(lives(pid));
    // The same name again and again: there is an end to that, too.
    let mut refused = String::new();
    for _ in 0..8 {
        refused = world.broker("launch hangs 0");
    }
    assert_eq!(refused, "failed Limit");
    world.until_logged(&format!("the time of secret#{number} is over"));
    world.until("it is gone", || !lives(pid));
    assert_eq!(world.broker(&format!("ended {number}")), "ended Killed 9");
}

#[test]
fn a_resolver_takes_the_place_of_the_one_before() {
    let mut world = World::new(As::User);
    world.write("cage.toml", "[resolver]\nservers = [\"192.0.2.1:53\"]\n");
    world.started();
    let (first, _, pid) = world.launch("resolver");
    assert_eq!(world.broker(&format!("say {first} q")), format!("Q {pid}"));
    let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    assert_eq!(line, "carapace-resolver\u{0}192.0.2.1:53\u{0}");
    let (second, _, other) = world.launch("resolver");
    assert_eq!(world.broker(&format!("ended {first}")), "ended Killed 9");
    world.until("the first is gone", || !lives(pid));
    assert_eq!(
        world.broker(&format!("say {second} q")),
        format!("Q {other}")
    );
    assert_eq!(world.processes("resolver", "serving").len(), 1);
    let broker = world.ask("pids")["broker"].as_u64().unwrap() as u32;
    kill(broker, Signal::KILL);
    world.until("it goes with its broker", || !lives(other));
}

fn keys_are_handed_over(who: As) {
    let mut world = World::new(who);
    world.started();
    assert_eq!(world.broker("key"), "none");
    assert_eq!(world.broker("kept"), "");
    world.broker("keep unlocked");
    // A key that is made later is there for the next broker, and what this one kept.
    world.write("key/vault.key", "the-key");
    world.broker("exit 3");
    world.until_logged("the broker listens, generation 2");
    assert_eq!(world.broker("key"), "the-key false");
    assert_eq!(world.broker("kept"), "unlocked");
    // Nobody else has them: each of these is looked at before it is handed over.
    for kind in ["worker", "hands", "resolver"] {
        let pid = world.launch(kind).2;
        // A link in there is readable for root alone.
        let links: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .map(|link| link.to_string_lossy().into_owned())
            .collect();
        assert!(
            !links
                .iter()
                .any(|link| link.contains("memfd") || link.contains("vault.key")),
            "{kind}: {links:?}"
        );
    }
}

#[test]
fn keys_are_handed_to_each_broker() {
    keys_are_handed_over(As::Tester);
}

#[test]
fn keys_are_handed_to_each_broker_as_an_ordinary_user() {
    keys_are_handed_over(As::User);
}
