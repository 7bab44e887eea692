//! What a person pays for having it: the time of `carapace start`, memory, size on disk.

use crate::table::{Figure, Row};
use carapace_harness::control::no_question;
use carapace_harness::world::eventually;
use carapace_harness::{World, programs};
use std::time::{Duration, Instant};

const STARTS: usize = 20;
/// Sessions between the two looks at memory: fewer than the broker keeps idle.
const SESSIONS: usize = 6;
const MIB: f64 = 1_048_576.0;

/// Measures the rows of this group.
pub fn measure(rows: &mut Vec<Row>) {
    start(rows);
    memory(rows);
    size(rows);
}

fn start(rows: &mut Vec<Row>) {
    let world = World::new();
    // Makes the home; the first start of all is shown apart.
    let began = Instant::now();
    world.start();
    let first = began.elapsed();
    world.stop();
    let times: Vec<Duration> = (0..STARTS)
        .map(|_| {
            let began = Instant::now();
            world.start();
            let time = began.elapsed();
            world.stop();
            time
        })
        .collect();
    let figure = Figure::of(&times);
    rows.push(
        Row::new("carapace start to ready, one warm worker", figure)
            .budget("<= 100 ms", figure.middle <= 100e6),
    );
    rows.push(Row::new(
        "  the very first, which makes the home",
        Figure::of(&[first]),
    ));
}

fn memory(rows: &mut Vec<Row>) {
    let world = World::new();
    world.start();
    settled(&world, 1);
    let Some(idle) = memory_of(&world) else {
        rows.push(Row::missing(
            "memory",
            "/proc/PID/smaps_rollup of another user's process is not readable; run as root",
        ));
        return;
    };
    let figure = Figure::bytes(idle);
    rows.push(
        Row::new("PSS: supervisor + broker + one idle worker", figure)
            .budget("<= 30 MiB", idle <= 30.0 * MIB),
    );
    // What the broker takes once, for the first turns of all, is no cost of a further worker.
    let mut control = world.control();
    let mut open = |count: usize| {
        for _ in 0..count {
            control.chat(None, "what time is it?", no_question);
        }
    };
    open(1);
    settled(&world, 2);
    let few = memory_of(&world);
    open(SESSIONS);
    settled(&world, 2 + SESSIONS);
    if let (Some(few), Some(many)) = (few, memory_of(&world)) {
        let each = (many - few) / SESSIONS as f64;
        rows.push(
            Row::new(
                "PSS of each further session with its idle worker",
                Figure::bytes(each),
            )
            .budget("<= 2 MiB", each <= 2.0 * MIB),
        );
    }
}

/// Waits until so many workers live, all of them out of their start.
fn settled(world: &World, workers: usize) {
    eventually("the workers", || {
        let status = world.supervisor("status")?;
        let minds: Vec<_> = status["processes"]
            .as_array()?
            .iter()
            .filter(|process| process["profile"] == "worker")
            .collect();
        (minds.len() == workers && minds.iter().all(|mind| mind["state"] != "starting"))
            .then_some(())
    });
}

/// Proportional share of all its processes, in bytes.
fn memory_of(world: &World) -> Option<f64> {
    let pids: Vec<i32> = ["supervisor", "broker", "worker", "hands"]
        .iter()
        .flat_map(|name| world.pids(name))
        .collect();
    let each = pids.iter().map(|pid| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()
    });
    each.sum::<Option<f64>>().map(|kib| kib * 1024.0)
}

fn size(rows: &mut Vec<Row>) {
    let names = [
        "carapace",
        "carapace-supervisor",
        "carapace-broker",
        "carapace-worker",
        "carapace-hands",
        "carapace-probe",
    ];
    let sizes = names
        .iter()
        .filter_map(|name| programs::folder().join(name).metadata().ok());
    let all = sizes.map(|about| about.len() as f64).sum::<f64>();
    rows.push(
        Row::new("programs, all together", Figure::bytes(all))
            .budget("<= 45 MiB stripped", all <= 45.0 * MIB),
    );
}
