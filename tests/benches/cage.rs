//! A cold cage: from the call to a worker's READY, beside bubblewrap with the same namespaces
//! around a program that does nothing.

use crate::table::{Figure, Row};
use carapace_harness::programs;
use carapace_jail::config::CageConfig;
use carapace_jail::report::{self, Line};
use carapace_jail::{CageSpec, Caged, ProfileName, attest, open_program, spawn};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Pairs of runs; ours and the baseline take turns, so that noise hits both.
const PAIRS: usize = 200;
const WORDS: &str = "cold cage: worker spawned to READY";

/// Measures the rows of this group. The caller has one thread.
pub fn measure(rows: &mut Vec<Row>) {
    let program =
        open_program(&programs::folder().join("carapace-worker")).expect("the worker is there");
    let config = CageConfig::default();
    let bubblewrap = bubblewrap().is_some();
    let (mut ours, mut theirs, mut attested) = (Vec::new(), Vec::new(), Vec::new());
    // The first is not counted: it brings the program into memory.
    for at in 0..=PAIRS {
        let (cold, looked) = once(program.as_fd(), &config, at as u32);
        if at > 0 {
            ours.push(cold);
            attested.push(looked);
            theirs.extend(if bubblewrap { self::bubblewrap() } else { None });
        }
    }
    let figure = Figure::of(&ours);
    let row = Row::new(WORDS, figure);
    rows.push(if theirs.len() == PAIRS {
        let baseline = Figure::of(&theirs);
        let met = figure.middle <= 1.3 * baseline.middle;
        row.beside("bwrap --unshare-all … true", baseline)
            .budget("<= 1.3 x bwrap", met)
    } else {
        row.note(
            "no baseline: bwrap is missing or may not make namespaces here (install bubblewrap)",
        )
    });
    rows.push(Row::new(
        "  its attestation from outside",
        Figure::of(&attested),
    ));
}

/// One worker: the time to READY, and the time of its attestation.
fn once(
    program: std::os::fd::BorrowedFd<'_>,
    config: &CageConfig,
    slot: u32,
) -> (Duration, Duration) {
    let (_channel, theirs) = UnixStream::pair().expect("a socket pair");
    let (_log, log) = std::io::pipe().expect("a pipe");
    let began = Instant::now();
    let caged = spawn(CageSpec {
        profile: ProfileName::Worker,
        program,
        argv: vec![c"carapace-worker".to_owned()],
        fds: vec![(OwnedFd::from(theirs), 3)],
        log: log.into(),
        workspace: None,
        state: None,
        home: None,
        slot,
        config,
    })
    .expect("the cage starts");
    let line = report(&caged);
    let cold = began.elapsed();
    assert_eq!(line, Some(Line::Ready), "the worker is locked");
    let began = Instant::now();
    attest::attest(caged.pid, &caged.expected).expect("the worker is confined as ordered");
    let looked = began.elapsed();
    caged.kill().expect("the worker is killed");
    caged.wait().expect("the worker is reaped");
    (cold, looked)
}

fn report(caged: &Caged) -> Option<Line> {
    rustix::io::ioctl_fionbio(&caged.report, false).expect("the report can be waited for");
    let mut from = File::from(caged.report.try_clone().expect("a descriptor"));
    let (mut text, mut room) = (Vec::new(), [0; 512]);
    loop {
        let count = from.read(&mut room).expect("the report is read");
        text.extend_from_slice(&room[..count]);
        if count == 0 || text.ends_with(b"\n") {
            return report::parse(&text);
        }
    }
}

/// One run of the baseline; `None` where it does not work here.
fn bubblewrap() -> Option<Duration> {
    let mut command = Command::new("bwrap");
    command.args(["--unshare-all", "--ro-bind", "/", "/", "true"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let began = Instant::now();
    let status = command.status().ok()?;
    status.success().then(|| began.elapsed())
}
