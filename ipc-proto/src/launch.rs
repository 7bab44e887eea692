//! The launch link between the broker and the supervisor: a SEQPACKET socketpair, frames of one
//! fixed size, an enum and numbers, never a path or an argument. Nothing here allocates or parses.
//!
//! A [`Order`] goes up from the broker, a [`Notice`] comes down. With [`Notice::Launched`] the
//! channel's descriptor comes along as ancillary data. The channel of a secret is only read: what
//! comes until its end is the secret, if and only if [`Notice::Ended`] then says [`End::Clean`].

/// Every frame of this link has this size, in bytes.
pub const FRAME: usize = 64;

/// Which kind of confined process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The mind of one session.
    Worker,
    /// The hands of one session.
    Hands,
    /// The process that asks name servers; one at a time.
    Resolver,
    /// A process that reads one secret from where it lives, writes it on its channel and ends.
    Secret(Name40),
}

impl Kind {
    fn tag(self) -> u8 {
        match self {
            Self::Worker => 1,
            Self::Hands => 2,
            Self::Resolver => 3,
            Self::Secret(_) => 4,
        }
    }

    fn name(self) -> [u8; Name40::SIZE] {
        match self {
            Self::Secret(name) => name.0,
            _ => [0; Name40::SIZE],
        }
    }

    /// Only a secret has a name, and it has to have one.
    fn from_parts(tag: u8, name: [u8; Name40::SIZE]) -> Option<Self> {
        let unnamed = name == [0; Name40::SIZE];
        match tag {
            1 if unnamed => Some(Self::Worker),
            2 if unnamed => Some(Self::Hands),
            3 if unnamed => Some(Self::Resolver),
            4 => Name40::from_bytes(name).map(Self::Secret),
            _ => None,
        }
    }
}

/// The name of a secret in a frame: 1 to 40 of `a-z 0-9 - _ .`, starting with a letter or digit,
/// filled up with zeros. It names an entry that the owner wrote; it is never a path or an argument.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name40([u8; Name40::SIZE]);

impl Name40 {
    /// Bytes in a frame.
    pub const SIZE: usize = 40;

    /// The name with this text; `None` where it is none.
    pub fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; Self::SIZE];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        Self::from_bytes(bytes).filter(|name| name.as_str() == text)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().take_while(|&&byte| byte != 0).count();
        // Only ASCII gets in.
        std::str::from_utf8(&self.0[..length]).unwrap_or_default()
    }

    /// From a frame: no byte but zeros behind the name.
    fn from_bytes(bytes: [u8; Self::SIZE]) -> Option<Self> {
        let length = bytes.iter().take_while(|&&byte| byte != 0).count();
        let (name, rest) = bytes.split_at(length);
        let plain = name.first()?.is_ascii_alphanumeric()
            && name
                .iter()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
            && rest.iter().all(|&byte| byte == 0);
        plain.then_some(Self(bytes))
    }
}

impl std::fmt::Debug for Name40 {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:?}", self.as_str())
    }
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
    /// `cage.toml` has no secret of that name.
    Unknown = 6,
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
    Stopping,
    Unknown
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
                .put([kind.tag()])
                .put(group.to_le_bytes())
                .put(kind.name()),
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
            2 => {
                let request = u64::from_le_bytes(from.take());
                let [tag] = from.take();
                let group = u32::from_le_bytes(from.take());
                Order::Launch {
                    request,
                    kind: Kind::from_parts(tag, from.take())?,
                    group,
                }
            }
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
            Order::Launch {
                request: 8,
                kind: Kind::Resolver,
                group: 0,
            },
            Order::Launch {
                request: u64::MAX,
                kind: Kind::Secret(Name40::new(&"a".repeat(40)).unwrap()),
                group: u32::MAX,
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

    #[test]
    fn only_a_plain_name_is_a_name() {
        for name in ["a", "0", "anthropic", "a-b_c.d", &"z".repeat(40)] {
            assert_eq!(Name40::new(name).unwrap().as_str(), name);
        }
        for wrong in [
            "",
            "A",
            "-a",
            ".a",
            "_a",
            "a b",
            "a/b",
            "a\0",
            "a\0b",
            "\u{e4}",
            &"z".repeat(41),
        ] {
            assert_eq!(Name40::new(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_name_comes_with_a_secret_and_with_nothing_else() {
        let order = |kind| Order::Launch {
            request: 1,
            kind,
            group: 0,
        };
        let name = Name40::new("anthropic").unwrap();
        let frame = order(Kind::Secret(name)).encode();
        for tag in [0, 1, 2, 3, 5, 255] {
            let mut other = frame;
            other[16] = tag;
            assert_eq!(Order::decode(&other), None, "kind {tag}");
        }
        let mut unnamed = order(Kind::Worker).encode();
        unnamed[16] = 4;
        assert_eq!(Order::decode(&unnamed), None);
        let mut gap = frame;
        gap[21 + 20] = b'x';
        assert_eq!(Order::decode(&gap), None);
    }
}
