//! One started process: its cage, what it reported, what it prints, how far it is.

use std::collections::VecDeque;
use std::fs;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use carapace_ipc_proto::launch::Failure;
use carapace_jail::report::{self, Line};
use carapace_jail::{Caged, ProfileName};
use carapace_supervisor::line::{Lines, Rate};
use carapace_supervisor::status::ProcessStatus;
use rustix::io::Errno;

use crate::journal::Journal;

/// The last lines that are kept to tell why a process ended.
const LAST_LINES: usize = 6;
/// Read of a process's output in one turn: a flood is taken in slices, others come in between.
const SLICE: usize = 16 << 10;

/// A process that was started and not reaped.
pub(crate) struct Process {
    /// Never used again.
    pub(crate) number: u64,
    /// Its profile.
    pub(crate) profile: ProfileName,
    /// The broker's start that it belongs to.
    pub(crate) generation: u32,
    /// Its cage.
    pub(crate) caged: Caged,
    /// How far it is.
    pub(crate) phase: Phase,
    /// Whether it was found as ordered.
    pub(crate) attested: bool,
    /// The broker's end of its channel, until it is handed over.
    pub(crate) channel: Option<OwnedFd>,
    /// The broker's request that it was started for, until that is answered.
    pub(crate) request: Option<u64>,
    /// Picks its user id.
    pub(crate) slot: u32,
    /// When it was started.
    pub(crate) started: Instant,
    /// It is killed at this time, whatever it does.
    pub(crate) end_by: Option<Instant>,
    /// The supervisor itself wants its end.
    pub(crate) unwanted: bool,
    /// Why it is not used, as far as known.
    pub(crate) refusal: Option<(Failure, String)>,
    /// What it prints.
    pub(crate) output: Output,
    report: Vec<u8>,
    report_open: bool,
}

/// How far a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not yet locked, attested and (the broker) listening; killed at this time.
    Starting {
        /// The deadline.
        by: Instant,
    },
    /// Attested, without a task.
    Idle,
    /// In the broker's hands; the broker: listening.
    Serving,
}

impl Process {
    /// A process that was started just now.
    pub(crate) fn new(
        number: u64,
        profile: ProfileName,
        generation: u32,
        caged: Caged,
        log: OwnedFd,
        boot: Duration,
    ) -> Self {
        let started = Instant::now();
        Self {
            number,
            profile,
            generation,
            caged,
            phase: Phase::Starting { by: started + boot },
            attested: false,
            channel: None,
            request: None,
            slot: 0,
            started,
            end_by: None,
            unwanted: false,
            refusal: None,
            output: Output::new(log),
            report: Vec::new(),
            report_open: true,
        }
    }

    /// Its name in the log.
    pub(crate) fn name(&self) -> String {
        format!("{}#{}", self.profile, self.number)
    }

    /// Whether it is being started.
    pub(crate) fn starting(&self) -> bool {
        matches!(self.phase, Phase::Starting { .. })
    }

    /// Kills it, because the supervisor wants that.
    pub(crate) fn end(&mut self, journal: &mut Journal) {
        self.unwanted = true;
        self.kill(journal);
    }

    /// Kills it for what it did.
    pub(crate) fn kill(&mut self, journal: &mut Journal) {
        if let Err(error) = self.caged.kill() {
            let name = self.name();
            journal.say(&format!(
                "killing {name}: {error}; its lifeline ends with this supervisor"
            ));
        }
    }

    /// Its report pipe, while there is something to come.
    pub(crate) fn report_pipe(&self) -> Option<&OwnedFd> {
        self.report_open.then_some(&self.caged.report)
    }

    /// Reads the report. `None`: there is none yet, or none will come.
    pub(crate) fn read_report(&mut self) -> Option<Line> {
        // One byte more than a line, so that a longer one is seen to be longer.
        let mut bytes = [0; report::LINE_LIMIT + 2];
        while self.report_open {
            match rustix::io::read(&self.caged.report, &mut bytes[..]) {
                Err(Errno::AGAIN | Errno::INTR) => return None,
                Ok(count) if count > 0 => {
                    self.report.extend_from_slice(&bytes[..count]);
                    let line = report::parse(&self.report);
                    if line.is_some() {
                        self.report_open = false;
                        return line;
                    }
                }
                _ => self.report_open = false,
            }
        }
        None
    }

    /// As the status shows it; the share of memory is asked of the kernel only if wanted.
    pub(crate) fn status(&self, now: Instant, with_memory: bool) -> ProcessStatus {
        ProcessStatus {
            name: self.profile.as_str(),
            pid: self.caged.pid,
            number: self.number,
            generation: self.generation,
            profile: self.profile,
            state: match self.phase {
                Phase::Starting { .. } => "starting",
                Phase::Idle => "idle",
                Phase::Serving => "serving",
            },
            attested: self.attested,
            uptime_s: now.saturating_duration_since(self.started).as_secs(),
            pss_kib: if with_memory {
                memory_share(self.caged.pid)
            } else {
                None
            },
        }
    }
}

fn memory_share(pid: u32) -> Option<u64> {
    let mut text = String::new();
    fs::File::open(format!("/proc/{pid}/smaps_rollup"))
        .ok()?
        .take(4096)
        .read_to_string(&mut text)
        .ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What a process prints, on its way to the log.
pub(crate) struct Output {
    pipe: Option<OwnedFd>,
    lines: Lines,
    rate: Rate,
    last: VecDeque<String>,
}

impl Output {
    fn new(pipe: OwnedFd) -> Self {
        Self {
            pipe: Some(pipe),
            lines: Lines::default(),
            rate: Rate::default(),
            last: VecDeque::new(),
        }
    }

    /// The pipe, while somebody can write to it.
    pub(crate) fn pipe(&self) -> Option<&OwnedFd> {
        self.pipe.as_ref()
    }

    /// Takes a slice of what is there. False: nothing is there now.
    pub(crate) fn read(&mut self, name: &str, second: u64, journal: &mut Journal) -> bool {
        let Some(pipe) = &self.pipe else {
            return false;
        };
        let mut bytes = [0; SLICE];
        let count = match rustix::io::read(pipe, &mut bytes[..]) {
            Ok(count) if count > 0 => count,
            Err(Errno::AGAIN | Errno::INTR) => return false,
            _ => {
                self.pipe = None;
                return false;
            }
        };
        let (rate, last) = (&mut self.rate, &mut self.last);
        self.lines.push(&bytes[..count], |line| {
            keep(last, &line);
            if let Some(dropped) = rate.admit(second) {
                say_dropped(name, dropped, journal);
                journal.write(name, &line);
            }
        });
        true
    }

    /// Takes the rest of what an ended process printed.
    pub(crate) fn finish(&mut self, name: &str, second: u64, journal: &mut Journal) {
        // A pipe holds no more than this many slices, and nobody fills it any more.
        for _ in 0..64 {
            if !self.read(name, second, journal) {
                break;
            }
        }
        self.pipe = None;
        if let Some(line) = self.lines.finish() {
            keep(&mut self.last, &line);
            journal.write(name, &line);
        }
        say_dropped(name, self.rate.take_dropped(), journal);
    }

    /// The last lines, as one text.
    pub(crate) fn last_words(&self) -> String {
        let words: Vec<&str> = self.last.iter().map(|line| line.trim()).collect();
        words.join("; ")
    }
}

fn keep(last: &mut VecDeque<String>, line: &str) {
    if line.trim().is_empty() {
        return;
    }
    if last.len() == LAST_LINES {
        last.pop_front();
    }
    // For a message to a person; the whole line is in the log.
    last.push_back(line.chars().take(300).collect());
}

fn say_dropped(name: &str, dropped: u64, journal: &mut Journal) {
    if dropped > 0 {
        journal.write(name, &format!("{dropped} lines dropped"));
    }
}
