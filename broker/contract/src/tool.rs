//! Tools as the broker knows them, and one call of a tool as it is judged, recorded and asked about.

use crate::effects::Effects;
use crate::id::{CallId, Digest, EffectId, GroupId, SessionId, ToolName, TurnId};
use serde::Serialize;
use serde_json::Value;

/// Where a tool's work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// In the session's hands cage.
    Hands,
    /// In the broker itself: no file, no process.
    Broker,
    /// In the broker, by its sender.
    Network,
    /// Outside the assistant's sight: by a reader of its own, or by hands on the broker's behalf.
    Quarantine,
}

/// One tool: what it is called, what it takes, what it does.
#[derive(Debug, Clone, Serialize)]
pub struct Tool {
    /// Fully qualified name.
    pub name: ToolName,
    /// For the model and for people: one or two sentences.
    pub description: String,
    /// JSON Schema (draft 2020-12) of the arguments: an object, closed at every level.
    pub schema: Value,
    /// What it does to the world.
    pub effects: Effects,
    /// Where it runs.
    pub place: Place,
}

impl Tool {
    /// The digest of everything a person relied on when they granted this tool.
    pub fn manifest_digest(&self) -> Digest {
        // A struct of strings, enums and JSON always serialises.
        let text = serde_json_canonicalizer::to_vec(self).expect("a tool serialises");
        Digest::of(&text)
    }
}

/// Who called, taken from the channel the request came in on and never from the request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Caller {
    /// The group whose session this is.
    pub group: GroupId,
    /// The session.
    pub session: SessionId,
    /// The turn that is running.
    pub turn: TurnId,
    /// Set when the request came through `ipc` inside a hands cage: the call that was running there.
    pub within: Option<CallId>,
}

/// One call of one tool, checked against its schema.
#[derive(Debug, Clone, Serialize)]
pub struct Invocation {
    /// The broker's name for this effect.
    pub effect: EffectId,
    /// Who called.
    pub caller: Caller,
    /// What the caller calls it; unique within its turn.
    pub call: CallId,
    /// The tool.
    pub tool: ToolName,
    /// The tool's manifest at the time of the call.
    pub manifest: Digest,
    /// The arguments, an object.
    pub arguments: Value,
    /// Copied from the tool.
    pub effects: Effects,
    /// Where it will run.
    pub place: Place,
}

impl Invocation {
    /// The arguments in canonical form (RFC 8785).
    pub fn canonical_arguments(&self) -> String {
        // Arguments came from JSON text, so they go back into it.
        serde_json_canonicalizer::to_string(&self.arguments).expect("JSON serialises")
    }

    /// What an approval is bound to: session, turn, tool, its manifest, and the canonical arguments.
    /// The expiry is kept beside it and checked when the answer is used.
    pub fn digest(&self) -> Digest {
        let bound = serde_json::json!({
            "session": self.caller.session,
            "turn": self.caller.turn,
            "call": self.call,
            "within": self.caller.within,
            "tool": self.tool,
            "manifest": self.manifest,
            "arguments": self.arguments,
        });
        Digest::of(&serde_json_canonicalizer::to_vec(&bound).expect("JSON serialises"))
    }

    /// What a standing grant of exactly this call is bound to: group, tool, manifest, arguments.
    pub fn shape(&self) -> Digest {
        let bound = serde_json::json!({
            "group": self.caller.group,
            "tool": self.tool,
            "manifest": self.manifest,
            "arguments": self.arguments,
        });
        Digest::of(&serde_json_canonicalizer::to_vec(&bound).expect("JSON serialises"))
    }
}
