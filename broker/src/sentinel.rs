//! The models that the broker asks on its own account: whether a rule that is not compiled restricts a
//! call, what conditions say the same as a rule, whether words of others give orders. What they say only
//! tightens: a model that is dead, slow or bribed leaves everything as it is without it.
//!
//! Each request is judged, paid for, recorded and sent like one of the assistant's.

use crate::answer::{self, Ask, Asked};
use crate::broker::{Broker, Live, now, now_ms};
use crate::route;
use crate::turn::Turn;
use carapace_contract::config::{JUDGE_OFF, JUDGE_SESSION, OFFLINE};
use carapace_contract::id::{CallId, Digest, EffectId, SessionId, WorkerId};
use carapace_contract::model::{Answer, Completion, Message, Role};
use carapace_contract::tool::Invocation;
use carapace_contract::verdict::Verdict;
use carapace_policy::rules::{
    Mode, Operation, Prompt, Rule, RuleId, Ruling, Rulings, When, compile_prompt, compiled,
    sentinel_prompt, sentinel_verdict,
};
use carapace_policy::{Budget, Facts};
use carapace_providers::Blobs;
use futures_util::future::join_all;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Rules that are judged by a model for one call; about the others a person is asked.
const RULES: usize = 8;
/// Rulings that are kept.
const KEPT: usize = 1024;
/// Tokens of a ruling and of conditions, with room for a model that thinks aloud.
const RULING: u32 = 1024;
const CONDITIONS: u32 = 4096;
/// Tokens and bytes of one request, at most.
const TOKENS: u64 = 64 * 1024;
const BYTES: u64 = 1024 * 1024;

/// What the sentinel said before, by everything that it depends on.
#[derive(Default)]
pub(crate) struct Sentinel(RefCell<HashMap<Digest, Ruling>>);

/// Asks the sentinel about the rules that nothing else can judge for this call. A rule without a ruling is
/// one that a person is asked about.
pub(crate) async fn rulings(asked: &Asked, call: &Invocation) -> Rulings {
    if !asked.broker.rules.needs_a_judge() {
        return Rulings::new();
    }
    let open = open_rules(asked, call);
    if open.is_empty() || asked.broker.frozen.get() || asked.turn.is_aside() {
        return Rulings::new();
    }
    let asking = open
        .into_iter()
        .take(RULES)
        .map(async |(rule, key, prompt)| {
            let ruling = ruling(asked, key, prompt).await?;
            Some((rule, key, ruling))
        });
    let answers = join_all(asking).await;
    // What was delivered meanwhile it does not know.
    let still: HashSet<Digest> = open_rules(asked, call).iter().map(|open| open.1).collect();
    let blocks = |rule: &RuleId| {
        let rule = asked.broker.rules.rule(rule);
        rule.is_some_and(|rule| rule.mode == Mode::Block)
    };
    let mut rulings = Rulings::new();
    for (rule, key, ruling) in answers.into_iter().flatten() {
        let allows = ruling.verdict == Verdict::Allow;
        if !allows {
            asked.turn.applied(rule.clone(), call.tool.clone());
        }
        // A model that is asked again until it lets a call pass is not believed.
        let insists = blocks(&rule) || asked.live.facts.borrow().has_refused();
        let again = allows && insists && asked.turn.was_applied(&rule, &call.tool);
        if still.contains(&key) && !again {
            rulings.insert(rule, ruling);
        }
    }
    rulings
}

type Open = (RuleId, Digest, Prompt);

fn open_rules(asked: &Asked, call: &Invocation) -> Vec<Open> {
    let rules = &asked.broker.rules;
    let route = route_of(asked).unwrap_or_default();
    let state = asked.live.rules.borrow();
    let facts = asked.live.facts.borrow();
    let operation = Operation {
        tool: &call.tool,
        effects: &call.effects,
        arguments: &call.arguments,
        facts: &facts,
    };
    // A rule that wants a yes has it where a person granted this very call.
    let grants = asked.broker.grants.borrow();
    let approved = grants.is_approved(call, &facts, now());
    let judged = rules.judge_with(&state.armed, &operation, &Rulings::new(), approved);
    if judged.verdict == Verdict::Refuse {
        // Nothing that a model says lifts that.
        return Vec::new();
    }
    let version = rules.version();
    judged
        .uncompiled
        .iter()
        .filter_map(|id| rules.rule(id))
        .map(|rule| {
            let prompt = sentinel_prompt(&operation, rule);
            let key = format!(
                "{version} {route} {} {} {}",
                asked.broker.config.digest(),
                call.shape(),
                prompt.user
            );
            (rule.id.clone(), Digest::of(key.as_bytes()), prompt)
        })
        .collect()
}

async fn ruling(asked: &Asked, key: Digest, prompt: Prompt) -> Option<Ruling> {
    let kept = &asked.broker.sentinel.0;
    if let Some(ruling) = kept.borrow().get(&key) {
        return Some(ruling.clone());
    }
    // Each is paid for: a flood of calls that are refused is one of questions to a model.
    asked.live.bucket.borrow_mut().take(now_ms()).ok()?;
    let seconds = asked.broker.config.policy.judge_seconds;
    let answer = match route_of(asked) {
        Some(route) => ask(asked, &route, prompt, RULING, seconds).await,
        None => return None,
    };
    let ruling = answer.and_then(|(text, _)| {
        sentinel_verdict(&text).map_err(|error| crate::card::visible(&error.to_string()))
    });
    match ruling {
        Ok(ruling) => {
            let mut kept = kept.borrow_mut();
            if kept.len() >= KEPT {
                kept.clear();
            }
            kept.insert(key, ruling.clone());
            Some(ruling)
        }
        Err(why) => {
            crate::clean::log!("the sentinel gave no ruling, a person is asked: {why}");
            None
        }
    }
}

/// The route of the model that judges; `None` where there is none.
pub(crate) fn route_of(asked: &Asked) -> Option<String> {
    let route = match asked.broker.config.policy.judge_route.as_str() {
        JUDGE_SESSION => asked.turn.route(),
        JUDGE_OFF => return None,
        route => route.to_owned(),
    };
    (route != OFFLINE).then_some(route)
}

/// Asks a model for conditions that say the same as a rule: JSON, in words, and which model says so.
///
/// # Errors
/// In words: no model, none that answered, or an answer that is no conditions.
pub(crate) async fn compile(
    broker: &Rc<Broker>,
    rule: &Rule,
    route: Option<String>,
) -> Result<(When, String), String> {
    let config = &broker.config;
    let route = route.unwrap_or_else(|| match config.policy.judge_route.as_str() {
        JUDGE_SESSION => config.model.route.clone(),
        route => route.to_owned(),
    });
    if route == JUDGE_OFF || route == OFFLINE {
        return Err(
            "there is no model that could compile it\n  remedy: name one with --route, or write the conditions with --when".to_owned(),
        );
    }
    let limits = Budget {
        rounds: 8,
        tokens: TOKENS,
        bytes: BYTES,
    };
    let session = SessionId::random();
    let asked = Asked {
        broker: Rc::clone(broker),
        live: Rc::new(Live::aside(broker, Facts::default())),
        turn: Rc::new(Turn::alone(session, route.clone(), limits)),
        session,
        within: None,
        call: name(),
        reply: None,
        worker: WorkerId {
            number: 0,
            generation: 0,
        },
    };
    let seconds = config.policy.judge_seconds.max(60);
    let (text, model) = ask(&asked, &route, compile_prompt(rule), CONDITIONS, seconds).await?;
    let when = compiled(&text).map_err(|error| crate::card::visible(&error.to_string()))?;
    let mut accepted = rule.clone();
    accepted.accept(when.clone()).map_err(|(field, cause)| {
        format!("the conditions of {model} cannot be used: {field}: {cause}")
    })?;
    Ok((when, model))
}

/// One answer of a model of the route to one question, and which model gave it.
pub(crate) async fn ask(
    asked: &Asked,
    route: &str,
    prompt: Prompt,
    tokens: u32,
    seconds: u64,
) -> Result<(String, String), String> {
    let broker = &asked.broker;
    let candidates = route::candidates(&broker.config, route).map_err(|error| error.to_string())?;
    let completion = Completion {
        messages: vec![
            Message::text(Role::System, prompt.system),
            Message::text(Role::User, prompt.user),
        ],
        tools: Vec::new(),
        max_tokens: Some(tokens),
    };
    let bytes = serde_json::to_vec(&completion).map_or(BYTES, |text| text.len() as u64);
    let left = asked.turn.budget();
    let limits = Budget {
        rounds: candidates.len().min(left.rounds as usize) as u32,
        tokens: TOKENS.min(left.tokens),
        bytes: BYTES.min(left.bytes),
    };
    let most = limits.tokens.min(bytes + u64::from(tokens) * 2);
    asked.turn.set_aside(most);
    let turn = Rc::new(Turn::judging(&asked.turn, route.to_owned(), limits));
    let own = Asked {
        turn: Rc::clone(&turn),
        within: Some(asked.call.clone()),
        reply: None,
        ..asked.clone()
    };
    let blobs = Blobs::new();
    let work = async {
        let mut last = "no model of the route may be asked now".to_owned();
        for candidate in &candidates {
            let model = candidate.name.to_string();
            if broker.breakers.admit(&model, Instant::now()).is_err() {
                continue;
            }
            let ask = Ask {
                completion: &completion,
                blobs: &blobs,
                bytes,
            };
            match answer::attempt(&own, candidate, &ask, &name()).await {
                Ok(value) => {
                    broker.breakers.worked(&model);
                    let answer: Answer =
                        serde_json::from_value(value).map_err(|error| error.to_string())?;
                    return Ok((answer.text, model));
                }
                Err(failed) => {
                    match failed.health {
                        Some(wait) => broker.breakers.failed(&model, wait, Instant::now()),
                        None => broker.breakers.neither(&model),
                    }
                    last = format!("{model}: {}", failed.word.message);
                }
            }
        }
        Err(last)
    };
    tokio::pin!(work);
    let mut stopped = asked.turn.cancelled();
    let outcome = tokio::select! {
        outcome = &mut work => outcome,
        _ = tokio::time::sleep(Duration::from_secs(seconds)) => {
            turn.cancel();
            let _ = work.await;
            Err(format!("it did not answer within {seconds} s"))
        }
        _ = stopped.wait_for(|stopped| *stopped) => {
            turn.cancel();
            let _ = work.await;
            Err("the turn was cancelled".to_owned())
        }
    };
    // What it used is the turn's.
    asked.turn.give_back(most.saturating_sub(turn.used()));
    asked.turn.add_usage(turn.usage());
    outcome
}

/// A name for a request of the broker's own.
fn name() -> CallId {
    EffectId::random()
        .to_string()
        .parse()
        .expect("the name of an effect is one of a call")
}
