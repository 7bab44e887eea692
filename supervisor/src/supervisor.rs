//! The loop: what to wait for, and who deals with what happened.
//!
//! Nothing in here waits but [`Supervisor::wait`], which has the nearest deadline as its limit.

use std::collections::BTreeMap;
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use carapace_ipc_proto::launch::{Failure, Notice};
use carapace_jail::report::Line;
use carapace_jail::{LayerState, ProfileName, attest};
use carapace_supervisor::ending;
use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::broker::{Broker, DRAIN};
use crate::cages::Pool;
use crate::control::Control;
use crate::process::{Phase, Process};
use crate::readiness::Readiness;
use crate::startup::Ground;

/// Processes that were killed are gone within milliseconds; longer than this nobody waits for them.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// The supervisor of one home.
pub(crate) struct Supervisor {
    pub(crate) ground: Ground,
    /// Every process that was started and not reaped, by its number: oldest first.
    pub(crate) processes: BTreeMap<u64, Process>,
    pub(crate) broker: Broker,
    pub(crate) pool: Pool,
    pub(crate) control: Control,
    /// The layers of the newest cage of each profile.
    pub(crate) layers: BTreeMap<&'static str, (ProfileName, Vec<LayerState>)>,
    /// Everything confined was killed by hand, and nothing is started until the next start.
    pub(crate) panicked: bool,
    /// Starts after a death that nobody asked for.
    pub(crate) restarts: u64,
    pub(crate) next_slot: u32,
    next_number: u64,
    stop_by: Option<Instant>,
    failure: Option<RunError>,
}

/// Why the supervisor ends by itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("starting: {0}\n  remedy: see logs/carapace.log in the home, and `carapace doctor`")]
    Start(String),
    #[error("starting the broker: config.toml cannot be used: {0}")]
    Configuration(String),
    #[error(
        "the broker died {deaths} times in a row, the last time: {why}\n  remedy: see logs/carapace.log in the home; when the cause is removed, run `carapace start`"
    )]
    BrokerDies { deaths: u32, why: String },
    #[error("waiting for events: {0}\n  remedy: start again; this is a fault of the system")]
    Poll(#[from] Errno),
}

impl RunError {
    /// The exit status that tells what kind of end it is.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Configuration(_) => 78,
            _ => 1,
        }
    }
}

/// What can happen.
#[derive(Debug, Clone, Copy)]
enum Event {
    Signal,
    Connection,
    Request(u64),
    Broker,
    Report(u64),
    Output(u64),
    End(u64),
}

impl Supervisor {
    /// A supervisor that has started nothing yet.
    pub(crate) fn new(ground: Ground) -> Self {
        Self {
            ground,
            processes: BTreeMap::new(),
            broker: Broker::default(),
            pool: Pool::default(),
            control: Control::default(),
            layers: BTreeMap::new(),
            panicked: false,
            restarts: 0,
            next_slot: 0,
            next_number: 1,
            stop_by: None,
            failure: None,
        }
    }

    /// Starts everything and watches it until the end; says READY once.
    ///
    /// # Errors
    /// [`RunError`] when it ends without having been told to.
    pub(crate) fn run(mut self, readiness: &mut Readiness) -> Result<(), RunError> {
        self.ground.journal.say(&format!(
            "starting, pid {}, version {}",
            std::process::id(),
            env!("CARGO_PKG_VERSION")
        ));
        self.start_broker();
        let outcome = loop {
            let now = Instant::now();
            self.on_time(now);
            self.refill(now);
            if self.broker.proven && self.pool.proven {
                readiness.ready();
            }
            if let Some(failure) = self.failure.take() {
                break Err(failure);
            }
            if self.stopping() && self.broker.number.is_none() {
                break Ok(());
            }
            match self.wait(Instant::now()) {
                Ok(events) => events.into_iter().for_each(|event| self.on(event)),
                Err(error) => break Err(error.into()),
            }
        };
        self.end(&outcome);
        outcome
    }

    /// Begins the end; asked again, it comes at once.
    pub(crate) fn stop(&mut self, now: Instant) {
        if self.stop_by.is_some() {
            self.stop_by = Some(now);
            return;
        }
        self.ground.journal.say("stopping");
        self.stop_by = Some(now + DRAIN);
        self.notify(&Notice::Drain, None);
    }

    /// Whether the end has begun.
    pub(crate) fn stopping(&self) -> bool {
        self.stop_by.is_some()
    }

    /// Kills everything confined and starts nothing more; the broker refuses everything from then on.
    pub(crate) fn panic(&mut self) {
        self.ground.journal.say(
            "PANIC: all confined processes are killed; nothing is started until the next start",
        );
        self.panicked = true;
        for process in self.processes.values_mut() {
            if process.profile != ProfileName::Broker {
                process.end(&mut self.ground.journal);
            }
        }
        self.notify(&Notice::Panic, None);
    }

    /// Whether the broker's requests for processes are refused.
    pub(crate) fn refuses_launches(&self) -> bool {
        self.refuses_refill() || self.broker_drains()
    }

    /// Whether no process is kept ready.
    pub(crate) fn refuses_refill(&self) -> bool {
        self.panicked || self.stopping() || self.failure.is_some()
    }

    /// The number of the next process.
    pub(crate) fn take_number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }

    /// Puts a process under watch.
    pub(crate) fn add(&mut self, process: Process) {
        let layers = (process.profile, process.caged.layers.clone());
        self.layers.insert(process.profile.as_str(), layers);
        self.processes.insert(process.number, process);
    }

    /// Ends the supervisor with this reason, unless there is one already.
    pub(crate) fn fail(&mut self, failure: RunError) {
        self.failure.get_or_insert(failure);
    }

    /// Ends a start that did not come to READY.
    pub(crate) fn fail_start(&mut self, why: &str) {
        self.fail(RunError::Start(why.to_owned()));
    }

    fn on_time(&mut self, now: Instant) {
        let late: Vec<u64> = self
            .processes
            .values()
            .filter(|one| matches!(one.phase, Phase::Starting { by } if now >= by))
            .filter(|one| one.refusal.is_none())
            .map(|one| one.number)
            .collect();
        for number in late {
            self.refuse(number, Failure::Cage, "it was not ready in time".to_owned());
        }
        let over: Vec<u64> = self
            .processes
            .values()
            .filter(|one| one.end_by.is_some_and(|time| now >= time))
            .map(|one| one.number)
            .collect();
        for number in over {
            if let Some(process) = self.processes.get_mut(&number) {
                process.end_by = None;
                let name = process.name();
                self.ground
                    .journal
                    .say(&format!("the time of {name} is over"));
                process.end(&mut self.ground.journal);
            }
        }
        self.broker_on_time(now);
        self.control.close_late(now);
        if self.ground.anchor.due().is_some_and(|time| now >= time) {
            self.write_anchor(now);
        }
        if self.stop_by.is_some_and(|time| now >= time) && self.broker.number.is_some() {
            self.ground
                .journal
                .say("the broker did not finish in time; everything is killed");
            // The loop ends: what is left is killed at its end.
            self.broker.number = None;
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let starting = self.processes.values().filter_map(|one| match one.phase {
            Phase::Starting { by } if one.refusal.is_none() => Some(by),
            _ => None,
        });
        let others = [
            self.broker_due(),
            self.refill_due(),
            self.control.next_deadline(),
            self.ground.anchor.due(),
            self.stop_by,
        ];
        let over = self.processes.values().filter_map(|one| one.end_by);
        starting
            .chain(over)
            .chain(others.into_iter().flatten())
            .min()
    }

    fn wait(&self, now: Instant) -> rustix::io::Result<Vec<Event>> {
        let mut events = vec![Event::Signal];
        let mut list = vec![PollFd::from_borrowed_fd(
            self.ground.signals.as_fd(),
            PollFlags::IN,
        )];
        if self.control.has_room() {
            events.push(Event::Connection);
            list.push(PollFd::new(&self.ground.supervisor_socket, PollFlags::IN));
        }
        for (number, connection) in self.control.connections() {
            events.push(Event::Request(number));
            list.push(PollFd::new(connection, connection.wants()));
        }
        // A broker is not heard before it was looked at.
        let broker = self.broker.number.and_then(|n| self.processes.get(&n));
        if let (Some(link), Some(true)) = (&self.broker.link, broker.map(|one| one.attested)) {
            let more = if link.waits() {
                PollFlags::OUT
            } else {
                PollFlags::empty()
            };
            events.push(Event::Broker);
            list.push(PollFd::new(link, PollFlags::IN | more));
        }
        for (number, process) in &self.processes {
            if let Some(pipe) = process.report_pipe() {
                events.push(Event::Report(*number));
                list.push(PollFd::new(pipe, PollFlags::IN));
            }
            if let Some(pipe) = process.output.pipe() {
                events.push(Event::Output(*number));
                list.push(PollFd::new(pipe, PollFlags::IN));
            }
            events.push(Event::End(*number));
            list.push(PollFd::new(&process.caged.pidfd, PollFlags::IN));
        }
        let timeout = self
            .next_deadline()
            .map(|time| timespec(time.saturating_duration_since(now)));
        match poll(&mut list, timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        }
        Ok(events
            .into_iter()
            .zip(&list)
            .filter(|(_, entry)| !entry.revents().is_empty())
            .map(|(event, _)| event)
            .collect())
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::Signal => self.on_signals(),
            Event::Connection => self.control.accept(&self.ground.supervisor_socket),
            Event::Request(number) => self.on_request(number),
            Event::Broker => {
                self.notify_more();
                self.hear_broker();
            }
            Event::Report(number) => self.on_report(number),
            Event::Output(number) => self.on_output(number),
            Event::End(number) => self.on_end(number),
        }
    }

    fn on_signals(&mut self) {
        while let Ok(Some(info)) = self.ground.signals.read_signal() {
            match Signal::try_from(info.ssi_signo.cast_signed()) {
                Ok(Signal::SIGHUP) => {
                    if let Err(error) = self.reload(Instant::now()) {
                        self.ground.journal.say(&format!("not reloaded: {error}"));
                    }
                }
                _ => self.stop(Instant::now()),
            }
        }
    }

    fn on_report(&mut self, number: u64) {
        let Some(process) = self.processes.get_mut(&number) else {
            return;
        };
        match process.read_report() {
            None => {}
            Some(_) if process.unwanted => {}
            Some(Line::Ready) => match attest::attest(process.caged.pid, &process.caged.expected) {
                Ok(_) => {
                    process.attested = true;
                    if process.profile != ProfileName::Broker {
                        self.cage_ready(number);
                    }
                }
                Err(error) => self.refuse(
                    number,
                    Failure::Attestation,
                    format!("looking at it from outside: {error}"),
                ),
            },
            Some(Line::Failed { layer, message }) => {
                let why = format!("the layer {layer}: {message}");
                self.refuse(number, ending::failure_of(&layer), why);
            }
            Some(Line::Malformed(text)) => {
                let why = format!("its boot report is none: {text}");
                self.refuse(number, Failure::SelfCheck, why);
            }
        }
    }

    /// Ends a process that is not fit for use; the consequences follow its end.
    pub(crate) fn refuse(&mut self, number: u64, failure: Failure, why: String) {
        if let Some(process) = self.processes.get_mut(&number) {
            let why = format!("{} was refused: {why}", process.name());
            self.ground.journal.say(&why);
            process.refusal = Some((failure, why));
            process.kill(&mut self.ground.journal);
        }
    }

    fn on_output(&mut self, number: u64) {
        let second = self.ground.started.elapsed().as_secs();
        if let Some(process) = self.processes.get_mut(&number) {
            let name = process.name();
            process.output.read(&name, second, &mut self.ground.journal);
        }
    }

    fn on_end(&mut self, number: u64) {
        let Some(process) = self.processes.get(&number) else {
            return;
        };
        let status = match process.caged.try_wait() {
            Ok(Some(status)) => status,
            Ok(None) => return,
            // Reaped by the kernel, as under a parent that ignores SIGCHLD: how it ended is not known,
            // so it did not end well.
            Err(_) => std::process::ExitStatus::from_raw(1 << 8),
        };
        // The last that it said, before its end is judged.
        self.on_report(number);
        let is_broker = self.broker.number == Some(number);
        if is_broker && self.processes.get(&number).is_some_and(|one| one.attested) {
            self.hear_last();
        }
        let Some(mut process) = self.processes.remove(&number) else {
            return;
        };
        let (name, second) = (process.name(), self.ground.started.elapsed().as_secs());
        process
            .output
            .finish(&name, second, &mut self.ground.journal);
        let how = ending::describe(status);
        self.ground.journal.say(&format!("{name} {how}"));
        if process.profile == ProfileName::Broker {
            self.broker_ended(&process, status);
        } else {
            let (end, code) = ending::end_of(status);
            let why = match &process.refusal {
                Some((_, why)) => why.clone(),
                None => format!("{name} {how}"),
            };
            self.cage_ended(&process, Notice::Ended { number, end, code }, &why);
        }
    }

    fn write_anchor(&mut self, now: Instant) {
        if let Err(error) = self.ground.anchor.write(now) {
            self.ground.journal.say(&format!("ALARM: {error}"));
        }
    }

    /// Leaves nothing behind: no process, no socket, no pid file.
    fn end(&mut self, outcome: &Result<(), RunError>) {
        for process in self.processes.values_mut() {
            process.end(&mut self.ground.journal);
        }
        self.stop_by = Some(Instant::now());
        let by = Instant::now() + LAST_WAIT;
        while !self.processes.is_empty() && Instant::now() < by {
            let mut list: Vec<PollFd<'_>> = self
                .processes
                .values()
                .map(|one| PollFd::new(&one.caged.pidfd, PollFlags::IN))
                .collect();
            let rest = timespec(by.saturating_duration_since(Instant::now()));
            if poll(&mut list, Some(&rest)).is_err_and(|error| error != Errno::INTR) {
                break;
            }
            drop(list);
            let numbers: Vec<u64> = self.processes.keys().copied().collect();
            numbers.into_iter().for_each(|number| self.on_end(number));
        }
        self.write_anchor(Instant::now());
        self.ground.journal.say(&match outcome {
            Ok(()) => "stopped".to_owned(),
            Err(error) => format!("stopped: {error}"),
        });
        let home = &self.ground.home;
        for path in [home.supervisor_socket(), home.control_socket()] {
            // NOTE(remove): a socket that is left over is replaced by the next start.
            let _ = std::fs::remove_file(path);
        }
        self.ground.pid_file.remove();
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}
