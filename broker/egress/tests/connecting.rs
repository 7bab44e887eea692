//! Where connections go: names and what they resolve to, TLS, and a proxy.

mod world;

use carapace_egress::guard::Refused;
use carapace_egress::{Egress, Resolve, SendError, Settings};
use carapace_providers::Origin;
use futures_util::future::BoxFuture;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, OnceLock};
use world::server::{Authority, Stream, head, hello, put, self_signed, serve};
use world::{Answers, LONG, exchange, outbound, recorded, settings};

const NAME: &str = "model.corp.example.com";

/// One authority for all tests of this file.
fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(Authority::new)
}

fn local(tls: Arc<rustls::ServerConfig>) -> (SocketAddr, world::server::Seen) {
    serve(TcpListener::bind("127.0.0.1:0").unwrap(), Some(tls), hello)
}

/// A sender to an origin that is named private, trusting the authority.
fn private(origin: &str, resolver: Arc<Answers>) -> Egress {
    Egress::new(Settings {
        private_origins: vec![Origin::of(origin).unwrap()],
        pages: None,
        ca_pem: Some(authority().pem()),
        resolver,
        ..settings(&[origin])
    })
    .unwrap()
}

#[tokio::test]
async fn a_name_is_connected_to_where_it_was_checked() {
    // Two servers with the same port at different addresses; only the checked one is reached.
    let (first, at_first) = local(authority().server(NAME, 2000..2090));
    let second = TcpListener::bind(("127.0.0.2", first.port())).unwrap();
    let (_, at_second) = serve(second, Some(authority().server(NAME, 2000..2090)), hello);
    let origin = format!("https://{NAME}:{}", first.port());
    let resolver = Answers::always(&["127.0.0.2"]);
    let egress = private(&origin, resolver.clone());
    assert_eq!(exchange(&egress, &origin).await, Ok(b"hello".to_vec()));
    assert_eq!((at_first.connections(), at_second.connections()), (0, 1));
    assert_eq!(resolver.names(), [NAME]);
    let head = &at_second.heads()[0];
    assert!(
        head.contains(&format!("host: {NAME}:{}", first.port())),
        "{head}"
    );
}

#[tokio::test]
async fn a_name_that_is_rebound_is_refused_at_the_next_connection() {
    let (address, seen) = local(authority().server(NAME, 2000..2090));
    let origin = format!("https://{NAME}:{}", address.port());
    let resolver = Answers::each(&[
        &["127.0.0.1"],
        &["169.254.169.254"],
        &["127.0.0.1", "fd00:ec2::254"],
        &["0.0.0.0"],
    ]);
    let egress = private(&origin, resolver.clone());
    assert_eq!(exchange(&egress, &origin).await, Ok(b"hello".to_vec()));
    for _ in 0..3 {
        let error = exchange(&egress, &origin).await.unwrap_err();
        assert!(
            matches!(error, SendError::Guard(Refused::Address { .. })),
            "{error}"
        );
        assert!(error.nothing_left());
    }
    // One question for each connection: nothing is asked between the check and the connecting.
    assert_eq!((resolver.asked(), seen.connections()), (4, 1));
}

#[tokio::test]
async fn a_public_name_that_resolves_to_a_private_address_is_not_connected_to() {
    let (address, seen) = local(authority().server(NAME, 2000..2090));
    let origin = format!("https://{NAME}:{}", address.port());
    for answer in [
        &["127.0.0.1"][..],
        &["8.8.8.8", "127.0.0.1"],
        &["::ffff:127.0.0.1"],
        &["64:ff9b::7f00:1"],
        &["10.0.0.1"],
    ] {
        let egress = Egress::new(Settings {
            ca_pem: Some(authority().pem()),
            resolver: Answers::always(answer),
            ..settings(&[&origin])
        })
        .unwrap();
        let error = exchange(&egress, &origin).await.unwrap_err();
        assert!(
            matches!(error, SendError::Guard(Refused::Address { .. })),
            "{answer:?}: {error}"
        );
    }
    assert_eq!(seen.connections(), 0);
}

#[tokio::test]
async fn a_name_without_an_address_is_said_with_the_resolvers_words() {
    let origin = "https://model.corp.example.com:443";
    let egress = Egress::new(settings(&[origin])).unwrap();
    let error = exchange(&egress, origin).await.unwrap_err();
    assert!(
        matches!(&error, SendError::Resolve { cause, .. } if cause == "no such name"),
        "{error}"
    );
}

/// Never answers.
struct Silent;

impl Resolve for Silent {
    fn resolve(&self, _: String) -> BoxFuture<'static, Result<Vec<IpAddr>, String>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_resolver_that_says_nothing_ends_with_the_limit() {
    let origin = "https://model.corp.example.com:443";
    let egress = Egress::new(Settings {
        resolver: Arc::new(Silent),
        ..settings(&[origin])
    })
    .unwrap();
    let (what, _home) = recorded(origin, None).await;
    let result = egress.send(&what, outbound(origin, 50, LONG, 100)).await;
    assert_eq!(result.err(), Some(SendError::FirstByte(50)));
}

#[tokio::test]
async fn a_server_that_never_finishes_the_handshake_ends_with_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("https://{NAME}:{}", listener.local_addr().unwrap().port());
    let egress = private(&origin, Answers::always(&["127.0.0.1"]));
    let (what, _home) = recorded(&origin, None).await;
    let result = egress.send(&what, outbound(&origin, LONG, 50, 100)).await;
    assert_eq!(result.err(), Some(SendError::Deadline(50)));
}

#[tokio::test]
async fn a_certificate_that_is_not_right_is_refused_before_anything_is_said() {
    for (tls, why) in [
        (
            authority().server("other.example.com", 2000..2090),
            "not valid for name",
        ),
        (authority().server(NAME, 2000..2001), "expired"),
        (authority().server(NAME, 2080..2090), "not valid yet"),
        (self_signed(NAME), "UnknownIssuer"),
        (Authority::new().server(NAME, 2000..2090), "UnknownIssuer"),
    ] {
        let (address, seen) = local(tls);
        let origin = format!("https://{NAME}:{}", address.port());
        let egress = private(&origin, Answers::always(&["127.0.0.1"]));
        let error = exchange(&egress, &origin).await.unwrap_err();
        assert!(matches!(error, SendError::Tls { .. }), "{why}: {error}");
        assert!(
            error.to_string().contains(why) && error.nothing_left(),
            "{why}: {error}"
        );
        assert_eq!((seen.connections(), seen.heads().len()), (1, 0));
    }
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_only_where_it_is_configured() {
    let (address, seen) = local(authority().server(NAME, 2000..2090));
    let origin = format!("https://{NAME}:{}", address.port());
    let egress = Egress::new(Settings {
        private_origins: vec![Origin::of(&origin).unwrap()],
        pages: None,
        resolver: Answers::always(&["127.0.0.1"]),
        ..settings(&[&origin])
    })
    .unwrap();
    let error = exchange(&egress, &origin).await.unwrap_err();
    assert!(matches!(error, SendError::Tls { .. }), "{error}");
    assert_eq!(seen.heads().len(), 0);
}

#[tokio::test]
async fn tls_1_2_is_spoken_and_plain_text_is_no_tls() {
    let (address, _) = local(authority().old_server(NAME));
    let origin = format!("https://{NAME}:{}", address.port());
    let egress = private(&origin, Answers::always(&["127.0.0.1"]));
    assert_eq!(exchange(&egress, &origin).await, Ok(b"hello".to_vec()));

    let talker = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = talker.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = talker.accept().unwrap();
        put(
            &mut stream,
            b"HTTP/1.1 400 Bad Request\r\n\r\nthis is no TLS",
        );
        drop(stream.read(&mut [0; 16]));
    });
    let origin = format!("https://{NAME}:{port}");
    let egress = private(&origin, Answers::always(&["127.0.0.1"]));
    let error = exchange(&egress, &origin).await.unwrap_err();
    assert!(matches!(error, SendError::Tls { .. }), "{error}");
}

/// A proxy that connects every request to one address, whatever its name is.
fn proxy(to: SocketAddr) -> (SocketAddr, world::server::Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    serve(listener, None, move |stream: &mut dyn Stream| {
        put(stream, b"HTTP/1.1 200 Connection established\r\n\r\n");
        let mut other = TcpStream::connect(to).unwrap();
        other
            .set_read_timeout(Some(std::time::Duration::from_millis(50)))
            .unwrap();
        // One direction after the other is enough for a handshake and one exchange.
        let mut buffer = [0; 16 * 1024];
        while let Ok(count) = stream.read(&mut buffer) {
            if count == 0 || other.write_all(&buffer[..count]).is_err() {
                break;
            }
            loop {
                match other.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(count) => put(stream, &buffer[..count]),
                    Err(_) => break,
                }
            }
        }
    })
}

#[tokio::test]
async fn a_proxy_carries_tls_to_the_end_and_is_asked_by_name() {
    let (address, at_server) = local(authority().server(NAME, 2000..2090));
    let (through, at_proxy) = proxy(address);
    let origin = format!("https://{NAME}:{}", address.port());
    let resolver = Answers::always(&["127.0.0.1"]);
    let egress = Egress::new(Settings {
        ca_pem: Some(authority().pem()),
        proxy: Some(format!("http://proxy.example.com:{}", through.port())),
        resolver: resolver.clone(),
        ..settings(&[&origin])
    })
    .unwrap();
    assert_eq!(exchange(&egress, &origin).await, Ok(b"hello".to_vec()));
    assert_eq!(resolver.names(), ["proxy.example.com"]);
    let head = &at_proxy.heads()[0];
    assert!(
        head.starts_with(&format!("CONNECT {NAME}:{}", address.port())),
        "{head}"
    );
    assert_eq!(at_server.heads().len(), 1);
}

#[tokio::test]
async fn this_machine_and_private_origins_do_not_go_through_the_proxy() {
    let (plain, at_plain) = world::server::plain(hello);
    let (secured, at_secured) = local(authority().server(NAME, 2000..2090));
    let (through, at_proxy) = proxy(plain);
    let (here, there) = (
        format!("http://{plain}"),
        format!("https://{NAME}:{}", secured.port()),
    );
    let egress = Egress::new(Settings {
        private_origins: vec![Origin::of(&there).unwrap()],
        pages: None,
        ca_pem: Some(authority().pem()),
        proxy: Some(format!("http://{through}")),
        resolver: Answers::always(&["127.0.0.1"]),
        ..settings(&[&here, &there])
    })
    .unwrap();
    for origin in [&here, &there] {
        assert_eq!(exchange(&egress, origin).await, Ok(b"hello".to_vec()));
    }
    assert_eq!(
        (
            at_plain.heads().len(),
            at_secured.heads().len(),
            at_proxy.connections()
        ),
        (1, 1, 0)
    );
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_not_read() {
    // The client is made with the environment of the test, so the proxy stands in a child's.
    let (plain, _) = world::server::plain(hello);
    let (through, at_proxy) = proxy(plain);
    let here = format!("http://{plain}");
    if std::env::var_os("CARAPACE_TEST_CHILD").is_none() {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_proxy_of_the_environment_is_not_read"])
            .env("CARAPACE_TEST_CHILD", "1")
            .env("http_proxy", format!("http://{through}"))
            .env("https_proxy", format!("http://{through}"))
            .env("all_proxy", format!("http://{through}"))
            .status()
            .unwrap();
        assert!(status.success());
        assert_eq!(at_proxy.connections(), 0);
        return;
    }
    let egress = Egress::new(settings(&[&here])).unwrap();
    assert_eq!(exchange(&egress, &here).await, Ok(b"hello".to_vec()));
}

#[tokio::test]
async fn an_idle_connection_is_used_again() {
    let (address, seen) = serve(
        TcpListener::bind("127.0.0.1:0").unwrap(),
        Some(authority().server(NAME, 2000..2090)),
        |stream: &mut dyn Stream| {
            loop {
                // The body of the request is two bytes.
                if stream.read_exact(&mut [0; 2]).is_err() {
                    return;
                }
                put(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
                if head(stream).is_none() {
                    return;
                }
            }
        },
    );
    let origin = format!("https://{NAME}:{}", address.port());
    let resolver = Answers::always(&["127.0.0.1"]);
    let egress = private(&origin, resolver.clone());
    for _ in 0..3 {
        assert_eq!(exchange(&egress, &origin).await, Ok(b"hello".to_vec()));
    }
    assert_eq!((seen.connections(), resolver.asked()), (1, 1));
}
