//! Cages as they are started: a real program, every layer, looked at from inside and outside.
//!
//! One thread, because `spawn` asks for it; so this is a harness of its own. The cases run as the
//! caller and, when that is root, once more as an ordinary user.

mod cases;
mod filters;
mod fixture;
mod foreign;
mod hands;
mod raw;
mod secret;
mod world;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// One case: its name and what it does; it panics when it fails.
pub type Case = (&'static str, fn(&world::World));

const ORDINARY_USER: u32 = 65_534;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let (name, rest) = arguments.split_first().expect("a program has a name");
    if name == fixture::NAME {
        fixture::run(rest);
    }
    if let Some(mode) = rest.first().and_then(|word| word.strip_prefix("--mode=")) {
        cases::run_mode(mode);
    }
    let wanted: Vec<&String> = rest.iter().filter(|word| !word.starts_with('-')).collect();
    let all: Vec<Case> = [
        cases::ALL,
        hands::ALL,
        filters::ALL,
        foreign::ALL,
        secret::ALL,
    ]
    .concat();
    if rest.iter().any(|word| word == "--list") {
        for (name, _) in &all {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let is_root = std::fs::metadata("/proc/self")
        .is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let who = if is_root { "root" } else { "user" };
    let world = world::World::new();
    let mut failed = 0;
    let mut run = 0;
    for (name, case) in all {
        if !wanted.is_empty() && !wanted.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        run += 1;
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case(&world)));
        println!(
            "test {who}::{name} ... {}",
            if outcome.is_ok() { "ok" } else { "FAILED" }
        );
        failed += u32::from(outcome.is_err());
    }
    println!("{who}: {run} cases, {failed} failed");
    drop(world);
    let user_failed = is_root && !run_as_user(rest);
    if failed == 0 && !user_failed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The same cases by a copy of this executable, as an ordinary user with a directory of its own.
fn run_as_user(arguments: &[String]) -> bool {
    let top = std::env::temp_dir().join(format!("carapace-cage-user-{}", std::process::id()));
    std::fs::create_dir_all(&top).expect("the temporary directory is writable");
    let program = top.join("cage");
    std::fs::copy("/proc/self/exe", &program).expect("copying this executable");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("modes");
    std::os::unix::fs::chown(&top, Some(ORDINARY_USER), Some(ORDINARY_USER)).expect("owners");
    let status = Command::new(&program)
        .args(arguments)
        .env("TMPDIR", &top)
        .current_dir(&top)
        .gid(ORDINARY_USER)
        .uid(ORDINARY_USER)
        .status()
        .expect("starting as an ordinary user");
    let _ = std::fs::remove_dir_all(&top);
    status.success()
}
