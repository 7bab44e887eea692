//! What must hold before anything is started, in order: the home is there and mine, no other
//! supervisor has it, the cage's configuration and the programs can be read, this machine can
//! confine, and the supervisor has locked itself. Nothing runs when one of these fails.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use carapace_contract::home::Home;
use carapace_jail::config::{CageConfig, ConfigError};
use carapace_jail::lock::{self, LockError};
use carapace_jail::probe::{self, Level, Refusal};
use carapace_jail::{Layer, ProfileName};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::anchor::{Anchor, AnchorError};
use crate::configuration::{self, Configuration, FileError};
use crate::home::{self, HomeError, PidFile};
use crate::journal::{Journal, JournalError};
use crate::keys::{KeyError, Keys};

/// The most bytes of a `cage.toml`: hundreds of mounts and secrets.
const CAGE_LIMIT: usize = 128 << 10;

/// Descriptors of the supervisor: several times what it can come to use.
const DESCRIPTORS: u64 = 4096;

/// Everything that was found, opened and made.
pub(crate) struct Ground {
    /// The home.
    pub(crate) home: Home,
    /// What the owner waived and mounted, where names are asked and secrets live.
    pub(crate) cage: CageConfig,
    /// The programs of the profiles.
    pub(crate) programs: Programs,
    /// How strong a cage is here.
    pub(crate) level: Level,
    /// The log.
    pub(crate) journal: Journal,
    /// The audit chain's head.
    pub(crate) anchor: Anchor,
    /// The broker's configuration.
    pub(crate) configuration: Configuration,
    /// What lets a broker open the vault.
    pub(crate) keys: Keys,
    /// Signals, to be polled.
    pub(crate) signals: SignalFd,
    /// The supervisor's control socket.
    pub(crate) supervisor_socket: UnixListener,
    /// The broker's.
    pub(crate) control_socket: UnixListener,
    /// When the supervisor started.
    pub(crate) started: Instant,
    /// The same, in seconds since 1970.
    pub(crate) started_at: u64,
    /// The lock on the home.
    pub(crate) pid_file: PidFile,
}

/// The executables, opened once: what replaces a file later is not run.
pub(crate) struct Programs {
    broker: OwnedFd,
    worker: OwnedFd,
    hands: OwnedFd,
    resolver: OwnedFd,
    secret: OwnedFd,
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("reading cage.toml: it is not UTF-8\n  remedy: write it again with `carapace cage`")]
    NotText,
    #[error("reading cage.toml: {0}")]
    Cage(#[from] ConfigError),
    #[error(
        "opening the program {path}: {cause}\n  remedy: install all programs of carapace in one folder"
    )]
    Program { path: PathBuf, cause: io::Error },
    #[error("finding the programs: {0}\n  remedy: mount /proc")]
    Folder(io::Error),
    #[error(
        "trying the layers of a cage: {refusal}\n{layer}: {evidence}\nconsequence: {consequence}\n  remedy: {remedy}"
    )]
    Refused {
        refusal: Refusal,
        layer: Layer,
        evidence: String,
        consequence: String,
        remedy: String,
    },
    #[error("trying the layers of a cage: {0}")]
    RefusedAltogether(Refusal),
    #[error("locking the supervisor: {0}\n  remedy: see `carapace doctor`")]
    Lock(#[from] LockError),
    #[error("taking over signals: {0}\n  remedy: start again; this is a fault of the system")]
    Signals(nix::errno::Errno),
}

impl StartError {
    /// The exit status that tells what kind of start failed.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Home(HomeError::AlreadyRunning { .. }) => 3,
            Self::Refused { .. } | Self::RefusedAltogether(_) | Self::Lock(_) => 4,
            Self::File(_) | Self::NotText | Self::Cage(_) | Self::Key(_) => 78,
            _ => 1,
        }
    }
}

impl Programs {
    fn open() -> Result<Self, StartError> {
        let own = std::env::current_exe().map_err(StartError::Folder)?;
        let open = |name: &str| {
            let path = own.with_file_name(name);
            carapace_jail::open_program(&path).map_err(|cause| StartError::Program { path, cause })
        };
        Ok(Self {
            broker: open("carapace-broker")?,
            worker: open("carapace-worker")?,
            hands: open("carapace-hands")?,
            resolver: open("carapace-resolver")?,
            secret: open("carapace-secret-helper")?,
        })
    }

    /// The program of a profile.
    pub(crate) fn of(&self, profile: ProfileName) -> &OwnedFd {
        match profile {
            ProfileName::Broker => &self.broker,
            ProfileName::Worker => &self.worker,
            ProfileName::Hands => &self.hands,
            ProfileName::Resolver => &self.resolver,
            ProfileName::Secret | ProfileName::SecretOnline => &self.secret,
        }
    }
}

/// Checks and opens everything, and locks the supervisor itself.
///
/// # Errors
/// [`StartError`] for the first thing that does not hold.
pub(crate) fn prepare(home: PathBuf) -> Result<Ground, StartError> {
    let started = Instant::now();
    let started_at = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs());
    // Nothing that is made here is for anybody else.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    raise_descriptor_limit();
    let home = Home::at(home);

    // 1. The home, and nobody else in it.
    home::check(&home)?;
    let pid_file = PidFile::lock(home.pid_file())?;
    let mut journal = Journal::open(&home.logs())?;
    let anchor = Anchor::open(&home)?;

    // 2. What is to run, and how.
    let cage = read_cage(&home)?;
    let configuration = Configuration::read(&home)?;
    let keys = Keys::make(&home.vault_key())?;
    let programs = Programs::open()?;

    // 3. Whether this machine can confine; tried before the lock, in children of its own.
    let level = try_layers(&cage, &mut journal)?;

    // 4. From here on signals wait to be read, and the supervisor is locked.
    let signals = take_signals().map_err(StartError::Signals)?;
    lock::supervisor()?;

    // 5. The sockets; a person who can connect finds somebody who answers soon.
    let supervisor_socket = home::listen(&home.supervisor_socket())?;
    let control_socket = home::listen(&home.control_socket())?;
    Ok(Ground {
        home,
        cage,
        programs,
        level,
        journal,
        anchor,
        configuration,
        keys,
        signals,
        supervisor_socket,
        control_socket,
        started,
        started_at,
        pid_file,
    })
}

/// Each process takes some descriptors, and 64 of them come near the usual limit.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < DESCRIPTORS) {
        limit.current = Some(
            limit
                .maximum
                .map_or(DESCRIPTORS, |most| most.min(DESCRIPTORS)),
        );
        // NOTE(limit): where it stays as it was, a launch that finds no descriptor fails and says so.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

fn read_cage(home: &Home) -> Result<CageConfig, StartError> {
    let bytes = match configuration::read_own(&home.cage(), CAGE_LIMIT) {
        // Without the file nothing is waived and nothing mounted.
        Err(FileError::Unreadable { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
            return Ok(CageConfig::default());
        }
        other => other?,
    };
    let text = String::from_utf8(bytes).map_err(|_| StartError::NotText)?;
    let cage = CageConfig::parse(&text)?;
    cage.check(home.root())?;
    Ok(cage)
}

fn try_layers(cage: &CageConfig, journal: &mut Journal) -> Result<Level, StartError> {
    let reports = probe::layers(cage);
    let refusal = match probe::verdict(&reports, cage) {
        Ok(level) => {
            for report in reports.iter().filter(|one| !one.consequence.is_empty()) {
                journal.say(&format!(
                    "the layer {} is {}: {}; consequence: {}; remedy: {}",
                    report.layer, report.state, report.evidence, report.consequence, report.remedy
                ));
            }
            return Ok(level);
        }
        Err(refusal) => refusal,
    };
    let named = match refusal {
        Refusal::NotWaived(layer) | Refusal::Required(layer) => layer,
        Refusal::TooLittle => return Err(StartError::RefusedAltogether(refusal)),
    };
    match reports.into_iter().find(|report| report.layer == named) {
        Some(report) => Err(StartError::Refused {
            refusal,
            layer: report.layer,
            evidence: report.evidence,
            consequence: report.consequence,
            remedy: report.remedy,
        }),
        None => Err(StartError::RefusedAltogether(refusal)),
    }
}

fn take_signals() -> nix::Result<SignalFd> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTERM);
    set.add(Signal::SIGINT);
    set.add(Signal::SIGHUP);
    // Cages start with an empty mask of their own.
    set.thread_block()?;
    SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
}
