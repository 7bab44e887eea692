//! The attempts to get out of a cage: one table, one or two files per class.
//!
//! Each attempt is the whole attack, to its effect on a decoy that the prover made, and is made by
//! a fresh process. [`perform`] runs one in the process that calls it, which must be a probe:
//! nothing else may call it, and no attempt may touch anything but decoys.

mod changes;
mod channel;
mod children;
mod credentials;
mod decoys;
mod descriptors;
mod files;
mod information;
mod ipc_keyrings;
mod kernel;
mod memory;
mod namespaces;
mod network;
mod probe;
mod processes;
mod resources;
mod steps;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ProfileName;
pub use decoys::Decoys;
pub use probe::{Column, PROBE_NAME, perform, run_probe, say_ready_and_wait};

/// What an attempt is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Reaching a peer over any socket family.
    Network,
    /// Reading, changing or probing files of the host.
    Files,
    /// Leaving or making namespaces, changing mounts.
    Namespaces,
    /// Steering, reading or ending other processes.
    Processes,
    /// System V objects, message queues, keys.
    IpcKeyrings,
    /// Becoming somebody else.
    Credentials,
    /// Parts of the kernel that a confined program has no use for.
    Kernel,
    /// Taking more of the machine than is due.
    Resources,
    /// Learning about the machine, its users and its supervisor.
    Information,
    /// What was left open.
    Descriptors,
    /// Misusing the one channel there is.
    Channel,
}

/// How an attempt ended, as the process that made it saw it. An error number is a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It had its effect; the evidence.
    Through(String),
    /// Nothing was refused, and nothing was there to be had; or only the prover can see the effect.
    Nothing,
}

/// What an attempt returns: an outcome, or the error number of the first step that was refused.
pub type Attacked = Result<Outcome, i32>;

/// What should come of an attempt in a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// No effect; otherwise the cage is breached.
    Held,
    /// The profile may do this; the reason.
    Allowed(&'static str),
}

/// Whether an attempt is made without a cage too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Yes, by a throw-away user with limits.
    Run,
    /// No: it would harm the machine; the reason.
    NotRun(&'static str),
}

/// One row of the table.
#[derive(Clone, Copy)]
pub struct Attempt {
    /// Its name, unique; the class is its beginning.
    pub id: &'static str,
    /// What it is after.
    pub class: Class,
    /// What it does, for people.
    pub what: &'static str,
    /// Does it, in a probe.
    run: fn(&Decoys) -> Attacked,
    worker: Expectation,
    hands: Expectation,
    /// Whether the control column has it.
    pub control: Control,
}

impl Attempt {
    /// A row that must be held in each profile and is tried without a cage too.
    const fn new(
        class: Class,
        id: &'static str,
        what: &'static str,
        run: fn(&Decoys) -> Attacked,
    ) -> Self {
        Self {
            id,
            class,
            what,
            run,
            worker: Expectation::Held,
            hands: Expectation::Held,
            control: Control::Run,
        }
    }

    /// The row, where hands may do this.
    const fn hands_may(mut self, reason: &'static str) -> Self {
        self.hands = Expectation::Allowed(reason);
        self
    }

    /// The row, where every profile may do this.
    const fn all_may(mut self, reason: &'static str) -> Self {
        self.worker = Expectation::Allowed(reason);
        self.hands = Expectation::Allowed(reason);
        self
    }

    /// The row, made in cages only.
    const fn caged_only(mut self, reason: &'static str) -> Self {
        self.control = Control::NotRun(reason);
        self
    }

    /// What should come of it in a profile. Only the worker's and the hands' cages are attacked: the
    /// others have the network or files by design.
    pub fn expected(&self, profile: ProfileName) -> Expectation {
        match profile {
            ProfileName::Hands => self.hands,
            _ => self.worker,
        }
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Attempt({})", self.id)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Network => "network",
            Self::Files => "files",
            Self::Namespaces => "namespaces",
            Self::Processes => "processes",
            Self::IpcKeyrings => "ipc-keyrings",
            Self::Credentials => "credentials",
            Self::Kernel => "kernel",
            Self::Resources => "resources",
            Self::Information => "information",
            Self::Descriptors => "descriptors",
            Self::Channel => "channel",
        })
    }
}

/// Every attempt, class by class.
pub fn all() -> Vec<&'static Attempt> {
    [
        network::ALL,
        files::ALL,
        changes::ALL,
        namespaces::ALL,
        processes::ALL,
        children::ALL,
        ipc_keyrings::ALL,
        credentials::ALL,
        kernel::ALL,
        memory::ALL,
        resources::ALL,
        information::ALL,
        descriptors::ALL,
        channel::ALL,
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn through(evidence: impl Into<String>) -> Attacked {
    Ok(Outcome::Through(evidence.into()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_attempt_has_a_name_of_its_own() {
        let names: BTreeSet<_> = all().iter().map(|attempt| attempt.id).collect();
        assert_eq!(names.len(), all().len());
        assert!(names.len() >= 140, "{}", names.len());
    }

    #[test]
    fn what_is_allowed_or_left_out_says_why() {
        for attempt in all() {
            for profile in [ProfileName::Worker, ProfileName::Hands] {
                if let Expectation::Allowed(reason) = attempt.expected(profile) {
                    assert!(reason.len() > 10, "{}", attempt.id);
                }
            }
            if let Control::NotRun(reason) = attempt.control {
                assert!(reason.len() > 10, "{}", attempt.id);
            }
        }
    }
}
