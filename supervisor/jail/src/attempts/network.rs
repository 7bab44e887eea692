//! Reaching a peer, over every family of sockets and around `socket` itself.

use super::steps::{
    CWD, abstract_local, connect, int, local, loopback4, loopback6, open, path, read, send_to,
    socket, text, write,
};
use super::{Attacked, Attempt, Class, Decoys, Outcome, through};
use crate::sys::attack::{at, at_mut, call};

const fn row(id: &'static str, what: &'static str, run: fn(&Decoys) -> Attacked) -> Attempt {
    Attempt::new(Class::Network, id, what, run)
}

/// The class.
pub(super) const ALL: &[Attempt] = &[
    row("net_tcp4_connect", "TCP to a listener on 127.0.0.1", tcp4),
    row("net_tcp6", "TCP to a listener on ::1", tcp6),
    row("net_mptcp", "multipath TCP to a listener", mptcp),
    row(
        "net_tcp_fastopen",
        "TCP connect by sendto with MSG_FASTOPEN",
        fast_open,
    ),
    row(
        "net_tcp_listen",
        "a TCP listener of its own, reachable from outside",
        listen,
    ),
    row("net_udp4", "a datagram to a port on 127.0.0.1", udp4),
    row(
        "net_udplite",
        "a UDP-Lite socket",
        family::<{ libc::AF_INET }, { libc::SOCK_DGRAM }, 136>,
    ),
    row(
        "net_raw_icmp",
        "a raw ICMP socket",
        family::<{ libc::AF_INET }, { libc::SOCK_RAW }, 1>,
    ),
    row(
        "net_ping_dgram",
        "an unprivileged ping socket",
        family::<{ libc::AF_INET }, { libc::SOCK_DGRAM }, 1>,
    ),
    row(
        "net_sctp",
        "an SCTP socket",
        family::<{ libc::AF_INET }, { libc::SOCK_STREAM }, 132>,
    ),
    row(
        "net_dccp",
        "a DCCP socket",
        family::<{ libc::AF_INET }, 6, 33>,
    ),
    row(
        "net_packet",
        "sniffing by AF_PACKET",
        family::<{ libc::AF_PACKET }, { libc::SOCK_RAW }, 0x300>,
    ),
    row(
        "net_netlink_route",
        "the interfaces by netlink",
        netlink_route,
    ),
    row("net_netlink_generic", "generic netlink", netlink::<16>),
    row(
        "net_netlink_diag",
        "the machine's sockets by netlink",
        netlink_diag,
    ),
    row("net_netlink_audit", "the audit netlink", netlink::<9>),
    row(
        "net_netlink_uevent",
        "device events by netlink",
        netlink::<15>,
    ),
    row(
        "net_netlink_netfilter",
        "the packet filter by netlink",
        netlink::<12>,
    ),
    row(
        "net_netlink_xfrm",
        "IPsec policies by netlink",
        netlink::<6>,
    ),
    row(
        "net_netlink_connector",
        "process events by netlink",
        netlink::<11>,
    ),
    row("net_vsock", "a connection to the hypervisor", vsock),
    row(
        "net_alg",
        "kernel cryptography sockets",
        family::<{ libc::AF_ALG }, { libc::SOCK_SEQPACKET }, 0>,
    ),
    row(
        "net_bluetooth",
        "a Bluetooth socket",
        family::<{ libc::AF_BLUETOOTH }, { libc::SOCK_RAW }, 1>,
    ),
    row(
        "net_can",
        "a CAN bus socket",
        family::<{ libc::AF_CAN }, { libc::SOCK_RAW }, 1>,
    ),
    row(
        "net_rds",
        "an RDS socket",
        family::<{ libc::AF_RDS }, { libc::SOCK_SEQPACKET }, 0>,
    ),
    row(
        "net_tipc",
        "a TIPC socket",
        family::<{ libc::AF_TIPC }, { libc::SOCK_SEQPACKET }, 0>,
    ),
    row(
        "net_smc",
        "an SMC socket",
        family::<43, { libc::SOCK_STREAM }, 0>,
    ),
    row(
        "net_xdp",
        "an XDP socket",
        family::<44, { libc::SOCK_RAW }, 0>,
    ),
    row(
        "net_key",
        "an IPsec key socket",
        family::<{ libc::AF_KEY }, { libc::SOCK_RAW }, 2>,
    ),
    row(
        "net_unix_abstract",
        "the host's abstract local listener",
        unix_abstract,
    ),
    row(
        "net_unix_path",
        "a listener's file of the host, as docker.sock is one",
        unix_path,
    ),
    row(
        "net_unix_dgram_path",
        "a datagram to a socket's file of the host",
        unix_datagram,
    ),
    row(
        "net_unix_pair_redirect",
        "a datagram pair, then sendto a socket's file",
        pair_redirect,
    ),
    row(
        "net_unix_bind_abstract",
        "an abstract name of its own, as a rendezvous",
        bind_abstract,
    ),
    row(
        "net_unix_bind_path",
        "a socket file of its own among the host's files",
        bind_path,
    ),
    row(
        "net_socketpair_scm",
        "a descriptor sent over a local pair of its own",
        pair_rights,
    )
    .hands_may("a pair that is connected from birth reaches nobody outside"),
    row(
        "net_iouring_socket",
        "a socket by io_uring, past a filter of socket()",
        uring_socket,
    ),
    row("net_tun", "a tunnel device", tun),
];

fn tcp4(decoys: &Decoys) -> Attacked {
    connect(
        socket(libc::AF_INET, libc::SOCK_STREAM, 0)?,
        &loopback4(decoys.tcp4),
    )
}

fn tcp6(decoys: &Decoys) -> Attacked {
    connect(
        socket(libc::AF_INET6, libc::SOCK_STREAM, 0)?,
        &loopback6(decoys.tcp6),
    )
}

fn mptcp(decoys: &Decoys) -> Attacked {
    const MPTCP: i32 = 262;
    connect(
        socket(libc::AF_INET, libc::SOCK_STREAM, MPTCP)?,
        &loopback4(decoys.tcp4),
    )
}

fn fast_open(decoys: &Decoys) -> Attacked {
    let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    send_to(socket, libc::MSG_FASTOPEN, &loopback4(decoys.tcp4))
}

fn listen(_: &Decoys) -> Attacked {
    let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    let address = loopback4(0);
    call(libc::SYS_bind, &[socket, at(&address), 16])?;
    call(libc::SYS_listen, &[socket, 1])?;
    through("a port is open")
}

fn udp4(decoys: &Decoys) -> Attacked {
    send_to(
        socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?,
        0,
        &loopback4(decoys.udp4),
    )
}

fn family<const FAMILY: i32, const KIND: i32, const PROTOCOL: i32>(_: &Decoys) -> Attacked {
    socket(FAMILY, KIND, PROTOCOL)?;
    through("a socket was made")
}

fn netlink<const PROTOCOL: i32>(_: &Decoys) -> Attacked {
    let socket = socket(libc::AF_NETLINK, libc::SOCK_RAW, PROTOCOL)?;
    let mut address = [0_u8; 12];
    address[0] = libc::AF_NETLINK as u8;
    call(libc::SYS_bind, &[socket, at(&address), 12])?;
    through("a netlink socket is bound")
}

/// A request with a dump flag, and whether an answer comes.
fn ask_netlink(protocol: i32, kind: u16, payload: &[u8]) -> Attacked {
    let socket = socket(libc::AF_NETLINK, libc::SOCK_RAW, protocol)?;
    let mut message = (16 + payload.len() as u32).to_ne_bytes().to_vec();
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&0x301_u16.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(payload);
    write(socket, &message)?;
    let answer = read(socket)?;
    const ERROR: u16 = 2;
    const DONE: u16 = 3;
    match answer.get(4..6) {
        Some(kind) if kind != ERROR.to_ne_bytes() && kind != DONE.to_ne_bytes() => {
            through(format!("{} bytes of answer", answer.len()))
        }
        _ => Ok(Outcome::Nothing),
    }
}

fn netlink_route(_: &Decoys) -> Attacked {
    const GET_LINK: u16 = 18;
    ask_netlink(0, GET_LINK, &[0; 16])
}

fn netlink_diag(_: &Decoys) -> Attacked {
    const BY_FAMILY: u16 = 20;
    let mut request = [0_u8; 56];
    request[0] = libc::AF_INET as u8;
    request[1] = libc::IPPROTO_TCP as u8;
    request[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
    ask_netlink(4, BY_FAMILY, &request)
}

/// The hypervisor may not answer; that the question leaves is the effect.
fn vsock(_: &Decoys) -> Attacked {
    let socket = socket(libc::AF_VSOCK, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0)?;
    let mut address = [0_u8; 16];
    address[..2].copy_from_slice(&(libc::AF_VSOCK as u16).to_ne_bytes());
    address[4..8].copy_from_slice(&1_u32.to_ne_bytes());
    address[8..12].copy_from_slice(&2_u32.to_ne_bytes());
    match call(libc::SYS_connect, &[socket, at(&address), 16]) {
        Ok(_) | Err(libc::EINPROGRESS | libc::ECONNRESET | libc::ECONNREFUSED) => {
            through("the hypervisor was asked")
        }
        Err(number) => Err(number),
    }
}

fn unix_abstract(decoys: &Decoys) -> Attacked {
    let address = abstract_local(&decoys.abstract_name);
    connect(socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)?, &address)
}

fn unix_path(decoys: &Decoys) -> Attacked {
    let address = local(decoys.stream_socket().as_bytes());
    connect(socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)?, &address)
}

fn unix_datagram(decoys: &Decoys) -> Attacked {
    let address = local(decoys.datagram_socket().as_bytes());
    send_to(socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0)?, 0, &address)
}

fn pair(kind: i32) -> Result<[i32; 2], i32> {
    let mut ends = [0_i32; 2];
    call(
        libc::SYS_socketpair,
        &[int(libc::AF_UNIX), int(kind), 0, at_mut(&mut ends)],
    )?;
    Ok(ends)
}

fn pair_redirect(decoys: &Decoys) -> Attacked {
    let [end, _] = pair(libc::SOCK_DGRAM)?;
    let address = local(decoys.datagram_socket().as_bytes());
    call(
        libc::SYS_connect,
        &[int(end), at(&address[..]), address.len() as u64],
    )?;
    write(int(end), super::steps::MARK)?;
    through("the pair's end was turned to the host")
}

fn bind_abstract(decoys: &Decoys) -> Attacked {
    let socket = socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)?;
    let address = abstract_local(&format!("{}-planted", decoys.abstract_name));
    call(
        libc::SYS_bind,
        &[socket, at(&address[..]), address.len() as u64],
    )?;
    call(libc::SYS_listen, &[socket, 1])?;
    through("a name was taken")
}

fn bind_path(decoys: &Decoys) -> Attacked {
    let socket = socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)?;
    let address = local(decoys.planted().as_bytes());
    call(
        libc::SYS_bind,
        &[socket, at(&address[..]), address.len() as u64],
    )?;
    through("a socket's file was made")
}

fn pair_rights(_: &Decoys) -> Attacked {
    let [end, other] = pair(libc::SOCK_STREAM)?;
    super::channel::send_descriptor(int(end), other)?;
    through("a descriptor was sent")
}

fn uring_socket(_: &Decoys) -> Attacked {
    let mut parameters = [0_u8; 120];
    let ring = call(libc::SYS_io_uring_setup, &[4, at_mut(&mut parameters)])?;
    let shared = libc::MAP_SHARED | libc::MAP_POPULATE;
    let protection = int(libc::PROT_READ | libc::PROT_WRITE);
    const ENTRIES_OFFSET: u64 = 0x1000_0000;
    let entries = call(
        libc::SYS_mmap,
        &[0, 4096, protection, int(shared), ring, ENTRIES_OFFSET],
    )?;
    let queue = call(libc::SYS_mmap, &[0, 4096, protection, int(shared), ring, 0])?;
    const SOCKET: u8 = 45;
    let mut entry = [0_u8; 64];
    entry[0] = SOCKET;
    entry[4..8].copy_from_slice(&libc::AF_INET.to_ne_bytes());
    entry[8..16].copy_from_slice(&(libc::SOCK_STREAM as u64).to_ne_bytes());
    crate::sys::attack::poke(entries, &entry);
    // The submission queue's offsets stand in the parameters: tail at 44, array at 64.
    let word = |at: usize| {
        u32::from_ne_bytes([
            parameters[at],
            parameters[at + 1],
            parameters[at + 2],
            parameters[at + 3],
        ])
    };
    crate::sys::attack::poke(queue + u64::from(word(44)), &1_u32.to_ne_bytes());
    const GET_EVENTS: u64 = 1;
    let done = call(libc::SYS_io_uring_enter, &[ring, 1, 1, GET_EVENTS, 0, 0])?;
    if done == 1 {
        return through("a socket was asked for past the filter");
    }
    Ok(Outcome::Nothing)
}

fn tun(_: &Decoys) -> Attacked {
    let device = open("/dev/net/tun", libc::O_RDWR)?;
    let name = text("/dev/net/tun");
    call(libc::SYS_faccessat, &[CWD, path(&name), 0])?;
    through(format!("a tunnel device is open as {device}"))
}
