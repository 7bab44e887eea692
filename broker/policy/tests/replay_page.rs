//! The sample session of the reference page about effects, played under the rules of a fresh home: what the
//! page says comes out is what comes out.

use carapace_policy::replay::{Human, Replay, Tools};
use serde_json::{Value, json};

const PAGE: &str = include_str!("../../../docs/reference/effects.md");

/// The text from one heading to the next of the same depth, or to the end.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let start = text.find(&format!("\n{heading}\n")).unwrap() + 1;
    let depth = heading.split(' ').next().unwrap();
    let rest = &text[start + heading.len()..];
    let end = rest.find(&format!("\n{depth} ")).unwrap_or(rest.len());
    &rest[..end]
}

/// The fenced blocks of a kind.
fn blocks<'a>(text: &'a str, kind: &str) -> Vec<&'a str> {
    text.split(&format!("```{kind}\n"))
        .skip(1)
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

/// The tools of the worked examples, and the one that the page describes beside the session.
fn tools() -> Tools {
    let mut tools: Vec<Value> = blocks(section(PAGE, "## Worked examples"), "json")
        .into_iter()
        .map(|block| serde_json::from_str(block).unwrap())
        .collect();
    tools.push(json!({
        "name": "mail.search",
        "effects": {
            "reads": "private", "writes": "none", "undo": "nothing", "data": ["mail"],
            "identifies": [{ "name": "subject", "value": "id" }],
        },
    }));
    Tools::read(&json!({ "tools": tools }).to_string()).unwrap()
}

#[test]
fn the_session_of_the_page_comes_out_as_the_page_says() {
    let replayed = section(PAGE, "## Replay");
    let [session] = blocks(section(replayed, "### A session"), "text")[..] else {
        panic!("the page has one session");
    };
    let mut replay = Replay::new(tools(), Human::Owner);
    let mut out: Option<String> = None;
    let mut compared = 0;
    for line in session.lines() {
        match line.strip_prefix("→ ") {
            Some(told) => {
                let came = out.take().expect("a line that gives something out");
                assert_eq!(came, told);
                compared += 1;
            }
            None => {
                assert_eq!(out, None, "before {line}");
                out = replay.line(line).unwrap();
            }
        }
    }
    assert_eq!(out, None);
    assert_eq!(compared as u64, replay.counted().decisions);
    assert!(compared >= 7, "{compared}");
}
