//! The page on effects and the types say the same: every field and every value has its row, no row is of
//! something that is gone, and every example on the page is one that the program reads.

use carapace_contract::effects::{Act, Effects, Identifies, Reach, Undo};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../docs/reference/effects.md");

/// The text beneath a heading of the second level.
fn section(name: &str) -> &'static str {
    let (_, from) = PAGE
        .split_once(&format!("\n## {name}\n"))
        .unwrap_or_else(|| panic!("the page has no section {name}"));
    from.split_once("\n## ").map_or(from, |(text, _)| text)
}

/// The rows of a section's first table whose first cell is a word in code: that word, and the next cell.
fn rows(name: &str) -> Vec<(String, String)> {
    section(name)
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let word = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
            Some((word.to_owned(), cells.next().unwrap_or_default().to_owned()))
        })
        .collect()
}

fn words(name: &str) -> BTreeSet<String> {
    let rows = rows(name);
    let words: BTreeSet<String> = rows.iter().map(|(word, _)| word.clone()).collect();
    assert_eq!(words.len(), rows.len(), "a row of {name} is there twice");
    words
}

/// What a type takes, as its own error says when it is given something else.
fn taken<T: DeserializeOwned>(wrong: Value) -> BTreeSet<String> {
    let Err(error) = serde_json::from_value::<T>(wrong) else {
        panic!("nonsense was taken");
    };
    let text = error.to_string();
    let (_, expected) = text
        .split_once("expected ")
        .unwrap_or_else(|| panic!("the error lists nothing: {text}"));
    expected
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Effects with every field.
fn full() -> Value {
    let arguments = || vec!["argument".to_owned()];
    // No `..`: a field that is added must be filled here, too.
    let effects = Effects {
        reads: Reach::Private,
        writes: Reach::Internet,
        egress: arguments(),
        recipients: arguments(),
        objects: arguments(),
        names: arguments(),
        attachments: arguments(),
        cost: arguments(),
        acts: vec![Act::Send],
        asked: arguments(),
        data: vec!["mail".parse().unwrap()],
        trusted: true,
        identifies: vec![Identifies {
            name: "title".to_owned(),
            value: "id".to_owned(),
            holds_for: arguments(),
        }],
        undo: Undo::Impossible,
        idempotent: true,
    };
    serde_json::to_value(effects).unwrap()
}

#[test]
fn every_field_of_effects_has_its_row_and_no_row_is_of_another() {
    let fields: BTreeSet<String> = full().as_object().unwrap().keys().cloned().collect();
    assert_eq!(words("Fields"), fields);
    assert_eq!(taken::<Effects>(json!({ "?": 0 })), fields);
}

#[test]
fn every_value_has_its_row_and_no_row_is_of_another() {
    assert_eq!(words("Reach"), taken::<Reach>(json!("?")));
    assert_eq!(words("Undo"), taken::<Undo>(json!("?")));
    assert_eq!(words("Acts"), taken::<Act>(json!("?")));
    assert_eq!(words("Identifies"), taken::<Identifies>(json!({ "?": 0 })));
    assert!(words("Acts").contains("send") && words("Reach").contains("internet"));
}

#[test]
fn what_a_row_says_of_a_missing_field_is_what_happens() {
    for (field, when_absent) in rows("Fields") {
        let mut without = full();
        without.as_object_mut().unwrap().remove(&field);
        let read = serde_json::from_value::<Effects>(without);
        if when_absent == "required" {
            assert!(read.is_err(), "{field} is required, says the page");
            continue;
        }
        let mut with = full();
        with[&field] = serde_json::from_str(when_absent.trim_matches('`'))
            .unwrap_or_else(|error| panic!("{field}: {when_absent}: {error}"));
        let with: Effects = serde_json::from_value(with).unwrap();
        assert_eq!(read.unwrap(), with, "{field}");
    }
}

#[test]
fn every_example_is_a_tool_that_is_read() {
    let mut names = BTreeSet::new();
    for block in PAGE.split("```json\n").skip(1) {
        let (text, _) = block.split_once("```").expect("a block ends");
        let tool: Value =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let name = tool["name"].as_str().expect("a tool has a name");
        serde_json::from_value::<Effects>(tool["effects"].clone())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        names.insert(name.to_owned());
    }
    for wanted in [
        "mail.send",
        "calendar.create",
        "file.delete",
        "web.get",
        "bank.transfer",
    ] {
        assert!(names.contains(wanted), "{wanted} is no example");
    }
}

#[test]
fn the_worst_case_is_what_the_page_says() {
    let worst = serde_json::to_value(Effects::worst_case()).unwrap();
    let said = json!({
        "reads": "internet", "writes": "internet", "undo": "impossible", "idempotent": false,
    });
    assert_eq!(worst, said);
    assert!(PAGE.contains("it reads and writes beyond this machine, cannot be undone"));
}
