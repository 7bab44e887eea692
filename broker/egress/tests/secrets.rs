//! Secrets: put on at the last moment, told to the scrubber before they go out, and in no text of an error.

mod world;

use carapace_contract::id::SecretName;
use carapace_egress::{AttachError, Egress, LendError, Lender, SendError, Settings};
use carapace_providers::{Attach, Origin, Outbound};
use carapace_vault::{Credential, Secret};
use futures_util::future::LocalBoxFuture;
use std::rc::Rc;
use world::server::{Seen, Stream, hello, plain, put};
use world::{LONG, Purse, exchange_with, outbound, recorded, secret, settings};

const KEY: &str = "sk-Canary-0123456789-abcdef";

fn ways() -> Vec<(Attach, Credential)> {
    let key = || Credential::Key(Secret::from(KEY));
    vec![
        (Attach::Bearer { secret: secret() }, key()),
        (
            Attach::Header {
                name: "x-api-key",
                before: "",
                secret: secret(),
            },
            key(),
        ),
        (
            Attach::Header {
                name: "x-goog",
                before: "Key ",
                secret: secret(),
            },
            key(),
        ),
        (
            Attach::Query {
                name: "key",
                secret: secret(),
            },
            key(),
        ),
        (
            Attach::Oauth { secret: secret() },
            Credential::Oauth {
                access_token: Secret::from(KEY),
                refresh_token: Some(Secret::from("rt-Canary-0123456789-abcdef")),
                expires: None,
            },
        ),
        (
            Attach::Sigv4 {
                secret: secret(),
                region: "eu-west-1".to_owned(),
                service: "bedrock",
            },
            Credential::Aws {
                access_key_id: Secret::from("AKIACANARY0123456789"),
                secret_access_key: Secret::from(KEY),
                session_token: Some(Secret::from("st-Canary-0123456789-abcdef")),
            },
        ),
    ]
}

fn sender(origin: &str, purse: &Rc<Purse>) -> Egress {
    Egress::new(Settings {
        lender: purse.clone(),
        ..settings(&[origin])
    })
    .unwrap()
}

fn echo() -> (String, Seen) {
    let (address, seen) = plain(hello);
    (format!("http://{address}"), seen)
}

#[tokio::test]
async fn each_way_arrives_and_what_was_derived_was_told() {
    for (attach, credential) in ways() {
        let (origin, seen) = echo();
        let purse = Purse::with(credential);
        let egress = sender(&origin, &purse);
        let answer = exchange_with(&egress, &origin, attach.clone()).await;
        assert_eq!(answer, Ok(b"hello".to_vec()), "{attach:?}");
        assert_eq!(*purse.lent.borrow(), [(secret(), origin.clone())]);
        let head = seen.heads().remove(0);
        let derived = purse.derived.borrow();
        for value in derived.iter() {
            let value = std::str::from_utf8(value).unwrap();
            assert!(head.contains(value), "{attach:?}: {value} in {head}");
        }
        match attach {
            Attach::Bearer { .. } | Attach::Oauth { .. } => {
                assert!(
                    head.contains(&format!("authorization: Bearer {KEY}\r\n")),
                    "{head}"
                );
                assert_eq!(derived.len(), 1);
            }
            Attach::Header { name, before, .. } => {
                assert!(
                    head.contains(&format!("{name}: {before}{KEY}\r\n")),
                    "{head}"
                );
                assert_eq!(derived.len(), usize::from(!before.is_empty()));
            }
            Attach::Query { .. } => {
                assert!(
                    head.starts_with(&format!("POST /v1/chat/completions?key={KEY} ")),
                    "{head}"
                );
            }
            Attach::Sigv4 { .. } => {
                assert!(
                    head.contains(
                        "authorization: AWS4-HMAC-SHA256 Credential=AKIACANARY0123456789/"
                    ),
                    "{head}"
                );
                assert!(
                    head.contains("x-amz-security-token: st-Canary") && !head.contains(KEY),
                    "{head}"
                );
                assert_eq!(derived.len(), 2);
            }
        }
    }
}

#[tokio::test]
async fn a_secret_that_is_not_lent_or_does_not_fit_stops_the_request() {
    let (origin, seen) = echo();
    let error = exchange_with(
        &sender(&origin, &Purse::empty()),
        &origin,
        Attach::Bearer { secret: secret() },
    )
    .await
    .unwrap_err();
    assert!(
        matches!(
            &error,
            SendError::Lend {
                cause: LendError {
                    retriable: false,
                    ..
                },
                ..
            }
        ),
        "{error}"
    );
    assert!(error.nothing_left() && error.to_string().contains("unlock"));
    for bad in ["", "two\r\nlines: x", "nul\0", " space", "tab\t", "ümlaut"] {
        let error = exchange_with(
            &sender(&origin, &Purse::key(bad)),
            &origin,
            Attach::Bearer { secret: secret() },
        )
        .await
        .unwrap_err();
        assert!(
            matches!(
                &error,
                SendError::Attach {
                    cause: AttachError::Bytes { .. },
                    ..
                }
            ),
            "{error}"
        );
    }
    assert_eq!(seen.connections(), 0);
}

/// Never lends.
struct Slow;

impl Lender for Slow {
    fn lend(
        &self,
        _: &SecretName,
        _: &Origin,
    ) -> LocalBoxFuture<'_, Result<Credential, LendError>> {
        Box::pin(std::future::pending())
    }

    fn derived(&self, _: &SecretName, _: &[u8]) {}
}

#[tokio::test]
async fn a_lender_that_says_nothing_ends_with_the_deadline() {
    let (origin, seen) = echo();
    let egress = Egress::new(Settings {
        lender: Rc::new(Slow),
        ..settings(&[&origin])
    })
    .unwrap();
    let (what, _home) = recorded(&origin, Some(secret())).await;
    let outbound = Outbound {
        attach: Some(Attach::Bearer { secret: secret() }),
        ..outbound(&origin, LONG, 50, 100)
    };
    let result = egress.send(&what, outbound).await;
    assert_eq!(result.err(), Some(SendError::Deadline(50)));
    assert_eq!(seen.connections(), 0);
}

#[tokio::test]
async fn another_secret_than_the_recorded_one_is_not_lent() {
    let (origin, seen) = echo();
    let purse = Purse::key(KEY);
    let egress = sender(&origin, &purse);
    for named in [None, Some("another".parse().unwrap())] {
        let (what, _home) = recorded(&origin, named).await;
        let outbound = Outbound {
            attach: Some(Attach::Bearer { secret: secret() }),
            ..outbound(&origin, LONG, LONG, 100)
        };
        let error = egress.send(&what, outbound).await.unwrap_err();
        assert!(
            matches!(error, SendError::SecretNotRecorded { .. }),
            "{error}"
        );
    }
    assert_eq!((seen.connections(), purse.lent.borrow().len()), (0, 0));
}

/// What a server does that knows the secret and wants it in a log.
type Answer = fn(&str) -> Vec<u8>;

/// Every way in which an exchange can fail after the secret was lent.
fn betrayals() -> Vec<(&'static str, Answer)> {
    vec![
        ("status", |key| {
            format!("HTTP/1.1 500 {key}\r\nretry-after: {key}\r\nconnection: close\r\n\r\n{key}")
                .into_bytes()
        }),
        ("retry", |key| {
            format!("HTTP/1.1 429 x\r\nretry-after: 7 {key}\r\ncontent-length: 0\r\n\r\n")
                .into_bytes()
        }),
        ("redirect", |key| {
            format!("HTTP/1.1 302 x\r\nlocation: https://{key}.example.com/{key}?{key}\r\ncontent-length: 0\r\n\r\n").into_bytes()
        }),
        ("redirect to a local name", |key| {
            format!("HTTP/1.1 302 x\r\nlocation: https://{key}.local/\r\ncontent-length: 0\r\n\r\n")
                .into_bytes()
        }),
        ("redirect to a bad host", |key| {
            format!("HTTP/1.1 302 x\r\nlocation: https://{key}:99999/\r\ncontent-length: 0\r\n\r\n")
                .into_bytes()
        }),
        ("relative redirect", |key| {
            format!("HTTP/1.1 302 x\r\nlocation: /?{key}\r\ncontent-length: 0\r\n\r\n").into_bytes()
        }),
        ("redirect with a scheme", |key| {
            format!("HTTP/1.1 302 x\r\nlocation: {key}:{key}\r\ncontent-length: 0\r\n\r\n")
                .into_bytes()
        }),
        ("no HTTP", |key| format!("{key}\r\n\r\n").into_bytes()),
        ("bad header", |key| {
            format!("HTTP/1.1 200 OK\r\n{key} {key}\r\n\r\n").into_bytes()
        }),
        ("bad length", |key| {
            format!("HTTP/1.1 200 OK\r\ncontent-length: {key}\r\n\r\n").into_bytes()
        }),
        ("bad chunk", |key| {
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{key}\r\n").into_bytes()
        }),
        ("cut", |key| {
            format!("HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{key}").into_bytes()
        }),
        ("cut head", |key| {
            format!("HTTP/1.1 200 {key}\r\nx-{key}").into_bytes()
        }),
        ("too large", |key| {
            format!("HTTP/1.1 200 OK\r\nx: {key}\r\ncontent-length: 99999999\r\n\r\n").into_bytes()
        }),
        ("large head", |key| {
            format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", key.repeat(5_000)).into_bytes()
        }),
        ("nothing", |_| Vec::new()),
    ]
}

#[tokio::test]
async fn a_secret_is_in_no_error_whatever_the_server_does() {
    for (attach, credential) in ways() {
        let told: Vec<Vec<u8>> = credential
            .values()
            .iter()
            .map(|value| value.expose().to_vec())
            .collect();
        for (what, answer) in betrayals() {
            let (address, _) = plain(move |stream: &mut dyn Stream| put(stream, &answer(KEY)));
            let origin = format!("http://{address}");
            let purse = Purse::with(credential.clone());
            let error = exchange_with(&sender(&origin, &purse), &origin, attach.clone())
                .await
                .unwrap_err();
            let shown = format!("{error}\n{error:?}\n{error:#?}").to_lowercase();
            for value in told.iter().chain(purse.derived.borrow().iter()) {
                let value = String::from_utf8_lossy(value).to_lowercase();
                assert!(!shown.contains(&value), "{what}: {shown}");
            }
            assert!(
                shown.contains("remedy") && !shown.contains("key="),
                "{what}: {shown}"
            );
        }
    }
}

#[tokio::test]
async fn a_secret_is_in_no_error_when_nobody_answers() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for (attach, credential) in ways() {
        let error = exchange_with(&sender(&origin, &Purse::with(credential)), &origin, attach)
            .await
            .unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(matches!(error, SendError::Connect { .. }), "{shown}");
        assert!(
            !shown.contains("Canary") && !shown.contains("completions"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn the_status_is_kept_and_its_retry_after_is_a_time_or_nothing() {
    for (header, kept) in [
        ("9", Some("9")),
        (
            "Wed, 21 Oct 2026 07:28:00 GMT",
            Some("Wed, 21 Oct 2026 07:28:00 GMT"),
        ),
        ("soon", None),
        ("12345678901", None),
        ("-1", None),
    ] {
        let (address, _) = plain(move |stream: &mut dyn Stream| {
            put(
                stream,
                format!("HTTP/1.1 429 x\r\nretry-after: {header}\r\ncontent-length: 0\r\n\r\n")
                    .as_bytes(),
            );
        });
        let origin = format!("http://{address}");
        let attach = Attach::Bearer { secret: secret() };
        let error = exchange_with(&sender(&origin, &Purse::key(KEY)), &origin, attach)
            .await
            .unwrap_err();
        let SendError::Status {
            status: 429,
            retry_after,
            ..
        } = &error
        else {
            panic!("{error}")
        };
        assert_eq!(retry_after.as_deref(), kept);
        assert!(!error.nothing_left());
    }
}
