//! What must hold before anything is started.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;

use crate::world::{As, World, lives};

fn comes_up_and_goes_down(who: As) {
    let mut world = World::new(who);
    world.started();
    let status = world.ask("status");
    assert_eq!(status["state"], "running");
    assert_eq!(status["pid"], world.pid());
    assert_eq!(world.processes("broker", "serving").len(), 1);
    world.until("a worker waits", || {
        !world.processes("worker", "idle").is_empty()
    });
    let processes = world.ask("pids");
    let pids: Vec<u32> = processes["processes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["pid"].as_u64().unwrap() as u32)
        .collect();
    assert!(pids.len() >= 2 && pids.iter().all(|pid| lives(*pid)));

    assert_eq!(world.ask("stop")["ok"], true);
    assert_eq!(world.wait().code(), Some(0), "{}", world.log());
    assert!(pids.iter().all(|pid| !lives(*pid)), "{}", world.log());
    let left: Vec<_> = fs::read_dir(world.home().join("run")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    // The last head that the broker offered while it finished.
    let head = fs::read(world.home().join("anchor/head")).unwrap();
    assert_eq!(head[..8], 1000_u64.to_le_bytes());
}

#[test]
fn it_comes_up_and_goes_down() {
    comes_up_and_goes_down(As::Tester);
}

#[test]
fn it_comes_up_and_goes_down_as_an_ordinary_user() {
    comes_up_and_goes_down(As::User);
}

#[test]
fn a_second_start_says_who_runs_and_a_left_over_is_taken_over() {
    let mut world = World::new(As::User);
    world.started();
    let (code, text) = world.start_again();
    assert_eq!(code, Some(3));
    let pid = world.pid();
    assert!(
        text.contains(&format!("already running, pid {pid}")),
        "{text}"
    );
    assert_eq!(world.ask("status")["pid"], pid);

    let broker = world.ask("pids")["broker"].as_u64().unwrap() as u32;
    world.signal(Signal::KILL);
    world.wait();
    world.until("the broker dies with it", || !lives(broker));
    assert!(world.home().join("run/supervisor.sock").exists());
    world.started();
    assert_ne!(world.ask("status")["pid"], pid);
}

#[test]
fn what_is_wrong_is_named_with_its_remedy() {
    let world = World::new(As::User);
    let failed = |code: i32, part: &str| {
        let (found, text) = world.start_again();
        assert_eq!(found, Some(code), "{text}");
        assert!(text.contains(part), "{text:?} should name {part:?}");
    };
    fs::set_permissions(world.home(), fs::Permissions::from_mode(0o750)).unwrap();
    failed(1, "chmod 700");
    fs::set_permissions(world.home(), fs::Permissions::from_mode(0o700)).unwrap();

    world.write("cage.toml", "allow-missing = [\"seccomp\"]");
    failed(78, "never optional");
    world.write("cage.toml", "surprise = 1");
    failed(78, "cage.toml");
    fs::remove_file(world.home().join("cage.toml")).unwrap();

    fs::set_permissions(
        world.home().join("config.toml"),
        fs::Permissions::from_mode(0o622),
    )
    .unwrap();
    failed(78, "chmod 600");
    fs::remove_file(world.home().join("config.toml")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", world.home().join("config.toml")).unwrap();
    failed(78, "config.toml");
    fs::remove_file(world.home().join("config.toml")).unwrap();
    world.write("config.toml", "first");

    world.write("key/vault.key", "key");
    fs::set_permissions(
        world.home().join("key/vault.key"),
        fs::Permissions::from_mode(0o640),
    )
    .unwrap();
    failed(78, "others may use it (mode 640)");
    fs::remove_file(world.home().join("key/vault.key")).unwrap();

    world.write("anchor/head", "short");
    failed(1, "audit anchor");
    fs::remove_file(world.home().join("anchor/head")).unwrap();

    fs::write(world.home().join("run/control.sock"), "mine").unwrap();
    failed(1, "something else is in its place");
}

#[test]
fn a_broker_that_refuses_its_configuration_ends_the_start_with_its_words() {
    let mut world = World::new(As::User);
    world.write("config.toml", "refused");
    world.start();
    assert_eq!(
        world.readiness,
        "FAILED starting the broker: config.toml cannot be used: config.toml: the word `refused`; remedy: remove it\n"
    );
    assert_eq!(world.wait().code(), Some(78));
}

#[test]
fn a_worker_that_cannot_start_ends_the_start() {
    let mut world = World::new(As::User);
    // A program that ends without a report.
    world.install_fake("carapace-worker", "../carapace-supervisor");
    world.start();
    assert!(
        world.readiness.starts_with("FAILED starting: "),
        "{}",
        world.readiness
    );
    assert!(world.readiness.contains("worker#"), "{}", world.readiness);
    assert_eq!(world.wait().code(), Some(1));
}

fn is_found_out(who: As) {
    let mut world = World::new(who);
    world.install_fake("carapace-worker", "fake-liar");
    world.start();
    assert!(
        world.readiness.contains("looking at it from outside"),
        "{}",
        world.readiness
    );
    assert_eq!(world.wait().code(), Some(1));
}

#[test]
fn a_program_that_only_says_it_is_locked_is_found_out() {
    is_found_out(As::Tester);
}

#[test]
fn a_program_that_only_says_it_is_locked_is_found_out_as_an_ordinary_user() {
    is_found_out(As::User);
}

#[test]
fn hands_that_only_say_they_are_locked_are_not_handed_out() {
    let mut world = World::new(As::User);
    world.install_fake("carapace-hands", "fake-liar");
    world.started();
    assert_eq!(world.broker("launch hands 0"), "failed Attestation");
    assert!(world.processes("hands", "serving").is_empty());
}

#[test]
fn a_program_that_never_reports_is_killed() {
    let mut world = World::new(As::User);
    world.install_fake("carapace-worker", "fake-silent");
    world.start();
    assert!(
        world.readiness.contains("not ready in time"),
        "{}",
        world.readiness
    );
    assert_eq!(world.wait().code(), Some(1));
}
