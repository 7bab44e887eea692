//! What the floor knows of a session, as the broker keeps it: read when a turn begins, grown and on disk
//! before anything is delivered. A label that cannot be read or written stops what needs it.

use crate::answer::Asked;
use crate::broker::{Broker, Live};
use crate::desk::store_word;
use crate::rules::Standing;
use crate::turn::Turn;
use crate::{guard, quarantine};
use carapace_contract::control::Tell;
use carapace_contract::effects::Reach;
use carapace_contract::id::SessionId;
use carapace_contract::label::{Integrity, Label};
use carapace_contract::model::Role;
use carapace_contract::tool::{Invocation, Place};
use carapace_ipc_proto::error::ErrorWord;
use carapace_policy::rules::RuleId;
use carapace_policy::{Contacts, Facts};
use carapace_store::{Note, Seen, StoreError};
use std::rc::Rc;

/// Brings the facts of a session up to the message of a turn.
///
/// # Errors
/// The record cannot be read; the turn must not run then.
pub(crate) async fn begin(broker: &Broker, live: &Live, turn: &Turn) -> Result<(), StoreError> {
    if live.heard.get() == Some(turn.id) {
        return Ok(());
    }
    load(broker, live, turn.session).await?;
    if !broker.workspaces.borrow().contains_key(&turn.group) {
        let label = broker.store.workspace_label(turn.group.clone()).await?;
        broker
            .workspaces
            .borrow_mut()
            .insert(turn.group.clone(), label);
    }
    live.facts.borrow_mut().heard(&turn.text);
    live.heard.set(Some(turn.id));
    Ok(())
}

/// Brings what was kept of a session into its facts, once.
///
/// # Errors
/// The record cannot be read.
pub(crate) async fn load(
    broker: &Broker,
    live: &Live,
    session: SessionId,
) -> Result<(), StoreError> {
    if live.loaded.get() {
        return Ok(());
    }
    let policy = &broker.config.policy;
    let contacts = Contacts::of(policy.contacts.iter().map(String::as_str));
    let (seen, transcript) =
        tokio::try_join!(broker.store.seen(session), broker.store.transcript(session))?;
    // Somebody else was faster, and the session may have moved on.
    if live.loaded.replace(true) {
        return Ok(());
    }
    let mut facts = Facts::restored(contacts, seen.label, seen.exposure);
    facts.ask_from(policy.ask_from);
    for message in transcript {
        if message.role == Role::User {
            facts.heard(&message.content);
        }
    }
    let (mut armed, history) = (seen.armed, seen.history);
    // The rules may be others than they were.
    let fresh = broker.rules.arm(&mut armed, &facts, &history);
    *live.facts.borrow_mut() = facts;
    *live.rules.borrow_mut() = Standing { armed, history };
    if !fresh.is_empty() {
        note_armed(broker, session, &fresh, "what was kept of the session");
        keep(broker, session, live).await?;
    }
    Ok(())
}

/// Before a call writes into the workspace: what is there from now on has the label of who wrote it.
pub(crate) async fn before(asked: &Asked, call: &Invocation) -> Result<(), ErrorWord> {
    // A program that may ask the broker has read what its cage shows long before its result is delivered.
    if call.place == Place::Hands && call.arguments["ipc"] == true {
        deliver(asked, call, "").await?;
    }
    if call.effects.writes != Reach::Workspace {
        return Ok(());
    }
    let group = asked.turn.group.clone();
    let joined = {
        let workspaces = asked.broker.workspaces.borrow();
        let held = workspaces.get(&group).cloned().unwrap_or_default();
        let mut joined = held.clone();
        joined.join(asked.live.facts.borrow().label());
        if let Some(label) = quarantine::written(asked, call) {
            joined.join(&label);
        }
        (joined != held).then_some(joined)
    };
    if let Some(label) = joined {
        asked
            .broker
            .store
            .keep_workspace_label(group.clone(), label.clone())
            .await
            .map_err(|error| store_word(&error))?;
        asked.broker.workspaces.borrow_mut().insert(group, label);
    }
    Ok(())
}

/// Before the result of a call is delivered: the session's label grows by it, on disk.
pub(crate) async fn deliver(asked: &Asked, call: &Invocation, text: &str) -> Result<(), ErrorWord> {
    let grown = grow(asked, call.tool.as_str(), Some(call), |facts| {
        if let Some(label) = quarantine::delivered(asked, call) {
            return facts.joined(&label);
        }
        facts.saw(call.tool.as_str(), &call.effects, text);
        if call.effects.reads == Reach::Workspace
            && let Some(label) = asked.broker.workspaces.borrow().get(&asked.turn.group)
        {
            facts.joined(label);
        }
    })
    .await?;
    let words_of_others =
        call.effects.is_untrusted() && quarantine::delivered(asked, call).is_none();
    if words_of_others {
        guard::look(asked, call, text).await?;
    }
    if grown.tainted {
        asked.turn.tell(Tell::Notice {
            text: format!(
                "from here on this conversation has read words of others ({}){}",
                call.tool,
                armed_words(&grown.armed)
            ),
        });
    }
    Ok(())
}

/// What was delivered looks like orders to the assistant, or nobody could look at it.
pub(crate) async fn suspected(asked: &Asked) -> Result<(), ErrorWord> {
    grow(asked, "words that look like orders", None, Facts::suspected).await?;
    Ok(())
}

/// Before an attached file goes to a model: others may have written it, and it is the owner's.
pub(crate) async fn attached(asked: &Asked) -> Result<(), ErrorWord> {
    let label = Label {
        integrity: Integrity::Untrusted,
        private: "attachment".parse().into_iter().collect(),
        secret: false,
    };
    grow(asked, "attachment", None, |facts| facts.joined(&label)).await?;
    Ok(())
}

/// What a delivery changed.
struct Grown {
    /// The first words of others came in.
    tainted: bool,
    /// Rules that are armed from here on.
    armed: Vec<RuleId>,
}

/// Lets the facts of the session grow, by the result of a call or by something else, and arms the rules
/// that waited for it; on disk when it returns, where there is something new.
async fn grow(
    asked: &Asked,
    cause: &str,
    done: Option<&Invocation>,
    change: impl FnOnce(&mut Facts),
) -> Result<Grown, ErrorWord> {
    let broker = &asked.broker;
    let untrusted = |facts: &Facts| facts.label().integrity == Integrity::Untrusted;
    let (labelled, used, grown) = {
        let mut facts = asked.live.facts.borrow_mut();
        let (label, level, before) = (
            facts.label().clone(),
            facts.exposure().level(),
            untrusted(&facts),
        );
        change(&mut facts);
        let Standing { armed, history } = &mut *asked.live.rules.borrow_mut();
        let used = done.is_some_and(|call| history.used(&call.tool, &call.effects));
        let grown = Grown {
            tainted: untrusted(&facts) && !before,
            armed: broker.rules.arm(armed, &facts, history),
        };
        let labelled = *facts.label() != label || facts.exposure().level() != level;
        (labelled, used, grown)
    };
    if labelled {
        note_label(broker, asked.session, &asked.live, cause);
    }
    if !grown.armed.is_empty() {
        note_armed(broker, asked.session, &grown.armed, cause);
    }
    if labelled || used || !grown.armed.is_empty() {
        keep(broker, asked.session, &asked.live)
            .await
            .map_err(|error| store_word(&error))?;
    }
    Ok(grown)
}

fn armed_words(armed: &[RuleId]) -> String {
    if armed.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = armed.iter().map(RuleId::as_str).collect();
    format!("; your rules {} count from here on", names.join(", "))
}

fn note_label(broker: &Broker, session: SessionId, live: &Live, cause: &str) {
    let facts = live.facts.borrow();
    broker.note(Note::Labelled {
        session,
        label: facts.label().clone(),
        exposure: facts.exposure().level(),
        cause: cause.to_owned(),
    });
}

fn note_armed(broker: &Broker, session: SessionId, armed: &[RuleId], cause: &str) {
    broker.note(Note::Armed {
        session,
        rules: armed.iter().map(RuleId::to_string).collect(),
        cause: cause.to_owned(),
    });
}

/// A confined process of the session wrote a secret: what that changed is noted, and on disk soon. What a
/// reader did counts in the session that it reads for.
pub(crate) fn alarmed(broker: &Rc<Broker>, session: SessionId, live: &Rc<Live>) {
    let of = broker.live.borrow().get(&session).cloned();
    let Some(of) = of.filter(|of| of.loaded.get()) else {
        return;
    };
    if !Rc::ptr_eq(&of, live) {
        of.facts.borrow_mut().alarmed();
    }
    note_label(broker, session, &of, "a secret where none should be");
    let broker = Rc::clone(broker);
    tokio::task::spawn_local(async move {
        if let Err(error) = keep(&broker, session, &of).await {
            crate::clean::log!("what an alarm changed in a session was not kept: {error}");
        }
    });
}

/// Brings to disk what is to be kept of a session.
///
/// # Errors
/// The database cannot be written.
pub(crate) async fn keep(
    broker: &Broker,
    session: SessionId,
    live: &Live,
) -> Result<(), StoreError> {
    // A reader, and a request of the broker's own, has facts that are no session's.
    if !live.loaded.get() {
        return Ok(());
    }
    let seen = {
        let facts = live.facts.borrow();
        let rules = live.rules.borrow();
        Seen {
            label: facts.label().clone(),
            exposure: facts.exposure().clone(),
            armed: rules.armed.clone(),
            history: rules.history.clone(),
        }
    };
    broker.store.keep_seen(session, seen).await
}
