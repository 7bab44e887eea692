//! The broker's end of the launch link: asks the supervisor for confined processes and hears of
//! their end. Frames of one size; a channel's descriptor comes with the frame that announces it.

use crate::broker::Broker;
use crate::turn;
use carapace_contract::id::WorkerId;
use carapace_ipc_proto::launch::{End, FRAME, Failure, Kind, Notice, Order};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recvmsg, send};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{oneshot, watch};

/// How a process ended and with which status or signal, once it has.
pub(crate) type Ending = Option<(End, i32)>;

/// A confined process that was just launched and attested.
pub(crate) struct Launched {
    /// Its channel.
    pub(crate) channel: OwnedFd,
    /// Its identity.
    pub(crate) worker: WorkerId,
    /// Its process id: the only one that may send on the channel.
    pub(crate) pid: i32,
    /// Says how it ended, once it has.
    pub(crate) ended: watch::Receiver<Ending>,
}

/// Asks the supervisor.
pub(crate) struct Launcher {
    link: Rc<UnixStream>,
    next: Cell<u64>,
    unsent: RefCell<Vec<Order>>,
    asked: RefCell<HashMap<u64, oneshot::Sender<Result<Launched, Failure>>>>,
    running: RefCell<HashMap<u64, watch::Sender<Ending>>>,
}

/// The listening half.
pub(crate) struct Notices(Rc<UnixStream>);

/// Takes over the launch link.
pub(crate) fn open(link: OwnedFd) -> io::Result<(Launcher, Notices)> {
    // A sequenced-packet socket: the wrapper only watches for readiness, each frame is one system
    // call of our own below.
    let link = std::os::unix::net::UnixStream::from(link);
    link.set_nonblocking(true)?;
    let link = Rc::new(UnixStream::from_std(link)?);
    let launcher = Launcher {
        link: Rc::clone(&link),
        next: Cell::new(1),
        unsent: RefCell::default(),
        asked: RefCell::default(),
        running: RefCell::default(),
    };
    Ok((launcher, Notices(link)))
}

impl Launcher {
    /// Says that the broker is up.
    pub(crate) fn ready(&self) {
        self.order(&Order::Ready);
    }

    /// Asks for a process of this kind for the owner's group.
    async fn launch(&self, kind: Kind) -> Result<Launched, Failure> {
        let request = self.next.replace(self.next.get() + 1);
        let (answer, wait) = oneshot::channel();
        self.asked.borrow_mut().insert(request, answer);
        if !self.order(&Order::Launch {
            request,
            kind,
            group: 0,
        }) {
            self.asked.borrow_mut().remove(&request);
            return Err(Failure::Limit);
        }
        match tokio::time::timeout(LAUNCH, wait).await {
            Ok(told) => told.unwrap_or(Err(Failure::Stopping)),
            Err(_) => {
                // A process that comes after all is ended when it is announced.
                self.asked.borrow_mut().remove(&request);
                Err(Failure::Cage)
            }
        }
    }

    /// Asks for the end of a process; again later where the order was not taken.
    pub(crate) fn kill(&self, worker: WorkerId) {
        let order = Order::Kill {
            number: worker.number,
        };
        if !self.order(&order) {
            self.unsent.borrow_mut().push(order);
        }
    }

    /// Sends the orders that were not taken before.
    pub(crate) fn send_again(&self) {
        let unsent = std::mem::take(&mut *self.unsent.borrow_mut());
        for order in unsent {
            if !self.order(&order) {
                self.unsent.borrow_mut().push(order);
            }
        }
    }

    /// Says where the audit chain is.
    pub(crate) fn anchor(&self, count: u64, head: [u8; 32]) {
        self.order(&Order::Anchor { count, head });
    }

    /// False where the supervisor does not take it now: its queue is full, or it is gone.
    fn order(&self, order: &Order) -> bool {
        let sent = send(&*self.link, &order.encode(), SendFlags::NOSIGNAL);
        if let Err(error) = &sent {
            crate::clean::log!("an order to the supervisor was not taken: {error}");
        }
        sent.is_ok()
    }
}

/// Until a launch that was ordered counts as failed: the supervisor gives a process 5 s to start.
const LAUNCH: std::time::Duration = std::time::Duration::from_secs(20);

/// How often a launch is tried: a process may die while it starts without its cage being at fault.
const TRIES: u32 = 3;

/// How often a place among the processes is waited for.
const PLACES: u32 = 10;

/// Launches. Where too many processes run, sessions without a turn give theirs up first.
pub(crate) async fn launch(broker: &Broker, kind: Kind) -> Result<Launched, Failure> {
    let mut tried = 0;
    loop {
        if broker.frozen.get() {
            return Err(Failure::Stopping);
        }
        tried += 1;
        match broker.launcher.launch(kind).await {
            Err(Failure::Limit) if tried < PLACES => {
                // No session has to go for the others; the ones before end by themselves.
                if matches!(kind, Kind::Worker | Kind::Hands) {
                    broker.hibernate(0);
                }
                // A place is free once the process that had it is gone.
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
            Err(Failure::Cage | Failure::SelfCheck | Failure::Attestation) if tried < TRIES => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            outcome => return outcome,
        }
    }
}

/// Follows what the supervisor says until it wants the broker to end.
pub(crate) async fn follow(broker: &Rc<Broker>, notices: Notices) {
    loop {
        let Some((notice, channel)) = notices.next().await else {
            return;
        };
        let launcher = &broker.launcher;
        match notice {
            Notice::Launched {
                request,
                number,
                generation,
                pid,
            } => {
                let (tell, ended) = watch::channel(None);
                launcher.running.borrow_mut().insert(number, tell);
                let answer = launcher.asked.borrow_mut().remove(&request);
                let worker = WorkerId { number, generation };
                match (answer, channel) {
                    (Some(answer), Some(channel)) => {
                        if answer
                            .send(Ok(Launched {
                                channel,
                                worker,
                                pid,
                                ended,
                            }))
                            .is_err()
                        {
                            launcher.kill(worker);
                        }
                    }
                    _ => launcher.kill(worker),
                }
            }
            Notice::Failed { request, why } => {
                if let Some(answer) = launcher.asked.borrow_mut().remove(&request) {
                    let _ = answer.send(Err(why));
                }
            }
            Notice::Ended { number, end, code } => {
                if let Some(tell) = launcher.running.borrow_mut().remove(&number) {
                    let _ = tell.send(Some((end, code)));
                }
            }
            Notice::Drain => return,
            Notice::Panic => {
                // Its own task: what is frozen may wait for a notice that comes through here.
                let broker = Rc::clone(broker);
                tokio::task::spawn_local(
                    async move { turn::freeze(&broker, "the supervisor").await },
                );
            }
        }
    }
}

impl Notices {
    /// The next notice; `None` at the end of the link or where a frame is none of ours.
    async fn next(&self) -> Option<(Notice, Option<OwnedFd>)> {
        match self
            .0
            .async_io(Interest::READABLE, || receive(&self.0))
            .await
        {
            Ok((frame, channel)) => Notice::decode(&frame).map(|notice| (notice, channel)),
            Err(error) => {
                crate::clean::log!("the launch link ended: {error}");
                None
            }
        }
    }
}

fn receive(link: &UnixStream) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
    let mut frame = [0; FRAME];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        link,
        &mut [IoSliceMut::new(&mut frame)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut channel = None;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            channel = descriptors.into_iter().next();
        }
    }
    Ok((frame[..received.bytes].to_vec(), channel))
}
