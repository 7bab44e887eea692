//! A full disk: nothing is permitted, no half record stays, and it goes on when there is space again.
//! The limit on file size stands for the disk; it is set on a process of its own.

mod world;

use carapace_contract::id::{SessionId, TurnId};
use carapace_store::{Note, Store};
use std::process::Command;
use world::{Home, permit, read, send};

const FOLDER: &str = "CARAPACE_STORE_FULL_FOLDER";

/// Records until it may not, then prints how many were permitted. The shell that starts it ignores
/// the signal, so that a write beyond the limit fails as it does on a full disk.
#[tokio::test]
async fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let (store, _) = Store::open(folder.as_ref()).await.unwrap();
    let (session, turn) = (SessionId::random(), TurnId::random());
    let mut permitted = 0;
    let refused = loop {
        match store
            .record(permit(read(session, turn, &format!("r{permitted}"))))
            .await
        {
            Ok(_) => permitted += 1,
            Err(refused) => break refused.to_string(),
        }
    };
    assert!(
        refused.contains("audit log: cannot write a record") && refused.contains("remedy"),
        "{refused}"
    );
    assert!(store.fault().is_some());
    for attempt in 0..10 {
        let again = store
            .record(permit(send(session, turn, &format!("s{attempt}"))))
            .await;
        assert!(again.is_err(), "permitted without a record");
    }
    println!("permitted {permitted}");

    // Space again, for the same process: it goes on where it was, and what was queued is not lost.
    let raised = Command::new("prlimit")
        .args([
            "--pid",
            &std::process::id().to_string(),
            "--fsize=unlimited:",
        ])
        .status()
        .expect("prlimit of util-linux is installed");
    assert!(raised.success());
    drop(
        store
            .record(permit(send(session, turn, "space")))
            .await
            .unwrap(),
    );
    assert!(store.fault().is_none());
    let rows = store.effects(1000).await.unwrap();
    assert_eq!(
        rows.iter().filter(|row| row.what == "look").count(),
        permitted
    );
}

#[tokio::test]
async fn a_full_disk_permits_nothing_and_loses_nothing() {
    let home = Home::new();
    let output = Command::new("sh")
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -S -f 256; exec \"$0\" writer --exact --nocapture --test-threads=1")
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER, home.state())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let at = said.find("permitted ").expect("it says how many") + "permitted ".len();
    let permitted: usize = said[at..]
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap();

    let report = home.verify();
    assert!(report.intact, "a half record stayed: {report:?}");
    assert_eq!(report.records, permitted as u64 + 1);

    let (store, opened) = home.open().await;
    assert_eq!(opened.torn_bytes, 0);
    drop(
        store
            .record(permit(send(SessionId::random(), TurnId::random(), "after")))
            .await
            .unwrap(),
    );
    store.note(Note::Stopped {}).unwrap();
    drop(store);
    let report = home.verify();
    assert!(
        report.intact && report.records > permitted as u64 + 2,
        "{report:?}"
    );
}
