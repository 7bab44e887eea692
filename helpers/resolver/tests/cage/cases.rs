//! What is asked, and what comes of it.

use crate::name_server::NameServer;
use carapace_ipc_proto::resolve::{
    ANSWER, Answer, HostName, IN_FLIGHT, QUESTION, Question, Status,
};
use carapace_ipc_proto::resolve_client::{ResolveError, client};
use carapace_jail::attest::attest;
use carapace_jail::config::CageConfig;
use carapace_jail::exit::{Cause, classify};
use carapace_jail::report::{self, Line};
use carapace_jail::{CageSpec, Caged, ProfileName, open_program, spawn};
use std::cell::RefCell;
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// One case: its name, and what it does with the program; it panics when it fails.
pub type Case = (&'static str, fn(&Path));

pub const ALL: &[Case] = &[
    ("names_have_their_addresses", names_have_their_addresses),
    (
        "the_systems_own_names_are_known",
        the_systems_own_names_are_known,
    ),
    ("answers_are_kept", answers_are_kept),
    (
        "too_many_questions_are_told_so",
        too_many_questions_are_told_so,
    ),
    (
        "any_bytes_on_the_channel_are_survived",
        any_bytes_on_the_channel_are_survived,
    ),
    (
        "a_client_gets_a_new_resolver_when_one_dies",
        a_client_gets_a_new_resolver_when_one_dies,
    ),
];

struct Running {
    caged: Caged,
    channel: UnixStream,
    log: std::io::PipeReader,
}

impl Running {
    fn start(program: &Path, servers: &[u16]) -> Self {
        let program = open_program(program).expect("the resolver is built");
        let (mine, theirs) = UnixStream::pair().expect("a pair");
        let (log, log_write) = std::io::pipe().expect("a pipe");
        let mut argv = vec!["carapace-resolver".to_owned()];
        argv.extend(servers.iter().map(|port| format!("127.0.0.1:{port}")));
        let caged = spawn(CageSpec {
            profile: ProfileName::Resolver,
            program: program.as_fd(),
            argv: argv.into_iter().flat_map(CString::new).collect(),
            fds: vec![(OwnedFd::from(theirs), 3)],
            log: log_write.into(),
            workspace: None,
            state: None,
            home: None,
            slot: 0,
            config: &CageConfig::default(),
        })
        .expect("the cage starts");
        let mut said = Vec::new();
        let mut pipe = File::from(caged.report.try_clone().expect("a descriptor"));
        let line = loop {
            if let Some(line) = report::parse(&said) {
                break line;
            }
            let mut bytes = [0; 512];
            match pipe.read(&mut bytes) {
                Ok(0) => panic!("it ended without a report"),
                Ok(count) => said.extend_from_slice(&bytes[..count]),
                Err(_) => std::thread::yield_now(),
            }
        };
        assert_eq!(line, Line::Ready);
        attest(caged.pid, &caged.expected).expect("it is as ordered");
        Self {
            caged,
            channel: mine,
            log,
        }
    }

    fn ask(&mut self, id: u32, name: &str) {
        let name = Some(HostName::new(name).expect("a name"));
        let frame = Question { id, name }.encode();
        self.channel.write_all(&frame).expect("it reads");
    }

    fn hear(&mut self) -> Answer {
        let mut frame = [0; ANSWER];
        self.channel.read_exact(&mut frame).expect("it answers");
        Answer::decode(&frame).expect("an answer")
    }

    fn resolve(&mut self, name: &str) -> Result<Vec<String>, Status> {
        self.ask(7, name);
        let answer = self.hear();
        assert_eq!(answer.id, 7);
        match answer.status {
            Status::Found => Ok(answer.addresses.iter().map(IpAddr::to_string).collect()),
            other => Err(other),
        }
    }

    fn end(mut self) -> (Cause, String) {
        drop(self.channel);
        let status = self.caged.wait().expect("reaping");
        let mut text = String::new();
        self.log.read_to_string(&mut text).expect("the log");
        (classify(status), text)
    }
}

fn names_have_their_addresses(program: &Path) {
    let server = NameServer::start();
    let mut running = Running::start(program, &[server.port]);
    let mut good = running.resolve("good.example").expect("found");
    good.sort();
    assert_eq!(good, ["192.0.2.7", "2001:db8::7"]);
    assert_eq!(running.resolve("GOOD.example.").map(|all| all.len()), Ok(2));
    assert_eq!(running.resolve("many.example").map(|all| all.len()), Ok(16));
    // Over TCP, because the answer does not fit a packet.
    assert_eq!(
        running.resolve("big.example"),
        Ok(vec!["192.0.2.99".into()])
    );
    // What an address means is not decided here.
    assert_eq!(
        running.resolve("inside.example"),
        Ok(vec!["127.0.0.1".into()])
    );
    assert_eq!(running.resolve("gone.example"), Err(Status::Absent));
    assert_eq!(running.resolve("empty.example"), Err(Status::Absent));
    assert_eq!(running.resolve("broken.example"), Err(Status::Failed));
    assert_eq!(running.resolve("slow.example"), Err(Status::Timeout));
    assert_eq!(running.resolve("nosuchlabel"), Err(Status::Absent));
    // A frame with no name in it.
    let frame = Question { id: 9, name: None }.encode();
    running.channel.write_all(&frame).expect("it reads");
    assert_eq!(running.hear(), Answer::none(9, Status::NoName));
    assert_eq!(running.end(), (Cause::Clean, String::new()));
}

fn the_systems_own_names_are_known(program: &Path) {
    let server = NameServer::start();
    let mut running = Running::start(program, &[server.port]);
    let local = running.resolve("localhost").expect("found");
    assert!(local.contains(&"127.0.0.1".to_owned()), "{local:?}");
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    for line in hosts.lines() {
        let mut words = line
            .split('#')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        let (Some(Ok(address)), Some(name)) =
            (words.next().map(str::parse::<IpAddr>), words.next())
        else {
            continue;
        };
        if HostName::new(name).is_none() || name.contains("localhost") {
            continue;
        }
        let found = running.resolve(name);
        let text = address.to_string();
        assert!(
            found.as_ref().is_ok_and(|all| all.contains(&text)),
            "{name}: {found:?}"
        );
    }
    assert_eq!(running.end().0, Cause::Clean);
}

fn answers_are_kept(program: &Path) {
    let server = NameServer::start();
    let mut running = Running::start(program, &[server.port]);
    for _ in 0..3 {
        assert_eq!(
            running.resolve("count.example"),
            Ok(vec!["192.0.2.1".into()])
        );
    }
    assert_eq!(running.end().0, Cause::Clean);
}

fn too_many_questions_are_told_so(program: &Path) {
    let server = NameServer::start();
    let mut running = Running::start(program, &[server.port]);
    for id in 0..IN_FLIGHT as u32 + 5 {
        running.ask(id, "slow.example");
    }
    // Those that are refused come at once, before any of the slow ones.
    for id in 0..5 {
        let answer = running.hear();
        assert_eq!(answer, Answer::none(IN_FLIGHT as u32 + id, Status::Busy));
    }
    for _ in 0..IN_FLIGHT {
        assert_eq!(running.hear().status, Status::Timeout);
    }
    assert_eq!(running.resolve("count.example").map(|all| all.len()), Ok(1));
    assert_eq!(running.end().0, Cause::Clean);
}

fn any_bytes_on_the_channel_are_survived(program: &Path) {
    let server = NameServer::start();
    let mut running = Running::start(program, &[server.port]);
    let mut seed = 1_u32;
    for _ in 0..200 {
        let mut frame = [0; QUESTION];
        for byte in &mut frame {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (seed >> 24) as u8;
        }
        running.channel.write_all(&frame).expect("it reads");
        let id = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]);
        assert_eq!(running.hear(), Answer::none(id, Status::NoName));
    }
    assert_eq!(running.resolve("good.example").map(|all| all.len()), Ok(2));
    // The beginning of a frame, and then the end.
    running.channel.write_all(&[1; 100]).expect("it reads");
    assert_eq!(running.end(), (Cause::Clean, String::new()));
}

fn a_client_gets_a_new_resolver_when_one_dies(program: &Path) {
    let server = NameServer::start();
    // A cage is started from one thread; this runtime has no other.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let cages: RefCell<Vec<Running>> = RefCell::default();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let launch = async || {
            let running = Running::start(program, &[server.port]);
            let channel = running.channel.try_clone().expect("a descriptor");
            // A copy of the channel that stayed here would keep a dead resolver's open.
            let (other, _) = UnixStream::pair().expect("a pair");
            let Running { caged, log, .. } = running;
            cages.borrow_mut().push(Running {
                caged,
                channel: other,
                log,
            });
            Ok(OwnedFd::from(channel))
        };
        let (names, work) = client(launch);
        tokio::select! {
            () = work => panic!("the work ended while there is a handle"),
            () = async {
                let both = tokio::join!(names.resolve("good.example"), names.resolve("gone.example"));
                assert_eq!(both.0.map(|all| all.len()), Ok(2));
                assert_eq!(both.1, Err(ResolveError::Absent("gone.example".into())));
                assert_eq!(names.resolve("127.1").await, Err(ResolveError::NoName));
                cages.borrow()[0].caged.kill().expect("killing");
                let mut found = names.resolve("good.example").await;
                if found.is_err() {
                    // Asked before its end was noticed.
                    found = names.resolve("good.example").await;
                }
                assert_eq!(found.map(|all| all.len()), Ok(2));
                assert_eq!(cages.borrow().len(), 2);
            } => {}
        }
    });
    for running in cages.into_inner() {
        running.caged.kill().expect("killing");
        running.caged.wait().expect("reaping");
    }
}
