//! Transcripts after the vendor's published schema, framed by an encoder of our own and fed in every
//! split; requests as they are sent; and what is no answer.

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

const SAMPLE: &str = include_str!("samples/thinking-and-two-calls.jsonl");

/// CRC-32 as of IEEE 802.3, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 * (crc & 1))
        })
    })
}

fn length(of: usize) -> [u8; 4] {
    u32::try_from(of).expect("a short frame").to_be_bytes()
}

/// A frame with these bytes as headers, its checksums right.
fn framed(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut out = [
        length(16 + headers.len() + payload.len()),
        length(headers.len()),
    ]
    .concat();
    out.extend(crc(&out).to_be_bytes());
    out.extend(headers);
    out.extend(payload);
    let sum = crc(&out).to_be_bytes();
    out.extend(sum);
    out
}

fn headers(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in pairs {
        out.push(u8::try_from(name.len()).expect("a short name"));
        out.extend(name.as_bytes());
        out.push(7);
        out.extend(
            u16::try_from(value.len())
                .expect("a short value")
                .to_be_bytes(),
        );
        out.extend(value.as_bytes());
    }
    out
}

fn event(kind: &str, payload: &Value) -> Vec<u8> {
    let headers = headers(&[
        (":event-type", kind),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ]);
    framed(&headers, payload.to_string().as_bytes())
}

fn exception(kind: &str, message: &str) -> Vec<u8> {
    let headers = headers(&[
        (":exception-type", kind),
        (":content-type", "application/json"),
        (":message-type", "exception"),
    ]);
    framed(
        &headers,
        json!({ "message": message }).to_string().as_bytes(),
    )
}

fn sample() -> Vec<u8> {
    let frames = SAMPLE.lines().map(|line| {
        let (kind, payload): (String, Value) = serde_json::from_str(line).expect("a pair");
        event(&kind, &payload)
    });
    frames.flatten().collect()
}

fn decode(parts: &[&[u8]]) -> Result<(Answer, Vec<Piece>), DecodeError> {
    let mut decoder = ConverseStream.decoder();
    let mut pieces = Vec::new();
    for part in parts {
        pieces.extend(decoder.feed(part)?);
    }
    decoder.finish().map(|answer| (answer, pieces))
}

fn answer(bytes: &[u8]) -> Result<Answer, DecodeError> {
    decode(&[bytes]).map(|(answer, _)| answer)
}

fn thought() -> Thinking {
    Thinking {
        maker: "bedrock".to_owned(),
        text: "Two cities, two calls.".to_owned(),
        signature: Some("EqQBCgIYAhIM1gbc".to_owned()),
        id: None,
        hidden: false,
    }
}

fn hidden() -> Thinking {
    Thinking {
        text: String::new(),
        signature: Some("RW13S0FoZ0I=".to_owned()),
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
            call("tooluse_A1", "memory.write", json!({ "city": "München" })),
            call("tooluse_B2", "list", json!({})),
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
    let (got, pieces) = decode(&[&sample()]).expect("a good stream");
    assert_eq!(got, expected());
    assert!(pieces.contains(&Piece::Reasoning("two calls.".to_owned())));
    assert!(pieces.contains(&Piece::Text("世界 🦀".to_owned())));
    assert!(pieces.contains(&Piece::CallStarted {
        index: 1,
        name: "list".to_owned()
    }));
    assert_eq!(pieces.last(), Some(&Piece::Done));
}

#[test]
fn single_bytes_and_every_split_in_two_give_the_same_answer() {
    let bytes = sample();
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
        let bytes = sample();
        let (mut rest, mut parts) = (&bytes[..], Vec::new());
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
        let _ = decode(&[&[&[0, 0, 0, 40][..], &bytes].concat()]);
    }

    #[test]
    fn headers_of_any_bytes_under_right_checksums_never_panic(headers in prop::collection::vec(any::<u8>(), 0..60), payload in prop::collection::vec(any::<u8>(), 0..20)) {
        let _ = decode(&[&framed(&headers, &payload)]);
    }

    #[test]
    fn typed_headers_cut_anywhere_never_panic(kind in 0u8..12, name in 0u8..8, rest in prop::collection::vec(0u8..9, 0..30)) {
        let headers = [&[name][..], &vec![b'n'; name.into()], &[kind], &rest].concat();
        let _ = decode(&[&framed(&headers, b"")]);
    }

    #[test]
    fn a_damaged_stream_is_never_an_answer(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = sample();
        let at = at.index(bytes.len());
        prop_assert!(decode(&[&bytes[..at]]).is_err() || bytes[at..].starts_with(&last_frame()));
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        prop_assert!(decode(&[&bytes]).is_err());
    }

    #[test]
    fn events_of_any_shape_never_panic(kind in "messageStart|contentBlock(Start|Delta|Stop)|messageStop|metadata|x", index in 0u64..3, text in ".{0,20}", shape in 0..4) {
        let inner = match shape { 0 => json!(text), 1 => json!({ "input": text, "text": index }), 2 => json!({ "name": text, "signature": text }), _ => json!([index]) };
        let payload = json!({ "contentBlockIndex": index, "start": { "toolUse": inner }, "delta": { "toolUse": inner, "reasoningContent": inner },
            "stopReason": inner, "usage": { "inputTokens": u64::MAX, "cacheReadInputTokens": u64::MAX, "outputTokens": -1 } });
        let _ = answer(&event(&kind, &payload).repeat(3));
    }
}

fn last_frame() -> Vec<u8> {
    let line = SAMPLE.lines().last().expect("a last line");
    let (kind, payload): (String, Value) = serde_json::from_str(line).expect("a pair");
    event(&kind, &payload)
}

#[test]
fn an_answer_in_one_piece_is_read_too() {
    let body = json!({
        "output": { "message": { "role": "assistant", "content": [
            { "reasoningContent": { "reasoningText": { "text": "Two cities, two calls.", "signature": "EqQBCgIYAhIM1gbc" } } },
            { "reasoningContent": { "redactedContent": "RW13S0FoZ0I=" } },
            { "text": "Grüße, 世界 🦀" },
            { "toolUse": { "toolUseId": "tooluse_A1", "name": "memory__write", "input": { "city": "München" } } },
            { "toolUse": { "toolUseId": "tooluse_B2", "name": "list", "input": {} } },
        ] } },
        "stopReason": "tool_use",
        "usage": { "inputTokens": 25, "outputTokens": 89, "totalTokens": 2214, "cacheReadInputTokens": 2000, "cacheWriteInputTokens": 100 },
        "metrics": { "latencyMs": 1 },
    })
    .to_string();
    assert_eq!(answer(body.as_bytes()), Ok(expected()));
    assert_eq!(
        answer(&body.as_bytes()[..body.len() - 1]),
        Err(DecodeError::Cut)
    );
    assert!(matches!(
        answer(b"{\"message\":\"x\"}"),
        Err(DecodeError::Malformed(_))
    ));
}

#[test]
fn the_reason_for_stopping() {
    let stopped = |reason: &str| answer(&event("messageStop", &json!({ "stopReason": reason })));
    for (reason, stop) in [
        ("end_turn", Stop::End),
        ("stop_sequence", Stop::End),
        ("max_tokens", Stop::Length),
        ("model_context_window_exceeded", Stop::Length),
        ("guardrail_intervened", Stop::Refused),
        ("content_filtered", Stop::Refused),
    ] {
        assert_eq!(
            stopped(reason).map(|answer| answer.stop),
            Ok(stop),
            "{reason}"
        );
    }
    assert!(matches!(
        stopped("malformed_tool_use"),
        Err(DecodeError::Malformed(_))
    ));
    assert_eq!(
        answer(&sample()).map(|answer| answer.stop),
        Ok(Stop::ToolCalls)
    );
}

#[test]
fn a_stream_without_its_end_is_cut_and_never_an_answer() {
    let bytes = event(
        "contentBlockDelta",
        &json!({ "contentBlockIndex": 0, "delta": { "text": "half" } }),
    );
    assert_eq!(answer(&bytes), Err(DecodeError::Cut));
    assert_eq!(answer(b""), Err(DecodeError::Cut));
    let whole = sample();
    assert_eq!(answer(&whole[..whole.len() - 1]), Err(DecodeError::Cut));
}

#[test]
fn a_frame_is_refused_by_its_length_before_it_comes() {
    let first = |claimed: u32| ConverseStream.decoder().feed(&claimed.to_be_bytes());
    assert_eq!(first(1024 * 1024), Ok(vec![]));
    assert!(matches!(
        first(1024 * 1024 + 1),
        Err(DecodeError::TooLarge {
            what: "a frame",
            limit: MAX_FRAME
        })
    ));
    assert!(matches!(first(u32::MAX), Err(DecodeError::TooLarge { .. })));
    assert!(matches!(first(15), Err(DecodeError::Malformed(_))));
}

#[test]
fn limits_hold_and_an_error_stays_an_error() {
    let start = |index: usize| {
        event(
            "contentBlockStart",
            &json!({ "contentBlockIndex": index, "start": { "toolUse": { "name": "x", "toolUseId": index.to_string() } } }),
        )
    };
    let many: Vec<u8> = (0..65).flat_map(start).collect();
    assert!(matches!(
        answer(&many),
        Err(DecodeError::TooLarge {
            what: "tool calls",
            ..
        })
    ));
    let thoughts: Vec<u8> = (0..300)
        .flat_map(|index| event("contentBlockDelta", &json!({ "contentBlockIndex": index, "delta": { "reasoningContent": { "text": "x" } } })))
        .collect();
    assert!(matches!(
        answer(&thoughts),
        Err(DecodeError::TooLarge {
            what: "open blocks",
            ..
        })
    ));
    let stray = event(
        "contentBlockDelta",
        &json!({ "contentBlockIndex": 9, "delta": { "toolUse": { "input": "{" } } }),
    );
    let mut decoder = ConverseStream.decoder();
    let first = decoder.feed(&stray).expect_err("no call 9");
    assert_eq!(decoder.feed(&sample()), Err(first.clone()));
    assert_eq!(decoder.finish(), Err(first));
}

#[test]
fn an_exception_within_a_stream_is_a_trouble() {
    let trouble = |kind: &str, message: &str| match answer(&exception(kind, message)) {
        Err(DecodeError::Trouble(trouble)) => trouble,
        other => panic!("{kind}: {other:?}"),
    };
    let busy = "Too many tokens, please wait before trying again.";
    assert!(matches!(
        trouble("throttlingException", busy),
        Trouble::Quota { .. }
    ));
    for kind in [
        "internalServerException",
        "serviceUnavailableException",
        "modelStreamErrorException",
        "modelTimeoutException",
    ] {
        assert!(trouble(kind, "no").retryable(), "{kind}");
    }
    assert!(matches!(
        trouble("accessDeniedException", "no"),
        Trouble::Auth { .. }
    ));
    assert!(matches!(
        trouble(
            "validationException",
            "Input is too long for requested model."
        ),
        Trouble::ContextTooLong { .. }
    ));
    assert!(matches!(
        trouble("validationException", "wrong"),
        Trouble::Malformed { status: 400, .. }
    ));
    let error = headers(&[
        (":message-type", "error"),
        (":error-code", "InternalFailure"),
        (":error-message", "oh"),
    ]);
    match answer(&framed(&error, b"")) {
        Err(DecodeError::Trouble(Trouble::Overloaded { said, .. })) => assert_eq!(said, "oh"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn troubles_have_their_types() {
    let said = |status, message: &str| {
        let body = json!({ "message": message }).to_string();
        ConverseStream.refusal(status, Some("17"), body.as_bytes())
    };
    assert!(matches!(
        said(403, "The security token included in the request is expired"),
        Trouble::Auth { .. }
    ));
    assert!(matches!(
        said(429, "Too many tokens, please wait before trying again."),
        Trouble::Quota {
            retry_after: Some(17),
            ..
        }
    ));
    assert!(matches!(
        said(503, "busy"),
        Trouble::Overloaded {
            status: 503,
            retry_after: Some(17),
            ..
        }
    ));
    assert!(matches!(
        said(424, "the model failed"),
        Trouble::Overloaded { .. }
    ));
    assert!(matches!(
        said(400, "Input is too long for requested model."),
        Trouble::ContextTooLong { .. }
    ));
    assert!(matches!(
        said(400, "The provided model identifier is invalid."),
        Trouble::ModelNotFound { .. }
    ));
    assert!(matches!(
        said(404, "no such model"),
        Trouble::ModelNotFound { .. }
    ));
    assert!(matches!(
        said(400, "Output blocked by content filtering policy"),
        Trouble::Refused { .. }
    ));
    assert!(matches!(
        said(400, "Malformed input request"),
        Trouble::Malformed { status: 400, .. }
    ));
    let named = json!({ "__type": "com.amazon.coral#ModelNotReadyException", "message": "soon" });
    assert!(matches!(
        ConverseStream.refusal(429, None, named.to_string().as_bytes()),
        Trouble::Overloaded { .. }
    ));
}

fn provider() -> Provider {
    Provider {
        withhold: Vec::new(),
        kind: "bedrock".parse().expect("a kind"),
        base_url: None,
        secret: None,
        auth: None,
        region: Some("eu-central-1".to_owned()),
        thinking_tokens: None,
        oauth: None,
        first_byte_ms: 1,
        deadline_ms: 2,
    }
}

fn endpoint(provider: &Provider, model: &str) -> Endpoint {
    Endpoint::new("aws", provider, &USUAL, model).expect("a good endpoint")
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
    let outbound = ConverseStream
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

fn rounds() -> Vec<Message> {
    vec![
        Message::text(Role::System, "Be brief."),
        Message::text(Role::User, "hi"),
        assistant(
            vec![
                thought(),
                hidden(),
                Thinking {
                    maker: "anthropic".to_owned(),
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
    ]
}

#[test]
fn a_request_follows_the_published_schema() {
    let model = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";
    let thinking = Provider {
        thinking_tokens: Some(4000),
        ..provider()
    };
    let outbound = ConverseStream
        .request(
            &endpoint(&thinking, model),
            &completion(rounds(), Some(100)),
            &[tool("list"), tool("memory.write")],
            &Blobs::new(),
        )
        .expect("a good request");
    assert_eq!(
        outbound.url,
        "https://bedrock-runtime.eu-central-1.amazonaws.com:443/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream"
    );
    assert!(matches!(
        &outbound.attach,
        Some(Attach::Sigv4 { region, service: "bedrock", .. }) if region == "eu-central-1"
    ));
    let point = json!({ "cachePoint": { "type": "default" } });
    let schema = json!({ "json": { "type": "object" } });
    assert_eq!(
        serde_json::from_slice::<Value>(&outbound.body).expect("JSON"),
        json!({
            "inferenceConfig": { "maxTokens": 4100 },
            "additionalModelRequestFields": { "thinking": { "type": "enabled", "budget_tokens": 4000 } },
            "system": [{ "text": "Be brief." }, point],
            "toolConfig": { "tools": [
                { "toolSpec": { "name": "list", "description": "Writes.", "inputSchema": schema } },
                { "toolSpec": { "name": "memory__write", "description": "Writes.", "inputSchema": schema } },
                point,
            ] },
            "messages": [
                { "role": "user", "content": [{ "text": "hi" }] },
                { "role": "assistant", "content": [
                    { "reasoningContent": { "reasoningText": { "text": thought().text, "signature": thought().signature } } },
                    { "reasoningContent": { "redactedContent": hidden().signature } },
                    { "toolUse": { "toolUseId": "a", "name": "memory__write", "input": { "k": 1 } } },
                    { "toolUse": { "toolUseId": "b", "name": "list", "input": {} } },
                ] },
                { "role": "user", "content": [
                    { "toolResult": { "toolUseId": "a", "content": [{ "text": "done" }] } },
                    { "toolResult": { "toolUseId": "b", "content": [{ "text": "(It gave nothing.)" }] } },
                    point,
                ] },
            ],
        })
    );
}

#[test]
fn each_model_gets_what_it_takes_of_cache_and_thinking() {
    let thinking = Provider {
        thinking_tokens: Some(4000),
        ..provider()
    };
    let ask = |model: &str| {
        ask(
            &thinking,
            model,
            &completion(rounds(), None),
            &[tool("list")],
        )
    };
    let points = |body: &Value| body.to_string().matches("cachePoint").count();
    let rows = [
        (
            "eu.anthropic.claude-opus-4-7",
            3,
            json!({ "thinking": { "type": "adaptive", "display": "summarized" }, "output_config": { "effort": "medium" } }),
        ),
        (
            "anthropic.claude-3-haiku-20240307-v1:0",
            0,
            json!({ "thinking": { "type": "enabled", "budget_tokens": 4000 } }),
        ),
        ("amazon.nova-pro-v1:0", 2, Value::Null),
        (
            "us.amazon.nova-2-lite-v1:0",
            2,
            json!({ "reasoningConfig": { "type": "enabled", "maxReasoningEffort": "low" } }),
        ),
        ("meta.llama3-3-70b-instruct-v1:0", 0, Value::Null),
        (
            "arn:aws:bedrock:eu-central-1:1:application-inference-profile/x",
            0,
            Value::Null,
        ),
    ];
    for (model, marks, fields) in rows {
        let body = ask(model);
        assert_eq!(points(&body), marks, "{model}");
        assert_eq!(body["additionalModelRequestFields"], fields, "{model}");
        assert_eq!(
            body["inferenceConfig"].is_object(),
            model.contains("claude"),
            "{model}"
        );
    }
}

#[test]
fn pictures_and_documents_go_with_a_text_and_names_of_their_own() {
    let files: [(&[u8], MediaType, &str); 4] = [
        (b"\x89PNG\r\n\x1a\n", MediaType::Png, "a.png"),
        (b"%PDF-1.7", MediaType::Pdf, "Ärger  über_x.pdf"),
        (b"%PDF-1.7", MediaType::Pdf, "Ärger  über_x.pdf"),
        (b"hi", MediaType::Text, "../.."),
    ];
    let mut blobs = Blobs::new();
    let mut message = Message::text(Role::User, "");
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
    let endpoint = endpoint(&provider(), "meta.llama");
    let ask = |blobs: &Blobs| {
        ConverseStream.request(
            &endpoint,
            &completion(vec![message.clone()], None),
            &[],
            blobs,
        )
    };
    let body = ask(&blobs).expect("a good request").body;
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(
        body,
        json!({ "messages": [{ "role": "user", "content": [
            { "image": { "format": "png", "source": { "bytes": "iVBORw0KGgo=" } } },
            { "document": { "format": "pdf", "name": "rger ber x pdf 1", "source": { "bytes": "JVBERi0xLjc=" } } },
            { "document": { "format": "pdf", "name": "rger ber x pdf 2", "source": { "bytes": "JVBERi0xLjc=" } } },
            { "document": { "format": "txt", "name": "document 3", "source": { "bytes": "aGk=" } } },
            { "text": "(See the document.)" },
        ] }] })
    );
    assert_eq!(
        ask(&Blobs::new()),
        Err(RequestError::Blob(message.attachments[0].id))
    );
}

#[test]
fn a_conversation_is_mended_where_the_vendor_would_refuse_it() {
    let messages = vec![
        assistant(vec![thought()], "Welcome.", vec![]),
        Message::text(Role::User, "go"),
        assistant(
            vec![],
            "",
            vec![
                call("call/1", "list", json!({})),
                call("call-0", "list", json!(7)),
            ],
        ),
        result("call/1", "one"),
        Message::text(Role::User, "stop"),
        assistant(vec![], "", vec![call("call-0", "list", json!({}))]),
    ];
    let body = ask(&provider(), "meta.llama", &completion(messages, None), &[]);
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
            "user"
        ]
    );
    let calls = &turns[3]["content"];
    let results = &turns[4]["content"];
    assert_ne!(calls[0]["toolUse"]["toolUseId"], json!("call/1"));
    assert_eq!(
        results[0]["toolResult"]["toolUseId"],
        calls[0]["toolUse"]["toolUseId"]
    );
    assert_eq!(results[1]["toolResult"]["status"], json!("error"));
    assert_eq!(results[2]["text"], json!("stop"));
    assert_ne!(
        turns[5]["content"][0]["toolUse"]["toolUseId"],
        calls[1]["toolUse"]["toolUseId"]
    );
    assert_eq!(
        turns[6]["content"][0]["toolResult"]["status"],
        json!("error")
    );
    assert_eq!(
        body["toolConfig"]["tools"].as_array().map(Vec::len),
        Some(1),
        "the vendor wants the tools of calls"
    );
}

#[test]
fn what_cannot_be_asked_is_an_error() {
    let ask = |model: &str, messages| {
        ConverseStream.request(
            &endpoint(&provider(), model),
            &completion(messages, None),
            &[],
            &Blobs::new(),
        )
    };
    let hi = || vec![Message::text(Role::User, "hi")];
    assert_eq!(ask("m", vec![]), Err(RequestError::Empty));
    assert_eq!(
        ask("m", vec![Message::text(Role::Tool, "x")]),
        Err(RequestError::Unanswered(0))
    );
    assert_eq!(ask("..", hi()), Err(RequestError::Model("..".to_owned())));
    let odd = ask("../a?b#c/d", hi()).expect("a name is a name").url;
    assert!(
        odd.ends_with("/model/..%2Fa%3Fb%23c%2Fd/converse-stream"),
        "{odd}"
    );
}

#[test]
fn keys_of_bedrock_are_bearers_and_there_is_no_list_of_models() {
    for auth in [Auth::Bearer, Auth::ApiKey] {
        let provider = Provider {
            auth: Some(auth),
            ..provider()
        };
        let endpoint = endpoint(&provider, "m");
        assert!(ConverseStream.list_models(&endpoint).is_none());
        let hi = completion(vec![Message::text(Role::User, "hi")], None);
        let attach = ConverseStream
            .request(&endpoint, &hi, &[], &Blobs::new())
            .expect("a good request")
            .attach;
        assert!(matches!(
            attach,
            Some(
                Attach::Bearer { .. }
                    | Attach::Header {
                        name: "authorization",
                        before: "Bearer ",
                        ..
                    }
            )
        ));
    }
    assert!(ConverseStream.read_models(b"{}").is_err());
}
