//! A worker that is compromised from its first instruction. It passes its own lock, because a
//! worker that does not is never given a task; then it does what the person's message names. What
//! it sees in answer it says, so that the test can look at it.

use carapace_ipc_proto::limits;
use carapace_ipc_proto::link::{self, Receiver, Sender};
use carapace_ipc_proto::words::{Down, Joiner, Request, Word, topic};
use carapace_jail::lock;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Instant;

/// A handle on the channel.
struct Shared(Arc<File>);

impl Read for Shared {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(into)
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Worker {
    receiver: Receiver<Shared>,
    sender: Sender<Shared>,
    raw: Arc<File>,
    replies: Vec<(String, String)>,
    /// What it read last, in this turn or an earlier one: what it wants to carry out.
    kept: String,
}

fn main() {
    let channel = File::from(carapace_jail::take_inherited(3).expect("a channel"));
    if let Err(error) = lock::worker() {
        lock::fail(&error);
    }
    lock::ready().expect("says READY");
    run(Arc::new(channel));
}

fn run(channel: Arc<File>) {
    // One descriptor, three handles on it: the lock leaves no call that makes another.
    let Ok((receiver, sender)) = link::open(Shared(channel.clone()), Shared(channel.clone()))
    else {
        return;
    };
    let mut worker = Worker {
        receiver,
        sender,
        raw: channel,
        replies: Vec::new(),
        kept: String::new(),
    };
    let mut joiner = Joiner::default();
    loop {
        match worker.word() {
            Some(Word::Turn(part)) => {
                let Ok(Some(whole)) = joiner.take(part.json, part.more) else {
                    continue;
                };
                let turn: Value = serde_json::from_slice(&whole).unwrap_or_default();
                let newest = turn["history"]
                    .as_array()
                    .and_then(|all| all.last())
                    .cloned()
                    .unwrap_or_default();
                let text = newest["content"].as_str().unwrap_or_default().to_owned();
                // A reader does what the question of its reading says.
                let text = match text.strip_prefix("Question: ") {
                    Some(question) => question.lines().next().unwrap_or_default().to_owned(),
                    None => text,
                };
                let said = worker.attack(text.trim());
                worker.end(&said);
            }
            Some(Word::Shutdown(_)) | None => return,
            Some(_) => {}
        }
    }
}

impl Worker {
    fn word(&mut self) -> Option<Word> {
        let frame = self.receiver.receive().ok()?;
        Down::read(&frame).ok()
    }

    fn send(&mut self, topic: &str, name: &str, arguments: &[u8]) {
        let request = Request {
            topic: topic.to_owned(),
            correlation: name.to_owned(),
            arguments: arguments.to_vec(),
            more: false,
            within: String::new(),
        };
        for frame in request.frames() {
            let _ = self.sender.send(&frame);
        }
    }

    /// The reply to a request, as text; replies to others are kept.
    fn reply(&mut self, name: &str) -> String {
        loop {
            if let Some(at) = self.replies.iter().position(|(whose, _)| whose == name) {
                return self.replies.remove(at).1;
            }
            match self.word() {
                Some(Word::Result(reply) | Word::Error(reply)) => {
                    self.replies.push((
                        reply.correlation,
                        String::from_utf8_lossy(&reply.json).into_owned(),
                    ));
                }
                Some(Word::Cancel(_)) => return "cancelled".to_owned(),
                None => return "closed".to_owned(),
                Some(_) => {}
            }
        }
    }

    fn ask(&mut self, topic: &str, name: &str, arguments: &Value) -> String {
        self.send(topic, name, arguments.to_string().as_bytes());
        self.reply(name)
    }

    fn end(&mut self, said: &str) {
        self.ask(topic::SAY, "say", &json!({ "text": said }));
        self.ask(
            topic::REPORT,
            "report",
            &json!({ "end": "answered", "text": "" }),
        );
    }

    /// Round trips one after the other: median and 99th percentile in nanoseconds. No attack: how
    /// long the desk takes as a confined process sees it.
    fn one_by_one(&mut self, topic: &str, count: &str) -> String {
        let count: usize = count.parse().unwrap_or(1);
        let warm = count / 10;
        let mut times = Vec::with_capacity(count);
        for at in 0..count + warm {
            let began = Instant::now();
            self.send(topic, &format!("b{at}"), b"{}");
            let reply = self.reply(&format!("b{at}"));
            if at >= warm {
                times.push(began.elapsed().as_nanos());
            }
            if reply == "closed" {
                return reply;
            }
        }
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
        format!("{} {}", at(50), at(99))
    }

    /// As many requests unanswered as the line permits: nanoseconds for all of them.
    fn in_flight(&mut self, topic: &str, count: &str) -> String {
        let count: usize = count.parse().unwrap_or(1);
        let began = Instant::now();
        let (mut sent, mut answered) = (0, 0);
        while answered < count {
            while sent < count && sent - answered < limits::IN_FLIGHT {
                self.send(topic, &format!("f{sent}"), b"{}");
                sent += 1;
            }
            match self.word() {
                Some(Word::Result(_) | Word::Error(_)) => answered += 1,
                Some(_) => {}
                None => return "closed".to_owned(),
            }
        }
        began.elapsed().as_nanos().to_string()
    }

    /// Tool calls one after the other, each `{"tool", "arguments", "call"}`; one with `"wait": false` is under
    /// way while the next ones are made. What the last one read stands
    /// for `{{read}}` in the next. They come as hexadecimal digits: what a person writes they have named,
    /// and these are not their words.
    fn script(&mut self, hex: &str) -> String {
        let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
        let bytes: Vec<u8> = digits
            .chunks_exact(2)
            .filter_map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok())
            .collect();
        let steps: Vec<Value> = serde_json::from_slice(&bytes).unwrap_or_default();
        let (mut seen, mut open) = (Vec::new(), Vec::new());
        for (at, step) in steps.iter().enumerate() {
            let topic = format!("tool.invoke.{}", step["tool"].as_str().unwrap_or_default());
            let name = step["call"]
                .as_str()
                .map_or(format!("s{at}"), str::to_owned);
            let arguments = step["arguments"]
                .to_string()
                .replace("{{read}}", &self.kept);
            self.send(&topic, &name, arguments.as_bytes());
            if step["wait"] == false {
                open.push(name);
                continue;
            }
            let reply = self.reply(&name);
            let read: Value = serde_json::from_str(&reply).unwrap_or_default();
            if let Some(text) = read["text"].as_str() {
                self.kept = text
                    .chars()
                    .filter(char::is_ascii_alphanumeric)
                    .take(200)
                    .collect();
            }
            seen.push(reply);
        }
        for name in open {
            seen.push(self.reply(&name));
        }
        seen.join("\n")
    }

    fn attack(&mut self, name: &str) -> String {
        let (name, rest) = name.split_once(' ').unwrap_or((name, ""));
        match name {
            "unknown-topics" => ["vault.read", "approve", "tool.invoke.approve", "rules.set", "tool.invoke.Exec", "config.set"]
                .iter()
                .enumerate()
                .map(|(at, topic)| self.ask(topic, &format!("u{at}"), &json!({})))
                .collect::<Vec<_>>()
                .join("\n"),
            "forged-within" => {
                let request = Request {
                    topic: "tool.invoke.read".to_owned(),
                    correlation: "f".to_owned(),
                    arguments: b"{\"path\":\"a\"}".to_vec(),
                    more: false,
                    within: "0123456789abcdef".to_owned(),
                };
                for frame in request.frames() {
                    let _ = self.sender.send(&frame);
                }
                self.reply("f")
            }
            "garbage" => {
                let _ = self.sender.send(&[0xff; 64]);
                self.reply("none")
            }
            "huge-frame" => {
                let mut header = vec![2];
                header.extend_from_slice(&(1_u64 << 62).to_be_bytes());
                let _ = (&*self.raw).write_all(&header);
                self.reply("none")
            }
            "multipart" => {
                let _ = (&*self.raw).write_all(&[1, 0].repeat(100_000));
                self.reply("none")
            }
            "bad-correlation" => self.ask("tool.list", "a\u{202e}b c", &json!({})),
            "after-report" => {
                self.end("reported");
                // The turn ends some time after the report; until then these are answered.
                for at in 0..10_000 {
                    self.ask(topic::TOOL_LIST, &format!("late{at}"), &json!({}));
                }
                String::new()
            }
            "flood" => {
                for at in 0..200 {
                    self.send("tool.invoke.exec", &format!("x{at}"), b"{\"argv\":[\"true\"]}");
                }
                self.reply("x0")
            }
            "odd-arguments" => {
                let deep = format!("{{\"path\":{}{}}}", "[".repeat(70), "]".repeat(70));
                let long = format!("{{\"path\":\"a\",\"content\":\"{}\"}}", "x".repeat(101 * 1024));
                let odd: [(&str, &[u8]); 8] = [
                    ("read", b"{\"path\":\"a\",\"session\":\"0\"}"),
                    ("read", b"{\"path\":7}"),
                    ("read", b"[]"),
                    ("read", b"{\"path\":\"a\""),
                    ("read", deep.as_bytes()),
                    ("write", long.as_bytes()),
                    ("exec", b"{\"argv\":[\"true\"],\"env\":{\"A\":\"b\"}}"),
                    ("exec", b"{\"argv\":[]}"),
                ];
                let mut seen = Vec::new();
                for (at, (tool, arguments)) in odd.iter().enumerate() {
                    let name = format!("o{at}");
                    self.send(&format!("tool.invoke.{tool}"), &name, arguments);
                    seen.push(self.reply(&name));
                }
                seen.join("\n")
            }
            "odd-completions" => [
                json!({ "messages": [], "base_url": "http://127.0.0.1:1/" }),
                json!({ "messages": [], "model": "another" }),
                json!({ "messages": [], "tools": [{ "type": "web_search" }] }),
                json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url", "url": "http://evil.example/" }] }] }),
                json!({ "messages": [], "extra_body": {} }),
            ]
            .iter()
            .enumerate()
            .map(|(at, arguments)| self.ask(topic::MODEL_COMPLETE, &format!("c{at}"), arguments))
            .collect::<Vec<_>>()
            .join("\n"),
            // Any call of any tool, as the message writes it.
            "invoke" => {
                let (tool, arguments) = rest.split_once(' ').unwrap_or((rest, "{}"));
                self.ask(
                    &format!("{}{tool}", topic::TOOL_INVOKE),
                    "i",
                    &serde_json::from_str(arguments).unwrap_or_default(),
                )
            }
            "list" => self.ask(topic::TOOL_LIST, "l", &json!({})),
            // A model call as the message writes it.
            "complete" => self.ask(
                topic::MODEL_COMPLETE,
                "c",
                &serde_json::from_str(rest).unwrap_or_default(),
            ),
            "same-name" => {
                let one = self.ask("tool.invoke.write", "w", &json!({ "path": "same.txt", "content": "first" }));
                let two = self.ask("tool.invoke.write", "w", &json!({ "path": "same.txt", "content": "second" }));
                format!("{one}\n{two}")
            }
            // Asks for something harmless, and when that was allowed, for something else under its name.
            "bait-and-switch" => {
                let one = self.ask("tool.invoke.exec", "e", &json!({ "argv": ["true"] }));
                let two = self.ask("tool.invoke.exec", "e", &json!({ "argv": ["touch", "switched.txt"] }));
                let three = self.ask("tool.invoke.exec", "e2", &json!({ "argv": ["touch", "switched.txt"] }));
                format!("{one}\n{two}\n{three}")
            }
            "paths" => {
                let mut seen = Vec::new();
                for (at, path) in [
                    "../../../etc/passwd",
                    "/etc/passwd",
                    "/proc/1/root/etc/passwd",
                    "link-out",
                    "link-dir/passwd",
                    "/workspace/../etc/shadow",
                    "a\u{0}b",
                ]
                .iter()
                .enumerate()
                {
                    let name = format!("p{at}");
                    seen.push(self.ask("tool.invoke.read", &name, &json!({ "path": path })));
                    let name = format!("q{at}");
                    seen.push(self.ask("tool.invoke.write", &name, &json!({ "path": path, "content": "owned" })));
                }
                seen.join("\n")
            }
            "rounds" => (0..100)
                .map(|at| self.ask(topic::MODEL_COMPLETE, &format!("m{at}"), &json!({ "messages": [] })))
                .last()
                .unwrap_or_default(),
            "rate" => (0..60)
                .map(|at| self.ask("tool.invoke.current_time", &format!("r{at}"), &json!({})))
                .last()
                .unwrap_or_default(),
            "exec" => self.ask("tool.invoke.exec", "e", &json!({ "argv": ["bash", "-c", rest] })),
            "exec-ipc" => self.ask("tool.invoke.exec", "e", &json!({ "argv": ["bash", "-c", rest], "ipc": true })),
            "exec-hidden" => self.ask(
                "tool.invoke.exec",
                "e",
                &json!({ "argv": ["echo", "safe\u{202e}\u{200b}\u{1b}[2J", "rm -rf ."] }),
            ),
            "script" => self.script(rest.split('.').next().unwrap_or_default()),
            "say" => rest.replace("\\n", "\n").replace("\\e", "\u{1b}"),
            "open" => match std::fs::read("/etc/passwd") {
                Ok(bytes) => format!("read {} bytes", bytes.len()),
                Err(error) => format!("refused: {error}"),
            },
            "socket" => match std::net::TcpStream::connect("127.0.0.1:9") {
                Ok(_) => "connected".to_owned(),
                Err(error) => format!("alive after: {error}"),
            },
            "spawn" => match std::process::Command::new("/bin/true").status() {
                Ok(status) => format!("ran: {status}"),
                Err(error) => format!("alive after: {error}"),
            },
            "thread" => match std::thread::Builder::new().spawn(|| {}) {
                Ok(_) => "a thread runs".to_owned(),
                Err(error) => format!("alive after: {error}"),
            },
            "bench" => self.one_by_one("tool.invoke.current_time", rest),
            "bench-refused" => self.one_by_one("tool.invoke.none", rest),
            "bench-rate" => self.in_flight("tool.invoke.current_time", rest),
            "bench-rate-refused" => self.in_flight("tool.invoke.none", rest),
            "crash" => std::process::abort(),
            "spin" => loop {
                std::hint::spin_loop();
            },
            "deaf" => loop {
                // Asks and never reads what is answered.
                self.send("tool.list", "d", b"{}");
            },
            other => format!("no such attack: {other}"),
        }
    }
}
