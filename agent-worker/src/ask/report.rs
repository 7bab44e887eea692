//! `report`: how the turn ended. The last request of every turn.

use super::{Ask, fitting};
use carapace_ipc_proto::words::topic;
use serde::Serialize;
use serde_json::json;

/// The name of the request; there is one in a turn.
pub const CORRELATION: &str = "r1";

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// The model gave its final answer, and it was said.
    Answered,
    /// A limit of the turn was reached.
    Limit,
    /// The model could not be asked.
    Failed,
    /// The broker said to stop.
    Cancelled,
}

/// Reports the end. The text is for the person; empty where all was said.
pub fn ask(end: End, text: &str) -> Ask {
    Ask::new(
        topic::REPORT,
        CORRELATION,
        &json!({ "end": end, "text": fitting(text) }),
    )
}
