//! What was spent, and what may still be: reserved before a call, settled after it. A reservation
//! that is never settled stays spent, so that a crash cannot make a budget larger.

use crate::code;
use crate::permit::Refusal;
use carapace_contract::config::{Budget, Every, Per};
use carapace_contract::control::BudgetRow;
use carapace_contract::id::{EffectId, GroupId, SessionId};
use carapace_contract::verdict::Reason;
use std::collections::HashMap;

/// The calendar at one moment, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Moment {
    /// Days since 1970.
    pub day: i64,
    /// Months since the year 0.
    pub month: i64,
}

/// Who spends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Spender {
    /// The session.
    pub session: SessionId,
    /// Its group.
    pub group: GroupId,
    /// Where the message came in (`console`, …).
    pub channel: String,
}

/// An amount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Amount {
    /// Millionths of a US dollar; `None` where no price is known.
    pub usd: Option<u64>,
    /// Tokens, read and written.
    pub tokens: u64,
}

/// Something that was spent or is reserved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spending {
    /// The call.
    pub effect: EffectId,
    /// Who.
    pub who: Spender,
    /// When it was reserved.
    pub at: Moment,
    /// How much.
    pub amount: Amount,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    usd: u64,
    tokens: u64,
    /// Calls whose price is not known.
    unpriced: u64,
}

/// Which sum a spending goes into: the budget's place, whose, and over which time.
type Key = (usize, String, i64);

/// The sums of all budgets.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    budgets: Vec<Budget>,
    sums: HashMap<Key, Sum>,
    open: HashMap<EffectId, Spending>,
}

impl Ledger {
    /// An empty one for these budgets.
    pub fn new(budgets: &[Budget]) -> Self {
        Self {
            budgets: budgets.to_vec(),
            ..Self::default()
        }
    }

    /// Adds what was spent before.
    pub fn add(&mut self, spending: &Spending) {
        self.change(spending, spending.amount, true);
    }

    /// Why this amount may not be spent; `None` where it may. A budget in dollars refuses what has
    /// no known price.
    pub fn objection(&self, who: &Spender, amount: Amount, at: Moment) -> Option<Refusal> {
        for (place, budget) in self.budgets.iter().enumerate() {
            let Some(key) = key(place, budget, who, at) else {
                continue;
            };
            let sum = self.sums.get(&key).copied().unwrap_or_default();
            let name = name(budget);
            let over = |what: String| {
                let text = format!(
                    "the budget ({name}) does not allow this call: {what}; `carapace usage` shows it, [[budgets]] of config.toml sets it"
                );
                Some(Refusal::new(
                    code::BUDGET_EXCEEDED,
                    Reason::new("budget-spent", text),
                ))
            };
            if let Some(limit) = budget.usd.map(micros) {
                match amount.usd {
                    None => {
                        return over(
                            "no price is known for this model; [[prices]] sets it".to_owned(),
                        );
                    }
                    Some(cost) if sum.usd.saturating_add(cost) > limit => {
                        return over(format!(
                            "{} of {} is spent or reserved, and it may cost {}",
                            usd(sum.usd),
                            usd(limit),
                            usd(cost)
                        ));
                    }
                    // Nothing is free where nothing may be spent.
                    Some(_) if limit == 0 => return over("nothing may be spent".to_owned()),
                    Some(_) => {}
                }
            }
            if let Some(limit) = budget.tokens
                && (limit == 0 || sum.tokens.saturating_add(amount.tokens) > limit)
            {
                return over(format!(
                    "{} of {limit} tokens are used or reserved, and it may use {}",
                    sum.tokens, amount.tokens
                ));
            }
        }
        None
    }

    /// Takes the worst case of a call that is permitted.
    pub fn reserve(&mut self, spending: Spending) {
        self.change(&spending, spending.amount, true);
        self.open.insert(spending.effect, spending);
    }

    /// Puts what a call did cost in the place of its worst case.
    pub fn settle(&mut self, effect: EffectId, actual: Amount) {
        if let Some(spending) = self.open.remove(&effect) {
            self.change(&spending, spending.amount, false);
            self.change(&spending, actual, true);
        }
    }

    /// Each budget with what is spent of it now. Those of sessions show the session that spent most.
    pub fn rows(&self, at: Moment) -> Vec<BudgetRow> {
        self.budgets
            .iter()
            .enumerate()
            .map(|(place, budget)| {
                let now = over(budget.every, at);
                let most = self
                    .sums
                    .iter()
                    .filter(|((of, _, time), _)| *of == place && *time == now)
                    .map(|(_, sum)| *sum)
                    .max_by_key(|sum| (sum.usd, sum.tokens))
                    .unwrap_or_default();
                BudgetRow {
                    name: name(budget),
                    usd: most.usd,
                    usd_limit: budget.usd.map(micros),
                    tokens: most.tokens,
                    tokens_limit: budget.tokens,
                }
            })
            .collect()
    }

    fn change(&mut self, spending: &Spending, amount: Amount, add: bool) {
        for (place, budget) in self.budgets.iter().enumerate() {
            let Some(key) = key(place, budget, &spending.who, spending.at) else {
                continue;
            };
            let sum = self.sums.entry(key).or_default();
            let step = |from: u64, by: u64| {
                if add {
                    from.saturating_add(by)
                } else {
                    from.saturating_sub(by)
                }
            };
            sum.tokens = step(sum.tokens, amount.tokens);
            sum.usd = step(sum.usd, amount.usd.unwrap_or(0));
            sum.unpriced = step(sum.unpriced, u64::from(amount.usd.is_none()));
        }
    }
}

fn key(place: usize, budget: &Budget, who: &Spender, at: Moment) -> Option<Key> {
    let whose = match budget.per {
        Per::All => String::new(),
        Per::Session => who.session.to_string(),
        Per::Group => who.group.as_str().to_owned(),
        Per::Channel => who.channel.clone(),
    };
    let counts = budget.only.as_ref().is_none_or(|only| *only == whose);
    counts.then(|| (place, whose, over(budget.every, at)))
}

fn over(every: Option<Every>, at: Moment) -> i64 {
    match every {
        None => 0,
        Some(Every::Day) => at.day,
        Some(Every::Month) => at.month,
    }
}

fn name(budget: &Budget) -> String {
    let whose = match budget.per {
        Per::All => "all".to_owned(),
        Per::Session => "each session".to_owned(),
        Per::Group => named("group", budget.only.as_deref()),
        Per::Channel => named("channel", budget.only.as_deref()),
    };
    match budget.every {
        None => whose,
        Some(Every::Day) => format!("{whose}, each day"),
        Some(Every::Month) => format!("{whose}, each month"),
    }
}

fn named(kind: &str, only: Option<&str>) -> String {
    only.map_or_else(|| format!("each {kind}"), |only| format!("{kind} {only}"))
}

/// Dollars as millionths, rounded down: a limit is never larger than it was written.
fn micros(dollars: f64) -> u64 {
    // The configuration allows 0 to 1,000,000 dollars.
    (dollars * 1e6).floor() as u64
}

fn usd(micros: u64) -> String {
    format!("${}.{:04}", micros / 1_000_000, micros % 1_000_000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn budget(per: Per, every: Option<Every>, usd: Option<f64>, tokens: Option<u64>) -> Budget {
        Budget {
            per,
            only: None,
            every,
            usd,
            tokens,
        }
    }

    fn who(session: u8) -> Spender {
        Spender {
            session: SessionId::from_bytes([session; 16]),
            group: GroupId::owner(),
            channel: "console".to_owned(),
        }
    }

    const TODAY: Moment = Moment {
        day: 20_000,
        month: 24_000,
    };

    fn spending(session: u8, amount: Amount) -> Spending {
        Spending {
            effect: EffectId::random(),
            who: who(session),
            at: TODAY,
            amount,
        }
    }

    #[test]
    fn at_zero_nothing_is_allowed_not_even_what_is_free() {
        let free = Amount {
            usd: Some(0),
            tokens: 0,
        };
        for zero in [
            budget(Per::All, Some(Every::Day), Some(0.0), None),
            budget(Per::Session, None, None, Some(0)),
        ] {
            let ledger = Ledger::new(&[zero]);
            assert!(ledger.objection(&who(1), free, TODAY).is_some());
        }
    }

    #[test]
    fn a_model_without_a_price_is_refused_under_a_budget_in_dollars() {
        let ledger = Ledger::new(&[budget(Per::All, None, Some(5.0), None)]);
        let unknown = Amount {
            usd: None,
            tokens: 1,
        };
        let refusal = ledger.objection(&who(1), unknown, TODAY).expect("refused");
        assert!(
            refusal.reason.text.contains("price"),
            "{}",
            refusal.reason.text
        );
    }

    #[test]
    fn a_new_day_is_new_and_a_session_has_its_own() {
        let mut ledger = Ledger::new(&[budget(Per::Session, Some(Every::Day), None, Some(100))]);
        let all = Amount {
            usd: None,
            tokens: 100,
        };
        ledger.reserve(spending(1, all));
        assert!(ledger.objection(&who(1), all, TODAY).is_some());
        assert!(ledger.objection(&who(2), all, TODAY).is_none());
        let tomorrow = Moment {
            day: TODAY.day + 1,
            ..TODAY
        };
        assert!(ledger.objection(&who(1), all, tomorrow).is_none());
    }

    proptest! {
        #[test]
        fn no_order_of_reserving_and_settling_spends_more_than_the_limit(
            steps in prop::collection::vec((1_u64..500, 0_u64..500, any::<bool>()), 1..60),
            limit in 0_u64..2000,
        ) {
            let mut ledger = Ledger::new(&[budget(Per::All, None, None, Some(limit))]);
            let mut spent = 0_u64;
            for (worst, actual, settles) in steps {
                let amount = Amount { usd: None, tokens: worst };
                if ledger.objection(&who(1), amount, TODAY).is_some() {
                    continue;
                }
                let one = spending(1, amount);
                let effect = one.effect;
                ledger.reserve(one);
                if settles {
                    let actual = actual.min(worst);
                    ledger.settle(effect, Amount { usd: None, tokens: actual });
                    // A second settlement changes nothing.
                    ledger.settle(effect, Amount::default());
                    spent += actual;
                } else {
                    spent += worst;
                }
                prop_assert!(spent <= limit);
                prop_assert_eq!(ledger.rows(TODAY)[0].tokens, spent);
            }
        }
    }
}
