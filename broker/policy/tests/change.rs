//! What a change makes possible is told: each kind beside the judge whose input it is, then the words.

use carapace_contract::config::{Config, Grant};
use carapace_contract::effects::{Act, Effects, Identifies, Reach, Undo};
use carapace_contract::id::{CallId, Code, Digest, EffectId, GroupId, SessionId, ToolName, TurnId};
use carapace_contract::label::{Integrity, Label};
use carapace_contract::tool::{Caller, Invocation, Place, Tool};
use carapace_contract::verdict::Verdict;
use carapace_ipc_proto::claim::Claim;
use carapace_policy::change::{
    Always, Change, Direction, Kind, MAX_CHANGES, MAX_TEXT, Parts, Snapshot, SnapshotError,
};
use carapace_policy::rules::{
    Armed, Condition, Glob, Mode, Operation, Rule, Rules, Ruling, Rulings, When,
};
use carapace_policy::{
    Budget, Contacts, Exposure, Facts, Grants, Judgement, Ledger, Moment, RateState, Ruled,
    SecretUse, World, floor, judge,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const NOW: i64 = 1_000_000;

fn name(text: &str) -> ToolName {
    text.parse().unwrap()
}

fn list(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn config(value: Value) -> Config {
    serde_json::from_value(value).unwrap()
}

/// An answer "always", as the store has it.
#[derive(Debug, Clone)]
struct Answer {
    code: Code,
    shape: Digest,
    tool: ToolName,
    arguments: String,
    expires: i64,
}

/// What an owner has.
#[derive(Debug, Clone)]
struct Home {
    config: Config,
    tools: Vec<Tool>,
    rules: Rules,
    always: Vec<Answer>,
    origins: Vec<(String, String)>,
}

impl Home {
    fn new() -> Self {
        Self {
            config: Config::default(),
            tools: Vec::new(),
            rules: Rules::none(),
            always: Vec::new(),
            origins: Vec::new(),
        }
    }

    fn with(value: Value) -> Self {
        Self {
            config: config(value),
            ..Self::new()
        }
    }

    fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }

    fn rules(mut self, all: &[Rule]) -> Self {
        self.rules = rules(all);
        self
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::of(Parts {
            config: &self.config,
            tools: self.tools.iter().collect(),
            rules: &self.rules,
            always: self
                .always
                .iter()
                .map(|answer| Always {
                    code: &answer.code,
                    shape: answer.shape,
                    tool: &answer.tool,
                    arguments: &answer.arguments,
                    expires: answer.expires,
                })
                .collect(),
            origins: self
                .origins
                .iter()
                .map(|(provider, origin)| (provider.as_str(), origin.as_str()))
                .collect(),
        })
    }

    fn to(&self, newer: &Home) -> Vec<Change> {
        self.snapshot().changes(&newer.snapshot())
    }
}

fn tool(text: &str, effects: Effects) -> Tool {
    Tool {
        name: name(text),
        description: "Does it.".to_owned(),
        schema: json!({ "type": "object" }),
        effects,
        place: Place::Network,
    }
}

fn mail() -> Effects {
    Effects {
        writes: Reach::Internet,
        recipients: list(&["to", "cc"]),
        undo: Undo::Impossible,
        acts: vec![Act::Send],
        ..Effects::default()
    }
}

fn rule(id: &str, mode: Mode, effect: &str, when: Option<Condition>) -> Rule {
    let mut rule = Rule {
        id: id.parse().unwrap(),
        trigger: "always".to_owned(),
        effect: effect.to_owned(),
        mode,
        description: String::new(),
        when: None,
        of: None,
    };
    if let Some(effect) = when {
        let when = When {
            trigger: None,
            effect,
        };
        rule.accept(when).unwrap();
    }
    rule
}

fn rules(all: &[Rule]) -> Rules {
    Rules::read(&json!({ "rules": all }).to_string()).unwrap()
}

fn count(changes: &[Change], direction: Direction) -> usize {
    changes
        .iter()
        .filter(|change| change.direction == direction)
        .count()
}

fn is_wider(changes: &[Change]) -> bool {
    count(changes, Direction::Wider) > 0
}

/// The only change there is.
fn only(changes: Vec<Change>) -> Change {
    let [change] = <[Change; 1]>::try_from(changes).unwrap();
    change
}

#[track_caller]
fn told(changes: Vec<Change>, direction: Direction, what: Kind, text: &str) {
    let change = only(changes);
    assert_eq!(
        (change.direction, change.what, change.text.as_str()),
        (direction, what, text)
    );
}

/// True where the second lets nothing pass that the first did not.
fn no_looser(before: Verdict, after: Verdict) -> bool {
    before.and(after) == after
}

// The words.

#[test]
fn a_new_tool_is_told_with_what_it_does_and_what_passes() {
    let home = Home::new();
    let mail_tool = home.clone().tool(tool("mail.send", mail()));
    told(
        home.to(&mail_tool),
        Direction::Wider,
        Kind::Tool,
        "the assistant can now use mail.send, which changes things beyond this machine, reaches whom it is given as \"to\" and \"cc\" and cannot be undone; each call is asked about unless a grant covers it",
    );
    told(
        mail_tool.to(&home),
        Direction::Narrower,
        Kind::Tool,
        "the assistant can no longer use mail.send",
    );
    let granted = json!({ "grants": [{ "tool": "mail.send" }] });
    let changes =
        Home::with(granted.clone()).to(&Home::with(granted).tool(tool("mail.send", mail())));
    assert!(
        only(changes).text.ends_with(
            "; every call of it that you asked for passes without a question where you named whom and what it reaches"
        )
    );
}

#[test]
fn a_grant_is_told_with_the_calls_that_pass_by_it() {
    let with = |effects: Effects, grants: Value| {
        Home::with(json!({ "grants": grants })).tool(tool("workspace.exec", effects))
    };
    let whole = |effects: &Effects| {
        only(with(effects.clone(), json!([])).to(&with(
            effects.clone(),
            json!([{ "tool": "workspace.exec" }]),
        )))
    };
    let harmless = Effects {
        writes: Reach::Workspace,
        ..Effects::default()
    };
    assert_eq!(
        whole(&harmless).text,
        "every call of workspace.exec now passes without a question"
    );
    assert_eq!(
        whole(&mail()).text,
        "every call of workspace.exec that you asked for now passes without a question where you named whom and what it reaches"
    );
    let costly = Effects {
        cost: list(&["amount"]),
        ..Effects::default()
    };
    assert_eq!(
        whole(&costly).text,
        "every call of workspace.exec now is left to the floor, which always asks about what costs money"
    );
    let exact = json!([{ "tool": "workspace.exec", "arguments": { "argv": ["ls"] } }]);
    told(
        with(harmless.clone(), json!([])).to(&with(harmless, exact)),
        Direction::Wider,
        Kind::Grant,
        "workspace.exec with exactly \"{\\\"argv\\\":[\\\"ls\\\"]}\" now passes without a question, whatever the session has seen",
    );
}

#[test]
fn a_rule_that_goes_or_changes_is_told_in_both_wordings() {
    let block = rule("no-mail", Mode::Block, "sending mail", None);
    let with = Home::new().rules(std::slice::from_ref(&block));
    told(
        with.to(&Home::new()),
        Direction::Wider,
        Kind::Rule,
        "your rule no-mail is gone: nothing of yours blocks \"sending mail\" any more",
    );
    told(
        Home::new().to(&with),
        Direction::Narrower,
        Kind::Rule,
        "your rule no-mail is new: it blocks \"sending mail\"",
    );
    let asks = Home::new().rules(&[rule("no-mail", Mode::Approve, "sending mail", None)]);
    told(
        with.to(&asks),
        Direction::Wider,
        Kind::Rule,
        "your rule no-mail blocks no more, it only asks about \"sending mail\"",
    );
    let other = Home::new().rules(&[rule("no-mail", Mode::Block, "sending \"spam\"", None)]);
    told(
        with.to(&other),
        Direction::Wider,
        Kind::Rule,
        "your rule no-mail says something else, and may apply to less: now \"always: sending \\\"spam\\\"\"; before \"always: sending mail\"",
    );
    let conditions = |condition| {
        Home::new().rules(&[rule(
            "no-mail",
            Mode::Block,
            "sending mail",
            Some(condition),
        )])
    };
    let change = only(conditions(Condition::Act(Act::Send)).to(&conditions(Condition::Cost(true))));
    assert_eq!(change.direction, Direction::Wider);
    assert!(change.text.contains("it costs money") && change.text.contains("send, reply or tell"));
}

#[test]
fn a_rule_that_loses_its_conditions_asks_more_and_is_less_sure() {
    let effect = "sending mail";
    let sure = Home::new().rules(&[rule(
        "r",
        Mode::Block,
        effect,
        Some(Condition::Act(Act::Send)),
    )]);
    let words = Home::new().rules(&[rule("r", Mode::Block, effect, None)]);
    let directions = |changes: Vec<Change>| -> Vec<Direction> {
        changes.iter().map(|change| change.direction).collect()
    };
    let reworded = {
        let mut rule = rule("r", Mode::Block, effect, Some(Condition::Act(Act::Send)));
        rule.effect = "sending spam".to_owned();
        Home::new().rules(&[rule])
    };
    assert_eq!(
        sure.to(&reworded)[0].text,
        "what your rule r blocked by its conditions is now for a model or your answer to decide: now \"always: sending spam\"; before \"always: sending mail\""
    );
    let both = [Direction::Wider, Direction::Narrower];
    assert_eq!(directions(sure.to(&words)), both);
    assert_eq!(directions(words.to(&sure)), both);
}

#[test]
fn rules_that_cannot_be_read_ask_about_everything_and_block_nothing() {
    let mut broken = Home::new();
    broken.rules = Rules::unreadable("line 3: no mode");
    let asking = Home::new().rules(&[rule("a", Mode::Approve, "mail", None)]);
    told(
        asking.to(&broken),
        Direction::Narrower,
        Kind::Rule,
        "your rules cannot be read, so everything with an effect is asked about: \"line 3: no mode\"",
    );
    told(
        broken.to(&asking),
        Direction::Wider,
        Kind::Rule,
        "your rules can be read again, and of what has an effect only what they say asks: a",
    );
    let blocking = Home::new().rules(&[rule("b", Mode::Block, "mail", None)]);
    let changes = blocking.to(&broken);
    assert_eq!(
        changes[0].text,
        "what your rules blocked is only asked about now: b"
    );
    assert_eq!(changes[0].direction, Direction::Wider);
    assert_eq!(changes[1].direction, Direction::Narrower);
}

#[test]
fn contacts_pages_and_thresholds_are_told() {
    let policy = |value: Value| Home::with(json!({ "policy": value }));
    told(
        Home::new().to(&policy(json!({ "contacts": ["Bob@Example.org"] }))),
        Direction::Wider,
        Kind::Contact,
        "mail and calls to bob@example.org now pass without a question where you ask for them and a grant covers them",
    );
    told(
        policy(json!({ "ask-from": 50 })).to(&policy(json!({ "ask-from": 80 }))),
        Direction::Wider,
        Kind::Exposure,
        "everything with an effect is asked about from an exposure of 80 on now (before: of 50)",
    );
    let off = policy(json!({ "ask-from": 0 }));
    assert_eq!(only(Home::new().to(&off)).direction, Direction::Wider);
    assert_eq!(only(off.to(&Home::new())).direction, Direction::Narrower);
    let web = |fetch: bool, origins: &[&str]| {
        Home::with(json!({ "web": { "fetch": fetch, "private-origins": origins } }))
    };
    let inside = "https://wiki.lan:443";
    assert_eq!(
        only(web(false, &[]).to(&web(false, &[inside]))).direction,
        Direction::Other
    );
    let texts: Vec<String> = web(false, &[inside])
        .to(&web(true, &[inside]))
        .into_iter()
        .map(|change| change.text)
        .collect();
    assert_eq!(
        texts,
        [
            "the assistant may now read pages of the public internet, each as the floor allows",
            "it may now read pages of https://wiki.lan, which is in a private network or on this machine",
        ]
    );
}

fn provider(origin: &str, settings: Value) -> Home {
    let mut home = Home::with(json!({ "providers": { "acme": settings } }));
    home.origins = vec![("acme".to_owned(), origin.to_owned())];
    home
}

#[test]
fn a_provider_is_told_with_where_it_is_and_what_it_may_not_see() {
    let plain = json!({ "kind": "openai" });
    let there = "https://api.acme.example:443";
    let known = provider(there, plain.clone());
    told(
        Home::new().to(&known),
        Direction::Wider,
        Kind::Provider,
        "your words and what sessions have seen may now go to https://api.acme.example (the provider \"acme\")",
    );
    let barred = |list: &[&str]| provider(there, json!({ "kind": "openai", "withhold": list }));
    told(
        barred(&["mail"]).to(&known),
        Direction::Wider,
        Kind::Provider,
        "conversations that have seen private data of the kind mail may now go to the provider \"acme\"",
    );
    assert!(is_wider(&barred(&["*"]).to(&barred(&["mail"]))));
    assert!(!is_wider(&barred(&["mail"]).to(&barred(&["*"]))));
    let moved = provider("https://elsewhere.example:443", plain);
    let changes = known.to(&moved);
    assert_eq!(
        changes[0].text,
        "what goes to the provider \"acme\" may now go to https://elsewhere.example (before: https://api.acme.example)"
    );
    assert_eq!(changes[1].direction, Direction::Narrower);
    let other = provider(there, json!({ "kind": "openai", "secret": "bank" }));
    assert_eq!(
        only(known.to(&other)).text,
        "the secret \"bank\" is now sent to the provider \"acme\""
    );
}

#[test]
fn a_route_that_leads_elsewhere_is_wider_and_one_in_another_order_is_not() {
    let with = |models: &[&str], route: &str| {
        Home::with(json!({
            "providers": { "a": { "kind": "openai" }, "b": { "kind": "openai" } },
            "routes": { "main": { "models": models } },
            "model": { "route": route },
        }))
    };
    let change = only(with(&["a:x"], "offline").to(&with(&["a:x", "b:y"], "offline")));
    assert_eq!(
        (change.direction, change.text.as_str()),
        (
            Direction::Wider,
            "the route \"main\" asks other models now, or in another order: conversations on it may now go to \"b\""
        )
    );
    let change = only(with(&["a:x", "b:y"], "main").to(&with(&["b:z", "a:x"], "main")));
    assert_eq!(change.direction, Direction::Other);
    let change = only(with(&["a:x"], "offline").to(&with(&["a:x"], "main")));
    assert_eq!(change.direction, Direction::Wider);
    let change = only(with(&["a:x"], "a:other").to(&with(&["a:x"], "main")));
    assert_eq!(change.direction, Direction::Other);
}

#[test]
fn the_model_that_judges_rules_is_told() {
    let with = |route: &str| Home::with(json!({ "policy": { "judge-route": route } }));
    assert_eq!(
        only(with("off").to(&with("session"))).direction,
        Direction::Wider
    );
    assert_eq!(
        only(with("session").to(&with("off"))).direction,
        Direction::Narrower
    );
    assert_eq!(
        only(with("session").to(&with("a:b"))).direction,
        Direction::Wider
    );
    let looks = |what: &str| Home::with(json!({ "policy": { "classifier": what } }));
    let direction = |from: &str, to: &str| only(looks(from).to(&looks(to))).direction;
    assert_eq!(direction("ask", "warn"), Direction::Wider);
    assert_eq!(direction("off", "ask"), Direction::Narrower);
    assert_eq!(direction("off", "warn"), Direction::Other);
}

#[test]
fn an_answer_always_counts_by_what_it_is_bound_to_and_its_later_end() {
    let with = |rows: &[(&str, u8, i64)]| {
        let mut home = Home::new();
        home.always = rows
            .iter()
            .map(|(code, shape, expires)| Answer {
                code: code.parse().unwrap(),
                shape: Digest::from_bytes([*shape; 32]),
                tool: name("mail.send"),
                arguments: r#"{"to":"bob@example.org"}"#.to_owned(),
                expires: *expires,
            })
            .collect();
        home
    };
    let one = with(&[("abcdef", 1, 10)]);
    let change = only(Home::new().to(&one));
    assert!(
        change
            .text
            .starts_with("by your answer abcdef \"always\", mail.send with exactly ")
    );
    assert_eq!(change.direction, Direction::Wider);
    assert_eq!(only(one.to(&Home::new())).direction, Direction::Narrower);
    let longer = with(&[("abcdef", 1, 10), ("ghjkmn", 1, 20)]);
    assert_eq!(only(one.to(&longer)).direction, Direction::Wider);
    assert_eq!(only(longer.to(&one)).direction, Direction::Narrower);
    let again = with(&[("ghjkmn", 1, 10)]);
    assert_eq!(only(one.to(&again)).direction, Direction::Other);
    let elsewhere = one.to(&with(&[("abcdef", 2, 10)]));
    assert_eq!(count(&elsewhere, Direction::Wider), 1);
    assert_eq!(count(&elsewhere, Direction::Narrower), 1);
}

#[test]
fn each_loosened_part_of_a_declaration_is_wider_and_named() {
    let full = Effects {
        reads: Reach::Private,
        writes: Reach::Private,
        egress: list(&["url"]),
        recipients: list(&["to"]),
        objects: list(&["file"]),
        names: list(&["title"]),
        attachments: list(&["files"]),
        cost: list(&["amount"]),
        acts: vec![Act::Send],
        data: vec!["mail".parse().unwrap()],
        identifies: vec![Identifies {
            holds_for: Vec::new(),
            name: "filename".to_owned(),
            value: "id".to_owned(),
        }],
        undo: Undo::Possible,
        ..Effects::default()
    };
    type Edit = fn(&mut Effects);
    let edits: [(Edit, &str); 20] = [
        (|it| it.reads = Reach::None, "it reads your private data"),
        (
            |it| it.reads = Reach::Internet,
            "it reads from beyond this machine",
        ),
        (|it| it.writes = Reach::None, "it changes your private data"),
        (
            |it| it.writes = Reach::Internet,
            "it changes things beyond this machine",
        ),
        (
            |it| it.undo = Undo::Nothing,
            "it changes what can be restored",
        ),
        (|it| it.undo = Undo::Impossible, "it cannot be undone"),
        (|it| it.egress.clear(), "\"url\" leaves the machine"),
        (|it| it.recipients.clear(), "\"to\" names a recipient"),
        (
            |it| it.recipients.push("bcc".to_owned()),
            "\"bcc\" names a recipient",
        ),
        (|it| it.objects.clear(), "\"file\" says what is changed"),
        (|it| it.names.clear(), "\"title\" names what is made"),
        (|it| it.attachments.clear(), "\"files\" is sent along"),
        (|it| it.cost.clear(), "\"amount\" is an amount of money"),
        (
            |it| it.acts.clear(),
            "it is what a person asks for with send",
        ),
        (
            |it| it.acts.push(Act::Run),
            "it is what a person asks for with run",
        ),
        (|it| it.data.clear(), "it gives private data (mail)"),
        (
            |it| it.identifies.clear(),
            "\"filename\" in its results tells whose \"id\" it is",
        ),
        (|it| it.asked.push("zap".to_owned()), "\"zap\" asks for it"),
        (
            |it| it.trusted = true,
            "nobody but you and this system writes what it returns",
        ),
        (
            |it| it.idempotent = true,
            "it may be done again after an interruption",
        ),
    ];
    let home = Home::new().tool(tool("t", full.clone()));
    for (edit, words) in edits {
        let mut effects = full.clone();
        edit(&mut effects);
        let change = only(home.to(&Home::new().tool(tool("t", effects))));
        assert_eq!(
            (change.direction, change.what),
            (Direction::Wider, Kind::Tool)
        );
        assert!(change.text.contains(words), "{words}: {}", change.text);
    }
}

#[test]
fn what_let_a_tool_pass_and_is_declared_no_more_is_narrower() {
    let home = |asked: &[&str], trusted, idempotent| {
        let effects = Effects {
            asked: list(asked),
            trusted,
            idempotent,
            ..mail()
        };
        Home::new().tool(tool("t", effects))
    };
    let full = home(&["zap"], true, true);
    for less in [
        home(&[], true, true),
        home(&["zap"], false, true),
        home(&["zap"], true, false),
    ] {
        let change = only(full.to(&less));
        assert_eq!(change.direction, Direction::Narrower);
        assert!(change.text.ends_with(": it is treated more strictly"));
    }
}

#[test]
fn a_tool_that_takes_other_arguments_or_works_elsewhere_is_wider_and_one_in_other_words_is_not() {
    let plain = tool("t", mail());
    let home = Home::new().tool(plain.clone());
    let described = Tool {
        description: "Does it well.".to_owned(),
        ..plain.clone()
    };
    assert_eq!(
        only(home.to(&Home::new().tool(described))).direction,
        Direction::Other
    );
    let schema = Tool {
        schema: json!({ "type": "object", "properties": { "bcc": {} } }),
        ..plain.clone()
    };
    assert_eq!(
        only(home.to(&Home::new().tool(schema))).direction,
        Direction::Wider
    );
    let place = Tool {
        place: Place::Hands,
        ..plain
    };
    assert_eq!(
        only(home.to(&Home::new().tool(place))).text,
        "t does its work in the session's cage now (before: by the broker's sender)"
    );
}

#[test]
fn what_is_wider_comes_first_and_many_contacts_crowd_out_no_rule() {
    let contacts: Vec<String> = (0..10_000).map(|at| format!("a{at}@example.org")).collect();
    let newer = Home::with(json!({ "policy": { "contacts": contacts, "ask-from": 10 } }));
    let older = Home::new().rules(&[rule("r", Mode::Block, "mail", None)]);
    let changes = older.to(&newer);
    assert_eq!(changes.len(), MAX_CHANGES + 1);
    assert_eq!(changes[0].what, Kind::Rule);
    assert!(
        changes
            .iter()
            .all(|change| change.direction == Direction::Wider)
    );
    assert_eq!(
        changes[MAX_CHANGES].text,
        "and 9802 more changes, 9801 of which make more possible"
    );
}

// What is kept.

#[test]
fn a_kept_snapshot_is_read_strictly() {
    let mut home = Home::with(json!({
        "policy": { "contacts": ["bob@example.org", "Bob", "example.org/x"] },
        "grants": [{ "tool": "a" }, { "tool": "b", "arguments": { "x": 1.5 } }],
        "providers": { "acme": { "kind": "openai", "withhold": ["mail"] } },
    }))
    .tool(tool("mail.send", mail()));
    home.rules = Rules::defaults();
    let snapshot = home.snapshot();
    let kept = snapshot.to_json();
    let read = Snapshot::from_json(&kept).unwrap();
    assert_eq!(read, snapshot);
    assert_eq!(read.to_json(), kept);
    let edited = |edit: fn(&mut Value)| {
        let mut value: Value = serde_json::from_slice(&kept).unwrap();
        edit(&mut value);
        Snapshot::from_json(value.to_string().as_bytes())
    };
    assert!(edited(|_| {}).is_ok());
    assert!(matches!(
        edited(|value| value["version"] = json!(2)),
        Err(SnapshotError::Version(2))
    ));
    let forms: [fn(&mut Value); 4] = [
        |value| value["more"] = json!(1),
        |value| value["web"]["more"] = json!(1),
        |value| value["tools"]["mail.send"]["more"] = json!(1),
        |value| value["exposure"] = Value::Null,
    ];
    for edit in forms {
        assert!(matches!(edited(edit), Err(SnapshotError::Form(_))));
    }
    let stands = |value: &mut Value| {
        let rules = &mut value["rules"]["written"]["rules"];
        rules["shell-write"]["id"] = json!("memory-write");
    };
    assert!(matches!(edited(stands), Err(SnapshotError::Rule)));
    let long = vec![b' '; carapace_policy::change::MAX_BYTES + 1];
    assert!(matches!(
        Snapshot::from_json(&long),
        Err(SnapshotError::TooLong(_))
    ));
}

// The laws.

fn reach() -> impl Strategy<Value = Reach> {
    prop::sample::select(vec![
        Reach::None,
        Reach::Workspace,
        Reach::Private,
        Reach::Internet,
    ])
}

fn names_of_arguments() -> impl Strategy<Value = Vec<String>> {
    prop::sample::subsequence(vec!["to", "thing", "text"], 0..3).prop_map(|names| list(&names))
}

fn effects() -> impl Strategy<Value = Effects> {
    prop_oneof![2 => any_effects(), 1 => Just(mail_to()), 1 => Just(file_delete())]
}

fn any_effects() -> impl Strategy<Value = Effects> {
    let lists = prop::collection::vec(names_of_arguments(), 6);
    let undo = prop::sample::select(vec![Undo::Nothing, Undo::Possible, Undo::Impossible]);
    let acts = prop::sample::subsequence(vec![Act::Send, Act::Delete], 0..2);
    let asked = prop::sample::subsequence(vec!["zap".to_owned(), "fling".to_owned()], 0..=2);
    let more = (
        acts,
        asked,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    (reach(), reach(), undo, lists, more).prop_map(
        |(reads, writes, undo, mut lists, (acts, asked, data, trusted, identifies, idempotent))| {
            let mut next = || lists.pop().unwrap();
            Effects {
                reads,
                writes,
                egress: next(),
                recipients: next(),
                objects: next(),
                names: next(),
                attachments: next(),
                cost: next(),
                acts,
                asked,
                data: data.then(|| "mail".parse().unwrap()).into_iter().collect(),
                trusted,
                identifies: identifies
                    .then(|| Identifies {
                        holds_for: Vec::new(),
                        name: "called".to_owned(),
                        value: "id".to_owned(),
                    })
                    .into_iter()
                    .collect(),
                undo,
                idempotent,
            }
        },
    )
}

/// Another declaration: near enough to the first that it is not always wider.
fn edited(first: &Effects, other: &Effects, fields: u16) -> Effects {
    let mut effects = first.clone();
    let takes = |bit: u16| fields & (1 << bit) != 0;
    macro_rules! take {
        ($($bit:literal $field:ident),*) => {
            $(if takes($bit) { effects.$field = other.$field.clone(); })*
        };
    }
    take!(
        0 reads, 1 writes, 2 egress, 3 recipients, 4 objects, 5 names, 6 attachments, 7 cost,
        8 acts, 9 data, 10 identifies, 11 undo, 12 asked, 13 trusted, 14 idempotent
    );
    effects
}

/// Mostly edits of the fields that can make a declaration stricter.
fn fields() -> impl Strategy<Value = u16> {
    prop_oneof![
        any::<u16>(),
        (0_u16..8).prop_map(|bits| bits << 12),
        (0_u16..15).prop_map(|bit| 1 << bit)
    ]
}

fn arguments() -> impl Strategy<Value = Value> {
    let value = || {
        prop::sample::select(vec![
            json!(null),
            json!("bob@ok.example"),
            json!("eve@bad.example"),
            json!("7"),
            json!("report"),
            json!("see bad.example/x"),
        ])
    };
    (value(), value(), value())
        .prop_map(|(to, thing, text)| json!({ "to": to, "thing": thing, "text": text }))
}

fn message() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "What is new?",
        "Send it now",
        "Send it to bob@ok.example",
        "Delete the report",
        "Zap the report",
        "Please fling report to bob@ok.example",
    ])
}

fn label() -> impl Strategy<Value = Label> {
    (0_u8..3).prop_map(|which| Label {
        integrity: [Integrity::Owner, Integrity::Derived, Integrity::Untrusted][usize::from(which)],
        ..Label::default()
    })
}

/// A tool whose result has told what is called a report.
fn told_by(effects: &Effects, message: &str, label: &Label) -> Facts {
    let contacts = Contacts::of(["report"]);
    let mut facts = Facts::restored(contacts, label.clone(), Exposure::default());
    facts.heard(message);
    facts.saw("tell", effects, r#"[{"called": "report", "id": "7"}]"#);
    facts
}

fn operates<'a>(call: &'a Call, facts: &'a Facts) -> Operation<'a> {
    Operation {
        tool: &call.tool,
        effects: &call.effects,
        arguments: &call.arguments,
        facts,
    }
}

#[derive(Debug, Clone)]
struct Call {
    tool: ToolName,
    effects: Effects,
    arguments: Value,
}

fn calls() -> impl Strategy<Value = Call> {
    let tool = prop::sample::select(vec!["mail.send", "file.delete", "t"]);
    let any = (tool, effects(), arguments()).prop_map(|(tool, effects, arguments)| Call {
        tool: name(tool),
        effects,
        arguments,
    });
    // Those that pass where they are asked for and endorsed.
    let send = Call {
        tool: name("mail.send"),
        effects: mail_to(),
        arguments: json!({ "to": "bob@ok.example" }),
    };
    let delete = Call {
        tool: name("file.delete"),
        effects: file_delete(),
        arguments: json!({ "thing": "7" }),
    };
    let report = Call {
        arguments: json!({ "thing": "report" }),
        ..delete.clone()
    };
    prop_oneof![3 => any, 1 => Just(send), 1 => Just(delete), 1 => Just(report)]
}

fn file_delete() -> Effects {
    Effects {
        writes: Reach::Private,
        objects: list(&["thing"]),
        undo: Undo::Impossible,
        acts: vec![Act::Delete],
        ..Effects::default()
    }
}

fn mail_to() -> Effects {
    Effects {
        recipients: list(&["to"]),
        ..mail()
    }
}

fn conditions() -> impl Strategy<Value = Condition> {
    prop::sample::select(vec![
        Condition::Tool(Glob::try_from("mail.*".to_owned()).unwrap()),
        Condition::Act(Act::Send),
        Condition::Writes(Reach::Private),
        Condition::Not(Box::new(Condition::Asked(true))),
    ])
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let words = prop::sample::select(vec!["mail", "files"]);
    let one = (
        0_u8..3,
        any::<bool>(),
        words,
        prop::option::of(conditions()),
        any::<bool>(),
    );
    let all = prop::collection::vec(one, 0..4).prop_map(|rows| {
        let mut seen = BTreeSet::new();
        let all: Vec<Rule> = rows
            .into_iter()
            .filter(|row| seen.insert(row.0))
            .map(|(id, blocks, words, when, changed)| {
                let mode = if blocks { Mode::Block } else { Mode::Approve };
                let mut rule = rule(&format!("r{id}"), mode, words, when);
                if changed {
                    rule.effect.push('!');
                }
                rule
            })
            .collect();
        rules(&all)
    });
    prop_oneof![8 => all, 1 => Just(Rules::unreadable("why"))]
}

/// The second is like the first but for a rule or two.
fn two_rules() -> impl Strategy<Value = (Rules, Rules)> {
    let near = || {
        (any_rules(), 0_usize..4, 0_u8..4, conditions()).prop_map(|(first, at, edit, condition)| {
            let mut all: Vec<Rule> = first.iter().cloned().collect();
            let Some(rule) = all.get_mut(at) else {
                return (first.clone(), first);
            };
            match (edit, rule.mode) {
                (0, _) => drop(all.remove(at)),
                (1, Mode::Approve) => rule.mode = Mode::Block,
                (1, Mode::Block) => rule.mode = Mode::Approve,
                (2, _) => rule.effect.push('?'),
                _ => {
                    let (trigger, effect) = (None, condition);
                    rule.accept(When { trigger, effect }).unwrap();
                }
            }
            (first, rules(&all))
        })
    };
    prop_oneof![
        (any_rules(), any_rules()),
        near(),
        near().prop_map(|(a, b)| (b, a))
    ]
}

/// What has an effect at all.
fn matters(effects: &Effects) -> bool {
    effects.is_outward() || effects.reads >= Reach::Private
}

fn grants(given: &[(u8, u8)]) -> Vec<Grant> {
    given
        .iter()
        .map(|(tool, arguments)| Grant {
            tool: name(["mail.send", "file.delete", "t"][usize::from(*tool)]),
            arguments: match arguments {
                0 => None,
                which => json!({ "to": "bob@ok.example", "thing": null, "text": which })
                    .as_object()
                    .cloned(),
            },
        })
        .collect()
}

fn home_with(grants: &[Grant], always: &[(Digest, i64)]) -> Home {
    let mut home = Home::new();
    home.config.grants = grants.to_vec();
    home.always = always
        .iter()
        .map(|(shape, expires)| Answer {
            code: "abcdef".parse().unwrap(),
            shape: *shape,
            tool: name("t"),
            arguments: "{}".to_owned(),
            expires: *expires,
        })
        .collect();
    home
}

fn judged(call: &Invocation, config: &[Grant], always: &[(Digest, i64)], facts: &Facts) -> Verdict {
    let mut grants = Grants::of(GroupId::owner(), config);
    for (shape, expires) in always {
        grants.allow_always(*shape, *expires);
    }
    let ledger = Ledger::default();
    let world = World {
        frozen: false,
        grants: &grants,
        facts,
        rules: Ruled::none(),
        rate: RateState::Open,
        budget: Budget {
            rounds: 1,
            tokens: 1000,
            bytes: 1000,
        },
        ledger: &ledger,
        route: "offline",
        reachable: &[],
        secret: SecretUse::Free,
        now: NOW,
        moment: Moment { day: 1, month: 1 },
    };
    match judge(Claim::new(call.clone()), &world) {
        Judgement::Allow(_) => Verdict::Allow,
        Judgement::Ask(_) => Verdict::Ask,
        Judgement::Refuse(_) => Verdict::Refuse,
    }
}

fn invocation(tool: u8, text: u8) -> Invocation {
    Invocation {
        effect: EffectId::from_bytes([1; 8]),
        caller: Caller {
            group: GroupId::owner(),
            session: SessionId::from_bytes([1; 16]),
            turn: TurnId::from_bytes([1; 16]),
            within: None,
        },
        call: CallId::try_from("c".to_owned()).unwrap(),
        tool: name(["mail.send", "file.delete", "t"][usize::from(tool)]),
        manifest: Digest::from_bytes([1; 32]),
        arguments: json!({ "to": "bob@ok.example", "thing": null, "text": text }),
        effects: mail(),
        place: Place::Network,
    }
}

const KNOWN: [&str; 5] = [
    "bob@OK.example",
    "bob@ok.example",
    "report",
    "7",
    "www.bad.example/x",
];

/// Where conversations may go: route, provider, origin, and which private data they may have seen.
fn may_go(home: &Home) -> BTreeSet<(String, String, String, &'static str)> {
    let mut all = BTreeSet::new();
    let mut routes: Vec<(String, String)> = vec![("".to_owned(), home.config.model.route.clone())];
    routes.extend(
        home.config
            .routes
            .keys()
            .map(|name| (name.clone(), name.clone())),
    );
    for provider in home.config.providers.keys() {
        let route = format!("{provider}:m");
        routes.push((route.clone(), route));
    }
    for (taken, route) in routes {
        for (model, provider) in home.config.candidates(&route).unwrap() {
            for (_, origin) in home
                .origins
                .iter()
                .filter(|(name, _)| *name == model.provider)
            {
                for seen in ["", "mail", "health"] {
                    let barred = |one: &String| !seen.is_empty() && (one == "*" || one == seen);
                    if !provider.withhold.iter().any(barred) {
                        all.insert((taken.clone(), model.provider.clone(), origin.clone(), seen));
                    }
                }
            }
        }
    }
    all
}

fn homes_with_models() -> impl Strategy<Value = Home> {
    let withheld = prop::sample::subsequence(vec!["mail", "health", "*"], 0..=3);
    let one = (any::<bool>(), 0_u8..2, withheld);
    let routes = prop::collection::vec(0_u8..3, 0..3);
    (
        prop::collection::vec(one, 2),
        routes,
        0_u8..3,
        any::<bool>(),
    )
        .prop_map(|(providers, models, default, named)| {
            let mut home = Home::new();
            let mut models: Vec<String> = models
                .iter()
                .map(|which| ["p0:m", "p1:m", "p0:n"][usize::from(*which)].to_owned())
                .collect();
            for (at, (there, origin, withheld)) in providers.iter().enumerate() {
                let name = format!("p{at}");
                if !there {
                    models.retain(|model| !model.starts_with(&name));
                    continue;
                }
                let settings = json!({ "kind": "openai", "withhold": withheld });
                home.config
                    .providers
                    .insert(name.clone(), serde_json::from_value(settings).unwrap());
                home.origins
                    .push((name, format!("https://o{origin}.example:443")));
            }
            if named && !models.is_empty() {
                let route = json!({ "models": models });
                home.config
                    .routes
                    .insert("main".to_owned(), serde_json::from_value(route).unwrap());
            }
            let route = ["offline", "main", "p0:m"][usize::from(default)];
            if home.config.candidates(route).is_ok() {
                home.config.model.route = route.to_owned();
            }
            home
        })
}

/// A home of kinds where what is taken away one way is given the other way.
fn symmetrical() -> impl Strategy<Value = Home> {
    let tools = prop::sample::subsequence(vec!["a", "b.send"], 0..=2);
    let contacts = prop::sample::subsequence(vec!["bob@a.example", "eve@b.example", "Bob"], 0..=3);
    let web = (
        any::<bool>(),
        prop::sample::subsequence(vec!["https://a.lan:443", "https://b.lan"], 0..=2),
    );
    let always = prop::collection::vec((0_u8..2, 1_i64..3), 0..2);
    let given = prop::collection::vec((0_u8..3, 0_u8..3), 0..3);
    let writing = prop::collection::vec((0_u8..2, any::<bool>()), 0..3);
    (
        homes_with_models(),
        tools,
        contacts,
        web,
        always,
        (given, writing, 0_u32..3),
    )
        .prop_map(
            |(mut home, tools, contacts, web, always, (given, written, ask_from))| {
                home.tools = tools.into_iter().map(|name| tool(name, mail())).collect();
                home.config.policy.contacts = list(&contacts);
                home.config.policy.ask_from = ask_from;
                home.config.web.fetch = web.0;
                home.config.web.private_origins = list(&web.1);
                home.config.grants = grants(&given);
                let shapes: Vec<(Digest, i64)> = always
                    .into_iter()
                    .map(|(shape, expires)| (Digest::from_bytes([shape; 32]), expires))
                    .collect();
                home.always = home_with(&[], &shapes).always;
                let mut seen = BTreeSet::new();
                let all: Vec<Rule> = written
                    .into_iter()
                    .filter(|(id, _)| seen.insert(*id))
                    .map(|(id, blocks)| {
                        let mode = if blocks { Mode::Block } else { Mode::Approve };
                        rule(&format!("r{id}"), mode, "mail", None)
                    })
                    .collect();
                home.rules = rules(&all);
                home
            },
        )
}

/// Text with what hides, reorders, draws or breaks lines.
fn hostile() -> impl Strategy<Value = String> {
    let sign = prop_oneof![
        any::<char>(),
        prop::sample::select(vec![
            '\n',
            '\r',
            '\t',
            '"',
            '\\',
            '\u{1b}',
            '\u{9b}',
            '\u{a0}',
            '\u{ad}',
            '\u{202e}',
            '\u{2066}',
            '\u{200b}',
            '\u{2028}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{e0041}',
            '\u{2800}',
            '\u{f8ff}',
            '<',
            '漢',
        ]),
    ];
    prop::collection::vec(sign, 2..600).prop_map(|signs| signs.into_iter().collect())
}

/// As surfaces that show questions have it.
fn is_hidden(sign: char) -> bool {
    sign.is_control()
        || matches!(
            sign,
            '\u{00A0}'
                | '\u{00AD}'
                | '\u{034F}'
                | '\u{061C}'
                | '\u{115F}'..='\u{1160}'
                | '\u{1680}'
                | '\u{17B4}'..='\u{17B5}'
                | '\u{180B}'..='\u{180F}'
                | '\u{2000}'..='\u{200F}'
                | '\u{2028}'..='\u{202F}'
                | '\u{205F}'..='\u{206F}'
                | '\u{2800}'
                | '\u{3000}'
                | '\u{3164}'
                | '\u{FE00}'..='\u{FE0F}'
                | '\u{FEFF}'
                | '\u{FFA0}'
                | '\u{FFF0}'..='\u{FFFB}'
                | '\u{E000}'..='\u{F8FF}'
                | '\u{E0000}'..='\u{10FFFF}'
        )
}

/// A home with the same text wherever text may be.
fn made_of(text: &str) -> Home {
    let provider: carapace_contract::config::Provider =
        serde_json::from_value(json!({ "kind": "openai", "withhold": [text] })).unwrap();
    let mut home = Home::new();
    home.config.providers.insert(text.to_owned(), provider);
    home.config.routes.insert(
        text.to_owned(),
        serde_json::from_value(json!({ "models": [format!("{text}:m")] })).unwrap(),
    );
    home.config.model.route = text.to_owned();
    home.config.policy.contacts = vec![text.to_owned(), format!("https://a.example/{text}")];
    home.config.policy.judge_route = text.to_owned();
    home.config.web.fetch = true;
    home.config.web.private_origins = vec![text.to_owned()];
    home.config.grants = vec![Grant {
        tool: name("t"),
        arguments: json!({ text: text }).as_object().cloned(),
    }];
    home.origins = vec![(text.to_owned(), text.to_owned())];
    home.always = home_with(&[], &[(Digest::of(text.as_bytes()), 1)]).always;
    home.always[0].arguments = text.to_owned();
    let of_text = Effects {
        recipients: vec![text.to_owned()],
        asked: vec![text.to_owned()],
        identifies: vec![Identifies {
            holds_for: Vec::new(),
            name: text.to_owned(),
            value: text.to_owned(),
        }],
        ..mail()
    };
    home = home
        .tool(tool("t", of_text))
        .tool(tool(&format!("t{}", text.len()), mail()));
    // What a file of rules cannot hold, a fault can.
    home.rules = if text.chars().any(|sign| sign.is_control() && sign != '\n') {
        Rules::unreadable(text)
    } else {
        rules(&[rule("r", Mode::Block, &format!("x{text}"), None)])
    };
    home
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_the_same_has_no_changes(home in symmetrical(), rules in any_rules()) {
        let home = Home { rules, ..home };
        prop_assert_eq!(home.to(&home.clone()), []);
        let read = Snapshot::from_json(&home.snapshot().to_json()).unwrap();
        prop_assert_eq!(home.snapshot().changes(&read), []);
    }

    #[test]
    fn what_is_given_one_way_is_taken_the_other_way(a in symmetrical(), b in symmetrical()) {
        let (there, back) = (a.to(&b), b.to(&a));
        let kinds = |changes: &[Change], direction| {
            let mut kinds: Vec<Kind> = changes
                .iter()
                .filter(|change| change.direction == direction)
                .map(|change| change.what)
                .collect();
            kinds.sort();
            kinds
        };
        prop_assert_eq!(
            kinds(&there, Direction::Wider),
            kinds(&back, Direction::Narrower)
        );
        prop_assert_eq!(
            kinds(&there, Direction::Other),
            kinds(&back, Direction::Other)
        );
        prop_assert!(there.is_sorted_by_key(|change| change.direction));
    }

    #[test]
    fn a_declaration_that_is_not_wider_lets_nothing_more_pass(
        first in effects(), other in effects(), fields in fields(), call in calls(),
        message in message(), label in label(),
    ) {
        let second = edited(&first, &other, fields);
        let home = |effects: &Effects| Home::new().tool(tool("tell", effects.clone()));
        if is_wider(&home(&first).to(&home(&second))) {
            return Ok(());
        }
        // As the tool that is called, and as one whose result was read before.
        for (told, called) in [
            ((&first, &first), (&second, &second)),
            ((&first, &call.effects), (&second, &call.effects)),
        ] {
            let verdict = |(told, called): (&Effects, &Effects)| {
                let facts = told_by(told, message, &label);
                floor(&call.tool, called, &call.arguments, &facts).verdict
            };
            prop_assert!(no_looser(verdict(told), verdict(called)));
        }
    }

    #[test]
    fn contacts_and_thresholds_that_are_not_wider_let_nothing_more_pass(
        contacts in prop::sample::subsequence(KNOWN.to_vec(), 0..=5), toggled in 0_usize..10,
        levels in prop::array::uniform2(prop::sample::select(vec![0_u32, 1, 5, 6, 100])),
        call in calls(), message in message(), label in label(), denied in any::<bool>(),
    ) {
        let home = |(contacts, ask_from): &(Vec<&str>, u32)| {
            let mut home = Home::new();
            home.config.policy.contacts = list(contacts);
            home.config.policy.ask_from = *ask_from;
            home
        };
        let verdict = |(contacts, ask_from): &(Vec<&str>, u32)| {
            let contacts = Contacts::of(contacts.iter().copied());
            let mut facts = Facts::restored(contacts, label.clone(), Exposure::default());
            facts.ask_from(*ask_from);
            facts.heard(message);
            facts.saw("tell", &mail_read(), "");
            if denied {
                facts.refused("other", &[carapace_contract::verdict::Reason::new("a", "b")]);
            }
            floor(&call.tool, &call.effects, &call.arguments, &facts).verdict
        };
        let mut others = contacts.clone();
        match KNOWN.get(toggled) {
            Some(one) if others.contains(one) => others.retain(|other| other != one),
            Some(one) => others.push(one),
            None => {}
        }
        let (before, after) = ((contacts, levels[0]), (others, levels[1]));
        if !is_wider(&home(&before).to(&home(&after))) {
            prop_assert!(no_looser(verdict(&before), verdict(&after)));
        }
    }

    #[test]
    fn grants_that_are_not_wider_let_nothing_more_pass(
        given in prop::array::uniform2(prop::collection::vec((0_u8..3, 0_u8..3), 0..4)),
        answers in prop::array::uniform2(prop::collection::vec((0_u8..3, 1_u8..3, -1_i64..2), 0..3)),
        less in any::<bool>(), tool in 0_u8..3, text in 1_u8..3, message in message(),
    ) {
        let [mut before, mut after] = given.map(|given| grants(&given));
        let [mut held, mut holds] = answers.map(|answers| -> Vec<(Digest, i64)> {
            answers
                .iter()
                .map(|(tool, text, at)| (invocation(*tool, *text).shape(), NOW + at))
                .collect()
        });
        if less {
            // The second is a part of the first, so that it is often not wider.
            before.extend(after.iter().cloned());
            held.extend(holds.iter().copied());
            after.truncate(2);
            holds.truncate(1);
        }
        if is_wider(&home_with(&before, &held).to(&home_with(&after, &holds))) {
            return Ok(());
        }
        let mut facts = Facts::default();
        facts.heard(message);
        let call = invocation(tool, text);
        prop_assert!(no_looser(
            judged(&call, &before, &held, &facts),
            judged(&call, &after, &holds, &facts)
        ));
    }

    #[test]
    fn rules_that_are_not_wider_let_nothing_more_pass(
        pair in two_rules(), call in calls(), message in message(), label in label(),
        answers in prop::option::of(prop::collection::vec(0_u8..3, 3)), approved in any::<bool>(),
    ) {
        let (before, after) = pair;
        let home = |rules: &Rules| Home { rules: rules.clone(), ..Home::new() };
        if !matters(&call.effects) || is_wider(&home(&before).to(&home(&after))) {
            return Ok(());
        }
        let rulings: Rulings = answers
            .iter()
            .flatten()
            .enumerate()
            .map(|(at, answer)| {
                let verdict = [Verdict::Allow, Verdict::Ask, Verdict::Refuse][usize::from(*answer)];
                let ruling = Ruling { verdict, reason: "so".to_owned() };
                (format!("r{at}").parse().unwrap(), ruling)
            })
            .collect();
        let facts = told_by(&Effects::default(), message, &label);
        let verdict = |rules: &Rules| {
            let operation = operates(&call, &facts);
            rules.judge_with(&Armed::default(), &operation, &rulings, approved).verdict
        };
        prop_assert!(no_looser(verdict(&before), verdict(&after)), "{before:?} {after:?}");
    }

    #[test]
    fn models_that_are_not_wider_are_told_nothing_more(a in homes_with_models(), b in homes_with_models()) {
        if !is_wider(&a.to(&b)) {
            prop_assert!(may_go(&b).is_subset(&may_go(&a)));
        }
        // What is told of is there: no cry without a cause.
        if may_go(&a) == may_go(&b) && a.config == b.config {
            prop_assert_eq!(a.to(&b), []);
        }
    }

    #[test]
    fn every_text_is_one_bounded_line_that_hides_nothing(before in hostile(), after in hostile()) {
        let (before, after) = (made_of(&before), made_of(&after));
        for change in before.to(&after).into_iter().chain(Home::new().to(&after)) {
            prop_assert!(!change.text.chars().any(is_hidden), "{}", change.text);
            prop_assert!(change.text.chars().count() <= MAX_TEXT, "{}", change.text);
            prop_assert!(!change.text.is_empty());
        }
    }
}

/// What a mailbox declares.
fn mail_read() -> Effects {
    Effects {
        reads: Reach::Private,
        data: vec!["mail".parse().unwrap()],
        ..Effects::default()
    }
}
