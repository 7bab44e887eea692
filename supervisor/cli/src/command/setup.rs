//! `carapace setup`: from nothing to an answer, step by step. Each step is whole in itself and asks
//! before it changes something, so that leaving at any point leaves what works, and running it again
//! goes on from there.

use super::auth::provider::Known;
use super::auth::{self, Manner, api_key, import, test};
use super::{Context, models, start};
use crate::chat::{Person, Request, View, follow};
use crate::failure::{Exit, Explain, Failure};
use crate::model_servers::{self, Offer};
use crate::screen::{self, neutral::line};
use crate::secret::plaintext::{self, Found};
use crate::secret::vendor;
use crate::signals::Signals;
use crate::{config_file, home, person, vault_door};
use carapace_contract::config::{Config, Price};
use carapace_contract::id::TurnId;
use nix::sys::signal::Signal;
use std::path::PathBuf;

/// How often a key may be typed anew.
const TRIES: usize = 3;
/// The most models that are listed; a name can be typed all the same.
const LISTED: usize = 40;
/// What a day may cost, in US dollars, if the person has no other wish.
const DAY: f64 = 5.0;

/// Choose a model, store its key, protect the vault.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  carapace setup
  carapace setup --non-interactive --provider anthropic --model MODEL --from-env --budget 5
  carapace setup --non-interactive --provider openai --model MODEL < key.txt

Exit status: 2 where there is no terminal and --non-interactive is not given")]
pub(crate) struct Args {
    /// Ask nothing; what is not said stays as it is
    #[arg(long, requires = "provider")]
    non_interactive: bool,
    /// The provider: one of config.toml, or a well-known vendor
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// The model
    #[arg(long, value_name = "MODEL", requires = "provider")]
    model: Option<String>,
    /// Take the key from the vendor's usual variable
    #[arg(long, requires = "provider")]
    from_env: bool,
    /// How the vault's key is kept
    #[arg(long, value_name = "HOW", value_parser = clap::builder::PossibleValuesParser::new(["passphrase", "key-file", "keyring"]))]
    protect: Option<String>,
    /// Read the passphrase of --protect passphrase from this file
    #[arg(long, value_name = "FILE", requires = "protect")]
    passphrase_file: Option<PathBuf>,
    /// What a day may cost, in US dollars
    #[arg(long, value_name = "USD")]
    budget: Option<f64>,
    /// Do not end with a message to the model
    #[arg(long)]
    no_chat: bool,
}

/// Why it stopped.
#[derive(Debug, thiserror::Error)]
enum SetupError {
    #[error("setting up: a budget of {0} US dollars cannot be used")]
    Budget(f64),
    #[error(
        "setting up: {0} has no price in config.toml, so a budget in dollars would stop every call"
    )]
    NoPrice(String),
    #[error("setting up: it is not said which model of {0}")]
    NoModel(String),
    #[error("setting up: key and passphrase cannot both come from standard input")]
    OneInput,
    #[error("taking over Ctrl-C: {0}")]
    Signals(std::io::Error),
}

impl Explain for SetupError {
    fn code(&self) -> &'static str {
        match self {
            Self::Budget(_) => "setup-budget",
            Self::NoPrice(_) => "setup-no-price",
            Self::NoModel(_) => "setup-no-model",
            Self::OneInput => "setup-one-input",
            Self::Signals(_) => "system",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Budget(_) => "give US dollars from 0 to 1000000".to_owned(),
            Self::NoPrice(model) => format!(
                "set its price first: carapace config set prices '[{{model=\"{model}\", input=…, output=…, as-of=\"YYYY-MM-DD\"}}]'"
            ),
            Self::NoModel(provider) => {
                format!("give --model; `carapace models {provider}` lists them")
            }
            Self::OneInput => {
                "give --passphrase-file FILE, or take the key with --from-env".to_owned()
            }
            Self::Signals(_) => "mend what the system names and try again".to_owned(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Signals(_) => Exit::Failed,
            _ => Exit::Usage,
        }
    }
}

/// Runs `setup`.
///
/// # Errors
/// A step cannot be done; those before it stay done.
pub(crate) fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    auth::leave_no_dump();
    if args
        .budget
        .is_some_and(|usd| !(0.0..=1_000_000.0).contains(&usd))
    {
        return Err(SetupError::Budget(args.budget.unwrap_or_default()).into());
    }
    if args.non_interactive {
        return without_asking(context, &args);
    }
    if !person::is_here(context) {
        return Ok(what_it_would_ask(context));
    }
    home::ensure(&context.home)?;
    screen::aside("carapace setup: every step can be skipped, and all of it can be run again.\n\n");
    if !start::start_if_needed(context)? {
        vault_door::open(context, None);
    }
    found_keys(context)?;
    let servers = model_servers::find();
    let Some(provider) = choose_provider(context, &args, &servers)? else {
        screen::aside(&format!(
            "the model stays as it is: {}. `carapace setup` goes on another time\n",
            line(&config_file::load(&context.home)?.1.model.route)
        ));
        return Ok(Exit::Done);
    };
    if let Some(model) = choose_model(context, &args, &provider, &servers)? {
        use_model(context, &provider, &model, &servers)?;
    }
    protect(context, &args)?;
    budget(context, &args)?;
    if args.no_chat || !person::agrees("\nsay hello to it?", true) {
        return Ok(Exit::Done);
    }
    hello(context)
}

/// Everything by flags.
fn without_asking(context: &Context, args: &Args) -> Result<Exit, Failure> {
    home::ensure(&context.home)?;
    // NOTE(unwrap_or_default): the command line requires a provider here.
    let provider = args.provider.clone().unwrap_or_default();
    let known = auth::provider::find(context, &provider)?;
    let needs_key = known.needs_key();
    let Some(model) = &args.model else {
        return Err(SetupError::NoModel(provider).into());
    };
    let types_passphrase =
        args.protect.as_deref() == Some("passphrase") && args.passphrase_file.is_none();
    if needs_key && types_passphrase && !args.from_env {
        return Err(SetupError::OneInput.into());
    }
    if needs_key {
        match api_key::run(
            context,
            api_key::Args::of_provider(&provider, args.from_env),
        ) {
            Ok(_) => {}
            // Nothing was sent, and there is one: what is not said stays as it is.
            Err(failure) if failure.code() == "secret-empty" && is_stored(context, &known)? => {}
            Err(failure) => return Err(failure),
        }
    } else {
        known.bring_into_force(context)?;
    }
    let route = format!("{provider}:{model}");
    set(context, vec![("model.route".to_owned(), quoted(&route))])?;
    if let Some(how) = &args.protect {
        auth::protect(context, manner(how), args.passphrase_file.as_deref(), false)?;
    }
    if let Some(usd) = args.budget {
        set_budget(context, usd)?;
    }
    if args.no_chat {
        return Ok(Exit::Done);
    }
    hello(context)
}

fn is_stored(context: &Context, known: &Known) -> Result<bool, Failure> {
    start::start_if_needed(context)?;
    Ok(vault_door::names(context)?.contains(&known.secret))
}

/// Where nobody can be asked: the questions, and how to answer them by flags.
fn what_it_would_ask(context: &Context) -> Exit {
    let found = plaintext::find(&context.home);
    let servers = model_servers::find();
    if context.json {
        screen::print_json(&serde_json::json!({
            "would_ask": ["provider", "key", "model", "protect", "budget"],
            "found": found.iter().map(|one| one.place.to_string()).collect::<Vec<_>>(),
            "servers": servers,
        }));
        return Exit::Usage;
    }
    screen::print(
        "there is no terminal, so nothing was asked and nothing was changed. It would ask:\n",
    );
    for one in &found {
        screen::print(&format!("  store {}?\n", line(&one.place.to_string())));
    }
    for server in &servers {
        screen::print(&format!("  use {}?\n", line(&server.to_string())));
    }
    screen::print(
        "  which provider (--provider), its key (standard input or --from-env), which model (--model),\n  how the vault is protected (--protect), what a day may cost (--budget)\n",
    );
    screen::aside("remedy: run it at a terminal, or add --non-interactive and these flags\n");
    Exit::Usage
}

/// Keys that lie in the open, each offered once.
fn found_keys(context: &Context) -> Result<(), Failure> {
    let config = config_file::load(&context.home)?.1;
    let mut seen = Vec::new();
    for found in plaintext::find(&context.home) {
        let Some(kind) = usable(&found, &config) else {
            continue;
        };
        if seen.contains(&kind) {
            continue;
        }
        seen.push(kind);
        if !person::agrees(
            &format!("found {}. Store it in the vault and use it?", found.place),
            true,
        ) {
            continue;
        }
        let farewell = found.place.farewell();
        match import::take(context, found) {
            Ok(_) => screen::aside(&format!(
                "  it still lies in the open; {}\n",
                line(&farewell)
            )),
            Err(failure) => say(&failure),
        }
    }
    Ok(())
}

/// The provider that a found key would serve, where none of that name is set up yet.
fn usable(found: &Found, config: &Config) -> Option<&'static str> {
    found
        .provider
        .filter(|kind| !config.providers.contains_key(*kind))
}

/// A provider that answers, with its key in the vault.
fn choose_provider(
    context: &Context,
    args: &Args,
    servers: &[Offer],
) -> Result<Option<String>, Failure> {
    if let Some(provider) = &args.provider {
        return with_key(context, provider, args.from_env);
    }
    let config = config_file::load(&context.home)?.1;
    let mut names: Vec<String> = config.providers.keys().cloned().collect();
    let mut words: Vec<String> = names
        .iter()
        .map(|name| format!("{name} (set up)"))
        .collect();
    if let Some(server) = servers
        .first()
        .filter(|_| !names.iter().any(|name| name == "local"))
    {
        names.push("local".to_owned());
        words.push(format!("{server}, on this machine: nothing leaves it"));
    }
    for vendor in vendor::ALL
        .iter()
        .filter(|vendor| !config.providers.contains_key(vendor.kind))
    {
        names.push(vendor.kind.to_owned());
        words.push(vendor.name.to_owned());
    }
    words.push("none for now".to_owned());
    screen::aside("\nWhich provider of models?\n");
    let Some(name) = person::choose("number", &words).and_then(|at| names.get(at).cloned()) else {
        return Ok(None);
    };
    if name == "local" {
        if let (Some(server), false) = (servers.first(), config.providers.contains_key("local")) {
            let changes = server.changes();
            set(context, changes)?;
        }
        return Ok(Some(name));
    }
    with_key(context, &name, false)
}

/// Sees to a key that works; nothing where the person gives up.
fn with_key(context: &Context, provider: &str, from_env: bool) -> Result<Option<String>, Failure> {
    let known = auth::provider::find(context, provider)?;
    let no_key = !known.needs_key();
    if known.configured.is_some() || no_key {
        known.bring_into_force(context)?;
        match test::call(context, provider) {
            Ok(tested) => {
                screen::aside(&format!("{} answers: {}\n", line(provider), tested.words()));
                return Ok(Some(provider.to_owned()));
            }
            Err(error) if test::is_untried(&error) => return Ok(Some(provider.to_owned())),
            Err(error) => say(&error.into()),
        }
        if no_key {
            return Ok(Some(provider.to_owned()));
        }
    }
    for attempt in 1.. {
        match api_key::run(context, api_key::Args::of_provider(provider, from_env)) {
            Ok(_) => break,
            Err(failure) if attempt == TRIES || from_env || failure.is_stop() => {
                return Err(failure);
            }
            Err(failure) => {
                say(&failure);
                if !person::agrees("try again?", true) {
                    return Ok(None);
                }
            }
        }
    }
    Ok(Some(provider.to_owned()))
}

fn is_here(address: Option<&str>) -> bool {
    address.is_some_and(|address| carapace_contract::config::loopback_origin(address).is_ok())
}

/// One of the provider's models.
fn choose_model(
    context: &Context,
    args: &Args,
    provider: &str,
    servers: &[Offer],
) -> Result<Option<String>, Failure> {
    if let Some(model) = &args.model {
        return Ok(Some(model.clone()));
    }
    let offered = match models::ask(context, provider) {
        Ok(told) => told.models,
        Err(_) if provider == "local" => servers
            .first()
            .map(|one| one.models.clone())
            .unwrap_or_default(),
        Err(error) => {
            screen::aside(&format!(
                "! its models are not known: {}\n",
                line(&error.to_string())
            ));
            Vec::new()
        }
    };
    screen::aside(&format!("\nWhich model of {}?\n", line(provider)));
    for (at, model) in offered.iter().take(LISTED).enumerate() {
        screen::aside(&format!("  {:>2}  {}\n", at + 1, line(model)));
    }
    if offered.len() > LISTED {
        screen::aside(&format!(
            "      and {} more: `carapace models {}`\n",
            offered.len() - LISTED,
            line(provider)
        ));
    }
    loop {
        let Some(typed) = person::ask("number or name (empty: leave it as it is)") else {
            return Ok(None);
        };
        match typed.parse::<usize>() {
            _ if typed.is_empty() => return Ok(None),
            Ok(number) if (1..=offered.len().min(LISTED)).contains(&number) => {
                return Ok(Some(offered[number - 1].clone()));
            }
            Ok(_) => screen::aside("there is no such number\n"),
            Err(_) if offered.is_empty() || offered.contains(&typed) => return Ok(Some(typed)),
            Err(_) if person::agrees("it is not in the list. Use it all the same?", false) => {
                return Ok(Some(typed));
            }
            Err(_) => {}
        }
    }
}

/// Sets the route, with a model on this machine behind it where there is one and the person wants it.
fn use_model(
    context: &Context,
    provider: &str,
    model: &str,
    servers: &[Offer],
) -> Result<(), Failure> {
    let route = format!("{provider}:{model}");
    let config = config_file::load(&context.home)?.1;
    let is_local = config
        .providers
        .get(provider)
        .is_some_and(|one| is_here(one.base_url.as_deref()));
    if let (Some(server), false) = (servers.first(), is_local)
        && person::agrees(
            &format!("{server}. Ask it where {route} does not answer?"),
            false,
        )
    {
        let mut changes: Vec<(String, String)> = Vec::new();
        if !config.providers.contains_key("local") {
            changes.extend(
                server
                    .changes()
                    .into_iter()
                    .filter(|(key, _)| key.starts_with("providers.")),
            );
        }
        let mut list = toml_edit::Array::new();
        list.push(route.as_str());
        list.push(format!("local:{}", server.models[0]));
        changes.push(("routes.main.models".to_owned(), list.to_string()));
        changes.push(("model.route".to_owned(), quoted("main")));
        set(context, changes)?;
        screen::aside(&format!(
            "{} answers, and where it does not, {}\n",
            line(&route),
            line(&format!("local:{}", server.models[0]))
        ));
        return Ok(());
    }
    set(context, vec![("model.route".to_owned(), quoted(&route))])?;
    screen::aside(&format!("{} answers from now on\n", line(&route)));
    Ok(())
}

/// Offers a better protection of the vault, where it has the plainest.
fn protect(context: &Context, args: &Args) -> Result<(), Failure> {
    if let Some(how) = &args.protect {
        return auth::protect(context, manner(how), args.passphrase_file.as_deref(), false);
    }
    let vault = vault_door::row(context)?;
    if vault.kept.iter().any(|kept| kept != "key-file") {
        return Ok(());
    }
    screen::aside(
        "\nHow shall the vault's own key be kept? It can be changed later: `carapace auth protect`\n",
    );
    let choices = auth::choices();
    let words: Vec<String> = choices
        .iter()
        .map(|(_, words)| (*words).to_owned())
        .collect();
    let Some((chosen, _)) = person::choose("number", &words).map(|at| choices[at]) else {
        return Ok(());
    };
    if chosen == Manner::KeyFile {
        // It is kept so already.
        return Ok(());
    }
    if let Err(failure) = auth::protect(context, chosen, None, false) {
        say(&failure);
        screen::aside("it is kept as before\n");
    }
    Ok(())
}

fn manner(how: &str) -> Manner {
    match how {
        "passphrase" => Manner::Passphrase,
        "keyring" => Manner::Keyring,
        _ => Manner::KeyFile,
    }
}

/// Offers a limit for each day.
fn budget(context: &Context, args: &Args) -> Result<(), Failure> {
    if let Some(usd) = args.budget {
        return set_budget(context, usd);
    }
    let config = config_file::load(&context.home)?.1;
    if !config.budgets.is_empty() || paid(&config).is_empty() {
        return Ok(());
    }
    if let Some(model) = unpriced(&config) {
        screen::aside(&format!(
            "\nno budget is set: {} has no price in config.toml, and a budget in dollars would stop every call of it\n",
            line(&model)
        ));
        return Ok(());
    }
    loop {
        let typed = person::ask(&format!(
            "\nWhat may a day cost, in US dollars? [{DAY}; none: no limit]"
        ));
        let usd = match typed.as_deref() {
            None | Some("none") => return Ok(()),
            Some("") => DAY,
            Some(typed) => match typed.trim_start_matches('$').parse::<f64>() {
                Ok(usd) if (0.0..=1_000_000.0).contains(&usd) => usd,
                _ => continue,
            },
        };
        return set_budget(context, usd);
    }
}

fn set_budget(context: &Context, usd: f64) -> Result<(), Failure> {
    let config = config_file::load(&context.home)?.1;
    if let Some(model) = unpriced(&config) {
        return Err(SetupError::NoPrice(model).into());
    }
    let value = format!("[{{per = \"all\", every = \"day\", usd = {usd:.2}}}]");
    set(context, vec![("budgets".to_owned(), value)])?;
    screen::aside(&format!(
        "at most {usd:.2} US dollars each day; `carapace usage` shows what is left\n"
    ));
    Ok(())
}

/// A model of the route that has no price.
fn unpriced(config: &Config) -> Option<String> {
    let priced = |model: &String| {
        config
            .prices
            .iter()
            .any(|Price { model: line, .. }| match line.strip_suffix('*') {
                Some(start) => model.starts_with(start),
                None => line == model,
            })
    };
    paid(config).into_iter().find(|model| !priced(model))
}

/// The models of the route that may cost something: those that do not run on this machine.
fn paid(config: &Config) -> Vec<String> {
    config
        .candidates(&config.model.route)
        .unwrap_or_default()
        .into_iter()
        .filter(|(_, provider)| match &provider.base_url {
            Some(address) => !is_here(Some(address)),
            None => provider.kind.as_str() != "ollama",
        })
        .map(|(name, _)| name.to_string())
        .collect()
}

/// One message, so that the person sees it work.
fn hello(context: &Context) -> Result<Exit, Failure> {
    let signals = Signals::take(&[Signal::SIGINT]).map_err(SetupError::Signals)?;
    let request = Request {
        session: None,
        turn: TurnId::random(),
        text: "Say hello in one short sentence.".to_owned(),
        route: None,
        files: Vec::new(),
    };
    let person = if person::is_here(context) {
        Person::Here
    } else {
        Person::Nobody
    };
    let outcome = follow(
        &context.home,
        request,
        person,
        &mut View::new(context.json),
        &signals,
    )?;
    if outcome.exit() == Exit::Done && !context.json {
        screen::aside("it works; `carapace chat` goes on\n");
    }
    Ok(outcome.exit())
}

fn set(context: &Context, changes: Vec<(String, String)>) -> Result<(), Failure> {
    auth::provider::change(context, &changes)
}

fn quoted(text: &str) -> String {
    auth::provider::quoted(text)
}

fn say(failure: &Failure) {
    screen::aside(&screen::wrapped("! ", failure.message(), screen::width()));
    if !failure.remedy().is_empty() {
        let remedy = format!("remedy: {}", failure.remedy());
        screen::aside(&screen::wrapped("!   ", &remedy, screen::width()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_needs_a_price_for_every_model_of_the_route() {
        let config = |prices: &str| {
            Config::parse(&format!(
                "[model]\nroute = \"main\"\n[routes.main]\nmodels = [\"anthropic:a\", \"openai:b\"]\n\
                 [providers.anthropic]\nkind = \"anthropic\"\n[providers.openai]\nkind = \"openai\"\n{prices}"
            ))
            .unwrap()
        };
        let line = |model: &str| {
            format!(
                "[[prices]]\nmodel = \"{model}\"\ninput = 1.0\noutput = 2.0\nas-of = \"2026-11-01\"\n"
            )
        };
        assert_eq!(unpriced(&config("")).as_deref(), Some("anthropic:a"));
        assert_eq!(
            unpriced(&config(&line("anthropic:*"))).as_deref(),
            Some("openai:b")
        );
        let both = line("anthropic:*") + &line("openai:b");
        assert_eq!(unpriced(&config(&both)), None);
        let local = Config::parse(
            "[model]\nroute = \"local:a\"\n[providers.local]\nkind = \"openai-compatible\"\nbase-url = \"http://127.0.0.1:9/v1\"",
        );
        assert_eq!(unpriced(&local.unwrap()), None);
    }
}
