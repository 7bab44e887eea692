//! The wire is ZeroMQ's: the `zeromq` crate and libzmq are the foreign peers.

use carapace_ipc_proto::broker_link::{self, Peer};
use std::process::{Command, Stdio};
use zeromq::{Socket, SocketRecv, SocketSend};

fn place(name: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    (folder, path)
}

#[tokio::test]
async fn the_zeromq_crate_speaks_with_our_link() {
    let (_folder, path) = place("z.sock");
    let listener = tokio::net::UnixListener::bind(&path).expect("binds");
    let foreign = tokio::spawn({
        let path = path.clone();
        async move {
            let mut dealer = zeromq::DealerSocket::new();
            dealer
                .connect(&format!("ipc://{}", path.display()))
                .await
                .expect("connects");
            for size in [0_usize, 1, 255, 256, 70_000] {
                dealer
                    .send(vec![size as u8; size].into())
                    .await
                    .expect("sends");
            }
            let answer = dealer.recv().await.expect("receives");
            answer.get(0).expect("one part").to_vec()
        }
    });
    let (stream, _) = listener.accept().await.expect("accepts");
    let (mut receiver, mut sender) = broker_link::split(stream, Peer::Accepted);
    sender.greet().await.expect("greets");
    for size in [0_usize, 1, 255, 256, 70_000] {
        assert_eq!(
            receiver.receive().await.expect("receives"),
            vec![size as u8; size]
        );
    }
    sender.send(&[9; 300]).await.expect("sends");
    assert_eq!(foreign.await.expect("ends"), vec![9; 300]);
}

/// Debian's python3-zmq, or pyzmq. `make test` installs it; a machine without says so.
#[tokio::test]
async fn libzmq_speaks_with_our_link() {
    let named = std::env::var("CARAPACE_TEST_PYTHON").ok();
    // The first on PATH may be another one than the system's, which has the system's packages.
    let candidates = named.map_or(
        vec!["python3".to_owned(), "/usr/bin/python3".to_owned()],
        |named| vec![named],
    );
    let found = candidates.into_iter().find(|python| {
        Command::new(python)
            .args(["-c", "import zmq"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    });
    let Some(python) = found else {
        assert!(
            std::env::var_os("CARAPACE_TEST_ALL").is_none(),
            "python3 with pyzmq is missing; `make test-setup` installs it"
        );
        eprintln!("skipped: python3 with pyzmq is missing; `make test-setup` installs it");
        return;
    };
    let (_folder, path) = place("l.sock");
    let listener = tokio::net::UnixListener::bind(&path).expect("binds");
    let script = "import sys, zmq\n\
        s = zmq.Context().socket(zmq.DEALER)\n\
        s.setsockopt(zmq.LINGER, 2000)\n\
        s.setsockopt(zmq.RCVTIMEO, 5000)\n\
        s.connect('ipc://' + sys.argv[1])\n\
        for n in (0, 1, 255, 256, 70000): s.send(bytes([n % 256]) * n)\n\
        sys.exit(0 if s.recv() == b'\\x09' * 300 else 1)\n";
    let mut foreign = Command::new(&python)
        .arg("-c")
        .arg(script)
        .arg(&path)
        .spawn()
        .expect("starts");
    let (stream, _) = listener.accept().await.expect("accepts");
    let (mut receiver, mut sender) = broker_link::split(stream, Peer::Accepted);
    sender.greet().await.expect("greets");
    for size in [0_usize, 1, 255, 256, 70_000] {
        assert_eq!(
            receiver.receive().await.expect("receives"),
            vec![(size % 256) as u8; size]
        );
    }
    sender.send(&[9; 300]).await.expect("sends");
    let status = tokio::task::spawn_blocking(move || foreign.wait())
        .await
        .expect("waits")
        .expect("ends");
    assert!(status.success());
}
