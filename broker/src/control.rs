//! The control socket: the person's own programs. The listener was bound by the supervisor in a
//! folder that only the owner enters; each peer's uid is checked again here.

use crate::broker::{Broker, Live, now};
use crate::turn::{self, Turn};
use crate::{approval, clean, facts, plan, rules, secrets, sentinel, tools};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use carapace_contract::control::{Ask, MAX_PIECE, MAX_TEXT, Tell, ToolRow};
use carapace_contract::id::{Digest, GroupId, SessionId, TurnId};
use carapace_contract::model::{Attachment, MAX_ATTACHMENT, MAX_ATTACHMENTS, MediaType, Message};
use carapace_contract::verdict::Decision;
use carapace_ipc_proto::broker_link::{self, Peer};
use carapace_ipc_proto::limits;
use carapace_policy::rules::Rule;
use carapace_store::{Accepted, Note, StoreError, StoredQuestion, TurnState};
use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast;

/// Connections at once: a handful of terminals and a page.
const CONNECTIONS: usize = 64;

/// Bytes of a note to the agent.
const NOTE: usize = 1000;

/// Characters of a message that a story quotes.
const QUOTED: usize = 300;

/// Takes over the listener and serves until the broker ends.
pub(crate) fn listen(broker: Rc<Broker>, listener: OwnedFd) -> io::Result<()> {
    let listener = std::os::unix::net::UnixListener::from(listener);
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    let open = Rc::new(Cell::new(0_usize));
    tokio::task::spawn_local(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors: others must close first.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            };
            if open.get() >= CONNECTIONS {
                continue;
            }
            let Some(approver) = approver(&stream) else {
                crate::clean::log!("a connection of another user was refused");
                continue;
            };
            let (broker, open) = (Rc::clone(&broker), Rc::clone(&open));
            open.set(open.get() + 1);
            tokio::task::spawn_local(async move {
                let (receiver, sender) = broker_link::split(stream, Peer::Accepted);
                let mut connection = Connection {
                    broker,
                    approver,
                    sender,
                    following: None,
                    turn: None,
                    uploads: Uploads::default(),
                };
                connection.serve(receiver).await;
                open.set(open.get() - 1);
            });
        }
    });
    Ok(())
}

/// Who is at the other end: the owner, or root. In a user namespace no other uid has a name, so no
/// other can pass for one of these.
fn approver(stream: &UnixStream) -> Option<String> {
    let peer = stream.peer_cred().ok()?;
    let own = rustix::process::getuid().as_raw();
    (peer.uid() == own || peer.uid() == 0).then(|| match peer.pid() {
        Some(pid) => format!("owner at the control socket (process {pid})"),
        None => "owner at the control socket".to_owned(),
    })
}

struct Connection {
    broker: Rc<Broker>,
    approver: String,
    sender: broker_link::Sender,
    following: Option<broadcast::Receiver<Tell>>,
    turn: Option<TurnId>,
    uploads: Uploads,
}

/// Files that were handed over on a connection and belong to no message yet.
#[derive(Default)]
struct Uploads {
    open: Vec<u8>,
    whole: Vec<(Attachment, Vec<u8>)>,
}

struct NewMessage {
    text: String,
    route: Option<String>,
    attachments: Vec<Digest>,
}

type Refused = (&'static str, String);

impl Connection {
    async fn serve(&mut self, mut receiver: broker_link::Receiver) {
        if self.sender.greet().await.is_err() {
            return;
        }
        loop {
            let event = tokio::select! {
                frame = receiver.receive() => match frame {
                    Ok(frame) => Err(frame),
                    Err(_) => return,
                },
                tell = next(&mut self.following) => Ok(tell),
            };
            let going = match event {
                Ok(Some(tell)) => self.forward(tell).await,
                // Too slow to follow: what matters is told again from the record.
                Ok(None) => self.catch_up().await,
                Err(frame) => {
                    let ask: Result<Ask, _> = serde_json::from_slice(&frame);
                    match ask {
                        Ok(ask) => match self.answer(ask).await {
                            Ok(going) => going,
                            Err((code, message)) => {
                                self.tell(&Tell::Failed {
                                    code: code.to_owned(),
                                    message,
                                })
                                .await
                            }
                        },
                        Err(error) => {
                            let message = format!("not a request of this socket: {error}");
                            self.tell(&Tell::Failed {
                                code: "bad-request".to_owned(),
                                message,
                            })
                            .await
                        }
                    }
                }
            };
            if !going {
                return;
            }
        }
    }

    async fn tell(&mut self, tell: &Tell) -> bool {
        let Ok(text) = serde_json::to_vec(tell) else {
            return false;
        };
        let (text, hits) = clean::json_bytes(text);
        // An alarm is itself a notice to whoever watches: one about it would be followed by the next.
        if !hits.is_empty() && !matches!(tell, Tell::Notice { .. }) {
            self.broker
                .alarm(None, &hits, "what was to be shown to the owner");
        }
        if text.len() > limits::FRAME {
            let short = Tell::Failed {
                code: "too-large".to_owned(),
                message: "the answer is larger than a frame; ask for less".to_owned(),
            };
            let text = serde_json::to_vec(&short).unwrap_or_default();
            return self.sender.send(&text).await.is_ok();
        }
        self.sender.send(&text).await.is_ok()
    }

    async fn forward(&mut self, tell: Tell) -> bool {
        let is_end = matches!(&tell, Tell::Done { turn, .. } if Some(*turn) == self.turn);
        let going = self.tell(&tell).await;
        if is_end {
            self.following = None;
            self.turn = None;
        }
        going
    }

    async fn catch_up(&mut self) -> bool {
        let Some(turn) = self.turn else {
            self.following = Some(self.broker.watchers.subscribe());
            return true;
        };
        matches!(self.follow(turn).await, Ok(true))
    }

    /// Follows a turn that runs, or tells the end of one that has ended.
    async fn follow(&mut self, id: TurnId) -> Result<bool, Refused> {
        let running: Option<Rc<Turn>> = self.broker.turns.borrow().get(&id).cloned();
        if let Some(turn) = running {
            let (so_far, from_here) = turn.follow();
            self.following = Some(from_here);
            self.turn = Some(id);
            for tell in so_far {
                if !self.forward(tell).await {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        let row = self.broker.store.turn(id).await.map_err(stored)?;
        let Some(row) = row.filter(|row| row.state == TurnState::Ended) else {
            return Err(("no-such-turn", "there is no such turn".to_owned()));
        };
        self.following = None;
        self.turn = None;
        let end = row
            .end
            .unwrap_or(carapace_contract::control::TurnEnd::Failed);
        Ok(self
            .tell(&Tell::Done {
                turn: id,
                session: row.session,
                end,
                text: row.final_text,
                usage: row.usage,
            })
            .await)
    }

    async fn answer(&mut self, ask: Ask) -> Result<bool, Refused> {
        let broker = Rc::clone(&self.broker);
        let ask = match secrets::answer(&broker, ask, &self.approver).await? {
            Ok(tell) => return Ok(self.tell(&tell).await),
            Err(other) => other,
        };
        let tell = match ask {
            Ask::Status {} => status(&broker).await?,
            Ask::Sessions {} => Tell::Sessions {
                rows: broker
                    .store
                    .sessions(GroupId::owner(), 200)
                    .await
                    .map_err(stored)?,
            },
            Ask::Show { session } => {
                self.own(session).await?;
                let messages = newest(broker.store.transcript(session).await.map_err(stored)?);
                Tell::Transcript { session, messages }
            }
            Ask::ChatSend {
                session,
                turn,
                text,
                route,
                attachments,
            } => {
                let message = NewMessage {
                    text,
                    route,
                    attachments,
                };
                return self.send(session, turn, message).await;
            }
            Ask::Attach { name, piece, last } => self.attach(name, &piece, last)?,
            Ask::Usage {} => {
                let rows = broker.store.spent_by_day(1000).await.map_err(stored)?;
                let budgets = broker.ledger.borrow().rows(crate::spend::moment());
                Tell::Spent { budgets, rows }
            }
            Ask::Egress { limit } => Tell::Sends {
                rows: broker
                    .store
                    .sends(limit.clamp(1, 1000))
                    .await
                    .map_err(stored)?,
            },
            Ask::ChatAttach { turn } => return self.follow(turn).await,
            Ask::ChatCancel { turn } => {
                let running = broker.turns.borrow().get(&turn).cloned();
                if let Some(turn) = running {
                    turn.cancel();
                }
                return Ok(true);
            }
            Ask::Questions { all } => {
                let rows = broker.store.questions(all).await.map_err(stored)?;
                Tell::Questions {
                    rows: rows.into_iter().map(shown).collect(),
                }
            }
            Ask::Answer {
                code,
                decision,
                note,
                part,
            } => {
                if note.as_ref().is_some_and(|note| note.len() > NOTE) {
                    return Err(("note-too-long", format!("a note has at most {NOTE} bytes")));
                }
                let note = note.filter(|_| decision == Decision::Deny);
                let state = approval::take_answer(
                    &broker,
                    code.clone(),
                    decision,
                    part,
                    note,
                    &self.approver,
                )
                .await?;
                Tell::Closed { code, state }
            }
            Ask::Watch {} => {
                self.following = Some(broker.watchers.subscribe());
                for question in broker.store.questions(false).await.map_err(stored)? {
                    if !self.tell(&Tell::Question(Box::new(shown(question)))).await {
                        return Ok(false);
                    }
                }
                return Ok(true);
            }
            Ask::Grants {} => {
                let always = broker.store.always(now()).await.map_err(stored)?;
                Tell::Grants {
                    config: broker
                        .config
                        .grants
                        .iter()
                        .map(|grant| {
                            let arguments = grant
                                .arguments
                                .clone()
                                .map(|map| serde_json::Value::Object(map).to_string());
                            (grant.tool.clone(), arguments)
                        })
                        .collect(),
                    always: always
                        .into_iter()
                        .map(|grant| {
                            (
                                grant.code,
                                grant.tool,
                                crate::card::visible(&grant.arguments),
                                grant.expires,
                            )
                        })
                        .collect(),
                    tasks: plan::rows(&broker),
                }
            }
            Ask::Revoke { code } => {
                // Of a plan nothing is kept on disk: what is taken back here is gone.
                if broker.grants.borrow_mut().revoke_task(&code) {
                    broker.note(Note::Revoked {
                        question: code.clone(),
                        approver: self.approver.clone(),
                    });
                    let state = "revoked".to_owned();
                    return Ok(self.tell(&Tell::Closed { code, state }).await);
                }
                let shape = broker.store.revoke(code.clone()).await.map_err(stored)?;
                let Some(shape) = shape else {
                    return Err((
                        "no-such-grant",
                        format!("there is no standing grant {code}"),
                    ));
                };
                broker.grants.borrow_mut().revoke_always(&shape);
                broker.note(Note::Revoked {
                    question: code.clone(),
                    approver: self.approver.clone(),
                });
                Tell::Closed {
                    code,
                    state: "revoked".to_owned(),
                }
            }
            Ask::Rules { session } => {
                let live = match session {
                    None => None,
                    Some(session) => {
                        self.own(session).await?;
                        let live = broker.session(session);
                        facts::load(&broker, &live, session).await.map_err(stored)?;
                        Some(live)
                    }
                };
                told_rules(&broker, live.as_deref())
            }
            Ask::RuleSet { session, id, on } => {
                self.own(session).await?;
                rules::set(&broker, session, &id, on, &self.approver).await?;
                told_rules(&broker, Some(&*broker.session(session)))
            }
            Ask::RuleCompile {
                trigger,
                effect,
                description,
                route,
            } => {
                let rule = Rule::plain(&trigger, &effect, &description)
                    .map_err(|(field, cause)| ("bad-rule", format!("{field}: {cause}")))?;
                let (when, model) = sentinel::compile(&broker, &rule, route)
                    .await
                    .map_err(|cause| ("not-compiled", cause))?;
                Tell::Compiled {
                    when: serde_json::to_string(&when).unwrap_or_default(),
                    model,
                }
            }
            Ask::Changes {} => {
                let seen = broker.store.policy_seen().await.map_err(stored)?;
                let seen = seen.unwrap_or_default();
                Tell::Changes {
                    at: seen.at,
                    fresh: broker.changed.get(),
                    rows: seen.changes,
                }
            }
            Ask::Why { effect } => {
                let mut lines = broker.store.story(effect).await.map_err(stored)?;
                if lines.is_empty() {
                    return Err((
                        "no-such-effect",
                        format!("nothing is on record about {effect}"),
                    ));
                }
                if let Some(turn) = broker.store.cause(effect).await.map_err(stored)? {
                    let words: String = crate::card::visible(&turn.text)
                        .chars()
                        .take(QUOTED)
                        .collect();
                    lines.insert(0, (turn.created, 0, format!("you wrote: {words}")));
                }
                Tell::Story { effect, lines }
            }
            Ask::Effects { limit } => Tell::Effects {
                rows: broker
                    .store
                    .effects(limit.clamp(1, 1000))
                    .await
                    .map_err(stored)?,
            },
            Ask::Tools {} => Tell::Tools {
                rows: tool_rows(&broker),
            },
            Ask::AuditHead {} => {
                let head = broker.store.audit_head().await.map_err(stored)?;
                broker.mark_activity();
                Tell::AuditHead {
                    count: head.count,
                    head: head.hash.to_string(),
                }
            }
            Ask::Proof { held, breached } => {
                let result = if breached == 0 { "held" } else { "breached" }.to_owned();
                let detail = format!(
                    "{held} held, {breached} breached; told by {}",
                    self.approver
                );
                broker
                    .store
                    .note_synced(Note::Proof { result, detail })
                    .await
                    .map_err(stored)?;
                broker.mark_activity();
                Tell::Ok {}
            }
            Ask::Panic {} => {
                turn::freeze(&broker, &self.approver).await;
                Tell::Ok {}
            }
            // Answered above.
            Ask::SecretPut { .. }
            | Ask::Secrets {}
            | Ask::SecretRemove { .. }
            | Ask::SecretTest { .. }
            | Ask::Unlock { .. }
            | Ask::Protect { .. }
            | Ask::LoginBegin { .. }
            | Ask::LoginFinish { .. }
            | Ask::Models { .. } => {
                return Err(("bad-request", "it was answered twice".to_owned()));
            }
        };
        Ok(self.tell(&tell).await)
    }

    async fn own(&self, session: SessionId) -> Result<(), Refused> {
        let group = self
            .broker
            .store
            .session_group(session)
            .await
            .map_err(stored)?;
        if group == Some(GroupId::owner()) {
            Ok(())
        } else {
            Err((
                "no-such-session",
                format!("there is no session {session}; `carapace sessions` lists them"),
            ))
        }
    }

    /// A piece of a file.
    fn attach(&mut self, name: String, piece: &str, last: bool) -> Result<Tell, Refused> {
        let uploads = &mut self.uploads;
        let bytes = BASE64
            .decode(piece)
            .map_err(|error| ("bad-piece", format!("a piece is not base64: {error}")))?;
        let too_large =
            bytes.len() > MAX_PIECE || uploads.open.len() + bytes.len() > MAX_ATTACHMENT;
        if too_large || uploads.whole.len() >= MAX_ATTACHMENTS || name.len() > 255 {
            uploads.open.clear();
            return Err((
                "attachment-too-large",
                format!(
                    "a message has at most {MAX_ATTACHMENTS} attachments of at most {MAX_ATTACHMENT} bytes"
                ),
            ));
        }
        uploads.open.extend_from_slice(&bytes);
        if !last {
            return Ok(Tell::Ok {});
        }
        let bytes = std::mem::take(&mut uploads.open);
        let media_type = MediaType::of(&bytes).ok_or((
            "bad-attachment",
            "it is neither a picture (PNG, JPEG, GIF, WebP) nor a PDF nor plain text".to_owned(),
        ))?;
        if clean::newest().contains(&bytes) {
            return Err((
                "attachment-with-secret",
                "it holds a secret of the vault and is not taken".to_owned(),
            ));
        }
        let attachment = Attachment {
            id: Digest::of(&bytes),
            media_type,
            name: crate::card::visible(name.rsplit('/').next().unwrap_or_default()),
            bytes: bytes.len() as u64,
        };
        uploads.whole.push((attachment.clone(), bytes));
        Ok(Tell::Attached { attachment })
    }

    /// A message: on disk before it is accepted, accepted once.
    async fn send(
        &mut self,
        session: Option<SessionId>,
        id: TurnId,
        message: NewMessage,
    ) -> Result<bool, Refused> {
        let broker = Rc::clone(&self.broker);
        let NewMessage {
            text,
            route,
            attachments,
        } = message;
        if let Some(route) = &route {
            crate::route::candidates(&broker.config, route)
                .map_err(|error| (error.code(), error.to_string()))?;
        }
        let (text, taken_out) = without_keys(text);
        if text.trim().is_empty() || text.len() > MAX_TEXT {
            return Err(("bad-text", format!("a message has 1 to {MAX_TEXT} bytes")));
        }
        if broker.frozen.get() {
            return Err((
                "frozen",
                "everything was stopped by `carapace panic`\n  remedy: `carapace restart` when you are sure".to_owned(),
            ));
        }
        if let Some(session) = session {
            self.own(session).await?;
            let busy = broker
                .turns
                .borrow()
                .values()
                .any(|turn| turn.session == session && turn.id != id);
            if busy {
                return Err((
                    "session-busy",
                    "this session is still at work on the message before\n  remedy: wait for it, stop it, or open another session".to_owned(),
                ));
            }
        }
        let is_new = session.is_none();
        let session = session.unwrap_or_else(SessionId::random);
        let mut described = Vec::new();
        for wanted in attachments {
            let (attachment, bytes) = self
                .uploads
                .whole
                .iter()
                .find(|(attachment, _)| attachment.id == wanted)
                .cloned()
                .ok_or((
                    "no-such-attachment",
                    format!("the attachment {wanted} was not handed over on this connection"),
                ))?;
            broker
                .store
                .attach(session, attachment.id, bytes)
                .await
                .map_err(stored)?;
            described.push(attachment);
        }
        let accepted = broker
            .store
            .accept_with(
                id,
                session,
                GroupId::owner(),
                text.clone(),
                described,
                route,
            )
            .await
            .map_err(stored)?;
        self.uploads.whole.clear();
        let session = match accepted {
            Accepted::New => {
                if is_new {
                    broker.note(Note::SessionCreated {
                        session,
                        group: GroupId::owner(),
                    });
                }
                if !broker.turns.borrow().contains_key(&id) {
                    turn::resume(&broker, id, session, GroupId::owner(), text);
                }
                session
            }
            Accepted::Duplicate { session } => {
                let row = broker.store.turn(id).await.map_err(stored)?;
                if let Some(row) = row.filter(|row| row.state != TurnState::Ended)
                    && !broker.turns.borrow().contains_key(&id)
                {
                    turn::resume(&broker, row.turn, row.session, row.group, row.text);
                }
                session
            }
            Accepted::NotYours => {
                return Err(("no-such-session", format!("there is no session {session}")));
            }
        };
        if !self.tell(&Tell::Accepted { session, turn: id }).await {
            return Ok(false);
        }
        if let Some(text) = taken_out
            && !self.tell(&Tell::Notice { text }).await
        {
            return Ok(false);
        }
        self.follow(id).await
    }
}

/// A message without secrets of the vault and without what looks like a key, and what the person is
/// told about it. Nothing else has seen the text by then.
fn without_keys(text: String) -> (String, Option<String>) {
    let (cleaned, hits) = clean::text(&text);
    let cleaned = cleaned.into_owned();
    let (redacted, found) = carapace_scrub::patterns::redact(&cleaned);
    if hits.is_empty() && found.is_empty() {
        return (text, None);
    }
    let mut kinds: Vec<String> = hits
        .iter()
        .map(|hit| format!("the secret {}", hit.name))
        .collect();
    kinds.extend(found.iter().map(|found| format!("a key ({})", found.kind)));
    kinds.sort();
    kinds.dedup();
    let words = format!(
        "{} was taken out of your message before anything else saw it; `carapace auth api-key` stores a key, and one that was pasted anywhere else should be changed",
        kinds.join(", ")
    );
    (redacted.into_owned(), Some(words))
}

/// The next event; never where nothing is followed; `None` where some were missed.
async fn next(following: &mut Option<broadcast::Receiver<Tell>>) -> Option<Tell> {
    match following {
        None => std::future::pending().await,
        Some(events) => match events.recv().await {
            Ok(tell) => Some(tell),
            Err(broadcast::error::RecvError::Lagged(_)) => None,
            Err(broadcast::error::RecvError::Closed) => {
                *following = None;
                std::future::pending().await
            }
        },
    }
}

fn stored(error: StoreError) -> Refused {
    ("store", format!("the store: {error}"))
}

fn shown(question: StoredQuestion) -> carapace_contract::control::QuestionCard {
    question.card
}

fn told_rules(broker: &Broker, live: Option<&Live>) -> Tell {
    Tell::Rules {
        rows: rules::rows(broker, live),
        fault: broker.rules.fault().map(str::to_owned),
    }
}

async fn status(broker: &Broker) -> Result<Tell, Refused> {
    let counts = broker.store.counts().await.map_err(stored)?;
    let workers = broker
        .live
        .borrow()
        .iter()
        .filter_map(|(session, live)| {
            let mind = live.mind.borrow();
            let phase = if live.turn.borrow().is_some() {
                "in a turn"
            } else {
                "idle"
            };
            mind.as_ref()
                .map(|mind| (*session, mind.worker.to_string(), phase.to_owned()))
        })
        .collect();
    Ok(Tell::Status {
        route: broker.config.model.route.clone(),
        workers,
        labels: broker
            .live
            .borrow()
            .iter()
            .filter(|(_, live)| live.loaded.get())
            .map(|(session, live)| {
                let facts = live.facts.borrow();
                (*session, facts.label().clone(), facts.exposure().level())
            })
            .collect(),
        turns: counts.turns,
        questions: counts.questions,
        unknown: counts.unknown,
        audit: counts.audit,
        frozen: broker.frozen.get(),
        vault: broker.keeper.state().to_owned(),
        resting: broker.breakers.resting(std::time::Instant::now()),
        violations: broker.violations.get(),
    })
}

fn tool_rows(broker: &Broker) -> Vec<ToolRow> {
    let grants = broker.grants.borrow();
    let registry: &tools::Registry = &broker.registry;
    registry
        .tools()
        .map(|tool| ToolRow {
            name: tool.name.clone(),
            description: tool.description.clone(),
            standing: if grants.whole_tool(&tool.name) {
                "granted"
            } else {
                "asks"
            }
            .to_owned(),
            effects: tool.effects.clone(),
        })
        .collect()
}

/// As much of a conversation's end as one frame takes.
fn newest(messages: Vec<Message>) -> Vec<Message> {
    let mut room = limits::FRAME - 64 * 1024;
    let mut from = messages.len();
    for (at, message) in messages.iter().enumerate().rev() {
        let size = serde_json::to_vec(message).map_or(usize::MAX, |text| text.len());
        if size > room {
            break;
        }
        room -= size;
        from = at;
    }
    messages.into_iter().skip(from).collect()
}
