//! Transcripts after the vendor's published schema, in every split; requests as they are sent; and what
//! is no answer.

use super::*;
use crate::codec::Piece;
use crate::outbound::Attach;
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

const SAMPLE: &str = include_str!("samples/thinking-and-two-calls.txt");

fn decode(parts: &[&[u8]]) -> Result<(Answer, Vec<Piece>), DecodeError> {
    let mut decoder = Messages.decoder();
    let mut pieces = Vec::new();
    for part in parts {
        pieces.extend(decoder.feed(part)?);
    }
    decoder.finish().map(|answer| (answer, pieces))
}

fn answer(text: &str) -> Result<Answer, DecodeError> {
    decode(&[text.as_bytes()]).map(|(answer, _)| answer)
}

fn thought() -> Thinking {
    Thinking {
        maker: "anthropic".to_owned(),
        text: "Two cities, two calls.".to_owned(),
        signature: Some("EqQBCgIYAhIM1gbcDa9GJwZA2b3h".to_owned()),
        id: None,
        hidden: false,
    }
}

fn hidden() -> Thinking {
    Thinking {
        text: String::new(),
        signature: Some("EmwKAhgBEgy3va3pzix".to_owned()),
        hidden: true,
        ..thought()
    }
}

fn call(id: &str, name: &str, arguments: Value) -> ToolCall {
    ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments,
        signature: None,
    }
}

fn expected() -> Answer {
    Answer {
        text: "Grüße, 世界 🦀".to_owned(),
        tool_calls: vec![
            call("toolu_01A", "memory.write", json!({ "city": "München" })),
            call("toolu_01B", "list", json!({})),
        ],
        thinking: vec![thought(), hidden()],
        stop: Stop::ToolCalls,
        usage: Usage {
            input: 2125,
            output: 89,
            cache_read: 2000,
            cache_write: 100,
        },
    }
}

#[test]
fn thoughts_text_parallel_calls_and_cached_tokens_come_out_of_a_stream() {
    let (got, pieces) = decode(&[SAMPLE.as_bytes()]).expect("a good stream");
    assert_eq!(got, expected());
    let started = |index, name: &str| Piece::CallStarted {
        index,
        name: name.to_owned(),
    };
    assert!(pieces.contains(&Piece::Reasoning("two calls.".to_owned())));
    assert!(pieces.contains(&Piece::Text("世界 🦀".to_owned())));
    assert!(pieces.contains(&started(0, "memory.write")) && pieces.contains(&started(1, "list")));
    assert_eq!(pieces.last(), Some(&Piece::Done));
}

#[test]
fn single_bytes_and_every_split_in_two_give_the_same_answer() {
    let bytes = SAMPLE.as_bytes();
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(decode(&single).expect("a good stream").0, expected());
    for at in (0..=bytes.len()).step_by(7) {
        let (first, rest) = bytes.split_at(at);
        assert_eq!(
            decode(&[first, rest]).expect("a good stream").0,
            expected(),
            "{at}"
        );
    }
}

proptest! {
    #[test]
    fn any_split_gives_the_same_answer(sizes in prop::collection::vec(1usize..200, 1..60)) {
        let (mut rest, mut parts) = (SAMPLE.as_bytes(), Vec::new());
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
    fn a_damaged_stream_never_panics_and_a_cut_one_is_no_answer(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = SAMPLE.as_bytes().to_vec();
        let at = at.index(bytes.len() - 40);
        prop_assert!(decode(&[&bytes[..at]]).is_err());
        bytes[at] = byte;
        let _ = decode(&[&bytes]);
    }

    #[test]
    fn events_of_any_shape_never_panic(kind in "message_start|content_block_(start|delta|stop)|message_(delta|stop)|error", index in 0u64..3, block in "text|thinking|tool_use|redacted_thinking|x", text in ".{0,20}") {
        let data = json!({ "type": kind, "index": index, "content_block": { "type": block, "input": text, "id": text },
            "delta": { "type": text, "text": index, "stop_reason": text }, "usage": { "input_tokens": u64::MAX, "output_tokens": -1 } });
        let _ = answer(&format!("data: {data}\n\n").repeat(3));
    }
}

#[test]
fn an_answer_in_one_piece_is_read_too() {
    let body = json!({
        "id": "msg_01", "type": "message", "role": "assistant", "model": "m",
        "content": [
            { "type": "thinking", "thinking": "Two cities, two calls.", "signature": thought().signature },
            { "type": "redacted_thinking", "data": hidden().signature },
            { "type": "text", "text": "Grüße, 世界 🦀" },
            { "type": "tool_use", "id": "toolu_01A", "name": "memory__write", "input": { "city": "München" } },
            { "type": "tool_use", "id": "toolu_01B", "name": "list", "input": {} },
        ],
        "stop_reason": "tool_use", "stop_sequence": null,
        "usage": { "input_tokens": 25, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 2000, "output_tokens": 89 },
    })
    .to_string();
    assert_eq!(answer(&format!("\n {body}")), Ok(expected()));
    assert_eq!(answer(&body[..body.len() - 1]), Err(DecodeError::Cut));
}

fn stopped(reason: &str) -> String {
    let delta = json!({ "type": "message_delta", "delta": { "stop_reason": reason }, "usage": { "output_tokens": 1 } });
    format!(
        "event: message_delta\ndata: {delta}\n\nevent: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n"
    )
}

#[test]
fn the_reason_for_stopping() {
    for (reason, stop) in [
        ("end_turn", Stop::End),
        ("stop_sequence", Stop::End),
        ("pause_turn", Stop::End),
        ("max_tokens", Stop::Length),
        ("model_context_window_exceeded", Stop::Length),
        ("refusal", Stop::Refused),
    ] {
        assert_eq!(
            answer(&stopped(reason)).map(|answer| answer.stop),
            Ok(stop),
            "{reason}"
        );
    }
    assert_eq!(
        answer(SAMPLE).map(|answer| answer.stop),
        Ok(Stop::ToolCalls)
    );
}

#[test]
fn a_stream_without_its_end_is_cut_and_never_an_answer() {
    let without = SAMPLE
        .split("event: message_stop")
        .next()
        .expect("a first part");
    assert_eq!(answer(without), Err(DecodeError::Cut));
    assert_eq!(answer(""), Err(DecodeError::Cut));
}

#[test]
fn what_was_not_asked_for_is_passed_over() {
    let events: String = [
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "server_tool_use", "id": "x", "name": "web_search", "input": {} } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "input_json_delta", "partial_json": "{" } }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "something_new" }),
    ]
    .iter()
    .map(|data| format!("data: {data}\n\n"))
    .collect();
    let got = answer(&(events + &stopped("end_turn"))).expect("a good stream");
    assert!(got.tool_calls.is_empty() && got.text.is_empty());
}

#[test]
fn limits_hold_and_an_error_stays_an_error() {
    let open = |index: usize| {
        format!(
            "data: {}\n\n",
            json!({ "type": "content_block_start", "index": index, "content_block": { "type": "text" } })
        )
    };
    let many: String = (0..300).map(open).collect();
    assert!(matches!(
        answer(&many),
        Err(DecodeError::TooLarge {
            what: "open blocks",
            ..
        })
    ));
    assert!(matches!(
        answer(&open(0).repeat(2)),
        Err(DecodeError::Malformed(_))
    ));
    let stray = json!({ "type": "content_block_delta", "index": 9, "delta": { "type": "text_delta", "text": "x" } });
    let mut decoder = Messages.decoder();
    let first = decoder
        .feed(format!("data: {stray}\n\n").as_bytes())
        .expect_err("no block 9");
    assert_eq!(decoder.feed(SAMPLE.as_bytes()), Err(first.clone()));
    assert_eq!(decoder.finish(), Err(first));
    let mut decoder = Messages.decoder();
    let chunk = vec![b' '; 1024 * 1024];
    decoder.feed(b"{").expect("a body begins");
    let refused = (0..25).find_map(|_| decoder.feed(&chunk).err());
    assert!(matches!(
        refused,
        Some(DecodeError::TooLarge { what: "a body", .. })
    ));
}

#[test]
fn troubles_have_their_types() {
    let body = |kind: &str, message: &str| {
        json!({ "type": "error", "error": { "type": kind, "message": message }, "request_id": "req_1" })
            .to_string()
    };
    let said = |status, kind: &str, message: &str| {
        Messages.refusal(status, Some("17"), body(kind, message).as_bytes())
    };
    assert!(matches!(
        said(401, "authentication_error", "invalid x-api-key"),
        Trouble::Auth { .. }
    ));
    assert!(matches!(
        said(403, "permission_error", "no"),
        Trouble::Auth { .. }
    ));
    assert!(matches!(
        said(429, "rate_limit_error", "slow down"),
        Trouble::Quota {
            retry_after: Some(17),
            ..
        }
    ));
    assert!(matches!(
        said(
            400,
            "invalid_request_error",
            "Your credit balance is too low to access the API."
        ),
        Trouble::Quota { .. }
    ));
    assert!(matches!(
        said(529, "overloaded_error", "Overloaded"),
        Trouble::Overloaded {
            status: 529,
            retry_after: Some(17),
            ..
        }
    ));
    for message in [
        "prompt is too long: 210000 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
    ] {
        assert!(matches!(
            said(400, "invalid_request_error", message),
            Trouble::ContextTooLong { .. }
        ));
    }
    assert!(matches!(
        said(413, "request_too_large", "big"),
        Trouble::ContextTooLong { .. }
    ));
    assert!(matches!(
        said(404, "not_found_error", "model: x"),
        Trouble::ModelNotFound { .. }
    ));
    assert!(matches!(
        said(
            400,
            "invalid_request_error",
            "Output blocked by content filtering policy"
        ),
        Trouble::Refused { .. }
    ));
    assert!(matches!(
        said(400, "invalid_request_error", "messages.0: wrong"),
        Trouble::Malformed { status: 400, .. }
    ));
    assert!(matches!(
        Messages.refusal(502, None, b"<html>\x1b[2J bad gateway"),
        Trouble::Overloaded { .. }
    ));
}

#[test]
fn an_error_within_a_stream_is_a_trouble() {
    for (kind, retryable) in [
        ("overloaded_error", true),
        ("api_error", true),
        ("timeout_error", true),
        ("rate_limit_error", true),
        ("authentication_error", false),
        ("invalid_request_error", false),
    ] {
        let event = json!({ "type": "error", "error": { "type": kind, "message": "no" } });
        for text in [
            format!("event: error\ndata: {event}\n\n"),
            event.to_string(),
        ] {
            match answer(&text) {
                Err(DecodeError::Trouble(trouble)) => {
                    assert_eq!(trouble.retryable(), retryable, "{kind}");
                }
                other => panic!("{kind}: {other:?}"),
            }
        }
    }
}

fn provider() -> Provider {
    Provider {
        withhold: Vec::new(),
        kind: "anthropic".parse().expect("a kind"),
        base_url: None,
        secret: None,
        auth: None,
        region: None,
        thinking_tokens: None,
        oauth: None,
        first_byte_ms: 1,
        deadline_ms: 2,
    }
}

fn endpoint(provider: &Provider, model: &str) -> Endpoint {
    Endpoint::new("anthropic", provider, &USUAL, model).expect("a good endpoint")
}

fn completion(messages: Vec<Message>, max_tokens: Option<u32>) -> Completion {
    Completion {
        messages,
        tools: Vec::new(),
        max_tokens,
    }
}

fn tool(name: &str) -> Tool {
    Tool {
        name: name.parse().expect("a tool name"),
        description: "Writes.".to_owned(),
        schema: json!({ "type": "object" }),
        effects: Effects::worst_case(),
        place: Place::Hands,
    }
}

fn ask(provider: &Provider, model: &str, completion: &Completion, tools: &[Tool]) -> Value {
    let outbound = Messages
        .request(&endpoint(provider, model), completion, tools, &Blobs::new())
        .expect("a good request");
    serde_json::from_slice(&outbound.body).expect("JSON")
}

fn assistant(thinking: Vec<Thinking>, text: &str, calls: Vec<ToolCall>) -> Message {
    Message {
        thinking,
        tool_calls: calls,
        ..Message::text(Role::Assistant, text)
    }
}

fn result(id: &str, text: &str) -> Message {
    Message {
        tool_call_id: Some(id.to_owned()),
        ..Message::text(Role::Tool, text)
    }
}

#[test]
fn a_request_follows_the_published_schema() {
    let thinking = Provider {
        thinking_tokens: Some(4000),
        ..provider()
    };
    let completion = completion(
        vec![
            Message::text(Role::System, "Be brief."),
            Message::text(Role::User, "hi"),
            Message::text(Role::System, "Be kind."),
            Message::text(Role::User, " \n"),
            assistant(
                vec![
                    thought(),
                    hidden(),
                    Thinking {
                        maker: "gemini".to_owned(),
                        ..thought()
                    },
                    Thinking {
                        signature: None,
                        ..thought()
                    },
                ],
                "",
                vec![
                    call("a", "memory.write", json!({ "k": 1 })),
                    call("b", "list", json!({})),
                ],
            ),
            result("a", "done"),
            result("b", ""),
            Message::text(Role::User, "and?"),
        ],
        Some(100),
    );
    let outbound = Messages
        .request(
            &endpoint(&thinking, "claude-sonnet-4-5"),
            &completion,
            &[tool("list"), tool("memory.write")],
            &Blobs::new(),
        )
        .expect("a good request");
    assert_eq!(outbound.url, "https://api.anthropic.com:443/v1/messages");
    assert!(
        outbound
            .headers
            .contains(&("anthropic-version", "2023-06-01".to_owned()))
    );
    assert!(
        outbound
            .headers
            .iter()
            .all(|(name, _)| *name != "anthropic-beta")
    );
    assert!(matches!(
        &outbound.attach,
        Some(Attach::Header {
            name: "x-api-key",
            before: "",
            ..
        })
    ));
    let cached = json!({ "type": "ephemeral" });
    assert_eq!(
        serde_json::from_slice::<Value>(&outbound.body).expect("JSON"),
        json!({
            "model": "claude-sonnet-4-5",
            "max_tokens": 4100,
            "stream": true,
            "thinking": { "type": "enabled", "budget_tokens": 4000 },
            "system": [
                { "type": "text", "text": "Be brief." },
                { "type": "text", "text": "Be kind.", "cache_control": cached },
            ],
            "tools": [
                { "name": "list", "description": "Writes.", "input_schema": { "type": "object" } },
                { "name": "memory__write", "description": "Writes.", "input_schema": { "type": "object" }, "cache_control": cached },
            ],
            "messages": [
                { "role": "user", "content": [{ "type": "text", "text": "hi" }] },
                { "role": "assistant", "content": [
                    { "type": "thinking", "thinking": thought().text, "signature": thought().signature },
                    { "type": "redacted_thinking", "data": hidden().signature },
                    { "type": "tool_use", "id": "a", "name": "memory__write", "input": { "k": 1 } },
                    { "type": "tool_use", "id": "b", "name": "list", "input": {} },
                ] },
                { "role": "user", "content": [
                    { "type": "tool_result", "tool_use_id": "a", "content": "done" },
                    { "type": "tool_result", "tool_use_id": "b" },
                    { "type": "text", "text": "and?", "cache_control": cached },
                ] },
            ],
        })
    );
}

#[test]
fn pictures_and_documents_go_before_the_text() {
    let files: [(&[u8], MediaType, &str); 3] = [
        (b"\x89PNG\r\n\x1a\n", MediaType::Png, "a.png"),
        (b"%PDF-1.7", MediaType::Pdf, "b.pdf"),
        ("Grüße".as_bytes(), MediaType::Text, "c.txt"),
    ];
    let mut blobs = Blobs::new();
    let mut message = Message::text(Role::User, "What is this?");
    for (bytes, media_type, name) in files {
        let id = Digest::of(bytes);
        blobs.insert(id, Bytes::from_static(bytes));
        message.attachments.push(Attachment {
            id,
            media_type,
            name: name.to_owned(),
            bytes: 8,
        });
    }
    let endpoint = endpoint(&provider(), "claude-opus-5");
    let ask = |message: &Message, blobs: &Blobs| {
        Messages.request(
            &endpoint,
            &completion(vec![message.clone()], None),
            &[],
            blobs,
        )
    };
    let body = ask(&message, &blobs).expect("a good request").body;
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(
        body["messages"][0]["content"],
        json!([
            { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo=" } },
            { "type": "document", "title": "b.pdf", "source": { "type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjc=" } },
            { "type": "document", "title": "c.txt", "source": { "type": "text", "media_type": "text/plain", "data": "Grüße" } },
            { "type": "text", "text": "What is this?", "cache_control": { "type": "ephemeral" } },
        ])
    );
    assert_eq!(body["max_tokens"], json!(8192), "the vendor wants a number");
    assert!(body.get("thinking").is_none() && body.get("tools").is_none());
    let missing = message.attachments[0].id;
    assert_eq!(
        ask(&message, &Blobs::new()),
        Err(RequestError::Blob(missing))
    );
    message.attachments[0].media_type = MediaType::Text;
    assert!(
        matches!(ask(&message, &blobs), Err(RequestError::Media(_))),
        "a picture is no text"
    );
    let many = vec![message.attachments[1].clone(); 9];
    assert!(matches!(
        ask(
            &Message {
                attachments: many,
                ..message
            },
            &blobs
        ),
        Err(RequestError::Media(_))
    ));
}

#[test]
fn attachments_are_counted_together_before_they_are_copied() {
    let bytes = Bytes::from(vec![b'x'; 4 * 1024 * 1024]);
    let id = Digest::of(&bytes);
    let attachment = Attachment {
        id,
        media_type: MediaType::Text,
        name: String::new(),
        bytes: 1,
    };
    let message = Message {
        attachments: vec![attachment; 2],
        ..Message::text(Role::User, "x")
    };
    let blobs = Blobs::from([(id, bytes)]);
    let endpoint = endpoint(&provider(), "claude-opus-5");
    let many = completion(vec![message; 5], None);
    assert!(matches!(
        Messages.request(&endpoint, &many, &[], &blobs),
        Err(RequestError::Media(_))
    ));
}

#[test]
fn each_model_is_told_to_think_in_its_own_way() {
    let ask = |model: &str, tokens| {
        let thinking = Provider {
            thinking_tokens: Some(tokens),
            ..provider()
        };
        ask(
            &thinking,
            model,
            &completion(vec![Message::text(Role::User, "hi")], Some(10)),
            &[],
        )
    };
    for model in [
        "claude-haiku-4-5-20251001",
        "claude-opus-4-1-20250805",
        "claude-sonnet-4-20250514",
        "local",
    ] {
        let body = ask(model, 500);
        assert_eq!(
            body["thinking"],
            json!({ "type": "enabled", "budget_tokens": 1024 }),
            "{model}"
        );
        assert_eq!(body["max_tokens"], json!(1034));
    }
    for (model, tokens, effort) in [
        ("claude-opus-4-6", 2000, "low"),
        ("claude-opus-4-7", 8000, "medium"),
        ("claude-opus-5-5", 30_000, "high"),
        ("claude-sonnet-5", 30_000, "high"),
    ] {
        let body = ask(model, tokens);
        assert_eq!(body["thinking"]["type"], json!("adaptive"), "{model}");
        assert!(body["thinking"].get("budget_tokens").is_none());
        assert_eq!(body["output_config"], json!({ "effort": effort }));
        assert_eq!(body["max_tokens"], json!(10 + tokens));
    }
}

#[test]
fn calls_of_another_vendor_stop_the_thinking_that_goes_by_number() {
    let thinking = Provider {
        thinking_tokens: Some(2000),
        ..provider()
    };
    let messages = vec![
        Message::text(Role::User, "hi"),
        assistant(vec![], "", vec![call("x", "list", json!({}))]),
        result("x", "y"),
    ];
    let body = ask(
        &thinking,
        "claude-sonnet-4-5",
        &completion(messages.clone(), None),
        &[tool("list")],
    );
    assert!(body.get("thinking").is_none());
    let body = ask(
        &thinking,
        "claude-opus-4-7",
        &completion(messages, None),
        &[tool("list")],
    );
    assert_eq!(body["thinking"]["type"], json!("adaptive"));
}

#[test]
fn a_conversation_is_mended_where_the_vendor_would_refuse_it() {
    let messages = vec![
        assistant(vec![], "Welcome.", vec![]),
        Message::text(Role::User, "go"),
        // another vendor's ids: not allowed here, and used twice
        assistant(
            vec![],
            "",
            vec![call("call/1 ä", "no such tool!", json!("text"))],
        ),
        result("call/1 ä", "one"),
        assistant(vec![], "", vec![call("call-0", "list", json!({}))]),
        result("call-0", "two"),
        assistant(
            vec![],
            "",
            vec![
                call("call-0", "list", json!({})),
                call("z", "list", json!({})),
            ],
        ),
        result("call-0", "three"),
        Message::text(Role::User, "stop"),
    ];
    let body = ask(
        &provider(),
        "claude-opus-5",
        &completion(messages, None),
        &[],
    );
    let turns = body["messages"].as_array().expect("turns");
    let roles: Vec<&str> = turns
        .iter()
        .filter_map(|turn| turn["role"].as_str())
        .collect();
    assert_eq!(
        roles,
        [
            "user",
            "assistant",
            "user",
            "assistant",
            "user",
            "assistant",
            "user",
            "assistant",
            "user"
        ]
    );
    let mut seen = std::collections::HashSet::new();
    for turn in turns.iter().filter(|turn| turn["role"] == "assistant") {
        for block in turn["content"]
            .as_array()
            .expect("blocks")
            .iter()
            .filter(|block| block["type"] == "tool_use")
        {
            let id = block["id"].as_str().expect("an id");
            assert!(seen.insert(id.to_owned()), "{id} twice");
            assert!(
                id.bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
            );
        }
    }
    assert_eq!(turns[3]["content"][0]["name"], json!("no_such_tool_"));
    assert_eq!(turns[3]["content"][0]["input"], json!({}));
    assert_eq!(
        turns[4]["content"][0]["tool_use_id"],
        turns[3]["content"][0]["id"]
    );
    assert_eq!(
        turns[8]["content"][0]["tool_use_id"],
        turns[7]["content"][0]["id"]
    );
    assert_eq!(
        turns[8]["content"][1]["is_error"],
        json!(true),
        "the call that nothing answered"
    );
    assert_eq!(turns[8]["content"][2]["text"], json!("stop"));
    assert_eq!(body["tool_choice"], json!({ "type": "none" }));
    let names: Vec<&Value> = body["tools"]
        .as_array()
        .expect("tools")
        .iter()
        .map(|tool| &tool["name"])
        .collect();
    assert_eq!(names, [&json!("list"), &json!("no_such_tool_")]);
}

#[test]
fn what_cannot_be_asked_is_an_error() {
    let endpoint = endpoint(&provider(), "claude-opus-5");
    let ask =
        |messages| Messages.request(&endpoint, &completion(messages, None), &[], &Blobs::new());
    assert_eq!(ask(vec![]), Err(RequestError::Empty));
    assert_eq!(
        ask(vec![Message::text(Role::System, "x")]),
        Err(RequestError::Empty)
    );
    assert_eq!(
        ask(vec![Message::text(Role::Tool, "x")]),
        Err(RequestError::Unanswered(0))
    );
    let twice = vec![
        Message::text(Role::User, "hi"),
        assistant(vec![], "", vec![call("x", "list", json!({}))]),
        result("x", "one"),
        result("x", "two"),
    ];
    assert_eq!(ask(twice), Err(RequestError::Unanswered(3)));
}

#[test]
fn the_flag_of_oauth_goes_only_with_its_tokens() {
    let hi = completion(vec![Message::text(Role::User, "hi")], None);
    let other = Some("https://gateway.example".to_owned());
    for (auth, base_url, flagged) in [
        (Auth::Oauth, None, true),
        (Auth::Oauth, other.clone(), true),
        (Auth::Bearer, None, true),
        (Auth::Bearer, other, false),
        (Auth::ApiKey, None, false),
    ] {
        let provider = Provider {
            auth: Some(auth),
            base_url,
            ..provider()
        };
        let endpoint = endpoint(&provider, "claude-opus-5");
        let flag = ("anthropic-beta", "oauth-2025-04-20".to_owned());
        let asked = Messages
            .request(&endpoint, &hi, &[], &Blobs::new())
            .expect("a good request");
        assert_eq!(asked.headers.contains(&flag), flagged, "{auth:?}");
        let list = Messages.list_models(&endpoint).expect("a list");
        assert_eq!(list.headers.contains(&flag), flagged, "{auth:?}");
    }
}

#[test]
fn the_list_of_models_is_read() {
    let list = Messages
        .list_models(&endpoint(&provider(), "m"))
        .expect("a list");
    assert_eq!(
        list.url,
        "https://api.anthropic.com:443/v1/models?limit=1000"
    );
    let body = json!({ "data": [{ "type": "model", "id": "claude-opus-5", "display_name": "x" }, { "id": 7 }], "has_more": false });
    assert_eq!(
        Messages.read_models(body.to_string().as_bytes()),
        Ok(vec!["claude-opus-5".to_owned()])
    );
    assert!(Messages.read_models(b"{}").is_err() && Messages.read_models(b"<").is_err());
}

#[test]
fn very_many_calls_of_one_id_are_each_answered_once() {
    let calls: Vec<ToolCall> = (0..100_000)
        .map(|number| call("x", &format!("t{number}"), json!({})))
        .collect();
    let messages = vec![assistant(vec![], "", calls), result("x", "one")];
    let body = ask(
        &provider(),
        "claude-opus-5",
        &completion(messages, None),
        &[],
    );
    let results = body["messages"][2]["content"].as_array().expect("results");
    assert_eq!(results.len(), 100_000);
    let last = &body["messages"][1]["content"][99_999]["id"];
    assert_eq!(
        &results[0]["tool_use_id"], last,
        "the newest call of the name is answered"
    );
}
