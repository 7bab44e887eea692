//! Files that go with a message: to the model, and to nobody who was not meant.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use carapace_contract::control::{Ask, MAX_PIECE, Tell, TurnEnd};
use carapace_contract::id::{Digest, SessionId, TurnId};
use carapace_contract::model::MAX_ATTACHMENT;
use carapace_harness::World;
use carapace_harness::control::no_question;
use carapace_harness::fake_openai::FakeOpenai;

/// The smallest PNG.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\nIDATx\x9cc\x00\x01\x00\x00\x05\x00\x01\r\n-\xb4\x00\x00\x00\x00IEND\xaeB`\x82";

fn with_vendor() -> (World, FakeOpenai) {
    let server = FakeOpenai::start([]).expect("a server");
    let provider = format!(
        "[providers.fake]\nkind = \"openai-compatible\"\nbase-url = \"{}\"\n",
        server.base_url()
    );
    let world = World::with_models("fake:m", &provider);
    world.start();
    (world, server)
}

/// Runs `carapace chat` with a file of these bytes.
fn chat(world: &World, name: &str, bytes: &[u8]) -> carapace_harness::Finished {
    let path = world.beside().join(name);
    std::fs::write(&path, bytes).expect("writes");
    let path = path.to_str().expect("text");
    world.carapace(&["chat", "what is on it?", "--attach", path])
}

fn with_attachments(session: Option<SessionId>, attachments: Vec<Digest>) -> Ask {
    Ask::ChatSend {
        session,
        turn: TurnId::random(),
        text: "what is on it?".to_owned(),
        route: None,
        attachments,
    }
}

#[test]
fn a_picture_reaches_the_model_whole() {
    let (world, server) = with_vendor();
    let said = chat(&world, "dot.png", PNG).expect(0);
    assert!(said.out.contains("The script is over."), "{}", said.out);
    let body = server.received().pop().expect("a request").body;
    let picture = format!("data:image/png;base64,{}", BASE64.encode(PNG));
    assert!(
        body.contains(&picture) && body.contains("what is on it?"),
        "{body}"
    );
    // Without it, there is none.
    world.carapace(&["chat", "what is on it?"]).expect(0);
    let body = server.received().pop().expect("a request").body;
    assert!(!body.contains("base64"), "{body}");
}

#[test]
fn a_file_that_cannot_go_along_is_refused_before_anything_is_sent() {
    let (world, server) = with_vendor();
    let large = [PNG, &vec![0; MAX_ATTACHMENT]].concat();
    for (name, bytes, word) in [
        ("large.png", large.as_slice(), "larger than"),
        ("program", b"\x7fELF\x02\x01\x01\x00", "no PNG"),
        ("empty.txt", b"", "no PNG"),
    ] {
        let refused = chat(&world, name, bytes);
        assert_ne!(refused.status, 0, "{name}: {}", refused.out);
        assert!(refused.err.contains(word), "{name}: {}", refused.err);
        assert!(refused.err.contains("remedy"), "{name}: {}", refused.err);
    }
    // The broker does not trust the program to have looked.
    let mut control = world.control();
    let piece = |bytes: &[u8], last| Ask::Attach {
        name: "a.png".to_owned(),
        piece: BASE64.encode(bytes),
        last,
    };
    let (code, _) = control.refusal(&piece(&vec![0; MAX_PIECE + 1], false));
    assert_eq!(code, "attachment-too-large");
    for part in large[..MAX_ATTACHMENT].chunks(MAX_PIECE) {
        let told = control.get(&piece(part, false));
        assert!(matches!(told, Tell::Ok {}), "{told:?}");
    }
    let (code, _) = control.refusal(&piece(b"x", true));
    assert_eq!(code, "attachment-too-large");
    let (code, _) = control.refusal(&piece(b"\x7fELF\x02\x01\x01\x00", true));
    assert_eq!(code, "bad-attachment");
    assert_eq!(server.received().len(), 0);
    // The same connection takes what is right.
    let id = control.attach("dot.png", PNG);
    control
        .ask(&with_attachments(None, vec![id]))
        .expect("asks");
    let turn = control.to_the_end(no_question).expect("ends");
    assert_eq!(turn.end, TurnEnd::Answered, "{turn:?}");
    assert_eq!(server.received().len(), 1);
}

#[test]
fn a_file_with_a_secret_of_the_vault_does_not_go_along() {
    const KEY: &str = "vq7Hn83-Tz_Kw0LmYc5RbXs2Dg";
    let (world, server) = with_vendor();
    world.control().put_key("other", KEY);
    let text = |words: &str| format!("notes of the owner: {words}\n").into_bytes();
    for (name, words) in [
        ("plain.txt", KEY.to_owned()),
        ("coded.txt", BASE64.encode(KEY)),
    ] {
        let refused = chat(&world, name, &text(&words));
        assert_ne!(refused.status, 0, "{name}: {}", refused.out);
        assert!(refused.err.contains("secret"), "{name}: {}", refused.err);
    }
    assert_eq!(server.received().len(), 0);
    chat(&world, "clean.txt", &text("none")).expect(0);
    let body = server.received().pop().expect("a request").body;
    assert!(
        body.contains("notes of the owner") || body.contains(&BASE64.encode(text("none"))),
        "{body}"
    );
}

#[test]
fn an_attachment_belongs_to_the_connection_that_handed_it_over() {
    let (world, server) = with_vendor();
    let mut first = world.control();
    let id = first.attach("dot.png", PNG);
    let mut second = world.control();
    let (code, _) = second.refusal(&with_attachments(None, vec![id]));
    assert_eq!(code, "no-such-attachment");
    assert_eq!(server.received().len(), 0);
    first.ask(&with_attachments(None, vec![id])).expect("asks");
    let turn = first.to_the_end(no_question).expect("ends");
    assert_eq!(turn.end, TurnEnd::Answered, "{turn:?}");
    // It went with that message, and with no other one.
    let (code, _) = first.refusal(&with_attachments(Some(turn.session), vec![id]));
    assert_eq!(code, "no-such-attachment");
    let (code, _) = first.refusal(&with_attachments(None, vec![id]));
    assert_eq!(code, "no-such-attachment");
    assert_eq!(server.received().len(), 1);
}

#[test]
fn a_hostile_mind_reaches_no_attachment_of_another_session() {
    let (mut world, server) = with_vendor();
    world.stop();
    world.replace_program(
        "carapace-worker",
        &carapace_harness::programs::hostile_worker(),
    );
    let mut control = world.start().control();
    let id = control.attach("dot.png", PNG);
    let ask = Ask::ChatSend {
        session: None,
        turn: TurnId::random(),
        text: "say hi".to_owned(),
        route: None,
        attachments: vec![id],
    };
    control.ask(&ask).expect("asks");
    let owner = control.to_the_end(no_question).expect("ends").session;
    let names_it = format!(
        "complete {{\"messages\":[{{\"role\":\"user\",\"content\":\"x\",\"attachments\":[{{\"id\":\"{id}\",\"media-type\":\"image/png\",\"name\":\"dot.png\",\"bytes\":1}}]}}]}}"
    );
    let other = control.chat(None, &names_it, no_question);
    assert!(
        other.text.contains("this session has no attachment"),
        "{}",
        other.text
    );
    assert_eq!(server.received().len(), 0);
    control.chat(Some(owner), &names_it, no_question);
    let body = server
        .received()
        .pop()
        .expect("its own session has it")
        .body;
    assert!(body.contains(&BASE64.encode(PNG)), "{body}");
}
