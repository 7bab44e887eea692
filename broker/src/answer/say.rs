//! `say`: the turn's final words. Kept until the mind reports the end; the newest counts.

use super::{Asked, form};
use carapace_ipc_proto::Claim;
use carapace_ipc_proto::error::ErrorWord;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    text: String,
}

pub(super) fn answer(asked: &Asked, arguments: Claim<Value>) -> Result<Value, ErrorWord> {
    let words: Claim<Words> = form(arguments)?;
    asked.turn.say(words.into_alleged().text);
    Ok(json!({}))
}
