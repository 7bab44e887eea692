//! `say`: the turn's final words to the person.

use super::{Ask, fitting};
use carapace_ipc_proto::words::topic;
use serde_json::json;

/// The name of the request; there is one in a turn.
pub const CORRELATION: &str = "s1";

/// Says the text, cut to what the line carries.
pub fn ask(text: &str) -> Ask {
    Ask::new(topic::SAY, CORRELATION, &json!({ "text": fitting(text) }))
}
