//! The broker's side of hands: started when first needed, told only what is on record, believed in
//! nothing. A program inside may ask through `ipc` while its call runs; it asks at the same desk.

use crate::answer::{self, Asked};
use crate::link::Wire;
use crate::mind::{Gone, how_it_ended};
use crate::phase::{self, Phase, Sender, Unfit};
use crate::violation;
use crate::{facts, launcher};
use carapace_contract::id::{CallId, WorkerId};
use carapace_contract::tool::Invocation;
use carapace_ipc_proto::Claim;
use carapace_ipc_proto::broker_link::{self, Peer};
use carapace_ipc_proto::error::{Code, ErrorWord};
use carapace_ipc_proto::launch::{Failure, Kind};
use carapace_ipc_proto::link::LinkError;
use carapace_ipc_proto::words::{Cancel, Invoke, Request, Word};
use carapace_store::{Note, Recorded};
use serde::Deserialize;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Mutex, oneshot};

/// Requests through `ipc` that one call may have unanswered.
const INSIDE_IN_FLIGHT: usize = 8;

/// How long hands may take beyond a call's own limit, to end it and report.
const GRACE: Duration = Duration::from_secs(5);

/// Seconds for a call that has no limit of its own.
const USUAL_SECONDS: u64 = 30;

/// A report's text, in bytes: a little over what hands cut theirs to.
const REPORT: usize = 600 * 1024;

/// The hands of one session, if they run.
#[derive(Default)]
pub(crate) struct HandsSlot {
    there: RefCell<Option<Rc<Hands>>>,
    /// One start at a time; nothing but a start waits for it.
    starting: Mutex<()>,
    /// How often the hands were ended: a start that was under way then is given up.
    ends: Cell<u64>,
}

struct Running {
    answer: oneshot::Sender<Result<String, ErrorWord>>,
    asked: Asked,
    ipc: bool,
    inside: Rc<Cell<usize>>,
}

struct Hands {
    worker: WorkerId,
    wire: Wire,
    running: RefCell<HashMap<CallId, Running>>,
    /// Calls that were given up; each may still report once before the end.
    late: RefCell<HashSet<CallId>>,
    gone: Cell<bool>,
    /// Replies under way to requests of calls that have ended.
    orphans: Rc<Cell<usize>>,
}

impl HandsSlot {
    /// Has a recorded call carried out. The inner result is what hands reported; the outer error
    /// means that hands were lost and nobody knows.
    pub(crate) async fn invoke(
        &self,
        asked: &Asked,
        recorded: &Recorded<Invocation>,
    ) -> Result<Result<String, ErrorWord>, ErrorWord> {
        self.carry_out(asked, recorded.what()).await
    }

    async fn carry_out(
        &self,
        asked: &Asked,
        call: &Invocation,
    ) -> Result<Result<String, ErrorWord>, ErrorWord> {
        let unavailable = |failure: Failure| {
            ErrorWord::new(
                Code::PluginUnavailable,
                6,
                format!("the hands could not be started: {failure:?}"),
            )
        };
        let hands = match self.take(asked).await {
            Ok(hands) => hands,
            // Never begun: that is known.
            Err(failure) => return Ok(Err(unavailable(failure))),
        };
        hands.invoke(asked, call).await
    }

    /// As [`HandsSlot::invoke`], for a recorded call of another tool that is done by one of the hands'.
    pub(crate) async fn on_behalf(
        &self,
        asked: &Asked,
        recorded: &Recorded<Invocation>,
        tool: &str,
        arguments: Value,
    ) -> Result<Result<String, ErrorWord>, ErrorWord> {
        let name = tool
            .parse()
            .map_err(|_| ErrorWord::new(Code::HandlerError, 6, "the hands have no such tool"));
        let tool = match name {
            Ok(tool) => tool,
            Err(error) => return Ok(Err(error)),
        };
        let call = Invocation {
            tool,
            arguments,
            ..recorded.what().clone()
        };
        self.carry_out(asked, &call).await
    }

    async fn take(&self, asked: &Asked) -> Result<Rc<Hands>, Failure> {
        let _one = self.starting.lock().await;
        let stopped = || asked.broker.frozen.get() || asked.turn.is_cancelled();
        if stopped() {
            return Err(Failure::Stopping);
        }
        let there = self
            .there
            .borrow()
            .clone()
            .filter(|hands| !hands.gone.get());
        if let Some(hands) = there {
            return Ok(hands);
        }
        let ends = self.ends.get();
        let hands = launch(asked).await?;
        if stopped() || self.ends.get() != ends {
            hands.gone.set(true);
            asked.broker.launcher.kill(hands.worker);
            return Err(Failure::Stopping);
        }
        *self.there.borrow_mut() = Some(Rc::clone(&hands));
        Ok(hands)
    }

    /// Ends the hands of the session.
    pub(crate) fn end(&self, broker: &crate::broker::Broker) {
        self.ends.set(self.ends.get() + 1);
        let there = self.there.borrow_mut().take();
        if let Some(hands) = there {
            hands.gone.set(true);
            broker.launcher.kill(hands.worker);
        }
    }
}

async fn launch(asked: &Asked) -> Result<Rc<Hands>, Failure> {
    let launched = launcher::launch(&asked.broker, Kind::Hands).await?;
    let adopted = broker_link::adopt(launched.channel, Peer::Process(launched.pid))
        .map_err(|_| Failure::Cage)?;
    let (mut receiver, sender) = adopted;
    let hands = Rc::new(Hands {
        worker: launched.worker,
        wire: Wire::start(sender),
        running: RefCell::default(),
        late: RefCell::default(),
        gone: Cell::new(false),
        orphans: Rc::default(),
    });
    asked.broker.note(Note::Launched {
        session: Some(asked.session),
        worker: hands.worker,
        profile: "hands".to_owned(),
    });
    let (broker, session, mut ended) = (Rc::clone(&asked.broker), asked.session, launched.ended);
    let listening = Rc::clone(&hands);
    tokio::task::spawn_local(async move {
        let hands = listening;
        let gone = loop {
            let frame = tokio::select! {
                frame = receiver.receive() => frame,
                why = hands.wire.broken() => break Gone::Violation(why),
            };
            let outcome = match frame {
                Ok(frame) => hands.take(&frame),
                Err(LinkError::Breach(breach)) => Err(breach.to_string()),
                Err(LinkError::Closed) => break how_it_ended(&mut ended).await,
                Err(error) => break Gone::Ended(error.to_string()),
            };
            if let Err(what) = outcome {
                break Gone::Violation(what);
            }
        };
        hands.gone.set(true);
        match gone {
            Gone::Violation(what) => violation::punish(&broker, session, hands.worker, &what),
            Gone::Ended(cause) => {
                broker.launcher.kill(hands.worker);
                broker.note(Note::Exited {
                    session: Some(session),
                    worker: hands.worker,
                    cause,
                });
            }
        }
        // Dropping the senders tells every waiting call that it was lost.
        hands.running.borrow_mut().clear();
    });
    Ok(hands)
}

impl Hands {
    async fn invoke(
        self: &Rc<Self>,
        asked: &Asked,
        call: &Invocation,
    ) -> Result<Result<String, ErrorWord>, ErrorWord> {
        let lost = || {
            ErrorWord::new(
                Code::PluginUnavailable,
                6,
                "the hands were lost while they did this",
            )
        };
        let name: CallId = call.effect.to_string().parse().map_err(|_| lost())?;
        if asked.broker.frozen.get() || asked.turn.is_cancelled() {
            // Never begun: that is known.
            return Ok(Err(ErrorWord::new(
                Code::Cancelled,
                6,
                "it was stopped before it was begun",
            )));
        }
        let most = asked.broker.config.limits.exec_seconds;
        let seconds = match call.arguments.get("seconds").and_then(Value::as_u64) {
            Some(seconds) => seconds.min(most),
            None if call.tool.as_str() == "exec" => most,
            None => USUAL_SECONDS,
        };
        let mut arguments = call.arguments.clone();
        let ipc = arguments
            .as_object_mut()
            .and_then(|arguments| arguments.remove("ipc"))
            .is_some_and(|ipc| ipc == Value::Bool(true));
        let (answer, mut wait) = oneshot::channel();
        let running = Running {
            answer,
            asked: asked.clone(),
            ipc,
            inside: Rc::default(),
        };
        self.running.borrow_mut().insert(name.clone(), running);
        let word = Word::Invoke(Invoke {
            call: name.as_str().to_owned(),
            tool: call.tool.as_str().to_owned(),
            arguments: arguments.to_string().into_bytes(),
            seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
            ipc,
        });
        if !self.wire.say(word).await {
            return Err(lost());
        }
        let mut cancel = asked.turn.cancelled();
        tokio::select! {
            outcome = &mut wait => return outcome.map_err(|_| lost()),
            _ = tokio::time::sleep(Duration::from_secs(seconds) + GRACE) => {}
            _ = cancel.wait_for(|cancelled| *cancelled) => {}
        }
        self.wire
            .say(Word::Cancel(Cancel {
                call: name.as_str().to_owned(),
            }))
            .await;
        let outcome = tokio::time::timeout(GRACE, &mut wait).await;
        match outcome {
            Ok(outcome) => outcome.map_err(|_| lost()),
            Err(_) => {
                self.running.borrow_mut().remove(&name);
                self.late.borrow_mut().insert(name);
                // Hands that do not end a call when told to are not trusted with another.
                self.gone.set(true);
                asked.broker.launcher.kill(self.worker);
                Err(lost())
            }
        }
    }

    /// Takes one frame. An error is a violation, in words.
    fn take(self: &Rc<Self>, frame: &[u8]) -> Result<(), String> {
        let request = Request::decode_claim(frame)
            .map_err(|breach| breach.to_string())?
            .into_alleged();
        if request.more {
            return Err("hands sent a value in parts".to_owned());
        }
        if request.within.is_empty() {
            return match phase::permitted(Sender::Hands, Phase::Idle, &request.topic) {
                Ok(_) => self.report(&request.correlation, &request.arguments),
                Err(_) => Err(format!(
                    "hands may not ask for {}",
                    card_text(&request.topic)
                )),
            };
        }
        self.inside(request)
    }

    fn report(&self, call: &str, arguments: &[u8]) -> Result<(), String> {
        let call: CallId = call
            .parse()
            .map_err(|_| "a report under a name of another form".to_owned())?;
        let Some(running) = self.running.borrow_mut().remove(&call) else {
            return if self.late.borrow_mut().remove(&call) {
                Ok(())
            } else {
                Err("a report of a call that does not run".to_owned())
            };
        };
        let report: Report =
            serde_json::from_slice(arguments).map_err(|_| "a report of another form".to_owned())?;
        let outcome = match report {
            Report::Ok { mut text } => {
                if text.len() > REPORT {
                    return Err("a report longer than agreed".to_owned());
                }
                text.shrink_to_fit();
                Ok(text)
            }
            Report::Error { code, message } => {
                let code = match code {
                    // Only what a tool may say of itself; the rest are words of the desk.
                    Code::ValidationFailed | Code::Cancelled => code,
                    _ => Code::HandlerError,
                };
                Err(ErrorWord::new(
                    code,
                    6,
                    message.chars().take(4000).collect::<String>(),
                ))
            }
        };
        let _ = running.answer.send(outcome);
        Ok(())
    }

    /// A request of a program inside, while its call runs.
    fn inside(self: &Rc<Self>, request: Request) -> Result<(), String> {
        let within: CallId = request
            .within
            .parse()
            .map_err(|_| "a call of another form".to_owned())?;
        let call: CallId = request
            .correlation
            .parse()
            .map_err(|_| "a correlation of another form".to_owned())?;
        let running = self.running.borrow();
        let Some(outer) = running.get(&within) else {
            // Its call has just ended; the program may not know yet.
            drop(running);
            let count = Rc::clone(&self.orphans);
            if count.get() >= INSIDE_IN_FLIGHT {
                return Err("many requests from calls that have ended".to_owned());
            }
            let ended = ErrorWord::new(Code::Cancelled, 2, "the call has ended");
            self.reply(call, within, std::future::ready(Err(ended)), count);
            return Ok(());
        };
        if !outer.ipc {
            return Err("a request from a call without ipc".to_owned());
        }
        let (asked, count) = (outer.asked.clone(), Rc::clone(&outer.inside));
        drop(running);
        if count.get() >= INSIDE_IN_FLIGHT {
            return Err(format!(
                "more than {INSIDE_IN_FLIGHT} requests at once from inside one call"
            ));
        }
        let topic = match phase::permitted(Sender::Inside, Phase::InTurn, &request.topic) {
            Ok(topic) => topic,
            Err(Unfit::OutOfPhase | Unfit::Unknown) => {
                let error = ErrorWord::new(
                    Code::UnknownTool,
                    2,
                    "there is no such topic or tool in here",
                );
                self.reply(call, within, std::future::ready(Err(error)), count);
                return Ok(());
            }
        };
        let asked = Asked {
            within: Some(within.clone()),
            call: call.clone(),
            reply: Some(self.wire.clone()),
            worker: self.worker,
            ..asked
        };
        let hits = crate::clean::newest().find(&request.arguments);
        if !hits.is_empty() {
            let often = asked.broker.wrote_secret(asked.session, &asked.live, &hits);
            facts::alarmed(&asked.broker, asked.session, &asked.live);
            if often {
                return Err("it wrote a secret again and again".to_owned());
            }
            let error = answer::holds_secret();
            self.reply(call, within, std::future::ready(Err(error)), count);
            return Ok(());
        }
        let work = answer::answer(asked, topic, Claim::new(request.arguments));
        self.reply(call, within, work, count);
        Ok(())
    }

    fn reply(
        self: &Rc<Self>,
        call: CallId,
        within: CallId,
        work: impl Future<Output = Result<Value, ErrorWord>> + 'static,
        count: Rc<Cell<usize>>,
    ) {
        let hands = Rc::clone(self);
        count.set(count.get() + 1);
        tokio::task::spawn_local(async move {
            let word = answer::reply_word(&call, Some(&within), work.await);
            // A reply that waits to be written is still in flight.
            hands.wire.say(word).await;
            count.set(count.get() - 1);
        });
    }
}

fn card_text(text: &str) -> String {
    crate::card::visible(&text.chars().take(80).collect::<String>())
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Report {
    Ok { text: String },
    Error { code: Code, message: String },
}
