//! Which models are asked: where conversations may go, and what may not go with them.

use super::line::{ending, listed, quoted, safe};
use super::web::origin;
use super::{Change, Direction, Kind};
use carapace_contract::config::{Config, ModelName, OFFLINE};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What stands for every category of private data.
const ALL: &str = "*";
/// Characters of an origin, and of a name, that are shown.
const ORIGIN: usize = 100;
const NAME: usize = 60;
/// The most things of one kind that a sentence tells.
const TOLD: usize = 5;

/// Providers, and the routes that lead to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Models {
    providers: BTreeMap<String, Provider>,
    /// By name: the models, best first.
    routes: BTreeMap<String, Vec<String>>,
    /// What a session takes that names none.
    route: String,
}

/// One place where models are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Provider {
    origins: BTreeSet<String>,
    /// Categories that must not go there, or [`ALL`].
    withheld: BTreeSet<String>,
    /// The secret that the configuration names for it.
    secret: Option<String>,
}

impl Models {
    pub(super) fn of(config: &Config, origins: &[(&str, &str)]) -> Self {
        let provider = |(name, settings): (&String, &carapace_contract::config::Provider)| {
            let row = Provider {
                origins: origins
                    .iter()
                    .filter(|(provider, _)| provider == name)
                    .map(|(_, text)| origin(text))
                    .collect(),
                withheld: settings.withhold.iter().cloned().collect(),
                secret: settings.secret.as_ref().map(ToString::to_string),
            };
            (name.clone(), row)
        };
        Self {
            providers: config.providers.iter().map(provider).collect(),
            routes: config
                .routes
                .iter()
                .map(|(name, route)| (name.clone(), route.models.clone()))
                .collect(),
            route: config.model.route.clone(),
        }
    }

    /// The providers that a route leads to.
    fn lead<'a>(&'a self, route: &'a str) -> BTreeSet<&'a str> {
        self.routes.get(route).map_or_else(
            || provider_of(route).into_iter().collect(),
            |models| {
                models
                    .iter()
                    .filter_map(|model| provider_of(model))
                    .collect()
            },
        )
    }
}

fn provider_of(model: &str) -> Option<&str> {
    if model == OFFLINE || model.parse::<ModelName>().is_err() {
        return None;
    }
    model.split_once(':').map(|(provider, _)| provider)
}

pub(super) fn compare(before: &Models, after: &Models, all: &mut Vec<Change>) {
    for (name, provider) in &after.providers {
        match before.providers.get(name) {
            None => all.push(added(name, provider)),
            Some(known) => changed(name, known, provider, all),
        }
    }
    for (name, gone) in &before.providers {
        if !after.providers.contains_key(name) {
            let text = format!(
                "nothing goes to {} any more, as the provider {} is gone",
                places(&gone.origins),
                quoted(name, NAME)
            );
            all.push(change(Direction::Narrower, &text));
        }
    }
    let names: BTreeSet<&String> = before.routes.keys().chain(after.routes.keys()).collect();
    for name in names {
        route(name, before, after, all);
    }
    if before.route != after.route {
        let (old, new) = (before.lead(&before.route), after.lead(&after.route));
        let text = format!(
            "a session that names no route takes {} now (before: {})",
            quoted(&after.route, NAME),
            quoted(&before.route, NAME)
        );
        led(&text, &old, &new, all);
    }
}

fn change(direction: Direction, text: &str) -> Change {
    Change::new(direction, Kind::Provider, text)
}

fn added(name: &str, provider: &Provider) -> Change {
    let mut text = format!(
        "your words and what sessions have seen may now go to {} (the provider {})",
        places(&provider.origins),
        quoted(name, NAME)
    );
    match provider.withheld.len() {
        0 => {}
        _ if provider.withheld.contains(ALL) => {
            text.push_str(", but not after private data was seen")
        }
        _ => {
            let barred = format!(", but not after {} was seen", kinds(&provider.withheld));
            text.push_str(&barred);
        }
    }
    if let Some(secret) = &provider.secret {
        text.push_str(&format!(
            "; the secret {} goes with them",
            quoted(secret, NAME)
        ));
    }
    change(Direction::Wider, &text)
}

fn changed(name: &str, before: &Provider, after: &Provider, all: &mut Vec<Change>) {
    let shown = quoted(name, NAME);
    let mut push = |direction, text: &str| all.push(change(direction, text));
    let new: BTreeSet<String> = after.origins.difference(&before.origins).cloned().collect();
    if !new.is_empty() {
        let text = format!(
            "what goes to the provider {shown} may now go to {} (before: {})",
            places(&new),
            places(&before.origins)
        );
        push(Direction::Wider, &text);
    }
    let gone: BTreeSet<String> = before.origins.difference(&after.origins).cloned().collect();
    if !gone.is_empty() {
        let text = format!(
            "what goes to the provider {shown} goes no more to {}",
            places(&gone)
        );
        push(Direction::Narrower, &text);
    }
    withheld(&shown, &before.withheld, &after.withheld, &mut push);
    match (&before.secret, &after.secret) {
        (old, new) if old == new => {}
        (_, Some(new)) => push(
            Direction::Wider,
            &format!(
                "the secret {} is now sent to the provider {shown}",
                quoted(new, NAME)
            ),
        ),
        (Some(old), None) => push(
            Direction::Wider,
            &format!(
                "the provider {shown} gets its own secret now, and no more {}",
                quoted(old, NAME)
            ),
        ),
        (None, None) => {}
    }
}

fn withheld(
    shown: &str,
    before: &BTreeSet<String>,
    after: &BTreeSet<String>,
    push: &mut impl FnMut(Direction, &str),
) {
    match (before.contains(ALL), after.contains(ALL)) {
        (true, true) => {}
        (true, false) => {
            let but = if after.is_empty() {
                String::new()
            } else {
                format!(", but for {}", kinds(after))
            };
            let text = format!(
                "conversations that have seen private data may now go to the provider {shown}{but}"
            );
            push(Direction::Wider, &text);
        }
        (false, true) => {
            let text = format!(
                "no conversation that has seen private data goes to the provider {shown} any more"
            );
            push(Direction::Narrower, &text);
        }
        (false, false) => {
            let dropped: BTreeSet<String> = before.difference(after).cloned().collect();
            if !dropped.is_empty() {
                let text = format!(
                    "conversations that have seen {} may now go to the provider {shown}",
                    kinds(&dropped)
                );
                push(Direction::Wider, &text);
            }
            let barred: BTreeSet<String> = after.difference(before).cloned().collect();
            if !barred.is_empty() {
                let text = format!(
                    "no conversation that has seen {} goes to the provider {shown} any more",
                    kinds(&barred)
                );
                push(Direction::Narrower, &text);
            }
        }
    }
}

fn route(name: &str, before: &Models, after: &Models, all: &mut Vec<Change>) {
    let shown = quoted(name, NAME);
    match (before.routes.get(name), after.routes.get(name)) {
        (None, Some(_)) => {
            let text = format!("there is a route {shown} now");
            led(&text, &BTreeSet::new(), &after.lead(name), all);
        }
        (Some(_), None) => {
            let text = format!("the route {shown} is gone");
            led(&text, &before.lead(name), &BTreeSet::new(), all);
        }
        (Some(old), Some(new)) if old != new => {
            let text = format!("the route {shown} asks other models now, or in another order");
            led(&text, &before.lead(name), &after.lead(name), all);
        }
        _ => {}
    }
}

/// What changes for who takes a route that led to `old` and leads to `new`.
fn led(text: &str, old: &BTreeSet<&str>, new: &BTreeSet<&str>, all: &mut Vec<Change>) {
    let names = |list: Vec<&&str>| {
        let shown: Vec<String> = list.into_iter().map(|name| quoted(name, NAME)).collect();
        listed(&shown, TOLD)
    };
    let (gained, lost): (Vec<_>, Vec<_>) =
        (new.difference(old).collect(), old.difference(new).collect());
    if gained.is_empty() && lost.is_empty() {
        all.push(change(Direction::Other, text));
    }
    if !gained.is_empty() {
        let text = format!(
            "{text}: conversations on it may now go to {}",
            names(gained)
        );
        all.push(change(Direction::Wider, &text));
    }
    if !lost.is_empty() {
        let text = format!("{text}: conversations on it go no more to {}", names(lost));
        all.push(change(Direction::Narrower, &text));
    }
}

fn places(origins: &BTreeSet<String>) -> String {
    let shown: Vec<String> = origins
        .iter()
        .map(|origin| ending(origin, ORIGIN))
        .collect();
    match shown.as_slice() {
        [] => "an unknown place".to_owned(),
        _ => listed(&shown, 2),
    }
}

fn kinds(categories: &BTreeSet<String>) -> String {
    let shown: Vec<String> = categories.iter().map(|name| safe(name, NAME)).collect();
    format!("private data of the kind {}", listed(&shown, TOLD))
}
