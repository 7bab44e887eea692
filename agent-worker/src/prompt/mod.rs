//! What the model is told: who it is and where, then the conversation. The marks around what tools
//! returned are the broker's: it makes them where nobody in here can leave them out.

mod reader;
mod room;
mod system;

pub use room::MOST;

use crate::turn::TurnWord;
use carapace_contract::id::ToolName;
use carapace_contract::model::{Completion, Message, Role};

/// What stays the same over a turn.
#[derive(Debug)]
pub struct Prompt {
    system: Message,
    tools: Vec<ToolName>,
}

impl Prompt {
    /// The prompt of a turn.
    pub fn new(turn: &TurnWord) -> Self {
        let system = match turn.reading {
            false => system::text(&turn.tools),
            true => reader::TEXT.to_owned(),
        };
        Self {
            system: Message::text(Role::System, system),
            tools: turn.tools.iter().map(|tool| tool.name.clone()).collect(),
        }
    }

    /// The request for the next answer. `tokens` is what the turn may still use.
    pub fn completion(&self, conversation: &[Message], tokens: u64) -> Completion {
        let mut messages = vec![self.system.clone()];
        messages.extend(conversation.iter().cloned());
        room::make(&mut messages);
        Completion {
            messages,
            tools: self.tools.clone(),
            max_tokens: answer_tokens(tokens),
        }
    }
}

/// The broker's own choice where the turn has plenty left.
fn answer_tokens(left: u64) -> Option<u32> {
    const PLENTY: u64 = 16 * 1024;
    if left >= PLENTY {
        None
    } else {
        u32::try_from(left.max(1)).ok()
    }
}
