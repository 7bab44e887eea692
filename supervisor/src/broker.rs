//! The broker's life: start, health, death, restart, and a new configuration.
//!
//! What a dead broker had started dies with it: a new one knows nothing of those processes, and a
//! turn that was cut off is taken up from its records with new ones.

use std::os::fd::OwnedFd;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use carapace_contract::home::{KEYSLOT_FD, RULES_FD, VAULT_KEY_FD};
use carapace_ipc_proto::launch::Notice;
use carapace_jail::ProfileName;
use carapace_supervisor::ending;
use carapace_supervisor::restart::{Next, QUICK_DEATHS, Restarts};

use crate::cages::CageError;
use crate::configuration::{Configuration, FileError};
use crate::keys::KeyError;
use crate::link::Link;
use crate::process::{Phase, Process};
use crate::supervisor::{RunError, Supervisor};

/// A broker opens its store before it is ready: a check of the audit log after a crash and a
/// migration take longer than the start of a cage. After this, it hangs.
const BOOT: Duration = Duration::from_secs(30);
/// A broker that is asked to finish gets this long for what is under way.
pub(crate) const DRAIN: Duration = Duration::from_secs(5);
/// The exit status for a configuration that it cannot use.
const BAD_CONFIG: i32 = 78;

/// The broker that runs, or the gap until the next.
#[derive(Default)]
pub(crate) struct Broker {
    /// The number of its process.
    pub(crate) number: Option<u64>,
    /// Its launch link.
    pub(crate) link: Option<Link>,
    /// Counts its starts.
    pub(crate) generation: u32,
    /// It said that it listens, at least once since the supervisor started.
    pub(crate) proven: bool,
    /// Starts after a death that nobody asked for.
    pub(crate) restarts: u64,
    /// Why the newest configuration is not in use.
    pub(crate) config_refused: Option<String>,
    deaths: Restarts,
    start_at: Option<Instant>,
    draining: Option<Instant>,
    next: Option<Configuration>,
    previous: Option<Configuration>,
}

/// Why a broker was not started.
#[derive(Debug, thiserror::Error)]
enum BrokerError {
    #[error("making its launch link: {0}\n  remedy: raise the limit of open files")]
    Link(#[from] rustix::io::Errno),
    #[error("handing over its listener: {0}\n  remedy: raise the limit of open files")]
    Listener(#[from] std::io::Error),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("handing over the keyslot: {0}\n  remedy: raise the limit of open files")]
    Keyslot(#[source] std::io::Error),
    #[error(transparent)]
    Configuration(#[from] FileError),
    #[error(transparent)]
    Cage(#[from] CageError),
}

impl Supervisor {
    /// Starts a broker of the next generation.
    pub(crate) fn start_broker(&mut self) {
        self.broker.start_at = None;
        self.broker.generation = self.broker.generation.wrapping_add(1);
        if let Err(error) = self.try_start_broker() {
            self.broker_failed(Duration::ZERO, &error.to_string());
        }
    }

    fn try_start_broker(&mut self) -> Result<(), BrokerError> {
        let (link, theirs) = Link::pair()?;
        // The same listener for each broker: who connects in between waits in its queue.
        let listener = OwnedFd::from(self.ground.control_socket.try_clone()?);
        let configuration = self.ground.configuration.file()?;
        let mut fds = vec![(theirs, 3), (listener, 6), (configuration, 7)];
        let path = self.ground.home.vault_key();
        if let Some(key) = self.ground.keys.vault_key(&path)? {
            fds.push((key, VAULT_KEY_FD));
        }
        let keyslot = self.ground.keys.keyslot().map_err(BrokerError::Keyslot)?;
        fds.push((keyslot, KEYSLOT_FD));
        if let Some(rules) = self.ground.configuration.rules()? {
            fds.push((rules, RULES_FD));
        }
        if let Some(fault) = &self.ground.configuration.rules_fault {
            let fault = format!("the rules cannot be used, so everything is asked about: {fault}");
            self.ground.journal.say(&fault);
        }
        let (caged, log) = self.spawn(ProfileName::Broker, 0, fds)?;
        let number = self.take_number();
        let generation = self.broker.generation;
        self.add(Process::new(
            number,
            ProfileName::Broker,
            generation,
            caged,
            log,
            BOOT,
        ));
        self.broker.number = Some(number);
        self.broker.link = Some(link);
        Ok(())
    }

    /// The broker said that it listens. False where it said so before.
    pub(crate) fn broker_ready(&mut self) -> bool {
        let Some(process) = self.broker.number.and_then(|n| self.processes.get_mut(&n)) else {
            return true;
        };
        if process.phase == Phase::Serving {
            return false;
        }
        process.phase = Phase::Serving;
        self.broker.proven = true;
        self.broker.previous = None;
        let generation = self.broker.generation;
        self.ground
            .journal
            .say(&format!("the broker listens, generation {generation}"));
        if self.panicked {
            self.notify(&Notice::Panic, None);
        }
        true
    }

    /// Reads `config.toml` and begins the change to a broker that has it.
    pub(crate) fn reload(&mut self, now: Instant) -> Result<(), FileError> {
        self.broker.next = Some(Configuration::read(&self.ground.home)?);
        self.broker.config_refused = None;
        self.ground
            .journal
            .say("reloading config.toml and rules.yaml with a new broker");
        match self.broker.number {
            Some(_) if self.broker.draining.is_none() => {
                self.broker.draining = Some(now + DRAIN);
                self.notify(&Notice::Drain, None);
            }
            Some(_) => {}
            None => self.broker.start_at = Some(now),
        }
        Ok(())
    }

    /// Whether a change of configuration is under way.
    pub(crate) fn reloading(&self) -> bool {
        self.broker.draining.is_some()
            || self.broker.next.is_some()
            || self.broker.previous.is_some()
    }

    /// Whether there is a broker that said that it listens.
    pub(crate) fn broker_listens(&self) -> bool {
        let process = self.broker.number.and_then(|n| self.processes.get(&n));
        process.is_some_and(|one| one.phase == Phase::Serving)
    }

    /// Whether the broker is finishing, so that it gets no new process.
    pub(crate) fn broker_drains(&self) -> bool {
        self.broker.draining.is_some()
    }

    /// What is due for the broker: its start, or its end.
    pub(crate) fn broker_on_time(&mut self, now: Instant) {
        if self.broker.start_at.is_some_and(|time| now >= time) {
            self.take_next_configuration();
            self.start_broker();
        }
        if self.broker.draining.is_some_and(|time| now >= time) {
            // Once: what follows is its end.
            self.broker.draining = Some(now + DRAIN);
            self.break_broker("the broker did not finish in time and is stopped");
        }
    }

    /// When something is due for the broker.
    pub(crate) fn broker_due(&self) -> Option<Instant> {
        [self.broker.start_at, self.broker.draining]
            .into_iter()
            .flatten()
            .min()
    }

    /// Ends a broker that broke the rules or does not answer; a new one follows its end.
    pub(crate) fn break_broker(&mut self, why: &str) {
        self.ground.journal.say(why);
        // Nothing more is heard from it.
        self.broker.link = None;
        let journal = &mut self.ground.journal;
        if let Some(process) = self.broker.number.and_then(|n| self.processes.get_mut(&n)) {
            process.kill(journal);
        }
    }

    /// The broker has ended; `process` is out of the list already.
    pub(crate) fn broker_ended(&mut self, process: &Process, status: ExitStatus) {
        self.broker.number = None;
        self.broker.link = None;
        self.pool.waiting.clear();
        for other in self.processes.values_mut() {
            let its_own = other.phase == Phase::Serving || other.request.is_some();
            if its_own && other.generation == process.generation {
                other.end(&mut self.ground.journal);
            }
        }
        if self.stopping() {
            return;
        }
        let drained = self.broker.draining.take().is_some();
        let last_words = process.output.last_words();
        let why = match &process.refusal {
            Some((_, why)) => why.clone(),
            None if last_words.is_empty() => format!("the broker {}", ending::describe(status)),
            None => format!("the broker {}: {last_words}", ending::describe(status)),
        };
        let unproven = process.phase != Phase::Serving;
        if drained {
            self.take_next_configuration();
            self.start_broker();
        } else if unproven && let Some(previous) = self.broker.previous.take() {
            // Whatever it died of, it ran before the change.
            self.ground.journal.say(&format!(
                "the new config.toml is not used, the one before stays: {why}"
            ));
            self.broker.config_refused = Some(why);
            self.ground.configuration = previous;
            self.start_broker();
        } else if unproven && status.code() == Some(BAD_CONFIG) {
            self.fail(RunError::Configuration(last_words));
        } else {
            self.broker_failed(process.started.elapsed(), &why);
        }
    }

    fn take_next_configuration(&mut self) {
        if let Some(next) = self.broker.next.take() {
            let before = std::mem::replace(&mut self.ground.configuration, next);
            self.broker.previous = Some(before);
        }
    }

    fn broker_failed(&mut self, lived: Duration, why: &str) {
        if !self.broker.proven {
            return self.fail_start(why);
        }
        self.broker.restarts += 1;
        self.restarts += 1;
        match self.broker.deaths.died(lived) {
            Next::After(wait) => {
                self.ground.journal.say(&format!(
                    "{why}; the broker is started again in {} ms",
                    wait.as_millis()
                ));
                self.broker.start_at = Some(Instant::now() + wait);
            }
            Next::GiveUp => self.fail(RunError::BrokerDies {
                deaths: QUICK_DEATHS,
                why: why.to_owned(),
            }),
        }
    }
}
