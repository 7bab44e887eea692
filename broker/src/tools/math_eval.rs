//! `math_eval`: arithmetic.

use super::name;
use carapace_contract::effects::{Effects, Reach, Undo};
use carapace_contract::tool::{Place, Tool};
use serde_json::{Value, json};

/// Longest expression, in bytes: enough for what a person asks, far from what costs time.
const LONGEST: usize = 500;

pub(super) fn tool() -> Tool {
    Tool {
        name: name("math_eval"),
        description: "Evaluate an arithmetic expression, for example (2+3)*4^2 or sqrt(2)."
            .to_owned(),
        schema: json!({
            "type": "object", "additionalProperties": false, "required": ["expression"],
            "properties": { "expression": { "type": "string", "minLength": 1, "maxLength": LONGEST } },
        }),
        effects: Effects {
            reads: Reach::None,
            writes: Reach::None,
            undo: Undo::Nothing,
            idempotent: true,
            ..Effects::default()
        },
        place: Place::Broker,
    }
}

pub(super) fn run(arguments: &Value) -> Result<String, String> {
    let expression = arguments
        .get("expression")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let fail = |_| format!("{expression:?} is not an arithmetic expression");
    // The evaluator recurses over brackets.
    let mut depth = 0_u32;
    for byte in expression.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > 32 {
            return Err("the expression is nested too deeply".to_owned());
        }
    }
    let value: f64 = exmex::eval_str(expression).map_err(fail)?;
    if !value.is_finite() {
        return Err(format!("{expression} has no finite value"));
    }
    Ok(format!("{expression} = {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_is_right_and_nonsense_is_an_error() {
        let run = |text: &str| run(&json!({ "expression": text }));
        assert_eq!(run("2+2*3"), Ok("2+2*3 = 8".to_owned()));
        assert!(run("1/0").is_err());
        assert!(run("two plus two").is_err());
        assert!(run(&"(".repeat(400)).is_err());
        assert!(run("").is_err());
    }
}
