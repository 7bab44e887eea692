//! `config.toml`: the owner's choices, typed and strict. An unknown key is an error (invariant I12).
//! Every default is visible here. What confines (waivers, mounts) is not here but in `cage.toml`,
//! which the broker cannot see.

use crate::id::{Digest, ToolName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The largest configuration file that is read, in bytes.
pub const MAX_CONFIG: usize = 256 * 1024;

/// The text a fresh home gets: every key with its default, explained.
pub const DEFAULT_TEXT: &str = include_str!("default-config.toml");

/// Why a configuration was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is not TOML, a key is unknown, or a value has the wrong type.
    #[error(
        "config.toml: {0}\n  remedy: mend that line, or start from `carapace config show --defaults`"
    )]
    Syntax(String),
    /// A value is of the right type and still cannot be used.
    #[error("config.toml: {key}: {problem}\n  remedy: {remedy}")]
    Value {
        /// The key, dotted.
        key: String,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// It is larger than [`MAX_CONFIG`].
    #[error(
        "config.toml is larger than {MAX_CONFIG} bytes\n  remedy: remove what does not belong there"
    )]
    TooLarge,
}

/// The whole configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    /// Which model answers.
    pub model: Model,
    /// Where models are, by name.
    pub providers: BTreeMap<String, Provider>,
    /// Limits of one turn and one session.
    pub limits: Limits,
    /// How questions are asked.
    pub approvals: Approvals,
    /// What is done without a question.
    pub grants: Vec<Grant>,
}

/// Which model answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Model {
    /// `offline`, or `PROVIDER:MODEL` with a provider of `[providers]`.
    pub route: String,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            route: "offline".to_owned(),
        }
    }
}

/// One place where models are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Provider {
    /// Which protocol it speaks.
    pub kind: ProviderKind,
    /// Its address up to and without `/chat/completions`. Plain http, loopback only.
    pub base_url: String,
    /// Milliseconds until the first byte of an answer.
    #[serde(default = "default_first_byte")]
    pub first_byte_ms: u64,
    /// Milliseconds until the answer is complete.
    #[serde(default = "default_deadline")]
    pub deadline_ms: u64,
}

fn default_first_byte() -> u64 {
    120_000
}

fn default_deadline() -> u64 {
    600_000
}

/// A protocol that providers speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderKind {
    /// OpenAI's chat completions, as Ollama, LM Studio, llama.cpp and vLLM serve it.
    OpenaiCompatible,
}

/// Limits of one turn and one session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Limits {
    /// Model calls in one turn.
    pub rounds: u32,
    /// Seconds that one turn may take, waiting for answers of a person not counted.
    pub turn_seconds: u64,
    /// Tokens, read and written, that one turn may use.
    pub turn_tokens: u64,
    /// Tool calls that one session may start within a minute.
    pub calls_per_minute: u32,
    /// Seconds that one `exec` may take.
    pub exec_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rounds: 24,
            turn_seconds: 900,
            turn_tokens: 400_000,
            calls_per_minute: 120,
            exec_seconds: 120,
        }
    }
}

/// How questions are asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Approvals {
    /// Seconds until an unanswered question counts as refused.
    pub expire_seconds: u64,
    /// Days that "always exactly this" holds.
    pub always_days: u32,
}

impl Default for Approvals {
    fn default() -> Self {
        Self {
            expire_seconds: 300,
            always_days: 30,
        }
    }
}

/// Something that is done without a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Grant {
    /// The tool.
    pub tool: ToolName,
    /// Only calls with exactly these arguments; without it, every call of the tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Config {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// Names the line or key, what is wrong with it, and the remedy.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        if text.len() > MAX_CONFIG {
            return Err(ConfigError::TooLarge);
        }
        let config: Config =
            toml::from_str(text).map_err(|error| ConfigError::Syntax(error.to_string()))?;
        config.check()?;
        Ok(config)
    }

    /// The digest of what is configured, independent of comments and order of keys.
    pub fn digest(&self) -> Digest {
        let text = serde_json_canonicalizer::to_vec(self).expect("a configuration serialises");
        Digest::of(&text)
    }

    /// The provider and model of the route; `None` for `offline`.
    pub fn route(&self) -> Option<(&str, &Provider, &str)> {
        let (name, model) = self.model.route.split_once(':')?;
        let provider = self.providers.get(name)?;
        Some((name, provider, model))
    }

    fn check(&self) -> Result<(), ConfigError> {
        let bad = |key: &str, problem: String, remedy: &str| {
            Err(ConfigError::Value {
                key: key.to_owned(),
                problem,
                remedy: remedy.to_owned(),
            })
        };
        if self.model.route != "offline" && self.route().is_none() {
            return bad(
                "model.route",
                format!("{:?} names no provider of [providers]", self.model.route),
                "use \"offline\", or \"PROVIDER:MODEL\" with a provider that stands under [providers]",
            );
        }
        if self.route().is_some_and(|(_, _, model)| model.is_empty()) {
            return bad(
                "model.route",
                "the model's name is empty".to_owned(),
                "write \"PROVIDER:MODEL\"",
            );
        }
        for (name, provider) in &self.providers {
            if let Err(problem) = loopback_origin(&provider.base_url) {
                return bad(
                    &format!("providers.{name}.base-url"),
                    problem,
                    "give a plain http address on this machine, such as http://127.0.0.1:11434/v1",
                );
            }
            if provider.first_byte_ms == 0 || provider.deadline_ms == 0 {
                return bad(
                    &format!("providers.{name}"),
                    "a time limit is zero".to_owned(),
                    "give milliseconds above 0",
                );
            }
        }
        let limits = &self.limits;
        for (key, value, most) in [
            ("limits.rounds", u64::from(limits.rounds), 1_000),
            ("limits.turn-seconds", limits.turn_seconds, 86_400),
            ("limits.turn-tokens", limits.turn_tokens, 100_000_000),
            (
                "limits.calls-per-minute",
                u64::from(limits.calls_per_minute),
                100_000,
            ),
            ("limits.exec-seconds", limits.exec_seconds, 86_400),
            (
                "approvals.expire-seconds",
                self.approvals.expire_seconds,
                604_800,
            ),
            (
                "approvals.always-days",
                u64::from(self.approvals.always_days),
                3_650,
            ),
        ] {
            if !(1..=most).contains(&value) {
                return bad(
                    key,
                    format!("{value} is out of range"),
                    &format!("give a number from 1 to {most}"),
                );
            }
        }
        Ok(())
    }
}

/// Host and port of a plain-http address on loopback.
///
/// # Errors
/// Says in words what is wrong with the address: another scheme, another host, credentials,
/// a query, a fragment.
pub fn loopback_origin(base_url: &str) -> Result<(std::net::IpAddr, u16), String> {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    let Some(rest) = base_url.strip_prefix("http://") else {
        return Err(format!("{base_url:?} does not start with http://"));
    };
    let authority = rest.split('/').next().unwrap_or("");
    if rest.contains(['?', '#', '\\', ' ']) || !rest.is_ascii() {
        return Err(format!(
            "{base_url:?} has a query, a fragment or a character that does not belong in an address"
        ));
    }
    if authority.contains('@') {
        return Err(format!("{base_url:?} carries credentials"));
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(v6) => match v6.split_once(']') {
            Some((host, "")) => (host, "80"),
            Some((host, port)) => (host, port.strip_prefix(':').unwrap_or("")),
            None => return Err(format!("{base_url:?} has an unclosed bracket")),
        },
        None => authority.split_once(':').unwrap_or((authority, "80")),
    };
    let port: u16 = match port.parse() {
        Ok(port) if port != 0 && !authority.ends_with(':') => port,
        _ => return Err(format!("{base_url:?} has no valid port")),
    };
    let address = match host {
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        _ => match (host.parse::<Ipv4Addr>(), host.parse::<Ipv6Addr>()) {
            (Ok(v4), _) => IpAddr::V4(v4),
            (_, Ok(v6)) => IpAddr::V6(v6),
            _ => return Err(format!("{host:?} is not an address on this machine")),
        },
    };
    if address.is_loopback() {
        Ok((address, port))
    } else {
        Err(format!("{host} is not an address on this machine"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_text_is_the_default() {
        let parsed = Config::parse(DEFAULT_TEXT).expect("the shipped configuration is valid");
        assert_eq!(parsed.limits, Limits::default());
        assert_eq!(parsed.approvals, Approvals::default());
        assert_eq!(parsed.model, Model::default());
        let tools: Vec<_> = parsed
            .grants
            .iter()
            .map(|grant| grant.tool.as_str())
            .collect();
        assert!(
            !tools.contains(&"exec"),
            "nothing is executed without a question"
        );
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let error = Config::parse("[limits]\nroundz = 3\n")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("roundz") && error.contains("remedy"),
            "{error}"
        );
    }

    #[test]
    fn values_that_cannot_be_used_are_errors() {
        for bad in [
            "[limits]\nrounds = 0",
            "[model]\nroute = \"nowhere:m\"",
            "[providers.a]\nkind = \"openai-compatible\"\nbase-url = \"http://10.0.0.1/v1\"",
            "[providers.a]\nkind = \"openai-compatible\"\nbase-url = \"https://127.0.0.1/v1\"",
            "[[grants]]\ntool = \"Exec\"",
        ] {
            assert!(Config::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_this_machine_is_an_origin() {
        for good in [
            "http://127.0.0.1:1/v1",
            "http://localhost:11434",
            "http://[::1]:8080/v1",
            "http://127.9.9.9/",
        ] {
            assert!(loopback_origin(good).is_ok(), "{good}");
        }
        for bad in [
            "http://localhost.evil.example/",
            "http://127.0.0.1@evil.example/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://127.1/",
            "http://0.0.0.0/",
            "http://[::ffff:10.0.0.1]/",
            "http://127.0.0.1:/",
            "http://127.0.0.1:0/",
            "http://127.0.0.1\\@evil.example/",
            "file:///etc/passwd",
            "http://[::1/",
            "http://127.0.0.1:80 /",
        ] {
            assert!(loopback_origin(bad).is_err(), "{bad}");
        }
    }
}
