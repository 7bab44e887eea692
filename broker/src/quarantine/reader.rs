//! A reader: a fresh mind in the cage of every mind, with no history and no tools, for one question about
//! one text. It may ask the model of the session's route and report; a topic of any other kind is a
//! violation. Nothing it says is shown to anybody as it is.

use crate::answer::Asked;
use crate::broker::Live;
use crate::mind::{self, Gone};
use crate::route;
use crate::turn::{News, Turn};
use carapace_contract::control::TurnEnd;
use carapace_contract::label::Label;
use carapace_contract::model::{Message, Role};
use carapace_contract::tool::Invocation;
use carapace_ipc_proto::error::{Code, ErrorWord};
use carapace_ipc_proto::words::{Part, Word};
use carapace_policy::{Budget, Contacts, Facts};
use serde_json::json;
use std::rc::Rc;
use std::time::Duration;

/// Model calls of one reading: one, and some for a vendor that fails at first.
const ROUNDS: u32 = 3;
/// Tokens of one reading, at most: the longest text and a full answer.
const TOKENS: u64 = 128 * 1024;
/// Bytes to the model in one reading.
const BYTES: u64 = 4 * 1024 * 1024;
/// Seconds of one reading.
const SECONDS: u64 = 120;

/// Whether there is a model that could read.
pub(super) fn possible(asked: &Asked) -> Result<(), ErrorWord> {
    let there = route::candidates(&asked.broker.config, &asked.turn.route())
        .is_ok_and(|candidates| !candidates.is_empty());
    if there {
        return Ok(());
    }
    Err(ErrorWord::new(
        Code::PluginUnavailable,
        6,
        "the route of this session is offline: there is no model that could read, so nothing was read",
    ))
}

/// What a reader answers, which is a claim of a process that has read untrusted words.
pub(super) async fn answer(
    asked: &Asked,
    call: &Invocation,
    label: &Label,
    question: &str,
    fields: &str,
    text: &str,
) -> Result<String, ErrorWord> {
    let broker = &asked.broker;
    let failed = |message: &str| Err(ErrorWord::new(Code::HandlerError, 6, message));
    let left = asked.turn.budget();
    let limits = Budget {
        rounds: ROUNDS.min(left.rounds),
        tokens: TOKENS.min(left.tokens),
        bytes: BYTES.min(left.bytes),
    };
    let tokens = limits.tokens;
    let (turn, mut inbox) = Turn::aside(&asked.turn, limits);
    let live = Rc::new(Live::aside(broker, facts(asked, label)));
    *live.turn.borrow_mut() = Some(Rc::clone(&turn));
    let lost = "no confined process could be started for the reader";
    // Its requests stand in the record within the call that it reads for.
    let Ok(within) = call.effect.to_string().parse() else {
        return failed(lost);
    };
    let Ok(mind) = mind::launch(broker, &live, asked.session, Some(within)).await else {
        return failed(lost);
    };
    asked.turn.reserve(tokens, text.len() as u64);
    let mark = broker.marks.of(asked.session);
    let message = format!(
        "Question: {question}\n\nAnswer with one JSON object with exactly these keys, null where the text does not tell:\n{fields}\n\nThe text:\n{}",
        mark.around(text)
    );
    let said = json!({
        "history": [Message::text(Role::User, message)],
        "tools": [],
        "reading": true,
        "limits": { "rounds": ROUNDS, "seconds": SECONDS, "tokens": tokens },
    });
    mind.wire
        .say(Word::Turn(Part {
            json: said.to_string().into_bytes(),
            more: false,
        }))
        .await;
    let mut cancel = turn.cancelled();
    let outcome = tokio::select! {
        news = inbox.recv() => match news {
            Some(News::Reported(_, TurnEnd::Answered, text)) => Ok(turn.final_text(text)),
            Some(News::Reported(..)) => failed("the reader got no answer from the model"),
            Some(News::MindGone(_, Gone::Violation(_))) => {
                failed("the reader broke the protocol and was stopped; nothing of it is used")
            }
            Some(News::MindGone(_, Gone::Ended(_))) | None => failed("the reader was lost"),
        },
        _ = tokio::time::sleep(Duration::from_secs(SECONDS)) => failed("the reader took too long"),
        _ = cancel.wait_for(|cancelled| *cancelled) => {
            Err(ErrorWord::new(Code::Cancelled, 6, "the turn was cancelled"))
        }
    };
    *live.turn.borrow_mut() = None;
    mind::stop(broker, &mind).await;
    let used = turn.used();
    asked.turn.give_back(tokens.saturating_sub(used));
    asked.turn.add_usage(turn.usage());
    outcome
}

/// What is known of a reader: it has heard nobody but others, has everything that is in the text, and its
/// question was written by an assistant that has seen what the session has.
fn facts(asked: &Asked, label: &Label) -> Facts {
    let seen = asked.live.facts.borrow();
    let mut label = label.clone();
    label.join(seen.label());
    Facts::restored(Contacts::default(), label, seen.exposure().clone())
}
