//! `model.complete`: the models of the session's route are asked in order until one answers. Each
//! attempt is judged, paid for and recorded before it is sent. The worker never says which provider or model.

use super::attempt::{Failed, attempt};
use super::{Asked, form};
use crate::desk;
use crate::guard;
use crate::route::{self, Candidate};
use carapace_contract::config::OFFLINE;
use carapace_contract::control::Tell;
use carapace_contract::id::{CallId, Digest, EffectId};
use carapace_contract::model::{Answer, Completion, MAX_ATTACHMENTS, MediaType, Stop, Usage};
use carapace_ipc_proto::Claim;
use carapace_ipc_proto::error::{Code, ErrorWord};
use carapace_ipc_proto::words::topic;
use carapace_policy::{Amount, Judgement, ModelCall, SecretUse, judge};
use carapace_providers::Blobs;
use carapace_store::{EffectState, KnownEffect, Note};
use serde_json::{Value, json};
use std::collections::hash_map::Entry;
use std::time::Instant;

/// The most bytes of attachments in one request.
const BLOBS: usize = 20 * 1024 * 1024;

/// One model call. A mind that replaces one that was lost gets the answer of what is under way.
pub(super) async fn answer(asked: Asked, arguments: Claim<Value>) -> Result<Value, ErrorWord> {
    let digest = Digest::of(topic::MODEL_COMPLETE.as_bytes());
    let text = desk::join(asked, digest, async move |asked| {
        complete(asked, arguments)
            .await
            .map(|answer| answer.to_string())
    })
    .await?;
    serde_json::from_str(&text).map_err(|_| desk::gone())
}

async fn complete(asked: &Asked, arguments: Claim<Value>) -> Result<Value, ErrorWord> {
    let bytes = arguments.alleged().to_string().len() as u64;
    let completion: Claim<Completion> = form(arguments)?;
    let mut completion = completion.into_alleged();
    let broker = &asked.broker;

    // What was answered before is answered from the record.
    let first = match known(asked).await? {
        Known::Answered(outcome) => return outcome,
        Known::New(first) => first,
    };

    let route = asked.turn.route();
    let candidates = route::candidates(&broker.config, &route)
        .map_err(|error| ErrorWord::new(Code::ProviderError, 4, error.to_string()))?;
    if asked.turn.is_aside() {
        // A reader has one text; no tool is offered to it, and no file of the session.
        completion.tools.clear();
        for message in &mut completion.messages {
            message.attachments.clear();
        }
    }
    if candidates.is_empty() {
        return offline(asked, &completion, bytes).await;
    }
    let blobs = blobs(asked, &mut completion).await?;
    let bytes = bytes + guard::mark(&mut completion, broker.marks.of(asked.session));
    let ask = Ask {
        completion: &completion,
        blobs: &blobs,
        bytes,
    };
    let mut failures: Vec<(String, ErrorWord)> = Vec::new();
    let mut number = first;
    for candidate in &candidates {
        let name = candidate.name.to_string();
        if let Err(rest) = broker.breakers.admit(&name, Instant::now()) {
            let why = format!(
                "{name} failed before and is left alone for {} s",
                rest.as_secs().max(1)
            );
            let mut word = ErrorWord::new(Code::ProviderError, 6, why);
            word.retriable = true;
            failures.push((name, word.after(rest.as_secs().max(1) as u32)));
            continue;
        }
        if let Some((from, word)) = failures.last() {
            announce(asked, from, &name, word);
        }
        let attempted = attempt_name(&asked.call, number);
        match attempt(asked, candidate, &ask, &attempted).await {
            Ok(answer) => {
                broker.breakers.worked(&name);
                return Ok(answer);
            }
            Err(Failed { word, health, next }) => {
                match health {
                    Some(wait) => broker.breakers.failed(&name, wait, Instant::now()),
                    None => broker.breakers.neither(&name),
                }
                if !next {
                    return Err(word);
                }
                failures.push((name, word));
                // One that left nothing on record leaves its name to the next: the names have no gap.
                if desk::known_as(asked, attempted)
                    .await
                    .map_or(true, |known| known.is_some())
                {
                    number += 1;
                }
            }
        }
    }
    outage(asked, &route, &candidates, failures, &completion, bytes).await
}

/// What one attempt is about.
pub(crate) struct Ask<'a> {
    pub(crate) completion: &'a Completion,
    pub(crate) blobs: &'a Blobs,
    /// Size of the request as the worker sent it.
    pub(crate) bytes: u64,
}

enum Known {
    Answered(Result<Value, ErrorWord>),
    /// The number of the attempt that comes next.
    New(u32),
}

/// The name of an attempt: the call's own for the first, so that what is asked twice is found.
fn attempt_name(call: &CallId, number: u32) -> CallId {
    if number == 0 {
        return call.clone();
    }
    // A name that leaves no room is cut: it is unique within its turn only as far as it is long.
    let stem: String = call.as_str().chars().take(56).collect();
    format!("{stem}.a{number}")
        .parse()
        .unwrap_or_else(|_| call.clone())
}

/// The newest attempt that is on record, with its number.
async fn newest(asked: &Asked) -> Result<Option<(u32, KnownEffect)>, ErrorWord> {
    let mut newest = None;
    for number in 0..64 {
        match desk::known_as(asked, attempt_name(&asked.call, number)).await? {
            Some(known) => newest = Some((number, known)),
            None => break,
        }
    }
    Ok(newest)
}

/// What became of this call before.
async fn known(asked: &Asked) -> Result<Known, ErrorWord> {
    // A name that this turn has not used before, in its first attempt, is in no record.
    if asked.turn.is_new_name(asked) {
        return Ok(Known::New(0));
    }
    let Some((number, known)) = newest(asked).await? else {
        return Ok(Known::New(0));
    };
    Ok(match (known.state, known.result) {
        (EffectState::Refused | EffectState::Asked, _) => Known::New(number),
        (EffectState::Done, Some(result)) => {
            let answer: Answer =
                serde_json::from_value(result.clone()).map_err(|_| desk::gone())?;
            asked.turn.answered(&asked.call, &answer);
            Known::Answered(Ok(result))
        }
        (_, Some(result)) => Known::Answered(Err(desk::stored_outcome(&result)
            .err()
            .unwrap_or_else(desk::gone))),
        (_, None) => Known::Answered(Err(desk::gone())),
    })
}

/// The bytes of the attachments that the messages name, from this session only. What the worker
/// says about them is replaced by what they are.
async fn blobs(asked: &Asked, completion: &mut Completion) -> Result<Blobs, ErrorWord> {
    let invalid = |message: String| ErrorWord::new(Code::ValidationFailed, 3, message);
    let mut blobs = Blobs::new();
    let mut total = 0;
    for message in &mut completion.messages {
        if message.attachments.len() > MAX_ATTACHMENTS {
            return Err(invalid(format!(
                "a message has at most {MAX_ATTACHMENTS} attachments"
            )));
        }
        for attachment in &mut message.attachments {
            let id = attachment.id;
            let bytes = match blobs.entry(id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    let bytes = asked
                        .broker
                        .store
                        .attachment(asked.session, id)
                        .await
                        .map_err(|error| desk::store_word(&error))?
                        .ok_or_else(|| invalid(format!("this session has no attachment {id}")))?;
                    total += bytes.len();
                    if total > BLOBS {
                        return Err(invalid(format!(
                            "the attachments have more than {BLOBS} bytes together"
                        )));
                    }
                    place.insert(bytes.into())
                }
            };
            attachment.bytes = bytes.len() as u64;
            attachment.media_type = MediaType::of(bytes)
                .ok_or_else(|| invalid(format!("the attachment {id} is of no known kind")))?;
            attachment.name = crate::card::visible(&attachment.name)
                .chars()
                .take(100)
                .collect();
        }
    }
    if !blobs.is_empty() {
        crate::facts::attached(asked).await?;
    }
    Ok(blobs)
}

fn announce(asked: &Asked, from: &str, to: &str, word: &ErrorWord) {
    let why = word.message.lines().next().unwrap_or_default().to_owned();
    asked.turn.tell(Tell::Notice {
        text: format!("switched to {to} because {from} failed: {why}"),
    });
    asked.broker.note(Note::Switched {
        session: asked.session,
        from: from.to_owned(),
        to: to.to_owned(),
        why,
    });
}

/// No model answered. A route that ends in `offline` reports that in the turn's own words; it never
/// goes on with the work. Any other fails.
async fn outage(
    asked: &Asked,
    route: &str,
    candidates: &[Candidate],
    failures: Vec<(String, ErrorWord)>,
    completion: &Completion,
    bytes: u64,
) -> Result<Value, ErrorWord> {
    let reports = asked
        .broker
        .config
        .routes
        .get(route)
        .is_some_and(|list| list.models.last().is_some_and(|last| last == OFFLINE));
    // What a reader is told is no answer to anybody.
    let reports = reports && !asked.turn.is_aside();
    let lines: Vec<String> = failures
        .iter()
        .map(|(name, word)| {
            format!(
                "- {name}: {}",
                word.message.lines().next().unwrap_or_default()
            )
        })
        .collect();
    if reports {
        let text = format!(
            "No model of the route {route} answered, so nothing was done:\n{}\nAsk again when one is back; `carapace auth test` tries each.",
            lines.join("\n")
        );
        asked.turn.tell(Tell::Notice {
            text: format!("no model of the route {route} answered"),
        });
        let answer = Answer {
            text,
            tool_calls: Vec::new(),
            thinking: Vec::new(),
            stop: Stop::End,
            usage: Usage::default(),
        };
        return inside(asked, completion, bytes, answer).await;
    }
    let retriable = failures.iter().any(|(_, word)| word.retriable);
    let mut word = failures
        .into_iter()
        .map(|(_, word)| word)
        .next_back()
        .unwrap_or_else(desk::gone);
    word.retriable = retriable;
    if candidates.len() > 1 {
        word.message = format!(
            "no model of the route {route} answered:\n{}",
            lines.join("\n")
        );
    }
    asked.turn.tell(Tell::Notice {
        text: word.message.clone(),
    });
    Err(word)
}

/// Reads only what the owner wrote, from the broker's own record, and what became of its calls.
async fn offline(asked: &Asked, completion: &Completion, bytes: u64) -> Result<Value, ErrorWord> {
    let tools: Vec<_> = asked
        .broker
        .registry
        .tools()
        .map(|tool| tool.name.clone())
        .collect();
    let answer =
        carapace_providers::offline::respond(&asked.turn.text, &asked.turn.done_calls(), &tools);
    inside(asked, completion, bytes, answer).await
}

/// An answer that is made inside the broker, judged and recorded like any other.
async fn inside(
    asked: &Asked,
    completion: &Completion,
    bytes: u64,
    answer: Answer,
) -> Result<Value, ErrorWord> {
    let broker = &asked.broker;
    let call = ModelCall {
        effect: EffectId::random(),
        caller: asked.caller(),
        call: asked.call.clone(),
        route: asked.turn.route(),
        model: OFFLINE.to_owned(),
        origin: None,
        secret: None,
        channel: asked.turn.channel.clone(),
        completion: Digest::of(&serde_json::to_vec(completion).unwrap_or_default()),
        bytes,
        tokens: 1,
        worst: Amount {
            usd: Some(0),
            tokens: 0,
        },
    };
    let effect = call.effect;
    // Attempts that failed may stand under the call's own name and those after it.
    let number = newest(asked).await?.map_or(0, |(number, _)| number + 1);
    let call = ModelCall {
        call: attempt_name(&asked.call, number),
        ..call
    };
    let judgement = broker.with_world(&asked.live, &asked.turn, &[], SecretUse::Free, |world| {
        judge(Claim::new(call), world)
    });
    let permit = match judgement {
        Judgement::Allow(permit) => permit,
        Judgement::Refuse(refusal) => {
            desk::note_refusal(asked, effect, "model.complete", &refusal);
            return Err(desk::refusal_word(4, &refusal));
        }
        Judgement::Ask(question) => {
            let refusal = question.expire();
            desk::note_refusal(asked, effect, "model.complete", &refusal);
            return Err(desk::refusal_word(4, &refusal));
        }
    };
    asked.turn.reserve(1, bytes);
    broker.mark_activity();
    let _recorded = broker
        .store
        .record(permit)
        .await
        .map_err(|error| desk::store_word(&error))?;
    let result = serde_json::to_value(&answer).unwrap_or_else(|_| json!({}));
    broker
        .store
        .finish(effect, false, EffectState::Done, Some(result.clone()))
        .await
        .map_err(|error| desk::store_word(&error))?;
    asked.turn.settle(1, &answer);
    asked.turn.answered(&asked.call, &answer);
    Ok(result)
}
