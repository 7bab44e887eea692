//! What a hostile mind may reach through tools that are granted, and through hands.

use crate::{compromised, set_up};
use carapace_contract::control::TurnEnd;
use carapace_harness::control::{allow, no_question};
use std::os::unix::fs::symlink;

#[test]
fn no_path_leads_out_of_the_workspace() {
    let world = compromised();
    symlink("/etc/passwd", world.workspace().join("link-out")).expect("a link");
    symlink("/etc", world.workspace().join("link-dir")).expect("a link");
    let before = std::fs::read("/etc/passwd").expect("reads");
    let turn = world.control().chat(None, "paths", no_question);
    assert_eq!(turn.end, TurnEnd::Answered, "{turn:?}");
    assert!(!turn.text.contains("root:"), "{}", turn.text);
    assert!(!turn.text.contains("nobody:"), "{}", turn.text);
    assert_eq!(std::fs::read("/etc/passwd").expect("reads"), before);
    assert!(!turn.text.contains("\"text\":\"wrote"), "{}", turn.text);
}

#[test]
fn a_shell_in_hands_sees_no_host_no_network_and_no_channel() {
    let world = compromised();
    std::fs::write(world.beside().join("secret.txt"), "the host's secret").expect("writes");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listens");
    listener.set_nonblocking(true).expect("does not wait");
    let port = listener.local_addr().expect("an address").port();
    let secret = world.beside().join("secret.txt");
    let mut control = world.control();
    let mut run = |line: &str| control.chat(None, &format!("exec {line}"), allow).text;
    let said = run("echo works");
    assert!(
        said.contains("works"),
        "the control: a shell does run: {said}"
    );
    assert!(!run(&format!("cat {}", secret.display())).contains("the host's secret"));
    assert!(!run("cat /etc/shadow").contains("root:"));
    assert!(
        !run(&format!(
            "echo hi > /dev/tcp/127.0.0.1/{port} && echo REACHED"
        ))
        .contains("REACHED\n")
    );
    assert!(listener.accept().is_err(), "nobody came");
    assert!(!run("ls -l /proc/1/fd 2>/dev/null | grep socket && echo FOUND").contains("FOUND\n"));
    assert!(
        !run("echo x >&3 && echo SPOKE").contains("SPOKE\n"),
        "the channel is not inherited"
    );
    assert!(!run("kill -9 1; cat /proc/1/environ && echo READ").contains("READ\n"));
    assert!(!run("unshare -r true && echo UNSHARED").contains("UNSHARED\n"));
    assert!(!run("mount -t tmpfs none /tmp && echo MOUNTED").contains("MOUNTED\n"));
    assert!(run("id -u; ls /; hostname").contains("hands"));
}

#[test]
fn a_fork_bomb_and_an_endless_program_end_with_their_call() {
    let world = set_up();
    world.carapace(&["config", "show"]).expect(0);
    // Where the tests are root the limit on processes counts by user: the bomb gets users of its own, so
    // that it does not starve the cages of the other tests.
    let cage = std::fs::read_to_string(world.home().cage()).unwrap_or_default();
    let others: String = cage
        .lines()
        .filter(|line| !line.starts_with("uid-base"))
        .map(|line| format!("{line}\n"))
        .collect();
    let own = format!("uid-base = 1900000000\n{others}");
    std::fs::write(world.home().cage(), own).expect("writes");
    world
        .carapace(&["config", "set", "limits.exec-seconds", "3"])
        .expect(0);
    world.start();
    let mut control = world.control();
    let turn = control.chat(None, "exec f() { f | f & }; f; sleep 100", allow);
    assert_ne!(turn.end, TurnEnd::Violation, "{turn:?}");
    let turn = control.chat(None, "exec while true; do :; done", allow);
    assert_eq!(turn.end, TurnEnd::Answered, "{turn:?}");
    let turn = control.chat(None, "exec yes | head -c 50000000", allow);
    assert!(turn.text.len() < 600 * 1024, "{} bytes", turn.text.len());
    assert!(
        control
            .chat(None, "exec echo free", allow)
            .text
            .contains("free")
    );
}
