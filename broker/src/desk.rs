//! The desk: six stages, in order, on one screen.
//!
//! A request comes in as a claim, and each stage takes what the one before it gave: a claim
//! becomes a permit only through `policy`, and only what `store` has recorded is carried out.
//! Leaving a stage out does not compile.

use crate::answer::Asked;
use crate::mind::Gone;
use crate::tools::web_fetch;
use crate::turn::News;
use crate::{approval, broker, card, clean, facts, plan, quarantine, sentinel, violation};
use carapace_contract::control::Tell;
use carapace_contract::id::{CallId, Digest, EffectId, ToolName};
use carapace_contract::tool::{Invocation, Place, Tool};
use carapace_ipc_proto::Claim;
use carapace_ipc_proto::error::{Code, ErrorWord};
use carapace_policy::rules::Rulings;
use carapace_policy::{Judged, Judgement, PROPOSE, Refusal, Ruled, SecretUse, TASK, World, judge};
use carapace_store::{EffectState, KnownEffect, Note, Recorded, StoreError};
use serde_json::{Value, json};
use std::time::Instant;

/// Bytes of a call's arguments that are kept until the turn ends.
const KEPT_ARGUMENTS: usize = 256 * 1024;

/// Refusals in one turn: a mind that goes on after so many is not reasoning, and each costs a record.
const REFUSALS: u32 = 1000;

/// One tool call, from claim to result.
async fn pass(asked: &Asked, tool: ToolName, arguments: Claim<Value>) -> Result<String, ErrorWord> {
    // 1 construct: who asks comes from the channel, never from the message
    let caller = asked.caller();

    // 2 topic: the tool exists (that this sender may ask now was looked up in the phase table)
    let (tool, manifest) = known_tool(asked, &tool)?;

    // 3 payload: the closed schema, to the innermost object
    let arguments = fit_schema(asked, tool, arguments)?;
    if tool.name.as_str() == PROPOSE {
        return plan::propose(asked, arguments).await;
    }
    let claim = arguments.parse(|arguments| {
        Ok::<_, ErrorWord>(Invocation {
            effect: EffectId::random(),
            caller,
            call: asked.call.clone(),
            tool: tool.name.clone(),
            manifest,
            arguments,
            effects: tool.effects.clone(),
            place: tool.place,
        })
    })?;
    let again = |call, effect| Invocation { effect, ..call };
    let about = claim.alleged().clone();
    let claim = match met_before(asked, claim, again).await? {
        Met::Answered(outcome) => return told_again(asked, &about, outcome).await,
        Met::New(claim) => *claim,
    };

    // 4 authorize: grants, floor, rules, rate, freeze
    let about = claim.alleged().clone();
    let rulings = sentinel::rulings(asked, &about).await;
    let permit = match authorize(asked, &about, claim, &rulings) {
        Judgement::Allow(permit) => permit,
        Judgement::Refuse(refusal) => {
            keep_refusal(asked, &about).await;
            return Err(refusal_word(4, &refusal));
        }
        // 5 confirm: a person, shown exactly this
        Judgement::Ask(question) => approval::confirm(asked, question).await?,
    };

    // 6 route: on record first, then done; the result is kept before it is told
    let recorded = asked
        .broker
        .store
        .record(permit)
        .await
        .map_err(|error| store_word(&error))?;
    asked.broker.mark_activity();
    if asked.broker.frozen.get() || asked.turn.is_cancelled() {
        return Err(never_begun(asked, &recorded).await);
    }
    facts::before(asked, recorded.what()).await?;
    route(asked, recorded).await
}

/// What was recorded and then stopped was not done, and that is known.
async fn never_begun(asked: &Asked, recorded: &Recorded<Invocation>) -> ErrorWord {
    let call = recorded.what();
    let word = ErrorWord::new(Code::Cancelled, 6, "it was stopped before it was begun");
    let result = json!({ "error": word });
    let outward = call.effects.is_outward();
    if let Err(error) = asked
        .broker
        .store
        .finish(call.effect, outward, EffectState::Failed, Some(result))
        .await
    {
        crate::clean::log!("the end of a call was not kept: {error}");
    }
    word
}

/// An outcome from the record, which a broker before this one may have kept and not yet delivered.
async fn told_again(
    asked: &Asked,
    call: &Invocation,
    outcome: Result<String, ErrorWord>,
) -> Result<String, ErrorWord> {
    if asked.turn.is_delivered(asked) {
        return outcome;
    }
    let text = match &outcome {
        Ok(text) => text,
        Err(error) => &error.message,
    };
    facts::deliver(asked, call, text).await?;
    asked.turn.delivered(asked);
    outcome
}

/// The same call asked twice is one call: a mind that replaces a lost one gets the outcome of
/// what is already under way.
pub(crate) async fn once(
    asked: Asked,
    tool: ToolName,
    arguments: Claim<Value>,
) -> Result<String, ErrorWord> {
    let text = format!("{tool} {}", arguments.alleged());
    let (digest, length) = (Digest::of(text.as_bytes()), text.len());
    drop(text);
    join(asked, digest, async move |asked| {
        // What the offline answers look at later; long ones are not its own.
        let alleged = arguments.alleged();
        let alleged = if length > KEPT_ARGUMENTS {
            Value::Null
        } else {
            alleged.clone()
        };
        let outcome = pass(asked, tool.clone(), arguments).await;
        asked.turn.called(asked, &tool, alleged, &outcome);
        outcome
    })
    .await
}

/// Does work under the caller's name for it, or waits for the outcome of the same work that is
/// under way. The work goes on where the one who asked is lost.
pub(crate) async fn join(
    asked: Asked,
    digest: Digest,
    work: impl AsyncFnOnce(&Asked) -> Result<String, ErrorWord> + 'static,
) -> Result<String, ErrorWord> {
    let key = (asked.within.clone(), asked.call.clone());
    if let Some((same, mut outcome)) = asked.turn.under_way(&key) {
        if same != digest {
            return Err(ErrorWord::new(
                Code::ValidationFailed,
                3,
                "another call is under way under this name",
            ));
        }
        return match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(gone())),
            Err(_) => Err(gone()),
        };
    }
    let tell = asked.turn.begin(key.clone(), digest);
    let work = tokio::task::spawn_local(async move {
        let outcome = work(&asked).await;
        let _ = tell.send(Some(outcome.clone()));
        asked.turn.ended(&key);
        outcome
    });
    work.await.unwrap_or_else(|_| Err(gone()))
}

pub(crate) fn gone() -> ErrorWord {
    ErrorWord::new(
        Code::HandlerError,
        6,
        "the call was lost; its outcome is not known and it is not repeated",
    )
}

fn known_tool<'a>(asked: &'a Asked, name: &ToolName) -> Result<(&'a Tool, Digest), ErrorWord> {
    let registry = &asked.broker.registry;
    registry
        .tool(name)
        .zip(registry.manifest(name))
        .ok_or_else(|| {
            ErrorWord::new(
                Code::UnknownTool,
                2,
                format!("there is no tool named {name}"),
            )
        })
}

fn fit_schema(
    asked: &Asked,
    tool: &Tool,
    arguments: Claim<Value>,
) -> Result<Claim<Value>, ErrorWord> {
    arguments.parse(
        |arguments| match asked.broker.registry.misfit(&tool.name, &arguments) {
            None => Ok(arguments),
            Some((field, problem)) => Err(ErrorWord::new(
                Code::ValidationFailed,
                3,
                format!("the arguments of {} do not fit: {problem}", tool.name),
            )
            .in_field(field)),
        },
    )
}

/// What is known of a request under its name.
pub(crate) enum Met<T> {
    /// It was answered before; this is the answer.
    Answered(Result<String, ErrorWord>),
    /// It is to be judged.
    New(Box<Claim<T>>),
}

/// What the store knows under this name: a request is carried out once, and another one under the same
/// name is none. One that was not carried out keeps the effect it is known by: `again` puts it in.
pub(crate) async fn met_before<T: Judged>(
    asked: &Asked,
    claim: Claim<T>,
    again: impl FnOnce(T, EffectId) -> T,
) -> Result<Met<T>, ErrorWord> {
    let new = |claim| Ok(Met::New(Box::new(claim)));
    // A name that this turn has not used before, in its first attempt, is in no record.
    if asked.turn.is_new_name(asked) {
        return new(claim);
    }
    let Some(known) = known_as(asked, asked.call.clone()).await? else {
        return new(claim);
    };
    if known.digest != claim.alleged().digest() {
        return Err(ErrorWord::new(
            Code::ValidationFailed,
            3,
            "another call was made under this name before",
        ));
    }
    Ok(Met::Answered(match known.state {
        EffectState::Refused | EffectState::Asked => {
            return new(claim.parse(|what| Ok::<_, ErrorWord>(again(what, known.effect)))?);
        }
        EffectState::Done | EffectState::Failed => known
            .result
            .as_ref()
            .map_or_else(|| Err(gone()), stored_outcome),
        EffectState::Acting | EffectState::Unknown => Err(gone()),
    }))
}

/// What the store knows under this name, from this sender in this turn.
pub(crate) async fn known_as(
    asked: &Asked,
    name: CallId,
) -> Result<Option<KnownEffect>, ErrorWord> {
    asked
        .broker
        .store
        .lookup(asked.turn.id, asked.within.clone(), name)
        .await
        .map_err(|error| store_word(&error))
}

fn authorize(
    asked: &Asked,
    about: &Invocation,
    claim: Claim<Invocation>,
    rulings: &Rulings,
) -> Judgement<Invocation> {
    let judgement =
        asked
            .broker
            .with_world(&asked.live, &asked.turn, &[], SecretUse::Free, |world| {
                let rules = Ruled {
                    rulings,
                    ..world.rules
                };
                let world = World {
                    rules,
                    ..world.clone()
                };
                judge(claim, &world)
            });
    match &judgement {
        Judgement::Refuse(refusal) => {
            note_refusal(asked, about.effect, about.tool.as_str(), refusal)
        }
        Judgement::Allow(_) | Judgement::Ask(_) => {
            // A step of a granted plan is used up by this.
            if let Judgement::Allow(permit) = &judgement
                && permit.basis().iter().any(|reason| reason.code == TASK)
            {
                let facts = asked.live.facts.borrow();
                let mut grants = asked.broker.grants.borrow_mut();
                grants.use_task(about, &facts, broker::now());
            }
            let _ = asked.live.bucket.borrow_mut().take(broker::now_ms());
        }
    }
    judgement
}

/// Carries out what is on record, and keeps its outcome before telling it.
async fn route(asked: &Asked, recorded: Recorded<Invocation>) -> Result<String, ErrorWord> {
    let call = recorded.what().clone();
    let started = Instant::now();
    asked.turn.tell(Tell::ToolStarted {
        effect: call.effect,
        call: call.call.clone(),
        tool: call.tool.clone(),
        summary: card::title(&call),
    });
    let (state, outcome) = match call.place {
        Place::Broker => settled(asked.broker.registry.run(&recorded)),
        Place::Network => settled(web_fetch::run(asked, &recorded).await),
        Place::Hands => told(&call, asked.live.hands.invoke(asked, &recorded).await),
        Place::Quarantine => told(&call, quarantine::run(asked, &recorded).await),
    };
    let millis = started.elapsed().as_millis() as u64;
    let outcome = without_secrets(asked, outcome);
    let result = match &outcome {
        Ok(text) => json!({ "ok": text }),
        Err(error) => json!({ "error": error }),
    };
    let (word, detail) = match (&outcome, state) {
        (_, EffectState::Unknown) => ("unknown", "whether it happened cannot be known".to_owned()),
        (Ok(text), _) => ("done", format!("{} bytes", text.len())),
        (Err(error), _) => ("failed", error.message.clone()),
    };
    let outward = call.effects.is_outward();
    asked.broker.note(Note::Finished {
        effect: call.effect,
        session: asked.session,
        outcome: word.to_owned(),
        millis,
        detail: detail.clone(),
    });
    asked
        .broker
        .store
        .finish(call.effect, outward, state, Some(result))
        .await
        .map_err(|error| store_word(&error))?;
    asked.turn.tell(Tell::ToolEnded {
        effect: call.effect,
        outcome: word.to_owned(),
        detail: card::visible(&detail),
        millis,
    });
    let text = match &outcome {
        Ok(text) => text,
        Err(error) => &error.message,
    };
    facts::deliver(asked, &call, text).await?;
    asked.turn.delivered(asked);
    outcome
}

/// What a tool gave, without secrets: what stands in a file of the owner's goes to nobody.
fn without_secrets(asked: &Asked, outcome: Result<String, ErrorWord>) -> Result<String, ErrorWord> {
    let scrubber = clean::newest();
    let text = match &outcome {
        Ok(text) => text,
        Err(error) => &error.message,
    };
    let (cleaned, hits) = scrubber.text(text);
    if hits.is_empty() {
        return outcome;
    }
    let cleaned = cleaned.into_owned();
    asked
        .broker
        .alarm(Some(asked.session), &hits, "the result of a tool");
    match outcome {
        Ok(_) => Ok(cleaned),
        Err(error) => Err(ErrorWord {
            message: cleaned,
            ..error
        }),
    }
}

/// Keeps the row of a refused call, so that `carapace effects` shows it.
async fn keep_refusal(asked: &Asked, call: &Invocation) {
    if let Err(error) = asked.broker.store.judged(call, false).await {
        crate::clean::log!("a refusal was not kept in the list of effects: {error}");
    }
}

/// An outcome that a process outside may have lost.
fn told(
    call: &Invocation,
    outcome: Result<Result<String, ErrorWord>, ErrorWord>,
) -> (EffectState, Result<String, ErrorWord>) {
    match outcome {
        Ok(outcome) => settled(outcome),
        Err(lost) if call.effects.idempotent => settled(Err(lost)),
        Err(_) => (EffectState::Unknown, Err(gone())),
    }
}

fn settled(outcome: Result<String, ErrorWord>) -> (EffectState, Result<String, ErrorWord>) {
    (
        if outcome.is_ok() {
            EffectState::Done
        } else {
            EffectState::Failed
        },
        outcome,
    )
}

pub(crate) fn stored_outcome(result: &Value) -> Result<String, ErrorWord> {
    match (
        result.get("ok").and_then(Value::as_str),
        result.get("error"),
    ) {
        (Some(text), _) => Ok(text.to_owned()),
        (None, Some(error)) => {
            Err(serde_json::from_value(error.clone()).unwrap_or_else(|_| gone()))
        }
        _ => Err(gone()),
    }
}

/// A refusal, on record and shown.
pub(crate) fn note_refusal(asked: &Asked, effect: EffectId, what: &str, refusal: &Refusal) {
    if asked.turn.count_refusal() > REFUSALS {
        let what = format!("it goes on after {REFUSALS} refusals in one turn");
        violation::punish(&asked.broker, asked.session, asked.worker, &what);
        asked
            .turn
            .news(News::MindGone(asked.worker, Gone::Violation(what)));
        return;
    }
    asked.broker.note(Note::Refused {
        effect,
        session: asked.session,
        what: what.to_owned(),
        code: refusal.code.to_owned(),
        reason: refusal.reason.clone(),
    });
    asked.turn.tell(Tell::ToolEnded {
        effect,
        outcome: "refused".to_owned(),
        detail: format!("{what}: {}", refusal.reason.text),
        millis: 0,
    });
}

/// A refusal as it crosses.
pub(crate) fn refusal_word(stage: u8, refusal: &Refusal) -> ErrorWord {
    use carapace_policy::code;
    let kind = match refusal.code {
        code::RATE_LIMITED => Code::RateLimited,
        code::BUDGET_EXCEEDED => Code::BudgetExceeded,
        code::CONFIRMATION_DENIED => Code::ConfirmationDenied,
        code::CONFIRMATION_TIMEOUT => Code::ConfirmationTimeout,
        _ => Code::Unauthorized,
    };
    let word = ErrorWord::new(kind, stage, refusal.reason.text.clone());
    match refusal.retry_after {
        Some(seconds) => word.after(seconds),
        None => word,
    }
}

/// A store that fails means no. The cause stays here.
pub(crate) fn store_word(error: &StoreError) -> ErrorWord {
    crate::clean::log!("the store: {error}");
    ErrorWord::new(
        Code::Unauthorized,
        6,
        "it cannot be put on record now, so it is not done",
    )
}
