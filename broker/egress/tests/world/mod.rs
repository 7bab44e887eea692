//! A recorded model call, a request for it, and the two parties that a sender depends on.
#![allow(dead_code)] // each test file uses its part

pub mod server;

use carapace_contract::id::{Digest, EffectId, GroupId, SecretName, SessionId, TurnId};
use carapace_contract::tool::Caller;
use carapace_egress::{Egress, LendError, Lender, Resolve, SendError, Settings};
use carapace_ipc_proto::claim::Claim;
use carapace_policy::{
    Amount, Budget, Grants, Judgement, Ledger, ModelCall, Moment, RateState, Reachable, SecretUse,
    World, judge,
};
use carapace_providers::{Attach, Limits, Method, Origin, Outbound};
use carapace_store::{Recorded, Store, audit};
use carapace_vault::{Credential, Secret};
use futures_util::future::{BoxFuture, LocalBoxFuture};
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Generous, for what must not be decided by time.
pub const LONG: u64 = 60_000;

/// The name of the secret in tests.
pub fn secret() -> SecretName {
    "vendor".parse().unwrap()
}

/// Puts a model call to this origin on record, by the door that the broker uses.
pub async fn recorded(
    origin: &str,
    secret: Option<SecretName>,
) -> (Recorded<ModelCall>, tempfile::TempDir) {
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
        model: "local:m".to_owned(),
        origin: Some(origin.to_owned()),
        secret,
        channel: "console".to_owned(),
        completion: Digest::of(b"completion"),
        bytes: 10,
        tokens: 10,
        worst: Amount::default(),
    };
    let world = World {
        facts: &carapace_policy::Facts::default(),
        frozen: false,
        grants: &Grants::of(group, &[]),
        rules: carapace_policy::Ruled::none(),
        rate: RateState::Open,
        budget: Budget {
            rounds: 9,
            tokens: 1_000,
            bytes: 1_000,
        },
        ledger: &Ledger::default(),
        route: "local:m",
        reachable: &[Reachable {
            model: "local:m".to_owned(),
            origin: origin.to_owned(),
            withhold: Vec::new(),
        }],
        secret: SecretUse::Free,
        now: 0,
        moment: Moment { day: 0, month: 0 },
    };
    let Judgement::Allow(permit) = judge(Claim::new(call), &world) else {
        panic!("a configured route is allowed")
    };
    (store.record(permit).await.unwrap(), home)
}

/// A request with these milliseconds until the first byte and in all, and this cap.
pub fn outbound(origin: &str, first_byte: u64, deadline: u64, response_bytes: u64) -> Outbound {
    Outbound {
        method: Method::Post,
        url: format!("{origin}/v1/chat/completions"),
        headers: vec![("content-type", "application/json".to_owned())],
        body: "{}".into(),
        attach: None,
        limits: Limits {
            first_byte: Duration::from_millis(first_byte),
            deadline: Duration::from_millis(deadline),
            response_bytes,
        },
    }
}

/// Sends a plain request there and reads to the end.
pub async fn exchange(egress: &Egress, origin: &str) -> Result<Vec<u8>, SendError> {
    let (what, _home) = recorded(origin, None).await;
    let mut response = egress
        .send(&what, outbound(origin, LONG, LONG, 1 << 20))
        .await?;
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await? {
        body.extend_from_slice(&bytes);
    }
    Ok(body)
}

/// Sends a request with a secret on it and reads to the end.
pub async fn exchange_with(
    egress: &Egress,
    origin: &str,
    attach: Attach,
) -> Result<Vec<u8>, SendError> {
    let (what, _home) = recorded(origin, Some(attach.secret().clone())).await;
    let outbound = Outbound {
        attach: Some(attach),
        ..outbound(origin, LONG, LONG, 1 << 20)
    };
    let mut response = egress.send(&what, outbound).await?;
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await? {
        body.extend_from_slice(&bytes);
    }
    Ok(body)
}

/// A sender to these origins, with a resolver that has no answer and a purse that is empty.
pub fn settings(allowed: &[&str]) -> Settings {
    Settings {
        pages: None,
        allowed: allowed.iter().map(|o| Origin::of(o).unwrap()).collect(),
        private_origins: vec![],
        ca_pem: None,
        proxy: None,
        resolver: Answers::always(&[]),
        lender: Purse::empty(),
    }
}

/// A resolver that gives these answers one after the other, and the last for ever.
pub struct Answers {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
    names: Mutex<Vec<String>>,
}

impl Answers {
    pub fn always(answer: &[&str]) -> Arc<Self> {
        Self::each(&[answer])
    }

    pub fn each(answers: &[&[&str]]) -> Arc<Self> {
        Arc::new(Self {
            answers: answers
                .iter()
                .map(|answer| answer.iter().map(|text| text.parse().unwrap()).collect())
                .collect(),
            asked: AtomicUsize::new(0),
            names: Mutex::new(vec![]),
        })
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub fn names(&self) -> Vec<String> {
        self.names.lock().unwrap().clone()
    }
}

impl Resolve for Answers {
    fn resolve(&self, host: String) -> BoxFuture<'static, Result<Vec<IpAddr>, String>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        self.names.lock().unwrap().push(host);
        let answer = self.answers[turn.min(self.answers.len() - 1)].clone();
        Box::pin(std::future::ready(match answer.is_empty() {
            true => Err("no such name".to_owned()),
            false => Ok(answer),
        }))
    }
}

/// A lender with one credential.
pub struct Purse {
    holds: Result<Credential, LendError>,
    pub lent: RefCell<Vec<(SecretName, String)>>,
    pub derived: RefCell<Vec<Vec<u8>>>,
}

impl Purse {
    pub fn with(holds: Credential) -> Rc<Self> {
        Self::that(Ok(holds))
    }

    pub fn key(value: &str) -> Rc<Self> {
        Self::with(Credential::Key(Secret::from(value)))
    }

    pub fn empty() -> Rc<Self> {
        Self::that(Err(LendError {
            message: "the vault is locked\n  remedy: unlock it".to_owned(),
            retriable: false,
        }))
    }

    fn that(holds: Result<Credential, LendError>) -> Rc<Self> {
        Rc::new(Self {
            holds,
            lent: RefCell::default(),
            derived: RefCell::default(),
        })
    }
}

impl Lender for Purse {
    fn lend(
        &self,
        secret: &SecretName,
        origin: &Origin,
    ) -> LocalBoxFuture<'_, Result<Credential, LendError>> {
        self.lent
            .borrow_mut()
            .push((secret.clone(), origin.to_string()));
        Box::pin(async { self.holds.clone() })
    }

    fn derived(&self, _: &SecretName, value: &[u8]) {
        self.derived.borrow_mut().push(value.to_vec());
    }
}
