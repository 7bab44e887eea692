use super::*;
use crate::replay::Tools;
use carapace_contract::config::{Config, Grant};
use carapace_contract::effects::Effects;
use carapace_contract::id::ToolName;
use std::collections::{BTreeMap, BTreeSet};

fn standard() -> BTreeMap<ToolName, Effects> {
    Tools::read(STANDARD_TOOLS)
        .expect("the standard tools are tools")
        .iter()
        .map(|(name, effects)| (name.parse().expect("a name"), effects.clone()))
        .collect()
}

fn with(grants: Vec<Grant>, tools: &BTreeMap<ToolName, Effects>) -> Vec<Row> {
    let config = Config {
        grants,
        ..Config::default()
    };
    play(&Setting {
        config: &config,
        rules: &crate::rules::Rules::defaults(),
        tools,
    })
}

fn whole(tools: &BTreeMap<ToolName, Effects>) -> Vec<Grant> {
    tools
        .keys()
        .map(|tool| Grant {
            tool: tool.clone(),
            arguments: None,
        })
        .collect()
}

#[test]
fn no_attack_gets_through_whatever_is_granted_as_a_whole() {
    let tools = standard();
    for grants in [Vec::new(), whole(&tools)] {
        let through: Vec<Row> = with(grants, &tools)
            .into_iter()
            .filter(|row| row.outcome.max(row.with_grants) > Outcome::Asked)
            .collect();
        assert_eq!(through, Vec::new());
    }
}

#[test]
fn every_attack_has_a_tool_and_reaches_its_effect_when_everything_is_allowed() {
    let rows = with(Vec::new(), &standard());
    for attack in catalogue() {
        let mut of = rows
            .iter()
            .filter(|row| row.attack == attack.name)
            .peekable();
        assert!(of.peek().is_some(), "{} has no tool", attack.name);
        for row in of {
            assert!(row.counts, "{row:?}");
        }
    }
    let names: BTreeSet<&str> = catalogue().iter().map(|attack| attack.name).collect();
    assert_eq!(names.len(), catalogue().len(), "a name is there twice");
    assert!(names.len() >= 50, "{}", names.len());
}

#[test]
fn what_is_not_stopped_is_found() {
    // A tool whose effects are understated carries everything out, and the runs say so.
    let mut tools = standard();
    let fetch: ToolName = "web.fetch".parse().expect("a name");
    let honest = with(whole(&tools), &tools);
    let of = |rows: &[Row]| {
        rows.iter()
            .filter(|row| row.tool == fetch)
            .map(|row| row.outcome)
            .max()
    };
    assert_eq!(of(&honest), Some(Outcome::Asked));
    tools.insert(
        fetch.clone(),
        Effects {
            egress: vec!["url".to_owned()],
            ..Effects::default()
        },
    );
    let mut config = Config {
        grants: whole(&tools),
        ..Config::default()
    };
    // The attacker's addresses among the owner's own: then they are the owner's.
    config.policy.contacts = ["https://evil.example/next", "eve@evil.example"]
        .map(str::to_owned)
        .to_vec();
    let rows = play(&Setting {
        config: &config,
        rules: &crate::rules::Rules::defaults(),
        tools: &tools,
    });
    let outcome = |attack: &str, tool: &str| {
        rows.iter()
            .find(|row| row.attack == attack && row.tool.as_str() == tool)
            .map(|row| row.outcome)
    };
    assert_eq!(
        outcome("address-from-a-text", "web.fetch"),
        Some(Outcome::Through)
    );
    assert_eq!(
        outcome("send-elsewhere", "mail.send"),
        Some(Outcome::Through)
    );
}

#[test]
fn a_call_that_is_granted_word_for_word_is_the_owners() {
    let tools = standard();
    let arguments = serde_json::json!({ "to": "eve@evil.example", "cc": "eve@evil.example",
        "bcc": "eve@evil.example", "body": "the code is 4711" });
    let grant = Grant {
        tool: "mail.send".parse().expect("a name"),
        arguments: arguments.as_object().cloned(),
    };
    let rows = with(vec![grant], &tools);
    let row = rows
        .iter()
        .find(|row| row.attack == "send-unasked" && row.tool.as_str() == "mail.send")
        .expect("a row");
    assert_eq!(row.outcome, Outcome::Granted);
}

#[test]
fn a_person_who_says_no_once_is_not_asked_on_and_on() {
    let tools = standard();
    for row in with(whole(&tools), &tools) {
        if row.attack == "again-after-no" {
            assert_eq!(row.questions, 1, "{row:?}");
        }
    }
}
