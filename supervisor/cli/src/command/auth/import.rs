//! `carapace auth import`: secrets that lie in the open are shown, stored and tried. What held them
//! stays as it is; the person is told how to remove it.

use super::provider::{self, quoted};
use super::store::{Terms, store};
use super::test;
use crate::command::{Context, start};
use crate::failure::{Exit, Failure};
use crate::screen::{self, neutral::line};
use crate::secret::plaintext::{self, Found};
use crate::{home, person, vault_door};
use carapace_contract::id::SecretName;
use carapace_contract::secret::NewSecret;
use serde_json::json;
use std::collections::BTreeSet;

/// Runs `auth import`.
///
/// # Errors
/// The broker does not take one; those before it are stored.
pub(crate) fn run(context: &Context, yes: bool, dry_run: bool) -> Result<Exit, Failure> {
    home::ensure(&context.home)?;
    let found = plaintext::find(&context.home);
    if found.is_empty() && !context.json {
        screen::print("nothing lies in the open where carapace knows to look\n");
    }
    if dry_run || (!yes && !person::is_here(context)) {
        if context.json {
            let rows: Vec<_> = found.iter().map(row).collect();
            screen::print_json(&json!({"found": rows, "stored": []}));
            return Ok(Exit::Done);
        }
        for one in &found {
            screen::print(&format!(
                "{:<24} {}\n",
                one.name.as_str(),
                line(&one.place.to_string())
            ));
        }
        if !dry_run && !found.is_empty() {
            screen::aside("nothing was stored: `carapace auth import --yes` stores all of them\n");
            return Ok(Exit::Usage);
        }
        return Ok(Exit::Done);
    }
    let rows: Vec<_> = found.iter().map(row).collect();
    let mut taken = BTreeSet::new();
    start::start_if_needed(context)?;
    let there = vault_door::names(context)?;
    for one in found {
        // The first of a name counts, as the same key often lies in several places; and what the vault
        // has may be newer than what was left lying about.
        let known = taken.contains(&one.name) || (yes && there.contains(&one.name));
        if known && !context.json {
            screen::aside(&format!(
                "{} is in the vault already; {} was passed over\n",
                one.name,
                line(&one.place.to_string())
            ));
        }
        let question = if there.contains(&one.name) {
            "put it in the place of the stored"
        } else {
            "store it as"
        };
        let asked = format!("{}\n  {question} {}?", one.place, one.name);
        if known || !(yes || person::agrees(&asked, !there.contains(&one.name))) {
            continue;
        }
        let farewell = one.place.farewell();
        let name = take(context, one)?;
        if !context.json {
            screen::aside(&format!(
                "  it still lies in the open; {}\n",
                line(&farewell)
            ));
        }
        taken.insert(name);
    }
    if context.json {
        screen::print_json(&json!({"found": rows, "stored": taken}));
    }
    Ok(Exit::Done)
}

fn row(found: &Found) -> serde_json::Value {
    json!({"name": found.name, "place": found.place.to_string(), "provider": found.provider})
}

/// Stores one, with its provider added where that is a well-known one, and tries it.
///
/// # Errors
/// The broker does not take it.
pub(crate) fn take(context: &Context, found: Found) -> Result<SecretName, Failure> {
    let mut name = found.name.clone();
    let mut provider = None;
    if let Some(kind) = found.provider {
        let mut known = provider::find(context, kind)?;
        if !matches!(found.secret, NewSecret::Aws { .. }) {
            known.send_key();
        }
        if known.configured.is_none() {
            if let Some(address) = &found.address {
                known.fields.push(("base-url", quoted(address)));
            }
            if matches!(found.secret, NewSecret::Aws { .. }) {
                let region = ["AWS_REGION", "AWS_DEFAULT_REGION"]
                    .iter()
                    .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
                    .unwrap_or_else(|| "us-east-1".to_owned());
                known.fields.push(("region", quoted(&region)));
            }
        }
        if known.bring_into_force(context)? && !context.json {
            screen::aside(&format!(
                "added [providers.{}] to config.toml\n",
                line(&known.name)
            ));
        }
        name = known.secret.clone();
        provider = Some(known.name);
    } else {
        start::start_if_needed(context)?;
    }
    let stored = store(context, &name, found.secret, &Terms::default())?;
    if !context.json {
        screen::print(&stored.words());
    }
    if let Some(provider) = provider
        && !context.json
    {
        match test::call(context, &provider) {
            Ok(tested) => screen::print(&format!("it works: {}\n", tested.words())),
            Err(error) if test::is_untried(&error) => {}
            Err(error) => screen::aside(&format!(
                "! it does not work: {}\n",
                line(&error.to_string())
            )),
        }
    }
    Ok(name)
}
