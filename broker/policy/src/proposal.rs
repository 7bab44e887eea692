//! A plan as the assistant proposes it, and what of it an answer grants. Here it is put in order for
//! the judge and for a person; whether its steps pass is said by [`plan`](crate::plan) and the grants.

use crate::facts::Facts;
use crate::judge::Judged;
use crate::plan::{self, Step};
use carapace_contract::effects::{Effects, Reach, Undo};
use carapace_contract::id::{CallId, Digest, EffectId};
use carapace_contract::part::Part;
use carapace_contract::tool::{Caller, Invocation};
use carapace_contract::verdict::Reason;

/// What a plan is called where tools are named.
pub const PROPOSE: &str = "plan.propose";

/// One step, with what is known of its tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposed {
    /// What it says.
    pub step: Step,
    /// The tool's manifest at the time of the proposal.
    pub manifest: Digest,
    /// Copied from the tool.
    pub effects: Effects,
    /// The arguments that the tool takes, by name.
    pub takes: Vec<String>,
}

/// What the arguments are that a step does not name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unbound {
    /// They must be the owner's: named by them, or in the contacts.
    pub named: Vec<String>,
    /// They may say anything; an address in them must be the owner's.
    pub free: Vec<String>,
    /// A call that has one is not covered.
    pub none: Vec<String>,
}

impl Proposed {
    /// What holds for the arguments that it does not name, where nothing else grants the tool.
    pub fn unbound(&self) -> Unbound {
        let mut unbound = Unbound::default();
        let left = self
            .takes
            .iter()
            .filter(|name| !self.step.arguments.contains_key(*name));
        for name in left {
            let effects = &self.effects;
            let list = if !always_judged(effects) || effects.cost.contains(name) {
                &mut unbound.none
            } else if told_apart(effects).any(|list| list.contains(name)) {
                &mut unbound.named
            } else {
                &mut unbound.free
            };
            list.push(name.clone());
        }
        unbound
    }
}

/// A plan, proposed.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// The broker's name for it.
    pub effect: EffectId,
    /// Who proposes.
    pub caller: Caller,
    /// What the caller calls it; unique within its turn.
    pub call: CallId,
    /// Its steps.
    pub steps: Vec<Proposed>,
    /// Why, in the assistant's words.
    pub why: String,
    effects: Effects,
    part: Option<Part>,
}

impl Proposal {
    /// From its steps.
    pub fn new(
        effect: EffectId,
        caller: Caller,
        call: CallId,
        steps: Vec<Proposed>,
        why: String,
    ) -> Self {
        let effects = joined(&steps);
        Self {
            effect,
            caller,
            call,
            steps,
            why,
            effects,
            part: None,
        }
    }

    /// What it does to the world where every step is done.
    pub fn effects(&self) -> &Effects {
        &self.effects
    }

    /// What the answer is bound to: who proposes it, and every step.
    pub fn digest(&self) -> Digest {
        let manifests: Vec<_> = self.steps.iter().map(|one| one.manifest).collect();
        let bound = serde_json::json!({
            "session": self.caller.session,
            "turn": self.caller.turn,
            "call": self.call,
            "within": self.caller.within,
            "tool": PROPOSE,
            "manifests": manifests,
            "steps": plan::digest(&self.plain()),
            "why": self.why,
        });
        Digest::of(&serde_json_canonicalizer::to_vec(&bound).expect("JSON serialises"))
    }

    /// Its steps, without what is known of their tools.
    pub fn plain(&self) -> Vec<Step> {
        self.steps.iter().map(|one| one.step.clone()).collect()
    }

    /// The steps that a person said yes to; of the others nothing is left. Each keeps its number.
    pub fn granted(&self) -> Vec<Step> {
        let mut steps = self.plain();
        if let Some(part) = &self.part {
            for (at, step) in steps.iter_mut().enumerate() {
                if !part.has(at + 1) {
                    step.count = 0;
                }
            }
        }
        steps
    }

    /// The part that was granted, where it is not the whole.
    pub fn part(&self) -> Option<&Part> {
        self.part.as_ref()
    }

    /// Keeps that a person said no to it, so that the same plan is not asked about again in the turn.
    pub fn refused(&self, facts: &mut Facts) {
        facts.refused(PROPOSE, &[self.key()]);
    }

    pub(crate) fn was_refused(&self, facts: &Facts) -> bool {
        facts.was_refused(PROPOSE, &[self.key()])
    }

    fn key(&self) -> Reason {
        Reason::new("plan", plan::digest(&self.plain()).to_string())
    }
}

impl Judged for Proposal {
    fn digest(&self) -> Digest {
        Proposal::digest(self)
    }

    fn effects(&self) -> &Effects {
        Proposal::effects(self)
    }

    fn in_part(self, part: &Part) -> Option<Self> {
        if usize::from(part.last()) > self.steps.len() {
            return None;
        }
        Some(Self {
            part: Some(part.clone()),
            ..self
        })
    }
}

/// True where a step is enough for a call of a tool that nothing else grants: what it does not name is
/// looked at by the floor in every session, or is not in the call.
pub(crate) fn is_enough(step: &Step, call: &Invocation) -> bool {
    always_judged(&call.effects)
        || call.arguments.as_object().is_some_and(|arguments| {
            arguments
                .iter()
                .all(|(name, value)| value.is_null() || step.arguments.contains_key(name))
        })
}

/// True where the floor looks at each argument in every session, a clean one too.
fn always_judged(effects: &Effects) -> bool {
    effects.writes == Reach::Internet
        || effects.writes == Reach::Private
            && (effects.undo == Undo::Impossible || !effects.egress.is_empty())
        || effects.costs_money()
}

fn told_apart(effects: &Effects) -> impl Iterator<Item = &Vec<String>> {
    [
        &effects.recipients,
        &effects.egress,
        &effects.objects,
        &effects.names,
        &effects.attachments,
    ]
    .into_iter()
}

fn joined(steps: &[Proposed]) -> Effects {
    // To grant it again grants no more.
    let mut all = Effects {
        idempotent: true,
        ..Effects::default()
    };
    for one in steps {
        let effects = &one.effects;
        all.reads = all.reads.max(effects.reads);
        all.writes = all.writes.max(effects.writes);
        all.undo = all.undo.max(effects.undo);
        for (into, from) in [
            (&mut all.egress, &effects.egress),
            (&mut all.recipients, &effects.recipients),
            (&mut all.cost, &effects.cost),
        ] {
            for name in from {
                if !into.contains(name) {
                    into.push(name.clone());
                }
            }
        }
    }
    all
}
