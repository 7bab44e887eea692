//! `kill -9` at any moment: what was acknowledged is there, the chain holds, nothing is done twice.
//! The killed process is this test program itself, started again with a folder in its environment.

mod world;

use carapace_contract::id::{GroupId, SessionId, TurnId};
use carapace_store::audit::{Head, head, line};
use carapace_store::{Accepted, Store};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use world::{Home, permit, read, send};

const FOLDER: &str = "CARAPACE_STORE_CRASH_FOLDER";
const ROUNDS: usize = 32;

/// Records until it is killed, and prints what was acknowledged.
#[tokio::test]
async fn victim() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let (store, _) = Store::open(folder.as_ref()).await.unwrap();
    let (session, mut out) = (SessionId::random(), std::io::stdout().lock());
    for number in 0.. {
        let turn = TurnId::random();
        assert_eq!(
            store
                .accept(turn, session, GroupId::owner(), "hello".to_owned())
                .await
                .unwrap(),
            Accepted::New
        );
        writeln!(out, "turn {turn}").unwrap();
        for part in 0..number % 5 {
            drop(
                store
                    .record(permit(read(session, turn, &format!("r{part}"))))
                    .await
                    .unwrap(),
            );
        }
        let recorded = store
            .record(permit(send(session, turn, "s")))
            .await
            .unwrap();
        writeln!(out, "sent {} {}", recorded.seq(), recorded.what().effect).unwrap();
        if number % 3 == 0 {
            let head = store.audit_head().await.unwrap();
            writeln!(out, "head {} {}", head.count, head.hash).unwrap();
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9_at_any_moment() {
    let home = Home::new();
    let (mut sent, mut turns) = (BTreeSet::new(), BTreeSet::new());
    let mut unknown = BTreeSet::new();
    for round in 0..ROUNDS {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["victim", "--exact", "--nocapture", "--test-threads=1"])
            .env(FOLDER, home.state())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // A different number of acknowledged lines each time, and a different moment within the next one.
        let wanted = 3 + round * 7 % 23;
        let mut said = BufReader::new(victim.stdout.take().unwrap()).lines();
        let mut acknowledged = Vec::new();
        for text in said
            .by_ref()
            .map(Result::unwrap)
            .filter(|text| is_report(text))
            .take(wanted)
        {
            acknowledged.push(text);
        }
        std::thread::sleep(std::time::Duration::from_micros(round as u64 * 137 % 3000));
        victim.kill().unwrap();
        victim.wait().unwrap();
        // What was said before it died, except for a last line that was torn.
        acknowledged.extend(said.map_while(Result::ok).filter(|text| is_report(text)));
        assert!(
            acknowledged.len() >= wanted,
            "the victim stopped by itself: {acknowledged:?}"
        );

        for text in &acknowledged {
            let words: Vec<&str> = text.split(' ').collect();
            match words[..] {
                ["sent", seq, effect] => {
                    sent.insert((seq.parse::<u64>().unwrap(), effect.to_owned()));
                }
                ["turn", turn] => {
                    turns.insert(turn.to_owned());
                }
                ["head", count, hash] => {
                    let anchor = Head {
                        count: count.parse().unwrap(),
                        hash: hash.parse().unwrap(),
                    };
                    let path = home.anchor().join("head");
                    let older = head::read_head(&path).unwrap().unwrap_or(Head::EMPTY);
                    assert!(anchor.follows(&older));
                    head::write_head(&path, &anchor).unwrap();
                }
                _ => {}
            }
        }
        let (store, opened) = home.open().await;
        unknown.extend(
            opened
                .unknown
                .iter()
                .map(|effect| effect.effect.to_string()),
        );
        let known: BTreeSet<String> = opened
            .unfinished
            .iter()
            .map(|turn| turn.turn.to_string())
            .collect();
        assert!(turns.is_subset(&known), "an accepted message was lost");
        assert_eq!(known.len(), opened.unfinished.len());
        drop(store);

        let report = home.verify();
        assert!(report.intact, "round {round}: {report:?}");
        let log = std::fs::read(home.log()).unwrap();
        let written: BTreeSet<(u64, String)> = log
            .split_inclusive(|byte| *byte == b'\n')
            .map(|text| line::parse(text).unwrap())
            .filter(|record| record.kind == "act")
            .map(|record| (record.seq, record.effect.unwrap().to_string()))
            .collect();
        assert!(sent.is_subset(&written), "an acknowledged record was lost");
        assert!(
            sent.iter().all(|(_, effect)| unknown.contains(effect)),
            "an unfinished effect is not unknown"
        );
    }
    assert!(
        sent.len() > ROUNDS,
        "too little happened to prove anything: {}",
        sent.len()
    );
}

fn is_report(text: &str) -> bool {
    let words = text.split(' ').collect::<Vec<_>>();
    match words[..] {
        ["turn", turn] => turn.len() == 32,
        ["sent", _, effect] => effect.len() == 16,
        ["head", _, hash] => hash.len() == 64,
        _ => false,
    }
}
