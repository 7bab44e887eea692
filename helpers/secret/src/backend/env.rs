//! A variable of the environment that this process was given.

use crate::failure::Exit;
use crate::request::Variable;
use crate::value::Raw;
use std::os::unix::ffi::OsStringExt;
use zeroize::Zeroizing;

/// The variable's bytes.
///
/// # Errors
/// [`EnvError`].
pub fn read(variable: &Variable) -> Result<Raw, EnvError> {
    let value = std::env::var_os(variable.text()).ok_or(EnvError::Unset)?;
    Ok(Zeroizing::new(value.into_vec()))
}

/// Why there is no value.
#[derive(Debug, thiserror::Error)]
pub enum EnvError {
    /// Not in the environment. The name is not shown: somebody may have put the secret there.
    #[error(
        "read the environment: the variable is not set\n  remedy: start carapace with it in its environment, or correct `item` of this secret in cage.toml"
    )]
    Unset,
}

impl EnvError {
    /// The status to exit with.
    pub fn exit(&self) -> Exit {
        Exit::NotFound
    }
}
