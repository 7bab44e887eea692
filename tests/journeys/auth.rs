//! Secrets: handed over at the command line, sent where they belong, shown to nobody; each refusal
//! beside what it refuses. The vendor and the OAuth server are foreign programs.

use carapace_contract::control::{Ask, Tell, TurnEnd};
use carapace_contract::id::TurnId;
use carapace_contract::secret::{NewSecret, SecretText};
use carapace_harness::control::{Turn, allow, deny, no_question, put_key, say, secret_name};
use carapace_harness::peers::browse;
use carapace_harness::world::{eventually, kill};
use carapace_harness::{Control, Finished, Needles, Peer, Tap, World};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const KEY: &str = "sk-ant-api03-the-first-key-0123456789abcdef";
const SECOND: &str = "sk-ant-api03-the-second-key-fedcba9876543210";
const WRONG: &str = "sk-ant-api03-nobody-takes-this-1122334455667788";
const PASSPHRASE: &str = "four words side by side";

/// A vendor that takes the two good keys and answers "hello" and the broker's own trial, seen through a tap.
fn vendor() -> (Peer, Tap) {
    let fixtures = json!({ "fixtures": [
        { "match": { "userMessage": "hello" }, "response": { "content": "Hello from the vendor." } },
        { "match": { "userMessage": "Say: ok" }, "response": { "content": "ok" } },
    ] });
    let peer = Peer::model_vendor(&fixtures, &[KEY, SECOND]);
    let tap = Tap::before(peer.address());
    (peer, tap)
}

fn anthropic(name: &str, tap: &Tap) -> String {
    format!(
        "[providers.{name}]\nkind = \"anthropic\"\nbase-url = \"http://{}\"\n",
        tap.address()
    )
}

/// A world that talks to the vendor, not yet started.
fn world_before(tap: &Tap) -> World {
    World::with_models("anthropic:claude-test", &anthropic("anthropic", tap))
}

fn store_key(world: &World, key: &str) -> Finished {
    world.carapace_with(
        &["auth", "api-key", "--provider", "anthropic"],
        &format!("{key}\n"),
    )
}

/// The key on the newest request that arrived.
fn newest_key(tap: &Tap) -> Option<String> {
    let newest = tap.received().pop()?;
    newest.header("x-api-key").map(str::to_owned)
}

/// The vendor answered, and the key was this.
fn says_hello(control: &mut Control, tap: &Tap, key: &str) {
    let turn = control.chat(None, "hello", no_question);
    assert_eq!(turn.end, TurnEnd::Answered, "{turn:?}");
    assert_eq!(turn.text, "Hello from the vendor.");
    assert_eq!(newest_key(tap).as_deref(), Some(key));
}

/// Nothing of these values was printed, nor lies in the home.
fn is_shown_nowhere(world: &World, values: &[&str], printed: &[&Finished]) {
    for value in values {
        let needles = Needles::of(value);
        for finished in printed {
            for text in [&finished.out, &finished.err] {
                assert_eq!(needles.find(text.as_bytes()), None, "{finished:?}");
            }
        }
        let files = needles.in_files(world.home().root());
        assert!(files.is_empty(), "{files:?}");
    }
}

#[test]
fn a_key_from_standard_input_reaches_its_vendor_and_nobody_else() {
    let (_peer, tap) = vendor();
    let world = world_before(&tap);
    // Without a key the vendor is not even asked.
    let mut control = world.start().control();
    let turn = control.chat(None, "hello", no_question);
    assert_eq!(turn.end, TurnEnd::Failed, "{turn:?}");
    assert!(turn.text.contains("carapace auth"), "{}", turn.text);
    assert_eq!(tap.connections(), 0);

    let stored = store_key(&world, KEY).expect(0);
    assert!(stored.out.contains("it works"), "{stored:?}");
    assert_eq!(newest_key(&tap).as_deref(), Some(KEY), "the trial uses it");
    says_hello(&mut control, &tap, KEY);

    let status = world.carapace(&["auth", "status"]).expect(0);
    let origin = format!("http://{}", tap.address());
    for word in ["anthropic", "open", "key-file", "vault", origin.as_str()] {
        assert!(
            status.out.contains(word),
            "{word} is not in\n{}",
            status.out
        );
    }
    let told = world.carapace(&["auth", "status", "--json"]).expect(0);
    let row = &told.json()["secrets"][0];
    assert_eq!(row["name"], "anthropic");
    assert_eq!(row["kind"], "key");
    assert!(row["used"].is_i64(), "{row}");
    is_shown_nowhere(&world, &[KEY], &[&stored, &status, &told]);

    // Removed, it is gone; twice is an error that says so.
    let before = tap.connections();
    world.carapace(&["auth", "rm", "anthropic"]).expect(0);
    let turn = control.chat(None, "hello", no_question);
    assert_eq!(turn.end, TurnEnd::Failed, "{turn:?}");
    assert_eq!(tap.connections(), before, "a removed key was used");
    let again = world.carapace(&["auth", "rm", "anthropic"]);
    assert_ne!(again.status, 0, "{again:?}");
    assert!(again.err.contains("remedy"), "{again:?}");
    // Nothing on standard input is no key.
    let empty = store_key(&world, "");
    assert_ne!(empty.status, 0, "{empty:?}");
    let told = world.carapace(&["auth", "status", "--json"]).expect(0);
    assert_eq!(told.json()["secrets"], json!([]));
}

#[test]
fn a_trial_tells_a_good_key_from_a_wrong_one_and_a_rotation_keeps_what_works() {
    let (_peer, tap) = vendor();
    let world = world_before(&tap);
    world.start();
    // The wrong one is stored, because the person said so; that it does not work is said at once.
    let wrong = store_key(&world, WRONG);
    assert_eq!(wrong.status, 1, "{wrong:?}");
    assert_eq!(newest_key(&tap).as_deref(), Some(WRONG));
    let failed = world.carapace(&["auth", "test", "anthropic"]);
    assert_eq!(failed.status, 1, "{failed:?}");
    assert!(failed.out.contains("FAILED"), "{failed:?}");
    let failed_json = world.carapace(&["auth", "test", "--json"]);
    assert_eq!(failed_json.status, 1, "{failed_json:?}");
    assert_eq!(failed_json.json()[0]["ok"], false);

    store_key(&world, KEY).expect(0);
    let works = world.carapace(&["auth", "test"]).expect(0);
    assert!(works.out.contains("ok"), "{works:?}");

    let rotate = ["auth", "api-key", "--provider", "anthropic", "--rotate"];
    let bad = world.carapace_with(&rotate, WRONG);
    assert_eq!(bad.status, 1, "{bad:?}");
    assert!(bad.err.contains("the one before stays"), "{bad:?}");
    assert_eq!(newest_key(&tap).as_deref(), Some(WRONG), "it was tried");
    let mut control = world.control();
    says_hello(&mut control, &tap, KEY);
    let good = world.carapace_with(&rotate, SECOND).expect(0);
    says_hello(&mut control, &tap, SECOND);
    let told = world.carapace(&["auth", "status", "--json"]).expect(0);
    assert_eq!(told.json()["secrets"][0]["pending"], false);
    is_shown_nowhere(
        &world,
        &[KEY, SECOND, WRONG],
        &[&wrong, &failed, &failed_json, &works, &bad, &good, &told],
    );
}

#[test]
fn a_key_that_asks_is_agreed_to_once_in_a_session_or_not_sent() {
    let (_peer, tap) = vendor();
    let world = world_before(&tap);
    let stored = world.carapace_with(
        &[
            "auth",
            "api-key",
            "--provider",
            "anthropic",
            "--ask-each-session",
            "--no-test",
        ],
        KEY,
    );
    stored.expect(0);
    let mut control = world.control();
    let first = control.chat(None, "hello", allow);
    assert_eq!(first.end, TurnEnd::Answered, "{first:?}");
    let asked = first.questions();
    assert_eq!(asked.len(), 1, "{asked:?}");
    let shown = serde_json::to_string(&asked[0]).expect("a card");
    let origin = format!("http://{}", tap.address());
    assert!(shown.contains(&origin), "the card says where to: {shown}");
    assert!(shown.contains("secret-use"), "{shown}");
    assert_eq!(newest_key(&tap).as_deref(), Some(KEY));
    // The same session does not ask again; another one does, and a no is a no.
    let second = control.chat(Some(first.session), "hello", no_question);
    assert_eq!(second.end, TurnEnd::Answered, "{second:?}");
    let before = tap.connections();
    let denied = control.chat(None, "hello", deny);
    assert_eq!(denied.questions().len(), 1, "{denied:?}");
    assert_eq!(denied.end, TurnEnd::Failed, "{denied:?}");
    assert!(denied.text.contains("a person said no"), "{}", denied.text);
    assert_eq!(tap.connections(), before, "what was denied was sent");
    // A no holds for that question only.
    let later = control.chat(Some(denied.session), "hello", allow);
    assert_eq!(later.questions().len(), 1, "{later:?}");
    assert_eq!(later.end, TurnEnd::Answered, "{later:?}");
}

#[test]
fn a_vault_with_a_passphrase_is_locked_after_a_restart_and_open_after_a_lost_broker() {
    let (_peer, tap) = vendor();
    let world = world_before(&tap);
    world.start();
    store_key(&world, KEY).expect(0);
    let short = world.carapace_with(&["auth", "protect", "--passphrase"], "short");
    assert_eq!(short.status, 2, "{short:?}");
    let protected = world
        .carapace_with(&["auth", "protect", "--passphrase"], PASSPHRASE)
        .expect(0);
    assert!(!world.home().vault_key().exists(), "the key file is left");
    says_hello(&mut world.control(), &tap, KEY);

    let restarted = world.carapace(&["restart"]).expect(0);
    assert!(restarted.err.contains("auth unlock"), "{restarted:?}");
    let status = world.carapace(&["status"]).expect(0);
    assert!(status.out.contains("LOCKED"), "{status:?}");
    let mut control = world.control();
    let before = tap.connections();
    let turn = control.chat(None, "hello", no_question);
    assert_eq!(turn.end, TurnEnd::Failed, "{turn:?}");
    assert!(turn.text.contains("locked"), "{}", turn.text);
    assert_eq!(tap.connections(), before);

    // A wrong passphrase leaves it locked, at the command line and at the socket.
    let refused = world.carapace_with(&["auth", "unlock"], "four words side by sidf");
    assert_ne!(refused.status, 0, "{refused:?}");
    let (code, _) = control.refusal(&Ask::Unlock {
        passphrase: SecretText::new("another passphrase".to_owned()),
    });
    assert_eq!(code, "vault");
    assert_eq!(state_of_vault(&mut control), "locked");
    // Locked, it takes nothing either.
    let (code, said) = control.refusal(&put_key("anthropic", SECOND));
    assert_eq!(code, "vault");
    assert!(said.contains("auth unlock"), "{said}");
    let unlocked = world
        .carapace_with(&["auth", "unlock"], PASSPHRASE)
        .expect(0);
    says_hello(&mut control, &tap, KEY);

    // The broker that comes after a lost one finds it open.
    let lost = world.pids("broker")[0];
    kill(lost);
    eventually("another broker", || {
        let pid = world.pids("broker").first().copied()?;
        (pid != lost).then_some(())
    });
    let mut control = world.control();
    assert_eq!(state_of_vault(&mut control), "open");
    says_hello(&mut control, &tap, KEY);

    // The socket opens it as well.
    world.carapace(&["restart"]).expect(0);
    let mut control = world.control();
    assert_eq!(state_of_vault(&mut control), "locked");
    let told = control.get(&Ask::Unlock {
        passphrase: SecretText::new(PASSPHRASE.to_owned()),
    });
    assert_eq!(told, Tell::Ok {});
    says_hello(&mut control, &tap, KEY);
    is_shown_nowhere(
        &world,
        &[KEY, PASSPHRASE],
        &[&protected, &refused, &unlocked],
    );
}

fn state_of_vault(control: &mut Control) -> String {
    match control.get(&Ask::Status {}) {
        Tell::Status { vault, .. } => vault,
        other => panic!("not a status: {other:?}"),
    }
}

// ---- secrets that stay where they are

#[test]
fn a_key_stays_in_the_environment_or_a_file_and_is_fetched_from_there() {
    let (_peer, tap) = vendor();
    let rest = ["by-env", "by-file", "by-none"].map(|name| anthropic(name, &tap));
    let world = World::with_models("by-env:claude", &rest.concat());
    let file = world.beside().join("key.txt");
    std::fs::write(&file, format!("{SECOND}\n")).expect("writes");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("closes it");
    let surroundings = [("THE_KEY_OF_THE_OWNER", KEY)];
    let mut printed = Vec::new();
    for (provider, place) in [
        ("by-env", "env:THE_KEY_OF_THE_OWNER".to_owned()),
        ("by-file", format!("file:{}", file.display())),
    ] {
        let stored = store_elsewhere(&world, provider, &place, &surroundings);
        assert_eq!(stored.0, 0, "{stored:?}");
        assert!(stored.1.contains("it works"), "{stored:?}");
        printed.push(stored.1);
    }
    let mut control = world.control();
    for (route, key) in [("by-env:claude", KEY), ("by-file:claude", SECOND)] {
        let turn = control.chat_over(route, "hello", Vec::new(), no_question);
        assert_eq!(turn.end, TurnEnd::Answered, "{turn:?}");
        assert_eq!(newest_key(&tap).as_deref(), Some(key));
    }
    let status = world.carapace(&["auth", "status"]).expect(0);
    assert!(
        status.out.contains("in env:THE_KEY_OF_THE_OWNER"),
        "{status:?}"
    );
    assert!(status.out.contains("in file:"), "{status:?}");
    is_shown_nowhere(&world, &[KEY, SECOND], &[&status]);
    for text in &printed {
        assert!(!text.contains("sk-ant"), "{text}");
    }
    // What is not there is not sent, and is said.
    let before = tap.connections();
    let absent = store_elsewhere(&world, "by-none", "env:NOBODY_SET_THIS", &surroundings);
    assert_eq!(absent.0, 1, "{absent:?}");
    assert!(absent.1.contains("it is not there"), "{absent:?}");
    std::fs::remove_file(&file).expect("removes it");
    let mut control = world.control();
    for route in ["by-none:claude", "by-file:claude"] {
        let turn = control.chat_over(route, "hello", Vec::new(), no_question);
        assert_eq!(turn.end, TurnEnd::Failed, "{turn:?}");
        assert!(turn.text.contains("it is not there"), "{}", turn.text);
    }
    assert_eq!(tap.connections(), before);
}

#[test]
fn a_key_stays_in_pass_and_is_fetched_from_there() {
    for program in ["pass", "gpg"] {
        let found = ["/usr/bin", "/usr/local/bin"]
            .iter()
            .any(|folder| Path::new(folder).join(program).is_file());
        if !found {
            assert!(
                std::env::var_os("CARAPACE_TEST_ALL").is_none(),
                "{program} is missing; `make test-setup` installs it"
            );
            eprintln!("skipped: {program} is missing; `make test-setup` installs it");
            return;
        }
    }
    let (_peer, tap) = vendor();
    let world = world_before(&tap);
    let store = PassStore::beside(&world);
    store.insert("ai/anthropic", &format!("{KEY}\nuser: me\n"));
    let surroundings = store.surroundings();
    let surroundings: Vec<(&str, &str)> = surroundings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let stored = store_elsewhere(&world, "anthropic", "pass:ai/anthropic", &surroundings);
    assert_eq!(stored.0, 0, "{stored:?}\n{}", world.log());
    says_hello(&mut world.control(), &tap, KEY);
    is_shown_nowhere(&world, &[KEY], &[]);
    let before = tap.connections();
    let absent = store_elsewhere(&world, "anthropic", "pass:ai/nothing", &surroundings);
    assert_eq!(absent.0, 1, "{absent:?}");
    assert_eq!(tap.connections(), before);
}

/// `auth api-key --from` with these variables, which a supervisor that it starts has too: the exit
/// status and what was printed.
fn store_elsewhere(
    world: &World,
    provider: &str,
    place: &str,
    surroundings: &[(&str, &str)],
) -> (i32, String) {
    let output = world
        .command(&["auth", "api-key", "--provider", provider, "--from", place])
        .envs(surroundings.iter().copied())
        .output()
        .expect("the program starts");
    let printed = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&printed).into_owned(),
    )
}

/// A store of `pass` with a key of its own.
struct PassStore(PathBuf);

impl PassStore {
    fn beside(world: &World) -> Self {
        let folder = world.beside().join("store");
        std::fs::create_dir_all(folder.join("gnupg")).expect("a folder");
        for path in [folder.clone(), folder.join("gnupg")] {
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o700)).expect("closes it");
        }
        let store = Self(folder);
        store.run(
            "gpg",
            &[
                "--batch",
                "--pinentry-mode",
                "loopback",
                "--passphrase",
                "",
                "--quick-gen-key",
                "carapace-test",
                "default",
                "default",
                "never",
            ],
            "",
        );
        store.run("pass", &["init", "carapace-test"], "");
        store
    }

    fn surroundings(&self) -> [(&'static str, String); 2] {
        [
            ("GNUPGHOME", self.0.join("gnupg").display().to_string()),
            (
                "PASSWORD_STORE_DIR",
                self.0.join("entries").display().to_string(),
            ),
        ]
    }

    fn insert(&self, name: &str, text: &str) {
        self.run("pass", &["insert", "--multiline", name], text);
    }

    fn run(&self, program: &str, arguments: &[&str], input: &str) {
        let mut child = Command::new(program)
            .args(arguments)
            .env("HOME", &self.0)
            .envs(self.surroundings())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut pipe = child.stdin.take().expect("a pipe");
        pipe.write_all(input.as_bytes()).expect("takes its input");
        drop(pipe);
        let output = child.wait_with_output().expect("ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {said}");
    }
}

impl Drop for PassStore {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .args(["--kill", "all"])
            .envs(self.surroundings())
            .status();
    }
}

// ---- OAuth

/// A world whose provider is behind a login; the token endpoint is seen through a tap.
fn world_with_login(server: &Peer, tokens: &Tap) -> World {
    let rest = format!(
        "[providers.work]\nkind = \"openai-compatible\"\nbase-url = \"{0}/v1\"\nauth = \"oauth\"\n\
         [providers.work.oauth]\nauthorization-url = \"{0}/auth\"\ntoken-url = \"http://{1}/token\"\n\
         client-id = \"public\"\nscopes = [\"openid\", \"offline_access\", \"models\"]\n",
        server.url(),
        tokens.address(),
    );
    World::with_models("work:behind-oauth", &rest)
}

/// `auth login`, waiting for the browser; where it is to go, and where it has to come back.
fn begin_login(world: &World) -> (Child, String, String) {
    let mut child = world
        .command(&["auth", "login", "--provider", "work", "--no-browser"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut told = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    let url = loop {
        line.clear();
        let read = told.read_line(&mut line).expect("it speaks");
        assert!(read > 0, "it ended without an address");
        if line.trim().starts_with("http://") {
            break line.trim().to_owned();
        }
    };
    // What else it says is not waited for, but must have somewhere to go.
    std::thread::spawn(move || std::io::copy(&mut told, &mut std::io::sink()));
    let (_, after) = url
        .split_once("redirect_uri=http%3A%2F%2F127.0.0.1%3A")
        .expect("it comes back to this machine");
    let port: String = after.chars().take_while(char::is_ascii_digit).collect();
    (child, url, format!("http://127.0.0.1:{port}/callback"))
}

/// Visits an address of this machine, as the browser does; the status line.
fn visit(address: &str) -> String {
    let rest = address.strip_prefix("http://").expect("an address");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(host).expect("somebody listens");
    write!(stream, "GET /{path} HTTP/1.1\r\nhost: {host}\r\n\r\n").expect("takes a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answers");
    answer.lines().next().unwrap_or_default().to_owned()
}

/// What the server saw of this kind, in order.
fn seen(server: &Peer, what: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_json::from_str(&server.call("GET", "/seen")).expect("a list");
    all.into_iter().filter(|one| one["what"] == what).collect()
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_default()
}

/// The refresh tokens that were sent to the token endpoint, in order.
fn renewals(tokens: &Tap) -> Vec<String> {
    tokens
        .received()
        .iter()
        .filter_map(|request| {
            let mut pairs = request
                .body
                .split('&')
                .filter_map(|pair| pair.split_once('='));
            pairs.find(|(name, _)| *name == "refresh_token")
        })
        .map(|(_, value)| value.to_owned())
        .collect::<Vec<_>>()
}

fn asks_work(control: &mut Control) -> Turn {
    control.chat(None, "who am I?", no_question)
}

#[test]
fn a_login_in_the_browser_gives_tokens_that_are_used_and_renewed_before_they_end() {
    let server = Peer::oauth_server();
    let tokens = Tap::before(server.address());
    let world = world_with_login(&server, &tokens);
    let mut control = world.start().control();
    // Nobody is logged in: nothing is sent, and it is said what to do.
    let turn = asks_work(&mut control);
    assert_eq!(turn.end, TurnEnd::Failed, "{turn:?}");
    assert!(turn.text.contains("carapace auth"), "{}", turn.text);

    let (mut child, url, back) = begin_login(&world);
    assert!(url.contains("code_challenge_method=S256"), "{url}");
    let home = browse(&url, &back);
    // A page that guesses gets nothing, and the login goes on.
    let guessed = visit(&format!("{back}?state=guessed&code=guessed"));
    assert!(guessed.contains("400"), "{guessed}");
    assert!(visit(&home).contains("200"));
    assert!(child.wait().expect("ends").success());
    let first = seen(&server, "granted");
    assert_eq!(first.len(), 1, "{first:?}");
    let turn = asks_work(&mut control);
    assert_eq!(turn.text, "You are logged in.");
    for used in seen(&server, "used") {
        assert_eq!(used["token"], first[0]["access_token"]);
    }
    assert_eq!(
        seen(&server, "granted").len(),
        1,
        "nothing was renewed too early"
    );
    assert!(renewals(&tokens).is_empty());

    // From now on every token ends within the minute: each is renewed before it is used.
    server.call("POST", "/lifetime/40");
    let (mut child, url, back) = begin_login(&world);
    assert!(visit(&browse(&url, &back)).contains("200"));
    assert!(child.wait().expect("ends").success());
    for _ in 0..2 {
        let turn = asks_work(&mut control);
        assert_eq!(turn.text, "You are logged in.", "{turn:?}");
        let newest = seen(&server, "granted").pop().expect("a grant");
        assert_eq!(newest["grant"], "refresh_token");
        let used = seen(&server, "used").pop().expect("a use");
        assert_eq!(used["token"], newest["access_token"]);
    }
    // Two sessions at once do not show one refresh token twice.
    let mut other = world.control();
    for one in [&mut control, &mut other] {
        one.ask(&say(None, TurnId::random(), "who am I?"))
            .expect("asks");
    }
    for one in [&mut control, &mut other] {
        let turn = one.to_the_end(no_question).expect("ends");
        assert_eq!(turn.text, "You are logged in.", "{turn:?}");
    }
    // A refresh token is used once; the one that replaces it is kept, also over the broker's end.
    let lost = world.pids("broker")[0];
    kill(lost);
    eventually("another broker", || {
        let pid = world.pids("broker").first().copied()?;
        (pid != lost).then_some(())
    });
    let turn = asks_work(&mut world.control());
    assert_eq!(turn.text, "You are logged in.", "{turn:?}");
    let granted = seen(&server, "granted");
    let given: Vec<&str> = granted[1..granted.len() - 1]
        .iter()
        .map(|grant| text(grant, "refresh_token"))
        .collect();
    assert_eq!(renewals(&tokens), given);
    assert!(given.len() >= 5, "{given:?}");
    assert!(seen(&server, "refused").is_empty());
    assert!(seen(&server, "not taken").is_empty());

    let status = world.carapace(&["auth", "status"]).expect(0);
    assert!(
        status.out.contains("oauth") && status.out.contains("expires"),
        "{status:?}"
    );
    let values: Vec<&str> = granted
        .iter()
        .flat_map(|grant| [text(grant, "access_token"), text(grant, "refresh_token")])
        .collect();
    is_shown_nowhere(&world, &values, &[&status]);
}

#[test]
fn a_login_that_ends_and_cannot_be_renewed_says_what_to_do_and_sends_nothing() {
    let server = Peer::oauth_server();
    let tokens = Tap::before(server.address());
    let world = world_with_login(&server, &tokens);
    let mut control = world.start().control();
    let old = "a-refresh-token-that-was-taken-back-0123456789";
    let told = control.get(&Ask::SecretPut {
        name: secret_name("work"),
        secret: NewSecret::Oauth {
            access_token: SecretText::new("an-access-token-that-has-ended-0123456789".to_owned()),
            refresh_token: Some(SecretText::new(old.to_owned())),
            expires: Some(1_000),
        },
        each_session: false,
        origins: Vec::new(),
        staged: false,
    });
    assert!(matches!(told, Tell::Stored { .. }), "{told:?}");
    let turn = asks_work(&mut control);
    assert_eq!(turn.end, TurnEnd::Failed, "{turn:?}");
    for word in ["could not be renewed", "carapace auth login"] {
        assert!(turn.text.contains(word), "{word} is not in {}", turn.text);
    }
    assert_eq!(renewals(&tokens), [old]);
    assert_eq!(seen(&server, "refused").len(), 1);
    assert!(
        seen(&server, "not taken").is_empty(),
        "the ended token was sent"
    );
    let failed = world.carapace(&["auth", "test", "work"]);
    assert_eq!(failed.status, 1, "{failed:?}");
    is_shown_nowhere(&world, &[old], &[&failed]);
    // Logging in again mends it.
    let (mut child, url, back) = begin_login(&world);
    assert!(visit(&browse(&url, &back)).contains("200"));
    assert!(child.wait().expect("ends").success());
    assert_eq!(asks_work(&mut control).text, "You are logged in.");
}

#[test]
fn a_login_counts_once_comes_back_to_this_machine_only_and_belongs_to_who_began_it() {
    let server = Peer::oauth_server();
    let tokens = Tap::before(server.address());
    let world = world_with_login(&server, &tokens);
    let mut control = world.start().control();
    let begin = |redirect: &str| Ask::LoginBegin {
        provider: "work".to_owned(),
        redirect: redirect.to_owned(),
    };
    for elsewhere in [
        "https://127.0.0.1:1/callback",
        "http://10.0.0.1/callback",
        "file:///x",
    ] {
        assert_eq!(
            control.refusal(&begin(elsewhere)).0,
            "bad-redirect",
            "{elsewhere}"
        );
    }
    let back = "http://127.0.0.1:9/callback";
    let Tell::Login { url, state } = control.get(&begin(back)) else {
        panic!("no login was begun")
    };
    let home = browse(&url, back);
    let (_, query) = home.split_once("code=").expect("a code");
    let code: String = query.chars().take_while(|one| *one != '&').collect();
    let finish = |state: &SecretText, code: &str| Ask::LoginFinish {
        provider: "work".to_owned(),
        state: state.clone(),
        code: SecretText::new(code.to_owned()),
    };
    assert_eq!(control.get(&finish(&state, &code)), Tell::Ok {});
    assert_eq!(asks_work(&mut control).text, "You are logged in.");
    // Once more is none, and what somebody else made up is none.
    assert_eq!(control.refusal(&finish(&state, &code)).0, "no-such-login");
    let Tell::Login { .. } = control.get(&begin(back)) else {
        panic!("no login was begun")
    };
    let made_up = SecretText::new("made-up".to_owned());
    assert_eq!(control.refusal(&finish(&made_up, &code)).0, "no-such-login");
    let Tell::Login { state, .. } = control.get(&begin(back)) else {
        panic!("no login was begun")
    };
    let (refused, said) = control.refusal(&finish(&state, "made-up-code"));
    assert_eq!(refused, "login-refused", "{said}");
    // What was refused took nothing away.
    assert_eq!(asks_work(&mut control).text, "You are logged in.");
    assert_eq!(seen(&server, "granted").len(), 1);
}
