//! What a person is shown of a call: everything, with nothing hidden and nothing that draws.

use carapace_contract::control::QuestionCard;
use carapace_contract::effects::Effects;
use carapace_contract::id::Code;
use carapace_contract::tool::Invocation;
use carapace_contract::verdict::Reason;
use carapace_policy::plan::{Bound, Step};
use carapace_policy::{ModelCall, PROPOSE, Proposal, Proposed};
use serde_json::Value;
use std::fmt::Write as _;

/// Text with every character that hides, reorders or draws written out as `<U+XXXX>`. Newlines
/// stay: a surface shows them as lines inside its own frame.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
            let _ = write!(out, "<U+{:04X}>", u32::from(character));
        } else {
            out.push(character);
        }
    }
    out
}

fn is_hidden(character: char) -> bool {
    match character {
        '\n' => false,
        // Spaces that are not the space, fillers, joiners, bidirectional marks, variation selectors, tags, private use.
        '\u{00A0}'
        | '\u{00AD}'
        | '\u{034F}'
        | '\u{061C}'
        | '\u{115F}'..='\u{1160}'
        | '\u{1680}'
        | '\u{17B4}'..='\u{17B5}'
        | '\u{180B}'..='\u{180F}'
        | '\u{2000}'..='\u{200F}'
        | '\u{2028}'..='\u{202F}'
        | '\u{205F}'..='\u{206F}'
        | '\u{2800}'
        | '\u{3000}'
        | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}'
        | '\u{FFA0}'
        | '\u{FFF0}'..='\u{FFFB}'
        | '\u{E000}'..='\u{F8FF}'
        | '\u{E0000}'..='\u{10FFFF}' => true,
        other => other.is_control(),
    }
}

/// What a call does, in a few words.
pub(crate) fn title(call: &Invocation) -> String {
    let argument = |name: &str| call.arguments.get(name);
    let words = match (
        argument("argv"),
        argument("path"),
        argument("pattern").or(argument("expression")),
    ) {
        (Some(Value::Array(argv)), _, _) => argv
            .iter()
            .map(|word| quoted(word.as_str().unwrap_or_default()))
            .collect::<Vec<_>>()
            .join(" "),
        (_, _, Some(pattern)) => quoted(pattern.as_str().unwrap_or_default()),
        (_, Some(path), _) => quoted(path.as_str().unwrap_or_default()),
        _ => String::new(),
    };
    let line = visible(&words.replace('\n', "\\n"));
    let mut short: String = line.chars().take(200).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    format!("{} {short}", call.tool).trim_end().to_owned()
}

/// As a shell would need it, so that a space inside a word is seen.
fn quoted(word: &str) -> String {
    let plain = !word.is_empty()
        && word.chars().all(|c| {
            c.is_alphanumeric()
                || matches!(c, '-' | '_' | '.' | '/' | '=' | ':' | ',' | '+' | '@' | '%')
        });
    if plain {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The card of a question: every argument in full.
pub(crate) fn of(call: &Invocation, code: Code, reasons: &[Reason], expires: i64) -> QuestionCard {
    let mut fields = Vec::new();
    if let Value::Object(arguments) = &call.arguments {
        for (name, value) in arguments {
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            fields.push((visible(name), visible(&text)));
        }
    }
    QuestionCard {
        code,
        session: call.caller.session,
        turn: call.caller.turn,
        tool: call.tool.clone(),
        title: title(call),
        fields,
        reasons: reasons.to_vec(),
        effects: call.effects.clone(),
        expires,
        digest: call.digest().to_string(),
        state: "open".to_owned(),
        approver: None,
        parts: 0,
    }
}

/// The card of a plan: every step with all that it grants, and what it does not.
pub(crate) fn of_plan(
    proposal: &Proposal,
    code: Code,
    reasons: &[Reason],
    expires: i64,
) -> QuestionCard {
    let mut fields = Vec::new();
    if !proposal.why.is_empty() {
        let why = Value::String(proposal.why.clone());
        fields.push((
            "why, in the assistant's words".to_owned(),
            in_one_line(&why),
        ));
    }
    for (at, one) in proposal.steps.iter().enumerate() {
        fields.push((format!("step {}", at + 1), lines_of_step(one)));
    }
    let tools: Vec<&str> = proposal
        .steps
        .iter()
        .map(|one| one.step.tool.as_str())
        .collect();
    let title = format!("a plan of {} steps: {}", tools.len(), tools.join(", "));
    QuestionCard {
        code,
        session: proposal.caller.session,
        turn: proposal.caller.turn,
        tool: PROPOSE.parse().expect("a name of the line"),
        title: visible(&title),
        fields,
        reasons: reasons.to_vec(),
        effects: proposal.effects().clone(),
        expires,
        digest: proposal.digest().to_string(),
        state: "open".to_owned(),
        approver: None,
        parts: u8::try_from(proposal.steps.len()).unwrap_or(u8::MAX),
    }
}

fn lines_of_step(one: &Proposed) -> String {
    let mut lines = vec![format!(
        "{}, {}",
        one.step.tool,
        crate::plan::often(one.step.count)
    )];
    lines.extend(
        one.step
            .arguments
            .iter()
            .map(|(name, bound)| format!("{}: {}", visible(name), words_of(bound))),
    );
    let unbound = one.unbound();
    for (words, names) in [
        ("only what you named yourself", unbound.named),
        (
            "anything, with no address that you did not name",
            unbound.free,
        ),
        (
            "not covered, a call that has it is judged by itself",
            unbound.none,
        ),
    ] {
        if !names.is_empty() {
            lines.push(format!("{words}: {}", visible(&names.join(", "))));
        }
    }
    lines.join("\n")
}

/// One step of a plan in one line.
pub(crate) fn step(step: &Step) -> String {
    let bounds: Vec<String> = step
        .arguments
        .iter()
        .map(|(name, bound)| format!("{} {}", visible(name), words_of(bound)))
        .collect();
    format!("{} {}", step.tool, bounds.join("; "))
        .trim_end()
        .to_owned()
}

fn words_of(bound: &Bound) -> String {
    match bound {
        Bound::Exactly(value) => format!("exactly {}", in_one_line(value)),
        Bound::OneOf(list) => {
            let list: Vec<String> = list.iter().map(in_one_line).collect();
            format!("one of {}", list.join(" or "))
        }
        Bound::AtMost(most) => format!("a number up to {most}"),
    }
}

/// As JSON, so that no value looks like another line.
fn in_one_line(value: &Value) -> String {
    visible(&value.to_string())
}

/// What a person is shown of the use of a secret.
pub(crate) fn fields_of_model_call(call: &ModelCall) -> Vec<(String, String)> {
    let text = |text: &str| visible(text);
    let secret = call.secret.as_ref().map_or("", |secret| secret.as_str());
    vec![
        ("secret".to_owned(), text(secret)),
        ("model".to_owned(), text(&call.model)),
        (
            "sent-to".to_owned(),
            text(call.origin.as_deref().unwrap_or("nowhere")),
        ),
        ("bytes".to_owned(), call.bytes.to_string()),
    ]
}

/// The card of a question about the use of a secret.
pub(crate) fn of_model_call(
    call: &ModelCall,
    code: Code,
    reasons: &[Reason],
    expires: i64,
) -> QuestionCard {
    let secret = call.secret.as_ref().map_or("", |secret| secret.as_str());
    QuestionCard {
        code,
        session: call.caller.session,
        turn: call.caller.turn,
        tool: QuestionCard::MODEL_CALL
            .parse()
            .expect("a name of the line"),
        title: visible(&format!(
            "use the secret {secret} for {} in this session",
            call.model
        )),
        fields: fields_of_model_call(call),
        reasons: reasons.to_vec(),
        effects: Effects {
            egress: vec!["the conversation".to_owned()],
            recipients: call
                .origin
                .iter()
                .chain([&call.model])
                .map(|to| visible(to))
                .collect(),
            ..call.effects().clone()
        },
        expires,
        digest: call.digest().to_string(),
        state: "open".to_owned(),
        approver: None,
        parts: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_hides_or_draws_comes_through() {
        let hostile =
            "rm\u{202E}txt\u{200B}\u{1b}[2J\r\u{9b}31m\u{2066}\u{E0041}\u{feff}\t\u{7f}end";
        let shown = visible(hostile);
        assert!(shown.chars().all(|c| !is_hidden(c)), "{shown:?}");
        assert!(shown.contains("<U+202E>") && shown.contains("<U+001B>") && shown.ends_with("end"));
        assert_eq!(visible("grüße 漢字 line\nline"), "grüße 漢字 line\nline");
    }

    #[test]
    fn a_word_with_a_space_is_seen_as_one_word() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("-la"), "-la");
    }
}
