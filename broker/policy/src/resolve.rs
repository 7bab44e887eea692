//! Which thing is meant: rows of a tool's result that say how something is called and what its id is.
//! A row whose name the owner used stands for the thing that the owner meant, as long as there is only one.

use carapace_contract::effects::Identifies;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The longest result that is read, in bytes. Names in longer ones resolve nothing.
const LONGEST: usize = 1024 * 1024;
/// The most rows of one result. One that has more resolves nothing, for what is not read may be of the
/// same name.
const ROWS: usize = 10_000;
/// The most names of one thing that are tried.
const CALLED: usize = 64;
/// The most names that are kept for a session.
const NAMES: usize = 10_000;

/// What names stand for, as far as this session has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// By field and name: every id that was seen under it.
    ids: BTreeMap<(String, String), BTreeSet<String>>,
    /// The same, from tools whose results nobody else writes.
    trusted: BTreeMap<(String, String), BTreeSet<String>>,
}

impl Resolved {
    /// Takes the rows of a result.
    pub(crate) fn learn(&mut self, identifies: &[Identifies], text: &str, trusted: bool) {
        if identifies.is_empty() || text.len() > LONGEST {
            return;
        }
        for row in rows(text) {
            for field in identifies {
                let (Some(name), Some(id)) = (
                    row.get(&field.name).and_then(word),
                    row.get(&field.value).and_then(word),
                ) else {
                    continue;
                };
                let known = if trusted {
                    &mut self.trusted
                } else {
                    &mut self.ids
                };
                let key = (field.value.clone(), name);
                // A second thing of a known name counts even where there is no room for a new name.
                if known.len() < NAMES || known.contains_key(&key) {
                    known.entry(key).or_default().insert(id);
                }
            }
        }
    }

    /// The names under which exactly this id, and no other, was seen. With `trusted`, only as told by
    /// tools whose results nobody else writes.
    pub(crate) fn names_of<'a>(
        &'a self,
        id: &'a str,
        trusted: bool,
    ) -> impl Iterator<Item = &'a str> {
        let others = (!trusted).then_some(&self.ids);
        let only = move |ids: &BTreeSet<String>| ids.len() == 1 && ids.contains(id);
        self.trusted
            .iter()
            .chain(others.into_iter().flatten())
            .filter(move |(key, ids)| {
                // What others write neither takes over a name of a trusted row nor adds a second thing to it.
                only(ids) && self.trusted.get(*key).is_none_or(only)
            })
            .map(|((_, name), _)| name.as_str())
            .take(CALLED)
    }
}

fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() && text.len() <= 1024 => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The objects of a result: it is one, a list of them, or an object that holds such a list.
fn rows(text: &str) -> Vec<serde_json::Map<String, Value>> {
    let value = match serde_json::from_str::<Value>(text) {
        Ok(value) => value,
        Err(_) => match serde_saphyr::from_str::<Value>(text) {
            Ok(value) => value,
            Err(_) => return Vec::new(),
        },
    };
    let mut rows = Vec::new();
    let mut take = |value: Value| {
        if let Value::Object(row) = value
            && rows.len() <= ROWS
        {
            rows.push(row);
        }
    };
    match value {
        Value::Array(list) => list.into_iter().for_each(take),
        Value::Object(object) => {
            for part in object.values() {
                if let Value::Array(list) = part {
                    list.iter().cloned().for_each(&mut take);
                }
            }
            take(Value::Object(object));
        }
        _ => {}
    }
    if rows.len() > ROWS {
        rows.clear();
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Vec<Identifies> {
        vec![Identifies {
            name: "filename".to_owned(),
            value: "id".to_owned(),
        }]
    }

    #[test]
    fn a_name_stands_for_one_thing_or_for_none() {
        let mut known = Resolved::default();
        known.learn(
            &fields(),
            "- filename: a.txt\n  id: '3'\n- filename: b.txt\n  id: 4\n",
            false,
        );
        assert_eq!(known.names_of("3", false).collect::<Vec<_>>(), ["a.txt"]);
        assert_eq!(known.names_of("4", false).collect::<Vec<_>>(), ["b.txt"]);
        known.learn(&fields(), r#"[{"filename":"a.txt","id":"9"}]"#, false);
        assert_eq!(known.names_of("3", false).count(), 0);
        assert_eq!(known.names_of("9", false).count(), 0);
    }

    #[test]
    fn text_within_a_field_is_no_row() {
        let mut known = Resolved::default();
        let text = "- filename: notes.txt\n  id: 1\n  content: \"- filename: a.txt\\n  id: 13\"\n";
        known.learn(&fields(), text, false);
        assert_eq!(known.names_of("13", false).count(), 0);
        assert_eq!(known.names_of("1", true).count(), 0);
    }
}
