//! Stage 5: the question. Durable before it is shown, bound to the digest of exactly what is
//! asked, answered once, expiring, and still there after the broker was restarted.

use crate::answer::Asked;
use crate::broker::{Broker, now};
use crate::desk::{note_refusal, refusal_word, store_word};
use crate::{card, facts};
use carapace_contract::control::{QuestionCard, Tell};
use carapace_contract::id::{Code, Digest, SecretName, ToolName};
use carapace_contract::part::Part;
use carapace_contract::tool::Invocation;
use carapace_contract::verdict::{Decision, Reason};
use carapace_ipc_proto::error::{Code as ErrorCode, ErrorWord};
use carapace_policy::{
    Facts, ModelCall, PROPOSE, Permit, Proposal, Question, SecretUse, SessionGrant,
};
use carapace_store::{
    AlwaysGrant, AnswerTaken, Auditable, EffectState, NewQuestion, Note, StoredQuestion,
};
use std::time::Duration;
use tokio::sync::oneshot;

/// What a person can be asked about.
pub(crate) trait Asks: Auditable + Clone {
    /// What it is called.
    fn tool(&self) -> ToolName;
    /// What "always exactly this" is bound to.
    fn shape(&self) -> Digest;
    /// Its arguments as canonical JSON.
    fn arguments(&self) -> String;
    /// What the person is shown.
    fn card(&self, code: Code, reasons: &[Reason], expires: i64) -> QuestionCard;
    /// The secret that the question is about, where it is about one.
    fn secret(&self) -> Option<&SecretName>;
    /// A person said no: what the session's floor makes of it.
    fn denied(&self, _facts: &mut Facts) {}
}

impl Asks for Invocation {
    fn tool(&self) -> ToolName {
        self.tool.clone()
    }

    fn shape(&self) -> Digest {
        Invocation::shape(self)
    }

    fn arguments(&self) -> String {
        self.canonical_arguments()
    }

    fn card(&self, code: Code, reasons: &[Reason], expires: i64) -> QuestionCard {
        card::of(self, code, reasons, expires)
    }

    fn secret(&self) -> Option<&SecretName> {
        None
    }

    fn denied(&self, facts: &mut Facts) {
        carapace_policy::refused(self, facts);
    }
}

impl Asks for Proposal {
    fn tool(&self) -> ToolName {
        PROPOSE.parse().expect("a name of the line")
    }

    fn shape(&self) -> Digest {
        self.digest()
    }

    fn arguments(&self) -> String {
        // Steps came from JSON, so they go back into it.
        serde_json::to_string(&self.plain()).expect("steps serialise")
    }

    fn card(&self, code: Code, reasons: &[Reason], expires: i64) -> QuestionCard {
        card::of_plan(self, code, reasons, expires)
    }

    fn secret(&self) -> Option<&SecretName> {
        None
    }

    fn denied(&self, facts: &mut Facts) {
        self.refused(facts);
    }
}

impl Asks for ModelCall {
    fn tool(&self) -> ToolName {
        QuestionCard::MODEL_CALL
            .parse()
            .expect("a name of the line")
    }

    fn shape(&self) -> Digest {
        self.digest()
    }

    fn arguments(&self) -> String {
        let fields = card::fields_of_model_call(self).into_iter();
        let map: serde_json::Map<_, _> = fields.map(|(name, value)| (name, value.into())).collect();
        serde_json::Value::Object(map).to_string()
    }

    fn card(&self, code: Code, reasons: &[Reason], expires: i64) -> QuestionCard {
        card::of_model_call(self, code, reasons, expires)
    }

    fn secret(&self) -> Option<&SecretName> {
        self.secret.as_ref()
    }
}

/// Asks the owner, waits, and turns their answer into a permit or an error.
pub(crate) async fn confirm<T: Asks>(
    asked: &Asked,
    question: Question<T>,
) -> Result<Permit<T>, ErrorWord> {
    let broker = &asked.broker;
    let call = question.what().clone();
    let stored = match pending(asked, &call, &question).await? {
        Some(stored) => stored,
        None => ask(asked, &call, &question).await?,
    };
    let code = stored.card.code.clone();
    let (wake, mut woken) = oneshot::channel();
    broker.waiting.borrow_mut().insert(code.clone(), wake);
    if stored.decision.is_none() {
        announce(asked, &stored);
        let left = u64::try_from(stored.card.expires - now()).unwrap_or(0);
        let mut cancel = asked.turn.cancelled();
        asked.turn.pause(true);
        tokio::select! {
            _ = &mut woken => {}
            _ = tokio::time::sleep(Duration::from_secs(left)) => {}
            _ = cancel.wait_for(|cancelled| *cancelled) => {}
        }
        asked.turn.pause(false);
    }
    broker.waiting.borrow_mut().remove(&code);
    let outcome = settle(asked, question, &code).await;
    if let Err((state, _)) = &outcome {
        let (outward, effect) = (call.effects().is_outward(), call.about().effect);
        if let Err(error) = broker.store.finish(effect, outward, *state, None).await {
            crate::clean::log!("the end of a question was not kept: {error}");
        }
    }
    outcome.map_err(|(_, word)| word)
}

/// A question about this very call from before a restart, still open or already answered.
async fn pending<T: Asks>(
    asked: &Asked,
    call: &T,
    question: &Question<T>,
) -> Result<Option<StoredQuestion>, ErrorWord> {
    let found = asked
        .broker
        .store
        .question_about(call.about().effect)
        .await
        .map_err(|error| store_word(&error))?;
    Ok(found.filter(|found| {
        found.digest == *question.digest()
            && found.card.expires > now()
            && (found.card.state == "open"
                || found.card.state == "allowed"
                || found.card.state == "denied")
    }))
}

async fn ask<T: Asks>(
    asked: &Asked,
    call: &T,
    question: &Question<T>,
) -> Result<StoredQuestion, ErrorWord> {
    let broker = &asked.broker;
    let expires =
        now() + i64::try_from(broker.config.approvals.expire_seconds).unwrap_or(i64::MAX / 2);
    let code = Code::random();
    let card = call.card(code.clone(), question.reasons(), expires);
    let arguments = call.arguments();
    broker
        .store
        .judged(call, true)
        .await
        .map_err(|error| store_word(&error))?;
    let new = NewQuestion {
        effect: call.about().effect,
        group: call.about().group,
        digest: *question.digest(),
        shape: call.shape(),
        arguments: arguments.clone(),
        card: card.clone(),
    };
    broker
        .store
        .ask(new)
        .await
        .map_err(|error| store_word(&error))?;
    broker.note(Note::Asked {
        effect: call.about().effect,
        session: asked.session,
        what: call.tool().to_string(),
        question: code,
        digest: *question.digest(),
        expires,
        reasons: question.reasons().to_vec(),
    });
    Ok(StoredQuestion {
        effect: call.about().effect,
        digest: *question.digest(),
        shape: call.shape(),
        arguments,
        card,
        decision: None,
        note: None,
        part: None,
    })
}

fn announce(asked: &Asked, stored: &StoredQuestion) {
    let tell = Tell::Question(Box::new(stored.card.clone()));
    asked.turn.tell(tell.clone());
    let _ = asked.broker.watchers.send(tell);
}

/// Uses the answer, once.
async fn settle<T: Asks>(
    asked: &Asked,
    question: Question<T>,
    code: &Code,
) -> Result<Permit<T>, (EffectState, ErrorWord)> {
    let broker = &asked.broker;
    let failed = |error: carapace_store::StoreError| (EffectState::Refused, store_word(&error));
    let call = question.what().clone();
    let stored = broker.store.question(code.clone()).await.map_err(failed)?;
    let note = stored.as_ref().and_then(|stored| stored.note.clone());
    let Some(answer) = broker
        .store
        .use_answer(code.clone())
        .await
        .map_err(failed)?
    else {
        if asked.turn.is_cancelled() {
            close(asked, code, "void");
            return Err((
                EffectState::Refused,
                ErrorWord::new(ErrorCode::Cancelled, 5, "the turn was cancelled"),
            ));
        }
        let refusal = question.expire();
        unanswered(broker, asked, &call, code, "expired");
        close(asked, code, "expired");
        return Err((EffectState::Refused, refusal_word(5, &refusal)));
    };
    let denied = answer.decision == Decision::Deny;
    if denied {
        call.denied(&mut asked.live.facts.borrow_mut());
        // A no counts after a restart, too.
        if let Err(error) = facts::keep(broker, asked.session, &asked.live).await {
            crate::clean::log!("a no was not kept in what a session has seen: {error}");
        }
    }
    let resolved = broker.with_world(&asked.live, &asked.turn, &[], SecretUse::Free, |world| {
        question.resolve(&answer, world)
    });
    match resolved {
        Err(refusal) => {
            note_refusal(asked, call.about().effect, call.tool().as_str(), &refusal);
            close(asked, code, if denied { "denied" } else { "void" });
            let mut word = refusal_word(5, &refusal);
            if let Some(note) = note.filter(|_| denied) {
                word.message = format!(
                    "the owner said no, with this note: {}",
                    card::visible(&note)
                );
            }
            Err((EffectState::Refused, word))
        }
        Ok(permit) => {
            keep_grant(broker, &call, code, answer.decision)
                .await
                .map_err(failed)?;
            close(asked, code, "allowed");
            Ok(permit)
        }
    }
}

async fn keep_grant<T: Asks>(
    broker: &Broker,
    call: &T,
    code: &Code,
    decision: Decision,
) -> Result<(), carapace_store::StoreError> {
    if let Some(secret) = call.secret() {
        // A yes to a secret holds for the session: each round of a turn would ask again.
        if decision != Decision::Deny {
            broker.keeper.approve(call.about().session, secret.clone());
            crate::own::note(broker, secret, "approved", "the owner, for a session");
        }
        return Ok(());
    }
    match decision {
        Decision::Session => broker.grants.borrow_mut().allow_in_session(SessionGrant {
            session: call.about().session,
            tool: call.tool(),
        }),
        Decision::Always => {
            let expires = now() + i64::from(broker.config.approvals.always_days) * 86_400;
            broker
                .store
                .add_always(AlwaysGrant {
                    code: code.clone(),
                    group: call.about().group,
                    shape: call.shape(),
                    tool: call.tool(),
                    arguments: call.arguments(),
                    expires,
                })
                .await?;
            broker
                .grants
                .borrow_mut()
                .allow_always(call.shape(), expires);
        }
        Decision::Once | Decision::Deny => {}
    }
    Ok(())
}

fn close(asked: &Asked, code: &Code, state: &str) {
    let tell = Tell::Closed {
        code: code.clone(),
        state: state.to_owned(),
    };
    asked.turn.tell(tell.clone());
    let _ = asked.broker.watchers.send(tell);
}

fn unanswered<T: Asks>(broker: &Broker, asked: &Asked, call: &T, code: &Code, state: &str) {
    broker.note(Note::Unanswered {
        effect: call.about().effect,
        session: asked.session,
        question: code.clone(),
        state: state.to_owned(),
    });
}

/// Takes the owner's answer: on record, durable, and only then the waiting call goes on.
///
/// # Errors
/// A code and a sentence for the surface.
pub(crate) async fn take_answer(
    broker: &Broker,
    code: Code,
    decision: Decision,
    part: Option<Part>,
    note: Option<String>,
    approver: &str,
) -> Result<String, (&'static str, String)> {
    let stored = |error: carapace_store::StoreError| ("store", error.to_string());
    // The use of a secret is never allowed for good: what is on record is what it comes to.
    let about = broker.store.question(code.clone()).await.map_err(stored)?;
    if let (Some(part), Some(about)) = (&part, &about) {
        fits(part, decision, &about.card)?;
    }
    let decision = match (decision, about) {
        (Decision::Always, Some(about)) if !about.card.may_last() => Decision::Session,
        // Of a plan nothing is allowed but its steps.
        (Decision::Always | Decision::Session, Some(about)) if about.card.parts > 0 => {
            Decision::Once
        }
        (decision, _) => decision,
    };
    let taken = broker
        .store
        .answer(
            code.clone(),
            decision,
            part.clone(),
            approver.to_owned(),
            note,
            now(),
        )
        .await
        .map_err(stored)?;
    match taken {
        AnswerTaken::Taken(question) => {
            broker.mark_activity();
            broker
                .store
                .note_synced(Note::Answered {
                    effect: question.effect,
                    session: question.card.session,
                    question: code.clone(),
                    decision,
                    approver: approver.to_owned(),
                    part,
                })
                .await
                .map_err(stored)?;
            if let Some(wake) = broker.waiting.borrow_mut().remove(&code) {
                let _ = wake.send(());
            }
            Ok(if decision == Decision::Deny {
                "denied"
            } else {
                "allowed"
            }
            .to_owned())
        }
        AnswerTaken::NoSuchQuestion => Err((
            "no-such-question",
            format!("there is no question {code}; `carapace approvals` lists the open ones"),
        )),
        AnswerTaken::NotOpen(state) => Err((
            "not-open",
            format!("question {code} is not open any more: {state}"),
        )),
        AnswerTaken::Expired => Err((
            "expired",
            format!("question {code} has expired; ask for the work again"),
        )),
    }
}

/// An answer in part is a yes to steps that are on the card.
fn fits(
    part: &Part,
    decision: Decision,
    card: &QuestionCard,
) -> Result<(), (&'static str, String)> {
    let code = &card.code;
    if card.parts == 0 {
        return Err((
            "no-steps",
            format!("question {code} has no steps; answer it whole"),
        ));
    }
    if part.last() > card.parts {
        let text = format!(
            "question {code} has {} steps, not {}",
            card.parts,
            part.last()
        );
        return Err(("no-such-step", text));
    }
    if decision == Decision::Deny {
        let text = "a no is to the whole plan; allow the steps that you want".to_owned();
        return Err(("no-in-part", text));
    }
    Ok(())
}
