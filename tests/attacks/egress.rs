//! Where bytes go is the owner's choice: no vendor, no name server and no certificate moves it, and
//! after the owner stopped everything nothing goes at all.

use carapace_contract::control::{Ask, Tell, TurnEnd};
use carapace_contract::id::TurnId;
use carapace_harness::control::{no_question, say};
use carapace_harness::fake_openai::{FakeOpenai, Fault, Turn as Scripted};
use carapace_harness::http::receive;
use carapace_harness::names::Names;
use carapace_harness::world::eventually;
use carapace_harness::{Tap, World};
use std::io::{BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

fn provider(name: &str, base: &str) -> String {
    format!(
        "[providers.{name}]\nkind = \"openai-compatible\"\nbase-url = \"{base}\"\nfirst-byte-ms = 3000\ndeadline-ms = 8000\n"
    )
}

/// Asks this name server from the next start on.
fn ask_names(world: &World, server: SocketAddr) {
    let path = world.home().cage();
    let text = std::fs::read_to_string(&path).expect("a home");
    let text = format!("{text}\n[resolver]\nservers = [\"{server}\"]\n");
    std::fs::write(path, text).expect("writes");
}

/// Names origins that may be private, from the next start on.
fn allow_private(world: &World, origins: &[String]) {
    let path = world.home().config();
    let text = std::fs::read_to_string(&path).expect("a home");
    let changed = text.replace(
        "private-origins = []",
        &format!("private-origins = {origins:?}"),
    );
    assert_ne!(text, changed);
    std::fs::write(path, changed).expect("writes");
}

/// A port of this machine where nobody should come.
fn trap() -> (TcpListener, u16) {
    let listener = TcpListener::bind((HERE, 0)).expect("a free port");
    listener.set_nonblocking(true).expect("does not wait");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

fn nobody_came(trap: &TcpListener) {
    let error = trap.accept().expect_err("somebody came");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_redirect_leads_nowhere_and_is_told() {
    let (trap, port) = trap();
    let server = FakeOpenai::start([]).expect("a server");
    let world = World::with_models("fake:m", &provider("fake", &server.base_url()));
    let mut control = world.start().control();
    let targets = [
        (
            "http://169.254.169.254/latest/meta-data/".to_owned(),
            "metadata",
        ),
        ("http://[::ffff:169.254.169.254]/".to_owned(), "metadata"),
        (format!("http://127.0.0.1:{port}/"), "127.0.0.1"),
        (
            format!("https://localhost:{port}/v1/chat/completions"),
            "localhost",
        ),
        (format!("//127.0.0.1:{port}/"), "127.0.0.1"),
        (format!("https://0x7f.1:{port}/"), "127.0.0.1"),
        ("https://elsewhere.example/".to_owned(), "elsewhere.example"),
    ];
    for (at, (target, names)) in targets.iter().enumerate() {
        server.push(Scripted::Fault(Fault::Redirect(target.clone())));
        let turn = control.chat_over(&format!("fake:m{at}"), "go on", Vec::new(), no_question);
        let told = turn.notices().join("\n");
        for word in ["redirect", names, "not followed", "remedy"] {
            assert!(told.contains(word), "{target}: no {word} in {told}");
        }
    }
    nobody_came(&trap);
    let Tell::Sends { rows } = control.get(&Ask::Egress { limit: 100 }) else {
        panic!("no list of sends")
    };
    let origin = format!("http://{}", server.address());
    assert!(rows.len() >= targets.len(), "{rows:?}");
    assert!(rows.iter().all(|row| row.origin == origin), "{rows:?}");
    let turn = control.chat_over("fake:well", "go on", Vec::new(), no_question);
    assert_eq!(
        turn.text, "The script is over.",
        "without a redirect it answers"
    );
}

#[test]
fn a_name_that_is_rebound_to_this_machine_is_not_connected_to() {
    const NAME: &str = "models.rebound.example";
    let (trap, port) = trap();
    // Of the block whose purpose is to take what should not have been asked (RFC 7535).
    let public = Ipv4Addr::new(192, 31, 196, 1);
    let names = Names::start([(NAME, vec![vec![public], vec![HERE]])]);
    let base = format!("https://{NAME}:{port}/v1");
    let world = World::with_models("vendor:m", &provider("vendor", &base));
    ask_names(&world, names.address());
    let mut control = world.start().control();
    // A mind may ask again by itself: what was told on the way counts.
    let mut told = Vec::new();
    for model in ["vendor:one", "vendor:two"] {
        let turn = control.chat_over(model, "go on", Vec::new(), no_question);
        assert_eq!(turn.end, TurnEnd::Failed, "{turn:?}");
        told.extend(turn.notices().into_iter().map(str::to_owned));
    }
    let (first, last) = (
        told.first().expect("a notice"),
        told.last().expect("a notice"),
    );
    assert!(
        !first.contains("was not sent"),
        "a public address passes: {first}"
    );
    assert!(last.contains("127.0.0.1 is this machine"), "{last}");
    nobody_came(&trap);
    let asked = names.asked().iter().filter(|name| *name == NAME).count();
    assert!(asked >= 2, "the name was asked for anew: {asked}");
    // Where the owner says that it is theirs, the same name leads here.
    drop(control);
    world.stop();
    allow_private(&world, &[format!("https://{NAME}:{port}")]);
    let mut control = world.start().control();
    control
        .ask(&say(None, TurnId::random(), "go on"))
        .expect("asks");
    eventually("somebody comes", || trap.accept().ok());
}

#[test]
fn no_spelling_of_a_private_place_is_taken_as_an_address_of_models() {
    let server = FakeOpenai::start([]).expect("a server");
    let world = World::with_models("fake:m", &provider("fake", &server.base_url()));
    world.start();
    let set = |base: &str| {
        let value = format!("{{kind=\"openai-compatible\", base-url=\"{base}\"}}");
        world.carapace(&["config", "set", "providers.other", &value])
    };
    for base in [
        "http://10.0.0.1/v1",
        "http://localhost.evil.example/v1",
        "ftp://127.0.0.1/v1",
        "https://owner:word@models.example/v1",
        "https://models.example/v1?key=1",
        "https://10.0.0.1/v1",
        "https://167772161/v1",
        "https://0x0a.1/v1",
        "https://012.0.0.1/v1",
        "https://\u{ff11}\u{ff10}.0.0.1/v1",
        "https://192.168.1.1:8443/v1",
        "https://169.254.169.254/latest",
        "https://100.64.0.1/v1",
        "https://[::ffff:10.0.0.1]/v1",
        "https://[64:ff9b::a00:1]/v1",
        "https://[fd00::1]/v1",
        "https://[fe80::1]/v1",
        "https://metadata.google.internal/v1",
        "https://printer.local/v1",
        "https://router/v1",
    ] {
        let refused = set(base);
        assert_ne!(refused.status, 0, "{base} was taken: {}", refused.out);
        assert!(refused.err.contains("remedy"), "{base}: {}", refused.err);
    }
    let turn = world.control().chat(None, "go on", no_question);
    assert_eq!(turn.text, "The script is over.");
    // Public, or the owner's own by name: taken.
    set("https://models.example/v1").expect(0);
    world.stop();
    let private = "https://10.0.0.1:8443";
    let rest = provider("other", &format!("{private}/v1"));
    world.configure("other:m", &rest);
    let refused = world.carapace(&["start"]);
    assert_ne!(refused.status, 0);
    assert!(refused.err.contains("private network"), "{}", refused.err);
    allow_private(&world, &[private.to_owned()]);
    world.start();
}

#[test]
fn a_vendor_whose_certificate_is_wrong_gets_nothing() {
    const NAME: &str = "models.carapace.example";
    const OTHER: &str = "other.carapace.example";
    let server = FakeOpenai::start([]).expect("a server");
    let (tap, authority) = Tap::with_tls(server.address(), NAME);
    let names = Names::start([(NAME, vec![vec![HERE]]), (OTHER, vec![vec![HERE]])]);
    let origin = |name: &str| format!("https://{name}:{}", tap.address().port());
    let rest = [
        provider("right", &format!("{}/v1", origin(NAME))),
        provider("wrong", &format!("{}/v1", origin(OTHER))),
    ]
    .concat();
    let world = World::with_models("right:m", &rest);
    ask_names(&world, names.address());
    allow_private(&world, &[origin(NAME), origin(OTHER)]);
    let chat = |route: &str| {
        world
            .control()
            .chat_over(route, "the words of the owner", Vec::new(), no_question)
    };
    world.start();
    let unknown = chat("right:one");
    assert_eq!(unknown.end, TurnEnd::Failed, "{unknown:?}");
    assert!(
        unknown.text.to_lowercase().contains("certificate"),
        "{}",
        unknown.text
    );
    world
        .carapace(&["config", "set", "network.ca-pem", &authority])
        .expect(0);
    let foreign = chat("wrong:one");
    assert_eq!(foreign.end, TurnEnd::Failed, "{foreign:?}");
    assert!(
        foreign.text.to_lowercase().contains("certificate"),
        "{}",
        foreign.text
    );
    assert!(
        tap.connections() >= 2 && tap.received().is_empty(),
        "not a word was said"
    );
    let turn = chat("right:two");
    assert_eq!(turn.text, "The script is over.", "{turn:?}");
    let received = tap.received();
    assert!(received.len() == 1 && received[0].body.contains("the words of the owner"));
    // What is no authority is not taken for one.
    let refused = world.carapace(&["config", "set", "network.ca-pem", "nothing at all"]);
    assert_ne!(refused.status, 0, "{}", refused.out);
}

#[test]
fn after_a_panic_what_is_under_way_is_cut_and_nothing_is_sent() {
    let vendor = TcpListener::bind((HERE, 0)).expect("a free port");
    let base = format!("http://{}/v1", vendor.local_addr().expect("an address"));
    let world = World::with_models("fake:m", &provider("fake", &base));
    let mut control = world.start().control();
    control
        .ask(&say(None, TurnId::random(), "go on"))
        .expect("asks");
    let (mut stream, _) = vendor.accept().expect("it is sent");
    receive(&mut BufReader::new(&stream))
        .expect("reads")
        .expect("a request");
    // The answer has begun, and does not end.
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        .expect("begins");
    world.carapace(&["panic"]).expect(0);
    let left = stream.read(&mut [0; 16]);
    assert!(!matches!(left, Ok(1..)), "the connection is over: {left:?}");
    let turn = control.to_the_end(no_question).expect("ends");
    assert_ne!(turn.end, TurnEnd::Answered, "{turn:?}");

    vendor.set_nonblocking(true).expect("does not wait");
    let provider = || "fake".to_owned();
    for ask in [
        say(None, TurnId::random(), "go on"),
        Ask::SecretTest {
            provider: provider(),
        },
        Ask::Models {
            provider: provider(),
        },
    ] {
        let (_, message) = control.refusal(&ask);
        assert!(message.contains("stopped"), "{message}");
    }
    world.carapace(&["auth", "test", "fake"]).expect(1);
    nobody_came(&vendor);
    world.carapace(&["restart"]).expect(0);
    let mut control = world.control();
    control
        .ask(&Ask::Models {
            provider: provider(),
        })
        .expect("asks");
    eventually("it is sent again", || vendor.accept().ok());
}
