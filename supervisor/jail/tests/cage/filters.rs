//! The filters: every rule of the worker with its arguments changed, every call it does not name,
//! and the compiled programs byte for byte.

use std::path::PathBuf;

use carapace_jail::ProfileName;
use carapace_jail::bpf::{self, Action, Line, NATIVE};
use carapace_jail::exit::Cause;
use carapace_jail::filter::{self, Stage};

use crate::world::World;
use crate::{Case, raw};

pub const ALL: &[Case] = &[
    (
        "every_rule_with_a_changed_argument_is_fatal",
        every_rule_with_a_changed_argument_is_fatal,
    ),
    (
        "every_call_without_a_rule_is_fatal",
        every_call_without_a_rule_is_fatal,
    ),
    ("foreign_tables_are_fatal", foreign_tables_are_fatal),
    ("programs_are_as_checked_in", programs_are_as_checked_in),
    (
        "a_live_worker_has_the_compiled_programs",
        a_live_worker_has_the_compiled_programs,
    ),
];

/// Arguments that satisfy the clause with this index.
fn satisfying(line: &Line, clause: usize) -> [u64; 6] {
    let mut arguments = [0; 6];
    for test in line.clauses[clause] {
        arguments[usize::from(test.argument)] |= test.value;
    }
    arguments
}

/// For each test of a line, arguments that break it alone: the lowest bit it looks at flipped,
/// and the highest.
fn changed(line: &Line) -> Vec<[u64; 6]> {
    let mut list = Vec::new();
    for (index, clause) in line.clauses.iter().enumerate() {
        for test in *clause {
            for bit in [test.mask.trailing_zeros(), 63 - test.mask.leading_zeros()] {
                let mut arguments = satisfying(line, index);
                arguments[usize::from(test.argument)] ^= 1 << bit;
                list.push(arguments);
            }
        }
    }
    list
}

fn every_rule_with_a_changed_argument_is_fatal(world: &World) {
    let table = filter::table(ProfileName::Worker, Stage::Final);
    let program = bpf::compile(&table).expect("the table compiles");
    let mut tried = 0;
    for line in &table.lines {
        let number = line.number as u32;
        for index in 0..line.clauses.len() {
            let said = bpf::evaluate(&program, NATIVE, number, satisfying(line, index));
            assert_eq!(said, line.action, "{} clause {index}", line.name);
        }
        for arguments in changed(line) {
            match bpf::evaluate(&program, NATIVE, number, arguments) {
                // Another clause of the line holds for these; that is no hole of this one.
                Action::Allow => continue,
                said => assert_eq!(said, line.otherwise, "{} {arguments:?}", line.name),
            }
            let words: Vec<String> = [line.number as u64]
                .iter()
                .chain(&arguments)
                .map(u64::to_string)
                .collect();
            let mut act = vec!["call"];
            act.extend(words.iter().map(String::as_str));
            let ended = world.run(ProfileName::Worker, &act);
            assert_eq!(
                ended.cause,
                Cause::PolicyViolation,
                "{} {arguments:?}",
                line.name
            );
            tried += 1;
        }
    }
    assert!(tried > 40, "only {tried} changed calls were tried");
}

fn every_call_without_a_rule_is_fatal(world: &World) {
    let table = filter::table(ProfileName::Worker, Stage::Final);
    for number in 0..=480_i64 {
        if table.lines.iter().any(|line| line.number == number) {
            continue;
        }
        let text = number.to_string();
        let ended = world.run(ProfileName::Worker, &["call", &text]);
        // uretprobe and uprobe: newer kernels ask no filter for them, because only their own
        // trampoline may call; from anywhere else the one is SIGILL and the other an error.
        let probes = (number == 335 && ended.cause == Cause::Crash(libc::SIGILL))
            || (number == 336 && ended.cause == Cause::Failed(20));
        assert!(
            probes || ended.cause == Cause::PolicyViolation,
            "call {number}: {:?}",
            ended.cause
        );
    }
}

fn foreign_tables_are_fatal(world: &World) {
    assert_eq!(
        world.run(ProfileName::Worker, &["call32"]).cause,
        Cause::PolicyViolation
    );
    for number in [0x4000_0000_u32, 0x4000_0001, 0x4000_0208, u32::MAX] {
        let text = number.to_string();
        let ended = world.run(ProfileName::Worker, &["call", &text]);
        assert_eq!(ended.cause, Cause::PolicyViolation, "call {number:#x}");
    }
}

/// `CARAPACE_BLESS=1` writes the files anew, for a change that was meant.
fn programs_are_as_checked_in(_: &World) {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut tables = vec![filter::supervisor_table()];
    for profile in ProfileName::ALL {
        for stage in [Stage::Start, Stage::Final, Stage::Foreign] {
            let table = filter::table(profile, stage);
            if !tables.iter().any(|other| other.name == table.name) {
                tables.push(table);
            }
        }
    }
    for table in tables {
        let text = bpf::dump(&bpf::compile(&table).expect("the table compiles"));
        let path = directory.join(format!("{}.bpf", table.name));
        if std::env::var_os("CARAPACE_BLESS").is_some() {
            if std::fs::create_dir_all(&directory).is_ok() {
                let _ = std::fs::write(&path, &text);
            }
            continue;
        }
        let known = std::fs::read_to_string(&path).expect("a checked-in program");
        assert!(
            known == text,
            "the program {} changed; if that was meant, see CARAPACE_BLESS",
            table.name
        );
    }
}

/// Reads the filters of a running worker back from the kernel, which only root may.
fn a_live_worker_has_the_compiled_programs(world: &World) {
    let worker = world.ready(ProfileName::Worker, &["idle"]);
    match raw::filters_of(worker.caged.pid) {
        Ok(installed) => {
            let compiled = |stage| filter::program(ProfileName::Worker, stage).expect("compiles");
            // The oldest first; what this test inherits may stand before.
            let last_two = installed.iter().rev().take(2).rev();
            let expected = [compiled(Stage::Start), compiled(Stage::Final)];
            assert!(last_two.eq(expected.iter()), "{} filters", installed.len());
        }
        Err(error) => println!("  the kernel does not show filters here: {error}"),
    }
    worker.caged.kill().expect("killing");
    worker.end();
}
