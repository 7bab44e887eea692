//! The audit chain against whoever changes the log: each edit, cut, move and forgery is found.

mod world;

use carapace_contract::id::{Digest, SessionId, TurnId};
use carapace_store::audit::{Head, head, key, line, verify};
use carapace_store::{BrokenChain, EffectState, Note, OpenError, OpenLogError, Store};
use proptest::prelude::*;
use std::sync::LazyLock;
use world::{Home, permit, read, send};

/// A home whose log has a few dozen records in several epochs, and is closed.
async fn written() -> Home {
    let home = Home::new();
    let (store, _) = home.open().await;
    let (session, turn) = (SessionId::random(), TurnId::random());
    for number in 0..12 {
        let recorded = store
            .record(permit(read(session, turn, &format!("r{number}"))))
            .await
            .unwrap();
        assert_eq!(recorded.seq(), 3 * number);
        let recorded = store
            .record(permit(send(session, turn, &format!("s{number}"))))
            .await
            .unwrap();
        store
            .finish(recorded.what().effect, true, EffectState::Done, None)
            .await
            .unwrap();
        store
            .note(Note::Config {
                digest: Digest::of(b"config"),
            })
            .unwrap();
    }
    drop(store);
    home
}

fn lines(home: &Home) -> Vec<Vec<u8>> {
    let log = std::fs::read(home.log()).unwrap();
    log.split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}

fn rewrite(home: &Home, lines: &[Vec<u8>]) {
    std::fs::write(home.log(), lines.concat()).unwrap();
}

async fn start(home: &Home) -> Result<(), OpenError> {
    Store::open(&home.state()).await.map(drop)
}

#[tokio::test]
async fn an_untouched_log_verifies_and_says_what_cannot_be_known() {
    let home = written().await;
    let report = home.verify();
    assert!(report.intact, "{report:?}");
    assert_eq!(report.records, 36);
    assert!(report.unknowable[0].contains("no anchor"), "{report:?}");
    let epochs: Vec<u64> = lines(&home)
        .iter()
        .map(|text| line::parse(text).unwrap().epoch)
        .collect();
    assert!(
        *epochs.last().unwrap() >= 12,
        "an outward record ends its epoch: {epochs:?}"
    );
}

#[tokio::test]
async fn a_removed_a_doubled_and_two_swapped_records_are_found_and_stop_the_start() {
    let home = written().await;
    let whole = lines(&home);
    let mut removed = whole.clone();
    removed.remove(7);
    let mut doubled = whole.clone();
    doubled.insert(7, whole[7].clone());
    let mut swapped = whole.clone();
    swapped.swap(7, 8);
    for (changed, line) in [(removed, 8), (doubled, 9), (swapped, 8)] {
        rewrite(&home, &changed);
        let report = home.verify();
        assert_eq!(report.problem.unwrap().line, line);
        assert_eq!(report.records, line - 1);
        let refused = start(&home).await.unwrap_err();
        assert!(
            matches!(refused, OpenError::Log(OpenLogError::Chain(_))),
            "{refused}"
        );
        assert!(refused.to_string().contains("remedy"));
    }
    rewrite(&home, &whole);
    start(&home).await.unwrap();
}

#[tokio::test]
async fn a_cut_end_is_found_by_the_anchor_and_at_the_start() {
    let home = written().await;
    let whole = lines(&home);
    let anchor = Head {
        count: 30,
        hash: line::hash_of(&whole[29]),
    };
    head::write_head(&home.anchor().join("head"), &anchor).unwrap();
    let report = home.verify();
    assert!(report.intact);
    assert!(
        report.unknowable[0].contains("6 records after the anchor"),
        "{report:?}"
    );

    rewrite(&home, &whole[..29]);
    let report = home.verify();
    assert!(!report.intact);
    assert!(report.problem.unwrap().what.contains("cut off"));

    // Behind the anchor nobody can see it offline; the broker's own key file does.
    rewrite(&home, &whole[..33]);
    assert!(home.verify().intact);
    let refused = start(&home).await.unwrap_err();
    assert!(
        matches!(
            refused,
            OpenError::Log(OpenLogError::Chain(BrokenChain::Cut { .. }))
        ),
        "{refused}"
    );
}

#[tokio::test]
async fn a_log_replaced_by_another_true_one_is_found_by_the_anchor() {
    let home = written().await;
    let whole = lines(&home);
    let anchor = Head {
        count: 30,
        hash: Digest::of(b"another history"),
    };
    let report = verify(&whole.concat()[..], &home.first_key(), Some(anchor)).unwrap();
    assert_eq!(report.problem.unwrap().line, 30);
}

/// Whoever takes the state folder has the present key and can make everything after a record of
/// their choice anew, with right hashes. They cannot make a mac of an epoch that is over.
#[tokio::test]
async fn a_thief_of_the_present_key_cannot_forge_the_past() {
    let home = written().await;
    let whole = lines(&home);
    // The strongest a thief can have: the key of the last epoch, derived from the first as the broker did.
    let present = line::parse(whole.last().unwrap()).unwrap().epoch;
    let mut stolen = key::ChainKey::first(home.first_key());
    for _ in 0..present {
        stolen.advance();
    }
    let file = std::fs::read(home.state().join(key::KEY_FILE)).unwrap();
    assert!(
        !file.windows(32).any(|window| window == home.first_key()),
        "the first key is forgotten"
    );
    for claim_present_epoch in [false, true] {
        let mut forged = whole[..10].to_vec();
        for (number, text) in whole.iter().enumerate().skip(10) {
            let mut record = line::parse(text).unwrap();
            record.prev = line::hash_of(forged.last().unwrap());
            if number == 10 {
                record.kind = "nothing-happened".to_owned();
            }
            if claim_present_epoch {
                record.epoch = present;
            }
            forged.push(line::write(&record, &stolen).unwrap());
        }
        let report = verify(&forged.concat()[..], &home.first_key(), None).unwrap();
        assert_eq!(report.problem.unwrap().line, 11);
    }
}

#[tokio::test]
async fn an_end_that_a_crash_tore_is_removed_and_put_on_record() {
    let home = written().await;
    let whole = lines(&home);
    let half = &whole[5][..100];
    std::fs::write(home.log(), [&whole.concat()[..], half].concat()).unwrap();
    assert!(!home.verify().intact);
    let (store, opened) = home.open().await;
    assert_eq!(opened.torn_bytes, 100);
    let _ = store
        .record(permit(send(SessionId::random(), TurnId::random(), "after")))
        .await
        .unwrap();
    drop(store);
    let report = home.verify();
    assert!(report.intact, "{report:?}");
    assert_eq!(report.records, 38);
    let record = line::parse(&lines(&home)[36]).unwrap();
    assert_eq!(
        (record.kind.as_str(), record.body["bytes"].as_u64()),
        ("torn", Some(100))
    );
}

#[tokio::test]
async fn a_second_broker_does_not_write_into_the_same_log() {
    let home = Home::new();
    let (_store, _) = home.open().await;
    let refused = start(&home).await.unwrap_err();
    assert!(
        matches!(refused, OpenError::Log(OpenLogError::InUse)),
        "{refused}"
    );
}

#[tokio::test]
async fn many_at_once_share_syncs_and_keep_their_order() {
    let home = Home::new();
    let (store, _) = home.open().await;
    let (session, turn) = (SessionId::random(), TurnId::random());
    let tasks: Vec<_> = (0..200)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .record(permit(send(session, turn, &format!("s{number}"))))
                    .await
                    .unwrap()
                    .seq()
            })
        })
        .collect();
    let mut seqs = Vec::new();
    for task in tasks {
        seqs.push(task.await.unwrap());
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (0..200).collect::<Vec<_>>());
    assert_eq!(store.audit_head().await.unwrap().count, 200);
    drop(store);
    let report = home.verify();
    assert!(report.intact, "{report:?}");
    let last = lines(&home)
        .last()
        .map(|text| line::parse(text).unwrap().epoch)
        .unwrap();
    assert!(
        last < 150,
        "200 waiters took {last} syncs: they do not share"
    );
}

static LOG: LazyLock<(Vec<u8>, [u8; 32])> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let home = runtime.block_on(written());
    (std::fs::read(home.log()).unwrap(), home.first_key())
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_flipped_bit_anywhere_is_found(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let (log, first_key) = &*LOG;
        let mut log = log.clone();
        let at = at.index(log.len());
        log[at] ^= 1 << bit;
        let line = log[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        let report = verify(&log[..], first_key, None).unwrap();
        prop_assert_eq!(report.problem.unwrap().line, line);
    }

    #[test]
    fn a_cut_inside_a_record_is_found(at in any::<prop::sample::Index>()) {
        let (log, first_key) = &*LOG;
        let at = at.index(log.len() - 1);
        prop_assume!(at > 0 && log[at - 1] != b'\n');
        prop_assert!(!verify(&log[..at], first_key, None).unwrap().intact);
    }
}
