//! `carapace usage`: what was spent on models, and what is left.

use super::Context;
use crate::broker::{self, BrokerError};
use crate::failure::{Exit, Failure};
use crate::home;
use crate::screen::{self, neutral::line};
use carapace_contract::control::{Ask, BudgetRow, SpentRow, Tell};
use std::fmt::Write;

/// The columns of a bar.
const BAR: usize = 20;

/// Runs `usage`.
///
/// # Errors
/// It is not running, or the broker does not answer.
pub(crate) fn run(context: &Context) -> Result<Exit, Failure> {
    home::check(&context.home)?;
    let Tell::Spent { budgets, rows } = broker::ask(&context.home, &Ask::Usage {})? else {
        return Err(BrokerError::Other.into());
    };
    if context.json {
        screen::print_json(&serde_json::json!({"budgets": budgets, "rows": rows}));
        return Ok(Exit::Done);
    }
    let mut out = String::new();
    if budgets.is_empty() {
        out.push_str("no budget is set; for example:\n  carapace config set budgets '[{per=\"all\", every=\"day\", usd=5.0}]'\n");
    }
    for row in &budgets {
        budget(row, &mut out);
    }
    out.push('\n');
    spent(&rows, &mut out);
    screen::print(&out);
    Ok(Exit::Done)
}

fn budget(row: &BudgetRow, out: &mut String) {
    let name = screen::cut(&row.name, 28);
    if let Some(limit) = row.usd_limit {
        let _ = writeln!(
            out,
            "{name:<28} {} {} of {}",
            bar(row.usd, limit),
            dollars(row.usd),
            dollars(limit)
        );
    }
    if let Some(limit) = row.tokens_limit {
        let _ = writeln!(
            out,
            "{name:<28} {} {} of {limit} tokens",
            bar(row.tokens, limit),
            row.tokens
        );
    }
}

fn bar(spent: u64, limit: u64) -> String {
    // At most full: what is reserved may be more than what is left.
    let full = match limit {
        0 => BAR,
        limit => (u128::from(spent.min(limit)) * BAR as u128 / u128::from(limit)) as usize,
    };
    let used_up = if spent >= limit { " USED UP" } else { "" };
    format!("[{}{}]{used_up}", "#".repeat(full), ".".repeat(BAR - full))
}

fn spent(rows: &[SpentRow], out: &mut String) {
    if rows.is_empty() {
        out.push_str("no model was called yet\n");
        return;
    }
    let _ = writeln!(
        out,
        "{:<10}  {:<32} {:>6} {:>11} {:>11} {:>11} {:>10}",
        "day", "model", "calls", "read", "of cache", "written", "cost"
    );
    for row in rows {
        let _ = writeln!(
            out,
            "{:<10}  {:<32} {:>6} {:>11} {:>11} {:>11} {:>10}",
            line(&row.day),
            screen::cut(&row.model, 32),
            row.calls,
            row.usage.input,
            row.usage.cache_read,
            row.usage.output,
            row.usd.map_or_else(|| "no price".to_owned(), dollars)
        );
    }
    if rows.iter().any(|row| row.usd.is_none()) {
        out.push_str(
            "\na model without a price counts no dollars; [[prices]] of config.toml sets it\n",
        );
    }
}

/// Millionths of a dollar, rounded up: nothing that cost something is shown as free.
fn dollars(millionths: u64) -> String {
    let hundredths = millionths.div_ceil(100);
    format!("${}.{:04}", hundredths / 10_000, hundredths % 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_never_shown_too_low() {
        assert_eq!(dollars(1), "$0.0001");
        assert_eq!(dollars(5_000_000), "$5.0000");
        assert_eq!(dollars(1_234_501), "$1.2346");
    }

    #[test]
    fn a_bar_has_its_length_whatever_was_spent() {
        assert_eq!(bar(0, 10), format!("[{}]", ".".repeat(20)));
        assert_eq!(
            bar(5, 10),
            format!("[{}{}]", "#".repeat(10), ".".repeat(10))
        );
        for (spent, limit) in [(0, 0), (11, 10), (u64::MAX, u64::MAX)] {
            assert_eq!(bar(spent, limit), format!("[{}] USED UP", "#".repeat(20)));
        }
    }
}
