//! `exec` through the channel: what a program gets, how it ends, and what it leaves.

mod world;

use serde_json::json;
use std::fs;
use world::Hands;

#[test]
fn exec_runs_programs_without_a_shell() {
    let mut hands = Hands::new();
    hands.file("here", "");
    let broker = &mut hands.broker;
    assert_eq!(
        broker.done("exec", json!({"argv": ["echo", "$HOME", ";", "id"]})),
        "$HOME ; id\n[exit status 0]"
    );
    assert_eq!(
        broker.done("exec", json!({"argv": ["ls"]})),
        "here\n[exit status 0]"
    );
    assert_eq!(
        broker.done("exec", json!({"argv": ["cat"]})),
        "[exit status 0]"
    );
    assert_eq!(
        broker.done("exec", json!({"argv": ["false"]})),
        "[exit status 1]"
    );
    assert!(
        broker
            .done("exec", json!({"argv": ["sh", "-c", "kill -9 $$"]}))
            .starts_with("[ended by signal 9")
    );
    let long = broker.done(
        "exec",
        json!({"argv": ["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; echo end"]}),
    );
    assert!(
        long.len() < 300_000
            && long.contains(" bytes left out]")
            && long.ends_with("end\n[exit status 0]")
    );
    // A program that reads nothing of much input, and one that reads it all.
    let much = "i".repeat(90_000);
    assert_eq!(
        broker.done("exec", json!({"argv": ["true"], "stdin": much})),
        "[exit status 0]"
    );
    assert_eq!(
        broker.done("exec", json!({"argv": ["wc", "-c"], "stdin": much})),
        "90000\n[exit status 0]"
    );
    for bad in [json!([]), json!([""]), json!(["a\0b"])] {
        assert!(
            broker
                .refused("exec", json!({"argv": bad}))
                .starts_with("VALIDATION_FAILED")
        );
    }
    assert!(
        broker
            .refused("exec", json!({"argv": ["here"]}))
            .contains("cannot be started")
    );
}

#[test]
fn what_a_program_started_ends_with_it() {
    let mut hands = Hands::new();
    // The sleeper holds the output: if it lived on, the call would not end at once.
    let script = "sleep 1000 & echo $! > pid; echo done";
    assert_eq!(
        hands
            .broker
            .done("exec", json!({"argv": ["sh", "-c", script]})),
        "done\n[exit status 0]"
    );
    let pid = fs::read_to_string(hands.path("pid")).expect("it wrote its number");
    // It was told to end; a process that ends takes a moment of its own.
    let begun = std::time::Instant::now();
    while fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
        .is_ok_and(|stat| !stat.contains(") Z "))
    {
        assert!(begun.elapsed().as_secs() < 60, "the sleeper lives on");
        std::thread::yield_now();
    }
    let stopped = hands.broker.done("exec", json!({"argv": ["sh", "-c", "trap '' TERM; echo begun; while :; do sleep 1; done"], "seconds": 1}));
    assert!(
        stopped.starts_with("begun\n[stopped: it was not done after 1 s"),
        "{stopped}"
    );
    // The call's own limit is the lower one.
    let call = hands.broker.begin(
        "exec",
        &json!({"argv": ["sleep", "1000"], "seconds": 1000}),
        1,
        false,
    );
    assert!(
        hands
            .broker
            .outcome(&call)
            .expect("it ran")
            .starts_with("[stopped")
    );
}

#[test]
fn calls_run_side_by_side_and_are_stopped_by_name() {
    let mut hands = Hands::new();
    let calls: Vec<String> = (0..20)
        .map(|_| {
            hands
                .broker
                .begin("exec", &json!({"argv": ["sleep", "1000"]}), 1000, false)
        })
        .collect();
    assert_eq!(
        hands
            .broker
            .done("exec", json!({"argv": ["echo", "meanwhile"]})),
        "meanwhile\n[exit status 0]"
    );
    for call in calls.iter().rev() {
        hands.broker.cancel(call);
        hands.broker.cancel(call);
        let (code, _) = hands.broker.outcome(call).expect_err("it was stopped");
        assert_eq!(code, "CANCELLED");
    }
    hands.broker.cancel("never-begun");
    assert_eq!(
        hands.broker.done("list", json!({})),
        "[the directory is empty]"
    );
}

#[test]
fn many_short_programs_are_all_accounted_for() {
    let mut hands = Hands::new();
    let calls: Vec<(u32, String)> = (0..100)
        .map(|number| {
            let script = format!("(exit 9 &); exit {number}");
            (
                number,
                hands
                    .broker
                    .begin("exec", &json!({"argv": ["sh", "-c", script]}), 60, false),
            )
        })
        .collect();
    for (number, call) in calls {
        assert_eq!(
            hands.broker.outcome(&call).expect("it ran"),
            format!("[exit status {number}]")
        );
    }
}
