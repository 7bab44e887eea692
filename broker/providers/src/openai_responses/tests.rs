//! Answers as the vendor sends them, in every split; requests as it wants them; and what is no answer.

use super::*;
use crate::codec::Piece;
use bytes::Bytes;
use carapace_contract::config::Provider;
use carapace_contract::effects::Effects;
use carapace_contract::id::Digest;
use carapace_contract::model::{
    Answer, Attachment, MediaType, Message, Role, Stop, Thinking, ToolCall, Usage,
};
use carapace_contract::tool::Place;
use proptest::prelude::*;
use serde_json::{Value, json};

const STREAM: &str = include_str!("samples/parallel-calls.txt");
const ONE_PIECE: &str = include_str!("samples/one-piece.json");
/// As `@copilotkit/aimock` 1.43.0 serves it.
const FOREIGN: &str = include_str!("samples/aimock.txt");

fn decode(parts: &[&[u8]]) -> Result<(Answer, Vec<Piece>), DecodeError> {
    let mut decoder = Responses.decoder();
    let mut pieces = Vec::new();
    for part in parts {
        pieces.extend(decoder.feed(part)?);
    }
    decoder.finish().map(|answer| (answer, pieces))
}

fn answer(text: &str) -> Result<Answer, DecodeError> {
    decode(&[text.as_bytes()]).map(|(answer, _)| answer)
}

fn event(kind: &str, mut fields: Value) -> String {
    fields["type"] = kind.into();
    format!("event: {kind}\ndata: {fields}\n\n")
}

fn end(status: &str, rest: Value) -> String {
    let mut response = json!({ "object": "response", "status": status, "output": [] });
    for (key, value) in rest.as_object().expect("an object") {
        response[key] = value.clone();
    }
    event(
        &format!("response.{status}"),
        json!({ "response": response }),
    )
}

fn call(id: &str, name: &str, arguments: Value) -> ToolCall {
    ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments,
        signature: None,
    }
}

fn thought() -> Thinking {
    Thinking {
        maker: "openai-responses".to_owned(),
        text: "First \n\nsecond".to_owned(),
        signature: Some("gAAAA==".to_owned()),
        id: Some("rs_1".to_owned()),
        hidden: false,
    }
}

fn expected() -> Answer {
    Answer {
        text: "Grüße, 世界 🦀".to_owned(),
        tool_calls: vec![
            call("call_a", "memory.read", json!({ "key": "ä" })),
            call("call_b", "list", json!({})),
        ],
        thinking: vec![thought()],
        stop: Stop::ToolCalls,
        usage: Usage {
            input: 100,
            output: 40,
            cache_read: 64,
            cache_write: 0,
        },
    }
}

#[test]
fn text_thought_parallel_calls_and_usage_come_out_of_a_stream() {
    let (got, pieces) = decode(&[STREAM.as_bytes()]).expect("a good stream");
    assert_eq!(got, expected());
    assert_eq!(
        pieces,
        [
            Piece::Reasoning("First ".to_owned()),
            Piece::Reasoning("\n\n".to_owned()),
            Piece::Reasoning("second".to_owned()),
            Piece::Text("Grüße, ".to_owned()),
            Piece::Text("世界 🦀".to_owned()),
            Piece::CallStarted {
                index: 0,
                name: "memory.read".to_owned()
            },
            Piece::CallStarted {
                index: 1,
                name: "list".to_owned()
            },
            Piece::Done,
        ]
    );
}

#[test]
fn an_answer_in_one_piece_is_the_same_answer() {
    assert_eq!(answer(ONE_PIECE), Ok(expected()));
    assert_eq!(answer(&ONE_PIECE[..60]), Err(DecodeError::Cut));
    let error = json!({ "error": { "message": "busy", "type": "server_error" } });
    assert!(matches!(
        answer(&error.to_string()),
        Err(DecodeError::Trouble(Trouble::Overloaded { .. }))
    ));
    assert!(matches!(answer("{}"), Err(DecodeError::Malformed(_))));
}

#[test]
fn a_server_that_says_everything_only_at_the_end_is_understood() {
    let whole: Value = serde_json::from_str(ONE_PIECE).expect("JSON");
    let last = event("response.completed", json!({ "response": whole }));
    assert_eq!(answer(&last), Ok(expected()));
}

#[test]
fn items_that_come_without_deltas_are_taken_as_a_whole() {
    let without: String = STREAM
        .split_inclusive("\n\n")
        .filter(|event| !event.contains(".delta\"") && !event.contains("part.added\""))
        .collect();
    assert_eq!(answer(&without), Ok(expected()));
}

#[test]
fn the_foreign_fake_is_understood() {
    let got = answer(FOREIGN).expect("a good stream");
    assert_eq!(got.text, "Looking.");
    let names: Vec<&str> = got
        .tool_calls
        .iter()
        .map(|call| call.name.as_str())
        .collect();
    assert_eq!(names, ["memory.read", "list"]);
    assert_eq!(got.tool_calls[0].arguments, json!({ "key": "a" }));
    assert!(
        got.thinking.is_empty(),
        "a thought without its encrypted form cannot be given back"
    );
}

#[test]
fn every_split_in_two_and_every_single_byte_give_the_same_answer() {
    let bytes = STREAM.as_bytes();
    for at in (0..=bytes.len()).step_by(7) {
        assert_eq!(
            decode(&[&bytes[..at], &bytes[at..]]).map(|(answer, _)| answer),
            Ok(expected()),
            "split at {at}"
        );
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(decode(&single).map(|(answer, _)| answer), Ok(expected()));
}

proptest! {
    #[test]
    fn any_split_gives_the_same_answer(sizes in prop::collection::vec(1usize..200, 1..100)) {
        let (mut rest, mut parts) = (STREAM.as_bytes(), Vec::new());
        for size in sizes.into_iter().cycle() {
            if rest.is_empty() { break; }
            let (part, after) = rest.split_at(size.min(rest.len()));
            parts.push(part);
            rest = after;
        }
        prop_assert_eq!(decode(&parts).map(|(answer, _)| answer), Ok(expected()));
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&[&bytes]);
    }

    #[test]
    fn events_in_any_order_never_panic(picks in prop::collection::vec(0usize..60, 0..60)) {
        let events: Vec<&str> = STREAM.split_inclusive("\n\n").collect();
        let text: String = picks.into_iter().map(|pick| events[pick % events.len()]).collect();
        let _ = answer(&text);
    }

    #[test]
    fn a_damaged_stream_never_panics(at in 0usize..9000, byte in any::<u8>(), cut in 0usize..9000) {
        let mut bytes = STREAM.as_bytes().to_vec();
        let length = bytes.len();
        bytes[at % length] = byte;
        let _ = decode(&[&bytes[..cut % length]]);
        let _ = decode(&[&bytes]);
    }
}

#[test]
fn the_reason_for_stopping() {
    let text = event(
        "response.output_text.delta",
        json!({ "output_index": 0, "delta": "x" }),
    );
    let because = |reason: &str| json!({ "incomplete_details": { "reason": reason } });
    for (last, stop) in [
        (end("completed", json!({})), Stop::End),
        (
            end("incomplete", because("max_output_tokens")),
            Stop::Length,
        ),
        (end("incomplete", because("content_filter")), Stop::Refused),
    ] {
        let got = answer(&format!("{text}{last}")).expect("a good stream");
        assert_eq!((got.text.as_str(), got.stop), ("x", stop), "{last}");
    }
    let refusal = event(
        "response.refusal.delta",
        json!({ "output_index": 0, "delta": "No." }),
    );
    let got = answer(&(refusal + &end("completed", json!({})))).expect("a good stream");
    assert_eq!((got.text.as_str(), got.stop), ("No.", Stop::Refused));
}

#[test]
fn a_call_that_the_token_limit_cut_is_no_call() {
    let item = json!({ "type": "function_call", "call_id": "a", "name": "list", "arguments": "" });
    let begun = event(
        "response.output_item.added",
        json!({ "output_index": 0, "item": item }),
    ) + &event(
        "response.function_call_arguments.delta",
        json!({ "output_index": 0, "delta": "{\"pa" }),
    );
    let got = answer(&(begun.clone() + &end("incomplete", json!({})))).expect("a good stream");
    assert_eq!((got.tool_calls.len(), got.stop), (0, Stop::Length));
    assert!(matches!(
        answer(&(begun + &end("completed", json!({})))),
        Err(DecodeError::Malformed(_))
    ));
}

#[test]
fn an_unfinished_stream_is_cut_and_never_an_answer() {
    let events: Vec<&str> = STREAM.split_inclusive("\n\n").collect();
    for most in 0..events.len() {
        assert_eq!(
            answer(&events[..most].concat()),
            Err(DecodeError::Cut),
            "{most}"
        );
    }
}

#[test]
fn an_error_within_a_stream_has_its_type_and_stays() {
    let trouble = |text: &str| match answer(text) {
        Err(DecodeError::Trouble(trouble)) => trouble,
        other => panic!("{text}: {other:?}"),
    };
    let failed = |code: &str| {
        end(
            "failed",
            json!({ "error": { "code": code, "message": "it said so" } }),
        )
    };
    assert!(matches!(
        trouble(&failed("server_error")),
        Trouble::Overloaded { .. }
    ));
    assert!(matches!(
        trouble(&failed("rate_limit_exceeded")),
        Trouble::Quota { .. }
    ));
    assert!(matches!(
        trouble(&failed("invalid_prompt")),
        Trouble::Refused { .. }
    ));
    assert!(matches!(
        trouble(&failed("invalid_image")),
        Trouble::Malformed { .. }
    ));
    let plain = event(
        "error",
        json!({ "code": "context_length_exceeded", "message": "long" }),
    );
    assert!(matches!(trouble(&plain), Trouble::ContextTooLong { .. }));
    let nested = event(
        "error",
        json!({ "error": { "type": "server_error", "message": "busy" } }),
    );
    assert!(matches!(trouble(&nested), Trouble::Overloaded { .. }));
    let mut decoder = Responses.decoder();
    let first = decoder.feed(nested.as_bytes()).expect_err("an error");
    assert_eq!(decoder.feed(STREAM.as_bytes()), Err(first.clone()));
    assert_eq!(decoder.finish(), Err(first));
}

#[test]
fn troubles_have_their_types() {
    let body = |message: &str, code: &str| {
        json!({ "error": { "message": message, "code": code } }).to_string()
    };
    let kind = |status, body: &str| Responses.refusal(status, Some("17"), body.as_bytes());
    assert!(matches!(
        kind(401, &body("no", "invalid_api_key")),
        Trouble::Auth { .. }
    ));
    assert!(matches!(
        kind(429, &body("quota", "insufficient_quota")),
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
        kind(400, &body("too long", "context_length_exceeded")),
        Trouble::ContextTooLong { .. }
    ));
    assert!(matches!(
        kind(404, &body("no", "model_not_found")),
        Trouble::ModelNotFound { .. }
    ));
    assert!(matches!(
        kind(400, &body("flagged", "invalid_prompt")),
        Trouble::Refused { .. }
    ));
    assert!(matches!(
        kind(400, &body("odd", "")),
        Trouble::Malformed { status: 400, .. }
    ));
}

#[test]
fn limits_hold() {
    let too_large = |text: &str, what: &str| match answer(text) {
        Err(DecodeError::TooLarge { what: got, .. }) => assert_eq!(got, what),
        other => panic!("{what}: {:?}", other.map(|answer| answer.text.len())),
    };
    let delta = |kind: &str, delta: &str| event(kind, json!({ "output_index": 0, "delta": delta }));
    let million = "x".repeat(1_000_000);
    too_large(
        &delta("response.output_text.delta", &million).repeat(5),
        "text",
    );
    too_large(
        &delta("response.reasoning_text.delta", &million).repeat(5),
        "thinking",
    );
    let added = |at: usize, kind: &str| {
        event(
            "response.output_item.added",
            json!({ "output_index": at, "item": { "type": kind, "name": "x" } }),
        )
    };
    let many = |kind: &str| (0..300).map(|at| added(at, kind)).collect::<String>();
    too_large(&many("function_call"), "tool calls");
    too_large(&many("web_search_call"), "output items");
    let messages: String = (0..300)
        .map(|at| {
            event(
                "response.output_text.delta",
                json!({ "output_index": at, "delta": "" }),
            )
        })
        .collect();
    too_large(&messages, "output items");
    let long = delta(
        "response.function_call_arguments.delta",
        &"x".repeat(200_000),
    );
    too_large(
        &(added(0, "function_call") + &long.repeat(2)),
        "a call's arguments",
    );
    too_large(
        &format!("{{\"output\":[{}0]}}", "0,".repeat(300_000)),
        "values in a body",
    );
}

#[test]
fn an_item_is_announced_once_and_arguments_have_a_call() {
    let item = json!({ "output_index": 0, "item": { "type": "message" } });
    let twice = event("response.output_item.added", item).repeat(2);
    assert!(matches!(answer(&twice), Err(DecodeError::Malformed(_))));
    let orphan = event(
        "response.function_call_arguments.delta",
        json!({ "output_index": 7, "delta": "{" }),
    );
    assert!(matches!(answer(&orphan), Err(DecodeError::Malformed(_))));
    assert!(matches!(
        answer("data: {\"choices\":[]}\n\n"),
        Err(DecodeError::Malformed(_))
    ));
}

fn endpoint(thinking_tokens: Option<u32>) -> Endpoint {
    let provider = Provider {
        withhold: Vec::new(),
        kind: "openai-responses".parse().expect("a kind"),
        base_url: None,
        secret: None,
        auth: None,
        region: None,
        thinking_tokens,
        oauth: None,
        first_byte_ms: 1,
        deadline_ms: 2,
    };
    Endpoint::new("openai", &provider, &USUAL, "gpt").expect("a good endpoint")
}

fn tool() -> Tool {
    Tool {
        name: "memory.read".parse().expect("a tool name"),
        description: "Reads.".to_owned(),
        schema: json!({ "type": "object" }),
        effects: Effects::worst_case(),
        place: Place::Broker,
    }
}

fn body(
    messages: Vec<Message>,
    thinking: Option<u32>,
    blobs: &Blobs,
) -> Result<Value, RequestError> {
    let completion = Completion {
        messages,
        tools: vec![tool().name],
        max_tokens: Some(1_000),
    };
    let outbound = Responses.request(&endpoint(thinking), &completion, &[tool()], blobs)?;
    assert_eq!(outbound.url, "https://api.openai.com:443/v1/responses");
    assert_eq!(
        outbound
            .attach
            .as_ref()
            .map(|attach| attach.secret().as_str()),
        Some("openai")
    );
    Ok(serde_json::from_slice(&outbound.body).expect("JSON"))
}

#[test]
fn a_request_follows_the_published_schema_and_a_thought_goes_back_to_its_maker() {
    let foreign = Thinking {
        maker: "anthropic".to_owned(),
        ..thought()
    };
    let messages = vec![
        Message::text(Role::System, "Be brief."),
        Message::text(Role::User, "hi"),
        Message {
            tool_calls: vec![call("call_a", "memory.read", json!({ "key": "x" }))],
            thinking: vec![thought(), foreign],
            ..Message::text(Role::Assistant, "Looking.")
        },
        Message {
            tool_call_id: Some("call_a".to_owned()),
            ..Message::text(Role::Tool, "text")
        },
    ];
    assert_eq!(
        body(messages, Some(4_000), &Blobs::new()).expect("a good request"),
        json!({
            "model": "gpt",
            "stream": true,
            "store": false,
            "max_output_tokens": 5_000,
            "reasoning": { "effort": "medium" },
            "include": ["reasoning.encrypted_content"],
            "tools": [{
                "type": "function",
                "name": "memory__read",
                "description": "Reads.",
                "parameters": { "type": "object" },
                "strict": false,
            }],
            "input": [
                { "type": "message", "role": "system", "content": [{ "type": "input_text", "text": "Be brief." }] },
                { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "hi" }] },
                {
                    "type": "reasoning",
                    "id": "rs_1",
                    "summary": [{ "type": "summary_text", "text": "First \n\nsecond" }],
                    "encrypted_content": "gAAAA==",
                },
                { "type": "message", "role": "assistant", "content": "Looking." },
                { "type": "function_call", "call_id": "call_a", "name": "memory__read", "arguments": "{\"key\":\"x\"}" },
                { "type": "function_call_output", "call_id": "call_a", "output": "text" },
            ],
        })
    );
}

#[test]
fn without_thinking_nothing_is_said_of_it() {
    for budget in [None, Some(0)] {
        let got = body(vec![Message::text(Role::User, "hi")], budget, &Blobs::new())
            .expect("a good request");
        assert_eq!(got["max_output_tokens"], json!(1_000));
        assert!(
            got.get("reasoning").is_none() && got.get("include").is_none(),
            "{got}"
        );
    }
}

fn attach(
    media_type: MediaType,
    name: &str,
    bytes: &'static [u8],
    blobs: &mut Blobs,
) -> Attachment {
    let id = Digest::of(bytes);
    blobs.insert(id, Bytes::from_static(bytes));
    Attachment {
        id,
        media_type,
        name: name.to_owned(),
        bytes: bytes.len() as u64,
    }
}

#[test]
fn pictures_and_documents_go_in_by_their_bytes() {
    let mut blobs = Blobs::new();
    let attachments = vec![
        attach(MediaType::Png, "a.png", b"\x89PNG\r\n\x1a\n", &mut blobs),
        attach(MediaType::Pdf, "b.pdf", b"%PDF-1.7", &mut blobs),
        attach(MediaType::Text, "c\n.txt", b"hello", &mut blobs),
    ];
    let message = Message {
        attachments,
        ..Message::text(Role::User, "What is this?")
    };
    let got = body(vec![message.clone()], None, &blobs).expect("a good request");
    assert_eq!(
        got["input"][0]["content"],
        json!([
            { "type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,iVBORw0KGgo=" },
            { "type": "input_file", "filename": "b.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjc=" },
            { "type": "input_text", "text": "Document \"c\\n.txt\":\n\nhello" },
            { "type": "input_text", "text": "What is this?" },
        ])
    );
    assert!(matches!(
        body(vec![message], None, &Blobs::new()),
        Err(RequestError::Blob(_))
    ));
}

#[test]
fn what_cannot_be_asked_is_an_error() {
    assert_eq!(body(vec![], None, &Blobs::new()), Err(RequestError::Empty));
    let orphan = vec![Message::text(Role::Tool, "x")];
    assert_eq!(
        body(orphan, None, &Blobs::new()),
        Err(RequestError::Unanswered(0))
    );
}

#[test]
fn ids_and_names_of_other_vendors_are_made_to_fit() {
    let id = "functions.read:0";
    let messages = vec![
        Message::text(Role::User, "hi"),
        Message {
            tool_calls: vec![call(id, "no such tool!", json!("not an object"))],
            ..Message::text(Role::Assistant, "")
        },
        Message {
            tool_call_id: Some(id.to_owned()),
            ..Message::text(Role::Tool, "text")
        },
    ];
    let got = body(messages, None, &Blobs::new()).expect("a good request");
    let (asked, answered) = (&got["input"][1], &got["input"][2]);
    assert_eq!(asked["call_id"], answered["call_id"]);
    let id = asked["call_id"].as_str().expect("text");
    assert!(
        id.len() <= 64
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    );
    assert_eq!(
        (&asked["name"], &asked["arguments"]),
        (&json!("no_such_tool_"), &json!("{}"))
    );
}

#[test]
fn models_are_listed_by_name() {
    let outbound = Responses.list_models(&endpoint(None)).expect("a list");
    assert_eq!(outbound.url, "https://api.openai.com:443/v1/models");
    let list = json!({ "object": "list", "data": [{ "id": "a" }, { "id": "b\u{1b}[2J" }, {}] });
    assert_eq!(
        Responses.read_models(list.to_string().as_bytes()),
        Ok(vec!["a".to_owned()])
    );
    assert!(Responses.read_models(b"[]").is_err());
}
