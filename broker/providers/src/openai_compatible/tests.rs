//! Answers as servers send them, in every split; and what is no answer.

use super::trouble::refusal;
use super::*;
use crate::codec::Piece;
use crate::codec::sse::MAX_EVENT;
use bytes::Bytes;
use carapace_contract::config::Provider;
use carapace_contract::effects::Effects;
use carapace_contract::id::Digest;
use carapace_contract::model::{
    Answer, Attachment, Completion, MediaType, Message, Role, Stop, Thinking, ToolCall, Usage,
};
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
    text += "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":9,\"prompt_tokens_details\":{\"cached_tokens\":4,\"cache_write_tokens\":1}}}\n\ndata: [DONE]\n\n";
    text
}

fn thought() -> Thinking {
    Thinking {
        maker: "openai-compatible".to_owned(),
        text: "hm".to_owned(),
        signature: None,
        id: Some("reasoning_content".to_owned()),
        hidden: false,
    }
}

fn expected() -> Answer {
    Answer {
        text: "Grüße, 世界 🦀".to_owned(),
        tool_calls: vec![
            ToolCall {
                id: "a".to_owned(),
                name: "read".to_owned(),
                arguments: json!({ "path": "ä.txt" }),
                signature: None,
            },
            ToolCall {
                id: "b".to_owned(),
                name: "list".to_owned(),
                arguments: json!({}),
                signature: None,
            },
        ],
        thinking: vec![thought()],
        stop: Stop::ToolCalls,
        usage: Usage {
            input: 7,
            output: 9,
            cache_read: 4,
            cache_write: 1,
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
    too_large(
        answer(&format!("data: {}", "x".repeat(MAX_EVENT))),
        "a line",
    );
    let chunk = event(json!({ "content": "x".repeat(1_000_000) }), None);
    too_large(answer(&chunk.repeat(5)), "text");
    let thinking = event(json!({ "reasoning_content": "x".repeat(1_000_000) }), None);
    too_large(answer(&thinking.repeat(5)), "thinking");
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

fn endpoint(base: &str) -> Result<Endpoint, RequestError> {
    let provider = Provider {
        withhold: Vec::new(),
        kind: "openai-compatible".parse().expect("a kind"),
        base_url: Some(base.to_owned()),
        secret: None,
        auth: None,
        region: None,
        thinking_tokens: None,
        oauth: None,
        first_byte_ms: 1,
        deadline_ms: 2,
    };
    Endpoint::new("here", &provider, &USUAL, "m")
}

#[test]
fn a_request_follows_the_published_schema() {
    let endpoint = endpoint("http://localhost:11434/v1/").expect("a good endpoint");
    let calls = vec![ToolCall {
        id: "a".to_owned(),
        name: "read".to_owned(),
        arguments: json!({ "path": "x" }),
        signature: None,
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
    let outbound = Compatible
        .request(&endpoint, &completion, &[tool], &Blobs::new())
        .expect("a good request");
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
        "http://u:p@127.0.0.1/v1",
        "http://127.0.0.1/v1?x=1",
    ] {
        assert!(
            matches!(endpoint(base), Err(RequestError::Address(_))),
            "{base}"
        );
    }
    let endpoint = endpoint("http://[::1]:80").expect("a good endpoint");
    assert_eq!(
        Compatible.request(
            &endpoint,
            &Completion {
                messages: vec![],
                tools: vec![],
                max_tokens: None
            },
            &[],
            &Blobs::new()
        ),
        Err(RequestError::Empty)
    );
    let orphan = Completion {
        messages: vec![Message::text(Role::Tool, "x")],
        tools: vec![],
        max_tokens: None,
    };
    assert_eq!(
        Compatible.request(&endpoint, &orphan, &[], &Blobs::new()),
        Err(RequestError::Unanswered(0))
    );
}

const DEEPSEEK_USAGE: &str = r#"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":1,"prompt_cache_hit_tokens":8}}"#;
/// As `@copilotkit/aimock` 1.43.0 serves it.
const FOREIGN: &str = include_str!("samples/aimock.txt");

#[test]
fn the_foreign_fake_is_understood() {
    let got = answer(FOREIGN).expect("a good stream");
    assert_eq!((got.text.as_str(), got.stop), ("Looking.", Stop::ToolCalls));
    let names: Vec<&str> = got
        .tool_calls
        .iter()
        .map(|call| call.name.as_str())
        .collect();
    assert_eq!(names, ["memory.read", "list"]);
    assert_eq!((got.usage.input, got.usage.output), (1, 10));
}

#[test]
fn cached_tokens_are_counted_by_either_name_and_never_beyond_what_was_read() {
    assert_eq!(
        answer(DEEPSEEK_USAGE).map(|answer| answer.usage.cache_read),
        Ok(8)
    );
    let lie = json!({ "choices": [{ "message": { "content": "x" }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 3, "prompt_tokens_details": { "cached_tokens": 9, "cache_write_tokens": 9 } } });
    let usage = answer(&lie.to_string()).expect("a good body").usage;
    assert_eq!(
        (usage.input, usage.cache_read, usage.cache_write),
        (3, 3, 0)
    );
}

#[test]
fn a_refusal_is_a_reason_for_stopping() {
    let got = answer(&event(json!({ "refusal": "No." }), Some("stop"))).expect("a good stream");
    assert_eq!((got.text.as_str(), got.stop), ("No.", Stop::Refused));
}

#[test]
fn a_thought_is_kept_only_beside_calls_and_never_at_openai() {
    let alone = event(json!({ "reasoning": "hm", "content": "x" }), Some("stop"));
    assert_eq!(answer(&alone).map(|answer| answer.thinking), Ok(Vec::new()));
    let mut decoder = AtOpenai.decoder();
    let pieces = decoder.feed(stream().as_bytes()).expect("a good stream");
    assert!(pieces.contains(&Piece::Reasoning("hm".to_owned())));
    assert_eq!(
        decoder.finish().map(|answer| answer.thinking),
        Ok(Vec::new())
    );
}

#[test]
fn a_call_that_the_token_limit_cut_is_no_call() {
    let half = call(Some(1), Some("b"), Some("x"), json!("{\"a\":"));
    let text = event(call(Some(0), Some("a"), Some("x"), json!("{}")), None)
        + &event(half, Some("length"));
    let got = answer(&text).expect("a good stream");
    assert_eq!((got.tool_calls.len(), got.stop), (1, Stop::Length));
}

#[test]
fn an_event_of_many_lines_is_one_event() {
    let text = "data: {\"choices\":\ndata: [{\"delta\":{\"content\":\"x\"},\ndata: \"finish_reason\":\"stop\"}]}\n\n";
    assert_eq!(answer(text).map(|answer| answer.text), Ok("x".to_owned()));
    let without_blank_lines = stream().replace("\n\n", "\n");
    assert_eq!(answer(&without_blank_lines), Ok(expected()));
}

#[test]
fn a_body_of_endless_values_is_not_read_into_memory() {
    let body = format!("{{\"choices\":[{}0]}}", "0,".repeat(300_000));
    assert!(matches!(
        answer(&body),
        Err(DecodeError::TooLarge {
            what: "values in a body",
            ..
        })
    ));
    let text = json!({ "choices": [{ "message": { "content": "a,\"[:".repeat(300_000) }, "finish_reason": "stop" }] });
    assert!(answer(&text.to_string()).is_ok(), "text is not counted");
}

#[test]
fn a_rate_limit_that_speaks_of_tokens_is_no_context_too_long() {
    let body = json!({ "error": { "message": "Too many tokens, please wait" } }).to_string();
    assert!(refusal(429, None, body.as_bytes()).retryable());
    assert!(matches!(
        refusal(400, None, body.as_bytes()),
        Trouble::ContextTooLong { .. }
    ));
    let policy = json!({ "error": { "code": "invalid_prompt", "message": "flagged" } });
    assert!(matches!(
        refusal(400, None, policy.to_string().as_bytes()),
        Trouble::Refused { .. }
    ));
}

fn at_openai(thinking_tokens: Option<u32>) -> Endpoint {
    let provider = Provider {
        withhold: Vec::new(),
        kind: "openai".parse().expect("a kind"),
        base_url: None,
        secret: None,
        auth: None,
        region: None,
        thinking_tokens,
        oauth: None,
        first_byte_ms: 1,
        deadline_ms: 2,
    };
    Endpoint::new("openai", &provider, &AT_OPENAI, "m").expect("a good endpoint")
}

fn body(
    codec: &dyn Codec,
    endpoint: &Endpoint,
    messages: Vec<Message>,
    blobs: &Blobs,
) -> Result<Value, RequestError> {
    let completion = Completion {
        messages,
        tools: vec![],
        max_tokens: Some(5),
    };
    let outbound = codec.request(endpoint, &completion, &[], blobs)?;
    Ok(serde_json::from_slice(&outbound.body).expect("JSON"))
}

fn round() -> Vec<Message> {
    let foreign = Thinking {
        id: Some("tools".to_owned()),
        ..thought()
    };
    vec![
        Message::text(Role::User, "hi"),
        Message::text(Role::System, "Be brief."),
        Message {
            tool_calls: vec![ToolCall {
                id: "functions.read:0".to_owned(),
                name: "memory.read".to_owned(),
                arguments: json!({}),
                signature: None,
            }],
            thinking: vec![foreign, thought()],
            ..Message::text(Role::Assistant, "")
        },
        Message {
            tool_call_id: Some("functions.read:0".to_owned()),
            ..Message::text(Role::Tool, "text")
        },
    ]
}

#[test]
fn openai_is_asked_in_its_own_words() {
    let got =
        body(&AtOpenai, &at_openai(Some(20_000)), round(), &Blobs::new()).expect("a good request");
    let id = got["messages"][2]["tool_calls"][0]["id"].clone();
    assert!(
        id.as_str()
            .is_some_and(|id| id.len() <= 40 && id.starts_with("call_"))
    );
    assert_eq!(
        got,
        json!({
            "model": "m",
            "stream": true,
            "stream_options": { "include_usage": true },
            "store": false,
            "max_completion_tokens": 20_005,
            "reasoning_effort": "high",
            "messages": [
                { "role": "user", "content": "hi" },
                { "role": "system", "content": "Be brief." },
                {
                    "role": "assistant",
                    "content": null,
                    "tool_calls": [{
                        "id": id,
                        "type": "function",
                        "function": { "name": "memory__read", "arguments": "{}" },
                    }],
                },
                { "role": "tool", "tool_call_id": id, "content": "text" },
            ],
        })
    );
}

#[test]
fn other_servers_get_instructions_first_their_own_ids_and_their_thought_under_its_own_name() {
    let endpoint = endpoint("http://127.0.0.1:1/v1").expect("a good endpoint");
    let got = body(&Compatible, &endpoint, round(), &Blobs::new()).expect("a good request");
    assert_eq!(
        got,
        json!({
            "model": "m",
            "stream": true,
            "stream_options": { "include_usage": true },
            "max_tokens": 5,
            "messages": [
                { "role": "system", "content": "Be brief." },
                { "role": "user", "content": "hi" },
                {
                    "role": "assistant",
                    "content": null,
                    "reasoning_content": "hm",
                    "tool_calls": [{
                        "id": "functions.read:0",
                        "type": "function",
                        "function": { "name": "memory__read", "arguments": "{}" },
                    }],
                },
                { "role": "tool", "tool_call_id": "functions.read:0", "content": "text" },
            ],
        })
    );
    let mut later = round();
    later.push(Message::text(Role::User, "and now?"));
    let got = body(&Compatible, &endpoint, later, &Blobs::new()).expect("a good request");
    assert!(
        !got.to_string().contains("reasoning_content"),
        "a thought ends with its turn"
    );
}

fn attach(media_type: MediaType, bytes: &'static [u8], blobs: &mut Blobs) -> Attachment {
    let id = Digest::of(bytes);
    blobs.insert(id, Bytes::from_static(bytes));
    Attachment {
        id,
        media_type,
        name: "a".to_owned(),
        bytes: bytes.len() as u64,
    }
}

#[test]
fn pictures_and_documents_go_in_by_their_bytes() {
    let mut blobs = Blobs::new();
    let attachments = vec![
        attach(MediaType::Gif, b"GIF89a", &mut blobs),
        attach(MediaType::Pdf, b"%PDF-1.7", &mut blobs),
        attach(MediaType::Text, b"hello", &mut blobs),
    ];
    let message = Message {
        attachments,
        ..Message::text(Role::User, "What is this?")
    };
    let got = body(&AtOpenai, &at_openai(None), vec![message], &blobs).expect("a good request");
    assert_eq!(
        got["messages"][0]["content"],
        json!([
            { "type": "image_url", "image_url": { "url": "data:image/gif;base64,R0lGODlh" } },
            { "type": "file", "file": { "filename": "a", "file_data": "data:application/pdf;base64,JVBERi0xLjc=" } },
            { "type": "text", "text": "Document \"a\":\n\nhello" },
            { "type": "text", "text": "What is this?" },
        ])
    );
}

#[test]
fn an_attachment_that_lies_is_unknown_or_is_sent_too_often_is_an_error() {
    let mut blobs = Blobs::new();
    let good = attach(MediaType::Png, b"\x89PNG\r\n\x1a\n", &mut blobs);
    let lie = Attachment {
        media_type: MediaType::Text,
        ..good.clone()
    };
    let unknown = Attachment {
        id: Digest::of(b"?"),
        ..good.clone()
    };
    let large = {
        let mut bytes = b"%PDF-".to_vec();
        bytes.resize(5 * 1024 * 1024, b' ');
        let id = Digest::of(&bytes);
        blobs.insert(id, bytes.into());
        Attachment {
            id,
            media_type: MediaType::Pdf,
            ..good.clone()
        }
    };
    let ask = |role, attachments: Vec<Attachment>, times: usize| {
        let message = Message {
            attachments,
            ..Message::text(role, "x")
        };
        body(&AtOpenai, &at_openai(None), vec![message; times], &blobs).map(|_| ())
    };
    assert_eq!(ask(Role::User, vec![good.clone()], 100), Ok(()));
    assert_eq!(
        ask(Role::User, vec![unknown.clone()], 1),
        Err(RequestError::Blob(unknown.id))
    );
    for (role, attachments, times) in [
        (Role::User, vec![lie], 1),
        (Role::Assistant, vec![good.clone()], 1),
        (Role::User, vec![good; 9], 1),
        (Role::User, vec![large], 7),
    ] {
        assert!(matches!(
            ask(role, attachments, times),
            Err(RequestError::Media(_))
        ));
    }
}

#[test]
fn models_are_listed_by_name() {
    let outbound = AtOpenai.list_models(&at_openai(None)).expect("a list");
    assert_eq!(outbound.url, "https://api.openai.com:443/v1/models");
    let list = json!({ "data": [{ "id": "b" }, { "id": "a" }] }).to_string();
    assert_eq!(
        Compatible.read_models(list.as_bytes()),
        Ok(vec!["b".to_owned(), "a".to_owned()])
    );
    assert!(Compatible.read_models(b"{}").is_err());
}
