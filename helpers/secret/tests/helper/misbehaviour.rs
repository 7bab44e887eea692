//! Programs that do not do what they should, run as `bw`, whose arguments end with the item.

use crate::world::{Outcome, fake, run};

const SECRET: &str = "sk-ant-api03-AbCdEf123456";

fn bw(how: &str) -> Outcome {
    run(
        &["bw", how],
        &[
            ("CARAPACE_HELPER_PROGRAM", &fake("misbehaving")),
            ("BW_SESSION", "session"),
        ],
    )
}

#[test]
fn the_value_comes_without_its_line_ending() {
    bw("good").gives(SECRET);
}

#[test]
fn what_a_program_says_beside_the_value_is_dropped() {
    bw("good-and-noisy").gives(SECRET);
}

#[test]
fn arguments_are_fixed_and_the_item_is_one_of_them_whatever_it_holds() {
    let program = ("CARAPACE_HELPER_PROGRAM", fake("misbehaving"));
    let environment = [(program.0, program.1.as_str())];
    bw("arguments").gives("[get][password][--nointeraction][--][arguments]");
    // No shell looks at it: otherwise this would run, and the last word would be another.
    run(
        &["bw", "x; echo stolen $(id) `id` \"y\" 'z' > /dev/null"],
        &environment,
    )
    .fails(6, "it is empty");
}

#[test]
fn the_environment_is_what_the_helper_got_and_there_is_no_input() {
    let environment = bw("environment");
    let text = String::from_utf8(environment.out).unwrap();
    let mut names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once('=').map(|(name, _)| name))
        // The shell that runs the script sets these itself.
        .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["BW_SESSION", "LC_ALL", "PATH"]);
    bw("input").gives("end");
}

#[test]
fn ten_mebibytes_are_refused() {
    bw("long").fails(6, "over 64 KiB");
    let failed = bw("long-and-failing");
    failed.fails(1, "run bw: exit status: 1");
    assert!(failed.said.len() < 8192, "{}", failed.said.len());
}

#[test]
fn a_program_that_hangs_is_killed_and_what_it_printed_is_not_given() {
    let hung = bw("hang");
    hung.fails(1, "did not end within 15 seconds");
    assert!(!hung.said.contains(SECRET));
}

#[test]
fn what_a_program_leaves_behind_does_not_hold_the_answer_back() {
    bw("left-behind").gives(SECRET);
}

#[test]
fn a_program_that_fails_gives_nothing_of_what_it_printed() {
    for how in ["failing", "telling"] {
        let failed = bw(how);
        failed.fails(1, "run bw: exit status: 1");
        assert!(
            !failed.said.contains("sk-ant") && !failed.said.contains("AbCdEf"),
            "{failed:?}"
        );
    }
    bw("telling").fails(1, "“cannot use … sorry”");
    bw("telling-words").fails(1, "“cannot send …”");
}

#[test]
fn what_a_program_says_cannot_paint_the_journal() {
    bw("painting").fails(1, "“… wrong”");
}

#[test]
fn a_program_that_is_killed_is_a_failure() {
    bw("killed").fails(1, "signal: 9");
}

#[test]
fn output_that_is_no_value_is_refused() {
    bw("empty").fails(6, "empty");
    bw("newline").fails(6, "empty");
    bw("binary").fails(6, "not UTF-8");
    bw("nul").fails(6, "NUL");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let run = |program| run(&["bw", "item"], &[("CARAPACE_HELPER_PROGRAM", program)]);
    run("/nonexistent/bw").fails(5, "/nonexistent/bw");
    run("/etc/passwd").fails(5, "/etc/passwd");
    run("/etc/passwd/bw").fails(5, "/etc/passwd/bw");
    run("bw").fails(5, "no absolute path");
    run("").fails(5, "no absolute path");
    crate::world::run(&["bw", "item"], &[]).fails(5, "no absolute path");
}
