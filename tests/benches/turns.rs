//! Turns as a person has them, without a model: from sending a message to its end.

use crate::records;
use crate::table::{Figure, Row};
use carapace_contract::control::{Ask, Tell};
use carapace_contract::id::{SessionId, TurnId};
use carapace_harness::world::eventually;
use carapace_harness::{Control, World};
use std::time::{Duration, Instant};

/// Warm turns of each session.
const TURNS: usize = 10;
const SESSIONS: usize = 16;
const MILLISECOND: f64 = 1e6;

/// How long a turn and its tool took.
struct Took {
    session: SessionId,
    turn: Duration,
    tool: Option<Duration>,
}

/// Measures the rows of this group.
pub fn measure(rows: &mut Vec<Row>) {
    let world = World::new();
    world
        .carapace(&["config", "set", "limits.calls-per-minute", "100000"])
        .expect(0);
    world.start();
    world.put("note.txt", "a line\n");
    let mut control = world.control();
    let disk = world.beside().join("bare");

    // Fresh, warm and the disk take turns, so that noise hits all.
    let (mut bare, mut first, mut warm) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..SESSIONS {
        idle_worker(&world);
        let fresh = turn(&mut control, None, "what time is it?");
        first.push(fresh.turn);
        for _ in 0..TURNS {
            bare.extend(records::bare_syncs(&disk, 1));
            warm.push(turn(&mut control, Some(fresh.session), "what time is it?").turn);
        }
    }
    let (bare, first, warm) = (Figure::of(&bare), Figure::of(&first), Figure::of(&warm));
    rows.push(
        Row::new(
            "warm turn with a tool of the broker: ChatSend to Done",
            warm,
        )
        .beside("bare fdatasync, same disk", bare),
    );
    let more = first.middle - warm.middle;
    rows.push(
        Row::new("a session's first turn, worker from the pool", first)
            .beside("warm turn", warm)
            .budget("<= 2 ms more than warm", more <= 2.0 * MILLISECOND),
    );

    let (mut cold, mut again) = (Vec::new(), Vec::new());
    for _ in 0..SESSIONS {
        idle_worker(&world);
        let one = turn(&mut control, None, "list the files here");
        cold.extend(one.tool);
        for _ in 0..5 {
            again.extend(turn(&mut control, Some(one.session), "list the files here").tool);
        }
    }
    let again = Figure::of(&again);
    rows.push(
        Row::new("first call of a tool, hands cold", Figure::of(&cold))
            .beside("the same, hands warm", again),
    );
    rows.push(Row::new("  the same, hands warm", again));
}

/// One turn to its end.
fn turn(control: &mut Control, session: Option<SessionId>, text: &str) -> Took {
    let began = Instant::now();
    let ask = Ask::ChatSend {
        session,
        turn: TurnId::random(),
        text: text.to_owned(),
        route: None,
        attachments: Vec::new(),
    };
    control.ask(&ask).expect("the broker listens");
    let (mut started, mut tool) = (None, None);
    loop {
        match control.hear().expect("the broker stays") {
            Tell::ToolStarted { .. } => started = Some(Instant::now()),
            Tell::ToolEnded { outcome, .. } => {
                assert_eq!(outcome, "done", "{text}");
                tool = started.map(|started| started.elapsed());
            }
            Tell::Done { session, .. } => {
                assert!(tool.is_some(), "{text:?} called no tool");
                return Took {
                    session,
                    turn: began.elapsed(),
                    tool,
                };
            }
            Tell::Failed { code, message } => panic!("{text}: {code}: {message}"),
            _ => {}
        }
    }
}

/// Waits until the pool is full again: what is measured is a hand-over, not a start.
fn idle_worker(world: &World) {
    eventually("an idle worker", || {
        let status = world.supervisor("status")?;
        let found = status["processes"]
            .as_array()?
            .iter()
            .any(|process| process["state"] == "idle");
        found.then_some(())
    });
}
