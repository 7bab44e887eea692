//! A question that a person decides, and how an answer turns it into a permit.

use crate::code;
use crate::judge::Judged;
use crate::permit::{Permit, Refusal};
use crate::world::World;
use carapace_contract::id::Digest;
use carapace_contract::part::Part;
use carapace_contract::verdict::{Decision, Reason};

/// An answer as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerRecord {
    /// What was shown to the person and is bound by their answer.
    pub digest: Digest,
    /// What they decided.
    pub decision: Decision,
    /// Who they are; an empty name is nobody.
    pub approver: String,
    /// Seconds since 1970 from which on the answer counts no more.
    pub expires: i64,
    /// True where the answer was used before.
    pub used: bool,
    /// Of a plan: the steps they said yes to; all of them where it is `None`.
    pub part: Option<Part>,
}

/// A call that waits for a person. It is not a permit, and only [`Question::resolve`] makes it one.
#[derive(Debug)]
#[must_use = "a question that nobody asks is never answered"]
pub struct Question<T> {
    what: T,
    digest: Digest,
    reasons: Vec<Reason>,
}

impl<T: Judged> Question<T> {
    pub(crate) fn new(what: T, reasons: Vec<Reason>) -> Self {
        let digest = what.digest();
        Self {
            what,
            digest,
            reasons,
        }
    }

    /// What is asked about.
    pub fn what(&self) -> &T {
        &self.what
    }

    /// What an answer is bound to.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Why it is asked.
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// The permit, where this answer gives it: it was made for exactly this question by a named
    /// person, is not "no", has not expired, was not used before, and meanwhile nothing is frozen and no rule
    /// blocks it.
    ///
    /// # Errors
    /// A refusal with `CONFIRMATION_TIMEOUT` where it is too late, `UNAUTHORIZED` where
    /// everything is frozen, and `CONFIRMATION_DENIED` otherwise.
    pub fn resolve(self, answer: &AnswerRecord, world: &World<'_>) -> Result<Permit<T>, Refusal> {
        let refuse = |code, reason, text: &str| Err(Refusal::new(code, Reason::new(reason, text)));
        if world.frozen {
            return refuse(
                code::UNAUTHORIZED,
                "frozen",
                "everything was stopped by the owner",
            );
        }
        if answer.digest != self.digest || self.what.digest() != self.digest {
            return refuse(
                code::CONFIRMATION_DENIED,
                "answer-to-another",
                "the answer was given to another question",
            );
        }
        if answer.decision == Decision::Deny {
            return refuse(code::CONFIRMATION_DENIED, "denied", "a person said no");
        }
        if let Some(refusal) = self.what.barred(world) {
            return Err(refusal);
        }
        if answer.expires <= world.now {
            return refuse(
                code::CONFIRMATION_TIMEOUT,
                "answer-expired",
                "the answer came too late to be used",
            );
        }
        if answer.used {
            return refuse(
                code::CONFIRMATION_DENIED,
                "answer-used",
                "the answer was used before",
            );
        }
        if answer.approver.trim().is_empty() {
            return refuse(
                code::CONFIRMATION_DENIED,
                "approver-unknown",
                "nobody is named as the one who answered",
            );
        }
        let how = match answer.decision {
            Decision::Once => "once",
            Decision::Session => "for this session",
            Decision::Always => "exactly this, always",
            Decision::Deny => {
                return refuse(code::CONFIRMATION_DENIED, "denied", "a person said no");
            }
        };
        let Some(part) = &answer.part else {
            let text = format!("{} allowed it ({how})", answer.approver);
            return Ok(Permit::new(self.what, vec![Reason::new("answered", text)]));
        };
        let Some(what) = self.what.in_part(part) else {
            return refuse(
                code::CONFIRMATION_DENIED,
                "answer-wider",
                "the answer is about steps that were not asked about",
            );
        };
        let text = format!("{} allowed step {part} of it ({how})", answer.approver);
        Ok(Permit::new(what, vec![Reason::new("answered", text)]))
    }

    /// The refusal of a question that nobody answered in time.
    pub fn expire(self) -> Refusal {
        Refusal::new(
            code::CONFIRMATION_TIMEOUT,
            Reason::new("unanswered", "nobody answered in time"),
        )
    }
}
