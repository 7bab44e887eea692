//! `web_fetch`: the text of one page. Its address leaves the machine, and what comes back was written by
//! others.

use super::name;
use crate::answer::Asked;
use carapace_contract::control::SendRow;
use carapace_contract::effects::{Effects, Reach, Undo};
use carapace_contract::tool::{Invocation, Place, Tool};
use carapace_egress::SendError;
use carapace_ipc_proto::error::{Code, ErrorWord};
use carapace_providers::{Limits, Origin};
use carapace_store::Recorded;
use serde_json::json;
use std::time::Duration;

/// The most bytes of a page.
const LONGEST: u64 = 1024 * 1024;
/// The most characters of it that are handed on.
const TOLD: usize = 100_000;

const LIMITS: Limits = Limits {
    first_byte: Duration::from_secs(20),
    deadline: Duration::from_secs(30),
    response_bytes: LONGEST,
};

pub(super) fn tool() -> Tool {
    Tool {
        name: name("web_fetch"),
        description:
            "Read one page of the web by its whole https address. Redirects are told, not followed."
                .to_owned(),
        schema: json!({
            "type": "object", "additionalProperties": false, "required": ["url"],
            "properties": { "url": { "type": "string", "minLength": 1, "maxLength": 2048 } },
        }),
        effects: Effects {
            reads: Reach::Internet,
            writes: Reach::None,
            egress: vec!["url".to_owned()],
            undo: Undo::Nothing,
            idempotent: true,
            ..Effects::default()
        },
        place: Place::Network,
    }
}

/// Asks for the page of a recorded call; the request is in the list of what was sent.
pub(crate) async fn run(asked: &Asked, call: &Recorded<Invocation>) -> Result<String, ErrorWord> {
    let (outcome, received) = fetch(asked, call).await;
    let about = call.what();
    let url = about.arguments["url"].as_str().unwrap_or_default();
    let word = match &outcome {
        Ok(_) => "200".to_owned(),
        Err(error) => error
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
    };
    let row = SendRow {
        effect: about.effect,
        at: crate::broker::now(),
        origin: Origin::of(url).map_or_else(|_| "nowhere".to_owned(), |origin| origin.to_string()),
        purpose: "page".to_owned(),
        session: Some(asked.session),
        secret: None,
        sent: url.len() as u64,
        received,
        outcome: crate::clean::owned(word),
    };
    if let Err(error) = asked.broker.store.sent(row).await {
        crate::clean::log!("a request was not put in the list of what was sent: {error}");
    }
    outcome.map_err(|error| {
        let text = crate::card::visible(&crate::clean::owned(error.to_string()));
        ErrorWord::new(Code::HandlerError, 6, text)
    })
}

async fn fetch(asked: &Asked, call: &Recorded<Invocation>) -> (Result<String, SendError>, u64) {
    let mut response = match asked.broker.egress.page(call, LIMITS).await {
        Ok(response) => response,
        Err(error) => return (Err(error), 0),
    };
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => return (Err(error), response.received_bytes()),
        }
    }
    let text = String::from_utf8_lossy(&body);
    let mut told: String = text.chars().take(TOLD).collect();
    if told.len() < text.len() {
        told.push_str("\n[the page goes on]");
    }
    (Ok(told), body.len() as u64)
}
