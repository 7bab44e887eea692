//! What became possible since the broker ran before: what judgements rest on is compared, at each start, with
//! what was kept, told, put on record and kept in its place.

use crate::broker::Broker;
use carapace_contract::control::ChangeRow;
use carapace_policy::change::{Always, Direction, Kind, Parts, Snapshot};
use carapace_providers::Origin;
use carapace_store::{AlwaysGrant, Note, PolicySeen, StoreError};
use serde_json::Value;

/// Compares and keeps.
///
/// # Errors
/// What was kept cannot be read or replaced.
pub(crate) async fn find(
    broker: &Broker,
    always: &[AlwaysGrant],
    origins: &[(String, Origin)],
) -> Result<(), StoreError> {
    let origins: Vec<(String, String)> = origins
        .iter()
        .map(|(provider, origin)| (provider.clone(), origin.to_string()))
        .collect();
    let newer = Snapshot::of(Parts {
        config: &broker.config,
        tools: broker.registry.tools().collect(),
        rules: &broker.rules,
        always: always
            .iter()
            .map(|grant| Always {
                code: &grant.code,
                shape: grant.shape,
                tool: &grant.tool,
                arguments: &grant.arguments,
                expires: grant.expires,
            })
            .collect(),
        origins: origins
            .iter()
            .map(|(provider, origin)| (provider.as_str(), origin.as_str()))
            .collect(),
    });
    let text: Value = serde_json::from_slice(&newer.to_json()).unwrap_or_default();
    let Some(kept) = broker.store.policy_seen().await? else {
        // The first start: nothing is new to who has just set it up.
        return broker
            .store
            .keep_policy(PolicySeen {
                snapshot: text,
                ..PolicySeen::default()
            })
            .await;
    };
    let rows: Vec<ChangeRow> = match Snapshot::from_json(kept.snapshot.to_string().as_bytes()) {
        Ok(older) => older
            .changes(&newer)
            .into_iter()
            .map(|change| ChangeRow {
                direction: change.direction.as_str().to_owned(),
                what: change.what.as_str().to_owned(),
                text: change.text,
            })
            .collect(),
        Err(error) => vec![ChangeRow {
            direction: Direction::Wider.as_str().to_owned(),
            what: Kind::Rule.as_str().to_owned(),
            text: format!(
                "what was possible before cannot be compared, so anything may be new: {error}"
            ),
        }],
    };
    if rows.is_empty() {
        return Ok(());
    }
    broker.changed.set(true);
    broker.note(Note::Changed {
        changes: rows
            .iter()
            .map(|row| format!("{}: {}", row.direction, row.text))
            .collect(),
    });
    broker
        .store
        .keep_policy(PolicySeen {
            snapshot: text,
            at: Some(crate::broker::now()),
            changes: rows,
        })
        .await
}
