//! A supervisor that says it runs, and a broker that does what a test tells it: the two sockets of
//! a home, served from threads.

use carapace_contract::control::{Ask, QuestionCard, Tell, TurnEnd};
use carapace_contract::effects::Effects;
use carapace_contract::id::{Code, SessionId, TurnId};
use carapace_contract::model::Usage;
use carapace_contract::verdict::Reason;
use carapace_ipc_proto::link::{self, Receiver, Sender};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A home with both sockets.
pub struct World {
    folder: tempfile::TempDir,
    broker: UnixListener,
}

impl World {
    /// A fresh home; the supervisor answers `status` for as long as the test lives.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("h");
        let made = Command::new(program())
            .arg("--home")
            .arg(&home)
            .args(["config", "show"])
            .stdout(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        let supervisor = UnixListener::bind(home.join("run/supervisor.sock")).unwrap();
        let broker = UnixListener::bind(home.join("run/control.sock")).unwrap();
        std::thread::spawn(move || {
            for stream in supervisor.incoming() {
                let mut stream = stream.unwrap();
                let mut word = String::new();
                let _ = BufReader::new(&stream).read_line(&mut word);
                let _ = stream.write_all(b"{\"state\":\"running\",\"pid\":1,\"level\":\"waived\",\"waived\":[\"landlock\"]}\n");
            }
        });
        Self { folder, broker }
    }

    pub fn home(&self) -> PathBuf {
        self.folder.path().join("h")
    }

    /// The program, pointed at this home.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .arg("--home")
            .arg(self.home())
            .args(words)
            .env_clear()
            .stdin(Stdio::null());
        command
    }

    /// The next conversation that the program opens.
    pub fn accept(&self) -> Conversation {
        let (stream, _) = self.broker.accept().unwrap();
        let (hear, say) = link::open(stream.try_clone().unwrap(), stream).unwrap();
        Conversation { hear, say }
    }

    /// The next conversation, which begins with a message; it is accepted.
    pub fn accept_turn(&self) -> (Conversation, TurnId) {
        let mut conversation = self.accept();
        let Some(Ask::ChatSend { turn, .. }) = conversation.hear() else {
            panic!("a message comes first");
        };
        conversation.tell(Tell::Accepted {
            session: session(),
            turn,
        });
        (conversation, turn)
    }
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_carapace"))
}

/// The broker's end of one connection.
pub struct Conversation {
    hear: Receiver<UnixStream>,
    say: Sender<UnixStream>,
}

impl Conversation {
    /// What the program asks next, looks at the status left out; `None` where it went away.
    pub fn hear(&mut self) -> Option<Ask> {
        loop {
            match self.hear_any()? {
                Ask::Status {} => {}
                ask => return Some(ask),
            }
        }
    }

    /// What the program asks next.
    pub fn hear_any(&mut self) -> Option<Ask> {
        let frame = self.hear.receive().ok()?;
        Some(serde_json::from_slice(&frame).unwrap())
    }

    /// Tells it; false where the program has gone.
    pub fn tell_if_there(&mut self, tell: Tell) -> bool {
        self.say.send(&serde_json::to_vec(&tell).unwrap()).is_ok()
    }

    pub fn tell(&mut self, tell: Tell) {
        assert!(self.tell_if_there(tell), "the program has gone");
    }

    pub fn delta(&mut self, text: &str) {
        self.tell(Tell::Delta {
            text: text.to_owned(),
        });
    }

    pub fn done(&mut self, turn: TurnId, end: TurnEnd, text: &str) {
        self.tell(Tell::Done {
            turn,
            session: session(),
            end,
            text: text.to_owned(),
            usage: Usage::default(),
        });
    }
}

pub fn session() -> SessionId {
    SessionId::from_bytes([7; 16])
}

/// An open question of this turn.
pub fn question(turn: TurnId) -> QuestionCard {
    QuestionCard {
        code: Code::random(),
        session: session(),
        turn,
        tool: "exec".parse().unwrap(),
        title: "run a command".to_owned(),
        fields: vec![("argv".to_owned(), "[\"uname\"]".to_owned())],
        reasons: vec![Reason::new("not-granted", "no grant covers it")],
        effects: Effects::worst_case(),
        expires: i64::from(i32::MAX),
        digest: "ab".repeat(32),
        state: "open".to_owned(),
        approver: None,
        parts: 0,
    }
}
