//! The probe: a process that puts itself under a profile's own last lock and makes one attempt.
//!
//! Arguments: its name, the column, the id of the attempt, then the decoys. It says READY, waits
//! for a byte on its channel, makes the attempt, and writes one line there, after an end of line for
//! what the attempt itself wrote: `through TAB evidence`, `refused TAB number` or `nothing`. In the column `victim` it attempts nothing: it keeps decoys.

use super::decoys::{CANARY, Decoys};
use super::steps::CHANNEL;
use super::{Outcome, all, steps};
use crate::sys::attack::{at, call};
use crate::sys::{process, secure};
use crate::{ProfileName, lock};

/// The name under which a probe is started.
pub const PROBE_NAME: &str = "carapace-probe";

/// What a probe is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// In a cage.
    Caged(ProfileName),
    /// Without one, with limits.
    Control,
    /// A decoy itself.
    Victim,
}

impl Column {
    /// The word for it among the arguments.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caged(profile) => profile.as_str(),
            Self::Control => "control",
            Self::Victim => "victim",
        }
    }

    /// The reverse. The other cages have no column.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "worker" => Some(Self::Caged(ProfileName::Worker)),
            "hands" => Some(Self::Caged(ProfileName::Hands)),
            "control" => Some(Self::Control),
            "victim" => Some(Self::Victim),
            _ => None,
        }
    }
}

/// The whole life of `carapace-probe`.
pub fn run_probe(arguments: &[String]) -> ! {
    let column = arguments.get(1).and_then(|word| Column::parse(word));
    let locked = match column {
        Some(Column::Caged(ProfileName::Worker)) => lock::worker(),
        Some(Column::Caged(ProfileName::Hands)) => lock::hands(),
        Some(Column::Control) => limit(),
        Some(Column::Victim) => be_victim(),
        Some(Column::Caged(_)) | None => {
            lock::fail_with("probe", "the probe was not told which column it is in")
        }
    };
    if let Err(error) = locked {
        lock::fail(&error);
    }
    if column == Some(Column::Control) {
        wait_for_go();
    } else {
        say_ready_and_wait();
    }
    perform(arguments)
}

/// Says READY and waits for the prover's byte.
pub fn say_ready_and_wait() {
    if let Err(error) = lock::ready() {
        lock::fail(&error);
    }
    wait_for_go();
}

/// Makes the attempt that the arguments name, says how it ended, and ends the process.
pub fn perform(arguments: &[String]) -> ! {
    let wanted = arguments.get(2).map(String::as_str);
    let decoys = Decoys::from_arguments(arguments);
    let Some(attempt) = all().into_iter().find(|one| Some(one.id) == wanted) else {
        process::exit_now(2)
    };
    let line = match (attempt.run)(&decoys) {
        Ok(Outcome::Through(evidence)) => format!("\nthrough\t{evidence}\n"),
        Ok(Outcome::Nothing) => "\nnothing\n".to_owned(),
        Err(number) => format!("\nrefused\t{number}\n"),
    };
    // NOTE(write): without its line the prover goes by the exit status and its own decoys.
    let _ = steps::write(CHANNEL, line.as_bytes());
    process::exit_now(0)
}

fn wait_for_go() {
    if !matches!(process::read_byte(CHANNEL as i32), Ok(Some(_))) {
        process::exit_now(3);
    }
}

/// What a runaway control process may take at most.
fn limit() -> Result<(), lock::LockError> {
    const LIMITS: [(u32, u64); 7] = [
        (libc::RLIMIT_CORE, 0),
        (libc::RLIMIT_CPU, 2),
        (libc::RLIMIT_FSIZE, 16 << 20),
        (libc::RLIMIT_NOFILE, 1024),
        (libc::RLIMIT_AS, 4 << 30),
        (libc::RLIMIT_STACK, 8 << 20),
        (libc::RLIMIT_NPROC, 4096),
    ];
    for (resource, value) in LIMITS {
        let lowered = secure::hard_limit(resource)
            .and_then(|hard| secure::set_limit(resource, value.min(hard)));
        if let Err(error) = lowered {
            lock::fail_with("rlimits", &error.to_string());
        }
    }
    Ok(())
}

/// Makes decoys of its own user, names them on the channel, and waits for its end with every
/// signal held back, so that the prover can see which came.
fn be_victim() -> ! {
    let secret = format!("{CANARY}-in-memory");
    let all_signals = [u64::MAX];
    let hold = [u64::from(libc::SIG_BLOCK as u32), at(&all_signals), 0, 8];
    let number = |answer: Result<u64, i32>| answer.map_or(-1, |value| value as i64);
    let _ = call(libc::SYS_rt_sigprocmask, &hold);
    let make = (libc::IPC_CREAT | 0o600) as u64;
    let segment = call(libc::SYS_shmget, &[0, 4096, make]);
    if let Ok(address) = segment.and_then(|id| call(libc::SYS_shmat, &[id])) {
        crate::sys::attack::poke(address, secret.as_bytes());
    }
    let queue = call(libc::SYS_msgget, &[0, make]);
    if let Ok(queue) = queue {
        let mut message = 1_u64.to_ne_bytes().to_vec();
        message.extend_from_slice(secret.as_bytes());
        let _ = call(
            libc::SYS_msgsnd,
            &[queue, at(&message[..]), secret.len() as u64],
        );
    }
    // The user keyring is the same for all processes of a user.
    const USER_KEYRING: u64 = -4_i64 as u64;
    let (kind, name) = (c"user", steps::text(&Decoys::key_name(std::process::id())));
    let key = call(
        libc::SYS_add_key,
        &[
            kind.as_ptr() as u64,
            name.as_ptr() as u64,
            at(secret.as_bytes()),
            secret.len() as u64,
            USER_KEYRING,
        ],
    );
    if let Ok(key) = key {
        // Whoever is the same user may read it, as a program's key usually is by its session.
        const SET_PERMISSIONS: u64 = 5;
        let _ = call(libc::SYS_keyctl, &[SET_PERMISSIONS, key, 0x3f3f_0000]);
    }
    let line = format!(
        "address={} segment={} queue={} key={}\n",
        at(secret.as_bytes()),
        number(segment),
        number(queue),
        number(key)
    );
    let _ = steps::write(CHANNEL, line.as_bytes());
    // The end of the channel is the end of the prover, or its wish.
    while matches!(process::read_byte(CHANNEL as i32), Ok(Some(_))) {}
    for (remove, object) in [(libc::SYS_shmctl, segment), (libc::SYS_msgctl, queue)] {
        if let Ok(object) = object {
            let _ = call(remove, &[object, libc::IPC_RMID as u64]);
        }
    }
    if let Ok(key) = key {
        const UNLINK: u64 = 9;
        let _ = call(libc::SYS_keyctl, &[UNLINK, key, USER_KEYRING]);
    }
    process::exit_now(0)
}
