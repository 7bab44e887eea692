//! A plan that is answered once, and the task grant that comes of it. A grant covers what its steps
//! name, as often as they say, and lifts nothing that they do not name.

use crate::facts::Facts;
use crate::floor::{self, Finding, Objection};
use carapace_contract::effects::Effects;
use carapace_contract::id::{Digest, ToolName};
use carapace_contract::verdict::{Reason, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The most steps of a plan.
pub const STEPS: usize = carapace_contract::part::STEPS as usize;
/// The most calls of one step.
pub const COUNT: u32 = 100;

/// What a step says of one argument.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Bound {
    /// This value.
    Exactly(Value),
    /// One of these.
    OneOf(Vec<Value>),
    /// A number, not greater than this.
    AtMost(serde_json::Number),
}

impl Bound {
    fn admits(&self, value: &Value) -> bool {
        match self {
            Bound::Exactly(one) => one == value,
            Bound::OneOf(list) => list.contains(value),
            Bound::AtMost(most) => {
                let (Some(value), Some(most)) = (value.as_f64(), most.as_f64()) else {
                    return false;
                };
                (0.0..=most).contains(&value)
            }
        }
    }

    /// A value that stands for the whole bound when the step is judged.
    fn example(&self) -> Value {
        match self {
            Bound::Exactly(value) => value.clone(),
            Bound::OneOf(list) => Value::Array(list.clone()),
            Bound::AtMost(number) => Value::Number(number.clone()),
        }
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Step {
    /// The tool.
    pub tool: ToolName,
    /// What is said of its arguments. Of one that is not here nothing is granted: whom it reaches and
    /// what it changes must be the owner's anyway.
    #[serde(default)]
    pub arguments: std::collections::BTreeMap<String, Bound>,
    /// How often, 1 to [`COUNT`].
    #[serde(default = "once")]
    pub count: u32,
}

fn once() -> u32 {
    1
}

impl Step {
    /// Exactly this call, once.
    pub fn exactly(tool: ToolName, arguments: &Map<String, Value>) -> Self {
        let arguments = arguments
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), Bound::Exactly(value.clone())))
            .collect();
        Self {
            tool,
            arguments,
            count: 1,
        }
    }

    pub(crate) fn example(&self) -> Value {
        let arguments = self
            .arguments
            .iter()
            .map(|(name, bound)| (name.clone(), bound.example()))
            .collect();
        Value::Object(arguments)
    }

    /// What speaks against the step.
    fn objections(&self, effects: &Effects, facts: &Facts) -> Vec<Objection> {
        floor::objections_later(&self.tool, effects, &self.example(), facts)
    }

    /// True where a call is one of this step: every argument that it names fits, and whatever else
    /// speaks against the call is not about an argument.
    fn covers(&self, tool: &ToolName, arguments: &Value, objections: &[Objection]) -> bool {
        if *tool != self.tool {
            return false;
        }
        let fits = self
            .arguments
            .iter()
            .all(|(name, bound)| arguments.get(name).is_some_and(|value| bound.admits(value)));
        // Where the tool does not say which arguments matter, all of them do.
        let whole = arguments.as_object().is_some_and(|arguments| {
            arguments
                .iter()
                .all(|(name, value)| value.is_null() || self.arguments.contains_key(name))
        });
        fits && objections
            .iter()
            .all(|objection| match &objection.argument {
                Some(argument) => self.arguments.contains_key(argument),
                None => whole || matches!(objection.code, "not-asked" | "exposure"),
            })
    }
}

/// What a plan is bound to: its steps, in order.
pub fn digest(steps: &[Step]) -> Digest {
    // Steps came from JSON, so they go back into it.
    Digest::of(&serde_json_canonicalizer::to_vec(&steps).expect("a plan serialises"))
}

/// Judges a plan at once: the strictest of its steps. A reason names its step, counted from 1.
pub fn judge<'a>(
    steps: &[Step],
    effects_of: impl Fn(&ToolName) -> &'a Effects,
    facts: &Facts,
) -> Finding {
    if steps.len() > STEPS || steps.iter().any(|step| !(1..=COUNT).contains(&step.count)) {
        return Finding {
            verdict: Verdict::Refuse,
            reasons: vec![Reason::new(
                "plan-too-long",
                format!("a plan has at most {STEPS} steps, each for 1 to {COUNT} calls"),
            )],
        };
    }
    let mut verdict = Verdict::Allow;
    let mut reasons = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let effects = effects_of(&step.tool);
        let objections = step.objections(effects, facts);
        let found = floor::decide(&step.tool, effects, &objections, facts);
        verdict = verdict.and(found.verdict);
        if found.verdict != Verdict::Allow {
            reasons.extend(found.reasons.into_iter().map(|reason| {
                Reason::new(&reason.code, format!("step {}: {}", at + 1, reason.text))
            }));
        }
    }
    if reasons.is_empty() {
        reasons.push(Reason::new(
            "endorsed",
            "every step is one that passes by itself",
        ));
    }
    Finding { verdict, reasons }
}

/// What a person granted for one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TaskGrant {
    /// The steps, each with what is left of its count.
    steps: Vec<Step>,
    /// Seconds since 1970 from which on it counts no more.
    expires: i64,
    /// Whether a person was asked.
    answered: bool,
}

impl TaskGrant {
    /// From the steps that a person said yes to.
    pub fn new(steps: Vec<Step>, expires: i64) -> Self {
        Self {
            steps,
            expires,
            answered: true,
        }
    }

    /// The same where nobody had to be asked: no yes of a person comes of it.
    pub fn unasked(self) -> Self {
        Self {
            answered: false,
            ..self
        }
    }

    /// Whether a person said yes to it.
    pub fn is_answered(&self) -> bool {
        self.answered
    }

    /// The steps, each with what is left of its count.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Seconds since 1970.
    pub fn expires(&self) -> i64 {
        self.expires
    }

    /// The step that covers a call at `now`, if one does.
    pub fn covers(
        &self,
        tool: &ToolName,
        effects: &Effects,
        arguments: &Value,
        facts: &Facts,
        now: i64,
    ) -> Option<usize> {
        self.covers_where(tool, effects, arguments, facts, now, |_| true)
    }

    /// The same among the steps that are `enough`.
    pub(crate) fn covers_where(
        &self,
        tool: &ToolName,
        effects: &Effects,
        arguments: &Value,
        facts: &Facts,
        now: i64,
        enough: impl Fn(&Step) -> bool,
    ) -> Option<usize> {
        if now >= self.expires {
            return None;
        }
        let objections = floor::objections(tool, effects, arguments, facts);
        // Nobody said yes to it: what speaks against a call now, speaks.
        if !self.answered && !objections.is_empty() {
            return None;
        }
        self.steps.iter().position(|step| {
            step.count > 0 && step.covers(tool, arguments, &objections) && enough(step)
        })
    }

    /// Uses a step once. True where nothing is left of the whole grant.
    pub fn used(&mut self, step: usize) -> bool {
        if let Some(step) = self.steps.get_mut(step) {
            step.count = step.count.saturating_sub(1);
        }
        self.steps.iter().all(|step| step.count == 0)
    }
}
