//! A server that does everything wrong, and a sender that is not moved by it.

mod world;

use bytes::Bytes;
use carapace_egress::{Egress, SendError, SetupError};
use carapace_providers::{Origin, Outbound};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use world::server::{Stream, linger, put};
use world::{LONG, outbound, recorded, settings};

/// A plain server, by its address.
fn server(act: impl Fn(&mut dyn Stream) + Send + Sync + 'static) -> SocketAddr {
    world::server::plain(act).0
}

/// Sends to it and reads to the end.
async fn exchange(
    address: SocketAddr,
    first_byte: u64,
    deadline: u64,
    cap: u64,
) -> Result<Vec<u8>, SendError> {
    let origin = format!("http://{address}");
    let (what, _home) = recorded(&origin, None).await;
    let egress = Egress::new(settings(&[&origin])).unwrap();
    let mut response = egress
        .send(&what, outbound(&origin, first_byte, deadline, cap))
        .await?;
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await? {
        body.extend_from_slice(&bytes);
    }
    Ok(body)
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
    for (target, host, private) in [
        (
            "http://169.254.169.254/latest/meta-data/?secret",
            "169.254.169.254",
            "metadata service",
        ),
        (
            "http://[::ffff:a9fe:a9fe]/",
            "[::ffff:a9fe:a9fe]",
            "metadata service",
        ),
        ("https://2130706433/", "127.0.0.1", "this machine"),
        ("//10.0.0.1/x", "10.0.0.1", "a private network"),
        (
            "https://metadata.google.internal/",
            "metadata.google.internal",
            "metadata service",
        ),
        (
            "https://user@api.example.com/",
            "api.example.com",
            "credentials",
        ),
        ("file:///etc/passwd", "no host", "https"),
        ("https://[/", "an address that cannot be read", "https"),
        (
            "https://elsewhere.example.com/",
            "elsewhere.example.com",
            "",
        ),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let address = server(move |stream| {
                put(
                    stream,
                    format!(
                        "HTTP/1.1 {status} Go\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n"
                    )
                    .as_bytes(),
                );
            });
            let error = exchange(address, LONG, LONG, 100).await.unwrap_err();
            let SendError::Redirect {
                host: named,
                refused,
            } = &error
            else {
                panic!("{error}")
            };
            assert_eq!(
                (named.as_str(), refused.is_some()),
                (host, !private.is_empty()),
                "{target}"
            );
            let text = error.to_string();
            assert!(text.contains(private) && !text.contains("secret"), "{text}");
        }
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
    let here = format!("http://{}", listener.local_addr().unwrap());
    let elsewhere = "http://127.0.0.1:9";
    let (to_here, _a) = recorded(&here, None).await;
    let (to_elsewhere, _b) = recorded(elsewhere, None).await;
    let (with_secret, _c) = recorded(&here, Some(world::secret())).await;
    let egress = Egress::new(settings(&[&here])).unwrap();
    let request = || outbound(&here, LONG, LONG, 100);

    let nowhere = Egress::new(settings(&[])).unwrap();
    let closed = nowhere.send(&to_here, request()).await.unwrap_err();
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
    let without = egress.send(&with_secret, request()).await.unwrap_err();
    assert!(
        matches!(without, SendError::SecretNotRecorded { .. }),
        "{without}"
    );
    let plain = here.strip_prefix("http://").unwrap();
    for url in [
        format!("http://user@{plain}/"),
        format!("http://{plain}@evil.example.com/"),
        format!("http://{plain}.evil.example.com/"),
        format!("https://{plain}/"),
        format!("http:{plain}/"),
        format!("http://{plain}/a b"),
        format!("http://{plain}/{}", "a".repeat(2048)),
        "http://127.0.0.1:9/".to_owned(),
        "http://169.254.169.254/".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        let lying = Outbound {
            url: url.clone(),
            ..request()
        };
        let error = egress.send(&to_here, lying).await.unwrap_err();
        assert!(error.nothing_left(), "{url}: {error}");
    }
    for name in [
        "host",
        "Host",
        "content-length",
        "transfer-encoding",
        "Connection",
        "a b",
        "a:",
        "",
    ] {
        let mut framing = request();
        framing.headers.push((name, "x".to_owned()));
        let result = egress.send(&to_here, framing).await;
        assert!(matches!(result, Err(SendError::Unusable { .. })), "{name}");
    }
    let mut broken = request();
    broken.headers.push(("x-a", "1\r\nx-b: 2".to_owned()));
    let result = egress.send(&to_here, broken).await;
    assert!(matches!(result, Err(SendError::Unusable { .. })));
    assert_eq!(
        listener.accept().unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock,
        "nothing was connected to"
    );
}

#[tokio::test]
async fn no_hostile_address_is_resolved_or_connected_to() {
    let file = include_str!("hostile_urls.txt");
    let hostile: Vec<String> = file
        .lines()
        .filter(|line| !line.starts_with("# "))
        .map(|line| serde_json::from_str(&format!("\"{line}\"")).unwrap())
        .collect();
    let resolver = world::Answers::always(&["127.0.0.1"]);
    let purse = world::Purse::key("sk-hostile-test");
    let egress = Egress::new(carapace_egress::Settings {
        resolver: resolver.clone(),
        lender: purse.clone(),
        ..settings(&["https://api.example.com"])
    })
    .unwrap();
    let (what, _home) = recorded("https://api.example.com:443", Some(world::secret())).await;
    for url in hostile {
        let outbound = Outbound {
            url: url.clone(),
            attach: Some(carapace_providers::Attach::Bearer {
                secret: world::secret(),
            }),
            ..outbound("", LONG, LONG, 100)
        };
        let error = egress.send(&what, outbound).await.unwrap_err();
        assert!(error.nothing_left(), "{url}: {error}");
    }
    assert_eq!((resolver.asked(), purse.lent.borrow().len()), (0, 0));
}

#[test]
fn only_the_internet_this_machine_and_what_is_named_private_can_be_allowed() {
    for refused in [
        "https://10.0.0.1",
        "https://0.0.0.0",
        "https://169.254.169.254",
        "https://nas.lan:8443",
        "https://[::ffff:10.0.0.1]",
    ] {
        let result = Egress::new(settings(&[refused]));
        assert!(
            matches!(result.err(), Some(SetupError::Origin { .. })),
            "{refused}"
        );
    }
    for (private, right) in [
        ("https://10.0.0.1", true),
        ("https://nas.lan:8443", true),
        ("https://169.254.169.254", false),
        ("https://0.0.0.0", false),
        ("https://224.0.0.1", false),
    ] {
        let result = Egress::new(carapace_egress::Settings {
            private_origins: vec![Origin::of(private).unwrap()],
            pages: None,
            ..settings(&[private])
        });
        assert_eq!(result.is_ok(), right, "{private}");
    }
}

#[test]
fn a_proxy_and_authorities_that_cannot_be_used_are_said_at_once() {
    for proxy in [
        "socks5://127.0.0.1:1080",
        "http://user:pass@proxy.example.com:3128",
        "http://proxy.example.com/x",
        "http://169.254.169.254:80",
        "proxy",
        "",
    ] {
        let result = Egress::new(carapace_egress::Settings {
            proxy: Some(proxy.to_owned()),
            ..settings(&[])
        });
        let error = result.err().unwrap_or_else(|| panic!("{proxy}"));
        assert!(matches!(error, SetupError::Proxy(_)) && !error.to_string().contains("pass@"));
    }
    for pem in [
        "",
        "nonsense",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let result = Egress::new(carapace_egress::Settings {
            ca_pem: Some(pem.to_owned()),
            ..settings(&[])
        });
        assert!(
            matches!(result.err(), Some(SetupError::Authorities(_))),
            "{pem}"
        );
    }
}

#[tokio::test]
async fn stopping_ends_what_is_in_flight_and_lets_nothing_out() {
    let (closed, seen) = mpsc::channel();
    let (address, counted) = world::server::plain(move |stream| {
        put(
            stream,
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n",
        );
        linger(stream);
        closed.send(()).unwrap();
    });
    let origin = format!("http://{address}");
    let (what, _home) = recorded(&origin, None).await;
    let egress = Egress::new(settings(&[&origin])).unwrap();
    let mut reading = egress
        .send(&what, outbound(&origin, LONG, LONG, 100))
        .await
        .unwrap();
    assert_eq!(reading.chunk().await, Ok(Some(Bytes::from_static(b"x"))));
    let mut unread = egress
        .send(&what, outbound(&origin, LONG, LONG, 100))
        .await
        .unwrap();

    // One waits for a chunk, one for a server that says nothing, when the switch is thrown.
    let (silent, _) = world::server::plain(linger);
    let silent = format!("http://{silent}");
    let (to_silent, _other) = recorded(&silent, None).await;
    let waiting = Egress::new(settings(&[&silent])).unwrap();
    let (chunk, answer, ()) = futures_util::future::join3(
        reading.chunk(),
        waiting.send(&to_silent, outbound(&silent, LONG, LONG, 100)),
        async {
            tokio::task::yield_now().await;
            egress.clone().stop();
            waiting.stop();
        },
    )
    .await;
    assert_eq!(
        (chunk, answer.err()),
        (Err(SendError::Stopped), Some(SendError::Stopped))
    );
    assert_eq!(unread.chunk().await, Err(SendError::Stopped));
    let after = egress.send(&what, outbound(&origin, LONG, LONG, 100)).await;
    assert_eq!(after.err(), Some(SendError::Stopped));
    assert_eq!(counted.connections(), 2);
    drop((reading, unread));
    let waited = tokio::task::spawn_blocking(move || {
        let patience = std::time::Duration::from_secs(30);
        seen.recv_timeout(patience)
            .and_then(|()| seen.recv_timeout(patience))
    });
    assert_eq!(waited.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn a_reader_that_waits_slows_the_server_down() {
    let (wrote, seen) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let address = server(move |stream| {
        put(stream, b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
        let piece = vec![b'x'; 64 * 1024];
        for count in 0.. {
            if stream.write_all(&piece).is_err() {
                break;
            }
            wrote.send(count).unwrap();
        }
        let _ = gone.lock().unwrap().recv();
    });
    let origin = format!("http://{address}");
    let (what, _home) = recorded(&origin, None).await;
    let egress = Egress::new(settings(&[&origin])).unwrap();
    let mut response = egress
        .send(&what, outbound(&origin, LONG, LONG, 1 << 40))
        .await
        .unwrap();
    // The server is stuck when it has said nothing for a while; then what it wrote is all that is held anywhere.
    let count = tokio::task::spawn_blocking(move || {
        let mut last = 0;
        while let Ok(count) = seen.recv_timeout(std::time::Duration::from_millis(500)) {
            last = count;
            assert!(last < 1024, "64 MiB were taken without a reader");
        }
        last
    });
    let count = count.await.unwrap();
    assert!(count > 0);
    assert!(response.chunk().await.unwrap().is_some());
    drop((response, go));
}

#[tokio::test]
async fn an_answer_tells_its_type_and_its_size_and_nothing_else() {
    let address = server(|stream| {
        put(stream, b"HTTP/1.1 201 Made\r\ncontent-type: text/event-stream\r\nset-cookie: a=b\r\ncontent-length: 5\r\n\r\nhello");
    });
    let origin = format!("http://{address}");
    let (what, _home) = recorded(&origin, None).await;
    let egress = Egress::new(settings(&[&origin])).unwrap();
    let mut response = egress
        .send(&what, outbound(&origin, LONG, LONG, 100))
        .await
        .unwrap();
    assert_eq!(response.status(), 201);
    assert_eq!(response.received_bytes(), 0);
    while response.chunk().await.unwrap().is_some() {}
    assert_eq!(response.received_bytes(), 5);
    assert!(!format!("{response:?}").contains("completions"));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let address = server(|stream| {
        let long = format!(
            "HTTP/1.1 200 OK\r\nx-long: {}\r\ncontent-length: 0\r\n\r\n",
            "x".repeat(70_000)
        );
        put(stream, long.as_bytes());
        linger(stream);
    });
    assert_eq!(
        exchange(address, LONG, LONG, 100).await,
        Err(SendError::TooLarge { limit: 64 * 1024 })
    );
}

#[tokio::test]
async fn a_local_name_is_sent_to_without_asking_for_it() {
    let address = server(world::server::hello);
    let origin = format!("http://{address}");
    let (what, _home) = recorded(&origin, None).await;
    let egress = Egress::new(settings(&[&origin])).unwrap();
    let named = Outbound {
        url: format!("http://localhost:{}/", address.port()),
        ..outbound(&origin, LONG, LONG, 100)
    };
    assert_eq!(egress.send(&what, named).await.unwrap().status(), 200);
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
    let origin = format!("http://{address}");
    let (what, _home) = recorded(&origin, None).await;
    let egress = Egress::new(settings(&[&origin])).unwrap();
    let mut response = egress
        .send(&what, outbound(&origin, LONG, LONG, 100))
        .await
        .unwrap();
    assert_eq!(response.chunk().await, Ok(Some(Bytes::from_static(b"x"))));
    drop(response);
    let waited =
        tokio::task::spawn_blocking(move || seen.recv_timeout(std::time::Duration::from_secs(30)));
    assert_eq!(waited.await.unwrap(), Ok(()));
}
