//! `tool.list`: names, descriptions and schemas of the tools.

use super::Asked;
use serde_json::{Value, json};

pub(super) fn answer(asked: &Asked) -> Value {
    let tools: Vec<Value> = asked
        .broker
        .registry
        .tools()
        .map(|tool| json!({ "name": tool.name, "description": tool.description, "schema": tool.schema }))
        .collect();
    json!({ "tools": tools })
}
