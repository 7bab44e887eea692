//! Secrets that stay where they are: one process for one reading, with arguments and an environment
//! that are made here from `cage.toml` and the owner's own environment. What it reads goes to the
//! broker; the supervisor holds no end of that channel while it runs.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use carapace_ipc_proto::launch::{Failure, Name40, Notice};
use carapace_jail::config::{Backend, Helpers, PROGRAM_FOLDERS, SecretSource};
use carapace_jail::{ProfileName, SecretSpec, spawn_secret};
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, shutdown, socketpair};

use crate::cages::{BOOT, CageError};
use crate::process::Process;
use crate::supervisor::Supervisor;

/// Readings at a time: as many as a broker asks for when it starts, and not so many that the programs
/// of the owner crowd the machine.
const AT_A_TIME: usize = 8;
/// From its start on; what asks a person, or a server that is far, is given up.
const PATIENCE: Duration = Duration::from_secs(20);

impl Supervisor {
    /// Answers an order for a secret.
    pub(crate) fn launch_secret(&mut self, request: u64, name: Name40) {
        let why = match self.ground.cage.secret_named(name.as_str()).cloned() {
            None => {
                self.ground.journal.say(&format!(
                    "the broker asked for the secret {:?}, which cage.toml does not name",
                    name.as_str()
                ));
                Failure::Unknown
            }
            Some(_) if self.readings() >= AT_A_TIME => Failure::Limit,
            Some(source) => match self.start_secret(&source, request) {
                Ok(()) => return,
                Err(error) => {
                    self.ground.journal.say(&format!(
                        "starting what reads the secret {:?}: {error}",
                        source.name
                    ));
                    Failure::Cage
                }
            },
        };
        self.notify(&Notice::Failed { request, why }, None);
    }

    fn readings(&self) -> usize {
        self.processes
            .values()
            .filter(|one| one.profile.is_held())
            .count()
    }

    fn start_secret(&mut self, source: &SecretSource, request: u64) -> Result<(), CageError> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        // Nothing goes that way.
        shutdown(&ours, Shutdown::Write)?;
        let (log, log_write) = io::pipe()?;
        let log = OwnedFd::from(log);
        rustix::io::ioctl_fionbio(&log, true)?;
        let words = words(source, &self.ground.cage.helpers, &Surroundings::own());
        let mut caged = spawn_secret(SecretSpec {
            online: source.from.is_online(),
            program: self.ground.programs.of(ProfileName::Secret).as_fd(),
            argv: words.argv,
            environment: words.environment,
            output: theirs,
            log: log_write.into(),
            writable: words.writable,
            hidden: vec![self.ground.home.root().to_owned()],
            config: &self.ground.cage,
        })?;
        caged.expected.refuse_files(&self.ground.keys.files());
        let profile = caged.expected.profile();
        let mut process = Process::new(
            self.take_number(),
            profile,
            self.broker.generation,
            caged,
            log,
            BOOT,
        );
        process.channel = Some(ours);
        process.request = Some(request);
        process.end_by = Some(Instant::now() + PATIENCE);
        self.add(process);
        Ok(())
    }
}

/// The variables that are looked at.
struct Surroundings(Vec<(OsString, OsString)>);

impl Surroundings {
    fn own() -> Self {
        Self(std::env::vars_os().collect())
    }

    fn get(&self, name: &str) -> Option<&OsStr> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_os_str())
    }

    /// A directory that a variable names, absolute.
    fn place(&self, name: &str) -> Option<PathBuf> {
        self.get(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    }
}

/// What a reading is started with.
struct Words {
    argv: Vec<CString>,
    environment: Vec<CString>,
    writable: Vec<PathBuf>,
}

/// For all of them: who the owner is, and where the owner's agents listen.
const COMMON: &[&str] = &[
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
];

fn words(source: &SecretSource, helpers: &Helpers, around: &Surroundings) -> Words {
    let argv = ["carapace-secret-helper", source.from.as_str(), &source.item]
        .into_iter()
        // NOTE(zero byte): control characters are refused when cage.toml is read.
        .filter_map(|word| CString::new(word).ok())
        .collect();
    let program = helpers.program(source.from);
    let mut environment = vec![variable(
        OsStr::new("PATH"),
        &search_path(program.as_deref()),
    )];
    if let Some(program) = &program {
        let name = OsStr::new("CARAPACE_HELPER_PROGRAM");
        environment.push(variable(name, program.as_os_str()));
    }
    let own: &[&str] = match source.from {
        Backend::Pass => &["GNUPGHOME", "PASSWORD_STORE_DIR"],
        Backend::Op => &["OP_SERVICE_ACCOUNT_TOKEN", "OP_ACCOUNT", "OP_CONFIG_DIR"],
        Backend::Bw => &["BW_SESSION", "BITWARDENCLI_APPDATA_DIR"],
        Backend::Keyring => &["DBUS_SESSION_BUS_ADDRESS"],
        Backend::Env => &[source.item.as_str()],
        Backend::File => &[],
    };
    for (name, value) in &around.0 {
        let session = source.from == Backend::Op && name.as_bytes().starts_with(b"OP_SESSION_");
        let named = || COMMON.iter().chain(own).any(|wanted| name == *wanted);
        // What was set above is not set by the owner's environment, also where `item` is its name.
        let ours =
            name == "PATH" && source.from != Backend::Env || name == "CARAPACE_HELPER_PROGRAM";
        if (session || named()) && !ours {
            environment.push(variable(name, value));
        }
    }
    if source.from == Backend::Env && source.item == "PATH" {
        environment.remove(0);
    }
    environment.retain(|entry| !entry.is_empty());
    Words {
        argv,
        environment,
        writable: writable(source.from, around),
    }
}

/// Where the programs of a backend keep sockets, locks and the state that they must write.
fn writable(backend: Backend, around: &Surroundings) -> Vec<PathBuf> {
    let home = around.place("HOME");
    let at_home = |name: &str| home.as_ref().map(|home| home.join(name));
    let config = |name: &str| {
        around
            .place("XDG_CONFIG_HOME")
            .or_else(|| at_home(".config"))
            .map(|folder| folder.join(name))
    };
    let own = match backend {
        Backend::Env | Backend::File => return Vec::new(),
        Backend::Keyring => Vec::new(),
        Backend::Pass => vec![around.place("GNUPGHOME").or_else(|| at_home(".gnupg"))],
        Backend::Op => vec![around.place("OP_CONFIG_DIR"), config("op"), at_home(".op")],
        Backend::Bw => vec![
            around.place("BITWARDENCLI_APPDATA_DIR"),
            config("Bitwarden CLI"),
        ],
    };
    own.into_iter()
        .chain([around.place("XDG_RUNTIME_DIR"), Some("/tmp".into())])
        .flatten()
        .collect()
}

/// The system's folders, and that of the program: its interpreter is often beside it.
fn search_path(program: Option<&Path>) -> OsString {
    let mut folders: Vec<&Path> = PROGRAM_FOLDERS.map(Path::new).into();
    if let Some(folder) = program.and_then(Path::parent)
        && !folders.contains(&folder)
        && !folder.as_os_str().as_bytes().contains(&b':')
    {
        folders.push(folder);
    }
    let names: Vec<&OsStr> = folders.into_iter().map(Path::as_os_str).collect();
    names.join(OsStr::new(":"))
}

fn variable(name: &OsStr, value: &OsStr) -> CString {
    let entry = [name.as_bytes(), b"=", value.as_bytes()].concat();
    // NOTE(zero byte): an environment cannot hold one.
    CString::new(entry).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around() -> Surroundings {
        let list = [
            ("HOME", "/home/o"),
            ("PATH", "/evil"),
            ("LD_PRELOAD", "/evil.so"),
            ("BASH_ENV", "/evil.sh"),
            ("GNUPGHOME", "/home/o/keys"),
            ("OP_SERVICE_ACCOUNT_TOKEN", "t"),
            ("OP_SESSION_x", "s"),
            ("BW_SESSION", "b"),
            ("ANTHROPIC_API_KEY", "k"),
            ("XDG_RUNTIME_DIR", "/run/user/7"),
            ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/run/user/7/bus"),
            ("CARAPACE_HELPER_PROGRAM", "/evil"),
        ];
        Surroundings(list.map(|(name, value)| (name.into(), value.into())).into())
    }

    fn names(from: Backend, item: &str) -> Vec<String> {
        let source = SecretSource {
            name: "x".into(),
            from,
            item: item.into(),
        };
        let words = words(&source, &Helpers::default(), &around());
        let mut names: Vec<String> = words
            .environment
            .iter()
            .map(|entry| {
                entry
                    .to_str()
                    .unwrap()
                    .split('=')
                    .next()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn each_backend_gets_its_own_variables_and_no_others() {
        const HELPER: &str = "CARAPACE_HELPER_PROGRAM";
        for (from, item, wanted) in [
            (
                Backend::Pass,
                "a",
                &[HELPER, "GNUPGHOME", "HOME", "PATH", "XDG_RUNTIME_DIR"][..],
            ),
            (
                Backend::Op,
                "op://a/b/c",
                &[
                    HELPER,
                    "HOME",
                    "OP_SERVICE_ACCOUNT_TOKEN",
                    "OP_SESSION_x",
                    "PATH",
                    "XDG_RUNTIME_DIR",
                ],
            ),
            (
                Backend::Bw,
                "a",
                &["BW_SESSION", HELPER, "HOME", "PATH", "XDG_RUNTIME_DIR"],
            ),
            (
                Backend::Keyring,
                "a",
                &[
                    "DBUS_SESSION_BUS_ADDRESS",
                    "HOME",
                    "PATH",
                    "XDG_RUNTIME_DIR",
                ],
            ),
            (
                Backend::Env,
                "ANTHROPIC_API_KEY",
                &["ANTHROPIC_API_KEY", "HOME", "PATH", "XDG_RUNTIME_DIR"],
            ),
            (
                Backend::Env,
                "MISSING",
                &["HOME", "PATH", "XDG_RUNTIME_DIR"],
            ),
            (Backend::File, "/a", &["HOME", "PATH", "XDG_RUNTIME_DIR"]),
        ] {
            assert_eq!(names(from, item), wanted, "{from:?} {item}");
        }
    }

    #[test]
    fn the_arguments_and_the_search_path_are_not_the_environments() {
        let source = SecretSource {
            name: "x".into(),
            from: Backend::Pass,
            item: "ai/x".into(),
        };
        let helpers = Helpers {
            pass: Some("/opt/tools/pass".into()),
            ..Helpers::default()
        };
        let words = words(&source, &helpers, &around());
        assert_eq!(
            words.argv,
            [
                c"carapace-secret-helper".to_owned(),
                c"pass".to_owned(),
                c"ai/x".to_owned()
            ]
        );
        let has = |entry: &str| {
            words
                .environment
                .iter()
                .any(|one| one.to_str() == Ok(entry))
        };
        assert!(has("PATH=/usr/local/bin:/usr/bin:/bin:/opt/tools"));
        assert!(has("CARAPACE_HELPER_PROGRAM=/opt/tools/pass"));
        let writable: Vec<&str> = words
            .writable
            .iter()
            .filter_map(|one| one.to_str())
            .collect();
        assert_eq!(writable, ["/home/o/keys", "/run/user/7", "/tmp"]);
    }
}
