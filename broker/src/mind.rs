//! One mind: launched for a session, listened to until it ends. Everything it says is a claim.

use crate::answer;
use crate::broker::{Broker, Live};
use crate::launcher::{self, Ending};
use crate::link::Wire;
use crate::phase::{self, Phase, Sender, Unfit};
use crate::turn::News;
use crate::violation;
use carapace_contract::id::{CallId, SessionId, WorkerId};
use carapace_ipc_proto::Claim;
use carapace_ipc_proto::broker_link::{self, Peer};
use carapace_ipc_proto::error::{Code, ErrorWord};
use carapace_ipc_proto::launch::{End, Failure, Kind};
use carapace_ipc_proto::limits;
use carapace_ipc_proto::link::LinkError;
use carapace_ipc_proto::words::{Joiner, Request, Word};
use carapace_store::Note;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::watch;

/// How a confined process was lost.
#[derive(Debug, Clone)]
pub(crate) enum Gone {
    /// It broke the protocol or its cage.
    Violation(String),
    /// It ended by itself or was killed.
    Ended(String),
}

/// One mind.
pub(crate) struct Mind {
    /// Its identity.
    pub(crate) worker: WorkerId,
    /// Where words to it go.
    pub(crate) wire: Wire,
    in_flight: Cell<usize>,
}

/// The kernel's word on a process that closed its channel comes a moment after the channel's end.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Takes a warm worker for this session and listens to it. One that reads a text of others for a call of
/// the session may ask less, and stands in the record within that call.
pub(crate) async fn launch(
    broker: &Rc<Broker>,
    live: &Rc<Live>,
    session: SessionId,
    reads_for: Option<CallId>,
) -> Result<Rc<Mind>, Failure> {
    let launched = launcher::launch(broker, Kind::Worker).await?;
    let adopted =
        broker_link::adopt(launched.channel, Peer::Process(launched.pid)).map_err(|_| {
            broker.launcher.kill(launched.worker);
            Failure::Cage
        })?;
    let (receiver, sender) = adopted;
    let mind = Rc::new(Mind {
        worker: launched.worker,
        wire: Wire::start(sender),
        in_flight: Cell::new(0),
    });
    broker.note(Note::Launched {
        session: Some(session),
        worker: mind.worker,
        profile: match reads_for {
            None => "worker".to_owned(),
            Some(_) => "worker, as a reader".to_owned(),
        },
    });
    *live.mind.borrow_mut() = Some(Rc::clone(&mind));
    let listener = Listener {
        broker: Rc::clone(broker),
        live: Rc::clone(live),
        session,
        mind: Rc::clone(&mind),
        reads_for,
        joiner: Joiner::default(),
        open: None,
    };
    tokio::task::spawn_local(listener.listen(receiver, launched.ended));
    Ok(mind)
}

struct Listener {
    broker: Rc<Broker>,
    live: Rc<Live>,
    session: SessionId,
    mind: Rc<Mind>,
    /// The call that it reads a text for, where it is a reader.
    reads_for: Option<CallId>,
    joiner: Joiner,
    /// Topic and correlation of the value that is coming in parts.
    open: Option<(String, String)>,
}

impl Listener {
    async fn listen(
        mut self,
        mut receiver: broker_link::Receiver,
        mut ended: watch::Receiver<Ending>,
    ) {
        let gone = loop {
            let frame = tokio::select! {
                frame = receiver.receive() => frame,
                why = self.mind.wire.broken() => break Gone::Violation(why),
            };
            let outcome = match frame {
                Ok(frame) => self.take(&frame),
                Err(LinkError::Breach(breach)) => Err(breach.to_string()),
                Err(LinkError::Closed) => break how_it_ended(&mut ended).await,
                Err(error) => break Gone::Ended(error.to_string()),
            };
            if let Err(what) = outcome {
                break Gone::Violation(what);
            }
        };
        self.close(gone);
    }

    /// Takes one frame. An error is a violation, in words.
    fn take(&mut self, frame: &[u8]) -> Result<(), String> {
        let request = Request::decode_claim(frame)
            .map_err(|breach| breach.to_string())?
            .into_alleged();
        if !request.within.is_empty() {
            return Err("a mind spoke for a call inside hands".to_owned());
        }
        let named = (request.topic, request.correlation);
        if self.open.as_ref().is_some_and(|open| *open != named) {
            return Err("another request between the parts of one".to_owned());
        }
        let whole = self
            .joiner
            .take(request.arguments, request.more)
            .map_err(|breach| breach.to_string())?;
        let Some(arguments) = whole else {
            self.open = Some(named);
            return Ok(());
        };
        self.open = None;
        let (topic, correlation) = named;
        let call: CallId = correlation
            .parse()
            .map_err(|_| "a correlation of another form".to_owned())?;
        let turn = self.live.turn.borrow().clone();
        let phase = if turn.is_some() {
            Phase::InTurn
        } else {
            Phase::Idle
        };
        let sender = match self.reads_for {
            None => Sender::Mind,
            Some(_) => Sender::Reader,
        };
        let parsed = match phase::permitted(sender, phase, &topic) {
            Ok(topic) => Ok(topic),
            Err(Unfit::OutOfPhase) => {
                return Err(format!("{topic} is not permitted in phase {phase:?}"));
            }
            Err(Unfit::Unknown) => Err(ErrorWord::new(
                Code::UnknownTool,
                2,
                "there is no such topic or tool",
            )),
        };
        if self.mind.in_flight.get() >= limits::IN_FLIGHT {
            return Err(format!("more than {} requests at once", limits::IN_FLIGHT));
        }
        let hits = crate::clean::newest().find(&arguments);
        if !hits.is_empty() {
            let often = self.broker.wrote_secret(self.session, &self.live, &hits);
            crate::facts::alarmed(&self.broker, self.session, &self.live);
            if often {
                return Err("it wrote a secret again and again".to_owned());
            }
            self.spawn(call, std::future::ready(Err(answer::holds_secret())));
            return Ok(());
        }
        // A turn is there: every row of the table for a mind is of phase InTurn.
        let Some(turn) = turn else {
            return match parsed {
                Err(error) => {
                    self.spawn(call, std::future::ready(Err(error)));
                    Ok(())
                }
                Ok(_) => Err(format!("{topic} is not permitted outside a turn")),
            };
        };
        let asked = answer::Asked {
            broker: Rc::clone(&self.broker),
            live: Rc::clone(&self.live),
            turn,
            session: self.session,
            within: self.reads_for.clone(),
            call: call.clone(),
            reply: Some(self.mind.wire.clone()),
            worker: self.mind.worker,
        };
        match parsed {
            Err(error) => self.spawn(call, std::future::ready(Err(error))),
            Ok(topic) => self.spawn(call, answer::answer(asked, topic, Claim::new(arguments))),
        }
        Ok(())
    }

    fn spawn(
        &self,
        call: CallId,
        work: impl Future<Output = Result<serde_json::Value, ErrorWord>> + 'static,
    ) {
        let mind = Rc::clone(&self.mind);
        mind.in_flight.set(mind.in_flight.get() + 1);
        tokio::task::spawn_local(async move {
            let word = answer::reply_word(&call, None, work.await);
            // A reply that waits to be written is still in flight.
            mind.wire.say(word).await;
            mind.in_flight.set(mind.in_flight.get() - 1);
        });
    }

    fn close(self, gone: Gone) {
        let is_current = self
            .live
            .mind
            .borrow()
            .as_ref()
            .is_some_and(|mind| mind.worker == self.mind.worker);
        if is_current {
            *self.live.mind.borrow_mut() = None;
        }
        match &gone {
            Gone::Violation(what) => {
                violation::punish(&self.broker, self.session, self.mind.worker, what)
            }
            Gone::Ended(cause) => {
                self.broker.launcher.kill(self.mind.worker);
                self.broker.note(Note::Exited {
                    session: Some(self.session),
                    worker: self.mind.worker,
                    cause: cause.clone(),
                });
            }
        }
        if let Some(turn) = self.live.turn.borrow().as_ref() {
            turn.news(News::MindGone(self.mind.worker, gone));
        }
    }
}

/// Waits a moment for the supervisor's word on why a channel was closed.
pub(crate) async fn how_it_ended(ended: &mut watch::Receiver<Ending>) -> Gone {
    let told = tokio::time::timeout(LAST_WORD, ended.wait_for(Option::is_some)).await;
    match told {
        Ok(Ok(end)) => match *end {
            Some((End::Violation, code)) => Gone::Violation(format!(
                "killed by the kernel for a system call outside its profile (signal {code})"
            )),
            Some((End::Clean, _)) => Gone::Ended("it ended".to_owned()),
            Some((End::Crash, code)) => Gone::Ended(format!("it crashed (code {code})")),
            Some((End::Killed, code)) => Gone::Ended(format!("it was killed (signal {code})")),
            None => Gone::Ended("it closed its channel".to_owned()),
        },
        _ => Gone::Violation("it closed its channel and lives on".to_owned()),
    }
}

/// A call to end this mind, for a turn that does not come to an end.
pub(crate) async fn stop(broker: &Broker, mind: &Mind) {
    mind.wire
        .say(Word::Shutdown(carapace_ipc_proto::words::Shutdown {}))
        .await;
    broker.launcher.kill(mind.worker);
}
