//! A state folder with its keys, and calls to put on record in it.
#![allow(dead_code)] // each test file uses its part

use carapace_contract::config::Grant;
use carapace_contract::control::QuestionCard;
use carapace_contract::effects::{Effects, Reach, Undo};
use carapace_contract::id::{CallId, Code, Digest, EffectId, GroupId, SessionId, ToolName, TurnId};
use carapace_contract::tool::{Caller, Invocation, Place};
use carapace_ipc_proto::claim::Claim;
use carapace_policy::{
    Budget, Grants, Judgement, Ledger, Moment, Permit, RateState, SecretUse, World, judge,
};
use carapace_store::audit::{self, VerifyReport, head, key};
use carapace_store::{NewQuestion, Opened, Store};
use serde_json::json;
use std::path::PathBuf;

/// An owner's home, as far as the store knows it.
pub struct Home(pub tempfile::TempDir);

impl Home {
    pub fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(home.state()).unwrap();
        std::fs::create_dir(home.anchor()).unwrap();
        audit::create_keys(&home.anchor(), &home.state()).unwrap();
        home
    }

    pub fn state(&self) -> PathBuf {
        self.0.path().join("state")
    }

    pub fn anchor(&self) -> PathBuf {
        self.0.path().join("anchor")
    }

    pub fn log(&self) -> PathBuf {
        self.state().join(key::LOG_FILE)
    }

    pub async fn open(&self) -> (Store, Opened) {
        Store::open(&self.state()).await.unwrap()
    }

    pub fn first_key(&self) -> [u8; 32] {
        audit::read_first_key(&self.anchor().join(key::FIRST_KEY_FILE)).unwrap()
    }

    pub fn verify(&self) -> VerifyReport {
        let anchor = head::read_head(&self.anchor().join("head")).unwrap();
        audit::verify_file(&self.log(), &self.first_key(), anchor).unwrap()
    }
}

pub fn tool(name: &str) -> ToolName {
    name.parse().unwrap()
}

pub fn call_id(name: &str) -> CallId {
    name.parse().unwrap()
}

/// A call that only reads.
pub fn read(session: SessionId, turn: TurnId, call: &str) -> Invocation {
    Invocation {
        effect: EffectId::random(),
        caller: Caller {
            group: GroupId::owner(),
            session,
            turn,
            within: None,
        },
        call: call_id(call),
        tool: tool("look"),
        manifest: Digest::of(b"manifest"),
        arguments: json!({ "path": "notes.txt" }),
        effects: Effects {
            reads: Reach::Workspace,
            writes: Reach::None,
            undo: Undo::Nothing,
            idempotent: true,
            ..Effects::default()
        },
        place: Place::Hands,
    }
}

/// A call that changes something and may not be repeated.
pub fn send(session: SessionId, turn: TurnId, call: &str) -> Invocation {
    let read = read(session, turn, call);
    Invocation {
        tool: tool("send"),
        effects: Effects {
            writes: Reach::Internet,
            undo: Undo::Impossible,
            idempotent: false,
            ..read.effects
        },
        ..read
    }
}

/// The permit of a granted call.
pub fn permit(call: Invocation) -> Permit<Invocation> {
    let grants = Grants::of(
        GroupId::owner(),
        &[Grant {
            tool: call.tool.clone(),
            // Of exactly this call: the floor has nothing to add then.
            arguments: call.arguments.as_object().cloned(),
        }],
    );
    let world = World {
        facts: &carapace_policy::Facts::default(),
        frozen: false,
        grants: &grants,
        rules: carapace_policy::Ruled::none(),
        rate: RateState::Open,
        budget: Budget {
            rounds: 1,
            tokens: 1,
            bytes: 1,
        },
        ledger: &Ledger::default(),
        route: "offline",
        reachable: &[],
        secret: SecretUse::Free,
        now: 0,
        moment: Moment { day: 0, month: 0 },
    };
    match judge(Claim::new(call), &world) {
        Judgement::Allow(permit) => permit,
        _ => panic!("a granted call is allowed"),
    }
}

/// A question about a call.
pub fn question(call: &Invocation, expires: i64) -> NewQuestion {
    NewQuestion {
        effect: call.effect,
        group: call.caller.group.clone(),
        digest: call.digest(),
        shape: call.shape(),
        arguments: call.canonical_arguments(),
        card: QuestionCard {
            code: Code::random(),
            session: call.caller.session,
            turn: call.caller.turn,
            tool: call.tool.clone(),
            title: "send".to_owned(),
            fields: vec![],
            reasons: vec![],
            effects: call.effects.clone(),
            expires,
            digest: call.digest().to_string(),
            state: "open".to_owned(),
            approver: None,
            parts: 0,
        },
    }
}
