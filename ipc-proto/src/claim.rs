//! What came off a socket is an allegation, and this type says so.
//!
//! Holding a `Claim<T>` proves that some bytes had the form of a `T`, within the line's limits.
//! It proves nothing about who sent them, whether they may be acted on, or whether they are true.
//! `decode` returns nothing else, and only `policy::judge` turns a claim into a permit.

/// An alleged `T`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a claim does nothing until it is judged"]
pub struct Claim<T>(T);

impl<T> Claim<T> {
    /// Marks a value as alleged. Anyone may make a claim; that is the point of it.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// A look at what is alleged, for checking it.
    pub fn alleged(&self) -> &T {
        &self.0
    }

    /// The alleged value, for the one who judges it or parses it further. The result is as
    /// untrusted as the claim was.
    pub fn into_alleged(self) -> T {
        self.0
    }

    /// Parses an alleged value into another alleged value.
    ///
    /// # Errors
    /// Those of `parse`.
    pub fn parse<U, E>(self, parse: impl FnOnce(T) -> Result<U, E>) -> Result<Claim<U>, E> {
        parse(self.0).map(Claim)
    }
}
