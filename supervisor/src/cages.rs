//! Starting confined processes: the pool of warm minds, hands on request, and the limits of both.
//!
//! A mind is locked and attested before anybody asks for it and waits without a task; the one
//! handed out is replaced after the answer. A mind that was handed out never comes back.

use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use carapace_ipc_proto::launch::{Failure, Kind, Notice};
use carapace_jail::{CageSpec, Caged, ProfileName, SpawnError};
use carapace_supervisor::restart::Restarts;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair, sockopt};

use crate::process::{Phase, Process};
use crate::supervisor::Supervisor;

/// Minds that wait: a person starts one session at a time, and a start takes milliseconds.
const POOL: usize = 1;
/// Confined processes at a time, the broker not counted; each takes memory that is not shared.
pub(crate) const LIMIT: usize = 64;
/// A cage that is not ready by then never will be: a start takes some 20 ms on a slow machine.
pub(crate) const BOOT: Duration = Duration::from_secs(5);

/// Slots of minds before the first comes again: fewer than there are user ids for minds.
const SLOTS: u32 = 60_000;

/// The minds that wait, and those who wait for one.
#[derive(Default)]
pub(crate) struct Pool {
    /// Requests without a mind yet, oldest first; each has one that is being started.
    pub(crate) waiting: std::collections::VecDeque<u64>,
    /// Failures in a row.
    restarts: Restarts,
    /// No refill before this.
    not_before: Option<Instant>,
    /// A mind was attested since the supervisor started.
    pub(crate) proven: bool,
}

/// Why a process was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CageError {
    #[error("making its channel: {0}\n  remedy: raise the limit of open files")]
    Channel(#[from] rustix::io::Errno),
    #[error("making its log pipe: {0}\n  remedy: raise the limit of open files")]
    Log(#[from] io::Error),
    #[error("building its cage: {0}")]
    Spawn(#[from] SpawnError),
}

impl Supervisor {
    /// Answers an order for a process.
    pub(crate) fn launch(&mut self, request: u64, kind: Kind, group: u32) {
        let refusal = if self.refuses_launches() {
            Some(Failure::Stopping)
        } else if group != 0 {
            self.ground.journal.say(&format!(
                "the broker asked for the group {group}, which there is not"
            ));
            Some(Failure::Cage)
        } else {
            None
        };
        if let Some(why) = refusal {
            return self.notify(&Notice::Failed { request, why }, None);
        }
        if let Kind::Secret(name) = kind {
            return self.launch_secret(request, name);
        }
        if kind == Kind::Resolver {
            self.end_resolver();
        }
        if kind == Kind::Worker
            && let Some(number) = self.oldest_idle()
        {
            return self.hand_over(number, request);
        }
        // One that is being started for the pool serves, too.
        let spare = kind == Kind::Worker && self.starting_workers() > self.pool.waiting.len();
        if !spare && self.confined() >= LIMIT {
            let why = Failure::Limit;
            return self.notify(&Notice::Failed { request, why }, None);
        }
        if kind == Kind::Worker {
            self.pool.waiting.push_back(request);
        }
        let started = match kind {
            Kind::Hands => self.start_caged(ProfileName::Hands, Some(request)),
            Kind::Worker if spare => Ok(()),
            Kind::Worker => self.start_caged(ProfileName::Worker, None),
            Kind::Resolver => self.start_caged(ProfileName::Resolver, Some(request)),
            Kind::Secret(_) => Ok(()),
        };
        if let Err(error) = started {
            self.ground
                .journal
                .say(&format!("starting {kind:?}: {error}"));
            self.pool.waiting.retain(|waiting| *waiting != request);
            let why = Failure::Cage;
            self.notify(&Notice::Failed { request, why }, None);
        }
    }

    /// Starts minds until enough wait.
    pub(crate) fn refill(&mut self, now: Instant) {
        if self.refuses_refill() || self.pool.not_before.is_some_and(|time| now < time) {
            return;
        }
        self.pool.not_before = None;
        let mut there = self.starting_workers() + self.idle_workers();
        while there < POOL + self.pool.waiting.len() && self.confined() < LIMIT {
            if let Err(error) = self.start_caged(ProfileName::Worker, None) {
                self.pool_failed(now, Duration::ZERO, &error.to_string());
                return;
            }
            there += 1;
        }
    }

    /// When the pool is to be refilled, if it waits for that.
    pub(crate) fn refill_due(&self) -> Option<Instant> {
        self.pool.not_before.filter(|_| !self.refuses_refill())
    }

    /// A confined process is locked and was found as ordered.
    pub(crate) fn cage_ready(&mut self, number: u64) {
        let Some(process) = self.processes.get_mut(&number) else {
            return;
        };
        let request = if process.profile == ProfileName::Worker {
            process.phase = Phase::Idle;
            self.pool.proven = true;
            self.pool.waiting.pop_front()
        } else {
            process.request.take()
        };
        if let Some(request) = request {
            self.hand_over(number, request);
        }
    }

    /// A confined process has ended; `process` is out of the list already.
    pub(crate) fn cage_ended(&mut self, process: &Process, end: Notice, why: &str) {
        let now = Instant::now();
        let of_this_broker = process.generation == self.broker.generation;
        if process.phase == Phase::Serving {
            if process.profile == ProfileName::Worker && !process.unwanted {
                self.pool.restarts.recovered();
            }
            if of_this_broker {
                self.notify(&end, None);
            }
            return;
        }
        let failure = process
            .refusal
            .as_ref()
            .map_or(Failure::Cage, |(failure, _)| *failure);
        if let Some(request) = process.request
            && of_this_broker
        {
            let why = failure;
            self.notify(&Notice::Failed { request, why }, None);
        }
        if process.profile != ProfileName::Worker {
            return;
        }
        while self.pool.waiting.len() > self.starting_workers() {
            let Some(request) = self.pool.waiting.pop_front() else {
                break;
            };
            let why = failure;
            self.notify(&Notice::Failed { request, why }, None);
        }
        if !process.unwanted {
            self.restarts += 1;
            self.pool_failed(now, now.saturating_duration_since(process.started), why);
        }
    }

    fn pool_failed(&mut self, now: Instant, lived: Duration, why: &str) {
        let wait = self.pool.restarts.failed(lived);
        self.pool.not_before = Some(now + wait);
        self.ground.journal.say(&format!(
            "a worker could not be kept ready: {why}; the next is started in {} ms",
            wait.as_millis()
        ));
        if !self.pool.proven {
            self.fail_start(why);
        }
    }

    fn hand_over(&mut self, number: u64, request: u64) {
        let generation = self.broker.generation;
        let Some(process) = self.processes.get_mut(&number) else {
            return;
        };
        if let Err(error) = process.caged.release() {
            let why = format!("letting it start: {error}");
            return self.refuse(number, Failure::Cage, why);
        }
        process.phase = Phase::Serving;
        process.generation = generation;
        let notice = Notice::Launched {
            request,
            number,
            generation,
            pid: process.caged.pid.cast_signed(),
        };
        let channel = process.channel.take();
        self.notify(&notice, channel);
    }

    fn start_caged(&mut self, profile: ProfileName, request: Option<u64>) -> Result<(), CageError> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        // Before the process exists: not a byte of it comes without its sender's identity.
        sockopt::set_socket_passcred(&ours, true)?;
        let slot = if profile == ProfileName::Worker {
            self.free_slot()
        } else {
            0
        };
        let (caged, log) = self.spawn(profile, slot, vec![(theirs, 3)])?;
        let number = self.take_number();
        let generation = self.broker.generation;
        let mut process = Process::new(number, profile, generation, caged, log, BOOT);
        process.channel = Some(ours);
        process.request = request;
        process.slot = slot;
        self.add(process);
        Ok(())
    }

    /// Starts a program in its cage; gives the read end of its log pipe too.
    pub(crate) fn spawn(
        &mut self,
        profile: ProfileName,
        slot: u32,
        fds: Vec<(OwnedFd, i32)>,
    ) -> Result<(Caged, OwnedFd), CageError> {
        let (log, log_write) = io::pipe()?;
        let log = OwnedFd::from(log);
        rustix::io::ioctl_fionbio(&log, true)?;
        let name = match profile {
            ProfileName::Broker => "carapace-broker",
            ProfileName::Worker => "carapace-worker",
            ProfileName::Hands => "carapace-hands",
            ProfileName::Resolver => "carapace-resolver",
            ProfileName::Secret | ProfileName::SecretOnline => "carapace-secret-helper",
        };
        let mut argv = vec![name.to_owned()];
        if profile == ProfileName::Resolver {
            let servers = &self.ground.cage.resolver.servers;
            argv.extend(servers.iter().map(|server| server.to_string()));
        }
        let home = &self.ground.home;
        let mut caged = carapace_jail::spawn(CageSpec {
            profile,
            program: std::os::fd::AsFd::as_fd(self.ground.programs.of(profile)),
            // NOTE(zero byte): the names and addresses above hold none.
            argv: argv
                .into_iter()
                .filter_map(|word| CString::new(word).ok())
                .collect(),
            fds,
            log: log_write.into(),
            workspace: (profile == ProfileName::Hands).then(|| home.workspace("owner")),
            state: (profile == ProfileName::Broker).then(|| home.state()),
            home: (profile == ProfileName::Hands).then(|| home.root().to_owned()),
            slot,
            config: &self.ground.cage,
        })?;
        if profile != ProfileName::Broker {
            caged.expected.refuse_files(&self.ground.keys.files());
        }
        Ok((caged, log))
    }

    /// A slot that no living mind has; slots come back late, so that a user id does, too.
    fn free_slot(&mut self) -> u32 {
        loop {
            let slot = self.next_slot;
            self.next_slot = (self.next_slot + 1) % SLOTS;
            let taken = self
                .processes
                .values()
                .any(|one| one.profile == ProfileName::Worker && one.slot == slot);
            if !taken {
                return slot;
            }
        }
    }

    fn oldest_idle(&self) -> Option<u64> {
        self.processes
            .values()
            .find(|one| one.phase == Phase::Idle && !one.unwanted)
            .map(|one| one.number)
    }

    fn idle_workers(&self) -> usize {
        self.count(|one| one.phase == Phase::Idle && !one.unwanted)
    }

    fn starting_workers(&self) -> usize {
        self.count(|one| {
            one.profile == ProfileName::Worker
                && one.starting()
                && !one.unwanted
                && one.refusal.is_none()
        })
    }

    /// One resolver at a time: a new one takes the place of the one before.
    fn end_resolver(&mut self) {
        for process in self.processes.values_mut() {
            if process.profile == ProfileName::Resolver && !process.unwanted {
                process.end(&mut self.ground.journal);
            }
        }
    }

    fn confined(&self) -> usize {
        self.count(|one| one.profile != ProfileName::Broker)
    }

    fn count(&self, which: impl Fn(&Process) -> bool) -> usize {
        self.processes.values().filter(|one| which(one)).count()
    }
}
