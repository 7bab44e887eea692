//! The owner's rules in the broker: read once from what the supervisor hands over, and how they stand in
//! each session. What they make of a call is `policy`'s.

use crate::broker::{Broker, Live};
use crate::facts;
use carapace_contract::control::RuleRow;
use carapace_contract::id::SessionId;
use carapace_policy::rules::{Armed, History, MAX_BYTES, RuleId, Rules};
use carapace_store::Note;
use std::fs::File;
use std::io::Read as _;
use std::rc::Rc;

/// How the rules stand in one session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    pub(crate) armed: Armed,
    pub(crate) history: History,
}

/// The rules in the file of the owner; the default ones where there is none. What cannot be read leaves
/// rules of which nobody knows what they are, and is said.
pub(crate) fn read(file: Option<File>) -> Rules {
    let Some(file) = file else {
        return Rules::defaults();
    };
    let mut text = String::new();
    let read = file.take(MAX_BYTES as u64 + 1).read_to_string(&mut text);
    let fault = match read {
        Err(error) => error.to_string(),
        Ok(0) => "rules.yaml is empty, or the supervisor could not use it; `carapace rules` and `carapace logs` say why".to_owned(),
        Ok(_) => match Rules::read(&text) {
            Ok(rules) => return rules,
            Err(error) => error.to_string(),
        },
    };
    crate::clean::log!("the rules cannot be used, so everything with an effect asks: {fault}");
    Rules::unreadable(crate::card::visible(&fault))
}

/// The rules as they are shown, and how they stand in a session.
pub(crate) fn rows(broker: &Broker, live: Option<&Live>) -> Vec<RuleRow> {
    let none = Armed::default();
    let standing = live.map(|live| live.rules.borrow());
    let armed = standing.as_ref().map_or(&none, |standing| &standing.armed);
    broker
        .rules
        .iter()
        .map(|rule| RuleRow {
            id: rule.id.to_string(),
            mode: rule.mode.as_str().to_owned(),
            effect: crate::card::visible(rule.effect.trim()),
            standing: rule.standing().as_str().to_owned(),
            in_force: broker.rules.in_force(rule, armed),
            disabled: armed.is_disabled(&rule.id),
        })
        .collect()
}

/// Disables a rule in a session for a person, or takes that back: on record before it counts, and kept.
///
/// # Errors
/// There is no such rule, or it cannot be kept; then it is as it was.
pub(crate) async fn set(
    broker: &Rc<Broker>,
    session: SessionId,
    id: &str,
    on: bool,
    approver: &str,
) -> Result<(), (&'static str, String)> {
    let known = id
        .parse::<RuleId>()
        .ok()
        .filter(|id| broker.rules.rule(id).is_some());
    let Some(id) = known else {
        return Err((
            "no-such-rule",
            "there is no such rule; `/rules` lists them".to_owned(),
        ));
    };
    let failed = |error: carapace_store::StoreError| ("store", format!("the store: {error}"));
    let live = broker.session(session);
    facts::load(broker, &live, session).await.map_err(failed)?;
    let state = if on { "enabled" } else { "disabled" };
    broker
        .store
        .note_synced(Note::RuleSet {
            session,
            rule: id.to_string(),
            state: state.to_owned(),
            approver: approver.to_owned(),
        })
        .await
        .map_err(failed)?;
    broker.mark_activity();
    let turn = |on: bool| {
        let armed = &mut live.rules.borrow_mut().armed;
        if on {
            armed.enable(&id)
        } else {
            armed.disable(id.clone())
        }
    };
    let changed = turn(on);
    if let Err(error) = facts::keep(broker, session, &live).await {
        if changed {
            turn(!on);
        }
        return Err(failed(error));
    }
    Ok(())
}
