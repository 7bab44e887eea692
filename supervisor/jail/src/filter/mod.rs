//! The system call filters, as tables with a reason per line.
//!
//! | table | default | who has it |
//! |---|---|---|
//! | [`worker::lines`] | kill | the mind, from its last lock on |
//! | worker start | kill | the same plus [`worker::start`] and [`worker::last_lock`], across its exec |
//! | worker foreign | kill | a foreign program: the first plus [`worker::start`] and [`worker::foreign`] |
//! | [`hands::lines`] | ENOSYS | hands and what it runs; the dangerous calls are killed |
//! | hands start, hands foreign | ENOSYS | the same plus what their exec and lock need |
//! | [`broker::lines`] | allow | the broker; a deny-list, because a TLS client and a database need much |
//! | [`resolver::lines`] | ENOSYS | the resolver: sockets of the internet, its own memory, time |
//! | resolver start | ENOSYS | the same plus what its exec and lock need |
//! | [`secret::offline`] | allow | who reads a secret and what it runs; a deny-list, because that is any program of the owner |
//! | [`secret::online`] | allow | the same with sockets of the internet |
//! | [`supervisor::lines`] | allow | the supervisor, and through inheritance every cage |
//!
//! Filters add up and the strictest answer wins, so an earlier one allows whatever a later one
//! does; a test holds them to it.

pub mod broker;
pub mod hands;
pub mod numbers;
pub mod resolver;
pub mod secret;
mod sockets;
pub mod supervisor;
pub mod worker;

use crate::ProfileName;
use crate::bpf::{Action, Clause, Instruction, Line, Table, TableError, compile};

/// The last call number known when the tables were written (Linux 6.18: `open_tree_attr` is 467,
/// `file_setattr` 469). Deny-lists answer ENOSYS above it.
pub const NEWEST_KNOWN: u32 = 469;

const EACCES: Action = Action::Errno(libc::EACCES as u16);
const EPERM: Action = Action::Errno(libc::EPERM as u16);
const ENOSYS: Action = Action::Errno(libc::ENOSYS as u16);

/// Which filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Installed before exec; the program may still apply its last lock.
    Start,
    /// Installed by the program itself, before READY.
    Final,
    /// Installed before exec around a program that knows nothing of cages; there is no later one.
    Foreign,
}

/// The table of a profile at a stage.
pub fn table(profile: ProfileName, stage: Stage) -> Table {
    match (profile, stage) {
        (ProfileName::Worker, Stage::Final) => list("worker", Action::Kill, &[worker::lines()]),
        (ProfileName::Worker, Stage::Start) => list(
            "worker-start",
            Action::Kill,
            &[worker::last_lock(), worker::start(), worker::lines()],
        ),
        (ProfileName::Worker, Stage::Foreign) => list(
            "worker-foreign",
            Action::Kill,
            &[worker::foreign(), worker::start(), worker::lines()],
        ),
        (ProfileName::Hands, Stage::Final) => list("hands", ENOSYS, &[hands::lines()]),
        (ProfileName::Hands, Stage::Start) => list(
            "hands-start",
            ENOSYS,
            &[hands::last_lock(), hands::start(), hands::lines()],
        ),
        (ProfileName::Hands, Stage::Foreign) => {
            list("hands-foreign", ENOSYS, &[hands::start(), hands::lines()])
        }
        (ProfileName::Broker, Stage::Final | Stage::Foreign) => {
            deny_list("broker", broker::lines())
        }
        (ProfileName::Broker, Stage::Start) => deny_list("broker-start", broker::start_lines()),
        (ProfileName::Resolver, Stage::Final | Stage::Foreign) => {
            list("resolver", ENOSYS, &[resolver::lines()])
        }
        (ProfileName::Resolver, Stage::Start) => list(
            "resolver-start",
            ENOSYS,
            &[resolver::last_lock(), resolver::start(), resolver::lines()],
        ),
        // One filter, before exec: what runs in it knows nothing of cages.
        (ProfileName::Secret, _) => deny_list("secret", secret::offline()),
        (ProfileName::SecretOnline, _) => deny_list("secret-online", secret::online()),
    }
}

/// The table of the supervisor.
pub fn supervisor_table() -> Table {
    deny_list("supervisor", supervisor::lines())
}

/// The compiled filter of a profile at a stage.
///
/// # Errors
/// [`TableError`], if a table is wrong in itself.
pub fn program(profile: ProfileName, stage: Stage) -> Result<Vec<Instruction>, TableError> {
    compile(&table(profile, stage))
}

/// One table from several: of two lines for a call the earlier list's holds.
fn list(name: &'static str, default: Action, parts: &[Vec<Line>]) -> Table {
    let mut lines: Vec<Line> = Vec::new();
    for line in parts.iter().flatten() {
        if !lines.iter().any(|earlier| earlier.number == line.number) {
            lines.push(*line);
        }
    }
    Table {
        name,
        lines,
        default,
        newest: None,
    }
}

fn deny_list(name: &'static str, lines: Vec<Line>) -> Table {
    Table {
        name,
        lines,
        default: Action::Allow,
        newest: Some(NEWEST_KNOWN),
    }
}

/// A line whose action does not depend on arguments.
const fn always(number: i64, name: &'static str, action: Action, reason: &'static str) -> Line {
    Line {
        number,
        name,
        clauses: &[],
        action,
        otherwise: action,
        reason,
    }
}

/// A line whose call is allowed when one clause holds.
const fn when(
    number: i64,
    name: &'static str,
    clauses: &'static [Clause],
    otherwise: Action,
    reason: &'static str,
) -> Line {
    Line {
        number,
        name,
        clauses,
        action: Action::Allow,
        otherwise,
        reason,
    }
}

/// Many calls with one action and one reason.
fn all(action: Action, reason: &'static str, calls: &[(i64, &'static str)]) -> Vec<Line> {
    calls
        .iter()
        .map(|(number, name)| always(*number, name, action, reason))
        .collect()
}

/// Pairs of number and name for the calls named.
macro_rules! calls {
    ($($name:ident)*) => { &[$(($crate::filter::numbers::$name, stringify!($name))),*] };
}

/// One line: `line!(always mmap, action, reason)` or `line!(when mmap, clauses, otherwise, reason)`.
macro_rules! line {
    (always $name:ident, $action:expr, $reason:expr) => {
        $crate::filter::always(
            $crate::filter::numbers::$name,
            stringify!($name),
            $action,
            $reason,
        )
    };
    (when $name:ident, $clauses:expr, $otherwise:expr, $reason:expr) => {{
        const CLAUSES: &[$crate::bpf::Clause] = $clauses;
        $crate::filter::when(
            $crate::filter::numbers::$name,
            stringify!($name),
            CLAUSES,
            $otherwise,
            $reason,
        )
    }};
}
use {calls, line};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::{NATIVE, evaluate};

    /// Calls that a table allows: with every clause of each line, or with zeros.
    fn allowed(table: &Table) -> Vec<(u32, [u64; 6])> {
        let mut calls = Vec::new();
        for line in &table.lines {
            let number = line.number as u32;
            calls.push((number, [0; 6]));
            for clause in line.clauses {
                let mut arguments = [0; 6];
                for test in *clause {
                    arguments[usize::from(test.argument)] |= test.value;
                }
                calls.push((number, arguments));
            }
        }
        let program = compile(table).unwrap();
        calls.retain(|(number, arguments)| {
            evaluate(&program, NATIVE, *number, *arguments) == Action::Allow
        });
        calls
    }

    #[test]
    fn an_earlier_filter_never_refuses_what_a_later_one_allows() {
        let supervisor = compile(&supervisor_table()).unwrap();
        for profile in ProfileName::ALL {
            let start = program(profile, Stage::Start).unwrap();
            let mut calls = allowed(&table(profile, Stage::Final));
            calls.extend(allowed(&table(profile, Stage::Foreign)));
            for (number, arguments) in calls {
                // The supervisor's refusal of System V objects and such is meant for all.
                let meant = matches!(
                    evaluate(&supervisor, NATIVE, number, arguments),
                    Action::Allow | Action::Errno(_)
                );
                assert!(meant, "supervisor kills {number}");
            }
            for line in &table(profile, Stage::Final).lines {
                if matches!(line.action, Action::Errno(_)) {
                    let said = evaluate(&supervisor, NATIVE, line.number as u32, [0; 6]);
                    assert_ne!(said, Action::Kill, "supervisor kills {}", line.name);
                }
            }
            for (number, arguments) in allowed(&table(profile, Stage::Final)) {
                let said = evaluate(&start, NATIVE, number, arguments);
                assert_eq!(said, Action::Allow, "{profile} {number} {arguments:?}");
            }
        }
    }

    #[test]
    fn every_line_says_why() {
        for profile in ProfileName::ALL {
            for stage in [Stage::Start, Stage::Final, Stage::Foreign] {
                for line in table(profile, stage).lines {
                    assert!(line.reason.len() > 3, "{profile} {}", line.name);
                }
            }
        }
    }
}
