//! The desktop's keyring, by way of the one program that speaks to it. A value goes over its
//! standard input or output, never on its command line.

use crate::failure::Explain;
use crate::supervisor::{self, SupervisorError};
use carapace_contract::secret::{MAX_SECRET, SecretText};
use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use zeroize::Zeroizing;

/// The program, beside this one.
const HELPER: &str = "carapace-secret-helper";
/// What the program may say about a failure, in bytes.
const WORDS: u64 = 4096;
/// Its exit status where the keyring is open and has no such item.
const NOT_THERE: i32 = 3;

/// Why the keyring did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyringError {
    /// The program is not there.
    #[error(transparent)]
    Absent(#[from] SupervisorError),
    /// It cannot be run.
    #[error("asking the keyring: {0}")]
    Run(io::Error),
    /// It says no.
    #[error("asking the keyring: {0}")]
    Refused(String),
}

impl Explain for KeyringError {
    fn code(&self) -> &'static str {
        "keyring"
    }

    fn remedy(&self) -> String {
        match self {
            Self::Absent(error) => error.remedy(),
            Self::Run(_) => "mend what the system names and try again".to_owned(),
            Self::Refused(_) => {
                "unlock the keyring of your desktop, or protect the vault with --passphrase"
                    .to_owned()
            }
        }
    }
}

/// Whether a keyring answers.
///
/// # Errors
/// It does not, or cannot be asked.
pub(crate) fn probe() -> Result<(), KeyringError> {
    run(&["keyring-probe"], None)
}

/// Puts a value there.
///
/// # Errors
/// The keyring does not take it.
pub(crate) fn set(account: &str, value: &SecretText) -> Result<(), KeyringError> {
    run(&["keyring-set", account], Some(value))
}

/// Reads a value; `None` where there is none.
///
/// # Errors
/// The keyring does not give it, or it is no text.
pub(crate) fn get(account: &str) -> Result<Option<SecretText>, KeyringError> {
    let mut child = Command::new(supervisor::sibling(HELPER)?)
        .args(["keyring", account])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(KeyringError::Run)?;
    // Room for all of it at once: a vector that grows leaves copies behind.
    let mut value = Zeroizing::new(Vec::with_capacity(MAX_SECRET + 64));
    if let Some(pipe) = child.stdout.take() {
        pipe.take(MAX_SECRET as u64)
            .read_to_end(&mut value)
            .map_err(KeyringError::Run)?;
    }
    let said = first_line(&mut child);
    let status = child.wait().map_err(KeyringError::Run)?;
    match status.code() {
        Some(0) => match String::from_utf8(std::mem::take(&mut *value)) {
            Ok(text) => Ok(Some(SecretText::new(text))),
            Err(error) => {
                drop(Zeroizing::new(error.into_bytes()));
                Err(KeyringError::Refused("what it holds is no text".to_owned()))
            }
        },
        Some(NOT_THERE) => Ok(None),
        _ => Err(KeyringError::Refused(said)),
    }
}

fn run(words: &[&str], value: Option<&SecretText>) -> Result<(), KeyringError> {
    let mut child = Command::new(supervisor::sibling(HELPER)?)
        .args(words)
        .stdin(if value.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(KeyringError::Run)?;
    if let (Some(mut pipe), Some(value)) = (child.stdin.take(), value) {
        pipe.write_all(value.reveal().as_bytes())
            .map_err(KeyringError::Run)?;
    }
    let said = first_line(&mut child);
    // The program has a time limit of its own.
    let status = child.wait().map_err(KeyringError::Run)?;
    if status.success() {
        return Ok(());
    }
    Err(KeyringError::Refused(said))
}

/// What the program says about a failure.
fn first_line(child: &mut Child) -> String {
    let mut said = Vec::new();
    if let Some(pipe) = child.stderr.take() {
        let _ = pipe.take(WORDS).read_to_end(&mut said);
    }
    let said = String::from_utf8_lossy(&said);
    said.lines()
        .next()
        .unwrap_or("it gave no reason")
        .to_owned()
}
