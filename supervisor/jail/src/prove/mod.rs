//! The proof: every attempt of [`crate::attempts`] in real cages, beside the same attempt without
//! one, so that a refusal means something.
//!
//! One fresh process per attempt and column. What a probe says about itself is only half of it: the
//! decoys are looked at after each attempt, and one that was touched counts as a breach whatever the
//! probe said. A proof never runs with less than the product's own cage: it starts it by
//! [`crate::spawn()`], and each cage is attested before its attempt begins.

mod control;
mod decoys;
mod judge;
mod run;

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::SpawnError;
use crate::config::CageConfig;
pub use run::run;

/// With fewer attempts that work without a cage, refusals in one say nothing.
pub const MINIMUM_CONTROLS: usize = 80;

/// What a proof needs.
pub struct ProveOptions<'a> {
    /// The probe's static executable.
    pub probe: &'a Path,
    /// What the owner waived, and the range of user ids.
    pub config: &'a CageConfig,
    /// Called after each row.
    pub progress: &'a mut dyn FnMut(Progress<'_>),
}

/// A row that is done.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Rows so far, this one included.
    pub done: usize,
    /// Rows in all.
    pub total: usize,
    /// The row.
    pub entry: &'a Entry,
}

/// The result of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// One row per attempt and profile, the profiles one after the other.
    pub results: Vec<Entry>,
    /// What the rows add up to.
    pub totals: Totals,
}

/// One attempt in one profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// `worker` or `hands`.
    pub profile: String,
    /// The attempt's name.
    pub id: String,
    /// What it is after.
    pub class: String,
    /// What it does.
    pub attempt: String,
    /// `held`, or `allowed` with the reason.
    pub expected: String,
    /// How it went without a cage: `works`, `refused`, … or `not_run` with the reason.
    pub control: String,
    /// How it went in the cage.
    pub result: String,
    /// What that means.
    pub outcome: Verdict,
}

/// What a row means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// No effect.
    Held,
    /// An effect that the profile must not have.
    Breached,
    /// The profile may do this; not counted as held.
    Allowed,
}

/// Counts of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Rows without effect.
    pub held: usize,
    /// Rows with an effect that must not be.
    pub breached: usize,
    /// Rows that the profile may do.
    pub allowed: usize,
    /// Attempts, not rows, that had their effect without a cage.
    pub controls_working: usize,
    /// Attempts, not rows, that were not made without a cage.
    pub controls_not_run: usize,
    /// Fewer than [`MINIMUM_CONTROLS`] worked without a cage: the run proves nothing.
    pub vacuous: bool,
}

/// Why a proof could not be run to its end. Nothing is proved.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The probe cannot be opened.
    #[error("the probe {path} cannot be opened: {cause}; build carapace-probe beside this program")]
    Probe {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A cage could not be started.
    #[error("{id} in {profile}: {cause}")]
    Spawn {
        /// The profile.
        profile: String,
        /// The attempt.
        id: String,
        /// Why.
        cause: SpawnError,
    },
    /// A cage was not finished, so nothing was attempted in it.
    #[error(
        "{id} in {profile}: the cage was not finished: {said}; `carapace doctor` names the layer"
    )]
    Boot {
        /// The column.
        profile: String,
        /// The attempt.
        id: String,
        /// What its report said.
        said: String,
    },
    /// Making or looking at decoys failed.
    #[error("{step}: {cause}; the temporary directory must be writable, and loopback reachable")]
    Decoys {
        /// What was being done.
        step: &'static str,
        /// What the system said.
        cause: io::Error,
    },
    /// A system call of the prover failed.
    #[error("{step}: {cause}; nothing is proved, run it again")]
    System {
        /// What was being done.
        step: &'static str,
        /// What the system said.
        cause: io::Error,
    },
}

impl Proof {
    /// Nothing got through, and the refusals mean something.
    pub fn passed(&self) -> bool {
        self.totals.breached == 0 && !self.totals.vacuous
    }

    /// The rows alone.
    pub fn to_list(&self) -> &[Entry] {
        &self.results
    }
}

fn system(step: &'static str) -> impl FnOnce(io::Error) -> ProveError {
    move |cause| ProveError::System { step, cause }
}

fn making(step: &'static str) -> impl FnOnce(io::Error) -> ProveError {
    move |cause| ProveError::Decoys { step, cause }
}
