//! A person's secrets on their way through the program, with a broker that the test plays: what
//! reaches it, and that no value is shown, kept or said on the way.

#[path = "../conversation/fake.rs"]
#[allow(dead_code)]
mod fake;
#[path = "../conversation/terminal.rs"]
mod terminal;

use carapace_contract::control::{
    Ask, BudgetRow, SecretRow, SendRow, SpentRow, Tell, TurnEnd, VaultRow,
};
use carapace_contract::id::{Digest, EffectId};
use carapace_contract::model::{Attachment, MediaType, Usage};
use carapace_contract::secret::{NewSecret, Protect, SecretText};
use fake::World;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use terminal::Terminal;

const KEY: &str = "sk-ant-api03-Zq7TnotAnExampleKey90";

/// What the program asked so far.
type Asked = Arc<Mutex<Vec<Ask>>>;

/// Answers every question of the program, each on a connection of its own.
fn serve(world: &Arc<World>, answer: impl Fn(&Ask) -> Tell + Send + 'static) -> Asked {
    let asked: Asked = Asked::default();
    let (world, heard) = (Arc::clone(world), Arc::clone(&asked));
    thread::spawn(move || {
        loop {
            let mut conversation = world.accept();
            while let Some(ask) = conversation.hear_any() {
                let tell = answer(&ask);
                heard.lock().unwrap().push(ask);
                conversation.tell_if_there(tell);
            }
        }
    });
    asked
}

/// What a broker with an open vault says.
fn usual(ask: &Ask) -> Tell {
    match ask {
        Ask::SecretPut { .. } => Tell::Stored {
            origins: vec!["https://api.example:443".to_owned()],
            too_short: false,
        },
        Ask::SecretTest { provider } | Ask::Models { provider } => Tell::Tested {
            provider: provider.clone(),
            origin: "https://api.example:443".to_owned(),
            models: vec!["big-1".to_owned(), "small-1".to_owned()],
            millis: 7,
        },
        Ask::Secrets {} => secrets("open"),
        _ => Tell::Ok {},
    }
}

fn secrets(state: &str) -> Tell {
    Tell::Secrets {
        vault: VaultRow {
            state: state.to_owned(),
            kept: vec!["passphrase".to_owned()],
            words: "encrypted with a key from your passphrase".to_owned(),
        },
        rows: vec![SecretRow {
            name: "anthropic".parse().unwrap(),
            kind: "key".to_owned(),
            created: 1,
            changed: 1,
            used: None,
            expires: None,
            each_session: true,
            origins: vec!["https://api.example:443".to_owned()],
            providers: vec!["anthropic".to_owned()],
            pending: false,
            too_short: false,
        }],
    }
}

/// A vault with these.
fn holding(state: &str, names: &[&str]) -> Tell {
    match secrets(state) {
        Tell::Secrets { vault, rows } => Tell::Secrets {
            vault,
            rows: names
                .iter()
                .map(|name| SecretRow {
                    name: name.parse().unwrap(),
                    ..rows[0].clone()
                })
                .collect(),
        },
        other => other,
    }
}

fn failed(code: &str, message: &str) -> Tell {
    Tell::Failed {
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

fn run(world: &World, words: &[&str], input: &str) -> Output {
    let mut child = world
        .command(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn told(output: &Output) -> String {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(text).unwrap()
}

/// The secrets that were handed over: name, value, staged.
fn put(asked: &Asked) -> Vec<(String, NewSecret, bool)> {
    asked
        .lock()
        .unwrap()
        .iter()
        .filter_map(|ask| match ask {
            Ask::SecretPut {
                name,
                secret,
                staged,
                ..
            } => Some((name.to_string(), secret.clone(), *staged)),
            _ => None,
        })
        .collect()
}

fn key(value: &str) -> NewSecret {
    NewSecret::Key {
        value: SecretText::new(value.to_owned()),
    }
}

#[test]
fn a_key_from_a_pipe_reaches_the_vault_and_nothing_else() {
    let world = Arc::new(World::new());
    let asked = serve(&world, usual);
    let words = ["auth", "api-key", "--provider", "anthropic"];
    let output = run(
        &world,
        &words,
        &format!("export ANTHROPIC_API_KEY=\"{KEY}\"\n"),
    );
    let shown = told(&output);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert_eq!(put(&asked), [("anthropic".to_owned(), key(KEY), false)]);
    assert!(!shown.contains(&KEY[10..]), "{shown}");
    for part in [
        "assignment",
        "added [providers.anthropic]",
        "https://api.example:443",
        "it works: 7 ms, 2 models",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let config = fs::read_to_string(world.home().join("config.toml")).unwrap();
    assert!(config.contains("kind = \"anthropic\""), "{config}");
    let json = run(
        &world,
        &[&words[..], &["--json", "--no-test"]].concat(),
        KEY,
    );
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        (&value["stored"], &value["added"]),
        (&"anthropic".into(), &false.into())
    );
    // Nothing in the home has it.
    let found = std::process::Command::new("grep")
        .args(["-r", "-l", &KEY[10..]])
        .arg(world.home())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(found.stdout).unwrap(), "");
}

#[test]
fn a_typed_key_is_not_drawn() {
    let world = Arc::new(World::new());
    let asked = serve(&world, usual);
    let mut terminal =
        Terminal::start(world.command(&["auth", "api-key", "--provider", "anthropic"]));
    terminal.until("key for anthropic: ");
    terminal.type_in(&format!("{KEY}x\u{7f}\r"));
    let drawn = terminal.until("it works");
    assert!(
        !drawn.contains(&KEY[10..]) && drawn.contains("************"),
        "{drawn}"
    );
    assert!(terminal.child.wait().unwrap().success());
    assert_eq!(put(&asked), [("anthropic".to_owned(), key(KEY), false)]);
}

#[test]
fn ctrl_c_at_the_prompt_stores_nothing_and_gives_the_terminal_back() {
    let world = Arc::new(World::new());
    let asked = serve(&world, usual);
    let config = || fs::read_to_string(world.home().join("config.toml")).unwrap();
    let before = config();
    let mut terminal =
        Terminal::start(world.command(&["auth", "api-key", "--provider", "anthropic"]));
    terminal.until("key for anthropic: ");
    terminal.type_in("half a ke\u{3}");
    terminal.until("stopped");
    assert_eq!(terminal.child.wait().unwrap().code(), Some(130));
    assert_eq!(put(&asked), []);
    assert_eq!(config(), before, "nothing was written");
}

#[test]
fn what_is_no_key_is_refused_and_not_repeated() {
    let world = Arc::new(World::new());
    let asked = serve(&world, usual);
    for (input, status, part) in [
        ("", 2, "empty"),
        ("sk-ant-...abcd", 2, "left out"),
        (&"x".repeat(70_000), 2, "longer than 65536"),
        ("\u{0}\n \n", 0, "very short"),
    ] {
        let output = run(
            &world,
            &["auth", "api-key", "--name", "a", "--no-test"],
            input,
        );
        assert_eq!(output.status.code(), Some(status), "{input:?}");
        assert!(told(&output).contains(part), "{}", told(&output));
        assert!(!told(&output).contains("abcd"));
    }
    assert_eq!(put(&asked).len(), 1);
    let whose = run(&world, &["auth", "api-key"], KEY);
    assert_eq!(whose.status.code(), Some(2));
    assert!(told(&whose).contains("--provider NAME"));
    let unknown = run(&world, &["auth", "api-key", "--provider", "nobody"], KEY);
    assert!(
        told(&unknown).contains("anthropic, openai"),
        "{}",
        told(&unknown)
    );
    let place = run(
        &world,
        &["auth", "api-key", "--name", "a", "--from", KEY],
        "",
    );
    assert_eq!(place.status.code(), Some(2));
    let other = run(
        &world,
        &["auth", "api-key", "--provider", "openai", "--no-test"],
        KEY,
    );
    assert!(
        told(&other).contains("Anthropic, not of OpenAI"),
        "{}",
        told(&other)
    );
}

#[test]
fn a_bad_rotation_is_told_and_staged() {
    let world = Arc::new(World::new());
    let asked = serve(&world, |ask| match ask {
        Ask::SecretTest { .. } => failed(
            "provider",
            "the newer value does not work and was dropped, the one before stays: 401",
        ),
        ask => usual(ask),
    });
    let output = run(
        &world,
        &["auth", "api-key", "--provider", "anthropic", "--rotate"],
        KEY,
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        told(&output).contains("the one before stays"),
        "{}",
        told(&output)
    );
    assert!(put(&asked)[0].2, "it is staged");
    let plain = run(&world, &["auth", "api-key", "--provider", "anthropic"], KEY);
    assert_eq!(plain.status.code(), Some(1));
    assert!(told(&plain).contains("stored, but trying it failed"));
}

#[test]
fn aws_has_its_lines_and_its_variables() {
    let world = Arc::new(World::new());
    let asked = serve(&world, usual);
    let words = [
        "auth",
        "api-key",
        "--provider",
        "bedrock",
        "--region",
        "eu-central-1",
    ];
    let output = run(
        &world,
        &words,
        "AKIAEXAMPLE1234\nsecretsecret/1\ntoken-token-1\n",
    );
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let output = world
        .command(&[&words[..], &["--from-env"]].concat())
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE1234")
        .env("AWS_SECRET_ACCESS_KEY", "secretsecret/1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let secret = |text: &str| SecretText::new(text.to_owned());
    let aws = |session_token| NewSecret::Aws {
        access_key_id: secret("AKIAEXAMPLE1234"),
        secret_access_key: secret("secretsecret/1"),
        session_token,
    };
    let stored: Vec<NewSecret> = put(&asked)
        .into_iter()
        .map(|(_, secret, _)| secret)
        .collect();
    assert_eq!(stored, [aws(Some(secret("token-token-1"))), aws(None)]);
    let config = fs::read_to_string(world.home().join("config.toml")).unwrap();
    assert!(config.contains("region = \"eu-central-1\""), "{config}");
}

#[test]
fn the_status_tells_everything_but_the_value() {
    let world = Arc::new(World::new());
    serve(&world, usual);
    let output = world
        .command(&["auth", "status"])
        .env("OPENAI_API_KEY", "sk-proj-in-the-open-12345")
        .output()
        .unwrap();
    let shown = told(&output);
    for part in [
        "vault     open",
        "passphrase",
        "anthropic  (key, in vault)",
        "never",
        "https://api.example:443",
        "each session",
        "environment: OPENAI_API_KEY",
        "auth import",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("in-the-open"), "{shown}");
}

#[test]
fn one_provider_that_fails_is_an_exit_status() {
    let world = Arc::new(World::new());
    serve(&world, |ask| match ask {
        Ask::SecretTest { provider } if provider == "bad" => failed(
            "provider",
            "401\n  remedy: `carapace auth api-key --provider bad`",
        ),
        ask => usual(ask),
    });
    assert_eq!(
        run(&world, &["auth", "test", "good"], "").status.code(),
        Some(0)
    );
    let output = run(&world, &["auth", "test", "good", "bad"], "");
    let shown = told(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        shown.contains("ok       good") && shown.contains("FAILED   bad"),
        "{shown}"
    );
    assert!(shown.contains("remedy: `carapace auth api-key"), "{shown}");
}

#[test]
fn a_login_comes_back_from_the_browser() {
    let world = Arc::new(World::new());
    let asked = serve(&world, |ask| match ask {
        Ask::LoginBegin { .. } => Tell::Login {
            url: "https://login.example/authorize?x=1".to_owned(),
            state: SecretText::new("the-state".to_owned()),
        },
        ask => usual(ask),
    });
    let mut child = world
        .command(&["auth", "login", "--provider", "anthropic", "--no-browser"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The address is printed once the port waits.
    let mut said = String::new();
    let mut errors = child.stderr.take().unwrap();
    while !said.contains("gives up") {
        let mut piece = [0; 256];
        let count = errors.read(&mut piece).unwrap();
        assert!(count > 0, "{said}");
        said.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    let redirect = asked.lock().unwrap().iter().find_map(|ask| match ask {
        Ask::LoginBegin { redirect, .. } => Some(redirect.clone()),
        _ => None,
    });
    let redirect = redirect.unwrap();
    let (host, path) = redirect
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let mut browser = TcpStream::connect(host).unwrap();
    write!(
        browser,
        "GET /{path}?state=the-state&code=the-code HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    .unwrap();
    let mut page = String::new();
    let _ = browser.read_to_string(&mut page);
    assert!(
        page.contains("logged in") && !page.contains("the-code"),
        "{page}"
    );
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(!told(&output).contains("the-code") && !said.contains("the-code"));
    let finished = asked.lock().unwrap().iter().any(|ask| {
        matches!(ask, Ask::LoginFinish { code, state, .. } if code.reveal() == "the-code" && state.reveal() == "the-state")
    });
    assert!(finished);
}

#[test]
fn a_fresh_home_has_a_key_for_its_vault_that_stays() {
    let world = World::new();
    let path = world.home().join("key/vault.key");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!((text.len(), text.ends_with('\n')), (65, true));
    assert!(text.trim_end().bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(
        fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o7777,
        0o700
    );
    run(&world, &["config", "show"], "");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    // Where the vault is kept in another way, no key is made that opens nothing.
    fs::remove_file(&path).unwrap();
    fs::write(world.home().join("state/vault"), "x").unwrap();
    run(&world, &["config", "show"], "");
    assert!(!path.exists());
}

#[test]
fn a_passphrase_is_typed_twice_and_takes_the_key_file_away() {
    let world = Arc::new(World::new());
    let asked = serve(&world, usual);
    let mut terminal = Terminal::start(world.command(&["auth", "protect", "--passphrase"]));
    terminal.until("new passphrase of the vault: ");
    terminal.type_in("correct horse\r");
    terminal.until("once more: ");
    terminal.type_in("correct house\r");
    terminal.until("differ");
    assert_eq!(terminal.child.wait().unwrap().code(), Some(2));
    assert!(world.home().join("key/vault.key").exists());
    let mut terminal =
        Terminal::start(world.command(&["auth", "protect", "--passphrase", "--rekey"]));
    terminal.until("new passphrase of the vault: ");
    terminal.type_in("correct horse\r");
    let drawn = terminal.until("once more: ");
    terminal.type_in("correct horse\r");
    let drawn = drawn + &terminal.until("encrypted with");
    assert!(!drawn.contains("horse"), "{drawn}");
    assert!(terminal.child.wait().unwrap().success());
    assert!(!world.home().join("key/vault.key").exists());
    let protect = Ask::Protect {
        with: Protect::Passphrase {
            passphrase: SecretText::new("correct horse".to_owned()),
        },
        rekey: true,
    };
    assert!(asked.lock().unwrap().contains(&protect));
    let short = run(&world, &["auth", "protect", "--passphrase"], "short\n");
    assert_eq!(short.status.code(), Some(2));
}

#[test]
fn a_new_key_file_is_in_place_only_after_the_vault_took_it() {
    let world = Arc::new(World::new());
    let path = world.home().join("key/vault.key");
    let before = fs::read_to_string(&path).unwrap();
    let seen = path.clone();
    let old = before.clone();
    let refusals = AtomicUsize::new(0);
    let asked = serve(&world, move |ask| match ask {
        Ask::Protect { with, rekey } => {
            let Protect::KeyFile { key } = with else {
                panic!("a key file");
            };
            // On disk before the vault needs it, and not yet in the place of the one before.
            let fresh = fs::read_to_string(seen.with_extension("key.new")).unwrap();
            assert_eq!(fresh.trim_end(), key.reveal());
            assert_eq!(fs::read_to_string(&seen).unwrap(), old);
            if *rekey {
                match refusals.fetch_add(1, Ordering::Relaxed) {
                    0 => failed("vault", "the vault is locked"),
                    _ => failed("vault-unsure", "a write failed"),
                }
            } else {
                Tell::Ok {}
            }
        }
        ask => usual(ask),
    });
    let refused = run(&world, &["auth", "protect", "--key-file", "--rekey"], "");
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
    assert!(!path.with_extension("key.new").exists());
    assert!(!told(&refused).contains("mv "), "{}", told(&refused));
    // Whether the vault took it is not certain then: it is used again, not replaced.
    let unsure = run(&world, &["auth", "protect", "--key-file", "--rekey"], "");
    assert_eq!(unsure.status.code(), Some(1));
    assert!(told(&unsure).contains("mv "), "{}", told(&unsure));
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
    let left = fs::read_to_string(path.with_extension("key.new")).unwrap();
    let again = run(&world, &["auth", "protect", "--key-file", "--rekey"], "");
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(
        fs::read_to_string(path.with_extension("key.new")).unwrap(),
        left
    );
    let done = run(&world, &["auth", "protect", "--key-file"], "");
    assert_eq!(done.status.code(), Some(0), "{}", told(&done));
    let after = fs::read_to_string(&path).unwrap();
    assert_eq!(after, left);
    assert!(!path.with_extension("key.new").exists());
    assert!(!told(&done).contains(after.trim_end()));
    assert!(asked.lock().unwrap().iter().any(|ask| {
        matches!(ask, Ask::Protect { with: Protect::KeyFile { key }, .. } if key.reveal() == after.trim_end())
    }));
}

#[test]
fn a_locked_vault_is_opened_from_a_pipe_or_a_file() {
    let world = Arc::new(World::new());
    let asked = serve(&world, |ask| match ask {
        Ask::Secrets {} => secrets("locked"),
        Ask::Unlock { passphrase } if passphrase.reveal() != "correct horse" => {
            failed("vault", "the key is wrong")
        }
        ask => usual(ask),
    });
    let wrong = run(&world, &["auth", "unlock"], "wrong horse\n");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(!told(&wrong).contains("horse"));
    let file = world.home().join("p");
    fs::write(&file, "correct horse\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let right = run(
        &world,
        &[
            "auth",
            "unlock",
            "--passphrase-file",
            file.to_str().unwrap(),
        ],
        "",
    );
    assert_eq!(right.status.code(), Some(0), "{}", told(&right));
    let unlocks = asked
        .lock()
        .unwrap()
        .iter()
        .filter(|ask| matches!(ask, Ask::Unlock { .. }))
        .count();
    assert_eq!(unlocks, 2);
}

#[test]
fn what_lies_in_the_open_is_shown_and_stored_on_request() {
    let world = Arc::new(World::new());
    let asked = serve(&world, |ask| match ask {
        Ask::Secrets {} => holding("open", &["fake"]),
        ask => usual(ask),
    });
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join(".codex")).unwrap();
    fs::write(
        folder.path().join(".codex/auth.json"),
        format!("{{\"OPENAI_API_KEY\":\"{KEY}-2\"}}"),
    )
    .unwrap();
    let import = |more: &[&str]| {
        world
            .command(&[&["auth", "import"], more].concat())
            .env("HOME", folder.path())
            .env("ANTHROPIC_API_KEY", KEY)
            .output()
            .unwrap()
    };
    for (words, status) in [(&["--dry-run"][..], 0), (&[], 2)] {
        let output = import(words);
        assert_eq!(output.status.code(), Some(status), "{}", told(&output));
        let shown = told(&output);
        assert!(
            shown.contains("environment: ANTHROPIC_API_KEY") && shown.contains("API key of Codex"),
            "{shown}"
        );
        assert!(!shown.contains(&KEY[10..]), "{shown}");
    }
    assert_eq!(put(&asked), []);
    let output = import(&["--yes"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(told(&output).contains("shred -u") && !told(&output).contains(&KEY[10..]));
    let names: Vec<String> = put(&asked).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["anthropic", "openai"]);
    assert!(
        folder.path().join(".codex/auth.json").exists(),
        "nothing is deleted"
    );
    // The doctor uses the same eyes.
    let doctor = world
        .command(&["doctor", "--json"])
        .env("ANTHROPIC_API_KEY", KEY)
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let line = report["home"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["what"] == "plaintext secrets")
        .unwrap();
    assert_eq!(
        (&line["ok"], &line["warning"]),
        (&true.into(), &true.into())
    );
}

#[test]
fn what_the_vault_has_is_not_replaced_by_what_lies_about() {
    let world = Arc::new(World::new());
    let asked = serve(&world, usual);
    let at = |words: &[&str]| {
        world
            .command(words)
            .env("ANTHROPIC_API_KEY", KEY)
            .output()
            .unwrap()
    };
    let output = at(&["auth", "import", "--yes"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(
        told(&output).contains("in the vault already"),
        "{}",
        told(&output)
    );
    assert_eq!(put(&asked), []);
    let status = told(&at(&["auth", "status"]));
    assert!(
        status.contains("still in the open") && !status.contains("auth import"),
        "{status}"
    );
}

#[test]
fn a_key_is_sent_where_the_kind_of_provider_usually_takes_none() {
    let world = Arc::new(World::new());
    let asked = serve(&world, usual);
    let own = r#"{kind="openai-compatible", base-url="http://127.0.0.1:9/v1"}"#;
    assert_eq!(
        run(&world, &["config", "set", "providers.own", own], "")
            .status
            .code(),
        Some(0)
    );
    let words = ["auth", "api-key", "--provider", "own", "--no-test"];
    let output = run(&world, &words, KEY);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(put(&asked).len(), 1);
    assert_eq!(
        told(&run(&world, &["config", "get", "providers.own.auth"], "")),
        "api-key\n"
    );
    run(&world, &["config", "set", "providers.own.auth", "none"], "");
    assert!(told(&run(&world, &words, KEY)).contains("not sent"));
    assert_eq!(
        told(&run(&world, &["config", "get", "providers.own.auth"], "")),
        "none\n"
    );
}

#[test]
fn a_key_in_the_wrong_place_of_the_command_line_is_not_repeated() {
    let world = World::new();
    for words in [
        &["auth", "api-key", KEY][..],
        &["auth", "api-key", "--name", "x", "--from", "hunter2hunter2"],
        &["auth", "api-key", "--name", KEY],
        &["auth", "rm", KEY],
        &["--json", "auth", "rm", KEY],
        &["chat", "hello", KEY],
    ] {
        let output = run(&world, words, "");
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let shown = told(&output);
        assert!(
            !shown.contains(&KEY[10..]) && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}

#[test]
fn a_second_canary_does_not_take_the_place_of_the_first() {
    let world = Arc::new(World::new());
    let asked = serve(&world, |ask| match ask {
        Ask::Secrets {} => holding("open", &["canary-1", "canary-notes"]),
        ask => usual(ask),
    });
    assert_eq!(
        run(&world, &["auth", "canary", "notes"], "").status.code(),
        Some(2)
    );
    assert_eq!(put(&asked), []);
    assert_eq!(run(&world, &["auth", "canary"], "").status.code(), Some(0));
    assert_eq!(put(&asked)[0].0, "canary-2");
}

#[test]
fn a_canary_is_shown_once_and_may_go_nowhere() {
    let world = Arc::new(World::new());
    let asked = serve(&world, usual);
    let output = run(&world, &["auth", "canary", "notes"], "");
    assert_eq!(output.status.code(), Some(0));
    let bait = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        put(&asked),
        [("canary-notes".to_owned(), key(bait.trim_end()), false)]
    );
}

#[test]
fn removal_is_by_name_and_a_name_that_is_none_is_not_repeated() {
    let world = Arc::new(World::new());
    let asked = serve(&world, usual);
    assert_eq!(
        run(&world, &["auth", "rm", "anthropic"], "").status.code(),
        Some(0)
    );
    assert!(matches!(
        &asked.lock().unwrap()[..],
        [Ask::SecretRemove { .. }]
    ));
    let wrong = run(&world, &["auth", "rm", "Not/A/Name"], "");
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn money_and_sends_and_models_are_shown() {
    let world = Arc::new(World::new());
    serve(&world, |ask| match ask {
        Ask::Usage {} => Tell::Spent {
            budgets: vec![BudgetRow {
                name: "all, each day".to_owned(),
                usd: 2_500_000,
                usd_limit: Some(5_000_000),
                tokens: 0,
                tokens_limit: None,
            }],
            rows: vec![SpentRow {
                day: "2026-11-21".to_owned(),
                model: "anthropic:big-1".to_owned(),
                calls: 3,
                usage: Usage::default(),
                usd: None,
            }],
        },
        Ask::Egress { .. } => Tell::Sends {
            rows: vec![SendRow {
                effect: EffectId::random(),
                at: 1,
                origin: "https://api.example:443".to_owned(),
                purpose: "model".to_owned(),
                session: None,
                secret: Some("anthropic".parse().unwrap()),
                sent: 12_345,
                received: 6,
                outcome: "200\u{1b}[2J".to_owned(),
            }],
        },
        ask => usual(ask),
    });
    let usage = told(&run(&world, &["usage"], ""));
    assert!(
        usage.contains("[##########..........] $2.5000 of $5.0000") && usage.contains("no price"),
        "{usage}"
    );
    let egress = told(&run(&world, &["egress"], ""));
    assert!(
        egress.contains("12.3 kB out, 6 B in") && egress.contains("secret anthropic"),
        "{egress}"
    );
    assert!(
        egress.contains("1 requests") && !egress.contains('\u{1b}'),
        "{egress}"
    );
    let models = told(&run(&world, &["models", "anthropic"], ""));
    assert!(models.contains("anthropic:big-1\n"), "{models}");
}

#[test]
fn a_file_and_a_model_go_with_the_message() {
    let world = World::new();
    let path = world.home().join("picture.png");
    let bytes = [b"\x89PNG\r\n\x1a\n".as_slice(), &vec![7; 300_000]].concat();
    fs::write(&path, &bytes).unwrap();
    let words = [
        "chat",
        "--model",
        "offline",
        "what is it?",
        "--attach",
        path.to_str().unwrap(),
    ];
    let mut command = world.command(&words);
    let run = thread::spawn(move || command.output().unwrap());
    let mut broker = world.accept();
    let id = Digest::of(b"x");
    let mut pieces = Vec::new();
    loop {
        let Some(Ask::Attach { name, piece, last }) = broker.hear() else {
            panic!("the file comes first");
        };
        assert_eq!(name, "picture.png");
        pieces.push(piece.len());
        if last {
            break;
        }
        broker.tell(Tell::Ok {});
    }
    assert_eq!(pieces, [349_528, 50_488]);
    broker.tell(Tell::Attached {
        attachment: Attachment {
            id,
            media_type: MediaType::Png,
            name: "picture.png".to_owned(),
            bytes: bytes.len() as u64,
        },
    });
    let Some(Ask::ChatSend {
        turn,
        route,
        attachments,
        ..
    }) = broker.hear()
    else {
        panic!("then the message");
    };
    assert_eq!((route.as_deref(), attachments), (Some("offline"), vec![id]));
    broker.tell(Tell::Accepted {
        session: fake::session(),
        turn,
    });
    broker.tell(Tell::Notice {
        text: "switched to b because a failed".to_owned(),
    });
    broker.done(turn, TurnEnd::Answered, "a picture");
    let output = run.join().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        told(&output).contains("· switched to b"),
        "{}",
        told(&output)
    );
    let bad = world
        .command(&["chat", "x", "--attach", "/proc/self/exe"])
        .output()
        .unwrap();
    assert_eq!(bad.status.code(), Some(2));
    assert!(
        told(&bad).contains("no PNG") || told(&bad).contains("larger"),
        "{}",
        told(&bad)
    );
}

#[test]
fn a_line_with_a_key_is_not_kept_in_the_history() {
    let world = Arc::new(World::new());
    serve(&world, |ask| match ask {
        Ask::Status {} => status(),
        Ask::ChatSend { turn, .. } => Tell::Done {
            turn: *turn,
            session: fake::session(),
            end: TurnEnd::Answered,
            text: "well".to_owned(),
            usage: Usage::default(),
        },
        ask => usual(ask),
    });
    let mut terminal = Terminal::start(world.command(&["chat"]));
    terminal.until("> ");
    for line in ["an ordinary line", &format!("use {KEY} please")] {
        terminal.type_in(&format!("{line}\r"));
        terminal.until("│ well");
        terminal.until("> ");
    }
    terminal.type_in("/api-key something\r");
    terminal.until("no command");
    terminal.until("> ");
    terminal.type_in("/exit\r");
    assert!(terminal.child.wait().unwrap().success());
    let history = fs::read_to_string(world.home().join("history")).unwrap();
    assert!(history.contains("an ordinary line"), "{history}");
    assert!(
        !history.contains("sk-ant") && !history.contains("something"),
        "{history}"
    );
}

fn status() -> Tell {
    Tell::Status {
        route: "anthropic:big-1".to_owned(),
        workers: Vec::new(),
        labels: Vec::new(),
        turns: 0,
        questions: 0,
        unknown: 0,
        audit: 0,
        frozen: false,
        vault: "locked".to_owned(),
        resting: vec!["openai:big-2".to_owned()],
        violations: 0,
    }
}

#[test]
fn the_status_of_everything_names_the_vault() {
    let world = Arc::new(World::new());
    serve(&world, |_| status());
    let shown = told(&run(&world, &["status"], ""));
    assert!(
        shown.contains("vault       LOCKED: `carapace auth unlock`"),
        "{shown}"
    );
    assert!(shown.contains("RESTING     openai:big-2"), "{shown}");
}

#[test]
fn setup_without_a_terminal_asks_nothing_and_says_what_it_would() {
    let world = Arc::new(World::new());
    let before = fs::read_to_string(world.home().join("config.toml")).unwrap();
    let output = run(&world, &["setup"], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("--provider") && told(&output).contains("nothing was changed"));
    assert_eq!(
        fs::read_to_string(world.home().join("config.toml")).unwrap(),
        before
    );
    let asked = serve(&world, usual);
    let words = [
        "setup",
        "--non-interactive",
        "--provider",
        "anthropic",
        "--model",
        "big-1",
        "--no-chat",
    ];
    let output = run(&world, &words, KEY);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(put(&asked).len(), 1);
    let route = run(&world, &["config", "get", "model.route"], "");
    assert_eq!(told(&route), "anthropic:big-1\n");
    // Without a key on standard input the stored one stays.
    let again = run(&world, &words, "");
    assert_eq!(again.status.code(), Some(0), "{}", told(&again));
    assert_eq!(put(&asked).len(), 1);
    let both = run(
        &world,
        &[&words[..], &["--protect", "passphrase"]].concat(),
        KEY,
    );
    assert_eq!(both.status.code(), Some(2));
    assert!(told(&both).contains("--passphrase-file"), "{}", told(&both));
    let budget = run(&world, &[&words[..], &["--budget", "5"]].concat(), KEY);
    assert_eq!(budget.status.code(), Some(2));
    assert!(told(&budget).contains("no price"), "{}", told(&budget));
}

#[test]
fn the_wizard_goes_from_nothing_to_a_model() {
    let world = Arc::new(World::new());
    let asked = serve(&world, usual);
    let mut terminal = Terminal::start(world.command(&["setup", "--no-chat"]));
    let list = terminal.until("number [1] ");
    let line = list
        .lines()
        .find(|line| line.ends_with(" Anthropic"))
        .unwrap();
    let number = line.split_whitespace().next().unwrap().to_owned();
    terminal.type_in(&format!("{number}\r"));
    terminal.until("key for anthropic: ");
    terminal.type_in(&format!("{KEY}\r"));
    terminal.until("Which model of anthropic?");
    terminal.until("small-1");
    terminal.until("as it is) ");
    terminal.type_in("2\r");
    terminal.until("anthropic:small-1 answers from now on");
    terminal.until("no budget is set");
    assert!(terminal.child.wait().unwrap().success());
    assert_eq!(put(&asked), [("anthropic".to_owned(), key(KEY), false)]);
    let route = run(&world, &["config", "get", "model.route"], "");
    assert_eq!(told(&route), "anthropic:small-1\n");
}
