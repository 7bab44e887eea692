//! Rules in plain English: a second judge behind the floor. A rule is the owner's words and, once a model
//! has compiled them and the owner has accepted it, conditions that decide without a model. What is not
//! compiled is judged by a sentinel that the broker asks; where none answers, a person is asked.
//!
//! Rules only tighten: what they give is joined with the floor's verdict by `Verdict::and`. A file that
//! cannot be read asks about everything that has an effect. Nothing here reads a file, asks a model or
//! knows the time.

mod compile;
mod condition;
mod edit;
mod endorsement;
mod evaluate;
mod glob;
mod read;
mod rule;
mod sentinel;
mod state;
mod words;

pub use compile::{Prompt, compile_prompt, compiled, json_of};
pub use condition::{Argument, Condition, Part, Recipient};
pub use edit::{added, removed, replaced};
pub use evaluate::{History, Operation, Truth};
pub use glob::Glob;
pub use read::{MAX_BYTES, MAX_RULES, RulesError};
pub use rule::{ALWAYS, Mode, Rule, RuleId, Standing, When};
pub use sentinel::{Ruling, sentinel_prompt, sentinel_verdict, sentinel_view};
pub use state::Armed;

use crate::facts::Facts;
use carapace_contract::effects::{Effects, Reach};
use carapace_contract::id::Digest;
use carapace_contract::verdict::{Reason, Verdict};
use evaluate::Scene;
use std::collections::BTreeMap;

/// The rules that hold where there is no `rules.yaml`.
pub const DEFAULT_TEXT: &str = include_str!("default.yaml");

/// The code of every reason that a rule gives.
pub const RULE: &str = "rule";
/// The code of the reason where the rules cannot be read.
pub const UNREADABLE: &str = "rules-unreadable";
/// The code of the reason where a model judged that a rule does not restrict an operation.
pub const RULED: &str = "ruled";

/// Characters of a description that a reason shows.
const SHOWN: usize = 300;

/// All rules of a home.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    rules: Vec<Rule>,
    /// Of each, whether its conditions stand for its words.
    compiled: Vec<bool>,
    /// Why they cannot be read.
    fault: Option<String>,
}

/// What the sentinel said of one operation, by rule.
pub type Rulings = BTreeMap<RuleId, Ruling>;

/// What the rules say of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "rules that nobody heeds restrict nothing"]
pub struct Judged {
    /// To be joined with the floor's.
    pub verdict: Verdict,
    /// Why, the strictest first. Empty where the verdict is [`Verdict::Allow`].
    pub reasons: Vec<Reason>,
    /// Rules that only the sentinel can judge, and for which there was no ruling: for each of them the
    /// verdict is [`Verdict::Ask`] at least.
    pub uncompiled: Vec<RuleId>,
    /// For the record: the rules that were judged by a ruling, and do not restrict it by that ruling alone.
    pub cleared: Vec<Reason>,
}

impl Rules {
    /// Reads `rules.yaml`.
    ///
    /// # Errors
    /// What is wrong, and in which line. [`Rules::unreadable`] is what then holds.
    pub fn read(text: &str) -> Result<Self, RulesError> {
        let rules = read::read(text)?
            .into_iter()
            .map(|(_, rule)| rule)
            .collect::<Vec<Rule>>();
        let compiled = rules.iter().map(|rule| rule.compiled().is_some()).collect();
        Ok(Self {
            rules,
            compiled,
            fault: None,
        })
    }

    /// The rules of a fresh home.
    pub fn defaults() -> Self {
        // A text of this program; a test reads it.
        Self::read(DEFAULT_TEXT).expect("the default rules are rules")
    }

    /// No rule.
    pub fn none() -> Self {
        Self {
            rules: Vec::new(),
            compiled: Vec::new(),
            fault: None,
        }
    }

    /// There are rules, and nobody knows which: everything that has an effect is asked about.
    pub fn unreadable(reason: impl Into<String>) -> Self {
        Self {
            rules: Vec::new(),
            compiled: Vec::new(),
            fault: Some(reason.into()),
        }
    }

    /// Why they cannot be read, where they cannot.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// The rules, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// One of them.
    pub fn rule(&self, id: &RuleId) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == *id)
    }

    /// The version that a verdict rests on: it changes with everything that could change one.
    pub fn version(&self) -> Digest {
        let whole = (&self.rules, &self.fault);
        // Rules came from text or are data of this program.
        Digest::of(&serde_json_canonicalizer::to_vec(&whole).expect("rules serialise"))
    }

    /// Arms what the session has come to: to be called after each delivery into it. Gives the rules that
    /// are newly armed. What cannot be told arms, too.
    pub fn arm(&self, state: &mut Armed, facts: &Facts, history: &History) -> Vec<RuleId> {
        let scene = Scene::session(facts, history);
        let mut fresh = Vec::new();
        for (rule, when) in self.placed() {
            let Some(trigger) = when.and_then(|when| when.trigger.as_ref()) else {
                continue;
            };
            if !state.is_armed(&rule.id) && scene.holds(trigger) != Truth::No {
                state.arm(rule.id.clone());
                fresh.push(rule.id.clone());
            }
        }
        fresh
    }

    /// True where a rule counts in this session: it is not disabled, and armed, or nobody can tell without a
    /// model whether it is.
    pub fn in_force(&self, rule: &Rule, state: &Armed) -> bool {
        counts(rule, rule.compiled(), state)
    }

    /// Whether only a model could judge some of them.
    pub fn needs_a_judge(&self) -> bool {
        self.compiled.contains(&false)
    }

    /// Each, with its conditions where they stand for its words.
    fn placed(&self) -> impl Iterator<Item = (&Rule, Option<&When>)> {
        let compiled = self.compiled.iter();
        self.rules
            .iter()
            .zip(compiled)
            .map(|(rule, compiled)| (rule, rule.when.as_ref().filter(|_| *compiled)))
    }

    /// Judges an operation where no sentinel was asked.
    pub fn judge(&self, state: &Armed, operation: &Operation<'_>) -> Judged {
        self.judge_with(state, operation, &Rulings::new(), false)
    }

    /// Judges an operation, with what the sentinel said of it. A ruling counts for a rule that is not
    /// compiled, and for no other. `approved`: a person said yes to this very operation, which is all that
    /// a rule of the mode [`Mode::Approve`] wants.
    pub fn judge_with(
        &self,
        state: &Armed,
        operation: &Operation<'_>,
        rulings: &Rulings,
        approved: bool,
    ) -> Judged {
        let mut found: Vec<(Verdict, Reason)> = Vec::new();
        let mut uncompiled = Vec::new();
        let mut cleared = Vec::new();
        if let Some(fault) = &self.fault
            && matters(operation.effects)
        {
            let text =
                format!("your rules cannot be read, so everything with an effect asks: {fault}");
            found.push((Verdict::Ask, Reason::new(UNREADABLE, text)));
        }
        let scene = Scene::of(operation);
        for (rule, when) in self.placed() {
            if !counts(rule, when, state) || approved && rule.mode == Mode::Approve {
                continue;
            }
            let (verdict, note) = match when {
                Some(when) => match (scene.holds(&when.effect), rule.mode) {
                    (Truth::No, _) => continue,
                    (truth, mode) => (
                        mode.verdict(),
                        if truth == Truth::Yes {
                            String::new()
                        } else {
                            "; it cannot be told whether it applies here".to_owned()
                        },
                    ),
                },
                None if !matters(operation.effects) => continue,
                None => match rulings.get(&rule.id) {
                    // A model may be wrong: it never makes more of a rule than the rule says.
                    Some(ruling) => match ruling.verdict.min(rule.mode.verdict()) {
                        Verdict::Allow => {
                            let text = format!(
                                "a model judged that your rule {} does not restrict it: {}",
                                rule.id, ruling.reason
                            );
                            cleared.push(Reason::new(RULED, text));
                            continue;
                        }
                        verdict => (verdict, format!("; judged by a model: {}", ruling.reason)),
                    },
                    None => {
                        uncompiled.push(rule.id.clone());
                        let note = "; it is not compiled, and no model judged whether it applies";
                        (Verdict::Ask, note.to_owned())
                    }
                },
            };
            let text = format!("your rule {}: {}{note}", rule.id, about(rule));
            found.push((verdict, Reason::new(RULE, text)));
        }
        found.sort_by_key(|(verdict, _)| std::cmp::Reverse(*verdict));
        Judged {
            verdict: found
                .iter()
                .fold(Verdict::Allow, |all, (verdict, _)| all.and(*verdict)),
            reasons: found.into_iter().map(|(_, reason)| reason).collect(),
            uncompiled,
            cleared,
        }
    }
}

fn counts(rule: &Rule, when: Option<&When>, state: &Armed) -> bool {
    let armed = rule.is_always() || when.is_none() || state.is_armed(&rule.id);
    armed && !state.is_disabled(&rule.id)
}

impl Mode {
    /// The word for it in `rules.yaml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Approve => "approve",
            Mode::Block => "block",
        }
    }

    /// What it makes of an operation that the rule applies to.
    pub fn verdict(self) -> Verdict {
        match self {
            Mode::Approve => Verdict::Ask,
            Mode::Block => Verdict::Refuse,
        }
    }
}

/// True for what a rule that nobody can judge asks about: it changes something, leaves the machine, or
/// looks at private data.
fn matters(effects: &Effects) -> bool {
    effects.is_outward() || effects.reads >= Reach::Private
}

/// What a person is told of a rule, on one line.
fn about(rule: &Rule) -> String {
    let text = if rule.description.trim().is_empty() {
        &rule.effect
    } else {
        &rule.description
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() <= SHOWN {
        return line;
    }
    let mut cut: String = line.chars().take(SHOWN).collect();
    cut.push('…');
    cut
}
