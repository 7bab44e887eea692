//! Misusing the one channel there is, as a socket rather than as a protocol; the protocol has
//! tests of its own.

use super::steps::{
    CHANNEL, CWD, MARK, abstract_local, answers, in_child, int, loopback4, path, text,
};
use super::{Attacked, Attempt, Class, Decoys, Outcome, through};
use crate::sys::attack::{at, at_mut, call};

const fn row(id: &'static str, what: &'static str, run: fn(&Decoys) -> Attacked) -> Attempt {
    Attempt::new(Class::Channel, id, what, run)
}

const SOCKET: u64 = libc::SOL_SOCKET as u64;
const PLAIN: &str = "plain bytes over its own channel, in another shape";

/// The class.
pub(super) const ALL: &[Attempt] = &[
    row(
        "chan_send_descriptor",
        "a descriptor for the broker",
        |_| {
            // Whether it arrives is seen at the other end.
            send_descriptor(CHANNEL, 0)?;
            Ok(Outcome::Nothing)
        },
    ),
    row(
        "chan_forged_sender",
        "poses as the prover by its credentials",
        |decoys| {
            let identity = [decoys.prover as u64, 0];
            // cmsghdr: length, level, type, then pid, uid, gid.
            let control = [
                28,
                (libc::SCM_CREDENTIALS as u64) << 32 | SOCKET,
                identity[0],
                0,
            ];
            send_with_control(CHANNEL, &control)?;
            through("the kernel took the credentials")
        },
    ),
    row(
        "chan_child_speaks",
        "lets a child speak on the channel",
        |_| {
            // The prover takes no words of a process that it did not attest.
            let child = in_child(|| {
                i32::from(super::steps::write(CHANNEL, b"through\ta child was believed\n").is_err())
            })?;
            call(libc::SYS_close, &[CHANNEL])?;
            if child == 0 {
                Ok(Outcome::Nothing)
            } else {
                Err(libc::EBADF)
            }
        },
    ),
    row(
        "chan_out_of_band",
        "out-of-band data (a kernel escape went through it)",
        |_| {
            let arguments = [CHANNEL, at(MARK), 1, int(libc::MSG_OOB), 0, 0];
            answers(libc::SYS_sendto, &arguments, "sent")
        },
    ),
    row("chan_recv_out_of_band", "asks for out-of-band data", |_| {
        receive(libc::MSG_OOB, &[libc::EINVAL])
    }),
    row("chan_recv_errors", "asks for the error queue", |_| {
        receive(libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT, &[libc::EAGAIN])
    })
    .hands_may("a local pair has no error queue; the answer is that nothing is there"),
    row(
        "chan_recv_peek",
        "looks at bytes without taking them",
        |_| receive(libc::MSG_PEEK | libc::MSG_DONTWAIT, &[libc::EAGAIN]),
    )
    .hands_may(PLAIN),
    row(
        "chan_send_zero_copy",
        "bytes that stay in its memory",
        |_| {
            let arguments = [CHANNEL, at(MARK), 1, 0x400_0000, 0, 0];
            answers(libc::SYS_sendto, &arguments, "sent")
        },
    )
    .hands_may("a local pair copies all the same"),
    row(
        "chan_sendto_address",
        "an address besides the channel's own",
        |decoys| {
            let address = loopback4(decoys.udp4);
            let arguments = [CHANNEL, at(MARK), 1, 0, at(&address), 16];
            match call(libc::SYS_sendto, &arguments) {
                // The kernel looked at the address, and has another reason to refuse.
                Ok(_) | Err(libc::EISCONN | libc::EOPNOTSUPP) => through("the address was taken"),
                Err(number) => Err(number),
            }
        },
    ),
    row("chan_sendmsg", "bytes by sendmsg", |_| {
        send_with_control(CHANNEL, &[])?;
        through("sent")
    })
    .hands_may(PLAIN),
    row("chan_sendmmsg", "many messages by one call", |_| {
        let part = [at(MARK), 1];
        let header = [0, 0, at(&part), 1, 0, 0, 0, 0];
        answers(libc::SYS_sendmmsg, &[CHANNEL, at(&header), 1, 0], "sent")
    }),
    row("chan_recvmmsg", "takes many messages by one call", |_| {
        let mut byte = [0_u8; 8];
        let part = [at_mut(&mut byte), 1];
        let header = [0, 0, at(&part), 1, 0, 0, 0, 0];
        let waiting = int(libc::MSG_DONTWAIT);
        match call(libc::SYS_recvmmsg, &[CHANNEL, at(&header), 1, waiting, 0]) {
            Ok(_) | Err(libc::EAGAIN) => through("asked"),
            Err(number) => Err(number),
        }
    }),
    row(
        "chan_recvmsg_descriptors",
        "asks for descriptors that the broker might send",
        |_| {
            let mut byte = [0_u8; 8];
            let part = [at_mut(&mut byte), 1];
            let mut control = [0_u64; 8];
            let header = [0, 0, at(&part), 1, at_mut(&mut control), 64, 0];
            match call(
                libc::SYS_recvmsg,
                &[CHANNEL, at(&header), int(libc::MSG_DONTWAIT)],
            ) {
                Ok(_) | Err(libc::EAGAIN) => through("asked"),
                Err(number) => Err(number),
            }
        },
    )
    .hands_may("the broker sends none"),
    row(
        "chan_bind",
        "gives the channel a name, to be reached by others",
        |decoys| {
            let name = abstract_local(&format!("{}-channel", decoys.abstract_name));
            answers(
                libc::SYS_bind,
                &[CHANNEL, at(&name[..]), name.len() as u64],
                "named",
            )
        },
    ),
    row("chan_connect", "connects the channel elsewhere", |decoys| {
        let name = abstract_local(&decoys.abstract_name);
        match call(
            libc::SYS_connect,
            &[CHANNEL, at(&name[..]), name.len() as u64],
        ) {
            Ok(_) | Err(libc::EISCONN) => through("the kernel tried"),
            Err(number) => Err(number),
        }
    }),
    row("chan_listen", "listens on the channel", |_| {
        match call(libc::SYS_listen, &[CHANNEL, 1]) {
            Ok(_) | Err(libc::EINVAL) => through("the kernel tried"),
            Err(number) => Err(number),
        }
    }),
    row(
        "chan_accept",
        "accepts a forged peer on the channel",
        |_| match call(libc::SYS_accept4, &[CHANNEL, 0, 0, 0]) {
            Ok(_) | Err(libc::EINVAL) => through("the kernel tried"),
            Err(number) => Err(number),
        },
    ),
    row("chan_shutdown", "half-closes the channel", |_| {
        answers(libc::SYS_shutdown, &[CHANNEL, 0], "half-closed")
    })
    .hands_may("ends its own channel, which costs only itself"),
    row("chan_peer_name", "the name of the other end", |_| {
        let mut name = [0_u8; 110];
        let mut length = 110_u32;
        call(
            libc::SYS_getpeername,
            &[CHANNEL, at_mut(&mut name), at_mut(&mut length)],
        )?;
        if length > 2 {
            through("it has a name")
        } else {
            Ok(Outcome::Nothing)
        }
    }),
    row("chan_peer_groups", "the groups of the other end", |_| {
        let mut groups = [0_u32; 64];
        let mut length = 256_u32;
        let arguments = [
            CHANNEL,
            SOCKET,
            59,
            at_mut(&mut groups),
            at_mut(&mut length),
        ];
        answers(libc::SYS_getsockopt, &arguments, "told")
    }),
    row(
        "chan_peer_handle",
        "a handle of the process at the other end",
        |_| {
            peer_handle()?;
            through("a handle was given")
        },
    ),
    row(
        "chan_peer_signal",
        "signals the process at the other end by its handle",
        |_| {
            let handle = peer_handle()?;
            answers(
                libc::SYS_pidfd_send_signal,
                &[handle, 0, 0, 0],
                "it may be signalled",
            )
        },
    ),
    row("chan_pass_sender", "asks to be told who sends", |_| {
        option(16, &1_u32.to_ne_bytes())
    })
    .hands_may("its own end; what it learns is the number of a process it cannot see"),
    row(
        "chan_filter",
        "a packet filter, compiled in the kernel",
        |_| {
            let code = [0x0000_ffff_0000_0006_u64];
            let program = [1_u64, at(&code)];
            let arguments = [CHANNEL, SOCKET, 26, at(&program), 16];
            answers(libc::SYS_setsockopt, &arguments, "attached")
        },
    ),
    row("chan_filter_pair", "the same on a pair of its own", |_| {
        let mut ends = [0_i32; 2];
        call(libc::SYS_socketpair, &[1, 1, 0, at_mut(&mut ends)])?;
        let code = [0x0000_ffff_0000_0006_u64];
        let program = [1_u64, at(&code)];
        let arguments = [int(ends[0]), SOCKET, 26, at(&program), 16];
        answers(libc::SYS_setsockopt, &arguments, "attached")
    }),
    row(
        "chan_buffer_force",
        "buffers beyond the machine's bound",
        |_| option(32, &(1_u32 << 30).to_ne_bytes()),
    ),
    row("chan_mark", "marks its packets", |_| {
        option(36, &1_u32.to_ne_bytes())
    }),
    row(
        "chan_bind_device",
        "ties the channel to a network card",
        |_| option(25, b"lo\0\0"),
    ),
    row("chan_busy_poll", "has the kernel spin for it", |_| {
        option(46, &1000_u32.to_ne_bytes())
    }),
    row(
        "chan_interfaces",
        "the host's interfaces, by a socket that was made there",
        |_| {
            let mut names = [0_u8; 4096];
            // ifconf: length, then the address of the buffer.
            let list = [4096_u64, at_mut(&mut names)];
            call(libc::SYS_ioctl, &[CHANNEL, 0x8912, at(&list)])?;
            let count = (list[0] as u32) / 40;
            if count > 0 {
                through(format!("{count} interfaces"))
            } else {
                Ok(Outcome::Nothing)
            }
        },
    ),
    row(
        "chan_interface_name",
        "the name of one of the host's interfaces",
        |_| {
            let mut request = [0_u8; 40];
            request[16] = 2;
            answers(
                libc::SYS_ioctl,
                &[CHANNEL, 0x8910, at_mut(&mut request)],
                "told",
            )
        },
    ),
    row(
        "chan_network_handle",
        "the host's network, by a socket that was made there",
        |_| {
            answers(
                libc::SYS_ioctl,
                &[CHANNEL, 0x894c, 0],
                "the network was opened",
            )
        },
    ),
    row(
        "chan_network_cookie",
        "the number of the host's network",
        |_| {
            let mut cookie = 0_u64;
            let mut length = 8_u32;
            let arguments = [
                CHANNEL,
                SOCKET,
                71,
                at_mut(&mut cookie),
                at_mut(&mut length),
            ];
            answers(libc::SYS_getsockopt, &arguments, "told")
        },
    ),
    row("chan_socket_file", "the file behind the channel", |_| {
        answers(libc::SYS_ioctl, &[CHANNEL, 0x89e0, 0], "opened")
    }),
    row("chan_async", "signals at a distance", |_| {
        let on = 1_u32;
        answers(libc::SYS_ioctl, &[CHANNEL, 0x5452, at(&on)], "set")
    }),
    row("chan_chmod", "changes the mode of the channel", |_| {
        answers(libc::SYS_fchmod, &[CHANNEL, 0o777], "changed")
    })
    .hands_may("a socket without a name has no use for its mode"),
    row("chan_attribute", "an attribute on the channel", |_| {
        let name = text("user.carapace");
        let arguments = [CHANNEL, path(&name), at(MARK), 4, 0];
        answers(libc::SYS_fsetxattr, &arguments, "set")
    }),
    row("chan_link", "gives the channel a path", |decoys| {
        let (empty, name) = (text(""), text(&decoys.planted()));
        let flags = int(libc::AT_EMPTY_PATH);
        let arguments = [CHANNEL, path(&empty), CWD, path(&name), flags];
        answers(libc::SYS_linkat, &arguments, "linked")
    }),
];

/// Sends a descriptor with the mark.
pub(super) fn send_descriptor(socket: u64, descriptor: i32) -> Result<u64, i32> {
    // cmsghdr: length, level, type, then the descriptor, padded.
    let rights = (libc::SCM_RIGHTS as u64) << 32 | SOCKET;
    send_with_control(socket, &[20, rights, u64::from(descriptor as u32)])
}

fn send_with_control(socket: u64, control: &[u64]) -> Result<u64, i32> {
    let part = [at(MARK), MARK.len() as u64];
    // msghdr: name, its length, parts, their count, control, its length, flags.
    let length = size_of_val(control) as u64;
    let header = [0, 0, at(&part), 1, at(control), length, 0];
    call(libc::SYS_sendmsg, &[socket, at(&header), 0])
}

fn peer_handle() -> Result<u64, i32> {
    let mut handle = 0_u32;
    let mut length = 4_u32;
    let arguments = [
        CHANNEL,
        SOCKET,
        77,
        at_mut(&mut handle),
        at_mut(&mut length),
    ];
    call(libc::SYS_getsockopt, &arguments)?;
    Ok(u64::from(handle))
}

/// Through when the channel takes an option.
fn option(name: u64, value: &[u8]) -> Attacked {
    let arguments = [CHANNEL, SOCKET, name, at(value), value.len() as u64];
    answers(libc::SYS_setsockopt, &arguments, "set")
}

/// Through when the call is executed, whatever was there to be received.
fn receive(flags: i32, executed: &[i32]) -> Attacked {
    let mut byte = [0_u8; 8];
    let arguments = [CHANNEL, at_mut(&mut byte), 1, int(flags), 0, 0];
    match call(libc::SYS_recvfrom, &arguments) {
        Ok(_) => through("asked"),
        Err(number) if executed.contains(&number) => through("asked"),
        Err(number) => Err(number),
    }
}
