//! OpenAI's error objects, as this protocol places them: the body of a refusal, an `error` event, the
//! `error` of a failed response.

use crate::codec::Trouble;
use crate::openai_compatible::trouble::embedded;
use serde_json::Value;

pub(super) use crate::openai_compatible::trouble::refusal;

/// Reads an `error` event. Its words stand in the event itself, at some servers in an object in it.
pub(super) fn event(event: &Value) -> Trouble {
    match event.get("error") {
        Some(error) if !error.is_null() => embedded(error),
        _ => {
            let mut said = event.clone();
            if let Some(fields) = said.as_object_mut() {
                // It says "error" here, not which.
                fields.remove("type");
            }
            embedded(&said)
        }
    }
}

/// Reads a response that failed.
pub(super) fn failed(response: &Value) -> Trouble {
    embedded(response.get("error").unwrap_or(&Value::Null))
}
