//! One turn, from the message to its end. Survives a broker that goes away: the message has an id
//! of ours, so that sending it twice is accepted once.

use crate::broker::BrokerError;
use crate::chat::answer::{self, Choice, Given};
use crate::chat::attach::Attached;
use crate::chat::keys::{Keys, Typed};
use crate::chat::stream::Stream;
use crate::chat::view::View;
use crate::failure::{Exit, Explain, Failure};
use crate::screen::{self, time};
use crate::signals::Signals;
use carapace_contract::control::{Ask, QuestionCard, Tell, TurnEnd};
use carapace_contract::home::Home;
use carapace_contract::id::{Code, SessionId, TurnId};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// How long a broker that went away is waited for.
const RETURN: Duration = Duration::from_secs(30);
/// Between two tries to reach it: at first, and at most.
const TRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Until a turn that was cancelled has ended; then the prompt comes back without it.
const CANCEL: Duration = Duration::from_secs(5);

/// What is asked of the assistant.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The session; `None` opens a new one.
    pub(crate) session: Option<SessionId>,
    /// A fresh id.
    pub(crate) turn: TurnId,
    /// The message.
    pub(crate) text: String,
    /// Which model answers from now on in this session; unchanged without it.
    pub(crate) route: Option<String>,
    /// Files that go along.
    pub(crate) files: Vec<Attached>,
}

/// Who answers questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Person {
    /// Somebody at this terminal.
    Here,
    /// Somebody at another one; questions wait.
    Elsewhere,
    /// Nobody; questions are denied at once.
    Nobody,
}

/// How the turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The session, once known.
    pub(crate) session: Option<SessionId>,
    /// How.
    pub(crate) end: TurnEnd,
    /// Whether a question was refused or nobody answered it.
    pub(crate) refused: bool,
}

impl Outcome {
    /// The exit status that says so.
    pub(crate) fn exit(&self) -> Exit {
        match self.end {
            TurnEnd::Cancelled => Exit::Cancelled,
            TurnEnd::Limit => Exit::Limit,
            _ if self.refused => Exit::QuestionRefused,
            TurnEnd::Answered => Exit::Done,
            TurnEnd::Failed | TurnEnd::Violation => Exit::Failed,
        }
    }
}

/// Why a turn was not followed to its end.
#[derive(Debug, thiserror::Error)]
enum TurnError {
    #[error("following the turn: the broker did not come back within {} s: {cause}", RETURN.as_secs())]
    Lost { turn: TurnId, cause: BrokerError },
    #[error("following the turn: waiting for input: {0}")]
    Wait(std::io::Error),
}

impl Explain for TurnError {
    fn code(&self) -> &'static str {
        match self {
            Self::Lost { .. } => "broker-lost",
            Self::Wait(_) => "system",
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Lost { turn, .. } => format!(
                "see `carapace status` and `carapace logs`; what was accepted goes on after a start: `carapace chat --follow {turn}`"
            ),
            Self::Wait(_) => "mend what the system names and try again".to_owned(),
        }
    }
}

/// Sends the message and follows the turn to its end. With an empty text, only follows.
///
/// # Errors
/// The broker refuses it, or went away and did not come back.
pub(crate) fn follow(
    home: &Home,
    request: Request,
    person: Person,
    view: &mut View,
    signals: &Signals,
) -> Result<Outcome, Failure> {
    // A Ctrl-C that was typed before this turn does not mean it.
    while signals.next().is_some() {}
    let attached = request.text.is_empty();
    let mut turn = Turn {
        home,
        person,
        view,
        accepted: attached,
        session: request.session,
        request,
        stream: None,
        quiet: Some(Instant::now()),
        next: Instant::now(),
        away: false,
        pause: TRY.0,
        keys: Keys::default(),
        open: VecDeque::new(),
        shown: None,
        noting: false,
        closed: BTreeSet::new(),
        settled: false,
        refused: false,
        cancelled: None,
    };
    loop {
        if let Some(outcome) = turn.step(signals)? {
            return Ok(outcome);
        }
    }
}

struct Turn<'a> {
    home: &'a Home,
    request: Request,
    person: Person,
    view: &'a mut View,
    /// Whether the broker said that the message is durable.
    accepted: bool,
    session: Option<SessionId>,
    stream: Option<Stream>,
    /// Since when an answer is due and nothing was heard.
    quiet: Option<Instant>,
    /// When to connect next, where there is no stream.
    next: Instant,
    /// Whether the person was told that the broker went away.
    away: bool,
    pause: Duration,
    keys: Keys,
    /// Questions of this turn that nobody answered yet, oldest first.
    open: VecDeque<QuestionCard>,
    /// The question whose choices are on the screen.
    shown: Option<Code>,
    /// Whether the next line is a note.
    noting: bool,
    /// Questions that are known to be closed, so that it is said once.
    closed: BTreeSet<Code>,
    /// Whether the broker took this connection's first request: a failure told later is about an answer.
    settled: bool,
    refused: bool,
    cancelled: Option<Instant>,
}

impl Turn<'_> {
    /// Waits for something to happen and deals with it.
    fn step(&mut self, signals: &Signals) -> Result<Option<Outcome>, Failure> {
        if self.stream.is_none() && Instant::now() >= self.next {
            self.connect()?;
        }
        self.ask_person();
        self.wait(signals)?;
        while signals.next().is_some() {
            if self.cancelled.is_some() {
                return Ok(Some(self.outcome(TurnEnd::Cancelled)));
            }
            self.cancel();
        }
        if self
            .cancelled
            .is_some_and(|since| since.elapsed() >= CANCEL)
        {
            self.view.notice(
                "the turn was told to stop and has not ended yet; `carapace status` shows it",
            );
            return Ok(Some(self.outcome(TurnEnd::Cancelled)));
        }
        let tells = self.stream.as_mut().map(Stream::take).unwrap_or_default();
        if tells.is_empty() && self.quiet.is_some_and(|since| since.elapsed() >= RETURN) {
            return Err(self.given_up(BrokerError::Silent));
        }
        for told in tells {
            match told {
                Ok(tell) => {
                    self.quiet = None;
                    self.away = false;
                    self.pause = TRY.0;
                    if let Some(outcome) = self.hear(&tell)? {
                        return Ok(Some(outcome));
                    }
                }
                Err(error @ (BrokerError::Unclear(_) | BrokerError::Other)) => {
                    return Err(error.into());
                }
                Err(error) => self.lose(error)?,
            }
        }
        Ok(None)
    }

    fn connect(&mut self) -> Result<(), Failure> {
        let files: &[Attached] = if self.accepted {
            &[]
        } else {
            &self.request.files
        };
        let opened = Stream::open(self.home, files).and_then(|(mut stream, attachments)| {
            let turn = self.request.turn;
            stream.say(&if self.accepted {
                Ask::ChatAttach { turn }
            } else {
                Ask::ChatSend {
                    session: self.request.session,
                    turn,
                    text: self.request.text.clone(),
                    route: self.request.route.clone(),
                    attachments,
                }
            })?;
            // A turn may have nothing to tell for long; this is answered at once and shows that the broker is there.
            stream.say(&Ask::Status {})?;
            if self.cancelled.is_some() {
                stream.say(&Ask::ChatCancel { turn })?;
            }
            Ok(stream)
        });
        match opened {
            Ok(stream) => {
                self.stream = Some(stream);
                self.settled = false;
                Ok(())
            }
            // At first nothing is lost yet: then it is simply not running.
            Err(error @ BrokerError::NotRunning(_)) if !self.away => Err(error.into()),
            // A file that is not taken now is not taken later.
            Err(error @ BrokerError::Failed { .. }) => Err(error.into()),
            Err(error) => self.lose(error),
        }
    }

    /// The broker went away: says so once, and sets the time of the next try.
    fn lose(&mut self, cause: BrokerError) -> Result<(), Failure> {
        self.stream = None;
        // A question that is still open is told again; an answer now would reach nobody.
        self.open.clear();
        self.shown = None;
        self.noting = false;
        let now = Instant::now();
        if !std::mem::replace(&mut self.away, true) {
            self.view.broke_off();
            self.view
                .notice("the broker went away; waiting for it to return");
        }
        let since = *self.quiet.get_or_insert(now);
        if now.duration_since(since) >= RETURN {
            return Err(self.given_up(cause));
        }
        self.next = now + self.pause;
        self.pause = (self.pause * 2).min(TRY.1);
        Ok(())
    }

    fn given_up(&self, cause: BrokerError) -> Failure {
        TurnError::Lost {
            turn: self.request.turn,
            cause,
        }
        .into()
    }

    /// Waits for the stream, Ctrl-C, a typed line where one is expected, or the next thing that is due.
    fn wait(&mut self, signals: &Signals) -> Result<(), Failure> {
        let now = Instant::now();
        let mut due = Vec::new();
        if self.stream.is_none() {
            due.push(self.next.saturating_duration_since(now));
        }
        if let Some(since) = self.quiet {
            due.push((since + RETURN).saturating_duration_since(now));
        }
        if let Some(since) = self.cancelled {
            due.push((since + CANCEL).saturating_duration_since(now));
        }
        if let Some(card) = self.open.front() {
            due.push(Duration::from_secs(
                u64::try_from(card.expires - time::now()).unwrap_or(0) + 1,
            ));
        }
        let timeout = due
            .into_iter()
            .min()
            .and_then(|left| Timespec::try_from(left).ok());
        let mut waits = vec![PollFd::new(signals, PollFlags::IN)];
        if let Some(stream) = &self.stream {
            waits.push(PollFd::new(stream, PollFlags::IN));
        }
        let listening = self.shown.is_some();
        if listening {
            waits.push(PollFd::new(&self.keys, PollFlags::IN));
        }
        match poll(&mut waits, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(TurnError::Wait(error.into()).into()),
        }
        let typed = listening && waits.last().is_some_and(|keys| !keys.revents().is_empty());
        drop(waits);
        if typed {
            match self.keys.read() {
                Typed::Line(line) => self.typed(&line),
                Typed::Part => {}
                Typed::End => {
                    self.person = Person::Elsewhere;
                    self.shown = None;
                    self.view.notice(
                        "nobody is at this terminal any more; the question waits for another one",
                    );
                }
            }
        }
        self.expire();
        Ok(())
    }

    fn hear(&mut self, tell: &Tell) -> Result<Option<Outcome>, Failure> {
        let settled = std::mem::replace(&mut self.settled, true);
        match tell {
            Tell::Status { .. } => {}
            Tell::Accepted { session, .. } => {
                self.accepted = true;
                self.session = Some(*session);
                self.view.tell(tell);
            }
            Tell::Question(card) => {
                let known = self.closed.contains(&card.code)
                    || self.open.iter().any(|open| open.code == card.code);
                if !known {
                    self.open.push_back((**card).clone());
                    self.view.tell(tell);
                    self.unattended(card);
                }
            }
            Tell::Closed { code, state } => {
                self.refused |= matches!(state.as_str(), "denied" | "expired");
                self.close(code);
                if self.closed.insert(code.clone()) {
                    self.view.tell(tell);
                }
            }
            Tell::ToolEnded { outcome, .. } => {
                self.refused |= matches!(outcome.as_str(), "denied" | "expired");
                self.view.tell(tell);
            }
            Tell::Failed { code, message } if !settled => {
                return Err(BrokerError::failed(code.clone(), message).into());
            }
            Tell::Failed { code, message } => self.view.notice(&format!("{message} ({code})")),
            Tell::Done {
                turn, session, end, ..
            } if *turn == self.request.turn => {
                self.session = Some(*session);
                self.view.tell(tell);
                return Ok(Some(self.outcome(*end)));
            }
            other => self.view.tell(other),
        }
        Ok(None)
    }

    /// Where nobody is at this terminal: says where to answer, or denies.
    fn unattended(&mut self, card: &QuestionCard) {
        match self.person {
            Person::Here => {}
            Person::Elsewhere => self.view.notice(&format!(
                "waiting for an answer from another terminal: carapace approvals allow {0}   (or: carapace approvals deny {0})",
                card.code
            )),
            Person::Nobody => {
                let note = Some("nobody was there to answer".to_owned());
                self.answer(card.code.clone(), Given::no(note));
            }
        }
    }

    /// Shows the choices for the oldest open question, unless they are on the screen.
    fn ask_person(&mut self) {
        let Some(card) = self.open.front() else {
            self.shown = None;
            return;
        };
        let choices = answer::choices(card);
        if self.person != Person::Here
            || self.stream.is_none()
            || self.shown.as_ref() == Some(&card.code)
        {
            return;
        }
        // What was typed before the frame was seen is not its answer.
        self.keys.forget();
        self.noting = false;
        self.shown = Some(card.code.clone());
        if self.open.len() > 1 {
            screen::aside(&format!(
                "question {} of {} open ones; ",
                card.code,
                self.open.len()
            ));
        }
        self.view.choices(choices);
    }

    fn typed(&mut self, line: &str) {
        let Some(code) = self.shown.clone() else {
            return;
        };
        self.view.entered();
        if std::mem::take(&mut self.noting) {
            let note = answer::note(line);
            return self.answer(code, Given::no((!note.is_empty()).then_some(note)));
        }
        let card = self.open.iter().find(|card| card.code == code);
        let steps = card.map_or(0, |card| card.parts);
        let may_last = card.is_none_or(QuestionCard::may_last);
        let choices = card.map(answer::choices);
        match answer::choice(line, steps, may_last) {
            Choice::Answer(given) => self.answer(code, given),
            Choice::WithNote => {
                self.noting = true;
                self.view.prompt("note for the assistant: ");
            }
            Choice::Named(code, given) => self.answer(code, given),
            Choice::Nothing => {
                screen::aside("nothing was chosen; ");
                if let Some(choices) = choices {
                    self.view.choices(choices);
                }
            }
        }
    }

    fn answer(&mut self, code: Code, given: Given) {
        if let Some(stream) = &mut self.stream {
            // A link that breaks here is noticed by the listening thread; the question is told again then.
            let _ = stream.say(&given.to(code.clone()));
        }
        self.close(&code);
    }

    fn close(&mut self, code: &Code) {
        self.open.retain(|card| card.code != *code);
        if self.shown.as_ref() == Some(code) {
            self.shown = None;
            self.noting = false;
        }
    }

    /// Takes away questions whose time is over; the broker closes them itself.
    fn expire(&mut self) {
        let now = time::now();
        while let Some(card) = self.open.front().filter(|card| card.expires < now).cloned() {
            self.view.notice(&format!(
                "question {} has expired: nothing was allowed",
                card.code
            ));
            self.refused = true;
            self.close(&card.code);
        }
    }

    fn cancel(&mut self) {
        self.cancelled = Some(Instant::now());
        self.open.clear();
        self.shown = None;
        self.view.notice("stopping the turn");
        if let Some(stream) = &mut self.stream {
            let _ = stream.say(&Ask::ChatCancel {
                turn: self.request.turn,
            });
        }
    }

    fn outcome(&self, end: TurnEnd) -> Outcome {
        Outcome {
            session: self.session,
            end,
            refused: self.refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_its_status() {
        let of = |end, refused| {
            Outcome {
                session: None,
                end,
                refused,
            }
            .exit()
        };
        assert_eq!(of(TurnEnd::Answered, false), Exit::Done);
        assert_eq!(of(TurnEnd::Answered, true), Exit::QuestionRefused);
        assert_eq!(of(TurnEnd::Failed, false), Exit::Failed);
        assert_eq!(of(TurnEnd::Limit, true), Exit::Limit);
        assert_eq!(of(TurnEnd::Cancelled, true), Exit::Cancelled);
    }
}
