//! The real program in a real cage, driven as the broker does. One thread, because a cage is
//! started from a process with one; so this is a harness of its own. The cases run as the caller
//! and, when that is root, once more as an ordinary user.

use carapace_ipc_proto::error::{Code, ErrorWord};
use carapace_ipc_proto::link::{self, Receiver, Sender};
use carapace_ipc_proto::words::{Cancel, Joiner, Part, Reply, Request, Shutdown, Word};
use carapace_jail::config::CageConfig;
use carapace_jail::exit::{self, Cause};
use carapace_jail::report::{self, Line};
use carapace_jail::{CageSpec, Caged, ProfileName, attest, open_program, spawn};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// A case: its name, and what it does; it panics when it fails.
type Case = (&'static str, fn(&mut Mind));

const CASES: &[Case] = &[
    (
        "a_turn_with_tools_is_answered",
        a_turn_with_tools_is_answered,
    ),
    (
        "a_model_that_is_silent_ends_by_the_clock",
        a_model_that_is_silent_ends_by_the_clock,
    ),
    (
        "a_failed_request_is_tried_again",
        a_failed_request_is_tried_again,
    ),
    (
        "a_turn_is_cancelled_and_the_next_begins",
        a_turn_is_cancelled_and_the_next_begins,
    ),
    (
        "a_long_conversation_crosses_in_parts",
        a_long_conversation_crosses_in_parts,
    ),
    ("it_ends_when_told", it_ends_when_told),
];

fn a_turn_with_tools_is_answered(mind: &mut Mind) {
    mind.turn("list the files", 60);
    let asked = mind.hear("model.complete");
    let completion = arguments(&asked);
    assert_eq!(completion["tools"], json!(["list"]));
    assert_eq!(completion["messages"][0]["role"], "system");
    assert_eq!(completion["messages"][1]["content"], "list the files");
    let call = |id: &str, name: &str| json!({"id": id, "name": name, "arguments": {}});
    mind.answer(&asked, json!({"text": "", "tool_calls": [call("a", "list"), call("b", "list")], "stop": "tool-calls"}));
    let (first, second) = (mind.hear("tool.invoke.list"), mind.hear("tool.invoke.list"));
    assert_eq!(
        (first.correlation.as_str(), second.correlation.as_str()),
        ("t0.0", "t0.1")
    );
    mind.refuse(
        &second,
        ErrorWord::new(Code::Unauthorized, 4, "not granted"),
    );
    mind.answer(&first, json!({"text": "a.txt"}));
    let asked = mind.hear("model.complete");
    let messages = arguments(&asked)["messages"].clone();
    assert!(
        messages[3]["content"]
            .as_str()
            .is_some_and(|text| text.contains("a.txt")),
        "{messages}"
    );
    assert!(
        messages[4]["content"]
            .as_str()
            .is_some_and(|text| text.contains("error UNAUTHORIZED: not granted")),
        "{messages}"
    );
    mind.answer(&asked, json!({"text": "There is a.txt.", "stop": "end"}));
    let said = mind.hear("say");
    assert_eq!(arguments(&said)["text"], "There is a.txt.");
    mind.answer(&said, json!({}));
    mind.reported("answered");
}

fn a_model_that_is_silent_ends_by_the_clock(mind: &mut Mind) {
    mind.turn("hello", 1);
    mind.hear("model.complete");
    mind.reported("limit");
}

fn a_failed_request_is_tried_again(mind: &mut Mind) {
    mind.turn("hello", 60);
    let asked = mind.hear("model.complete");
    mind.refuse(
        &asked,
        ErrorWord::new(Code::ProviderError, 6, "busy").after(0),
    );
    let asked = mind.hear("model.complete");
    assert_eq!(asked.correlation, "m2");
    mind.refuse(
        &asked,
        ErrorWord {
            retriable: false,
            ..ErrorWord::new(Code::ProviderError, 6, "no such model")
        },
    );
    let text = mind.reported("failed");
    assert!(text.contains("no such model"), "{text}");
}

fn a_turn_is_cancelled_and_the_next_begins(mind: &mut Mind) {
    mind.turn("one", 60);
    let late = mind.hear("model.complete");
    mind.say(Word::Cancel(Cancel {
        call: String::new(),
    }));
    mind.reported("cancelled");
    mind.turn("two", 60);
    mind.refuse(
        &late,
        ErrorWord::new(Code::Cancelled, 6, "the turn was cancelled"),
    );
    let asked = mind.hear("model.complete");
    assert_eq!(arguments(&asked)["messages"][1]["content"], "two");
}

fn a_long_conversation_crosses_in_parts(mind: &mut Mind) {
    let long = "x".repeat(3 * 1024 * 1024);
    mind.turn(&long, 60);
    let asked = mind.hear("model.complete");
    assert_eq!(
        arguments(&asked)["messages"][1]["content"]
            .as_str()
            .map(str::len),
        Some(long.len())
    );
    mind.answer(&asked, json!({"text": "\n".repeat(200_000), "stop": "end"}));
    let said = mind.hear("say");
    mind.answer(&said, json!({}));
    mind.reported("answered");
}

fn it_ends_when_told(mind: &mut Mind) {
    mind.say(Word::Shutdown(Shutdown {}));
}

fn arguments(request: &Request) -> Value {
    serde_json::from_slice(&request.arguments).expect("arguments are JSON")
}

struct Mind {
    receiver: Receiver<UnixStream>,
    sender: Sender<UnixStream>,
    caged: Caged,
    log: PipeReader,
}

impl Mind {
    fn start(program: &Path) -> Self {
        let program = open_program(program).expect("the program is there");
        let (mine, theirs) = UnixStream::pair().expect("a socket pair");
        let (log, log_write) = std::io::pipe().expect("a pipe");
        let config = CageConfig::default();
        let caged = spawn(CageSpec {
            profile: ProfileName::Worker,
            program: program.as_fd(),
            argv: vec![c"carapace-worker".to_owned()],
            fds: vec![(OwnedFd::from(theirs), 3)],
            log: OwnedFd::from(log_write),
            workspace: None,
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
        mine.set_read_timeout(Some(Duration::from_secs(60)))
            .expect("a time limit");
        let (receiver, sender) =
            link::open(mine.try_clone().expect("a descriptor"), mine).expect("the link opens");
        Self {
            receiver,
            sender,
            caged,
            log,
        }
    }

    fn say(&mut self, word: Word) {
        for frame in word.frames() {
            self.sender.send(&frame).expect("the channel is open");
        }
    }

    fn turn(&mut self, text: &str, seconds: u64) {
        let turn = json!({
            "history": [{"role": "user", "content": text}],
            "tools": [{"name": "list", "description": "List files."}],
            "limits": {"rounds": 8, "seconds": seconds, "tokens": 100_000},
        });
        self.say(Word::Turn(Part {
            json: turn.to_string().into_bytes(),
            more: false,
        }));
    }

    /// The next request, which must be of this topic.
    fn hear(&mut self, topic: &str) -> Request {
        let mut joiner = Joiner::default();
        loop {
            let frame = self.receiver.receive().expect("a request comes");
            let part = Request::decode_claim(&frame)
                .expect("a request")
                .into_alleged();
            assert_eq!(
                part.topic,
                topic,
                "{}",
                String::from_utf8_lossy(&part.arguments)
            );
            if let Some(arguments) = joiner
                .take(part.arguments, part.more)
                .expect("parts within the limit")
            {
                return Request {
                    topic: part.topic,
                    correlation: part.correlation,
                    arguments,
                    more: false,
                    within: part.within,
                };
            }
        }
    }

    fn answer(&mut self, request: &Request, result: Value) {
        self.say(Word::Result(Reply {
            correlation: request.correlation.clone(),
            json: result.to_string().into_bytes(),
            more: false,
            within: String::new(),
        }));
    }

    fn refuse(&mut self, request: &Request, error: ErrorWord) {
        self.say(Word::error(&request.correlation, "", &error));
    }

    /// The report, which must say this; gives its text.
    fn reported(&mut self, end: &str) -> String {
        let report = self.hear("report");
        let said = arguments(&report);
        assert_eq!(said["end"], end, "{said}");
        self.answer(&report, json!({}));
        said["text"].as_str().unwrap_or_default().to_owned()
    }

    fn end(self) {
        let Self {
            receiver,
            sender,
            caged,
            mut log,
        } = self;
        drop((receiver, sender));
        let mut text = String::new();
        log.read_to_string(&mut text).expect("reading the log");
        let status = caged.wait().expect("reaping");
        assert_eq!((exit::classify(status), text.as_str()), (Cause::Clean, ""));
    }
}

/// Nobody else's, because processes are counted per user id.
const ORDINARY_USER: u32 = 64_322;

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
    let program = std::env::var_os("WORKER_PROGRAM").map_or_else(
        || PathBuf::from(env!("CARGO_BIN_EXE_carapace-worker")),
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
        let outcome = std::panic::catch_unwind(|| {
            let mut mind = Mind::start(&program);
            case(&mut mind);
            mind.end();
        });
        println!(
            "test {who}::{name} ... {}",
            if outcome.is_ok() { "ok" } else { "FAILED" }
        );
        failed += u32::from(outcome.is_err());
    }
    if is_root {
        failed += u32::from(!run_as_user(&program, &arguments));
    }
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The same cases by a copy of this executable, as an ordinary user.
fn run_as_user(program: &Path, arguments: &[String]) -> bool {
    let own = std::env::temp_dir().join(format!("carapace-worker-test-{}", std::process::id()));
    fs::create_dir_all(&own).expect("the temporary directory is writable");
    for (from, name) in [
        (Path::new("/proc/self/exe"), "cage"),
        (program, "carapace-worker"),
    ] {
        fs::copy(from, own.join(name)).expect("copying a program");
        fs::set_permissions(own.join(name), fs::Permissions::from_mode(0o755)).expect("modes");
    }
    std::os::unix::fs::chown(&own, Some(ORDINARY_USER), Some(ORDINARY_USER)).expect("owners");
    let status = Command::new(own.join("cage"))
        .args(arguments)
        .env("WORKER_PROGRAM", own.join("carapace-worker"))
        .current_dir(&own)
        .gid(ORDINARY_USER)
        .uid(ORDINARY_USER)
        .status();
    let passed = status.expect("starting as an ordinary user").success();
    let _ = fs::remove_dir_all(&own);
    passed
}
