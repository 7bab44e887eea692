//! `plan.propose`: what it takes. The plan is read, judged and granted by `plan`; nothing is run here.

use super::name;
use carapace_contract::effects::{Effects, Reach, Undo};
use carapace_contract::part::STEPS;
use carapace_contract::tool::{Place, Tool};
use carapace_policy::PROPOSE;
use carapace_policy::plan::COUNT;
use serde_json::json;

/// Characters of the reason.
const WHY: usize = 500;

pub(super) fn tool() -> Tool {
    // What stands below `arguments` depends on the step's tool; it is read against that tool's schema.
    let step = json!({
        "type": "object", "additionalProperties": false, "required": ["tool"],
        "properties": {
            "tool": { "type": "string", "minLength": 1, "maxLength": 64 },
            "arguments": {
                "type": "object", "maxProperties": 64,
                "description": "By name: {\"exactly\": value}, {\"one-of\": [values]}, {\"at-most\": number}; a plain value means exactly it.",
            },
            "count": { "type": "integer", "minimum": 1, "maximum": COUNT },
        },
    });
    Tool {
        name: name(PROPOSE),
        description: "Propose all steps of a task that would each be put to the person, before you begin: they answer once. \
            Name every argument that you know; a step covers only calls that fit it, as often as its count says."
            .to_owned(),
        schema: json!({
            "type": "object", "additionalProperties": false, "required": ["steps"],
            "properties": {
                "steps": { "type": "array", "minItems": 1, "maxItems": STEPS, "items": step },
                "why": { "type": "string", "maxLength": WHY },
            },
        }),
        effects: Effects {
            reads: Reach::None,
            writes: Reach::None,
            undo: Undo::Nothing,
            idempotent: true,
            ..Effects::default()
        },
        place: Place::Broker,
    }
}
