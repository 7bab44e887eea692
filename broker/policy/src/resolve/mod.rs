//! Which thing is meant: rows of a tool's result that say how something is called and what its id is.
//! A row whose name the owner used stands for the thing that the owner meant, as long as there is only one,
//! and only where a thing of its [kind] is asked for.
//!
//! Things are told apart by their ids, in whatever field these stand; the ids of one row are of one thing.
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
use std::sync::Arc;

/// The longest result that is read, in bytes. Names in longer ones resolve nothing.
const LONGEST: usize = 1024 * 1024;
/// The most rows of one result. One that has more resolves nothing, for what is not read may be of the
/// same name.
const ROWS: usize = 10_000;
/// The most names of one thing that are tried.
const CALLED: usize = 64;
/// The most names that are kept for a session, and of all it keeps the most ids and bytes. Where there is no room any
/// more, a second thing of a name would not be seen, and names resolve nothing.
const NAMES: usize = 10_000;
const IDS: usize = 100_000;
const BYTES: usize = 16 * 1024 * 1024;

/// The most ids of one name that are kept. Where there are as many, a word for their kind picks none.
const ALIKE: usize = 1024;
/// The most places that are kept of one id, and ids of one row.
const PLACES: usize = 16;

/// What is known of an id under one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Seen {
    /// What it holds for.
    holds: BTreeSet<HoldsFor>,
    /// Other ids of the same row: the same thing, as a person has an account and an address.
    beside: BTreeSet<Arc<str>>,
}

impl Seen {
    fn admits(&self, place: &Place<'_>) -> bool {
        self.holds.iter().any(|holds| holds.admits(place))
    }

    /// True where it may be of the kind that belongs here.
    fn may_be(&self, place: &Place<'_>) -> bool {
        self.is_full()
            || self
                .holds
                .iter()
                .any(|holds| holds.admits(place) || !holds.is_told())
    }

    /// True where it is told to be of another kind, too: an id of two things.
    fn is_twofold(&self, place: &Place<'_>) -> bool {
        self.is_full()
            || self
                .holds
                .iter()
                .any(|holds| holds.is_told() && !holds.admits(place))
    }

    fn is_full(&self) -> bool {
        self.holds.len() >= PLACES
    }
}

/// The ids that were seen under one name, whatever field they stood in.
type Ids = BTreeMap<Arc<str>, Seen>;

/// Things by their names, and names by the ids of the things.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known {
    ids: BTreeMap<Arc<str>, Ids>,
    /// By id in small letters, as one address may be written in several ways.
    names: BTreeMap<String, BTreeSet<Arc<str>>>,
}

impl Known {
    /// Every name under which something of this id, whatever the case of its letters, was seen.
    fn names_of(&self, id: &str) -> impl Iterator<Item = &str> {
        self.names
            .get(&id.to_ascii_lowercase())
            .into_iter()
            .flatten()
            .map(|name| &**name)
    }
}

/// What names stand for, as far as this session has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Resolved {
    others: Known,
    /// The same, from tools whose results nobody else writes.
    trusted: Known,
    /// By name as it is spoken: every id that was seen under a name that is spoken so.
    spoken: BTreeMap<String, BTreeSet<Arc<str>>>,
    /// Ids and bytes of all that is kept.
    kept: usize,
    bytes: usize,
    full: bool,
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
        if identifies.is_empty() || text.len() > LONGEST || self.full {
            return;
        }
        let fields: Vec<(&Identifies, HoldsFor)> = identifies
            .iter()
            .map(|field| (field, HoldsFor::of(tool, field)))
            .collect();
        for row in rows(text) {
            let mut ids: BTreeMap<String, Vec<(Arc<str>, &HoldsFor)>> = BTreeMap::new();
            for (field, holds) in &fields {
                if let Some(name) = row.get(&field.name).and_then(word)
                    && let Some(id) = row.get(&field.value).and_then(word)
                {
                    ids.entry(name).or_default().push((id.into(), holds));
                }
            }
            for (name, ids) in ids {
                let room = ids.len() + 1;
                let bytes: usize = ids.iter().map(|(id, _)| id.len()).sum();
                // Each stands in three places at most, beside the other ids of its row.
                let bytes = 3 * (name.len() + bytes) + bytes * ids.len().min(PLACES);
                if self.kept + room > IDS || self.bytes + bytes > BYTES {
                    self.full = true;
                    return;
                }
                self.keep(&name.into(), &ids, trusted);
            }
        }
    }

    /// Keeps one thing of a name with its ids.
    fn keep(&mut self, name: &Arc<str>, ids: &[(Arc<str>, &HoldsFor)], trusted: bool) {
        let spoken = as_spoken(name);
        if self.spoken.len() < NAMES || self.spoken.contains_key(&spoken) {
            let long = spoken.len();
            let alike = self.spoken.entry(spoken).or_insert_with(|| {
                self.bytes += long;
                BTreeSet::new()
            });
            for (id, _) in ids {
                // Two are as many as a hundred.
                if alike.len() < 2 && alike.insert(id.clone()) {
                    self.bytes += id.len();
                }
            }
        }
        let known = if trusted {
            &mut self.trusted
        } else {
            &mut self.others
        };
        // A second thing of a known name counts even where there is no room for a new name.
        if known.ids.len() >= NAMES && !known.ids.contains_key(name) {
            return;
        }
        let alike = known.ids.entry(name.clone()).or_insert_with(|| {
            self.bytes += name.len();
            Ids::new()
        });
        for (id, holds) in ids {
            if alike.len() >= ALIKE && !alike.contains_key(id) {
                continue;
            }
            let seen = alike.entry(id.clone()).or_insert_with(|| {
                self.kept += 1;
                self.bytes += 2 * id.len();
                Seen::default()
            });
            if !seen.is_full() {
                seen.holds.insert((*holds).clone());
            }
            for (other, _) in ids.iter().take(PLACES) {
                if other != id && seen.beside.len() < PLACES && seen.beside.insert(other.clone()) {
                    self.bytes += other.len();
                }
            }
            let names = known.names.entry(id.to_ascii_lowercase()).or_default();
            names.insert(name.clone());
        }
    }

    /// The names under which exactly this thing, and no other of any kind, was seen, where its id holds for this place.
    pub(crate) fn names_of<'a>(
        &'a self,
        id: &'a str,
        place: &'a Place<'a>,
    ) -> impl Iterator<Item = &'a str> {
        self.names(id, false, move |seen| {
            seen.admits(place) && !seen.is_twofold(place)
        })
    }

    /// The same, only as told by tools whose results nobody else writes.
    pub(crate) fn trusted_names_of<'a>(
        &'a self,
        id: &'a str,
        place: &'a Place<'a>,
    ) -> impl Iterator<Item = &'a str> {
        self.names(id, true, move |seen| {
            seen.admits(place) && !seen.is_twofold(place)
        })
    }

    /// The names under which exactly this thing was seen among those that may be of the kind that belongs in this place.
    pub(crate) fn names_of_its_kind<'a>(
        &'a self,
        id: &'a str,
        place: &'a Place<'a>,
    ) -> impl Iterator<Item = &'a str> {
        let no_other = move |ids: &Ids, seen: Option<&Seen>| {
            ids.len() < ALIKE
                && !ids.iter().any(|(other, held)| {
                    **other != *id
                        && seen.is_none_or(|seen| !seen.beside.contains(other))
                        && held.may_be(place)
                })
        };
        let only = move |ids: &Ids| {
            ids.get(id)
                .is_some_and(|seen| seen.admits(place) && no_other(ids, Some(seen)))
        };
        self.seen_as(id, false, move |ids, own| {
            only(ids)
                && own.is_none_or(|own| {
                    if own.contains_key(id) {
                        only(own)
                    } else {
                        no_other(own, None)
                    }
                })
        })
    }

    /// True where no other thing was seen under a name that is spoken like this one.
    pub(crate) fn is_alone(&self, name: &str) -> bool {
        !self.full
            && self
                .spoken
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
                .is_some_and(|seen| seen.admits(place) && !seen.is_twofold(place))
        };
        self.seen_as(id, false, move |ids, own| {
            among(ids) && own.is_none_or(among)
        })
    }

    /// The names under which exactly this address was told by tools whose results nobody else writes. An
    /// address is one wherever it stands.
    pub(crate) fn names_of_address<'a>(
        &'a self,
        address: &'a str,
    ) -> impl Iterator<Item = &'a str> {
        self.names(address, true, |_| true)
    }

    /// Every name that anybody gave for this address.
    pub(crate) fn all_names_of_address(&self, address: &str) -> impl Iterator<Item = &str> {
        self.trusted
            .names_of(address)
            .chain(self.others.names_of(address))
    }

    fn names<'a>(
        &'a self,
        id: &'a str,
        trusted: bool,
        holds: impl Fn(&Seen) -> bool + 'a,
    ) -> impl Iterator<Item = &'a str> {
        let only = move |ids: &Ids| {
            ids.get(id).is_some_and(|seen| {
                let same = |other: &Arc<str>| **other == *id || seen.beside.contains(other);
                holds(seen) && ids.keys().all(same)
            })
        };
        self.seen_as(id, trusted, move |ids, own| {
            // What others write neither takes over a name of a trusted row nor adds a second thing to it.
            only(ids) && own.is_none_or(&only)
        })
    }

    /// The names under which this id was seen, where what was seen under them is such, beside what trusted
    /// rows have under them.
    fn seen_as<'a>(
        &'a self,
        id: &'a str,
        trusted: bool,
        is: impl Fn(&Ids, Option<&Ids>) -> bool + 'a,
    ) -> impl Iterator<Item = &'a str> {
        let others = (!trusted).then_some(&self.others);
        [Some(&self.trusted), others]
            .into_iter()
            .flatten()
            .filter(|_| !self.full)
            .flat_map(move |known| known.names_of(id).map(move |name| (known, name)))
            .filter(move |(known, name)| {
                known
                    .ids
                    .get(*name)
                    .is_some_and(|ids| is(ids, self.trusted.ids.get(*name)))
            })
            .map(|(_, name)| name)
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
            .others
            .ids
            .keys()
            .map(|name| &**name)
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
