//! Broker, worker, hands, resolver and reader of secrets for the supervisor's tests, in one program:
//! it is whichever its name says. Each locks itself as the real one does. The broker does what a test says on its control
//! socket; worker and hands do what single letters on their channel say.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use carapace_ipc_proto::launch::{FRAME, Kind, Name40, Notice, Order};
use carapace_jail::lock::{self, BrokerLock};
use carapace_jail::take_inherited;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recvmsg, send, sockopt,
};

fn main() {
    match std::env::args().next().as_deref() {
        Some("carapace-broker") => broker(),
        Some("carapace-worker") => confined(lock::worker),
        Some("carapace-hands") => confined(lock::hands),
        Some("carapace-resolver") => confined(|| lock::resolver(&[53])),
        Some("carapace-secret-helper") => reader(),
        other => panic!("{other:?} is no role"),
    }
}

fn confined(lock: fn() -> Result<(), lock::LockError>) {
    if let Err(error) = lock() {
        lock::fail(&error);
    }
    lock::ready().unwrap();
    let mut channel = File::from(take_inherited(3).unwrap());
    let mut byte = [0];
    while channel.read(&mut byte).unwrap_or(0) == 1 {
        match byte[0] {
            b'x' => return,
            b'c' => std::process::abort(),
            // No profile has this call.
            b'v' => drop(rustix::process::umask(rustix::fs::Mode::empty())),
            other => channel.write_all(&[other.to_ascii_uppercase()]).unwrap(),
        }
    }
}

/// Writes the variable that its second argument names, or what its first one says.
fn reader() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match (words[0].as_str(), words[1].as_str()) {
        ("env", name) => print!("{}", std::env::var(name).unwrap_or_default()),
        ("pass", "hang") => loop {
            let _ = poll(&mut [], None);
        },
        ("pass", "locked") => {
            print!("half of");
            eprintln!("it is locked");
            std::process::exit(4)
        }
        ("pass", "large") => print!("{}", "x".repeat(60_000)),
        (from, item) => {
            let program = std::env::var("CARAPACE_HELPER_PROGRAM").unwrap_or_default();
            let home = std::env::var("CARAPACE_TEST_HOME").is_ok();
            print!("{from} {item} {program} {home}");
        }
    }
}

struct Broker {
    keyslot: OwnedFd,
    vault_key: Option<OwnedFd>,
    link: OwnedFd,
    notices: VecDeque<(Notice, Option<OwnedFd>)>,
    channels: BTreeMap<u64, OwnedFd>,
    config: String,
    next: u64,
}

fn broker() {
    let (link, listener) = (take_inherited(3).unwrap(), take_inherited(6).unwrap());
    let (vault_key, keyslot) = (take_inherited(8), take_inherited(9).unwrap());
    let mut config = String::new();
    File::from(take_inherited(7).unwrap())
        .read_to_string(&mut config)
        .unwrap();
    if config.contains("refused") {
        eprintln!("config.toml: the word `refused`\n  remedy: remove it");
        std::process::exit(78);
    }
    let keep = BrokerLock {
        state: Path::new("/state"),
        read_only: &[],
        connect_ports: &[],
    };
    if let Err(error) = lock::broker(&keep) {
        lock::fail(&error);
    }
    if config.contains("mute") {
        loop {
            let _ = poll(&mut [], None);
        }
    }
    lock::ready().unwrap();
    let mut broker = Broker {
        keyslot,
        vault_key,
        link,
        notices: VecDeque::new(),
        channels: BTreeMap::new(),
        config,
        next: 1,
    };
    eprintln!("the broker is \x1b[31mup");
    broker.order(&Order::Ready);
    broker.serve(&UnixListener::from(listener));
}

impl Broker {
    fn serve(&mut self, listener: &UnixListener) {
        listener.set_nonblocking(true).unwrap();
        loop {
            let mut list = [
                PollFd::new(listener, PollFlags::IN),
                PollFd::new(&self.link, PollFlags::IN),
            ];
            poll(&mut list, None).unwrap();
            let heard = !list[1].revents().is_empty();
            if heard {
                self.hear();
            }
            if let Ok((stream, _)) = listener.accept() {
                stream.set_nonblocking(false).unwrap();
                self.obey(&stream);
            }
        }
    }

    fn obey(&mut self, stream: &UnixStream) {
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |index: usize| words[index].parse::<u64>().unwrap();
        let answer = match words[0] {
            "launch" => {
                let kind = match words[1] {
                    "hands" => Kind::Hands,
                    "resolver" => Kind::Resolver,
                    "worker" => Kind::Worker,
                    name => Kind::Secret(Name40::new(name).unwrap()),
                };
                let (request, group) = (self.next, number(2) as u32);
                self.next += 1;
                self.order(&Order::Launch {
                    request,
                    kind,
                    group,
                });
                self.wait_for(|notice| {
                    matches!(notice, Notice::Launched { request: r, .. } | Notice::Failed { request: r, .. } if *r == request)
                })
            }
            "ended" => {
                let wanted = number(1);
                self.wait_for(
                    |notice| matches!(notice, Notice::Ended { number, .. } if *number == wanted),
                )
            }
            "panicked" => self.wait_for(|notice| *notice == Notice::Panic),
            "say" => self.say(number(1), words[2].as_bytes()[0]),
            "kill" => {
                self.order(&Order::Kill { number: number(1) });
                "ok".to_owned()
            }
            "anchor" => {
                let (count, head) = (number(1), [number(2) as u8; 32]);
                self.order(&Order::Anchor { count, head });
                "ok".to_owned()
            }
            "nonsense" => {
                let bytes = vec![7; number(1) as usize];
                let _ = send(&self.link, &bytes, SendFlags::NOSIGNAL);
                "ok".to_owned()
            }
            "ready" => {
                self.order(&Order::Ready);
                "ok".to_owned()
            }
            "flood" => {
                for index in 0..number(1) {
                    eprintln!("flood {index}");
                }
                "ok".to_owned()
            }
            // The secret that a process wrote: its length and its beginning.
            "read" => {
                let mut text = String::new();
                let channel = self.channels.remove(&number(1)).unwrap();
                File::from(channel).read_to_string(&mut text).unwrap();
                let start: String = text.chars().take(80).collect();
                format!("{} {start}", text.len())
            }
            "keep" => {
                let bytes = words[1].as_bytes();
                rustix::io::pwrite(&self.keyslot, bytes, 0).unwrap();
                "ok".to_owned()
            }
            "kept" => {
                let mut bytes = [0; 8];
                rustix::io::pread(&self.keyslot, &mut bytes[..], 0).unwrap();
                let kept = bytes.iter().take_while(|&&byte| byte != 0).count();
                String::from_utf8_lossy(&bytes[..kept]).into_owned()
            }
            "key" => match &self.vault_key {
                None => "none".to_owned(),
                Some(key) => {
                    let mut bytes = [0; 64];
                    let count = rustix::io::pread(key, &mut bytes[..], 0).unwrap();
                    let written = rustix::io::pwrite(key, b"x", 0).is_ok();
                    format!("{} {written}", String::from_utf8_lossy(&bytes[..count]))
                }
            },
            "config" => self.config.trim().to_owned(),
            "exit" => std::process::exit(number(1) as i32),
            other => format!("{other} is no command"),
        };
        let _ = writeln!(&mut &*stream, "{answer}");
    }

    fn order(&self, order: &Order) {
        send(&self.link, &order.encode(), SendFlags::NOSIGNAL).unwrap();
    }

    /// Sends a letter to a process; what comes back, and who sent it as the kernel says.
    fn say(&mut self, number: u64, letter: u8) -> String {
        let channel = &self.channels[&number];
        assert!(sockopt::socket_passcred(channel).unwrap());
        if send(channel, &[letter], SendFlags::NOSIGNAL).is_err() || !wait_readable(channel) {
            return "silence".to_owned();
        }
        let (mut byte, mut pid) = ([0], None);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            channel,
            &mut [IoSliceMut::new(&mut byte)],
            &mut ancillary,
            RecvFlags::empty(),
        );
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmCredentials(sender) = message {
                pid = Some(sender.pid);
            }
        }
        match (received, pid) {
            (Ok(received), Some(pid)) if received.bytes == 1 => {
                format!("{} {}", byte[0] as char, pid.as_raw_nonzero())
            }
            _ => "silence".to_owned(),
        }
    }

    fn wait_for(&mut self, wanted: impl Fn(&Notice) -> bool) -> String {
        loop {
            if let Some(index) = self.notices.iter().position(|(notice, _)| wanted(notice)) {
                let Some((notice, channel)) = self.notices.remove(index) else {
                    continue;
                };
                if let (Notice::Launched { number, .. }, Some(channel)) = (notice, channel) {
                    self.channels.insert(number, channel);
                }
                return match notice {
                    Notice::Launched {
                        number,
                        generation,
                        pid,
                        ..
                    } => format!("launched {number} {generation} {pid}"),
                    Notice::Failed { why, .. } => format!("failed {why:?}"),
                    Notice::Ended { end, code, .. } => format!("ended {end:?} {code}"),
                    other => format!("{other:?}"),
                };
            }
            if !wait_readable(&self.link) {
                return "nothing came".to_owned();
            }
            self.hear();
        }
    }

    fn hear(&mut self) {
        let mut frame = [0; FRAME];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            &self.link,
            &mut [IoSliceMut::new(&mut frame)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        );
        if !received.is_ok_and(|received| received.bytes == FRAME) {
            std::process::exit(0);
        }
        let mut channel = None;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
                channel = descriptors.next();
            }
        }
        let notice = Notice::decode(&frame).unwrap();
        if notice == Notice::Drain && !self.config.contains("stubborn") {
            self.order(&Order::Anchor {
                count: 1000,
                head: [9; 32],
            });
            std::process::exit(0);
        }
        self.notices.push_back((notice, channel));
    }
}

fn wait_readable(fd: &OwnedFd) -> bool {
    let limit = Timespec {
        tv_sec: 20,
        tv_nsec: 0,
    };
    let fd = fd.as_fd();
    let mut list = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    matches!(
        poll(&mut list, Some(&limit)).map_err(io::Error::from),
        Ok(1)
    )
}
