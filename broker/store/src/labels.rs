//! Labels as the store keeps them. One that cannot be read is an error, never a clean one.

use crate::db::labels;
use crate::store::{Store, StoreError, now};
use carapace_contract::id::{GroupId, SessionId};
use carapace_contract::label::Label;
use carapace_policy::Exposure;
use serde::{Deserialize, Serialize};

/// What is kept of a session beside its words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// Its label.
    pub label: Label,
    /// How much it has read and touched.
    pub exposure: Exposure,
}

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
