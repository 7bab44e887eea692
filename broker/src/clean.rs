//! No secret leaves by the way: what goes toward a confined process, a surface, the audit chain or
//! the log passes here. The scrubber is the newest that the keeper made.

use carapace_scrub::{Hit, Scrubber};
use std::borrow::Cow;
use std::sync::{LazyLock, PoisonError, RwLock};

static NEWEST: LazyLock<RwLock<Scrubber>> = LazyLock::new(|| RwLock::new(Scrubber::new([], [])));

/// Makes this the scrubber of everything.
pub(crate) fn publish(scrubber: Scrubber) {
    *NEWEST.write().unwrap_or_else(PoisonError::into_inner) = scrubber;
}

/// The scrubber of this moment.
pub(crate) fn newest() -> Scrubber {
    NEWEST
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

/// Text without secrets.
pub(crate) fn text(text: &str) -> (Cow<'_, str>, Vec<Hit>) {
    let (clean, hits) = newest().text(text);
    (Cow::Owned(clean.into_owned()), hits)
}

/// Text without secrets, in its own place.
pub(crate) fn owned(text: String) -> String {
    match newest().text(&text) {
        (Cow::Borrowed(_), _) => text,
        (Cow::Owned(clean), _) => clean,
    }
}

/// JSON text without secrets, still JSON.
pub(crate) fn json_bytes(json: Vec<u8>) -> (Vec<u8>, Vec<Hit>) {
    let scrubber = newest();
    if !scrubber.contains(&json) {
        return (json, Vec::new());
    }
    // Found in the text; taken out of the values, so that what is left is JSON.
    match serde_json::from_slice::<serde_json::Value>(&json) {
        Ok(mut value) => {
            let hits = scrubber.json(&mut value);
            let clean = value.to_string().into_bytes();
            if scrubber.contains(&clean) {
                (b"{}".to_vec(), hits)
            } else {
                (clean, hits)
            }
        }
        Err(_) => {
            let (clean, hits) = scrubber.bytes(&json);
            (clean.into_owned(), hits)
        }
    }
}

/// A line for the log, without secrets.
pub(crate) fn log_line(line: &str) {
    let (clean, _) = text(line);
    eprintln!("{clean}");
}

/// Panics go to the log like everything else.
pub(crate) fn hook_panics() {
    std::panic::set_hook(Box::new(|info| log_line(&format!("the broker: {info}"))));
}

/// As `eprintln!`, without secrets.
macro_rules! log {
    ($($words:tt)*) => { $crate::clean::log_line(&format!($($words)*)) };
}
pub(crate) use log;
