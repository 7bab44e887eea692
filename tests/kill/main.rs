//! `kill -9` of any process at any moment: the others survive or end as designed, a start goes on,
//! the audit chain holds, nothing accepted is lost, nothing is done twice, and what cannot be known
//! is shown as unknown.

use carapace_contract::control::{Ask, Tell};
use carapace_contract::id::TurnId;
use carapace_contract::verdict::Decision;
use carapace_harness::World;
use carapace_harness::world::{eventually, kill};
use std::time::{Duration, Instant};

/// Rounds of one run; `make test-long` has more.
fn rounds() -> usize {
    std::env::var("CARAPACE_KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(100)
}

/// Evenly spread, the same in each run: a failure can be had again.
struct Spread(u64);

impl Spread {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

#[test]
fn any_process_may_die_at_any_moment() {
    let world = World::new();
    world.start();
    let mut spread = Spread(7);
    let mut unknown = 0;
    for round in 0..rounds() {
        let victim = ["worker", "hands", "broker", "supervisor"][round % 4];
        let file = format!("round{round}.txt");
        let id = TurnId::random();
        let text = format!("run `bash -c \"echo once >> {file}\"`");
        // The moment is counted in words told, and then in microseconds: each step of the path is hit.
        let after_words = spread.next(5);
        let after = Duration::from_micros(spread.next(4_000));
        let mut killed = false;
        let mut hit = 0;
        let mut words = 0;
        let mut sent = false;
        let since = Instant::now();
        let end = loop {
            assert!(
                since.elapsed() < Duration::from_secs(90),
                "round {round} ({victim}) does not end"
            );
            if world.pids("supervisor").is_empty() {
                world.carapace(&["start"]);
            }
            let mut control = world.control();
            let ask = if sent {
                Ask::ChatAttach { turn: id }
            } else {
                Ask::ChatSend {
                    session: None,
                    turn: id,
                    text: text.clone(),
                    route: None,
                    attachments: Vec::new(),
                }
            };
            if control.ask(&ask).is_err() {
                continue;
            }
            let end = loop {
                if !killed && words >= after_words {
                    killed = true;
                    std::thread::sleep(after);
                    for pid in world.pids(victim) {
                        kill(pid);
                        hit += 1;
                    }
                }
                match control.hear() {
                    Err(_) => break None,
                    Ok(Tell::Failed { code, .. }) if code == "no-such-turn" => {
                        // Not accepted yet: the person's program sends it again.
                        sent = false;
                        break None;
                    }
                    Ok(Tell::Failed { code, message }) => {
                        panic!("round {round} ({victim}): {code}: {message}")
                    }
                    Ok(Tell::Accepted { .. }) => sent = true,
                    Ok(Tell::Question(card)) => {
                        let answer = Ask::Answer {
                            code: card.code,
                            decision: Decision::Once,
                            note: None,
                            part: None,
                        };
                        if control.ask(&answer).is_err() {
                            break None;
                        }
                    }
                    Ok(Tell::Done { text, .. }) => break Some(text),
                    Ok(_) => {}
                }
                words += 1;
            };
            if let Some(text) = end {
                break text;
            }
        };
        let lines = std::fs::read_to_string(world.workspace().join(&file))
            .unwrap_or_default()
            .lines()
            .count();
        assert!(lines <= 1, "round {round} ({victim}): done {lines} times");
        if lines == 0 {
            // Not done: then it was said to be unknown or refused, never that it was done.
            assert!(
                !end.contains("exit status 0"),
                "round {round} ({victim}): said to be done: {end}"
            );
            unknown += 1;
            eprintln!("round {round} ({victim}, {hit} hit): {end}");
        }
    }
    eprintln!("{} kills, {unknown} calls that were not done", rounds());
    if world.pids("supervisor").is_empty() {
        world.carapace(&["start"]).expect(0);
    }
    let mut control = world.control();
    eventually("nothing is left waiting", || {
        let Tell::Status { turns, .. } = control.get(&Ask::Status {}) else {
            return None;
        };
        (turns == 0).then_some(())
    });
    world.carapace(&["audit", "verify"]).expect(0);
    world.stop();
    world.carapace(&["audit", "verify"]).expect(0);
}
