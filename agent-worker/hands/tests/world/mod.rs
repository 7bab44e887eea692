//! A broker as small as a test needs: one end of a channel, and the words on it.

#![allow(dead_code, reason = "each test program uses its part")]

use carapace_hands::workspace::{Root, Workspace};
use carapace_ipc_proto::link::{self, Receiver, Sender};
use carapace_ipc_proto::words::{Cancel, Invoke, Reply, Request, Shutdown, Word};
use serde_json::Value;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// No case of these tests needs a part of it; a case that hangs ends with a message.
const PATIENCE: Duration = Duration::from_secs(60);

/// The broker's end.
pub struct Broker {
    receiver: Receiver<UnixStream>,
    sender: Sender<UnixStream>,
    calls: u32,
    /// Reports that came while another was waited for.
    early: Vec<Request>,
}

/// What a call came to: its text, or code and message.
pub type Outcome = Result<String, (String, String)>;

impl Broker {
    /// Opens the link on this end.
    pub fn on(channel: UnixStream) -> Self {
        channel
            .set_read_timeout(Some(PATIENCE))
            .expect("a socket takes a time limit");
        let copy = channel.try_clone().expect("a descriptor");
        let (receiver, sender) = link::open(copy, channel).expect("the link opens");
        Self {
            receiver,
            sender,
            calls: 0,
            early: Vec::new(),
        }
    }

    pub fn say(&mut self, word: Word) {
        for frame in word.frames() {
            self.sender.send(&frame).expect("the channel is open");
        }
    }

    /// The next request.
    pub fn hear(&mut self) -> Request {
        let frame = self.receiver.receive().expect("a request comes");
        Request::decode_claim(&frame)
            .expect("a request")
            .into_alleged()
    }

    /// Begins a call and returns its name.
    pub fn begin(&mut self, tool: &str, arguments: &Value, seconds: u32, ipc: bool) -> String {
        self.calls += 1;
        let call = format!("c{}", self.calls);
        self.say(Word::Invoke(Invoke {
            call: call.clone(),
            tool: tool.to_owned(),
            arguments: arguments.to_string().into_bytes(),
            seconds,
            ipc,
        }));
        call
    }

    /// The outcome of a call that was begun.
    pub fn outcome(&mut self, call: &str) -> Outcome {
        loop {
            let early = self
                .early
                .iter()
                .position(|report| report.correlation == call);
            let report = match early {
                Some(at) => self.early.remove(at),
                None => self.hear(),
            };
            assert_eq!(
                (report.topic.as_str(), report.within.as_str()),
                ("report", ""),
                "{report:?}"
            );
            if report.correlation != call {
                self.early.push(report);
                continue;
            }
            let report: Value =
                serde_json::from_slice(&report.arguments).expect("a report is JSON");
            return match (report["ok"]["text"].as_str(), &report["error"]) {
                (Some(text), Value::Null) => Ok(text.to_owned()),
                (None, error) => {
                    let field = |name: &str| {
                        error[name]
                            .as_str()
                            .expect("an error has code and message")
                            .to_owned()
                    };
                    Err((field("code"), field("message")))
                }
                _ => panic!("both a result and an error: {report}"),
            };
        }
    }

    /// A call from its beginning to its outcome.
    pub fn call(&mut self, tool: &str, arguments: Value) -> Outcome {
        let call = self.begin(tool, &arguments, 30, false);
        self.outcome(&call)
    }

    /// A call that must succeed.
    pub fn done(&mut self, tool: &str, arguments: Value) -> String {
        let shown = arguments.to_string();
        self.call(tool, arguments)
            .unwrap_or_else(|error| panic!("{tool} {shown}: {error:?}"))
    }

    /// A call that must be refused; code and message in one text.
    pub fn refused(&mut self, tool: &str, arguments: Value) -> String {
        let shown = arguments.to_string();
        match self.call(tool, arguments) {
            Ok(text) => panic!("{tool} {shown}: {text}"),
            Err((code, message)) => format!("{code}: {message}"),
        }
    }

    pub fn cancel(&mut self, call: &str) {
        self.say(Word::Cancel(Cancel {
            call: call.to_owned(),
        }));
    }

    /// Answers a request of a program inside.
    pub fn reply(&mut self, request: &Request, json: &str) {
        self.say(Word::Result(Reply {
            correlation: request.correlation.clone(),
            json: json.as_bytes().to_vec(),
            more: false,
            within: request.within.clone(),
        }));
    }

    pub fn shut_down(&mut self) {
        self.say(Word::Shutdown(Shutdown {}));
    }
}

/// Hands in this process, with `/workspace` and `/mnt` in a directory that is removed.
pub struct Hands {
    pub broker: Broker,
    pub top: TempDir,
}

impl Hands {
    pub fn new() -> Self {
        let top = TempDir::new().expect("a temporary directory");
        for name in ["workspace", "mnt", "mnt/shown"] {
            fs::create_dir(top.path().join(name)).expect("a directory");
        }
        fs::write(top.path().join("secret"), "secret").expect("a file");
        let root = |name: &str| Root {
            seen_as: format!("/{name}"),
            at: top.path().join(name),
        };
        let workspace = Workspace::new(vec![root("workspace"), root("mnt")]);
        let (mine, theirs) = UnixStream::pair().expect("a socket pair");
        std::thread::spawn(move || {
            carapace_hands::serve(fs::File::from(OwnedFd::from(theirs)), workspace)
        });
        Self {
            broker: Broker::on(mine),
            top,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.top.path().join("workspace").join(name)
    }

    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        fs::write(path, content).expect("a file");
    }
}
