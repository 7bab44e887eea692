//! The resolver as it is started: the real program in its cage, asked over its channel, with a name
//! server that the test starts. As root and as an ordinary user.

mod cases;
mod name_server;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

const ORDINARY_USER: u32 = 65_534;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments
        .first()
        .is_some_and(|word| word == name_server::ROLE)
    {
        name_server::run();
    }
    if arguments.iter().any(|word| word == "--list") {
        for (name, _) in cases::ALL {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<&String> = arguments
        .iter()
        .filter(|word| !word.starts_with('-'))
        .collect();
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let who = if is_root { "root" } else { "user" };
    let program = std::env::var_os("RESOLVER")
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_carapace-resolver").into());
    let mut failed = 0;
    for (name, case) in cases::ALL {
        if !wanted.is_empty() && !wanted.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        let run = std::panic::AssertUnwindSafe(|| case(program.as_ref()));
        let good = std::panic::catch_unwind(run).is_ok();
        println!(
            "test {who}::{name} ... {}",
            if good { "ok" } else { "FAILED" }
        );
        failed += u32::from(!good);
    }
    let user_failed = is_root && !run_as_user(&arguments, program.as_ref());
    if failed == 0 && !user_failed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The same cases by copies of the programs, as an ordinary user.
fn run_as_user(arguments: &[String], program: &std::path::Path) -> bool {
    let top = tempfile::tempdir().expect("the temporary directory is writable");
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(top.path(), open.clone()).expect("modes");
    for (from, name) in [("/proc/self/exe".as_ref(), "cage"), (program, "resolver")] {
        let to = top.path().join(name);
        std::fs::copy(from, &to).expect("copying a program");
        std::fs::set_permissions(&to, open.clone()).expect("modes");
    }
    Command::new(top.path().join("cage"))
        .args(arguments)
        .env("RESOLVER", top.path().join("resolver"))
        .current_dir("/")
        .gid(ORDINARY_USER)
        .uid(ORDINARY_USER)
        .status()
        .expect("starting as an ordinary user")
        .success()
}
