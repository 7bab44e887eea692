//! `model.complete`: judged, recorded, and sent to the model of the session's route, or answered
//! here where the route is `offline`. The worker never says which provider or model.

use super::{Asked, form};
use crate::desk;
use carapace_contract::control::Tell;
use carapace_contract::id::{Digest, EffectId};
use carapace_contract::model::{Answer, Completion};
use carapace_contract::tool::Tool;
use carapace_ipc_proto::error::{Code, ErrorWord};
use carapace_ipc_proto::words::{Reply, Word, topic};
use carapace_ipc_proto::{Claim, limits};
use carapace_policy::{Judgement, ModelCall, judge};
use carapace_providers::openai_compatible::{self, Decoder, Endpoint, Piece};
use carapace_store::{EffectState, Recorded};
use serde_json::{Value, json};

/// Tokens an answer may have where the worker does not say.
const ANSWER_TOKENS: u32 = 4096;

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
    let bytes = serde_json_length(arguments.alleged());
    let completion: Claim<Completion> = form(arguments)?;
    let completion = completion.into_alleged();
    let broker = &asked.broker;

    // What was answered before is answered from the record.
    if let Some(known) = desk::known(asked).await? {
        match (known.state, known.result) {
            (EffectState::Refused | EffectState::Asked, _) => {}
            (EffectState::Done, Some(result)) => {
                let answer: Answer =
                    serde_json::from_value(result.clone()).map_err(|_| desk::gone())?;
                asked.turn.answered(&asked.call, &answer);
                return Ok(result);
            }
            (_, Some(result)) => {
                return Err(desk::stored_outcome(&result)
                    .err()
                    .unwrap_or_else(desk::gone));
            }
            (_, None) => return Err(desk::gone()),
        }
    }

    let most = completion.max_tokens.unwrap_or(ANSWER_TOKENS);
    let call = ModelCall {
        effect: EffectId::random(),
        caller: asked.caller(),
        call: asked.call.clone(),
        route: broker.config.model.route.clone(),
        origin: broker
            .endpoint
            .as_ref()
            .map(|endpoint| carapace_providers::origin_text(endpoint.origin())),
        completion: Digest::of(&serde_json::to_vec(&completion).unwrap_or_default()),
        bytes,
        tokens: match &broker.endpoint {
            None => 1,
            Some(_) => bytes / 3 + u64::from(most),
        },
    };
    let (effect, reserved) = (call.effect, call.tokens);
    let judgement = broker.with_world(&asked.live, asked.turn.budget(), |world| {
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
    asked.turn.reserve(reserved, bytes);
    broker.mark_activity();
    let recorded = broker
        .store
        .record(permit)
        .await
        .map_err(|error| desk::store_word(&error))?;
    let outward = broker.endpoint.is_some();
    let outcome = match &broker.endpoint {
        None => Ok(offline(asked)),
        Some(endpoint) => ask_provider(asked, endpoint, &recorded, &completion, most).await,
    };
    let stored = match &outcome {
        Ok(answer) => (EffectState::Done, serde_json::to_value(answer).ok()),
        Err(error) => (EffectState::Failed, Some(json!({ "error": error }))),
    };
    if let Err(error) = broker
        .store
        .finish(effect, outward, stored.0, stored.1.clone())
        .await
    {
        return Err(desk::store_word(&error));
    }
    match outcome {
        Ok(answer) => {
            asked.turn.settle(reserved, &answer);
            asked.turn.answered(&asked.call, &answer);
            Ok(stored.1.unwrap_or_else(|| json!({})))
        }
        Err(error) => {
            asked.turn.tell(Tell::Notice {
                text: error.message.clone(),
            });
            Err(error)
        }
    }
}

/// Reads only what the owner wrote, from the broker's own record, and what became of its calls.
fn offline(asked: &Asked) -> Answer {
    let tools: Vec<_> = asked
        .broker
        .registry
        .tools()
        .map(|tool| tool.name.clone())
        .collect();
    carapace_providers::offline::respond(&asked.turn.text, &asked.turn.done_calls(), &tools)
}

async fn ask_provider(
    asked: &Asked,
    endpoint: &Endpoint,
    recorded: &Recorded<ModelCall>,
    completion: &Completion,
    most: u32,
) -> Result<Answer, ErrorWord> {
    let failed = |message: String| ErrorWord::new(Code::ProviderError, 6, message);
    let tools: Vec<Tool> = completion
        .tools
        .iter()
        .filter_map(|name| asked.broker.registry.tool(name))
        .cloned()
        .collect();
    let bounded = Completion {
        max_tokens: Some(most),
        ..completion.clone()
    };
    let outbound = openai_compatible::request(endpoint, &bounded, &tools)
        .map_err(|error| failed(error.to_string()))?;
    let mut cancel = asked.turn.cancelled();
    let work =
        async {
            let mut response = asked.broker.egress.send(recorded, outbound).await.map_err(
                |error| match error {
                    carapace_egress::SendError::Status {
                        status,
                        retry_after,
                        body,
                    } => {
                        let trouble =
                            openai_compatible::refusal(status, retry_after.as_deref(), &body);
                        let mut word = failed(trouble.to_string());
                        word.retriable = trouble.retryable();
                        word
                    }
                    other => failed(other.to_string()),
                },
            )?;
            let mut decoder = Decoder::new();
            while let Some(chunk) = response
                .chunk()
                .await
                .map_err(|error| failed(error.to_string()))?
            {
                for piece in decoder
                    .feed(&chunk)
                    .map_err(|error| failed(error.to_string()))?
                {
                    if let Piece::Text(text) = piece {
                        stream(asked, text).await;
                    }
                }
            }
            decoder.finish().map_err(|error| failed(error.to_string()))
        };
    tokio::select! {
        outcome = work => outcome,
        _ = cancel.wait_for(|cancelled| *cancelled) => Err(ErrorWord::new(Code::Cancelled, 6, "the turn was cancelled")),
    }
}

/// A piece of text, to the person and to the mind at once.
async fn stream(asked: &Asked, text: String) {
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
        asked.reply.say(word).await;
        rest = after;
    }
    asked.turn.tell(Tell::Delta { text });
}

fn serde_json_length(value: &Value) -> u64 {
    value.to_string().len() as u64
}
