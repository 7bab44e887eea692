//! What messages hold beside calls and thoughts: texts, and attachments as blocks want them.

use crate::codec::RequestError;
use base64::Engine as _;
use bytes::Bytes;
use carapace_contract::model::{Message, Role};
use serde_json::{Map, Value};

/// The longest title of a document, in characters.
const MAX_TITLE: usize = 200;

/// Bytes as base64.
pub(crate) fn base64(bytes: &Bytes) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Bytes as text.
///
/// # Errors
/// [`RequestError::Media`] where they are none.
pub(crate) fn utf8(bytes: &Bytes) -> Result<&str, RequestError> {
    std::str::from_utf8(bytes).map_err(|_| RequestError::Media("text that is not UTF-8"))
}

/// A document's title.
pub(crate) fn title(name: &str) -> String {
    let title: String = name
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_TITLE)
        .collect();
    match title.trim() {
        "" => "document".to_owned(),
        title => title.to_owned(),
    }
}

/// The texts of all messages of a role that say something.
pub(crate) fn texts(messages: &[Message], role: Role) -> Vec<&str> {
    messages
        .iter()
        .filter(|message| message.role == role)
        .map(|message| message.content.as_str())
        .filter(|text| is_something(text))
        .collect()
}

/// Vendors refuse a text of white space.
pub(crate) fn is_something(text: &str) -> bool {
    !text.trim().is_empty()
}

/// A call's arguments; vendors refuse what is no object.
pub(crate) fn object(arguments: &Value) -> Value {
    match arguments {
        Value::Object(_) => arguments.clone(),
        _ => Value::Object(Map::new()),
    }
}
