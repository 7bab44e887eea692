//! `tool.invoke.NAME`: one call of one tool.

use super::Ask;
use carapace_contract::id::ToolName;
use carapace_ipc_proto::{limits, words::topic};
use serde_json::Value;

/// Asks for a call; `None` where the arguments are longer than the line carries.
pub fn ask(correlation: String, tool: &ToolName, arguments: &Value) -> Option<Ask> {
    let ask = Ask::new(
        format!("{}{tool}", topic::TOOL_INVOKE),
        correlation,
        arguments,
    );
    (ask.arguments.len() <= limits::ARGUMENTS).then_some(ask)
}
