//! Start, attestation, what each profile can do, how it ends.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use carapace_jail::attest;
use carapace_jail::exit::Cause;
use carapace_jail::probe;
use carapace_jail::report::Line;
use carapace_jail::{Layer, ProfileName, SpawnError, State};

use crate::world::World;
use crate::{Case, hands, raw};

use ProfileName::{Broker, Hands, Resolver, Worker};

/// Whose programs lock themselves.
const LOCKED: [ProfileName; 4] = [Worker, Hands, Broker, Resolver];

pub const ALL: &[Case] = &[
    (
        "each_profile_gets_ready_and_is_attested",
        each_profile_gets_ready_and_is_attested,
    ),
    (
        "attestation_refuses_what_differs",
        attestation_refuses_what_differs,
    ),
    ("lifecycle_thirty_times", lifecycle_thirty_times),
    (
        "a_leaked_descriptor_does_not_arrive",
        a_leaked_descriptor_does_not_arrive,
    ),
    (
        "an_abort_of_process_one_is_a_crash",
        an_abort_of_process_one_is_a_crash,
    ),
    ("memory_is_limited", memory_is_limited),
    (
        "the_broker_keeps_its_state_and_ports",
        the_broker_keeps_its_state_and_ports,
    ),
    (
        "the_resolver_has_sockets_and_nothing_else",
        the_resolver_has_sockets_and_nothing_else,
    ),
    ("keys_are_the_brokers_alone", keys_are_the_brokers_alone),
    ("a_cage_dies_with_its_parent", a_cage_dies_with_its_parent),
    (
        "a_locked_supervisor_still_makes_cages",
        a_locked_supervisor_still_makes_cages,
    ),
    (
        "a_missing_landlock_stops_or_is_waived",
        a_missing_landlock_stops_or_is_waived,
    ),
    (
        "missing_namespaces_stop_or_are_waived",
        missing_namespaces_stop_or_are_waived,
    ),
    ("threads_are_refused", threads_are_refused),
    ("the_probe_agrees", the_probe_agrees),
    (
        "a_profile_without_its_directory_is_refused",
        a_profile_without_its_directory_is_refused,
    ),
];

fn each_profile_gets_ready_and_is_attested(world: &World) {
    for profile in LOCKED {
        let running = world.ready(profile, &["idle"]);
        let attestation = running.attest();
        assert!(attestation.items.len() > 20, "{attestation:?}");
        let layer = |layer| {
            running
                .caged
                .layers
                .iter()
                .find(|one| one.layer == layer)
                .unwrap()
        };
        assert_eq!(layer(Layer::Landlock).state, State::Ok);
        assert_eq!(layer(Layer::Seccomp).state, State::Ok);
        assert_eq!(running.end().cause, Cause::Clean);
    }
}

fn attestation_refuses_what_differs(world: &World) {
    let worker = world.ready(Worker, &["idle"]);
    let hands = world.ready(Hands, &["idle"]);
    let broker = world.ready(Broker, &["idle"]);
    for (pid, expected) in [
        (hands.caged.pid, &worker.caged.expected),
        (broker.caged.pid, &worker.caged.expected),
        (worker.caged.pid, &hands.caged.expected),
        (broker.caged.pid, &hands.caged.expected),
        (std::process::id(), &worker.caged.expected),
    ] {
        assert!(attest::attest(pid, expected).is_err());
    }
    let mut plain = Command::new("/bin/sleep").arg("60").spawn().expect("sleep");
    let refused = attest::attest(plain.id(), &worker.caged.expected);
    assert!(
        matches!(refused, Err(attest::AttestError::Differs { .. })),
        "{refused:?}"
    );
    plain
        .kill()
        .and_then(|()| plain.wait())
        .expect("ending sleep");
    let corpse = worker.caged.expected.clone();
    let pid = worker.caged.pid;
    worker.caged.kill().expect("killing");
    // Not reaped yet, so the number is still its own.
    while fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|text| !text.contains(") Z ")) {
        std::thread::yield_now();
    }
    assert!(attest::attest(pid, &corpse).is_err());
    assert_eq!(worker.end().cause, Cause::Limit);
    hands.end();
    broker.end();
}

fn lifecycle_thirty_times(world: &World) {
    for _ in 0..30 {
        for profile in LOCKED {
            let running = world.ready(profile, &["idle"]);
            running.attest();
            assert_eq!(running.end().cause, Cause::Clean);
        }
    }
}

fn a_leaked_descriptor_does_not_arrive(world: &World) {
    // Two descriptors without close-on-exec, low and high; the worker's look would refuse them.
    let leaked = fs::File::open("/").expect("opening the root");
    let number = std::os::fd::AsRawFd::as_raw_fd(&leaked) as u64;
    let low = raw::call(libc::SYS_fcntl, [number, libc::F_DUPFD as u64, 11, 0, 0, 0]);
    let high = raw::call(
        libc::SYS_fcntl,
        [number, libc::F_DUPFD as u64, 200, 0, 0, 0],
    );
    assert!(low >= 11 && high >= 200);
    assert_eq!(world.run(Worker, &["idle"]).cause, Cause::Clean);
    let listed = world.run(Hands, &["shell", "ls /proc/self/fd"]);
    for number in [low, high] {
        raw::call(libc::SYS_close, [number as u64, 0, 0, 0, 0, 0]);
    }
    // 0, 1, 2 and the directory being listed.
    assert_eq!(
        listed.log.split_whitespace().collect::<Vec<_>>(),
        ["0", "1", "2", "3"]
    );
}

fn an_abort_of_process_one_is_a_crash(world: &World) {
    for act in ["abort", "panic"] {
        let ended = world.run(Worker, &[act]);
        let crashed = matches!(ended.cause, Cause::Crash(_) | Cause::Failed(101));
        assert!(crashed, "{act}: {:?} {}", ended.cause, ended.log);
    }
}

fn memory_is_limited(world: &World) {
    assert_eq!(world.run(Worker, &["memory", "64"]).cause, Cause::Clean);
    assert_eq!(
        world.run(Worker, &["memory", "2048"]).cause,
        Cause::Failed(20)
    );
}

fn the_broker_keeps_its_state_and_ports(world: &World) {
    let files = world.run(Broker, &["state"]);
    assert_eq!(files.cause, Cause::Clean, "{}", files.log);
    // Nobody listens on 443 here or somebody does; Landlock lets the question through. 444 it does not.
    assert_ne!(
        world.run(Broker, &["connect", "443"]).cause,
        Cause::Failed(libc::EACCES)
    );
    assert_eq!(
        world.run(Broker, &["connect", "444"]).cause,
        Cause::Failed(libc::EACCES)
    );
    use carapace_jail::filter::numbers;
    for (number, arguments, cause) in [
        (numbers::socket, ["2", "3", "1"], Cause::Failed(20)),
        (numbers::socket, ["2", "1", "262"], Cause::Failed(20)),
        (numbers::socket, ["17", "3", "0"], Cause::Failed(20)),
        (numbers::socket, ["40", "1", "0"], Cause::Failed(20)),
        (numbers::execve, ["0", "0", "0"], Cause::Failed(20)),
        (numbers::fork, ["0", "0", "0"], Cause::Failed(20)),
        (numbers::kill, ["1", "0", "0"], Cause::Failed(20)),
        (numbers::prctl, ["4", "1", "0"], Cause::Failed(20)),
        (600, ["0", "0", "0"], Cause::Failed(20)),
        (numbers::ptrace, ["0", "0", "0"], Cause::PolicyViolation),
        (
            numbers::io_uring_setup,
            ["1", "0", "0"],
            Cause::PolicyViolation,
        ),
        (numbers::keyctl, ["0", "0", "0"], Cause::PolicyViolation),
        (numbers::unshare, ["0", "0", "0"], Cause::PolicyViolation),
    ] {
        let number = number.to_string();
        let mut act = vec!["call", &number];
        act.extend(arguments);
        assert_eq!(world.run(Broker, &act).cause, cause, "{act:?}");
    }
}

/// Modes in which this executable is a process between a case and a cage.
pub fn run_mode(mode: &str) -> ! {
    let world = World::new();
    match mode {
        "parent" => {
            let worker = world.ready(Worker, &["idle"]);
            let hands = world.ready(Hands, &["idle"]);
            println!("{} {}", worker.caged.pid, hands.caged.pid);
            loop {
                std::thread::park();
            }
        }
        "supervisor" => {
            carapace_jail::lock::supervisor().expect("the supervisor locks itself");
            for profile in LOCKED {
                let running = world.ready(profile, &["idle"]);
                running.attest();
                assert_eq!(running.end().cause, Cause::Clean);
            }
            for (program, script) in hands::SCRIPTS {
                if hands::is_installed(program) {
                    let ended = world.run(Hands, &["shell", script]);
                    assert!(ended.log.contains("done-ok"), "{program}: {}", ended.log);
                }
            }
            use carapace_jail::filter::numbers;
            assert!(raw::call(numbers::socket, [16, 3, 0, 0, 0, 0]) < 0);
            assert!(raw::call(numbers::socket, [40, 1, 0, 0, 0, 0]) < 0);
            drop(world);
            println!("done-ok");
            raw::call(numbers::ptrace, [0; 6]);
            std::process::exit(1)
        }
        "no-landlock" => {
            raw::refuse(
                carapace_jail::filter::numbers::landlock_create_ruleset,
                libc::EOPNOTSUPP,
            );
            without(world, Layer::Landlock)
        }
        "no-namespaces" => without(world, Layer::Namespaces),
        _ => std::process::exit(2),
    }
}

/// Where a layer is missing: nothing starts, then the owner waives it, then a worker starts.
fn without(mut world: World, layer: Layer) -> ! {
    let reports = probe::layers(&world.config);
    let report = reports
        .iter()
        .find(|report| report.layer == layer)
        .expect("a report");
    assert_eq!(report.state, State::Missing, "{report:?}");
    assert_eq!(
        probe::verdict(&reports, &world.config),
        Err(probe::Refusal::NotWaived(layer))
    );
    match world.try_start(Worker, &["idle"]) {
        Ok(refused) => {
            let said = refused.report();
            let named =
                matches!(&said, Some(Line::Failed { layer: name, .. }) if *name == layer.as_str());
            assert!(named, "{said:?}");
            assert_eq!(refused.end().cause, Cause::BootRefused);
        }
        Err(error) => assert!(
            matches!(error, SpawnError::System { step: "clone3", .. }),
            "{error}"
        ),
    }

    world.config.allow_missing = vec![layer];
    let reports = probe::layers(&world.config);
    assert_eq!(
        probe::verdict(&reports, &world.config),
        Ok(probe::Level::Waived)
    );
    let running = world.ready(Worker, &["idle"]);
    running.attest();
    let shown = running
        .caged
        .layers
        .iter()
        .find(|one| one.layer == layer)
        .expect("a layer");
    assert_eq!(shown.state, State::Waived);
    assert_eq!(running.end().cause, Cause::Clean);
    let socket = carapace_jail::filter::numbers::socket.to_string();
    assert_eq!(
        world.run(Worker, &["call", &socket]).cause,
        Cause::PolicyViolation
    );
    if layer == Layer::Namespaces {
        let hands = world.try_start(Hands, &["idle"]);
        assert!(matches!(
            hands.err(),
            Some(SpawnError::NeedsNamespaces(Hands))
        ));
    } else {
        assert_eq!(world.run(Hands, &["shell", "true"]).cause, Cause::Clean);
    }
    drop(world);
    println!("done-ok");
    std::process::exit(0)
}

fn a_missing_landlock_stops_or_is_waived(_: &World) {
    let output = Command::new("/proc/self/exe")
        .arg("--mode=no-landlock")
        .output()
        .expect("starting");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("done-ok"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Inside bubblewrap with user namespaces switched off, as an ordinary user.
fn missing_namespaces_stop_or_are_waived(world: &World) {
    let program = fs::read_link("/proc/self/exe").expect("this executable");
    let top = world.top.display().to_string();
    let outcome = Command::new("bwrap")
        .args([
            "--unshare-user",
            "--disable-userns",
            "--uid",
            "1000",
            "--gid",
            "1000",
            "--dev-bind",
            "/",
            "/",
        ])
        .args(["--setenv", "TMPDIR", &top])
        .arg(program)
        .arg("--mode=no-namespaces")
        .output();
    let Ok(output) = outcome else {
        println!("  bubblewrap is not installed here");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("done-ok"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn a_cage_dies_with_its_parent(_: &World) {
    let mut parent = Command::new("/proc/self/exe")
        .arg("--mode=parent")
        .stdout(Stdio::piped())
        .spawn()
        .expect("starting the parent");
    let mut line = String::new();
    let output = parent.stdout.take().expect("piped");
    BufReader::new(output)
        .read_line(&mut line)
        .expect("reading");
    let pids: Vec<u32> = line
        .split_whitespace()
        .map(|word| word.parse().expect("a pid"))
        .collect();
    assert_eq!(pids.len(), 2, "{line:?}");
    raw::kill(parent.id());
    parent.wait().expect("reaping");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    for pid in pids {
        let alive = || {
            fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|text| !text.contains(") Z "))
        };
        while alive() {
            assert!(
                std::time::Instant::now() < deadline,
                "{pid} outlives its parent"
            );
            std::thread::yield_now();
        }
    }
    for entry in fs::read_dir(std::env::temp_dir())
        .expect("listing")
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == format!("carapace-cage-test-{}", parent.id()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn a_locked_supervisor_still_makes_cages(_: &World) {
    let output = Command::new("/proc/self/exe")
        .arg("--mode=supervisor")
        .output()
        .expect("starting the supervisor");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("done-ok"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
    assert_eq!(signal, Some(libc::SIGSYS), "its last call was ptrace");
}

fn threads_are_refused(world: &World) {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || gone.recv().is_err());
    let program = fs::File::open("/proc/self/exe").expect("this executable");
    let log = std::io::pipe().expect("a pipe").1;
    let result = carapace_jail::spawn(carapace_jail::CageSpec {
        profile: Worker,
        program: std::os::fd::AsFd::as_fd(&program),
        argv: vec![c"x".to_owned()],
        fds: Vec::new(),
        log: log.into(),
        workspace: None,
        state: None,
        home: None,
        slot: 0,
        config: &world.config,
    });
    drop(go);
    assert!(thread.join().expect("joining"));
    assert!(matches!(result, Err(SpawnError::Threads(2))), "{result:?}");
    // The kernel counts a joined thread until it is quite gone.
    while fs::read_dir("/proc/self/task").map_or(0, Iterator::count) > 1 {
        std::thread::yield_now();
    }
}

fn the_probe_agrees(world: &World) {
    let reports = probe::layers(&world.config);
    for report in &reports {
        let fine = report.state == State::Ok || report.layer.soft();
        assert!(fine, "{report:?}");
        assert_eq!(
            report.remedy.is_empty(),
            report.state == State::Ok,
            "{report:?}"
        );
    }
    assert!(probe::verdict(&reports, &world.config).is_ok());
}

fn a_profile_without_its_directory_is_refused(world: &World) {
    for profile in [Hands, Broker] {
        let program = fs::File::open("/proc/self/exe").expect("this executable");
        let result = carapace_jail::spawn(carapace_jail::CageSpec {
            profile,
            program: std::os::fd::AsFd::as_fd(&program),
            argv: vec![c"x".to_owned()],
            fds: Vec::new(),
            log: std::io::pipe().expect("a pipe").1.into(),
            workspace: None,
            state: Some(world.top.join("absent")),
            home: None,
            slot: 0,
            config: &world.config,
        });
        assert!(matches!(result, Err(SpawnError::Plan(_))), "{result:?}");
    }
}

fn the_resolver_has_sockets_and_nothing_else(world: &World) {
    use carapace_jail::filter::numbers;
    // Port 53 may be asked, whether somebody is there or not; another may not.
    for (port, refused) in [("53", false), ("54", true), ("443", true)] {
        let ended = world.run(Resolver, &["connect", port]);
        let said = ended.cause == Cause::Failed(libc::EACCES);
        assert_eq!(said, refused, "{port}: {:?}", ended.cause);
    }
    assert_eq!(world.run(Resolver, &["open"]).cause, Cause::Clean);
    const REFUSED: Cause = Cause::Failed(20);
    for (number, arguments, cause) in [
        (numbers::socket, ["2", "2", "0"], Cause::Clean),
        (numbers::socket, ["10", "2", "17"], Cause::Clean),
        (numbers::socket, ["2", "1", "6"], Cause::Clean),
        (numbers::socket, ["1", "1", "0"], REFUSED),
        (numbers::socket, ["1", "2", "0"], REFUSED),
        (numbers::socket, ["16", "3", "0"], REFUSED),
        (numbers::socket, ["17", "3", "0"], REFUSED),
        (numbers::socket, ["2", "3", "1"], REFUSED),
        (numbers::socket, ["2", "1", "262"], REFUSED),
        (numbers::socketpair, ["1", "1", "0"], REFUSED),
        (numbers::clone, ["17", "0", "0"], REFUSED),
        (numbers::clone, ["65792", "0", "0"], REFUSED),
        (numbers::clone3, ["0", "0", "0"], REFUSED),
        (numbers::fork, ["0", "0", "0"], REFUSED),
        (numbers::listen, ["0", "1", "0"], REFUSED),
        (numbers::prctl, ["4", "1", "0"], REFUSED),
        (numbers::dup, ["0", "0", "0"], REFUSED),
        (numbers::unlink, ["0", "0", "0"], REFUSED),
        (600, ["0", "0", "0"], REFUSED),
        (numbers::execve, ["0", "0", "0"], Cause::PolicyViolation),
        (numbers::execveat, ["0", "0", "0"], Cause::PolicyViolation),
        (numbers::ptrace, ["0", "0", "0"], Cause::PolicyViolation),
        (numbers::kill, ["1", "9", "0"], Cause::PolicyViolation),
        (numbers::mount, ["0", "0", "0"], Cause::PolicyViolation),
        (numbers::unshare, ["0", "0", "0"], Cause::PolicyViolation),
        (numbers::setns, ["0", "0", "0"], Cause::PolicyViolation),
        (numbers::bpf, ["0", "0", "0"], Cause::PolicyViolation),
        (numbers::keyctl, ["0", "0", "0"], Cause::PolicyViolation),
        (
            numbers::io_uring_setup,
            ["1", "0", "0"],
            Cause::PolicyViolation,
        ),
        (
            numbers::memfd_create,
            ["0", "0", "0"],
            Cause::PolicyViolation,
        ),
    ] {
        let number = number.to_string();
        let mut act = vec!["call", &number];
        act.extend(arguments);
        assert_eq!(world.run(Resolver, &act).cause, cause, "{act:?}");
    }
    assert_eq!(
        world.run(Resolver, &["call32"]).cause,
        Cause::PolicyViolation
    );
}

/// A memory file stands for the keyslot: the one process may hold it, and any other is found out.
fn keys_are_the_brokers_alone(world: &World) {
    use carapace_jail::attest::OpenFile;
    use std::os::fd::AsFd as _;
    let name = c"keyslot".as_ptr() as u64;
    let number = raw::call(libc::SYS_memfd_create, [name, 1, 0, 0, 0, 0]);
    assert!(number > 2);
    let key = carapace_jail::take_inherited(number as i32).expect("it is open");
    let file = OpenFile::of(key.as_fd()).expect("the kernel tells");
    for profile in LOCKED {
        let mut running = world.ready(profile, &["idle"]);
        running.caged.expected.refuse_files(&[file]);
        running.attest();
        assert_eq!(running.end().cause, Cause::Clean, "{profile}");
    }
    let copy = || key.try_clone().expect("a descriptor");
    let mut broker = world
        .start_with(Broker, &["idle"], vec![(copy(), 8), (copy(), 9)])
        .expect("the broker is given keys");
    assert_eq!(broker.report(), Some(Line::Ready));
    broker.attest();
    broker.caged.expected.refuse_files(&[file]);
    let refused = attest::attest(broker.caged.pid, &broker.caged.expected);
    assert!(
        matches!(&refused, Err(attest::AttestError::Differs { found, .. }) if found == "8"),
        "{refused:?}"
    );
    broker.end();
    for profile in [Worker, Hands, Resolver] {
        let refused = world
            .start_with(profile, &["idle"], vec![(copy(), 9)])
            .err();
        assert!(
            matches!(refused, Some(SpawnError::Number(9))),
            "{refused:?}"
        );
    }
}
