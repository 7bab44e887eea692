//! Hands' side: doors, links through them, and where replies go.

use super::{receive_through, send_through};
use crate::serve::{Hands, lock};
use carapace_ipc_proto::error::{Code, ErrorWord};
use carapace_ipc_proto::link::{self, LinkError};
use carapace_ipc_proto::words::{Reply, Request, Word, topic};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, Weak};

/// Requests of one call that may be unanswered; the broker holds hands to the same number.
const IN_FLIGHT: usize = 8;
/// Links of one call at a time.
const LINKS: usize = 8;
/// Words waiting to be written to one program; one that does not read is cut off.
const OUTBOX: usize = 64;
/// The lowest number of a descriptor that programs inherit: above those that shells use.
const LOWEST: i32 = 9;
/// Above the highest number that the command looks for.
const HIGHEST: i32 = 64;

/// Where the replies to what programs asked go.
#[derive(Default)]
pub(crate) struct Guests {
    next: AtomicU64,
    routes: Mutex<HashMap<String, Route>>,
}

struct Route {
    /// The program's own name for its request.
    theirs: String,
    link: Arc<Link>,
    door: Weak<Door>,
}

/// One program's link.
struct Link {
    outbox: SyncSender<Word>,
    socket: UnixStream,
}

/// What one call shares.
struct Door {
    call: String,
    end: OwnedFd,
    in_flight: AtomicUsize,
    links: Mutex<Vec<Weak<Link>>>,
}

/// Keeps a call's door open; closes it and its links when dropped.
pub(crate) struct Guest {
    door: Arc<Door>,
    hands: Arc<Hands>,
}

impl Guests {
    /// Opens a door for a call. The descriptor is for its programs.
    pub(crate) fn admit(&self, hands: &Arc<Hands>, call: &str) -> io::Result<(Guest, OwnedFd)> {
        let (ours, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let theirs = rustix::io::fcntl_dupfd_cloexec(&theirs, LOWEST)?;
        if std::os::fd::AsRawFd::as_raw_fd(&theirs) >= HIGHEST {
            return Err(io::Error::other("too many programs run at once"));
        }
        let door = Arc::new(Door {
            call: call.to_owned(),
            end: ours,
            in_flight: AtomicUsize::new(0),
            links: Mutex::default(),
        });
        let (waiting, serving) = (Arc::clone(&door), Arc::clone(hands));
        std::thread::Builder::new()
            .name("door".to_owned())
            .spawn(move || waiting.welcome(&serving))?;
        Ok((
            Guest {
                door,
                hands: Arc::clone(hands),
            },
            theirs,
        ))
    }

    /// Takes a reply to the program that asked. One for a program that is gone is dropped.
    pub(crate) fn reply(&self, word: Word) {
        let (Word::Delta(reply) | Word::Result(reply) | Word::Error(reply) | Word::Gone(reply)) =
            &word
        else {
            return;
        };
        let mut routes = lock(&self.routes);
        let Some(route) = routes.get(&reply.correlation) else {
            return;
        };
        let theirs = Reply {
            correlation: route.theirs.clone(),
            within: String::new(),
            ..reply.clone()
        };
        let is_last = !matches!(word, Word::Delta(_)) && !reply.more;
        route.link.send(match word {
            Word::Delta(_) => Word::Delta(theirs),
            Word::Result(_) => Word::Result(theirs),
            Word::Gone(_) => Word::Gone(theirs),
            _ => Word::Error(theirs),
        });
        if is_last
            && let Some(route) = routes.remove(&reply.correlation)
            && let Some(door) = route.door.upgrade()
        {
            door.in_flight.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Whoever waits on these wakes and ends.
        let _ = rustix::net::shutdown(&self.door.end, rustix::net::Shutdown::Both);
        for link in lock(&self.door.links)
            .drain(..)
            .filter_map(|link| link.upgrade())
        {
            link.close();
        }
        lock(&self.hands.guests.routes)
            .retain(|_, route| route.door.as_ptr() != Arc::as_ptr(&self.door));
    }
}

impl Door {
    /// Takes links as they come, until the door closes.
    fn welcome(self: &Arc<Self>, hands: &Arc<Hands>) {
        loop {
            match receive_through(&self.end) {
                Ok(Some(link)) => {
                    // One that cannot be served is closed, which its program sees.
                    let _ = self.serve(hands, link);
                }
                Ok(None) => return,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
                Err(_) => return,
            }
        }
    }

    fn serve(self: &Arc<Self>, hands: &Arc<Hands>, socket: OwnedFd) -> io::Result<()> {
        let kind = rustix::net::sockopt::socket_type(&socket)?;
        if kind != SocketType::STREAM {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let socket = UnixStream::from(socket);
        // Its maker may have left it non-blocking.
        socket.set_nonblocking(false)?;
        let (outbox, words) = sync_channel(OUTBOX);
        let (reading, writing) = (
            File::from(OwnedFd::from(socket.try_clone()?)),
            File::from(OwnedFd::from(socket.try_clone()?)),
        );
        let link = Arc::new(Link { outbox, socket });
        {
            let mut links = lock(&self.links);
            links.retain(|link| link.strong_count() > 0);
            if links.len() >= LINKS {
                return Err(io::Error::other("too many links of one call"));
            }
            links.push(Arc::downgrade(&link));
        }
        let (door, hands) = (Arc::clone(self), Arc::clone(hands));
        std::thread::Builder::new()
            .name("guest".to_owned())
            .spawn(move || {
                let Ok((mut receiver, mut sender)) = link::open(reading, writing) else {
                    return link.close();
                };
                let writer = std::thread::Builder::new()
                    .name("guest-out".to_owned())
                    .spawn(move || {
                        while let Ok(word) = words.recv() {
                            if word
                                .frames()
                                .iter()
                                .try_for_each(|frame| sender.send(frame))
                                .is_err()
                            {
                                return;
                            }
                        }
                    });
                if writer.is_ok() {
                    while let Ok(()) = receiver
                        .receive()
                        .and_then(|frame| door.ask(&hands, &link, &frame))
                    {}
                }
                link.close();
            })?;
        Ok(())
    }

    /// Passes a program's request on. An error closes its link.
    fn ask(
        self: &Arc<Self>,
        hands: &Hands,
        link: &Arc<Link>,
        frame: &[u8],
    ) -> Result<(), LinkError> {
        let request = Request::decode_claim(frame)?.into_alleged();
        let refuse = |code, message: &str| {
            link.send(Word::error(
                &request.correlation,
                "",
                &ErrorWord::new(code, 2, message),
            ));
            Ok(())
        };
        if !request.within.is_empty() || request.more {
            return refuse(
                Code::ValidationFailed,
                "a program asks in its own name and in one part",
            );
        }
        if !request.topic.starts_with(topic::TOOL_INVOKE) && request.topic != topic::TOOL_LIST {
            return refuse(
                Code::UnknownTool,
                "in here there are tool.list and tool.invoke.NAME",
            );
        }
        if self.in_flight.fetch_add(1, Ordering::SeqCst) >= IN_FLIGHT {
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            return refuse(
                Code::RateLimited,
                "eight requests of this call are unanswered; wait for one",
            );
        }
        let ours = format!("i{}", hands.guests.next.fetch_add(1, Ordering::SeqCst));
        let route = Route {
            theirs: request.correlation.clone(),
            link: Arc::clone(link),
            door: Arc::downgrade(self),
        };
        lock(&hands.guests.routes).insert(ours.clone(), route);
        hands.send(Request {
            correlation: ours,
            within: self.call.clone(),
            ..request
        })
    }
}

impl Link {
    /// Puts a word in the program's outbox; a program that does not read it is cut off.
    fn send(&self, word: Word) {
        if self.outbox.try_send(word).is_err() {
            self.close();
        }
    }

    fn close(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// Begins a link through a door: the program's side.
pub(super) fn begin(door: impl AsFd) -> io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    send_through(door.as_fd(), theirs.as_fd())?;
    Ok(ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;
    use carapace_ipc_proto::link::{Receiver, Sender};
    use carapace_ipc_proto::words::Down;
    use std::io::{Read, Write};

    /// Hands whose channel the test holds the other end of, with one call's door.
    struct World {
        hands: Arc<Hands>,
        guest: Option<Guest>,
        door: OwnedFd,
        above: Receiver<File>,
    }

    type Program = (Receiver<UnixStream>, Sender<UnixStream>);

    impl World {
        fn new() -> Self {
            let (ours, theirs) = UnixStream::pair().expect("a pair");
            let copy = File::from(OwnedFd::from(theirs));
            let (hands, _) = Hands::on(copy, Workspace::new(Vec::new())).expect("hands");
            let (guest, door) = hands.guests.admit(&hands, "c1").expect("a door");
            let ours = File::from(OwnedFd::from(ours));
            let (above, _) =
                link::open(ours.try_clone().expect("a descriptor"), ours).expect("a link");
            Self {
                hands,
                guest: Some(guest),
                door,
                above,
            }
        }

        fn program(&self) -> Program {
            let socket = begin(&self.door).expect("a link");
            link::open(socket.try_clone().expect("a descriptor"), socket).expect("a link")
        }

        fn hear(&mut self) -> Request {
            let frame = self.above.receive().expect("a request");
            Request::decode_claim(&frame)
                .expect("a request")
                .into_alleged()
        }

        fn answer(&self, request: &Request, json: &str) {
            self.hands.guests.reply(Word::Result(Reply {
                correlation: request.correlation.clone(),
                json: json.as_bytes().to_vec(),
                more: false,
                within: request.within.clone(),
            }));
        }
    }

    fn ask(program: &mut Program, topic: &str, within: &str) {
        let request = Request {
            topic: topic.to_owned(),
            correlation: "mine".to_owned(),
            arguments: b"{}".to_vec(),
            more: false,
            within: within.to_owned(),
        };
        program
            .1
            .send(&request.frames()[0])
            .expect("the link is open");
    }

    fn hear(program: &mut Program) -> Word {
        Down::read(&program.0.receive().expect("a reply")).expect("a word")
    }

    fn refusal(program: &mut Program) -> ErrorWord {
        match hear(program) {
            Word::Error(reply) => serde_json::from_slice(&reply.json).expect("an error word"),
            other => panic!("not an error: {other:?}"),
        }
    }

    #[test]
    fn requests_go_up_under_their_call_and_replies_to_who_asked() {
        let mut world = World::new();
        let (mut one, mut two) = (world.program(), world.program());
        ask(&mut one, "tool.invoke.read", "");
        let first = world.hear();
        ask(&mut two, "tool.list", "");
        let second = world.hear();
        assert_eq!(
            (first.within.as_str(), second.within.as_str()),
            ("c1", "c1")
        );
        assert_ne!(first.correlation, second.correlation);
        world.answer(&second, "2");
        world.answer(&first, "1");
        for (program, json) in [(&mut one, "1"), (&mut two, "2")] {
            let Word::Result(reply) = hear(program) else {
                panic!("not a result")
            };
            assert_eq!(
                (
                    reply.correlation.as_str(),
                    reply.within.as_str(),
                    reply.json.as_slice()
                ),
                ("mine", "", json.as_bytes())
            );
        }
        assert!(lock(&world.hands.guests.routes).is_empty());
    }

    #[test]
    fn nothing_but_tools_is_asked_and_nobody_speaks_for_another_call() {
        let mut world = World::new();
        let mut program = world.program();
        for topic in ["model.complete", "say", "report", "tool.invokes", "x"] {
            ask(&mut program, topic, "");
            assert_eq!(refusal(&mut program).code, Code::UnknownTool, "{topic}");
        }
        ask(&mut program, "tool.list", "c2");
        assert_eq!(refusal(&mut program).code, Code::ValidationFailed);
        // Nothing of it went up: the first that does is this.
        ask(&mut program, "tool.list", "");
        assert_eq!(world.hear().topic, "tool.list");
    }

    #[test]
    fn a_ninth_request_is_refused_until_one_is_answered() {
        let mut world = World::new();
        let (mut one, mut two) = (world.program(), world.program());
        let asked: Vec<Request> = (0..IN_FLIGHT)
            .map(|number| {
                ask(
                    if number % 2 == 0 { &mut one } else { &mut two },
                    "tool.list",
                    "",
                );
                world.hear()
            })
            .collect();
        ask(&mut two, "tool.list", "");
        assert_eq!(refusal(&mut two).code, Code::RateLimited);
        world.answer(&asked[0], "{}");
        assert!(matches!(hear(&mut one), Word::Result(_)));
        ask(&mut two, "tool.list", "");
        world.hear();
    }

    #[test]
    fn a_breach_closes_its_own_link_only() {
        let mut world = World::new();
        let mut honest = world.program();
        for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 200], &[0; 4096]] {
            let mut socket = begin(&world.door).expect("a link");
            // The other end may be closed before all of it is written.
            let _ = socket.write_all(garbage);
            let mut rest = Vec::new();
            // Ends because the other side closed it; with what was unread it may be a reset.
            let _ = socket.read_to_end(&mut rest);
        }
        let mut program = world.program();
        program
            .1
            .send(b"\xff\xff not protobuf")
            .expect("the link is open");
        assert!(matches!(program.0.receive(), Err(LinkError::Closed)));
        // A socket of another kind, and a message without one.
        let (wrong, kept) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .expect("a pair");
        send_through(world.door.as_fd(), wrong.as_fd()).expect("sent");
        drop(wrong);
        assert_eq!(
            rustix::net::recv(&kept, &mut [0; 8][..], rustix::net::RecvFlags::empty())
                .map(|(_, count)| count),
            Ok(0)
        );
        rustix::io::write(&world.door, &[1, 2, 3]).expect("sent");
        ask(&mut honest, "tool.list", "");
        world.hear();
    }

    #[test]
    fn a_program_that_does_not_read_is_cut_off() {
        let mut world = World::new();
        let mut deaf = world.program();
        ask(&mut deaf, "tool.list", "");
        let asked = world.hear();
        // More than its outbox and its socket hold. This must not block.
        for _ in 0..OUTBOX * 4 {
            world.hands.guests.reply(Word::Delta(Reply {
                correlation: asked.correlation.clone(),
                json: vec![b'x'; 64 * 1024],
                more: false,
                within: asked.within.clone(),
            }));
        }
        loop {
            match deaf.0.receive() {
                Ok(_) => {}
                Err(LinkError::Closed) => break,
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn the_end_of_a_call_closes_its_links() {
        let mut world = World::new();
        let mut program = world.program();
        ask(&mut program, "tool.list", "");
        let asked = world.hear();
        world.guest = None;
        assert!(matches!(program.0.receive(), Err(LinkError::Closed)));
        world.answer(&asked, "{}");
        assert!(lock(&world.hands.guests.routes).is_empty());
        // Nobody is behind the door any more.
        assert!(
            begin(&world.door)
                .and_then(|mut socket| socket.read(&mut [0; 200]))
                .map_or(true, |count| count == 0)
        );
    }
}
