//! `carapace auth api-key`: one key, from the person to the vault.

use super::provider::{self, Known, quoted};
use super::store::{Terms, store};
use super::test;
use crate::command::{Context, start};
use crate::failure::{Exit, Explain, Failure};
use crate::secret::elsewhere::{self, Elsewhere};
use crate::secret::vendor::{self, Shape};
use crate::secret::{input, paste};
use crate::{home, person, screen, supervisor, vault_door};
use carapace_contract::id::SecretName;
use carapace_contract::secret::{NewSecret, SecretText};
use screen::neutral::line;
use serde_json::json;

/// What an API key of Bedrock begins with; other keys of AWS sign.
const BEDROCK_KEY: &str = "ABSK";

/// Store a key.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "\
Examples:
  carapace auth api-key --provider anthropic           masked prompt, stored, tried
  carapace auth api-key --provider openai < key.txt    from standard input
  carapace auth api-key --provider openai --rotate     the key before stays until the new one works
  carapace auth api-key --provider openai --from op://Private/OpenAI/credential
  carapace auth api-key --provider bedrock --from-env --region eu-central-1
  carapace auth api-key --name smtp --origin https://mail.example:443

With --provider bedrock standard input has one line each: access key id, secret access key, and a
session token where there is one; a single line is taken as an API key of Bedrock.")]
pub(crate) struct Args {
    /// The provider that uses it: one of config.toml, or anthropic, openai, openai-responses, gemini, bedrock, ollama, venice
    #[arg(long, value_name = "NAME", conflicts_with = "plugin")]
    provider: Option<String>,
    /// The plugin that uses it
    #[arg(long, value_name = "NAME")]
    plugin: Option<String>,
    /// What it is called [default: as the provider or plugin]
    #[arg(long, value_name = "SECRET")]
    name: Option<SecretName>,
    /// It stays where it is: pass:ITEM, op://VAULT/ITEM/FIELD, bw:ID, keyring:ACCOUNT, env:VARIABLE, file:PATH
    #[arg(long, value_name = "PLACE", value_parser = elsewhere::parse, conflicts_with_all = ["from_env", "insecure_key", "rotate"])]
    from: Option<Elsewhere>,
    /// Take it from the vendor's usual variable (ANTHROPIC_API_KEY, AWS_ACCESS_KEY_ID, …)
    #[arg(long, requires = "provider", conflicts_with = "insecure_key")]
    from_env: bool,
    /// Ask before its first use in each session
    #[arg(long)]
    ask_each_session: bool,
    /// https://HOST:PORT that it may be sent to [default: where its providers are]
    #[arg(long, value_name = "URL")]
    origin: Vec<String>,
    /// Replace a key, and keep the one before if the new one does not work
    #[arg(long, requires = "provider", conflicts_with = "no_test")]
    rotate: bool,
    /// Try it with one real call (the default with --provider)
    #[arg(long, requires = "provider", conflicts_with = "no_test")]
    test: bool,
    /// Do not try it
    #[arg(long)]
    no_test: bool,
    /// AWS region (bedrock)
    #[arg(long, value_name = "REGION", requires = "provider")]
    region: Option<String>,
    /// The key itself. Insecure: every user of this machine can read a command line while it runs, and
    /// the shell keeps it in its history. Use the prompt or standard input
    #[arg(long, value_name = "VALUE", value_parser = hidden)]
    insecure_key: Option<SecretText>,
}

fn hidden(value: &str) -> Result<SecretText, std::convert::Infallible> {
    Ok(SecretText::new(value.to_owned()))
}

impl Args {
    /// As a person types it: for this provider, nothing else said.
    pub(crate) fn of_provider(provider: &str, from_env: bool) -> Self {
        Self {
            provider: Some(provider.to_owned()),
            from_env,
            ..Self::default()
        }
    }
}

/// Why nothing was stored.
#[derive(Debug, thiserror::Error)]
enum KeyError {
    #[error("storing a key: it is not said whose it is")]
    Whose,
    #[error("storing a key: the name {0:?} cannot be used")]
    Name(String),
    #[error("storing a key: {0} is not set")]
    NoVariable(String),
    #[error("storing a key: {0} takes none of the environment")]
    NoVariables(String),
    #[error("storing a key: standard input has {0} lines, not 1 to 3")]
    Lines(usize),
    #[error("storing a key: the region {0:?} cannot be used")]
    Region(String),
    #[error("stored, but trying it failed: {message}")]
    Untried {
        message: String,
        remedy: String,
        provider: String,
    },
}

impl Explain for KeyError {
    fn code(&self) -> &'static str {
        match self {
            Self::Whose => "key-whose",
            Self::Name(_) => "key-name",
            Self::NoVariable(_) | Self::NoVariables(_) => "key-variable",
            Self::Lines(_) => "key-lines",
            Self::Region(_) => "key-region",
            Self::Untried { .. } => "key-test",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Whose => "give --provider NAME, --plugin NAME or --name SECRET".to_owned(),
            Self::Name(_) => {
                "use 1 to 40 of a-z 0-9 - _ . starting with a letter or digit".to_owned()
            }
            Self::NoVariable(_) | Self::NoVariables(_) => {
                "leave --from-env out and paste the key at the prompt".to_owned()
            }
            Self::Lines(_) => {
                "send access key id, secret access key and perhaps a session token, one a line"
                    .to_owned()
            }
            Self::Region(_) => "give one such as us-east-1".to_owned(),
            Self::Untried {
                provider, remedy, ..
            } => {
                let first = match remedy.as_str() {
                    "" => String::new(),
                    remedy => format!("{remedy}; "),
                };
                format!(
                    "{first}`carapace auth test {provider}` tries it again, `carapace auth api-key --provider {provider}` replaces it"
                )
            }
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Untried { .. } => Exit::Failed,
            _ => Exit::Usage,
        }
    }
}

/// Runs `auth api-key`.
///
/// # Errors
/// The key cannot be read or is none, or the broker does not take it. What is stored stays where only
/// the trial failed.
pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    home::ensure(&context.home)?;
    let mut known = match &args.provider {
        Some(name) => Some(provider::find(context, name)?),
        None => None,
    };
    let name = named(&args, known.as_ref())?;
    if let (Some(known), Some(other)) = (&mut known, &args.name)
        && *other != known.secret
    {
        known.fields.push(("secret", quoted(other.as_str())));
        known.secret = other.clone();
    }
    // Before a key is typed in vain.
    if person::is_here(context) && supervisor::status(&context.home)?.is_some() {
        vault_door::open(context, None);
    }
    // The value first: nothing is started or written for one that is none.
    let (secret, mut notes) = value(context, &args, known.as_mut(), &name)?;
    if known.as_mut().is_some_and(Known::send_key) {
        notes.push(
            "its provider has auth = \"none\" in config.toml: the key is kept and not sent"
                .to_owned(),
        );
    }
    for note in &notes {
        screen::aside(&format!("! {note}\n"));
    }
    if let Some(from) = &args.from {
        settle_elsewhere(context, &name, from)?;
    }
    let added = match &known {
        Some(known) => known.bring_into_force(context)?,
        None => {
            start::start_if_needed(context)?;
            false
        }
    };
    if let (true, Some(known), false) = (added, &known, context.json) {
        screen::aside(&format!(
            "added [providers.{}] to config.toml\n",
            line(&known.name)
        ));
    }
    let terms = Terms {
        each_session: args.ask_each_session,
        origins: args.origin.clone(),
        staged: args.rotate,
    };
    let stored = store(context, &name, secret, &terms)?;
    if !context.json {
        screen::print(&stored.words());
    }
    let mut report = json!({
        "stored": stored.name, "origins": stored.origins, "too_short": stored.too_short,
        "provider": args.provider, "added": added, "notes": notes,
    });
    let outcome = match &known {
        Some(known) if !args.no_test => trial(context, known, args.rotate, &mut report),
        _ => Ok(()),
    };
    if context.json && outcome.is_ok() {
        screen::print_json(&report);
    }
    outcome.map(|()| Exit::Done)
}

fn trial(
    context: &Context,
    known: &Known,
    rotated: bool,
    report: &mut serde_json::Value,
) -> Result<(), Failure> {
    match test::call(context, &known.name) {
        Ok(tested) => {
            report["tested"] = json!({"millis": tested.millis, "models": tested.models.len()});
            if !context.json {
                screen::print(&format!("it works: {}\n", tested.words()));
            }
            Ok(())
        }
        Err(error) if test::is_untried(&error) && !rotated => {
            report["tested"] = serde_json::Value::Null;
            if !context.json {
                screen::aside(&format!(
                    "not tried: choose a model first (`carapace config set model.route {}:MODEL`), then `carapace auth test {0}`\n",
                    line(&known.name)
                ));
            }
            Ok(())
        }
        // The broker says itself which of the two values stays.
        Err(error) if rotated => Err(error.into()),
        Err(error) => Err(KeyError::Untried {
            message: error.to_string(),
            // The one for a refused key is said below, with the provider's name.
            remedy: Some(error.remedy())
                .filter(|remedy| !remedy.contains("auth api-key"))
                .unwrap_or_default(),
            provider: known.name.clone(),
        }
        .into()),
    }
}

fn named(args: &Args, known: Option<&Known>) -> Result<SecretName, KeyError> {
    match (&args.name, known, &args.plugin) {
        (Some(name), _, _) => Ok(name.clone()),
        (None, Some(known), _) => Ok(known.secret.clone()),
        (None, None, Some(plugin)) => plugin
            .parse()
            .map_err(|_| KeyError::Name(plugin.chars().take(80).collect())),
        (None, None, None) => Err(KeyError::Whose),
    }
}

/// The value, and what the person should know about it.
fn value(
    context: &Context,
    args: &Args,
    known: Option<&mut Known>,
    name: &SecretName,
) -> Result<(NewSecret, Vec<String>), Failure> {
    let vendor = known.as_ref().and_then(|known| known.vendor);
    if args.from.is_some() {
        return Ok((NewSecret::External {}, Vec::new()));
    }
    if let (Some(known), Some(Shape::Aws)) = (known, vendor.map(|vendor| vendor.shape)) {
        return aws(context, args, known);
    }
    let pasted = match (&args.insecure_key, args.from_env, vendor) {
        (Some(key), _, _) => key.clone(),
        (None, true, Some(vendor)) => vendor
            .variables
            .iter()
            .find_map(|variable| environment(variable))
            .ok_or_else(|| KeyError::NoVariable(vendor.variables.join(" or ")))?,
        (None, true, None) => return Err(KeyError::NoVariables(name.to_string()).into()),
        (None, false, _) => {
            if let Some(vendor) = vendor.filter(|_| person::is_here(context)) {
                screen::aside(&format!("A key is made at {}\n", vendor.page));
            }
            input::secret(&format!("key for {name}"))?
        }
    };
    let (key, notes) = paste::tidy(&pasted, vendor)?;
    Ok((NewSecret::Key { value: key }, notes))
}

fn environment(variable: &str) -> Option<SecretText> {
    std::env::var(variable)
        .ok()
        .filter(|value| !value.trim().is_empty())
        .map(SecretText::new)
}

/// What AWS signs with, and the region.
fn aws(
    context: &Context,
    args: &Args,
    known: &mut Known,
) -> Result<(NewSecret, Vec<String>), Failure> {
    let vendor = vendor::of("bedrock");
    let needed = |variable: &str| {
        environment(variable).ok_or_else(|| KeyError::NoVariable(variable.to_owned()))
    };
    let mut values: Vec<SecretText> = Vec::new();
    if let Some(key) = &args.insecure_key {
        values.push(key.clone());
    } else if args.from_env {
        values.push(needed("AWS_ACCESS_KEY_ID")?);
        values.push(needed("AWS_SECRET_ACCESS_KEY")?);
        values.extend(environment("AWS_SESSION_TOKEN"));
    } else if input::is_terminal() {
        values.push(input::masked("access key id, or an API key of Bedrock")?);
        if !values[0].reveal().trim().starts_with(BEDROCK_KEY) {
            values.push(input::masked("secret access key")?);
            match input::masked("session token (empty: none)") {
                Ok(token) => values.push(token),
                Err(input::InputError::Empty(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    } else {
        let whole = input::secret("the keys of AWS")?;
        let lines = whole
            .reveal()
            .lines()
            .filter(|line| !line.trim().is_empty());
        values.extend(lines.map(|line| SecretText::new(line.to_owned())));
    }
    if !(1..=3).contains(&values.len()) {
        return Err(KeyError::Lines(values.len()).into());
    }
    let mut notes = Vec::new();
    let mut tidied = Vec::new();
    for (at, value) in values.iter().enumerate() {
        // Only the first tells whose it is.
        let (value, more) = paste::tidy(value, vendor.filter(|_| at == 0))?;
        tidied.push(value);
        notes.extend(more);
    }
    let region = region(context, args, known)?;
    if let Some(region) = region {
        known.fields.push(("region", quoted(&region)));
    }
    let mut tidied = tidied.into_iter();
    let secret = match (tidied.next(), tidied.next(), tidied.next()) {
        (Some(access_key_id), Some(secret_access_key), session_token) => NewSecret::Aws {
            access_key_id,
            secret_access_key,
            session_token,
        },
        (Some(value), ..) => {
            known.fields.push(("auth", quoted("bearer")));
            NewSecret::Key { value }
        }
        (None, ..) => return Err(KeyError::Lines(0).into()),
    };
    Ok((secret, notes))
}

/// The region to write, where one is needed.
fn region(context: &Context, args: &Args, known: &Known) -> Result<Option<String>, KeyError> {
    let configured = known
        .configured
        .as_ref()
        .is_some_and(|provider| provider.region.is_some() || provider.base_url.is_some());
    let usual = || {
        ["AWS_REGION", "AWS_DEFAULT_REGION"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
            .unwrap_or_else(|| "us-east-1".to_owned())
    };
    let region = match &args.region {
        Some(region) => region.clone(),
        None if configured => return Ok(None),
        None if person::is_here(context) => {
            let usual = usual();
            match person::ask(&format!("region [{usual}]")) {
                Some(region) if !region.is_empty() => region,
                _ => usual,
            }
        }
        None => usual(),
    };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=40).contains(&region.len()) && region.bytes().all(plain) {
        Ok(Some(region))
    } else {
        Err(KeyError::Region(region.chars().take(60).collect()))
    }
}

/// Writes where it lives into `cage.toml`. The supervisor reads that when it starts.
fn settle_elsewhere(context: &Context, name: &SecretName, from: &Elsewhere) -> Result<(), Failure> {
    if super::protect::write_source(context, from.source(name.as_str()))?
        && supervisor::status(&context.home)?.is_some()
    {
        screen::aside("restarting, so that cage.toml is in force\n");
        start::again(context)?;
    }
    Ok(())
}
