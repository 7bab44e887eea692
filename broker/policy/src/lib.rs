//! The floor: decides from values alone whether an effect may be had, must be asked about, or is
//! refused. No clock, no I/O, no randomness: everything a judgement depends on is in its arguments.
//!
//! The one way from an allegation to an action starts here. [`judge`] takes a `Claim` and is, with
//! [`Question::resolve`], the only maker of a [`Permit`]; `store` takes a permit and nothing else.
//! What may be judged is a closed set ([`Judged`] is sealed), so no other crate can bring a type
//! with a judgement of its own.
//!
//! Verdicts are combined with `Verdict::and`: a further judge can tighten and never loosen.

mod act;
mod answer;
pub mod attack;
pub mod change;
pub mod code;
mod exposure;
mod facts;
mod floor;
mod grants;
mod judge;
mod ledger;
mod model_call;
mod own_send;
mod permit;
pub mod plan;
mod price;
mod proposal;
mod rate;
pub mod replay;
mod resolve;
pub mod rules;
mod spoken;
mod token;
mod world;

pub use answer::{AnswerRecord, Question};
pub use exposure::{ASK_FROM, Cause, Exposure};
pub use facts::{Contacts, Facts};
pub use floor::{Finding, floor};
pub use grants::{Grants, SessionGrant, TASK, TaskRow};
pub use judge::{Judged, Judgement, judge, refused};
pub use ledger::{Amount, Ledger, Moment, Spender, Spending};
pub use model_call::ModelCall;
pub use own_send::{OwnSend, Purpose};
pub use permit::{Permit, Refusal};
pub use price::Prices;
pub use proposal::{PROPOSE, Proposal, Proposed, Unbound};
pub use rate::{Bucket, RateState};
pub use spoken::Spoken;
pub use world::{Budget, Reachable, Ruled, SecretUse, World};
