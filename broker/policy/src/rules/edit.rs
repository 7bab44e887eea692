//! Changes of `rules.yaml` as text: a rule below the others, one less, or one in the place of its older
//! self. The owner's comments and layout stay. Every change is read again before it is given, and has to
//! say exactly what was meant; a file that is laid out otherwise is left to its owner.

use super::read::{self, MAX_RULES, Placed, RulesError};
use super::rule::{Rule, RuleId};
use serde_json::Value;

/// The text with a further rule at its end.
///
/// # Errors
/// The text or the rule cannot be used, or a rule of this id is there.
pub fn added(text: &str, rule: &Rule) -> Result<String, RulesError> {
    let placed = read::read(text)?;
    fit(rule)?;
    if placed.iter().any(|(_, other)| other.id == rule.id) {
        return Err(RulesError::Exists(rule.id.to_string()));
    }
    if placed.len() >= MAX_RULES {
        return Err(RulesError::TooMany(placed.len() + 1));
    }
    let mut lines = lines(text);
    match placed.first() {
        Some(first) => {
            let indent = indent_of(&lines, first)?;
            lines.extend(block(rule, indent)?);
        }
        None => {
            let at = lines
                .iter()
                .position(|line| line.replace(' ', "").starts_with("rules:[]"))
                .ok_or(RulesError::Layout)?;
            let mut fresh = vec!["rules:".to_owned()];
            fresh.extend(block(rule, 2)?);
            lines.splice(at..=at, fresh);
        }
    }
    let mut wanted = rules(&placed);
    wanted.push(rule.clone());
    checked(lines, &wanted)
}

/// The text without a rule.
///
/// # Errors
/// The text cannot be used, or there is no such rule.
pub fn removed(text: &str, id: &RuleId) -> Result<String, RulesError> {
    let placed = read::read(text)?;
    let at = position(&placed, id)?;
    let mut lines = lines(text);
    let (start, end) = extent(&lines, &placed, at)?;
    if placed.len() == 1 {
        let head = lines[..start]
            .iter()
            .rposition(|line| line.trim_end() == "rules:")
            .ok_or(RulesError::Layout)?;
        lines.drain(start..end);
        lines[head] = "rules: []".to_owned();
    } else {
        lines.drain(start..end);
    }
    let mut wanted = rules(&placed);
    wanted.remove(at);
    checked(lines, &wanted)
}

/// The text with this rule in the place of the one of the same id.
///
/// # Errors
/// The text or the rule cannot be used, or there is none of this id.
pub fn replaced(text: &str, rule: &Rule) -> Result<String, RulesError> {
    let placed = read::read(text)?;
    fit(rule)?;
    let at = position(&placed, &rule.id)?;
    let mut lines = lines(text);
    let (start, end) = extent(&lines, &placed, at)?;
    let indent = indent_of(&lines, &placed[at])?;
    lines.splice(start..end, block(rule, indent)?);
    let mut wanted = rules(&placed);
    wanted[at] = rule.clone();
    checked(lines, &wanted)
}

fn fit(rule: &Rule) -> Result<(), RulesError> {
    rule.check().map_err(|(field, cause)| RulesError::Unfit {
        id: rule.id.to_string(),
        field,
        cause,
    })
}

fn position(placed: &[Placed], id: &RuleId) -> Result<usize, RulesError> {
    placed
        .iter()
        .position(|(_, rule)| rule.id == *id)
        .ok_or_else(|| RulesError::Missing(id.to_string()))
}

fn rules(placed: &[Placed]) -> Vec<Rule> {
    placed.iter().map(|(_, rule)| rule.clone()).collect()
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// The text of these lines, where it says what was meant.
fn checked(lines: Vec<String>, wanted: &[Rule]) -> Result<String, RulesError> {
    let mut text = lines.join("\n");
    text.push('\n');
    if text.len() > read::MAX_BYTES {
        return Err(RulesError::TooLong(text.len()));
    }
    match read::read(&text) {
        Ok(placed) if rules(&placed) == wanted => Ok(text),
        _ => Err(RulesError::Layout),
    }
}

/// The index of the line with the dash of a rule.
fn dash(lines: &[String], (line, _): &Placed) -> Result<usize, RulesError> {
    let found = usize::try_from(*line)
        .ok()
        .filter(|line| (1..=lines.len()).contains(line))
        .ok_or(RulesError::Layout)?;
    lines[..found]
        .iter()
        .rposition(|line| line.trim_start().starts_with('-'))
        .ok_or(RulesError::Layout)
}

fn indent_of(lines: &[String], placed: &Placed) -> Result<usize, RulesError> {
    let line = &lines[dash(lines, placed)?];
    Ok(line.len() - line.trim_start_matches(' ').len())
}

/// The first line of a rule and the one behind its last. Comments above the next rule are of that one.
fn extent(lines: &[String], placed: &[Placed], at: usize) -> Result<(usize, usize), RulesError> {
    let start = dash(lines, &placed[at])?;
    let mut end = match placed.get(at + 1) {
        Some(next) => dash(lines, next)?,
        None => lines.len(),
    };
    let is_apart = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    while end > start + 1 && is_apart(&lines[end - 1]) {
        end -= 1;
    }
    if end <= start {
        return Err(RulesError::Layout);
    }
    Ok((start, end))
}

/// A rule as an entry of the list.
fn block(rule: &Rule, indent: usize) -> Result<Vec<String>, RulesError> {
    let value = serde_json::to_value(rule).map_err(|_| RulesError::Layout)?;
    let mut lines = Vec::new();
    let order = [
        "id",
        "trigger",
        "effect",
        "mode",
        "description",
        "when",
        "of",
    ];
    for key in order {
        match value.get(key) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if key == "description" && text.is_empty() => {}
            Some(value) => entry(key, value, indent + 2, &mut lines),
        }
    }
    if let Some(first) = lines.first_mut() {
        *first = format!("{}- {}", " ".repeat(indent), first.trim_start());
    }
    Ok(lines)
}

fn entry(key: &str, value: &Value, indent: usize, lines: &mut Vec<String>) {
    let space = " ".repeat(indent);
    match value {
        Value::Object(object) if object.values().any(is_nested) || object.len() == 1 => {
            lines.push(format!("{space}{key}:"));
            for (key, value) in object {
                entry(key, value, indent + 2, lines);
            }
        }
        Value::Array(list) => {
            lines.push(format!("{space}{key}:"));
            for one in list {
                let from = lines.len();
                match one {
                    Value::Object(object) => {
                        for (key, value) in object {
                            entry(key, value, indent + 4, lines);
                        }
                    }
                    other => lines.push(format!("{space}    {}", scalar(other))),
                }
                if let Some(first) = lines.get_mut(from) {
                    *first = format!("{space}  - {}", first.trim_start());
                }
            }
        }
        Value::Object(object) => {
            let parts: Vec<String> = object
                .iter()
                .map(|(key, value)| format!("{key}: {}", scalar(value)))
                .collect();
            lines.push(format!("{space}{key}: {{ {} }}", parts.join(", ")));
        }
        other => lines.push(format!("{space}{key}: {}", scalar(other))),
    }
}

fn is_nested(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

/// Plain where nobody could read it as something else, else as JSON has it, which YAML reads alike.
fn scalar(value: &Value) -> String {
    const READ_OTHERWISE: [&str; 8] = ["true", "false", "null", "yes", "no", "on", "off", "y"];
    match value {
        Value::String(text)
            if text.len() <= 64
                && text.starts_with(|first: char| first.is_ascii_lowercase())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
                && !READ_OTHERWISE.contains(&text.as_str())
                && text != "n" =>
        {
            text.clone()
        }
        other => other.to_string(),
    }
}
