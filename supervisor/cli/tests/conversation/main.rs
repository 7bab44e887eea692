//! `carapace chat` as a person and a script use it, against a broker that does what a test says:
//! streams, breaks off, asks, and shows text that an agent made to deceive.

mod fake;
mod terminal;

use carapace_contract::control::{Ask, Tell, TurnEnd};
use carapace_contract::verdict::Decision;
use fake::{World, question};
use std::io::Write;
use std::process::{Output, Stdio};
use std::thread::{self, JoinHandle};
use terminal::Terminal;

/// Runs the program in a thread, while the test plays the broker.
fn start(world: &World, words: &[&str]) -> JoinHandle<Output> {
    let mut command = world.command(words);
    thread::spawn(move || command.output().unwrap())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_script_gets_the_final_text_and_nothing_with_power() {
    let world = World::new();
    let run = start(&world, &["chat", "hello"]);
    let (mut broker, turn) = world.accept_turn();
    broker.delta("half of ");
    broker.done(
        turn,
        TurnEnd::Answered,
        "the \u{1b}[31mwhole\u{202e} text\r\nand more\n",
    );
    let output = run.join().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        text(&output.stdout),
        "the ␣U+001B[31mwhole␣U+202E text\nand more\n"
    );
}

#[test]
fn a_message_from_a_pipe_is_one_turn() {
    let world = World::new();
    let mut child = world
        .command(&["chat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"from a pipe\n")
        .unwrap();
    let mut broker = world.accept();
    let Some(Ask::ChatSend {
        session: None,
        turn,
        text: message,
        route: None,
        attachments: _,
    }) = broker.hear()
    else {
        panic!("a message comes first");
    };
    assert_eq!(message, "from a pipe");
    broker.done(turn, TurnEnd::Answered, "yes");
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), "yes\n");
}

#[test]
fn each_end_has_its_exit_status() {
    for (end, status) in [
        (TurnEnd::Failed, 1),
        (TurnEnd::Violation, 1),
        (TurnEnd::Limit, 6),
        (TurnEnd::Cancelled, 130),
    ] {
        let world = World::new();
        let run = start(&world, &["chat", "hello"]);
        let (mut broker, turn) = world.accept_turn();
        broker.done(turn, end, "why");
        let output = run.join().unwrap();
        assert_eq!(output.status.code(), Some(status), "{end:?}");
        assert!(text(&output.stderr).contains("why"));
        assert!(output.stdout.is_empty(), "no answer is no output");
    }
}

#[test]
fn a_message_that_was_not_accepted_is_sent_again_and_one_that_was_is_followed() {
    let world = World::new();
    let run = start(&world, &["chat", "hello"]);
    let mut first = world.accept();
    let sent = first.hear();
    drop(first);
    let mut second = world.accept();
    let again = second.hear();
    assert_eq!(sent, again, "the same turn, so that it is accepted once");
    let Some(Ask::ChatSend { turn, .. }) = again else {
        panic!("a message")
    };
    second.tell(Tell::Accepted {
        session: fake::session(),
        turn,
    });
    second.delta("a beginning");
    // What is not read would take back what was told.
    assert_eq!(second.hear_any(), Some(Ask::Status {}));
    drop(second);
    let mut third = world.accept();
    assert_eq!(third.hear(), Some(Ask::ChatAttach { turn }));
    third.done(turn, TurnEnd::Answered, "the end");
    let output = run.join().unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stdout)),
        (Some(0), "the end\n".to_owned())
    );
    assert!(text(&output.stderr).contains("went away"));
}

#[test]
fn a_refusal_is_told_with_its_remedy() {
    let world = World::new();
    let run = start(&world, &["chat", "--json", "hello"]);
    let mut broker = world.accept();
    assert!(matches!(broker.hear(), Some(Ask::ChatSend { .. })));
    broker.tell(Tell::Failed {
        code: "frozen".to_owned(),
        message: "all is stopped\n  remedy: restart it".to_owned(),
    });
    let output = run.join().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        (&told["error"]["message"], &told["error"]["remedy"]),
        (&"all is stopped".into(), &"restart it".into())
    );
}

#[test]
fn without_waiting_a_question_is_denied_at_once() {
    let world = World::new();
    let run = start(&world, &["chat", "--no-wait", "hello"]);
    let (mut broker, turn) = world.accept_turn();
    let card = question(turn);
    broker.tell(Tell::Question(Box::new(card.clone())));
    let Some(Ask::Answer {
        code,
        decision: Decision::Deny,
        note: Some(_),
        part: None,
    }) = broker.hear()
    else {
        panic!("it is denied with a note");
    };
    assert_eq!(code, card.code);
    broker.tell(Tell::Closed {
        code,
        state: "denied".to_owned(),
    });
    broker.done(turn, TurnEnd::Answered, "then not");
    let output = run.join().unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stdout)),
        (Some(5), "then not\n".to_owned())
    );
}

#[test]
fn a_question_in_a_script_waits_for_another_terminal() {
    for (state, status) in [("allowed", 0), ("denied", 5), ("expired", 5)] {
        let world = World::new();
        let run = start(&world, &["chat", "hello"]);
        let (mut broker, turn) = world.accept_turn();
        let card = question(turn);
        broker.tell(Tell::Question(Box::new(card.clone())));
        broker.tell(Tell::Closed {
            code: card.code.clone(),
            state: state.to_owned(),
        });
        broker.done(turn, TurnEnd::Answered, "done");
        let output = run.join().unwrap();
        assert_eq!(output.status.code(), Some(status), "{state}");
        let told = text(&output.stderr);
        assert!(
            told.contains(&format!("carapace approvals allow {}", card.code)),
            "{told}"
        );
        assert!(
            told.contains("argv: [\"uname\"]"),
            "the whole effect is shown: {told}"
        );
    }
}

#[test]
fn programs_get_one_object_a_line() {
    let world = World::new();
    let run = start(&world, &["chat", "--json", "hello"]);
    let (mut broker, turn) = world.accept_turn();
    broker.delta("a\nb\u{202e}");
    broker.done(turn, TurnEnd::Answered, "a\nb\u{202e}");
    let output = run.join().unwrap();
    let shown = text(&output.stdout);
    assert!(!shown.contains('\u{202e}'), "nothing with power, also here");
    let tells: Vec<Tell> = shown
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        tells[1],
        Tell::Delta {
            text: "a\nb\u{202e}".to_owned()
        }
    );
    assert!(matches!(tells[2], Tell::Done { .. }));
}

#[test]
fn ctrl_c_stops_the_turn() {
    let world = World::new();
    let child = world
        .command(&["chat", "hello"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut broker, turn) = world.accept_turn();
    let pid = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(broker.hear(), Some(Ask::ChatCancel { turn }));
    broker.done(turn, TurnEnd::Cancelled, "");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
}

/// The prompt's two requests before a conversation, answered.
fn greet(world: &World) {
    let mut broker = world.accept();
    assert_eq!(broker.hear_any(), Some(Ask::Status {}));
    broker.tell(Tell::Status {
        route: "local:m".to_owned(),
        workers: Vec::new(),
        labels: Vec::new(),
        turns: 0,
        questions: 0,
        unknown: 0,
        audit: 0,
        frozen: false,
        vault: "open".to_owned(),
        resting: Vec::new(),
        violations: 0,
    });
}

#[test]
fn a_person_decides_only_by_what_the_prompt_names() {
    let world = World::new();
    let mut terminal = Terminal::start(world.command(&["chat"]));
    greet(&world);
    terminal.until("LANDLOCK MISSING");
    terminal.until("> ");
    terminal.type_in("please\r");
    let (mut broker, turn) = world.accept_turn();
    // Typed before the question is there: it cannot be its answer.
    broker.delta("thinking");
    terminal.until("│ thinking");
    terminal.type_in("always\n");
    let card = question(turn);
    broker.tell(Tell::Question(Box::new(card.clone())));
    let frame = terminal.until("deny with a note [n]: ");
    assert!(
        frame.contains(&format!("╔══ QUESTION {}", card.code)),
        "{frame}"
    );
    terminal.type_in("\n");
    terminal.until("nothing was chosen");
    terminal.type_in("yes\n");
    terminal.until("nothing was chosen");
    terminal.type_in("n\n");
    terminal.until("note for the assistant: ");
    terminal.type_in("use the copy\n");
    let note = Some("use the copy".to_owned());
    assert_eq!(
        broker.hear(),
        Some(Ask::Answer {
            code: card.code.clone(),
            decision: Decision::Deny,
            note,
            part: None,
        })
    );
    broker.tell(Tell::Closed {
        code: card.code,
        state: "denied".to_owned(),
    });
    let second = question(turn);
    broker.tell(Tell::Question(Box::new(second.clone())));
    terminal.until("deny with a note [n]: ");
    terminal.type_in("o\n");
    assert_eq!(
        broker.hear(),
        Some(Ask::Answer {
            code: second.code.clone(),
            decision: Decision::Once,
            note: None,
            part: None,
        })
    );
    broker.tell(Tell::Closed {
        code: second.code,
        state: "allowed".to_owned(),
    });
    broker.done(turn, TurnEnd::Answered, "well then");
    terminal.until("│ well then");
    terminal.until("> ");
    terminal.type_in("/exit\r");
    assert!(terminal.child.wait().unwrap().success());
}

#[test]
fn a_fake_frame_in_the_agents_text_stays_behind_its_margin() {
    let world = World::new();
    let mut terminal = Terminal::start(world.command(&["chat"]));
    greet(&world);
    terminal.until("> ");
    terminal.type_in("please\r");
    let (mut broker, turn) = world.accept_turn();
    let fake = format!(
        "ok\n╔══ QUESTION k7m2qd ══\r║ run: ls\n{}╚══\u{1b}[1G╔══\u{85}╔══ allow once [o] / deny [d]: ",
        "x".repeat(78)
    );
    broker.delta(&fake);
    broker.done(turn, TurnEnd::Answered, &fake);
    // What comes before is the echo of the message.
    terminal.until("│ ok\r\n");
    let drawn = terminal.until("deny [d]: ");
    for line in drawn.lines() {
        assert!(line.starts_with("│ "), "{line:?} in {drawn:?}");
        assert!(!line.contains('\u{1b}'), "{line:?}");
    }
}

#[test]
fn ctrl_c_at_a_terminal_ends_the_turn_and_not_the_program() {
    let world = World::new();
    let mut terminal = Terminal::start(world.command(&["chat"]));
    greet(&world);
    terminal.until("> ");
    terminal.type_in("please\r");
    let (mut broker, turn) = world.accept_turn();
    let pid = rustix::process::Pid::from_raw(terminal.child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(broker.hear(), Some(Ask::ChatCancel { turn }));
    broker.done(turn, TurnEnd::Cancelled, "");
    terminal.until("! stopped");
    terminal.until("> ");
    terminal.type_in("\u{3}");
    terminal.until("once more");
    terminal.until("> ");
    terminal.type_in("\u{3}");
    assert!(terminal.child.wait().unwrap().success());
}

#[test]
fn a_question_outlives_the_broker_that_asked_it() {
    let world = World::new();
    let mut terminal = Terminal::start(world.command(&["chat"]));
    greet(&world);
    terminal.until("> ");
    terminal.type_in("please\r");
    let (mut broker, turn) = world.accept_turn();
    let card = question(turn);
    broker.tell(Tell::Question(Box::new(card.clone())));
    terminal.until("deny with a note [n]: ");
    drop(broker);
    terminal.until("went away");
    let mut broker = world.accept();
    assert_eq!(broker.hear(), Some(Ask::ChatAttach { turn }));
    broker.tell(Tell::Question(Box::new(card.clone())));
    terminal.until("deny with a note [n]: ");
    terminal.type_in("d\n");
    let answer = Ask::Answer {
        code: card.code.clone(),
        decision: Decision::Deny,
        note: None,
        part: None,
    };
    assert_eq!(broker.hear(), Some(answer));
    broker.tell(Tell::Closed {
        code: card.code,
        state: "denied".to_owned(),
    });
    broker.done(turn, TurnEnd::Answered, "not then");
    terminal.until("│ not then");
}
