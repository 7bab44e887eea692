//! A provider in the configuration: found, or added where its name is that of a well-known vendor.

use crate::command::{Context, start};
use crate::config_file;
use crate::failure::{Exit, Explain, Failure};
use crate::secret::vendor::{self, Shape, Vendor};
use crate::supervisor::{self, SupervisorError};
use carapace_contract::config::{Auth, Provider};
use carapace_contract::id::SecretName;

/// Kinds that send no secret unless `auth` says so: servers of one's own mostly take none.
const SENDS_NONE: [&str; 2] = ["ollama", "openai-compatible"];

/// Why a provider cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    /// Nobody knows it.
    #[error(
        "looking up the provider: there is no provider {0:?} in config.toml, and no vendor of that name"
    )]
    Unknown(String),
    /// Its name is no name of a secret.
    #[error("looking up the provider: the name {0:?} cannot be used")]
    Name(String),
}

impl Explain for ProviderError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "provider-unknown",
            Self::Name(_) => "provider-name",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Unknown(name) => format!(
                "use one of {}; or describe yours first: carapace config set providers.{name} '{{kind=\"openai-compatible\", base-url=\"https://HOST/v1\"}}'",
                vendor::ALL
                    .iter()
                    .map(|vendor| vendor.kind)
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            Self::Name(_) => {
                "use 1 to 40 of a-z 0-9 - _ . starting with a letter or digit".to_owned()
            }
        }
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// A provider, and what is known of it.
#[derive(Debug)]
pub(crate) struct Known {
    /// Its name in `[providers]`.
    pub(crate) name: String,
    /// The secret that it uses.
    pub(crate) secret: SecretName,
    /// Its vendor, where that is a well-known one.
    pub(crate) vendor: Option<&'static Vendor>,
    /// As it stands in the configuration; `None` where it is to be added.
    pub(crate) configured: Option<Provider>,
    /// What is to be written for it: the field and its value as TOML.
    pub(crate) fields: Vec<(&'static str, String)>,
}

/// Looks it up.
///
/// # Errors
/// [`ProviderError`], or the configuration cannot be read.
pub(crate) fn find(context: &Context, name: &str) -> Result<Known, Failure> {
    let (_, config) = config_file::load(&context.home)?;
    let bad_name = |_| ProviderError::Name(name.chars().take(80).collect());
    let own: SecretName = name.parse().map_err(bad_name)?;
    if let Some(provider) = config.providers.get(name) {
        return Ok(Known {
            name: name.to_owned(),
            secret: provider.secret.clone().unwrap_or(own),
            vendor: vendor::of(provider.kind.as_str()),
            configured: Some(provider.clone()),
            fields: Vec::new(),
        });
    }
    let vendor = vendor::of(name).ok_or_else(|| ProviderError::Unknown(name.to_owned()))?;
    Ok(Known {
        name: name.to_owned(),
        secret: own,
        vendor: Some(vendor),
        configured: None,
        fields: vec![("kind", quoted(vendor.kind))],
    })
}

impl Known {
    /// Sees to it that a key, once stored, is sent. True where the configuration says that none is.
    pub(crate) fn send_key(&mut self) -> bool {
        let kind = match (&self.configured, self.vendor) {
            (Some(provider), _) => provider.kind.as_str(),
            (None, Some(vendor)) => vendor.kind,
            (None, None) => return false,
        };
        match self.configured.as_ref().and_then(|provider| provider.auth) {
            Some(auth) => auth == Auth::None,
            None => {
                if SENDS_NONE.contains(&kind)
                    && !self.fields.iter().any(|(field, _)| *field == "auth")
                {
                    self.fields.push(("auth", quoted("api-key")));
                }
                false
            }
        }
    }

    /// Whether calls need a key that is not part of the machine's own configuration.
    pub(crate) fn needs_key(&self) -> bool {
        match &self.configured {
            Some(provider) => match provider.auth {
                Some(auth) => auth != Auth::None,
                None => !SENDS_NONE.contains(&provider.kind.as_str()),
            },
            None => self.vendor.is_none_or(|vendor| vendor.shape != Shape::None),
        }
    }

    /// Writes what is to be written, and sees to it that carapace runs with it. True where the
    /// provider was added.
    ///
    /// # Errors
    /// The configuration cannot be changed, or carapace cannot be started.
    pub(crate) fn bring_into_force(&self, context: &Context) -> Result<bool, Failure> {
        if !self.fields.is_empty() {
            let changes: Vec<(String, String)> = self
                .fields
                .iter()
                .map(|(field, value)| (format!("providers.{}.{field}", self.name), value.clone()))
                .collect();
            change(context, &changes)?;
        }
        start::start_if_needed(context)?;
        Ok(self.configured.is_none())
    }
}

/// Changes the configuration and brings it into force, or leaves it as it was.
///
/// # Errors
/// The change cannot be used, also where only the broker knows why.
pub(crate) fn change(context: &Context, changes: &[(String, String)]) -> Result<(), Failure> {
    let before = config_file::text(&context.home)?;
    config_file::set(&context.home, changes)?;
    if supervisor::status(&context.home)?.is_some()
        && let Err(error) = supervisor::reload(&context.home)
    {
        if matches!(error, SupervisorError::Refused { .. }) {
            // A later start would fail over it.
            config_file::restore(&context.home, &before)?;
        }
        return Err(error.into());
    }
    Ok(())
}

/// A text as TOML.
pub(crate) fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}
