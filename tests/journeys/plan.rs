//! A task is planned first and answered once; what was granted can be seen, and taken back.

use carapace_contract::control::{Ask, Tell, TurnEnd};
use carapace_contract::verdict::Decision;
use carapace_harness::World;
use carapace_harness::control::{Turn, allow, deny, no_question};
use carapace_harness::fake_openai::{Call, FakeOpenai, Turn as Script};
use serde_json::{Value, json};

fn with_model(turns: Vec<Script>) -> (World, FakeOpenai) {
    let server = FakeOpenai::start(turns).expect("a server");
    let provider = format!(
        "[providers.fake]\nkind = \"openai-compatible\"\nbase-url = \"{}\"\n",
        server.base_url(),
    );
    let world = World::with_models("fake:test-model", &provider);
    world.start();
    (world, server)
}

fn calls(list: &[(&str, &str, Value)]) -> Script {
    let call = |(id, name, arguments): &(&str, &str, Value)| Call {
        id: (*id).to_owned(),
        name: (*name).to_owned(),
        arguments: arguments.to_string(),
    };
    Script::Calls(list.iter().map(call).collect())
}

fn says(text: &str) -> Script {
    Script::Text(vec![text.to_owned()])
}

fn touch(file: &str) -> Value {
    json!({ "argv": ["touch", file] })
}

fn plan(files: &[&str]) -> Value {
    let steps: Vec<Value> = files
        .iter()
        .map(|file| json!({ "tool": "exec", "arguments": touch(file) }))
        .collect();
    json!({ "steps": steps, "why": "to make the files" })
}

fn tasks(world: &World) -> Vec<carapace_contract::control::TaskGrantRow> {
    match world.control().get(&Ask::Grants {}) {
        Tell::Grants { tasks, .. } => tasks,
        other => panic!("{other:?}"),
    }
}

fn effect_of(turn: &Turn, tool: &str) -> String {
    turn.told
        .iter()
        .find_map(|tell| match tell {
            Tell::ToolStarted {
                effect, tool: name, ..
            } if name.as_str() == tool => Some(effect.to_string()),
            _ => None,
        })
        .expect("it ran")
}

#[test]
fn a_task_is_answered_once_and_each_act_tells_the_plan_it_rests_on() {
    let (world, server) = with_model(vec![
        calls(&[("p", "plan__propose", plan(&["a", "b", "c"]))]),
        calls(&[
            ("1", "exec", touch("a")),
            ("2", "exec", touch("b")),
            ("3", "exec", touch("c")),
        ]),
        says("All three are there."),
    ]);
    let turn = world.control().chat(None, "make a, b and c", allow);
    assert_eq!(turn.end, TurnEnd::Answered, "{turn:?}");
    assert_eq!(turn.questions().len(), 1, "one question for the task");
    for file in ["a", "b", "c"] {
        assert!(world.workspace().join(file).exists(), "{file}");
    }
    let code = turn.questions()[0].code.to_string();
    let told = server.received()[1].body.to_string();
    assert!(told.contains("step 3: exec, once: granted"), "{told}");
    let why = world
        .carapace(&["why", &effect_of(&turn, "exec")])
        .expect(0);
    assert!(
        why.out.contains("step 1 of the plan") && why.out.contains(&code),
        "{}",
        why.out
    );
    let why = world
        .carapace(&["why", &effect_of(&turn, "plan.propose")])
        .expect(0);
    assert!(
        why.out.contains(&format!("{code} grants step 1: exec")),
        "{}",
        why.out
    );
    assert!(tasks(&world).is_empty(), "it is used up");
}

#[test]
fn a_part_is_allowed_from_another_terminal_and_what_is_left_is_taken_back() {
    let (world, _server) = with_model(vec![
        calls(&[("p", "plan__propose", plan(&["a", "b", "c"]))]),
        says("Thank you."),
        calls(&[("1", "exec", touch("a"))]),
        says("Done."),
        calls(&[("2", "exec", touch("b"))]),
        says("Done, or not."),
    ]);
    let mut control = world.control();
    let turn = control.chat(None, "make a, b and c", |card| {
        let shown = world.carapace(&["approvals"]).expect(0);
        for part in ["step 3", "\"touch\"", "not covered", "--steps"] {
            assert!(shown.out.contains(part), "{part} is not in\n{}", shown.out);
        }
        let code = card.code.as_str();
        world
            .carapace(&["approvals", "allow", code, "--steps", "1-4"])
            .expect(1);
        world
            .carapace(&["approvals", "allow", code, "--steps", "1-2"])
            .expect(0);
        None
    });
    assert_eq!(turn.end, TurnEnd::Answered);
    let session = Some(turn.session);
    control.chat(session, "go on", no_question);
    let left = tasks(&world);
    assert_eq!(left.len(), 1);
    let numbers: Vec<_> = left[0]
        .steps
        .iter()
        .map(|(step, count, _)| (*step, *count))
        .collect();
    assert_eq!(numbers, [(2, 1)], "{left:?}");
    let code = left[0].code.as_str();
    let listed = world.carapace(&["grants"]).expect(0);
    assert!(
        listed.out.contains(code) && listed.out.contains("step 2, 1 left: exec"),
        "{}",
        listed.out
    );
    world.carapace(&["grants", "revoke", code]).expect(0);
    world.carapace(&["grants", "revoke", code]).expect(1);
    let turn = control.chat(session, "go on", deny);
    assert_eq!(turn.questions().len(), 1, "what was taken back asks");
    assert!(!world.workspace().join("b").exists());
}

#[test]
fn a_plan_of_what_passes_anyway_asks_nobody() {
    let write = json!({ "path": "n.txt", "content": "note" });
    let (world, _server) = with_model(vec![
        calls(&[(
            "p",
            "plan__propose",
            json!({ "steps": [{ "tool": "write", "arguments": write }] }),
        )]),
        calls(&[("1", "write", write)]),
        says("Noted."),
    ]);
    let turn = world.control().chat(None, "note it", no_question);
    assert_eq!(turn.end, TurnEnd::Answered, "{turn:?}");
    assert!(world.workspace().join("n.txt").exists());
}

#[test]
fn a_no_with_a_note_reaches_the_assistant() {
    let (world, server) = with_model(vec![
        calls(&[("p", "plan__propose", plan(&["a"]))]),
        says("I will not."),
    ]);
    let turn = world.control().chat(None, "make a", |_| {
        Some((Decision::Deny, Some("use the copy instead".to_owned())))
    });
    assert_eq!(turn.end, TurnEnd::Answered);
    let told = server.received()[1].body.to_string();
    assert!(told.contains("use the copy instead"), "{told}");
    assert!(tasks(&world).is_empty());
}
