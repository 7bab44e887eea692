//! Everything a judgement depends on besides the call itself, as values.

use crate::facts::Facts;
use crate::grants::Grants;
use crate::ledger::{Ledger, Moment};
use crate::rate::RateState;
use crate::rules::{Armed, Rules, Rulings};
use std::sync::LazyLock;

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

/// A place that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reachable {
    /// `PROVIDER:MODEL`, or the provider alone for requests of the broker's own.
    pub model: String,
    /// Scheme, host and port.
    pub origin: String,
    /// Categories of private data that must not go there; `*`: none may.
    pub withhold: Vec<String>,
}

/// Whether the secret of a request may be used in this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SecretUse {
    /// The owner does not want to be asked, or there is none.
    #[default]
    Free,
    /// The owner said yes in this session.
    Approved,
    /// The owner wants to be asked and was not asked yet.
    Ask,
    /// The vault is locked.
    Locked,
    /// The vault does not have it, or there is no vault.
    Missing,
}

/// The owner's rules, as they stand in a session.
#[derive(Debug, Clone, Copy)]
pub struct Ruled<'a> {
    /// All of them.
    pub rules: &'a Rules,
    /// Which are armed, and which a person disabled.
    pub armed: &'a Armed,
    /// What the sentinel said of the call that is judged.
    pub rulings: &'a Rulings,
}

static NONE: LazyLock<(Rules, Armed, Rulings)> =
    LazyLock::new(|| (Rules::none(), Armed::default(), Rulings::new()));

impl Ruled<'static> {
    /// No rule, for what rules are not about.
    pub fn none() -> Self {
        let (rules, armed, rulings) = &*NONE;
        Self {
            rules,
            armed,
            rulings,
        }
    }
}

/// The state of things at the time of a judgement.
#[derive(Debug, Clone)]
pub struct World<'a> {
    /// True after `panic`: nothing is done until the owner thaws it.
    pub frozen: bool,
    /// What is done without a question.
    pub grants: &'a Grants,
    /// What is known about the session.
    pub facts: &'a Facts,
    /// The owner's rules.
    pub rules: Ruled<'a>,
    /// Whether the session may start another call ([`crate::Bucket::state`]).
    pub rate: RateState,
    /// What is left for the turn.
    pub budget: Budget,
    /// What was spent, against the owner's budgets.
    pub ledger: &'a Ledger,
    /// The session's route: `offline`, `PROVIDER:MODEL` or a name of `[routes]`.
    pub route: &'a str,
    /// Where that route leads; for requests of the broker's own, all that is configured.
    pub reachable: &'a [Reachable],
    /// Whether the secret of the request may be used.
    pub secret: SecretUse,
    /// Seconds since 1970.
    pub now: i64,
    /// The same in days and months.
    pub moment: Moment,
}
