//! `current_time`: the date and time, in a named zone.

use super::name;
use carapace_contract::effects::{Effects, Reach, Undo};
use carapace_contract::tool::{Place, Tool};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

pub(super) fn tool() -> Tool {
    Tool {
        name: name("current_time"),
        description: "The date and time, in UTC or in a named time zone such as Europe/Berlin."
            .to_owned(),
        schema: json!({
            "type": "object", "additionalProperties": false,
            "properties": { "zone": { "type": "string", "minLength": 1, "maxLength": 64 } },
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

pub(super) fn run(arguments: &Value) -> Result<String, String> {
    let zone = match arguments.get("zone").and_then(Value::as_str) {
        None => TimeZone::UTC,
        Some(zone) => TimeZone::get(zone).map_err(|_| {
            format!("there is no time zone {zone:?}; use a name such as Asia/Tokyo")
        })?,
    };
    let now = Timestamp::now().to_zoned(zone);
    Ok(now.strftime("%A, %Y-%m-%d %H:%M:%S %Z").to_string())
}
