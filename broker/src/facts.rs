//! What the floor knows of a session, as the broker keeps it: read when a turn begins, grown and on disk
//! before anything is delivered. A label that cannot be read or written stops what needs it.

use crate::answer::Asked;
use crate::broker::{Broker, Live};
use crate::desk::store_word;
use crate::quarantine;
use crate::turn::Turn;
use carapace_contract::control::Tell;
use carapace_contract::effects::Reach;
use carapace_contract::id::SessionId;
use carapace_contract::label::{Integrity, Label};
use carapace_contract::model::Role;
use carapace_contract::tool::{Invocation, Place};
use carapace_ipc_proto::error::ErrorWord;
use carapace_policy::{Contacts, Facts};
use carapace_store::{Note, Seen, StoreError};

/// Brings the facts of a session up to the message of a turn.
///
/// # Errors
/// The record cannot be read; the turn must not run then.
pub(crate) async fn begin(broker: &Broker, live: &Live, turn: &Turn) -> Result<(), StoreError> {
    if live.heard.get() == Some(turn.id) {
        return Ok(());
    }
    if live.heard.get().is_none() {
        let policy = &broker.config.policy;
        let contacts = Contacts::of(policy.contacts.iter().map(String::as_str));
        let seen = broker.store.seen(turn.session).await?;
        let mut facts = Facts::restored(contacts, seen.label, seen.exposure);
        facts.ask_from(policy.ask_from);
        for message in broker.store.transcript(turn.session).await? {
            if message.role == Role::User {
                facts.heard(&message.content);
            }
        }
        *live.facts.borrow_mut() = facts;
    }
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
    let tainted = grow(asked, call.tool.as_str(), |facts| {
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
    if tainted {
        asked.turn.tell(Tell::Notice {
            text: format!(
                "from here on this conversation has read words of others ({})",
                call.tool
            ),
        });
    }
    Ok(())
}

/// Before an attached file goes to a model: others may have written it, and it is the owner's.
pub(crate) async fn attached(asked: &Asked) -> Result<(), ErrorWord> {
    let label = Label {
        integrity: Integrity::Untrusted,
        private: "attachment".parse().into_iter().collect(),
        secret: false,
    };
    grow(asked, "attachment", |facts| facts.joined(&label)).await?;
    Ok(())
}

/// Lets the facts of the session grow; on disk when it returns, where there is something new. True where the
/// first words of others came in.
async fn grow(
    asked: &Asked,
    cause: &str,
    change: impl FnOnce(&mut Facts),
) -> Result<bool, ErrorWord> {
    let untrusted = |facts: &Facts| facts.label().integrity == Integrity::Untrusted;
    let (grown, tainted) = {
        let mut facts = asked.live.facts.borrow_mut();
        let (label, level, before) = (
            facts.label().clone(),
            facts.exposure().level(),
            untrusted(&facts),
        );
        change(&mut facts);
        (
            *facts.label() != label || facts.exposure().level() != level,
            untrusted(&facts) && !before,
        )
    };
    if grown {
        keep(&asked.broker, asked.session, &asked.live, cause)
            .await
            .map_err(|error| store_word(&error))?;
    }
    Ok(tainted)
}

async fn keep(
    broker: &Broker,
    session: SessionId,
    live: &Live,
    cause: &str,
) -> Result<(), StoreError> {
    let seen = {
        let facts = live.facts.borrow();
        Seen {
            label: facts.label().clone(),
            exposure: facts.exposure().clone(),
        }
    };
    broker.note(Note::Labelled {
        session,
        label: seen.label.clone(),
        exposure: seen.exposure.level(),
        cause: cause.to_owned(),
    });
    broker.store.keep_seen(session, seen).await
}
