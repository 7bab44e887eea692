//! Programs written elsewhere, in the same cages.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use carapace_jail::ProfileName::{Broker, Hands, Worker};
use carapace_jail::exit::Cause;
use carapace_jail::sandbox::{ForeignOutcome, SandboxError, run_foreign};
use carapace_jail::{ProfileName, sandbox};

use crate::Case;
use crate::world::World;

pub const ALL: &[Case] = &[
    (
        "a_static_program_runs_as_worker",
        a_static_program_runs_as_worker,
    ),
    (
        "a_static_program_runs_as_hands",
        a_static_program_runs_as_hands,
    ),
    (
        "a_program_of_the_system_runs_as_hands",
        a_program_of_the_system_runs_as_hands,
    ),
    ("what_cannot_run_is_refused", what_cannot_run_is_refused),
];

const PROGRAM: &str = r#"
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/socket.h>
int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "socket")) return socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 1 : 30;
    if (argc > 1 && !strcmp(argv[1], "fork")) return fork() >= 0 ? 0 : 31;
    if (getpid() != 1) return 2;
    if (open("/etc/shadow", O_RDONLY) >= 0) return 3;
    if (open("/home", O_RDONLY) >= 0) return 4;
    if (getuid() == 0) return 5;
    for (int fd = 3; fd < 32; fd++) { char c; if (write(fd, &c, 0) == 0) return 6; }
    fputs("", stdout);
    return fflush(stdout) == 0 ? 0 : 7;
}
"#;

/// Builds the program static, if a compiler is here.
fn program(world: &World) -> Option<PathBuf> {
    let (source, binary) = (world.top.join("foreign.c"), world.top.join("foreign"));
    std::fs::write(&source, PROGRAM).expect("writing the source");
    let built = Command::new("gcc")
        .args(["-static", "-O1", "-o"])
        .arg(&binary)
        .arg(&source)
        .status();
    if built.is_ok_and(|status| status.success()) {
        Some(binary)
    } else {
        println!("  no C compiler that links static programs here");
        None
    }
}

fn run(
    world: &World,
    profile: ProfileName,
    program: &Path,
    arguments: &[&str],
) -> Result<ForeignOutcome, SandboxError> {
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    let workspace = world.top.join("workspace");
    let mut announced = 0;
    let outcome = run_foreign(
        profile,
        program,
        &arguments,
        &world.config,
        Some(&workspace),
        &mut |list| {
            announced = list.len();
        },
    )?;
    assert_eq!(announced, outcome.differences.len());
    let seccomp = outcome
        .attestation
        .items
        .iter()
        .find(|item| item.item == "Seccomp");
    assert_eq!(seccomp.map(|item| item.found.as_str()), Some("2"));
    Ok(outcome)
}

fn a_static_program_runs_as_worker(world: &World) {
    let Some(program) = program(world) else {
        return;
    };
    assert_eq!(
        run(world, Worker, &program, &[]).expect("it runs").cause,
        Cause::Clean
    );
    for act in ["socket", "fork"] {
        let outcome = run(world, Worker, &program, &[act]).expect("it runs");
        assert_eq!(outcome.cause, Cause::PolicyViolation, "{act}");
    }
    assert!(
        sandbox::differences(Worker)
            .iter()
            .any(|line| line.contains("execveat"))
    );
}

fn a_static_program_runs_as_hands(world: &World) {
    let Some(program) = program(world) else {
        return;
    };
    assert_eq!(
        run(world, Hands, &program, &[]).expect("it runs").cause,
        Cause::Clean
    );
    assert_eq!(
        run(world, Hands, &program, &["socket"])
            .expect("it runs")
            .cause,
        Cause::Failed(30)
    );
    assert_eq!(
        run(world, Hands, &program, &["fork"])
            .expect("it runs")
            .cause,
        Cause::Clean
    );
}

fn a_program_of_the_system_runs_as_hands(world: &World) {
    let outcome = run(
        world,
        Hands,
        Path::new("/bin/sh"),
        &["-c", "test $$ = 1 && exit 7"],
    );
    assert_eq!(outcome.expect("it runs").cause, Cause::Failed(7));
}

fn what_cannot_run_is_refused(world: &World) {
    let refused = run(world, Worker, Path::new("/bin/sh"), &[]);
    assert!(
        matches!(refused, Err(SandboxError::NotStatic { .. })),
        "{refused:?}"
    );
    let refused = run(world, Worker, Path::new("/etc/hosts"), &[]);
    assert!(
        matches!(refused, Err(SandboxError::NotStatic { .. })),
        "{refused:?}"
    );
    let refused = run(world, Worker, Path::new("/absent"), &[]);
    assert!(
        matches!(refused, Err(SandboxError::Open { .. })),
        "{refused:?}"
    );
    let refused = run(world, Broker, Path::new("/bin/sh"), &[]);
    assert!(
        matches!(refused, Err(SandboxError::Profile(_))),
        "{refused:?}"
    );
    let refused = run(world, Hands, Path::new("/usr/bin/absent-program"), &[]);
    assert!(
        matches!(refused, Err(SandboxError::Boot { .. })),
        "{refused:?}"
    );
}
