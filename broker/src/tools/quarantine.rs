//! The tools of the quarantine: what they take and what they do to the world. They are carried out by
//! [`crate::quarantine`].

use super::name;
use crate::quarantine::{FIELDS, WORD, WORDS};
use carapace_contract::effects::{Effects, Reach, Undo};
use carapace_contract::tool::{Place, Tool};
use serde_json::{Value, json};

/// Reads a text of others and gives narrow values.
pub(crate) const READ: &str = "quarantine.read";
/// Shows a kept text to the person.
pub(crate) const SHOW: &str = "quarantine.show";
/// Writes a kept text into the workspace.
pub(crate) const STORE: &str = "quarantine.store";

pub(super) fn tools() -> Vec<Tool> {
    let path = json!({ "type": "string", "minLength": 1, "maxLength": 4096 });
    let handle = json!({ "type": "string", "pattern": "^text-[0-9a-zA-Z]{16}$" });
    let tool = |title: &str, description: &str, required: &[&str], properties: Value, effects| {
        Tool {
            name: name(title),
            description: description.to_owned(),
            schema: json!({
                "type": "object", "additionalProperties": false, "required": required, "properties": properties,
            }),
            effects,
            place: Place::Quarantine,
        }
    };
    let field = json!({
        "type": "object", "additionalProperties": false, "required": ["name", "type"],
        "properties": {
            "name": { "type": "string", "pattern": "^[a-z][a-z0-9_]{0,31}$" },
            "type": { "enum": ["boolean", "integer", "number", "date", "choice", "text"] },
            "minimum": { "type": "number", "description": "of an integer or a number" },
            "maximum": { "type": "number", "description": "of an integer or a number" },
            "decimals": { "type": "integer", "minimum": 0, "maximum": 6, "description": "of a number" },
            "words": {
                "type": "array", "minItems": 2, "maxItems": WORDS, "description": "of a choice",
                "items": { "type": "string", "minLength": 1, "maxLength": WORD },
            },
        },
    });
    vec![
        tool(
            READ,
            "Have a text of others read by a reader without tools, which answers a question with narrow values only: booleans, numbers in a range, dates, one of given words. A field of type text stays behind a handle that you cannot read. Name a file of the workspace (path) or an earlier handle (handle).",
            &["question", "fields"],
            json!({
                "path": path,
                "handle": handle,
                "question": { "type": "string", "minLength": 1, "maxLength": 2000 },
                "fields": { "type": "array", "minItems": 1, "maxItems": FIELDS, "items": field },
            }),
            Effects {
                reads: Reach::Workspace,
                undo: Undo::Nothing,
                idempotent: true,
                data: vec!["workspace".parse().expect("a category")],
                ..Effects::default()
            },
        ),
        tool(
            SHOW,
            "Show the text behind a handle to the person. You do not see it.",
            &["handle"],
            json!({ "handle": handle }),
            Effects {
                undo: Undo::Nothing,
                idempotent: true,
                ..Effects::default()
            },
        ),
        tool(
            STORE,
            "Write the text behind a handle to a file of the workspace. You do not see it.",
            &["handle", "path"],
            json!({ "handle": handle, "path": path }),
            Effects {
                writes: Reach::Workspace,
                undo: Undo::Impossible,
                ..Effects::default()
            },
        ),
    ]
}
