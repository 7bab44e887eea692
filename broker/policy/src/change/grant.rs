//! What passes without a question: every call of a tool, or exactly one call, by configuration or by an
//! answer "always".

use super::effects::passes;
use super::line::{fitted, quoted, safe};
use super::snapshot::Always;
use super::tool::{Tool, Tools};
use super::{Change, Direction, Kind};
use carapace_contract::config::Grant;
use carapace_contract::id::{Code, Digest, ToolName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Characters of arguments that are kept to be shown.
const KEPT: usize = 300;
/// Characters of arguments that a sentence shows.
const SHOWN: usize = 160;

/// All standing grants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Grants {
    whole: BTreeSet<ToolName>,
    /// By the digest of tool and arguments.
    exact: BTreeMap<Digest, Exact>,
    /// By what they are bound to.
    always: BTreeMap<Digest, Answered>,
}

/// One call that the configuration grants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Exact {
    tool: ToolName,
    /// For people, cut.
    arguments: String,
}

/// One call that a person allowed for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Answered {
    code: Code,
    tool: ToolName,
    /// For people, cut.
    arguments: String,
    /// Seconds since 1970.
    expires: i64,
}

impl Grants {
    pub(super) fn of(config: &[Grant], answers: &[Always<'_>]) -> Self {
        let mut grants = Self {
            whole: BTreeSet::new(),
            exact: BTreeMap::new(),
            always: BTreeMap::new(),
        };
        for grant in config {
            let tool = grant.tool.clone();
            let Some(arguments) = &grant.arguments else {
                grants.whole.insert(tool);
                continue;
            };
            // A grant that cannot be written down canonically grants nothing.
            let bound = serde_json_canonicalizer::to_vec(&(&tool, arguments));
            let text = serde_json_canonicalizer::to_string(arguments);
            if let (Ok(bound), Ok(text)) = (bound, text) {
                let arguments = safe(&text, KEPT);
                grants
                    .exact
                    .insert(Digest::of(&bound), Exact { tool, arguments });
            }
        }
        for answer in answers {
            let row = Answered {
                code: answer.code.clone(),
                tool: answer.tool.clone(),
                arguments: safe(answer.arguments, KEPT),
                expires: answer.expires,
            };
            // Given twice, the later end holds.
            let held = grants.always.get(&answer.shape);
            if held.is_none_or(|held| held.expires < row.expires) {
                grants.always.insert(answer.shape, row);
            }
        }
        grants
    }

    /// True where every call of the tool passes by configuration.
    pub(super) fn has_whole(&self, tool: &ToolName) -> bool {
        self.whole.contains(tool)
    }
}

/// `tools` are those that there are afterwards.
pub(super) fn compare(before: &Grants, after: &Grants, tools: &Tools, all: &mut Vec<Change>) {
    let mut push = |direction, text: &str| all.push(Change::new(direction, Kind::Grant, text));
    for tool in after.whole.difference(&before.whole) {
        push(Direction::Wider, &whole(tool, tools.get(tool)));
    }
    for tool in before.whole.difference(&after.whole) {
        let text = format!("{tool} is no longer granted: its calls are asked about again");
        push(Direction::Narrower, &text);
    }
    for (call, grant) in &after.exact {
        if !before.exact.contains_key(call) {
            let call = called(&grant.tool, &grant.arguments);
            let tail = " now passes without a question, whatever the session has seen";
            push(Direction::Wider, &fitted("", &call, tail));
        }
    }
    for (call, grant) in &before.exact {
        if !after.exact.contains_key(call) {
            let call = called(&grant.tool, &grant.arguments);
            push(
                Direction::Narrower,
                &fitted("", &call, " is no longer granted"),
            );
        }
    }
    for (shape, row) in &after.always {
        answered(before.always.get(shape), row, &mut push);
    }
    for (shape, row) in &before.always {
        if !after.always.contains_key(shape) {
            let head = format!("your answer {} \"always\" holds no more: ", row.code);
            let call = called(&row.tool, &row.arguments);
            push(
                Direction::Narrower,
                &fitted(&head, &call, " is asked about again"),
            );
        }
    }
}

fn whole(name: &ToolName, tool: Option<&Tool>) -> String {
    match tool {
        Some(tool) => {
            let (which, how) = passes(tool.effects());
            format!("every call of {name}{which} now {how}")
        }
        None => format!("every call of {name} is granted now; there is no such tool yet"),
    }
}

fn answered(before: Option<&Answered>, row: &Answered, push: &mut impl FnMut(Direction, &str)) {
    let call = called(&row.tool, &row.arguments);
    match before {
        None => {
            let head = format!("by your answer {} \"always\", ", row.code);
            let tail =
                " now passes without a question, whatever the session has seen, until it expires";
            push(Direction::Wider, &fitted(&head, &call, tail));
        }
        Some(held) if held.expires < row.expires => {
            let tail = " passes without a question for longer than before";
            push(Direction::Wider, &fitted("", &call, tail));
        }
        Some(held) if held.expires > row.expires => {
            let tail = " passes without a question for less long than before";
            push(Direction::Narrower, &fitted("", &call, tail));
        }
        Some(held) if held != row => {
            let tail = format!(
                " is granted by your answer {} now, as long as before",
                row.code
            );
            push(Direction::Other, &fitted("", &call, &tail));
        }
        Some(_) => {}
    }
}

fn called(tool: &ToolName, arguments: &str) -> String {
    format!("{tool} with exactly {}", quoted(arguments, SHOWN))
}
