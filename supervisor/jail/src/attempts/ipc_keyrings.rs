//! System V objects, message queues, shared memory and keys: what other processes of the same user
//! keep outside the file system.

use super::decoys::CANARY;
use super::steps::{MARK, answers, found, path, text};
use super::{Attacked, Attempt, Class, Decoys, through};
use crate::sys::attack::{at, at_mut, call, peek};

const fn row(id: &'static str, what: &'static str, run: fn(&Decoys) -> Attacked) -> Attempt {
    Attempt::new(Class::IpcKeyrings, id, what, run)
}

const PRIVATE: u64 = (libc::IPC_CREAT | 0o600) as u64;
const SESSION_KEYRING: u64 = -3_i64 as u64;
const USER_KEYRING: u64 = -4_i64 as u64;

/// The class.
pub(super) const ALL: &[Attempt] = &[
    row(
        "ipc_shm_attach",
        "a foreign process' shared segment",
        |decoys| {
            let address = call(libc::SYS_shmat, &[decoys.segment as u64, 0, 0o10000])?;
            found(
                &String::from_utf8_lossy(&peek(address, 64)),
                CANARY,
                "the secret",
            )
        },
    ),
    row(
        "ipc_shm_stat",
        "whether a foreign segment is there",
        |decoys| {
            let mut buffer = [0_u64; 16];
            let arguments = [decoys.segment as u64, 2, at_mut(&mut buffer)];
            answers(libc::SYS_shmctl, &arguments, "the segment is there")
        },
    ),
    row("ipc_shm_list", "the machine's segments", |_| {
        const INFO: u64 = 14;
        let mut buffer = [0_u64; 16];
        let highest = call(libc::SYS_shmctl, &[0, INFO, at_mut(&mut buffer)])?;
        through(format!("told, up to index {highest}"))
    }),
    row("ipc_shm_create", "a segment, as a rendezvous", |_| {
        let segment = call(libc::SYS_shmget, &[0, 4096, PRIVATE])?;
        call(libc::SYS_shmctl, &[segment, 0, 0])?;
        through("a segment was made and removed")
    }),
    row(
        "ipc_msg_receive",
        "a message in a foreign queue",
        |decoys| {
            let mut message = [0_u8; 136];
            // MSG_COPY | IPC_NOWAIT would leave it; taking it is the attack.
            let arguments = [decoys.queue as u64, at_mut(&mut message), 128, 0, 0o4000];
            call(libc::SYS_msgrcv, &arguments)?;
            found(&String::from_utf8_lossy(&message), CANARY, "the secret")
        },
    ),
    row("ipc_msg_send", "a message into a foreign queue", |decoys| {
        let mut message = 1_u64.to_ne_bytes().to_vec();
        message.extend_from_slice(MARK);
        let arguments = [
            decoys.queue as u64,
            at(&message[..]),
            MARK.len() as u64,
            0o4000,
        ];
        answers(libc::SYS_msgsnd, &arguments, "sent")
    }),
    row("ipc_msg_create", "a queue", |_| {
        let queue = call(libc::SYS_msgget, &[0, PRIVATE])?;
        call(libc::SYS_msgctl, &[queue, 0, 0])?;
        through("a queue was made and removed")
    }),
    row("ipc_sem_create", "a semaphore set", |_| {
        let set = call(libc::SYS_semget, &[0, 1, PRIVATE])?;
        call(libc::SYS_semctl, &[set, 0, 0])?;
        through("a set was made and removed")
    }),
    row("ipc_mq_open", "a POSIX message queue", |_| {
        let name = text("carapace-planted");
        let flags = (libc::O_CREAT | libc::O_RDWR) as u64;
        call(libc::SYS_mq_open, &[path(&name), flags, 0o600, 0])?;
        let _ = call(libc::SYS_mq_unlink, &[path(&name)]);
        through("a queue was made and removed")
    }),
    row(
        "key_read_user",
        "a secret in the user's keyring, by its number",
        |decoys| read_key(decoys.key as u64),
    ),
    row("key_search_user", "the same by its name", |decoys| {
        let (kind, name) = (text("user"), text(&Decoys::key_name(decoys.victim)));
        const SEARCH: u64 = 10;
        let arguments = [SEARCH, USER_KEYRING, path(&kind), path(&name), 0];
        read_key(call(libc::SYS_keyctl, &arguments)?)
    }),
    row("key_revoke_user", "revokes a foreign key", |decoys| {
        const REVOKE: u64 = 3;
        answers(libc::SYS_keyctl, &[REVOKE, decoys.key as u64], "revoked")
    }),
    row("key_add", "a key in its session keyring", |_| {
        let (kind, name) = (text("user"), text("carapace-planted"));
        let length = MARK.len() as u64;
        let arguments = [path(&kind), path(&name), at(MARK), length, SESSION_KEYRING];
        answers(libc::SYS_add_key, &arguments, "a key was added")
    })
    .caged_only("the key would stay in the owner's session"),
    row(
        "key_add_process",
        "a key in a keyring of the process",
        |_| {
            let (kind, name) = (text("user"), text("carapace-planted"));
            let length = MARK.len() as u64;
            let arguments = [path(&kind), path(&name), at(MARK), length, -2_i64 as u64];
            answers(libc::SYS_add_key, &arguments, "a key was added")
        },
    ),
    row(
        "key_request",
        "a key that a helper of the kernel, run as root, would make",
        |_| {
            let (kind, name, hint) = (text("user"), text("carapace-none"), text("hint"));
            let arguments = [path(&kind), path(&name), path(&hint), 0];
            answers(libc::SYS_request_key, &arguments, "a key was given")
        },
    ),
    row(
        "key_request_own",
        "the same without a helper, of the user's keys",
        |decoys| {
            let (kind, name) = (text("user"), text(&Decoys::key_name(decoys.victim)));
            let key = call(libc::SYS_request_key, &[path(&kind), path(&name), 0, 0])?;
            read_key(key)
        },
    ),
    row("key_describe_session", "the session keyring", |_| {
        describe(SESSION_KEYRING)
    }),
    row("key_describe_user", "the user keyring", |_| {
        describe(USER_KEYRING)
    }),
    row(
        "key_link_user",
        "links the user keyring into one of its own",
        |_| {
            const LINK: u64 = 8;
            answers(
                libc::SYS_keyctl,
                &[LINK, USER_KEYRING, -2_i64 as u64],
                "linked",
            )
        },
    ),
    row(
        "key_persistent",
        "the keyring that outlives sessions",
        |_| {
            const GET_PERSISTENT: u64 = 22;
            let arguments = [GET_PERSISTENT, u64::from(u32::MAX), -2_i64 as u64];
            answers(libc::SYS_keyctl, &arguments, "linked")
        },
    ),
    row("key_join_session", "joins or makes a named session", |_| {
        let name = text("carapace-planted");
        answers(libc::SYS_keyctl, &[1, path(&name)], "joined")
    }),
    row("key_dh", "arithmetic on keys in the kernel", |_| {
        const CAPABILITIES: u64 = 31;
        let mut bytes = [0_u8; 8];
        answers(
            libc::SYS_keyctl,
            &[CAPABILITIES, at_mut(&mut bytes), 8],
            "asked",
        )
    }),
];

fn read_key(key: u64) -> Attacked {
    const READ: u64 = 11;
    let mut bytes = [0_u8; 64];
    call(libc::SYS_keyctl, &[READ, key, at_mut(&mut bytes), 64])?;
    found(&String::from_utf8_lossy(&bytes), CANARY, "the secret")
}

fn describe(keyring: u64) -> Attacked {
    const DESCRIBE: u64 = 6;
    let mut bytes = [0_u8; 256];
    call(
        libc::SYS_keyctl,
        &[DESCRIBE, keyring, at_mut(&mut bytes), 256],
    )?;
    through("described")
}
