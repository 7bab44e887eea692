//! One round of tool calls: an answer's calls, and which of them have results.

use super::CALLS;
use crate::ask::{self, Ask};
use carapace_contract::id::ToolName;
use carapace_contract::model::{Message, Role, ToolCall};
use std::collections::VecDeque;

/// The calls of one answer.
#[derive(Debug)]
pub(super) struct Round {
    /// How many rounds of this turn came before.
    number: usize,
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    id: String,
    result: Option<String>,
}

impl Round {
    /// Begins a round: the requests to make, in order. What cannot be asked at all has its error as
    /// a result already; so has what `known` holds.
    pub(super) fn begin(
        number: usize,
        calls: &[ToolCall],
        known: &[Message],
    ) -> (Self, VecDeque<Ask>) {
        let mut asks = VecDeque::new();
        let mut round = Self {
            number,
            calls: Vec::with_capacity(calls.len()),
        };
        for (index, call) in calls.iter().enumerate() {
            let before = known
                .iter()
                .find(|result| result.tool_call_id.as_deref() == Some(&call.id));
            let result = match (before, request(number, index, call)) {
                (Some(result), _) => Some(result.content.clone()),
                (None, Ok(ask)) => {
                    asks.push_back(ask);
                    None
                }
                (None, Err(error)) => Some(error),
            };
            round.calls.push(Call {
                id: call.id.clone(),
                result,
            });
        }
        (round, asks)
    }

    /// Takes the result of the call that was asked under this name. False where there is none.
    pub(super) fn take(&mut self, correlation: &str, text: String) -> bool {
        let index = correlation
            .strip_prefix('t')
            .and_then(|rest| rest.split_once('.'))
            .filter(|(number, _)| *number == self.number.to_string())
            .and_then(|(_, index)| index.parse::<usize>().ok());
        match index.and_then(|index| self.calls.get_mut(index)) {
            Some(call) => {
                call.result = Some(text);
                true
            }
            None => false,
        }
    }

    /// True when every call has a result.
    pub(super) fn is_complete(&self) -> bool {
        self.calls.iter().all(|call| call.result.is_some())
    }

    /// The results as messages, in the order of the calls.
    pub(super) fn messages(self) -> impl Iterator<Item = Message> {
        self.calls.into_iter().map(|call| Message {
            tool_call_id: Some(call.id),
            ..Message::text(Role::Tool, call.result.unwrap_or_default())
        })
    }
}

/// The request for a call, or what the model is told where the line has no form for it.
fn request(number: usize, index: usize, call: &ToolCall) -> Result<Ask, String> {
    if index >= CALLS {
        return Err(format!(
            "error BUDGET_EXCEEDED: one answer may make {CALLS} calls; this one was not made"
        ));
    }
    let tool: ToolName = call
        .name
        .parse()
        .map_err(|_| "error UNKNOWN_TOOL: there is no tool of this name".to_owned())?;
    if !call.arguments.is_object() {
        return Err("error VALIDATION_FAILED: the arguments are not a JSON object".to_owned());
    }
    ask::invoke::ask(format!("t{number}.{index}"), &tool, &call.arguments).ok_or_else(|| {
        "error VALIDATION_FAILED: the arguments are too long; split the work into smaller calls"
            .to_owned()
    })
}
