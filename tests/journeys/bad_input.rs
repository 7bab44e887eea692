//! Bad input: a clear message with the remedy, a status other than 0, and nothing lost.

use carapace_harness::World;
use carapace_harness::control::no_question;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_broken_or_unknown_config_key_is_named() {
    let world = World::new();
    world.start();
    world.stop();
    let good = std::fs::read_to_string(world.home().config()).expect("a config");
    for bad in [
        "[limits]\nroundz = 3\n",
        "[model\n",
        "[model]\nroute = \"nowhere:x\"\n",
    ] {
        std::fs::write(world.home().config(), bad).expect("writes");
        let refused = world.carapace(&["start"]);
        assert_ne!(refused.status, 0, "{bad}");
        assert!(refused.err.contains("remedy"), "{}", refused.err);
        assert_eq!(
            std::fs::read_to_string(world.home().config()).expect("a config"),
            bad,
            "nothing is overwritten"
        );
    }
    std::fs::write(world.home().config(), &good).expect("writes");
    world
        .start()
        .control()
        .chat(None, "list the files here", no_question);
}

#[test]
fn config_set_keeps_comments_and_refuses_what_cannot_be_used() {
    let world = World::new();
    world.start();
    let before = std::fs::read_to_string(world.home().config()).expect("a config");
    world
        .carapace(&["config", "set", "limits.rounds", "5"])
        .expect(0);
    let after = std::fs::read_to_string(world.home().config()).expect("a config");
    assert!(
        after.contains("rounds = 5") && after.contains("# model calls in one turn"),
        "{after}"
    );
    assert_eq!(before.lines().count(), after.lines().count());
    for bad in [
        ["limits.rounds", "0"],
        ["limits.roundz", "5"],
        ["model.route", "x:y"],
        // Only the broker refuses this one.
        [
            "providers.inside",
            "{kind = \"openai-compatible\", base-url = \"https://10.0.0.1/v1\"}",
        ],
    ] {
        let refused = world.carapace(&["config", "set", bad[0], bad[1]]);
        assert_ne!(refused.status, 0, "{bad:?}");
        assert_eq!(
            std::fs::read_to_string(world.home().config()).expect("a config"),
            after,
            "{bad:?}"
        );
    }
}

#[test]
fn a_socket_path_that_is_too_long_is_said_before_anything_starts() {
    let world = World::new();
    let long = world.beside().join("x".repeat(120));
    let refused = world.carapace(&["--home", long.to_str().expect("text"), "start"]);
    assert_ne!(refused.status, 0);
    assert!(
        refused.err.contains("too long") || refused.err.contains("107"),
        "{}",
        refused.err
    );
}

#[test]
fn a_stale_pid_file_and_stale_sockets_are_taken_over() {
    let world = World::new();
    world.start();
    let pid = world.pids("supervisor")[0];
    carapace_harness::world::kill(pid);
    carapace_harness::world::eventually("it is gone", || {
        (!std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(())
    });
    assert!(world.home().pid_file().exists(), "a stale file is there");
    world
        .start()
        .control()
        .chat(None, "list the files here", no_question);
}

#[test]
fn a_home_that_cannot_be_written_or_belongs_to_all_is_refused() {
    let world = World::of_ordinary_user();
    let folder = world.beside().join("closed");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o555)).expect("closes it");
    let home = folder.join("home");
    let refused = world.carapace(&["--home", home.to_str().expect("text"), "start"]);
    assert_ne!(refused.status, 0);
    assert!(refused.err.contains("remedy"), "{}", refused.err);
    assert!(!home.exists());

    let world = World::new();
    world.start();
    world.stop();
    std::fs::set_permissions(world.home().root(), std::fs::Permissions::from_mode(0o777))
        .expect("opens it");
    let refused = world.carapace(&["start"]);
    assert_ne!(refused.status, 0);
    assert!(
        refused.err.contains("0700") || refused.err.contains("700"),
        "{}",
        refused.err
    );
}

#[test]
fn one_shot_chat_works_in_scripts_and_pipes() {
    let world = World::new();
    let said = world.carapace(&["chat", "what is 2+2*3?"]).expect(0);
    assert!(said.out.contains('8'), "{}", said.out);
    let piped = world
        .carapace_with(&["chat"], "create p.txt containing: piped\n")
        .expect(0);
    assert!(world.workspace().join("p.txt").exists(), "{}", piped.out);
    let json = world
        .carapace(&["--json", "chat", "list the files here"])
        .expect(0);
    for line in json.out.lines() {
        serde_json::from_str::<serde_json::Value>(line)
            .unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    let refused = world
        .carapace(&["chat", "--no-wait", "run `touch n.txt`"])
        .expect(5);
    assert!(!world.workspace().join("n.txt").exists(), "{}", refused.out);
}

#[test]
fn a_foreign_program_in_each_cage_sees_nothing() {
    let world = World::new();
    let source = world.beside().join("look.c");
    std::fs::write(
        &source,
        r#"#include <stdio.h>
#include <unistd.h>
#include <fcntl.h>
#include <sys/socket.h>
int main(int argc, char **argv) {
    int passwd = open("/etc/shadow", O_RDONLY);
    int home = open("/home", O_RDONLY);
    printf("pid %d\nshadow %s\nhome %s\n", getpid(), passwd < 0 ? "no" : "YES", home < 0 ? "no" : "YES");
    fflush(stdout);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    printf("socket %s\n", s < 0 ? "no" : "YES");
    return 0;
}
"#,
    )
    .expect("writes");
    let program = world.beside().join("look");
    let built = std::process::Command::new("gcc")
        .arg("-static")
        .arg("-o")
        .arg(&program)
        .arg(&source)
        .status();
    assert!(built.expect("gcc starts").success());
    for profile in ["worker", "hands"] {
        let ran = world.carapace(&[
            "sandbox",
            "run",
            "--profile",
            profile,
            "--",
            program.to_str().expect("text"),
        ]);
        assert!(
            ran.out.contains("shadow no") && ran.out.contains("home no"),
            "{profile}: {ran:?}"
        );
        assert!(!ran.out.contains("YES"), "{profile}: {ran:?}");
        assert!(!ran.err.is_empty(), "{profile}: what differs is said");
        if profile == "worker" {
            assert_eq!(
                ran.status,
                128 + 31,
                "a socket is fatal in a mind's cage: {ran:?}"
            );
        } else {
            assert!(ran.out.contains("socket no"), "{ran:?}");
        }
    }
}

/// A file system of 8 MiB over a folder; unmounted at the end. Only root may mount.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn over(folder: &std::path::Path) -> Option<Self> {
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
            .expect("closes it");
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs"])
            .arg(folder)
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then(|| Self(folder.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(&self.0)
            .status();
    }
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let world = World::new();
    let Some(_disk) = SmallDisk::over(world.home().root()) else {
        eprintln!(
            "skipped: only root may mount a small disk; the store's own test covers the full disk"
        );
        return;
    };
    let mut control = world.start().control();
    let first = control.chat(None, "create kept.txt containing: kept", no_question);
    let filler = world.home().root().join("filler");
    // Fills it to the last byte.
    let mut file = std::fs::File::create(&filler).expect("creates");
    let chunk = vec![1; 4096];
    while std::io::Write::write_all(&mut file, &chunk).is_ok() {}
    drop(file);
    let ask = carapace_contract::control::Ask::ChatSend {
        session: Some(first.session),
        turn: carapace_contract::id::TurnId::random(),
        text: format!("create lost.txt containing: {}", "x".repeat(60_000)),
        route: None,
        attachments: Vec::new(),
    };
    control.ask(&ask).expect("asks");
    // Either the message is not accepted, or its effect is refused; never is it said to be done.
    let refused = loop {
        match control.hear().expect("tells") {
            carapace_contract::control::Tell::Failed { message, .. } => break message,
            carapace_contract::control::Tell::Done { text, .. } => break text,
            _ => {}
        }
    };
    assert!(!refused.is_empty());
    assert!(
        !world.workspace().join("lost.txt").exists() || !refused.contains("created"),
        "{refused}"
    );
    std::fs::remove_file(&filler).expect("makes room");
    world.carapace(&["restart"]).expect(0);
    world.carapace(&["audit", "verify"]).expect(0);
    let mut control = world.control();
    let kept = control.chat(Some(first.session), "what is in kept.txt?", no_question);
    assert!(kept.text.contains("kept"), "{}", kept.text);
}

#[test]
fn a_kernel_without_a_layer_is_refused_by_name_and_with_a_remedy() {
    let world = World::of_ordinary_user();
    let has = std::process::Command::new("bwrap")
        .arg("--version")
        .output();
    if has.is_err() {
        assert!(
            std::env::var_os("CARAPACE_TEST_ALL").is_none(),
            "bubblewrap is missing; `make test-setup` installs it"
        );
        eprintln!("skipped: bubblewrap is missing; `make test-setup` installs it");
        return;
    }
    // Inside, no further user namespace can be made.
    let inside = |arguments: &[&str]| {
        let person = world.command(arguments);
        let mut command = std::process::Command::new("bwrap");
        command.args([
            "--unshare-user",
            "--disable-userns",
            "--dev-bind",
            "/",
            "/",
            "--",
        ]);
        command
            .arg(person.get_program())
            .args(person.get_args())
            .current_dir(world.beside());
        for (name, value) in person.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(uid) = world.uid() {
            std::os::unix::process::CommandExt::uid(&mut command, uid);
            std::os::unix::process::CommandExt::gid(&mut command, uid);
        }
        command.output().expect("bwrap starts")
    };
    let refused = inside(&["start"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{said}");
    assert!(
        said.contains("namespace") && said.contains("remedy"),
        "{said}"
    );
    let doctor = inside(&["doctor"]);
    let shown = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(
        !doctor.status.success() && shown.contains("namespaces"),
        "{shown}"
    );
}
