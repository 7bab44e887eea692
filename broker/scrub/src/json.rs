//! JSON values: strings, numbers and keys, and a secret spread over an array.

use crate::{Hit, Scrubber};
use serde_json::{Map, Value};

pub(crate) fn clean(scrubber: &Scrubber, value: &mut Value) -> Vec<Hit> {
    let mut hits = Vec::new();
    walk(scrubber, value, &mut String::new(), &mut hits);
    hits
}

fn walk(scrubber: &Scrubber, value: &mut Value, path: &mut String, hits: &mut Vec<Hit>) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => {
            let text = number.to_string();
            if let Some(clean) = string(scrubber, &text, path, hits) {
                *value = Value::String(clean);
            }
        }
        Value::String(text) => {
            if let Some(clean) = string(scrubber, text, path, hits) {
                *text = clean;
            }
        }
        Value::Array(elements) => {
            for (number, element) in elements.iter_mut().enumerate() {
                let length = path.len();
                path.push_str(&format!("/{number}"));
                walk(scrubber, element, path, hits);
                path.truncate(length);
            }
            if let Some(clean) =
                joined(elements).and_then(|text| string(scrubber, &text, path, hits))
            {
                *value = Value::String(clean);
            }
        }
        Value::Object(members) => {
            let old = std::mem::take(members);
            for (key, mut member) in old {
                let (clean, found) = scrubber.text(&key);
                let key = free(members, clean.into_owned());
                let length = path.len();
                path.push('/');
                path.push_str(&key.replace('~', "~0").replace('/', "~1"));
                hits.extend(found.into_iter().map(|hit| at(hit, path)));
                walk(scrubber, &mut member, path, hits);
                path.truncate(length);
                members.insert(key, member);
            }
        }
    }
}

/// The clean text, if there was something to clean.
fn string(scrubber: &Scrubber, text: &str, path: &str, hits: &mut Vec<Hit>) -> Option<String> {
    let (clean, found) = scrubber.text(text);
    if found.is_empty() {
        return None;
    }
    hits.extend(found.into_iter().map(|hit| at(hit, path)));
    Some(clean.into_owned())
}

fn at(hit: Hit, path: &str) -> Hit {
    Hit {
        path: Some(path.to_owned()),
        ..hit
    }
}

/// Several strings and numbers, one after the other.
fn joined(elements: &[Value]) -> Option<String> {
    if elements.len() < 2 {
        return None;
    }
    let mut text = String::new();
    for element in elements {
        match element {
            Value::String(string) => text.push_str(string),
            Value::Number(number) => text.push_str(&number.to_string()),
            _ => return None,
        }
    }
    Some(text)
}

/// A key that is not taken yet: cleaning may have made two of them equal.
fn free(members: &Map<String, Value>, key: String) -> String {
    if !members.contains_key(&key) {
        return key;
    }
    (2..)
        .map(|number| format!("{key} ({number})"))
        .find(|key| !members.contains_key(key))
        .unwrap_or(key)
}
