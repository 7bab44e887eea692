//! The two outcomes that need no person: a permit, which cannot be made elsewhere, and a refusal.

use carapace_contract::verdict::Reason;

/// Proof that this `T` was judged and may be done, once: it cannot be copied, and `store::record`
/// consumes it.
#[derive(Debug)]
#[must_use = "a permit does nothing until it is recorded"]
pub struct Permit<T> {
    what: T,
    basis: Vec<Reason>,
}

impl<T> Permit<T> {
    pub(crate) fn new(what: T, basis: Vec<Reason>) -> Self {
        Self { what, basis }
    }

    /// What may be done.
    pub fn what(&self) -> &T {
        &self.what
    }

    /// What the permission rests on: a grant, an answer. Never empty.
    pub fn basis(&self) -> &[Reason] {
        &self.basis
    }

    /// Gives the permission up and returns the value, which then proves nothing.
    pub fn into_what(self) -> T {
        self.what
    }
}

/// A refusal: an answer to the one who asked, not a violation on their side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// One of [`crate::code`].
    pub code: &'static str,
    /// Why, for people.
    pub reason: Reason,
    /// Seconds after which the same request may fare better, where that is known.
    pub retry_after: Option<u32>,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, reason: Reason) -> Self {
        Self {
            code,
            reason,
            retry_after: None,
        }
    }
}
