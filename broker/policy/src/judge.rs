//! The judgement itself: each judge has an opinion, the strictest wins.

use crate::answer::Question;
use crate::code;
use crate::model_call::ModelCall;
use crate::own_send::OwnSend;
use crate::permit::{Permit, Refusal};
use crate::plan;
use crate::proposal::Proposal;
use crate::rate::RateState;
use crate::rules::{Operation, RULE};
use crate::world::{Ruled, SecretUse, World};
use carapace_contract::config::OFFLINE;
use carapace_contract::effects::{Effects, Reach, Undo};
use carapace_contract::id::{Digest, ToolName};
use carapace_contract::part::Part;
use carapace_contract::tool::Invocation;
use carapace_contract::verdict::{Reason, Verdict};
use carapace_ipc_proto::claim::Claim;

/// How often a person says no in one turn before nothing more is asked in it.
const NOES: u32 = 3;

/// Something that can be judged. A closed set: invocations, model calls and requests of the broker's own.
pub trait Judged: sealed::Floor {
    /// What an answer or permit is bound to: everything that makes this call this call.
    fn digest(&self) -> Digest;
    /// What it does to the world.
    fn effects(&self) -> &Effects;

    /// As much of it as a person said yes to. `None` where it has no such part: most calls are answered
    /// whole.
    fn in_part(self, _part: &Part) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }
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
            let anybody = opinions
                .iter()
                .any(|opinion| matches!(opinion, Opinion::For(_)));
            let basis = reasons(opinions, Verdict::Allow);
            if !anybody {
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
    /// Neither; for whoever decides or asks later.
    Told(Vec<Reason>),
    /// A person should decide, for these reasons.
    Unsure(Vec<Reason>),
    /// Against it.
    Against(Refusal),
}

impl Opinion {
    fn verdict(&self) -> Verdict {
        match self {
            Opinion::Silent | Opinion::For(_) | Opinion::Told(_) => Verdict::Allow,
            Opinion::Unsure(_) => Verdict::Ask,
            Opinion::Against(_) => Verdict::Refuse,
        }
    }
}

mod sealed {
    use super::{Opinion, Refusal, World};

    /// The judges of one kind of call.
    pub trait Floor {
        /// Their opinions; at least one that is not silent.
        #[allow(private_interfaces)] // sealed: nobody outside can name the trait
        fn opinions(&self, world: &World<'_>) -> Vec<Opinion>;

        /// What no answer lifts, as things stand when it is used.
        fn barred(&self, _world: &World<'_>) -> Option<Refusal> {
            None
        }
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
        let basis = world.grants.basis(self, world.facts, world.now);
        let exact = basis.as_ref().is_some_and(|basis| basis.exact);
        let approved = basis.as_ref().is_some_and(|basis| basis.by_person);
        let mut opinions = vec![
            authority(self, basis.map(|basis| basis.reason)),
            rules(self, world, approved),
            // A person who granted this very call knew what it does.
            if exact {
                Opinion::Silent
            } else {
                floor(self, world)
            },
            told_label(&self.effects, world),
            rate(world),
        ];
        // A person who said no so often in one turn is not asked again in it.
        if world.facts.refusals >= NOES
            && opinions
                .iter()
                .any(|opinion| matches!(opinion, Opinion::Unsure(_)))
        {
            let text = format!(
                "you said no {NOES} times in this turn; what you want done, say in the chat"
            );
            opinions.push(Opinion::Against(Refusal::new(
                code::CONFIRMATION_DENIED,
                Reason::new("refused-often", text),
            )));
        }
        opinions
    }

    fn barred(&self, world: &World<'_>) -> Option<Refusal> {
        against(rules(self, world, true))
    }
}

impl sealed::Floor for Proposal {
    #[allow(private_interfaces)] // as in the trait
    fn opinions(&self, world: &World<'_>) -> Vec<Opinion> {
        vec![
            steps(self, world),
            step_rules(self, world),
            standing(self, world),
            told_label(self.effects(), world),
            rate(world),
        ]
    }

    fn barred(&self, world: &World<'_>) -> Option<Refusal> {
        against(step_rules(self, world))
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
            withheld(self, world),
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
fn authority(call: &Invocation, basis: Option<Reason>) -> Opinion {
    if let Some(basis) = basis {
        return Opinion::For(basis);
    }
    let mut reasons = vec![Reason::new(
        "not-granted",
        format!(
            "no grant covers this call; `[[grants]] tool = \"{}\"` in config.toml would allow every call of it that the floor allows",
            call.tool
        ),
    )];
    let effects = &call.effects;
    if effects.leaves_machine() {
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

/// What the session has seen, for whoever decides, or asks later why it was done.
fn told_label(effects: &Effects, world: &World<'_>) -> Opinion {
    if effects.is_outward() {
        Opinion::Told(vec![label_of(world)])
    } else {
        Opinion::Silent
    }
}

fn label_of(world: &World<'_>) -> Reason {
    Reason::new(
        "label",
        format!(
            "the session's label is {}; its exposure is {}",
            world.facts.label(),
            world.facts.exposure().level()
        ),
    )
}

/// Keeps that a person said no to a call, so that it is not asked about again in the same turn.
pub fn refused(call: &Invocation, facts: &mut crate::facts::Facts) {
    let finding = crate::floor::floor(&call.tool, &call.effects, &call.arguments, facts);
    let why = match finding.verdict {
        Verdict::Ask => finding.reasons,
        Verdict::Allow | Verdict::Refuse => Vec::new(),
    };
    facts.refused(call.tool.as_str(), &why);
}

/// Whether it is what the owner asked for. Permission it never gives: that is for a grant.
fn floor(call: &Invocation, world: &World<'_>) -> Opinion {
    let finding = crate::floor::floor(&call.tool, &call.effects, &call.arguments, world.facts);
    match finding.verdict {
        Verdict::Allow => Opinion::Silent,
        Verdict::Ask => Opinion::Unsure(finding.reasons),
        Verdict::Refuse => Opinion::Against(Refusal::new(
            code::CONFIRMATION_DENIED,
            finding
                .reasons
                .into_iter()
                .next()
                .unwrap_or_else(|| Reason::new("floor", "the floor refuses it")),
        )),
    }
}

/// Whether the floor would let each step pass by itself.
fn steps(proposal: &Proposal, world: &World<'_>) -> Opinion {
    let against = |reason| Opinion::Against(Refusal::new(code::CONFIRMATION_DENIED, reason));
    if proposal.was_refused(world.facts) {
        let text = "you said no to this plan in the same turn";
        return against(Reason::new("refused-before", text));
    }
    let worst = Effects::worst_case();
    let effects_of = |tool: &ToolName| {
        proposal
            .steps
            .iter()
            .find(|one| one.step.tool == *tool)
            .map_or(&worst, |one| &one.effects)
    };
    let finding = plan::judge(&proposal.plain(), effects_of, world.facts);
    let mut reasons = finding.reasons;
    match finding.verdict {
        Verdict::Allow => Opinion::Silent,
        Verdict::Ask => Opinion::Unsure(reasons),
        Verdict::Refuse => {
            // Steps that would be asked about have their reasons beside the one that is refused.
            let at = reasons
                .iter()
                .position(|reason| reason.code.starts_with("refused-"))
                .unwrap_or(0);
            against(reasons.swap_remove(at))
        }
    }
}

/// What the owner's rules say. What blocks is not lifted by a grant or an answer.
fn rules(call: &Invocation, world: &World<'_>, approved: bool) -> Opinion {
    let Ruled {
        rules,
        armed,
        rulings,
    } = world.rules;
    let operation = Operation {
        tool: &call.tool,
        effects: &call.effects,
        arguments: &call.arguments,
        facts: world.facts,
    };
    let judged = rules.judge_with(armed, &operation, rulings, approved);
    match judged.verdict {
        Verdict::Allow if judged.cleared.is_empty() => Opinion::Silent,
        Verdict::Allow => Opinion::Told(judged.cleared),
        Verdict::Ask => Opinion::Unsure(judged.reasons),
        Verdict::Refuse => Opinion::Against(Refusal::new(
            code::CONFIRMATION_DENIED,
            judged
                .reasons
                .into_iter()
                .next()
                .unwrap_or_else(|| Reason::new(RULE, "a rule of yours blocks it")),
        )),
    }
}

/// What the owner's rules say of the steps, as far as these are said, now and once every trigger has come
/// true: what a person says yes to here is not asked about later. Each call is judged by the rules again.
fn step_rules(proposal: &Proposal, world: &World<'_>) -> Opinion {
    let Ruled { rules, armed, .. } = world.rules;
    let mut later = armed.clone();
    for rule in rules.iter() {
        later.arm(rule.id.clone());
    }
    let mut asks = Vec::new();
    for (at, one) in proposal.steps.iter().enumerate() {
        let example = one.step.example();
        let operation = Operation {
            tool: &one.step.tool,
            effects: &one.effects,
            arguments: &example,
            facts: world.facts,
        };
        let of_step =
            |reason: Reason| Reason::new(&reason.code, format!("step {}: {}", at + 1, reason.text));
        let now = rules.judge(armed, &operation);
        if now.verdict == Verdict::Refuse {
            let reason = now
                .reasons
                .into_iter()
                .next()
                .unwrap_or_else(|| Reason::new(RULE, "a rule of yours blocks it"));
            return Opinion::Against(Refusal::new(code::CONFIRMATION_DENIED, of_step(reason)));
        }
        let then = rules.judge(&later, &operation);
        asks.extend(then.reasons.into_iter().map(of_step));
    }
    if asks.is_empty() {
        Opinion::Silent
    } else {
        Opinion::Unsure(asks)
    }
}

fn against(opinion: Opinion) -> Option<Refusal> {
    match opinion {
        Opinion::Against(refusal) => Some(refusal),
        _ => None,
    }
}

/// Whether every step's tool is granted anyway; a yes to the plan grants the others.
fn standing(proposal: &Proposal, world: &World<'_>) -> Opinion {
    let missing: Vec<Reason> = proposal
        .steps
        .iter()
        .enumerate()
        .filter(|(_, one)| !world.grants.stands(&proposal.caller, &one.step.tool))
        .map(|(at, one)| {
            let tool = &one.step.tool;
            let text = format!(
                "step {}: nothing else grants {tool}; a yes to this step does",
                at + 1
            );
            Reason::new("not-granted", text)
        })
        .collect();
    if missing.is_empty() {
        Opinion::For(Reason::new(
            "granted-plan",
            "every step passes without a question as it stands",
        ))
    } else {
        Opinion::Unsure(missing)
    }
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

/// A model provider is a recipient too: a session that has seen what it must not see does not go there.
fn withheld(call: &ModelCall, world: &World<'_>) -> Opinion {
    let label = world.facts.label();
    let seen = world
        .reachable
        .iter()
        .filter(|place| place.model == call.model && Some(&place.origin) == call.origin.as_ref())
        .flat_map(|place| &place.withhold)
        .find_map(|barred| match barred.as_str() {
            "*" => label.private.iter().next(),
            name => label.private.iter().find(|seen| seen.as_str() == name),
        });
    match seen {
        None => Opinion::Silent,
        Some(category) => {
            let text = format!(
                "this conversation has seen private data ({}), which {} must not see",
                category.as_str(),
                call.model
            );
            Opinion::Against(Refusal::new(
                code::UNAUTHORIZED,
                Reason::new("withheld", text),
            ))
        }
    }
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
            Opinion::Told(more) => reasons.extend(more),
            Opinion::Unsure(more) if of == Verdict::Ask => reasons.extend(more),
            _ => {}
        }
    }
    reasons
}
