//! The judgement itself: each judge has an opinion, the strictest wins.

use crate::answer::Question;
use crate::code;
use crate::model_call::ModelCall;
use crate::own_send::OwnSend;
use crate::permit::{Permit, Refusal};
use crate::rate::RateState;
use crate::world::{SecretUse, World};
use carapace_contract::config::OFFLINE;
use carapace_contract::effects::{Effects, Reach, Undo};
use carapace_contract::id::Digest;
use carapace_contract::tool::Invocation;
use carapace_contract::verdict::{Reason, Verdict};
use carapace_ipc_proto::claim::Claim;

/// Something that can be judged. A closed set: invocations, model calls and requests of the broker's own.
pub trait Judged: sealed::Floor {
    /// What an answer or permit is bound to: everything that makes this call this call.
    fn digest(&self) -> Digest;
    /// What it does to the world.
    fn effects(&self) -> &Effects;
}

/// The outcome.
#[derive(Debug)]
#[must_use = "an unread judgement is an unguarded action"]
pub enum Judgement<T> {
    /// It may be done.
    Allow(Permit<T>),
    /// A person decides.
    Ask(Question<T>),
    /// It is not done.
    Refuse(Refusal),
}

/// Judges an alleged call. The claim is consumed: what comes back is a permit, a question or a refusal.
pub fn judge<T: Judged>(claim: Claim<T>, world: &World<'_>) -> Judgement<T> {
    let what = claim.into_alleged();
    let mut opinions = what.opinions(world);
    opinions.push(freeze(world));
    let verdict = opinions
        .iter()
        .fold(Verdict::Allow, |all, opinion| all.and(opinion.verdict()));
    match verdict {
        Verdict::Refuse => Judgement::Refuse(first_refusal(opinions)),
        Verdict::Ask => Judgement::Ask(Question::new(what, reasons(opinions, Verdict::Ask))),
        Verdict::Allow => {
            let basis = reasons(opinions, Verdict::Allow);
            if basis.is_empty() {
                // Nobody objected, and nobody was for it either: that is no permission.
                return Judgement::Refuse(Refusal::new(
                    code::UNAUTHORIZED,
                    Reason::new("no-basis", "nothing allows this call"),
                ));
            }
            Judgement::Allow(Permit::new(what, basis))
        }
    }
}

/// What one judge thinks.
#[derive(Debug)]
pub(crate) enum Opinion {
    /// Nothing against it, and nothing for it.
    Silent,
    /// For it, on this basis.
    For(Reason),
    /// A person should decide, for these reasons.
    Unsure(Vec<Reason>),
    /// Against it.
    Against(Refusal),
}

impl Opinion {
    fn verdict(&self) -> Verdict {
        match self {
            Opinion::Silent | Opinion::For(_) => Verdict::Allow,
            Opinion::Unsure(_) => Verdict::Ask,
            Opinion::Against(_) => Verdict::Refuse,
        }
    }
}

mod sealed {
    use super::{Opinion, World};

    /// The judges of one kind of call.
    pub trait Floor {
        /// Their opinions; at least one that is not silent.
        #[allow(private_interfaces)] // sealed: nobody outside can name the trait
        fn opinions(&self, world: &World<'_>) -> Vec<Opinion>;
    }
}

impl Judged for Invocation {
    fn digest(&self) -> Digest {
        Invocation::digest(self)
    }

    fn effects(&self) -> &Effects {
        &self.effects
    }
}

impl sealed::Floor for Invocation {
    #[allow(private_interfaces)] // as in the trait
    fn opinions(&self, world: &World<'_>) -> Vec<Opinion> {
        vec![authority(self, world), rate(world)]
    }
}

impl Judged for ModelCall {
    fn digest(&self) -> Digest {
        ModelCall::digest(self)
    }

    fn effects(&self) -> &Effects {
        ModelCall::effects(self)
    }
}

impl sealed::Floor for ModelCall {
    #[allow(private_interfaces)] // as in the trait
    fn opinions(&self, world: &World<'_>) -> Vec<Opinion> {
        vec![
            route(self, world),
            budget(self, world),
            spending(self, world),
            secret(self.secret.is_some(), world),
        ]
    }
}

impl Judged for OwnSend {
    fn digest(&self) -> Digest {
        OwnSend::digest(self)
    }

    fn effects(&self) -> &Effects {
        OwnSend::effects(self)
    }
}

impl sealed::Floor for OwnSend {
    #[allow(private_interfaces)] // as in the trait
    fn opinions(&self, world: &World<'_>) -> Vec<Opinion> {
        vec![own(self, world), secret(self.secret.is_some(), world)]
    }
}

fn freeze(world: &World<'_>) -> Opinion {
    if world.frozen {
        let reason = Reason::new(
            "frozen",
            "nothing is done now: the owner stopped everything, or it cannot be put on record",
        );
        return Opinion::Against(Refusal::new(code::UNAUTHORIZED, reason));
    }
    Opinion::Silent
}

/// A grant, or a question. A call from inside the hands has the same grants and the same desk as
/// one of the mind: never wider.
fn authority(call: &Invocation, world: &World<'_>) -> Opinion {
    if let Some(basis) = world.grants.basis(call, world.now) {
        return Opinion::For(basis);
    }
    let mut reasons = vec![Reason::new(
        "not-granted",
        format!(
            "no grant covers this call; `[[grants]] tool = \"{}\"` in config.toml would allow every call of it",
            call.tool
        ),
    )];
    let effects = &call.effects;
    if effects.reads == Reach::Internet
        || effects.writes == Reach::Internet
        || !effects.egress.is_empty()
    {
        reasons.push(Reason::new(
            "leaves-machine",
            "it reaches beyond this machine",
        ));
    } else if effects.reads == Reach::Private || effects.writes == Reach::Private {
        reasons.push(Reason::new("private", "it touches private data"));
    }
    if effects.undo == Undo::Impossible {
        reasons.push(Reason::new("irreversible", "it cannot be undone"));
    }
    if let Some(within) = &call.caller.within {
        reasons.push(Reason::new(
            "from-inside",
            format!("it was asked from inside the running call {within}"),
        ));
    }
    Opinion::Unsure(reasons)
}

fn rate(world: &World<'_>) -> Opinion {
    match world.rate {
        RateState::Open => Opinion::Silent,
        RateState::Exhausted { retry_after } => Opinion::Against(Refusal {
            code: code::RATE_LIMITED,
            reason: Reason::new(
                "rate",
                "the session has started too many calls within a minute",
            ),
            retry_after: Some(retry_after),
        }),
    }
}

fn route(call: &ModelCall, world: &World<'_>) -> Opinion {
    let leads_there = match &call.origin {
        // The model inside the broker answers on its own route, and reports when every other has failed.
        None => call.model == OFFLINE && call.secret.is_none(),
        Some(origin) => {
            world.route != OFFLINE
                && world
                    .reachable
                    .iter()
                    .any(|place| place.model == call.model && place.origin == *origin)
        }
    };
    if call.route != world.route || !leads_there {
        let reason = Reason::new(
            "route",
            format!(
                "the route {:?} of this session does not lead to {}",
                world.route, call.model
            ),
        );
        return Opinion::Against(Refusal::new(code::UNAUTHORIZED, reason));
    }
    Opinion::For(Reason::new(
        "route",
        format!("the route {} leads to {}", call.route, call.model),
    ))
}

/// A request of the broker's own goes where the configuration says that something is, and nowhere else.
fn own(send: &OwnSend, world: &World<'_>) -> Opinion {
    match world
        .reachable
        .iter()
        .find(|place| place.origin == send.origin)
    {
        Some(place) => Opinion::For(Reason::new(
            "configured",
            format!(
                "the configuration names {} for {}",
                place.origin, place.model
            ),
        )),
        None => Opinion::Against(Refusal::new(
            code::UNAUTHORIZED,
            Reason::new(
                "not-configured",
                format!("{} is not in the configuration", send.origin),
            ),
        )),
    }
}

fn secret(carries: bool, world: &World<'_>) -> Opinion {
    if !carries {
        return Opinion::Silent;
    }
    match world.secret {
        SecretUse::Free | SecretUse::Approved => Opinion::Silent,
        SecretUse::Ask => Opinion::Unsure(vec![Reason::new(
            "secret-use",
            "you want to be asked before this secret is used in a session",
        )]),
        SecretUse::Locked => no_secret("the vault is locked; `carapace auth unlock` opens it"),
        SecretUse::Missing => no_secret(
            "the vault does not have the secret; `carapace auth status` shows what it has",
        ),
    }
}

fn no_secret(why: &str) -> Opinion {
    Opinion::Against(Refusal::new(
        code::UNAUTHORIZED,
        Reason::new("no-secret", why),
    ))
}

fn spending(call: &ModelCall, world: &World<'_>) -> Opinion {
    // What is answered inside the broker costs nothing.
    if call.origin.is_none() {
        return Opinion::Silent;
    }
    match world
        .ledger
        .objection(&call.spender(), call.worst, world.moment)
    {
        Some(refusal) => Opinion::Against(refusal),
        None => Opinion::Silent,
    }
}

fn budget(call: &ModelCall, world: &World<'_>) -> Opinion {
    let left = world.budget;
    let over = |what: &str| {
        let reason = Reason::new(
            "budget",
            format!("the turn has no {what} left for this model call"),
        );
        Opinion::Against(Refusal::new(code::BUDGET_EXCEEDED, reason))
    };
    if left.rounds == 0 {
        over("rounds")
    } else if call.tokens > left.tokens || left.tokens == 0 {
        over("tokens")
    } else if call.bytes > left.bytes {
        over("bytes")
    } else {
        Opinion::Silent
    }
}

fn first_refusal(opinions: Vec<Opinion>) -> Refusal {
    let refusals = opinions.into_iter().filter_map(|opinion| match opinion {
        Opinion::Against(refusal) => Some(refusal),
        _ => None,
    });
    // The one that time heals comes last: waiting would not help against the others.
    refusals
        .min_by_key(|refusal| refusal.retry_after.is_some())
        .unwrap_or_else(|| {
            Refusal::new(
                code::UNAUTHORIZED,
                Reason::new("no-basis", "nothing allows this call"),
            )
        })
}

fn reasons(opinions: Vec<Opinion>, of: Verdict) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for opinion in opinions {
        match opinion {
            Opinion::For(reason) if of == Verdict::Allow => reasons.push(reason),
            Opinion::Unsure(more) if of == Verdict::Ask => reasons.extend(more),
            _ => {}
        }
    }
    reasons
}
