//! The order in which the broker starts: take over the descriptors, read the configuration, lock,
//! open the store, say READY, listen. Nothing from another process is read before the lock.

use crate::broker::{Broker, Parts};
use crate::keeper::Keeper;
use crate::{changes, control, launcher, route, rules, turn};
use carapace_contract::config::{Config, MAX_CONFIG};
use carapace_contract::home::{KEYSLOT_FD, RULES_FD, VAULT_KEY_FD};
use carapace_egress::{Egress, Lender, Resolve, Settings};
use carapace_ipc_proto::launch::Kind;
use carapace_ipc_proto::resolve_client;
use carapace_jail::lock::{self, BrokerLock};
use carapace_policy::Reachable;
use carapace_policy::rules::Rules;
use carapace_providers::Origin;
use carapace_store::{Note, Store};
use futures_util::future::BoxFuture;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

/// The exit status for a configuration that cannot be used; the supervisor does not try again.
const BAD_CONFIG: u8 = 78;

const LAUNCH: i32 = 3;
const CONTROL: i32 = 6;
const CONFIG: i32 = 7;
const STATE: &str = "/state";

/// Why the broker did not start.
#[derive(Debug, thiserror::Error)]
enum BootError {
    #[error(
        "starting the broker: descriptor {0} is missing\n  remedy: it is started by carapace-supervisor, not by hand"
    )]
    Descriptor(i32),
    #[error("starting the broker: the configuration cannot be read: {0}")]
    Unreadable(std::io::Error),
    #[error("starting the broker: {0}")]
    Config(#[from] carapace_contract::config::ConfigError),
    #[error("starting the broker: the event loop: {0}")]
    Runtime(std::io::Error),
    #[error("starting the broker: opening the store: {0}")]
    Store(String),
    #[error("starting the broker: {0}")]
    Provider(String),
}

/// Runs the broker to its end.
pub(crate) fn run() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::clean::log!("{error}");
            match error {
                BootError::Config(_) | BootError::Unreadable(_) | BootError::Provider(_) => {
                    ExitCode::from(BAD_CONFIG)
                }
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn start() -> Result<(), BootError> {
    let take = |number| carapace_jail::take_inherited(number).ok_or(BootError::Descriptor(number));
    let (launch, listener, config) = (take(LAUNCH)?, take(CONTROL)?, take(CONFIG)?);
    let key_file = carapace_jail::take_inherited(VAULT_KEY_FD).map(File::from);
    let key_slot = carapace_jail::take_inherited(KEYSLOT_FD).map(File::from);
    let rules = carapace_jail::take_inherited(RULES_FD).map(File::from);
    crate::clean::hook_panics();
    let config = read_config(config)?;
    let rules = rules::read(rules);
    let origins =
        route::origins(&config).map_err(|error| BootError::Provider(error.to_string()))?;
    let ports = ports(&config, &origins)?;

    if let Err(error) = lock::broker(&BrokerLock {
        state: Path::new(STATE),
        read_only: &[],
        connect_ports: &ports,
    }) {
        lock::fail(&error);
    }
    // Threads start from here on: they inherit the lock.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(BootError::Runtime)?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let (store, opened) = Store::open(Path::new(STATE))
            .await
            .map_err(|error| BootError::Store(error.to_string()))?;
        let keeper = Rc::new(Keeper::open(Path::new(STATE), key_file, key_slot));
        let names = Names::default();
        let egress = sender(&config, &origins, &keeper, &names)?;
        if lock::ready().is_err() {
            return Err(BootError::Descriptor(carapace_jail::report::REPORT_FD));
        }
        let reachable = origins
            .iter()
            .map(|(provider, origin)| Reachable {
                model: provider.clone(),
                origin: origin.to_string(),
                withhold: Vec::new(),
            })
            .collect();
        let made = Made {
            config,
            rules,
            store,
            opened,
            keeper,
            egress,
            names,
            reachable,
            origins,
        };
        serve(launch, listener, made).await
    })
}

/// The ports that are connected to: those of the configuration and the proxy's. The lock cannot be
/// widened later, so a new port is a new broker.
fn ports(config: &Config, origins: &[(String, Origin)]) -> Result<Vec<u16>, BootError> {
    let mut ports: Vec<u16> = origins.iter().map(|(_, origin)| origin.port()).collect();
    if let Some(proxy) = &config.network.proxy {
        let url = url::Url::parse(proxy)
            .map_err(|error| BootError::Provider(format!("network.proxy: {error}")))?;
        ports.extend(url.port_or_known_default());
    }
    if config.web.fetch {
        ports.push(443);
        ports.extend(pages(config)?.iter().map(Origin::port));
    }
    ports.sort_unstable();
    ports.dedup();
    Ok(ports)
}

/// The private origins whose pages may be read.
fn pages(config: &Config) -> Result<Vec<Origin>, BootError> {
    let read = |text: &String| {
        Origin::of(text)
            .map_err(|why| BootError::Provider(format!("web.private-origins: {text:?}: {why}")))
    };
    config.web.private_origins.iter().map(read).collect()
}

fn sender(
    config: &Config,
    origins: &[(String, Origin)],
    keeper: &Rc<Keeper>,
    names: &Names,
) -> Result<Egress, BootError> {
    let private = config
        .network
        .private_origins
        .iter()
        .map(|text| {
            Origin::of(text).map_err(|why| {
                BootError::Provider(format!("network.private-origins: {text:?}: {why}"))
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut allowed: Vec<Origin> = origins.iter().map(|(_, origin)| origin.clone()).collect();
    allowed.sort();
    allowed.dedup();
    Egress::new(Settings {
        allowed,
        private_origins: private,
        pages: match config.web.fetch {
            true => Some(pages(config)?),
            false => None,
        },
        ca_pem: config.network.ca_pem.clone(),
        proxy: config.network.proxy.clone(),
        resolver: Arc::new(names.clone()),
        lender: Rc::clone(keeper) as Rc<dyn Lender>,
    })
    .map_err(|error| BootError::Provider(error.to_string()))
}

/// Asks the resolver, which is there once the launch link is.
#[derive(Clone, Default)]
struct Names(Arc<OnceLock<resolve_client::Client>>);

impl Resolve for Names {
    fn resolve(&self, host: String) -> BoxFuture<'static, Result<Vec<IpAddr>, String>> {
        let client = self.0.get().cloned();
        Box::pin(async move {
            match client {
                Some(client) => client
                    .resolve(&host)
                    .await
                    .map_err(|error| error.to_string()),
                None => Err("there is no resolver".to_owned()),
            }
        })
    }
}

/// What was made before the first descriptor is listened to.
struct Made {
    config: Config,
    rules: Rules,
    store: Store,
    opened: carapace_store::Opened,
    keeper: Rc<Keeper>,
    egress: Egress,
    names: Names,
    reachable: Vec<Reachable>,
    origins: Vec<(String, Origin)>,
}

fn read_config(from: OwnedFd) -> Result<Config, BootError> {
    let mut text = String::new();
    File::from(from)
        .take(MAX_CONFIG as u64 + 1)
        .read_to_string(&mut text)
        .map_err(BootError::Unreadable)?;
    Ok(Config::parse(&text)?)
}

async fn serve(launch: OwnedFd, listener: OwnedFd, made: Made) -> Result<(), BootError> {
    let Made {
        config,
        rules,
        store,
        opened,
        keeper,
        egress,
        names,
        reachable,
        origins,
    } = made;
    let (launcher, notices) = launcher::open(launch).map_err(BootError::Runtime)?;
    let failed = |error: carapace_store::StoreError| BootError::Store(error.to_string());
    store
        .note(Note::Started {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config: config.digest(),
        })
        .map_err(failed)?;
    for unknown in &opened.unknown {
        crate::clean::log!(
            "the outcome of {} ({}) is not known: it was under way when the broker ended",
            unknown.effect,
            unknown.what
        );
    }
    let always = store.always(crate::broker::now()).await.map_err(failed)?;
    let spent = store.spent().await.map_err(failed)?;
    let broker = Rc::new(Broker::new(Parts {
        config,
        rules,
        store,
        egress,
        keeper,
        reachable,
        launcher,
        always: always.clone(),
        spent,
    }));
    if let Err(error) = changes::find(&broker, &always, &origins).await {
        crate::clean::log!("what is possible was not compared with the time before: {error}");
    }
    let asking = Rc::downgrade(&broker);
    let (client, serving) = resolve_client::client(async move || {
        let broker = asking.upgrade().ok_or("the broker ends")?;
        launcher::launch(&broker, Kind::Resolver)
            .await
            .map(|launched| launched.channel)
            .map_err(|failure| format!("it could not be started ({failure:?})"))
    });
    let _ = names.0.set(client);
    tokio::task::spawn_local(serving);
    tokio::task::spawn_local(open_with_keyring(Rc::clone(&broker)));
    control::listen(Rc::clone(&broker), listener).map_err(BootError::Runtime)?;
    for row in opened.unfinished {
        turn::resume(&broker, row.turn, row.session, row.group, row.text);
    }
    broker.launcher.ready();
    tokio::task::spawn_local(keep_anchored(Rc::clone(&broker)));
    launcher::follow(&broker, notices).await;
    turn::wind_down(&broker).await;
    crate::own::end_renewals(&broker).await;
    broker.keeper.close();
    let _ = broker.store.note_synced(Note::Stopped {}).await;
    broker.anchor().await;
    Ok(())
}

/// Opens a vault whose key is in the desktop's keyring.
async fn open_with_keyring(broker: Rc<Broker>) {
    if !broker.keeper.wants_keyring() {
        return;
    }
    let Ok(name) = "vault-key".parse() else {
        return;
    };
    let outcome = match crate::own::fetch(&broker, &name).await {
        Ok(key) => broker.keeper.unlock_with_keyring(key.expose()),
        Err(error) => Err(error),
    };
    let action = match outcome {
        Ok(()) => "unlocked",
        Err(error) => {
            crate::clean::log!("the vault stays locked: {error}");
            "wrong-key"
        }
    };
    broker.note(Note::Vault {
        action: action.to_owned(),
        approver: "the keyring of the desktop".to_owned(),
    });
}

/// Tells the supervisor where the audit chain is, at most once a second and only after something happened.
async fn keep_anchored(broker: Rc<Broker>) {
    loop {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        if broker.take_activity() {
            broker.anchor().await;
        }
        turn::expire_questions(&broker).await;
        broker.hibernate_idle();
        broker.launcher.send_again();
    }
}
