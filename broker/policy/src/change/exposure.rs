//! From when on everything with an effect is asked about: the threshold, and the model that looks for
//! instructions in words of others.

use super::{Change, Direction, Kind};
use carapace_contract::config::Classifier;
use serde::{Deserialize, Serialize};

/// What makes a session ask about everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Thresholds {
    /// The exposure; 0: never.
    pub(super) ask_from: u32,
    pub(super) classifier: Classifier,
}

pub(super) fn compare(before: &Thresholds, after: &Thresholds, all: &mut Vec<Change>) {
    threshold(before.ask_from, after.ask_from, all);
    classifier(before.classifier, after.classifier, all);
}

fn threshold(before: u32, after: u32, all: &mut Vec<Change>) {
    let (direction, text) = if before == after {
        return;
    } else if after == 0 {
        (
            Direction::Wider,
            format!(
                "however much a session has seen, that alone asks about nothing now (before: everything with an effect from an exposure of {before} on)"
            ),
        )
    } else if before == 0 {
        (
            Direction::Narrower,
            format!(
                "from an exposure of {after} on, everything with an effect is asked about now (before: never for that alone)"
            ),
        )
    } else {
        let direction = if after > before {
            Direction::Wider
        } else {
            Direction::Narrower
        };
        (
            direction,
            format!(
                "everything with an effect is asked about from an exposure of {after} on now (before: of {before})"
            ),
        )
    };
    all.push(Change::new(direction, Kind::Exposure, &text));
}

fn classifier(before: Classifier, after: Classifier, all: &mut Vec<Change>) {
    if before == after {
        return;
    }
    let does = |what| match what {
        Classifier::Off => "no model looks at them",
        Classifier::Warn => "a model looks, and you are told",
        Classifier::Ask => {
            "a model looks, you are told, and everything with an effect is asked about"
        }
    };
    let direction = match (before, after) {
        (Classifier::Ask, _) => Direction::Wider,
        (_, Classifier::Ask) => Direction::Narrower,
        _ => Direction::Other,
    };
    let text = format!(
        "where words of others look like instructions: {} (before: {})",
        does(after),
        does(before)
    );
    all.push(Change::new(direction, Kind::Exposure, &text));
}
