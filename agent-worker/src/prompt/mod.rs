//! What the model is told: who it is and where, then the conversation, with everything that a tool
//! returned between marks.
//!
//! The marks tell an honest model what is data. They bind nobody: what a model does after reading
//! hostile text is judged by the broker like everything else.

mod mark;
mod room;
mod system;

pub use mark::Mark;
pub use room::MOST;

use crate::turn::TurnWord;
use carapace_contract::id::ToolName;
use carapace_contract::model::{Completion, Message, Role};

/// What stays the same over a turn.
#[derive(Debug)]
pub struct Prompt {
    system: Message,
    tools: Vec<ToolName>,
    mark: Mark,
}

impl Prompt {
    /// The prompt of a turn.
    pub fn new(turn: &TurnWord, mark: Mark) -> Self {
        Self {
            system: Message::text(Role::System, system::text(&turn.tools, mark)),
            tools: turn.tools.iter().map(|tool| tool.name.clone()).collect(),
            mark,
        }
    }

    /// The request for the next answer. `tokens` is what the turn may still use.
    pub fn completion(&self, conversation: &[Message], tokens: u64) -> Completion {
        let mut messages = vec![self.system.clone()];
        messages.extend(conversation.iter().map(|message| match message.role {
            Role::Tool => Message {
                content: self.mark.around(&message.content),
                ..message.clone()
            },
            _ => message.clone(),
        }));
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
