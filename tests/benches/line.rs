//! The channel alone: a frame of 1 KiB there and back, beside a raw Unix socket.

use crate::table::{Figure, Row};
use carapace_ipc_proto::broker_link::{self, Peer};
use carapace_ipc_proto::link;
use rustix::net::sockopt::set_socket_passcred;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

const SIZE: usize = 1024;
/// Round trips of one measurement.
const TRIPS: usize = 4_000;
/// Measurements; the three kinds take turns, so that noise hits all.
const TURNS: usize = 5;

/// Measures the rows of this group.
pub fn measure(rows: &mut Vec<Row>) {
    let (mut bare, mut blocking, mut broker) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        bare.extend(raw(TRIPS));
        blocking.extend(linked(serve_blocking));
        broker.extend(linked(serve_as_broker));
    }
    let bare = Figure::of(&bare);
    for (what, samples) in [
        ("channel round trip, 1 KiB, blocking ends", blocking),
        ("  the broker's end: event loop, sender checked", broker),
    ] {
        let figure = Figure::of(&samples);
        let met = figure.middle <= 1.5 * bare.middle;
        rows.push(
            Row::new(what, figure)
                .beside("raw socket ping-pong", bare)
                .budget("<= 1.5 x raw", met),
        );
    }
}

/// Round trips over a bare socket pair.
pub fn raw(trips: usize) -> Vec<Duration> {
    let (mut ours, mut theirs) = UnixStream::pair().expect("a socket pair");
    let other = thread::spawn(move || {
        let mut bytes = [0; SIZE];
        while theirs.read_exact(&mut bytes).is_ok() && theirs.write_all(&bytes).is_ok() {}
    });
    let mut bytes = [7; SIZE];
    let times = timed(trips, || {
        ours.write_all(&bytes).expect("writes");
        ours.read_exact(&mut bytes).expect("reads");
    });
    drop(ours);
    other.join().expect("the other end closes");
    times
}

/// Round trips over the bounded link; `serve` is the other end.
fn linked(serve: fn(UnixStream)) -> Vec<Duration> {
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    set_socket_passcred(&theirs, true).expect("senders are named");
    let other = thread::spawn(move || serve(theirs));
    let from = ours.try_clone().expect("a descriptor");
    let (mut receiver, mut sender) = link::open(from, ours).expect("the link opens");
    let body = [7; SIZE];
    let times = timed(TRIPS, || {
        sender.send(&body).expect("sends");
        assert_eq!(receiver.receive().expect("receives").len(), SIZE);
    });
    drop((receiver, sender));
    other.join().expect("the other end closes");
    times
}

fn serve_blocking(stream: UnixStream) {
    let from = stream.try_clone().expect("a descriptor");
    let (mut receiver, mut sender) = link::open(from, stream).expect("the link opens");
    while let Ok(frame) = receiver.receive() {
        if sender.send(&frame).is_err() {
            return;
        }
    }
}

fn serve_as_broker(stream: UnixStream) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let peer = Peer::Process(rustix::process::getpid().as_raw_nonzero().get());
        let (mut receiver, mut sender) =
            broker_link::adopt(OwnedFd::from(stream), peer).expect("a stream");
        while let Ok(frame) = receiver.receive().await {
            if sender.send(&frame).await.is_err() {
                return;
            }
        }
    });
}

/// The times of this many runs; the first tenth is run besides and not counted.
fn timed(count: usize, mut run: impl FnMut()) -> Vec<Duration> {
    (0..count / 10).for_each(|_| run());
    (0..count)
        .map(|_| {
            let began = Instant::now();
            run();
            began.elapsed()
        })
        .collect()
}
