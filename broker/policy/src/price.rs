//! What a model call costs, from the owner's price table. Rounded up: a price is never too low.

use carapace_contract::config::Price;
use carapace_contract::model::Usage;

/// The owner's prices.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prices(Vec<Price>);

impl Prices {
    /// From the configuration. The entry that names most of a model counts.
    pub fn new(prices: &[Price]) -> Self {
        Self(prices.to_vec())
    }

    /// The line for `PROVIDER:MODEL`.
    pub fn of(&self, model: &str) -> Option<&Price> {
        let fits = |price: &&Price| match price.model.strip_suffix('*') {
            Some(start) => model.starts_with(start),
            None => price.model == model,
        };
        self.0
            .iter()
            .filter(fits)
            .max_by_key(|price| (!price.model.ends_with('*'), price.model.len()))
    }

    /// Millionths of a US dollar for this usage; `None` where no price is known.
    pub fn cost(&self, model: &str, usage: &Usage) -> Option<u64> {
        let price = self.of(model)?;
        let read = usage.cache_read.min(usage.input);
        let written = usage.cache_write.min(usage.input - read);
        let plain = usage.input - read - written;
        // Dollars per million tokens are millionths of a dollar per token.
        let cost = plain as f64 * price.input
            + read as f64 * price.cache_read.unwrap_or(price.input)
            + written as f64 * price.cache_write.unwrap_or(price.input)
            + usage.output as f64 * price.output;
        Some(cost.ceil() as u64)
    }

    /// The most that a call can cost: all of its input at the dearest price of input.
    pub fn worst(&self, model: &str, input: u64, output: u64) -> Option<u64> {
        let price = self.of(model)?;
        let dearest = [Some(price.input), price.cache_read, price.cache_write]
            .into_iter()
            .flatten()
            .fold(0.0, f64::max);
        Some((input as f64 * dearest + output as f64 * price.output).ceil() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn price(model: &str, input: f64) -> Price {
        Price {
            model: model.to_owned(),
            input,
            output: 5.0 * input,
            cache_read: Some(input / 10.0),
            cache_write: Some(input * 1.25),
            as_of: "2026-11-01".to_owned(),
        }
    }

    #[test]
    fn the_nearest_line_counts() {
        let prices = Prices::new(&[
            price("a:*", 1.0),
            price("a:big*", 2.0),
            price("a:big-1", 3.0),
        ]);
        let input = |model| prices.of(model).map(|price| price.input);
        assert_eq!(input("a:big-1"), Some(3.0));
        assert_eq!(input("a:big-2"), Some(2.0));
        assert_eq!(input("a:small"), Some(1.0));
        assert_eq!(input("b:small"), None);
    }

    proptest! {
        #[test]
        fn no_usage_within_the_worst_case_costs_more_than_it(
            input in 0_u64..1_000_000, output in 0_u64..100_000, read in 0_u64..1_000_000, write in 0_u64..1_000_000,
            used in 0_u64..1_000_000, wrote in 0_u64..100_000, per in 0.0_f64..100.0,
        ) {
            let prices = Prices::new(&[price("a:*", per)]);
            let usage = Usage { input: used.min(input), output: wrote.min(output), cache_read: read, cache_write: write };
            prop_assert!(prices.cost("a:x", &usage) <= prices.worst("a:x", input, output));
        }
    }
}
