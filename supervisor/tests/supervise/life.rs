//! What happens while it runs: launches, ends, deaths, a hostile broker, panic, reload.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use rustix::process::Signal;

use crate::world::{As, World, kill, lives};

fn launches_and_ends(who: As) {
    let mut world = World::new(who);
    world.started();
    world.until("a worker waits", || {
        world.processes("worker", "idle").len() == 1
    });
    let waiting = world.processes("worker", "idle")[0]["pid"].clone();
    let (first, generation, pid) = world.launch("worker");
    assert_eq!(
        (waiting, generation),
        (pid.into(), 1),
        "the warm one is handed out"
    );
    assert_eq!(world.broker(&format!("say {first} q")), format!("Q {pid}"));
    world.until("the pool is refilled", || {
        world.processes("worker", "idle").len() == 1
    });

    let (hands, _, pid) = world.launch("hands");
    assert_eq!(world.broker(&format!("say {hands} q")), format!("Q {pid}"));
    let serving = world.processes("hands", "serving");
    assert_eq!(serving[0]["attested"], true);

    // The voluntary end, the crash, the forbidden call, the ordered end.
    let numbers: Vec<u64> = (0..3).map(|_| world.launch("worker").0).collect();
    for (number, letter, end) in [
        (first, "x", "ended Clean 0"),
        (numbers[0], "c", "ended Crash"),
        (numbers[1], "v", "ended Violation 31"),
        (hands, "x", "ended Clean 0"),
    ] {
        world.broker(&format!("say {number} {letter}"));
        let told = world.broker(&format!("ended {number}"));
        assert!(told.starts_with(end), "{told}");
    }
    world.broker(&format!("kill {}", numbers[2]));
    assert_eq!(
        world.broker(&format!("ended {}", numbers[2])),
        "ended Killed 9"
    );
    assert_eq!(world.broker("launch hands 7"), "failed Cage");
    assert_eq!(world.ask("status")["broker_restarts"], 0);
}

#[test]
fn processes_are_launched_and_their_ends_told() {
    launches_and_ends(As::Tester);
}

#[test]
fn processes_are_launched_and_their_ends_told_as_an_ordinary_user() {
    launches_and_ends(As::User);
}

#[test]
fn there_is_a_limit_and_numbers_are_never_used_again() {
    let mut world = World::new(As::User);
    world.started();
    let mut numbers = Vec::new();
    let refused = loop {
        let answer = world.broker("launch worker 0");
        match answer
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse::<u64>().ok())
        {
            Some(number) => numbers.push(number),
            None => break answer,
        }
    };
    assert_eq!((refused.as_str(), numbers.len()), ("failed Limit", 64));
    let different: BTreeSet<u64> = numbers.iter().copied().collect();
    assert_eq!(different.len(), 64);
    world.broker(&format!("kill {}", numbers[0]));
    world.broker(&format!("ended {}", numbers[0]));
    let next = world.launch("worker").0;
    assert!(!different.contains(&next), "{next}");
}

#[test]
fn a_dead_broker_takes_its_processes_with_it_and_comes_back() {
    let mut world = World::new(As::User);
    world.started();
    let (_, _, mind) = world.launch("worker");
    let (_, _, hands) = world.launch("hands");
    let broker = world.ask("pids")["broker"].as_u64().unwrap() as u32;
    kill(broker, Signal::KILL);
    world.until_logged("the broker listens, generation 2");
    world.until("its processes are gone", || !lives(mind) && !lives(hands));
    let (number, generation, pid) = world.launch("worker");
    assert_eq!(generation, 2);
    assert_eq!(world.broker(&format!("say {number} q")), format!("Q {pid}"));
    let status = world.ask("status");
    assert_eq!(
        (&status["broker_restarts"], &status["state"]),
        (&1.into(), &"running".into())
    );
}

#[test]
fn a_broker_that_always_dies_is_given_up() {
    let mut world = World::new(As::User);
    world.started();
    for generation in 1..=8 {
        world.until_logged(&format!("the broker listens, generation {generation}"));
        world.broker("exit 3");
    }
    assert_eq!(world.wait().code(), Some(1));
    assert!(
        world.log().contains("the broker died 8 times in a row"),
        "{}",
        world.log()
    );
    assert!(!world.home().join("run/supervisor.pid").exists());
}

#[test]
fn a_broker_that_breaks_the_protocol_is_stopped() {
    let mut world = World::new(As::User);
    world.started();
    for (generation, command) in [
        (2, "nonsense 64"),
        (3, "nonsense 65"),
        (4, "nonsense 1"),
        (5, "ready"),
    ] {
        world.broker(command);
        world.until_logged(&format!("the broker listens, generation {generation}"));
    }
    assert_eq!(world.log().matches("it is stopped as hostile").count(), 4);
}

#[test]
fn the_anchor_only_moves_forward() {
    let mut world = World::new(As::User);
    world.started();
    let head = || fs::read(world.home().join("anchor/head")).unwrap_or_default();
    world.broker("anchor 5 1");
    world.until("it is written", || head().get(8) == Some(&1));
    for backward in ["anchor 4 2", "anchor 5 2", "anchor 0 0"] {
        world.broker(backward);
    }
    world.broker("anchor 5 1");
    world.until("all are heard", || {
        world.ask("status")["anchor_refused"] == 3
    });
    assert!(
        world
            .log()
            .contains("ALARM: the broker's audit chain has 4 records")
    );
    assert_eq!(head()[..9], [5, 0, 0, 0, 0, 0, 0, 0, 1]);
    world.broker("anchor 6 3");
    world.until("the next is written", || head().get(8) == Some(&3));
}

#[test]
fn panic_kills_what_is_confined_and_nothing_comes_back() {
    let mut world = World::new(As::User);
    world.started();
    let pids = [world.launch("worker").2, world.launch("hands").2];
    assert_eq!(world.ask("panic")["ok"], true);
    world.until("they are gone", || pids.iter().all(|pid| !lives(*pid)));
    assert_eq!(world.broker("panicked"), "Panic");
    assert_eq!(world.broker("launch worker 0"), "failed Stopping");
    assert_eq!(world.ask("status")["state"], "panic");

    // A broker that dies meanwhile is told again.
    world.broker("exit 1");
    world.until_logged("the broker listens, generation 2");
    assert_eq!(world.broker("panicked"), "Panic");
    assert_eq!(world.broker("launch hands 0"), "failed Stopping");
    let left = world.ask("pids");
    assert_eq!(left["processes"].as_array().unwrap().len(), 1, "{left}");
}

#[test]
fn a_new_configuration_comes_with_a_new_broker_and_a_bad_one_does_not_stay() {
    let mut world = World::new(As::User);
    world.started();
    assert_eq!(world.broker("config"), "first");
    world.write("config.toml", "second");
    assert_eq!(world.broker("config"), "first");
    assert_eq!(world.ask("reload")["ok"], true);
    world.until_logged("the broker listens, generation 2");
    assert_eq!(world.broker("config"), "second");

    world.write("config.toml", "refused");
    world.signal(Signal::HUP);
    world.until_logged("the broker listens, generation 4");
    assert_eq!(world.broker("config"), "second");
    let status = world.ask("status");
    assert!(
        status["config_refused"]
            .as_str()
            .unwrap()
            .contains("remove it"),
        "{status}"
    );
    assert_eq!(
        (&status["state"], &status["broker_restarts"]),
        (&"running".into(), &0.into())
    );

    fs::remove_file(world.home().join("config.toml")).unwrap();
    let answer = world.ask("reload");
    assert_eq!(answer["ok"], false);
    assert_eq!(world.broker("config"), "second");
}

#[test]
fn a_broker_that_does_not_finish_is_killed() {
    let mut world = World::new(As::User);
    world.write("config.toml", "stubborn");
    world.started();
    let broker = world.ask("pids")["broker"].as_u64().unwrap() as u32;
    world.signal(Signal::TERM);
    assert_eq!(world.wait().code(), Some(0));
    assert!(!lives(broker));
    assert!(world.log().contains("did not finish in time"));
}

#[test]
fn a_client_is_bounded_and_nobody_waits_for_it() {
    let mut world = World::new(As::User);
    world.started();
    let connect = || UnixStream::connect(world.home().join("run/supervisor.sock")).unwrap();
    // As many as there may be, all of them silent.
    let silent: Vec<UnixStream> = (0..40).map(|_| connect()).collect();
    assert_eq!(world.ask("status")["state"], "running");
    for mut stream in silent {
        let mut text = String::new();
        // Closed by the deadline, with nothing said.
        assert_eq!(stream.read_to_string(&mut text).unwrap(), 0);
    }
    for wrong in ["", "quit", "status now", "status\0", &"s".repeat(1000)] {
        assert_eq!(world.ask(wrong)["ok"], false, "{wrong:?}");
    }
    let mut slow = connect();
    for part in ["sta", "tus", "\n"] {
        slow.write_all(part.as_bytes()).unwrap();
    }
    let mut text = String::new();
    slow.read_to_string(&mut text).unwrap();
    assert!(text.ends_with("}\n"), "{text}");
}

#[test]
fn what_the_confined_print_is_bounded_and_harmless() {
    let mut world = World::new(As::User);
    world.started();
    world.until_logged("broker#1: the broker is \\u{1b}[31mup");
    world.broker("flood 5000");
    world.broker("exit 1");
    world.until_logged("the broker listens, generation 2");
    let log = world.log();
    let kept = log.matches(": flood ").count();
    assert!((1..5000).contains(&kept), "{kept}");
    assert!(log.contains(" lines dropped"), "{log}");
    assert!(!log.contains('\u{1b}'));
}
