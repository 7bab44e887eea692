//! What in an operation is not the owner's, asked of the floor itself, so that a rule and the floor never
//! differ about it.

use super::condition::Part;
use super::evaluate::{Operation, Truth};
use crate::floor::{is_judged_whole, objections, objections_later, values};
use carapace_contract::effects::{Effects, Reach, Undo};
use serde_json::{Map, Value};

const PARTS: [(Part, &[&str]); 6] = [
    (Part::Recipient, &["new-recipient"]),
    (Part::Address, &["new-address"]),
    (Part::Object, &["new-object"]),
    (Part::Name, &["new-name"]),
    (Part::Attachment, &["new-attachment"]),
    (Part::Content, &["content-address", "content-too-long"]),
];

/// By these the floor says that it cannot tell who or what is meant.
const UNTOLD: [&str; 3] = ["nothing-named", "not-arguments", "too-many"];

/// Whether a part is new. It cannot be told where the tool does not say which of its arguments are what.
pub(super) fn is_new(part: Part, operation: &Operation<'_>) -> Truth {
    let effects = operation.effects;
    let is_whole = is_judged_whole(effects);
    let found = if is_whole {
        // As in a session that has heard others: there the floor looks at every part.
        objections_later(
            operation.tool,
            effects,
            operation.arguments,
            operation.facts,
        )
    } else {
        // As if others saw it: of what stays in the workspace the floor says nothing, and of a read beyond
        // this machine only what it carries out.
        let seen = Effects {
            writes: Reach::Internet,
            ..effects.clone()
        };
        objections(operation.tool, &seen, operation.arguments, operation.facts)
    };
    let has = |codes: &[&str]| found.iter().any(|one| codes.contains(&one.code));
    let is = PARTS
        .iter()
        .any(|(kind, codes)| (part == Part::Anything || part == *kind) && has(codes));
    if is {
        return Truth::Yes;
    }
    let reaches = is_whole || effects.leaves_machine();
    let carries_unsaid = effects.reads == Reach::Internet && effects.egress.is_empty();
    if reaches && has(&UNTOLD) || carries_unsaid && matches!(part, Part::Address | Part::Anything) {
        return Truth::Unclear;
    }
    Truth::No
}

/// One value whom or what an operation reaches.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reached {
    pub(super) argument: String,
    pub(super) value: Value,
    pub(super) part: Part,
    pub(super) is_new: bool,
}

/// Every recipient, address, object, name and attachment, each by itself; at most `most`.
pub(super) fn reached(operation: &Operation<'_>, most: usize) -> Vec<Reached> {
    let effects = operation.effects;
    let lists = [
        (Part::Recipient, &effects.recipients),
        (Part::Address, &effects.egress),
        (Part::Object, &effects.objects),
        (Part::Name, &effects.names),
        (Part::Attachment, &effects.attachments),
    ];
    lists
        .into_iter()
        .flat_map(|(part, list)| {
            values(operation.arguments, list)
                .into_iter()
                .map(move |(argument, value)| (part, argument, value))
        })
        .take(most)
        .map(|(part, argument, value)| {
            let is_new = alone(part, &argument, &value, operation);
            Reached {
                argument,
                value,
                part,
                is_new,
            }
        })
        .collect()
}

/// Whether a value is new, where the call has nothing else in it.
fn alone(part: Part, argument: &str, value: &Value, operation: &Operation<'_>) -> bool {
    let list = vec![argument.to_owned()];
    let whole = operation.effects;
    // Nobody else is told and nothing is paid: then it depends on what the tool changes, and how.
    let is_own = is_judged_whole(whole)
        && !whole.costs_money()
        && whole.egress.is_empty()
        && values(operation.arguments, &whole.recipients).is_empty();
    let (writes, undo) = if is_own {
        (whole.writes, whole.undo)
    } else {
        (Reach::Internet, Undo::Impossible)
    };
    let mut effects = Effects {
        writes,
        undo,
        ..Effects::default()
    };
    match part {
        Part::Recipient => effects.recipients = list,
        Part::Address => effects.egress = list,
        Part::Object => effects.objects = list,
        Part::Name => effects.names = list,
        Part::Attachment | Part::Content | Part::Anything => effects.attachments = list,
    }
    let arguments = Value::Object(Map::from_iter([(argument.to_owned(), value.clone())]));
    let found = objections_later(operation.tool, &effects, &arguments, operation.facts);
    // A list within a list is no single value that anybody could have named.
    value.is_array()
        || found.iter().any(|one| {
            PARTS
                .iter()
                .any(|(kind, codes)| *kind == part && codes.contains(&one.code))
        })
}
