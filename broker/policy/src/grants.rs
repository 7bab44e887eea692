//! What is done without a question: the owner's configuration, grants for the rest of a session,
//! and answers "always exactly this".

use carapace_contract::config::Grant;
use carapace_contract::id::{Digest, GroupId, SessionId, ToolName};
use carapace_contract::tool::Invocation;
use carapace_contract::verdict::Reason;
use std::collections::{BTreeMap, BTreeSet};

/// A tool that one session may use until it ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionGrant {
    /// The session.
    pub session: SessionId,
    /// The tool.
    pub tool: ToolName,
}

/// All standing grants of one group.
#[derive(Debug, Clone)]
pub struct Grants {
    group: GroupId,
    tools: BTreeSet<ToolName>,
    exact: BTreeSet<(ToolName, String)>,
    sessions: BTreeSet<SessionGrant>,
    always: BTreeMap<Digest, i64>,
}

impl Grants {
    /// Those of the configuration. They hold for callers of `group` only.
    pub fn of(group: GroupId, config: &[Grant]) -> Self {
        let mut grants = Self {
            group,
            tools: BTreeSet::new(),
            exact: BTreeSet::new(),
            sessions: BTreeSet::new(),
            always: BTreeMap::new(),
        };
        for grant in config {
            match &grant.arguments {
                None => {
                    grants.tools.insert(grant.tool.clone());
                }
                Some(arguments) => {
                    // A grant that cannot be written down canonically grants nothing.
                    if let Ok(text) = serde_json_canonicalizer::to_string(arguments) {
                        grants.exact.insert((grant.tool.clone(), text));
                    }
                }
            }
        }
        grants
    }

    /// Lets a session use a tool until it ends.
    pub fn allow_in_session(&mut self, grant: SessionGrant) {
        self.sessions.insert(grant);
    }

    /// Takes back every session's grants.
    pub fn end_all_sessions(&mut self) {
        self.sessions.clear();
    }

    /// Lets exactly this shape of call pass until `expires` (seconds since 1970). Given twice, the later end holds.
    pub fn allow_always(&mut self, shape: Digest, expires: i64) {
        let held = self.always.entry(shape).or_insert(expires);
        *held = expires.max(*held);
    }

    /// Takes an "always" back. False where there was none.
    pub fn revoke_always(&mut self, shape: &Digest) -> bool {
        self.always.remove(shape).is_some()
    }

    /// True where every call of the tool passes by configuration.
    pub fn whole_tool(&self, tool: &ToolName) -> bool {
        self.tools.contains(tool)
    }

    /// What lets this call pass at `now` (seconds since 1970), if anything does.
    pub(crate) fn basis(&self, call: &Invocation, now: i64) -> Option<Reason> {
        if call.caller.group != self.group {
            return None;
        }
        if self.tools.contains(&call.tool) {
            return Some(Reason::new(
                "granted-tool",
                format!("the configuration grants every call of {}", call.tool),
            ));
        }
        // Clones of short strings, and only where a tool is granted by exact arguments or session at all.
        if self.exact.iter().any(|(tool, _)| *tool == call.tool)
            && self
                .exact
                .contains(&(call.tool.clone(), call.canonical_arguments()))
        {
            return Some(Reason::new(
                "granted-exact",
                format!(
                    "the configuration grants {} with exactly these arguments",
                    call.tool
                ),
            ));
        }
        let in_session = SessionGrant {
            session: call.caller.session,
            tool: call.tool.clone(),
        };
        if self.sessions.contains(&in_session) {
            return Some(Reason::new(
                "granted-session",
                format!("a person allowed {} for this session", call.tool),
            ));
        }
        if !self.always.is_empty()
            && self
                .always
                .get(&call.shape())
                .is_some_and(|expires| *expires > now)
        {
            return Some(Reason::new(
                "granted-always",
                "a person allowed exactly this call for good",
            ));
        }
        None
    }
}
