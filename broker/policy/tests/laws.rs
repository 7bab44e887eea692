//! Laws of the pure floor: what more taint, fewer endorsements and a no do to a verdict, for every call;
//! and the whole finite space of effects beside a second statement of the policy.

use carapace_contract::effects::{Act, Effects, Identifies, Reach, Undo};
use carapace_contract::id::ToolName;
use carapace_contract::label::{Integrity, Label};
use carapace_contract::verdict::Verdict;
use carapace_policy::plan::{self, Bound, COUNT, STEPS, Step, TaskGrant};
use carapace_policy::{Contacts, Exposure, Facts, floor};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn tool(name: &str) -> ToolName {
    name.parse().unwrap()
}

fn verdict(name: &str, effects: &Effects, arguments: &Value, facts: &Facts) -> Verdict {
    floor(&tool(name), effects, arguments, facts).verdict
}

/// True where the first is no looser than the second.
fn no_looser(first: Verdict, second: Verdict) -> bool {
    first.and(second) == first
}

fn list(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

const REACHES: [Reach; 4] = [
    Reach::None,
    Reach::Workspace,
    Reach::Private,
    Reach::Internet,
];
const UNDOS: [Undo; 3] = [Undo::Nothing, Undo::Possible, Undo::Impossible];

fn labels() -> Vec<Label> {
    let of = |integrity, private: bool, secret| Label {
        integrity,
        private: private
            .then(|| "mail".parse().unwrap())
            .into_iter()
            .collect(),
        secret,
    };
    let hands = [
        Integrity::Owner,
        Integrity::Reviewed,
        Integrity::Derived,
        Integrity::Untrusted,
    ];
    let mut all = Vec::new();
    for integrity in hands {
        for private in [false, true] {
            all.extend([false, true].map(|secret| of(integrity, private, secret)));
        }
    }
    all
}

/// Whether an argument is there, and whether its value is the owner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Nothing,
    Own,
    New,
}

const HELD: [Held; 3] = [Held::Nothing, Held::Own, Held::New];

/// The policy once more, in the order of the words that describe it.
#[derive(Debug)]
struct Told {
    reads: Reach,
    writes: Reach,
    undo: Undo,
    clean: bool,
    recipient: Held,
    address: Held,
    object: Held,
    content: Held,
    costs: bool,
    asked: bool,
    refused: bool,
}

impl Told {
    fn expected(&self) -> Verdict {
        let stays = self.writes <= Reach::Workspace && !self.costs;
        let leaves = self.reads == Reach::Internet || self.address != Held::Nothing;
        // It says nothing of what leaves, and nobody is addressed by it.
        let silent = self.reads == Reach::Internet
            && self.address == Held::Nothing
            && self.writes != Reach::Internet;
        if stays && (!leaves || self.clean) {
            return Verdict::Allow;
        }
        if stays {
            return if silent || self.address == Held::New {
                Verdict::Ask
            } else {
                Verdict::Allow
            };
        }
        let own_matter = self.writes != Reach::Internet
            && self.address == Held::Nothing
            && self.recipient == Held::Nothing
            && self.undo != Undo::Impossible
            && !self.costs;
        if own_matter && self.clean {
            return Verdict::Allow;
        }
        if !self.asked && self.refused {
            return Verdict::Refuse;
        }
        let named = [self.recipient, self.address, self.object];
        let endorsed =
            named.contains(&Held::Own) && !named.contains(&Held::New) && self.content != Held::New;
        if endorsed && self.asked && !self.costs && !silent {
            Verdict::Allow
        } else {
            Verdict::Ask
        }
    }
}

#[test]
fn every_combination_of_effects_is_judged_as_the_policy_says() {
    let contacts = || Contacts::of(["bob@ok.example", "https://ok.example/page", "thing-a"]);
    let value = |held, own: &str, new: &str| match held {
        Held::Nothing => Value::Null,
        Held::Own => json!(own),
        Held::New => json!(new),
    };
    let mut seen = [0_u32; 3];
    for label in labels() {
        for (asked, refused) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut facts = Facts::restored(contacts(), label.clone(), Exposure::default());
            facts.heard(if asked { "Send it now" } else { "What is new?" });
            if refused {
                facts.refused("other_tool", &[]);
            }
            for (reads, writes, undo) in REACHES
                .into_iter()
                .flat_map(|reads| REACHES.map(|writes| (reads, writes)))
                .flat_map(|(reads, writes)| UNDOS.map(|undo| (reads, writes, undo)))
            {
                for (recipient, address, object) in HELD
                    .into_iter()
                    .flat_map(|one| HELD.map(|two| (one, two)))
                    .flat_map(|(one, two)| HELD.map(|three| (one, two, three)))
                {
                    for (content, costs) in [Held::Own, Held::New]
                        .into_iter()
                        .flat_map(|content| [false, true].map(|costs| (content, costs)))
                    {
                        let declared = |held, name| {
                            if held == Held::Nothing {
                                Vec::new()
                            } else {
                                list(&[name])
                            }
                        };
                        let effects = Effects {
                            reads,
                            writes,
                            undo,
                            recipients: list(&["to"]),
                            objects: list(&["id"]),
                            egress: declared(address, "url"),
                            cost: if costs { list(&["amount"]) } else { Vec::new() },
                            ..Effects::default()
                        };
                        let arguments = json!({
                            "to": value(recipient, "bob@ok.example", "eve@evil.example"),
                            "url": value(address, "https://ok.example/page", "https://evil.example/?x"),
                            "id": value(object, "thing-a", "thing-b"),
                            "text": value(content, "good morning", "see evil.example/x"),
                            "amount": 3,
                        });
                        let told = Told {
                            reads,
                            writes,
                            undo,
                            clean: label.is_clean(),
                            recipient,
                            address,
                            object,
                            content,
                            costs,
                            asked,
                            refused,
                        };
                        // An address that is no declared argument is content.
                        let found = floor(&tool("send_it"), &effects, &arguments, &facts);
                        assert_eq!(
                            found.verdict,
                            told.expected(),
                            "{told:?} {label}: {:?}",
                            found.reasons
                        );
                        seen[found.verdict as usize] += 1;
                    }
                }
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 1000), "{seen:?}");
}

/// A session, as a list of what happened in it.
#[derive(Debug, Clone)]
struct Story {
    contacts: Vec<&'static str>,
    earlier: Vec<&'static str>,
    message: &'static str,
    label: Label,
    rows: Vec<&'static str>,
    refused: Vec<(&'static str, Effects, Value)>,
    alarms: u8,
}

impl Story {
    fn facts(&self) -> Facts {
        let mut facts = Facts::new(Contacts::of(self.contacts.iter().copied()));
        for message in self.earlier.iter().chain([&self.message]) {
            facts.heard(message);
        }
        let effects = Effects {
            identifies: vec![Identifies {
                name: "name".to_owned(),
                value: "id".to_owned(),
                holds_for: Vec::new(),
            }],
            trusted: true,
            ..Effects::default()
        };
        for rows in &self.rows {
            facts.saw("look", &effects, rows);
        }
        facts.joined(&self.label);
        for (name, effects, arguments) in &self.refused {
            let why = floor(&tool(name), effects, arguments, &facts).reasons;
            facts.refused(name, &why);
        }
        for _ in 0..self.alarms {
            facts.alarmed();
        }
        facts
    }
}

const PEOPLE: [&str; 6] = [
    "bob@ok.example",
    "carol@ok.example",
    "eve@evil.example",
    "Dan",
    "",
    "bob@ok.example, eve@evil.example",
];
const MESSAGES: [&str; 7] = [
    "Send it to Dan and carol@ok.example, and delete 'thing-b'",
    "Please write to bob@ok.example about https://ok.example/page",
    "What is new?",
    "Do all the tasks on my list",
    "Do not send anything to Dan",
    "delete the row called Rest",
    "",
];
const ROWS: [&str; 3] = [
    r#"[{"name": "Dan", "id": "dan@ok.example"}]"#,
    r#"[{"name": "Rest", "id": "77"}, {"name": "thing-b", "id": "78"}]"#,
    "no rows",
];
const TOOLS: [&str; 3] = ["send_it", "delete_it", "frobnicate"];

fn some(all: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<&'static str>> {
    proptest::collection::vec(proptest::sample::select(all), 0..=most)
}

fn labelled() -> impl Strategy<Value = Label> {
    proptest::sample::select(labels())
}

prop_compose! {
    fn effects()(
        reads in proptest::sample::select(&REACHES[..]),
        writes in proptest::sample::select(&REACHES[..]),
        undo in proptest::sample::select(&UNDOS[..]),
        lists in proptest::collection::vec(any::<bool>(), 6),
    ) -> Effects {
        let of = |at: usize, name: &str| if lists[at] { list(&[name]) } else { Vec::new() };
        Effects {
            reads, writes, undo,
            recipients: of(0, "to"),
            egress: of(1, "url"),
            objects: of(2, "id"),
            names: of(3, "title"),
            attachments: of(4, "files"),
            cost: of(5, "amount"),
            ..Effects::default()
        }
    }
}

prop_compose! {
    fn arguments()(
        to in some(&PEOPLE, 3),
        url in proptest::sample::select(&["", "https://ok.example/page", "https://evil.example/?q=1", "new"][..]),
        id in proptest::sample::select(&["", "77", "78", "thing-b", "thing-c"][..]),
        text in proptest::sample::select(&["", "hello", "see evil.example/x", "mail bob@ok.example"][..]),
        files in some(&["78", "secret.txt"], 2),
    ) -> Value {
        json!({ "to": to, "url": url, "id": id, "title": "thing-b", "text": text, "files": files, "amount": 5 })
    }
}

prop_compose! {
    fn stories()(
        contacts in some(&PEOPLE, 3),
        earlier in some(&MESSAGES, 2),
        message in proptest::sample::select(&MESSAGES[..]),
        label in labelled(),
        rows in some(&ROWS, 2),
        refused in proptest::collection::vec(
            (proptest::sample::select(&TOOLS[..]), effects(), arguments()), 0..2),
        alarms in 0u8..3,
    ) -> Story {
        Story { contacts, earlier, message, label, rows, refused, alarms }
    }
}

fn names() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&TOOLS[..])
}

proptest! {
    #![proptest_config(ProptestConfig {
        max_global_rejects: 100_000,
        failure_persistence: None,
        ..ProptestConfig::with_cases(1_500)
    })]

    #[test]
    fn more_taint_and_more_private_data_never_loosen(
        name in names(), effects in effects(), arguments in arguments(), story in stories(), more in labelled(),
    ) {
        let before = story.facts();
        let mut after = before.clone();
        after.joined(&more);
        prop_assert!(no_looser(verdict(name, &effects, &arguments, &after), verdict(name, &effects, &arguments, &before)));
    }

    #[test]
    fn words_of_others_delivered_never_loosen(
        name in names(), effects in effects(), arguments in arguments(), story in stories(), text in ".{0,40}",
    ) {
        let before = story.facts();
        let mut after = before.clone();
        let reader = Effects { reads: Reach::Private, data: vec!["mail".parse().unwrap()], ..Effects::default() };
        after.saw("read_mail", &reader, &text);
        prop_assert!(no_looser(verdict(name, &effects, &arguments, &after), verdict(name, &effects, &arguments, &before)));
    }

    #[test]
    fn a_refusal_and_more_exposure_never_loosen(
        name in names(), effects in effects(), arguments in arguments(), story in stories(),
        other in names(), other_effects in self::effects(), other_arguments in self::arguments(), alarms in 0u8..4,
    ) {
        let before = story.facts();
        let mut after = before.clone();
        let why = floor(&tool(other), &other_effects, &other_arguments, &before).reasons;
        after.refused(other, &why);
        for _ in 0..alarms {
            after.alarmed();
        }
        prop_assert!(no_looser(verdict(name, &effects, &arguments, &after), verdict(name, &effects, &arguments, &before)));
    }

    #[test]
    fn a_refused_call_is_not_asked_about_again(
        name in names(), effects in effects(), arguments in arguments(), story in stories(), alarms in 0u8..3, more in labelled(),
    ) {
        let mut facts = story.facts();
        let found = floor(&tool(name), &effects, &arguments, &facts);
        prop_assume!(found.verdict == Verdict::Ask);
        facts.refused(name, &found.reasons);
        for _ in 0..alarms {
            facts.alarmed();
        }
        facts.joined(&more);
        prop_assert_eq!(verdict(name, &effects, &arguments, &facts), Verdict::Refuse);
    }

    #[test]
    fn fewer_endorsements_never_loosen(
        name in names(), effects in effects(), arguments in arguments(), story in stories(), which in 0u8..3,
    ) {
        // A refusal is about what was objected to at its time: it is the same in both.
        let story = Story { refused: Vec::new(), ..story };
        let mut less = story.clone();
        match which {
            0 => drop(less.contacts.pop()),
            1 => drop(less.earlier.pop()),
            _ => drop(less.rows.pop()),
        }
        prop_assert!(no_looser(
            verdict(name, &effects, &arguments, &less.facts()),
            verdict(name, &effects, &arguments, &story.facts())
        ));
    }

    #[test]
    fn one_more_recipient_never_loosens(
        name in names(), effects in effects(), arguments in arguments(), story in stories(),
        person in proptest::sample::select(&PEOPLE[..]),
    ) {
        let people = arguments["to"].as_array().unwrap().clone();
        let facts = story.facts();
        let mut more = arguments.clone();
        more["to"].as_array_mut().unwrap().push(json!(person));
        let (before, after) = (verdict(name, &effects, &arguments, &facts), verdict(name, &effects, &more, &facts));
        // Of a call that reaches nobody nothing can be said: naming somebody mends it.
        if !people.is_empty() {
            prop_assert!(no_looser(after, before));
        }
        more["to"].as_array_mut().unwrap().push(json!("nobody@unknown.example"));
        if effects.writes == Reach::Internet && !effects.recipients.is_empty() {
            prop_assert_ne!(verdict(name, &effects, &more, &facts), Verdict::Allow);
        }
    }

    #[test]
    fn order_makes_no_difference(
        name in names(), effects in effects(), arguments in arguments(), story in stories(), one in labelled(), two in labelled(),
    ) {
        let mut turned = story.clone();
        turned.contacts.reverse();
        turned.rows.reverse();
        let (mut first, mut second) = (story.facts(), turned.facts());
        first.joined(&one);
        first.joined(&two);
        second.joined(&two);
        second.joined(&one);
        let mut back = arguments.clone();
        for argument in ["to", "files"] {
            back[argument].as_array_mut().unwrap().reverse();
        }
        prop_assert_eq!(verdict(name, &effects, &arguments, &first), verdict(name, &effects, &back, &second));
    }

    #[test]
    fn a_tool_that_declares_nothing_is_never_allowed_and_no_looser(
        name in names(), effects in effects(), arguments in arguments(), story in stories(),
    ) {
        let facts = Story { refused: Vec::new(), ..story }.facts();
        let worst = verdict(name, &Effects::worst_case(), &arguments, &facts);
        prop_assert_ne!(worst, Verdict::Allow);
        prop_assert!(no_looser(worst, verdict(name, &effects, &arguments, &facts)));
    }

    #[test]
    fn a_grant_covers_its_steps_and_nothing_else(
        name in names(), effects in effects(), arguments in arguments(), other in self::arguments(), story in stories(),
        other_name in names(), count in 1u32..4,
    ) {
        let facts = story.facts();
        let name = tool(name);
        let exact: Map<String, Value> = arguments.as_object().unwrap().clone();
        let mut step = Step::exactly(name.clone(), &exact);
        step.count = count;
        let mut grant = TaskGrant::new(vec![step], 10);
        prop_assert_eq!(grant.covers(&name, &effects, &arguments, &facts, 10), None);
        if other != arguments || tool(other_name) != name {
            prop_assert_eq!(grant.covers(&tool(other_name), &effects, &other, &facts, 0), None);
        }
        for left in (0..count).rev() {
            prop_assert_eq!(grant.covers(&name, &effects, &arguments, &facts, 9), Some(0));
            prop_assert_eq!(grant.used(0), left == 0);
        }
        prop_assert_eq!(grant.covers(&name, &effects, &arguments, &facts, 9), None);
    }

    #[test]
    fn a_grant_lifts_no_value_that_its_step_does_not_name(
        name in names(), effects in effects(), arguments in arguments(), story in stories(),
        kept in proptest::sample::subsequence(vec!["to", "url", "id", "title", "text", "files", "amount"], 0..=7),
    ) {
        let facts = story.facts();
        let exact: Map<String, Value> = arguments.as_object().unwrap().iter()
            .filter(|(key, _)| kept.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let grant = TaskGrant::new(vec![Step::exactly(tool(name), &exact)], 10);
        let covered = grant.covers(&tool(name), &effects, &arguments, &facts, 0).is_some();
        // What is not named is judged as if only it were in doubt.
        let found = floor(&tool(name), &effects, &arguments, &facts);
        let about_unnamed = found.verdict != Verdict::Allow && found.reasons.iter().any(|reason| {
            ["to", "url", "id", "title", "text", "files"].iter().any(|argument| {
                !kept.contains(argument)
                    && (reason.text.starts_with(&format!("{argument} is ")) || reason.text.starts_with(&format!("{argument} holds ")))
            })
        });
        prop_assert!(!(covered && about_unnamed), "{:?}", found);
        // A tool that declares nothing: every argument matters.
        let all = arguments.as_object().unwrap().keys().all(|key| kept.contains(&key.as_str()));
        let worst = grant.covers(&tool(name), &Effects::worst_case(), &arguments, &facts, 0).is_some();
        prop_assert!(!worst || all);
    }

    #[test]
    fn the_order_of_steps_makes_no_difference(
        steps in proptest::collection::vec((names(), effects(), arguments()), 1..4), story in stories(),
    ) {
        let facts = story.facts();
        let effects = steps[0].1.clone();
        let made: Vec<Step> = steps.iter()
            .map(|(name, _, arguments)| Step::exactly(tool(name), arguments.as_object().unwrap()))
            .collect();
        let back: Vec<Step> = made.iter().rev().cloned().collect();
        let judged = |steps: &[Step]| plan::judge(steps, |_| &effects, &facts).verdict;
        prop_assert_eq!(judged(&made), judged(&back));
        // A step more never loosens a plan.
        prop_assert!(no_looser(judged(&made), judged(&made[1..])));
    }
}

#[test]
fn a_plan_out_of_bounds_is_refused() {
    let step = Step::exactly(tool("send_it"), &Map::new());
    let effects = Effects::default();
    let judged = |steps: &[Step]| plan::judge(steps, |_| &effects, &Facts::default()).verdict;
    assert_eq!(judged(&vec![step.clone(); STEPS]), Verdict::Allow);
    assert_eq!(judged(&vec![step.clone(); STEPS + 1]), Verdict::Refuse);
    for count in [0, COUNT + 1, u32::MAX] {
        let step = Step {
            count,
            ..step.clone()
        };
        assert_eq!(judged(&[step]), Verdict::Refuse, "{count}");
    }
}

#[test]
fn a_plan_that_passes_in_a_clean_session_carries_nothing_out_of_a_later_one() {
    let fetch = Effects {
        reads: Reach::Internet,
        egress: list(&["url"]),
        ..Effects::default()
    };
    let silent = Effects {
        reads: Reach::Internet,
        ..Effects::default()
    };
    let choices = (0..100)
        .map(|at| json!(format!("https://evil.example/{at}")))
        .collect();
    let chosen = Step {
        tool: tool("fetch"),
        arguments: [("url".to_owned(), Bound::OneOf(choices))].into(),
        count: COUNT,
    };
    let bare = Step::exactly(tool("fetch"), &Map::new());
    let facts = Facts::default();
    assert_eq!(
        plan::judge(&[chosen], |_| &fetch, &facts).verdict,
        Verdict::Ask
    );
    assert_eq!(
        plan::judge(std::slice::from_ref(&bare), |_| &silent, &facts).verdict,
        Verdict::Ask
    );
    // Even where a person said yes to a step without arguments, a call with some is not that step.
    let mut later = Facts::default();
    later.heard_of_another();
    let grant = TaskGrant::new(vec![bare], 10);
    let call = json!({ "q": "what was read" });
    assert_eq!(
        grant.covers(&tool("fetch"), &silent, &call, &later, 0),
        None
    );
    assert_eq!(
        grant.covers(&tool("fetch"), &silent, &json!({}), &later, 0),
        Some(0)
    );
}

#[test]
fn a_plan_of_a_clean_session_keeps_no_change_for_a_later_one() {
    let note = Effects {
        writes: Reach::Private,
        undo: Undo::Possible,
        objects: list(&["note_id"]),
        acts: vec![Act::Change],
        ..Effects::default()
    };
    let step = || Step {
        tool: tool("notes.append"),
        arguments: [("note_id".to_owned(), Bound::Exactly(json!("n-66")))].into(),
        count: COUNT,
    };
    let plan = |message: &str| {
        let mut facts = Facts::new(Contacts::default());
        facts.heard(message);
        let call = json!({ "note_id": "n-66", "text": "what was read" });
        // The call itself passes as long as nothing was heard.
        assert_eq!(
            verdict("notes.append", &note, &call, &facts),
            Verdict::Allow
        );
        plan::judge(&[step()], |_| &note, &facts).verdict
    };
    assert_eq!(plan("What is new?"), Verdict::Ask);
    assert_eq!(plan("Add milk to the list"), Verdict::Ask);
    assert_eq!(plan("Add milk to n-66"), Verdict::Allow);
}

#[test]
fn rows_of_one_kind_endorse_no_id_of_another() {
    const KINDS: [&str; 7] = [
        "file", "mail", "event", "booking", "user", "payment", "gadget",
    ];
    let mut allowed = 0;
    for rows in KINDS {
        for taken in KINDS {
            for spelling in 0..4 {
                let (reader, value) = match spelling {
                    0 => (format!("{rows}.list"), "id".to_owned()),
                    1 => (format!("search_{rows}s_by_name"), "id".to_owned()),
                    2 => ("look".to_owned(), format!("{rows}_id")),
                    _ => ("look".to_owned(), format!("{rows}Id")),
                };
                let (name, argument) = match spelling {
                    0 => (format!("{taken}.delete"), "id".to_owned()),
                    1 => (format!("delete_{taken}"), "ids".to_owned()),
                    2 => ("drop".to_owned(), format!("{taken}Id")),
                    _ => ("drop".to_owned(), format!("{taken}_ids")),
                };
                let mut facts = Facts::new(Contacts::default());
                facts.heard("Delete 'Rest'");
                let reads = Effects {
                    reads: Reach::Private,
                    identifies: vec![Identifies {
                        name: "name".to_owned(),
                        value: value.clone(),
                        holds_for: Vec::new(),
                    }],
                    ..Effects::default()
                };
                facts.saw(
                    &reader,
                    &reads,
                    &json!({ "name": "Rest", value: "77" }).to_string(),
                );
                let deletes = Effects {
                    writes: Reach::Private,
                    undo: Undo::Impossible,
                    objects: vec![argument.clone()],
                    acts: vec![Act::Delete],
                    ..Effects::default()
                };
                let found = verdict(&name, &deletes, &json!({ argument: "77" }), &facts);
                let expected = if rows == taken {
                    Verdict::Allow
                } else {
                    Verdict::Ask
                };
                assert_eq!(found, expected, "{reader} {name} {spelling}");
                allowed += usize::from(found == Verdict::Allow);
            }
        }
    }
    assert_eq!(allowed, KINDS.len() * 4);
}
