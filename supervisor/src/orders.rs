//! What the broker may order. The whole list is [`Order`]; anything else on the link, and an order
//! out of its place, is a broken or taken-over broker: it is stopped, not answered.

use std::os::fd::OwnedFd;

use carapace_ipc_proto::launch::{Notice, Order};
use carapace_jail::ProfileName;

use crate::link::{Incoming, Link};
use crate::process::Phase;
use crate::supervisor::Supervisor;

/// Orders taken in one turn of the loop: others are served in between.
const ORDERS: usize = 64;

impl Supervisor {
    /// Reads and follows what the broker ordered.
    pub(crate) fn hear_broker(&mut self) {
        for _ in 0..ORDERS {
            let Some(link) = &self.broker.link else {
                return;
            };
            match link.receive() {
                Incoming::Order(order) => self.follow(order),
                Incoming::Nothing => return,
                Incoming::Nonsense => {
                    return self.break_broker(
                        "the broker sent a frame that is none: it is stopped as hostile",
                    );
                }
                // An end that was asked for comes with an exit.
                Incoming::Closed if self.stopping() || self.broker_drains() => {
                    self.broker.link = None;
                    return;
                }
                Incoming::Closed => {
                    return self.break_broker("the broker's launch link ended");
                }
            }
        }
    }

    /// Takes the last heads that a broker sent before its end; nothing else of it counts any more.
    pub(crate) fn hear_last(&mut self) {
        // More than its queue holds.
        for _ in 0..1024 {
            match self.broker.link.as_ref().map(Link::receive) {
                Some(Incoming::Order(order @ Order::Anchor { .. })) => self.follow(order),
                Some(Incoming::Order(_)) => {}
                _ => return,
            }
        }
    }

    fn follow(&mut self, order: Order) {
        match order {
            Order::Ready => {
                if !self.broker_ready() {
                    self.break_broker("the broker said READY twice: it is stopped as hostile");
                }
            }
            Order::Launch {
                request,
                kind,
                group,
            } => self.launch(request, kind, group),
            Order::Kill { number } => self.kill_launched(number),
            Order::Anchor { count, head } => {
                if let Err(error) = self.ground.anchor.offer(count, head) {
                    self.ground.journal.say(&format!("ALARM: {error}"));
                }
            }
        }
    }

    /// Kills a process that this broker was given. One that has ended meanwhile is no mistake.
    fn kill_launched(&mut self, number: u64) {
        let generation = self.broker.generation;
        if let Some(process) = self.processes.get_mut(&number)
            && process.profile != ProfileName::Broker
            && !process.unwanted
            && process.phase == Phase::Serving
            && process.generation == generation
        {
            process.end(&mut self.ground.journal);
        }
    }

    /// Tells the broker, if there is one; one that does not listen is stopped.
    pub(crate) fn notify(&mut self, notice: &Notice, channel: Option<OwnedFd>) {
        let taken = match &mut self.broker.link {
            Some(link) => link.send(notice, channel),
            None => true,
        };
        if !taken {
            self.break_broker("the broker does not read its launch link and is stopped");
        }
    }

    /// Sends what the broker did not take before.
    pub(crate) fn notify_more(&mut self) {
        let taken = self.broker.link.as_mut().is_none_or(|link| link.flush());
        if !taken {
            self.break_broker("the broker does not read its launch link and is stopped");
        }
    }
}
