//! A compromised mind against its cage, in the running system.

use crate::compromised;
use carapace_contract::control::TurnEnd;
use carapace_harness::control::no_question;

#[test]
fn a_socket_a_program_and_a_thread_are_fatal_to_the_mind_and_not_tried_again() {
    let world = compromised();
    let mut control = world.control();
    for attack in ["socket", "spawn", "thread"] {
        let turn = control.chat(None, attack, no_question);
        assert_eq!(turn.end, TurnEnd::Violation, "{attack}: {turn:?}");
        assert!(
            turn.text.contains("outside its profile"),
            "{attack}: {}",
            turn.text
        );
    }
    assert_eq!(control.chat(None, "say alive", no_question).text, "alive");
}

#[test]
fn there_is_no_file_to_open() {
    let world = compromised();
    let turn = world.control().chat(None, "open", no_question);
    assert!(turn.text.contains("refused"), "{}", turn.text);
}

#[test]
fn a_mind_that_crashes_again_and_again_is_given_up() {
    let world = compromised();
    let mut control = world.control();
    let turn = control.chat(None, "crash", no_question);
    assert_eq!(turn.end, TurnEnd::Failed, "{turn:?}");
    assert_eq!(
        control.chat(None, "say still here", no_question).text,
        "still here"
    );
}

#[test]
fn every_running_process_is_confined_as_the_drawing_says() {
    let world = compromised();
    let mut control = world.control();
    control.chat(None, "exec true", carapace_harness::control::allow);
    for (name, children) in [("broker", 1), ("worker", 1), ("hands", 1)] {
        let pids = world.pids(name);
        assert!(pids.len() >= children, "{name}: {pids:?}");
        for pid in pids {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a status");
            for line in [
                "CapEff:\t0000000000000000",
                "CapBnd:\t0000000000000000",
                "NoNewPrivs:\t1",
                "Seccomp:\t2",
            ] {
                assert!(status.contains(line), "{name}: {line} is not in\n{status}");
            }
            let network =
                |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).expect("a namespace");
            let apart = network(&pid.to_string()) != network("self");
            assert_eq!(apart, name != "broker", "{name}: its network");
        }
    }
}
