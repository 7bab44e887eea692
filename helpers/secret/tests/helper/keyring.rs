//! A real GNOME Keyring on a D-Bus daemon of the test's own, which starts nothing by itself.

use crate::world::{Outcome, program, run, run_with_input};
use std::fs;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const CONFIG: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=SOCKET</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

/// A session of a desktop: a bus, and perhaps a keyring on it.
struct Session {
    home: TempDir,
    running: Vec<Child>,
}

impl Session {
    fn with_bus() -> Self {
        let home = tempfile::Builder::new()
            .prefix("bus")
            .tempdir_in("/tmp")
            .unwrap();
        let config = home.path().join("config");
        let socket = home.path().join("bus");
        fs::write(&config, CONFIG.replace("SOCKET", socket.to_str().unwrap())).unwrap();
        let bus = Command::new(program("dbus-daemon", "dbus"))
            .arg("--nofork")
            .arg("--nopidfile")
            .arg(format!("--config-file={}", config.display()))
            .env_clear()
            .spawn()
            .unwrap();
        let session = Self {
            home,
            running: vec![bus],
        };
        wait_until("the bus listens", || socket.exists());
        session
    }

    /// With a keyring that is unlocked, or made, with a throw-away password.
    fn with_keyring() -> Self {
        let mut session = Self::with_bus();
        session.start_keyring(true);
        wait_until("the keyring is unlocked", || {
            session.probe().out == b"unlocked\n"
        });
        session
    }

    fn start_keyring(&mut self, unlock: bool) {
        let mut command = Command::new(program("gnome-keyring-daemon", "gnome-keyring"));
        command
            .args(["--foreground", "--components=secrets"])
            .arg(format!(
                "--control-directory={}",
                self.home.path().display()
            ))
            .args(unlock.then_some("--unlock"))
            .env_clear()
            .env("HOME", self.home.path())
            .env("XDG_RUNTIME_DIR", self.home.path())
            .env("DBUS_SESSION_BUS_ADDRESS", self.address())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut daemon = command.spawn().unwrap();
        daemon
            .stdin
            .take()
            .unwrap()
            .write_all(b"throw-away")
            .unwrap();
        self.running.push(daemon);
    }

    fn stop_keyring(&mut self) {
        let mut daemon = self.running.pop().unwrap();
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        wait_until("the keyring is gone", || self.probe().status == Some(5));
    }

    fn address(&self) -> String {
        format!("unix:path={}/bus", self.home.path().display())
    }

    fn run(&self, arguments: &[&str], input: &[u8]) -> Outcome {
        run_with_input(
            arguments,
            &[("DBUS_SESSION_BUS_ADDRESS", &self.address())],
            input,
        )
    }

    fn probe(&self) -> Outcome {
        self.run(&["keyring-probe"], b"")
    }

    /// Another client of the same service, from libsecret.
    fn secret_tool(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut tool = Command::new(program("secret-tool", "libsecret-tools"))
            .args(arguments)
            .env("DBUS_SESSION_BUS_ADDRESS", self.address())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        tool.stdin.take().unwrap().write_all(input).unwrap();
        tool.wait_with_output().unwrap().stdout
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for child in self.running.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("not within 30 seconds: {what}");
}

#[test]
fn what_is_set_is_read_replaced_and_deleted() {
    let session = Session::with_keyring();
    session
        .run(&["keyring", "anthropic"], b"")
        .fails(3, "no such item");
    session
        .run(&["keyring-set", "anthropic"], b"sk-keyring-1\n")
        .gives("");
    session
        .run(&["keyring", "anthropic"], b"")
        .gives("sk-keyring-1");
    session
        .run(&["keyring-set", "anthropic"], "zwei\nschlüssel".as_bytes())
        .gives("");
    session
        .run(&["keyring", "anthropic"], b"")
        .gives("zwei\nschlüssel");
    session
        .run(&["keyring", "anthropi"], b"")
        .fails(3, "no such item");
    let largest = "k".repeat(65_536);
    session
        .run(&["keyring-set", "largest"], largest.as_bytes())
        .gives("");
    session.run(&["keyring", "largest"], b"").gives(&largest);
    session.run(&["keyring-delete", "anthropic"], b"").gives("");
    session
        .run(&["keyring-delete", "anthropic"], b"")
        .fails(3, "no such item");
    session
        .run(&["keyring", "anthropic"], b"")
        .fails(3, "no such item");
    session.run(&["keyring", "largest"], b"").gives(&largest);
}

#[test]
fn what_is_no_value_is_not_set() {
    let session = Session::with_keyring();
    session.run(&["keyring-set", "a"], b"").fails(6, "empty");
    session
        .run(&["keyring-set", "a"], b"\xff")
        .fails(6, "not UTF-8");
    session
        .run(&["keyring-set", "a"], &[b'k'; 65_537])
        .fails(6, "over 64 KiB");
    session.run(&["keyring", "a"], b"").fails(3, "no such item");
}

#[test]
fn another_client_of_the_service_sees_the_same_items() {
    let session = Session::with_keyring();
    let attributes = ["service", "carapace", "username", "openai"];
    let store = [&["store", "--label=carapace"][..], &attributes].concat();
    session.secret_tool(&store, b"sk-libsecret-1");
    session
        .run(&["keyring", "openai"], b"")
        .gives("sk-libsecret-1");
    session
        .run(&["keyring-set", "openai"], b"sk-ours-1")
        .gives("");
    let lookup = [&["lookup"][..], &attributes].concat();
    assert_eq!(session.secret_tool(&lookup, b""), b"sk-ours-1");
    // What another program owns under the same name of account is not ours.
    session.secret_tool(
        &[
            "store",
            "--label=other",
            "service",
            "other",
            "username",
            "gemini",
        ],
        b"sk-other-1",
    );
    session
        .run(&["keyring", "gemini"], b"")
        .fails(3, "no such item");
    // And what is there twice is not guessed at.
    let twice = [&["store", "--label=twice"][..], &attributes, &["more", "1"]].concat();
    session.secret_tool(&twice, b"sk-twice-1");
    session
        .run(&["keyring", "openai"], b"")
        .fails(1, "more than one");
}

#[test]
fn a_keyring_that_is_locked_says_so() {
    let mut session = Session::with_keyring();
    session
        .run(&["keyring-set", "anthropic"], b"sk-keyring-1")
        .gives("");
    session.stop_keyring();
    session.start_keyring(false);
    wait_until("the keyring answers", || session.probe().status == Some(0));
    assert_eq!(session.probe().out, b"locked\n");
    session
        .run(&["keyring", "anthropic"], b"")
        .fails(4, "unlock the keyring");
    session
        .run(&["keyring-set", "new"], b"sk-2")
        .fails(4, "unlock the keyring");
}

#[test]
fn a_bus_without_a_keyring_is_a_missing_keyring() {
    let session = Session::with_bus();
    session.probe().fails(5, "reach the keyring");
    session
        .run(&["keyring", "anthropic"], b"")
        .fails(5, "reach the keyring");
    session
        .run(&["keyring-set", "anthropic"], b"sk-1")
        .fails(5, "reach the keyring");
}

#[test]
fn no_bus_at_all_is_a_missing_keyring() {
    let nowhere = [("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")];
    let nothing = [("XDG_RUNTIME_DIR", "/nonexistent")];
    for environment in [&nowhere[..], &nothing, &[]] {
        run(&["keyring-probe"], environment).fails(5, "reach the keyring");
        run(&["keyring", "anthropic"], environment).fails(5, "reach the keyring");
    }
}

#[test]
fn a_bus_that_never_answers_is_not_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("bus");
    // Connections wait in its queue for ever.
    let _listener = UnixListener::bind(&socket).unwrap();
    let address = format!("unix:path={}", socket.display());
    let environment = [("DBUS_SESSION_BUS_ADDRESS", address.as_str())];
    run(&["keyring-probe"], &environment).fails(5, "no answer");
    run(&["keyring", "anthropic"], &environment).fails(1, "no answer within 15 seconds");
}

#[test]
fn an_address_that_starts_a_program_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let mark = home.path().join("mark");
    let address = format!("unixexec:path=/usr/bin/touch,argv1={}", mark.display());
    run(
        &["keyring-probe"],
        &[("DBUS_SESSION_BUS_ADDRESS", &address)],
    )
    .fails(5, "Unix socket");
    assert!(!Path::exists(&mark));
}
