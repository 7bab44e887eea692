//! Audit lines for what is decided or happens without being an act.

use carapace_contract::id::{
    Code, Digest, EffectId, GroupId, SecretName, SessionId, TurnId, WorkerId,
};
use carapace_contract::label::Label;
use carapace_contract::part::Part;
use carapace_contract::verdict::{Decision, Reason};
use serde::Serialize;

/// The most characters of a free text in an audit line.
pub const MAX_TEXT: usize = 2000;

/// One such line. Texts that others wrote are cut to [`MAX_TEXT`] characters.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(
    tag = "kind",
    content = "body",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum Note {
    /// The broker started.
    Started {
        /// Its version.
        version: String,
        /// The digest of its configuration.
        config: Digest,
    },
    /// The broker ends as it was told to.
    Stopped {},
    /// A session was opened.
    SessionCreated {
        /// Which.
        #[serde(skip)]
        session: SessionId,
        /// Whose.
        group: GroupId,
    },
    /// A call was refused.
    Refused {
        /// The effect.
        #[serde(skip)]
        effect: EffectId,
        /// The session.
        #[serde(skip)]
        session: SessionId,
        /// The tool, or `model.complete`.
        what: String,
        /// The refusal's code.
        code: String,
        /// Why.
        reason: Reason,
    },
    /// A person was asked.
    Asked {
        /// The effect.
        #[serde(skip)]
        effect: EffectId,
        /// The session.
        #[serde(skip)]
        session: SessionId,
        /// The tool.
        what: String,
        /// The question.
        question: Code,
        /// What the answer is bound to.
        digest: Digest,
        /// Seconds since 1970 until which it may be answered.
        expires: i64,
        /// Why it is asked.
        reasons: Vec<Reason>,
    },
    /// A person answered.
    Answered {
        /// The effect.
        #[serde(skip)]
        effect: EffectId,
        /// The session.
        #[serde(skip)]
        session: SessionId,
        /// The question.
        question: Code,
        /// What they decided.
        decision: Decision,
        /// Of a plan: the steps they allowed; all of them where it is left out.
        #[serde(skip_serializing_if = "Option::is_none")]
        part: Option<Part>,
        /// Who they are.
        approver: String,
    },
    /// A question is over without an answer.
    Unanswered {
        /// The effect.
        #[serde(skip)]
        effect: EffectId,
        /// The session.
        #[serde(skip)]
        session: SessionId,
        /// The question.
        question: Code,
        /// `expired` or `void`.
        state: String,
    },
    /// A session's label grew.
    Labelled {
        /// The session.
        #[serde(skip)]
        session: SessionId,
        /// What it is now.
        label: Label,
        /// How much it has read and touched.
        exposure: u32,
        /// What came into it.
        cause: String,
    },
    /// Rules were armed in a session by what came to it.
    Armed {
        /// The session.
        #[serde(skip)]
        session: SessionId,
        /// Which.
        rules: Vec<String>,
        /// What came.
        cause: String,
    },
    /// A person disabled a rule in a session, or took that back.
    RuleSet {
        /// The session.
        #[serde(skip)]
        session: SessionId,
        /// Which.
        rule: String,
        /// `disabled` or `enabled`.
        state: String,
        /// Who.
        approver: String,
    },
    /// Rules, tools, grants or the configuration differ from what they were when the broker ran before.
    Changed {
        /// In words, what became possible first.
        changes: Vec<String>,
    },
    /// Words of others were looked at and look like orders to the assistant, or could not be looked at.
    Suspected {
        /// The session.
        #[serde(skip)]
        session: SessionId,
        /// Which tool gave them.
        tool: String,
        /// As what, or why nobody could look.
        what: String,
    },
    /// A plan's steps may be done in its session.
    Granted {
        /// The plan.
        #[serde(skip)]
        effect: EffectId,
        /// The session.
        #[serde(skip)]
        session: SessionId,
        /// The question, or the code under which it can be taken back where nobody had to be asked.
        question: Code,
        /// Which steps, each as its number, tool and how often.
        steps: Vec<String>,
        /// Seconds since 1970 when it ends.
        expires: i64,
    },
    /// A standing grant was taken back.
    Revoked {
        /// The question that gave it.
        question: Code,
        /// Who took it back.
        approver: String,
    },
    /// An effect that was on record is over.
    Finished {
        /// The effect.
        #[serde(skip)]
        effect: EffectId,
        /// The session.
        #[serde(skip)]
        session: SessionId,
        /// `done`, `failed`, `unknown`.
        outcome: String,
        /// Milliseconds it took.
        millis: u64,
        /// One line by the broker, without content of the result.
        detail: String,
    },
    /// A confined process broke the protocol or its cage.
    Violation {
        /// The session it served, if it served one yet.
        #[serde(skip)]
        session: Option<SessionId>,
        /// Which process.
        worker: WorkerId,
        /// What it did.
        what: String,
    },
    /// A confined process was started.
    Launched {
        /// The session it serves, if it serves one yet.
        #[serde(skip)]
        session: Option<SessionId>,
        /// Which process.
        worker: WorkerId,
        /// Its profile.
        profile: String,
    },
    /// A confined process ended.
    Exited {
        /// The session it served, if it served one.
        #[serde(skip)]
        session: Option<SessionId>,
        /// Which process.
        worker: WorkerId,
        /// How.
        cause: String,
    },
    /// A turn ended.
    TurnEnded {
        /// The session.
        #[serde(skip)]
        session: SessionId,
        /// The turn.
        turn: TurnId,
        /// How.
        end: String,
    },
    /// The configuration was read anew.
    Config {
        /// Its digest.
        digest: Digest,
    },
    /// Something happened to a secret.
    Secret {
        /// Its name.
        name: SecretName,
        /// `stored`, `replaced`, `removed`, `tried`, `promoted`, `renewed`, `approved`.
        action: String,
        /// Who.
        approver: String,
    },
    /// Something happened to the vault as a whole.
    Vault {
        /// `created`, `unlocked`, `wrong-key`, `protected`, `rekeyed`.
        action: String,
        /// Who.
        approver: String,
    },
    /// A secret, or a value that only a trap holds, was found where it must not be.
    Alarm {
        /// The session it concerns, if one.
        #[serde(skip)]
        session: Option<SessionId>,
        /// Which secret, and in which encoding.
        what: String,
        /// Where.
        place: String,
    },
    /// Another model answers, because one failed.
    Switched {
        /// The session.
        #[serde(skip)]
        session: SessionId,
        /// From which.
        from: String,
        /// To which.
        to: String,
        /// Why.
        why: String,
    },
    /// The owner stopped everything.
    Panic {
        /// Who.
        approver: String,
    },
    /// The cage was proved.
    Proof {
        /// `held`, `broken` or `vacuous`.
        result: String,
        /// The numbers.
        detail: String,
    },
}

impl Note {
    pub(crate) fn effect(&self) -> Option<EffectId> {
        match self {
            Note::Refused { effect, .. }
            | Note::Asked { effect, .. }
            | Note::Answered { effect, .. }
            | Note::Granted { effect, .. }
            | Note::Unanswered { effect, .. }
            | Note::Finished { effect, .. } => Some(*effect),
            _ => None,
        }
    }

    pub(crate) fn session(&self) -> Option<SessionId> {
        match self {
            Note::SessionCreated { session, .. }
            | Note::Refused { session, .. }
            | Note::Asked { session, .. }
            | Note::Answered { session, .. }
            | Note::Granted { session, .. }
            | Note::Unanswered { session, .. }
            | Note::Finished { session, .. }
            | Note::Labelled { session, .. }
            | Note::Armed { session, .. }
            | Note::RuleSet { session, .. }
            | Note::Suspected { session, .. }
            | Note::Switched { session, .. }
            | Note::TurnEnded { session, .. } => Some(*session),
            Note::Violation { session, .. }
            | Note::Alarm { session, .. }
            | Note::Launched { session, .. }
            | Note::Exited { session, .. } => *session,
            _ => None,
        }
    }

    /// Its kind and body, with long texts cut.
    pub(crate) fn into_line(self) -> Result<(String, serde_json::Value), serde_json::Error> {
        let mut line = serde_json::to_value(self)?;
        let mut body = line["body"].take();
        shorten(&mut body);
        let kind = line["kind"].as_str().unwrap_or_default().to_owned();
        Ok((kind, body))
    }
}

fn shorten(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => {
            if let Some((at, _)) = text.char_indices().nth(MAX_TEXT) {
                text.truncate(at);
                text.push('…');
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(shorten),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(shorten),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_beside_the_body_and_long_texts_are_cut() {
        let effect = EffectId::random();
        let session = SessionId::random();
        let note = Note::Finished {
            effect,
            session,
            outcome: "done".to_owned(),
            millis: 3,
            detail: "é".repeat(10_000),
        };
        assert_eq!(
            (note.effect(), note.session()),
            (Some(effect), Some(session))
        );
        let (kind, body) = note.into_line().unwrap();
        assert_eq!(kind, "finished");
        assert_eq!(
            body["detail"].as_str().unwrap().chars().count(),
            MAX_TEXT + 1
        );
        assert!(body.get("effect").is_none());
    }
}
