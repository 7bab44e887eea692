//! The budgets, each measured beside its baseline in the same run, as one table.
//!
//! `--json` prints one JSON object instead; any other word measures only the groups whose name has
//! it. Nothing here fails because of a number: a budget that
//! is missed says MISSED and the exit status stays 0. What could not be measured says why, and only
//! a measurement that broke makes the exit status 1.

mod cage;
mod desk;
mod floor;
mod home;
mod line;
mod models;
mod records;
mod table;
mod turns;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use table::{Row, Table};

/// No group is begun after this, so that the whole ends within three minutes.
const ENOUGH: Duration = Duration::from_secs(120);

/// What measures one group of rows.
type Group = fn(&mut Vec<Row>);

/// The groups in order. Cages come first: they are started only by a process with one thread.
const GROUPS: [(&str, Group); 8] = [
    ("cold cage", cage::measure),
    ("start, memory and size", home::measure),
    ("turns and tools", turns::measure),
    ("models", models::measure),
    ("the desk", desk::measure),
    ("the channel", line::measure),
    ("the floor", floor::measure),
    ("records", records::measure),
];

fn main() -> ExitCode {
    let (options, words): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .partition(|word| word.starts_with('-'));
    let as_json = options.iter().any(|option| option == "--json");
    let wanted =
        |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let began = Instant::now();
    let mut table = Table::new();
    let mut broken = false;
    for (name, measure) in GROUPS.into_iter().filter(|(name, _)| wanted(name)) {
        if began.elapsed() > ENOUGH {
            table
                .rows
                .push(Row::missing(name, "the time for the whole table was over"));
            continue;
        }
        eprintln!("measuring: {name}");
        let mut rows = Vec::new();
        if catch_unwind(AssertUnwindSafe(|| measure(&mut rows))).is_err() {
            broken = true;
            rows.push(Row::missing(
                name,
                "the measurement broke; its message stands above",
            ));
        }
        table.rows.append(&mut rows);
    }
    println!("{}", if as_json { table.json() } else { table.text() });
    ExitCode::from(u8::from(broken))
}
