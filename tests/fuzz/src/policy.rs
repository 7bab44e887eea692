//! What the floor reads: an owner's message, rows of a result, a plan, recorded tasks. Whatever is in them,
//! a call to somebody who is nowhere named is never simply allowed.

use carapace_contract::effects::{Act, Effects, Identifies, Reach, Undo};
use carapace_contract::id::ToolName;
use carapace_contract::verdict::Verdict;
use carapace_policy::plan::{self, Step, TaskGrant};
use carapace_policy::replay::{Human, Replay, Tools};
use carapace_policy::rules::{self, Armed, History, Operation, Rules};
use carapace_policy::{Contacts, Facts, floor};
use serde_json::{Value, json};

/// Nobody writes this by chance; a text that holds it is left alone.
const STRANGER: &str = "zq7-stranger@nowhere.invalid";
const LONGEST: usize = 8 * 1024;

fn text_of(data: &[u8]) -> String {
    String::from_utf8_lossy(&data[..data.len().min(LONGEST)]).into_owned()
}

fn name(name: &str) -> ToolName {
    name.parse().expect("a tool's name")
}

fn list(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn mail() -> Effects {
    Effects {
        writes: Reach::Internet,
        undo: Undo::Impossible,
        recipients: list(&["to"]),
        objects: list(&["id"]),
        acts: vec![Act::Send],
        ..Effects::default()
    }
}

fn fetch() -> Effects {
    Effects {
        reads: Reach::Internet,
        egress: list(&["url"]),
        ..Effects::default()
    }
}

/// What the owner says, and what it endorses.
pub fn owner_message(data: &[u8]) {
    let text = text_of(data);
    if text.contains("zq7") {
        return;
    }
    let mut facts = Facts::new(Contacts::default());
    facts.heard(&text);
    facts.joined(&carapace_contract::label::Label {
        secret: true,
        ..Default::default()
    });
    let judge = |effects: &Effects, arguments: &Value| {
        floor(&name("send_mail"), effects, arguments, &facts).verdict
    };
    assert_ne!(judge(&mail(), &json!({ "to": STRANGER })), Verdict::Allow);
    assert_ne!(
        judge(
            &fetch(),
            &json!({ "url": format!("https://{}", &STRANGER[13..]) })
        ),
        Verdict::Allow
    );
    assert_ne!(
        judge(&Effects::worst_case(), &json!({ "to": text })),
        Verdict::Allow
    );
    // Whatever it says itself: the answer is the same twice, and one stranger more is never simply allowed.
    for word in text.split_whitespace().chain([text.as_str()]).take(32) {
        let one = json!({ "to": [word], "body": text });
        assert_eq!(judge(&mail(), &one), judge(&mail(), &one));
        assert_ne!(
            judge(&mail(), &json!({ "to": [word, STRANGER] })),
            Verdict::Allow
        );
        assert_ne!(
            judge(&mail(), &json!({ "to": format!("{word}, {STRANGER}") })),
            Verdict::Allow
        );
        let found = judge(&fetch(), &json!({ "url": word }));
        let padded = judge(&fetch(), &json!({ "url": format!("{word}?zq7=1") }));
        assert!(found == Verdict::Ask || padded == Verdict::Ask, "{word:?}");
    }
}

/// True where these rows make 77 the id of what the owner called Rest.
pub fn endorses(text: &str) -> bool {
    let reader = Effects {
        reads: Reach::Private,
        identifies: vec![Identifies {
            name: "name".to_owned(),
            value: "id".to_owned(),
            holds_for: vec!["id".to_owned()],
        }],
        ..Effects::default()
    };
    let mut facts = Facts::new(Contacts::default());
    facts.heard("Delete the row called \"Rest\"");
    facts.saw("look", &reader, text);
    let remove = Effects {
        writes: Reach::Private,
        undo: Undo::Impossible,
        objects: list(&["id"]),
        ..Effects::default()
    };
    let judge = |facts: &Facts, id: &str| {
        floor(&name("delete_row"), &remove, &json!({ "id": id }), facts).verdict
    };
    assert_ne!(judge(&facts, "zq7-no-row"), Verdict::Allow);
    let found = judge(&facts, "77") == Verdict::Allow;
    // A second thing of the same name takes the first one's place from it.
    facts.saw("look", &reader, r#"[{"name": "Rest", "id": "zq7-second"}]"#);
    let again = judge(&facts, "77") == Verdict::Allow;
    assert!(!again, "two things of one name");
    found
}

/// A tool's result as rows.
pub fn rows(data: &[u8]) {
    let text = text_of(data);
    if !text.contains("zq7") {
        let found = endorses(&text);
        assert!(
            !found || text.contains("Rest") || text.contains('\\'),
            "{text}"
        );
    }
}

/// A plan, as JSON.
pub fn plan_json(data: &[u8]) {
    let Ok(steps) = serde_json::from_slice::<Vec<Step>>(data) else {
        return;
    };
    let mut facts = Facts::new(Contacts::default());
    facts.heard("What is new?");
    let effects = mail();
    let found = plan::judge(&steps, |_| &effects, &facts);
    let again: Vec<Step> =
        serde_json::from_slice(&serde_json::to_vec(&steps).expect("a plan serialises"))
            .expect("what was read can be said");
    assert_eq!(again, steps);
    assert_eq!(plan::digest(&again), plan::digest(&steps));
    assert!(
        steps.is_empty() || found.verdict != Verdict::Allow,
        "nobody asked for it"
    );
    let mut grant = TaskGrant::new(steps.clone(), 10);
    let stranger = json!({ "to": STRANGER });
    for step in &steps {
        assert_eq!(
            grant.covers(&step.tool, &effects, &json!({}), &facts, 10),
            None
        );
        if !step.arguments.contains_key("to") || !data.windows(3).any(|part| part == b"zq7") {
            assert_eq!(
                grant.covers(&step.tool, &effects, &stranger, &facts, 0),
                None
            );
        }
    }
    assert_eq!(
        grant.covers(&name("zq7"), &effects, &json!({}), &facts, 0),
        None
    );
    let calls: u64 = steps.iter().map(|step| u64::from(step.count.min(3))).sum();
    for (at, step) in steps.iter().enumerate() {
        for _ in 0..step.count.min(3) {
            grant.used(at);
        }
    }
    let left: u64 = grant.steps().iter().map(|step| u64::from(step.count)).sum();
    let all: u64 = steps.iter().map(|step| u64::from(step.count)).sum();
    assert_eq!(left + calls, all);
}

/// The lines that a task gives, and the first fault.
pub fn replayed(text: &str) -> (Vec<String>, Option<String>) {
    let tools = json!({ "tools": [
        { "name": "send_mail", "effects": mail() },
        { "name": "fetch", "effects": fetch() },
        { "name": "look", "effects": { "reads": "private", "writes": "none", "undo": "nothing",
            "identifies": [{ "name": "name", "value": "id" }] } },
    ] });
    let tools = Tools::read(&tools.to_string()).expect("a list of tools");
    let mut replay = Replay::new(tools, Human::Owner);
    let mut out = Vec::new();
    let mut fault = None;
    for line in text.lines() {
        match replay.line(line) {
            Ok(Some(line)) => out.push(line),
            Ok(None) => {}
            Err(error) => fault = fault.or(Some(error.to_string())),
        }
    }
    let counted = replay.counted();
    assert_eq!(counted.decisions, out.len() as u64);
    assert!(counted.asked + counted.refused <= counted.decisions);
    (out, fault)
}

/// Recorded tasks: what comes out is a decision with its reasons, for each that was asked for.
pub fn replay_lines(data: &[u8]) {
    let (out, _) = replayed(&text_of(data));
    for line in out {
        let line: Value = serde_json::from_str(&line).expect("a line of JSON");
        assert!(matches!(
            line["decision"].as_str(),
            Some("allow" | "ask" | "deny")
        ));
        assert!(
            line["reasons"]
                .as_array()
                .is_some_and(|reasons| !reasons.is_empty())
        );
    }
}

/// `rules.yaml`: what is read is read the same again, only tightens, and can be changed without loss.
pub fn rules_yaml(data: &[u8]) {
    let text = text_of(data);
    let Ok(rules) = Rules::read(&text) else {
        return;
    };
    assert_eq!(Rules::read(&text).as_ref(), Ok(&rules));
    let (mut armed, facts, history) = (Armed::default(), Facts::default(), History::default());
    rules.arm(&mut armed, &facts, &history);
    let (tool, effects) = (name("send_mail"), mail());
    let arguments = json!({ "to": STRANGER, "id": "1" });
    let operation = Operation {
        tool: &tool,
        effects: &effects,
        arguments: &arguments,
        facts: &facts,
    };
    let judged = rules.judge(&armed, &operation);
    assert_eq!(judged.verdict == Verdict::Allow, judged.reasons.is_empty());
    for rule in rules.iter() {
        armed.disable(rule.id.clone());
        // One that is out of force loosens, if anything, and what is added tightens again.
        assert!(rules.judge(&armed, &operation).verdict <= judged.verdict);
        if let Ok(fewer) = rules::removed(&text, &rule.id) {
            let fewer = Rules::read(&fewer).expect("what is left are rules");
            assert!(fewer.rule(&rule.id).is_none());
            assert_eq!(fewer.iter().count() + 1, rules.iter().count());
        }
        if let Some(when) = rule.compiled() {
            let told = serde_json::to_string(when).expect("conditions are JSON");
            assert_eq!(rules::compiled(&told).as_ref(), Ok(when));
            assert!(!when.in_words().is_empty());
        }
    }
}

/// What a model answers that compiles or judges a rule.
pub fn judge_answer(data: &[u8]) {
    let text = text_of(data);
    if let Ok(when) = rules::compiled(&text) {
        assert!(when.in_words().lines().count() > 1);
        let told = serde_json::to_string(&when).expect("conditions are JSON");
        assert_eq!(rules::compiled(&told), Ok(when));
    }
    if let Ok(ruling) = rules::sentinel_verdict(&text) {
        assert!(!ruling.reason.is_empty() && !ruling.reason.contains('\n'));
        assert!(ruling.reason.chars().count() <= 400);
    }
}
