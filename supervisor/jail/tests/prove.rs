//! The proof as `doctor --prove` runs it, as the caller and, when that is root, as an ordinary user;
//! and the proof that it can fail: the same run with a probe that leaves its last lock out.
//!
//! One thread, because a cage is started from a process with one; so this is a harness of its own.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use carapace_jail::ProfileName;
use carapace_jail::attempts::{self, Column, PROBE_NAME};
use carapace_jail::config::CageConfig;
use carapace_jail::prove::{Entry, Proof, ProveOptions, Verdict, run};

/// One case: its name and what it does with the directory of the programs; it panics when it fails.
type Case = (&'static str, fn(&Path));

const CASES: [Case; 2] = [
    ("nothing_gets_out", nothing_gets_out),
    (
        "a_cage_without_its_last_lock_is_found_out",
        a_cage_without_its_last_lock_is_found_out,
    ),
];
const ORDINARY_USER: u32 = 65_534;
/// The name of this executable's copy beside the probe's.
const OWN_NAME: &str = "prove";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let (name, rest) = arguments.split_first().expect("a program has a name");
    if name == PROBE_NAME {
        weak_probe(&arguments);
    }
    if rest.iter().any(|word| word == "--list") {
        for (name, _) in CASES {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let place = match rest
        .iter()
        .find_map(|word| word.strip_prefix("--programs="))
    {
        Some(place) => PathBuf::from(place),
        None => programs(),
    };
    let is_root = std::fs::metadata("/proc/self")
        .is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let who = if is_root { "root" } else { "user" };
    let wanted: Vec<&String> = rest.iter().filter(|word| !word.starts_with('-')).collect();
    let mut failed = 0;
    for (name, case) in CASES {
        if !wanted.is_empty() && !wanted.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case(&place)));
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!("test {who}::{name} ... {word}");
        failed += u32::from(outcome.is_err());
    }
    if is_root {
        let status = Command::new(place.join(OWN_NAME))
            .args(rest)
            .arg(format!("--programs={}", place.display()))
            .env("TMPDIR", place.join("scratch"))
            .current_dir(&place)
            .gid(ORDINARY_USER)
            .uid(ORDINARY_USER)
            .status()
            .expect("starting as an ordinary user");
        failed += u32::from(!status.success());
    }
    if !rest.iter().any(|word| word.starts_with("--programs=")) {
        let _ = std::fs::remove_dir_all(&place);
    }
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A directory that any user may look into, with this executable and the probe in it.
fn programs() -> PathBuf {
    let place = std::env::temp_dir().join(format!("carapace-prove-test-{}", std::process::id()));
    let scratch = place.join("scratch");
    std::fs::create_dir_all(&scratch).expect("the temporary directory is writable");
    let probe = env!("CARGO_BIN_EXE_carapace-probe");
    for (from, name) in [("/proc/self/exe", OWN_NAME), (probe, PROBE_NAME)] {
        let copy = place.join(name);
        std::fs::copy(from, &copy).expect("copying a program");
        let modes = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(copy, modes).expect("modes");
    }
    for (directory, mode) in [(&place, 0o755), (&scratch, 0o1777)] {
        let modes = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(directory, modes).expect("modes");
    }
    place
}

fn prove(probe: &Path) -> Proof {
    let mut seen = 0;
    let proof = run(ProveOptions {
        probe,
        config: &CageConfig::default(),
        progress: &mut |progress| {
            seen = progress.done;
            if std::env::var_os("CARAPACE_SHOW").is_some() {
                show(progress.entry);
            }
        },
    });
    let proof = proof.expect("the proof runs to its end");
    assert_eq!(seen, proof.results.len());
    proof
}

fn show(entry: &Entry) {
    println!(
        "{:6} {:26} {:?} | {} | {}",
        entry.profile, entry.id, entry.outcome, entry.control, entry.result
    );
}

fn row<'a>(proof: &'a Proof, profile: ProfileName, id: &str) -> &'a Entry {
    let found = proof
        .to_list()
        .iter()
        .find(|entry| entry.profile == profile.as_str() && entry.id == id);
    found.expect("each attempt is in each profile")
}

fn nothing_gets_out(place: &Path) {
    let proof = prove(&place.join(PROBE_NAME));
    for entry in &proof.results {
        if entry.outcome == Verdict::Breached {
            show(entry);
        }
    }
    println!("  {:?}", proof.totals);
    assert_eq!(proof.totals.breached, 0);
    assert!(proof.passed());
    let attempts = attempts::all().len();
    assert!(attempts >= 140, "{attempts}");
    assert_eq!(proof.results.len(), attempts * 2);
    // What these refusals rest on: the same steps worked without a cage, against the same decoys.
    for id in [
        "net_tcp4_connect",
        "fs_secret_path",
        "proc_kill_victim",
        "net_unix_abstract",
    ] {
        let entry = row(&proof, ProfileName::Worker, id);
        assert!(
            entry.control.starts_with("works"),
            "{id}: {}",
            entry.control
        );
        assert_eq!(entry.outcome, Verdict::Held);
    }
    // What hands are for works in their cage, so that its refusals are no broken cage.
    for id in ["proc_execve", "proc_fork", "net_socketpair_scm"] {
        let entry = row(&proof, ProfileName::Hands, id);
        assert!(
            entry.result.starts_with("through"),
            "{id}: {}",
            entry.result
        );
        assert_eq!(entry.outcome, Verdict::Allowed);
    }
    let decoys = format!("carapace-prove-{}", std::process::id());
    assert!(
        !std::env::temp_dir().join(decoys).exists(),
        "decoys are left behind"
    );
}

fn a_cage_without_its_last_lock_is_found_out(place: &Path) {
    let proof = prove(&place.join(OWN_NAME));
    assert!(!proof.passed());
    let found_out = |entry: &Entry| entry.outcome == Verdict::Breached;
    assert!(
        proof.results.iter().all(found_out),
        "attestation saw no difference"
    );
    // And the attempts themselves get through what the missing filter would have refused.
    for (profile, id, evidence) in [
        (ProfileName::Worker, "kern_landlock_more", "a ruleset"),
        (ProfileName::Worker, "chan_interface_name", "told"),
        (ProfileName::Hands, "chan_interfaces", "interfaces"),
        (ProfileName::Hands, "proc_pdeathsig_off", "set"),
    ] {
        let entry = row(&proof, profile, id);
        assert_eq!(entry.outcome, Verdict::Breached, "{id}");
        assert!(entry.result.ends_with(evidence), "{id}: {}", entry.result);
    }
}

/// A probe whose cage has everything but what a program does to itself.
fn weak_probe(arguments: &[String]) -> ! {
    match arguments.get(1).and_then(|word| Column::parse(word)) {
        Some(Column::Caged(_)) => {
            attempts::say_ready_and_wait();
            attempts::perform(arguments)
        }
        _ => attempts::run_probe(arguments),
    }
}
