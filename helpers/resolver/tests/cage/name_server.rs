//! A name server as small as the tests need, on UDP and TCP of one loopback port, in a process of its
//! own. What it answers is in the name that is asked for.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

/// The argument that makes this test program a name server.
pub const ROLE: &str = "--name-server";

const A: u16 = 1;
const AAAA: u16 = 28;
/// How often `count.example` was asked for.
static COUNT: AtomicU8 = AtomicU8::new(0);

/// A running one; ended with this value.
pub struct NameServer {
    child: Child,
    pub port: u16,
}

impl NameServer {
    pub fn start() -> Self {
        let mut child = Command::new("/proc/self/exe")
            .arg(ROLE)
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe"))
            .read_line(&mut line)
            .expect("a line");
        let port = line.trim().parse().expect("a port");
        Self { child, port }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until it is killed; says its port first.
pub fn run() -> ! {
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = udp.local_addr().expect("an address").port();
        if let Ok(tcp) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            println!("{port}");
            break (udp, tcp);
        }
    };
    std::thread::spawn(move || {
        for stream in tcp.incoming().flatten() {
            let _ = serve_stream(stream);
        }
    });
    let mut packet = [0; 2048];
    loop {
        let (count, from) = udp.recv_from(&mut packet).expect("a packet");
        if let Some(answer) = answer(&packet[..count], false) {
            udp.send_to(&answer, from).expect("sending");
        }
    }
}

fn serve_stream(mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut packet)?;
        if let Some(answer) = answer(&packet, true) {
            stream.write_all(&(answer.len() as u16).to_be_bytes())?;
            stream.write_all(&answer)?;
        }
    }
}

/// RFC 1035, 4.1: header, the question as it came, records that point to its name.
fn answer(packet: &[u8], over_tcp: bool) -> Option<Vec<u8>> {
    let mut end = 12;
    let mut labels = Vec::new();
    while packet[end] != 0 {
        let length = usize::from(packet[end]);
        labels.push(String::from_utf8_lossy(&packet[end + 1..end + 1 + length]).to_lowercase());
        end += 1 + length;
    }
    let kind = u16::from_be_bytes([packet[end + 1], packet[end + 2]]);
    let question = &packet[12..end + 5];
    let (mut code, mut truncated) = (0, false);
    let mut records: Vec<Vec<u8>> = Vec::new();
    let v4 = |last: u8| vec![192, 0, 2, last];
    match (labels.join(".").as_str(), kind) {
        ("good.example", A) => records.push(v4(7)),
        ("good.example", AAAA) => {
            records.push(vec![
                0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7,
            ]);
        }
        ("many.example", A) => records.extend((1..=20).map(v4)),
        ("count.example", A) => records.push(v4(COUNT.fetch_add(1, Ordering::SeqCst) + 1)),
        ("big.example", A) if !over_tcp => truncated = true,
        ("big.example", A) => records.push(v4(99)),
        ("inside.example", A) => records.push(vec![127, 0, 0, 1]),
        ("slow.example", _) => return None,
        ("broken.example", _) => code = 2,
        (name, _) if name.ends_with(".example") && !name.starts_with("gone") => {}
        _ => code = 3,
    }
    let mut bytes = packet[..2].to_vec();
    bytes.extend([0x81 | if truncated { 2 } else { 0 }, 0x80 | code]);
    for count in [1, records.len() as u16, 0, 0] {
        bytes.extend(count.to_be_bytes());
    }
    bytes.extend(question);
    for record in records {
        bytes.extend([0xc0, 12]);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1, 0, 0, 0, 60]);
        bytes.extend((record.len() as u16).to_be_bytes());
        bytes.extend(record);
    }
    Some(bytes)
}
