//! Chat with the confined assistant on the embedded defaults, without a key.

use carapace_contract::control::{Ask, Tell, TurnEnd};
use carapace_contract::verdict::Decision;
use carapace_harness::World;
use carapace_harness::control::{allow, deny, no_question};

fn main_job(world: &World) {
    world.start();
    let mut control = world.control();
    world.put("hello.txt", "one\ntwo\n");

    let turn = control.chat(None, "list the files here", no_question);
    assert_eq!(turn.end, TurnEnd::Answered);
    assert!(turn.text.contains("hello.txt"), "{}", turn.text);
    let session = Some(turn.session);

    let turn = control.chat(
        session,
        "create notes.md with three lines about Rust",
        no_question,
    );
    assert_eq!(turn.end, TurnEnd::Answered, "{}", turn.text);
    let notes =
        std::fs::read_to_string(world.workspace().join("notes.md")).expect("the file is there");
    assert_eq!(notes.lines().count(), 3, "{notes}");

    let turn = control.chat(session, "run `uname -a`", allow);
    assert_eq!(turn.end, TurnEnd::Answered);
    assert_eq!(turn.questions().len(), 1, "what is not granted asks");
    assert!(turn.questions()[0].title.contains("uname -a"));
    assert!(turn.text.contains("Linux"), "{}", turn.text);
    assert!(
        turn.text.contains("hands"),
        "the host's own name is not seen in the cage: {}",
        turn.text
    );

    let turn = control.chat(session, "what is in notes.md?", no_question);
    assert!(
        turn.text.contains(notes.lines().next().expect("a line")),
        "{}",
        turn.text
    );

    // The refusal is respected and explained.
    let turn = control.chat(session, "run `touch refused.txt`", deny);
    assert_eq!(turn.end, TurnEnd::Answered);
    assert!(turn.text.to_lowercase().contains("no"), "{}", turn.text);
    assert!(!world.workspace().join("refused.txt").exists());
}

#[test]
fn the_main_job_as_this_user() {
    main_job(&World::new());
}

#[test]
fn the_main_job_as_an_ordinary_user() {
    main_job(&World::of_ordinary_user());
}

#[test]
fn a_note_with_a_refusal_reaches_the_answer() {
    let world = World::new();
    let mut control = world.start().control();
    let turn = control.chat(None, "run `rm -r build`", |_| {
        Some((Decision::Deny, Some("keep the build folder".to_owned())))
    });
    assert!(turn.text.contains("keep the build folder"), "{}", turn.text);
}

#[test]
fn an_answer_for_the_session_holds_in_it_and_nowhere_else() {
    let world = World::new();
    let mut control = world.start().control();
    let first = control.chat(None, "run `true`", |_| Some((Decision::Session, None)));
    assert_eq!(first.questions().len(), 1);
    let second = control.chat(Some(first.session), "run `uname`", no_question);
    assert_eq!(second.end, TurnEnd::Answered);
    let elsewhere = control.chat(None, "run `uname`", deny);
    assert_eq!(elsewhere.questions().len(), 1);
}

#[test]
fn always_holds_for_exactly_this_across_a_restart_until_it_is_revoked() {
    let world = World::new();
    let mut control = world.start().control();
    let first = control.chat(None, "run `uname -s`", |_| Some((Decision::Always, None)));
    assert_eq!(first.questions().len(), 1);
    world.stop();
    let mut control = world.start().control();
    control.chat(None, "run `uname -s`", no_question);
    let other = control.chat(None, "run `uname -r`", deny);
    assert_eq!(other.questions().len(), 1, "other arguments ask");
    let Tell::Grants { always, .. } = control.get(&Ask::Grants {}) else {
        panic!("grants")
    };
    assert_eq!(always.len(), 1);
    let told = control.get(&Ask::Revoke {
        code: always[0].0.clone(),
    });
    assert!(matches!(told, Tell::Closed { .. }), "{told:?}");
    let again = control.chat(None, "run `uname -s`", deny);
    assert_eq!(again.questions().len(), 1, "a revoked grant asks");
}

#[test]
fn a_turn_can_be_stopped_while_it_asks() {
    let world = World::new();
    let mut control = world.start().control();
    let mut other = world.control();
    let turn = control.chat(None, "run `touch asked.txt`", |card| {
        other
            .ask(&Ask::ChatCancel { turn: card.turn })
            .expect("asks");
        None
    });
    assert_eq!(turn.end, TurnEnd::Cancelled);
    let Tell::Questions { rows } = control.get(&Ask::Questions { all: false }) else {
        panic!("questions")
    };
    assert!(
        rows.is_empty(),
        "a question of a turn that ended is not open"
    );
    // The answer that comes too late does nothing.
    let code = turn.questions()[0].code.clone();
    assert!(matches!(
        control.answer(&code, Decision::Once),
        Tell::Failed { .. }
    ));
    assert!(!world.workspace().join("asked.txt").exists());
}

#[test]
fn a_turn_can_be_stopped_while_it_works_and_its_program_ends() {
    let world = World::new();
    let mut control = world.start().control();
    let id = carapace_contract::id::TurnId::random();
    let text = "run `bash -c \"sleep 3 && touch late.txt\"`".to_owned();
    control
        .ask(&Ask::ChatSend {
            session: None,
            turn: id,
            text,
            route: None,
            attachments: Vec::new(),
        })
        .expect("asks");
    let mut other = world.control();
    let mut told = Vec::new();
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
            Tell::ToolStarted { .. } => other.ask(&Ask::ChatCancel { turn: id }).expect("asks"),
            Tell::Done { end, .. } => break end,
            tell => told.push(tell),
        }
    };
    assert_eq!(end, TurnEnd::Cancelled, "{told:?}");
    // The next turn finds hands that are free, and the file never came.
    let turn = control.chat(None, "run `sleep 4`", allow);
    assert_eq!(turn.end, TurnEnd::Answered);
    assert!(!world.workspace().join("late.txt").exists());
}

#[test]
fn the_story_of_an_effect_is_told_and_the_chain_verifies() {
    let world = World::new();
    let mut control = world.start().control();
    let turn = control.chat(None, "run `uname -s`", allow);
    let effect = turn
        .told
        .iter()
        .find_map(|tell| match tell {
            Tell::ToolStarted { effect, .. } => Some(*effect),
            _ => None,
        })
        .expect("a tool ran");
    let why = world.carapace(&["why", &effect.to_string()]).expect(0);
    for word in ["exec", "allowed", "owner"] {
        assert!(why.out.contains(word), "{word} is not in\n{}", why.out);
    }
    world.carapace(&["why", "0123456789abcdef"]).expect(1);
    let verified = world.carapace(&["audit", "verify"]).expect(0);
    assert!(
        verified.out.contains("intact") || verified.out.contains("holds"),
        "{}",
        verified.out
    );
    world.stop();
    let log = world.home().audit_log();
    let text = std::fs::read_to_string(&log).expect("a log");
    std::fs::write(&log, text.replacen("uname", "unamf", 1)).expect("writes");
    world.carapace(&["audit", "verify"]).expect(1);
}
