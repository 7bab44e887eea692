//! The built-in default: no model, a small deterministic language of plain requests that drives the
//! same tools.
//!
//! It reads only the newest message of the owner, never what a tool returned; that is displayed.
//! It never guesses: a request that no pattern of `phrases` fits does nothing and is answered with
//! the nearest one that does. Of a sequence either every part is understood or nothing is done; the
//! parts are called one after the other, and the first that does not succeed ends it.
//!
//! How a request is read stands in `grammar`, what is understood in `phrases`, what it means in
//! `meaning`, how results are shown in `render`.

mod grammar;
mod meaning;
mod phrases;
mod render;
#[cfg(test)]
mod tests;

pub use phrases::{Entry, reference};

use carapace_contract::id::ToolName;
use carapace_contract::model::{Answer, Stop, ToolCall, Usage};
use grammar::Word;
use meaning::Meaning;
use serde_json::Value;

/// The most parts of one sequence.
pub const MAX_PARTS: usize = 8;

/// The longest message that is read as a request, in bytes.
pub const MAX_MESSAGE: usize = 256 * 1024;

/// A call that this turn has already made.
#[derive(Debug, Clone, PartialEq)]
pub struct DoneCall {
    /// The tool.
    pub name: String,
    /// Its arguments.
    pub arguments: Value,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done; the result as text.
    Ok(String),
    /// Policy or a person refused it; the reason.
    Refused(String),
    /// It was tried and failed; the message.
    Failed(String),
    /// It was cut off between act and confirmation.
    Unknown,
}

/// Answers the newest owner-authenticated message, given what this turn has done for it so far and
/// which tools there are. The same input gives the same answer.
pub fn respond(message: &str, done: &[DoneCall], available: &[ToolName]) -> Answer {
    let plan = match understand(message) {
        Ok(plan) => plan,
        Err(nearest) if done.is_empty() => return say(render::miss(nearest)),
        Err(_) => return say(render::results(done)),
    };
    let missing = plan.iter().find_map(|part| match part {
        Meaning::Call(tool, _) if !available.iter().any(|name| name.as_str() == *tool) => {
            Some(*tool)
        }
        _ => None,
    });
    if let (Some(tool), []) = (missing, done) {
        return say(render::unavailable(tool));
    }
    let calls: Vec<(&str, &Value)> = plan
        .iter()
        .filter_map(|part| match part {
            Meaning::Call(tool, arguments) => Some((*tool, arguments)),
            Meaning::Greeting | Meaning::Help => None,
        })
        .collect();
    let as_planned = done.iter().zip(&calls).all(|(was, (tool, arguments))| {
        was.name == *tool && was.arguments == **arguments && matches!(was.outcome, Outcome::Ok(_))
    });
    match calls.get(done.len()) {
        Some((tool, arguments)) if as_planned && missing.is_none() => Answer {
            text: String::new(),
            tool_calls: vec![ToolCall {
                id: format!("offline-{}", done.len() + 1),
                name: (*tool).to_owned(),
                arguments: (*arguments).clone(),
                signature: None,
            }],
            thinking: Vec::new(),
            stop: Stop::ToolCalls,
            usage: Usage::default(),
        },
        left => {
            let mut parts: Vec<String> = plan
                .iter()
                .filter_map(|part| match part {
                    Meaning::Greeting => Some(render::greeting()),
                    Meaning::Help => Some(render::help()),
                    Meaning::Call(..) => None,
                })
                .collect();
            if !done.is_empty() {
                parts.push(render::results(done));
            }
            if left.is_some() {
                parts.push("I stopped there and did not begin the rest.".to_owned());
            }
            say(parts.join("\n\n"))
        }
    }
}

fn say(text: String) -> Answer {
    Answer {
        text,
        tool_calls: Vec::new(),
        thinking: Vec::new(),
        stop: Stop::End,
        usage: Usage::default(),
    }
}

/// What the message asks for, in order; else the example nearest to it.
fn understand(message: &str) -> Result<Vec<Meaning>, &'static str> {
    const NOTHING_NEAR: &str = "list the files here";
    if message.len() > MAX_MESSAGE {
        return Err(NOTHING_NEAR);
    }
    let text = grammar::plain(message.trim());
    if let Some(command) = text.strip_prefix("$ ") {
        let slots = [("command".to_owned(), command.to_owned())].into();
        return meaning::run(&slots)
            .map(|part| vec![part])
            .ok_or(NOTHING_NEAR);
    }
    let words = grammar::words(&text).ok_or(NOTHING_NEAR)?;
    let parts = parts(&words);
    if (2..=MAX_PARTS).contains(&parts.len()) {
        let plan: Option<Vec<Meaning>> = parts.iter().map(|part| one(part, &text)).collect();
        if let Some(plan) = plan {
            return Ok(plan);
        }
    }
    one(&words, &text)
        .map(|part| vec![part])
        .ok_or_else(|| nearest(&words))
}

fn one(words: &[Word], text: &str) -> Option<Meaning> {
    [words, grammar::bare(words)]
        .into_iter()
        .filter(|words| !words.is_empty())
        .find_map(|words| {
            phrases::PHRASES.iter().find_map(|row| {
                row.patterns
                    .iter()
                    .find_map(|pattern| (row.meaning)(&grammar::fit(pattern, words, text)?))
            })
        })
}

/// Splits at "then", "and then" and semicolons. A text that was opened with a colon
/// ("containing: …") runs to the end.
fn parts(words: &[Word]) -> Vec<&[Word]> {
    const OPENS: &[&str] = &[
        "containing",
        "contains",
        "says",
        "saying",
        "reads",
        "reading",
        "content",
        "contents",
        "text",
        "line",
        "words",
        "body",
    ];
    let mut parts = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while at < words.len() {
        let word = &words[at];
        if word.mark == Some(':') && OPENS.iter().any(|opens| word.is(opens)) {
            break;
        }
        if word.mark == Some(';') {
            parts.push(&words[start..=at]);
            start = at + 1;
        } else if word.is("then") && at > start {
            let end = if words[at - 1].is("and") { at - 1 } else { at };
            parts.push(&words[start..end]);
            start = at + 1;
        }
        at += 1;
    }
    parts.push(&words[start..]);
    parts.retain(|part| !part.is_empty());
    parts
}

/// The example that shares most with the words: a word of the example itself counts by its rarity
/// over all examples, another word of its patterns a little.
fn nearest(words: &[Word]) -> &'static str {
    let says =
        |row: &phrases::Phrase, word: &Word| row.example.split(' ').any(|known| word.is(known));
    let knows = |row: &phrases::Phrase, word: &Word| {
        row.patterns.iter().any(|pattern| {
            pattern
                .split([' ', '|'])
                .any(|known| word.is(known.trim_end_matches('?')))
        })
    };
    let score = |row: &phrases::Phrase, word: &Word| match (says(row, word), knows(row, word)) {
        (true, _) => {
            100 / phrases::PHRASES
                .iter()
                .filter(|row| says(row, word))
                .count()
                .max(1)
        }
        (false, true) => 5,
        (false, false) => 0,
    };
    let scored = phrases::PHRASES.iter().map(|row| {
        (
            words
                .iter()
                .take(40)
                .map(|word| score(row, word))
                .sum::<usize>(),
            row.example,
        )
    });
    // Of equals the first row wins, and `max_by_key` takes the last.
    scored
        .rev()
        .max_by_key(|(score, _)| *score)
        .filter(|(score, _)| *score > 0)
        .map_or("list the files here", |(_, example)| example)
}
