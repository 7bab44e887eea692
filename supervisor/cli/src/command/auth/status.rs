//! `carapace auth status`: the vault and what it holds. Never a value, nor a part of one.

use crate::broker::{self, BrokerError};
use crate::command::Context;
use crate::failure::{Exit, Failure};
use crate::screen::{self, neutral::line, time};
use crate::secret::{elsewhere, plaintext};
use crate::{cage_file, home};
use carapace_contract::control::{Ask, SecretRow, Tell, VaultRow};
use carapace_jail::config::CageConfig;
use serde_json::json;
use std::fmt::Write;

/// Runs `auth status`.
///
/// # Errors
/// It is not running, or `cage.toml` cannot be read.
pub(crate) fn run(context: &Context) -> Result<Exit, Failure> {
    home::check(&context.home)?;
    let cage = cage_file::load(&context.home)?;
    let Tell::Secrets { vault, rows } = broker::ask(&context.home, &Ask::Secrets {})? else {
        return Err(BrokerError::Other.into());
    };
    let open = plaintext::find(&context.home);
    if context.json {
        let secrets: Vec<_> = rows
            .iter()
            .map(|row| {
                let mut value = json!(row);
                value["lives"] = lives(row, &cage).into();
                value
            })
            .collect();
        let plaintext: Vec<_> = open
            .iter()
            .map(|found| {
                let stored = rows.iter().any(|row| row.name == found.name);
                json!({"place": found.place.to_string(), "name": found.name, "stored": stored})
            })
            .collect();
        screen::print_json(&json!({"vault": vault, "secrets": secrets, "plaintext": plaintext}));
        return Ok(Exit::Done);
    }
    let mut out = String::new();
    about_vault(&vault, &mut out);
    for row in &rows {
        about(row, &cage, time::now(), &mut out);
    }
    if vault.state == "locked" {
        out.push_str("what it holds can be told once it is open\n");
    } else if rows.is_empty() {
        out.push_str("no secret is stored; `carapace setup` or `carapace auth api-key --provider anthropic`\n");
    }
    let (kept, loose): (Vec<_>, Vec<_>) = open
        .iter()
        .partition(|found| rows.iter().any(|row| row.name == found.name));
    if !loose.is_empty() {
        out.push_str("\nin the open, readable by every program of yours (`carapace auth import` stores them):\n");
        for found in loose {
            let _ = writeln!(out, "  {}", line(&found.place.to_string()));
        }
    }
    if !kept.is_empty() {
        out.push_str("\nin the vault, and still in the open:\n");
        for found in kept {
            let _ = writeln!(
                out,
                "  {}\n    {}",
                line(&found.place.to_string()),
                line(&found.place.farewell())
            );
        }
    }
    screen::print(&out);
    Ok(Exit::Done)
}

fn about_vault(vault: &VaultRow, out: &mut String) {
    let state = match vault.state.as_str() {
        "open" => "open".to_owned(),
        "none" => "not made yet".to_owned(),
        "locked" => "LOCKED: `carapace auth unlock`".to_owned(),
        other => line(&other.to_uppercase()),
    };
    let _ = writeln!(out, "vault     {state}");
    if !vault.kept.is_empty() {
        let _ = writeln!(out, "key       {}", line(&vault.kept.join(", ")));
    }
    let _ = writeln!(out, "          {}\n", line(&vault.words));
}

/// Where a secret lives.
fn lives(row: &SecretRow, cage: &CageConfig) -> String {
    match cage.secret_named(row.name.as_str()) {
        Some(source) if row.kind == "external" => elsewhere::place(source),
        _ if row.kind == "external" => "nowhere: cage.toml does not name it".to_owned(),
        _ => "vault".to_owned(),
    }
}

fn about(row: &SecretRow, cage: &CageConfig, now: i64, out: &mut String) {
    let _ = writeln!(
        out,
        "{}  ({}, in {})",
        row.name,
        line(&row.kind),
        line(&lives(row, cage))
    );
    let mut pair = |name: &str, value: String| {
        let _ = writeln!(out, "  {name:<9} {}", line(&value));
    };
    let ago = |at: i64| format!("{} ago", time::span(now - at));
    pair(
        "age",
        if row.changed == row.created {
            format!("stored {}", ago(row.created))
        } else {
            format!("stored {}, changed {}", ago(row.created), ago(row.changed))
        },
    );
    pair("used", row.used.map_or_else(|| "never".to_owned(), ago));
    match row.expires {
        Some(end) if end <= now => pair("expires", format!("EXPIRED {}", ago(end))),
        Some(end) => pair(
            "expires",
            format!("in {} ({})", time::span(end - now), time::clock(end)),
        ),
        None => {}
    }
    if !row.providers.is_empty() {
        pair("used by", row.providers.join(", "));
    }
    pair(
        "sent to",
        if row.origins.is_empty() {
            "nowhere".to_owned()
        } else {
            row.origins.join(", ")
        },
    );
    if row.each_session {
        pair("asks", "before its first use in each session".to_owned());
    }
    if row.pending {
        pair(
            "pending",
            "a newer value waits to be tried: `carapace auth test`".to_owned(),
        );
    }
    if row.too_short {
        pair(
            "!",
            "too short to be recognised where it should not be".to_owned(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carapace_jail::config::SecretSource;

    #[test]
    fn a_row_says_where_it_lives_and_where_it_goes() {
        let mut row = SecretRow {
            name: "anthropic".parse().unwrap(),
            kind: "external".to_owned(),
            created: 0,
            changed: 500,
            used: None,
            expires: Some(900),
            each_session: true,
            origins: Vec::new(),
            providers: vec!["anthropic".to_owned()],
            pending: true,
            too_short: true,
        };
        let cage = CageConfig {
            secret: vec![SecretSource {
                name: "anthropic".to_owned(),
                from: carapace_jail::config::Backend::Pass,
                item: "ai/x".to_owned(),
            }],
            ..CageConfig::default()
        };
        let shown = |row: &SecretRow| {
            let mut out = String::new();
            about(row, &cage, 1_000, &mut out);
            out
        };
        let told = shown(&row);
        for part in [
            "pass:ai/x",
            "changed 8 min ago",
            "EXPIRED 100 s ago",
            "never",
            "nowhere",
            "each session",
            "waits",
            "too short",
        ] {
            assert!(told.contains(part), "{part}\n{told}");
        }
        row.kind = "key".to_owned();
        row.origins = vec!["https://a\u{1b}[2J:443".to_owned()];
        let told = shown(&row);
        assert!(
            told.contains("in vault") && !told.contains('\u{1b}'),
            "{told}"
        );
    }
}
