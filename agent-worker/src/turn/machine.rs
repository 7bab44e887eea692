//! The machine: phases, replies, limits.

use super::round::Round;
use super::word::TurnWord;
use super::{BACK_OFF, IN_FLIGHT, LONGEST_WAIT, RETRIES};
use crate::ask::report::End;
use crate::ask::{Ask, complete, report, say};
use crate::prompt::Prompt;
use carapace_contract::model::{Answer, Message, Role, Stop};
use carapace_ipc_proto::error::{Code, ErrorWord};
use carapace_ipc_proto::limits;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// What comes in.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A turn begins.
    Turn {
        /// The JSON of a [`TurnWord`].
        json: Vec<u8>,
    },
    /// A piece of a reply that is still coming.
    Delta {
        /// The request's name.
        correlation: String,
    },
    /// A request's result.
    Result {
        /// The request's name.
        correlation: String,
        /// The result.
        json: Vec<u8>,
    },
    /// A request's error.
    Error {
        /// The request's name.
        correlation: String,
        /// The error.
        error: ErrorWord,
    },
    /// Stop the turn.
    Cancel,
    /// Nothing came until [`Machine::next_moment`].
    Tick,
}

/// The turns of one session, one at a time.
#[derive(Debug, Default)]
pub struct Machine {
    turn: Option<Turn>,
    /// Unanswered requests of the turn.
    pending: BTreeSet<String>,
    /// Requests of the turn that wait for room.
    queue: VecDeque<Ask>,
    /// Unanswered requests of a turn that was stopped; their replies mean nothing any more.
    stale: BTreeSet<String>,
    /// A turn that waits for the last of `stale`.
    next: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Turn {
    word: TurnWord,
    prompt: Prompt,
    /// The history and what was added to it.
    conversation: Vec<Message>,
    /// Where the turn's own messages begin in it.
    own: usize,
    phase: Phase,
    /// Model requests of this turn, those before a continuation included.
    asked: u64,
    tokens: u64,
    retries: u32,
    /// Time spent thinking in phases that are over.
    spent: Duration,
}

#[derive(Debug)]
enum Phase {
    /// The model is asked, or is to be asked again at a moment.
    Thinking {
        since: Duration,
        again: Option<Duration>,
    },
    /// Tools are asked.
    Acting(Round),
    /// The final words are said.
    Saying,
    /// The end is reported.
    Reporting,
}

impl Machine {
    /// Takes an input at a time (since any fixed moment, never going back) and gives the requests to
    /// send, in order.
    pub fn take(&mut self, input: Input, now: Duration) -> Vec<Ask> {
        match input {
            Input::Turn { json } => {
                self.abandon();
                self.next = Some(json);
            }
            Input::Delta { .. } => {}
            Input::Result { correlation, json } => self.reply(&correlation, Ok(json), now),
            Input::Error { correlation, error } => self.reply(&correlation, Err(error), now),
            Input::Cancel if self.next.take().is_some() => {
                // It never began; the broker still waits for its end.
                self.queue.push_back(report::ask(End::Cancelled, ""));
            }
            Input::Cancel => self.end(End::Cancelled, ""),
            Input::Tick => {}
        }
        if self.stale.is_empty()
            && let Some(json) = self.next.take()
        {
            self.begin(&json, now);
        }
        self.look_at_clock(now);
        self.send()
    }

    /// When the machine wants a [`Input::Tick`], if nothing comes before.
    pub fn next_moment(&self) -> Option<Duration> {
        let turn = self.turn.as_ref()?;
        match turn.phase {
            Phase::Thinking { since, again } => {
                let limit = since + turn.time_left();
                Some(again.map_or(limit, |again| again.min(limit)))
            }
            _ => None,
        }
    }

    /// Whether no turn runs or waits.
    pub fn is_idle(&self) -> bool {
        self.turn.is_none() && self.next.is_none() && self.queue.is_empty()
    }

    fn begin(&mut self, json: &[u8], now: Duration) {
        let word: TurnWord = match serde_json::from_slice(json) {
            Ok(word) => word,
            Err(error) => {
                let text =
                    format!("the turn could not be read by the assistant's process: {error}");
                self.queue.push_back(report::ask(End::Failed, &text));
                return;
            }
        };
        let mut turn = Turn::new(word, now);
        let own = &turn.conversation[turn.own..];
        let rounds = || own.iter().filter(|message| !message.tool_calls.is_empty());
        turn.asked = rounds().count() as u64;
        let open = own
            .iter()
            .rposition(|message| !message.tool_calls.is_empty());
        match open {
            // Continued: the calls without results are asked under the names they had.
            Some(at)
                if own[at + 1..]
                    .iter()
                    .all(|message| message.role == Role::Tool) =>
            {
                let calls = own[at].tool_calls.clone();
                let known = turn.conversation.split_off(turn.own + at + 1);
                let number = turn.asked.saturating_sub(1) as usize;
                let (round, asks) = Round::begin(number, &calls, &known);
                turn.phase = Phase::Acting(round);
                self.turn = Some(turn);
                self.queue.extend(asks);
                self.act(now);
            }
            _ if own.is_empty() => {
                self.turn = Some(turn);
                self.end(End::Failed, "the turn has no message to answer");
            }
            _ => {
                self.turn = Some(turn);
                self.think(now);
            }
        }
    }

    /// Takes a final reply.
    fn reply(&mut self, correlation: &str, outcome: Result<Vec<u8>, ErrorWord>, now: Duration) {
        if self.stale.remove(correlation) || !self.pending.remove(correlation) {
            return;
        }
        let Some(turn) = &mut self.turn else { return };
        match &mut turn.phase {
            Phase::Thinking { .. } => match outcome {
                Ok(json) => match serde_json::from_slice(&json) {
                    Ok(answer) => self.answered(answer, now),
                    Err(error) => self.end(
                        End::Failed,
                        &format!("the model's answer could not be read: {error}"),
                    ),
                },
                Err(error) => self.model_failed(&error, now),
            },
            Phase::Acting(round) => {
                round.take(correlation, result_text(outcome));
                self.act(now);
            }
            Phase::Saying => self.end(End::Answered, ""),
            Phase::Reporting => self.turn = None,
        }
    }

    /// Asks the model, if the limits leave it.
    fn think(&mut self, now: Duration) {
        let Some(turn) = &mut self.turn else { return };
        let limits = turn.word.limits;
        if turn.asked >= limits.rounds {
            let text = format!(
                "I stopped: the turn's limit of {} model requests is reached. What was done so far stands; say \"go on\" to continue.",
                limits.rounds
            );
            return self.end(End::Limit, &text);
        }
        if turn.tokens >= limits.tokens {
            let text = format!(
                "I stopped: the turn's limit of {} tokens is reached. What was done so far stands; say \"go on\" to continue.",
                limits.tokens
            );
            return self.end(End::Limit, &text);
        }
        turn.asked += 1;
        let completion = turn
            .prompt
            .completion(&turn.conversation, limits.tokens - turn.tokens);
        let ask = complete::ask(turn.asked, &completion);
        if ask.arguments().len() > limits::IN_PARTS {
            return self.end(
                End::Failed,
                "the conversation is too long for one model request; begin a new session",
            );
        }
        turn.phase = Phase::Thinking {
            since: now,
            again: None,
        };
        self.queue.push_back(ask);
    }

    fn answered(&mut self, answer: Answer, now: Duration) {
        let Some(turn) = &mut self.turn else { return };
        turn.stop_clock(now);
        turn.tokens += answer.usage.input + answer.usage.output;
        if answer.tool_calls.is_empty() {
            turn.phase = Phase::Saying;
            self.queue.push_back(say::ask(&final_words(&answer)));
            return;
        }
        let number = turn.rounds();
        let (round, asks) = Round::begin(number, &answer.tool_calls, &[]);
        turn.conversation.push(Message {
            tool_calls: answer.tool_calls,
            thinking: answer.thinking,
            ..Message::text(Role::Assistant, answer.text)
        });
        turn.phase = Phase::Acting(round);
        self.queue.extend(asks);
        self.act(now);
    }

    /// Goes back to the model when every call of the round has its result.
    fn act(&mut self, now: Duration) {
        let Some(turn) = &mut self.turn else { return };
        if !matches!(&turn.phase, Phase::Acting(round) if round.is_complete()) {
            return;
        }
        let thinking = Phase::Thinking {
            since: now,
            again: None,
        };
        if let Phase::Acting(round) = std::mem::replace(&mut turn.phase, thinking) {
            turn.conversation.extend(round.messages());
        }
        self.think(now);
    }

    fn model_failed(&mut self, error: &ErrorWord, now: Duration) {
        let Some(turn) = &mut self.turn else { return };
        match error.code {
            Code::Cancelled => return self.end(End::Cancelled, ""),
            Code::BudgetExceeded => {
                return self.end(End::Limit, &format!("I stopped: {}", error.message));
            }
            _ => {}
        }
        let wait = error.retry_after.map_or_else(
            || {
                BACK_OFF
                    .get(turn.retries as usize)
                    .copied()
                    .unwrap_or(LONGEST_WAIT)
            },
            u64::from,
        );
        if !error.retriable || turn.retries >= RETRIES || wait > LONGEST_WAIT {
            let again = error.retry_after.map_or(String::new(), |seconds| {
                format!(" (worth trying again in {seconds} s)")
            });
            return self.end(
                End::Failed,
                &format!("the model could not be asked: {}{again}", error.message),
            );
        }
        turn.retries += 1;
        turn.stop_clock(now);
        turn.phase = Phase::Thinking {
            since: now,
            again: Some(now + Duration::from_secs(wait)),
        };
    }

    fn look_at_clock(&mut self, now: Duration) {
        let Some(turn) = &self.turn else { return };
        let Phase::Thinking { since, again } = turn.phase else {
            return;
        };
        if now.saturating_sub(since) >= turn.time_left() {
            let text = format!(
                "I stopped: the turn's limit of {} seconds is reached.",
                turn.word.limits.seconds
            );
            self.end(End::Limit, &text);
        } else if again.is_some_and(|again| now >= again) {
            if let Some(turn) = &mut self.turn {
                turn.stop_clock(now);
            }
            self.think(now);
        }
    }

    /// Ends the turn with its one report. What is still unanswered means nothing any more.
    fn end(&mut self, end: End, text: &str) {
        let Some(turn) = &mut self.turn else { return };
        if matches!(turn.phase, Phase::Reporting) {
            return;
        }
        turn.phase = Phase::Reporting;
        self.queue.clear();
        self.stale.append(&mut self.pending);
        self.queue.push_back(report::ask(end, text));
    }

    /// Forgets a turn that the broker has replaced by another.
    fn abandon(&mut self) {
        self.turn = None;
        self.queue.clear();
        self.stale.append(&mut self.pending);
    }

    fn send(&mut self) -> Vec<Ask> {
        let mut sent = Vec::new();
        while let Some(ask) = self.queue.front() {
            let unanswered = self.pending.len() + self.stale.len();
            let room = if ask.correlation() == report::CORRELATION {
                limits::IN_FLIGHT
            } else {
                IN_FLIGHT
            };
            if unanswered >= room {
                break;
            }
            self.pending.insert(ask.correlation().to_owned());
            sent.extend(self.queue.pop_front());
        }
        sent
    }
}

impl Turn {
    fn new(word: TurnWord, now: Duration) -> Self {
        let prompt = Prompt::new(&word);
        let newest = word
            .history
            .iter()
            .rposition(|message| message.role == Role::User);
        let conversation = word.history.clone();
        Self {
            prompt,
            own: newest.unwrap_or(conversation.len()),
            conversation,
            word,
            phase: Phase::Thinking {
                since: now,
                again: None,
            },
            asked: 0,
            tokens: 0,
            retries: 0,
            spent: Duration::ZERO,
        }
    }

    /// Rounds of tool calls since the newest message of the person.
    fn rounds(&self) -> usize {
        self.conversation[self.own..]
            .iter()
            .filter(|message| !message.tool_calls.is_empty())
            .count()
    }

    fn time_left(&self) -> Duration {
        Duration::from_secs(self.word.limits.seconds).saturating_sub(self.spent)
    }

    fn stop_clock(&mut self, now: Duration) {
        if let Phase::Thinking { since, .. } = self.phase {
            self.spent += now.saturating_sub(since);
        }
    }
}

/// What the model reads of a call's outcome.
fn result_text(outcome: Result<Vec<u8>, ErrorWord>) -> String {
    match outcome {
        Ok(json) => match serde_json::from_slice(&json) {
            Ok(serde_json::Value::Object(mut result))
                if result.get("text").is_some_and(|text| text.is_string()) =>
            {
                match result.remove("text") {
                    Some(serde_json::Value::String(text)) => text,
                    _ => String::new(),
                }
            }
            _ => String::from_utf8_lossy(&json).into_owned(),
        },
        Err(error) => format!("error {error}"),
    }
}

fn final_words(answer: &Answer) -> String {
    let text = answer.text.trim();
    match (answer.stop, text.is_empty()) {
        (Stop::Refused, true) => "The model refused to answer this.".to_owned(),
        (Stop::Length, true) => {
            "The model reached its token limit before it said anything.".to_owned()
        }
        (Stop::Length, false) => format!("{text}\n(cut here: the model reached its token limit)"),
        (_, true) => "The model gave an empty answer.".to_owned(),
        (_, false) => answer.text.clone(),
    }
}
