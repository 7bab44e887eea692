//! Breaking the protocol is fatal to the one who broke it, and to nobody else.

use crate::compromised;
use carapace_contract::control::{Ask, Tell, TurnEnd};
use carapace_harness::control::{deny, no_question};

#[test]
fn each_breach_ends_the_worker_is_recorded_and_harms_no_other_session() {
    let world = compromised();
    let mut control = world.control();
    let mut expected = 0;
    for attack in [
        "forged-within",
        "garbage",
        "huge-frame",
        "multipart",
        "bad-correlation",
        "flood",
    ] {
        let before = world.pids("broker");
        let turn = control.chat(None, attack, |_| None);
        assert_eq!(turn.end, TurnEnd::Violation, "{attack}: {turn:?}");
        expected += 1;
        let Tell::Status { violations, .. } = control.get(&Ask::Status {}) else {
            panic!("a status")
        };
        assert_eq!(violations, expected, "{attack} is counted");
        assert_eq!(
            world.pids("broker"),
            before,
            "{attack}: the broker is the same"
        );
        let other = control.chat(None, "say unharmed", no_question);
        assert_eq!(other.text, "unharmed", "{attack}");
    }
    world.carapace(&["audit", "verify"]).expect(0);
    let log = std::fs::read_to_string(world.home().audit_log()).expect("a log");
    assert_eq!(
        log.matches("\"kind\":\"violation\"").count(),
        6,
        "each is on record"
    );
}

#[test]
fn a_request_after_the_end_of_the_turn_is_a_violation() {
    let world = compromised();
    let mut control = world.control();
    let turn = control.chat(None, "after-report", no_question);
    assert_eq!(turn.end, TurnEnd::Answered);
    carapace_harness::world::eventually("the violation", || {
        let Tell::Status { violations, .. } = control.get(&Ask::Status {}) else {
            return None;
        };
        (violations == 1).then_some(())
    });
}

#[test]
fn a_worker_that_does_not_read_is_closed() {
    let world = compromised();
    let mut control = world.control();
    let turn = control.chat(None, "deaf", no_question);
    assert_eq!(turn.end, TurnEnd::Violation, "{turn:?}");
    assert_eq!(control.chat(None, "say well", no_question).text, "well");
}

#[test]
fn what_only_the_desk_refuses_is_an_answer() {
    let world = compromised();
    let mut control = world.control();
    let turn = control.chat(None, "unknown-topics", no_question);
    assert_eq!(
        turn.text.matches("UNKNOWN_TOOL").count(),
        6,
        "{}",
        turn.text
    );
    let turn = control.chat(None, "odd-arguments", no_question);
    assert_eq!(
        turn.text.matches("VALIDATION_FAILED").count(),
        8,
        "{}",
        turn.text
    );
    let turn = control.chat(None, "odd-completions", no_question);
    assert_eq!(
        turn.text.matches("VALIDATION_FAILED").count(),
        5,
        "{}",
        turn.text
    );
    let Tell::Status { violations, .. } = control.get(&Ask::Status {}) else {
        panic!("a status")
    };
    assert_eq!(violations, 0);
    assert!(
        !turn.text.contains("/state") && !turn.text.contains("src/"),
        "no inner detail crosses: {}",
        turn.text
    );
}

#[test]
fn budgets_and_rates_hold() {
    let world = compromised();
    let turn = world.control().chat(None, "rounds", no_question);
    assert!(turn.text.contains("BUDGET_EXCEEDED"), "{}", turn.text);
    world
        .carapace(&["config", "set", "limits.calls-per-minute", "20"])
        .expect(0);
    world.carapace(&["restart"]).expect(0);
    let turn = world.control().chat(None, "rate", deny);
    assert!(
        turn.text.contains("RATE_LIMITED") && turn.text.contains("retry_after"),
        "{}",
        turn.text
    );
}

#[test]
fn a_worker_that_spins_is_stopped_when_its_time_is_over() {
    let world = compromised();
    world
        .carapace(&["config", "set", "limits.turn-seconds", "1"])
        .expect(0);
    world.carapace(&["restart"]).expect(0);
    let mut control = world.control();
    let turn = control.chat(None, "spin", no_question);
    assert_eq!(turn.end, TurnEnd::Limit, "{turn:?}");
    assert_eq!(control.chat(None, "say next", no_question).text, "next");
}

#[test]
fn hostile_words_on_the_control_socket_cost_only_their_connection() {
    let world = compromised();
    let mut good = world.control();
    for words in [
        b"{}".as_slice(),
        b"\xff\xfe",
        b"{\"ask\":\"status\",\"extra\":1}",
        b"{\"ask\":\"answer\",\"code\":\"000000\",\"decision\":\"once\"}",
        b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    ] {
        let mut bad = world.control();
        bad.raw(words).expect("sends");
        assert!(
            matches!(bad.hear().expect("answers"), Tell::Failed { .. }),
            "{words:?}"
        );
    }
    let long = good.get(&Ask::ChatSend {
        session: None,
        turn: carapace_contract::id::TurnId::random(),
        text: "x".repeat(carapace_contract::control::MAX_TEXT + 1),
        route: None,
        attachments: Vec::new(),
    });
    assert!(matches!(long, Tell::Failed { .. }));
    assert_eq!(good.chat(None, "say fine", no_question).text, "fine");
}
