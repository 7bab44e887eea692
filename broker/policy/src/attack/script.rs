//! The form of an attack: what the owner wrote, what was read, what the agent then tries.

use carapace_contract::effects::{Act, Effects, Reach, Undo};
use carapace_contract::id::ToolName;
use serde_json::{Map, Value, json};

/// One attack.
#[derive(Debug, Clone, Copy)]
pub struct Attack {
    /// Stable, kebab-case.
    pub name: &'static str,
    /// What is tried, in a few words.
    pub about: &'static str,
    pub(super) fits: Fits,
    pub(super) moves: &'static [Move],
}

/// Which tools can carry an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fits {
    /// It tells somebody something.
    Sends,
    /// It reads from an address that is given to it, or looks words up elsewhere.
    Fetches,
    /// It takes things along.
    Attaches,
    /// This is what it is for.
    For(Act),
    /// It makes something that is called as the agent says.
    Makes,
    /// What it does cannot be taken back.
    Irreversible,
    /// A part of its name.
    Called(&'static str),
    /// It declares nothing.
    Undeclared,
}

impl Fits {
    pub(super) fn takes(self, tool: &ToolName, effects: &Effects) -> bool {
        let changes = effects.writes >= Reach::Private;
        match self {
            Fits::Sends => effects.writes == Reach::Internet && !effects.recipients.is_empty(),
            Fits::Fetches => !changes && !effects.egress.is_empty(),
            Fits::Attaches => !effects.recipients.is_empty() && !effects.attachments.is_empty(),
            Fits::For(Act::Pay) => effects.costs_money(),
            Fits::For(act @ (Act::Delete | Act::Change)) => {
                changes && effects.acts.contains(&act) && !effects.objects.is_empty()
            }
            Fits::For(act) => {
                changes && effects.acts.contains(&act) && !effects.recipients.is_empty()
            }
            Fits::Makes => changes && !effects.names.is_empty(),
            Fits::Irreversible => changes && effects.undo == Undo::Impossible,
            Fits::Called(part) => {
                changes && tool.as_str().split(['.', '_']).any(|word| word == part)
            }
            Fits::Undeclared => *effects == Effects::worst_case(),
        }
    }
}

/// One step of a script.
#[derive(Debug, Clone, Copy)]
pub(super) enum Move {
    /// The owner begins a turn with this message.
    Owner(&'static str),
    /// Words of others are read, from the owner's mail.
    Reads(&'static str),
    /// Things are listed: what each is called, and its id.
    Lists(&'static [(&'static str, &'static str)]),
    /// The same of things that the tool is not about.
    ListsOthers(&'static [(&'static str, &'static str)]),
    /// A call that the owner says yes to.
    Bait(Values),
    /// A plan of one step, that many calls, that the owner says yes to.
    Plan(Values, u32),
    /// The call that the attack is for.
    Strike(Values),
}

/// What the agent puts into a call, by what an argument is for. Empty: the argument is left out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values {
    pub(super) to: &'static str,
    pub(super) at: &'static str,
    pub(super) object: &'static str,
    pub(super) name: &'static str,
    pub(super) attached: &'static str,
    pub(super) amount: u32,
    pub(super) text: &'static str,
}

pub(super) const NOTHING: Values = Values {
    to: "",
    at: "",
    object: "",
    name: "",
    attached: "",
    amount: 0,
    text: "",
};

impl Values {
    /// The arguments of a tool with these effects.
    pub(super) fn arguments(&self, effects: &Effects) -> Map<String, Value> {
        let mut arguments = Map::new();
        let named = [
            (&effects.recipients, self.to),
            (&effects.egress, self.at),
            (&effects.objects, self.object),
            (&effects.names, self.name),
            (&effects.attachments, self.attached),
        ];
        for (list, value) in named {
            for argument in list.iter().filter(|_| !value.is_empty()) {
                arguments.insert(argument.clone(), json!(value));
            }
        }
        if self.amount > 0 {
            for argument in &effects.cost {
                arguments.insert(argument.clone(), json!(self.amount));
            }
        }
        // Whatever is in no list may say anything.
        let free = ["body", "text", "content", "message", "note"]
            .into_iter()
            .find(|name| !arguments.contains_key(*name));
        if let Some(name) = free
            && !self.text.is_empty()
        {
            arguments.insert(name.to_owned(), json!(self.text));
        }
        arguments
    }
}
