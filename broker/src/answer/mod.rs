//! Answers to what a confined process asks: one file per request, named as the asking side names it.

mod attempt;
mod complete;
mod invoke;
mod list;
mod report;
mod say;

pub(crate) use attempt::attempt;
pub(crate) use complete::Ask;

use crate::broker::{Broker, Live};
use crate::link::Wire;
use crate::phase::Topic;
use crate::turn::Turn;
use carapace_contract::id::{CallId, SessionId, WorkerId};
use carapace_contract::tool::Caller;
use carapace_ipc_proto::error::{Code, ErrorWord};
use carapace_ipc_proto::words::{Reply, Word};
use carapace_ipc_proto::{Claim, json, limits};
use serde_json::Value;
use std::rc::Rc;

/// One request, with what the channel says about who asks. Nothing here came from the request but
/// the correlation, which means nothing outside its turn.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) broker: Rc<Broker>,
    pub(crate) live: Rc<Live>,
    pub(crate) turn: Rc<Turn>,
    pub(crate) session: SessionId,
    /// Set where a program inside a hands cage asked, while this call ran there.
    pub(crate) within: Option<CallId>,
    pub(crate) call: CallId,
    /// Where pieces of an answer go; nowhere where the broker itself asks.
    pub(crate) reply: Option<Wire>,
    pub(crate) worker: WorkerId,
}

impl Asked {
    /// Who asks.
    pub(crate) fn caller(&self) -> Caller {
        Caller {
            group: self.turn.group.clone(),
            session: self.session,
            turn: self.turn.id,
            within: self.within.clone(),
        }
    }
}

/// Answers one request that the phase permits.
pub(crate) async fn answer(
    asked: Asked,
    topic: Topic,
    arguments: Claim<Vec<u8>>,
) -> Result<Value, ErrorWord> {
    if asked.turn.is_cancelled() && topic != Topic::Report {
        return Err(ErrorWord::new(Code::Cancelled, 2, "the turn was cancelled"));
    }
    let longest = if topic == Topic::Complete {
        limits::IN_PARTS
    } else {
        limits::JSON_FIELD
    };
    let arguments = parse(arguments, longest)?;
    match topic {
        Topic::Invoke(tool) => invoke::answer(asked, tool, arguments).await,
        Topic::Complete => complete::answer(asked, arguments).await,
        Topic::List => Ok(list::answer(&asked)),
        Topic::Say => say::answer(&asked, arguments),
        Topic::Report => report::answer(&asked, arguments),
    }
}

/// What a confined process is told that wrote a secret. Not which: it could try out values.
pub(crate) fn holds_secret() -> ErrorWord {
    ErrorWord::new(
        Code::Unauthorized,
        3,
        "the request holds something that must not be in it",
    )
}

/// The word that carries an answer.
pub(crate) fn reply_word(
    call: &CallId,
    within: Option<&CallId>,
    outcome: Result<Value, ErrorWord>,
) -> Word {
    let within = within.map_or("", CallId::as_str);
    match outcome {
        Ok(value) => Word::Result(Reply {
            correlation: call.as_str().to_owned(),
            json: value.to_string().into_bytes(),
            more: false,
            within: within.to_owned(),
        }),
        Err(error) => Word::error(call.as_str(), within, &error),
    }
}

/// JSON within the limits, an object. Still a claim.
fn parse(bytes: Claim<Vec<u8>>, longest: usize) -> Result<Claim<Value>, ErrorWord> {
    let invalid = |message: String| ErrorWord::new(Code::ValidationFailed, 3, message);
    bytes.parse(|bytes| {
        json::check(&bytes, longest)
            .map_err(|excess| invalid(format!("the arguments: {excess}")))?;
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|error| invalid(format!("the arguments are not JSON: {error}")))?;
        if value.is_object() {
            Ok(value)
        } else {
            Err(invalid("the arguments are not an object".to_owned()))
        }
    })
}

/// An alleged value in the closed form of `T`.
fn form<T: serde::de::DeserializeOwned>(claim: Claim<Value>) -> Result<Claim<T>, ErrorWord> {
    claim.parse(|value| {
        serde_json::from_value(value).map_err(|error| {
            ErrorWord::new(Code::ValidationFailed, 3, format!("the arguments: {error}"))
        })
    })
}
