//! What the control socket answers, as it is written in JSON.

use std::path::Path;

use carapace_jail::probe::Level;
use carapace_jail::{Layer, ProfileName, State};
use serde::{Deserialize, Serialize};

/// The most bytes of a proof that are read.
pub const PROOF_LIMIT: usize = 4 << 20;

/// The answer to `status`.
#[derive(Debug, Serialize)]
pub struct Status<'a> {
    /// Of the supervisor.
    pub version: &'static str,
    /// The supervisor's.
    pub pid: u32,
    /// When it started, in seconds since 1970.
    pub started: u64,
    /// Its home.
    pub home: &'a Path,
    /// `root` or `user`.
    pub mode: &'static str,
    /// `starting`, `running`, `reloading`, `panic` or `stopping`.
    pub state: &'static str,
    /// How strong a cage is here.
    pub level: Level,
    /// The layers of each profile that was started.
    pub layers: Vec<ProfileLayer<'a>>,
    /// The layers that the owner waived.
    pub waived: &'a [Layer],
    /// The broker and every confined process.
    pub processes: Vec<ProcessStatus>,
    /// Starts after a death that nobody asked for, of any process.
    pub restarts: u64,
    /// The same, of the broker alone.
    pub broker_restarts: u64,
    /// Why the newest `config.toml` was refused by the broker, which runs with the one before.
    pub config_refused: Option<&'a str>,
    /// Audit heads that did not follow the anchored one, and were not written.
    pub anchor_refused: u64,
    /// Lines that the log did not take.
    pub log_lost: u64,
    /// The last proof, if there is one.
    pub proof: Option<ProofSummary>,
}

/// One layer of one profile.
#[derive(Debug, Serialize)]
pub struct ProfileLayer<'a> {
    /// Whose cage.
    pub profile: ProfileName,
    /// The layer.
    pub layer: Layer,
    /// How it stands.
    pub state: State,
    /// What shows it.
    pub evidence: &'a str,
}

/// One process.
#[derive(Debug, Serialize)]
pub struct ProcessStatus {
    /// Its profile's name.
    pub name: &'static str,
    /// Its process id.
    pub pid: u32,
    /// Its number, never used again.
    pub number: u64,
    /// The broker's start that it belongs to.
    pub generation: u32,
    /// Its profile.
    pub profile: ProfileName,
    /// `starting`, `idle` or `serving`.
    pub state: &'static str,
    /// Whether it was looked at from outside and found as ordered.
    pub attested: bool,
    /// Its age in seconds.
    pub uptime_s: u64,
    /// Its share of memory in KiB, where the kernel tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pss_kib: Option<u64>,
}

/// The answer to `pids`.
#[derive(Debug, Serialize)]
pub struct Pids {
    /// The supervisor's.
    pub supervisor: u32,
    /// The broker's, when it runs.
    pub broker: Option<u32>,
    /// The broker and every confined process.
    pub processes: Vec<ProcessStatus>,
}

/// The answer to a request that does something, and to one that is not understood.
#[derive(Debug, Serialize)]
pub struct Done<'a> {
    /// Whether it is done, or begun.
    pub ok: bool,
    /// What was done; why not.
    pub message: &'a str,
}

/// The totals of the last `carapace doctor --prove`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProofSummary {
    /// Seconds since it was written.
    pub age_s: u64,
    /// Attempts that got through.
    pub breached: u64,
    /// Attempts that did not.
    pub held: u64,
    /// Attempts that get through where nothing is confined.
    pub controls: u64,
}

/// Reads the totals out of a proof; `None` where it is not one.
pub fn proof(text: &[u8], age_s: u64) -> Option<ProofSummary> {
    #[derive(Deserialize)]
    struct Proof {
        totals: Totals,
    }
    #[derive(Deserialize)]
    struct Totals {
        held: u64,
        breached: u64,
        controls_working: u64,
    }
    let Proof { totals } = serde_json::from_slice(text).ok()?;
    Some(ProofSummary {
        age_s,
        breached: totals.breached,
        held: totals.held,
        controls: totals.controls_working,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_totals_of_a_proof_are_taken() {
        let text = br#"{"results":[{"id":"x"}],"totals":{"held":90,"breached":0,"allowed":3,
            "controls_working":88,"controls_not_run":5,"vacuous":false}}"#;
        assert_eq!(
            proof(text, 7),
            Some(ProofSummary {
                age_s: 7,
                breached: 0,
                held: 90,
                controls: 88
            })
        );
        for wrong in ["", "{}", "[]", r#"{"totals":{"held":-1}}"#, "\u{0}"] {
            assert_eq!(proof(wrong.as_bytes(), 0), None, "{wrong:?}");
        }
    }
}
