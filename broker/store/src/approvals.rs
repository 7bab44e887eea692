//! What a person decides, as the store keeps it: questions, answers, standing grants.

use crate::db::always::{self, AlwaysGrant};
use crate::db::questions::{self, AnswerTaken, NewQuestion, StoredQuestion};
use crate::store::{Store, StoreError, now};
use carapace_contract::id::{Code, Digest, EffectId, TurnId};
use carapace_contract::part::Part;
use carapace_contract::verdict::Decision;
use carapace_policy::AnswerRecord;

impl Store {
    /// Writes a question down; it is on disk when this returns and survives a restart.
    ///
    /// # Errors
    /// The database cannot be written, or the code is taken (draw another).
    pub async fn ask(&self, question: NewQuestion) -> Result<(), StoreError> {
        let now = now();
        Ok(self
            .inner
            .db
            .call_durably(move |db| questions::create(db, &question, now))
            .await?)
    }

    /// A question by its code.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn question(&self, code: Code) -> Result<Option<StoredQuestion>, StoreError> {
        Ok(self
            .inner
            .db
            .call(move |db| questions::find(db, &code))
            .await?)
    }

    /// The newest question about an effect.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn question_about(
        &self,
        effect: EffectId,
    ) -> Result<Option<StoredQuestion>, StoreError> {
        Ok(self
            .inner
            .db
            .call(move |db| questions::about(db, effect))
            .await?)
    }

    /// The open questions, or all of them, oldest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn questions(&self, all: bool) -> Result<Vec<StoredQuestion>, StoreError> {
        Ok(self
            .inner
            .db
            .call(move |db| questions::list(db, all))
            .await?)
    }

    /// Takes a person's answer, if the question is open and not expired at `now` (seconds since
    /// 1970); on disk when this returns.
    ///
    /// # Errors
    /// The database cannot be written; the answer does not count then.
    pub async fn answer(
        &self,
        code: Code,
        decision: Decision,
        part: Option<Part>,
        approver: String,
        note: Option<String>,
        now: i64,
    ) -> Result<AnswerTaken, StoreError> {
        let work = move |db: &rusqlite::Connection| {
            questions::answer(
                db,
                &code,
                decision,
                part.as_ref(),
                &approver,
                note.as_deref(),
                now,
            )
        };
        Ok(self.inner.db.call_durably(work).await?)
    }

    /// The answer to a question, for `policy::Question::resolve`. An allowing answer is used up by
    /// this, on disk when it returns; asking again gives a record that says so. `None` where nobody
    /// has answered.
    ///
    /// # Errors
    /// The database cannot be written; the answer must not be used then.
    pub async fn use_answer(&self, code: Code) -> Result<Option<AnswerRecord>, StoreError> {
        Ok(self
            .inner
            .db
            .call_durably(move |db| questions::use_answer(db, &code))
            .await?)
    }

    /// Ends the open questions that are expired at `now` (seconds since 1970).
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn expire_questions(&self, now: i64) -> Result<Vec<(Code, EffectId)>, StoreError> {
        Ok(self
            .inner
            .db
            .call(move |db| questions::expire(db, now))
            .await?)
    }

    /// Makes a turn's questions void: open ones, and answers not used.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn void_turn(&self, turn: TurnId) -> Result<Vec<(Code, EffectId)>, StoreError> {
        Ok(self
            .inner
            .db
            .call(move |db| questions::void_turn(db, turn))
            .await?)
    }

    /// Makes all questions void: open ones, and answers not used. On disk when this returns.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn void_all(&self) -> Result<Vec<(Code, EffectId)>, StoreError> {
        Ok(self.inner.db.call_durably(questions::void_all).await?)
    }

    /// Adds a standing grant; on disk when this returns.
    ///
    /// # Errors
    /// The database cannot be written; the grant does not hold then.
    pub async fn add_always(&self, grant: AlwaysGrant) -> Result<(), StoreError> {
        Ok(self
            .inner
            .db
            .call_durably(move |db| always::add(db, &grant))
            .await?)
    }

    /// The standing grants that hold at `now` (seconds since 1970).
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn always(&self, now: i64) -> Result<Vec<AlwaysGrant>, StoreError> {
        Ok(self.inner.db.call(move |db| always::list(db, now)).await?)
    }

    /// Takes a standing grant back and returns the shape that is no longer allowed; on disk when
    /// this returns. `None` where no grant of this code was in force.
    ///
    /// # Errors
    /// The database cannot be written; the grant may still hold after a restart then.
    pub async fn revoke(&self, code: Code) -> Result<Option<Digest>, StoreError> {
        let now = now();
        Ok(self
            .inner
            .db
            .call_durably(move |db| always::revoke(db, &code, now))
            .await?)
    }
}
