//! `report` of a mind: how the turn ended, as it sees it.

use super::{Asked, form};
use crate::turn::News;
use carapace_contract::control::TurnEnd;
use carapace_ipc_proto::Claim;
use carapace_ipc_proto::error::ErrorWord;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Report {
    end: MindEnd,
    #[serde(default)]
    text: String,
}

/// What a mind may say of itself. `violation` is the broker's word alone.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum MindEnd {
    Answered,
    Cancelled,
    Limit,
    Failed,
}

pub(super) fn answer(asked: &Asked, arguments: Claim<Value>) -> Result<Value, ErrorWord> {
    let report: Claim<Report> = form(arguments)?;
    let report = report.into_alleged();
    let end = match report.end {
        MindEnd::Answered => TurnEnd::Answered,
        MindEnd::Cancelled => TurnEnd::Cancelled,
        MindEnd::Limit => TurnEnd::Limit,
        MindEnd::Failed => TurnEnd::Failed,
    };
    asked
        .turn
        .news(News::Reported(asked.worker, end, report.text));
    Ok(json!({}))
}
