//! The order in which the broker starts: take over the descriptors, read the configuration, lock,
//! open the store, say READY, listen. Nothing from another process is read before the lock.

use crate::broker::Broker;
use crate::{control, launcher, turn};
use carapace_contract::config::{Config, MAX_CONFIG};
use carapace_egress::Egress;
use carapace_jail::lock::{self, BrokerLock};
use carapace_store::{Note, Store};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

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
    #[error("starting the broker: the sender: {0}")]
    Egress(String),
}

/// Runs the broker to its end.
pub(crate) fn run() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            match error {
                BootError::Config(_) | BootError::Unreadable(_) => ExitCode::from(BAD_CONFIG),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn start() -> Result<(), BootError> {
    let take = |number| carapace_jail::take_inherited(number).ok_or(BootError::Descriptor(number));
    let (launch, listener, config) = (take(LAUNCH)?, take(CONTROL)?, take(CONFIG)?);
    let config = read_config(config)?;
    let endpoint = match config.route() {
        None => None,
        Some((_, provider, model)) => Some(
            carapace_providers::openai_compatible::Endpoint::new(provider, model)
                .map_err(|error| BootError::Egress(error.to_string()))?,
        ),
    };
    let origin = endpoint.as_ref().map(|endpoint| endpoint.origin());
    let ports: Vec<u16> = origin.iter().map(|(_, port)| *port).collect();

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
        let egress = Egress::new(origin).map_err(|error| BootError::Egress(error.to_string()))?;
        if lock::ready().is_err() {
            return Err(BootError::Descriptor(carapace_jail::report::REPORT_FD));
        }
        serve(launch, listener, config, endpoint, store, opened, egress).await
    })
}

fn read_config(from: OwnedFd) -> Result<Config, BootError> {
    let mut text = String::new();
    File::from(from)
        .take(MAX_CONFIG as u64 + 1)
        .read_to_string(&mut text)
        .map_err(BootError::Unreadable)?;
    Ok(Config::parse(&text)?)
}

async fn serve(
    launch: OwnedFd,
    listener: OwnedFd,
    config: Config,
    endpoint: Option<carapace_providers::openai_compatible::Endpoint>,
    store: Store,
    opened: carapace_store::Opened,
    egress: Egress,
) -> Result<(), BootError> {
    let (launcher, notices) = launcher::open(launch).map_err(BootError::Runtime)?;
    let failed = |error: carapace_store::StoreError| BootError::Store(error.to_string());
    store
        .note(Note::Started {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config: config.digest(),
        })
        .map_err(failed)?;
    for unknown in &opened.unknown {
        eprintln!(
            "the outcome of {} ({}) is not known: it was under way when the broker ended",
            unknown.effect, unknown.what
        );
    }
    let always = store.always(crate::broker::now()).await.map_err(failed)?;
    let broker = Rc::new(Broker::new(
        config, endpoint, store, egress, launcher, always,
    ));
    control::listen(Rc::clone(&broker), listener).map_err(BootError::Runtime)?;
    for row in opened.unfinished {
        turn::resume(&broker, row);
    }
    broker.launcher.ready();
    tokio::task::spawn_local(keep_anchored(Rc::clone(&broker)));
    launcher::follow(&broker, notices).await;
    turn::wind_down(&broker).await;
    let _ = broker.store.note_synced(Note::Stopped {}).await;
    broker.anchor().await;
    Ok(())
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
