//! Taking more of the machine than is due.

use super::steps::{CWD, answers, int, map, open, path, text, write};
use super::{Attacked, Attempt, Class, Decoys, Outcome, through};
use crate::sys::attack::{at, at_mut, call, fork, poke};

const fn row(id: &'static str, what: &'static str, run: fn(&Decoys) -> Attacked) -> Attempt {
    Attempt::new(Class::Resources, id, what, run)
}

const TAKES: &str = "would take the memory, processes or disk of the machine";
const BOTH: i32 = libc::PROT_READ | libc::PROT_WRITE;

/// The class.
pub(super) const ALL: &[Attempt] = &[
    row("res_memory", "1.5 GiB of memory, touched", |_| {
        const PART: usize = 64 << 20;
        for _ in 0..24 {
            let part = map(PART, BOTH, 0)?;
            for page in (0..PART as u64).step_by(4096) {
                poke(part + page, &[1]);
            }
        }
        through("1.5 GiB are taken")
    })
    .hands_may("where no control group may be made only the address space of hands is bounded")
    .caged_only(TAKES),
    row("res_address_space", "128 GiB of address space", |_| {
        map(128 << 30, libc::PROT_NONE, libc::MAP_NORESERVE)?;
        through("reserved")
    })
    .caged_only("its own limit of address space would refuse it there too"),
    row("res_brk", "2 GiB by the old call for memory", |_| {
        let now = call(libc::SYS_brk, &[0])?;
        let then = call(libc::SYS_brk, &[now + (2 << 30)])?;
        if then > now {
            through("2 GiB are reserved")
        } else {
            Err(libc::ENOMEM)
        }
    })
    .hands_may("reserved, not taken; the address space of hands is 64 GiB for node"),
    row("res_mlock", "16 MiB that are never paged out", |_| {
        let part = map(16 << 20, BOTH, 0)?;
        answers(libc::SYS_mlock, &[part, 16 << 20], "locked")
    }),
    row("res_mlockall", "everything locked", |_| {
        answers(libc::SYS_mlockall, &[3], "locked")
    }),
    row("res_disk", "10 MB among the host's files", |decoys| {
        let file = open(&decoys.planted(), libc::O_WRONLY | libc::O_CREAT)?;
        let block = vec![1_u8; 1 << 20];
        for _ in 0..10 {
            write(file, &block)?;
        }
        through("10 MB are written")
    }),
    row(
        "res_huge_file",
        "a file of 4 GiB where it may write",
        |_| {
            let name = "/workspace/huge";
            let file = open(name, libc::O_WRONLY | libc::O_CREAT)?;
            let grown = call(libc::SYS_fallocate, &[file, 0, 0, 4 << 30]);
            let _ = call(libc::SYS_unlink, &[path(&text(name))]);
            grown?;
            through("4 GiB are taken")
        },
    )
    .caged_only(TAKES),
    row("res_sparse_file", "the same without writing it", |_| {
        let name = "/workspace/sparse";
        let file = open(name, libc::O_WRONLY | libc::O_CREAT)?;
        let grown = call(libc::SYS_ftruncate, &[file, 4 << 30]);
        let _ = call(libc::SYS_unlink, &[path(&text(name))]);
        grown?;
        through("a file of 4 GiB")
    })
    .caged_only("there is no workspace there"),
    row(
        "res_scratch",
        "more scratch files than its scratch holds",
        |_| {
            for index in 0..200_000 {
                let name = text(&format!("/dev/shm/{index}"));
                let flags = int(libc::O_CREAT | libc::O_WRONLY);
                let file = call(libc::SYS_openat, &[CWD, path(&name), flags, 0o600])?;
                call(libc::SYS_close, &[file])?;
            }
            through("200,000 files")
        },
    )
    .caged_only(TAKES),
    row("res_fork_bomb", "2000 children", |_| {
        for count in 0..2000 {
            match fork() {
                Ok(0) => loop {
                    let _ = call(libc::SYS_pause, &[]);
                },
                Ok(_) => {}
                Err(number) if count == 0 => return Err(number),
                Err(_) if count <= 300 => return Err(libc::EAGAIN),
                Err(_) => return through(format!("{count} children")),
            }
        }
        through("2000 children")
    })
    .caged_only(TAKES),
    row("res_descriptors", "2000 descriptors", |_| {
        let mut refused = 0;
        for count in 0..2000 {
            match call(libc::SYS_dup, &[0]) {
                Ok(_) => {}
                Err(number) if count <= 1024 => return Err(number),
                Err(number) => refused = number,
            }
        }
        if refused == 0 {
            through("2000 descriptors")
        } else {
            Err(refused)
        }
    })
    .caged_only("its own limit of descriptors would refuse it there too"),
    row(
        "res_pipe_spray",
        "100 pipes with a page of buffers each",
        |_| {
            for _ in 0..100 {
                let mut ends = [0_i32; 2];
                call(libc::SYS_pipe2, &[at_mut(&mut ends), 0])?;
            }
            through("100 pipes")
        },
    )
    .hands_may("a build has many pipes; bounded by the number of descriptors"),
    row("res_pipe_size", "a pipe that holds 1 MiB", |_| {
        let mut ends = [0_i32; 2];
        call(libc::SYS_pipe2, &[at_mut(&mut ends), 0])?;
        answers(libc::SYS_fcntl, &[int(ends[1]), 1031, 1 << 20], "1 MiB")
    })
    .hands_may("the machine's own bound per user holds"),
    row("res_stack", "1 GiB of stack", |_| {
        if deeper(0) > 0 {
            through("1 GiB of stack")
        } else {
            Ok(Outcome::Nothing)
        }
    })
    .caged_only("its own limit of stack would end it there too"),
    row("res_rlimit_raise", "raises its own limits", |_| {
        let limit = [1_u64 << 20, 1 << 20];
        let arguments = [0, u64::from(libc::RLIMIT_NOFILE), at(&limit), 0];
        answers(libc::SYS_prlimit64, &arguments, "raised")
    }),
    row(
        "res_rlimit_raise_old",
        "raises its own limits by the older call",
        |_| {
            let limit = [1_u64 << 20, 1 << 20];
            answers(
                libc::SYS_setrlimit,
                &[u64::from(libc::RLIMIT_NPROC), at(&limit)],
                "raised",
            )
        },
    ),
    row("res_core", "leaves a memory image behind", |_| {
        let limit = [1_u64 << 20, 1 << 20];
        let arguments = [0, u64::from(libc::RLIMIT_CORE), at(&limit), 0];
        answers(libc::SYS_prlimit64, &arguments, "an image may be written")
    }),
    row("res_swap_off", "takes the machine's swap", |_| {
        let name = text("/swapfile");
        answers(libc::SYS_swapoff, &[path(&name)], "off")
    })
    .caged_only(TAKES),
    row("res_sync", "makes the machine write everything", |_| {
        answers(libc::SYS_sync, &[], "written")
    })
    .hands_may("tools ask for it at their end; it delays, it does not reveal")
    .caged_only("would delay the machine"),
    row("res_signals", "fills its own queue of signals", |_| {
        let own = call(libc::SYS_getpid, &[])?;
        let mut mask = [u64::MAX];
        call(libc::SYS_rt_sigprocmask, &[0, at_mut(&mut mask), 0, 8])?;
        let mut info = [0_u32; 32];
        (info[0], info[2]) = (40, -1_i32 as u32);
        for count in 0..100_000 {
            match call(libc::SYS_rt_sigqueueinfo, &[own, 40, at(&info)]) {
                Ok(_) => {}
                Err(number) if count <= 2048 => return Err(number),
                Err(_) => return through(format!("{count} signals")),
            }
        }
        through("100,000 signals")
    }),
];

/// Recursion with a page per call.
fn deeper(depth: u64) -> u64 {
    let page = std::hint::black_box([depth as u8; 4096]);
    if depth == 1 << 18 {
        return u64::from(page[0]) + 1;
    }
    deeper(depth + 1).wrapping_add(std::hint::black_box(u64::from(page[4095])))
}
