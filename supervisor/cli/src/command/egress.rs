//! `carapace egress`: where did my data go. Every request that left the broker.

use super::Context;
use crate::broker::{self, BrokerError};
use crate::failure::{Exit, Failure};
use crate::home;
use crate::screen::{self, neutral::line, time};
use carapace_contract::control::{Ask, SendRow, Tell};
use serde::Serialize;
use std::collections::BTreeMap;

/// Every request that left this machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  carapace egress                   the newest 20, and a line for each host
  carapace egress -n 1000 --json | jq '.hosts'
  carapace why 0123456789abcdef     the story of one of them")]
pub(crate) struct Args {
    /// How many, newest first
    #[arg(short = 'n', long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

/// What went to one host.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Host {
    requests: u64,
    sent: u64,
    received: u64,
}

/// Runs `egress`.
///
/// # Errors
/// It is not running, or the broker does not answer.
pub(crate) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    home::check(&context.home)?;
    let Tell::Sends { rows } = broker::ask(&context.home, &Ask::Egress { limit: args.limit })?
    else {
        return Err(BrokerError::Other.into());
    };
    let hosts = hosts(&rows);
    if context.json {
        screen::print_json(&serde_json::json!({"sends": rows, "hosts": hosts}));
        return Ok(Exit::Done);
    }
    if rows.is_empty() {
        screen::print("nothing has left this machine\n");
        return Ok(Exit::Done);
    }
    for row in &rows {
        screen::print(&format!(
            "{}  {}  {:<8} {}  {} out, {} in  {}{}{}\n",
            row.effect,
            time::clock(row.at),
            line(&row.purpose),
            line(&row.origin),
            bytes(row.sent),
            bytes(row.received),
            line(&row.outcome),
            row.secret
                .as_ref()
                .map(|secret| format!("  secret {secret}"))
                .unwrap_or_default(),
            row.session
                .map(|session| format!("  session {session}"))
                .unwrap_or_default(),
        ));
    }
    screen::print("\n");
    for (host, total) in &hosts {
        screen::print(&format!(
            "{:<44} {:>5} requests, {} out, {} in\n",
            line(host),
            total.requests,
            bytes(total.sent),
            bytes(total.received)
        ));
    }
    Ok(Exit::Done)
}

fn hosts(rows: &[SendRow]) -> BTreeMap<&str, Host> {
    let mut hosts: BTreeMap<&str, Host> = BTreeMap::new();
    for row in rows {
        let host = hosts.entry(row.origin.as_str()).or_default();
        host.requests += 1;
        host.sent = host.sent.saturating_add(row.sent);
        host.received = host.received.saturating_add(row.received);
    }
    hosts
}

fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carapace_contract::id::EffectId;

    #[test]
    fn each_host_is_added_up() {
        let row = |origin: &str, sent| SendRow {
            effect: EffectId::random(),
            at: 0,
            origin: origin.to_owned(),
            purpose: "model".to_owned(),
            session: None,
            secret: None,
            sent,
            received: 1,
            outcome: "200".to_owned(),
        };
        let rows = [
            row("https://a:443", 1),
            row("https://b:443", 2),
            row("https://a:443", u64::MAX),
        ];
        let hosts = hosts(&rows);
        assert_eq!(
            hosts["https://a:443"],
            Host {
                requests: 2,
                sent: u64::MAX,
                received: 2
            }
        );
        assert_eq!(hosts["https://b:443"].sent, 2);
    }
}
