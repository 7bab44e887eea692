//! The control socket: what the person's own programs (`carapace …`) may ask the broker, and what
//! it tells them. JSON, one value a frame of the bounded link; the peer's uid was checked before.

use crate::effects::Effects;
use crate::id::{CallId, Code, Digest, EffectId, SecretName, SessionId, ToolName, TurnId};
use crate::label::Label;
use crate::model::{Attachment, Message, Usage};
use crate::part::Part;
use crate::secret::{NewSecret, Protect, SecretText};
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
        /// Which model answers from now on in this session: a route, `PROVIDER:MODEL` or `offline`;
        /// unchanged where it is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        route: Option<String>,
        /// Attachments that were handed over with [`Ask::Attach`] on this connection.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attachments: Vec<Digest>,
    },
    /// A piece of a file that the next message refers to, in order. Answered by [`Tell::Ok`], the last
    /// piece by [`Tell::Attached`].
    Attach {
        /// Its file name, without a path; at most 255 bytes.
        name: String,
        /// At most [`MAX_PIECE`] bytes of it, in base64.
        piece: String,
        /// Whether it is complete.
        last: bool,
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
        /// Of a plan: the steps that the answer "once" allows; all of them where it is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        part: Option<Part>,
    },
    /// Follow the questions of all sessions as they come. A stream of [`Tell::Question`] and [`Tell::Closed`].
    Watch {},
    /// Standing grants: from config, from "always", and of plans. Answered by [`Tell::Grants`].
    Grants {},
    /// Takes back an "always", or what is left of a plan. Answered by [`Tell::Closed`] with the code.
    Revoke {
        /// The code of the question that was answered with "always", or with yes to a plan.
        code: Code,
    },
    /// The owner's rules, and how they stand in a session. Answered by [`Tell::Rules`].
    Rules {
        /// Which session, if one is meant.
        session: Option<SessionId>,
    },
    /// Disables a rule in a session, or takes that back. Answered by [`Tell::Rules`].
    RuleSet {
        /// Which session.
        session: SessionId,
        /// Which rule; at most 64 bytes.
        id: String,
        /// Whether it counts from now on.
        on: bool,
    },
    /// Asks a model for conditions that say the same as a rule. Nothing is changed by it. Answered by
    /// [`Tell::Compiled`].
    RuleCompile {
        /// What the rule waits for, in plain words; at most 2,000 bytes, as the others.
        trigger: String,
        /// What it restricts.
        effect: String,
        /// What a person is told about it.
        description: String,
        /// Which model: a route or `PROVIDER:MODEL`; as configured where it is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        route: Option<String>,
    },
    /// What the newest change of rules, tools, grants and configuration made possible. Answered by
    /// [`Tell::Changes`].
    Changes {},
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
    /// Stores a secret, or replaces one. Durable before [`Tell::Stored`].
    SecretPut {
        /// Its name.
        name: SecretName,
        /// The value.
        secret: NewSecret,
        /// Whether its first use in each session needs the owner's yes.
        each_session: bool,
        /// `https://HOST:PORT` it may be sent to; the configured origins of the providers that use it where empty.
        origins: Vec<String>,
        /// Keep the old value until the new one was tried ([`Ask::SecretTest`] decides).
        staged: bool,
    },
    /// What the vault holds, without values. Answered by [`Tell::Secrets`].
    Secrets {},
    /// Removes a secret. Answered by [`Tell::Ok`].
    SecretRemove {
        /// Which.
        name: SecretName,
    },
    /// One real call to a provider, with its secret: the list of models, or the smallest completion.
    /// Answered by [`Tell::Tested`].
    SecretTest {
        /// A name of `[providers]`.
        provider: String,
    },
    /// Unlocks the vault. Answered by [`Tell::Ok`].
    Unlock {
        /// The passphrase.
        passphrase: SecretText,
    },
    /// Changes how the vault's key is kept. The old way stops working. Answered by [`Tell::Ok`].
    Protect {
        /// How.
        #[serde(rename = "how")]
        with: Protect,
        /// Also a new key for the vault itself; everything in it is written anew.
        rekey: bool,
    },
    /// Begins an OAuth login. Answered by [`Tell::Login`].
    LoginBegin {
        /// A name of `[providers]`.
        provider: String,
        /// The loopback address that the cli listens at.
        redirect: String,
    },
    /// Ends an OAuth login: the broker buys the tokens and keeps them. Answered by [`Tell::Ok`].
    LoginFinish {
        /// As it began.
        provider: String,
        /// What came back beside the code.
        state: SecretText,
        /// The code.
        code: SecretText,
    },
    /// The models of a provider, asked from it. Answered by [`Tell::Tested`].
    Models {
        /// A name of `[providers]`.
        provider: String,
    },
    /// What was spent, and what is left. Answered by [`Tell::Spent`].
    Usage {},
    /// What was sent where, newest first. Answered by [`Tell::Sends`].
    Egress {
        /// At most this many, 1 to 1,000.
        limit: u32,
    },
    /// Refuse everything from now on, cancel all turns, revoke session grants. Answered by [`Tell::Ok`].
    Panic {},
}

/// The most bytes of a file in one [`Ask::Attach`].
pub const MAX_PIECE: usize = 256 * 1024;

/// A secret as a person is shown it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecretRow {
    /// Its name.
    pub name: SecretName,
    /// `key`, `aws`, `oauth`, `external`.
    pub kind: String,
    /// Seconds since 1970 when it was first stored.
    pub created: i64,
    /// Seconds since 1970 when its value was last changed.
    pub changed: i64,
    /// Seconds since 1970 when it was last used.
    pub used: Option<i64>,
    /// Seconds since 1970 when it ends.
    pub expires: Option<i64>,
    /// Whether its first use in a session needs a yes.
    pub each_session: bool,
    /// Where it may be sent.
    pub origins: Vec<String>,
    /// The providers that use it.
    pub providers: Vec<String>,
    /// A newer value waits to be tried.
    pub pending: bool,
    /// Too short to be recognised where it should not be.
    pub too_short: bool,
}

/// The vault as a person is shown it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VaultRow {
    /// `open`, `locked`, `none`, `damaged`.
    pub state: String,
    /// `passphrase`, `key-file`, `keyring`.
    pub kept: Vec<String>,
    /// In a sentence: what protects it, and against what.
    pub words: String,
}

/// What was spent against one budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BudgetRow {
    /// In words: `all, each day`.
    pub name: String,
    /// Millionths of a US dollar spent or reserved.
    pub usd: u64,
    /// The limit, in millionths of a US dollar.
    pub usd_limit: Option<u64>,
    /// Tokens spent or reserved.
    pub tokens: u64,
    /// The limit.
    pub tokens_limit: Option<u64>,
}

/// What one model cost over a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpentRow {
    /// The day in UTC, `YYYY-MM-DD`.
    pub day: String,
    /// `PROVIDER:MODEL`.
    pub model: String,
    /// Calls.
    pub calls: u64,
    /// Tokens.
    pub usage: Usage,
    /// Millionths of a US dollar; `None` where no price is known.
    pub usd: Option<u64>,
}

/// One request that left the broker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SendRow {
    /// The effect it belongs to.
    pub effect: EffectId,
    /// Seconds since 1970.
    pub at: i64,
    /// Where to: scheme, host and port.
    pub origin: String,
    /// `model`, `test`, `models`, `login`, `renewal`.
    pub purpose: String,
    /// The session that caused it.
    pub session: Option<SessionId>,
    /// The secret that was on it.
    pub secret: Option<SecretName>,
    /// Bytes of the body that went out.
    pub sent: u64,
    /// Bytes of the body that came back.
    pub received: u64,
    /// The HTTP status, or what went wrong.
    pub outcome: String,
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

/// A rule as a person is shown it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleRow {
    /// What it is called.
    pub id: String,
    /// `approve` or `block`.
    pub mode: String,
    /// What it restricts, in the owner's words.
    pub effect: String,
    /// `compiled`, `uncompiled`, `changed`.
    pub standing: String,
    /// It counts in the session.
    pub in_force: bool,
    /// A person disabled it in the session.
    pub disabled: bool,
}

/// One thing that a change of rules, tools, grants or configuration made possible, or took away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeRow {
    /// `wider`, `narrower`, `other`.
    pub direction: String,
    /// Of what: `tool`, `grant`, `rule` …
    pub what: String,
    /// One sentence.
    pub text: String,
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
    /// The steps of a plan, each of which may be allowed by itself; 0 where it is answered whole.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub parts: u8,
}

fn is_zero(parts: &u8) -> bool {
    *parts == 0
}

/// What a plan that a person said yes to still grants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskGrantRow {
    /// The question that granted it.
    pub code: Code,
    /// The session that may use it.
    pub session: SessionId,
    /// Seconds since 1970 when it ends.
    pub expires: i64,
    /// The steps of which something is left: the number on the card, calls left, words of the broker.
    pub steps: Vec<(usize, u32, String)>,
}

impl QuestionCard {
    /// The name that a request to a model goes by.
    pub const MODEL_CALL: &str = "model.complete";

    /// Whether it can be allowed for good: the use of a secret is allowed for a session at most.
    pub fn may_last(&self) -> bool {
        self.tool.as_str() != Self::MODEL_CALL
    }
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
    /// Whose words it has heard and what private data it holds.
    #[serde(default)]
    pub label: Label,
    /// How much it has read and touched, as a number.
    #[serde(default)]
    pub exposure: u32,
    /// What that comes from, the greatest first.
    #[serde(default)]
    pub causes: Vec<(String, u32)>,
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
        /// What those sessions have seen, and how much, as a number.
        #[serde(default)]
        labels: Vec<(SessionId, Label, u32)>,
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
        /// `open`, `locked`, `none`, `damaged`.
        #[serde(default)]
        vault: String,
        /// Models that failed again and again and are left alone now.
        #[serde(default)]
        resting: Vec<String>,
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
        /// From plans: what is left of them.
        #[serde(default)]
        tasks: Vec<TaskGrantRow>,
    },
    /// The owner's rules.
    Rules {
        /// In the order of the file.
        rows: Vec<RuleRow>,
        /// Why they cannot be read, where they cannot: then everything with an effect is asked about.
        fault: Option<String>,
    },
    /// Conditions that a model gives for a rule. They count once a person has accepted them.
    Compiled {
        /// JSON: `{"trigger": …, "effect": …}`.
        when: String,
        /// Who says so: `PROVIDER:MODEL`.
        model: String,
    },
    /// What became possible, and what no more.
    Changes {
        /// Seconds since 1970 of the change; `None` where nothing has changed yet.
        at: Option<i64>,
        /// Whether the broker that runs found it when it started.
        fresh: bool,
        /// What became possible first.
        rows: Vec<ChangeRow>,
    },
    /// The story of one effect, in order: (seconds since 1970, audit sequence number, words). What is in no
    /// record, such as the message that it was done for, has the number 0.
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
    /// The file is there, whole.
    Attached {
        /// What it is.
        attachment: Attachment,
    },
    /// The secret is stored.
    Stored {
        /// Where it may be sent.
        origins: Vec<String>,
        /// Too short to be recognised where it should not be.
        too_short: bool,
    },
    /// The vault and what it holds.
    Secrets {
        /// The vault.
        vault: VaultRow,
        /// By name.
        rows: Vec<SecretRow>,
    },
    /// A provider answered.
    Tested {
        /// Which.
        provider: String,
        /// Where it is.
        origin: String,
        /// Its models, where it has a list.
        models: Vec<String>,
        /// Milliseconds until the answer was whole.
        millis: u64,
    },
    /// Where the person logs in.
    Login {
        /// The address for the browser.
        url: String,
        /// What must come back beside the code.
        state: SecretText,
    },
    /// What was spent.
    Spent {
        /// Each budget.
        budgets: Vec<BudgetRow>,
        /// By day and model, newest first.
        rows: Vec<SpentRow>,
    },
    /// What was sent.
    Sends {
        /// Newest first.
        rows: Vec<SendRow>,
    },
    /// The head of the audit chain: an anchor that can be kept elsewhere.
    AuditHead {
        /// Number of records.
        count: u64,
        /// Hash of the last.
        head: String,
    },
}
