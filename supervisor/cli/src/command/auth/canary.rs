//! `carapace auth canary`: a fake key as bait. The vault knows it, nobody uses it, and it may be sent
//! nowhere; where it turns up, somebody has read what they should not.

use super::store::{Terms, store};
use crate::command::{Context, start};
use crate::failure::{Exit, Explain, Failure};
use crate::{screen, vault_door};
use carapace_contract::id::SecretName;
use carapace_contract::secret::{NewSecret, SecretText};
use std::io;

/// How long the random part is: as long as a vendor's.
const LENGTH: usize = 48;

/// Why there is no bait.
#[derive(Debug, thiserror::Error)]
enum CanaryError {
    #[error("making a canary: the name cannot be used")]
    Name,
    #[error("making a canary: {0}")]
    Random(io::Error),
    #[error("making a canary: there is a {0} already, and a second one would take its place")]
    Taken(SecretName),
}

impl Explain for CanaryError {
    fn code(&self) -> &'static str {
        match self {
            Self::Name => "canary-name",
            Self::Random(_) => "system",
            Self::Taken(_) => "canary-taken",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Name => "use at most 33 of a-z 0-9 - _ .".to_owned(),
            Self::Random(_) => "mend what the system names and try again".to_owned(),
            Self::Taken(name) => format!(
                "give another NAME, or `carapace auth rm {name}` first: what was laid out is no bait then"
            ),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Name | Self::Taken(_) => Exit::Usage,
            Self::Random(_) => Exit::Failed,
        }
    }
}

/// Makes it, stores it, and shows it once.
///
/// # Errors
/// The name cannot be used, or the broker does not take it.
pub(crate) fn run(context: &Context, name: Option<&str>) -> Result<Exit, Failure> {
    let named = |name: &str| -> Result<SecretName, CanaryError> {
        format!("canary-{}", name.strip_prefix("canary-").unwrap_or(name))
            .parse()
            .map_err(|_| CanaryError::Name)
    };
    let wanted = name.map(named).transpose()?;
    let bait = bait().map_err(CanaryError::Random)?;
    start::start_if_needed(context)?;
    let there = vault_door::names(context)?;
    let name = match wanted {
        Some(name) if there.contains(&name) => return Err(CanaryError::Taken(name).into()),
        Some(name) => name,
        // One more than there are: one of these is free.
        None => (1..=there.len() + 1)
            .filter_map(|number| named(&number.to_string()).ok())
            .find(|name| !there.contains(name))
            .ok_or(CanaryError::Name)?,
    };
    let secret = NewSecret::Key {
        value: SecretText::new(bait.clone()),
    };
    store(context, &name, secret, &Terms::default())?;
    if context.json {
        screen::print_json(&serde_json::json!({"name": name, "canary": bait}));
        return Ok(Exit::Done);
    }
    screen::print(&format!("{bait}\n"));
    screen::aside(&format!(
        "\
This is {name}. It is nobody's key and opens nothing; it is shown only now.
Lay it where an intruder would look and no honest program does, for example:
  a file notes/old-keys.txt in the workspace, a line in a mounted folder, a draft in your mailbox
When it comes by on its way to a model, a tool or a log, it is taken out and an alarm is raised:
`carapace approvals watch` and `carapace logs` show it.
"
    ));
    Ok(Exit::Done)
}

/// Looks like a key of a vendor.
fn bait() -> io::Result<String> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789AB";
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    let random: String = bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte & 63)]))
        .collect();
    Ok(format!("sk-proj-{random}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bait_is_another_and_looks_like_a_key() {
        let (one, other) = (bait().unwrap(), bait().unwrap());
        assert_ne!(one, other);
        assert!(crate::secret::paste::shows_a_key(&one));
        assert_eq!(one.len(), 8 + LENGTH);
    }
}
