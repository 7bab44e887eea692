//! Labels as the store keeps them. One that cannot be read is an error, never a clean one.

use crate::db::labels;
use crate::store::{Store, StoreError, now};
use carapace_contract::control::ChangeRow;
use carapace_contract::id::{GroupId, SessionId};
use carapace_contract::label::Label;
use carapace_policy::Exposure;
use carapace_policy::rules::{Armed, History};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is kept of a session beside its words.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// Its label.
    pub label: Label,
    /// How much it has read and touched.
    pub exposure: Exposure,
    /// Which rules are armed in it, and which a person disabled.
    #[serde(default)]
    pub armed: Armed,
    /// What was done in it, as far as rules ask.
    #[serde(default)]
    pub history: History,
}

/// What judgements rested on when the broker last started, and what was different from the time before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySeen {
    /// What they rested on, as `carapace_policy` writes it.
    pub snapshot: Value,
    /// Seconds since 1970 when a difference was last found.
    pub at: Option<i64>,
    /// It, in words.
    pub changes: Vec<ChangeRow>,
}

const POLICY: &str = "policy";

fn of_session(session: SessionId) -> String {
    format!("session {session}")
}

fn of_workspace(group: &GroupId) -> String {
    format!("workspace {}", group.as_str())
}

impl Store {
    /// What a session has seen; nothing yet is the default.
    ///
    /// # Errors
    /// The database cannot be read, or what it holds is no label.
    pub async fn seen(&self, session: SessionId) -> Result<Seen, StoreError> {
        let work = move |db: &rusqlite::Connection| labels::get(db, &of_session(session));
        Ok(self.inner.db.call(work).await?.unwrap_or_default())
    }

    /// Keeps what a session has seen; on disk when this returns.
    ///
    /// # Errors
    /// The database cannot be written; then nothing may be delivered into the session.
    pub async fn keep_seen(&self, session: SessionId, seen: Seen) -> Result<(), StoreError> {
        let now = now();
        let work =
            move |db: &rusqlite::Connection| labels::set(db, &of_session(session), &seen, now);
        Ok(self.inner.db.call_durably(work).await?)
    }

    /// What judgements rested on when the broker last started; `None` at its first start.
    ///
    /// # Errors
    /// The database cannot be read, or what it holds is something else.
    pub async fn policy_seen(&self) -> Result<Option<PolicySeen>, StoreError> {
        let work = |db: &rusqlite::Connection| labels::get(db, POLICY);
        Ok(self.inner.db.call(work).await?)
    }

    /// Keeps what they rest on now; on disk when this returns.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn keep_policy(&self, seen: PolicySeen) -> Result<(), StoreError> {
        let now = now();
        let work = move |db: &rusqlite::Connection| labels::set(db, POLICY, &seen, now);
        Ok(self.inner.db.call_durably(work).await?)
    }

    /// The label of a group's workspace.
    ///
    /// # Errors
    /// The database cannot be read, or what it holds is no label.
    pub async fn workspace_label(&self, group: GroupId) -> Result<Label, StoreError> {
        let work = move |db: &rusqlite::Connection| labels::get(db, &of_workspace(&group));
        Ok(self.inner.db.call(work).await?.unwrap_or_default())
    }

    /// Keeps the label of a group's workspace; on disk when this returns.
    ///
    /// # Errors
    /// The database cannot be written; then nothing may be written into the workspace.
    pub async fn keep_workspace_label(
        &self,
        group: GroupId,
        label: Label,
    ) -> Result<(), StoreError> {
        let now = now();
        let work =
            move |db: &rusqlite::Connection| labels::set(db, &of_workspace(&group), &label, now);
        Ok(self.inner.db.call_durably(work).await?)
    }
}
