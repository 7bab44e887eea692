//! Starts a program in a cage.
//!
//! The caller's side: everything is prepared here, then one `clone3` makes the process in its new
//! namespaces, and [`crate::child`] does the rest. The caller never waits for the child; it polls
//! [`Caged::report`].

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::ExitStatus;

use crate::attest::Expected;
use crate::bpf::TableError;
use crate::cgroup::Group;
use crate::child::{self, Boot, IdMap, Program};
use crate::config::{CageConfig, ConfigError, Mount};
use crate::filter::{self, Stage};
use crate::root::{self, Plan, PlanError};
use crate::sys::process::{self, Cloned};
use crate::{Layer, LayerState, ProfileName, State, ids, limits, lock, probe};

/// What to start, and with what.
pub struct CageSpec<'a> {
    /// Which cage.
    pub profile: ProfileName,
    /// The executable, opened by the caller; a static program.
    pub program: BorrowedFd<'a>,
    /// Its arguments, the name first.
    pub argv: Vec<CString>,
    /// Descriptors to hand over, each with its number in the cage: 3, for the broker also 6 to 9 and 12.
    pub fds: Vec<(OwnedFd, i32)>,
    /// Becomes standard output and standard error.
    pub log: OwnedFd,
    /// The hands' workspace on the host.
    pub workspace: Option<PathBuf>,
    /// The broker's state directory on the host.
    pub state: Option<PathBuf>,
    /// The home, which no mount may show; needed when hands are given mounts.
    pub home: Option<PathBuf>,
    /// Picks the user id when the supervisor is root; see [`ids::uid`].
    pub slot: u32,
    /// What the owner waived and mounted.
    pub config: &'a CageConfig,
}

/// Who reads a secret, and with what; see [`spawn_secret`].
pub struct SecretSpec<'a> {
    /// Whether it has the host's network.
    pub online: bool,
    /// The executable, opened by the caller; a static program.
    pub program: BorrowedFd<'a>,
    /// Its arguments, the name first.
    pub argv: Vec<CString>,
    /// Its whole environment, `NAME=value` each.
    pub environment: Vec<CString>,
    /// Becomes standard output: where the secret goes.
    pub output: OwnedFd,
    /// Becomes standard error.
    pub log: OwnedFd,
    /// Directories of the owner that it and what it runs may write; absent ones are left out.
    pub writable: Vec<PathBuf>,
    /// Directories that it must not see; absent ones are left out.
    pub hidden: Vec<PathBuf>,
    /// What the owner waived.
    pub config: &'a CageConfig,
}

/// A started cage. Keep it until its process is reaped: dropping it removes its control group.
#[derive(Debug)]
pub struct Caged {
    /// The process id as the caller counts it.
    pub pid: u32,
    /// The process itself; readable when it has ended.
    pub pidfd: OwnedFd,
    /// The boot report, non-blocking; see [`crate::report`].
    pub report: OwnedFd,
    /// What attestation must find.
    pub expected: Expected,
    /// The layers of this cage.
    pub layers: Vec<LayerState>,
    /// Lets a held program start; see [`Caged::release`].
    hold: Option<OwnedFd>,
    /// Held for its drop.
    _group: Group,
}

/// Why a cage was not started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The caller has several threads, whose locks a copy would hold for ever.
    #[error("the caller has {0} threads; cages are started from a process with one")]
    Threads(usize),
    /// A descriptor number that the cage uses itself, or one named twice.
    #[error(
        "descriptor number {0} is not free in a cage; hand descriptors over as 3, to a broker also as 6 to 9 and 12"
    )]
    Number(i32),
    /// A mount in `cage.toml` is not acceptable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The cage's file systems cannot be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Folders are to be mounted, and nobody said which home they must not show.
    #[error("cage.toml names mounts, but the caller named no home to check them against")]
    HomeUnknown,
    /// A profile whose programs are held until they were attested.
    #[error("the profile {0} is started by `spawn_secret` only")]
    Held(ProfileName),
    /// A filter table is wrong in itself.
    #[error(transparent)]
    Filter(#[from] TableError),
    /// A profile that makes no sense without its own file systems.
    #[error(
        "the profile {0} cannot run without namespaces, waived or not; enable them, or run carapace as root"
    )]
    NeedsNamespaces(ProfileName),
    /// A system call on the caller's side failed.
    #[error("{step}: {cause}; nothing was started")]
    System {
        /// What was being done.
        step: &'static str,
        /// What the system said.
        cause: io::Error,
    },
}

/// Starts a program in a cage and returns at once; the outcome comes on [`Caged::report`].
///
/// # Errors
/// [`SpawnError`] for what goes wrong on the caller's side. What goes wrong in the child is a
/// report line and exit status 99.
pub fn spawn(spec: CageSpec<'_>) -> Result<Caged, SpawnError> {
    if spec.profile.is_held() {
        return Err(SpawnError::Held(spec.profile));
    }
    let numbers = if spec.profile == ProfileName::Broker {
        &[3, 6, 7, 8, 9, 12][..]
    } else {
        &[3]
    };
    for (index, (_, number)) in spec.fds.iter().enumerate() {
        let twice = spec.fds[..index].iter().any(|(_, other)| other == number);
        if twice || !numbers.contains(number) {
            return Err(SpawnError::Number(*number));
        }
    }
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(system("opening /dev/null"))?;
    let mut descriptors: Vec<(RawFd, RawFd)> = vec![
        (null.as_raw_fd(), 0),
        (spec.log.as_raw_fd(), 1),
        (spec.log.as_raw_fd(), 2),
    ];
    descriptors.extend(
        spec.fds
            .iter()
            .map(|(fd, number)| (fd.as_raw_fd(), *number)),
    );
    let command = (spec.profile == ProfileName::Hands)
        .then(|| path_of(spec.program))
        .flatten();
    start(Order {
        profile: spec.profile,
        stage: Stage::Start,
        command,
        program: Program::Opened(spec.program.as_raw_fd()),
        argv: spec.argv,
        environment: Vec::new(),
        descriptors,
        hold: None,
        view: None,
        workspace: spec.workspace,
        state: spec.state,
        home: spec.home,
        // Only hands have a place for them.
        mounts: if spec.profile == ProfileName::Hands {
            &spec.config.mounts
        } else {
            &[]
        },
        slot: spec.slot,
        config: spec.config,
    })
}

/// Starts a program that reads a secret, held back until [`Caged::release`]: its cage says READY
/// complete but for exec, so that it can be attested before anything of it runs. The host's tree is
/// read-only around it, and it has the id of the caller, whose files it reads.
///
/// # Errors
/// As [`spawn`].
pub fn spawn_secret(spec: SecretSpec<'_>) -> Result<Caged, SpawnError> {
    let null = File::open("/dev/null").map_err(system("opening /dev/null"))?;
    let (hold, release) = io::pipe().map_err(system("making the pipe that holds it back"))?;
    let mut caged = start(Order {
        profile: if spec.online {
            ProfileName::SecretOnline
        } else {
            ProfileName::Secret
        },
        stage: Stage::Foreign,
        command: None,
        program: Program::Opened(spec.program.as_raw_fd()),
        argv: spec.argv,
        environment: spec.environment,
        descriptors: vec![
            (null.as_raw_fd(), 0),
            (spec.output.as_raw_fd(), 1),
            (spec.log.as_raw_fd(), 2),
        ],
        hold: Some(hold.as_raw_fd()),
        view: Some(root::host_view(&spec.writable, &spec.hidden)?),
        workspace: None,
        state: None,
        home: None,
        mounts: &[],
        slot: 0,
        config: spec.config,
    })?;
    caged.hold = Some(release.into());
    Ok(caged)
}

impl Caged {
    /// Lets a held program start, once; nothing for one that was not held. It must have been
    /// attested.
    ///
    /// # Errors
    /// The system's; a program that has ended is none.
    pub fn release(&mut self) -> io::Result<()> {
        use std::io::Write as _;
        match self.hold.take() {
            Some(hold) => match File::from(hold).write_all(b"+") {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                result => result,
            },
            None => Ok(()),
        }
    }

    /// Kills the process, and with it everything in its cage.
    ///
    /// # Errors
    /// The system's, but not when it has ended already.
    pub fn kill(&self) -> io::Result<()> {
        match process::pidfd_send_signal(self.pidfd.as_fd(), libc::SIGKILL) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            result => result,
        }
    }

    /// Reaps the process if it has ended.
    ///
    /// # Errors
    /// The system's; ECHILD when it was reaped before.
    pub fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        process::wait(self.pid, false)
    }

    /// Waits for the end of the process and reaps it.
    ///
    /// # Errors
    /// The system's; ECHILD when it was reaped before.
    pub fn wait(&self) -> io::Result<ExitStatus> {
        match process::wait(self.pid, true)? {
            Some(status) => Ok(status),
            None => Err(io::Error::other("a blocking wait returned nothing")),
        }
    }
}

/// A start as both [`spawn`] and `sandbox` ask for it.
pub(crate) struct Order<'a> {
    pub(crate) profile: ProfileName,
    pub(crate) stage: Stage,
    /// The program's own path, where what it runs may start it too.
    pub(crate) command: Option<PathBuf>,
    pub(crate) program: Program,
    pub(crate) argv: Vec<CString>,
    /// On top of what tells of waived layers.
    pub(crate) environment: Vec<CString>,
    pub(crate) descriptors: Vec<(RawFd, RawFd)>,
    pub(crate) hold: Option<RawFd>,
    /// The tree of the cage where it is not its profile's.
    pub(crate) view: Option<Plan>,
    pub(crate) workspace: Option<PathBuf>,
    pub(crate) state: Option<PathBuf>,
    pub(crate) home: Option<PathBuf>,
    pub(crate) mounts: &'a [Mount],
    pub(crate) slot: u32,
    pub(crate) config: &'a CageConfig,
}

pub(crate) fn start(order: Order<'_>) -> Result<Caged, SpawnError> {
    let threads = fs::read_dir("/proc/self/task")
        .map_err(system("counting threads"))?
        .count();
    if threads != 1 {
        return Err(SpawnError::Threads(threads));
    }
    match &order.home {
        Some(home) => order.config.check(home)?,
        None if order.mounts.is_empty() => {}
        None => return Err(SpawnError::HomeUnknown),
    }
    let profile = order.profile;
    let (user, group) = process::effective_ids();
    let is_root = user == 0;
    let namespaces = probe::layer_in_use(Layer::Namespaces, order.config);
    let landlock = probe::layer_in_use(Layer::Landlock, order.config);
    if !namespaces && profile != ProfileName::Worker {
        return Err(SpawnError::NeedsNamespaces(profile));
    }

    let inside = ids::inside(profile, user);
    let become_id = is_root.then(|| ids::uid(profile, order.slot, order.config.uid_base));
    let map = (!is_root && namespaces).then_some(IdMap {
        inside,
        inside_group: ids::inside(profile, group),
        user,
        group,
    });
    let own_id = become_id.unwrap_or(if map.is_some() { inside } else { user });
    let plan = if namespaces {
        let (workspace, state) = (order.workspace.as_deref(), order.state.as_deref());
        let mut plan = match order.view {
            Some(view) => view,
            None => root::plan(profile, workspace, state, order.mounts, own_id)?,
        };
        if let Some(command) = &order.command {
            plan.offer_command(command)?;
        }
        Some(plan)
    } else {
        None
    };

    let mut cgroup = Group::make(profile);
    let (report, report_write) = io::pipe().map_err(system("making the report pipe"))?;
    let (report, report_write) = (OwnedFd::from(report), OwnedFd::from(report_write));
    process::set_nonblocking(report.as_fd()).map_err(system("preparing the report pipe"))?;
    let parent = process::pidfd_open(std::process::id()).map_err(system("opening this process"))?;
    let layers = layers_of(
        profile,
        is_root,
        namespaces,
        landlock,
        &cgroup,
        order.config,
    );
    let expected = Expected::of(
        profile,
        order.stage,
        become_id.unwrap_or(user),
        plan.as_ref(),
        is_root,
        &order.descriptors,
    )
    .map_err(system("reading the supervisor's own namespaces"))?;

    let boot = Boot {
        profile,
        map,
        become_id,
        root: plan,
        descriptors: order.descriptors,
        report: report_write.as_raw_fd(),
        parent: parent.as_raw_fd(),
        hold: order.hold,
        cgroup_doors: cgroup.doors(),
        limits: limits::of(profile),
        landlock,
        filter: filter::program(profile, order.stage)?,
        program: order.program,
        argv: order.argv,
        environment: lock::environment(landlock, namespaces)
            .into_iter()
            .chain(order.environment)
            .collect(),
    };
    match process::clone3(namespace_flags(profile, is_root, namespaces))
        .map_err(system("clone3"))?
    {
        Cloned::Child => child::run(&boot),
        Cloned::Parent { pid, pidfd } => {
            cgroup.close_doors();
            Ok(Caged {
                pid,
                pidfd,
                report,
                expected,
                layers,
                hold: None,
                _group: cgroup,
            })
        }
    }
}

/// The namespaces of a profile: all but time for the confined, who need nothing of the host; who
/// asks servers keeps the host's network; the broker keeps that and its view of process ids, by
/// which it knows its peers. Who reads a secret keeps the host's name, by which gpg knows whether a
/// lock of its files is stale.
pub(crate) fn namespace_flags(profile: ProfileName, is_root: bool, namespaces: bool) -> u64 {
    if !namespaces {
        return 0;
    }
    let user = if is_root { 0 } else { libc::CLONE_NEWUSER };
    let common = libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    let alone = libc::CLONE_NEWPID | libc::CLONE_NEWNET | libc::CLONE_NEWCGROUP;
    let flags = match profile {
        ProfileName::Worker | ProfileName::Hands => user | common | alone,
        ProfileName::Broker => user | common,
        ProfileName::Resolver => user | common | (alone & !libc::CLONE_NEWNET),
        ProfileName::Secret => user | (common & !libc::CLONE_NEWUTS) | alone,
        ProfileName::SecretOnline => {
            user | (common & !libc::CLONE_NEWUTS) | (alone & !libc::CLONE_NEWNET)
        }
    };
    flags as u64
}

fn layers_of(
    profile: ProfileName,
    is_root: bool,
    namespaces: bool,
    landlock: bool,
    group: &Group,
    config: &CageConfig,
) -> Vec<LayerState> {
    let state = |layer, state, evidence: &str| LayerState {
        layer,
        state,
        evidence: evidence.into(),
    };
    let waivable = |on: bool| if on { State::Ok } else { State::Waived };
    let kinds = match (profile, is_root) {
        (ProfileName::Broker, true) => "mount, ipc, uts",
        (ProfileName::Broker, false) => "user, mount, ipc, uts",
        (ProfileName::Resolver, true) => "pid, mount, ipc, uts, cgroup",
        (ProfileName::Resolver, false) => "user, pid, mount, ipc, uts, cgroup",
        (ProfileName::Secret, true) => "pid, net, mount, ipc, cgroup",
        (ProfileName::Secret, false) => "user, pid, net, mount, ipc, cgroup",
        (ProfileName::SecretOnline, true) => "pid, mount, ipc, cgroup",
        (ProfileName::SecretOnline, false) => "user, pid, mount, ipc, cgroup",
        (_, true) => "pid, net, mount, ipc, uts, cgroup",
        (_, false) => "user, pid, net, mount, ipc, uts, cgroup",
    };
    let nested = if is_root {
        (
            State::Soft,
            "no user namespace as root; the filter refuses namespaces",
        )
    } else if !namespaces || !probe::nested_limit_works(config) {
        (
            State::Soft,
            "/proc/sys/user cannot be written; the filter refuses namespaces",
        )
    } else {
        (State::Ok, "user.max_*_namespaces is 0")
    };
    vec![
        state(Layer::Namespaces, waivable(namespaces), kinds),
        state(Layer::NestedLimit, nested.0, nested.1),
        state(
            Layer::Root,
            waivable(namespaces),
            if profile.is_held() {
                "the host's tree, read-only"
            } else {
                "own root, read-only"
            },
        ),
        state(
            Layer::Landlock,
            waivable(landlock),
            "the rights of ABI 6, required",
        ),
        state(
            Layer::Seccomp,
            State::Ok,
            if profile.is_held() {
                "one filter, before exec"
            } else {
                "start and final filter"
            },
        ),
        state(Layer::NoNewPrivs, State::Ok, "set before exec"),
        state(
            Layer::Capabilities,
            State::Ok,
            "all sets empty, securebits locked",
        ),
        state(Layer::Rlimits, State::Ok, "hard limits"),
        state(
            Layer::Cgroup,
            if group.holds() {
                State::Ok
            } else {
                State::Soft
            },
            group.evidence(),
        ),
        state(Layer::Keyring, State::Ok, "a session keyring of its own"),
        state(
            Layer::Descriptors,
            State::Ok,
            "all but the named ones closed",
        ),
    ]
}

fn system(step: &'static str) -> impl FnOnce(io::Error) -> SpawnError {
    move |cause| SpawnError::System { step, cause }
}

/// The path of an opened program, if it can be found and is still the same file. A process that is
/// not dumpable cannot ask for it by the descriptor; then it is looked for beside the own program.
fn path_of(program: BorrowedFd<'_>) -> Option<PathBuf> {
    let opened = File::from(program.try_clone_to_owned().ok()?)
        .metadata()
        .ok()?;
    let beside = || {
        Some(
            fs::read_link("/proc/self/exe")
                .ok()?
                .with_file_name("carapace-hands"),
        )
    };
    let own = fs::read_link(format!("/proc/self/fd/{}", program.as_raw_fd())).ok();
    [own, beside()].into_iter().flatten().find(|path| {
        fs::metadata(path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (opened.dev(), opened.ino()))
    })
}

/// Opens an executable of the host for [`CageSpec::program`].
///
/// # Errors
/// The system's.
pub fn open_program(path: &std::path::Path) -> io::Result<OwnedFd> {
    Ok(File::open(path)?.into())
}
