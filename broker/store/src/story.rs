//! The story of one effect, told from the audit log.

use crate::audit::line::{self, Record};
use carapace_contract::id::EffectId;
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

/// The most lines of one story.
const MAX_LINES: usize = 1000;

/// One line: seconds since 1970, the record's number, what happened.
pub type StoryLine = (i64, u64, String);

/// All records about an effect, oldest first. Reads the whole log.
///
/// # Errors
/// The log cannot be read.
pub fn story(log: &Path, effect: EffectId) -> io::Result<Vec<StoryLine>> {
    let name = effect.to_string();
    let mut source = BufReader::with_capacity(256 * 1024, File::open(log)?);
    let mut text = Vec::new();
    let mut lines = Vec::new();
    while lines.len() < MAX_LINES {
        match line::read_line(&mut source, &mut text) {
            // An unfinished last line is one that is being written.
            Ok(()) if text.last() != Some(&b'\n') => break,
            Ok(()) => {}
            Err(error) => return Err(error),
        }
        // The name stands before the body, so a body that quotes it costs a parse and no more.
        if !text
            .windows(name.len())
            .any(|window| window == name.as_bytes())
        {
            continue;
        }
        if let Some(record) = line::parse(&text).filter(|record| record.effect == Some(effect)) {
            lines.push((record.time_ms.div_euclid(1000), record.seq, words(&record)));
        }
    }
    Ok(lines)
}

fn words(record: &Record) -> String {
    let body = &record.body;
    let field = |name: &str| match &body[name] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let reasons = |list: &Value| {
        let texts = list
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|reason| reason["text"].as_str());
        texts.collect::<Vec<_>>().join("; ")
    };
    match record.kind.as_str() {
        "act" => {
            let with = if body["arguments"].is_null() {
                let (bytes, digest) = match body["arguments-bytes"].is_null() {
                    true => (field("bytes"), field("completion")),
                    false => (field("arguments-bytes"), field("arguments-sha256")),
                };
                format!("{bytes} bytes, sha256 {digest}")
            } else {
                field("arguments")
            };
            let to = if body["route"].is_null() {
                String::new()
            } else {
                format!(" to {}", field("route"))
            };
            format!(
                "{}{to} with {with}; allowed because {}",
                field("what"),
                reasons(&body["basis"])
            )
        }
        "refused" => {
            let why = body["reason"]["text"].as_str().unwrap_or_default();
            format!("{} refused ({}): {why}", field("what"), field("code"))
        }
        "asked" => {
            format!(
                "a person was asked about {} ({}): {}; the answer is bound to {}",
                field("what"),
                field("question"),
                reasons(&body["reasons"]),
                field("digest")
            )
        }
        "answered" => {
            let part = match body["part"].as_str() {
                Some(part) => format!(", steps {part}"),
                None => String::new(),
            };
            format!(
                "{} answered question {}: {}{part}",
                field("approver"),
                field("question"),
                field("decision")
            )
        }
        "granted" => {
            let steps: Vec<&str> = body["steps"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            format!("{} grants {}", field("question"), steps.join("; "))
        }
        "unanswered" => format!("question {} is {}", field("question"), field("state")),
        "finished" => format!(
            "{} after {} ms: {}",
            field("outcome"),
            field("millis"),
            field("detail")
        ),
        other => format!("{other}: {body}"),
    }
}
