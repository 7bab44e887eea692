//! A hostile peer on a channel: each attack ends the attacker's link and nothing else, and never
//! makes the other end hold more than the limits say. A second, honest link is served meanwhile.

use carapace_ipc_proto::broker_link::{self, Peer, Receiver};
use carapace_ipc_proto::limits;
use carapace_ipc_proto::link::LinkError;
use carapace_ipc_proto::words::{Request, topic};
use carapace_ipc_proto::zmtp::{self, Breach, Decoder};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

const READY: &[u8] = &zmtp::HELLO;

fn greeting() -> Vec<u8> {
    READY[..64].to_vec()
}

fn long_frame(flags: u8, announced: u64) -> Vec<u8> {
    let mut bytes = READY.to_vec();
    bytes.push(flags);
    bytes.extend_from_slice(&announced.to_be_bytes());
    bytes
}

fn command(body: &[u8]) -> Vec<u8> {
    let mut bytes = greeting();
    bytes.extend_from_slice(&[4, u8::try_from(body.len()).expect("a short command")]);
    bytes.extend_from_slice(body);
    bytes
}

fn property(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(name.len()).expect("a short name")];
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(&(value.len() as u32).to_be_bytes());
    bytes.extend_from_slice(value);
    bytes
}

/// Bytes that a broken link must refuse, by name.
fn attacks() -> Vec<(&'static str, Vec<u8>)> {
    let with_ready = |bytes: &[u8]| [READY, bytes].concat();
    let ready = |properties: &[u8]| command(&[b"\x05READY".as_slice(), properties].concat());
    let dealer = property(b"Socket-Type", b"DEALER");
    let mut many = vec![6_u8, 0, 0, 0, 0, 0, 0, 0];
    many.clear();
    many.extend_from_slice(&greeting());
    many.push(6);
    many.extend_from_slice(&(24_u64 << 20).to_be_bytes());
    vec![
        ("length 2^63-1", long_frame(2, (1 << 63) - 1)),
        ("length 2^64-1", long_frame(2, u64::MAX)),
        ("length 2^62", long_frame(2, 1 << 62)),
        ("length 1 TiB", long_frame(2, 1 << 40)),
        ("length 64 GiB", long_frame(2, 64 << 30)),
        ("length 1 GiB", long_frame(2, 1 << 30)),
        (
            "length one above the limit",
            long_frame(2, limits::FRAME as u64 + 1),
        ),
        ("endless MORE frames", with_ready(&[1, 0].repeat(1000))),
        ("MORE with a length", long_frame(3, 10)),
        ("READY of 24 MiB", many),
        ("property length lie", ready(&[11, b'S', b'o'])),
        (
            "property value length lie",
            ready(&[b"\x0bSocket-Type\xff\xff\xff\xff".as_slice(), b"DEALER"].concat()),
        ),
        (
            "empty property name",
            ready(&[property(b"", b"x"), dealer.clone()].concat()),
        ),
        (
            "two socket types",
            ready(&[dealer.clone(), dealer.clone()].concat()),
        ),
        ("no socket type", ready(b"")),
        ("socket type PUB", ready(&property(b"Socket-Type", b"PUB"))),
        (
            "socket type STREAM",
            ready(&property(b"Socket-Type", b"STREAM")),
        ),
        ("empty command instead of READY", command(b"")),
        ("ERROR instead of READY", command(b"\x05ERROR\x01x")),
        (
            "data instead of READY",
            [greeting(), vec![0, 1, b'x']].concat(),
        ),
        (
            "a command after the handshake",
            with_ready(b"\x04\x05\x04PING"),
        ),
        ("reserved bits", with_ready(&[0x80, 1, b'x'])),
        (
            "HTTP instead of a greeting",
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        ),
        ("ZMTP 2", {
            let mut bytes = greeting();
            bytes[10] = 1;
            bytes
        }),
        ("mechanism PLAIN", {
            let mut bytes = greeting();
            bytes[12..17].copy_from_slice(b"PLAIN");
            bytes
        }),
        ("as-server", {
            let mut bytes = greeting();
            bytes[32] = 1;
            bytes
        }),
    ]
}

fn pair(peer: Peer) -> (UnixStream, Receiver, broker_link::Sender) {
    let (ours, theirs) = UnixStream::pair().expect("a socketpair");
    if peer != Peer::Accepted {
        nix::sys::socket::setsockopt(&ours, nix::sys::socket::sockopt::PassCred, &true)
            .expect("SO_PASSCRED");
    }
    let (receiver, sender) =
        broker_link::adopt(OwnedFd::from(ours), peer).expect("a stream socket");
    let receiver = receiver.with_deadlines(Duration::from_millis(200), Duration::from_millis(200));
    (theirs, receiver, sender)
}

fn breach(outcome: Result<Vec<u8>, LinkError>) -> Breach {
    match outcome {
        Err(LinkError::Breach(breach)) => breach,
        other => panic!("no breach but {other:?}"),
    }
}

#[tokio::test]
async fn every_attack_is_a_breach_and_an_honest_link_is_served_beside_it() {
    let own = Peer::Process(i32::try_from(std::process::id()).expect("a pid"));
    let (mut honest, mut served, _sender) = pair(own);
    honest.write_all(READY).expect("greets");
    for (name, bytes) in attacks() {
        let (mut attacker, mut receiver, _sender) = pair(own);
        let _ = attacker.write_all(&bytes);
        let found = breach(receiver.receive().await);
        assert!(
            !matches!(found, Breach::Stalled(_)),
            "{name}: refused by its form, not by waiting"
        );
        let mut frame = Vec::new();
        zmtp::encode(name.as_bytes(), &mut frame);
        honest.write_all(&frame).expect("speaks");
        assert_eq!(served.receive().await.expect("served"), name.as_bytes());
    }
}

#[test]
fn no_attack_makes_the_decoder_hold_more_than_a_frame() {
    for (name, bytes) in attacks() {
        let mut decoder = Decoder::new(limits::FRAME);
        let mut rest = &bytes[..];
        let mut refused = false;
        while !rest.is_empty() && !refused {
            let room = decoder.room();
            let count = room.len().min(rest.len()).min(7);
            room[..count].copy_from_slice(&rest[..count]);
            decoder.filled(count);
            rest = &rest[count..];
            refused = loop {
                match decoder.next_frame() {
                    Err(_) => break true,
                    Ok(None) => break false,
                    Ok(Some(_)) => {}
                }
            };
            assert!(
                decoder.held() <= 64 * 1024,
                "{name} made it hold {}",
                decoder.held()
            );
        }
        assert!(refused, "{name} was not refused");
    }
}

#[tokio::test]
async fn who_stops_in_the_middle_is_closed_after_the_deadline() {
    for bytes in [
        Vec::new(),
        greeting(),
        [READY, &[2, 0, 0, 0, 0, 0, 0, 4, 0, b'x']].concat(),
    ] {
        let (mut attacker, mut receiver, _sender) = pair(Peer::Accepted);
        attacker.write_all(&bytes).expect("writes");
        assert!(matches!(
            breach(receiver.receive().await),
            Breach::Stalled(_)
        ));
    }
}

#[tokio::test]
async fn between_frames_there_is_no_deadline() {
    let (mut peer, mut receiver, _sender) = pair(Peer::Accepted);
    peer.write_all(READY).expect("greets");
    let waited = tokio::time::timeout(Duration::from_millis(600), receiver.receive()).await;
    assert!(waited.is_err(), "an idle peer is left alone: {waited:?}");
}

#[tokio::test]
async fn a_byte_from_another_process_is_a_breach() {
    let (mut peer, mut receiver, _sender) = pair(Peer::Process(1));
    peer.write_all(READY).expect("greets");
    let own = i32::try_from(std::process::id()).expect("a pid");
    assert_eq!(
        breach(receiver.receive().await),
        Breach::Sender {
            expected: 1,
            found: own
        }
    );
}

#[tokio::test]
async fn descriptors_sent_along_are_a_breach_and_are_not_taken() {
    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
    use std::os::fd::AsRawFd;
    let own = Peer::Process(i32::try_from(std::process::id()).expect("a pid"));
    let (peer, mut receiver, _sender) = pair(own);
    let file = std::fs::File::open("/dev/null").expect("opens");
    let descriptors = [file.as_raw_fd(); 50];
    let before = std::fs::read_dir("/proc/self/fd").expect("lists").count();
    let parts = [std::io::IoSlice::new(READY)];
    sendmsg::<()>(
        peer.as_raw_fd(),
        &parts,
        &[ControlMessage::ScmRights(&descriptors)],
        MsgFlags::empty(),
        None,
    )
    .expect("sends");
    assert_eq!(breach(receiver.receive().await), Breach::Ancillary);
    let after = std::fs::read_dir("/proc/self/fd").expect("lists").count();
    assert!(after <= before + 4, "{before} descriptors became {after}");
}

#[tokio::test]
async fn who_does_not_read_is_closed_and_costs_a_bounded_queue() {
    let (_peer, _receiver, sender) = pair(Peer::Accepted);
    let mut sender = sender.with_stall(Duration::from_millis(200));
    let body = vec![0; 64 * 1024];
    let outcome = async {
        loop {
            if let Err(error) = sender.send(&body).await {
                return error;
            }
        }
    }
    .await;
    assert!(
        matches!(outcome, LinkError::Breach(Breach::Stalled(_))),
        "{outcome:?}"
    );
}

#[test]
fn requests_out_of_form_are_refused_before_anything_reads_them() {
    use prost::Message as _;
    let good = Request {
        topic: topic::SAY.to_owned(),
        correlation: "s1".to_owned(),
        arguments: b"{}".to_vec(),
        more: false,
        within: String::new(),
    };
    assert!(Request::decode_claim(&good.encode_to_vec()).is_ok());
    let bad = [
        Request {
            topic: String::new(),
            ..good.clone()
        },
        Request {
            topic: "t".repeat(limits::TOPIC + 1),
            ..good.clone()
        },
        Request {
            correlation: "c".repeat(limits::CORRELATION + 1),
            ..good.clone()
        },
        Request {
            within: "w".repeat(limits::CORRELATION + 1),
            ..good.clone()
        },
        Request {
            arguments: vec![b' '; limits::ARGUMENTS + 1],
            ..good.clone()
        },
        Request {
            more: true,
            ..good.clone()
        },
    ];
    for request in bad {
        assert!(
            Request::decode_claim(&request.encode_to_vec()).is_err(),
            "{:?}",
            request.topic
        );
    }
    let hostile: [&[u8]; 6] = [
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\x0a\x02\xff\xfe",
        b"\x1b\x1b\x1b\x1b",
        b"\x22\x01",
        b"\x20\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    ];
    for bytes in hostile {
        assert!(Request::decode_claim(bytes).is_err(), "{bytes:?}");
    }
}
