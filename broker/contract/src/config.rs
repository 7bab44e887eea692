//! `config.toml`: the owner's choices, typed and strict. An unknown key is an error (invariant I12).
//! Every default is visible here. What confines (waivers, mounts) is not here but in `cage.toml`,
//! which the broker cannot see.

use crate::id::{Digest, SecretName, ToolName};
use crate::label::Category;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The largest configuration file that is read, in bytes.
pub const MAX_CONFIG: usize = 256 * 1024;

/// The text a fresh home gets: every key with its default, explained.
pub const DEFAULT_TEXT: &str = include_str!("default-config.toml");

/// The route to the model inside the broker.
pub const OFFLINE: &str = "offline";

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
    /// Lists of models, by name: the first that works answers.
    pub routes: BTreeMap<String, Route>,
    /// Where models are, by name.
    pub providers: BTreeMap<String, Provider>,
    /// What models cost.
    pub prices: Vec<Price>,
    /// What may be spent.
    pub budgets: Vec<Budget>,
    /// How the broker reaches the network.
    pub network: Network,
    /// Limits of one turn and one session.
    pub limits: Limits,
    /// How questions are asked.
    pub approvals: Approvals,
    /// What is done without a question.
    pub grants: Vec<Grant>,
    /// Whom the owner knows, and when everything is asked about.
    pub policy: Policy,
    /// Whether the assistant may read pages.
    pub web: Web,
}

/// Whether the assistant may read pages of the internet, each as the floor allows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Web {
    /// Whether the tool `web_fetch` is there.
    pub fetch: bool,
    /// Origins in a private network or on this machine whose pages it may read, exactly these.
    pub private_origins: Vec<String>,
}

/// Whom the owner knows, and when everything is asked about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Policy {
    /// Whole values that may be recipients and addresses without being named in the conversation: mail
    /// addresses, URLs, handles, account numbers.
    pub contacts: Vec<String>,
    /// From this exposure of a session on, everything with an effect is asked about; 0: never.
    pub ask_from: u32,
    /// Which model judges rules that are not compiled and compiles them: `session` (that of the session), a
    /// route, `PROVIDER:MODEL`, or `off`: then a person is asked.
    pub judge_route: String,
    /// Seconds that such a model may take before a person is asked.
    pub judge_seconds: u64,
    /// Whether that model looks at words of others for instructions to the assistant.
    pub classifier: Classifier,
}

/// What is done with words of others that look like instructions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Classifier {
    /// No model looks at them.
    #[default]
    Off,
    /// The owner is told.
    Warn,
    /// The owner is told, and from then on everything with an effect is asked about in the session. Also
    /// where no model could look.
    Ask,
}

/// The value of `policy.judge-route` that stands for the session's own route.
pub const JUDGE_SESSION: &str = "session";
/// The value of `policy.judge-route` that stands for no model.
pub const JUDGE_OFF: &str = "off";

impl Default for Policy {
    fn default() -> Self {
        Self {
            contacts: Vec::new(),
            ask_from: 100,
            judge_route: JUDGE_SESSION.to_owned(),
            judge_seconds: 20,
            classifier: Classifier::Off,
        }
    }
}

/// The most contacts.
const CONTACTS: usize = 10_000;

/// Which model answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Model {
    /// `offline`, `PROVIDER:MODEL` with a provider of `[providers]`, or the name of a route of `[routes]`.
    pub route: String,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            route: "offline".to_owned(),
        }
    }
}

/// An ordered list of models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Route {
    /// `PROVIDER:MODEL`, best first; `offline` may stand last and only reports the outage.
    pub models: Vec<String>,
    /// Milliseconds until the first byte of one attempt; else the provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<u64>,
    /// Milliseconds that one attempt may take; else the provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
}

/// One model: which provider, and its name there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelName {
    /// A key of `[providers]`.
    pub provider: String,
    /// As the vendor spells it; may hold colons.
    pub model: String,
}

impl std::fmt::Display for ModelName {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}", self.provider, self.model)
    }
}

impl std::str::FromStr for ModelName {
    type Err = RouteError;
    fn from_str(text: &str) -> Result<Self, RouteError> {
        match text.split_once(':') {
            Some((provider, model)) if !provider.is_empty() && !model.is_empty() => Ok(Self {
                provider: provider.to_owned(),
                model: model.to_owned(),
            }),
            _ => Err(RouteError::MissingModel(text.to_owned())),
        }
    }
}

/// Why a route leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Neither a route nor `PROVIDER:MODEL`.
    #[error("{0:?} is no route of [routes] and not of the form PROVIDER:MODEL")]
    UnknownRoute(String),
    /// The model's name is missing.
    #[error("{0:?} does not name a model: write PROVIDER:MODEL")]
    MissingModel(String),
    /// There is no such provider.
    #[error("{0:?} names no provider of [providers]")]
    ProviderNotConfigured(String),
    /// A list without a model.
    #[error("the route {0:?} has no models")]
    Empty(String),
}

impl RouteError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownRoute(_) => "unknown-route",
            Self::MissingModel(_) => "missing-model",
            Self::ProviderNotConfigured(_) => "provider-not-configured",
            Self::Empty(_) => "empty-route",
        }
    }
}

/// One place where models are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Provider {
    /// Which protocol it speaks.
    pub kind: ProviderKind,
    /// Its address up to and without the protocol's own path (`/v1/messages`, `/chat/completions`); the
    /// vendor's own where it is left out. https, or plain http to this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The secret that is sent with each request; the provider's own name where it is left out and the
    /// kind needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretName>,
    /// How it is sent; the kind's own way where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// AWS region (`bedrock`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Categories of private data that it must not see: a session that has seen one of them does not go
    /// there. `*` stands for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withhold: Vec<String>,
    /// Tokens that a model may think with before it answers; none where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking_tokens: Option<u32>,
    /// How a person logs in (`auth = "oauth"`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<Oauth>,
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

/// A protocol that providers speak, by its name: 1 to 40 of `a-z 0-9 -`. Which names there are is
/// known where the protocols are; an unknown one stops the broker's start with the list of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProviderKind(String);

impl ProviderKind {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ProviderKind {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let fits = (1..=40).contains(&text.len())
            && text
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if fits {
            Ok(Self(text))
        } else {
            Err("the kind of a provider has 1 to 40 of a-z 0-9 -".to_owned())
        }
    }
}

impl std::str::FromStr for ProviderKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.to_owned().try_into()
    }
}

impl From<ProviderKind> for String {
    fn from(kind: ProviderKind) -> String {
        kind.0
    }
}

/// How a secret is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// Not at all.
    None,
    /// The kind's own header for API keys (`x-api-key`, `x-goog-api-key`, or bearer).
    ApiKey,
    /// `Authorization: Bearer`.
    Bearer,
    /// An OAuth access token as bearer, renewed by the broker.
    Oauth,
    /// AWS Signature Version 4.
    Sigv4,
}

/// An OAuth 2.0 client (RFC 6749, with PKCE of RFC 7636 and a loopback redirect of RFC 8252).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Oauth {
    /// Where the person logs in.
    pub authorization_url: String,
    /// Where codes and refresh tokens become access tokens.
    pub token_url: String,
    /// The client's public name.
    pub client_id: String,
    /// The secret that holds the client's password, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretName>,
    /// What is asked for.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// What one model costs, in US dollars per million tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Price {
    /// `PROVIDER:MODEL`; a `*` at the end stands for the rest of the name.
    pub model: String,
    /// Tokens read.
    pub input: f64,
    /// Tokens written.
    pub output: f64,
    /// Tokens read from the vendor's cache; else as `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<f64>,
    /// Tokens written to the vendor's cache; else as `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
    /// The day the vendor's list was read, `YYYY-MM-DD`.
    pub as_of: String,
}

/// A limit of what may be spent on models. Several hold at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Budget {
    /// Whose spending is added up.
    pub per: Per,
    /// Only this group or channel; each of them where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// Over which time; from the beginning where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Every>,
    /// US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<f64>,
    /// Tokens, read and written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// Whose spending a budget limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// Each session.
    Session,
    /// Each group.
    Group,
    /// Each channel.
    Channel,
    /// Everything together.
    All,
}

/// The time over which a budget adds up, by the calendar in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Every {
    /// A day.
    Day,
    /// A month.
    Month,
}

/// How the broker reaches the network.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Network {
    /// Certificate authorities that are trusted beside the usual ones, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
    /// `http://HOST:PORT` of an HTTP proxy that everything but this machine is reached through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Origins (`https://HOST:PORT`) in private address ranges that may be reached all the same.
    pub private_origins: Vec<String>,
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
    /// Minutes that a plan you said yes to holds.
    pub task_minutes: u32,
}

impl Default for Approvals {
    fn default() -> Self {
        Self {
            expire_seconds: 300,
            always_days: 30,
            task_minutes: 60,
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

    /// The models that a route leads to, best first, with their provider. `offline` leads to none.
    ///
    /// # Errors
    /// [`RouteError`] where a name leads nowhere; never a silent default.
    pub fn candidates(&self, route: &str) -> Result<Vec<(ModelName, &Provider)>, RouteError> {
        if route == OFFLINE {
            return Ok(Vec::new());
        }
        let one = |text: &str| {
            let name: ModelName = text.parse()?;
            match self.providers.get(&name.provider) {
                Some(provider) => Ok((name, provider)),
                None => Err(RouteError::ProviderNotConfigured(name.provider)),
            }
        };
        match self.routes.get(route) {
            Some(list) if list.models.is_empty() => Err(RouteError::Empty(route.to_owned())),
            Some(list) => list
                .models
                .iter()
                .filter(|name| *name != OFFLINE)
                .map(|name| one(name))
                .collect(),
            None if route.contains(':') => Ok(vec![one(route)?]),
            None => Err(RouteError::UnknownRoute(route.to_owned())),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let bad = |key: &str, problem: String, remedy: &str| {
            Err(ConfigError::Value {
                key: key.to_owned(),
                problem,
                remedy: remedy.to_owned(),
            })
        };
        let routes = self
            .routes
            .keys()
            .map(|name| (format!("routes.{name}"), name));
        for (key, route) in routes.chain([("model.route".to_owned(), &self.model.route)]) {
            if let Err(problem) = self.candidates(route) {
                return bad(
                    &key,
                    problem.to_string(),
                    "use \"offline\", \"PROVIDER:MODEL\" with a provider that stands under [providers], or a name of [routes]",
                );
            }
        }
        let judge = &self.policy.judge_route;
        let is_known = judge == JUDGE_SESSION || judge == JUDGE_OFF;
        if !is_known && let Err(problem) = self.candidates(judge) {
            return bad(
                "policy.judge-route",
                problem.to_string(),
                "use \"session\", \"off\", \"PROVIDER:MODEL\" with a provider that stands under [providers], or a name of [routes]",
            );
        }
        if self.policy.contacts.len() > CONTACTS
            || self
                .policy
                .contacts
                .iter()
                .any(|value| value.trim().len() < 2 || value.len() > 2048)
        {
            return bad(
                "policy.contacts",
                format!(
                    "it has more than {CONTACTS} values, or one that is shorter than 2 or longer than 2048 bytes"
                ),
                "keep whole values: an address, a URL, a handle, an account number",
            );
        }
        if self
            .routes
            .keys()
            .any(|name| name == OFFLINE || name.contains(':'))
        {
            return bad(
                "routes",
                "a route is called \"offline\" or has a colon in its name".to_owned(),
                "give it another name",
            );
        }
        for (name, provider) in &self.providers {
            if name.parse::<SecretName>().is_err() {
                return bad(
                    &format!("providers.{name}"),
                    "the name cannot be used".to_owned(),
                    "use 1 to 40 of a-z 0-9 - _ . starting with a letter or digit",
                );
            }
            if let Some(base) = &provider.base_url
                && !base.starts_with("https://")
                && let Err(problem) = loopback_origin(base)
            {
                return bad(
                    &format!("providers.{name}.base-url"),
                    problem,
                    "give an https address, or plain http on this machine such as http://127.0.0.1:11434/v1",
                );
            }
            let unfit = |one: &&String| *one != "*" && one.parse::<Category>().is_err();
            if let Some(one) = provider.withhold.iter().find(unfit) {
                return bad(
                    &format!("providers.{name}.withhold"),
                    format!("{one:?} is no category of private data"),
                    "use names such as mail or health, which `carapace sessions` shows, or \"*\" for all",
                );
            }
            if provider.first_byte_ms == 0 || provider.deadline_ms == 0 {
                return bad(
                    &format!("providers.{name}"),
                    "a time limit is zero".to_owned(),
                    "give milliseconds above 0",
                );
            }
            if provider.auth == Some(Auth::Oauth) && provider.oauth.is_none() {
                return bad(
                    &format!("providers.{name}.oauth"),
                    "auth is oauth, and how to log in is not said".to_owned(),
                    "give authorization-url, token-url and client-id",
                );
            }
        }
        for price in &self.prices {
            let numbers = [
                Some(price.input),
                Some(price.output),
                price.cache_read,
                price.cache_write,
            ];
            if numbers
                .into_iter()
                .flatten()
                .any(|usd| !(0.0..=100_000.0).contains(&usd))
            {
                return bad(
                    &format!("prices.{}", price.model),
                    "a price is out of range".to_owned(),
                    "give US dollars per million tokens, 0 to 100000",
                );
            }
        }
        for budget in &self.budgets {
            let usd = budget
                .usd
                .is_none_or(|usd| (0.0..=1_000_000.0).contains(&usd));
            let named = budget.only.is_none() || matches!(budget.per, Per::Group | Per::Channel);
            if !usd || !named || (budget.usd.is_none() && budget.tokens.is_none()) {
                return bad(
                    "budgets",
                    "a budget limits nothing, or its numbers are out of range, or `only` has nothing to name"
                        .to_owned(),
                    "give usd (0 to 1000000) or tokens; `only` goes with per = \"group\" or \"channel\"",
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
            ("policy.judge-seconds", self.policy.judge_seconds, 300),
            (
                "approvals.always-days",
                u64::from(self.approvals.always_days),
                3_650,
            ),
            (
                "approvals.task-minutes",
                u64::from(self.approvals.task_minutes),
                1_440,
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
            "[budgets]\nper = \"all\"",
            "[[budgets]]\nper = \"all\"",
            "[routes.a]\nmodels = []",
            "[routes.a]\nmodels = [\"x:y\"]",
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
