//! One carapace in a home of its own, started and stopped by the person's own command.

use crate::control::Control;
use crate::programs;
use carapace_contract::config::DEFAULT_TEXT;
use carapace_contract::home::Home;
use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The uid of a test that runs as an ordinary user, where the tests run as root.
pub const ORDINARY: u32 = 65_534;

/// A home, and the programs that run in it.
pub struct World {
    folder: tempfile::TempDir,
    programs: PathBuf,
    uid: Option<u32>,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status; 128 and the signal where one ended it.
    pub status: i32,
    /// What it wrote for programs.
    pub out: String,
    /// What it wrote for people.
    pub err: String,
}

impl Finished {
    fn of(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let status = output.status;
        Self {
            status: status
                .code()
                .or(status.signal().map(|signal| 128 + signal))
                .unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Insists on this status.
    pub fn expect(self, status: i32) -> Self {
        assert_eq!(
            self.status, status,
            "out:\n{}\nerr:\n{}",
            self.out, self.err
        );
        self
    }

    /// Its output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("not JSON: {error}\n{}\n{}", self.out, self.err))
    }
}

impl World {
    /// A fresh home; nothing runs yet.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("carapace-")
            .tempdir()
            .expect("a folder");
        Self {
            folder,
            programs: programs::folder().to_owned(),
            uid: None,
        }
    }

    /// A fresh home whose models are these: the route of `model.route`, and what else stands in `config.toml`.
    pub fn with_models(route: &str, rest: &str) -> Self {
        let world = Self::new();
        // The first command makes the home.
        world.carapace(&["config", "show"]);
        world.configure(route, rest);
        world
    }

    /// Writes `config.toml` anew.
    pub fn configure(&self, route: &str, rest: &str) {
        let model = format!("route = {route:?}");
        let text = DEFAULT_TEXT.replace("route = \"offline\"", &model);
        std::fs::create_dir_all(self.home().root()).expect("a home");
        std::fs::write(self.home().config(), format!("{text}\n{rest}")).expect("writes");
    }

    /// The same, as an ordinary user where the tests run as root.
    pub fn of_ordinary_user() -> Self {
        let mut world = Self::new();
        if rustix::process::geteuid().is_root() {
            world.uid = Some(ORDINARY);
            world.own_programs();
            chown(world.folder.path(), Some(ORDINARY), Some(ORDINARY))
                .expect("gives the folder away");
        }
        world
    }

    /// Puts another program in the place of one of the world's own.
    pub fn replace_program(&mut self, name: &str, by: &Path) {
        if self.programs == programs::folder() {
            self.own_programs();
        }
        let place = self.programs.join(name);
        std::fs::remove_file(&place).expect("removes the shipped program");
        std::fs::copy(by, &place).expect("copies the other program");
    }

    fn own_programs(&mut self) {
        let own = self.folder.path().join("programs");
        std::fs::create_dir(&own).expect("a folder");
        // A build folder has more in it than programs.
        let entries = std::fs::read_dir(&self.programs)
            .expect("the programs")
            .flatten();
        for entry in entries.filter(|entry| entry.path().is_file()) {
            std::fs::copy(entry.path(), own.join(entry.file_name())).expect("copies a program");
        }
        for path in [self.folder.path(), &own] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
                .expect("opens the folder");
        }
        self.programs = own;
    }

    /// The uid it runs as, where that is another than the tests' own.
    pub fn uid(&self) -> Option<u32> {
        self.uid
    }

    /// Its home.
    pub fn home(&self) -> Home {
        Home::at(self.folder.path().join("home"))
    }

    /// A folder beside the home.
    pub fn beside(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of the owner's workspace.
    pub fn workspace(&self) -> PathBuf {
        self.home().workspace("owner")
    }

    /// A command of the person, not yet run; its environment is empty but for `HOME` and `PATH`.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join("carapace"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("CARAPACE_HOME", self.home().root())
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        if let Some(uid) = self.uid {
            command.uid(uid).gid(uid);
        }
        command
    }

    /// Runs a command of the person to its end.
    pub fn carapace(&self, arguments: &[&str]) -> Finished {
        Finished::of(
            self.command(arguments)
                .output()
                .expect("the program starts"),
        )
    }

    /// Runs a command with this on its standard input.
    pub fn carapace_with(&self, arguments: &[&str], input: &str) -> Finished {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        child
            .stdin
            .take()
            .expect("a pipe")
            .write_all(input.as_bytes())
            .expect("takes its input");
        Finished::of(child.wait_with_output().expect("ends"))
    }

    /// Starts it, and insists that it starts.
    pub fn start(&self) -> &Self {
        self.carapace(&["start"]).expect(0);
        self
    }

    /// Stops it.
    pub fn stop(&self) {
        self.carapace(&["stop"]).expect(0);
    }

    /// A connection to its broker; waits while a broker is being replaced.
    pub fn control(&self) -> Control {
        let socket = self.home().control_socket();
        let uid = self.uid;
        eventually("the control socket", || {
            let socket = socket.clone();
            // Who is at the other end is asked when it connects: a thread of its own becomes that user.
            let connected = std::thread::spawn(move || {
                if let Some(uid) = uid {
                    let uid = rustix::process::Uid::from_raw(uid);
                    rustix::thread::set_thread_res_uid(uid, uid, uid)
                        .expect("becomes the ordinary user");
                }
                Control::connect(&socket).ok()
            });
            connected.join().expect("the thread ends")
        })
    }

    /// What the supervisor says of itself.
    pub fn supervisor(&self, word: &str) -> Option<Value> {
        let mut stream = UnixStream::connect(self.home().supervisor_socket()).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .ok()?;
        stream.write_all(format!("{word}\n").as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// The process ids of the processes of this name: `supervisor`, `broker`, `worker`, `hands`.
    pub fn pids(&self, name: &str) -> Vec<i32> {
        let Some(status) = self.supervisor("status") else {
            return Vec::new();
        };
        let number = |value: &Value| value.as_i64().and_then(|pid| i32::try_from(pid).ok());
        if name == "supervisor" {
            return number(&status["pid"]).into_iter().collect();
        }
        status["processes"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|process| process["profile"] == name)
            .filter_map(|process| number(&process["pid"]))
            .collect()
    }

    /// Writes a file of the workspace as the person would.
    pub fn put(&self, name: &str, content: &str) {
        let path = self.workspace().join(name);
        std::fs::write(&path, content).expect("writes");
        // The hands' uid owns the workspace; what the person puts there is theirs to change.
        let about = std::fs::metadata(self.workspace()).expect("a workspace");
        use std::os::unix::fs::MetadataExt;
        let _ = chown(&path, Some(about.uid()), Some(about.gid()));
    }

    /// Its log.
    pub fn log(&self) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(self.home().logs())
            .into_iter()
            .flatten()
            .flatten()
        {
            text.push_str(&std::fs::read_to_string(entry.path()).unwrap_or_default());
        }
        text
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let pids = self.pids("supervisor");
        let _ = self.carapace(&["stop"]);
        for pid in pids {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        if std::thread::panicking() {
            eprintln!("log of the world:\n{}", self.log());
        }
    }
}

/// Kills a process as the power would.
pub fn kill(pid: i32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// Waits until something is so; fails where it never is.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < crate::control::PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
