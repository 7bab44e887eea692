//! Model calls: what the way through the broker adds to a call of the provider itself, how fast a
//! long answer comes through, and how fast secrets are looked for.

use crate::table::{Figure, Row};
use carapace_contract::control::{Ask, Tell};
use carapace_contract::id::{SessionId, TurnId};
use carapace_harness::{Control, World};
use carapace_scrub::Scrubber;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Turns that are measured.
const TURNS: usize = 60;
/// Bytes of the long answer's text.
const LONG: usize = 1024 * 1024;
/// Bytes of one piece of it: a token has some four letters, and servers send a few at a time.
const PIECE: usize = 64;
const MILLISECOND: f64 = 1e6;

/// Measures the rows of this group.
pub fn measure(rows: &mut Vec<Row>) {
    let server = serve();
    let world = World::new();
    for (key, value) in [
        ("providers.fake.kind", "\"openai-compatible\""),
        (
            "providers.fake.base-url",
            &format!("\"http://{server}/v1\""),
        ),
        ("limits.calls-per-minute", "100000"),
        ("limits.turn-tokens", "100000000"),
        ("model.route", "\"fake:m\""),
    ] {
        let _ = world.carapace(&["config", "set", key, value]);
    }
    world.start();
    let mut control = world.control();
    let session = turn(&mut control, None, "short").session;

    let (mut ours, mut direct) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        direct.push(ask(server, "short").0);
        ours.push(turn(&mut control, Some(session), "short").first);
    }
    let (ours, direct) = (Figure::of(&ours), Figure::of(&direct));
    let added = ours.middle - direct.middle;
    rows.push(
        Row::new("first token: ChatSend to the first delta", ours)
            .beside("direct call of the same server", direct)
            .budget("<= 2 ms added", added <= 2.0 * MILLISECOND),
    );

    let (mut ours, mut direct) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        direct.push(ask(server, "long").1);
        ours.push(turn(&mut control, None, "long").whole);
    }
    let rate = |times: &[Duration]| {
        let middle = Figure::of(times).middle;
        Figure::bytes_per_second(LONG as f64 * 1e9 / middle)
    };
    rows.push(
        Row::new("a streamed answer of 1 MiB, to its end", rate(&ours))
            .beside("read by a bare socket", rate(&direct)),
    );
    rows.push(scrubber());
}

/// One pass over clean text with 100 secrets, beside a pass that only looks at each byte.
fn scrubber() -> Row {
    let secrets: Vec<(String, Vec<u8>)> = (0..100)
        .map(|number| {
            let value: String = (0..40_u32)
                .map(|at| {
                    let step = (number * 7919 + at * 104_729 + at * at) % 62;
                    char::from(
                        b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                            [step as usize],
                    )
                })
                .collect();
            (format!("s{number}"), value.into_bytes())
        })
        .collect();
    let scrubber = Scrubber::new(
        secrets
            .iter()
            .map(|(name, value)| (name.clone(), value.as_slice())),
        [],
    );
    let text = "The quick brown fox writes a letter to the lazy dog, and nothing in it is secret. "
        .repeat(200_000);
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let began = Instant::now();
        assert!(!scrubber.contains(text.as_bytes()));
        ours.push(began.elapsed());
        let began = Instant::now();
        let sum: u64 = text.bytes().map(u64::from).sum();
        assert!(std::hint::black_box(sum) > 0);
        bare.push(began.elapsed());
    }
    let rate = |times: &[Duration]| {
        Figure::bytes_per_second(text.len() as f64 * 1e9 / Figure::of(times).middle)
    };
    Row::new("scrubber, 100 secrets, clean text", rate(&ours))
        .beside("adding up the bytes", rate(&bare))
}

struct Took {
    session: SessionId,
    first: Duration,
    whole: Duration,
}

fn turn(control: &mut Control, session: Option<SessionId>, text: &str) -> Took {
    let began = Instant::now();
    let ask = Ask::ChatSend {
        session,
        turn: TurnId::random(),
        text: text.to_owned(),
        route: None,
        attachments: Vec::new(),
    };
    control.ask(&ask).expect("the broker listens");
    let mut first = None;
    loop {
        match control.hear().expect("the broker stays") {
            Tell::Delta { .. } => {
                first.get_or_insert_with(|| began.elapsed());
            }
            Tell::Done { session, text, .. } => {
                return Took {
                    session,
                    first: first.unwrap_or_else(|| panic!("no delta: {text}")),
                    whole: began.elapsed(),
                };
            }
            Tell::Failed { code, message } => panic!("{text}: {code}: {message}"),
            _ => {}
        }
    }
}

/// A direct call: until the first event, and until the end.
fn ask(server: SocketAddr, text: &str) -> (Duration, Duration) {
    let body = format!(
        r#"{{"model":"m","stream":true,"messages":[{{"role":"user","content":"{text}"}}]}}"#
    );
    let began = Instant::now();
    let mut stream = TcpStream::connect(server).expect("the server listens");
    stream.set_nodelay(true).expect("a socket");
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("the server reads");
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while !line.starts_with("data:") {
        line.clear();
        assert!(reader.read_line(&mut line).expect("an answer") > 0);
    }
    let first = began.elapsed();
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).expect("the end");
    (first, began.elapsed())
}

/// A server of chat completions that answers at once: one word, or 1 MiB where the newest message is
/// `long`.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || while_open(stream));
        }
    });
    address
}

fn while_open(stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let Ok(mut write) = stream.try_clone() else {
        return;
    };
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let body = String::from_utf8_lossy(&body);
    let is_long = body.rfind("long") > body.rfind("short");
    let event = |text: &str| {
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
    };
    let mut answer = String::from(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n",
    );
    if is_long {
        let piece = "lorem ipsum dolor ".repeat(4)[..PIECE].to_owned();
        for _ in 0..LONG / PIECE {
            answer.push_str(&event(&piece));
        }
    } else {
        answer.push_str(&event("ok"));
    }
    answer.push_str("data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
    let _ = write.write_all(answer.as_bytes());
}
