//! Answers as servers send them, in every split; and what is no answer.

use super::*;
use carapace_contract::config::{Provider, ProviderKind};
use carapace_contract::effects::Effects;
use carapace_contract::model::{Answer, Completion, Message, Role, Stop, ToolCall, Usage};
use carapace_contract::tool::{Place, Tool};
use proptest::prelude::*;
use serde_json::{Value, json};

fn decode(parts: &[&[u8]]) -> Result<(Answer, Vec<Piece>), DecodeError> {
    let mut decoder = Decoder::new();
    let mut pieces = Vec::new();
    for part in parts {
        pieces.extend(decoder.feed(part)?);
    }
    decoder.finish().map(|answer| (answer, pieces))
}

fn answer(text: &str) -> Result<Answer, DecodeError> {
    decode(&[text.as_bytes()]).map(|(answer, _)| answer)
}

fn event(delta: Value, finish: Option<&str>) -> String {
    format!(
        "data: {}\n\n",
        json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] })
    )
}

fn call(index: Option<u64>, id: Option<&str>, name: Option<&str>, arguments: Value) -> Value {
    let mut call = json!({ "type": "function", "function": { "arguments": arguments } });
    for (key, value) in [
        ("index", index.map(Value::from)),
        ("id", id.map(Value::from)),
    ] {
        if let Some(value) = value {
            call[key] = value;
        }
    }
    if let Some(name) = name {
        call["function"]["name"] = name.into();
    }
    json!({ "tool_calls": [call] })
}

fn stream() -> String {
    let mut text = String::from(": hello\r\n\r\nevent: message\r\n");
    text += &event(json!({ "role": "assistant", "content": "" }), None).replace('\n', "\r\n");
    text += &event(json!({ "reasoning_content": "hm" }), None);
    text += &event(json!({ "content": "Grüße, 世界 🦀" }), None);
    text += &event(
        call(Some(0), Some("a"), Some("read"), json!("{\"path\":")),
        None,
    );
    text += &event(call(Some(1), Some("b"), Some("list"), json!("")), None);
    text += &event(call(Some(0), None, None, json!("\"ä.txt\"}")), None);
    text += &event(json!({}), Some("tool_calls"));
    text += "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":9}}\n\ndata: [DONE]\n\n";
    text
}

fn expected() -> Answer {
    Answer {
        text: "Grüße, 世界 🦀".to_owned(),
        tool_calls: vec![
            ToolCall {
                id: "a".to_owned(),
                name: "read".to_owned(),
                arguments: json!({ "path": "ä.txt" }),
            },
            ToolCall {
                id: "b".to_owned(),
                name: "list".to_owned(),
                arguments: json!({}),
            },
        ],
        stop: Stop::ToolCalls,
        usage: Usage {
            input: 7,
            output: 9,
        },
    }
}

#[test]
fn parallel_calls_text_and_usage_come_out_of_a_stream() {
    let (got, pieces) = decode(&[stream().as_bytes()]).expect("a good stream");
    assert_eq!(got, expected());
    assert!(
        pieces.contains(&Piece::Reasoning("hm".to_owned())) && pieces.last() == Some(&Piece::Done)
    );
    assert!(pieces.contains(&Piece::CallStarted {
        index: 1,
        name: "list".to_owned()
    }));
}

#[test]
fn every_split_in_two_and_every_single_byte_give_the_same_answer() {
    let text = stream();
    let bytes = text.as_bytes();
    for at in 0..=bytes.len() {
        assert_eq!(
            decode(&[&bytes[..at], &bytes[at..]])
                .expect("a good stream")
                .0,
            expected(),
            "split at {at}"
        );
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(decode(&single).expect("a good stream").0, expected());
}

proptest! {
    #[test]
    fn any_split_gives_the_same_answer(sizes in prop::collection::vec(1usize..40, 1..100)) {
        let text = stream();
        let (mut rest, mut parts) = (text.as_bytes(), Vec::new());
        for size in sizes.into_iter().cycle() {
            if rest.is_empty() { break; }
            let (part, after) = rest.split_at(size.min(rest.len()));
            parts.push(part);
            rest = after;
        }
        prop_assert_eq!(decode(&parts).expect("a good stream").0, expected());
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&[&bytes]);
    }

    #[test]
    fn a_damaged_stream_never_panics(at in 0usize..900, byte in any::<u8>(), cut in 0usize..900) {
        let mut bytes = stream().into_bytes();
        let length = bytes.len();
        bytes[at % length] = byte;
        let _ = decode(&[&bytes[..cut % length]]);
        let _ = decode(&[&bytes]);
    }
}

#[test]
fn what_servers_do_differently() {
    let done = "data: [DONE]\n\n";
    let rows = [
        // no id and no index, whole arguments at once, one event per call
        event(call(None, None, Some("x"), json!("{\"a\":1}")), None)
            + &event(call(None, None, Some("x"), json!("{\"a\":2}")), None),
        // arguments as an object
        event(call(Some(0), None, Some("x"), json!({"a": 1})), None)
            + &event(call(Some(1), None, Some("x"), json!({"a": 2})), None),
        // every call numbered 0
        event(
            call(Some(0), Some("p"), Some("x"), json!("{\"a\":1}")),
            None,
        ) + &event(
            call(Some(0), Some("q"), Some("x"), json!("{\"a\":2}")),
            None,
        ),
    ];
    for events in rows {
        let got = answer(&format!("{events}{done}")).expect("a good stream");
        let arguments: Vec<_> = got
            .tool_calls
            .iter()
            .map(|call| call.arguments["a"].clone())
            .collect();
        assert_eq!(arguments, [json!(1), json!(2)], "{events}");
        assert_ne!(got.tool_calls[0].id, got.tool_calls[1].id);
        assert!(got.tool_calls.iter().all(|call| !call.id.is_empty()));
        assert_eq!(got.stop, Stop::ToolCalls);
    }
}

#[test]
fn an_answer_in_one_piece_is_read_too() {
    let body = json!({ "choices": [{ "message": { "role": "assistant", "content": "hi" }, "finish_reason": "length" }],
                       "usage": { "prompt_tokens": 1, "completion_tokens": 2 } });
    let got = answer(&format!("\n {body}\n")).expect("a good body");
    assert_eq!(
        (got.text.as_str(), got.stop, got.usage.output),
        ("hi", Stop::Length, 2)
    );
    assert_eq!(answer(&body.to_string()[..20]), Err(DecodeError::Cut));
}

#[test]
fn the_reason_for_stopping() {
    for (reason, stop) in [
        ("stop", Stop::End),
        ("length", Stop::Length),
        ("content_filter", Stop::Refused),
        ("eos", Stop::End),
    ] {
        assert_eq!(
            answer(&event(json!({ "content": "x" }), Some(reason))).map(|answer| answer.stop),
            Ok(stop),
            "{reason}"
        );
    }
}

#[test]
fn an_unfinished_stream_is_cut_and_never_an_answer() {
    assert_eq!(
        answer(&event(json!({ "content": "half" }), None)),
        Err(DecodeError::Cut)
    );
    assert_eq!(answer(""), Err(DecodeError::Cut));
    let open = event(
        call(Some(0), Some("a"), Some("x"), json!("{\"a\":")),
        Some("tool_calls"),
    );
    assert!(matches!(answer(&open), Err(DecodeError::Malformed(_))));
}

#[test]
fn limits_hold() {
    let too_large = |result: Result<Answer, DecodeError>, what: &str| match result {
        Err(DecodeError::TooLarge { what: got, .. }) => assert_eq!(got, what),
        other => panic!("{what}: {:?}", other.map(|answer| answer.text.len())),
    };
    too_large(answer(&format!("data: {}", "x".repeat(MAX_LINE))), "a line");
    let chunk = event(json!({ "content": "x".repeat(1_000_000) }), None);
    too_large(answer(&chunk.repeat(5)), "text");
    let thinking = event(json!({ "reasoning_content": "x".repeat(1_000_000) }), None);
    too_large(answer(&thinking.repeat(5)), "text");
    let calls: String = (0..=64)
        .map(|n| event(call(Some(n), None, Some("x"), json!("{}")), None))
        .collect();
    too_large(answer(&calls), "tool calls");
    let long = event(
        call(Some(0), None, Some("x"), json!("x".repeat(200_000))),
        None,
    );
    too_large(answer(&long.repeat(2)), "a call's arguments");
}

#[test]
fn an_error_stays_an_error() {
    let mut decoder = Decoder::new();
    let first = decoder.feed(b"<html>\n").expect_err("not a stream");
    assert_eq!(
        decoder.feed(event(json!({ "content": "x" }), Some("stop")).as_bytes()),
        Err(first.clone())
    );
    assert_eq!(decoder.finish(), Err(first));
}

#[test]
fn troubles_have_their_types() {
    let body = |message: &str, code: &str| {
        json!({ "error": { "message": message, "code": code } }).to_string()
    };
    let kind = |status, body: &str| refusal(status, Some("17"), body.as_bytes());
    assert!(matches!(
        kind(401, &body("no", "invalid_api_key")),
        Trouble::Auth { .. }
    ));
    assert!(matches!(
        kind(429, "slow down"),
        Trouble::Quota {
            retry_after: Some(17),
            ..
        }
    ));
    assert!(matches!(
        kind(503, ""),
        Trouble::Overloaded {
            status: 503,
            retry_after: Some(17),
            ..
        }
    ));
    assert!(matches!(
        kind(400, &body("This model's maximum context length is 8", "")),
        Trouble::ContextTooLong { .. }
    ));
    assert!(matches!(
        kind(404, &body("model not found", "")),
        Trouble::ModelNotFound { .. }
    ));
    assert!(matches!(
        kind(400, &body("no", "content_policy_violation")),
        Trouble::Refused { .. }
    ));
    assert!(matches!(
        kind(418, "\u{1b}[2Jteapot"),
        Trouble::Malformed { status: 418, .. }
    ));
    assert!(!kind(418, "\u{1b}[2Jteapot").to_string().contains('\u{1b}'));
    let within = "data: {\"error\":{\"message\":\"busy\",\"type\":\"server_error\"}}\n\n";
    match answer(within) {
        Err(DecodeError::Trouble(trouble)) => assert!(trouble.retryable()),
        other => panic!("{other:?}"),
    }
}

fn provider(base: &str) -> Provider {
    Provider {
        kind: ProviderKind::OpenaiCompatible,
        base_url: base.to_owned(),
        first_byte_ms: 1,
        deadline_ms: 2,
    }
}

#[test]
fn a_request_follows_the_published_schema() {
    let endpoint =
        Endpoint::new(&provider("http://localhost:11434/v1/"), "m").expect("a good endpoint");
    let calls = vec![ToolCall {
        id: "a".to_owned(),
        name: "read".to_owned(),
        arguments: json!({ "path": "x" }),
    }];
    let messages = vec![
        Message::text(Role::User, "hi"),
        Message {
            tool_calls: calls,
            ..Message::text(Role::Assistant, "")
        },
        Message {
            tool_call_id: Some("a".to_owned()),
            ..Message::text(Role::Tool, "text")
        },
    ];
    let tool = Tool {
        name: "read".parse().expect("a tool name"),
        description: "Reads.".to_owned(),
        schema: json!({ "type": "object" }),
        effects: Effects::worst_case(),
        place: Place::Hands,
    };
    let completion = Completion {
        messages,
        tools: vec![tool.name.clone()],
        max_tokens: Some(5),
    };
    let outbound = request(&endpoint, &completion, &[tool]).expect("a good request");
    assert_eq!(
        outbound.url, "http://127.0.0.1:11434/v1/chat/completions",
        "the literal address, never a name"
    );
    let body: Value = serde_json::from_slice(&outbound.body).expect("JSON");
    assert_eq!(
        (
            &body["stream"],
            &body["stream_options"]["include_usage"],
            &body["max_tokens"]
        ),
        (&json!(true), &json!(true), &json!(5))
    );
    assert_eq!(
        body["messages"][1]["tool_calls"][0]["function"],
        json!({ "name": "read", "arguments": "{\"path\":\"x\"}" })
    );
    assert_eq!(
        body["messages"][2],
        json!({ "role": "tool", "tool_call_id": "a", "content": "text" })
    );
    assert_eq!(
        body["tools"][0]["function"]["parameters"],
        json!({ "type": "object" })
    );
}

#[test]
fn what_cannot_be_asked_is_an_error() {
    for base in [
        "http://10.0.0.1/v1",
        "https://127.0.0.1/v1",
        "http://127.0.0.1/../x",
    ] {
        assert!(
            matches!(
                Endpoint::new(&provider(base), "m"),
                Err(RequestError::Address(_))
            ),
            "{base}"
        );
    }
    let endpoint = Endpoint::new(&provider("http://[::1]:80"), "m").expect("a good endpoint");
    assert_eq!(
        request(
            &endpoint,
            &Completion {
                messages: vec![],
                tools: vec![],
                max_tokens: None
            },
            &[]
        ),
        Err(RequestError::Empty)
    );
    let orphan = Completion {
        messages: vec![Message::text(Role::Tool, "x")],
        tools: vec![],
        max_tokens: None,
    };
    assert_eq!(
        request(&endpoint, &orphan, &[]),
        Err(RequestError::Unanswered(0))
    );
}
