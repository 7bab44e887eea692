//! A model behind the same path: an OpenAI-compatible server on loopback that calls tools, streaming.

use carapace_contract::control::{Tell, TurnEnd};
use carapace_harness::World;
use carapace_harness::control::{allow, no_question};
use carapace_harness::fake_openai::{Call, FakeOpenai, Fault, Turn};

fn with_server(turns: Vec<Turn>) -> (World, FakeOpenai) {
    let server = FakeOpenai::start(turns).expect("a server");
    let world = World::new();
    // The first command makes the home.
    world.carapace(&["config", "path"]).expect(0);
    world.carapace(&["config", "show"]);
    let config = format!(
        "{}\n[providers.fake]\nkind = \"openai-compatible\"\nbase-url = \"{}\"\nfirst-byte-ms = 3000\ndeadline-ms = 8000\n",
        carapace_contract::config::DEFAULT_TEXT
            .replace("route = \"offline\"", "route = \"fake:test-model\""),
        server.base_url(),
    );
    std::fs::create_dir_all(world.home().root()).expect("a home");
    std::fs::write(world.home().config(), config).expect("writes");
    (world, server)
}

fn call(id: &str, name: &str, arguments: &str) -> Call {
    Call {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    }
}

#[test]
fn a_model_calls_tools_in_parallel_and_its_answer_streams() {
    let (world, server) = with_server(vec![
        Turn::Both(
            vec!["Looking. ".into()],
            vec![
                call("a", "write", r#"{"path":"m.txt","content":"by the model"}"#),
                call("b", "current_time", r#"{"zone":"Asia/Tokyo"}"#),
                call("c", "exec", r#"{"argv":["uname","-s"]}"#),
            ],
        ),
        Turn::Text(vec!["All ".into(), "three ".into(), "are done.".into()]),
    ]);
    let mut control = world.start().control();
    let turn = control.chat(None, "do three things", allow);
    assert_eq!(turn.end, TurnEnd::Answered, "{turn:?}");
    assert_eq!(turn.text, "All three are done.");
    let deltas: Vec<_> = turn
        .told
        .iter()
        .filter(|tell| matches!(tell, Tell::Delta { .. }))
        .collect();
    assert!(deltas.len() >= 2, "it streams: {deltas:?}");
    assert_eq!(turn.questions().len(), 1);
    assert_eq!(turn.outcomes(), ["done"; 3]);
    assert_eq!(
        std::fs::read_to_string(world.workspace().join("m.txt")).expect("a file"),
        "by the model"
    );
    // The model saw all three results, each under its own id, marked as data.
    let second = &server.received()[1];
    let text = second.body.to_string();
    for word in ["Linux", "\"a\"", "\"b\"", "\"c\"", "untrusted"] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
    let next = control.try_chat(
        Some(turn.session),
        carapace_contract::id::TurnId::random(),
        "more",
        no_question,
    );
    assert!(next.is_ok(), "the session goes on");
}

#[test]
fn a_provider_that_fails_is_said_plainly_and_nothing_breaks() {
    for fault in [
        Fault::Status(500, "down".into(), None),
        Fault::Status(429, "slow down".into(), Some(1)),
        Fault::Status(401, "who are you".into(), None),
        Fault::Cut("half an ans".into()),
        Fault::Garbage,
        Fault::LongLine(10 * 1024 * 1024),
        Fault::Redirect("http://169.254.169.254/latest/meta-data".into()),
    ] {
        let name = format!("{fault:?}");
        let (world, _server) = with_server(vec![
            Turn::Fault(fault.clone()),
            Turn::Fault(fault.clone()),
            Turn::Fault(fault),
        ]);
        let mut control = world.start().control();
        let turn = control.chat(None, "hello", no_question);
        assert_eq!(turn.end, TurnEnd::Failed, "{name}: {turn:?}");
        assert!(!turn.text.is_empty(), "{name}: it says why");
        assert!(
            !turn.text.contains("169.254") || turn.text.contains("redirect"),
            "{name}: {}",
            turn.text
        );
        // The broker is well.
        assert!(matches!(
            control.get(&carapace_contract::control::Ask::Status {}),
            Tell::Status { .. }
        ));
    }
}

#[test]
fn a_tool_that_does_not_exist_and_arguments_that_do_not_fit_are_answers() {
    let (world, server) = with_server(vec![
        Turn::Calls(vec![
            call("a", "launch_rockets", "{}"),
            call("b", "read", r#"{"file":"x"}"#),
        ]),
        Turn::Text(vec!["I see.".into()]),
    ]);
    let mut control = world.start().control();
    let turn = control.chat(None, "try", no_question);
    assert_eq!(turn.end, TurnEnd::Answered, "{turn:?}");
    let text = server.received()[1].body.to_string();
    assert!(
        text.contains("UNKNOWN_TOOL") && text.contains("VALIDATION_FAILED"),
        "{text}"
    );
}
