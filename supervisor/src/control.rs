//! The supervisor's control socket: one request per connection, from its own user or root.
//!
//! A client can hold nothing up: few connections at a time, each with a deadline, and what it does
//! not read at once is kept until then and no longer.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use carapace_supervisor::request::{self, Heard, Request};
use carapace_supervisor::status::Done;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send, sockopt};
use serde::Serialize;

use crate::supervisor::Supervisor;

/// Connections at a time: a person, a status view, a script.
const CONNECTIONS: usize = 16;
/// Read at once. More than a request has, so that who sends too much is told so: a socket that is
/// closed with something unread in it throws the answer away.
const SLICE: usize = 4096;
/// For the whole of a connection.
const DEADLINE: Duration = Duration::from_secs(1);

/// The connections.
#[derive(Default)]
pub(crate) struct Control {
    connections: BTreeMap<u64, Connection>,
    next: u64,
}

/// One connection.
pub(crate) struct Connection {
    socket: OwnedFd,
    by: Instant,
    heard: Vec<u8>,
    answer: Option<Vec<u8>>,
}

impl Control {
    /// Takes a connection, unless it is another user's.
    pub(crate) fn accept(&mut self, listener: &UnixListener) {
        let Ok((stream, _)) = listener.accept() else {
            return;
        };
        let socket = OwnedFd::from(stream);
        let own = rustix::process::geteuid();
        let allowed = sockopt::socket_peercred(&socket)
            .is_ok_and(|peer| peer.uid == own || peer.uid.is_root());
        if !allowed {
            return;
        }
        self.next += 1;
        self.connections.insert(
            self.next,
            Connection {
                socket,
                by: Instant::now() + DEADLINE,
                heard: Vec::new(),
                answer: None,
            },
        );
    }

    /// Whether another connection is taken now.
    pub(crate) fn has_room(&self) -> bool {
        self.connections.len() < CONNECTIONS
    }

    /// All of them.
    pub(crate) fn connections(&self) -> impl Iterator<Item = (u64, &Connection)> {
        self.connections.iter().map(|(number, one)| (*number, one))
    }

    /// Closes those whose time is over.
    pub(crate) fn close_late(&mut self, now: Instant) {
        self.connections.retain(|_, one| now < one.by);
    }

    /// When the next one's time is over.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.connections.values().map(|one| one.by).min()
    }
}

impl Connection {
    /// What to wait for.
    pub(crate) fn wants(&self) -> PollFlags {
        if self.answer.is_some() {
            PollFlags::OUT
        } else {
            PollFlags::IN
        }
    }

    /// Reads on. `None`: the connection is over.
    fn hear(&mut self) -> Option<Heard> {
        let mut bytes = [0; SLICE];
        match recv(&self.socket, &mut bytes[..], RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN | Errno::INTR) => Some(Heard::Part),
            Ok((count, _)) if count > 0 => {
                self.heard.extend_from_slice(&bytes[..count]);
                Some(request::parse(&self.heard))
            }
            _ => None,
        }
    }

    /// Writes on. False: the connection is over.
    fn tell(&mut self) -> bool {
        let Some(answer) = &mut self.answer else {
            return true;
        };
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        match send(&self.socket, answer, flags) {
            Ok(count) => {
                answer.drain(..count);
                !answer.is_empty()
            }
            Err(Errno::AGAIN | Errno::INTR) => true,
            Err(_) => false,
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Supervisor {
    /// Something came on a connection, or it takes more of its answer.
    pub(crate) fn on_request(&mut self, number: u64) {
        let Some(mut connection) = self.control.connections.remove(&number) else {
            return;
        };
        if connection.answer.is_none() {
            match connection.hear() {
                None => return,
                Some(Heard::Part) => {}
                Some(Heard::Wrong) => {
                    connection.answer = Some(json(&Done {
                        ok: false,
                        message: "this is no request; the requests are status, pids, stop, reload, panic",
                    }));
                }
                Some(Heard::Whole(request)) => connection.answer = Some(self.answer(request)),
            }
        }
        if connection.tell() {
            self.control.connections.insert(number, connection);
        }
    }

    fn answer(&mut self, request: Request) -> Vec<u8> {
        let now = Instant::now();
        let done = |message| json(&Done { ok: true, message });
        match request {
            Request::Status => json(&self.status(now)),
            Request::Pids => json(&self.pids(now)),
            Request::Stop => {
                self.stop(now);
                done("stopping")
            }
            Request::Panic => {
                self.panic();
                done("everything confined is killed; `carapace restart` ends the panic")
            }
            Request::Reload if self.stopping() => json(&Done {
                ok: false,
                message: "the supervisor is stopping; start it again",
            }),
            Request::Reload => match self.reload(now) {
                Ok(()) => done("reloading; the status tells when it is done"),
                Err(error) => json(&Done {
                    ok: false,
                    message: &error.to_string(),
                }),
            },
        }
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // NOTE(json): no map with keys that are not text; a path that is not UTF-8 is the one thing left.
    let mut text = serde_json::to_vec(value).unwrap_or_else(|_| {
        br#"{"ok":false,"message":"the home's path is not UTF-8; use another"}"#.to_vec()
    });
    text.push(b'\n');
    text
}
