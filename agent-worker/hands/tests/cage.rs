//! The real program in a real cage. One thread, because a cage is started from a process with one;
//! so this is a harness of its own. The cases run as the caller and, when that is root, once more as
//! an ordinary user.

mod world;

use carapace_jail::config::CageConfig;
use carapace_jail::exit::{self, Cause};
use carapace_jail::report::{self, Line};
use carapace_jail::{CageSpec, Caged, ProfileName, attest, open_program, spawn};
use serde_json::json;
use std::fs::{self, File};
use std::io::{PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use world::Broker;

/// A case: its name, and what it does; it panics when it fails.
type Case = (&'static str, fn(&mut Cage));

const CASES: &[Case] = &[
    ("files_are_written_and_read", files_are_written_and_read),
    ("programs_run", programs_run),
    ("a_program_gets_no_channel", a_program_gets_no_channel),
    ("programs_ask_through_ipc", programs_ask_through_ipc),
    ("the_broker_ends_it", the_broker_ends_it),
];

fn files_are_written_and_read(cage: &mut Cage) {
    let broker = &mut cage.broker;
    assert_eq!(broker.done("list", json!({})), "[the directory is empty]");
    broker.done(
        "write",
        json!({"path": "notes/a.md", "content": "one\ntwo\n"}),
    );
    assert_eq!(
        broker.done("read", json!({"path": "/workspace/notes/a.md"})),
        "one\ntwo\n"
    );
    broker.done(
        "edit",
        json!({"path": "notes/a.md", "old": "two", "new": "three"}),
    );
    assert_eq!(
        broker.done("search", json!({"pattern": "^th"})),
        "notes/a.md:2: three"
    );
    assert_eq!(
        broker.done("list", json!({"depth": 2})),
        "notes/\nnotes/a.md  10 bytes"
    );
    let outside = broker.refused("read", json!({"path": "/etc/passwd"}));
    assert!(outside.contains("outside the workspace"), "{outside}");
}

fn programs_run(cage: &mut Cage) {
    let broker = &mut cage.broker;
    let said = broker.done(
        "exec",
        json!({"argv": ["bash", "-c", "pwd; echo $HOME $LANG; id -u >&2; exit 3"]}),
    );
    assert!(
        said.starts_with("/workspace\n/tmp C.UTF-8\n[stderr]\n")
            && said.ends_with("[exit status 3]"),
        "{said}"
    );
    assert_eq!(
        broker.done("exec", json!({"argv": ["cat"], "stdin": "given\n"})),
        "given\n[exit status 0]"
    );
    assert!(
        broker
            .refused("exec", json!({"argv": ["no-such-program"]}))
            .contains("cannot be started")
    );
    let killed = broker.done(
        "exec",
        json!({"argv": ["bash", "-c", "echo begun; sleep 1000"], "seconds": 1}),
    );
    assert!(
        killed.starts_with("begun\n[stopped: it was not done after 1 s"),
        "{killed}"
    );
    // What left its group does not outlive the last call.
    broker.done(
        "exec",
        json!({"argv": ["setsid", "--fork", "sleep", "1000"]}),
    );
    let left = broker.done("exec", json!({"argv": ["pgrep", "-c", "sleep"]}));
    assert_eq!(left, "0\n[exit status 1]");
}

fn a_program_gets_no_channel(cage: &mut Cage) {
    let said = cage
        .broker
        .done("exec", json!({"argv": ["ls", "/proc/self/fd"]}));
    assert_eq!(said, "0\n1\n2\n3\n[exit status 0]");
    let said = cage.broker.done("exec", json!({"argv": ["env"]}));
    assert_eq!(said.lines().count(), 4, "{said}");
}

fn programs_ask_through_ipc(cage: &mut Cage) {
    let broker = &mut cage.broker;
    let script = "ipc tool.invoke.math_eval '{\"expression\": \"6*7\"}' && ipc model.complete '{}'; echo $?; ipc; echo $?";
    let call = broker.begin("exec", &json!({"argv": ["bash", "-c", script]}), 30, true);
    let asked = broker.hear();
    assert_eq!(
        (asked.topic.as_str(), asked.within.as_str()),
        ("tool.invoke.math_eval", call.as_str())
    );
    assert_eq!(asked.arguments, br#"{"expression": "6*7"}"#);
    broker.reply(&asked, r#"{"text":"42"}"#);
    let said = broker.outcome(&call).expect("the script ends");
    // Two streams come side by side: only what each says is certain.
    for part in [
        "{\"text\":\"42\"}\n",
        "{\"code\":\"UNKNOWN_TOOL\"",
        "usage: ipc TOPIC",
        "[exit status 0]",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert!(said.contains("\n1\n") && said.contains("\n2\n"), "{said}");
    // Without it there is no command and no descriptor.
    let said = broker.done(
        "exec",
        json!({"argv": ["bash", "-c", "ipc tool.list; /carapace/ipc tool.list; ls /proc/self/fd"]}),
    );
    assert!(
        said.contains("command not found")
            && said.contains("may not use ipc")
            && said.ends_with("0\n1\n2\n3\n[exit status 0]"),
        "{said}"
    );
    // Many at once, each with its own answer.
    let script = "for i in 1 2 3 4 5 6; do ipc tool.invoke.echo \"{\\\"n\\\": $i}\" > out.$i & done; wait; cat out.*";
    let call = broker.begin("exec", &json!({"argv": ["bash", "-c", script]}), 30, true);
    for _ in 0..6 {
        let asked = broker.hear();
        let arguments = String::from_utf8(asked.arguments.clone()).expect("text");
        broker.reply(&asked, &arguments);
    }
    let said = broker.outcome(&call).expect("the script ends");
    assert_eq!(
        said,
        "{\"n\": 1}\n{\"n\": 2}\n{\"n\": 3}\n{\"n\": 4}\n{\"n\": 5}\n{\"n\": 6}\n[exit status 0]"
    );
}

fn the_broker_ends_it(cage: &mut Cage) {
    cage.broker
        .begin("exec", &json!({"argv": ["sleep", "1000"]}), 1000, false);
    cage.broker.shut_down();
}

struct Cage {
    broker: Broker,
    caged: Caged,
    log: PipeReader,
}

impl Cage {
    fn start(program: &Path, workspace: &Path) -> Self {
        let program = open_program(program).expect("the program is there");
        let (mine, theirs) = UnixStream::pair().expect("a socket pair");
        let (log, log_write) = std::io::pipe().expect("a pipe");
        let config = CageConfig::default();
        let caged = spawn(CageSpec {
            profile: ProfileName::Hands,
            program: program.as_fd(),
            argv: vec![c"carapace-hands".to_owned()],
            fds: vec![(OwnedFd::from(theirs), 3)],
            log: OwnedFd::from(log_write),
            workspace: Some(workspace.to_owned()),
            state: None,
            home: None,
            // Processes are counted per user id: not that of another test's cages.
            slot: std::process::id(),
            config: &config,
        })
        .expect("the cage starts");
        let mut report = File::from(caged.report.try_clone().expect("a descriptor"));
        let mut bytes = Vec::new();
        let mut buffer = [0; 512];
        let line = loop {
            match report.read(&mut buffer) {
                Ok(0) => break report::parse(&bytes),
                Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    std::thread::yield_now()
                }
                Err(error) => panic!("reading the report: {error}"),
            }
        };
        assert_eq!(line, Some(Line::Ready));
        attest::attest(caged.pid, &caged.expected).expect("the attestation passes");
        Self {
            broker: Broker::on(mine),
            caged,
            log,
        }
    }

    fn end(self) {
        let Self {
            broker,
            caged,
            mut log,
        } = self;
        drop(broker);
        let mut text = String::new();
        log.read_to_string(&mut text).expect("reading the log");
        let status = caged.wait().expect("reaping");
        assert_eq!((exit::classify(status), text.as_str()), (Cause::Clean, ""));
    }
}

/// Nobody else's, because processes are counted per user id.
const ORDINARY_USER: u32 = 64_321;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let who = if is_root { "root" } else { "user" };
    if arguments.iter().any(|word| word == "--list") {
        for (name, _) in CASES {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    // As the supervisor is: not dumpable, under the filter that every cage inherits.
    carapace_jail::lock::supervisor().expect("the supervisor's lock");
    let top =
        std::env::temp_dir().join(format!("carapace-hands-test-{who}-{}", std::process::id()));
    fs::create_dir_all(&top).expect("the temporary directory is writable");
    let program = std::env::var_os("HANDS_PROGRAM").map_or_else(
        || PathBuf::from(env!("CARGO_BIN_EXE_carapace-hands")),
        PathBuf::from,
    );
    let mut failed = 0;
    for (name, case) in CASES {
        if arguments
            .iter()
            .any(|word| !word.starts_with('-') && !name.contains(word.as_str()))
        {
            continue;
        }
        let workspace = top.join(name);
        fs::create_dir(&workspace).expect("a directory");
        let outcome = std::panic::catch_unwind(|| {
            let mut cage = Cage::start(&program, &workspace);
            case(&mut cage);
            cage.end();
        });
        println!(
            "test {who}::{name} ... {}",
            if outcome.is_ok() { "ok" } else { "FAILED" }
        );
        failed += u32::from(outcome.is_err());
    }
    if is_root {
        failed += u32::from(!run_as_user(&top, &program, &arguments));
    }
    let _ = fs::remove_dir_all(&top);
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The same cases by a copy of this executable, as an ordinary user with a directory of its own.
fn run_as_user(top: &Path, program: &Path, arguments: &[String]) -> bool {
    let own = top.join("user");
    fs::create_dir(&own).expect("a directory");
    for (from, name) in [
        (Path::new("/proc/self/exe"), "cage"),
        (program, "carapace-hands"),
    ] {
        fs::copy(from, own.join(name)).expect("copying a program");
        fs::set_permissions(own.join(name), fs::Permissions::from_mode(0o755)).expect("modes");
    }
    std::os::unix::fs::chown(&own, Some(ORDINARY_USER), Some(ORDINARY_USER)).expect("owners");
    let status = Command::new(own.join("cage"))
        .args(arguments)
        .env("TMPDIR", &own)
        .env("HANDS_PROGRAM", own.join("carapace-hands"))
        .current_dir(&own)
        .gid(ORDINARY_USER)
        .uid(ORDINARY_USER)
        .status();
    status.expect("starting as an ordinary user").success()
}
