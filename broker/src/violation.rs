//! Breaking the protocol is fatal to the one who broke it (invariant I7): it is stopped and
//! recorded; who replaces it starts clean. A refusal by policy never comes here.

use crate::broker::Broker;
use carapace_contract::id::{SessionId, WorkerId};
use carapace_store::Note;

/// Stops and records a process that broke the protocol.
pub(crate) fn punish(broker: &Broker, session: SessionId, worker: WorkerId, what: &str) {
    broker.launcher.kill(worker);
    broker.violations.set(broker.violations.get() + 1);
    crate::clean::log!("violation by {worker}: {what}");
    broker.note(Note::Violation {
        session: Some(session),
        worker,
        what: what.to_owned(),
    });
}
