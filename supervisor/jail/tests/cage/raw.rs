//! Calls as an attacker in a cage makes them: by number, with any arguments.

#![allow(unsafe_code)]

use carapace_jail::bpf::{Action, Instruction, Line, Table, compile};

/// Makes a call and returns the kernel's answer.
pub fn call(number: i64, arguments: [u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: pointers passed by the cases are null or those of live buffers; everything else is
    // an integer. Most calls never return, which is what is tested.
    unsafe { libc::syscall(number, a, b, c, d, e, f) }
}

/// Asks for the process id through the 32-bit table.
pub fn call_32(number: u32) {
    // SAFETY: the case uses getpid, which touches no memory.
    unsafe {
        std::arch::asm!("int 0x80", inlateout("eax") number => _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
}

/// Kills a process that a case started.
pub fn kill(pid: u32) {
    // SAFETY: integers only.
    unsafe { libc::kill(pid as i32, libc::SIGKILL) };
}

/// Makes a call fail in this process and all it starts, as on a kernel without it.
pub fn refuse(number: i64, error: i32) {
    let answer = Action::Errno(error as u16);
    let line = Line {
        number,
        name: "refused",
        clauses: &[],
        action: answer,
        otherwise: answer,
        reason: "a test",
    };
    let table = Table {
        name: "test",
        lines: vec![line],
        default: Action::Allow,
        newest: None,
    };
    let program = compile(&table).expect("the table compiles");
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_ptr().cast_mut().cast(),
    };
    assert_eq!(
        call(
            libc::SYS_prctl,
            [libc::PR_SET_NO_NEW_PRIVS as u64, 1, 0, 0, 0, 0]
        ),
        0
    );
    let filter = (&raw const program) as u64;
    let mode = u64::from(libc::SECCOMP_SET_MODE_FILTER);
    assert_eq!(call(libc::SYS_seccomp, [mode, 0, filter, 0, 0, 0]), 0);
}

/// The seccomp programs of a child, the oldest first.
pub fn filters_of(pid: u32) -> std::io::Result<Vec<Vec<Instruction>>> {
    const SEIZE: u64 = 0x4206;
    const INTERRUPT: u64 = 0x4207;
    const SECCOMP_GET_FILTER: u64 = 0x420c;
    let ptrace = |request, data: u64, address: u64| {
        let answer = call(
            libc::SYS_ptrace,
            [request, u64::from(pid), address, data, 0, 0],
        );
        if answer < 0 {
            Err(std::io::Error::last_os_error())
        } else {
            Ok(answer as usize)
        }
    };
    ptrace(SEIZE, 0, 0)?;
    ptrace(INTERRUPT, 0, 0)?;
    let mut status = 0;
    call(
        libc::SYS_wait4,
        [
            u64::from(pid),
            (&raw mut status) as u64,
            libc::__WALL as u64,
            0,
            0,
            0,
        ],
    );
    let mut programs = Vec::new();
    let empty = Instruction {
        code: 0,
        jump_true: 0,
        jump_false: 0,
        constant: 0,
    };
    loop {
        let index = programs.len() as u64;
        match ptrace(SECCOMP_GET_FILTER, 0, index) {
            Ok(length) => {
                let mut program = vec![empty; length];
                ptrace(SECCOMP_GET_FILTER, program.as_mut_ptr() as u64, index)?;
                programs.push(program);
            }
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(programs),
            Err(error) => return Err(error),
        }
    }
}
