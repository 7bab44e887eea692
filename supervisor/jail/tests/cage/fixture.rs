//! The confined program of the tests: this same executable, told by its arguments what to be.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use carapace_jail::lock::{self, BrokerLock};

use crate::raw;

/// The name under which the executable is a fixture.
pub const NAME: &str = "cage-fixture";

/// Locks itself as `arguments[0]` says, says READY, and does what the rest says.
pub fn run(arguments: &[String]) -> ! {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (profile, act) = words.split_first().expect("a fixture is told its profile");
    let locked = match *profile {
        "worker" => lock::worker(),
        "hands" => lock::hands(),
        "broker" => lock::broker(&BrokerLock {
            state: Path::new("/state"),
            read_only: &lock::broker_readable(),
            connect_ports: &[443],
        }),
        "resolver" => lock::resolver(&[53]),
        // Held back until it was attested; it knows nothing of its cage.
        "secret" => act_as(act),
        _ => lock::fail_with("test", "unknown profile"),
    };
    if let Err(error) = locked {
        lock::fail(&error);
    }
    if let Err(error) = lock::ready() {
        lock::fail(&error);
    }
    act_as(act)
}

fn act_as(act: &[&str]) -> ! {
    match act {
        ["idle"] => wait_for_a_byte(),
        ["abort"] => std::process::abort(),
        ["panic"] => panic!("a panic in process 1"),
        ["call", number, rest @ ..] => {
            let mut list = [0; 6];
            for (place, text) in list.iter_mut().zip(rest) {
                *place = text.parse().expect("an argument is a number");
            }
            let answer = raw::call(number.parse().expect("a number"), list);
            std::process::exit(if answer < 0 { 20 } else { 0 })
        }
        ["call32"] => raw::call_32(20),
        ["memory", mib] => {
            let size = mib.parse::<usize>().expect("a number") << 20;
            let mut block: Vec<u8> = Vec::new();
            let refused = block.try_reserve_exact(size).is_err();
            std::process::exit(if refused { 20 } else { 0 })
        }
        ["shell", script] => shell(script),
        ["connect", port] => {
            let address = format!("127.0.0.1:{port}");
            let error = std::net::TcpStream::connect(address).map(drop).unwrap_err();
            std::process::exit(error.raw_os_error().unwrap_or(1))
        }
        ["state"] => broker_files(),
        ["open"] => {
            let hidden = [
                "/",
                "/etc",
                "/etc/hosts",
                "/etc/resolv.conf",
                "/proc/self/maps",
            ]
            .iter()
            .all(|path| std::fs::File::open(path).is_err());
            std::process::exit(i32::from(!hidden))
        }
        ["reach", port] => {
            let address = format!("127.0.0.1:{port}");
            let reached = std::net::TcpStream::connect(address).is_ok();
            std::process::exit(if reached { 0 } else { 20 })
        }
        ["local", path] => {
            let reached = std::os::unix::net::UnixStream::connect(path).is_ok();
            std::process::exit(if reached { 0 } else { 20 })
        }
        _ => std::process::exit(21),
    }
    std::process::exit(0)
}

fn wait_for_a_byte() {
    let mut byte = [0_u8];
    raw::call(libc::SYS_read, [3, byte.as_mut_ptr() as u64, 1, 0, 0, 0]);
}

/// Runs a script as hands do, and prints what it said.
fn shell(script: &str) -> ! {
    let output = Command::new("/bin/sh")
        .arg0("sh")
        .args(["-c", script])
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", "/tmp")
        .output();
    match output {
        Ok(output) => {
            let _ = std::io::stdout().write_all(&output.stdout);
            let _ = std::io::stdout().write_all(&output.stderr);
            std::process::exit(output.status.code().unwrap_or(50))
        }
        Err(error) => {
            println!("{error}");
            std::process::exit(51)
        }
    }
}

/// What the broker may do with files, and what not.
fn broker_files() -> ! {
    let written = std::fs::write("/state/probe", "x").is_ok()
        && std::fs::rename("/state/probe", "/state/probe2").is_ok()
        && std::fs::remove_file("/state/probe2").is_ok();
    let outside = ["/etc/probe", "/probe", "/tmp/probe"]
        .iter()
        .all(|path| std::fs::write(path, "x").is_err());
    let hidden = [
        "/etc/passwd",
        "/proc/self/environ",
        "/root",
        "/home",
        "/proc",
    ]
    .iter()
    .all(|path| std::fs::metadata(path).is_err());
    let executed = Command::new("/state/none").spawn().is_ok();
    let thread = std::thread::spawn(|| 7).join().ok() == Some(7);
    println!(
        "written {written} outside {outside} hidden {hidden} executed {executed} thread {thread}"
    );
    std::process::exit(i32::from(
        !(written && outside && hidden && !executed && thread),
    ))
}
