//! What the broker's parts share. One thread runs them all, so a plain cell is enough, and no
//! borrow is held across an await.

use crate::guard::Marks;
use crate::hands::HandsSlot;
use crate::keeper::Keeper;
use crate::launcher::Launcher;
use crate::mind::Mind;
use crate::own::Login;
use crate::quarantine::Shelf;
use crate::route::Breakers;
use crate::rules::Standing;
use crate::sentinel::Sentinel;
use crate::tools::Registry;
use crate::turn::Turn;
use carapace_contract::config::Config;
use carapace_contract::control::Tell;
use carapace_contract::id::{Code, GroupId, SecretName, SessionId, TurnId};
use carapace_contract::label::Label;
use carapace_egress::Egress;
use carapace_policy::rules::Rules;
use carapace_policy::{
    Bucket, Budget, Facts, Grants, Ledger, Prices, RateState, Reachable, Ruled, SecretUse,
    Spending, World,
};
use carapace_scrub::Hit;
use carapace_store::{AlwaysGrant, Note, Store};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{broadcast, oneshot};

/// One session as far as it is live.
pub(crate) struct Live {
    /// Its mind, while one runs.
    pub(crate) mind: RefCell<Option<Rc<Mind>>>,
    /// Its hands, once needed.
    pub(crate) hands: HandsSlot,
    /// Its turn, while one runs.
    pub(crate) turn: RefCell<Option<Rc<Turn>>>,
    /// When its last turn ended.
    pub(crate) idle_since: Cell<Instant>,
    /// Limits the calls it starts.
    pub(crate) bucket: RefCell<Bucket>,
    /// How often its processes wrote a secret.
    pub(crate) alarms: Cell<u32>,
    /// What is known about it: its label, what the owner said in it.
    pub(crate) facts: RefCell<Facts>,
    /// How the owner's rules stand in it.
    pub(crate) rules: RefCell<Standing>,
    /// Whether what was kept of it is in the facts.
    pub(crate) loaded: Cell<bool>,
    /// The turn whose message the facts end with.
    pub(crate) heard: Cell<Option<TurnId>>,
}

/// What the broker's parts share.
pub(crate) struct Broker {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) egress: Egress,
    pub(crate) keeper: Rc<Keeper>,
    /// Everything that the configuration names.
    pub(crate) reachable: Vec<Reachable>,
    pub(crate) breakers: Breakers,
    /// The labels of the workspaces, as far as they were needed.
    pub(crate) workspaces: RefCell<HashMap<GroupId, Label>>,
    /// Texts that no assistant may read.
    pub(crate) shelf: RefCell<Shelf>,
    /// The marks around untrusted text.
    pub(crate) marks: Marks,
    pub(crate) ledger: RefCell<Ledger>,
    pub(crate) prices: Prices,
    /// Logins that were begun, by provider.
    pub(crate) logins: RefCell<HashMap<String, Login>>,
    /// Each secret is fetched or renewed once at a time.
    pub(crate) readying: RefCell<HashMap<SecretName, Rc<tokio::sync::Mutex<()>>>>,
    /// One newer value is kept to be tried, or tried, at a time.
    pub(crate) trying: tokio::sync::Mutex<()>,
    pub(crate) launcher: Launcher,
    pub(crate) registry: Registry,
    /// The owner's rules.
    pub(crate) rules: Rules,
    /// What a model said of them.
    pub(crate) sentinel: Sentinel,
    pub(crate) grants: RefCell<Grants>,
    pub(crate) live: RefCell<HashMap<SessionId, Rc<Live>>>,
    pub(crate) turns: RefCell<HashMap<TurnId, Rc<Turn>>>,
    /// Those who wait for the answer to a question.
    pub(crate) waiting: RefCell<HashMap<Code, oneshot::Sender<()>>>,
    /// Surfaces that follow the questions of all sessions.
    pub(crate) watchers: broadcast::Sender<Tell>,
    /// Whether it found, when it started, that something else is possible than before.
    pub(crate) changed: Cell<bool>,
    pub(crate) frozen: Cell<bool>,
    pub(crate) violations: Cell<u64>,
    active: Cell<bool>,
}

/// What a broker is made of.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) rules: Rules,
    pub(crate) store: Store,
    pub(crate) egress: Egress,
    pub(crate) keeper: Rc<Keeper>,
    pub(crate) reachable: Vec<Reachable>,
    pub(crate) launcher: Launcher,
    pub(crate) always: Vec<AlwaysGrant>,
    pub(crate) spent: Vec<Spending>,
}

/// How often a session's process may write a secret before it is stopped.
const ALARMS: u32 = 3;

/// How long a session without a turn keeps its processes.
const IDLE: Duration = Duration::from_secs(120);

/// Sessions without a turn that keep their processes, at most; the longest idle give theirs up.
const IDLE_SESSIONS: usize = 8;

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() as i64)
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

impl Live {
    /// One that is in no list of sessions, of which this is known.
    pub(crate) fn aside(broker: &Broker, facts: Facts) -> Self {
        let per_minute = broker.config.limits.calls_per_minute;
        Self {
            mind: RefCell::default(),
            hands: HandsSlot::default(),
            turn: RefCell::default(),
            idle_since: Cell::new(Instant::now()),
            bucket: RefCell::new(Bucket::new(per_minute, now_ms())),
            alarms: Cell::new(0),
            facts: RefCell::new(facts),
            rules: RefCell::default(),
            loaded: Cell::new(false),
            heard: Cell::new(None),
        }
    }
}

impl Broker {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            config,
            rules,
            store,
            egress,
            keeper,
            reachable,
            launcher,
            always,
            spent,
        } = parts;
        let mut ledger = Ledger::new(&config.budgets);
        for spending in &spent {
            ledger.add(spending);
        }
        let mut grants = Grants::of(GroupId::owner(), &config.grants);
        for grant in always {
            grants.allow_always(grant.shape, grant.expires);
        }
        Self {
            registry: Registry::new(config.limits.exec_seconds, config.web.fetch),
            prices: Prices::new(&config.prices),
            config,
            rules,
            sentinel: Sentinel::default(),
            store,
            egress,
            keeper,
            reachable,
            breakers: Breakers::default(),
            workspaces: RefCell::default(),
            shelf: RefCell::default(),
            marks: Marks::fresh(),
            ledger: RefCell::new(ledger),
            logins: RefCell::default(),
            readying: RefCell::default(),
            trying: tokio::sync::Mutex::default(),
            launcher,
            grants: RefCell::new(grants),
            live: RefCell::default(),
            turns: RefCell::default(),
            waiting: RefCell::default(),
            watchers: broadcast::Sender::new(256),
            changed: Cell::new(false),
            frozen: Cell::new(false),
            violations: Cell::new(0),
            active: Cell::new(true),
        }
    }

    /// The live part of a session; made where there is none.
    pub(crate) fn session(&self, session: SessionId) -> Rc<Live> {
        let make = || Rc::new(Live::aside(self, Facts::default()));
        Rc::clone(self.live.borrow_mut().entry(session).or_insert_with(make))
    }

    /// Ends the processes of sessions that have been without a turn too long, or are too many. The
    /// sessions stay: their next message gets fresh processes. With `at_most` that many may keep theirs.
    pub(crate) fn hibernate(&self, at_most: usize) {
        let mut idle: Vec<_> = self
            .live
            .borrow()
            .iter()
            .filter(|(_, live)| live.turn.borrow().is_none())
            .map(|(session, live)| (live.idle_since.get(), *session, Rc::clone(live)))
            .collect();
        idle.sort_by_key(|(since, _, _)| *since);
        let surplus = idle.len().saturating_sub(at_most);
        for (place, (since, session, live)) in idle.into_iter().enumerate() {
            if place < surplus || since.elapsed() > IDLE {
                // By then its bucket is full again: nothing of it is worth keeping.
                if since.elapsed() > IDLE {
                    self.live.borrow_mut().remove(&session);
                }
                let mind = live.mind.borrow_mut().take();
                if let Some(mind) = mind {
                    self.launcher.kill(mind.worker);
                }
                live.hands.end(self);
            }
        }
    }

    /// As many as usual.
    pub(crate) fn hibernate_idle(&self) {
        self.hibernate(IDLE_SESSIONS);
    }

    /// Looks at the world as a judgement needs it, and gives it to `judge`.
    pub(crate) fn with_world<R>(
        &self,
        live: &Live,
        turn: &Turn,
        reachable: &[Reachable],
        secret: SecretUse,
        judge: impl FnOnce(&World<'_>) -> R,
    ) -> R {
        // A reader, and a request of the broker's own, has facts that are no session's.
        if live.loaded.get() && !turn.is_aside() {
            self.arm(turn.session, live);
        }
        let grants = self.grants.borrow();
        let ledger = self.ledger.borrow();
        judge(&World {
            // A store that cannot record refuses everything, not only what comes to it.
            frozen: self.frozen.get() || self.store.fault().is_some(),
            grants: &grants,
            facts: &live.facts.borrow(),
            rules: Ruled {
                rules: &self.rules,
                armed: &live.rules.borrow().armed,
                ..Ruled::none()
            },
            rate: live.bucket.borrow_mut().state(now_ms()),
            budget: turn.budget(),
            ledger: &ledger,
            route: &turn.route(),
            reachable,
            secret,
            now: now(),
            moment: crate::spend::moment(),
        })
    }

    /// Arms the rules that what the session has come to arms, however it came to it.
    fn arm(&self, session: SessionId, live: &Live) {
        let fresh = {
            let Standing { armed, history } = &mut *live.rules.borrow_mut();
            self.rules.arm(armed, &live.facts.borrow(), history)
        };
        if !fresh.is_empty() {
            self.note(Note::Armed {
                session,
                rules: fresh.iter().map(ToString::to_string).collect(),
                cause: "what happened in it".to_owned(),
            });
        }
    }

    /// As [`Broker::with_world`], for a request of the broker's own, which belongs to no turn.
    pub(crate) fn with_own_world<R>(
        &self,
        secret: SecretUse,
        judge: impl FnOnce(&World<'_>) -> R,
    ) -> R {
        let grants = self.grants.borrow();
        let ledger = self.ledger.borrow();
        judge(&World {
            frozen: self.frozen.get() || self.store.fault().is_some(),
            grants: &grants,
            facts: &Facts::default(),
            rules: Ruled::none(),
            rate: RateState::Open,
            budget: Budget {
                rounds: 0,
                tokens: 0,
                bytes: 0,
            },
            ledger: &ledger,
            route: &self.config.model.route,
            reachable: &self.reachable,
            secret,
            now: now(),
            moment: crate::spend::moment(),
        })
    }

    /// A secret was found where it must not be: on record, and told to whoever watches.
    pub(crate) fn alarm(&self, session: Option<SessionId>, hits: &[Hit], place: &str) {
        let mut named: Vec<String> = hits
            .iter()
            .map(|hit| {
                let kind = if hit.canary { "canary" } else { "secret" };
                format!("{kind} {} ({:?})", hit.name, hit.encoding)
            })
            .collect();
        named.sort();
        named.dedup();
        let what = named.join(", ");
        crate::clean::log!("alarm: {what} was found in {place}");
        let _ = self.watchers.send(Tell::Notice {
            text: format!("alarm: {what} was found in {place}"),
        });
        self.note(Note::Alarm {
            session,
            what,
            place: place.to_owned(),
        });
    }

    /// A confined process wrote a secret. True where that was once too often.
    pub(crate) fn wrote_secret(&self, session: SessionId, live: &Live, hits: &[Hit]) -> bool {
        self.alarm(Some(session), hits, "what the assistant's process wrote");
        if let Some(turn) = &*live.turn.borrow() {
            turn.tell(Tell::Notice {
                text: format!(
                    "alarm: the assistant's process wrote the secret {}; it was not used",
                    hits[0].name
                ),
            });
        }
        live.facts.borrow_mut().alarmed();
        live.alarms.set(live.alarms.get() + 1);
        live.alarms.get() >= ALARMS
    }

    /// Notes that the audit chain has grown.
    pub(crate) fn mark_activity(&self) {
        self.active.set(true);
    }

    pub(crate) fn take_activity(&self) -> bool {
        self.active.replace(false)
    }

    /// Brings the chain to disk and tells the supervisor where it is.
    pub(crate) async fn anchor(&self) {
        if let Ok(head) = self.store.audit_head().await {
            self.launcher.anchor(head.count, *head.hash.as_bytes());
        }
    }

    /// Writes to the audit chain what is not an effect. A chain that cannot be written is seen by
    /// the next judgement, which refuses.
    pub(crate) fn note(&self, note: Note) {
        self.mark_activity();
        let note = clean_note(note);
        if let Err(error) = self.store.note(note) {
            crate::clean::log!("the audit chain cannot be written: {error}");
        }
    }
}

/// A note is made of words that were cleaned before; should one hold a secret all the same, an alarm
/// stands in its place.
fn clean_note(note: Note) -> Note {
    let hits = match serde_json::to_vec(&note) {
        Ok(text) => crate::clean::newest().find(&text),
        Err(_) => Vec::new(),
    };
    match hits.first() {
        None => note,
        Some(hit) => Note::Alarm {
            session: None,
            what: format!("secret {} ({:?})", hit.name, hit.encoding),
            place: "a line for the audit log, which is left out".to_owned(),
        },
    }
}
