//! The floor as properties: what holds for every call and every world.

use carapace_contract::config::{self, Grant};
use carapace_contract::effects::{Effects, Reach, Undo};
use carapace_contract::id::{CallId, Digest, EffectId, GroupId, SessionId, ToolName, TurnId};
use carapace_contract::tool::{Caller, Invocation, Place};
use carapace_contract::verdict::{Decision, Verdict};
use carapace_ipc_proto::claim::Claim;
use carapace_policy::rules::{self, Armed, Mode, Rule, Rules, Ruling, Rulings};
use carapace_policy::{
    Amount, AnswerRecord, Budget, Facts, Grants, Judged, Judgement, Ledger, ModelCall, Moment,
    OwnSend, Purpose, Question, RateState, Reachable, Ruled, SecretUse, SessionGrant, World, code,
    floor, judge,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::{Value, json};
use std::sync::LazyLock;

const NOW: i64 = 1_000_000;

/// A session that has heard nobody: the floor lets through what the owner could undo.
static FACTS: LazyLock<Facts> = LazyLock::new(Facts::default);

fn tool(name: &str) -> ToolName {
    name.parse().unwrap()
}

fn invocations() -> impl Strategy<Value = Invocation> {
    let reach = || {
        prop_oneof![
            Just(Reach::None),
            Just(Reach::Workspace),
            Just(Reach::Private),
            Just(Reach::Internet)
        ]
    };
    (
        0u8..2,
        0u8..3,
        "[a-z]{1,3}",
        any::<bool>(),
        reach(),
        reach(),
        0u8..2,
        "[a-z0-9]{1,4}",
    )
        .prop_map(
            |(session, name, text, inside, reads, writes, manifest, call)| Invocation {
                effect: EffectId::from_bytes([1; 8]),
                caller: Caller {
                    group: GroupId::owner(),
                    session: SessionId::from_bytes([session; 16]),
                    turn: TurnId::from_bytes([3; 16]),
                    within: inside.then(|| "outer".parse().unwrap()),
                },
                call: call.parse().unwrap(),
                tool: tool(["read", "write", "exec"][usize::from(name)]),
                manifest: Digest::from_bytes([manifest; 32]),
                arguments: json!({ "text": text }),
                effects: Effects {
                    reads,
                    writes,
                    undo: Undo::Possible,
                    idempotent: false,
                    ..Effects::default()
                },
                place: Place::Hands,
            },
        )
}

/// A grant that may or may not cover a call: by tool, exact arguments, session or shape.
#[derive(Debug, Clone)]
enum Given {
    Tool(ToolName),
    Exact(ToolName, Value),
    Session(SessionId, ToolName),
    Always(Digest, i64),
}

fn given(call: &Invocation, which: u8) -> Given {
    match which % 8 {
        0 => Given::Tool(call.tool.clone()),
        1 => Given::Exact(call.tool.clone(), call.arguments.clone()),
        2 => Given::Session(call.caller.session, call.tool.clone()),
        3 => Given::Always(call.shape(), NOW + 1),
        4 => Given::Always(call.shape(), NOW),
        5 => Given::Exact(call.tool.clone(), json!({ "text": "something else" })),
        6 => Given::Session(SessionId::from_bytes([9; 16]), call.tool.clone()),
        _ => Given::Tool(tool("other")),
    }
}

fn covers(which: u8) -> bool {
    which % 8 < 4
}

fn grants(given: &[Given]) -> Grants {
    let config: Vec<Grant> = given
        .iter()
        .filter_map(|one| match one {
            Given::Tool(tool) => Some(Grant {
                tool: tool.clone(),
                arguments: None,
            }),
            Given::Exact(tool, arguments) => Some(Grant {
                tool: tool.clone(),
                arguments: Some(arguments.as_object().unwrap().clone()),
            }),
            _ => None,
        })
        .collect();
    let mut grants = Grants::of(GroupId::owner(), &config);
    for one in given {
        match one {
            Given::Session(session, tool) => grants.allow_in_session(SessionGrant {
                session: *session,
                tool: tool.clone(),
            }),
            Given::Always(shape, expires) => grants.allow_always(*shape, *expires),
            _ => {}
        }
    }
    grants
}

fn world(grants: &Grants) -> World<'_> {
    World {
        frozen: false,
        grants,
        facts: &FACTS,
        rules: Ruled::none(),
        rate: RateState::Open,
        budget: Budget {
            rounds: 1,
            tokens: 1000,
            bytes: 1000,
        },
        ledger: &NOTHING_SPENT,
        route: "local:small",
        reachable: &*LOCAL,
        secret: SecretUse::Free,
        now: NOW,
        moment: Moment { day: 1, month: 1 },
    }
}

static NOTHING_SPENT: LazyLock<Ledger> = LazyLock::new(Ledger::default);
static LOCAL: LazyLock<[Reachable; 1]> = LazyLock::new(|| {
    [Reachable {
        model: "local:small".to_owned(),
        origin: "http://127.0.0.1:11434".to_owned(),
        withhold: Vec::new(),
    }]
});

fn verdict<T>(judgement: &Judgement<T>) -> Verdict {
    match judgement {
        Judgement::Allow(permit) => {
            assert!(!permit.basis().is_empty());
            Verdict::Allow
        }
        Judgement::Ask(_) => Verdict::Ask,
        Judgement::Refuse(_) => Verdict::Refuse,
    }
}

fn asked<T: Judged>(call: T) -> Question<T> {
    let none = Grants::of(GroupId::owner(), &[]);
    match judge(Claim::new(call), &world(&none)) {
        Judgement::Ask(question) => question,
        other => panic!(
            "an ungranted call is asked about, not {:?}",
            verdict(&other)
        ),
    }
}

fn good_answer(digest: Digest) -> AnswerRecord {
    AnswerRecord {
        digest,
        decision: Decision::Once,
        approver: "owner".to_owned(),
        expires: NOW + 1,
        used: false,
        part: None,
    }
}

proptest! {
    #[test]
    fn what_is_granted_passes_and_what_is_not_is_asked(call in invocations(), which in prop::collection::vec(any::<u8>(), 0..4)) {
        let given: Vec<Given> = which.iter().map(|which| given(&call, *which)).collect();
        // A grant of exactly the call needs no more; one of the whole tool lets pass what the floor does.
        let exact = which.iter().any(|which| matches!(which % 8, 1 | 3));
        let expected = match which.iter().any(|which| covers(*which)) {
            true if exact => Verdict::Allow,
            true => floor(&call.tool, &call.effects, &call.arguments, &FACTS).verdict,
            false => Verdict::Ask,
        };
        let grants = grants(&given);
        prop_assert_eq!(verdict(&judge(Claim::new(call), &world(&grants))), expected);
    }

    #[test]
    fn removing_a_grant_never_loosens(call in invocations(), which in prop::collection::vec(any::<u8>(), 1..5), gone in any::<prop::sample::Index>()) {
        let all: Vec<Given> = which.iter().map(|which| given(&call, *which)).collect();
        let mut fewer = all.clone();
        fewer.remove(gone.index(all.len()));
        let (all, fewer) = (grants(&all), grants(&fewer));
        let with = verdict(&judge(Claim::new(call.clone()), &world(&all)));
        let without = verdict(&judge(Claim::new(call), &world(&fewer)));
        prop_assert!(without >= with);
    }

    #[test]
    fn frozen_refuses_everything(call in invocations(), which in prop::collection::vec(any::<u8>(), 0..4)) {
        let given: Vec<Given> = which.iter().map(|which| given(&call, *which)).collect();
        let grants = grants(&given);
        let frozen = World { frozen: true, ..world(&grants) };
        let Judgement::Refuse(refusal) = judge(Claim::new(call), &frozen) else { panic!("not refused") };
        prop_assert_eq!(refusal.code, code::UNAUTHORIZED);
    }

    #[test]
    fn too_many_calls_are_refused_with_the_time_to_wait(call in invocations(), granted in any::<bool>()) {
        let given = if granted { vec![Given::Tool(call.tool.clone())] } else { vec![] };
        let grants = grants(&given);
        let exhausted = World { rate: RateState::Exhausted { retry_after: 7 }, ..world(&grants) };
        let Judgement::Refuse(refusal) = judge(Claim::new(call), &exhausted) else { panic!("not refused") };
        prop_assert_eq!((refusal.code, refusal.retry_after), (code::RATE_LIMITED, Some(7)));
    }

    #[test]
    fn another_group_has_none_of_the_grants(mut call in invocations()) {
        call.caller.group = GroupId::try_from("guest".to_owned()).unwrap();
        let grants = grants(&[
            Given::Tool(call.tool.clone()),
            Given::Session(call.caller.session, call.tool.clone()),
            Given::Always(call.shape(), NOW + 1),
        ]);
        prop_assert_eq!(verdict(&judge(Claim::new(call), &world(&grants))), Verdict::Ask);
    }

    #[test]
    fn a_call_from_inside_the_hands_is_never_judged_looser(call in invocations(), which in prop::collection::vec(any::<u8>(), 0..4)) {
        let given: Vec<Given> = which.iter().map(|which| given(&call, *which)).collect();
        let grants = grants(&given);
        let mut mind = call.clone();
        mind.caller.within = None;
        let mut hands = call;
        hands.caller.within = Some("outer".parse().unwrap());
        let mind = verdict(&judge(Claim::new(mind), &world(&grants)));
        let hands = verdict(&judge(Claim::new(hands), &world(&grants)));
        prop_assert!(hands >= mind);
    }

    #[test]
    fn one_wrong_thing_about_an_answer_is_enough(call in invocations(), wrong in 0u8..6, decision in 0u8..3) {
        let none = Grants::of(GroupId::owner(), &[]);
        let mut world = world(&none);
        let mut answer = good_answer(call.digest());
        answer.decision = [Decision::Once, Decision::Session, Decision::Always][usize::from(decision)];
        prop_assert!(asked(call.clone()).resolve(&answer, &world).is_ok());
        let expected = match wrong {
            0 => { answer.digest = Digest::of(b"another"); code::CONFIRMATION_DENIED }
            1 => { answer.decision = Decision::Deny; code::CONFIRMATION_DENIED }
            2 => { answer.expires = NOW; code::CONFIRMATION_TIMEOUT }
            3 => { answer.used = true; code::CONFIRMATION_DENIED }
            4 => { answer.approver = " ".to_owned(); code::CONFIRMATION_DENIED }
            _ => { world.frozen = true; code::UNAUTHORIZED }
        };
        prop_assert_eq!(asked(call).resolve(&answer, &world).unwrap_err().code, expected);
    }

    #[test]
    fn changing_anything_about_a_call_needs_another_answer(call in invocations(), field in 0u8..8) {
        let none = Grants::of(GroupId::owner(), &[]);
        let answer = good_answer(call.digest());
        let mut changed = call.clone();
        match field {
            0 => changed.caller.session = SessionId::from_bytes([8; 16]),
            1 => changed.caller.turn = TurnId::from_bytes([8; 16]),
            2 => changed.caller.within = if call.caller.within.is_some() { None } else { Some("x".parse().unwrap()) },
            3 => changed.tool = tool("delete"),
            4 => changed.arguments = json!({ "text": "changed" }),
            5 => changed.manifest = Digest::from_bytes([7; 32]),
            6 => changed.call = format!("{}-", call.call).parse::<CallId>().unwrap(),
            _ => changed.arguments["more"] = json!(1),
        }
        prop_assert_ne!(changed.digest(), call.digest());
        let refusal = asked(changed).resolve(&answer, &world(&none)).unwrap_err();
        prop_assert_eq!(refusal.code, code::CONFIRMATION_DENIED);
    }
}

fn model_call() -> ModelCall {
    ModelCall {
        effect: EffectId::from_bytes([1; 8]),
        caller: Caller {
            group: GroupId::owner(),
            session: SessionId::from_bytes([1; 16]),
            turn: TurnId::from_bytes([2; 16]),
            within: None,
        },
        call: "m1".parse().unwrap(),
        route: "local:small".to_owned(),
        model: "local:small".to_owned(),
        origin: Some("http://127.0.0.1:11434".to_owned()),
        secret: None,
        channel: "console".to_owned(),
        completion: Digest::of(b"conversation"),
        bytes: 1000,
        tokens: 1000,
        worst: Amount {
            usd: Some(10),
            tokens: 1000,
        },
    }
}

#[test]
fn a_model_call_passes_on_the_configured_route_within_the_budget_only() {
    let none = Grants::of(GroupId::owner(), &[]);
    let fits = world(&none);
    let refused = |call: ModelCall, world: &World<'_>| match judge(Claim::new(call), world) {
        Judgement::Refuse(refusal) => Some(refusal.code),
        Judgement::Allow(_) => None,
        Judgement::Ask(_) => panic!("model calls are not asked about"),
    };
    assert_eq!(refused(model_call(), &fits), None);
    for budget in [
        Budget {
            rounds: 0,
            ..fits.budget
        },
        Budget {
            tokens: 999,
            ..fits.budget
        },
        Budget {
            tokens: 0,
            ..fits.budget
        },
        Budget {
            bytes: 999,
            ..fits.budget
        },
    ] {
        assert_eq!(
            refused(
                model_call(),
                &World {
                    budget,
                    ..fits.clone()
                }
            ),
            Some(code::BUDGET_EXCEEDED),
            "{budget:?}"
        );
    }
    let elsewhere = ModelCall {
        route: "other:large".to_owned(),
        ..model_call()
    };
    assert_eq!(refused(elsewhere, &fits), Some(code::UNAUTHORIZED));
    let unrouted = ModelCall {
        origin: None,
        ..model_call()
    };
    assert_eq!(refused(unrouted, &fits), Some(code::UNAUTHORIZED));
    let smuggled = ModelCall {
        route: "offline".to_owned(),
        ..model_call()
    };
    assert_eq!(
        refused(
            smuggled,
            &World {
                route: "offline",
                ..fits.clone()
            }
        ),
        Some(code::UNAUTHORIZED)
    );
    let another = ModelCall {
        model: "local:large".to_owned(),
        ..model_call()
    };
    assert_eq!(refused(another, &fits), Some(code::UNAUTHORIZED));
    let keyed = || ModelCall {
        secret: Some("key".parse().unwrap()),
        ..model_call()
    };
    assert_eq!(refused(keyed(), &fits), None);
    for without in [SecretUse::Locked, SecretUse::Missing] {
        let world = World {
            secret: without,
            ..fits.clone()
        };
        assert_eq!(refused(keyed(), &world), Some(code::UNAUTHORIZED));
    }
    let wary = World {
        secret: SecretUse::Ask,
        ..fits.clone()
    };
    assert!(matches!(
        judge(Claim::new(keyed()), &wary),
        Judgement::Ask(_)
    ));
    let poor = Ledger::new(&[config::Budget {
        per: config::Per::All,
        only: None,
        every: Some(config::Every::Day),
        usd: Some(0.0),
        tokens: None,
    }]);
    let broke = World {
        ledger: &poor,
        ..fits.clone()
    };
    assert_eq!(refused(model_call(), &broke), Some(code::BUDGET_EXCEEDED));
    assert_eq!(
        refused(
            model_call(),
            &World {
                frozen: true,
                ..fits
            }
        ),
        Some(code::UNAUTHORIZED)
    );
}

#[test]
fn changing_anything_about_a_model_call_changes_its_digest() {
    let call = model_call();
    for changed in [
        ModelCall {
            call: "m2".parse().unwrap(),
            ..call.clone()
        },
        ModelCall {
            route: "local:other".to_owned(),
            ..call.clone()
        },
        ModelCall {
            origin: Some("http://127.0.0.1:1".to_owned()),
            ..call.clone()
        },
        ModelCall {
            completion: Digest::of(b"x"),
            ..call.clone()
        },
        ModelCall {
            bytes: 1,
            ..call.clone()
        },
        ModelCall {
            tokens: 1,
            ..call.clone()
        },
        ModelCall {
            model: "local:other".to_owned(),
            ..call.clone()
        },
        ModelCall {
            secret: Some("key".parse().unwrap()),
            ..call.clone()
        },
        ModelCall {
            worst: Amount::default(),
            ..call.clone()
        },
    ] {
        assert_ne!(changed.digest(), call.digest(), "{changed:?}");
    }
    assert!(call.effects().is_outward());
    assert!(
        !ModelCall {
            origin: None,
            ..call
        }
        .effects()
        .is_outward()
    );
}

#[test]
fn a_refusal_of_a_frozen_and_hurried_world_names_what_waiting_does_not_heal() {
    let none = Grants::of(GroupId::owner(), &[]);
    let call = any_call();
    let both = World {
        frozen: true,
        facts: &FACTS,
        rate: RateState::Exhausted { retry_after: 3 },
        ..world(&none)
    };
    let Judgement::Refuse(refusal) = judge(Claim::new(call), &both) else {
        panic!("not refused")
    };
    assert_eq!(
        (refusal.code, refusal.retry_after),
        (code::UNAUTHORIZED, None)
    );
}

#[test]
fn the_broker_itself_sends_only_where_the_configuration_points() {
    let none = Grants::of(GroupId::owner(), &[]);
    let send = |origin: &str| OwnSend {
        effect: EffectId::from_bytes([1; 8]),
        purpose: Purpose::Test,
        origin: origin.to_owned(),
        secret: Some("key".parse().unwrap()),
        carries: None,
        request: Digest::of(b""),
        bytes: 0,
    };
    let allowed =
        |send, world: &World<'_>| matches!(judge(Claim::new(send), world), Judgement::Allow(_));
    assert!(allowed(send("http://127.0.0.1:11434"), &world(&none)));
    assert!(!allowed(send("http://127.0.0.1:11435"), &world(&none)));
    let frozen = World {
        frozen: true,
        ..world(&none)
    };
    assert!(!allowed(send("http://127.0.0.1:11434"), &frozen));
}

fn any_call() -> Invocation {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    invocations().new_tree(&mut runner).unwrap().current()
}

/// Rules that all apply to every call with an effect: conditions in JSON, or none.
fn ruled(mode: &str, when: Option<&str>) -> Rules {
    let mut rule = Rule::plain("always", "anything at all", "").unwrap();
    rule.id = "all".parse().unwrap();
    if mode == "block" {
        rule.mode = Mode::Block;
    }
    if let Some(when) = when {
        rule.accept(rules::compiled(when).unwrap()).unwrap();
    }
    Rules::read(&rules::added("rules: []\n", &rule).unwrap()).unwrap()
}

const EVERYTHING: &str = r#"{"effect": {"tool": "*"}}"#;

fn under_rules(call: &Invocation, grants: &Grants, rules: &Rules, rulings: &Rulings) -> Verdict {
    let world = World {
        rules: Ruled {
            rules,
            armed: &Armed::default(),
            rulings,
        },
        ..world(grants)
    };
    verdict(&judge(Claim::new(call.clone()), &world))
}

proptest! {
    #[test]
    fn rules_only_tighten_and_what_blocks_is_lifted_by_no_grant(call in invocations(), which in 0u8..8, ruling in 0u8..4) {
        let grants = grants(&[given(&call, which)]);
        let none = Rulings::new();
        let without = under_rules(&call, &grants, &Rules::none(), &none);
        prop_assert_eq!(under_rules(&call, &grants, &ruled("block", Some(EVERYTHING)), &none), Verdict::Refuse);
        let says = [Verdict::Allow, Verdict::Ask, Verdict::Refuse].get(usize::from(ruling)).map(|verdict| Ruling {
            verdict: *verdict,
            reason: "so".to_owned(),
        });
        let rulings: Rulings = says.into_iter().map(|ruling| ("all".parse().unwrap(), ruling)).collect();
        for rules in [
            ruled("approve", Some(EVERYTHING)),
            ruled("approve", None),
            ruled("block", None),
            Rules::unreadable("so"),
            Rules::defaults(),
        ] {
            prop_assert!(under_rules(&call, &grants, &rules, &rulings) >= without);
        }
    }

    #[test]
    fn a_rule_that_wants_a_yes_has_one_in_what_a_person_granted_exactly_and_in_nothing_else(call in invocations(), which in 0u8..8) {
        let grants = grants(&[given(&call, which)]);
        let asks = under_rules(&call, &grants, &ruled("approve", Some(EVERYTHING)), &Rulings::new());
        // By the arguments in the configuration, or by "always exactly this" that still counts.
        let exactly = matches!(which % 8, 1 | 3);
        prop_assert_eq!(asks, if exactly { Verdict::Allow } else { Verdict::Ask });
        prop_assert_eq!(grants.is_approved(&call, &FACTS, NOW), exactly);
        // Of rules that nobody knows or can judge, none can be said to want a yes only.
        if call.effects.is_outward() {
            prop_assert_eq!(under_rules(&call, &grants, &Rules::unreadable("so"), &Rulings::new()), Verdict::Ask);
            prop_assert_eq!(under_rules(&call, &grants, &ruled("block", None), &Rulings::new()), Verdict::Ask);
        }
    }
}

/// What is on record of a call that passes in the workspace, under one rule that only a model can judge.
fn told_by(given: &dyn Fn(&Invocation) -> Given, mode: &str, rulings: &Rulings) -> Vec<String> {
    let mut call = invocations()
        .new_tree(&mut proptest::test_runner::TestRunner::deterministic())
        .unwrap()
        .current();
    call.effects = Effects {
        writes: Reach::Workspace,
        ..Effects::default()
    };
    let grants = grants(&[given(&call)]);
    let world = World {
        rules: Ruled {
            rules: &ruled(mode, None),
            armed: &Armed::default(),
            rulings,
        },
        ..world(&grants)
    };
    match judge(Claim::new(call), &world) {
        Judgement::Allow(permit) => permit
            .basis()
            .iter()
            .filter(|reason| reason.code == rules::RULED)
            .map(|reason| reason.text.clone())
            .collect(),
        other => panic!("it passes, and is not {:?}", verdict(&other)),
    }
}

#[test]
fn what_a_ruling_cleared_is_told_and_what_it_was_not_asked_for_is_not() {
    let rulings = |id: &str, verdict| {
        let reason = "it stays here".to_owned();
        Rulings::from([(id.parse().unwrap(), Ruling { verdict, reason })])
    };
    let tool = |call: &Invocation| Given::Tool(call.tool.clone());
    let exact = |call: &Invocation| Given::Exact(call.tool.clone(), call.arguments.clone());
    let told = "a model judged that your rule all does not restrict it: it stays here";
    let clears = rulings("all", Verdict::Allow);
    assert_eq!(told_by(&tool, "approve", &clears), [told]);
    assert_eq!(told_by(&exact, "block", &clears), [told]);
    // A yes to this very call is all that such a rule wants: no ruling is heeded, and none cleared it.
    assert!(told_by(&exact, "approve", &clears).is_empty());
    let asks = rulings("all", Verdict::Ask);
    assert!(told_by(&exact, "approve", &asks).is_empty());
    // Of a rule that there is not, nothing is told, whatever stands beside it.
    let mut two = rulings("another", Verdict::Ask);
    two.extend(clears);
    assert_eq!(told_by(&tool, "approve", &two), [told]);
}

#[test]
fn a_model_does_not_see_what_is_withheld_from_it() {
    let grants = grants(&[]);
    let place = |withhold: &[&str]| {
        [Reachable {
            model: "local:small".to_owned(),
            origin: LOCAL[0].origin.clone(),
            withhold: withhold.iter().map(|name| (*name).to_owned()).collect(),
        }]
    };
    let mut seen = Facts::default();
    seen.joined(&carapace_contract::label::Label {
        private: "health".parse().into_iter().collect(),
        ..Default::default()
    });
    let goes = |withhold: &[&str], facts: &Facts| {
        let world = World {
            reachable: &place(withhold),
            facts,
            ..world(&grants)
        };
        verdict(&judge(Claim::new(model_call()), &world))
    };
    for withhold in [&["health"][..], &["*"], &["mail", "health"]] {
        assert_eq!(goes(withhold, &seen), Verdict::Refuse, "{withhold:?}");
        assert_eq!(
            goes(withhold, &Facts::default()),
            Verdict::Allow,
            "{withhold:?}"
        );
    }
    for withhold in [&[][..], &["mail"], &["heal"]] {
        assert_eq!(goes(withhold, &seen), Verdict::Allow, "{withhold:?}");
    }
}
