//! `model.complete`: the conversation so far, to the model of the session's route.

use super::Ask;
use carapace_contract::model::Completion;
use carapace_ipc_proto::words::topic;

/// Asks for the model's answer. `number` counts the turn's model requests from 1.
pub fn ask(number: u64, completion: &Completion) -> Ask {
    Ask::new(topic::MODEL_COMPLETE, format!("m{number}"), completion)
}
