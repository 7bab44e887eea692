//! A server that misbehaves below what a vendor's protocol can say. Which way is told by the model's
//! name in the request. It judges nothing and answers nothing that is right.

use carapace_harness::http::receive;
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// One way to misbehave.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// Takes the request and sends nothing.
    Hangs,
    /// Sends a line, or a frame, of 10 MiB that has no end.
    LongLine,
    /// Sends bytes that are of no form, as the body of a sound answer.
    Garbage,
    /// Sends bytes that are not HTTP.
    NotHttp,
    /// Sends one byte after the other, each in time, and never comes to an end.
    Drips,
}

pub const FAULTS: [Fault; 5] = [
    Fault::Hangs,
    Fault::LongLine,
    Fault::Garbage,
    Fault::NotHttp,
    Fault::Drips,
];

impl Fault {
    /// The model that behaves so.
    pub fn model(self) -> &'static str {
        match self {
            Self::Hangs => "faulty-hangs",
            Self::LongLine => "faulty-long-line",
            Self::Garbage => "faulty-garbage",
            Self::NotHttp => "faulty-not-http",
            Self::Drips => "faulty-drips",
        }
    }
}

/// How a family of protocols frames its answers.
#[derive(Debug, Clone, Copy)]
pub enum Framing {
    /// Server-sent events.
    Events,
    /// A JSON value on each line.
    Lines,
    /// AWS's binary frames.
    Frames,
}

const LONG: usize = 10 * 1024 * 1024;

impl Framing {
    fn media_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream",
            Self::Lines => "application/x-ndjson",
            Self::Frames => "application/vnd.amazon.eventstream",
        }
    }

    /// What a piece that never ends begins with.
    fn beginning(self) -> Vec<u8> {
        match self {
            Self::Events => b"data: {\"text\":\"".to_vec(),
            Self::Lines => b"{\"text\":\"".to_vec(),
            // Its whole length comes first.
            Self::Frames => u32::try_from(LONG)
                .unwrap_or(u32::MAX)
                .to_be_bytes()
                .to_vec(),
        }
    }

    /// Bytes that begin something that is allowed and mean nothing yet.
    fn drops(self) -> &'static [u8] {
        match self {
            Self::Events => b":",
            Self::Lines => b" ",
            Self::Frames => &[0, 0, 4, 0, 0, 0, 1, 0],
        }
    }
}

/// Until the next byte of an answer that drips: fewer come within a deadline than a frame's length takes.
const DROP: Duration = Duration::from_millis(700);

/// The server. Dropping it closes the port and every connection.
pub struct Faulty {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    open: Mutex<Vec<TcpStream>>,
    stopped: AtomicBool,
}

impl Faulty {
    pub fn start(framing: Framing) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if theirs.stopped.load(Ordering::SeqCst) {
                    break;
                }
                theirs.open().extend(stream.try_clone());
                // A side that leaves ends its thread; that is what these tests are about.
                std::thread::spawn(move || drop(misbehave(&stream, framing)));
            }
        });
        Self { address, shared }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Shared {
    fn open(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for stream in self.shared.open().drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
        // Wakes the listener, which then sees that it is over.
        drop(TcpStream::connect(self.address));
    }
}

fn misbehave(mut stream: &TcpStream, framing: Framing) -> io::Result<()> {
    let Some(request) = receive(&mut BufReader::new(stream))? else {
        return Ok(());
    };
    let asked = |fault: &&Fault| {
        let name = fault.model();
        request.path.contains(name) || request.body.contains(name)
    };
    match FAULTS.iter().find(asked) {
        // Returns when the client leaves or the server is dropped.
        Some(Fault::Hangs) | None => while stream.read(&mut [0; 1024])? > 0 {},
        Some(Fault::NotHttp) => {
            stream.write_all(b"\x00\xff\x13\x37 no head of an answer\r\n\r\n")?
        }
        Some(Fault::Garbage) => {
            head(stream, framing)?;
            let bytes: Vec<u8> = (0..4096_u32)
                .map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0])
                .collect();
            stream.write_all(&bytes)?;
        }
        Some(Fault::LongLine) => {
            head(stream, framing)?;
            stream.write_all(&framing.beginning())?;
            let block = vec![b'x'; 64 * 1024];
            for _ in 0..LONG / block.len() {
                stream.write_all(&block)?;
            }
        }
        Some(Fault::Drips) => {
            head(stream, framing)?;
            for byte in framing.drops().iter().cycle() {
                stream.write_all(&[*byte])?;
                stream.flush()?;
                std::thread::sleep(DROP);
            }
        }
    }
    stream.shutdown(Shutdown::Both)
}

/// The head of an answer whose body ends with the connection.
fn head(mut stream: &TcpStream, framing: Framing) -> io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: {}\r\nconnection: close\r\n\r\n",
        framing.media_type()
    )?;
    stream.flush()
}
