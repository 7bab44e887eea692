//! A fake model server on 127.0.0.1 that speaks OpenAI's chat completions, scripted turn by turn.
//!
//! It answers `POST …/chat/completions` (streamed where the request asks for it) and `GET …/models`,
//! one thread per connection, and keeps every request it received. It is a vendor as a test needs
//! it: what it is told to break, it breaks. It never judges the request.

use crate::http::{Received, receive};
use std::collections::VecDeque;
use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What the server does with one request.
#[derive(Debug, Clone)]
pub enum Turn {
    /// Answers with these pieces of text, each an event of its own.
    Text(Vec<String>),
    /// Answers with tool calls; their arguments are split into deltas of at most 5 characters that
    /// take turns between the calls.
    Calls(Vec<Call>),
    /// Text first, then calls.
    Both(Vec<String>, Vec<Call>),
    /// Something else than an answer.
    Fault(Fault),
    /// These bytes, one piece after the other with this pause between them; the connection ends.
    Raw(Vec<Vec<u8>>, std::time::Duration),
}

/// One scripted tool call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its id; an empty one is left out.
    pub id: String,
    /// The tool.
    pub name: String,
    /// JSON text of the arguments.
    pub arguments: String,
}

/// A way to fail.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Takes the request and sends nothing until the server is dropped or the client leaves.
    Hang,
    /// Begins a stream with this text and closes the connection within it.
    Cut(String),
    /// Answers with this status, an error object with this message, and perhaps a Retry-After in seconds.
    Status(u16, String, Option<u32>),
    /// Answers with bytes that are not HTTP.
    Garbage,
    /// Answers with an event of one line of this many bytes.
    LongLine(usize),
    /// Redirects to this address.
    Redirect(String),
}

/// The server. Dropping it closes the port and every connection.
#[derive(Debug)]
pub struct FakeOpenai {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    script: Mutex<VecDeque<Turn>>,
    received: Mutex<Vec<Received>>,
    arrived: Condvar,
    open: Mutex<Vec<TcpStream>>,
    stopped: AtomicBool,
}

impl FakeOpenai {
    /// Starts on a free port with these turns. When they are used up, every further request gets
    /// the text "The script is over.".
    ///
    /// # Errors
    /// Those of binding a port.
    pub fn start(script: impl IntoIterator<Item = Turn>) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        lock(&shared.script).extend(script);
        let server = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if server.stopped.load(Ordering::SeqCst) {
                    break;
                }
                lock(&server.open).extend(stream.try_clone());
                let server = Arc::clone(&server);
                // A client that leaves ends its thread; that is no failure of the server.
                std::thread::spawn(move || drop(serve(&stream, &server)));
            }
        });
        Ok(Self { address, shared })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to write as `base-url`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Adds a turn to the end of the script.
    pub fn push(&self, turn: Turn) {
        lock(&self.shared.script).push_back(turn);
    }

    /// Every request so far, in the order of arrival.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.shared.received).clone()
    }

    /// Waits until this many requests have arrived; false after `most`.
    pub fn wait_for(&self, count: usize, most: std::time::Duration) -> bool {
        let received = lock(&self.shared.received);
        let waited = self
            .shared
            .arrived
            .wait_timeout_while(received, most, |received| received.len() < count);
        waited.is_ok_and(|(received, _)| received.len() >= count)
    }
}

impl Drop for FakeOpenai {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for stream in lock(&self.shared.open).drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
        // Wakes the listener, which then sees that it is over.
        drop(TcpStream::connect(self.address));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(request) = receive(&mut reader)? {
        let path = request.path.clone();
        let streamed = request.body.replace(' ', "").contains("\"stream\":true");
        let chat = request.method == "POST" && path.ends_with("/chat/completions");
        lock(&shared.received).push(request);
        shared.arrived.notify_all();
        if !chat {
            let models = r#"{"object":"list","data":[{"id":"fake","object":"model","created":0,"owned_by":"test"}]}"#;
            let found = path.ends_with("/models");
            let body = if found {
                models.to_owned()
            } else {
                error_body("no such address")
            };
            answer(stream, if found { 200 } else { 404 }, "", &body)?;
            continue;
        }
        let turn = lock(&shared.script)
            .pop_front()
            .unwrap_or_else(|| Turn::Text(vec!["The script is over.".to_owned()]));
        match turn {
            Turn::Text(text) => reply(stream, streamed, &text, &[])?,
            Turn::Calls(calls) => reply(stream, streamed, &[], &calls)?,
            Turn::Both(text, calls) => reply(stream, streamed, &text, &calls)?,
            Turn::Raw(pieces, pause) => {
                let mut stream = stream;
                for piece in pieces {
                    stream.write_all(&piece)?;
                    stream.flush()?;
                    std::thread::sleep(pause);
                }
                return stream.shutdown(Shutdown::Both);
            }
            Turn::Fault(fault) => {
                if !fail(stream, fault)? {
                    return stream.shutdown(Shutdown::Both);
                }
            }
        }
    }
    Ok(())
}

fn answer(mut stream: &TcpStream, status: u16, headers: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )
}

fn reply(
    stream: &TcpStream,
    streamed: bool,
    text: &[String],
    calls: &[Call],
) -> std::io::Result<()> {
    let reason = if calls.is_empty() {
        "stop"
    } else {
        "tool_calls"
    };
    let usage = r#""usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}"#;
    if !streamed {
        let content = if text.is_empty() {
            "null".to_owned()
        } else {
            quote(&text.concat())
        };
        let list: Vec<String> = calls
            .iter()
            .enumerate()
            .map(|(at, call)| begin(at, call, &call.arguments, false))
            .collect();
        let calls = if list.is_empty() {
            String::new()
        } else {
            format!(r#","tool_calls":[{}]"#, list.join(","))
        };
        let message = format!(r#"{{"role":"assistant","content":{content}{calls}}}"#);
        let choice = format!(
            r#"{{"index":0,"message":{message},"logprobs":null,"finish_reason":"{reason}"}}"#
        );
        return answer(
            stream,
            200,
            "",
            &format!(
                "{{{},\"choices\":[{choice}],{usage}}}",
                head("chat.completion")
            ),
        );
    }
    open_stream(stream)?;
    event(
        stream,
        &delta(r#"{"role":"assistant","content":""}"#, "null"),
    )?;
    for piece in text {
        event(
            stream,
            &delta(&format!(r#"{{"content":{}}}"#, quote(piece)), "null"),
        )?;
    }
    for (at, call) in calls.iter().enumerate() {
        event(
            stream,
            &delta(
                &format!(r#"{{"tool_calls":[{}]}}"#, begin(at, call, "", true)),
                "null",
            ),
        )?;
    }
    let mut pieces: Vec<(usize, VecDeque<String>)> = calls
        .iter()
        .map(|call| split(&call.arguments))
        .enumerate()
        .collect();
    while pieces.iter().any(|(_, left)| !left.is_empty()) {
        for (at, left) in &mut pieces {
            if let Some(piece) = left.pop_front() {
                let call = format!(
                    r#"{{"tool_calls":[{{"index":{at},"function":{{"arguments":{}}}}}]}}"#,
                    quote(&piece)
                );
                event(stream, &delta(&call, "null"))?;
            }
        }
    }
    event(stream, &delta("{}", &format!("\"{reason}\"")))?;
    event(
        stream,
        &format!(
            "{{{},\"choices\":[],{usage}}}",
            head("chat.completion.chunk")
        ),
    )?;
    event(stream, "[DONE]")?;
    let mut stream = stream;
    stream.write_all(b"0\r\n\r\n")
}

/// Fails as told; true where the connection may be used again.
fn fail(mut stream: &TcpStream, fault: Fault) -> std::io::Result<bool> {
    match fault {
        Fault::Hang => {
            // Returns when the client leaves or the server is dropped.
            while stream.read(&mut [0; 1024])? > 0 {}
            Ok(false)
        }
        Fault::Cut(text) => {
            open_stream(stream)?;
            event(
                stream,
                &delta(&format!(r#"{{"content":{}}}"#, quote(&text)), "null"),
            )?;
            stream.write_all(b"40\r\ndata: {\"choi")?;
            Ok(false)
        }
        Fault::Status(status, message, retry_after) => {
            let header = retry_after
                .map(|seconds| format!("retry-after: {seconds}\r\n"))
                .unwrap_or_default();
            answer(stream, status, &header, &error_body(&message)).map(|()| true)
        }
        Fault::Garbage => stream
            .write_all(b"\x00\xff\x13\x37 not http at all\r\n\r\n")
            .map(|()| false),
        Fault::LongLine(length) => {
            open_stream(stream)?;
            write!(stream, "{:x}\r\ndata: ", length + 6)?;
            let block = vec![b'x'; 64 * 1024];
            let mut left = length;
            while left > 0 {
                let size = left.min(block.len());
                stream.write_all(&block[..size])?;
                left -= size;
            }
            stream.write_all(b"\r\n0\r\n\r\n").map(|()| false)
        }
        Fault::Redirect(target) => {
            answer(stream, 307, &format!("location: {target}\r\n"), "").map(|()| true)
        }
    }
}

fn open_stream(mut stream: &TcpStream) -> std::io::Result<()> {
    stream.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    )
}

fn event(mut stream: &TcpStream, data: &str) -> std::io::Result<()> {
    let event = format!("data: {data}\n\n");
    write!(stream, "{:x}\r\n{event}\r\n", event.len())?;
    stream.flush()
}

fn head(object: &str) -> String {
    format!(r#""id":"chatcmpl-fake","object":"{object}","created":0,"model":"fake""#)
}

fn delta(delta: &str, reason: &str) -> String {
    let head = head("chat.completion.chunk");
    format!(
        r#"{{{head},"choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{reason}}}]}}"#
    )
}

fn begin(at: usize, call: &Call, arguments: &str, indexed: bool) -> String {
    let index = if indexed {
        format!("\"index\":{at},")
    } else {
        String::new()
    };
    let id = if call.id.is_empty() {
        String::new()
    } else {
        format!("\"id\":{},", quote(&call.id))
    };
    let (name, arguments) = (quote(&call.name), quote(arguments));
    format!(
        r#"{{{index}{id}"type":"function","function":{{"name":{name},"arguments":{arguments}}}}}"#
    )
}

fn error_body(message: &str) -> String {
    format!(
        r#"{{"error":{{"message":{},"type":"error","param":null,"code":null}}}}"#,
        quote(message)
    )
}

fn split(text: &str) -> VecDeque<String> {
    let characters: Vec<char> = text.chars().collect();
    characters
        .chunks(5)
        .map(|piece| piece.iter().collect())
        .collect()
}

/// A JSON string.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
