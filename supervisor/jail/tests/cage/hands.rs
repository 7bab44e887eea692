//! What hands can do, what they see, and whom they cannot reach.

use std::fs;

use carapace_jail::ProfileName::Hands;
use carapace_jail::SpawnError;
use carapace_jail::config::{CageConfig, Mount, MountMode};
use carapace_jail::exit::Cause;

use crate::Case;
use crate::world::World;

pub const ALL: &[Case] = &[
    ("hands_run_what_people_use", hands_run_what_people_use),
    ("hands_see_their_own_world", hands_see_their_own_world),
    ("hands_reach_nobody", hands_reach_nobody),
    ("hands_get_mounts_read_only", hands_get_mounts_read_only),
];

/// What people ask hands for, as scripts that end with `done-ok`.
pub const SCRIPTS: &[(&str, &str)] = &[
    (
        "bash",
        "bash -c 'a=(1 2); echo ${#a[@]} | grep -qx 2 && echo done-ok > out.txt && cat out.txt'",
    ),
    (
        "git",
        "git init -q r && cd r && echo a > f && git add f && git -c user.name=n -c user.email=e@x commit -qm one && git log --oneline | wc -l | grep -qx 1 && echo done-ok",
    ),
    (
        "python3",
        "python3 -c 'import subprocess,json,tempfile,socket; a,b=socket.socketpair(); a.send(b\"x\"); assert b.recv(1)==b\"x\"; subprocess.run([\"true\"],check=True); tempfile.TemporaryFile().write(b\"x\"); print(json.dumps(\"done-ok\"))'",
    ),
    (
        "make",
        "printf 'all:\\n\\t@echo done-ok\\n' > Makefile && make -s -j4 all",
    ),
    (
        "gcc",
        "printf '#include <stdio.h>\\nint main(){puts(\"done-ok\");}' > p.c && gcc -O1 -o p p.c && ./p",
    ),
    (
        "node",
        "node -e 'const f=require(\"fs\"); f.writeFileSync(\"n.txt\",\"done-ok\"); const c=require(\"child_process\"); let s=0; for(let i=0;i<1e6;i++) s+=i; console.log(c.execSync(\"cat n.txt\").toString())'",
    ),
];

/// Whether a program is where hands would find it.
pub fn is_installed(program: &str) -> bool {
    ["/usr/bin", "/usr/local/bin", "/bin"]
        .iter()
        .any(|directory| fs::metadata(format!("{directory}/{program}")).is_ok())
}

fn hands_run_what_people_use(world: &World) {
    for (program, script) in SCRIPTS {
        if !is_installed(program) {
            println!("  {program} is not installed here");
            continue;
        }
        let running = world.ready(Hands, &["shell", script]);
        let ended = running.end();
        assert_eq!(ended.cause, Cause::Clean, "{program}: {}", ended.log);
        assert!(ended.log.contains("done-ok"), "{program}: {}", ended.log);
    }
}

fn hands_see_their_own_world(world: &World) {
    let shell = |script: &str| world.run(Hands, &["shell", script]);
    let listed = shell("ls / | tr '\\n' ' '");
    for hidden in [
        "home", "root", "work", "sys", "boot", "opt", "srv", "run", "media",
    ] {
        assert!(
            !listed.log.split_whitespace().any(|word| word == hidden),
            "{}",
            listed.log
        );
    }
    for (script, cause) in [
        ("uname -n | grep -qx hands", Cause::Clean),
        // Its own processes only; process 1 is not theirs to look at.
        ("test $(ls /proc | grep -c '^[0-9]') -le 4", Cause::Clean),
        ("cat /proc/1/environ", Cause::Failed(1)),
        (
            "test -e /proc/meminfo || test -e /proc/cmdline || test -e /proc/sys",
            Cause::Failed(1),
        ),
        ("echo x > /etc/passwd", Cause::Failed(2)),
        ("touch /usr/x", Cause::Failed(1)),
        ("touch /x", Cause::Failed(1)),
        (
            "touch /workspace/x /tmp/x /dev/shm/x && rm /workspace/x",
            Cause::Clean,
        ),
        ("cp /bin/true /tmp/t && /tmp/t", Cause::Failed(126)),
        ("cp /bin/true ./t && ./t && rm t", Cause::Clean),
        (
            "echo x > /dev/null && head -c1 /dev/zero | wc -c | grep -qx 1",
            Cause::Clean,
        ),
        ("id -un | grep -qx agent", Cause::Clean),
        ("test -z \"$CARAPACE_WAIVED\"", Cause::Clean),
        (
            "bash -c 'test $(ulimit -u) -le 256 && test $(ulimit -c) = 0'",
            Cause::Clean,
        ),
        // More processes than the limit: the shell says so and ends, and the rest with it.
        (
            "exec > /dev/null 2>&1; n=0; while [ $n -lt 400 ]; do sleep 300 & n=$((n+1)); done",
            Cause::Failed(2),
        ),
        // Orphans are left to process 1, and end with it.
        ("(sleep 300 &) ; exit 0", Cause::Clean),
    ] {
        let ended = if script.starts_with("(sleep") {
            // The orphan holds no descriptor of the log, or this would wait for it.
            shell(&format!("exec > /dev/null 2>&1; {script}"))
        } else {
            shell(script)
        };
        assert_eq!(ended.cause, cause, "{script}: {}", ended.log);
    }
}

fn hands_reach_nobody(world: &World) {
    use carapace_jail::filter::numbers;
    const REFUSED: Cause = Cause::Failed(20);
    for (number, arguments, cause) in [
        (numbers::socket, ["2", "1", "0"], REFUSED),
        (numbers::socket, ["10", "1", "0"], REFUSED),
        (numbers::socket, ["1", "1", "0"], REFUSED),
        (numbers::socket, ["16", "3", "0"], REFUSED),
        (numbers::socket, ["40", "1", "0"], REFUSED),
        (numbers::socketpair, ["1", "2", "0"], REFUSED),
        (numbers::clone, ["268435473", "0", "0"], REFUSED),
        (numbers::clone3, ["0", "0", "0"], REFUSED),
        (numbers::ioctl, ["0", "21522", "0"], REFUSED),
        (numbers::ioctl, ["0", "4294988818", "0"], REFUSED),
        (numbers::personality, ["262144", "0", "0"], REFUSED),
        (numbers::seccomp, ["1", "0", "0"], REFUSED),
        (numbers::prctl, ["4", "1", "0"], REFUSED),
        (600, ["0", "0", "0"], REFUSED),
        (numbers::ptrace, ["0", "0", "0"], Cause::PolicyViolation),
        (
            numbers::unshare,
            ["268435456", "0", "0"],
            Cause::PolicyViolation,
        ),
        (numbers::mount, ["0", "0", "0"], Cause::PolicyViolation),
        (numbers::setns, ["0", "0", "0"], Cause::PolicyViolation),
        (numbers::bpf, ["0", "0", "0"], Cause::PolicyViolation),
        (numbers::keyctl, ["0", "0", "0"], Cause::PolicyViolation),
        (numbers::io_uring_setup, ["1", "0", "0"], REFUSED),
        (
            numbers::pidfd_getfd,
            ["0", "0", "0"],
            Cause::PolicyViolation,
        ),
        (
            numbers::userfaultfd,
            ["1", "0", "0"],
            Cause::PolicyViolation,
        ),
        (
            numbers::read | 0x4000_0000,
            ["0", "0", "0"],
            Cause::PolicyViolation,
        ),
    ] {
        let number = number.to_string();
        let mut act = vec!["call", &number];
        act.extend(arguments);
        assert_eq!(world.run(Hands, &act).cause, cause, "{act:?}");
    }
    assert_eq!(world.run(Hands, &["call32"]).cause, Cause::PolicyViolation);
}

fn hands_get_mounts_read_only(world: &World) {
    let shown = Mount {
        host: world.top.join("shown"),
        at: "shown".into(),
        mode: MountMode::ReadOnly,
    };
    let config = CageConfig {
        mounts: vec![shown],
        ..CageConfig::default()
    };
    // The directories are the first world's.
    let other = std::mem::ManuallyDrop::new(World {
        top: world.top.clone(),
        config,
    });
    for (script, cause) in [
        ("grep -qx shown /mnt/shown/note", Cause::Clean),
        ("touch /mnt/shown/x", Cause::Failed(1)),
        ("rm /mnt/shown/note", Cause::Failed(1)),
    ] {
        assert_eq!(
            other.run(Hands, &["shell", script]).cause,
            cause,
            "{script}"
        );
    }
    let running = other.ready(Hands, &["idle"]);
    running.attest();
    assert_eq!(running.end().cause, Cause::Clean);

    let inside = Mount {
        host: world.top.join("home"),
        at: "home".into(),
        mode: MountMode::ReadOnly,
    };
    let config = CageConfig {
        mounts: vec![inside],
        ..CageConfig::default()
    };
    let other = std::mem::ManuallyDrop::new(World {
        top: world.top.clone(),
        config,
    });
    let refused = other.try_start(Hands, &["idle"]).err();
    assert!(
        matches!(refused, Some(SpawnError::Config(_))),
        "{refused:?}"
    );
}
