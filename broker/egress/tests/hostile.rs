//! A server that does everything wrong, and a sender that is not moved by it.

mod world;

use bytes::Bytes;
use carapace_egress::{Egress, SendError, SetupError};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use world::{outbound, recorded};

/// Takes one connection, reads the request's head, and leaves the rest to `act`.
fn server(act: impl FnOnce(&mut TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
            head.push(byte[0]);
        }
        act(&mut stream);
    });
    address
}

/// Sends to it and reads to the end.
async fn exchange(
    address: SocketAddr,
    first_byte: u64,
    deadline: u64,
    cap: u64,
) -> Result<Vec<u8>, SendError> {
    let (what, _home) = recorded(address).await;
    let egress = Egress::new(Some((address.ip(), address.port()))).unwrap();
    let mut response = egress
        .send(&what, outbound(address, first_byte, deadline, cap))
        .await?;
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await? {
        body.extend_from_slice(&bytes);
    }
    Ok(body)
}

/// Generous, for what must not be decided by time.
const LONG: u64 = 60_000;

fn put(stream: &mut TcpStream, bytes: &[u8]) {
    // The sender may have left already; that is what some of these tests want.
    drop(stream.write_all(bytes));
}

/// Waits until the other side closes.
fn linger(stream: &mut TcpStream) {
    while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
}

#[tokio::test]
async fn a_good_answer_comes_whole() {
    let address =
        server(|stream| put(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"));
    assert_eq!(
        exchange(address, LONG, LONG, 5).await,
        Ok(b"hello".to_vec())
    );
}

#[tokio::test]
async fn silence_ends_at_the_first_byte_limit_before_and_after_the_head() {
    let address = server(linger);
    assert_eq!(
        exchange(address, 50, LONG, 100).await,
        Err(SendError::FirstByte(50))
    );
    let address = server(|stream| {
        put(
            stream,
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        );
        linger(stream);
    });
    assert_eq!(
        exchange(address, 50, LONG, 100).await,
        Err(SendError::FirstByte(50))
    );
}

#[tokio::test]
async fn a_slow_drip_ends_at_the_deadline() {
    let address = server(|stream| {
        put(
            stream,
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        );
        while stream.write_all(b"1\r\nx\r\n").is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    });
    assert_eq!(
        exchange(address, LONG, 300, LONG).await,
        Err(SendError::Deadline(300))
    );
}

#[tokio::test]
async fn a_cut_is_an_error_and_never_an_end() {
    for cut in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf"[..],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let address = server(move |stream| put(stream, cut));
        let result = exchange(address, LONG, LONG, 100).await;
        assert!(matches!(result, Err(SendError::Cut(_))), "{result:?}");
    }
    let address = server(|_| ());
    let result = exchange(address, LONG, LONG, 100).await;
    assert!(matches!(result, Err(SendError::Cut(_))), "{result:?}");
}

#[tokio::test]
async fn garbage_and_endless_headers_are_not_http() {
    let address = server(|stream| put(stream, b"\x00\xff nonsense\r\n\r\n"));
    let result = exchange(address, LONG, LONG, 100).await;
    assert!(matches!(result, Err(SendError::NotHttp(_))), "{result:?}");
    let address = server(|stream| {
        put(stream, b"HTTP/1.1 200 OK\r\n");
        while stream
            .write_all(b"x-more: and more and more and more and more\r\n")
            .is_ok()
        {}
    });
    let result = exchange(address, LONG, LONG, 100).await;
    assert!(matches!(result, Err(SendError::NotHttp(_))), "{result:?}");
}

#[tokio::test]
async fn more_than_the_cap_is_refused_announced_or_not() {
    let address = server(|stream| {
        put(
            stream,
            b"HTTP/1.1 200 OK\r\ncontent-length: 10485760\r\n\r\n",
        );
        linger(stream);
    });
    assert_eq!(
        exchange(address, LONG, LONG, 1_000).await,
        Err(SendError::TooLarge { limit: 1_000 })
    );
    let address = server(|stream| {
        put(stream, b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
        put(stream, &vec![b'x'; 10 * 1024 * 1024]);
    });
    assert_eq!(
        exchange(address, LONG, LONG, 1_000).await,
        Err(SendError::TooLarge { limit: 1_000 })
    );
}

#[tokio::test]
async fn a_redirect_is_named_and_not_followed() {
    let target = "http://169.254.169.254/latest/meta-data/";
    for status in [301, 302, 303, 307, 308] {
        let address = server(move |stream| {
            put(
                stream,
                format!("HTTP/1.1 {status} Go\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n")
                    .as_bytes(),
            );
        });
        assert_eq!(
            exchange(address, LONG, LONG, 100).await,
            Err(SendError::Redirect {
                target: target.to_owned()
            })
        );
    }
}

#[tokio::test]
async fn a_refusal_brings_its_status_and_a_bounded_body() {
    let address = server(|stream| {
        put(
            stream,
            b"HTTP/1.1 429 Slow\r\nretry-after: 9\r\nconnection: close\r\n\r\n",
        );
        put(stream, &vec![b'x'; 1024 * 1024]);
    });
    match exchange(address, LONG, LONG, 100).await {
        Err(SendError::Status {
            status: 429,
            retry_after,
            body,
        }) => {
            assert_eq!(retry_after.as_deref(), Some("9"));
            assert_eq!(body, Bytes::from(vec![b'x'; 64 * 1024]));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nobody_there_is_said_with_a_remedy() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = exchange(address, LONG, LONG, 100).await.unwrap_err();
    assert!(
        matches!(error, SendError::Connect { .. })
            && error.to_string().contains("start the model server"),
        "{error}"
    );
}

#[tokio::test]
async fn only_the_configured_and_recorded_origin_is_sent_to() {
    // Whoever connects here would be seen: the listener stays, and nothing may come.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let here = listener.local_addr().unwrap();
    let elsewhere: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let (to_here, _a) = recorded(here).await;
    let (to_elsewhere, _b) = recorded(elsewhere).await;
    let egress = Egress::new(Some((here.ip(), here.port()))).unwrap();
    let request = || outbound(here, LONG, LONG, 100);

    let closed = Egress::new(None)
        .unwrap()
        .send(&to_here, request())
        .await
        .unwrap_err();
    assert!(matches!(closed, SendError::WrongOrigin { .. }), "{closed}");
    let other = egress
        .send(&to_elsewhere, outbound(elsewhere, LONG, LONG, 100))
        .await
        .unwrap_err();
    assert!(matches!(other, SendError::WrongOrigin { .. }), "{other}");
    let unrecorded = egress.send(&to_elsewhere, request()).await.unwrap_err();
    assert!(
        matches!(unrecorded, SendError::NotRecorded { .. }),
        "{unrecorded}"
    );
    for url in [
        format!("http://localhost:{}/", here.port()),
        format!("http://user@{here}/"),
        format!("http://{here}@evil.example/"),
        format!("http://{here}.evil.example/"),
        format!("https://{here}/"),
        "http://127.0.0.1:9/".to_owned(),
    ] {
        let lying = carapace_providers::Outbound {
            url: url.clone(),
            ..request()
        };
        let error = egress.send(&to_here, lying).await.unwrap_err();
        assert!(
            matches!(error, SendError::Unusable { .. }),
            "{url}: {error}"
        );
    }
    assert_eq!(
        listener.accept().unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock,
        "nothing was connected to"
    );
}

#[test]
fn only_this_machine_can_be_allowed() {
    for address in [
        "8.8.8.8:80",
        "0.0.0.0:80",
        "169.254.169.254:80",
        "127.0.0.1:0",
        "[::ffff:10.0.0.1]:80",
    ] {
        let address: SocketAddr = address.parse().unwrap();
        assert!(
            matches!(
                Egress::new(Some((address.ip(), address.port()))),
                Err(SetupError::NotLoopback(_))
            ),
            "{address}"
        );
    }
}

#[tokio::test]
async fn dropping_an_answer_closes_its_connection() {
    let (closed, seen) = mpsc::channel();
    let address = server(move |stream| {
        put(
            stream,
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n",
        );
        linger(stream);
        closed.send(()).unwrap();
    });
    let (what, _home) = recorded(address).await;
    let egress = Egress::new(Some((address.ip(), address.port()))).unwrap();
    let mut response = egress
        .send(&what, outbound(address, LONG, LONG, 100))
        .await
        .unwrap();
    assert_eq!(response.chunk().await, Ok(Some(Bytes::from_static(b"x"))));
    drop(response);
    let waited =
        tokio::task::spawn_blocking(move || seen.recv_timeout(std::time::Duration::from_secs(30)));
    assert_eq!(waited.await.unwrap(), Ok(()));
}
