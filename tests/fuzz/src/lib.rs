//! Every decoder of carapace that reads what somebody else wrote, as a function of bytes.
//!
//! Each checks more than that nothing panics: what was read comes back the same, limits hold, and
//! how the bytes were cut into pieces makes no difference. The fuzzer runs them
//! (`make fuzz TARGET=…`), and `replay.rs` runs them over the corpus and seeded variants of it with
//! every `make test`. To add one: a function, a line in [`TARGETS`], a file in `fuzz_targets/`, a
//! folder in `corpus/`.

mod model_streams;
mod network;
mod oauth;
mod policy;
mod secrets;

pub use model_streams::{
    anthropic_stream, bedrock_stream, gemini_stream, ollama_stream, openai_responses_stream,
    openai_stream,
};
pub use network::{resolve_frames, url_guard};
pub use oauth::oauth_answer;
pub use policy::{
    endorses, judge_answer, owner_message, plan_json, replay_lines, replayed, rows, rules_yaml,
};
pub use secrets::{paste_patterns, scrub_stream, vault_file};

use carapace_contract::config::{self, Config, OFFLINE};
use carapace_contract::control::Ask;
use carapace_contract::id::ToolName;
use carapace_ipc_proto::launch::{self, Notice, Order};
use carapace_ipc_proto::words::{Down, Request, Word};
use carapace_ipc_proto::zmtp::{self, Breach};
use carapace_ipc_proto::{json, limits};
use carapace_jail::config::CageConfig;
use carapace_jail::{Layer, report};
use carapace_providers::offline::{self, DoneCall, MAX_PARTS, Outcome};
use carapace_store::audit::{self, Head};
use serde_json::Value;

/// One decoder.
pub type Target = fn(&[u8]);

/// Every target, by the name of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("zmtp_decoder", zmtp_decoder),
    ("request_claim", request_claim),
    ("down_word", down_word),
    ("json_limits", json_limits),
    ("launch_frames", launch_frames),
    ("config_toml", config_toml),
    ("cage_toml", cage_toml),
    ("control_ask", control_ask),
    ("openai_stream", openai_stream),
    ("openai_responses_stream", openai_responses_stream),
    ("anthropic_stream", anthropic_stream),
    ("gemini_stream", gemini_stream),
    ("ollama_stream", ollama_stream),
    ("bedrock_stream", bedrock_stream),
    ("offline_grammar", offline_grammar),
    ("audit_verify", audit_verify),
    ("boot_report", boot_report),
    ("vault_file", vault_file),
    ("scrub_stream", scrub_stream),
    ("paste_patterns", paste_patterns),
    ("url_guard", url_guard),
    ("resolve_frames", resolve_frames),
    ("replay_lines", replay_lines),
    ("owner_message", owner_message),
    ("rows", rows),
    ("plan_json", plan_json),
    ("rules_yaml", rules_yaml),
    ("judge_answer", judge_answer),
    ("oauth_answer", oauth_answer),
];

/// The channel's frames. The first byte says how the rest is cut; it is read as it is, and again
/// behind a good handshake.
pub fn zmtp_decoder(data: &[u8]) {
    let Some((&cut, stream)) = data.split_first() else {
        return;
    };
    let greeted = [&zmtp::HELLO, stream].concat();
    for stream in [stream, &greeted] {
        let whole = frames(stream, usize::MAX);
        assert_eq!(
            whole,
            frames(stream, usize::from(cut).max(1)),
            "the cut made a difference"
        );
    }
}

fn frames(mut stream: &[u8], piece: usize) -> (Vec<Vec<u8>>, Option<Breach>) {
    const LIMIT: usize = 4096;
    let mut decoder = zmtp::Decoder::new(LIMIT);
    let mut frames = Vec::new();
    loop {
        loop {
            match decoder.next_frame() {
                Ok(None) => break,
                Ok(Some(frame)) => {
                    assert!(frame.len() <= LIMIT, "a frame over its limit");
                    frames.push(frame.to_vec());
                }
                Err(breach) => return (frames, Some(breach)),
            }
        }
        if stream.is_empty() {
            return (frames, None);
        }
        let room = decoder.room();
        let count = room.len().min(piece).min(stream.len());
        assert!(count > 0, "there is always room");
        room[..count].copy_from_slice(&stream[..count]);
        decoder.filled(count);
        stream = &stream[count..];
        assert!(decoder.held() <= 16 * LIMIT, "more room than a frame needs");
    }
}

/// What a confined process says.
pub fn request_claim(data: &[u8]) {
    let Ok(claim) = Request::decode_claim(data) else {
        return;
    };
    let request = claim.into_alleged();
    assert!(request.topic.len() <= limits::TOPIC && request.arguments.len() <= limits::ARGUMENTS);
    assert!(
        request.correlation.len() <= limits::CORRELATION
            && request.within.len() <= limits::CORRELATION
    );
    let frames = request.clone().frames();
    assert_eq!(frames.len(), 1);
    let again = Request::decode_claim(&frames[0]).expect("what was read can be said");
    assert_eq!(again.into_alleged(), request);
}

/// What the broker says.
pub fn down_word(data: &[u8]) {
    let Ok(word) = Down::read(data) else {
        return;
    };
    let long = match &word {
        Word::Turn(part) => part.json.len() > limits::ARGUMENTS || part.more,
        Word::Result(reply) => reply.json.len() > limits::ARGUMENTS || reply.more,
        _ => false,
    };
    if !long {
        let frames = word.clone().frames();
        assert_eq!(
            Down::read(&frames[0]).expect("what was read can be said"),
            word
        );
    }
}

/// The limits that are checked before JSON is parsed.
pub fn json_limits(data: &[u8]) {
    const LONGEST: usize = 64;
    if json::check(data, LONGEST).is_ok()
        && let Ok(value) = serde_json::from_slice::<Value>(data)
    {
        assert!(
            depth(&value) <= limits::JSON_DEPTH,
            "too deep, and it passed"
        );
        assert!(
            longest(&value) <= LONGEST,
            "a string too long, and it passed"
        );
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(all) => 1 + all.iter().map(depth).max().unwrap_or(0),
        Value::Object(all) => 1 + all.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn longest(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(all) => all.iter().map(longest).max().unwrap_or(0),
        Value::Object(all) => all
            .iter()
            .map(|(name, value)| name.len().max(longest(value)))
            .max()
            .unwrap_or(0),
        _ => 0,
    }
}

/// The link between broker and supervisor: one meaning has one form.
pub fn launch_frames(data: &[u8]) {
    let mut exact = [0; launch::FRAME];
    let count = data.len().min(launch::FRAME);
    exact[..count].copy_from_slice(&data[..count]);
    for frame in [data, &exact] {
        if let Some(order) = Order::decode(frame) {
            assert_eq!(order.encode(), frame);
        }
        if let Some(notice) = Notice::decode(frame) {
            assert_eq!(notice.encode(), frame);
        }
    }
}

/// The owner's configuration.
pub fn config_toml(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(config) = Config::parse(&text) else {
        return;
    };
    for route in config.routes.keys().chain([&config.model.route]) {
        let models = config.candidates(route).expect("a route leads somewhere");
        assert!(models.len() == 1 || config.routes.contains_key(route) || route == OFFLINE);
    }
    for provider in config.providers.values() {
        let Some(base) = &provider.base_url else {
            continue;
        };
        assert!(
            base.starts_with("https://") || local(base),
            "plain http to another machine"
        );
    }
    assert_eq!(
        config.digest(),
        Config::parse(&text).expect("the same text").digest()
    );
}

fn local(base: &str) -> bool {
    config::loopback_origin(base).is_ok_and(|(address, _)| address.is_loopback())
}

/// What confines: waivers and mounts.
pub fn cage_toml(data: &[u8]) {
    let Ok(config) = CageConfig::parse(&String::from_utf8_lossy(data)) else {
        return;
    };
    assert!(
        !(config.waives(Layer::Landlock) && config.waives(Layer::Namespaces)),
        "too much is waived"
    );
    let again = CageConfig::parse(&config.to_toml()).expect("what was read can be written");
    assert_eq!(again, config);
}

/// What a person's program asks.
pub fn control_ask(data: &[u8]) {
    let Ok(ask) = serde_json::from_slice::<Ask>(data) else {
        return;
    };
    let text = serde_json::to_vec(&ask).expect("an ask serialises");
    assert_eq!(
        serde_json::from_slice::<Ask>(&text).expect("what was read can be said"),
        ask
    );
}

/// A person's words without a model: the same answer every time, only tools that there are, and an
/// end.
pub fn offline_grammar(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let names = [
        "list",
        "read",
        "search",
        "write",
        "edit",
        "exec",
        "current_time",
        "math_eval",
    ];
    let tools: Vec<ToolName> = names
        .iter()
        .map(|name| name.parse().expect("a tool's name"))
        .collect();
    let mut done: Vec<DoneCall> = Vec::new();
    loop {
        let answer = offline::respond(&text, &done, &tools);
        assert_eq!(answer, offline::respond(&text, &done, &tools));
        assert!(answer.tool_calls.len() <= 1, "one after the other");
        let Some(call) = answer.tool_calls.into_iter().next() else {
            return;
        };
        assert!(
            names.contains(&call.name.as_str()) && call.arguments.is_object(),
            "{call:?}"
        );
        let without: Vec<ToolName> = tools
            .iter()
            .filter(|name| name.as_str() != call.name)
            .cloned()
            .collect();
        if done.is_empty() {
            assert!(
                offline::respond(&text, &[], &without).tool_calls.is_empty(),
                "a tool that is missing"
            );
        }
        done.push(DoneCall {
            name: call.name,
            arguments: call.arguments,
            outcome: Outcome::Ok("ok".to_owned()),
        });
        assert!(done.len() <= MAX_PARTS, "it does not end");
    }
}

/// The audit log, verified with a key that the fuzzer does not use: it accepts the records of the
/// one log that was written with this key, in their order, and no other.
pub fn audit_verify(data: &[u8]) {
    const KEY: [u8; 32] = [7; 32];
    const WRITTEN: &[u8] = include_bytes!("../corpus/audit_verify/intact");
    let report = audit::verify(data, &KEY, None).expect("bytes can be read");
    assert_eq!(report.intact, report.problem.is_none());
    let records = usize::try_from(report.records).expect("few records");
    let held: usize = data
        .split_inclusive(|&byte| byte == b'\n')
        .take(records)
        .map(<[u8]>::len)
        .sum();
    assert!(
        WRITTEN.starts_with(&data[..held]),
        "a forged record was accepted"
    );
    assert!(
        !report.intact || held == data.len(),
        "bytes behind the last record were overlooked"
    );
    let anchor = Head {
        count: report.records + 1,
        hash: report.head,
    };
    let cut = audit::verify(data, &KEY, Some(anchor)).expect("bytes can be read");
    assert!(!cut.intact, "a log that ends before its anchor");
}

/// The one line that a booting process writes.
pub fn boot_report(data: &[u8]) {
    let shown = match report::parse(data) {
        Some(report::Line::Failed { layer, message }) => layer + &message,
        Some(report::Line::Malformed(text)) => text,
        Some(report::Line::Ready) => return assert_eq!(data, b"READY\n"),
        None => return,
    };
    assert!(
        !shown.contains(char::is_control),
        "what is shown could move a cursor"
    );
}
