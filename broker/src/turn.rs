//! One turn: from a message on record to an end on record, exactly one of each.
//!
//! The mind is lost and replaced without harm: what was answered is answered again from the store,
//! what is under way goes on, what cannot be known is said to be unknown. A mind that broke the
//! protocol is not tried again.

use crate::answer::Asked;
use crate::broker::{Broker, Live, now};
use crate::mind::{self, Gone, Mind};
use carapace_contract::control::{Tell, TurnEnd};
use carapace_contract::id::{CallId, Digest, GroupId, SessionId, ToolName, TurnId, WorkerId};
use carapace_contract::model::{Answer, Message, Role, Usage};
use carapace_ipc_proto::error::{Code, ErrorWord};
use carapace_ipc_proto::launch::Failure;
use carapace_ipc_proto::words::{Cancel, Part, Word};
use carapace_policy::Budget;
use carapace_policy::rules::RuleId;
use carapace_providers::offline::{DoneCall, Outcome};
use carapace_store::Note;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, watch};

/// Minds that one turn may use up before it fails.
const ATTEMPTS: u32 = 4;

/// Starts of one turn over all restarts: a turn that takes the broker down with it ends too.
const STARTS: u32 = 32;

/// Bytes of conversation that one turn may send to a model.
const MODEL_BYTES: u64 = 256 * 1024 * 1024;

/// How long a mind may take to report after it was told to stop.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Events kept for a surface that comes back; older deltas are dropped first.
const KEPT: usize = 4096;

/// Calls of one turn that its conversation and the offline answers remember.
const CALLS: usize = 1024;

/// Bytes of all results together that they remember; later ones are named, not quoted.
const RESULTS: usize = 8 * 1024 * 1024;

/// Bytes of the final text.
const FINAL_TEXT: usize = 256 * 1024;

/// Something the turn's runner must know.
pub(crate) enum News {
    /// The mind says the turn has ended.
    Reported(WorkerId, TurnEnd, String),
    /// The mind was lost.
    MindGone(WorkerId, Gone),
}

/// The caller's name for a call: where it came from, and what it calls it.
pub(crate) type CallKey = (Option<CallId>, CallId);
type CallOutcome = Option<Result<String, ErrorWord>>;

struct UnderWay {
    digest: Digest,
    outcome: watch::Receiver<CallOutcome>,
}

#[derive(Default)]
struct Progress {
    answers: Vec<(CallId, Answer)>,
    results: HashMap<String, String>,
    done: Vec<(CallId, DoneCall)>,
    refusals: u32,
    remembered: usize,
    said: Option<String>,
    usage: Usage,
    rounds: u32,
    tokens: u64,
    bytes: u64,
}

/// One turn that waits or runs.
pub(crate) struct Turn {
    pub(crate) id: TurnId,
    pub(crate) session: SessionId,
    pub(crate) group: GroupId,
    /// What the owner wrote, from the broker's own record.
    pub(crate) text: String,
    /// Where the message came in.
    pub(crate) channel: String,
    /// Which model answers.
    route: RefCell<String>,
    limits: Budget,
    progress: RefCell<Progress>,
    under_way: RefCell<HashMap<CallKey, UnderWay>>,
    events: broadcast::Sender<Tell>,
    kept: RefCell<VecDeque<Tell>>,
    /// Whether no attempt before this one can have left a record.
    first_attempt: Cell<bool>,
    /// The names that calls were made under.
    names: RefCell<HashSet<CallKey>>,
    /// Those whose results were delivered by this broker.
    delivered: RefCell<HashSet<CallKey>>,
    /// Rules, and the tools that a model applied them to.
    applied: RefCell<HashSet<(RuleId, ToolName)>>,
    cancel: watch::Sender<bool>,
    news: mpsc::UnboundedSender<News>,
    paused: Cell<u32>,
    /// The turn that a reader reads for; its own words are shown to nobody.
    beside: Option<Rc<Turn>>,
}

/// Starts a turn that was just accepted, or goes on with one that a restart cut off.
pub(crate) fn resume(
    broker: &Rc<Broker>,
    id: TurnId,
    session: SessionId,
    group: GroupId,
    text: String,
) -> Rc<Turn> {
    let (news, inbox) = mpsc::unbounded_channel();
    let limits = &broker.config.limits;
    let turn = Rc::new(Turn {
        id,
        session,
        group,
        text,
        channel: "console".to_owned(),
        route: RefCell::new(broker.config.model.route.clone()),
        limits: Budget {
            rounds: limits.rounds,
            tokens: limits.turn_tokens,
            bytes: MODEL_BYTES,
        },
        progress: RefCell::default(),
        under_way: RefCell::default(),
        events: broadcast::Sender::new(1024),
        kept: RefCell::default(),
        first_attempt: Cell::new(false),
        names: RefCell::default(),
        delivered: RefCell::default(),
        applied: RefCell::default(),
        cancel: watch::Sender::new(false),
        news,
        paused: Cell::new(0),
        beside: None,
    });
    broker.turns.borrow_mut().insert(turn.id, Rc::clone(&turn));
    let (broker, running) = (Rc::clone(broker), Rc::clone(&turn));
    tokio::task::spawn_local(async move {
        // One turn at a time: the next one of this session waits.
        let live = loop {
            let live = broker.session(running.session);
            if live.turn.borrow().is_none() {
                break live;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        *live.turn.borrow_mut() = Some(Rc::clone(&running));
        let (end, text) = run(&broker, &live, &running, inbox).await;
        *live.turn.borrow_mut() = None;
        live.idle_since.set(std::time::Instant::now());
        close(&broker, &running, end, text).await;
    });
    turn
}

async fn run(
    broker: &Rc<Broker>,
    live: &Rc<Live>,
    turn: &Rc<Turn>,
    mut inbox: mpsc::UnboundedReceiver<News>,
) -> (TurnEnd, String) {
    let broken = |what: &str| (TurnEnd::Failed, what.to_owned());
    let mut spent = 0;
    let mut lost = 0;
    // What does not depend on each other is waited for at once.
    let (route, begun) = tokio::join!(
        broker.store.route(turn.session),
        crate::facts::begin(broker, live, turn)
    );
    match route {
        Ok(None) => {}
        Ok(Some(route)) => *turn.route.borrow_mut() = route,
        Err(error) => {
            crate::clean::log!("the route of a session was not read: {error}");
            return broken("the turn cannot be read from the record");
        }
    }
    if let Err(error) = begun {
        crate::clean::log!("the label of a session was not read: {error}");
        return broken("what this session has seen cannot be read from the record");
    }
    if let Err(error) = crate::route::candidates(&broker.config, &turn.route()) {
        return broken(&format!(
            "the model of this session cannot be asked: {error}"
        ));
    }
    loop {
        let (started, word) =
            tokio::join!(broker.store.start_turn(turn.id), turn_word(broker, turn));
        match started {
            Ok(Some(attempt)) if attempt <= STARTS && lost < ATTEMPTS => {
                turn.first_attempt.set(attempt == 1)
            }
            Ok(Some(_)) => {
                return broken(
                    "the assistant's process was lost again and again; the turn was given up",
                );
            }
            Ok(None) => return broken("the turn has ended already"),
            Err(error) => {
                crate::clean::log!("a turn was not started: {error}");
                return broken("the turn cannot be put on record");
            }
        }
        if turn.is_cancelled() {
            return (TurnEnd::Cancelled, String::new());
        }
        let word = match word {
            Ok(word) => word,
            Err(what) => return (TurnEnd::Failed, what),
        };
        turn.begin_attempt();
        let current = live.mind.borrow().clone();
        let mind = match current {
            Some(mind) => mind,
            None => match mind::launch(broker, live, turn.session, None).await {
                Ok(mind) => mind,
                Err(Failure::Limit) => {
                    return broken("too many confined processes run; stop a turn and try again");
                }
                Err(failure) => {
                    return broken(&format!(
                        "no confined process could be started ({failure:?}); `carapace doctor` says which layer is missing"
                    ));
                }
            },
        };
        match attempt(broker, turn, &mind, word, &mut inbox, &mut spent).await {
            Attempt::Ended(end, text) => return (end, text),
            Attempt::Lost(Gone::Violation(what)) => {
                return (
                    TurnEnd::Violation,
                    format!("the assistant's process was stopped: {what}"),
                );
            }
            Attempt::Lost(Gone::Ended(cause)) => {
                lost += 1;
                turn.tell(Tell::Notice {
                    text: format!("the assistant's process was replaced: {cause}"),
                });
            }
        }
    }
}

enum Attempt {
    Ended(TurnEnd, String),
    Lost(Gone),
}

async fn attempt(
    broker: &Rc<Broker>,
    turn: &Rc<Turn>,
    mind: &Rc<Mind>,
    word: Word,
    inbox: &mut mpsc::UnboundedReceiver<News>,
    spent: &mut u64,
) -> Attempt {
    mind.wire.say(word).await;
    let mut cancel = turn.cancelled();
    let mut told_to_stop: Option<(tokio::time::Instant, TurnEnd)> = None;
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.tick().await;
    loop {
        tokio::select! {
            news = inbox.recv() => match news {
                Some(News::Reported(worker, end, text)) if worker == mind.worker => {
                    let end = told_to_stop.map_or(end, |(_, end)| end);
                    return Attempt::Ended(end, turn.final_text(text));
                }
                Some(News::MindGone(worker, gone)) if worker == mind.worker => {
                    return match (told_to_stop, gone) {
                        (Some((_, end)), Gone::Ended(_)) => Attempt::Ended(end, String::new()),
                        (_, gone) => Attempt::Lost(gone),
                    };
                }
                // From a mind that was replaced before.
                Some(_) => {}
                None => return Attempt::Ended(TurnEnd::Failed, "the turn lost its runner".to_owned()),
            },
            _ = cancel.wait_for(|cancelled| *cancelled), if told_to_stop.is_none() => {
                mind.wire.say(Word::Cancel(Cancel { call: String::new() })).await;
                told_to_stop = Some((tokio::time::Instant::now(), TurnEnd::Cancelled));
            }
            _ = tick.tick() => {
                if turn.paused.get() == 0 {
                    *spent += 1;
                }
                match told_to_stop {
                    Some((since, end)) if since.elapsed() > STOP_GRACE => {
                        mind::stop(broker, mind).await;
                        return Attempt::Ended(end, String::new());
                    }
                    None if *spent > broker.config.limits.turn_seconds => {
                        turn.tell(Tell::Notice { text: "the turn took too long and is stopped".to_owned() });
                        told_to_stop = Some((tokio::time::Instant::now(), TurnEnd::Limit));
                        turn.cancel.send_replace(true);
                        mind.wire.say(Word::Cancel(Cancel { call: String::new() })).await;
                    }
                    _ => {}
                }
            }
        }
    }
}

/// What a mind is told at the start of a turn.
async fn turn_word(broker: &Broker, turn: &Turn) -> Result<Word, String> {
    let history = broker
        .store
        .transcript(turn.session)
        .await
        .map_err(|error| {
            crate::clean::log!("a transcript cannot be read: {error}");
            "the conversation cannot be read".to_owned()
        })?;
    let tools: Vec<Value> = broker
        .registry
        .tools()
        .map(|tool| json!({ "name": tool.name, "description": tool.description }))
        .collect();
    let limits = &broker.config.limits;
    let said = json!({
        "history": recent(history),
        "tools": tools,
        "limits": { "rounds": limits.rounds, "seconds": limits.turn_seconds, "tokens": limits.turn_tokens },
    });
    Ok(Word::Turn(Part {
        json: said.to_string().into_bytes(),
        more: false,
    }))
}

/// As much of a conversation's end as fits beside a turn's own growth.
fn recent(history: Vec<Message>) -> Vec<Message> {
    let mut room = 4 * 1024 * 1024_usize;
    let mut from = history.len();
    for (at, message) in history.iter().enumerate().rev() {
        let size = serde_json::to_vec(message).map_or(usize::MAX, |text| text.len());
        if size > room {
            break;
        }
        room -= size;
        from = at;
    }
    // A result without the call it answers means nothing to a model.
    while history
        .get(from)
        .is_some_and(|message| message.role != Role::User)
    {
        from += 1;
    }
    history.into_iter().skip(from).collect()
}

async fn close(broker: &Rc<Broker>, turn: &Rc<Turn>, end: TurnEnd, text: String) {
    turn.cancel.send_replace(true);
    let (messages, usage) = turn.transcript(end, &text);
    match broker.store.void_turn(turn.id).await {
        Ok(voided) => {
            for (code, effect) in voided {
                broker.note(Note::Unanswered {
                    effect,
                    session: turn.session,
                    question: code.clone(),
                    state: "void".to_owned(),
                });
                let _ = broker.watchers.send(Tell::Closed {
                    code,
                    state: "void".to_owned(),
                });
            }
        }
        Err(error) => crate::clean::log!("open questions of a turn were not closed: {error}"),
    }
    match broker
        .store
        .end_turn(turn.id, end, text.clone(), usage, messages)
        .await
    {
        Ok(_) => broker.note(Note::TurnEnded {
            session: turn.session,
            turn: turn.id,
            end: end_word(end).to_owned(),
        }),
        Err(error) => {
            crate::clean::log!("the end of a turn was not kept, it will be taken up again: {error}")
        }
    }
    turn.tell(Tell::Done {
        turn: turn.id,
        session: turn.session,
        end,
        text,
        usage,
    });
    broker.turns.borrow_mut().remove(&turn.id);
}

/// The word for an end.
pub(crate) fn end_word(end: TurnEnd) -> &'static str {
    match end {
        TurnEnd::Answered => "answered",
        TurnEnd::Cancelled => "cancelled",
        TurnEnd::Limit => "limit",
        TurnEnd::Failed => "failed",
        TurnEnd::Violation => "violation",
    }
}

impl Turn {
    /// What a reader has in the place of a turn: the name, the route and the end of the turn that it
    /// reads for, and a record of its own that is thrown away. Neither its text nor its answers become
    /// part of the conversation.
    pub(crate) fn aside(
        of: &Rc<Self>,
        limits: Budget,
    ) -> (Rc<Self>, mpsc::UnboundedReceiver<News>) {
        let (news, inbox) = mpsc::unbounded_channel();
        let turn = Self {
            cancel: of.cancel.clone(),
            news,
            ..Self::judging(of, of.route(), limits)
        };
        (Rc::new(turn), inbox)
    }

    /// What a question of the broker's own to a model has in the place of a turn, beside the one for which
    /// it is asked. It is cancelled by itself.
    pub(crate) fn judging(of: &Rc<Self>, route: String, limits: Budget) -> Self {
        Self {
            id: of.id,
            group: of.group.clone(),
            channel: of.channel.clone(),
            beside: Some(Rc::clone(of)),
            ..Self::alone(of.session, route, limits)
        }
    }

    /// The same where it is asked for no turn.
    pub(crate) fn alone(session: SessionId, route: String, limits: Budget) -> Self {
        Self {
            id: TurnId::random(),
            session,
            group: GroupId::owner(),
            text: String::new(),
            channel: "console".to_owned(),
            route: RefCell::new(route),
            limits,
            progress: RefCell::default(),
            under_way: RefCell::default(),
            events: broadcast::Sender::new(1),
            kept: RefCell::default(),
            first_attempt: Cell::new(false),
            names: RefCell::default(),
            delivered: RefCell::default(),
            applied: RefCell::default(),
            cancel: watch::Sender::new(false),
            news: mpsc::unbounded_channel().0,
            paused: Cell::new(0),
            beside: None,
        }
    }

    /// Whether a reader has it.
    pub(crate) fn is_aside(&self) -> bool {
        self.beside.is_some()
    }

    /// The tokens that its model calls used.
    pub(crate) fn used(&self) -> u64 {
        self.progress.borrow().tokens
    }

    /// What its model calls cost.
    pub(crate) fn usage(&self) -> Usage {
        self.progress.borrow().usage
    }

    /// Adds what a reader used.
    pub(crate) fn add_usage(&self, usage: Usage) {
        let own = &mut self.progress.borrow_mut().usage;
        own.input += usage.input;
        own.output += usage.output;
        own.cache_read += usage.cache_read;
        own.cache_write += usage.cache_write;
    }

    /// To the runner.
    pub(crate) fn news(&self, news: News) {
        let _ = self.news.send(news);
    }

    /// To every surface that follows the turn, now or later.
    pub(crate) fn tell(&self, tell: Tell) {
        if let Some(turn) = &self.beside {
            // Notices and questions are the broker's own words; a reader's are nobody's to see.
            if !matches!(tell, Tell::Delta { .. }) {
                turn.tell(tell);
            }
            return;
        }
        let mut kept = self.kept.borrow_mut();
        match (kept.back_mut(), &tell) {
            (Some(Tell::Delta { text: before }), Tell::Delta { text })
                if before.len() < FINAL_TEXT =>
            {
                before.push_str(text);
            }
            _ => {
                if kept.len() >= KEPT {
                    kept.pop_front();
                }
                kept.push_back(tell.clone());
            }
        }
        let _ = self.events.send(tell);
    }

    /// What happened so far, and what happens from here on.
    pub(crate) fn follow(&self) -> (Vec<Tell>, broadcast::Receiver<Tell>) {
        (
            self.kept.borrow().iter().cloned().collect(),
            self.events.subscribe(),
        )
    }

    pub(crate) fn cancel(&self) {
        self.cancel.send_replace(true);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        *self.cancel.borrow()
    }

    /// Changes to true when the turn is to stop.
    pub(crate) fn cancelled(&self) -> watch::Receiver<bool> {
        self.cancel.subscribe()
    }

    /// The time that a person takes does not count.
    pub(crate) fn pause(&self, on: bool) {
        if let Some(turn) = &self.beside {
            turn.pause(on);
        }
        let count = self.paused.get();
        self.paused.set(if on {
            count + 1
        } else {
            count.saturating_sub(1)
        });
    }

    /// Which model answers: `offline`, `PROVIDER:MODEL` or a route's name.
    pub(crate) fn route(&self) -> String {
        self.route.borrow().clone()
    }

    /// Takes tokens for a question of the broker's own, which is no round of the assistant's.
    pub(crate) fn set_aside(&self, tokens: u64) {
        self.progress.borrow_mut().tokens += tokens;
    }

    /// Gives back what was reserved for a model call that never reached a model.
    pub(crate) fn give_back(&self, tokens: u64) {
        let mut progress = self.progress.borrow_mut();
        progress.tokens = progress.tokens.saturating_sub(tokens);
    }

    /// What is left for model calls.
    pub(crate) fn budget(&self) -> Budget {
        let progress = self.progress.borrow();
        Budget {
            rounds: self.limits.rounds.saturating_sub(progress.rounds),
            tokens: self.limits.tokens.saturating_sub(progress.tokens),
            bytes: self.limits.bytes.saturating_sub(progress.bytes),
        }
    }

    /// Takes the worst case of a model call before it is made.
    pub(crate) fn reserve(&self, tokens: u64, bytes: u64) {
        let mut progress = self.progress.borrow_mut();
        progress.rounds += 1;
        progress.tokens += tokens;
        progress.bytes += bytes;
    }

    /// Gives back what a model call did not use; where the vendor does not say, nothing. A call that
    /// failed keeps its reservation: what it cost is not known.
    pub(crate) fn settle(&self, reserved: u64, answer: &Answer) {
        let mut progress = self.progress.borrow_mut();
        let used = answer.usage.input + answer.usage.output;
        if used > 0 {
            progress.tokens = progress.tokens.saturating_sub(reserved) + used;
        }
        progress.usage.input += answer.usage.input;
        progress.usage.output += answer.usage.output;
        progress.usage.cache_read += answer.usage.cache_read;
        progress.usage.cache_write += answer.usage.cache_write;
    }

    /// The model answered.
    pub(crate) fn answered(&self, call: &CallId, answer: &Answer) {
        let mut progress = self.progress.borrow_mut();
        if progress.answers.len() < CALLS && !progress.answers.iter().any(|(name, _)| name == call)
        {
            progress.answers.push((call.clone(), answer.clone()));
        }
    }

    /// Counts the refusals of the turn.
    pub(crate) fn count_refusal(&self) -> u32 {
        let mut progress = self.progress.borrow_mut();
        progress.refusals = progress.refusals.saturating_add(1);
        progress.refusals
    }

    /// A tool call of the mind has an outcome.
    pub(crate) fn called(
        &self,
        asked: &Asked,
        tool: &ToolName,
        arguments: Value,
        outcome: &Result<String, ErrorWord>,
    ) {
        if asked.within.is_some() {
            return;
        }
        let mut progress = self.progress.borrow_mut();
        let is_known = progress.results.contains_key(asked.call.as_str());
        if !is_known && progress.results.len() >= CALLS {
            return;
        }
        let (text, kept) = match outcome {
            Ok(text) => (text.clone(), Outcome::Ok(text.clone())),
            Err(error) => {
                let kept = match error.code {
                    Code::ConfirmationDenied
                    | Code::ConfirmationTimeout
                    | Code::Unauthorized
                    | Code::RateLimited
                    | Code::BudgetExceeded => Outcome::Refused(error.message.clone()),
                    _ => Outcome::Failed(error.message.clone()),
                };
                (format!("error {error}"), kept)
            }
        };
        let (text, kept) = if is_known || progress.remembered + text.len() <= RESULTS {
            (text, kept)
        } else {
            let short = "(done; the result was too long to keep)".to_owned();
            (short.clone(), Outcome::Ok(short))
        };
        let call = DoneCall {
            name: tool.as_str().to_owned(),
            arguments,
            outcome: kept,
        };
        if is_known {
            if let Some((_, old)) = progress
                .done
                .iter_mut()
                .find(|(name, _)| *name == asked.call)
            {
                *old = call;
            }
        } else {
            progress.remembered += text.len();
            progress.done.push((asked.call.clone(), call));
        }
        progress
            .results
            .insert(asked.call.as_str().to_owned(), text);
    }

    /// The calls of this attempt that have an outcome, in the order in which they got it.
    pub(crate) fn done_calls(&self) -> Vec<DoneCall> {
        self.progress
            .borrow()
            .done
            .iter()
            .map(|(_, call)| call.clone())
            .collect()
    }

    pub(crate) fn say(&self, text: String) {
        self.progress.borrow_mut().said = Some(text);
    }

    /// A call under this name that has not ended.
    pub(crate) fn under_way(
        &self,
        key: &CallKey,
    ) -> Option<(Digest, watch::Receiver<CallOutcome>)> {
        self.under_way
            .borrow()
            .get(key)
            .map(|call| (call.digest, call.outcome.clone()))
    }

    /// Whether no call was made under this name before, in this or an earlier attempt. Asking uses
    /// the name up.
    pub(crate) fn is_new_name(&self, asked: &Asked) -> bool {
        let is_new = self
            .names
            .borrow_mut()
            .insert((asked.within.clone(), asked.call.clone()));
        is_new && self.first_attempt.get()
    }

    /// Whether the result of a call of this name was delivered, and what came with it is on record.
    pub(crate) fn is_delivered(&self, asked: &Asked) -> bool {
        let key = (asked.within.clone(), asked.call.clone());
        self.delivered.borrow().contains(&key)
    }

    /// It was.
    pub(crate) fn delivered(&self, asked: &Asked) {
        let key = (asked.within.clone(), asked.call.clone());
        self.delivered.borrow_mut().insert(key);
    }

    /// A model applied a rule to a call of a tool.
    pub(crate) fn applied(&self, rule: RuleId, tool: ToolName) {
        self.applied.borrow_mut().insert((rule, tool));
    }

    /// Whether one did in this turn.
    pub(crate) fn was_applied(&self, rule: &RuleId, tool: &ToolName) -> bool {
        self.applied
            .borrow()
            .contains(&(rule.clone(), tool.clone()))
    }

    /// A call begins.
    pub(crate) fn begin(&self, key: CallKey, digest: Digest) -> watch::Sender<CallOutcome> {
        let (tell, outcome) = watch::channel(None);
        self.under_way
            .borrow_mut()
            .insert(key, UnderWay { digest, outcome });
        tell
    }

    /// A call has ended.
    pub(crate) fn ended(&self, key: &CallKey) {
        self.under_way.borrow_mut().remove(key);
    }

    fn begin_attempt(&self) {
        let mut progress = self.progress.borrow_mut();
        progress.answers.clear();
        progress.results.clear();
        progress.done.clear();
        progress.remembered = 0;
        progress.said = None;
    }

    /// What was said last, or else what the mind reported.
    pub(crate) fn final_text(&self, reported: String) -> String {
        let mut text = self.progress.borrow_mut().said.take().unwrap_or(reported);
        if text.len() > FINAL_TEXT {
            let mut cut = FINAL_TEXT;
            while !text.is_char_boundary(cut) {
                cut -= 1;
            }
            text.truncate(cut);
        }
        text
    }

    /// The turn's messages for the conversation, from what the broker itself delivered.
    fn transcript(&self, end: TurnEnd, text: &str) -> (Vec<Message>, Usage) {
        let progress = self.progress.borrow();
        let mut messages = Vec::new();
        let with_calls = progress
            .answers
            .iter()
            .map(|(_, answer)| answer)
            .filter(|answer| !answer.tool_calls.is_empty());
        for (round, answer) in with_calls.enumerate() {
            messages.push(Message {
                tool_calls: answer.tool_calls.clone(),
                thinking: answer.thinking.clone(),
                ..Message::text(Role::Assistant, answer.text.clone())
            });
            for (index, call) in answer.tool_calls.iter().enumerate() {
                let result = progress.results.get(&format!("t{round}.{index}"));
                messages.push(Message {
                    tool_call_id: Some(call.id.clone()),
                    ..Message::text(
                        Role::Tool,
                        result.cloned().unwrap_or_else(|| "not done".to_owned()),
                    )
                });
            }
        }
        let last = match end {
            TurnEnd::Answered => text.to_owned(),
            _ if text.is_empty() => format!("({})", end_word(end)),
            _ => format!("({}) {text}", end_word(end)),
        };
        messages.push(Message::text(Role::Assistant, last));
        (messages, progress.usage)
    }
}

/// Refuses everything from now on.
pub(crate) async fn freeze(broker: &Rc<Broker>, approver: &str) {
    if broker.frozen.replace(true) {
        return;
    }
    broker.egress.stop();
    broker.note(Note::Panic {
        approver: approver.to_owned(),
    });
    broker.grants.borrow_mut().end_all_sessions();
    broker.grants.borrow_mut().end_all_tasks();
    let turns: Vec<_> = broker.turns.borrow().values().cloned().collect();
    for turn in turns {
        turn.cancel();
    }
    let live: Vec<_> = broker.live.borrow().values().cloned().collect();
    for live in live {
        let mind = live.mind.borrow().clone();
        if let Some(mind) = mind {
            broker.launcher.kill(mind.worker);
        }
        live.hands.end(broker);
    }
    if let Err(error) = broker.store.void_all().await {
        crate::clean::log!("open questions were not closed: {error}");
    }
}

/// Closes questions that nobody answered and nobody waits for any more.
pub(crate) async fn expire_questions(broker: &Broker) {
    let Ok(expired) = broker.store.expire_questions(now()).await else {
        return;
    };
    for (code, _) in expired {
        let _ = broker.watchers.send(Tell::Closed {
            code,
            state: "expired".to_owned(),
        });
    }
}

/// Before the end: turns that run stay on record as running and are taken up at the next start.
pub(crate) async fn wind_down(broker: &Rc<Broker>) {
    let turns: Vec<_> = broker.turns.borrow().values().cloned().collect();
    for turn in turns {
        turn.tell(Tell::Notice {
            text: "carapace is stopping; the turn goes on after the next start".to_owned(),
        });
    }
}
