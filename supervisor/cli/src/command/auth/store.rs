//! Handing a secret to the broker.

use crate::broker::{self, BrokerError};
use crate::command::Context;
use crate::screen::neutral::line;
use carapace_contract::control::{Ask, Tell};
use carapace_contract::id::SecretName;
use carapace_contract::secret::NewSecret;

/// How a secret is kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Terms {
    /// Whether its first use in each session needs a yes.
    pub(crate) each_session: bool,
    /// Where it may be sent; where its providers are, if empty.
    pub(crate) origins: Vec<String>,
    /// Whether the value before stays until this one was tried.
    pub(crate) staged: bool,
}

/// What the broker says of it.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Its name.
    pub(crate) name: SecretName,
    /// Where it may be sent.
    pub(crate) origins: Vec<String>,
    /// Too short to be recognised where it should not be.
    pub(crate) too_short: bool,
    /// Whether the value before stays until this one was tried.
    pub(crate) staged: bool,
}

/// Stores it.
///
/// # Errors
/// The broker does not take it.
pub(crate) fn store(
    context: &Context,
    name: &SecretName,
    secret: NewSecret,
    terms: &Terms,
) -> Result<Stored, BrokerError> {
    let ask = Ask::SecretPut {
        name: name.clone(),
        secret,
        each_session: terms.each_session,
        origins: terms.origins.clone(),
        staged: terms.staged,
    };
    match broker::ask(&context.home, &ask)? {
        Tell::Stored { origins, too_short } => Ok(Stored {
            name: name.clone(),
            origins,
            too_short,
            staged: terms.staged,
        }),
        _ => Err(BrokerError::Other),
    }
}

impl Stored {
    /// In words.
    pub(crate) fn words(&self) -> String {
        let mut words = match self.origins.as_slice() {
            _ if self.staged => {
                format!("the new value of {} is tried before it is used", self.name)
            }
            [] => format!("stored {}; it may be sent nowhere", self.name),
            origins => format!(
                "stored {}; it may be sent to {}",
                self.name,
                line(&origins.join(", "))
            ),
        };
        if self.too_short {
            words.push_str("\n! it is too short to be recognised where it should not be");
        }
        words.push('\n');
        words
    }
}
