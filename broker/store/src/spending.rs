//! The store's tables of what was spent and sent, and of attachments.

use crate::db::{attachments, sends, sessions, spend};
use crate::store::{Store, StoreError, now};
use carapace_contract::control::{SendRow, SpentRow};
use carapace_contract::id::{Digest, EffectId, SessionId};
use carapace_contract::model::Usage;
use carapace_policy::Spending;

impl Store {
    /// Writes down the worst case of a model call, before it is made. Committed when this returns.
    ///
    /// # Errors
    /// The database cannot be written: the call must not be made.
    pub async fn reserve(&self, spending: Spending, model: String) -> Result<(), StoreError> {
        Ok(self
            .inner
            .db
            .call(move |db| spend::reserve(db, &spending, &model))
            .await?)
    }

    /// Puts what a model call did cost in the place of its worst case. Does not wait.
    ///
    /// # Errors
    /// The store is closed; the worst case stays.
    pub async fn settle(
        &self,
        effect: EffectId,
        usd: Option<u64>,
        usage: Usage,
    ) -> Result<(), StoreError> {
        Ok(self
            .inner
            .db
            .queue(move |db| spend::settle(db, effect, usd, usage))
            .await?)
    }

    /// Everything that was spent or is reserved, added up by session, group, channel and day.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn spent(&self) -> Result<Vec<Spending>, StoreError> {
        Ok(self.inner.db.call(spend::sums).await?)
    }

    /// What was spent by day and model, newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn spent_by_day(&self, limit: u32) -> Result<Vec<SpentRow>, StoreError> {
        Ok(self
            .inner
            .db
            .call(move |db| spend::by_day(db, limit))
            .await?)
    }

    /// Writes down a request that left the broker. Does not wait.
    ///
    /// # Errors
    /// The store is closed.
    pub async fn sent(&self, row: SendRow) -> Result<(), StoreError> {
        Ok(self.inner.db.queue(move |db| sends::add(db, &row)).await?)
    }

    /// The newest requests that left the broker, newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn sends(&self, limit: u32) -> Result<Vec<SendRow>, StoreError> {
        Ok(self
            .inner
            .db
            .call(move |db| sends::newest(db, limit))
            .await?)
    }

    /// Keeps an attachment of a session. On disk with the message that names it.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn attach(
        &self,
        session: SessionId,
        id: Digest,
        bytes: Vec<u8>,
    ) -> Result<(), StoreError> {
        let now = now();
        Ok(self
            .inner
            .db
            .call(move |db| attachments::add(db, session, id, &bytes, now))
            .await?)
    }

    /// The bytes of an attachment of this session.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn attachment(
        &self,
        session: SessionId,
        id: Digest,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self
            .inner
            .db
            .call(move |db| attachments::get(db, session, id))
            .await?)
    }

    /// The route of a session, where it has one of its own.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn route(&self, session: SessionId) -> Result<Option<String>, StoreError> {
        Ok(self
            .inner
            .db
            .call(move |db| sessions::route(db, session))
            .await?)
    }
}
