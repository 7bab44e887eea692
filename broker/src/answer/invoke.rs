//! `tool.invoke.NAME`: through the desk.

use super::Asked;
use crate::desk;
use carapace_contract::id::ToolName;
use carapace_ipc_proto::Claim;
use carapace_ipc_proto::error::ErrorWord;
use serde_json::{Value, json};

pub(super) async fn answer(
    asked: Asked,
    tool: ToolName,
    arguments: Claim<Value>,
) -> Result<Value, ErrorWord> {
    desk::once(asked, tool, arguments)
        .await
        .map(|text| json!({ "text": text }))
}
