//! What a hostile agent makes of plans: that a yes covers the steps that were shown, as often as was shown,
//! and nothing else. `exec` is not granted, so each call of it asks unless a plan covers it.

use crate::compromised;
use carapace_contract::control::{Ask, QuestionCard, Tell};
use carapace_contract::id::Code;
use carapace_contract::part::Part;
use carapace_contract::verdict::Decision;
use carapace_harness::control::{Turn, allow, deny, no_question};
use carapace_harness::{Control, World};
use serde_json::{Value, json};

/// The message by which the hostile worker gets its calls: tool, name of the call, arguments.
fn script(calls: &[(&str, &str, Value)]) -> String {
    let steps: Vec<Value> = calls
        .iter()
        .map(
            |(tool, call, arguments)| json!({ "tool": tool, "call": call, "arguments": arguments }),
        )
        .collect();
    let hex: String = Value::Array(steps)
        .to_string()
        .bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("script {hex}.")
}

fn touch(file: &str) -> Value {
    json!({ "argv": ["touch", file] })
}

fn step(file: &str) -> Value {
    json!({ "tool": "exec", "arguments": { "argv": { "exactly": ["touch", file] } } })
}

fn plan(steps: &[Value]) -> Value {
    json!({ "steps": steps, "why": "to tidy up" })
}

fn there(world: &World, file: &str) -> bool {
    world.workspace().join(file).exists()
}

/// Says yes to these steps of the question.
fn allow_part(control: &mut Control, code: &Code, part: &str) -> Tell {
    control.get(&Ask::Answer {
        code: code.clone(),
        decision: Decision::Once,
        note: None,
        part: Some(part.parse().expect("steps")),
    })
}

/// A turn whose first question is answered in part by another connection, and every other with no.
fn in_part(world: &World, control: &mut Control, text: &str, part: &str) -> (Turn, Vec<String>) {
    let mut other = world.control();
    let mut asked = Vec::new();
    let turn = control.chat(None, text, |card| {
        asked.push(card.title.clone());
        if asked.len() > 1 {
            return Some((Decision::Deny, None));
        }
        let told = allow_part(&mut other, &card.code, part);
        assert!(matches!(told, Tell::Closed { .. }), "{told:?}");
        None
    });
    (turn, asked)
}

/// Answers plans with yes and everything else with no, and keeps the titles.
fn only_plans(
    asked: &mut Vec<String>,
) -> impl FnMut(&QuestionCard) -> Option<(Decision, Option<String>)> {
    |card| {
        asked.push(card.title.clone());
        let decision = if card.parts > 0 {
            Decision::Once
        } else {
            Decision::Deny
        };
        Some((decision, None))
    }
}

#[test]
fn one_question_covers_the_steps_that_were_shown_and_no_call_more() {
    let world = compromised();
    let mut control = world.control();
    let text = script(&[
        (
            "plan.propose",
            "p",
            plan(&[step("a"), step("b"), step("c")]),
        ),
        ("exec", "1", touch("a")),
        ("exec", "2", touch("b")),
        ("exec", "3", touch("c")),
        // Its step is used up; another argument; an argument more.
        ("exec", "4", touch("a")),
        ("exec", "5", touch("d")),
        ("exec", "6", json!({ "argv": ["touch", "c"], "seconds": 1 })),
    ]);
    let mut asked = Vec::new();
    let turn = control.chat(None, &text, only_plans(&mut asked));
    assert_eq!(asked.len(), 4, "{asked:?}\n{}", turn.text);
    assert!(asked[0].starts_with("a plan of 3 steps"), "{asked:?}");
    assert!(
        asked[1..]
            .iter()
            .all(|title| title.starts_with("exec touch"))
    );
    assert!(there(&world, "a") && there(&world, "b") && there(&world, "c") && !there(&world, "d"));
}

#[test]
fn a_step_does_not_cover_an_argument_that_it_does_not_name() {
    let world = compromised();
    let text = script(&[
        (
            "plan.propose",
            "p",
            plan(&[step("a"), json!({ "tool": "exec", "count": 9 })]),
        ),
        ("exec", "1", json!({ "argv": ["touch", "a"], "ipc": true })),
        ("exec", "2", touch("b")),
        ("exec", "3", touch("a")),
    ]);
    let mut asked = Vec::new();
    world.control().chat(None, &text, only_plans(&mut asked));
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(there(&world, "a") && !there(&world, "b"));
}

#[test]
fn a_yes_in_part_covers_that_part() {
    let world = compromised();
    let mut control = world.control();
    let text = script(&[
        (
            "plan.propose",
            "p",
            plan(&[step("a"), step("b"), step("c")]),
        ),
        ("exec", "1", touch("a")),
        ("exec", "2", touch("b")),
        ("exec", "3", touch("c")),
    ]);
    let (turn, asked) = in_part(&world, &mut control, &text, "1-2");
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[1].contains("touch c"), "{asked:?}");
    assert!(
        turn.text.contains("step 3: exec, once: not granted"),
        "{}",
        turn.text
    );
    assert!(there(&world, "a") && there(&world, "b") && !there(&world, "c"));
}

#[test]
fn an_answer_is_no_wider_than_the_card() {
    let world = compromised();
    let mut other = world.control();
    let text = script(&[("plan.propose", "p", plan(&[step("a"), step("b")]))]);
    let turn = world.control().chat(None, &text, |card| {
        assert_eq!(card.parts, 2);
        let told = allow_part(&mut other, &card.code, "1-3");
        assert!(matches!(told, Tell::Failed { .. }), "{told:?}");
        // It is still open, and a no has no parts.
        let told = other.get(&Ask::Answer {
            code: card.code.clone(),
            decision: Decision::Deny,
            note: None,
            part: Some("1".parse::<Part>().expect("a step")),
        });
        assert!(matches!(told, Tell::Failed { .. }), "{told:?}");
        Some((Decision::Deny, None))
    });
    assert!(turn.text.contains("CONFIRMATION_DENIED"), "{}", turn.text);
    // A question without steps is answered whole.
    let single = script(&[("exec", "e", touch("single"))]);
    world.control().chat(None, &single, |card| {
        let told = allow_part(&mut other, &card.code, "1");
        assert!(matches!(told, Tell::Failed { .. }), "{told:?}");
        Some((Decision::Deny, None))
    });
    assert!(!there(&world, "single"));
}

#[test]
fn a_no_grants_nothing_and_the_same_plan_is_not_asked_again() {
    let world = compromised();
    let mut control = world.control();
    let text = script(&[
        ("plan.propose", "p", plan(&[step("a")])),
        ("exec", "1", touch("a")),
        ("plan.propose", "q", plan(&[step("a")])),
    ]);
    let turn = control.chat(None, &text, deny);
    assert_eq!(
        turn.questions().len(),
        2,
        "the plan, and the call by itself"
    );
    assert!(!there(&world, "a"));
    let Tell::Grants { tasks, .. } = control.get(&Ask::Grants {}) else {
        panic!("grants")
    };
    assert!(tasks.is_empty(), "{tasks:?}");
}

#[test]
fn a_plan_under_the_name_of_one_that_was_answered_gets_nothing() {
    let world = compromised();
    let text = script(&[
        ("plan.propose", "p", plan(&[step("a")])),
        ("plan.propose", "p", plan(&[step("b")])),
        // The same again is the same answer, not another grant.
        ("plan.propose", "p", plan(&[step("a")])),
        ("exec", "1", touch("b")),
        ("exec", "2", touch("a")),
        ("exec", "3", touch("a")),
    ]);
    let mut asked = Vec::new();
    let turn = world.control().chat(None, &text, only_plans(&mut asked));
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(turn.text.contains("VALIDATION_FAILED"), "{}", turn.text);
    assert!(there(&world, "a") && !there(&world, "b"));
}

#[test]
fn a_plan_that_cannot_be_is_told_why_and_nobody_is_asked() {
    let world = compromised();
    let arguments = |arguments: Value| plan(&[json!({ "tool": "exec", "arguments": arguments })]);
    let text = script(&[
        ("plan.propose", "1", plan(&[])),
        ("plan.propose", "2", plan(&vec![step("a"); 65])),
        ("plan.propose", "3", plan(&[json!({ "tool": "rockets" })])),
        (
            "plan.propose",
            "4",
            plan(&[json!({ "tool": "plan.propose" })]),
        ),
        (
            "plan.propose",
            "5",
            plan(&[json!({ "tool": "exec", "count": 101 })]),
        ),
        ("plan.propose", "6", arguments(json!({ "path": "a" }))),
        (
            "plan.propose",
            "7",
            arguments(json!({ "argv": { "any": true } })),
        ),
        (
            "plan.propose",
            "8",
            arguments(json!({ "argv": { "one-of": [] } })),
        ),
        ("plan.propose", "9", arguments(json!({ "argv": null }))),
        (
            "plan.propose",
            "10",
            json!({ "steps": [step("a")], "granted": true }),
        ),
        (
            "plan.propose",
            "11",
            json!({ "steps": [step("a")], "why": "w".repeat(501) }),
        ),
    ]);
    let turn = world.control().chat(None, &text, no_question);
    assert_eq!(
        turn.text.matches("VALIDATION_FAILED").count(),
        11,
        "{}",
        turn.text
    );
}

#[test]
fn what_hides_in_a_plan_is_seen_on_its_card_and_no_value_is_a_line() {
    let world = compromised();
    let hidden = json!({
        "tool": "write", "count": 2,
        "arguments": {
            "path": "safe\u{202e}.txt",
            "content": { "one-of": ["x\nanything: argv", "\u{1b}[2J"] },
        },
    });
    let text = script(&[("plan.propose", "p", plan(&[hidden, step("a")]))]);
    let turn = world.control().chat(None, &text, deny);
    let card = turn.questions()[0];
    let fields: Vec<_> = card
        .fields
        .iter()
        .filter(|(name, _)| name.starts_with("step"))
        .collect();
    assert_eq!(fields.len(), 2, "{fields:?}");
    let lines: Vec<&str> = fields[0].1.lines().collect();
    assert_eq!(lines[0], "write, up to 2 times");
    assert_eq!(lines.len(), 3, "{lines:?}");
    for mark in ["<U+202E>", "\\n", "\\u001b"] {
        assert!(fields[0].1.contains(mark), "{mark} is not in {lines:?}");
    }
    assert!(
        fields[1].1.contains("not covered") && fields[1].1.contains("ipc"),
        "{fields:?}"
    );
}

#[test]
fn a_program_inside_proposes_nothing() {
    let world = compromised();
    let inside = "ipc plan.propose '{\"steps\":[{\"tool\":\"exec\"}]}'; echo ended";
    let turn = world
        .control()
        .chat(None, &format!("exec-ipc {inside}"), |card| {
            assert_eq!(card.parts, 0, "{}", card.title);
            allow(card)
        });
    assert_eq!(turn.questions().len(), 1, "{}", turn.text);
}

#[test]
fn a_plan_holds_in_its_session_and_nowhere_else() {
    let world = compromised();
    let mut control = world.control();
    let propose = script(&[("plan.propose", "p", plan(&[step("a"), step("b")]))]);
    let first = control.chat(None, &propose, allow);
    let call = script(&[("exec", "e", touch("a"))]);
    let elsewhere = control.chat(None, &call, deny);
    assert_eq!(elsewhere.questions().len(), 1);
    assert!(!there(&world, "a"));
    control.chat(Some(first.session), &call, no_question);
    assert!(there(&world, "a"));
}

#[test]
fn what_is_left_of_a_plan_ends_with_a_restart_of_the_broker_and_with_panic() {
    let world = compromised();
    let mut control = world.control();
    let propose = script(&[("plan.propose", "p", plan(&[step("a"), step("b")]))]);
    let first = control.chat(None, &propose, allow);
    world.stop();
    let mut control = world.start().control();
    let call = script(&[("exec", "e", touch("a"))]);
    let after = control.chat(Some(first.session), &call, deny);
    assert_eq!(after.questions().len(), 1, "a restart forgets");
    let again = control.chat(Some(first.session), &propose, allow);
    assert_eq!(again.questions().len(), 1);
    assert!(matches!(control.get(&Ask::Panic {}), Tell::Ok {}));
    let Tell::Grants { tasks, .. } = control.get(&Ask::Grants {}) else {
        panic!("grants")
    };
    assert!(tasks.is_empty(), "{tasks:?}");
    assert!(!there(&world, "a"));
}

#[test]
fn a_plan_that_nobody_answers_in_time_grants_nothing() {
    let world = compromised();
    world
        .carapace(&["config", "set", "approvals.expire-seconds", "1"])
        .expect(0);
    world.carapace(&["restart"]).expect(0);
    let mut control = world.control();
    let text = script(&[
        ("plan.propose", "p", plan(&[step("a")])),
        ("exec", "1", touch("a")),
    ]);
    let turn = control.chat(None, &text, |card| {
        (card.parts == 0).then_some((Decision::Deny, None))
    });
    assert!(turn.text.contains("CONFIRMATION_TIMEOUT"), "{}", turn.text);
    assert_eq!(turn.questions().len(), 2);
    assert!(!there(&world, "a"));
}
