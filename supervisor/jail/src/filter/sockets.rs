//! The sockets that processes with a network may make. Each list is a part of one table: nothing raw,
//! no MPTCP, no SCTP, no netlink, in none of them.

use crate::bpf::{Clause, bits, is};
use libc::{
    AF_INET, AF_INET6, AF_UNIX, IPPROTO_TCP, IPPROTO_UDP, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK,
    SOCK_STREAM,
};

const KIND: u64 = !(SOCK_CLOEXEC | SOCK_NONBLOCK) as u32 as u64;
const STREAM: u64 = SOCK_STREAM as u64;
const DATAGRAM: u64 = SOCK_DGRAM as u64;

/// Local streams, and TCP and UDP of the internet.
pub(super) const ALL: &[Clause] = &[
    &[is(0, AF_UNIX as u32), bits(1, KIND, STREAM), is(2, 0)],
    &[is(0, AF_INET as u32), bits(1, KIND, STREAM), is(2, 0)],
    &[
        is(0, AF_INET as u32),
        bits(1, KIND, STREAM),
        is(2, IPPROTO_TCP as u32),
    ],
    &[is(0, AF_INET6 as u32), bits(1, KIND, STREAM), is(2, 0)],
    &[
        is(0, AF_INET6 as u32),
        bits(1, KIND, STREAM),
        is(2, IPPROTO_TCP as u32),
    ],
    &[is(0, AF_INET as u32), bits(1, KIND, DATAGRAM), is(2, 0)],
    &[
        is(0, AF_INET as u32),
        bits(1, KIND, DATAGRAM),
        is(2, IPPROTO_UDP as u32),
    ],
    &[is(0, AF_INET6 as u32), bits(1, KIND, DATAGRAM), is(2, 0)],
    &[
        is(0, AF_INET6 as u32),
        bits(1, KIND, DATAGRAM),
        is(2, IPPROTO_UDP as u32),
    ],
];

/// How many of them are local, and local or TCP.
const FIRST_INTERNET: usize = 1;
const FIRST_DATAGRAM: usize = 5;

/// Local streams: an agent, the message bus.
pub(super) const LOCAL: &[Clause] = ALL.split_at(FIRST_INTERNET).0;
/// Stream sockets of the internet and the local kind; no datagrams, which Landlock's port rules do not see.
pub(super) const STREAMS: &[Clause] = ALL.split_at(FIRST_DATAGRAM).0;
/// TCP and UDP of the internet, nothing local.
pub(super) const INTERNET: &[Clause] = ALL.split_at(FIRST_INTERNET).1;
