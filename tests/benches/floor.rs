//! What the floor's judgement of one call costs: a mail as it is sent every day, and the longest call in
//! the longest session.

use crate::table::{Figure, Row};
use carapace_contract::effects::{Act, Effects, Identifies, Reach, Undo};
use carapace_contract::id::ToolName;
use carapace_contract::verdict::Verdict;
use carapace_policy::{Contacts, Facts, floor};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const TYPICAL: usize = 5_000;
const WORST: usize = 100;
/// Messages of the owner in the long session.
const MESSAGES: usize = 200;
/// Bytes of the long mail.
const BODY: usize = 64 * 1024;

/// Measures the rows of this group.
pub fn measure(rows: &mut Vec<Row>) {
    let facts = session(["Send bob@ok.example the summary of the minutes"]);
    let call = json!({
        "to": ["bob@ok.example"], "subject": "Minutes", "body": "Here is the summary. See you on Monday.",
    });
    let samples = judged(&facts, &call, TYPICAL, Verdict::Allow);
    rows.push(Row::new("the floor: a mail", Figure::of(&samples)));

    let messages = (0..MESSAGES).map(|at| {
        let person = format!("person-{at}");
        format!(
            "Write to {person}@ok.example about {person}, the plan of week {at} and file-{at}.txt\n"
        )
        .repeat(4)
    });
    let messages: Vec<String> = messages.collect();
    let facts = session(messages.iter().map(String::as_str));
    // Addresses throughout, of which none is the owner's, and a recipient whom no message names.
    let body: String = "see https://a.example/x and write to somebody@b.example, "
        .chars()
        .cycle()
        .take(BODY)
        .collect();
    let call = json!({ "to": ["nobody@ok.example", "Nobody Else"], "subject": "x", "body": body });
    let samples = judged(&facts, &call, WORST, Verdict::Ask);
    rows.push(Row::new(
        "the floor: 64 KiB of addresses, 200 messages",
        Figure::of(&samples),
    ));
}

fn session<'a>(messages: impl IntoIterator<Item = &'a str>) -> Facts {
    let mut facts = Facts::new(Contacts::of(["carol@ok.example"]));
    for message in messages {
        facts.heard(message);
    }
    let reader = Effects {
        reads: Reach::Private,
        identifies: vec![Identifies {
            name: "subject".to_owned(),
            value: "id".to_owned(),
            holds_for: Vec::new(),
        }],
        ..Effects::default()
    };
    facts.saw(
        "read_mail",
        &reader,
        r#"[{"subject": "Minutes", "id": "7"}]"#,
    );
    facts
}

fn judged(facts: &Facts, call: &Value, count: usize, expected: Verdict) -> Vec<Duration> {
    let tool: ToolName = "send_mail".parse().expect("a tool's name");
    let effects = Effects {
        writes: Reach::Internet,
        undo: Undo::Impossible,
        recipients: vec!["to".to_owned()],
        acts: vec![Act::Send],
        ..Effects::default()
    };
    (0..count)
        .map(|_| {
            let began = Instant::now();
            let found = floor(&tool, &effects, call, facts);
            let spent = began.elapsed();
            assert_eq!(found.verdict, expected, "{:?}", found.reasons);
            spent
        })
        .collect()
}
