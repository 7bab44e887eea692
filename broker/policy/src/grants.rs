//! What is done without a question: the owner's configuration, grants for the rest of a session,
//! and answers "always exactly this".

use crate::facts::Facts;
use crate::plan::{Step, TaskGrant};
use crate::proposal;
use carapace_contract::config::Grant;
use carapace_contract::id::{Code, Digest, GroupId, SessionId, ToolName};
use carapace_contract::tool::{Caller, Invocation};
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
    tasks: Vec<TaskRow>,
}

/// The code of the reason where a task grant lets a call pass.
pub const TASK: &str = "granted-task";

/// The most task grants at once; the oldest goes.
const TASKS: usize = 256;

/// A task grant, with its question's code and whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRow {
    /// The question that granted it.
    pub code: Code,
    /// The session that may use it.
    pub session: SessionId,
    /// What it covers.
    pub grant: TaskGrant,
}

/// What lets a call pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Basis {
    pub(crate) reason: Reason,
    /// True where this very call is granted, by its arguments: the floor has nothing to add.
    pub(crate) exact: bool,
    /// True where a person said yes to this very call.
    pub(crate) by_person: bool,
}

impl Basis {
    fn whole(code: &str, text: impl Into<String>) -> Self {
        Self {
            reason: Reason::new(code, text),
            exact: false,
            by_person: false,
        }
    }

    fn exact(code: &str, text: impl Into<String>, by_person: bool) -> Self {
        Self {
            reason: Reason::new(code, text),
            exact: true,
            by_person,
        }
    }
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
            tasks: Vec::new(),
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

    /// Lets a session do what a plan says.
    pub fn allow_task(&mut self, code: Code, session: SessionId, grant: TaskGrant) {
        if self.tasks.len() >= TASKS {
            self.tasks.remove(0);
        }
        self.tasks.push(TaskRow {
            code,
            session,
            grant,
        });
    }

    /// The task grants that count at `now` (seconds since 1970), oldest first.
    pub fn tasks(&self, now: i64) -> impl Iterator<Item = &TaskRow> {
        self.tasks
            .iter()
            .filter(move |row| row.grant.expires() > now)
    }

    /// Takes a task grant back. False where there was none.
    pub fn revoke_task(&mut self, code: &Code) -> bool {
        let before = self.tasks.len();
        self.tasks.retain(|row| row.code != *code);
        self.tasks.len() < before
    }

    /// Takes every task grant back.
    pub fn end_all_tasks(&mut self) {
        self.tasks.clear();
    }

    /// Uses the task grant that lets a call pass, once. To be called for each call whose permit rests on
    /// [`TASK`].
    pub fn use_task(&mut self, call: &Invocation, facts: &Facts, now: i64) {
        let Some((at, step)) = self.task(call, facts, now) else {
            return;
        };
        if self.tasks[at].grant.used(step) {
            self.tasks.remove(at);
        }
    }

    fn task(&self, call: &Invocation, facts: &Facts, now: i64) -> Option<(usize, usize)> {
        self.tasks
            .iter()
            .enumerate()
            .filter(|(_, row)| row.session == call.caller.session)
            .find_map(|(at, row)| {
                let step = self.step(&row.grant, call, facts, now)?;
                Some((at, step))
            })
    }

    /// The step of a task grant that covers a call.
    fn step(&self, grant: &TaskGrant, call: &Invocation, facts: &Facts, now: i64) -> Option<usize> {
        let stands = self.stands(&call.caller, &call.tool);
        let enough = |step: &Step| stands || proposal::is_enough(step, call);
        let (effects, arguments) = (&call.effects, &call.arguments);
        grant.covers_where(&call.tool, effects, arguments, facts, now, enough)
    }

    /// True where every call of the tool that the floor allows passes: by configuration, or in this session.
    pub(crate) fn stands(&self, caller: &Caller, tool: &ToolName) -> bool {
        let in_session = || SessionGrant {
            session: caller.session,
            tool: tool.clone(),
        };
        caller.group == self.group
            && (self.tools.contains(tool) || self.sessions.contains(&in_session()))
    }

    /// True where a person said yes to this very call, by its arguments: in the configuration, with an
    /// answer for good, or to a step of a plan. `now` is seconds since 1970.
    pub fn is_approved(&self, call: &Invocation, facts: &Facts, now: i64) -> bool {
        self.basis(call, facts, now)
            .is_some_and(|basis| basis.by_person)
    }

    /// What lets this call pass at `now` (seconds since 1970), if anything does.
    pub(crate) fn basis(&self, call: &Invocation, facts: &Facts, now: i64) -> Option<Basis> {
        if call.caller.group != self.group {
            return None;
        }
        // Clones of short strings, and only where a tool is granted by exact arguments or session at all.
        if self.exact.iter().any(|(tool, _)| *tool == call.tool)
            && self
                .exact
                .contains(&(call.tool.clone(), call.canonical_arguments()))
        {
            return Some(Basis::exact(
                "granted-exact",
                format!(
                    "the configuration grants {} with exactly these arguments",
                    call.tool
                ),
                true,
            ));
        }
        if !self.always.is_empty()
            && self
                .always
                .get(&call.shape())
                .is_some_and(|expires| *expires > now)
        {
            return Some(Basis::exact(
                "granted-always",
                "a person allowed exactly this call for good",
                true,
            ));
        }
        if let Some((at, step)) = self.task(call, facts, now) {
            return Some(Basis::exact(
                TASK,
                format!(
                    "step {} of the plan that was granted with {}",
                    step + 1,
                    self.tasks[at].code
                ),
                self.tasks[at].grant.is_answered(),
            ));
        }
        if self.tools.contains(&call.tool) {
            return Some(Basis::whole(
                "granted-tool",
                format!("the configuration grants every call of {}", call.tool),
            ));
        }
        let in_session = SessionGrant {
            session: call.caller.session,
            tool: call.tool.clone(),
        };
        if self.sessions.contains(&in_session) {
            return Some(Basis::whole(
                "granted-session",
                format!("a person allowed {} for this session", call.tool),
            ));
        }
        None
    }
}
