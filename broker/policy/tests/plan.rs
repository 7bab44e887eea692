//! Plans: what a yes to one grants, and for how long. Mail and a program stand for the tools that the floor
//! looks at in every session and for those that it lets pass.

use carapace_contract::config::Grant;
use carapace_contract::effects::{Act, Effects, Reach, Undo};
use carapace_contract::id::{Code, Digest, EffectId, GroupId, SessionId, ToolName, TurnId};
use carapace_contract::tool::{Caller, Invocation, Place};
use carapace_contract::verdict::Decision;
use carapace_ipc_proto::claim::Claim;
use carapace_policy::plan::{Bound, Step, TaskGrant};
use carapace_policy::{
    AnswerRecord, Budget, Facts, Grants, Judgement, Ledger, Moment, Proposal, Proposed, Question,
    RateState, Ruled, SecretUse, TASK, World, code, judge,
};
use serde_json::{Value, json};

const NOW: i64 = 1_000_000;

fn tool(name: &str) -> ToolName {
    name.parse().unwrap()
}

fn effects(name: &str) -> Effects {
    match name {
        "send_mail" => Effects {
            writes: Reach::Internet,
            undo: Undo::Impossible,
            recipients: vec!["to".to_owned()],
            acts: vec![Act::Send],
            ..Effects::default()
        },
        _ => Effects {
            reads: Reach::Workspace,
            writes: Reach::Workspace,
            undo: Undo::Impossible,
            ..Effects::default()
        },
    }
}

fn takes(name: &str) -> Vec<String> {
    let names: &[&str] = match name {
        "send_mail" => &["to", "subject", "body"],
        _ => &["argv", "ipc"],
    };
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn caller() -> Caller {
    Caller {
        group: GroupId::owner(),
        session: SessionId::from_bytes([1; 16]),
        turn: TurnId::from_bytes([2; 16]),
        within: None,
    }
}

fn call(name: &str, arguments: Value) -> Invocation {
    Invocation {
        effect: EffectId::from_bytes([1; 8]),
        caller: caller(),
        call: "c".parse().unwrap(),
        tool: tool(name),
        manifest: Digest::from_bytes([0; 32]),
        arguments,
        effects: effects(name),
        place: Place::Hands,
    }
}

fn step(name: &str, arguments: &[(&str, Bound)], count: u32) -> Step {
    Step {
        tool: tool(name),
        arguments: arguments
            .iter()
            .map(|(name, bound)| ((*name).to_owned(), bound.clone()))
            .collect(),
        count,
    }
}

fn exactly(value: Value) -> Bound {
    Bound::Exactly(value)
}

fn proposal(steps: &[Step]) -> Proposal {
    let steps = steps
        .iter()
        .map(|step| Proposed {
            step: step.clone(),
            manifest: Digest::from_bytes([0; 32]),
            effects: effects(step.tool.as_str()),
            takes: takes(step.tool.as_str()),
        })
        .collect();
    Proposal::new(
        EffectId::from_bytes([3; 8]),
        caller(),
        "p".parse().unwrap(),
        steps,
        "why".to_owned(),
    )
}

fn granted(tools: &[&str]) -> Grants {
    let config: Vec<Grant> = tools
        .iter()
        .map(|name| Grant {
            tool: tool(name),
            arguments: None,
        })
        .collect();
    Grants::of(GroupId::owner(), &config)
}

fn with_world<R>(
    grants: &Grants,
    facts: &Facts,
    now: i64,
    look: impl FnOnce(&World<'_>) -> R,
) -> R {
    look(&World {
        frozen: false,
        grants,
        facts,
        rules: Ruled::none(),
        rate: RateState::Open,
        budget: Budget {
            rounds: 1,
            tokens: 1000,
            bytes: 1000,
        },
        ledger: &Ledger::default(),
        route: "offline",
        reachable: &[],
        secret: SecretUse::Free,
        now,
        moment: Moment { day: 1, month: 1 },
    })
}

fn propose(plan: &Proposal, grants: &Grants, facts: &Facts) -> Judgement<Proposal> {
    with_world(grants, facts, NOW, |world| {
        judge(Claim::new(plan.clone()), world)
    })
}

fn asked(plan: &Proposal) -> Question<Proposal> {
    match propose(plan, &granted(&[]), &Facts::default()) {
        Judgement::Ask(question) => question,
        other => panic!("nothing grants it: {other:?}"),
    }
}

/// Whether a call rests on a task grant.
fn rests(call: &Invocation, grants: &Grants, facts: &Facts, now: i64) -> bool {
    let judgement = with_world(grants, facts, now, |world| {
        judge(Claim::new(call.clone()), world)
    });
    match judgement {
        Judgement::Allow(permit) => permit.basis().iter().any(|reason| reason.code == TASK),
        Judgement::Ask(_) | Judgement::Refuse(_) => false,
    }
}

fn with_task(steps: Vec<Step>) -> Grants {
    let mut grants = granted(&[]);
    grants.allow_task(
        "k7m2qd".parse::<Code>().unwrap(),
        caller().session,
        TaskGrant::new(steps, NOW + 60),
    );
    grants
}

fn yes(plan: &Proposal, part: Option<&str>) -> AnswerRecord {
    AnswerRecord {
        digest: plan.digest(),
        decision: Decision::Once,
        approver: "owner".to_owned(),
        expires: NOW + 1,
        used: false,
        part: part.map(|part| part.parse().unwrap()),
    }
}

fn touch(file: &str) -> Step {
    step("exec", &[("argv", exactly(json!(["touch", file])))], 1)
}

#[test]
fn a_plan_passes_by_itself_only_where_each_step_would() {
    let facts = Facts::default();
    let plan = proposal(&[touch("a"), touch("b")]);
    assert!(matches!(
        propose(&plan, &granted(&["exec"]), &facts),
        Judgement::Allow(_)
    ));
    let Judgement::Ask(question) = propose(&plan, &granted(&[]), &facts) else {
        panic!("nothing grants exec")
    };
    let texts: Vec<&str> = question
        .reasons()
        .iter()
        .map(|reason| reason.text.as_str())
        .collect();
    assert!(
        texts.iter().any(|text| text.starts_with("step 1: "))
            && texts.iter().any(|text| text.starts_with("step 2: ")),
        "{texts:?}"
    );
    // Granted as a tool, and still nobody asked for a mail.
    let mail = step("send_mail", &[("to", exactly(json!("eve@x.example")))], 1);
    let plan = proposal(&[touch("a"), mail]);
    assert!(matches!(
        propose(&plan, &granted(&["exec", "send_mail"]), &facts),
        Judgement::Ask(_)
    ));
}

#[test]
fn a_yes_in_part_grants_that_part_and_keeps_the_numbers() {
    let plan = proposal(&[touch("a"), touch("b"), touch("c")]);
    let none = granted(&[]);
    let facts = Facts::default();
    let permit = with_world(&none, &facts, NOW, |world| {
        asked(&plan).resolve(&yes(&plan, Some("2-3")), world)
    })
    .unwrap();
    let counts: Vec<u32> = permit
        .what()
        .granted()
        .iter()
        .map(|step| step.count)
        .collect();
    assert_eq!(counts, [0, 1, 1]);
    assert_eq!(
        permit.what().digest(),
        plan.digest(),
        "what was shown is what is on record"
    );
    let grants = with_task(permit.what().granted());
    assert!(!rests(
        &call("exec", json!({ "argv": ["touch", "a"] })),
        &grants,
        &facts,
        NOW
    ));
    assert!(rests(
        &call("exec", json!({ "argv": ["touch", "c"] })),
        &grants,
        &facts,
        NOW
    ));
}

#[test]
fn a_yes_to_more_than_was_shown_is_none() {
    let plan = proposal(&[touch("a"), touch("b")]);
    let none = granted(&[]);
    let wider = with_world(&none, &Facts::default(), NOW, |world| {
        asked(&plan).resolve(&yes(&plan, Some("1-3")), world)
    });
    assert_eq!(wider.unwrap_err().code, code::CONFIRMATION_DENIED);
    // The answer to another plan, and a part of what has none.
    let other = proposal(&[touch("a"), touch("z")]);
    let another = with_world(&none, &Facts::default(), NOW, |world| {
        asked(&other).resolve(&yes(&plan, None), world)
    });
    assert_eq!(another.unwrap_err().code, code::CONFIRMATION_DENIED);
    let single = call("exec", json!({ "argv": ["true"] }));
    let facts = Facts::default();
    let Judgement::Ask(question) = with_world(&none, &facts, NOW, |world| {
        judge(Claim::new(single.clone()), world)
    }) else {
        panic!("nothing grants it")
    };
    let answer = AnswerRecord {
        digest: single.digest(),
        ..yes(&plan, Some("1"))
    };
    let whole = with_world(&none, &facts, NOW, |world| question.resolve(&answer, world));
    assert_eq!(whole.unwrap_err().code, code::CONFIRMATION_DENIED);
}

#[test]
fn a_task_grant_ends_in_time_and_when_it_is_used_up() {
    let facts = Facts::default();
    let one = call("exec", json!({ "argv": ["touch", "a"] }));
    let mut grants = with_task(vec![touch("a"), touch("b")]);
    assert!(rests(&one, &grants, &facts, NOW + 59));
    assert!(!rests(&one, &grants, &facts, NOW + 60), "its time is over");
    assert_eq!(grants.tasks(NOW + 60).count(), 0);
    grants.use_task(&one, &facts, NOW);
    assert!(!rests(&one, &grants, &facts, NOW), "this step is used up");
    assert_eq!(grants.tasks(NOW).count(), 1);
    grants.use_task(
        &call("exec", json!({ "argv": ["touch", "b"] })),
        &facts,
        NOW,
    );
    assert_eq!(grants.tasks(NOW).count(), 0, "nothing is left of it");
}

#[test]
fn what_a_step_does_not_name_is_granted_only_where_the_floor_looks_at_it() {
    let facts = Facts::default();
    let exec = with_task(vec![step("exec", &[], 9), touch("a")]);
    assert!(!rests(
        &call("exec", json!({ "argv": ["rm", "x"] })),
        &exec,
        &facts,
        NOW
    ));
    let more = json!({ "argv": ["touch", "a"], "ipc": true });
    assert!(!rests(&call("exec", more), &exec, &facts, NOW));
    // The first step names too little; the second is enough.
    assert!(rests(
        &call("exec", json!({ "argv": ["touch", "a"] })),
        &exec,
        &facts,
        NOW
    ));

    let mail = with_task(vec![step(
        "send_mail",
        &[("to", exactly(json!("bob@b.example")))],
        9,
    )]);
    let send = |to: &str, body: &str| {
        let arguments = json!({ "to": to, "subject": "s", "body": body });
        rests(&call("send_mail", arguments), &mail, &facts, NOW)
    };
    assert!(send("bob@b.example", "hello"));
    assert!(!send("eve@x.example", "hello"));
    assert!(
        !send("bob@b.example", "see https://x.example/?q=1"),
        "an address that nobody named"
    );
}

#[test]
fn the_card_can_say_what_a_step_does_not_name() {
    let plan = proposal(&[
        step("exec", &[("argv", exactly(json!(["true"])))], 1),
        step("send_mail", &[], 1),
    ]);
    assert_eq!(plan.steps[0].unbound().none, ["ipc"]);
    assert_eq!(plan.steps[1].unbound().named, ["to"]);
    assert_eq!(plan.steps[1].unbound().free, ["subject", "body"]);
}

#[test]
fn a_plan_that_was_refused_is_not_asked_about_again_in_the_turn() {
    let mut facts = Facts::default();
    facts.heard("tidy up");
    let plan = proposal(&[touch("a")]);
    plan.refused(&mut facts);
    assert!(matches!(
        propose(&plan, &granted(&[]), &facts),
        Judgement::Refuse(_)
    ));
    // Another plan may be; but none with an act that the message does not ask for.
    let other = proposal(&[touch("b")]);
    assert!(matches!(
        propose(&other, &granted(&[]), &facts),
        Judgement::Ask(_)
    ));
    let mail = step("send_mail", &[("to", exactly(json!("bob@b.example")))], 1);
    let unasked = proposal(&[touch("b"), mail]);
    assert!(matches!(
        propose(&unasked, &granted(&[]), &facts),
        Judgement::Refuse(_)
    ));
    facts.heard("try again");
    assert!(matches!(
        propose(&plan, &granted(&[]), &facts),
        Judgement::Ask(_)
    ));
}
