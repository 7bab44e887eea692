//! A supervisor as small as a test needs: directories, a fixture in a cage, its report and its end.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitStatus;

use carapace_jail::attest::{self, Attestation};
use carapace_jail::config::CageConfig;
use carapace_jail::exit::{self, Cause};
use carapace_jail::report::{self, Line};
use carapace_jail::{CageSpec, Caged, ProfileName, SpawnError, spawn};

use crate::fixture;

/// Directories of one run.
pub struct World {
    pub top: PathBuf,
    pub config: CageConfig,
}

/// A fixture in a cage, with the caller's end of its channel.
pub struct Running {
    pub caged: Caged,
    pub log: PipeReader,
    pub channel: UnixStream,
}

/// How a fixture ended.
pub struct Ended {
    pub cause: Cause,
    pub log: String,
}

impl World {
    pub fn new() -> Self {
        let top = std::env::temp_dir().join(format!("carapace-cage-test-{}", std::process::id()));
        for name in ["workspace", "state", "shown", "home"] {
            fs::create_dir_all(top.join(name)).expect("the temporary directory is writable");
        }
        fs::write(top.join("shown/note"), "shown").expect("writing a file");
        let top = top.canonicalize().expect("the directory was just made");
        Self {
            top,
            config: CageConfig::default(),
        }
    }

    /// Starts the fixture; the boot is not over yet.
    pub fn start(&self, profile: ProfileName, act: &[&str]) -> Running {
        self.try_start(profile, act).expect("the cage starts")
    }

    /// As [`Self::start`], where the start itself may be refused.
    pub fn try_start(&self, profile: ProfileName, act: &[&str]) -> Result<Running, SpawnError> {
        self.start_with(profile, act, Vec::new())
    }

    /// As [`Self::try_start`], with more descriptors.
    pub fn start_with(
        &self,
        profile: ProfileName,
        act: &[&str],
        more: Vec<(OwnedFd, i32)>,
    ) -> Result<Running, SpawnError> {
        let program = File::open("/proc/self/exe").expect("the test's own executable");
        let (mine, theirs) = UnixStream::pair().expect("a socket pair");
        let (log, log_write) = std::io::pipe().expect("a pipe");
        let words = [fixture::NAME, profile.as_str()]
            .into_iter()
            .chain(act.iter().copied());
        let argv = words
            .map(|word| CString::new(word).expect("no zero byte"))
            .collect();
        let caged = spawn(CageSpec {
            profile,
            program: program.as_fd(),
            argv,
            fds: [(OwnedFd::from(theirs), 3)]
                .into_iter()
                .chain(more)
                .collect(),
            log: OwnedFd::from(log_write),
            workspace: Some(self.top.join("workspace")),
            state: Some(self.top.join("state")),
            home: Some(self.top.join("home")),
            slot: 0,
            config: &self.config,
        })?;
        Ok(Running {
            caged,
            log,
            channel: mine,
        })
    }

    /// Starts the fixture and waits for READY.
    pub fn ready(&self, profile: ProfileName, act: &[&str]) -> Running {
        let running = self.start(profile, act);
        let line = running.report();
        assert_eq!(line, Some(Line::Ready), "{profile} {act:?}");
        running
    }

    /// Starts the fixture, waits for READY, lets it act and end.
    pub fn run(&self, profile: ProfileName, act: &[&str]) -> Ended {
        self.ready(profile, act).end()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.top);
    }
}

impl Running {
    /// The report line, waited for.
    pub fn report(&self) -> Option<Line> {
        let mut file = File::from(self.caged.report.try_clone().expect("a descriptor"));
        let mut bytes = Vec::new();
        let mut buffer = [0; 512];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return report::parse(&bytes),
                Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    std::thread::yield_now();
                }
                Err(error) => panic!("reading the report: {error}"),
            }
            if let Some(line) = report::parse(&bytes) {
                return Some(line);
            }
        }
    }

    pub fn attest(&self) -> Attestation {
        attest::attest(self.caged.pid, &self.caged.expected).expect("the attestation passes")
    }

    /// Closes the channel and waits for the end.
    pub fn end(self) -> Ended {
        let Self {
            caged,
            mut log,
            channel,
        } = self;
        drop(channel);
        let mut text = Vec::new();
        log.read_to_end(&mut text).expect("reading the log");
        let status: ExitStatus = caged.wait().expect("reaping");
        Ended {
            cause: exit::classify(status),
            log: String::from_utf8_lossy(&text).into_owned(),
        }
    }
}
