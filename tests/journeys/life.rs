//! The processes: start, stop, crash, replacement; what was accepted goes on.

use carapace_contract::control::{Ask, Tell, TurnEnd};
use carapace_contract::id::{Code, TurnId};
use carapace_contract::verdict::Decision;
use carapace_harness::control::{allow, no_question};
use carapace_harness::world::{eventually, kill};
use carapace_harness::{Control, World};

/// Sends a message whose work is not granted, and waits for its question.
fn wants_to_run(control: &mut Control) -> (TurnId, Code) {
    let id = TurnId::random();
    control
        .ask(&Ask::ChatSend {
            session: None,
            turn: id,
            text: "run `touch asked.txt`".into(),
            route: None,
            attachments: Vec::new(),
        })
        .expect("asks");
    loop {
        if let Tell::Question(card) = control.hear().expect("tells") {
            return (id, card.code);
        }
    }
}

#[test]
fn status_shows_processes_layers_and_that_nothing_was_proven_yet() {
    let world = World::new();
    world.start();
    let status = world.carapace(&["status"]).expect(0);
    for word in [
        "supervisor",
        "broker",
        "worker",
        "seccomp",
        "never",
        "offline",
    ] {
        assert!(
            status.out.contains(word),
            "{word} is not in\n{}",
            status.out
        );
    }
    let json = world.carapace(&["--json", "status"]).expect(0).json();
    assert!(json.is_object());
    world.stop();
    world.carapace(&["status"]).expect(3);
}

#[test]
fn a_second_start_says_so_and_harms_nothing() {
    let world = World::new();
    world.start();
    let second = world.carapace(&["start"]).expect(3);
    assert!(second.err.contains("already"), "{}", second.err);
    world
        .control()
        .chat(None, "list the files here", no_question);
}

#[test]
fn a_session_survives_a_restart() {
    let world = World::new();
    let mut control = world.start().control();
    let turn = control.chat(None, "create a.txt containing: alpha", no_question);
    world.carapace(&["restart"]).expect(0);
    let mut control = world.control();
    let Tell::Transcript { messages, .. } = control.get(&Ask::Show {
        session: turn.session,
    }) else {
        panic!("a transcript")
    };
    assert!(
        messages
            .iter()
            .any(|message| message.content.contains("alpha"))
    );
    let next = control.chat(Some(turn.session), "what is in a.txt?", no_question);
    assert!(next.text.contains("alpha"), "{}", next.text);
}

#[test]
fn a_question_survives_the_broker_and_its_answer_counts() {
    let world = World::new();
    let mut control = world.start().control();
    let (id, code) = wants_to_run(&mut control);
    let before = world.pids("broker");
    kill(before[0]);
    eventually("another broker", || {
        world
            .pids("broker")
            .first()
            .copied()
            .filter(|pid| *pid != before[0])
    });
    let mut control = world.control();
    // The same question is open, under the same code.
    let rows = eventually("the question", || {
        let Tell::Questions { rows } = control.get(&Ask::Questions { all: false }) else {
            return None;
        };
        rows.into_iter().find(|row| row.code == code)
    });
    assert_eq!(rows.title, "exec touch asked.txt");
    assert!(matches!(
        control.answer(&code, Decision::Once),
        Tell::Closed { .. }
    ));
    control.ask(&Ask::ChatAttach { turn: id }).expect("asks");
    let turn = control.to_the_end(|_| None).expect("ends");
    assert_eq!(turn.end, TurnEnd::Answered);
    assert!(world.workspace().join("asked.txt").exists());
    assert!(
        matches!(control.answer(&code, Decision::Once), Tell::Failed { .. }),
        "an answer counts once"
    );
}

#[test]
fn a_lost_worker_is_replaced_and_the_turn_goes_on() {
    let world = World::new();
    let mut control = world.start().control();
    let id = TurnId::random();
    control
        .ask(&Ask::ChatSend {
            session: None,
            turn: id,
            text: "run `touch once.txt`".into(),
            route: None,
            attachments: Vec::new(),
        })
        .expect("asks");
    let mut other = world.control();
    let turn = control
        .to_the_end(|card| {
            for pid in world.pids("worker") {
                kill(pid);
            }
            other
                .ask(&Ask::Answer {
                    code: card.code.clone(),
                    decision: Decision::Once,
                    note: None,
                    part: None,
                })
                .expect("answers");
            None
        })
        .expect("ends");
    assert_eq!(turn.end, TurnEnd::Answered, "{turn:?}");
    assert!(
        turn.told
            .iter()
            .any(|tell| matches!(tell, Tell::Notice { text } if text.contains("replaced")))
    );
    assert_eq!(
        turn.questions().len(),
        1,
        "the same call is not asked twice"
    );
    assert!(world.workspace().join("once.txt").exists());
}

#[test]
fn lost_hands_leave_an_effect_unknown_and_it_is_not_repeated() {
    let world = World::new();
    let mut control = world.start().control();
    let id = TurnId::random();
    let text = "run `bash -c \"echo x >> count.txt; sleep 600\"`".to_owned();
    control
        .ask(&Ask::ChatSend {
            session: None,
            turn: id,
            text,
            route: None,
            attachments: Vec::new(),
        })
        .expect("asks");
    let count = world.workspace().join("count.txt");
    let mut outcome = None;
    let end = loop {
        match control.hear().expect("tells") {
            Tell::Question(card) => {
                control
                    .ask(&Ask::Answer {
                        code: card.code,
                        decision: Decision::Once,
                        note: None,
                        part: None,
                    })
                    .expect("answers");
            }
            Tell::ToolStarted { .. } => {
                eventually("the program ran", || count.exists().then_some(()));
                for pid in world.pids("hands") {
                    kill(pid);
                }
            }
            Tell::ToolEnded { outcome: how, .. } => outcome = Some(how),
            Tell::Done { end, .. } => break end,
            _ => {}
        }
    };
    assert_eq!(outcome.as_deref(), Some("unknown"));
    assert_eq!(end, TurnEnd::Answered);
    assert_eq!(
        std::fs::read_to_string(&count)
            .expect("a file")
            .lines()
            .count(),
        1,
        "done once"
    );
    let Tell::Status { unknown, .. } = control.get(&Ask::Status {}) else {
        panic!("a status")
    };
    assert_eq!(unknown, 1);
    // The next call gets new hands.
    let turn = control.chat(None, "run `true`", allow);
    assert_eq!(turn.end, TurnEnd::Answered);
}

#[test]
fn a_killed_supervisor_takes_everything_with_it_and_a_start_goes_on() {
    let world = World::new();
    let mut control = world.start().control();
    let (id, _) = wants_to_run(&mut control);
    let all: Vec<i32> = ["broker", "worker", "hands"]
        .iter()
        .flat_map(|name| world.pids(name))
        .collect();
    kill(world.pids("supervisor")[0]);
    eventually("every process is gone", || {
        all.iter()
            .all(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists())
            .then_some(())
    });
    let mut control = world.start().control();
    control.ask(&Ask::ChatAttach { turn: id }).expect("asks");
    let turn = control.to_the_end(allow).expect("ends");
    assert_eq!(turn.end, TurnEnd::Answered);
    assert!(world.workspace().join("asked.txt").exists());
}

#[test]
fn panic_stops_everything_and_nothing_is_taken_until_a_restart() {
    let world = World::new();
    let mut control = world.start().control();
    let (_, code) = wants_to_run(&mut control);
    world.carapace(&["panic"]).expect(0);
    eventually("no cage is left", || {
        (world.pids("worker").is_empty() && world.pids("hands").is_empty()).then_some(())
    });
    let mut control = world.control();
    assert!(matches!(
        control.answer(&code, Decision::Once),
        Tell::Failed { .. }
    ));
    let refused = control.get(&Ask::ChatSend {
        session: None,
        turn: TurnId::random(),
        text: "help".into(),
        route: None,
        attachments: Vec::new(),
    });
    assert!(matches!(refused, Tell::Failed { .. }), "{refused:?}");
    assert!(!world.workspace().join("asked.txt").exists());
    world.carapace(&["restart"]).expect(0);
    world
        .control()
        .chat(None, "list the files here", no_question);
}

#[test]
fn a_program_inside_asks_at_the_same_desk() {
    let world = World::new();
    let mut control = world.start().control();
    world.put("inside.txt", "from inside");
    let hostile = carapace_harness::programs::hostile_worker();
    drop(control);
    world.stop();
    let mut world = world;
    world.replace_program("carapace-worker", &hostile);
    control = world.start().control();
    let turn = control.chat(
        None,
        "exec-ipc ipc tool.invoke.read '{\"path\":\"inside.txt\"}'",
        allow,
    );
    assert!(turn.text.contains("from inside"), "{}", turn.text);
    // Without the channel there is none; and with it, what is not granted is asked like any other.
    let turn = control.chat(
        None,
        "exec ipc tool.invoke.read '{\"path\":\"inside.txt\"}'",
        allow,
    );
    assert!(!turn.text.contains("from inside"), "{}", turn.text);
    let mut asked = 0;
    let turn = control.chat(
        None,
        "exec-ipc ipc tool.invoke.exec '{\"argv\":[\"touch\",\"deeper.txt\"]}'",
        |_| {
            asked += 1;
            Some((
                if asked == 1 {
                    Decision::Once
                } else {
                    Decision::Deny
                },
                None,
            ))
        },
    );
    assert_eq!(asked, 2, "{}", turn.text);
    assert!(!world.workspace().join("deeper.txt").exists());
}
