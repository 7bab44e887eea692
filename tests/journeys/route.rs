//! Routes: the first model that works answers, a switch is said aloud, and nothing is shown twice.

use carapace_contract::control::{Ask, Tell, TurnEnd};
use carapace_contract::id::TurnId;
use carapace_harness::control::{Turn, no_question};
use carapace_harness::fake_openai::{Call, FakeOpenai, Fault, Turn as Scripted};
use carapace_harness::peers::free_port;
use carapace_harness::{Control, World};
use std::time::Duration;

/// A model server on this machine, under this name.
fn provider(name: &str, base_url: &str) -> String {
    format!("[providers.{name}]\nkind = \"openai-compatible\"\nbase-url = \"{base_url}\"\n")
}

/// A provider at a port where nobody listens.
fn dead(name: &str) -> String {
    provider(name, &format!("http://127.0.0.1:{}/v1", free_port()))
}

fn route(name: &str, models: &[&str], limits: &str) -> String {
    format!("[routes.{name}]\nmodels = {models:?}\n{limits}\n")
}

fn server(script: impl IntoIterator<Item = Scripted>) -> FakeOpenai {
    FakeOpenai::start(script).expect("a server")
}

fn text(words: &str) -> Scripted {
    Scripted::Text(vec![words.to_owned()])
}

/// The notices that tell of a switch.
fn switches(turn: &Turn) -> Vec<&str> {
    turn.notices()
        .into_iter()
        .filter(|notice| notice.starts_with("switched to "))
        .collect()
}

fn resting(control: &mut Control) -> Vec<String> {
    match control.get(&Ask::Status {}) {
        Tell::Status { resting, .. } => resting,
        other => panic!("not a status: {other:?}"),
    }
}

#[test]
fn the_next_model_answers_where_one_is_down_and_the_switch_is_said() {
    let live = server([
        text("Here I am."),
        text("Directly."),
        Scripted::Fault(Fault::Status(401, "who are you".to_owned(), None)),
    ]);
    let rest = [
        route("main", &["gone:small", "live:large"], ""),
        dead("gone"),
        provider("live", &live.base_url()),
    ]
    .concat();
    let world = World::with_models("main", &rest);
    let mut control = world.start().control();
    let turn = control.chat(None, "hello", no_question);
    assert_eq!(turn.end, TurnEnd::Answered, "{turn:?}");
    assert_eq!(turn.text, "Here I am.");
    let said = switches(&turn);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("switched to live:large because gone:small failed: "),
        "{said:?}"
    );
    assert!(live.received()[0].body.contains("\"large\""));
    // What works at once switches nothing, and what fails with nobody behind it fails.
    let turn = control.chat_over("live:large", "hello", Vec::new(), no_question);
    assert_eq!(turn.text, "Directly.");
    assert!(switches(&turn).is_empty(), "{turn:?}");
    let turn = control.chat_over("live:large", "hello", Vec::new(), no_question);
    assert_eq!(turn.end, TurnEnd::Failed, "{turn:?}");
    assert!(switches(&turn).is_empty(), "{turn:?}");
    // The person at the command line sees the switch too, beside the answer.
    live.push(text("And here."));
    let shown = world.carapace(&["chat", "hello"]).expect(0);
    assert!(shown.out.contains("And here."), "{}", shown.out);
    assert!(
        shown
            .err
            .contains("switched to live:large because gone:small failed"),
        "{}",
        shown.err
    );
}

#[test]
fn a_model_that_fails_again_and_again_is_left_alone_and_the_status_says_so() {
    let busy = server([Scripted::Fault(Fault::Status(
        429,
        "slow down".to_owned(),
        Some(300),
    ))]);
    let sick = server((0..9).map(|_| Scripted::Fault(Fault::Status(503, "ill".to_owned(), None))));
    let well = server([]);
    let rest = [
        route("waits", &["busy:m", "well:m"], ""),
        route("breaks", &["sick:m", "well:m"], ""),
        provider("busy", &busy.base_url()),
        provider("sick", &sick.base_url()),
        provider("well", &well.base_url()),
    ]
    .concat();
    let world = World::with_models("waits", &rest);
    let mut control = world.start().control();
    assert!(resting(&mut control).is_empty());
    // One that says how long it wants to be left alone is left alone after once.
    for _ in 0..2 {
        let turn = control.chat(None, "hello", no_question);
        assert_eq!(turn.end, TurnEnd::Answered, "{turn:?}");
        assert_eq!(switches(&turn).len(), 1, "each answer says who it is from");
    }
    assert_eq!(busy.received().len(), 1);
    assert_eq!(resting(&mut control), ["busy:m"]);
    // One that only fails is tried three times.
    for _ in 0..4 {
        let turn = control.chat_over("breaks", "hello", Vec::new(), no_question);
        assert_eq!(turn.end, TurnEnd::Answered, "{turn:?}");
    }
    assert_eq!(sick.received().len(), 3);
    assert_eq!(well.received().len(), 6);
    assert_eq!(resting(&mut control), ["busy:m", "sick:m"]);
    let shown = world.carapace(&["status"]).expect(0).out;
    assert!(
        shown.contains("RESTING") && shown.contains("sick:m"),
        "{shown}"
    );
    // With nobody else on the route it is not asked either, and that is said.
    let turn = control.chat_over("busy:m", "hello", Vec::new(), no_question);
    assert_eq!(turn.end, TurnEnd::Failed, "{turn:?}");
    assert!(turn.text.contains("left alone"), "{}", turn.text);
    assert_eq!(busy.received().len(), 1);
}

#[test]
fn a_text_that_was_begun_is_not_begun_again_by_another_model() {
    let shown = server([Scripted::Fault(Fault::Cut("Half of an ans".to_owned()))]);
    // The same cut before a word was shown.
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n40\r\ndata: {\"choi";
    let silent = server([Scripted::Raw(vec![head.into()], Duration::ZERO)]);
    let next = server([text("From the second.")]);
    let rest = [
        route("shown", &["shown:m", "next:m"], ""),
        route("silent", &["silent:m", "next:m"], ""),
        provider("shown", &shown.base_url()),
        provider("silent", &silent.base_url()),
        provider("next", &next.base_url()),
    ]
    .concat();
    let world = World::with_models("shown", &rest);
    let mut control = world.start().control();
    let turn = control.chat(None, "hello", no_question);
    assert_eq!(turn.streamed().concat(), "Half of an ans");
    assert_eq!(turn.end, TurnEnd::Failed, "{turn:?}");
    assert!(switches(&turn).is_empty(), "{turn:?}");
    assert!(next.received().is_empty(), "the second model was asked");
    let turn = control.chat_over("silent", "hello", Vec::new(), no_question);
    assert_eq!(turn.end, TurnEnd::Answered, "{turn:?}");
    assert_eq!(turn.text, "From the second.");
    assert_eq!(switches(&turn).len(), 1, "{turn:?}");
}

#[test]
fn each_attempt_has_a_deadline_of_its_own() {
    let mute = server([Scripted::Fault(Fault::Hang)]);
    // Begins at once, and then comes to no end.
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let endless = std::iter::once(head).chain(std::iter::repeat_n("3\r\n:\n\n\r\n", 400));
    let slow = server([Scripted::Raw(
        endless.map(Into::into).collect(),
        Duration::from_millis(50),
    )]);
    let live = server([text("In time.")]);
    let rest = [
        route(
            "main",
            &["mute:m", "slow:m", "live:m"],
            "first-byte-ms = 1500\ndeadline-ms = 3000",
        ),
        provider("mute", &mute.base_url()),
        provider("slow", &slow.base_url()),
        provider("live", &live.base_url()),
    ]
    .concat();
    let world = World::with_models("main", &rest);
    let mut control = world.start().control();
    let turn = control.chat(None, "hello", no_question);
    assert_eq!(turn.end, TurnEnd::Answered, "{turn:?}");
    assert_eq!(turn.text, "In time.");
    let said = switches(&turn);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("slow:m because mute:m failed"), "{said:?}");
    assert!(said[1].contains("live:m because slow:m failed"), "{said:?}");
    // Each is told with the limit that it broke, and was asked once.
    assert!(said[0].contains("1500 ms"), "{said:?}");
    assert_eq!((mute.received().len(), slow.received().len()), (1, 1));
}

#[test]
fn a_route_that_ends_offline_reports_the_outage_and_does_nothing() {
    let broken = server([Scripted::Fault(Fault::Status(
        500,
        "broken".to_owned(),
        Some(300),
    ))]);
    let rest = [
        route("main", &["gone:m", "broken:m", "offline"], ""),
        route("strict", &["gone:m", "broken:m"], ""),
        dead("gone"),
        provider("broken", &broken.base_url()),
    ]
    .concat();
    let world = World::with_models("main", &rest);
    let mut control = world.start().control();
    let wish = "create a.txt containing: alpha";
    let made = world.workspace().join("a.txt");
    let turn = control.chat(None, wish, no_question);
    assert_eq!(turn.end, TurnEnd::Answered, "{turn:?}");
    for word in [
        "No model of the route main",
        "gone:m",
        "broken:m",
        "nothing was done",
    ] {
        assert!(turn.text.contains(word), "{word} is not in {}", turn.text);
    }
    assert!(turn.outcomes().is_empty(), "{turn:?}");
    assert!(!made.exists(), "the offline model went on with the work");
    // Without `offline` at the end the same outage is a failure.
    let turn = control.chat_over("strict", wish, Vec::new(), no_question);
    assert_eq!(turn.end, TurnEnd::Failed, "{turn:?}");
    assert!(
        turn.text.contains("gone:m") && turn.text.contains("broken:m"),
        "{}",
        turn.text
    );
    assert!(!made.exists());
    // The offline model itself understands the wish: it was the route that kept it from it.
    let turn = control.chat_over("offline", wish, Vec::new(), no_question);
    assert_eq!(turn.outcomes(), ["done"], "{turn:?}");
    assert!(made.exists());
}

#[test]
fn a_route_that_leads_nowhere_is_an_error_and_never_another_model() {
    let live = server([]);
    let rest = [
        route("main", &["live:m"], ""),
        provider("live", &live.base_url()),
    ]
    .concat();
    let world = World::with_models("main", &rest);
    let mut control = world.start().control();
    for (wanted, code) in [
        ("nowhere", "unknown-route"),
        ("nobody:m", "provider-not-configured"),
        ("live:", "missing-model"),
        ("Main", "unknown-route"),
    ] {
        let (told, message) = control.refusal(&Ask::ChatSend {
            session: None,
            turn: TurnId::random(),
            text: "hello".to_owned(),
            route: Some(wanted.to_owned()),
            attachments: Vec::new(),
        });
        assert_eq!(told, code, "{wanted}: {message}");
        assert!(
            message.contains(wanted) || message.contains("nobody"),
            "{message}"
        );
        let refused = world.carapace(&["chat", "--model", wanted, "hello"]);
        assert_ne!(refused.status, 0, "{wanted}: {refused:?}");
        assert!(refused.out.is_empty(), "{wanted}: {refused:?}");
        assert!(refused.err.contains("remedy"), "{wanted}: {refused:?}");
    }
    let before = std::fs::read_to_string(world.home().config()).expect("reads");
    let refused = world.carapace(&["config", "set", "model.route", "nowhere"]);
    assert_ne!(refused.status, 0, "{refused:?}");
    let after = std::fs::read_to_string(world.home().config()).expect("reads");
    assert_eq!(before, after, "the configuration is as it was");
    assert!(live.received().is_empty(), "a model was asked");
}

#[test]
fn chat_takes_a_model_for_its_conversation_and_no_other() {
    let call = Call {
        id: "a".to_owned(),
        name: "write".to_owned(),
        arguments: r#"{"path":"by.txt","content":"the chosen one"}"#.to_owned(),
    };
    let chosen = server([
        Scripted::Calls(vec![call]),
        text("I was chosen."),
        text("Still me."),
    ]);
    let world = World::with_models("offline", &provider("chosen", &chosen.base_url()));
    world.start();
    let shown = world
        .carapace(&["chat", "--model", "chosen:m", "who are you?"])
        .expect(0);
    assert!(shown.out.contains("I was chosen."), "{shown:?}");
    assert_eq!(chosen.received().len(), 2);
    assert!(world.workspace().join("by.txt").exists());
    // It goes on with the conversation; a new one is on the configured route.
    let shown = world
        .carapace(&["chat", "--session", "last", "and now?"])
        .expect(0);
    assert!(shown.out.contains("Still me."), "{shown:?}");
    assert_eq!(chosen.received().len(), 3);
    world.carapace(&["chat", "list the files here"]).expect(0);
    assert_eq!(chosen.received().len(), 3, "a new conversation asked it");
}
