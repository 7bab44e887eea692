//! A home, a folder of programs and a running supervisor, as root or as an ordinary user.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Nothing in these tests takes this long unless it never happens.
const PATIENCE: Duration = Duration::from_secs(30);
/// The ordinary user of the tests that are run as root.
const NOBODY: u32 = 65_534;

/// Who runs the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    /// Who runs the tests.
    Tester,
    /// An ordinary user; the same as the tester where that is one.
    User,
}

pub struct World {
    folder: tempfile::TempDir,
    id: Option<u32>,
    child: Option<Child>,
    /// What was said on the ready descriptor.
    pub readiness: String,
}

impl World {
    /// A world with a broker, worker and hands that do as they are told.
    pub fn new(who: As) -> Self {
        let folder = tempfile::Builder::new().prefix("sv").tempdir().unwrap();
        let id = (who == As::User && rustix::process::geteuid().is_root()).then_some(NOBODY);
        let world = Self {
            folder,
            id,
            child: None,
            readiness: String::new(),
        };
        fs::set_permissions(world.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(world.programs()).unwrap();
        world.install(
            "carapace-supervisor",
            env!("CARGO_BIN_EXE_carapace-supervisor"),
        );
        for name in [
            "carapace-broker",
            "carapace-worker",
            "carapace-hands",
            "carapace-resolver",
            "carapace-secret-helper",
        ] {
            world.install_fake(name, "fake-cages");
        }
        fs::create_dir(world.home()).unwrap();
        fs::set_permissions(world.home(), fs::Permissions::from_mode(0o700)).unwrap();
        world.give(&world.home());
        world.write("config.toml", "first");
        world
    }

    pub fn home(&self) -> PathBuf {
        self.folder.path().join("h")
    }

    fn programs(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// Writes a file of the home.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.home().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        self.give(&path);
    }

    pub fn install_fake(&self, name: &str, fake: &str) {
        let tests = std::env::current_exe().unwrap();
        let profile = tests.parent().and_then(Path::parent).unwrap();
        self.install(name, profile.join("examples").join(fake));
    }

    fn install(&self, name: &str, from: impl AsRef<Path>) {
        let to = self.programs().join(name);
        fs::copy(from, &to).unwrap();
        fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn give(&self, path: &Path) {
        if let Some(id) = self.id {
            chown(path, Some(id), Some(id)).unwrap();
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.programs().join("carapace-supervisor"));
        command.arg("--home").arg(self.home());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.env("CARAPACE_TEST_SECRET", "from the environment");
        command.env("CARAPACE_TEST_HOME", "not for them");
        if let Some(id) = self.id {
            command.uid(id).gid(id);
        }
        command
    }

    /// Starts the supervisor and takes its line.
    pub fn start(&mut self) -> &mut Self {
        let (reader, writer) = std::io::pipe().unwrap();
        rustix::io::fcntl_setfd(&writer, rustix::io::FdFlags::empty()).unwrap();
        let mut command = self.command();
        command.stderr(Stdio::null());
        command
            .arg("--ready-fd")
            .arg(writer.as_raw_fd().to_string());
        self.child = Some(command.spawn().unwrap());
        drop(writer);
        self.readiness.clear();
        let mut reader = BufReader::new(reader);
        reader.read_line(&mut self.readiness).unwrap();
        self
    }

    /// Starts the supervisor and insists on READY.
    pub fn started(&mut self) -> &mut Self {
        self.start();
        assert_eq!(self.readiness, "READY\n", "{}", self.log());
        self
    }

    /// Another start in the same home, to its end: status and standard error.
    pub fn start_again(&self) -> (Option<i32>, String) {
        let output = self.command().stderr(Stdio::piped()).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), text)
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        kill(self.pid(), signal);
    }

    /// Waits for the supervisor's end.
    pub fn wait(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        let mut status = None;
        self.until("the supervisor ends", || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// The answer of the supervisor's control socket.
    pub fn ask(&self, request: &str) -> Value {
        let path = self.home().join("run/supervisor.sock");
        let mut stream = UnixStream::connect(path).unwrap();
        // In one piece: an answer to its beginning may close the connection before the rest.
        stream.write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text:?}"))
    }

    /// What the broker does when it is told to.
    pub fn broker(&self, command: &str) -> String {
        let path = self.home().join("run/control.sock");
        let mut stream = UnixStream::connect(path).unwrap();
        writeln!(stream, "{command}").unwrap();
        let mut text = String::new();
        // A broker that dies of it resets the connection.
        let _ = stream.read_to_string(&mut text);
        text.trim_end().to_owned()
    }

    /// Launches a process: its number, generation and process id.
    pub fn launch(&self, kind: &str) -> (u64, u32, u32) {
        let answer = self.broker(&format!("launch {kind} 0"));
        let words: Vec<&str> = answer.split(' ').collect();
        assert_eq!(words[0], "launched", "{answer}\n{}", self.log());
        (
            words[1].parse().unwrap(),
            words[2].parse().unwrap(),
            words[3].parse().unwrap(),
        )
    }

    /// The processes of a profile in a state, as the status has them.
    pub fn processes(&self, profile: &str, state: &str) -> Vec<Value> {
        let status = self.ask("status");
        let all = status["processes"].as_array().unwrap();
        all.iter()
            .filter(|one| one["profile"] == profile && one["state"] == state)
            .cloned()
            .collect()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.home().join("logs/carapace.log")).unwrap_or_default()
    }

    /// Waits until something holds.
    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let by = Instant::now() + PATIENCE;
        while !holds() {
            assert!(
                Instant::now() < by,
                "not within {PATIENCE:?}: {what}\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for a line in the log.
    pub fn until_logged(&self, part: &str) {
        self.until(part, || self.log().contains(part));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Sends a signal to a process that the test knows to be one of this world's.
pub fn kill(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Whether a process is there and not a corpse.
pub fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .trim()
            .starts_with('Z')
    })
}
