//! What this machine offers, found by trying each layer in a throw-away child, and what follows.
//!
//! Nothing is inferred from a version or from a file that names a feature. The caller must have
//! one thread, like a caller of `spawn`.

mod tries;

use std::sync::OnceLock;

use serde::Serialize;

use crate::config::CageConfig;
use crate::{Layer, State};

/// One layer of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LayerReport {
    /// The layer.
    pub layer: Layer,
    /// How it stands.
    pub state: State,
    /// What the try showed.
    pub evidence: String,
    /// What its absence means; empty when it is there.
    pub consequence: String,
    /// What the owner can do; empty when it is there.
    pub remedy: String,
}

/// How strong a cage on this machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Every layer.
    Full,
    /// Without a soft layer; the rlimits and the filter stand in.
    WithoutSoft,
    /// Without a layer that the owner waived.
    Waived,
}

/// Why nothing starts on this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
pub enum Refusal {
    /// A layer that may be waived is missing and not waived.
    #[error(
        "the layer {0} is missing; follow its remedy, or set allow-missing = [\"{0}\"] in cage.toml"
    )]
    NotWaived(Layer),
    /// A layer that is never optional is missing.
    #[error("the layer {0} is missing and never optional; follow its remedy")]
    Required(Layer),
    /// Landlock and namespaces are both missing.
    #[error(
        "landlock and namespaces are both missing, waived or not; use a kernel that has at least one of them"
    )]
    TooLittle,
}

/// Tries every layer. Takes some milliseconds.
pub fn layers(config: &CageConfig) -> Vec<LayerReport> {
    tries::ALL
        .iter()
        .map(|one| {
            let layer = one.layer;
            match (one.attempt)(config) {
                Ok(evidence) => LayerReport {
                    layer,
                    state: State::Ok,
                    evidence,
                    consequence: String::new(),
                    remedy: String::new(),
                },
                Err(evidence) => LayerReport {
                    layer,
                    state: if layer.soft() {
                        State::Soft
                    } else if config.waives(layer) || follows_a_waiver(layer, config) {
                        State::Waived
                    } else {
                        State::Missing
                    },
                    evidence,
                    consequence: one.consequence.to_owned(),
                    remedy: one.remedy.to_owned(),
                },
            }
        })
        .collect()
}

/// What follows from the reports: how strong a cage is here, or why there is none.
///
/// # Errors
/// [`Refusal`] names the layer that decides.
pub fn verdict(reports: &[LayerReport], config: &CageConfig) -> Result<Level, Refusal> {
    let lacks = |layer| {
        reports
            .iter()
            .find(|report| report.layer == layer)
            .is_none_or(|report| report.state != State::Ok)
    };
    if lacks(Layer::Landlock) && lacks(Layer::Namespaces) {
        return Err(Refusal::TooLittle);
    }
    let mut level = Level::Full;
    for report in reports {
        match report.state {
            State::Ok => {}
            State::Soft if report.layer.soft() => level = worse(level, Level::WithoutSoft),
            State::Waived
                if config.waives(report.layer) || follows_a_waiver(report.layer, config) =>
            {
                level = Level::Waived;
            }
            _ if report.layer.waivable() => return Err(Refusal::NotWaived(report.layer)),
            _ => return Err(Refusal::Required(report.layer)),
        }
    }
    Ok(level)
}

/// The own root needs a mount namespace, so it goes with it.
fn follows_a_waiver(layer: Layer, config: &CageConfig) -> bool {
    layer == Layer::Root && config.waives(Layer::Namespaces)
}

fn worse(one: Level, other: Level) -> Level {
    if one == Level::Full { other } else { one }
}

/// Whether a waivable layer is applied: always when it is not waived (and then the start fails
/// without it), else if a try shows that it works. Tried once per process.
pub(crate) fn layer_in_use(layer: Layer, config: &CageConfig) -> bool {
    static LANDLOCK: OnceLock<bool> = OnceLock::new();
    static NAMESPACES: OnceLock<bool> = OnceLock::new();
    if !config.waives(layer) {
        return true;
    }
    match layer {
        Layer::Landlock => *LANDLOCK.get_or_init(|| tries::landlock(config).is_ok()),
        _ => *NAMESPACES.get_or_init(|| {
            tries::namespaces(config)
                .and_then(|_| tries::root(config))
                .is_ok()
        }),
    }
}

/// Whether the limit of nested namespaces can be set here. Tried once per process.
pub(crate) fn nested_limit_works(config: &CageConfig) -> bool {
    static WORKS: OnceLock<bool> = OnceLock::new();
    *WORKS.get_or_init(|| tries::nested_limit(config).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(layer: Layer, state: State) -> LayerReport {
        LayerReport {
            layer,
            state,
            evidence: String::new(),
            consequence: String::new(),
            remedy: String::new(),
        }
    }

    fn judged(states: &[(Layer, State)], waived: &[Layer]) -> Result<Level, Refusal> {
        let config = CageConfig {
            allow_missing: waived.to_vec(),
            ..CageConfig::default()
        };
        let mut reports = vec![
            report(Layer::Seccomp, State::Ok),
            report(Layer::Landlock, State::Ok),
            report(Layer::Namespaces, State::Ok),
            report(Layer::Cgroup, State::Ok),
        ];
        for (layer, state) in states {
            reports.retain(|one| one.layer != *layer);
            reports.push(report(*layer, *state));
        }
        verdict(&reports, &config)
    }

    #[test]
    fn the_ladder_goes_down_only_by_name() {
        use Layer::{Cgroup, Landlock, Namespaces, NoNewPrivs, Root, Seccomp};
        assert_eq!(judged(&[], &[]), Ok(Level::Full));
        assert_eq!(
            judged(&[(Cgroup, State::Soft)], &[]),
            Ok(Level::WithoutSoft)
        );
        assert_eq!(
            judged(&[(Landlock, State::Missing)], &[]),
            Err(Refusal::NotWaived(Landlock))
        );
        assert_eq!(
            judged(&[(Landlock, State::Waived)], &[Landlock]),
            Ok(Level::Waived)
        );
        assert_eq!(
            judged(&[(Landlock, State::Waived)], &[]),
            Err(Refusal::NotWaived(Landlock)),
            "a report alone waives nothing"
        );
        assert_eq!(
            judged(
                &[(Namespaces, State::Waived), (Root, State::Waived)],
                &[Namespaces]
            ),
            Ok(Level::Waived)
        );
        assert_eq!(
            judged(
                &[(Landlock, State::Waived), (Namespaces, State::Waived)],
                &[Landlock, Namespaces]
            ),
            Err(Refusal::TooLittle)
        );
        assert_eq!(
            judged(&[(Seccomp, State::Waived)], &[Seccomp]),
            Err(Refusal::Required(Seccomp))
        );
        assert_eq!(
            judged(&[(NoNewPrivs, State::Soft)], &[]),
            Err(Refusal::Required(NoNewPrivs))
        );
    }
}
