//! Servers that others wrote, as peers: a model vendor (`@copilotkit/aimock`) and an OAuth server
//! (`oidc-provider`). Both are started on a port of this machine and end with the test. They are
//! installed by `tools/setup.sh test`.

use crate::programs::repository;
use crate::world::eventually;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A program of `tests/peers`, listening.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    address: SocketAddr,
    _files: tempfile::TempDir,
}

fn folder() -> PathBuf {
    repository().join("tests/peers")
}

/// A port that was free a moment ago.
///
/// # Panics
/// Where this machine has no free port.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

impl Peer {
    /// The model vendor with these fixtures. With keys, it takes requests only with one of them.
    ///
    /// # Panics
    /// Where it is not installed or does not start.
    pub fn model_vendor(fixtures: &Value, keys: &[&str]) -> Self {
        let files = tempfile::tempdir().expect("a folder");
        let path = files.path().join("fixtures.json");
        std::fs::write(&path, fixtures.to_string()).expect("writes");
        let port = free_port();
        let mut command = Command::new("node");
        command
            .arg(folder().join("node_modules/@copilotkit/aimock/dist/cli.js"))
            .args(["--log-level", "silent", "-p", &port.to_string(), "-f"])
            .arg(path);
        if !keys.is_empty() {
            command.env("AIMOCK_API_KEYS", keys.join(","));
        }
        Self::start(command, port, files)
    }

    /// The OAuth server.
    ///
    /// # Panics
    /// Where it is not installed or does not start.
    pub fn oauth_server() -> Self {
        let port = free_port();
        let mut command = Command::new("node");
        command
            .arg(folder().join("oauth.mjs"))
            .arg(port.to_string())
            .env("NODE_NO_WARNINGS", "1");
        Self::start(command, port, tempfile::tempdir().expect("a folder"))
    }

    fn start(mut command: Command, port: u16, files: tempfile::TempDir) -> Self {
        assert!(
            folder().join("node_modules").is_dir(),
            "the peers are not installed\n  remedy: tools/setup.sh test"
        );
        let log = std::fs::File::create(files.path().join("log")).expect("a log");
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("node does not start: {error}\n  remedy: tools/setup.sh test")
            });
        let mut peer = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            _files: files,
        };
        eventually("the peer listens", || {
            let ended = peer.child.try_wait().ok().flatten();
            assert!(ended.is_none(), "the peer ended: {}", peer.log());
            TcpStream::connect(peer.address).ok()
        });
        peer
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self._files.path().join("log")).unwrap_or_default()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://HOST:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it answers to a request of the test's own, without its head.
    ///
    /// # Panics
    /// Where it does not answer.
    pub fn call(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nhost: {}\r\ncontent-length: 0\r\n\r\n",
            self.address
        )
        .expect("it takes a request");
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
            line.clear();
        }
        let mut body = String::new();
        reader.read_to_string(&mut body).expect("it answers");
        body
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Follows a login from this address as a browser does, until it leads to an address that begins so;
/// gives that address. It is not visited.
///
/// # Panics
/// Where the login leads elsewhere.
pub fn browse(from: &str, until: &str) -> String {
    let output = Command::new("node")
        .arg(folder().join("browser.mjs"))
        .args([from, until])
        .output()
        .expect("node starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the login failed: {error}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
