//! Gathers what the status shows.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Instant, SystemTime};

use carapace_supervisor::status::{
    PROOF_LIMIT, Pids, ProcessStatus, ProfileLayer, ProofSummary, Status, proof,
};
use rustix::fs::OFlags;

use crate::supervisor::Supervisor;

impl Supervisor {
    /// How everything stands.
    pub(crate) fn status(&self, now: Instant) -> Status<'_> {
        let layers = self.layers.values().flat_map(|(profile, layers)| {
            layers.iter().map(|one| ProfileLayer {
                profile: *profile,
                layer: one.layer,
                state: one.state,
                evidence: &one.evidence,
            })
        });
        Status {
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            started: self.ground.started_at,
            home: self.ground.home.root(),
            mode: if rustix::process::geteuid().is_root() {
                "root"
            } else {
                "user"
            },
            state: self.state(),
            level: self.ground.level,
            layers: layers.collect(),
            waived: &self.ground.cage.allow_missing,
            processes: self.process_list(now, true),
            restarts: self.restarts,
            broker_restarts: self.broker.restarts,
            config_refused: self.broker.config_refused.as_deref(),
            anchor_refused: self.ground.anchor.refused(),
            log_lost: self.ground.journal.lost(),
            proof: self.last_proof(),
        }
    }

    /// Which processes there are.
    pub(crate) fn pids(&self, now: Instant) -> Pids {
        let broker = self.broker.number.and_then(|n| self.processes.get(&n));
        Pids {
            supervisor: std::process::id(),
            broker: broker.map(|one| one.caged.pid),
            processes: self.process_list(now, false),
        }
    }

    fn state(&self) -> &'static str {
        if self.stopping() {
            "stopping"
        } else if self.panicked {
            "panic"
        } else if self.reloading() {
            "reloading"
        } else if self.broker_listens() && self.pool.proven {
            "running"
        } else {
            "starting"
        }
    }

    fn process_list(&self, now: Instant, with_memory: bool) -> Vec<ProcessStatus> {
        self.processes
            .values()
            .map(|one| one.status(now, with_memory))
            .collect()
    }

    fn last_proof(&self) -> Option<ProofSummary> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits() as i32)
            .open(self.ground.home.proof())
            .ok()?;
        let found = file.metadata().ok().filter(|found| found.is_file())?;
        let age = SystemTime::now().duration_since(found.modified().ok()?);
        let mut bytes = Vec::new();
        file.take(PROOF_LIMIT as u64).read_to_end(&mut bytes).ok()?;
        proof(&bytes, age.unwrap_or_default().as_secs())
    }
}
