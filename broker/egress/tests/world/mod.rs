//! A recorded model call and a request for it.
#![allow(dead_code)] // each test file uses its part

use carapace_contract::id::{Digest, EffectId, GroupId, SessionId, TurnId};
use carapace_contract::tool::Caller;
use carapace_ipc_proto::claim::Claim;
use carapace_policy::{Bucket, Budget, Grants, Judgement, ModelCall, World, judge};
use carapace_providers::{Limits, Method, Outbound, origin_text};
use carapace_store::{Recorded, Store, audit};
use std::net::SocketAddr;
use std::time::Duration;

/// Puts a model call to this origin on record, by the door that the broker uses.
pub async fn recorded(origin: SocketAddr) -> (Recorded<ModelCall>, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let (anchor, state) = (home.path().join("anchor"), home.path().join("state"));
    std::fs::create_dir(&anchor).unwrap();
    std::fs::create_dir(&state).unwrap();
    audit::create_keys(&anchor, &state).unwrap();
    let (store, _) = Store::open(&state).await.unwrap();
    let group = GroupId::owner();
    let (session, turn) = (SessionId::random(), TurnId::random());
    store
        .accept(turn, session, group.clone(), "hi".to_owned())
        .await
        .unwrap();
    let call = ModelCall {
        effect: EffectId::random(),
        caller: Caller {
            group: group.clone(),
            session,
            turn,
            within: None,
        },
        call: "model-1".parse().unwrap(),
        route: "local:m".to_owned(),
        origin: Some(origin_text((origin.ip(), origin.port()))),
        completion: Digest::of(b"completion"),
        bytes: 10,
        tokens: 10,
    };
    let grants = Grants::of(group, &[]);
    let world = World {
        frozen: false,
        grants: &grants,
        rate: Bucket::new(10, 0).state(0),
        budget: Budget {
            rounds: 9,
            tokens: 1_000,
            bytes: 1_000,
        },
        route: "local:m",
        now: 0,
    };
    let Judgement::Allow(permit) = judge(Claim::new(call), &world) else {
        panic!("a configured route is allowed")
    };
    (store.record(permit).await.unwrap(), home)
}

/// A request with these milliseconds until the first byte and in all, and this cap.
pub fn outbound(
    origin: SocketAddr,
    first_byte: u64,
    deadline: u64,
    response_bytes: u64,
) -> Outbound {
    Outbound {
        method: Method::Post,
        url: format!("http://{origin}/v1/chat/completions"),
        headers: vec![("content-type", "application/json".to_owned())],
        body: "{}".into(),
        origin: (origin.ip(), origin.port()),
        limits: Limits {
            first_byte: Duration::from_millis(first_byte),
            deadline: Duration::from_millis(deadline),
            response_bytes,
            line_bytes: 1024,
        },
    }
}
