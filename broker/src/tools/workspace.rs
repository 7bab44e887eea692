//! The hands' tools. They are carried out in the session's hands cage; here stands what they
//! take and what they do to the world.

use super::name;
use carapace_contract::effects::{Effects, Reach, Undo};
use carapace_contract::tool::{Place, Tool};
use serde_json::{Value, json};

pub(super) fn tools(exec_seconds: u64) -> Vec<Tool> {
    let path = json!({ "type": "string", "minLength": 1, "maxLength": 4096 });
    let tool = |title: &str,
                description: &str,
                required: &[&str],
                properties: Value,
                effects: &Effects| Tool {
        name: name(title),
        description: description.to_owned(),
        schema: json!({
            "type": "object", "additionalProperties": false, "required": required, "properties": properties,
        }),
        effects: effects.clone(),
        place: Place::Hands,
    };
    let (looks, changes, runs) = (
        effects(Reach::None, Undo::Nothing, true),
        effects(Reach::Workspace, Undo::Impossible, false),
        effects(Reach::Workspace, Undo::Impossible, false),
    );
    vec![
        tool(
            "list",
            "List files and folders of the workspace.",
            &[],
            json!({ "path": path, "depth": { "type": "integer", "minimum": 1, "maximum": 8 } }),
            &looks,
        ),
        tool(
            "read",
            "Read a text file of the workspace; offset and limit count lines from 1.",
            &["path"],
            json!({
                "path": path,
                "offset": { "type": "integer", "minimum": 1 },
                "limit": { "type": "integer", "minimum": 1 },
            }),
            &looks,
        ),
        tool(
            "search",
            "Search the workspace's text files for a regular expression.",
            &["pattern"],
            json!({
                "pattern": { "type": "string", "minLength": 1, "maxLength": 1000 },
                "path": path,
                "limit": { "type": "integer", "minimum": 1, "maximum": 200 },
            }),
            &looks,
        ),
        tool(
            "write",
            "Write a whole file of the workspace; folders are made, an existing file is replaced.",
            &["path", "content"],
            json!({ "path": path, "content": { "type": "string" } }),
            &changes,
        ),
        tool(
            "edit",
            "Replace text in a file of the workspace; the old text must be there exactly once, unless all is true.",
            &["path", "old", "new"],
            json!({
                "path": path,
                "old": { "type": "string", "minLength": 1 },
                "new": { "type": "string" },
                "all": { "type": "boolean" },
            }),
            &changes,
        ),
        tool(
            "exec",
            "Run a program in the workspace: no network, no files of the host. No shell is implied; use [\"bash\", \"-c\", line] for one.",
            &["argv"],
            json!({
                "argv": {
                    "type": "array", "minItems": 1, "maxItems": 256,
                    "items": { "type": "string", "maxLength": 65536 },
                },
                "stdin": { "type": "string" },
                "seconds": { "type": "integer", "minimum": 1, "maximum": exec_seconds },
                "ipc": { "type": "boolean", "description": "let the program use the `ipc` command" },
            }),
            &runs,
        ),
    ]
}

fn effects(writes: Reach, undo: Undo, idempotent: bool) -> Effects {
    Effects {
        reads: Reach::Workspace,
        writes,
        undo,
        idempotent,
        data: vec!["workspace".parse().expect("a category")],
        ..Effects::default()
    }
}
