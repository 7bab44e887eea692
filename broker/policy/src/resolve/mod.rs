//! Which thing is meant: rows of a tool's result that say how something is called and what its id is.
//! A row whose name the owner used stands for the thing that the owner meant, as long as there is only one,
//! and only where a thing of its [kind] is asked for.
//!
//! A thing of another kind counts as a second one of the name, too, unless the owner said the kind beside it:
//! "the booking 'Museum'" is not the mail about it.
//!
//! Where nobody else is told and it can be undone, a name need not be written to the letter: without a file's
//! ending, with spaces for `-` and `_`, in other cases ("add it to the shopping list" is `Shopping-list.docx`).
//! It has two words or more, and then no other thing may be seen whose name is spoken alike.

pub(crate) mod kind;

use crate::token::stem;
use carapace_contract::effects::Identifies;
use kind::{HoldsFor, Place};
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

/// The most ids of one name that are kept. Where there are as many, a word for their kind picks none.
const ALIKE: usize = 1024;
/// The most places that are kept of one id.
const PLACES: usize = 16;

/// The ids that were seen under one name, each with what it holds for.
type Ids = BTreeMap<String, BTreeSet<HoldsFor>>;

/// What names stand for, as far as this session has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// By field and name: every id that was seen under it.
    ids: BTreeMap<(String, String), Ids>,
    /// The same, from tools whose results nobody else writes.
    trusted: BTreeMap<(String, String), Ids>,
    /// By name as it is spoken: every id that was seen under a name that is spoken so.
    spoken: BTreeMap<String, BTreeSet<String>>,
}

impl Resolved {
    /// Takes the rows of a tool's result.
    pub(crate) fn learn(
        &mut self,
        tool: &str,
        identifies: &[Identifies],
        text: &str,
        trusted: bool,
    ) {
        if identifies.is_empty() || text.len() > LONGEST {
            return;
        }
        let fields: Vec<(&Identifies, HoldsFor)> = identifies
            .iter()
            .map(|field| (field, HoldsFor::of(tool, field)))
            .collect();
        for row in rows(text) {
            for (field, holds_for) in &fields {
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
                let spoken = as_spoken(&name);
                if self.spoken.len() < NAMES || self.spoken.contains_key(&spoken) {
                    let alike = self.spoken.entry(spoken).or_default();
                    // Two are as many as a hundred.
                    if alike.len() < 2 {
                        alike.insert(id.clone());
                    }
                }
                let key = (field.value.clone(), name);
                // A second thing of a known name counts even where there is no room for a new name.
                if known.len() < NAMES || known.contains_key(&key) {
                    let ids = known.entry(key).or_default();
                    if ids.len() < ALIKE || ids.contains_key(&id) {
                        let held = ids.entry(id).or_default();
                        if held.len() < PLACES {
                            held.insert(holds_for.clone());
                        }
                    }
                }
            }
        }
    }

    /// The names under which exactly this id, and no other of any kind, was seen, where it holds for this place.
    pub(crate) fn names_of<'a>(
        &'a self,
        id: &'a str,
        place: &'a Place<'a>,
    ) -> impl Iterator<Item = &'a str> {
        self.names(id, false, move |held| {
            held.iter().any(|held| held.admits(place))
        })
    }

    /// The same, only as told by tools whose results nobody else writes.
    pub(crate) fn trusted_names_of<'a>(
        &'a self,
        id: &'a str,
        place: &'a Place<'a>,
    ) -> impl Iterator<Item = &'a str> {
        self.names(id, true, move |held| {
            held.iter().any(|held| held.admits(place))
        })
    }

    /// The names under which exactly this id was seen among those that hold for this place.
    pub(crate) fn names_of_its_kind<'a>(
        &'a self,
        id: &'a str,
        place: &'a Place<'a>,
    ) -> impl Iterator<Item = &'a str> {
        let only = move |ids: &Ids| {
            let admitted = |held: &BTreeSet<HoldsFor>| held.iter().any(|held| held.admits(place));
            ids.len() < ALIKE
                && ids.get(id).is_some_and(admitted)
                && !ids
                    .iter()
                    .any(|(other, held)| other != id && admitted(held))
        };
        self.trusted
            .iter()
            .chain(&self.ids)
            .filter(move |(key, ids)| only(ids) && self.trusted.get(*key).is_none_or(only))
            .map(|((_, name), _)| name.as_str())
            .take(CALLED)
    }

    /// True where no other id was seen under a name that is spoken like this one.
    pub(crate) fn is_alone(&self, name: &str) -> bool {
        self.spoken
            .get(&as_spoken(name))
            .is_some_and(|ids| ids.len() == 1)
    }

    /// The names under which this id was seen with others, where it holds for this place.
    pub(crate) fn shared_names_of<'a>(
        &'a self,
        id: &'a str,
        place: &'a Place<'a>,
    ) -> impl Iterator<Item = &'a str> {
        let among = move |ids: &Ids| {
            ids.get(id)
                .is_some_and(|held| held.iter().any(|held| held.admits(place)))
        };
        self.trusted
            .iter()
            .chain(&self.ids)
            .filter(move |(key, ids)| among(ids) && self.trusted.get(*key).is_none_or(among))
            .map(|((_, name), _)| name.as_str())
            .take(CALLED)
    }

    /// The names under which exactly this address was told by tools whose results nobody else writes. An
    /// address is one wherever it stands.
    pub(crate) fn names_of_address<'a>(
        &'a self,
        address: &'a str,
    ) -> impl Iterator<Item = &'a str> {
        self.names(address, true, |_| true)
    }

    fn names<'a>(
        &'a self,
        id: &'a str,
        trusted: bool,
        holds: impl Fn(&BTreeSet<HoldsFor>) -> bool + 'a,
    ) -> impl Iterator<Item = &'a str> {
        let others = (!trusted).then_some(&self.ids);
        let only = move |ids: &Ids| ids.len() == 1 && ids.get(id).is_some_and(&holds);
        self.trusted
            .iter()
            .chain(others.into_iter().flatten())
            .filter(move |(key, ids)| {
                // What others write neither takes over a name of a trusted row nor adds a second thing to it.
                only(ids) && self.trusted.get(*key).is_none_or(&only)
            })
            .map(|((_, name), _)| name.as_str())
            .take(CALLED)
    }
}

/// A name as a person says it: `Shopping-list.docx` is "shopping list".
pub(crate) fn as_spoken(name: &str) -> String {
    stem(name)
        .split(['-', '_', ' '])
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect::<Vec<_>>()
        .join(" ")
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
            holds_for: Vec::new(),
        }]
    }

    fn names<'a>(known: &'a Resolved, id: &str) -> Vec<&'a str> {
        let place = Place {
            tool: "remove",
            argument: "file_id",
            part: None,
            along: false,
            said: None,
        };
        let names: Vec<String> = known.names_of(id, &place).map(str::to_owned).collect();
        known
            .ids
            .keys()
            .map(|(_, name)| name.as_str())
            .filter(|name| names.iter().any(|own| own == name))
            .collect()
    }

    #[test]
    fn a_name_stands_for_one_thing_or_for_none() {
        let mut known = Resolved::default();
        known.learn(
            "list",
            &fields(),
            "- filename: a.txt\n  id: '3'\n- filename: b.txt\n  id: 4\n",
            false,
        );
        assert_eq!(names(&known, "3"), ["a.txt"]);
        assert_eq!(names(&known, "4"), ["b.txt"]);
        known.learn(
            "list",
            &fields(),
            r#"[{"filename":"a.txt","id":"9"}]"#,
            false,
        );
        assert_eq!(names(&known, "3").len(), 0);
        assert_eq!(names(&known, "9").len(), 0);
    }

    #[test]
    fn text_within_a_field_is_no_row() {
        let mut known = Resolved::default();
        let text = "- filename: notes.txt\n  id: 1\n  content: \"- filename: a.txt\\n  id: 13\"\n";
        known.learn("list", &fields(), text, false);
        assert_eq!(names(&known, "13").len(), 0);
        assert_eq!(known.names_of_address("1").count(), 0);
    }
}
