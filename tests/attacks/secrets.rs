//! A secret is at its vendor and in the broker, and nowhere else: in no file, in no confined
//! process, in nothing that is told, whoever repeats it and however it is written.

use crate::compromised;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use carapace_contract::control::{Ask, Tell, TurnEnd};
use carapace_contract::secret::{NewSecret, SecretText};
use carapace_harness::control::{Turn, allow, no_question, secret_name};
use carapace_harness::fake_openai::{Call, FakeOpenai, Fault, Turn as Scripted};
use carapace_harness::http::receive;
use carapace_harness::world::eventually;
use carapace_harness::{Control, Needles, Peer, Tap, World};
use serde_json::json;
use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

/// A key of no vendor's shape: only the vault knows that it is one.
const KEY: &str = "vq7Hn83-Tz_Kw0LmYc5RbXs2Dg";

/// As long and as odd as [`KEY`], and nobody's secret: what may be seen, by the same ways.
const OPEN: &str = "pk4Jd61-Bw_Rx9VtQe8FhZm3Nc";

const ACCESS_KEY_ID: &str = "AKIATESTTESTTESTTEST";
const SECRET_ACCESS_KEY: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYTESTTESTKEY1";
const SESSION_TOKEN: &str = "FwoGZXIvYXdzEtestsessiontoken0123456789";

fn provider(name: &str, kind: &str, base: &str, more: &str) -> String {
    format!(
        "[providers.{name}]\nkind = \"{kind}\"\nbase-url = \"{base}\"\nfirst-byte-ms = 8000\ndeadline-ms = 15000\n{more}\n"
    )
}

/// A world whose one provider is this server, with [`KEY`] on each request.
fn with_vendor(server: &FakeOpenai) -> World {
    let vendor = provider(
        "fake",
        "openai-compatible",
        &server.base_url(),
        "auth = \"bearer\"",
    );
    let world = World::with_models("fake:m", &vendor);
    world.start().control().put_key("fake", KEY);
    world
}

fn audit(world: &World) -> String {
    std::fs::read_to_string(world.home().audit_log()).expect("an audit log")
}

fn alarms(world: &World) -> usize {
    audit(world).matches("\"kind\":\"alarm\"").count()
}

/// All that was told of a turn: event by event, the pieces of text put together, the end, and the
/// conversation as it is kept.
fn told(control: &mut Control, turn: &Turn) -> String {
    let kept = match control.get(&Ask::Show {
        session: turn.session,
    }) {
        Tell::Transcript { messages, .. } => messages,
        other => panic!("not a transcript: {other:?}"),
    };
    format!(
        "{}\n{}\n{}\n{}",
        json!(turn.told),
        turn.streamed().concat(),
        turn.text,
        json!(kept)
    )
}

/// Insists that nothing beneath the home holds one of these.
fn in_no_file(world: &World, secrets: &[&str]) {
    for secret in secrets {
        let found = Needles::of(secret).in_files(world.home().root());
        assert_eq!(found, Vec::<String>::new(), "the secret is in files");
    }
}

/// Insists that no confined process holds one of these.
fn in_no_cage(world: &World, secrets: &[&str]) {
    for name in ["worker", "hands"] {
        for pid in world.pids(name) {
            for secret in secrets {
                let (form, looked) = Needles::of(secret).in_memory(pid);
                assert_eq!(form, None, "{name} {pid} holds a secret");
                assert!(looked > 100_000, "{name} {pid}: {looked} bytes");
            }
        }
    }
}

fn holds(world: &World, name: &str, value: &str) -> bool {
    let needles = Needles::of(value);
    let holds = |pid: &i32| needles.in_memory(*pid).0.is_some();
    world.pids(name).iter().any(holds)
}

#[test]
fn the_vendor_gets_the_key_and_no_file_and_no_confined_process_holds_it() {
    if !rustix::process::geteuid().is_root() {
        assert!(
            std::env::var_os("CARAPACE_TEST_ALL").is_none(),
            "only root may read the memory of a confined process"
        );
        eprintln!("skipped: only root may read the memory of a confined process");
        return;
    }
    let work =
        |answered: bool| json!({ "userMessage": "work with the notes", "hasToolResult": answered });
    let call = |id: &str, name: &str, arguments: serde_json::Value| json!({ "id": id, "name": name, "arguments": arguments.to_string() });
    let peer = Peer::model_vendor(
        &json!({ "fixtures": [
            { "match": work(false), "response": { "toolCalls": [
                call("call_a", "read", json!({ "path": "notes.txt" })),
                call("call_b", "exec", json!({ "argv": ["true"] })),
            ] } },
            { "match": work(true), "response": { "content": "The work is done." } },
        ] }),
        &[],
    );
    let (plain, signed) = (Tap::before(peer.address()), Tap::before(peer.address()));
    let at = |address: SocketAddr, path: &str| format!("http://{address}{path}");
    let world = World::with_models(
        "offline",
        &[
            provider("plain", "openai", &at(plain.address(), "/v1"), ""),
            provider(
                "signed",
                "bedrock",
                &at(signed.address(), ""),
                "region = \"eu-central-1\"\nauth = \"sigv4\"",
            ),
        ]
        .concat(),
    );
    let mut control = world.start().control();
    control.put_key("plain", KEY);
    let text = |text: &str| SecretText::new(text.to_owned());
    let stored = control.get(&Ask::SecretPut {
        name: secret_name("signed"),
        secret: NewSecret::Aws {
            access_key_id: text(ACCESS_KEY_ID),
            secret_access_key: text(SECRET_ACCESS_KEY),
            session_token: Some(text(SESSION_TOKEN)),
        },
        each_session: false,
        origins: Vec::new(),
        staged: false,
    });
    assert!(matches!(stored, Tell::Stored { .. }), "{stored:?}");
    world.put("notes.txt", &format!("in the notes: {OPEN}"));
    let mut secrets = vec![KEY, ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN];
    for route in ["plain:model", "signed:model"] {
        let mut asked = 0;
        let turn = control.chat_over(
            route,
            &format!("please work with the notes; remember {OPEN}"),
            Vec::new(),
            |card| {
                // The mind and its hands are in the middle of the work now.
                asked += 1;
                eventually("hands have read the notes", || {
                    holds(&world, "hands", OPEN).then_some(())
                });
                assert!(
                    holds(&world, "worker", OPEN),
                    "the look finds what is there"
                );
                assert!(holds(&world, "broker", KEY), "and a key where it has to be");
                in_no_cage(&world, &secrets);
                allow(card)
            },
        );
        assert_eq!(
            (turn.text.as_str(), asked),
            ("The work is done.", 1),
            "{turn:?}"
        );
    }
    for request in plain.received() {
        assert_eq!(
            request.header("authorization"),
            Some(&*format!("Bearer {KEY}"))
        );
    }
    let requests = signed.received();
    assert_eq!((plain.received().len(), requests.len()), (2, 2));
    let mut signatures = Vec::new();
    for request in &requests {
        assert_eq!(request.header("x-amz-security-token"), Some(SESSION_TOKEN));
        let signature = request
            .header("authorization")
            .and_then(|value| value.rsplit_once("Signature="));
        signatures.push(signature.expect("it is signed").1);
    }
    // What was made of a secret is a secret.
    secrets.extend(&signatures);
    in_no_cage(&world, &secrets);
    world.stop();
    assert!(
        !Needles::of(OPEN).in_files(&world.home().state()).is_empty(),
        "the look into files finds what is there"
    );
    in_no_file(&world, &secrets);
}

/// The ways in which a vendor may give back what it was sent: what it is called, what the vendor
/// does, and whether a value that is no secret is seen by the person then.
fn echoes(value: &str) -> Vec<(&'static str, Scripted, bool)> {
    let pieces = |text: &str, length: usize| -> Vec<String> {
        let letters: Vec<char> = text.chars().collect();
        letters
            .chunks(length)
            .map(|piece| piece.iter().collect())
            .collect()
    };
    let call = |id: &str, name: &str, path: &str, content: &str| {
        Scripted::Calls(vec![Call {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: json!({ "path": path, "content": content }).to_string(),
        }])
    };
    let status = |status, text: String| Scripted::Fault(Fault::Status(status, text, None));
    let raw = |head: String| Scripted::Raw(vec![head.into_bytes()], Duration::ZERO);
    let said = |text: String| pieces(&text, 4);
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    let dotted = pieces(value, 1).join(".");
    let reversed = value.chars().rev().collect();
    vec![
        (
            "text",
            Scripted::Text(vec![format!("it is {value} indeed")]),
            true,
        ),
        (
            "small pieces",
            Scripted::Text(pieces(&format!("it is {value} indeed"), 3)),
            true,
        ),
        (
            "one letter at a time",
            Scripted::Text(pieces(value, 1)),
            true,
        ),
        (
            "base64",
            Scripted::Text(said(BASE64.encode(format!("a{value}b")))),
            false,
        ),
        ("hexadecimal", Scripted::Text(said(hex)), false),
        ("reversed", Scripted::Text(said(reversed)), false),
        ("dotted", Scripted::Text(said(dotted)), false),
        (
            "arguments",
            call("a", "write", "echo.txt", &format!("token={value}")),
            true,
        ),
        (
            "a path",
            call("b", "write", &format!("{value}.txt"), "x"),
            true,
        ),
        ("the name of a tool", call("c", value, "x", "x"), false),
        (
            "the name of a call",
            call(value, "write", "named.txt", "x"),
            false,
        ),
        (
            "a refusal",
            status(400, format!("the key {value} is no good")),
            true,
        ),
        (
            "a failure",
            status(500, format!("crashed on {value}")),
            false,
        ),
        (
            "headers",
            raw(format!(
                "HTTP/1.1 429 {value}\r\nretry-after: {value}\r\nx-request-id: {value}\r\ncontent-length: 0\r\n\r\n"
            )),
            false,
        ),
        (
            "a redirect",
            Scripted::Fault(Fault::Redirect(format!("https://{value}.example/{value}"))),
            false,
        ),
        ("no HTTP", raw(format!("{value} {value}\r\n\r\n")), false),
        (
            "a cut",
            Scripted::Fault(Fault::Cut(format!("so far {value}, and no further"))),
            true,
        ),
    ]
}

#[test]
fn a_vendor_that_gives_the_key_back_is_not_repeated() {
    let server = FakeOpenai::start([]).expect("a server");
    let world = with_vendor(&server);
    let mut control = world.control();
    let mut run = |prefix: &str, value: &str| -> Vec<(&'static str, bool, String)> {
        let mut seen = Vec::new();
        for (at, (way, scripted, shows)) in echoes(value).into_iter().enumerate() {
            let calls = matches!(scripted, Scripted::Calls(_));
            server.push(scripted);
            if calls {
                server.push(Scripted::Text(vec!["after the call".to_owned()]));
            }
            // A model of its own, so that no failure rests the next.
            let route = format!("fake:{prefix}{at}");
            let turn = control.chat_over(&route, "go on", Vec::new(), no_question);
            seen.push((way, shows, told(&mut control, &turn)));
        }
        seen
    };
    for (way, shows, told) in run("open", OPEN) {
        assert!(
            !shows || told.contains(OPEN),
            "{way}: the way works: {told}"
        );
    }
    let written = std::fs::read_to_string(world.workspace().join("echo.txt"));
    assert_eq!(written.expect("it was written"), format!("token={OPEN}"));
    assert_eq!(alarms(&world), 0, "nothing of it is an alarm");

    let needles = Needles::of(KEY);
    for (way, _, told) in run("closed", KEY) {
        assert_eq!(needles.find(told.as_bytes()), None, "{way}: {told}");
        let dotless: String = told.chars().filter(|c| *c != '.').collect();
        assert_eq!(needles.find(dotless.as_bytes()), None, "{way}: {told}");
    }
    let sent: Vec<_> = server
        .received()
        .into_iter()
        .map(|request| request.header("authorization").map(str::to_owned))
        .collect();
    assert!(
        sent.len() > 34
            && sent
                .iter()
                .all(|sent| *sent == Some(format!("Bearer {KEY}"))),
        "the vendor did know it"
    );
    let written = std::fs::read_to_string(world.workspace().join("echo.txt"));
    assert_eq!(written.expect("it was written"), "token=[secret fake]");
    assert!(alarms(&world) >= 9, "{} alarms", alarms(&world));
    world.carapace(&["audit", "verify"]).expect(0);
    world.stop();
    in_no_file(&world, &[KEY]);
}

/// A message that is no secret to anybody, of which the compromised mind makes the value with an
/// escape between its letters.
fn spelled(value: &str) -> String {
    let letters: Vec<String> = value.chars().map(String::from).collect();
    format!("say {}", letters.join("\\e"))
}

#[test]
fn a_mind_that_writes_a_secret_raises_an_alarm_and_is_stopped_the_third_time() {
    let world = compromised();
    let mut control = world.control();
    control.put_key("bait", KEY);
    let open = control.chat(None, &spelled(OPEN), no_question);
    assert_eq!(open.text.replace('\u{1b}', ""), OPEN, "the way works");
    assert_eq!(alarms(&world), 0);
    let mut session = None;
    for time in 1..=3 {
        let turn = control
            .try_chat(
                session,
                carapace_contract::id::TurnId::random(),
                &spelled(KEY),
                no_question,
            )
            .expect("the broker stays");
        session = Some(turn.session);
        let letters: String = turn.text.chars().filter(|c| *c != '\u{1b}').collect();
        assert!(!letters.contains(KEY), "{turn:?}");
        let warned = turn.notices().iter().any(|notice| notice.contains("alarm"));
        assert!(warned, "{turn:?}");
        assert_eq!(alarms(&world), time, "each is on record");
        let end = if time < 3 {
            TurnEnd::Answered
        } else {
            TurnEnd::Violation
        };
        assert_eq!(turn.end, end, "time {time}: {turn:?}");
    }
    assert_eq!(
        control.chat(None, "say unharmed", no_question).text,
        "unharmed"
    );
    world.stop();
    in_no_file(&world, &[KEY]);
}

#[test]
fn a_program_in_hands_that_writes_a_secret_raises_an_alarm_and_is_stopped_the_third_time() {
    let world = compromised();
    let mut control = world.control();
    control.put_key("bait", KEY);
    for (name, value) in [("open", OPEN), ("closed", KEY)] {
        let (first, second) = value.split_at(value.len() / 2);
        world.put(&format!("{name}-1"), first);
        world.put(&format!("{name}-2"), second);
    }
    let join = |name: &str| {
        format!(
            "exec-ipc V=$(cat {name}-1)$(cat {name}-2); ipc tool.invoke.write \"{{\\\"path\\\":\\\"{name}.txt\\\",\\\"content\\\":\\\"$V\\\"}}\""
        )
    };
    let first = control.chat(None, &join("open"), allow);
    let written = std::fs::read_to_string(world.workspace().join("open.txt"));
    assert_eq!(written.expect("the way works"), OPEN);
    assert_eq!(alarms(&world), 0);
    for time in 1..=3 {
        control.chat(Some(first.session), &join("closed"), allow);
        assert!(
            !world.workspace().join("closed.txt").exists(),
            "time {time}"
        );
        assert_eq!(alarms(&world), time, "each is on record");
    }
    assert_eq!(
        audit(&world).matches("\"kind\":\"violation\"").count(),
        1,
        "the third is one"
    );
    assert!(
        control
            .chat(None, "exec echo unharmed", allow)
            .text
            .contains("unharmed")
    );
}

#[test]
fn a_secret_in_a_file_of_the_workspace_reaches_no_mind() {
    let world = compromised();
    let mut control = world.control();
    control.put_key("bait", KEY);
    let coded = BASE64.encode(format!("password: {KEY}"));
    world.put("keys.txt", &format!("{OPEN} then {KEY} and {coded}"));
    let turn = control.chat(
        None,
        "exec cat keys.txt; rev keys.txt 2>/dev/null; true",
        allow,
    );
    assert!(turn.text.contains(OPEN), "the file is read: {}", turn.text);
    let told = told(&mut control, &turn);
    assert_eq!(Needles::of(KEY).find(told.as_bytes()), None, "{told}");
    assert!(alarms(&world) >= 1);
}

#[test]
fn a_key_pasted_into_chat_reaches_neither_the_vendor_nor_the_record() {
    let shaped = format!("ghp_{}", "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY1zA2");
    let server = FakeOpenai::start([]).expect("a server");
    let world = with_vendor(&server);
    let mut control = world.control();
    let turn = control.chat(
        None,
        &format!("my key is {KEY}, the other {shaped}, and {OPEN} is none"),
        no_question,
    );
    assert_eq!(turn.end, TurnEnd::Answered, "{turn:?}");
    assert!(
        turn.notices()
            .iter()
            .any(|notice| notice.contains("taken out")),
        "{turn:?}"
    );
    let body = server.received().pop().expect("a request").body;
    let told = told(&mut control, &turn);
    assert!(
        body.contains(OPEN) && told.contains(OPEN),
        "the rest arrives"
    );
    for secret in [KEY, &shaped] {
        let needles = Needles::of(secret);
        assert_eq!(needles.find(body.as_bytes()), None, "{body}");
        assert_eq!(needles.find(told.as_bytes()), None, "{told}");
    }
    world.stop();
    in_no_file(&world, &[KEY, &shaped]);
}

#[test]
fn bait_that_is_taken_raises_an_alarm_wherever_the_owner_looks() {
    let world = compromised();
    let made = world
        .carapace(&["--json", "auth", "canary", "notes"])
        .expect(0)
        .json();
    let bait = made["canary"].as_str().expect("the bait").to_owned();
    world.put("old-keys.txt", &format!("do not use: {bait}"));
    let mut watching = world.control();
    watching.ask(&Ask::Watch {}).expect("watches");
    // Answered after the watch was begun.
    assert!(matches!(watching.get(&Ask::Status {}), Tell::Status { .. }));
    let mut control = world.control();
    let turn = control.chat(None, "exec cat old-keys.txt", allow);
    assert!(turn.text.contains("do not use"), "{}", turn.text);
    assert!(!turn.text.contains(&bait), "{}", turn.text);
    let said = loop {
        if let Tell::Notice { text } = watching.hear().expect("an alarm is told") {
            break text;
        }
    };
    assert!(said.contains("canary canary-notes"), "{said}");
    let turn = control.chat(None, &spelled(&bait), no_question);
    assert!(!turn.text.replace('\u{1b}', "").contains(&bait), "{turn:?}");
    let log = audit(&world);
    assert_eq!(
        log.matches("canary canary-notes").count(),
        2,
        "both are on record"
    );
    let after = control.chat(None, "say nothing of it", no_question);
    assert_eq!(after.text, "nothing of it");
}

/// Whether the command line or the environment of any process has this.
fn on_a_command_line(value: &str) -> bool {
    let needles = Needles::of(value);
    std::fs::read_dir("/proc")
        .expect("processes")
        .flatten()
        .any(|process| {
            ["cmdline", "environ"].iter().any(|what| {
                std::fs::read(process.path().join(what))
                    .is_ok_and(|bytes| needles.find(&bytes).is_some())
            })
        })
}

#[test]
fn a_key_from_standard_input_is_on_no_command_line() {
    let vendor = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = vendor.local_addr().expect("an address");
    let world = World::with_models(
        "fake:m",
        &provider(
            "fake",
            "openai-compatible",
            &format!("http://{address}/v1"),
            "auth = \"bearer\"",
        ),
    );
    world.start();
    // Stores a key, and looks around while its trial waits for the vendor.
    let store = |more: &[&str], input: &str| -> bool {
        let mut child = world
            .command(&[&["auth", "api-key", "--provider", "fake"], more].concat())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut pipe = child.stdin.take().expect("a pipe");
        pipe.write_all(input.as_bytes()).expect("takes its input");
        drop(pipe);
        let (mut stream, _) = vendor.accept().expect("the trial");
        let request = receive(&mut BufReader::new(&stream))
            .expect("reads")
            .expect("a request");
        assert_eq!(
            request.header("authorization"),
            Some(&*format!("Bearer {KEY}"))
        );
        let seen = on_a_command_line(KEY);
        let models = r#"{"object":"list","data":[{"id":"m","object":"model","created":0,"owned_by":"test"}]}"#;
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{models}",
            models.len()
        )
        .expect("answers");
        let finished = child.wait_with_output().expect("ends");
        assert!(finished.status.success(), "{finished:?}");
        for shown in [&finished.stdout, &finished.stderr] {
            assert_eq!(Needles::of(KEY).find(shown), None, "{finished:?}");
        }
        seen
    };
    assert!(!store(&[], &format!("{KEY}\n")));
    assert!(store(&["--insecure-key", KEY], ""), "who insists is seen");
}
