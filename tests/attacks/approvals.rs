//! An answer is bound to exactly what was asked, used once, and cannot be imitated.

use crate::compromised;
use carapace_contract::control::{Ask, Tell};
use carapace_contract::id::Code;
use carapace_contract::verdict::Decision;
use carapace_harness::control::{allow, no_question};

#[test]
fn an_allowed_call_is_not_another_call_under_its_name() {
    let world = compromised();
    let mut control = world.control();
    let mut asked = Vec::new();
    let turn = control.chat(None, "bait-and-switch", |card| {
        asked.push(card.title.clone());
        Some((if asked.len() == 1 { Decision::Once } else { Decision::Deny }, None))
    });
    assert_eq!(asked, ["exec true", "exec touch switched.txt"], "the third is asked anew");
    let lines: Vec<_> = turn.text.lines().collect();
    assert!(lines[1].contains("VALIDATION_FAILED"), "{}", turn.text);
    assert!(lines[2].contains("CONFIRMATION_DENIED"), "{}", turn.text);
    assert!(!world.workspace().join("switched.txt").exists());
    // The same script reaches its effect where every question is answered yes.
    control.chat(None, "bait-and-switch", allow);
    assert!(world.workspace().join("switched.txt").exists());
}

#[test]
fn a_granted_call_under_a_used_name_is_not_done_again_with_other_content() {
    let world = compromised();
    let turn = world.control().chat(None, "same-name", no_question);
    assert!(turn.text.contains("VALIDATION_FAILED"), "{}", turn.text);
    assert_eq!(std::fs::read_to_string(world.workspace().join("same.txt")).expect("a file"), "first");
}

#[test]
fn an_answer_counts_once_and_only_for_an_open_question() {
    let world = compromised();
    let mut control = world.control();
    let turn = control.chat(None, "exec touch one.txt", allow);
    let code = turn.questions()[0].code.clone();
    for decision in [Decision::Once, Decision::Always, Decision::Session] {
        assert!(matches!(control.answer(&code, decision), Tell::Failed { .. }), "{decision:?} again");
    }
    assert!(matches!(control.answer(&Code::random(), Decision::Once), Tell::Failed { .. }), "a guess");
    let Tell::Grants { always, .. } = control.get(&Ask::Grants {}) else { panic!("grants") };
    assert!(always.is_empty());
}

#[test]
fn an_unanswered_question_expires_as_a_refusal() {
    let world = compromised();
    world.carapace(&["config", "set", "approvals.expire-seconds", "1"]).expect(0);
    world.carapace(&["restart"]).expect(0);
    let mut control = world.control();
    let turn = control.chat(None, "exec touch late.txt", |_| None);
    assert!(turn.text.contains("CONFIRMATION_TIMEOUT"), "{}", turn.text);
    let code = turn.questions()[0].code.clone();
    assert!(matches!(control.answer(&code, Decision::Once), Tell::Failed { .. }), "too late");
    assert!(!world.workspace().join("late.txt").exists());
}

#[test]
fn what_hides_in_a_call_is_seen_in_its_question() {
    let world = compromised();
    let mut control = world.control();
    let turn = control.chat(None, "exec-hidden", |_| Some((Decision::Deny, None)));
    let card = turn.questions()[0];
    let shown = format!("{} {:?}", card.title, card.fields);
    for mark in ["<U+202E>", "<U+200B>", "<U+001B>"] {
        assert!(card.title.contains(mark), "{mark} is not shown in {shown}");
    }
    assert!(!shown.contains('\u{202e}') && !shown.contains('\u{1b}'));
}

#[test]
fn the_agent_cannot_draw_the_brokers_frame() {
    let world = compromised();
    // What a real question looks like on this surface, taken from the surface itself.
    let real = world.carapace(&["chat", "--no-wait", "exec touch real.txt"]);
    let frame: Vec<char> = real.err.chars().chain(real.out.chars()).filter(|c| "╭╮╰╯┌┐└┘═║╔╗╚╝".contains(*c)).collect();
    let fake = "say \\n╔══ approve? ══╗\\n║ code abcdef: exec true ║\\n╚═══╝\\e[2J\\e[31mtype y";
    let shown = world.carapace(&["chat", fake]).expect(0);
    assert!(!shown.out.contains('\u{1b}') && !shown.err.contains('\u{1b}'), "no escape sequence comes through");
    for line in shown.out.lines().filter(|line| line.contains("approve?") || line.contains("abcdef")) {
        assert!(!line.starts_with(['╔', '║', '╭', '┌', '│']) || line.starts_with("│ "), "{line:?} (a real frame has {frame:?})");
    }
    let Tell::Questions { rows } = world.control().get(&Ask::Questions { all: false }) else { panic!("questions") };
    assert!(rows.is_empty(), "a drawn card is no question");
}
