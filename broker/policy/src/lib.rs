//! The floor: decides from values alone whether an effect may be had, must be asked about, or is
//! refused. No clock, no I/O, no randomness: everything a judgement depends on is in its arguments.
//!
//! The one way from an allegation to an action starts here. [`judge`] takes a `Claim` and is, with
//! [`Question::resolve`], the only maker of a [`Permit`]; `store` takes a permit and nothing else.
//! What may be judged is a closed set ([`Judged`] is sealed), so no other crate can bring a type
//! with a judgement of its own.
//!
//! Verdicts are combined with `Verdict::and`: a further judge can tighten and never loosen.

mod answer;
pub mod code;
mod grants;
mod judge;
mod ledger;
mod model_call;
mod own_send;
mod permit;
mod price;
mod rate;
mod world;

pub use answer::{AnswerRecord, Question};
pub use grants::{Grants, SessionGrant};
pub use judge::{Judged, Judgement, judge};
pub use ledger::{Amount, Ledger, Moment, Spender, Spending};
pub use model_call::ModelCall;
pub use own_send::{OwnSend, Purpose};
pub use permit::{Permit, Refusal};
pub use price::Prices;
pub use rate::{Bucket, RateState};
pub use world::{Budget, Reachable, SecretUse, World};
