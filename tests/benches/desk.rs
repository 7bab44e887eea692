//! The desk as a confined process sees it: a request over the channel, all six stages, its audit
//! record, the reply. A scripted worker in a real cage asks; its own clock counts.

use crate::table::{Figure, Row};
use carapace_harness::World;
use carapace_harness::control::no_question;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const CALLS: usize = 4_000;
const MICROSECOND: f64 = 1e3;

/// Measures the rows of this group.
pub fn measure(rows: &mut Vec<Row>) {
    let mut world = World::new();
    world.replace_program(
        "carapace-worker",
        Path::new(env!("CARGO_BIN_EXE_hostile-worker")),
    );
    world
        .carapace(&["config", "set", "limits.calls-per-minute", "100000"])
        .expect(0);
    world.start();
    let mut control = world.control();
    let mut ask = |what: &str| {
        numbers(
            &control
                .chat(None, &format!("{what} {CALLS}"), no_question)
                .text,
        )
    };

    let before = processor_time(&world);
    let [middle, high, ..] = ask("bench")[..] else {
        panic!("two figures")
    };
    let after = processor_time(&world);
    let ours = Figure::of_percentiles(middle, high);
    let met = middle <= 100.0 * MICROSECOND && high <= 250.0 * MICROSECOND;
    rows.push(
        Row::new("desk round trip, six stages, audit record", ours)
            .beside(
                "raw socket ping-pong, 1 KiB",
                Figure::of(&crate::line::raw(CALLS)),
            )
            .budget("<= 100 us p50, <= 250 us p99", met),
    );
    // A tenth more is called than counted.
    let calls = CALLS as f64 * 1.1;
    for (thread, time) in after {
        let each = (time - before.get(&thread).unwrap_or(&0.0)) / calls;
        rows.push(Row::new(
            &format!("  processor time per call: broker, thread {thread}"),
            Figure::time(each),
        ));
    }
    let [middle, high, ..] = ask("bench-refused")[..] else {
        panic!("two figures")
    };
    rows.push(Row::new(
        "  of which: a request that stage 2 refuses",
        Figure::of_percentiles(middle, high),
    ));

    let rate = |found: &[f64]| Figure::rate(CALLS, Duration::from_nanos(found[0] as u64));
    let ours = rate(&ask("bench-rate"));
    let without = rate(&ask("bench-rate-refused"));
    rows.push(
        Row::new("desk with 32 requests in flight, audited", ours)
            .beside("refused at stage 2, no record", without)
            .budget(">= 10000 /s", ours.middle >= 10_000.0),
    );
}

/// Nanoseconds that each thread of the broker has had a processor, by name; empty where the kernel
/// does not tell.
fn processor_time(world: &World) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    for pid in world.pids("broker") {
        for task in std::fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let read = |name: &str| std::fs::read_to_string(task.path().join(name)).ok();
            let (Some(name), Some(times)) = (read("comm"), read("schedstat")) else {
                continue;
            };
            let time: f64 = times
                .split(' ')
                .next()
                .and_then(|word| word.parse().ok())
                .unwrap_or(0.0);
            *found.entry(name.trim().to_owned()).or_default() += time;
        }
    }
    found
}

fn numbers(text: &str) -> Vec<f64> {
    let found: Vec<f64> = text
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    assert!(!found.is_empty(), "the worker measured nothing: {text}");
    found
}
