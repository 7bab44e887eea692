//! One contract for every kind of provider: through the real supervisor, broker and worker, against
//! a model vendor that others wrote. A table of what holds is printed; every cell must hold.

mod faults;
mod faulty;
mod vendors;

use carapace_contract::control::{Ask, Tell, TurnEnd};
use carapace_harness::control::{Turn, no_question};
use carapace_harness::{Control, Peer, Tap, World};
use serde_json::{Value, json};
use std::fmt::Write as _;
use vendors::{VENDORS, Vendor};

/// The smallest PNG.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\nIDATx\x9cc\x00\x01\x00\x00\x05\x00\x01\r\n-\xb4\x00\x00\x00\x00IEND\xaeB`\x82";

/// What the vendor cuts.
const CUT: &str = "This answer is cut long before it has come to its end, as its vendor was told to do. What has \
    arrived by then is more than is held back to look for secrets in it, so that some of it is shown.";

type Outcome = Result<(), String>;
type Promise = fn(&mut Bench<'_>) -> Outcome;

/// In the order of the table. The first word of each is its message and its model's name.
const PROMISES: [(&str, Promise); 12] = [
    ("streams", streams),
    ("key arrives", key_arrives),
    ("usage is booked", usage_is_booked),
    ("egress is listed", egress_is_listed),
    ("one tool", one_tool),
    ("two tools at once", two_tools),
    ("image", image),
    ("401", refused_key),
    ("429", too_many),
    ("500", broken),
    ("malformed", malformed),
    ("cut", cut),
];

/// What is asked of one vendor.
struct Bench<'a> {
    vendor: &'a Vendor,
    tap: &'a Tap,
    control: &'a mut Control,
}

fn fixtures() -> Value {
    let usage = json!({ "prompt_tokens": 11, "completion_tokens": 7, "input_tokens": 11, "output_tokens": 7 });
    let says = |message: &str, text: &str| json!({ "match": { "userMessage": message }, "response": { "content": text, "usage": usage } });
    let call = |id: &str, path: &str| json!({ "id": id, "name": "read", "arguments": json!({ "path": path }).to_string() });
    let calls = |message: &str, calls: Vec<Value>| json!({ "match": { "userMessage": message, "hasToolResult": false }, "response": { "toolCalls": calls } });
    let after = |message: &str, text: &str| json!({ "match": { "userMessage": message, "hasToolResult": true }, "response": { "content": text } });
    let fails = |message: &str, status: u16, kind: &str| json!({ "match": { "userMessage": message }, "response": { "status": status, "error": { "message": "as the test wants it", "type": kind } } });
    json!({ "fixtures": [
        says("please stream", "This answer of the foreign vendor comes in several pieces."),
        calls("please one tool", vec![call("call_one", "one.txt")]),
        after("please one tool", "It was read."),
        calls("please two tools", vec![call("call_a", "one.txt"), call("call_b", "two.txt")]),
        after("please two tools", "Both were read."),
        says("please look", "That is a picture."),
        fails("please 401", 401, "authentication_error"),
        fails("please 429", 429, "rate_limit_error"),
        fails("please 500", 500, "api_error"),
        { "match": { "userMessage": "please malformed" }, "response": { "content": "never seen" }, "chaos": { "malformedRate": 1.0 } },
        { "match": { "userMessage": "please cut" }, "response": { "content": CUT }, "chunkSize": 10, "latency": 5, "truncateAfterChunks": 9 },
    ] })
}

#[test]
fn every_kind_of_provider_keeps_the_contract() {
    let known: Vec<_> = carapace_providers::kinds().map(|kind| kind.name).collect();
    for kind in &known {
        assert!(
            VENDORS.iter().any(|vendor| vendor.kind == *kind),
            "the contract is not run for {kind}"
        );
    }
    let peer = Peer::model_vendor(&fixtures(), &[]);
    let taps: Vec<Tap> = VENDORS
        .iter()
        .map(|_| Tap::before(peer.address()))
        .collect();
    let config: String = VENDORS
        .iter()
        .zip(&taps)
        .map(|(vendor, tap)| vendor.config(tap.address()))
        .collect();
    let world = World::with_models("offline", &config);
    world.start();
    world.put("one.txt", "the content of the first file");
    world.put("two.txt", "the content of the second file");
    // Each vendor has a connection of its own: where one waits before it tries again, others go on.
    let rows: Vec<Vec<Outcome>> = std::thread::scope(|scope| {
        let runs: Vec<_> = VENDORS
            .iter()
            .zip(&taps)
            .map(|(vendor, tap)| {
                let mut control = world.control();
                scope.spawn(move || keeps(vendor, tap, &mut control))
            })
            .collect();
        runs.into_iter()
            .map(|run| run.join().expect("a vendor's run"))
            .collect()
    });
    let mut table = format!("{:18}", "");
    for (promise, _) in PROMISES {
        let _ = write!(table, "{promise:18}");
    }
    let mut broken = Vec::new();
    for (vendor, outcomes) in VENDORS.iter().zip(rows) {
        let _ = write!(table, "\n{:18}", vendor.name);
        for ((promise, _), outcome) in PROMISES.iter().zip(outcomes) {
            let cell = if outcome.is_ok() { "holds" } else { "BROKEN" };
            let _ = write!(table, "{cell:18}");
            if let Err(why) = outcome {
                broken.push(format!("{} / {promise}: {why}", vendor.name));
            }
        }
    }
    println!("{table}");
    assert!(broken.is_empty(), "{}\n{table}", broken.join("\n"));
}

/// What one vendor keeps, in the order of the promises.
fn keeps(vendor: &Vendor, tap: &Tap, control: &mut Control) -> Vec<Outcome> {
    let told = control.get(&vendor.put());
    assert!(matches!(told, Tell::Stored { .. }), "{told:?}");
    let mut bench = Bench {
        vendor,
        tap,
        control,
    };
    PROMISES
        .iter()
        .map(|(_, check)| check(&mut bench))
        .collect()
}

impl Bench<'_> {
    /// The route of a promise: a model of its own, so that no failure rests the model of another.
    fn route(&self, promise: &str) -> String {
        format!("{}:model-{promise}", self.vendor.name)
    }

    fn chat(&mut self, promise: &str, message: &str) -> Turn {
        let route = self.route(promise);
        self.control
            .chat_over(&route, message, Vec::new(), no_question)
    }

    fn last_body(&self) -> String {
        self.tap
            .received()
            .pop()
            .map(|request| request.body)
            .unwrap_or_default()
    }

    /// A fault is told plainly after this many requests at most, and the broker is well after it.
    fn fails(&mut self, promise: &str, most: usize, words: &[&str]) -> Result<Turn, String> {
        let before = self.tap.received().len();
        let turn = self.chat(promise, &format!("please {promise}"));
        need(turn.end == TurnEnd::Failed, || {
            format!("it did not fail: {turn:?}")
        })?;
        let text = turn.text.to_lowercase();
        need(words.iter().any(|word| text.contains(word)), || {
            format!("none of {words:?} is in {:?}", turn.text)
        })?;
        let asked = self.tap.received().len() - before;
        need((1..=most).contains(&asked), || format!("{asked} requests"))?;
        println!(
            "{} {promise}: {}",
            self.vendor.name,
            turn.text.replace('\n', " | ")
        );
        let status = self.control.get(&Ask::Status {});
        need(matches!(status, Tell::Status { .. }), || {
            format!("{status:?}")
        })?;
        Ok(turn)
    }
}

fn need(holds: bool, why: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(why()) }
}

fn streams(bench: &mut Bench<'_>) -> Outcome {
    let turn = bench.chat("stream", "please stream");
    need(turn.end == TurnEnd::Answered, || format!("{turn:?}"))?;
    let whole = "This answer of the foreign vendor comes in several pieces.";
    need(turn.text == whole, || turn.text.clone())?;
    let pieces = turn.streamed();
    need(pieces.concat() == whole && pieces.len() > 1, || {
        format!("{pieces:?}")
    })
}

fn key_arrives(bench: &mut Bench<'_>) -> Outcome {
    let received = bench.tap.received();
    let request = received.last().ok_or("nothing was sent")?;
    bench.vendor.key_is_on(request)
}

fn usage_is_booked(bench: &mut Bench<'_>) -> Outcome {
    let Tell::Spent { rows, .. } = bench.control.get(&Ask::Usage {}) else {
        return Err("no usage".to_owned());
    };
    let route = bench.route("stream");
    let row = rows
        .iter()
        .find(|row| row.model == route)
        .ok_or_else(|| format!("{route} is not in {rows:?}"))?;
    let counted = (row.usage.input, row.usage.output) == (11, 7) || !bench.vendor.tells_usage;
    need(row.calls == 1 && counted, || format!("{row:?}"))
}

fn egress_is_listed(bench: &mut Bench<'_>) -> Outcome {
    let Tell::Sends { rows } = bench.control.get(&Ask::Egress { limit: 100 }) else {
        return Err("no list".to_owned());
    };
    let there = format!("http://{}", bench.tap.address());
    let row = rows
        .iter()
        .find(|row| row.origin == there)
        .ok_or_else(|| format!("{there} is not in {rows:?}"))?;
    let secret = row
        .secret
        .as_ref()
        .is_some_and(|name| name.as_str() == bench.vendor.name);
    let sizes = row.sent > 0 && row.received > 0;
    let whole = row.purpose == "model" && row.outcome == "200";
    need(secret && sizes && whole && row.session.is_some(), || {
        format!("{row:?}")
    })
}

fn one_tool(bench: &mut Bench<'_>) -> Outcome {
    let turn = bench.chat("one", "please one tool");
    need(turn.text == "It was read.", || format!("{turn:?}"))?;
    need(turn.outcomes() == ["done"], || format!("{turn:?}"))?;
    let body = bench.last_body();
    need(body.contains("the content of the first file"), || {
        body.clone()
    })
}

fn two_tools(bench: &mut Bench<'_>) -> Outcome {
    let turn = bench.chat("two", "please two tools");
    need(turn.text == "Both were read.", || format!("{turn:?}"))?;
    need(turn.outcomes() == ["done", "done"], || format!("{turn:?}"))?;
    let body = bench.last_body();
    need(
        body.contains("the content of the first file")
            && body.contains("the content of the second file"),
        || body.clone(),
    )
}

fn image(bench: &mut Bench<'_>) -> Outcome {
    let id = bench.control.attach("dot.png", PNG);
    let route = bench.route("image");
    let turn = bench
        .control
        .chat_over(&route, "please look", vec![id], no_question);
    need(turn.text == "That is a picture.", || format!("{turn:?}"))?;
    let body: Value =
        serde_json::from_str(&bench.last_body()).map_err(|error| error.to_string())?;
    bench.vendor.image_is_in(&body, PNG)
}

fn refused_key(bench: &mut Bench<'_>) -> Outcome {
    bench.fails("401", 1, &["carapace auth"]).map(drop)
}

fn too_many(bench: &mut Bench<'_>) -> Outcome {
    bench
        .fails("429", 3, &["allows no more requests now"])
        .map(drop)
}

fn broken(bench: &mut Bench<'_>) -> Outcome {
    bench.fails("500", 3, &["failed (500)"]).map(drop)
}

fn malformed(bench: &mut Bench<'_>) -> Outcome {
    bench
        .fails("malformed", 3, &["the model's answer cannot be read"])
        .map(drop)
}

fn cut(bench: &mut Bench<'_>) -> Outcome {
    let words = [
        "the connection ended before the answer did",
        "the model's answer stopped before its end",
    ];
    let turn = bench.fails("cut", 1, &words)?;
    // What was shown is not begun again.
    let shown = turn.streamed().concat();
    need(!shown.is_empty() && CUT.starts_with(&shown), || {
        format!("{shown:?}")
    })
}
