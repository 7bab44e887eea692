//! A conversation as turns of user and assistant, one after the other, as the vendors want it whose models
//! are of one family. What a block looks like is said by [`Blocks`].

use super::ids::Ids;
use super::media;
use crate::codec::{Blobs, RequestError, check_attached, wire_tool};
use carapace_contract::model::{Message, Role, Thinking};
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};

/// The blocks of one protocol.
pub(crate) trait Blocks: Default {
    /// Whose thoughts are given back.
    const MAKER: &'static str;

    /// What the user sent beside and with a text.
    ///
    /// # Errors
    /// An attachment that is not there, or that the vendor does not take.
    fn user(&mut self, message: &Message, blobs: &Blobs) -> Result<Vec<Value>, RequestError>;
    /// A text.
    fn text(text: &str) -> Value;
    /// A thought; without its signature the vendor does not take it back.
    fn thought(thought: &Thinking, signature: &str) -> Value;
    /// A call.
    fn call(id: &str, name: &str, input: Value) -> Value;
    /// What a call gave.
    fn result(id: &str, content: &str) -> Value;
    /// That a call was not made.
    fn not_made(id: &str) -> Value;
    /// Whether it is a call.
    fn is_call(block: &Value) -> bool;
    /// Whether it is a thought.
    fn is_thought(block: &Value) -> bool;
}

/// The conversation.
#[derive(Default)]
pub(crate) struct Turns<B> {
    blocks: B,
    done: Vec<(Role, Vec<Value>)>,
    /// What the next user turn holds first: answers to the calls before it.
    results: Vec<Value>,
    /// And then.
    said: Vec<Value>,
    /// The calls of the turn before, by their ids as they are sent.
    made: Vec<String>,
    /// Those of them that no result has answered.
    open: HashSet<String>,
    ids: Ids,
    /// The names of the tools called, as they are sent.
    called: BTreeSet<String>,
}

impl<B: Blocks> Turns<B> {
    /// The turns of these messages.
    ///
    /// # Errors
    /// [`RequestError::Empty`] without messages, [`RequestError::Unanswered`] for a tool result that answers no
    /// call, and what attachments give.
    pub(crate) fn of(messages: &[Message], blobs: &Blobs) -> Result<Self, RequestError> {
        if messages.is_empty() {
            return Err(RequestError::Empty);
        }
        let mut turns = Self::default();
        check_attached(messages, blobs)?;
        for (at, message) in messages.iter().enumerate() {
            match message.role {
                Role::System => {}
                Role::User => {
                    let mut blocks = turns.blocks.user(message, blobs)?;
                    turns.said.append(&mut blocks);
                }
                Role::Assistant => turns.assistant(message),
                Role::Tool => turns.result(at, message)?,
            }
        }
        turns.end_user();
        if turns.done.is_empty() {
            return Err(RequestError::Empty);
        }
        Ok(turns)
    }

    /// The names of the tools called, as they are sent.
    pub(crate) fn called(&self) -> &BTreeSet<String> {
        &self.called
    }

    fn assistant(&mut self, message: &Message) {
        // A turn of thoughts alone says nothing, and the vendor refuses it.
        if message.tool_calls.is_empty() && !media::is_something(&message.content) {
            return;
        }
        let mut blocks: Vec<Value> = message
            .thinking
            .iter()
            .filter(|thought| thought.maker == B::MAKER)
            .filter_map(|thought| Some(B::thought(thought, thought.signature.as_deref()?)))
            .collect();
        if media::is_something(&message.content) {
            blocks.push(B::text(&message.content));
        }
        self.end_user();
        if self.done.is_empty() {
            self.push(Role::User, vec![B::text("(The conversation goes on.)")]);
        }
        for call in &message.tool_calls {
            let (id, name) = (self.ids.begin(&call.id), wire_tool(&call.name));
            blocks.push(B::call(&id, &name, media::object(&call.arguments)));
            self.called.insert(name);
            self.made.push(id.clone());
            self.open.insert(id);
        }
        self.push(Role::Assistant, blocks);
    }

    fn result(&mut self, at: usize, message: &Message) -> Result<(), RequestError> {
        let call = message
            .tool_call_id
            .as_ref()
            .ok_or(RequestError::Unanswered(at))?;
        let id = self.ids.get(call).ok_or(RequestError::Unanswered(at))?;
        let id = self.open.take(id).ok_or(RequestError::Unanswered(at))?;
        self.results.push(B::result(&id, &message.content));
        Ok(())
    }

    /// Ends the user's turn. A call without a result gets one that says so: a cancelled turn leaves
    /// such calls, and the vendor refuses a conversation with them.
    fn end_user(&mut self) {
        for id in std::mem::take(&mut self.made) {
            if self.open.remove(&id) {
                self.results.push(B::not_made(&id));
            }
        }
        let mut blocks = std::mem::take(&mut self.results);
        blocks.append(&mut self.said);
        if !blocks.is_empty() {
            self.push(Role::User, blocks);
        }
    }

    fn push(&mut self, role: Role, mut blocks: Vec<Value>) {
        match self.done.last_mut() {
            Some((last, earlier)) if *last == role => earlier.append(&mut blocks),
            _ => self.done.push((role, blocks)),
        }
    }

    /// False where the calls that are answered last have no thought before them: another vendor made
    /// them, and the models that think by number refuse to go on thinking from there.
    pub(crate) fn may_think(&self) -> bool {
        let last = self
            .done
            .iter()
            .rev()
            .find(|(role, _)| *role == Role::Assistant);
        last.is_none_or(|(_, blocks)| {
            !blocks.iter().any(B::is_call) || blocks.first().is_some_and(B::is_thought)
        })
    }

    /// As JSON. `mark` is given the user's newest turn, where the vendor's cache may end.
    pub(crate) fn into_json(self, mark: impl FnOnce(&mut Vec<Value>)) -> Value {
        let mut done = self.done;
        if let Some((_, blocks)) = done.iter_mut().rev().find(|(role, _)| *role == Role::User) {
            mark(blocks);
        }
        done.into_iter()
            .map(|(role, content)| serde_json::json!({ "role": role, "content": content }))
            .collect()
    }
}
