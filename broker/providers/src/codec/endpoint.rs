//! Where a model is: a provider of the configuration, checked once.

use super::RequestError;
use crate::outbound::{Attach, Limits, Method, Origin, Outbound};
use carapace_contract::config::{Auth, Provider};
use carapace_contract::id::SecretName;
use std::time::Duration;

/// The most bytes of an answer, as they come over the wire. A delta of one token takes some 300
/// bytes of JSON, so this is room for 200,000 of them.
const RESPONSE_BYTES: u64 = 64 * 1024 * 1024;

/// What is usual for a kind of provider, where the configuration is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usual {
    /// The vendor's own address, `{region}` standing for the region; empty where there is none.
    pub base_url: &'static str,
    /// How its secret is sent.
    pub auth: Auth,
    /// The header that carries an API key, and what stands before the key in it.
    pub key_header: (&'static str, &'static str),
    /// AWS's name of the service (`sigv4`).
    pub service: &'static str,
}

/// One model at one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    origin: Origin,
    base: String,
    model: String,
    attach: Option<Attach>,
    thinking: Option<u32>,
    limits: Limits,
}

impl Endpoint {
    /// The model `model` of the provider called `name`.
    ///
    /// # Errors
    /// [`RequestError::Address`] where the address is neither https nor plain http to this machine,
    /// or holds credentials, a query or a fragment; [`RequestError::Model`] where the model's name is empty, over
    /// 256 bytes or has control characters; [`RequestError::Setting`] where something is missing.
    pub fn new(
        name: &str,
        provider: &Provider,
        usual: &Usual,
        model: &str,
    ) -> Result<Self, RequestError> {
        if model.is_empty() || model.len() > 256 || model.chars().any(char::is_control) {
            return Err(RequestError::Model(model.chars().take(80).collect()));
        }
        let region = provider.region.as_deref().unwrap_or_default();
        let sound = |region: &str| {
            !region.is_empty()
                && region
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        let auth = provider.auth.unwrap_or(usual.auth);
        let needs_region = usual.base_url.contains("{region}") && provider.base_url.is_none();
        if (needs_region || auth == Auth::Sigv4) && !sound(region) {
            return Err(RequestError::Setting("`region`"));
        }
        let base = match &provider.base_url {
            Some(base) => base.clone(),
            None => usual.base_url.replace("{region}", region),
        };
        if base.is_empty() {
            return Err(RequestError::Setting("`base-url`"));
        }
        let origin = Origin::of(&base).map_err(RequestError::Address)?;
        let url =
            url::Url::parse(&base).map_err(|error| RequestError::Address(error.to_string()))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(RequestError::Address(format!(
                "{base:?} has a query or a fragment"
            )));
        }
        let secret = || -> Result<SecretName, RequestError> {
            match &provider.secret {
                Some(secret) => Ok(secret.clone()),
                None => name.parse().map_err(|_| RequestError::Setting("`secret`")),
            }
        };
        let attach = match auth {
            Auth::None => None,
            Auth::ApiKey => Some(Attach::Header {
                name: usual.key_header.0,
                before: usual.key_header.1,
                secret: secret()?,
            }),
            Auth::Bearer => Some(Attach::Bearer { secret: secret()? }),
            Auth::Oauth => Some(Attach::Oauth { secret: secret()? }),
            Auth::Sigv4 => Some(Attach::Sigv4 {
                secret: secret()?,
                region: region.to_owned(),
                service: usual.service,
            }),
        };
        Ok(Self {
            base: format!("{origin}{}", url.path().trim_end_matches('/')),
            origin,
            model: model.to_owned(),
            attach,
            thinking: provider.thinking_tokens,
            limits: Limits {
                first_byte: Duration::from_millis(provider.first_byte_ms),
                deadline: Duration::from_millis(provider.deadline_ms),
                response_bytes: RESPONSE_BYTES,
            },
        })
    }

    /// The same with other time limits.
    #[must_use]
    pub fn within(mut self, first_byte_ms: Option<u64>, deadline_ms: Option<u64>) -> Self {
        if let Some(millis) = first_byte_ms {
            self.limits.first_byte = Duration::from_millis(millis);
        }
        if let Some(millis) = deadline_ms {
            self.limits.deadline = Duration::from_millis(millis);
        }
        self
    }

    /// Where requests go.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Tokens that the model may think with; `None` for no thinking.
    pub fn thinking(&self) -> Option<u32> {
        self.thinking
    }

    /// The name of the secret that requests carry.
    pub fn secret(&self) -> Option<&SecretName> {
        self.attach.as_ref().map(Attach::secret)
    }

    /// A POST of JSON to `path` beneath the base, which begins with a slash.
    pub fn post(
        &self,
        path: &str,
        mut headers: Vec<(&'static str, String)>,
        body: &serde_json::Value,
    ) -> Outbound {
        headers.push(("content-type", "application/json".to_owned()));
        self.outbound(Method::Post, path, headers, body.to_string().into_bytes())
    }

    /// A GET of `path` beneath the base, which begins with a slash.
    pub fn get(&self, path: &str, headers: Vec<(&'static str, String)>) -> Outbound {
        self.outbound(Method::Get, path, headers, Vec::new())
    }

    fn outbound(
        &self,
        method: Method,
        path: &str,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    ) -> Outbound {
        Outbound {
            method,
            url: format!("{}{path}", self.base),
            headers,
            body: body.into(),
            attach: self.attach.clone(),
            limits: self.limits,
        }
    }
}
