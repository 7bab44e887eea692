//! One attempt at one model: judged, paid for, recorded, sent, read, settled.

use super::Asked;
use super::complete::Ask;
use crate::broker::now;
use crate::route::Candidate;
use crate::{approval, desk, own, spend};
use carapace_contract::control::{SendRow, Tell};
use carapace_contract::id::{CallId, Digest, EffectId};
use carapace_contract::model::{Answer, Completion, Usage};
use carapace_contract::tool::Tool;
use carapace_egress::SendError;
use carapace_ipc_proto::error::{Code, ErrorWord};
use carapace_ipc_proto::words::{Reply, Word};
use carapace_ipc_proto::{Claim, limits};
use carapace_policy::{Judgement, ModelCall, Reachable, SecretUse, judge};
use carapace_providers::{DecodeError, Outbound, Piece, Trouble};
use carapace_scrub::Stream;
use carapace_store::{EffectState, Recorded};
use serde_json::{Value, json};
use std::time::Duration;

/// Tokens an answer may have where the worker does not say.
const ANSWER_TOKENS: u32 = 4096;

/// More tokens than any call reads or writes.
const TOKENS: u64 = 1_000_000_000;

/// An attempt that gave no answer.
pub(crate) struct Failed {
    /// What the worker is told.
    pub(crate) word: ErrorWord,
    /// Set where it says something about the provider's health; with the time it asked for, if any.
    pub(crate) health: Option<Option<Duration>>,
    /// Whether the next model of the route may be tried.
    pub(crate) next: bool,
}

impl Failed {
    fn here(word: ErrorWord) -> Self {
        Self {
            word,
            health: None,
            next: false,
        }
    }
}

/// Asks one model.
pub(crate) async fn attempt(
    asked: &Asked,
    candidate: &Candidate,
    ask: &Ask<'_>,
    name: &CallId,
) -> Result<Value, Failed> {
    let broker = &asked.broker;
    let model = candidate.name.to_string();
    let origin = candidate.endpoint.origin().to_string();
    let most = ask.completion.max_tokens.unwrap_or(ANSWER_TOKENS);
    let bounded = Completion {
        max_tokens: Some(most),
        ..ask.completion.clone()
    };
    let tools: Vec<Tool> = ask
        .completion
        .tools
        .iter()
        .filter_map(|name| broker.registry.tool(name))
        .cloned()
        .collect();
    let refused_by_codec = |error: carapace_providers::RequestError| Failed {
        word: for_good(error.to_string()),
        health: None,
        next: true,
    };
    let outbound = candidate
        .kind
        .codec
        .request(&candidate.endpoint, &bounded, &tools, ask.blobs)
        .map_err(refused_by_codec)?;

    let secret = candidate.endpoint.secret().cloned();
    let call = ModelCall {
        effect: EffectId::random(),
        caller: asked.caller(),
        call: name.clone(),
        route: asked.turn.route(),
        model: model.clone(),
        origin: Some(origin.clone()),
        secret: secret.clone(),
        channel: asked.turn.channel.clone(),
        completion: Digest::of(&serde_json::to_vec(ask.completion).unwrap_or_default()),
        bytes: ask.bytes,
        tokens: ask.bytes / 3 + u64::from(most),
        worst: spend::worst(broker, candidate, &outbound, ask, most),
    };
    let reachable = [Reachable {
        model: model.clone(),
        origin: origin.clone(),
        withhold: candidate.withhold.clone(),
    }];
    let (effect, reserved) = (call.effect, call.tokens);
    let judged = |call: ModelCall| {
        let usable = secret.as_ref().map_or(SecretUse::Free, |secret| {
            broker.keeper.usable(secret, asked.session)
        });
        broker.with_world(&asked.live, &asked.turn, &reachable, usable, |world| {
            judge(Claim::new(call), world)
        })
    };
    let permit = match judged(call) {
        Judgement::Allow(permit) => Ok(permit),
        Judgement::Refuse(refusal) => Err(refusal),
        Judgement::Ask(question) => {
            let permit = approval::confirm(asked, question)
                .await
                .map_err(Failed::here)?;
            // A person takes their time: what was spent meanwhile counts.
            match judged(permit.what().clone()) {
                Judgement::Allow(_) => Ok(permit),
                Judgement::Refuse(refusal) => Err(refusal),
                Judgement::Ask(question) => Err(question.expire()),
            }
        }
    };
    let permit = match permit {
        Ok(permit) => permit,
        Err(refusal) => {
            desk::note_refusal(asked, effect, "model.complete", &refusal);
            broker
                .store
                .finish(effect, true, EffectState::Refused, None)
                .await
                .map_err(|error| Failed::here(desk::store_word(&error)))?;
            return Err(Failed {
                next: matches!(
                    refusal.reason.code.as_str(),
                    "budget-spent" | "no-secret" | "withheld"
                ),
                ..Failed::here(desk::refusal_word(4, &refusal))
            });
        }
    };
    let spending = spend::of(permit.what());
    asked.turn.reserve(reserved, ask.bytes);
    broker.ledger.borrow_mut().reserve(spending.clone());
    // A secret that lives elsewhere is fetched, and a login that ends is renewed, only for a call that may be made.
    if let Some(secret) = &secret
        && let Err(message) = own::make_ready(broker, secret).await
    {
        let failed = Failed {
            // A refresh token that was refused once is not shown again and again.
            word: for_good(message),
            health: Some(None),
            next: true,
        };
        return Err(not_made(asked, effect, candidate, reserved, failed).await);
    }
    broker.mark_activity();
    // Two waits at once, and both are over before anything is sent.
    let (kept, recorded) = tokio::join!(
        broker.store.reserve(spending, model.clone()),
        broker.store.record(permit)
    );
    let recorded = match kept.and(recorded) {
        Ok(recorded) => recorded,
        Err(error) => {
            let failed = Failed::here(desk::store_word(&error));
            return Err(not_made(asked, effect, candidate, reserved, failed).await);
        }
    };

    let sent = outbound.body.len() as u64;
    let exchange = exchange(asked, candidate, &recorded, outbound).await;
    let (outcome, received, status) = match exchange {
        Ok((answer, received)) => (Ok(answer), received, "200".to_owned()),
        Err(lost) => {
            let status = lost.status.clone();
            (Err(lost), 0, status)
        }
    };
    let row = SendRow {
        effect,
        at: now(),
        origin,
        purpose: "model".to_owned(),
        session: Some(asked.session),
        secret,
        sent,
        received,
        outcome: status,
    };
    if let Err(error) = broker.store.sent(row).await {
        crate::clean::log!("a request was not kept in the list of sends: {error}");
    }
    settle(asked, effect, reserved, candidate, outcome).await
}

/// The end of an attempt of which nothing was sent: it costs nothing, and no row of it stays open.
async fn not_made(
    asked: &Asked,
    effect: EffectId,
    candidate: &Candidate,
    reserved: u64,
    failed: Failed,
) -> Failed {
    let broker = &asked.broker;
    spend::settle(broker, effect, candidate, Usage::default()).await;
    asked.turn.give_back(reserved);
    let said = json!({ "error": failed.word });
    let ended = broker
        .store
        .finish(effect, true, EffectState::Failed, Some(said));
    match ended.await {
        Ok(()) => failed,
        Err(error) => Failed::here(desk::store_word(&error)),
    }
}

/// Why nothing came back, with what the settlement needs to know.
struct Lost {
    failed: Failed,
    /// Whether the vendor may have charged for it.
    charged: bool,
    status: String,
}

async fn settle(
    asked: &Asked,
    effect: EffectId,
    reserved: u64,
    candidate: &Candidate,
    outcome: Result<Answer, Lost>,
) -> Result<Value, Failed> {
    let broker = &asked.broker;
    let (state, stored) = match &outcome {
        Ok(answer) => (EffectState::Done, serde_json::to_value(answer).ok()),
        Err(lost) => (
            EffectState::Failed,
            Some(json!({ "error": lost.failed.word })),
        ),
    };
    match &outcome {
        Ok(answer) if answer.usage != Usage::default() => {
            spend::settle(broker, effect, candidate, answer.usage).await;
        }
        Err(lost) if !lost.charged => {
            spend::settle(broker, effect, candidate, Usage::default()).await;
        }
        // What it cost is not known: the worst case stays.
        _ => {}
    }
    broker
        .store
        .finish(effect, true, state, stored.clone())
        .await
        .map_err(|error| Failed::here(desk::store_word(&error)))?;
    match outcome {
        Ok(answer) => {
            asked.turn.settle(reserved, &answer);
            asked.turn.answered(&asked.call, &answer);
            Ok(stored.unwrap_or_else(|| json!({})))
        }
        Err(lost) => {
            if !lost.charged {
                asked.turn.give_back(reserved);
            }
            Err(lost.failed)
        }
    }
}

/// Sends and reads. What is shown on the way has no secret in it, nor has the answer.
async fn exchange(
    asked: &Asked,
    candidate: &Candidate,
    recorded: &Recorded<ModelCall>,
    outbound: Outbound,
) -> Result<(Answer, u64), Lost> {
    let mut cancel = asked.turn.cancelled();
    let mut shown = Shown {
        stream: crate::clean::newest().stream(),
        any: false,
    };
    let work = async {
        let mut response = asked
            .broker
            .egress
            .send(recorded, outbound)
            .await
            .map_err(|error| {
                if let (SendError::Status { status: 401, .. }, Some(secret)) =
                    (&error, candidate.endpoint.secret())
                {
                    asked.broker.keeper.distrust(secret);
                }
                unsent(candidate, error)
            })?;
        // What was computed for this request, such as a signature, is known since it was sent.
        shown.stream = crate::clean::newest().stream();
        let mut decoder = candidate.kind.codec.decoder();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| lost(error.to_string(), shown.any, true))?
        {
            for piece in decoder
                .feed(&chunk)
                .map_err(|error| undecoded(error, shown.any))?
            {
                if let Piece::Text(text) = piece {
                    shown.push(asked, &text).await;
                }
            }
        }
        let answer = decoder
            .finish()
            .map_err(|error| undecoded(error, shown.any))?;
        shown.finish(asked).await;
        Ok((answer, response.received_bytes()))
    };
    let (answer, received) = tokio::select! {
        outcome = work => outcome?,
        _ = cancel.wait_for(|cancelled| *cancelled) => {
            return Err(Lost {
                failed: Failed::here(ErrorWord::new(Code::Cancelled, 6, "the turn was cancelled")),
                charged: true,
                status: "cancelled".to_owned(),
            });
        }
    };
    let answer = Answer {
        usage: plausible(answer.usage),
        ..answer
    };
    Ok((clean(asked, answer), received))
}

/// What a vendor counts, within what one call can use: no number of theirs overflows ours.
fn plausible(usage: Usage) -> Usage {
    let least = |tokens: u64| tokens.min(TOKENS);
    Usage {
        input: least(usage.input),
        output: least(usage.output),
        cache_read: least(usage.cache_read),
        cache_write: least(usage.cache_write),
    }
}

/// An answer without secrets: a vendor may repeat what it was sent.
fn clean(asked: &Asked, answer: Answer) -> Answer {
    let Ok(mut value) = serde_json::to_value(&answer) else {
        return answer;
    };
    let hits = crate::clean::newest().json(&mut value);
    if hits.is_empty() {
        return answer;
    }
    asked
        .broker
        .alarm(Some(asked.session), &hits, "the answer of a model");
    serde_json::from_value(value).unwrap_or(Answer {
        text: String::new(),
        tool_calls: Vec::new(),
        thinking: Vec::new(),
        ..answer
    })
}

fn unsent(candidate: &Candidate, error: SendError) -> Lost {
    let charged = !error.nothing_left() && !matches!(error, SendError::Status { .. });
    match error {
        SendError::Status {
            status,
            retry_after,
            body,
        } => {
            let trouble = candidate
                .kind
                .codec
                .refusal(status, retry_after.as_deref(), &body);
            Lost {
                status: status.to_string(),
                ..troubled(&trouble, false)
            }
        }
        SendError::Stopped => Lost {
            failed: Failed::here(ErrorWord::new(
                Code::Unauthorized,
                6,
                "everything was stopped",
            )),
            charged: false,
            status: "stopped".to_owned(),
        },
        // The place is not asked at all: that says nothing about its health.
        SendError::WrongOrigin { .. }
        | SendError::NotRecorded { .. }
        | SendError::SecretNotRecorded { .. }
        | SendError::Guard(_)
        | SendError::Unusable { .. }
        | SendError::Lend { .. }
        | SendError::Attach { .. } => {
            let mut lost = lost(error.to_string(), false, false);
            lost.failed.health = None;
            lost.failed.word.retriable =
                matches!(&error, SendError::Lend { cause, .. } if cause.retriable);
            lost
        }
        other => lost(other.to_string(), false, charged),
    }
}

fn undecoded(error: DecodeError, shown: bool) -> Lost {
    match error {
        // The answer had begun: what the model thought until then may be charged.
        DecodeError::Trouble(trouble) => Lost {
            charged: true,
            ..troubled(&trouble, shown)
        },
        other => lost(other.to_string(), shown, true),
    }
}

/// What stays as it is until a person changes something.
fn for_good(message: String) -> ErrorWord {
    let mut word = ErrorWord::new(Code::ProviderError, 6, message);
    word.retriable = false;
    word
}

/// The connection or the answer failed.
fn lost(message: String, shown: bool, charged: bool) -> Lost {
    let status = message.lines().next().unwrap_or_default().to_owned();
    let mut word = ErrorWord::new(Code::ProviderError, 6, crate::clean::owned(message));
    // A text that was begun is not begun again, by this model or by another.
    word.retriable = !shown;
    Lost {
        failed: Failed {
            word,
            health: Some(None),
            next: !shown,
        },
        charged,
        status: crate::clean::owned(status),
    }
}

/// The vendor says why it does not answer.
fn troubled(trouble: &Trouble, shown: bool) -> Lost {
    let mut word = ErrorWord::new(
        Code::ProviderError,
        6,
        crate::clean::owned(trouble.to_string()),
    );
    word.retriable = trouble.retryable() && !shown;
    let wait = trouble.retry_after();
    if let Some(seconds) = wait {
        word = word.after(seconds);
    }
    let health = match trouble {
        Trouble::Quota { .. } | Trouble::Overloaded { .. } | Trouble::Auth { .. } => {
            Some(wait.map(|seconds| Duration::from_secs(seconds.into())))
        }
        _ => None,
    };
    Lost {
        failed: Failed {
            word,
            health,
            // What one vendor refuses is not taken to another one.
            next: !shown && !matches!(trouble, Trouble::Refused { .. }),
        },
        charged: shown,
        status: "error in the answer".to_owned(),
    }
}

/// What the person and the mind have seen of the text.
struct Shown {
    stream: Stream,
    any: bool,
}

impl Shown {
    async fn push(&mut self, asked: &Asked, text: &str) {
        let (clean, hits) = self.stream.push(text);
        if !hits.is_empty() {
            asked
                .broker
                .alarm(Some(asked.session), &hits, "the answer of a model");
        }
        self.say(asked, clean).await;
    }

    async fn finish(&mut self, asked: &Asked) {
        let stream = std::mem::replace(&mut self.stream, crate::clean::newest().stream());
        let (clean, _) = stream.finish();
        self.say(asked, clean).await;
    }

    /// A piece of text, to the person and to the mind at once.
    async fn say(&mut self, asked: &Asked, text: String) {
        let Some(reply) = asked.reply.as_ref().filter(|_| !text.is_empty()) else {
            return;
        };
        self.any = true;
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let mut cut = rest.len().min(limits::DELTA);
            while !rest.is_char_boundary(cut) {
                cut -= 1;
            }
            let (piece, after) = rest.split_at(cut);
            let word = Word::Delta(Reply {
                correlation: asked.call.as_str().to_owned(),
                json: piece.as_bytes().to_vec(),
                more: false,
                within: String::new(),
            });
            reply.say(word).await;
            rest = after;
        }
        asked.turn.tell(Tell::Delta { text });
    }
}
