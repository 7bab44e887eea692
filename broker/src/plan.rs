//! `plan.propose`: a plan is read against the tools it names, judged at once, put to the owner where
//! that is needed, and what they say yes to is granted to this session for a while. The grants are
//! kept in memory alone: a restart forgets them.

use crate::answer::Asked;
use crate::broker::{Broker, now};
use crate::desk::{Met, gone, met_before, note_refusal, refusal_word, store_word};
use crate::{approval, broker, card};
use carapace_contract::control::{TaskGrantRow, Tell};
use carapace_contract::id::{Code, Digest, EffectId, ToolName};
use carapace_contract::tool::Tool;
use carapace_ipc_proto::Claim;
use carapace_ipc_proto::error::{Code as ErrorCode, ErrorWord};
use carapace_policy::plan::{Bound, Step, TaskGrant};
use carapace_policy::{Judgement, PROPOSE, Permit, Proposal, Proposed, SecretUse, judge};
use carapace_store::{EffectState, Note};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Values that one argument may have to choose from.
const CHOICES: usize = 64;

/// One plan, from claim to grant; its form fits the schema.
pub(crate) async fn propose(asked: &Asked, arguments: Claim<Value>) -> Result<String, ErrorWord> {
    if asked.within.is_some() || asked.turn.is_aside() {
        let text = "a plan comes from the assistant itself, not from inside a call or a reading";
        return Err(ErrorWord::new(ErrorCode::Unauthorized, 2, text));
    }
    let claim = arguments.parse(|arguments| read(asked, &arguments))?;
    let again = |mut proposal: Proposal, effect| {
        proposal.effect = effect;
        proposal
    };
    let claim = match met_before(asked, claim, again).await? {
        Met::Answered(outcome) => return outcome,
        Met::New(claim) => *claim,
    };
    let (permit, code, answered) = permitted(asked, claim).await?;
    let effect = permit.what().effect;
    let outward = permit.what().effects().is_outward();
    let recorded = asked
        .broker
        .store
        .record(permit)
        .await
        .map_err(|error| store_word(&error))?;
    asked.broker.mark_activity();
    asked.turn.tell(Tell::ToolStarted {
        effect,
        call: asked.call.clone(),
        tool: PROPOSE.parse().expect("a name of the line"),
        summary: format!("{PROPOSE} ({} steps)", recorded.what().steps.len()),
    });
    let outcome = if asked.broker.frozen.get() || asked.turn.is_cancelled() {
        let text = "it was stopped before it was begun";
        Err(ErrorWord::new(ErrorCode::Cancelled, 6, text))
    } else {
        Ok(grant(asked, code, recorded.what(), answered))
    };
    let (state, result, word, detail) = match &outcome {
        Ok(text) => (EffectState::Done, json!({ "ok": text }), "done", "granted"),
        Err(word) => (
            EffectState::Failed,
            json!({ "error": word }),
            "failed",
            word.message.as_str(),
        ),
    };
    asked.turn.tell(Tell::ToolEnded {
        effect,
        outcome: word.to_owned(),
        detail: detail.to_owned(),
        millis: 0,
    });
    asked
        .broker
        .store
        .finish(effect, outward, state, Some(result))
        .await
        .map_err(|error| store_word(&error))?;
    outcome
}

/// The judgement, with a person's answer where one is needed; the code under which the grant is known and
/// can be taken back; and whether a person answered.
async fn permitted(
    asked: &Asked,
    claim: Claim<Proposal>,
) -> Result<(Permit<Proposal>, Code, bool), ErrorWord> {
    let about = claim.alleged().clone();
    let judgement =
        asked
            .broker
            .with_world(&asked.live, &asked.turn, &[], SecretUse::Free, |world| {
                judge(claim, world)
            });
    match judgement {
        Judgement::Refuse(refusal) => {
            note_refusal(asked, about.effect, PROPOSE, &refusal);
            if let Err(error) = asked.broker.store.judged(&about, false).await {
                crate::clean::log!("a refusal was not kept in the list of effects: {error}");
            }
            Err(refusal_word(4, &refusal))
        }
        Judgement::Allow(permit) => {
            let _ = asked.live.bucket.borrow_mut().take(broker::now_ms());
            Ok((permit, Code::random(), false))
        }
        Judgement::Ask(question) => {
            let _ = asked.live.bucket.borrow_mut().take(broker::now_ms());
            let permit = approval::confirm(asked, question).await?;
            let question = asked.broker.store.question_about(about.effect).await;
            match question.map_err(|error| store_word(&error))? {
                Some(question) => Ok((permit, question.card.code, true)),
                None => Err(gone()),
            }
        }
    }
}

/// Grants what was permitted, and says in full what that is.
fn grant(asked: &Asked, code: Code, proposal: &Proposal, answered: bool) -> String {
    let broker = &asked.broker;
    let minutes = broker.config.approvals.task_minutes;
    let expires = now() + i64::from(minutes) * 60;
    let steps = proposal.granted();
    let mut told = String::new();
    for (at, step) in steps.iter().enumerate() {
        let given = if step.count == 0 {
            "not granted"
        } else {
            "granted"
        };
        let often = often(proposal.steps[at].step.count);
        told.push_str(&format!(
            "step {}: {}, {often}: {given}\n",
            at + 1,
            step.tool
        ));
    }
    let lines = steps
        .iter()
        .enumerate()
        .filter(|(_, step)| step.count > 0)
        .map(|(at, step)| format!("step {}: {}, {}", at + 1, step.tool, often(step.count)))
        .collect();
    let grant = TaskGrant::new(steps, expires);
    let grant = if answered { grant } else { grant.unasked() };
    broker
        .grants
        .borrow_mut()
        .allow_task(code.clone(), asked.session, grant);
    broker.note(Note::Granted {
        effect: proposal.effect,
        session: asked.session,
        question: code,
        steps: lines,
        expires,
    });
    format!(
        "{told}This holds in this conversation for {minutes} minutes. A call that does not fit a granted step exactly, \
         and every call after its count is used up, is judged and asked about as if there were no plan."
    )
}

/// The grants of plans, as they are shown.
pub(crate) fn rows(broker: &Broker) -> Vec<TaskGrantRow> {
    let grants = broker.grants.borrow();
    grants
        .tasks(now())
        .map(|row| TaskGrantRow {
            code: row.code.clone(),
            session: row.session,
            expires: row.grant.expires(),
            steps: row
                .grant
                .steps()
                .iter()
                .enumerate()
                .filter(|(_, step)| step.count > 0)
                .map(|(at, step)| (at + 1, step.count, card::step(step)))
                .collect(),
        })
        .collect()
}

/// How often, in words.
pub(crate) fn often(count: u32) -> String {
    if count == 1 {
        "once".to_owned()
    } else {
        format!("up to {count} times")
    }
}

/// The steps, each of a tool that there is, with arguments that this tool takes.
fn read(asked: &Asked, arguments: &Value) -> Result<Proposal, ErrorWord> {
    let steps = arguments["steps"].as_array().map_or(&[][..], Vec::as_slice);
    let steps = steps
        .iter()
        .enumerate()
        .map(|(at, step)| {
            read_step(asked, step).map_err(|problem| {
                ErrorWord::new(
                    ErrorCode::ValidationFailed,
                    3,
                    format!("step {}: {problem}", at + 1),
                )
                .in_field(format!("/steps/{at}"))
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let why = arguments["why"].as_str().unwrap_or_default().to_owned();
    Ok(Proposal::new(
        EffectId::random(),
        asked.caller(),
        asked.call.clone(),
        steps,
        why,
    ))
}

fn read_step(asked: &Asked, step: &Value) -> Result<Proposed, String> {
    let tool = step["tool"].as_str().unwrap_or_default();
    let name: ToolName = tool
        .parse()
        .map_err(|_| "its tool has no name of a tool".to_owned())?;
    let registry = &asked.broker.registry;
    let (tool, manifest): (&Tool, Digest) = registry
        .tool(&name)
        .zip(registry.manifest(&name))
        .filter(|_| name.as_str() != PROPOSE)
        .ok_or_else(|| format!("there is no tool named {name} that a plan may have"))?;
    let takes: Vec<String> = tool.schema["properties"]
        .as_object()
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default();
    let none = Map::new();
    let given = step["arguments"].as_object().unwrap_or(&none);
    let mut bounds = BTreeMap::new();
    for (argument, value) in given {
        if !takes.contains(argument) {
            return Err(format!(
                "{name} takes no such argument; it takes {}",
                takes.join(", ")
            ));
        }
        let bound = bound(value).map_err(|problem| format!("{argument} {problem}"))?;
        bounds.insert(argument.clone(), bound);
    }
    let count = step["count"].as_u64().map_or(Ok(1), u32::try_from);
    Ok(Proposed {
        step: Step {
            tool: name,
            arguments: bounds,
            count: count.map_err(|_| "its count is too high".to_owned())?,
        },
        manifest,
        effects: tool.effects.clone(),
        takes,
    })
}

fn bound(value: &Value) -> Result<Bound, String> {
    let bound = match value {
        Value::Object(_) => serde_json::from_value(value.clone()).map_err(|_| {
            "is neither {\"exactly\": value} nor {\"one-of\": [values]} nor {\"at-most\": number}"
                .to_owned()
        })?,
        plain => Bound::Exactly(plain.clone()),
    };
    match &bound {
        Bound::Exactly(Value::Null) => Err("is nothing; leave it out".to_owned()),
        Bound::OneOf(list) if list.is_empty() || list.len() > CHOICES => {
            Err(format!("is one of none, or of more than {CHOICES}"))
        }
        _ => Ok(bound),
    }
}
