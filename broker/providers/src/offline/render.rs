//! Results are shown to the person. What a tool returned is displayed and never read as a request.

use super::phrases::reference;
use super::{DoneCall, Outcome};
use serde_json::Value;

/// The most characters of one result that are shown.
const MAX_SHOWN: usize = 32 * 1024;

/// What was done, for the person.
pub(super) fn results(done: &[DoneCall]) -> String {
    done.iter().map(result).collect::<Vec<_>>().join("\n\n")
}

fn result(call: &DoneCall) -> String {
    let what = title(call);
    match &call.outcome {
        Outcome::Ok(text) => {
            let shown = shown(text);
            if shown.trim().is_empty() {
                format!("{what}: done.")
            } else {
                format!("{what}:\n{shown}")
            }
        }
        Outcome::Refused(reason) => {
            format!("{what} was not done: it was refused. {}", clean(reason))
        }
        Outcome::Failed(message) => format!("{what} failed: {}", clean(message)),
        Outcome::Unknown => {
            format!(
                "{what} was cut off. Whether it took effect is not known, so it is not repeated; please look before you ask again."
            )
        }
    }
}

fn title(call: &DoneCall) -> String {
    let text = |key: &str| {
        call.arguments
            .get(key)
            .and_then(Value::as_str)
            .map(clean)
            .unwrap_or_default()
    };
    match call.name.as_str() {
        "list" => match text("path").as_str() {
            "" | "." => "Files here".to_owned(),
            path => format!("Files in {path}"),
        },
        "read" => format!("Content of {}", text("path")),
        "write" => format!("Writing {}", text("path")),
        "edit" => format!("Editing {}", text("path")),
        "search" => format!("Search for {}", text("pattern")),
        "current_time" => "Time".to_owned(),
        "math_eval" => text("expression"),
        "exec" => {
            let argv: Vec<String> = call
                .arguments
                .get("argv")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(clean)
                .collect();
            match argv.as_slice() {
                [bash, flag, line] if bash == "bash" && flag == "-c" => format!("$ {line}"),
                argv => format!("$ {}", argv.join(" ")),
            }
        }
        other => clean(other),
    }
}

/// A result as text: JSON objects become their fields, texts in full.
fn shown(text: &str) -> String {
    let whole = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(fields)) => {
            let line = |(key, value): (&String, &Value)| match value {
                Value::Null => None,
                Value::String(text) if text.is_empty() => None,
                Value::String(text)
                    if matches!(
                        key.as_str(),
                        "text" | "content" | "stdout" | "output" | "result"
                    ) =>
                {
                    Some(text.trim_end().to_owned())
                }
                Value::String(text) if text.contains('\n') => {
                    Some(format!("{key}:\n{}", text.trim_end()))
                }
                Value::String(text) => Some(format!("{key}: {text}")),
                Value::Array(items) => Some(items.iter().map(item).collect::<Vec<_>>().join("\n")),
                other => Some(format!("{key}: {other}")),
            };
            fields
                .iter()
                .filter_map(line)
                .collect::<Vec<_>>()
                .join("\n")
        }
        Ok(Value::Array(items)) => items.iter().map(item).collect::<Vec<_>>().join("\n"),
        Ok(Value::String(text)) => text,
        _ => text.to_owned(),
    };
    let cleaned = clean(&whole);
    match cleaned.char_indices().nth(MAX_SHOWN) {
        Some((at, _)) => format!(
            "{}\n(cut: more than {MAX_SHOWN} characters)",
            &cleaned[..at]
        ),
        None => cleaned,
    }
}

fn item(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) => fields
            .values()
            .map(|value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            })
            .collect::<Vec<_>>()
            .join("  "),
        other => other.to_string(),
    }
}

/// Without characters that move the cursor or turn the text around.
fn clean(text: &str) -> String {
    let bad = |c: char| {
        c.is_control() && !matches!(c, '\n' | '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    text.chars()
        .map(|c| if bad(c) { '\u{fffd}' } else { c })
        .collect()
}

/// The greeting.
pub(super) fn greeting() -> String {
    "Hello. I have no model, but I understand plain requests such as \"list the files here\" or \"what is in notes.md?\". Say \"help\" for all of them.".to_owned()
}

/// The overview, made from the table.
pub(super) fn help() -> String {
    let mut text = "I have no model; I understand plain requests such as these:\n".to_owned();
    for entry in reference() {
        text.push_str(&format!("  {}\n", entry.example));
    }
    text.push_str("Join several with \"and then\". A command goes in quotes: run `ls -l`.");
    text
}

/// What is said when nothing was understood.
pub(super) fn miss(nearest: &str) -> String {
    format!(
        "I have no model, so I understand only plain requests, and not this one; I did nothing. \
         The nearest I know: \"{nearest}\". Say \"help\" for all of them."
    )
}

/// What is said when a tool is not there.
pub(super) fn unavailable(tool: &str) -> String {
    format!("That needs the tool \"{tool}\", which this session does not have; I did nothing.")
}
