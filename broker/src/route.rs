//! Which model answers next: the models of a route in order, without those that have just failed
//! again and again. No I/O; the time is an argument.

use carapace_contract::config::{Config, ModelName, RouteError};
use carapace_providers::{Endpoint, Kind, Origin, RequestError, kind, kinds};
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Failures in a row after which a model is left alone for a while.
const FAILURES: u32 = 3;
/// For how long at first; doubled with each failed probe.
const REST: Duration = Duration::from_secs(30);
/// And at most.
const LONGEST_REST: Duration = Duration::from_secs(600);

/// One model of a route, ready to be asked.
#[derive(Clone)]
pub(crate) struct Candidate {
    /// Its name.
    pub(crate) name: ModelName,
    /// How it is spoken to.
    pub(crate) kind: &'static Kind,
    /// Where it is.
    pub(crate) endpoint: Endpoint,
    /// Categories of private data that it must not see.
    pub(crate) withhold: Vec<String>,
}

/// Why there is no candidate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoCandidate {
    #[error("{0}\n  remedy: `carapace config show` lists [providers] and [routes]")]
    Route(#[from] RouteError),
    #[error("providers.{provider}: {cause}")]
    Provider {
        provider: String,
        cause: RequestError,
    },
    #[error("providers.{provider}: there is no kind {kind:?}\n  remedy: use one of {known}")]
    Kind {
        provider: String,
        kind: String,
        known: String,
    },
}

impl NoCandidate {
    /// Stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Route(error) => error.code(),
            Self::Provider { .. } | Self::Kind { .. } => "provider-not-configured",
        }
    }
}

/// The models of a route, best first. Empty for `offline`.
///
/// # Errors
/// The route or one of its providers cannot be used.
pub(crate) fn candidates(config: &Config, route: &str) -> Result<Vec<Candidate>, NoCandidate> {
    let limits = config.routes.get(route);
    let names = config.candidates(route)?;
    names
        .into_iter()
        .map(|(name, _)| {
            let mut found = candidate(config, &name)?;
            if let Some(route) = limits {
                found.endpoint = found
                    .endpoint
                    .within(route.first_byte_ms, route.deadline_ms);
            }
            Ok(found)
        })
        .collect()
}

/// One model.
///
/// # Errors
/// Its provider cannot be used.
pub(crate) fn candidate(config: &Config, name: &ModelName) -> Result<Candidate, NoCandidate> {
    let provider = config
        .providers
        .get(&name.provider)
        .ok_or_else(|| RouteError::ProviderNotConfigured(name.provider.clone()))?;
    let kind = kind(provider.kind.as_str()).ok_or_else(|| NoCandidate::Kind {
        provider: name.provider.clone(),
        kind: provider.kind.as_str().to_owned(),
        known: kinds().map(|kind| kind.name).collect::<Vec<_>>().join(", "),
    })?;
    let endpoint =
        Endpoint::new(&name.provider, provider, &kind.usual, &name.model).map_err(|cause| {
            NoCandidate::Provider {
                provider: name.provider.clone(),
                cause,
            }
        })?;
    Ok(Candidate {
        name: name.clone(),
        kind,
        endpoint,
        withhold: provider.withhold.clone(),
    })
}

/// Every origin that the configuration names, with whose it is.
///
/// # Errors
/// A provider cannot be used.
pub(crate) fn origins(config: &Config) -> Result<Vec<(String, Origin)>, NoCandidate> {
    let mut origins = Vec::new();
    for (provider, settings) in &config.providers {
        // Any model: its name is no part of where it is.
        let any = ModelName {
            provider: provider.clone(),
            model: "any".to_owned(),
        };
        let found = candidate(config, &any)?;
        origins.push((provider.clone(), found.endpoint.origin().clone()));
        if let Some(oauth) = &settings.oauth {
            let token = Origin::of(&oauth.token_url).map_err(|why| NoCandidate::Provider {
                provider: provider.clone(),
                cause: RequestError::Address(format!("oauth.token-url: {why}")),
            })?;
            origins.push((provider.clone(), token));
        }
    }
    Ok(origins)
}

/// Remembers which models fail.
#[derive(Debug, Default)]
pub(crate) struct Breakers(RefCell<HashMap<String, Breaker>>);

#[derive(Debug, Default)]
struct Breaker {
    failures: u32,
    open_until: Option<Instant>,
    probing: bool,
}

impl Breakers {
    /// Whether a model may be asked now; else for how long it is left alone. After that time one
    /// request goes through as a probe, and the others wait for what becomes of it.
    pub(crate) fn admit(&self, model: &str, now: Instant) -> Result<(), Duration> {
        let mut all = self.0.borrow_mut();
        let Some(breaker) = all.get_mut(model) else {
            return Ok(());
        };
        match breaker.open_until {
            None => Ok(()),
            Some(until) if now < until => Err(until - now),
            Some(_) if breaker.probing => Err(Duration::from_secs(1)),
            Some(_) => {
                breaker.probing = true;
                Ok(())
            }
        }
    }

    /// The model answered.
    pub(crate) fn worked(&self, model: &str) {
        self.0.borrow_mut().remove(model);
    }

    /// The model failed in a way that says something about its health. `wait` is what it asked for.
    pub(crate) fn failed(&self, model: &str, wait: Option<Duration>, now: Instant) {
        let mut all = self.0.borrow_mut();
        let breaker = all.entry(model.to_owned()).or_default();
        breaker.failures = breaker.failures.saturating_add(1);
        breaker.probing = false;
        let beyond = breaker.failures.saturating_sub(FAILURES);
        let rest = (breaker.failures >= FAILURES)
            .then(|| (REST * 2_u32.pow(beyond.min(10))).min(LONGEST_REST));
        if let Some(rest) = rest.max(wait.map(|wait| wait.min(LONGEST_REST))) {
            breaker.open_until = Some(now + rest);
        }
    }

    /// The request was given up for another reason.
    pub(crate) fn neither(&self, model: &str) {
        if let Some(breaker) = self.0.borrow_mut().get_mut(model) {
            breaker.probing = false;
        }
    }

    /// Models that are left alone now.
    pub(crate) fn resting(&self, now: Instant) -> Vec<String> {
        let all = self.0.borrow();
        let mut names: Vec<_> = all
            .iter()
            .filter(|(_, breaker)| breaker.open_until.is_some_and(|until| now < until))
            .map(|(name, _)| name.clone())
            .collect();
        names.sort();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_rest_a_model_and_one_probe_wakes_it() {
        let breakers = Breakers::default();
        let start = Instant::now();
        for _ in 0..FAILURES {
            assert!(breakers.admit("a:b", start).is_ok());
            breakers.failed("a:b", None, start);
        }
        assert_eq!(breakers.admit("a:b", start), Err(REST));
        assert_eq!(breakers.resting(start), ["a:b"]);
        assert!(breakers.admit("a:c", start).is_ok());
        let later = start + REST;
        assert!(breakers.admit("a:b", later).is_ok(), "the probe");
        assert!(breakers.admit("a:b", later).is_err(), "one at a time");
        breakers.failed("a:b", None, later);
        assert_eq!(breakers.admit("a:b", later), Err(2 * REST));
        let much_later = later + 2 * REST;
        assert!(breakers.admit("a:b", much_later).is_ok());
        breakers.worked("a:b");
        assert!(breakers.admit("a:b", much_later).is_ok());
        assert!(breakers.admit("a:b", much_later).is_ok());
    }

    #[test]
    fn a_wait_that_the_vendor_asks_for_is_kept_but_not_for_ever() {
        let breakers = Breakers::default();
        let now = Instant::now();
        breakers.failed("a:b", Some(Duration::from_secs(7)), now);
        assert_eq!(breakers.admit("a:b", now), Err(Duration::from_secs(7)));
        breakers.failed("a:c", Some(Duration::from_secs(86_400)), now);
        assert_eq!(breakers.admit("a:c", now), Err(LONGEST_REST));
    }

    #[test]
    fn a_probe_that_was_given_up_lets_the_next_one_through() {
        let breakers = Breakers::default();
        let now = Instant::now();
        breakers.failed("a:b", Some(Duration::from_secs(1)), now);
        let later = now + Duration::from_secs(2);
        assert!(breakers.admit("a:b", later).is_ok());
        breakers.neither("a:b");
        assert!(breakers.admit("a:b", later).is_ok());
    }
}
