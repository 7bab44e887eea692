//! The control socket: what the person's own programs (`carapace …`) may ask the broker, and what
//! it tells them. JSON, one value a frame of the bounded link; the peer's uid was checked before.

use crate::effects::Effects;
use crate::id::{CallId, Code, EffectId, SessionId, ToolName, TurnId};
use crate::model::{Message, Usage};
use crate::verdict::{Decision, Reason};
use serde::{Deserialize, Serialize};

/// The largest message text a person may send, in bytes.
pub const MAX_TEXT: usize = 100 * 1024;

/// A request. One connection may make several, one after the other; `ChatSend` and `ChatAttach`
/// are followed by a stream of [`Tell`] that ends with [`Tell::Done`], during which
/// `ChatCancel` and `Answer` are taken too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ask {
    /// How the broker is. Answered by [`Tell::Status`].
    Status {},
    /// The sessions, newest first. Answered by [`Tell::Sessions`].
    Sessions {},
    /// One session's conversation. Answered by [`Tell::Transcript`].
    Show {
        /// Which.
        session: SessionId,
    },
    /// A message of the person. Durable before [`Tell::Accepted`]. The same `turn` sent twice
    /// is accepted once, so a client may repeat it after a broken connection.
    ChatSend {
        /// The session; `None` opens a new one.
        session: Option<SessionId>,
        /// Chosen by the client, random.
        turn: TurnId,
        /// What the person typed, at most [`MAX_TEXT`] bytes.
        text: String,
    },
    /// Follow a turn that was sent before.
    ChatAttach {
        /// The turn.
        turn: TurnId,
    },
    /// Stop the turn. Answered by [`Tell::Done`] on every connection that follows it.
    ChatCancel {
        /// The turn.
        turn: TurnId,
    },
    /// The questions: open ones, or all of them. Answered by [`Tell::Questions`].
    Questions {
        /// Also those that were answered or have expired.
        all: bool,
    },
    /// The person's answer to a question. Answered by [`Tell::Closed`] or [`Tell::Failed`].
    Answer {
        /// Which question.
        code: Code,
        /// What they decided.
        decision: Decision,
        /// For the agent, with a refusal; at most 1,000 bytes.
        note: Option<String>,
    },
    /// Follow the questions of all sessions as they come. A stream of [`Tell::Question`] and [`Tell::Closed`].
    Watch {},
    /// Standing grants: from config and from "always". Answered by [`Tell::Grants`].
    Grants {},
    /// Takes back an "always". Answered by [`Tell::Closed`] with the code.
    Revoke {
        /// The code of the question that was answered with "always".
        code: Code,
    },
    /// The story of one effect. Answered by [`Tell::Story`].
    Why {
        /// Which.
        effect: EffectId,
    },
    /// The newest effects, newest first. Answered by [`Tell::Effects`].
    Effects {
        /// At most this many, 1 to 1,000.
        limit: u32,
    },
    /// The tools. Answered by [`Tell::Tools`].
    Tools {},
    /// The head of the audit chain, after bringing it to disk. Answered by [`Tell::AuditHead`].
    AuditHead {},
    /// Put the outcome of a proof of the cages on record. Answered by [`Tell::Ok`].
    Proof {
        /// Attempts that the cages held.
        held: u64,
        /// Attempts that got through.
        breached: u64,
    },
    /// Refuse everything from now on, cancel all turns, revoke session grants. Answered by [`Tell::Ok`].
    Panic {},
}

/// One tool as a person is shown it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolRow {
    /// Its name.
    pub name: ToolName,
    /// What it does.
    pub description: String,
    /// `granted` or `asks`.
    pub standing: String,
    /// Its effects.
    pub effects: Effects,
}

/// A question as it is shown: everything the answer is bound to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuestionCard {
    /// To answer it.
    pub code: Code,
    /// The session that wants it.
    pub session: SessionId,
    /// The turn that wants it.
    pub turn: TurnId,
    /// The tool.
    pub tool: ToolName,
    /// What will happen, in words of the broker, with hidden characters made visible.
    pub title: String,
    /// The whole effect: name and value of each argument, hidden characters made visible, nothing left out.
    pub fields: Vec<(String, String)>,
    /// Why it is asked.
    pub reasons: Vec<Reason>,
    /// What it does to the world.
    pub effects: Effects,
    /// Seconds since 1970 when it stops counting.
    pub expires: i64,
    /// Hexadecimal digest that the answer is bound to.
    pub digest: String,
    /// `open`, `allowed`, `denied`, `expired`, `used`, `void`.
    pub state: String,
    /// Who answered, where somebody did.
    pub approver: Option<String>,
}

/// A session in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionRow {
    /// Its id.
    pub session: SessionId,
    /// The first words of its first message, hidden characters made visible.
    pub title: String,
    /// Seconds since 1970 of its newest message.
    pub touched: i64,
    /// Number of messages.
    pub messages: u64,
}

/// An effect in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectRow {
    /// Its id.
    pub effect: EffectId,
    /// The session it belongs to.
    pub session: SessionId,
    /// The tool, or `model.complete`.
    pub what: String,
    /// `refused`, `asked`, `acting`, `done`, `failed`, `unknown`.
    pub state: String,
    /// Seconds since 1970 when it was judged.
    pub at: i64,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TurnEnd {
    /// With an answer.
    Answered,
    /// The person stopped it.
    Cancelled,
    /// It reached one of its limits.
    Limit,
    /// Something broke; the text says what.
    Failed,
    /// The worker broke the protocol or its cage, and was stopped. Not tried again.
    Violation,
}

/// An answer or an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "kebab-case")]
pub enum Tell {
    /// Done, nothing to show.
    Ok {},
    /// It could not be done.
    Failed {
        /// Stable code, kebab-case.
        code: String,
        /// What and why, and the remedy.
        message: String,
    },
    /// How the broker is.
    Status {
        /// The model route.
        route: String,
        /// Live sessions with a worker: (session, worker, phase).
        workers: Vec<(SessionId, String, String)>,
        /// Turns that wait or run.
        turns: u64,
        /// Open questions.
        questions: u64,
        /// Effects whose outcome is not known.
        unknown: u64,
        /// Records in the audit chain.
        audit: u64,
        /// True after `panic`.
        frozen: bool,
        /// Protocol violations since the broker started.
        violations: u64,
    },
    /// The sessions.
    Sessions {
        /// Newest first.
        rows: Vec<SessionRow>,
    },
    /// One session's conversation.
    Transcript {
        /// The session.
        session: SessionId,
        /// Oldest first.
        messages: Vec<Message>,
    },
    /// The message is durable.
    Accepted {
        /// The session it went to.
        session: SessionId,
        /// The turn that answers it.
        turn: TurnId,
    },
    /// A piece of the model's text, as it comes.
    Delta {
        /// Untrusted text: the surface neutralises control characters.
        text: String,
    },
    /// A tool call began.
    ToolStarted {
        /// The broker's name for it.
        effect: EffectId,
        /// The caller's name for it.
        call: CallId,
        /// The tool.
        tool: ToolName,
        /// In a few words, hidden characters made visible.
        summary: String,
    },
    /// A tool call ended.
    ToolEnded {
        /// The broker's name for it.
        effect: EffectId,
        /// `done`, `failed`, `refused`, `denied`, `expired`, `unknown`.
        outcome: String,
        /// One line about it.
        detail: String,
        /// Milliseconds it took.
        millis: u64,
    },
    /// A question for the person.
    Question(Box<QuestionCard>),
    /// A question is no longer open.
    Closed {
        /// Which.
        code: Code,
        /// `allowed`, `denied`, `expired`, `used`, `void`, `revoked`.
        state: String,
    },
    /// Something the person should know: a worker was replaced, a provider is down.
    Notice {
        /// One sentence by the broker.
        text: String,
    },
    /// The turn ended.
    Done {
        /// The turn.
        turn: TurnId,
        /// The session.
        session: SessionId,
        /// How.
        end: TurnEnd,
        /// The whole final text; untrusted.
        text: String,
        /// Tokens used.
        usage: Usage,
    },
    /// Questions.
    Questions {
        /// Oldest first.
        rows: Vec<QuestionCard>,
    },
    /// Standing grants.
    Grants {
        /// From the configuration: tool and, where it is narrowed, its arguments as canonical JSON.
        config: Vec<(ToolName, Option<String>)>,
        /// From answers "always": the question's code, the tool, its arguments, and when it expires.
        always: Vec<(Code, ToolName, String, i64)>,
    },
    /// The story of one effect, in order: (seconds since 1970, audit sequence number, words).
    Story {
        /// The effect.
        effect: EffectId,
        /// What happened.
        lines: Vec<(i64, u64, String)>,
    },
    /// Effects.
    Effects {
        /// Newest first.
        rows: Vec<EffectRow>,
    },
    /// The tools.
    Tools {
        /// By name.
        rows: Vec<ToolRow>,
    },
    /// The head of the audit chain: an anchor that can be kept elsewhere.
    AuditHead {
        /// Number of records.
        count: u64,
        /// Hash of the last.
        head: String,
    },
}
