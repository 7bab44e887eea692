//! What the floor knows about a session: its label, what the owner said in it, whom the owner knows,
//! what names stand for, and what a person refused. Made only from the broker's own record.

use crate::exposure::{Cause, Exposure};
use crate::resolve::Resolved;
use crate::spoken::Spoken;
use crate::token::Address;
use carapace_contract::effects::Effects;
use carapace_contract::label::{Integrity, Label};
use carapace_contract::verdict::Reason;
use std::collections::BTreeSet;

/// The most messages of the owner that endorse values, the newest kept.
const MESSAGES: usize = 256;
/// The most refused questions that are remembered.
const REFUSED: usize = 1024;

/// Values the owner keeps for good: people in the contacts, addresses in the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contacts {
    addresses: BTreeSet<Address>,
    names: BTreeSet<String>,
}

impl Contacts {
    /// From whole values: a mail address, a URL, a handle, an account.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut contacts = Self::default();
        for value in values {
            let value = value.trim();
            match Address::whole(value) {
                Some(address) => {
                    contacts.addresses.insert(address);
                }
                None if !value.is_empty() => {
                    contacts.names.insert(value.to_owned());
                }
                None => {}
            }
        }
        contacts
    }

    pub(crate) fn knows(&self, address: &Address) -> bool {
        self.addresses.contains(address)
    }

    pub(crate) fn knows_name(&self, name: &str) -> bool {
        self.names.contains(name.trim_matches(' '))
    }
}

/// Everything the floor knows about one session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    pub(crate) label: Label,
    pub(crate) exposure: Exposure,
    pub(crate) ask_from: Option<u32>,
    pub(crate) contacts: Contacts,
    pub(crate) earlier: Vec<Spoken>,
    /// The message of the running turn.
    pub(crate) message: Spoken,
    pub(crate) resolved: Resolved,
    /// Questions of this turn that a person answered with no, each as its tool and what spoke against
    /// it, and how many.
    pub(crate) refused: BTreeSet<(String, BTreeSet<String>)>,
    pub(crate) refusals: u32,
}

impl Facts {
    /// A session that has seen nothing.
    pub fn new(contacts: Contacts) -> Self {
        Self {
            contacts,
            ..Self::default()
        }
    }

    /// A session as it was stored.
    pub fn restored(contacts: Contacts, label: Label, exposure: Exposure) -> Self {
        Self {
            contacts,
            label,
            exposure,
            ..Self::default()
        }
    }

    /// From this exposure on everything with an effect is asked about; 0: never.
    pub fn ask_from(&mut self, level: u32) {
        self.ask_from = Some(level);
    }

    /// The owner, known to be the owner, begins a turn with this message. What was refused in the turn
    /// before may be asked again.
    pub fn heard(&mut self, message: &str) {
        let before = std::mem::replace(&mut self.message, Spoken::new(message));
        if before != Spoken::default() {
            self.earlier.push(before);
            if self.earlier.len() > MESSAGES {
                self.earlier.remove(0);
            }
        }
        self.refused.clear();
        self.refusals = 0;
    }

    /// Somebody who is not the owner, or nobody in person, begins a turn: a schedule, a message of another.
    pub fn heard_of_another(&mut self) {
        self.heard("");
        self.label.integrity = Integrity::Untrusted;
    }

    /// A result is delivered into the session.
    pub fn saw(&mut self, tool: &str, effects: &Effects, text: &str) {
        if effects.is_untrusted() {
            self.label.integrity = Integrity::Untrusted;
            self.exposure.add(&Cause::Untrusted(tool));
        }
        for category in &effects.data {
            self.label.private.insert(category.clone());
            self.exposure.add(&Cause::Private(category.as_str()));
        }
        self.resolved
            .learn(&effects.identifies, text, effects.trusted);
    }

    /// Bytes with this label are delivered into the session.
    pub fn joined(&mut self, label: &Label) {
        self.label.join(label);
        for category in &label.private {
            self.exposure.add(&Cause::Private(category.as_str()));
        }
    }

    /// A person answered a question with no.
    pub fn refused(&mut self, tool: &str, reasons: &[Reason]) {
        // A no to a call that the floor has nothing against says nothing about others.
        if self.refused.len() < REFUSED && !reasons.is_empty() {
            self.refused.insert((tool.to_owned(), against(reasons)));
        }
        self.refusals = self.refusals.saturating_add(1);
        self.exposure.add(&Cause::Denied);
    }

    /// A secret was found in what the session wrote.
    pub fn alarmed(&mut self) {
        self.exposure.add(&Cause::Alarm);
    }

    /// Words of others look like orders to the assistant, or nobody could look at them: from here on
    /// everything that changes something is asked about.
    pub fn suspected(&mut self) {
        self.exposure.add(&Cause::Suspected);
    }

    /// The label.
    pub fn label(&self) -> &Label {
        &self.label
    }

    /// How much it has seen.
    pub fn exposure(&self) -> &Exposure {
        &self.exposure
    }

    /// True where a person said no to a call of this tool, and all that spoke against it speaks against
    /// this one as well.
    pub(crate) fn was_refused(&self, tool: &str, reasons: &[Reason]) -> bool {
        if self.refused.is_empty() {
            return false;
        }
        let now = against(reasons);
        self.refused
            .iter()
            .any(|(known, before)| known == tool && before.is_subset(&now))
    }

    /// True where an address may be a recipient: the owner typed it as one or keeps it.
    pub(crate) fn endorses_recipient(&self, address: &Address) -> bool {
        self.contacts.knows(address)
            || self.spoken().any(|spoken| spoken.sends_to(address))
            || self
                .resolved
                .names_of(address.as_str(), true)
                .any(|name| self.names(name, &[], true))
    }

    /// True where an address may be visited or stand in a text: the owner typed it or keeps it.
    pub(crate) fn endorses_address(&self, address: &Address) -> bool {
        self.contacts.knows(address)
            || self.spoken().any(|spoken| spoken.typed(address))
            || self
                .resolved
                .names_of(address.as_str(), true)
                .any(|name| self.names(name, &[], false))
    }

    /// True where the owner named a thing by this whole value.
    pub(crate) fn names(&self, value: &str, beside: &[&str], recipient: bool) -> bool {
        self.contacts.knows_name(value)
            || self
                .spoken()
                .any(|spoken| spoken.names(value, beside, recipient))
    }

    /// True where this id is that of a thing which the owner named, and of no other of that name.
    pub(crate) fn resolves(&self, id: &str) -> bool {
        self.resolved
            .names_of(id, false)
            .any(|name| self.names(name, &[], false))
    }

    fn spoken(&self) -> impl Iterator<Item = &Spoken> {
        std::iter::once(&self.message).chain(self.earlier.iter())
    }
}

/// What speaks against a call, as it is remembered: without numbers that grow by themselves, and
/// without the count of what a question left out.
fn against(reasons: &[Reason]) -> BTreeSet<String> {
    reasons
        .iter()
        .filter(|reason| reason.code != "more")
        .map(|reason| match reason.code.as_str() {
            "exposure" => reason.code.clone(),
            _ => reason.text.clone(),
        })
        .collect()
}
