//! Who reads a secret: held back until it was looked at, the owner's files before it, no network but
//! where it needs one, and nothing of the owner's written but where it may.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::Read;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;

use carapace_jail::attest::{self, Attestation};
use carapace_jail::exit::{Cause, classify};
use carapace_jail::report::{self, Line};
use carapace_jail::{Caged, SecretSpec, spawn_secret};

use crate::world::World;
use crate::{Case, fixture, hands};

pub const ALL: &[Case] = &[
    (
        "a_secrets_reader_waits_until_it_is_let_go",
        a_secrets_reader_waits_until_it_is_let_go,
    ),
    (
        "a_secrets_reader_reads_and_writes_what_it_may",
        a_secrets_reader_reads_and_writes_what_it_may,
    ),
    (
        "a_secrets_reader_has_no_network_but_to_ask_its_server",
        a_secrets_reader_has_no_network_but_to_ask_its_server,
    ),
    (
        "a_secrets_reader_cannot_leave",
        a_secrets_reader_cannot_leave,
    ),
    (
        "pass_and_gpg_work_without_network",
        pass_and_gpg_work_without_network,
    ),
];

struct Reader {
    caged: Caged,
    output: std::io::PipeReader,
    log: std::io::PipeReader,
}

struct Ended {
    cause: Cause,
    output: String,
    log: String,
}

/// A directory of this file's cases; the profiles before gave theirs to other ids.
fn place(world: &World, name: &str) -> PathBuf {
    let path = world.top.join("secret").join(name);
    fs::create_dir_all(&path).expect("a directory");
    path
}

fn start(world: &World, online: bool, environment: &[&str], act: &[&str]) -> Reader {
    let program = File::open("/proc/self/exe").expect("the test's own executable");
    let (output, output_write) = std::io::pipe().expect("a pipe");
    let (log, log_write) = std::io::pipe().expect("a pipe");
    let words = [fixture::NAME, "secret"].into_iter();
    let c_strings = |words: Vec<&str>| words.into_iter().flat_map(CString::new).collect();
    let caged = spawn_secret(SecretSpec {
        online,
        program: program.as_fd(),
        argv: c_strings(words.chain(act.iter().copied()).collect()),
        environment: c_strings(environment.to_vec()),
        output: OwnedFd::from(output_write),
        log: OwnedFd::from(log_write),
        writable: vec![place(world, "written"), world.top.join("absent")],
        hidden: vec![place(world, "hidden"), world.top.join("absent")],
        config: &world.config,
    })
    .expect("the cage starts");
    Reader { caged, output, log }
}

fn run(world: &World, online: bool, act: &[&str]) -> Ended {
    let mut reader = start(world, online, &[], act);
    reader.attest();
    reader.caged.release().expect("it is let go");
    reader.end()
}

impl Reader {
    fn attest(&self) -> Attestation {
        let mut pipe = File::from(self.caged.report.try_clone().expect("a descriptor"));
        let mut said = Vec::new();
        while report::parse(&said).is_none() {
            let mut bytes = [0; 512];
            match pipe.read(&mut bytes) {
                Ok(0) => panic!("it ended without a report"),
                Ok(count) => said.extend_from_slice(&bytes[..count]),
                Err(_) => std::thread::yield_now(),
            }
        }
        assert_eq!(report::parse(&said), Some(Line::Ready));
        attest::attest(self.caged.pid, &self.caged.expected).expect("it is as ordered")
    }

    fn end(mut self) -> Ended {
        let (mut output, mut log) = (String::new(), String::new());
        self.output.read_to_string(&mut output).expect("text");
        self.log.read_to_string(&mut log).expect("text");
        let cause = classify(self.caged.wait().expect("reaping"));
        Ended { cause, output, log }
    }
}

fn a_secrets_reader_waits_until_it_is_let_go(world: &World) {
    let mut reader = start(
        world,
        false,
        &["TOKEN=t-1", "PATH=/usr/bin:/bin"],
        &["shell", "env | sort; ls /proc/self/fd"],
    );
    let attestation = reader.attest();
    assert!(attestation.items.len() > 20, "{attestation:?}");
    let item = |name: &str| attestation.items.iter().any(|one| one.item == name);
    assert!(
        item("other descriptors") && item("NoNewPrivs") && item("ns/net") && item("mount /proc")
    );
    let executable = fs::read_link(format!("/proc/{}/root", reader.caged.pid));
    assert!(executable.is_ok(), "{executable:?}");
    reader.caged.release().expect("it is let go");
    reader.caged.release().expect("a second time is nothing");
    let ended = reader.end();
    assert_eq!(ended.cause, Cause::Clean, "{}", ended.log);
    assert!(ended.output.contains("TOKEN=t-1\n"), "{}", ended.output);
    // 0, 1, 2 and the directory being listed.
    assert!(ended.output.ends_with("\n0\n1\n2\n3\n"), "{}", ended.output);

    // One that is not let go ends, and has done nothing.
    let reader = start(world, false, &[], &["shell", "echo done"]);
    reader.attest();
    let Reader { caged, output, log } = reader;
    caged.kill().expect("killing");
    let ended = Reader { caged, output, log }.end();
    assert_eq!((ended.cause, ended.output.as_str()), (Cause::Limit, ""));
}

fn a_secrets_reader_reads_and_writes_what_it_may(world: &World) {
    let own = place(world, "read").join("own");
    fs::write(&own, "the owner's").expect("writing");
    fs::set_permissions(&own, fs::Permissions::from_mode(0o600)).expect("modes");
    fs::write(place(world, "hidden").join("x"), "hidden").expect("writing");
    let top = world.top.join("secret");
    let top = top.display();
    let user = fs::metadata("/proc/self").expect("/proc").uid();
    for (script, cause) in [
        (
            format!("grep -qx \"the owner's\" {top}/read/own"),
            Cause::Clean,
        ),
        (format!("test $(id -u) = {user}"), Cause::Clean),
        (
            format!("touch {top}/written/x && rm {top}/written/x"),
            Cause::Clean,
        ),
        ("echo x > /dev/null".into(), Cause::Clean),
        (format!("echo x > {top}/read/own"), Cause::Failed(2)),
        (format!("rm -f {top}/read/own"), Cause::Failed(1)),
        (format!("touch {top}/x"), Cause::Failed(1)),
        ("touch /tmp/x-of-nobody".into(), Cause::Failed(1)),
        (
            "echo x > /proc/sys/kernel/hostname".into(),
            Cause::Failed(2),
        ),
        // The home of carapace is covered: its keys are none of theirs.
        (format!("test -z \"$(ls -A {top}/hidden)\""), Cause::Clean),
        // Its own processes only.
        (
            "test $(ls /proc | grep -c '^[0-9]') -le 5".into(),
            Cause::Clean,
        ),
        (
            "grep -qx 'CapEff:\t0000000000000000' /proc/self/status".into(),
            Cause::Clean,
        ),
        (
            "grep -qx 'CapBnd:\t0000000000000000' /proc/self/status".into(),
            Cause::Clean,
        ),
        (
            "grep -qx 'NoNewPrivs:\t1' /proc/self/status".into(),
            Cause::Clean,
        ),
        ("test $(ulimit -c) = 0".into(), Cause::Clean),
    ] {
        let ended = run(world, false, &["shell", &script]);
        assert_eq!(
            ended.cause, cause,
            "{script}: {}{}",
            ended.output, ended.log
        );
    }
    assert_eq!(fs::read(&own).expect("still there"), b"the owner's");
}

fn a_secrets_reader_has_no_network_but_to_ask_its_server(world: &World) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener
        .local_addr()
        .expect("an address")
        .port()
        .to_string();
    assert_eq!(run(world, true, &["reach", &port]).cause, Cause::Clean);
    assert_eq!(
        run(world, false, &["reach", &port]).cause,
        Cause::Failed(20)
    );
    // An agent and the message bus are reached by the files of their sockets.
    let path = place(world, "read").join("socket");
    let _local = UnixListener::bind(&path).expect("a socket");
    let text = path.to_str().expect("text");
    for online in [true, false] {
        assert_eq!(run(world, online, &["local", text]).cause, Cause::Clean);
    }
    fs::remove_file(&path).expect("removing");
}

fn a_secrets_reader_cannot_leave(world: &World) {
    use carapace_jail::filter::numbers;
    const REFUSED: Cause = Cause::Failed(20);
    const KILLED: Cause = Cause::PolicyViolation;
    for (number, arguments, offline, online) in [
        (numbers::socket, ["2", "1", "0"], REFUSED, Cause::Clean),
        (numbers::socket, ["2", "2", "0"], REFUSED, Cause::Clean),
        (numbers::socket, ["10", "2", "17"], REFUSED, Cause::Clean),
        (numbers::socket, ["2", "3", "1"], REFUSED, REFUSED),
        (numbers::socket, ["16", "3", "0"], REFUSED, REFUSED),
        (numbers::socket, ["17", "3", "0"], REFUSED, REFUSED),
        (numbers::socket, ["40", "1", "0"], REFUSED, REFUSED),
        (numbers::clone, ["268435473", "0", "0"], REFUSED, REFUSED),
        (numbers::clone3, ["0", "0", "0"], REFUSED, REFUSED),
        (numbers::seccomp, ["1", "0", "0"], REFUSED, REFUSED),
        (numbers::personality, ["262144", "0", "0"], REFUSED, REFUSED),
        (numbers::io_uring_setup, ["1", "0", "0"], REFUSED, REFUSED),
        (600, ["0", "0", "0"], REFUSED, REFUSED),
        (numbers::unshare, ["268435456", "0", "0"], KILLED, KILLED),
        (numbers::setns, ["0", "0", "0"], KILLED, KILLED),
        (numbers::mount, ["0", "0", "0"], KILLED, KILLED),
        (numbers::ptrace, ["0", "0", "0"], KILLED, KILLED),
        (numbers::bpf, ["0", "0", "0"], KILLED, KILLED),
        (numbers::keyctl, ["0", "0", "0"], KILLED, KILLED),
        (numbers::pidfd_getfd, ["0", "0", "0"], KILLED, KILLED),
        (numbers::userfaultfd, ["1", "0", "0"], KILLED, KILLED),
    ] {
        let number = number.to_string();
        let mut act = vec!["call", &number];
        act.extend(arguments);
        assert_eq!(run(world, false, &act).cause, offline, "offline {act:?}");
        assert_eq!(run(world, true, &act).cause, online, "online {act:?}");
    }
}

/// The real programs, with a throw-away key without a passphrase.
fn pass_and_gpg_work_without_network(world: &World) {
    for (program, package) in [("gpg", "gnupg"), ("pass", "pass")] {
        assert!(
            hands::is_installed(program),
            "{program} is missing: install the package {package}"
        );
    }
    let keys = place(world, "written").join("k");
    let store = place(world, "read").join("store");
    fs::create_dir_all(&keys).expect("a directory");
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o700)).expect("modes");
    let prepare = "gpg --batch --quiet --pinentry-mode loopback --passphrase '' --quick-gen-key t@x.example default default never \
        && pass init t@x.example && printf 'the value\nuser: me\n' | pass insert -m ai/x; s=$?; gpgconf --kill all; exit $s";
    let own: Vec<(&str, PathBuf)> = vec![
        ("GNUPGHOME", keys.clone()),
        ("PASSWORD_STORE_DIR", store.clone()),
        ("HOME", place(world, "written")),
    ];
    let prepared = Command::new("/bin/sh")
        .args(["-c", prepare])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(own.iter().map(|(name, path)| (*name, path)))
        .output()
        .expect("a shell");
    assert!(prepared.status.success(), "{prepared:?}");
    let mut environment: Vec<String> = own
        .iter()
        .map(|(name, path)| format!("{name}={}", path.display()))
        .collect();
    environment.push("PATH=/usr/bin:/bin".into());
    let environment: Vec<&str> = environment.iter().map(String::as_str).collect();
    let script = format!(
        "export GNUPGHOME={} PASSWORD_STORE_DIR={}; pass show -- ai/x",
        keys.display(),
        store.display()
    );
    let mut reader = start(world, false, &environment, &["shell", &script]);
    reader.attest();
    reader.caged.release().expect("it is let go");
    let ended = reader.end();
    assert_eq!(ended.cause, Cause::Clean, "{}{}", ended.output, ended.log);
    assert_eq!(ended.output, "the value\nuser: me\n", "{}", ended.log);
    // With its agent.
    let left = fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .any(|entry| {
            fs::read(entry.path().join("cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&*keys.to_string_lossy()))
        });
    assert!(!left, "a process of it is left");
}
