//! The floor and the record: what a verdict costs, what a record costs, and the disk beneath both.

use crate::table::{Figure, Row};
use carapace_contract::config::{Config, DEFAULT_TEXT};
use carapace_contract::effects::{Effects, Reach, Undo};
use carapace_contract::id::{CallId, Digest, EffectId, GroupId, SessionId, TurnId};
use carapace_contract::tool::{Caller, Invocation, Place};
use carapace_ipc_proto::Claim;
use carapace_policy::{
    Budget, Facts, Grants, Judgement, Ledger, Moment, Permit, RateState, SecretUse, World, judge,
};
use carapace_store::{EffectState, Store, audit};
use serde_json::json;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

const READS: usize = 20_000;
const WRITES: usize = 200;
const VERDICTS: usize = 20_000;
/// A session that has seen nothing.
static FACTS: LazyLock<Facts> = LazyLock::new(Facts::default);
/// As long as the line of a record with short arguments.
const LINE: [u8; 700] = [b'x'; 700];

/// Measures the rows of this group.
pub fn measure(rows: &mut Vec<Row>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    // On the disk of the repository: a temporary folder may have no disk beneath it.
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let (state, anchor) = (home.path().join("state"), home.path().join("anchor"));
    for folder in [&state, &anchor] {
        std::fs::create_dir(folder).expect("a folder");
    }
    audit::create_keys(&anchor, &state).expect("keys");
    runtime.block_on(async {
        let (store, _) = Store::open(&state).await.expect("the store opens");
        outward(rows, &store, home.path()).await;
        reads(rows, &store).await;
    });
    verdict(rows);
}

/// Appends and brings to disk, this often.
pub fn bare_syncs(path: &Path, count: usize) -> Vec<Duration> {
    let mut file = File::create(path).expect("a file");
    (0..count).map(|_| bare_sync(&mut file)).collect()
}

fn bare_sync(file: &mut File) -> Duration {
    let began = Instant::now();
    file.write_all(&LINE).expect("writes");
    file.sync_data().expect("syncs");
    began.elapsed()
}

async fn outward(rows: &mut Vec<Row>, store: &Store, folder: &Path) {
    let mut file = File::create(folder.join("bare")).expect("a file");
    let (mut bare, mut once, mut repeatable) = (Vec::new(), Vec::new(), Vec::new());
    let calls = Calls::new();
    for at in 0..WRITES {
        bare.push(bare_sync(&mut file));
        for (times, idempotent) in [(&mut repeatable, true), (&mut once, false)] {
            let permit =
                permit(calls.one(Reach::Workspace, idempotent, &format!("w{idempotent}{at}")));
            let began = Instant::now();
            let recorded = store.record(permit).await.expect("records");
            times.push(began.elapsed());
            let effect = recorded.into_what().effect;
            store
                .finish(effect, true, EffectState::Done, None)
                .await
                .expect("finishes");
        }
    }
    let bare = Figure::of(&bare);
    for (what, times, syncs) in [
        (
            "record of an outward act that may be repeated",
            repeatable,
            1.0,
        ),
        ("record of an outward act that happens once", once, 2.0),
    ] {
        let figure = Figure::of(&times);
        let words = format!("<= {syncs:.0} fdatasync + 100 us");
        let met = figure.middle <= syncs * bare.middle + 100e3;
        rows.push(
            Row::new(what, figure)
                .beside("bare fdatasync, same disk", bare)
                .budget(&words, met),
        );
    }
}

async fn reads(rows: &mut Vec<Row>, store: &Store) {
    let calls = Calls::new();
    let make = |kind: &str| -> Vec<Invocation> {
        (0..READS)
            .map(|at| calls.one(Reach::None, true, &format!("{kind}{at}")))
            .collect()
    };
    let without = make("n");
    let began = Instant::now();
    for call in without {
        let permit = permit(call);
        let what = permit.into_what();
        store.judged(&what, false).await.expect("the row is queued");
    }
    // The database takes jobs in order: when it has answered, all rows are written.
    store.counts().await.expect("counts");
    let without = Figure::rate(READS, began.elapsed());

    let audited = make("r");
    let began = Instant::now();
    for call in audited {
        let recorded = store.record(permit(call)).await.expect("records");
        drop(recorded.into_what());
    }
    store.counts().await.expect("counts");
    let ours = Figure::rate(READS, began.elapsed());
    rows.push(
        Row::new("records of the store, reads only", ours)
            .beside("the same rows without audit", without)
            .budget(">= 10000 /s", ours.middle >= 10_000.0),
    );
}

fn verdict(rows: &mut Vec<Row>) {
    let grants = default_grants();
    let world = world(&grants);
    let calls = Calls::new();
    let claims: Vec<_> = (0..VERDICTS)
        .map(|at| Claim::new(calls.one(Reach::None, true, &format!("v{at}"))))
        .collect();
    let mut allowed = 0;
    let began = Instant::now();
    for claim in claims {
        allowed += usize::from(matches!(judge(claim, &world), Judgement::Allow(_)));
    }
    let each = began.elapsed().as_nanos() as f64 / VERDICTS as f64;
    assert_eq!(allowed, VERDICTS, "the default grants allow it");
    rows.push(Row::new("verdict of the floor, mean", Figure::time(each)));
}

fn default_grants() -> Grants {
    let config = Config::parse(DEFAULT_TEXT).expect("the shipped configuration");
    Grants::of(GroupId::owner(), &config.grants)
}

fn world(grants: &Grants) -> World<'_> {
    World {
        facts: &FACTS,
        frozen: false,
        grants,
        rules: carapace_policy::Ruled::none(),
        rate: RateState::Open,
        budget: Budget {
            rounds: 1,
            tokens: 1,
            bytes: 1,
        },
        ledger: &NOTHING_SPENT,
        route: "offline",
        reachable: &[],
        secret: SecretUse::Free,
        now: 0,
        moment: Moment { day: 0, month: 0 },
    }
}

static NOTHING_SPENT: LazyLock<Ledger> = LazyLock::new(Ledger::default);

fn permit(call: Invocation) -> Permit<Invocation> {
    thread_local!(static GRANTS: Grants = default_grants());
    GRANTS.with(|grants| match judge(Claim::new(call), &world(grants)) {
        Judgement::Allow(permit) => permit,
        _ => panic!("a granted call is allowed"),
    })
}

/// Calls of one turn.
struct Calls {
    session: SessionId,
    turn: TurnId,
}

impl Calls {
    fn new() -> Self {
        Self {
            session: SessionId::random(),
            turn: TurnId::random(),
        }
    }

    fn one(&self, writes: Reach, idempotent: bool, call: &str) -> Invocation {
        let call: CallId = call.parse().expect("a call's name");
        Invocation {
            effect: EffectId::random(),
            caller: Caller {
                group: GroupId::owner(),
                session: self.session,
                turn: self.turn,
                within: None,
            },
            call,
            tool: "write".parse().expect("a tool's name"),
            manifest: Digest::of(b"manifest"),
            arguments: json!({ "path": "notes.txt", "content": "a line" }),
            effects: Effects {
                reads: Reach::None,
                writes,
                undo: if writes == Reach::None {
                    Undo::Nothing
                } else {
                    Undo::Possible
                },
                idempotent,
                ..Effects::default()
            },
            place: Place::Hands,
        }
    }
}
