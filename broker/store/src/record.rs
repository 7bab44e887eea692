//! The gate before every act: a permit goes in, and only after its record is written does a
//! [`Recorded`] come out, which is what the acting crates take.

use carapace_contract::id::{CallId, Digest, EffectId, GroupId, SessionId, TurnId};
use carapace_contract::tool::Invocation;
use carapace_policy::{Judged, ModelCall, OwnSend, PROPOSE, Permit, Proposal};
use serde_json::{Value, json};

/// Arguments up to this many bytes stand in the audit log as they are; longer ones as size and digest.
pub const MAX_LOGGED_ARGUMENTS: usize = 4096;

/// Proof that this permit is on record: for what changes something or leaves the machine on disk,
/// for what only reads written and on its way there. Only `Store::record` makes one.
#[derive(Debug)]
#[must_use = "what is on record is to be done, or finished as failed"]
pub struct Recorded<T> {
    permit: Permit<T>,
    seq: u64,
}

impl<T> Recorded<T> {
    pub(crate) fn new(permit: Permit<T>, seq: u64) -> Self {
        Self { permit, seq }
    }

    /// What is to be done.
    pub fn what(&self) -> &T {
        self.permit.what()
    }

    /// The number of its record in the audit chain.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Gives the proof up and returns the value, which then proves nothing.
    pub fn into_what(self) -> T {
        self.permit.into_what()
    }
}

/// Something whose judgement and act can be recorded.
pub trait Auditable: Judged {
    /// Who, what and under which names.
    fn about(&self) -> About;
    /// What the audit line says besides; no secret is in it, for none is in a call.
    fn body(&self) -> Value;
}

/// The names of one call.
#[derive(Debug, Clone)]
pub struct About {
    /// The broker's name for the effect.
    pub effect: EffectId,
    /// Whose session.
    pub group: GroupId,
    /// The session.
    pub session: SessionId,
    /// The turn.
    pub turn: TurnId,
    /// The call inside which it was asked, if it came from inside the hands.
    pub within: Option<CallId>,
    /// The caller's name for it.
    pub call: CallId,
    /// The tool, or `model.complete`.
    pub what: String,
    /// What it was judged as.
    pub digest: Digest,
    /// Whether it may be repeated after an interruption.
    pub idempotent: bool,
}

impl Auditable for Invocation {
    fn about(&self) -> About {
        About {
            effect: self.effect,
            group: self.caller.group.clone(),
            session: self.caller.session,
            turn: self.caller.turn,
            within: self.caller.within.clone(),
            call: self.call.clone(),
            what: self.tool.to_string(),
            digest: self.digest(),
            idempotent: self.effects.idempotent,
        }
    }

    fn body(&self) -> Value {
        let canonical = self.canonical_arguments();
        let mut body = json!({
            "what": self.tool,
            "turn": self.caller.turn,
            "call": self.call,
            "within": self.caller.within,
            "manifest": self.manifest,
            "place": self.place,
        });
        if canonical.len() <= MAX_LOGGED_ARGUMENTS {
            body["arguments"] = self.arguments.clone();
        } else {
            body["arguments-bytes"] = json!(canonical.len());
            body["arguments-sha256"] = json!(Digest::of(canonical.as_bytes()));
        }
        body
    }
}

impl Auditable for Proposal {
    fn about(&self) -> About {
        About {
            effect: self.effect,
            group: self.caller.group.clone(),
            session: self.caller.session,
            turn: self.caller.turn,
            within: self.caller.within.clone(),
            call: self.call.clone(),
            what: PROPOSE.to_owned(),
            digest: self.digest(),
            idempotent: self.effects().idempotent,
        }
    }

    fn body(&self) -> Value {
        let steps = json!(self.plain());
        let text = steps.to_string();
        let mut body = json!({
            "what": PROPOSE,
            "turn": self.caller.turn,
            "call": self.call,
            "part": self.part(),
        });
        if text.len() <= MAX_LOGGED_ARGUMENTS {
            body["arguments"] = json!({ "steps": steps });
        } else {
            body["arguments-bytes"] = json!(text.len());
            body["arguments-sha256"] = json!(Digest::of(text.as_bytes()));
        }
        body
    }
}

impl Auditable for ModelCall {
    fn about(&self) -> About {
        About {
            effect: self.effect,
            group: self.caller.group.clone(),
            session: self.caller.session,
            turn: self.caller.turn,
            within: self.caller.within.clone(),
            call: self.call.clone(),
            what: "model.complete".to_owned(),
            digest: self.digest(),
            idempotent: self.effects().idempotent,
        }
    }

    fn body(&self) -> Value {
        json!({
            "what": "model.complete",
            "turn": self.caller.turn,
            "call": self.call,
            "within": self.caller.within,
            "route": self.route,
            "model": self.model,
            "origin": self.origin,
            "secret": self.secret,
            "completion": self.completion,
            "bytes": self.bytes,
            "tokens": self.tokens,
            "worst-usd-millionths": self.worst.usd,
            "worst-tokens": self.worst.tokens,
        })
    }
}

impl Auditable for OwnSend {
    fn about(&self) -> About {
        // It belongs to no session; its own name makes it unique.
        let mut turn = [0; 16];
        turn[8..].copy_from_slice(self.effect.as_bytes());
        About {
            effect: self.effect,
            group: GroupId::owner(),
            session: SessionId::from_bytes([0; 16]),
            turn: TurnId::from_bytes(turn),
            within: None,
            call: "own".parse().expect("a name of three letters"),
            what: format!("send.{}", self.purpose.as_str()),
            digest: self.digest(),
            idempotent: true,
        }
    }

    fn body(&self) -> Value {
        json!({
            "what": format!("send.{}", self.purpose.as_str()),
            "origin": self.origin,
            "secret": self.secret.as_ref().or(self.carries.as_ref()),
            "request": self.request,
            "bytes": self.bytes,
        })
    }
}
