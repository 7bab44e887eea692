//! Memory that a confined program has no use for, above all memory that executes.

use super::steps::{answers, int, map, path, text};
use super::{Attacked, Attempt, Class, Decoys, Outcome, through};
use crate::sys::attack::{at, at_mut, call, poke, run_code};

const fn row(id: &'static str, what: &'static str, run: fn(&Decoys) -> Attacked) -> Attempt {
    Attempt::new(Class::Kernel, id, what, run)
}

const CODE: &str = "just-in-time compilers of the interpreters need executable pages; what runs \
                    there has the same filter";
const BOTH: i32 = libc::PROT_READ | libc::PROT_WRITE;

/// These of the class.
pub(super) const ALL: &[Attempt] = &[
    row(
        "kern_mmap_exec",
        "runs code from a page that is writable and executable",
        |_| {
            let page = map(4096, BOTH | libc::PROT_EXEC, 0)?;
            run(page)
        },
    )
    .hands_may(CODE),
    row(
        "kern_mprotect_exec",
        "runs code that it wrote before",
        |_| {
            let page = map(4096, BOTH, 0)?;
            poke(page, RETURN_7);
            let executable = int(libc::PROT_READ | libc::PROT_EXEC);
            call(libc::SYS_mprotect, &[page, 4096, executable])?;
            jump(page)
        },
    )
    .hands_may(CODE),
    row("kern_pkey_exec", "the same by pkey_mprotect", |_| {
        let page = map(4096, BOTH, 0)?;
        poke(page, RETURN_7);
        let executable = int(libc::PROT_READ | libc::PROT_EXEC);
        call(libc::SYS_pkey_mprotect, &[page, 4096, executable, u64::MAX])?;
        jump(page)
    })
    .hands_may(CODE),
    row(
        "kern_two_views",
        "one memory, writable here and executable there",
        |_| {
            let name = text("code");
            let memory = call(libc::SYS_memfd_create, &[path(&name), 0])?;
            call(libc::SYS_ftruncate, &[memory, 4096])?;
            let shared = int(libc::MAP_SHARED);
            let writable = call(libc::SYS_mmap, &[0, 4096, int(BOTH), shared, memory, 0])?;
            let executable = int(libc::PROT_READ | libc::PROT_EXEC);
            let page = call(libc::SYS_mmap, &[0, 4096, executable, shared, memory, 0])?;
            poke(writable, RETURN_7);
            jump(page)
        },
    )
    .hands_may(CODE),
    row(
        "kern_mmap_fd_exec",
        "maps an inherited descriptor executable",
        |_| {
            let executable = int(libc::PROT_READ | libc::PROT_EXEC);
            let private = int(libc::MAP_PRIVATE);
            answers(
                libc::SYS_mmap,
                &[0, 4096, executable, private, 1, 0],
                "mapped",
            )
        },
    ),
    row("kern_mmap_null", "a page at address zero", |_| {
        let flags = int(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED);
        answers(
            libc::SYS_mmap,
            &[0, 4096, int(BOTH), flags, u64::MAX, 0],
            "page zero",
        )
    }),
    row("kern_mmap_growsdown", "memory that grows down", |_| {
        map(4096, BOTH, libc::MAP_GROWSDOWN)?;
        through("mapped")
    })
    .hands_may("stacks of foreign threads; the kernel's own limits hold"),
    row("kern_mmap_shared", "shared memory", |_| {
        let flags = int(libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        answers(
            libc::SYS_mmap,
            &[0, 4096, int(BOTH), flags, u64::MAX, 0],
            "mapped",
        )
    })
    .hands_may("memory shared with its own children"),
    row("kern_mmap_populate", "memory that is taken at once", |_| {
        map(4096, BOTH, libc::MAP_POPULATE)?;
        through("mapped")
    })
    .hands_may("its own memory, counted as any other"),
    row(
        "kern_mmap_hugetlb",
        "memory from the machine's store of huge pages",
        |_| {
            map(2 << 20, BOTH, libc::MAP_HUGETLB)?;
            through("mapped")
        },
    ),
    row(
        "kern_mremap_fixed",
        "moves memory to a chosen place",
        |_| {
            let (from, to) = (map(4096, BOTH, 0)?, map(4096, BOTH, 0)?);
            let flags = int(libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED);
            answers(libc::SYS_mremap, &[from, 4096, 4096, flags, to], "moved")
        },
    )
    .hands_may("its own memory, which interpreters move"),
    row("kern_mremap_double", "a second view of memory", |_| {
        let page = map(4096, BOTH, 0)?;
        let flags = int(libc::MREMAP_MAYMOVE | libc::MREMAP_DONTUNMAP);
        answers(libc::SYS_mremap, &[page, 4096, 4096, flags, 0], "moved")
    })
    .hands_may("its own memory, which interpreters move"),
    row("kern_remap_file_pages", "rearranges a mapping", |_| {
        let flags = int(libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        let page = call(libc::SYS_mmap, &[0, 8192, int(BOTH), flags, u64::MAX, 0])?;
        answers(
            libc::SYS_remap_file_pages,
            &[page, 4096, 0, 1, 0],
            "rearranged",
        )
    }),
    row(
        "kern_madvise_merge",
        "merges pages with others', to time them",
        |_| {
            let page = map(4096, BOTH, 0)?;
            answers(libc::SYS_madvise, &[page, 4096, 12], "merged")
        },
    )
    .hands_may("a kernel that merges pages finds no neighbour outside the control of its owner"),
    row("kern_madvise_poison", "breaks a page of memory", |_| {
        let page = map(4096, BOTH, 0)?;
        answers(libc::SYS_madvise, &[page, 4096, 100], "broken")
    })
    .caged_only("takes memory from the machine where it works"),
    row("kern_mempolicy", "places memory on a node", |_| {
        let page = map(4096, BOTH, 0)?;
        answers(libc::SYS_mbind, &[page, 4096, 0, 0, 0, 0], "placed")
    }),
    row(
        "kern_set_mempolicy",
        "places all its memory on a node",
        |_| answers(libc::SYS_set_mempolicy, &[0, 0, 0], "placed"),
    ),
    row("kern_pkey", "protection keys", |_| {
        answers(libc::SYS_pkey_alloc, &[0, 0], "a key")
    })
    .hands_may("interpreters protect their own pages"),
    row(
        "kern_process_madvise",
        "advice about its own memory by handle",
        |_| {
            let own = call(libc::SYS_getpid, &[])?;
            let handle = call(libc::SYS_pidfd_open, &[own, 0])?;
            let part = [map(4096, BOTH, 0)?, 4096];
            answers(
                libc::SYS_process_madvise,
                &[handle, at(&part), 1, 20, 0],
                "advised",
            )
        },
    ),
    row("kern_membarrier", "interrupts every processor", |_| {
        call(libc::SYS_membarrier, &[1 << 1, 0])?;
        through("all processors were interrupted")
    })
    .hands_may("interpreters use it; it costs time, not secrets"),
    row("kern_rseq", "restartable sequences", |_| {
        let mut area = [0_u64; 8];
        let place = (at_mut(&mut area) + 31) & !31;
        answers(libc::SYS_rseq, &[place, 32, 0, 0x5305_3053], "registered")
    })
    .hands_may("the C library registers it for every thread"),
    row("kern_futex_pi", "a lock with priority inheritance", |_| {
        futex(6 | 128)
    })
    .hands_may("locks of interpreters"),
    row("kern_futex_shared", "a lock shared with others", |_| {
        futex(1)
    })
    .hands_may("locks of interpreters, in memory of their own"),
    row(
        "kern_futex_requeue",
        "moves waiters from lock to lock",
        |_| futex(4 | 128),
    )
    .hands_may("locks of interpreters"),
    row("kern_futex_waitv", "waits on several locks", |_| {
        let word = [0_u32; 2];
        let wait = [1_u64, at(&word), 2];
        let time = [0_u64, 0];
        match call(libc::SYS_futex_waitv, &[at(&wait), 1, 0, at(&time), 1]) {
            Ok(_) | Err(libc::EAGAIN | libc::ETIMEDOUT) => through("waited"),
            Err(number) => Err(number),
        }
    })
    .hands_may("locks of interpreters"),
    row(
        "kern_robust_list",
        "a list that the kernel walks at its end",
        |_| {
            let mut head = [0_u64; 3];
            head[0] = at(&head);
            answers(libc::SYS_set_robust_list, &[at(&head), 24], "set")
        },
    )
    .hands_may("the C library registers it for every thread"),
];

/// `mov eax, 7; ret`
const RETURN_7: &[u8] = &[0xb8, 7, 0, 0, 0, 0xc3];

fn run(page: u64) -> Attacked {
    poke(page, RETURN_7);
    jump(page)
}

fn jump(page: u64) -> Attacked {
    match run_code(page) {
        7 => through("code of its own ran"),
        _ => Ok(Outcome::Nothing),
    }
}

fn futex(operation: u64) -> Attacked {
    let mut word = [0_u32; 2];
    let other = at(&word) + 4;
    let arguments = [at_mut(&mut word), operation, 0, 0, other, 0];
    answers(libc::SYS_futex, &arguments, "done")
}
