//! A tool's JSON Schema in the part of JSON Schema that `parametersJsonSchema` takes. What is
//! left out only tells the model less: arguments are checked against the whole schema by the broker.

use serde_json::{Map, Value, json};

/// Deeper schemas are cut: the model is told nothing about what is below.
const MAX_DEPTH: usize = 32;

/// The schema in the vendor's part of the language.
pub(super) fn subset(schema: &Value) -> Value {
    narrow(schema, 0)
}

fn narrow(schema: &Value, depth: usize) -> Value {
    // `true` and `false` are schemas too, which the vendor does not know.
    let Some(schema) = schema.as_object().filter(|_| depth < MAX_DEPTH) else {
        return json!({});
    };
    // Nothing may stand beside a reference, and only one into the same schema is a schema.
    if let Some(Value::String(to)) = schema.get("$ref").filter(|_| depth > 0)
        && to.starts_with('#')
    {
        return json!({ "$ref": to });
    }
    let mut narrowed = Map::new();
    for (key, value) in schema {
        let value = match key.as_str() {
            "type" | "format" | "title" | "description" | "enum" | "required" | "minItems"
            | "maxItems" | "minimum" | "maximum" => value.clone(),
            "const" => {
                narrowed.insert("enum".to_owned(), json!([value]));
                continue;
            }
            "items" => narrow(value, depth + 1),
            "additionalProperties" if value.is_boolean() => value.clone(),
            "additionalProperties" => narrow(value, depth + 1),
            "prefixItems" | "anyOf" | "oneOf" => match value.as_array() {
                Some(rows) => rows.iter().map(|row| narrow(row, depth + 1)).collect(),
                None => continue,
            },
            "properties" | "$defs" => match value.as_object() {
                Some(rows) => Value::Object(
                    rows.iter()
                        .map(|(name, row)| (name.clone(), narrow(row, depth + 1)))
                        .collect(),
                ),
                None => continue,
            },
            _ => continue,
        };
        narrowed.insert(key.clone(), value);
    }
    Value::Object(narrowed)
}
