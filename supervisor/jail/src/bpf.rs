//! From a table of system calls to a seccomp program.
//!
//! A table is a list of [`Line`]s and a default. A line names one call, the argument tests under
//! which its action holds (any one [`Clause`] of it), what happens otherwise, and why it is there.
//! Calls of a foreign architecture and of the x32 table are killed before any line is read. One
//! program may mix all actions, so that one filter does what several stacked ones would.

use std::fmt::Write as _;

/// What the kernel does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Let it happen.
    Allow,
    /// Refuse it with this error number.
    Errno(u16),
    /// Kill the process with SIGSYS.
    Kill,
}

/// `argument & mask == value`, on the full 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Test {
    /// The argument's index, 0 to 5.
    pub argument: u8,
    /// The bits looked at.
    pub mask: u64,
    /// What they must be.
    pub value: u64,
}

/// Tests that must all hold.
pub type Clause = &'static [Test];

/// One row of a table.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// The number of the call.
    pub number: i64,
    /// Its name, for people.
    pub name: &'static str,
    /// When `action` holds: always if empty, else if any clause holds.
    pub clauses: &'static [Clause],
    /// What happens then.
    pub action: Action,
    /// What happens if no clause holds.
    pub otherwise: Action,
    /// Why the line is there.
    pub reason: &'static str,
}

/// The int-sized argument equals `value`; the kernel ignores the upper half, so does the test.
pub const fn is(argument: u8, value: u32) -> Test {
    Test {
        argument,
        mask: 0xffff_ffff,
        value: value as u64,
    }
}

/// The long-sized argument equals `value`.
pub const fn is_long(argument: u8, value: u64) -> Test {
    Test {
        argument,
        mask: u64::MAX,
        value,
    }
}

/// The int-sized argument has no bit outside `allowed`.
pub const fn only(argument: u8, allowed: u32) -> Test {
    Test {
        argument,
        mask: !allowed as u64,
        value: 0,
    }
}

/// The long-sized argument has no bit outside `allowed`.
pub const fn only_long(argument: u8, allowed: u64) -> Test {
    Test {
        argument,
        mask: !allowed,
        value: 0,
    }
}

/// Of the bits in `mask`, exactly those in `value` are set; the others are free.
pub const fn bits(argument: u8, mask: u64, value: u64) -> Test {
    Test {
        argument,
        mask,
        value,
    }
}

/// A table that can be compiled.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name, for reports.
    pub name: &'static str,
    /// The rows, the most frequent first. A number may stand once only.
    pub lines: Vec<Line>,
    /// What happens to a call without a line.
    pub default: Action,
    /// Calls above this number, unknown when the table was written, fail with ENOSYS.
    pub newest: Option<u32>,
}

/// One instruction; the layout of the kernel's `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// Instructions to skip if a comparison holds.
    pub jump_true: u8,
    /// Instructions to skip if it does not.
    pub jump_false: u8,
    /// The constant.
    pub constant: u32,
}

/// Why a table cannot be compiled: an error in the table itself.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TableError {
    /// A call has two lines; the second would never be read.
    #[error("the filter table {table} has two lines for {name}")]
    Twice {
        /// The table.
        table: &'static str,
        /// The call.
        name: &'static str,
    },
    /// A value has bits that its mask hides, so the test can never hold.
    #[error("the filter table {table} has a test for {name} that can never hold")]
    Never {
        /// The table.
        table: &'static str,
        /// The call.
        name: &'static str,
    },
    /// The clauses of a line are too long for a jump.
    #[error("the filter table {table} has too many tests for {name}")]
    TooLong {
        /// The table.
        table: &'static str,
        /// The call.
        name: &'static str,
    },
}

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const ABOVE: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCH: u32 = 4;
const OFFSET_ARGUMENTS: u32 = 16;
const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
const X32_BIT: u32 = 0x4000_0000;

/// Compiles a table.
///
/// # Errors
/// [`TableError`]; the shipped tables are compiled by a test, so it does not happen with them.
pub fn compile(table: &Table) -> Result<Vec<Instruction>, TableError> {
    let mut program = vec![
        plain(LOAD, OFFSET_ARCH),
        jump(EQUAL, AUDIT_ARCH_X86_64, 1, 0),
        give(Action::Kill),
        plain(LOAD, OFFSET_NUMBER),
        jump(AT_LEAST, X32_BIT, 0, 1),
        give(Action::Kill),
    ];
    if let Some(newest) = table.newest {
        program.push(jump(ABOVE, newest, 0, 1));
        program.push(give(Action::Errno(libc::ENOSYS as u16)));
    }
    for (index, line) in table.lines.iter().enumerate() {
        if table.lines[..index]
            .iter()
            .any(|other| other.number == line.number)
        {
            return Err(TableError::Twice {
                table: table.name,
                name: line.name,
            });
        }
        let body = body(table, line)?;
        // A comparison jumps 255 at most; a longer body is stepped over by a plain jump.
        match u8::try_from(body.len()) {
            Ok(length) => program.push(jump(EQUAL, line.number as u32, 0, length)),
            Err(_) => {
                program.push(jump(EQUAL, line.number as u32, 1, 0));
                program.push(plain(JUMP, body.len() as u32));
            }
        }
        program.extend(body);
    }
    program.push(give(table.default));
    Ok(program)
}

fn body(table: &Table, line: &Line) -> Result<Vec<Instruction>, TableError> {
    let mut body = Vec::new();
    for clause in line.clauses {
        let mut steps = Vec::new();
        for test in *clause {
            if test.value & !test.mask != 0 {
                return Err(TableError::Never {
                    table: table.name,
                    name: line.name,
                });
            }
            let low = OFFSET_ARGUMENTS + 8 * u32::from(test.argument);
            compare(&mut steps, low, test.mask as u32, test.value as u32);
            compare(
                &mut steps,
                low + 4,
                (test.mask >> 32) as u32,
                (test.value >> 32) as u32,
            );
        }
        steps.push(give(line.action));
        // A comparison that fails goes on behind this clause.
        let length = steps.len();
        for (position, step) in steps.iter_mut().enumerate() {
            if step.code == EQUAL {
                step.jump_false =
                    u8::try_from(length - position - 1).map_err(|_| TableError::TooLong {
                        table: table.name,
                        name: line.name,
                    })?;
            }
        }
        body.extend(steps);
    }
    body.push(give(if line.clauses.is_empty() {
        line.action
    } else {
        line.otherwise
    }));
    Ok(body)
}

fn compare(steps: &mut Vec<Instruction>, offset: u32, mask: u32, value: u32) {
    if mask == 0 {
        return;
    }
    steps.push(plain(LOAD, offset));
    if mask != u32::MAX {
        steps.push(plain(AND, mask));
    }
    steps.push(jump(EQUAL, value, 0, 0));
}

fn plain(code: u16, constant: u32) -> Instruction {
    Instruction {
        code,
        jump_true: 0,
        jump_false: 0,
        constant,
    }
}

fn jump(code: u16, constant: u32, jump_true: u8, jump_false: u8) -> Instruction {
    Instruction {
        code,
        jump_true,
        jump_false,
        constant,
    }
}

fn give(action: Action) -> Instruction {
    plain(
        RETURN,
        match action {
            Action::Allow => libc::SECCOMP_RET_ALLOW,
            Action::Errno(number) => libc::SECCOMP_RET_ERRNO | u32::from(number),
            Action::Kill => libc::SECCOMP_RET_KILL_PROCESS,
        },
    )
}

/// The program as text, one instruction a line; what the golden files hold.
pub fn dump(program: &[Instruction]) -> String {
    let mut text = String::new();
    for (index, step) in program.iter().enumerate() {
        // NOTE(write): writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{index:4} {:04x} {:3} {:3} {:08x}",
            step.code, step.jump_true, step.jump_false, step.constant
        );
    }
    text
}

/// What a program says about a call, as the kernel would compute it. For tests and for showing the
/// effect of a table; the kernel itself decides in a cage.
pub fn evaluate(program: &[Instruction], arch: u32, number: u32, arguments: [u64; 6]) -> Action {
    let word = |offset: u32| match offset {
        OFFSET_NUMBER => number,
        OFFSET_ARCH => arch,
        offset => {
            let argument = arguments[((offset - OFFSET_ARGUMENTS) / 8) as usize % 6];
            if offset.is_multiple_of(8) {
                argument as u32
            } else {
                (argument >> 32) as u32
            }
        }
    };
    let (mut place, mut accumulator) = (0, 0);
    while let Some(step) = program.get(place) {
        place += 1;
        let branch = |holds: bool| {
            usize::from(if holds {
                step.jump_true
            } else {
                step.jump_false
            })
        };
        match step.code {
            LOAD => accumulator = word(step.constant),
            AND => accumulator &= step.constant,
            EQUAL => place += branch(accumulator == step.constant),
            AT_LEAST => place += branch(accumulator >= step.constant),
            ABOVE => place += branch(accumulator > step.constant),
            JUMP => place += step.constant as usize,
            _ if step.constant == libc::SECCOMP_RET_ALLOW => return Action::Allow,
            _ if step.constant & libc::SECCOMP_RET_ACTION_FULL == libc::SECCOMP_RET_ERRNO => {
                return Action::Errno(step.constant as u16);
            }
            _ => return Action::Kill,
        }
    }
    Action::Kill
}

/// The architecture value of native calls, for [`evaluate`].
pub const NATIVE: u32 = AUDIT_ARCH_X86_64;
