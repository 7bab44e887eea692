//! The launch link between the broker and the supervisor: a SEQPACKET socketpair, frames of one
//! fixed size, an enum and numbers, never a path or an argument. Nothing here allocates or parses.
//!
//! A [`Order`] goes up from the broker, a [`Notice`] comes down. With [`Notice::Launched`] the
//! channel's descriptor comes along as ancillary data.

/// Every frame of this link has this size, in bytes.
pub const FRAME: usize = 64;

/// Which kind of confined process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The mind of one session.
    Worker = 1,
    /// The hands of one session.
    Hands = 2,
}

/// Why a confined process ended, as the supervisor saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum End {
    /// It returned.
    Clean = 1,
    /// It crashed: a signal such as 6 or 11, or a status other than 0.
    Crash = 2,
    /// The kernel killed it for a system call that its profile does not have.
    Violation = 3,
    /// It was killed: by the supervisor, a limit, or somebody with the right to.
    Killed = 4,
}

/// Why a launch failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Failure {
    /// The cage could not be built; the supervisor's log names the layer.
    Cage = 1,
    /// The process in the cage refused to run.
    SelfCheck = 2,
    /// What was seen from outside differs from what was ordered.
    Attestation = 3,
    /// Too many are running.
    Limit = 4,
    /// The supervisor is stopping.
    Stopping = 5,
}

/// From the broker to the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The broker is up, locked, and listens.
    Ready,
    /// Start a process; answered by `Launched` or `Failed` with the same number.
    Launch {
        /// The broker's number for this launch.
        request: u64,
        /// Which kind.
        kind: Kind,
        /// The group, by its place in the supervisor's list; 0 is the owner.
        group: u32,
    },
    /// Stop a process.
    Kill {
        /// Which.
        number: u64,
    },
    /// Where the audit chain is now; the supervisor keeps it where the broker cannot write.
    Anchor {
        /// Number of records.
        count: u64,
        /// Hash of the last.
        head: [u8; 32],
    },
}

/// From the supervisor to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// A process runs, locked and attested; its channel's descriptor comes with this frame.
    Launched {
        /// The broker's number for this launch.
        request: u64,
        /// The process's number, never used again.
        number: u64,
        /// Counts the broker's starts.
        generation: u32,
        /// Its process id, in the supervisor's namespace.
        pid: i32,
    },
    /// A launch failed.
    Failed {
        /// The broker's number for this launch.
        request: u64,
        /// Why.
        why: Failure,
    },
    /// A process that was launched has ended.
    Ended {
        /// Which.
        number: u64,
        /// How.
        end: End,
        /// Exit status or signal.
        code: i32,
    },
    /// Finish what can be finished within seconds, then exit.
    Drain,
    /// Refuse everything from now on.
    Panic,
}

macro_rules! from_byte {
    ($name:ident { $($variant:ident),+ }) => {
        impl $name {
            fn from_byte(byte: u8) -> Option<Self> {
                $(if byte == Self::$variant as u8 { return Some(Self::$variant); })+
                None
            }
        }
    };
}
from_byte!(Kind { Worker, Hands });
from_byte!(End {
    Clean,
    Crash,
    Violation,
    Killed
});
from_byte!(Failure {
    Cage,
    SelfCheck,
    Attestation,
    Limit,
    Stopping
});

struct Writer([u8; FRAME], usize);

impl Writer {
    fn new(tag: u8) -> Self {
        let mut bytes = [0; FRAME];
        bytes[0] = tag;
        Self(bytes, 8)
    }

    fn put<const N: usize>(mut self, bytes: [u8; N]) -> Self {
        self.0[self.1..self.1 + N].copy_from_slice(&bytes);
        self.1 += N;
        self
    }
}

struct Reader<'a>(&'a [u8; FRAME], usize);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.0[self.1..self.1 + N]);
        self.1 += N;
        bytes
    }

    /// Nothing but zeros may follow: one meaning has one form.
    fn done<T>(self, value: T) -> Option<T> {
        self.0[self.1..]
            .iter()
            .all(|&byte| byte == 0)
            .then_some(value)
    }
}

impl Order {
    /// As a frame.
    pub fn encode(&self) -> [u8; FRAME] {
        match *self {
            Order::Ready => Writer::new(1),
            Order::Launch {
                request,
                kind,
                group,
            } => Writer::new(2)
                .put(request.to_le_bytes())
                .put([kind as u8])
                .put(group.to_le_bytes()),
            Order::Kill { number } => Writer::new(3).put(number.to_le_bytes()),
            Order::Anchor { count, head } => Writer::new(4).put(count.to_le_bytes()).put(head),
        }
        .0
    }

    /// From a frame; `None` where it is not one of these, to the last byte.
    pub fn decode(frame: &[u8]) -> Option<Self> {
        let frame: &[u8; FRAME] = frame.try_into().ok()?;
        if frame[1..8] != [0; 7] {
            return None;
        }
        let mut from = Reader(frame, 8);
        let order = match frame[0] {
            1 => Order::Ready,
            2 => Order::Launch {
                request: u64::from_le_bytes(from.take()),
                kind: Kind::from_byte(from.take::<1>()[0])?,
                group: u32::from_le_bytes(from.take()),
            },
            3 => Order::Kill {
                number: u64::from_le_bytes(from.take()),
            },
            4 => Order::Anchor {
                count: u64::from_le_bytes(from.take()),
                head: from.take(),
            },
            _ => return None,
        };
        from.done(order)
    }
}

impl Notice {
    /// As a frame.
    pub fn encode(&self) -> [u8; FRAME] {
        match *self {
            Notice::Launched {
                request,
                number,
                generation,
                pid,
            } => Writer::new(1)
                .put(request.to_le_bytes())
                .put(number.to_le_bytes())
                .put(generation.to_le_bytes())
                .put(pid.to_le_bytes()),
            Notice::Failed { request, why } => {
                Writer::new(2).put(request.to_le_bytes()).put([why as u8])
            }
            Notice::Ended { number, end, code } => Writer::new(3)
                .put(number.to_le_bytes())
                .put([end as u8])
                .put(code.to_le_bytes()),
            Notice::Drain => Writer::new(4),
            Notice::Panic => Writer::new(5),
        }
        .0
    }

    /// From a frame; `None` where it is not one of these, to the last byte.
    pub fn decode(frame: &[u8]) -> Option<Self> {
        let frame: &[u8; FRAME] = frame.try_into().ok()?;
        if frame[1..8] != [0; 7] {
            return None;
        }
        let mut from = Reader(frame, 8);
        let notice = match frame[0] {
            1 => Notice::Launched {
                request: u64::from_le_bytes(from.take()),
                number: u64::from_le_bytes(from.take()),
                generation: u32::from_le_bytes(from.take()),
                pid: i32::from_le_bytes(from.take()),
            },
            2 => Notice::Failed {
                request: u64::from_le_bytes(from.take()),
                why: Failure::from_byte(from.take::<1>()[0])?,
            },
            3 => Notice::Ended {
                number: u64::from_le_bytes(from.take()),
                end: End::from_byte(from.take::<1>()[0])?,
                code: i32::from_le_bytes(from.take()),
            },
            4 => Notice::Drain,
            5 => Notice::Panic,
            _ => return None,
        };
        from.done(notice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame_comes_back_and_no_other_form_is_taken() {
        let orders = [
            Order::Ready,
            Order::Launch {
                request: 7,
                kind: Kind::Hands,
                group: 3,
            },
            Order::Kill { number: u64::MAX },
            Order::Anchor {
                count: 9,
                head: [7; 32],
            },
        ];
        for order in orders {
            let frame = order.encode();
            assert_eq!(Order::decode(&frame), Some(order));
            assert_eq!(Order::decode(&frame[..63]), None);
            let mut longer = frame;
            longer[FRAME - 1] = 1;
            assert_eq!(Order::decode(&longer), None);
        }
        let notices = [
            Notice::Launched {
                request: 1,
                number: 2,
                generation: 3,
                pid: 4,
            },
            Notice::Failed {
                request: 1,
                why: Failure::Attestation,
            },
            Notice::Ended {
                number: 1,
                end: End::Violation,
                code: 31,
            },
            Notice::Drain,
            Notice::Panic,
        ];
        for notice in notices {
            let frame = notice.encode();
            assert_eq!(Notice::decode(&frame), Some(notice));
            let mut other = frame;
            other[3] = 1;
            assert_eq!(Notice::decode(&other), None);
        }
        assert_eq!(Order::decode(&[0; FRAME]), None);
    }
}
