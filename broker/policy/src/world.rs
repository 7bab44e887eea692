//! Everything a judgement depends on besides the call itself, as values.

use crate::grants::Grants;
use crate::rate::RateState;

/// What is left for the running turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Model calls.
    pub rounds: u32,
    /// Tokens, read and written.
    pub tokens: u64,
    /// Bytes of model requests.
    pub bytes: u64,
}

/// The state of things at the time of a judgement.
#[derive(Debug, Clone)]
pub struct World<'a> {
    /// True after `panic`: nothing is done until the owner thaws it.
    pub frozen: bool,
    /// What is done without a question.
    pub grants: &'a Grants,
    /// Whether the session may start another call ([`crate::Bucket::state`]).
    pub rate: RateState,
    /// What is left for the turn.
    pub budget: Budget,
    /// The configured model route: `offline` or `PROVIDER:MODEL`.
    pub route: &'a str,
    /// Seconds since 1970.
    pub now: i64,
}
