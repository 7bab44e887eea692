//! What the floor knows about a session: its label, what the owner said in it, whom the owner knows,
//! what names stand for, and what a person refused. Made only from the broker's own record.
//!
//! What the present message leaves out ("not to Dana") is endorsed by nothing else either: not by an earlier
//! message, and not by the contacts.

use crate::exposure::{Cause, Exposure};
use crate::resolve::kind::Place;
use crate::resolve::{Resolved, as_spoken};
use crate::spoken::Spoken;
use crate::token::{Address, stem};
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
            self.earlier.push(before.past());
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
            .learn(tool, &effects.identifies, text, effects.trusted);
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
        self.label.secret = true;
        self.exposure.add(&Cause::Alarm);
    }

    /// Words of others look like orders to the assistant, or nobody could look at them: from here on
    /// everything that changes the owner's data, reaches others or reads beyond this machine is asked about.
    pub fn suspected(&mut self) {
        self.exposure.add(&Cause::Suspected);
    }

    /// Whether a person said no to something in this turn.
    pub fn has_refused(&self) -> bool {
        self.refusals > 0
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
        (self.contacts.knows(address)
            || self.spoken().any(|spoken| spoken.sends_to(address))
            || self
                .resolved
                .names_of_address(address.as_str())
                .any(|name| self.names(name, &[], true)))
            && !self.leaves_out(address)
    }

    /// True where this handle or account is that of somebody whom the owner named, as told by what nobody
    /// else writes.
    pub(crate) fn resolves_recipient(&self, id: &str, place: &Place<'_>) -> bool {
        self.resolved
            .trusted_names_of(id, place)
            .any(|name| self.names_here(name, &[], true, place))
    }

    /// True where an address may be visited or stand in a text: the owner typed it or keeps it.
    pub(crate) fn endorses_address(&self, address: &Address) -> bool {
        (self.contacts.knows(address)
            || self.spoken().any(|spoken| spoken.typed(address))
            || self
                .resolved
                .names_of_address(address.as_str())
                .any(|name| self.names(name, &[], false)))
            && !self.leaves_out(address)
    }

    /// True where the owner named a thing by this whole value.
    pub(crate) fn names(&self, value: &str, beside: &[&str], recipient: bool) -> bool {
        !self.leaves_out_name(value, recipient)
            && (self.contacts.knows_name(value)
                || self
                    .spoken()
                    .any(|spoken| spoken.names(value, beside, recipient)))
    }

    /// True where the owner named what belongs in this place by this whole value, and did not say beside it
    /// that it is something else.
    pub(crate) fn names_here(
        &self,
        value: &str,
        beside: &[&str],
        recipient: bool,
        place: &Place<'_>,
    ) -> bool {
        let other = |word: &str| place.is_other(word);
        !self.leaves_out_name(value, recipient)
            && (self.contacts.knows_name(value)
                || self
                    .spoken()
                    .any(|spoken| spoken.names_unless(value, beside, recipient, &other)))
    }

    /// True where the owner wrote these words one after the other.
    pub(crate) fn holds(&self, phrase: &str) -> bool {
        !self.message.leaves_out_phrase(phrase) && self.spoken().any(|spoken| spoken.holds(phrase))
    }

    /// True where this id is that of a thing which the owner named, of the kind that belongs in this place, and
    /// of no other of that name unless all of that name are meant.
    pub(crate) fn resolves(&self, id: &str, place: &Place<'_>) -> bool {
        self.resolved
            .names_of(id, place)
            .any(|name| self.names_here(name, &[], false, place))
            || self
                .resolved
                .shared_names_of(id, place)
                .filter(|name| self.names_here(name, &[], false, place))
                .any(|name| self.message.means_all(name))
            || self.resolved.names_of_its_kind(id, place).any(|name| {
                !self.message.leaves_out(name)
                    && self
                        .spoken()
                        .any(|spoken| spoken.names_as(name, |word| place.is_called(word)))
            })
    }

    /// True where this id is that of the one thing which the owner named as it is spoken. That is enough
    /// for what can be undone and nobody else is told of.
    pub(crate) fn resolves_as_spoken(&self, id: &str, place: &Place<'_>) -> bool {
        self.resolved
            .names_of(id, place)
            .filter(|name| self.resolved.is_alone(name))
            .map(|name| (stem(name), as_spoken(name)))
            .filter(|(_, spoken)| spoken.contains(' '))
            .any(|(stem, spoken)| self.names_here(stem, &[], false, place) || self.holds(&spoken))
    }

    /// True where the present message leaves out this address, or whom it is of. A name that anybody gave for
    /// it is enough for that.
    fn leaves_out(&self, address: &Address) -> bool {
        self.message.denies(address)
            || self.message.leaves_out_owner(
                address,
                self.resolved.all_names_of_address(address.as_str()),
            )
    }

    /// The same of a name.
    fn leaves_out_name(&self, name: &str, recipient: bool) -> bool {
        if recipient {
            self.message.leaves_out_person(name)
        } else {
            self.message.leaves_out(name)
        }
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
