//! `carapace auth protect`: how the vault's own key is kept. The way before stops working only once
//! the new one does.

use crate::broker::{self, BrokerError};
use crate::command::{Context, start};
use crate::failure::{Exit, Explain, Failure};
use crate::secret::{input, keyring};
use crate::{cage_file, home, person, screen, vault_door};
use carapace_contract::control::Ask;
use carapace_contract::secret::{Protect, SecretText};
use carapace_jail::config::{Backend, SecretSource};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The shortest passphrase, in bytes.
const SHORTEST: usize = 8;
/// For everything in the vault to be written anew, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// What the key is called in the keyring.
const ACCOUNT: &str = "vault-key";

/// Choose how the vault's own key is kept.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carapace auth protect --passphrase      typed after each start; protects the disk and its copies
  carapace auth protect --keyring         in the keyring of your desktop; opened when you log in
  carapace auth protect --key-file        in the home, 0600; protects copies of the state folder only
  carapace auth protect --key-file --rekey   also a new key for everything in the vault")]
pub(crate) struct Args {
    /// With a passphrase, typed twice; standard input where there is no terminal
    #[arg(long, group = "manner")]
    passphrase: bool,
    /// Read the passphrase from this file
    #[arg(long, value_name = "FILE", requires = "passphrase")]
    passphrase_file: Option<PathBuf>,
    /// With a key in a file of the home
    #[arg(long, group = "manner")]
    key_file: bool,
    /// With a key in the keyring of the desktop
    #[arg(long, group = "manner")]
    keyring: bool,
    /// Also write everything in the vault anew, with a new key
    #[arg(long)]
    rekey: bool,
}

/// How.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Derived from a passphrase.
    Passphrase,
    /// In a file.
    KeyFile,
    /// In the desktop's keyring.
    Keyring,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
enum ProtectError {
    #[error("protecting the vault: it is not said how")]
    How,
    #[error("protecting the vault: a passphrase has at least {SHORTEST} bytes")]
    Short,
    #[error("protecting the vault: {path}: {cause}")]
    File { path: PathBuf, cause: io::Error },
}

impl Explain for ProtectError {
    fn code(&self) -> &'static str {
        match self {
            Self::How => "protect-how",
            Self::Short => "passphrase-short",
            Self::File { .. } => "protect-file",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::How => "give --passphrase, --keyring or --key-file",
            Self::Short => "take four or five words that nobody would put side by side",
            Self::File { .. } => "mend what the system names and try again",
        }
        .to_owned()
    }

    fn exit(&self) -> Exit {
        match self {
            Self::How | Self::Short => Exit::Usage,
            Self::File { .. } => Exit::Failed,
        }
    }
}

impl Args {
    fn manner(&self) -> Option<Manner> {
        match (self.passphrase, self.key_file, self.keyring) {
            (true, ..) => Some(Manner::Passphrase),
            (_, true, _) => Some(Manner::KeyFile),
            (.., true) => Some(Manner::Keyring),
            _ => None,
        }
    }
}

/// Runs `auth protect`.
///
/// # Errors
/// It cannot be done; the vault is kept as before then.
pub(crate) fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    start::start_if_needed(context)?;
    let manner = match args.manner() {
        Some(manner) => manner,
        None if person::is_here(context) => offer()?,
        None => return Err(ProtectError::How.into()),
    };
    protect(context, manner, args.passphrase_file.as_deref(), args.rekey)?;
    let vault = vault_door::row(context)?;
    if context.json {
        screen::print_json(&vault);
    } else {
        screen::print(&format!("{}\n", screen::neutral::line(&vault.words)));
    }
    Ok(Exit::Done)
}

fn offer() -> Result<Manner, Failure> {
    let manners = choices();
    let words: Vec<String> = manners
        .iter()
        .map(|(_, words)| (*words).to_owned())
        .collect();
    match person::choose("how?", &words) {
        Some(at) => Ok(manners[at].0),
        None => Err(ProtectError::How.into()),
    }
}

/// The ways that this machine has, and what each protects against; the best first.
pub(crate) fn choices() -> Vec<(Manner, &'static str)> {
    let mut choices = vec![
        (
            Manner::KeyFile,
            "key file: nothing to type; protects copies of the state folder, not of the whole home",
        ),
        (
            Manner::Passphrase,
            "passphrase: typed after each start; protects the disk and every copy of it",
        ),
    ];
    if keyring::probe().is_ok() {
        choices.insert(
            0,
            (
                Manner::Keyring,
                "keyring of the desktop: opened when you log in; protects every copy of the home",
            ),
        );
    }
    choices
}

/// Does it.
///
/// # Errors
/// As [`run`].
pub(crate) fn protect(
    context: &Context,
    manner: Manner,
    file: Option<&Path>,
    rekey: bool,
) -> Result<(), Failure> {
    match manner {
        Manner::Passphrase => passphrase(context, file, rekey),
        Manner::KeyFile => key_file(context, rekey),
        Manner::Keyring => in_keyring(context, rekey),
    }
}

fn passphrase(context: &Context, file: Option<&Path>, rekey: bool) -> Result<(), Failure> {
    let passphrase = match file {
        Some(path) => input::file("the passphrase", path)?,
        None if input::is_terminal() => input::masked_twice("new passphrase of the vault")?,
        None => input::secret("the passphrase")?,
    };
    if passphrase.reveal().len() < SHORTEST {
        return Err(ProtectError::Short.into());
    }
    tell(context, Protect::Passphrase { passphrase }, rekey)?;
    remove(&context.home.vault_key().with_extension("key.new"))?;
    remove(&context.home.vault_key())
}

fn key_file(context: &Context, rekey: bool) -> Result<(), Failure> {
    let path = context.home.vault_key();
    let fresh = path.with_extension("key.new");
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |cause| ProtectError::File { path, cause }
    };
    let (text, key) = fresh_key()?;
    let is_new = crate::files::create(&fresh, text.reveal().as_bytes()).map_err(failed(&fresh))?;
    // One that a run before this left behind may be what opens the vault, so it is used and not replaced.
    let key = if is_new {
        key
    } else {
        input::file("the key of a run before", &fresh)?
    };
    let protect = Ask::Protect {
        with: Protect::KeyFile { key },
        rekey,
    };
    match broker::ask_within(&context.home, &protect, PATIENCE) {
        Ok(_) => {}
        // The vault has surely not taken it: it opens nothing.
        Err(error) if is_new && is_certain(&error) => {
            remove(&fresh)?;
            return Err(error.into());
        }
        Err(error) => {
            // The vault may have taken it before the link broke, or could not say whether it was written.
            screen::aside(&format!(
                "! a new key lies in {new} and the vault may have taken it: do this again once carapace runs; should the vault be locked then: mv {new} {old} && carapace restart\n",
                new = fresh.display(),
                old = path.display()
            ));
            return Err(error.into());
        }
    }
    std::fs::rename(&fresh, &path)
        .and_then(|()| std::fs::File::open(context.home.key_dir())?.sync_all())
        .map_err(failed(&path))?;
    Ok(())
}

/// Whether nothing was changed for certain.
fn is_certain(error: &BrokerError) -> bool {
    match error {
        BrokerError::NotRunning(_) => true,
        BrokerError::Failed { code, .. } => code != "vault-unsure",
        _ => false,
    }
}

fn in_keyring(context: &Context, rekey: bool) -> Result<(), Failure> {
    keyring::probe()?;
    // The one that is there may open this vault or that of another home: it is used and not replaced.
    let key = match keyring::get(ACCOUNT)? {
        Some(key) => key,
        None => {
            let (_, key) = fresh_key()?;
            keyring::set(ACCOUNT, &key)?;
            key
        }
    };
    // Before the vault needs it: a line that leads to a key too many does no harm.
    write_source(
        context,
        SecretSource {
            name: ACCOUNT.to_owned(),
            from: Backend::Keyring,
            item: ACCOUNT.to_owned(),
        },
    )?;
    tell(context, Protect::Keyring { key }, rekey)?;
    remove(&context.home.vault_key())
}

fn tell(context: &Context, with: Protect, rekey: bool) -> Result<(), Failure> {
    broker::ask_within(&context.home, &Ask::Protect { with, rekey }, PATIENCE)?;
    Ok(())
}

/// A fresh key: the text of its file, and the key alone.
fn fresh_key() -> Result<(SecretText, SecretText), Failure> {
    let text = home::vault_key_text().map_err(|cause| ProtectError::File {
        path: PathBuf::from("random bytes of the kernel"),
        cause,
    })?;
    Ok((
        SecretText::new(text.to_string()),
        SecretText::new(text.trim_end().to_owned()),
    ))
}

fn remove(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(ProtectError::File {
            path: path.to_owned(),
            cause,
        }
        .into()),
    }
}

/// Writes where a secret lives into `cage.toml`; true where that changed it.
///
/// # Errors
/// The file cannot be read or written, or what it would say is refused.
pub(crate) fn write_source(context: &Context, source: SecretSource) -> Result<bool, Failure> {
    let mut cage = cage_file::load(&context.home)?;
    if cage.secret.contains(&source) {
        return Ok(false);
    }
    cage.secret.retain(|secret| secret.name != source.name);
    cage.secret.push(source);
    cage_file::store(&context.home, &cage)?;
    Ok(true)
}
