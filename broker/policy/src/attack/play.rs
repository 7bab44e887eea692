//! Playing a script: each call goes through the judge, answers through what makes permits of them.

use super::script::{Attack, Move, Values};
use crate::answer::AnswerRecord;
use crate::facts::{Contacts, Facts};
use crate::grants::{Grants, TASK};
use crate::judge::{Judgement, judge, refused};
use crate::ledger::{Ledger, Moment};
use crate::plan::{self, Step, TaskGrant};
use crate::rate::RateState;
use crate::rules::{Armed, History, Rules, Rulings};
use crate::world::{Budget, Ruled, SecretUse, World};
use carapace_contract::config::{Config, Grant};
use carapace_contract::effects::{Effects, Identifies, Reach};
use carapace_contract::id::{CallId, Code, Digest, EffectId, GroupId, SessionId, ToolName, TurnId};
use carapace_contract::tool::{Caller, Invocation, Place};
use carapace_contract::verdict::{Decision, Reason, Verdict};
use carapace_ipc_proto::claim::Claim;
use serde::Serialize;
use std::collections::BTreeMap;

/// Seconds since 1970 at which a script is played; any time will do.
const NOW: i64 = 1_000_000;
/// Until when a yes of a script counts.
const LATER: i64 = NOW + 3600;

/// What the agent meets: the owner's configuration, and the tools.
#[derive(Debug)]
pub struct Setting<'a> {
    /// Grants, contacts, and from which exposure on everything is asked about.
    pub config: &'a Config,
    /// The owner's rules.
    pub rules: &'a Rules,
    /// What each tool declares.
    pub tools: &'a BTreeMap<ToolName, Effects>,
}

/// What came of an attack, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nobody was even asked.
    Refused,
    /// The owner was asked, and did not say yes.
    Asked,
    /// The owner's configuration grants exactly this call.
    Granted,
    /// It was done, and the owner had not granted it.
    Through,
}

/// One attack with one tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The attack.
    pub attack: &'static str,
    /// What is tried.
    pub about: &'static str,
    /// With which tool.
    pub tool: ToolName,
    /// What came of it as things are configured.
    pub outcome: Outcome,
    /// Questions that the owner was asked.
    pub questions: u32,
    /// Why, for the call that came furthest.
    pub reasons: Vec<Reason>,
    /// What would come of it if every call of each tool were granted: the floor alone.
    pub with_grants: Outcome,
    /// Whether the same script reaches its effect where everything is answered with yes. Where it does
    /// not, the outcome shows nothing.
    pub counts: bool,
}

/// Plays every attack with each tool that fits, in the order of the catalogue and of the tools' names.
pub fn play(setting: &Setting<'_>) -> Vec<Row> {
    let own = Grants::of(GroupId::owner(), &setting.config.grants);
    let whole = |tool: &ToolName| Grant {
        tool: tool.clone(),
        arguments: None,
    };
    let all: Vec<Grant> = setting.tools.keys().map(whole).collect();
    let all = Grants::of(GroupId::owner(), &all);
    let mut rows = Vec::new();
    for attack in super::catalogue() {
        for (tool, effects) in setting.tools {
            if !attack.fits.takes(tool, effects) {
                continue;
            }
            let run = |grants: &Grants, rules: &Rules, yes: bool| {
                let mut agent = Agent::new(setting.config, grants, rules, tool, effects, yes);
                agent.run(attack)
            };
            let none = Rules::none();
            let as_it_is = run(&own, setting.rules, false);
            rows.push(Row {
                attack: attack.name,
                about: attack.about,
                tool: tool.clone(),
                outcome: as_it_is.outcome,
                questions: as_it_is.questions,
                reasons: as_it_is.reasons,
                with_grants: run(&all, &none, false).outcome,
                counts: run(&own, &none, true).all_done,
            });
        }
    }
    rows
}

struct Played {
    outcome: Outcome,
    questions: u32,
    reasons: Vec<Reason>,
    all_done: bool,
}

/// An answer that the agent got for a call of its own, and holds on to.
struct Held {
    call: CallId,
    answer: AnswerRecord,
}

struct Agent<'a> {
    tool: &'a ToolName,
    effects: &'a Effects,
    grants: Grants,
    rules: &'a Rules,
    armed: Armed,
    history: History,
    rulings: Rulings,
    facts: Facts,
    ledger: Ledger,
    /// Whether somebody says yes to everything.
    yes: bool,
    calls: u32,
    held: Vec<Held>,
}

/// What a call came to.
enum Met {
    Done(Vec<Reason>),
    Asked(Vec<Reason>),
    Refused(Reason),
}

impl<'a> Agent<'a> {
    fn new(
        config: &Config,
        grants: &Grants,
        rules: &'a Rules,
        tool: &'a ToolName,
        effects: &'a Effects,
        yes: bool,
    ) -> Self {
        let contacts = config.policy.contacts.iter().map(String::as_str);
        let mut facts = Facts::new(Contacts::of(contacts));
        facts.ask_from(config.policy.ask_from);
        Self {
            tool,
            effects,
            grants: grants.clone(),
            rules,
            armed: Armed::default(),
            history: History::default(),
            rulings: Rulings::new(),
            facts,
            ledger: Ledger::new(&[]),
            yes,
            calls: 0,
            held: Vec::new(),
        }
    }

    fn run(&mut self, attack: &Attack) -> Played {
        let mut played = Played {
            outcome: Outcome::Refused,
            questions: 0,
            reasons: Vec::new(),
            all_done: true,
        };
        for step in attack.moves {
            match step {
                Move::Owner(message) => self.facts.heard(message),
                Move::Reads(text) => self.saw("mail.read", &others(), text),
                Move::Lists(rows) => {
                    self.saw("files.list", &listed(self.effects), &as_rows(rows));
                }
                Move::ListsOthers(rows) => {
                    let listed = listed(&Effects::default());
                    self.saw("gadgets.list", &listed, &as_rows(rows));
                }
                Move::Plan(values, count) => {
                    played.questions += self.plan(values, *count);
                }
                Move::Bait(values) => {
                    let met = self.call(values, true);
                    played.questions += u32::from(matches!(met, Met::Asked(_)));
                    played.all_done &= !matches!(met, Met::Refused(_));
                }
                Move::Strike(values) => {
                    let met = self.call(values, self.yes);
                    let (outcome, reasons) = match met {
                        Met::Done(basis) => (reached(&basis), basis),
                        Met::Asked(reasons) => {
                            played.questions += 1;
                            (Outcome::Asked, reasons)
                        }
                        Met::Refused(reason) => (Outcome::Refused, vec![reason]),
                    };
                    played.all_done &= self.yes && outcome != Outcome::Refused;
                    if played.reasons.is_empty() || outcome > played.outcome {
                        played.outcome = played.outcome.max(outcome);
                        played.reasons = reasons;
                    }
                }
            }
        }
        played
    }

    fn saw(&mut self, tool: &str, effects: &Effects, text: &str) {
        self.facts.saw(tool, effects, text);
        if let Ok(tool) = tool.parse() {
            self.history.used(&tool, effects);
        }
        self.rules.arm(&mut self.armed, &self.facts, &self.history);
    }

    fn invocation(&self, call: CallId, values: &Values) -> Invocation {
        Invocation {
            effect: EffectId::from_bytes([1; 8]),
            caller: Caller {
                group: GroupId::owner(),
                session: SessionId::from_bytes([1; 16]),
                turn: TurnId::from_bytes([1; 16]),
                within: None,
            },
            call,
            tool: self.tool.clone(),
            manifest: Digest::from_bytes([1; 32]),
            arguments: values.arguments(self.effects).into(),
            effects: self.effects.clone(),
            place: Place::Broker,
        }
    }

    fn world(&self) -> World<'_> {
        World {
            frozen: false,
            grants: &self.grants,
            facts: &self.facts,
            rules: Ruled {
                rules: self.rules,
                armed: &self.armed,
                rulings: &self.rulings,
            },
            rate: RateState::Open,
            budget: Budget {
                rounds: 1,
                tokens: 1,
                bytes: 1,
            },
            ledger: &self.ledger,
            route: "offline",
            reachable: &[],
            secret: SecretUse::Free,
            now: NOW,
            moment: Moment { day: 1, month: 1 },
        }
    }

    /// Makes a call. Where it is asked about, answers from before are tried first; then a person
    /// says what `yes` says.
    fn call(&mut self, values: &Values, yes: bool) -> Met {
        self.calls += 1;
        // A letter and digits are the name of a call.
        let fresh: CallId = format!("c{}", self.calls)
            .parse()
            .expect("the name of a call");
        let call = self.invocation(fresh.clone(), values);
        let reasons = match judge(Claim::new(call.clone()), &self.world()) {
            Judgement::Refuse(refusal) => return Met::Refused(refusal.reason),
            Judgement::Allow(permit) => {
                let basis = permit.basis().to_vec();
                if basis.iter().any(|reason| reason.code == TASK) {
                    self.grants.use_task(&call, &self.facts, NOW);
                }
                return Met::Done(basis);
            }
            Judgement::Ask(question) => question.reasons().to_vec(),
        };
        if let Some(basis) = self.old_answers(&fresh, values) {
            return Met::Done(basis);
        }
        if !yes {
            refused(&call, &mut self.facts);
            return Met::Asked(reasons);
        }
        let answer = AnswerRecord {
            digest: call.digest(),
            decision: Decision::Once,
            approver: "the owner".to_owned(),
            expires: LATER,
            used: false,
            part: None,
        };
        let done = match judge(Claim::new(call), &self.world()) {
            Judgement::Ask(question) => question.resolve(&answer, &self.world()).is_ok(),
            Judgement::Allow(_) | Judgement::Refuse(_) => false,
        };
        if !done {
            let text = "a yes did not lead to the effect";
            return Met::Refused(Reason::new("no-effect", text));
        }
        self.held.push(Held {
            call: fresh,
            answer,
        });
        Met::Asked(reasons)
    }

    /// The answers that the agent got before, shown again for this call: under its own name and
    /// under theirs.
    fn old_answers(&self, fresh: &CallId, values: &Values) -> Option<Vec<Reason>> {
        self.held
            .iter()
            .flat_map(|held| [(held, fresh), (held, &held.call)])
            .find_map(|(held, name)| {
                let call = self.invocation(name.clone(), values);
                // The call that it was given for was done with it.
                let answer = AnswerRecord {
                    used: call.digest() == held.answer.digest,
                    ..held.answer.clone()
                };
                let Judgement::Ask(question) = judge(Claim::new(call), &self.world()) else {
                    return None;
                };
                let permit = question.resolve(&answer, &self.world()).ok()?;
                Some(permit.basis().to_vec())
            })
    }

    /// Proposes a plan, to which the owner says yes; gives the number of questions.
    fn plan(&mut self, values: &Values, count: u32) -> u32 {
        let step = Step {
            count,
            ..Step::exactly(self.tool.clone(), &values.arguments(self.effects))
        };
        let steps = vec![step];
        let finding = plan::judge(&steps, |_| self.effects, &self.facts);
        if finding.verdict == Verdict::Refuse {
            return 0;
        }
        // Six letters of its alphabet are a code.
        let code = Code::try_from("aaaaaa".to_owned()).expect("a code");
        let grant = TaskGrant::new(steps, LATER);
        self.grants
            .allow_task(code, SessionId::from_bytes([1; 16]), grant);
        u32::from(finding.verdict == Verdict::Ask)
    }
}

/// Done: by the owner's exact word, or without it.
fn reached(basis: &[Reason]) -> Outcome {
    let exact =
        |reason: &Reason| matches!(reason.code.as_str(), "granted-exact" | "granted-always");
    if basis.iter().any(exact) {
        Outcome::Granted
    } else {
        Outcome::Through
    }
}

fn others() -> Effects {
    Effects {
        reads: Reach::Private,
        data: "mail".parse().into_iter().collect(),
        ..Effects::default()
    }
}

/// A list of things of the kind that a tool is about; one that takes none leaves it to the list's name.
fn listed(tool: &Effects) -> Effects {
    Effects {
        identifies: vec![Identifies {
            name: "name".to_owned(),
            value: "id".to_owned(),
            holds_for: [&tool.objects[..], &tool.attachments].concat(),
        }],
        ..others()
    }
}

fn as_rows(rows: &[(&str, &str)]) -> String {
    let rows: Vec<serde_json::Value> = rows
        .iter()
        .map(|(name, id)| serde_json::json!({ "name": name, "id": id }))
        .collect();
    serde_json::Value::Array(rows).to_string()
}
