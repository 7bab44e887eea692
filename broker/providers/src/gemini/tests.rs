//! Answers as the Gemini API sends them, in every split; requests as it wants them; and what is neither.

use super::*;
use crate::codec::{MAX_ARGUMENTS, MAX_BODY, MAX_CALLS, Piece};
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

const STREAM: &str = include_str!("samples/parallel-calls.txt");
const SIGNATURE: &str = "CiQB0e2Kb7Qm/+==";

fn decode(parts: &[&[u8]]) -> Result<(Answer, Vec<Piece>), DecodeError> {
    let mut decoder = GenerateContent.decoder();
    let mut pieces = Vec::new();
    for part in parts {
        pieces.extend(decoder.feed(part)?);
    }
    decoder.finish().map(|answer| (answer, pieces))
}

fn answer(text: &str) -> Result<Answer, DecodeError> {
    decode(&[text.as_bytes()]).map(|(answer, _)| answer)
}

fn chunk(parts: Value, finish: Option<&str>) -> Value {
    let mut candidate = json!({ "content": { "role": "model", "parts": parts } });
    if let Some(reason) = finish {
        candidate["finishReason"] = reason.into();
    }
    json!({ "candidates": [candidate] })
}

fn event(parts: Value, finish: Option<&str>) -> String {
    format!("data: {}\r\n\r\n", chunk(parts, finish))
}

fn thought(text: &str, signature: Option<&str>) -> Thinking {
    Thinking {
        maker: "gemini".to_owned(),
        text: text.to_owned(),
        signature: signature.map(str::to_owned),
        id: None,
        hidden: text.is_empty(),
    }
}

fn expected() -> Answer {
    Answer {
        text: "Grüße, 世界 🦀".to_owned(),
        tool_calls: vec![
            ToolCall {
                id: "fc8w1x".to_owned(),
                name: "file.read".to_owned(),
                arguments: json!({ "path": "ä.txt", "deep": { "n": [1, null] } }),
                signature: Some(SIGNATURE.to_owned()),
            },
            ToolCall {
                id: "call-1".to_owned(),
                name: "list".to_owned(),
                arguments: json!({}),
                signature: None,
            },
        ],
        thinking: vec![thought("**Reading first**\n\nI need both files.", None)],
        stop: Stop::ToolCalls,
        usage: Usage {
            input: 1200,
            output: 90,
            cache_read: 1024,
            cache_write: 0,
        },
    }
}

#[test]
fn thought_text_parallel_calls_signature_and_usage_come_out_of_a_stream() {
    let (got, pieces) = decode(&[STREAM.as_bytes()]).expect("a good stream");
    assert_eq!(got, expected());
    let started = |index, name: &str| Piece::CallStarted {
        index,
        name: name.to_owned(),
    };
    let told = [
        Piece::Reasoning("**Reading first**\n\nI need both ".to_owned()),
        Piece::Reasoning("files.".to_owned()),
        Piece::Text("Grüße, ".to_owned()),
        Piece::Text("世界 🦀".to_owned()),
        started(0, "file.read"),
        started(1, "list"),
        Piece::Done,
    ];
    assert_eq!(pieces, told);
}

#[test]
fn every_split_in_two_and_every_single_byte_give_the_same_answer() {
    let bytes = STREAM.as_bytes();
    for at in 0..=bytes.len() {
        let got = decode(&[&bytes[..at], &bytes[at..]]);
        assert_eq!(got.expect("a good stream").0, expected(), "split at {at}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(decode(&single).expect("a good stream").0, expected());
    let without_the_last_line = STREAM.trim_end();
    assert_eq!(answer(without_the_last_line), Ok(expected()));
}

proptest! {
    #[test]
    fn any_split_gives_the_same_answer(sizes in prop::collection::vec(1usize..90, 1..100)) {
        let (mut rest, mut parts) = (STREAM.as_bytes(), Vec::new());
        for size in sizes.into_iter().cycle() {
            if rest.is_empty() { break; }
            let (part, after) = rest.split_at(size.min(rest.len()));
            parts.push(part);
            rest = after;
        }
        prop_assert_eq!(decode(&parts).expect("a good stream").0, expected());
    }

    #[test]
    fn garbage_is_never_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(decode(&[&bytes]).is_err());
    }

    #[test]
    fn a_damaged_stream_never_panics_and_a_cut_one_is_no_answer(at in any::<usize>(), byte in any::<u8>(), cut in any::<usize>()) {
        let mut bytes = STREAM.as_bytes().to_vec();
        let length = STREAM.trim_end().len();
        prop_assert!(decode(&[&bytes[..cut % length]]).is_err());
        bytes[at % length] = byte;
        let _ = decode(&[&bytes]);
    }
}

#[test]
fn an_answer_in_one_piece_is_read_too() {
    let mut body = chunk(json!([{ "text": "hi" }]), Some("STOP"));
    body["usageMetadata"] = json!({ "promptTokenCount": 3, "candidatesTokenCount": 2 });
    let list = json!([
        chunk(json!([{ "text": "h" }]), None),
        chunk(json!([{ "text": "i" }]), Some("STOP"))
    ]);
    let got = answer(&format!("\r\n {body}")).expect("an object");
    assert_eq!(
        (got.text.as_str(), got.usage.input, got.usage.output),
        ("hi", 3, 2)
    );
    let text = list.to_string();
    assert_eq!(answer(&text).map(|got| got.text), Ok("hi".to_owned()));
    assert_eq!(answer(&text[..text.len() - 1]), Err(DecodeError::Cut));
    assert_eq!(answer("[]"), Err(DecodeError::Cut));
    let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    assert_eq!(
        decode(&single).map(|(got, _)| got.text),
        Ok("hi".to_owned())
    );
}

#[test]
fn a_signature_beside_the_text_or_a_thought_is_kept_for_its_place() {
    let parts = json!([
        { "text": "one ", "thought": true },
        { "text": "signed", "thought": true, "thoughtSignature": "A" },
        { "text": "two", "thought": true },
        { "text": "hello" },
        { "text": "", "thoughtSignature": "B" },
    ]);
    let got = answer(&event(parts, Some("STOP"))).expect("a good stream");
    let kept = vec![
        thought("one signed", Some("A")),
        thought("two", None),
        thought("", Some("B")),
    ];
    assert_eq!((got.text.as_str(), &got.thinking), ("hello", &kept));

    // Back they go: a thought without a signature and another maker's do not.
    let mut other = thought("not ours", Some("X"));
    other.maker = "anthropic".to_owned();
    let message = Message {
        thinking: kept.into_iter().chain([other]).collect(),
        ..Message::text(Role::Assistant, "hello")
    };
    let body = ask("gemini-3-pro-preview", vec![message], &Blobs::new());
    let back = json!([
        { "text": "one signed", "thought": true, "thoughtSignature": "A" },
        { "text": "hello", "thoughtSignature": "B" },
    ]);
    assert_eq!(
        body["contents"],
        json!([{ "role": "model", "parts": back }])
    );
}

#[test]
fn the_reason_for_stopping() {
    let stop = |reason| answer(&event(json!([{ "text": "x" }]), Some(reason))).map(|got| got.stop);
    assert_eq!(stop("STOP"), Ok(Stop::End));
    assert_eq!(stop("OTHER"), Ok(Stop::End));
    assert_eq!(stop("MAX_TOKENS"), Ok(Stop::Length));
    for refused in [
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "LANGUAGE",
    ] {
        assert_eq!(stop(refused), Ok(Stop::Refused), "{refused}");
    }
    for none in [
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
    ] {
        assert!(matches!(stop(none), Err(DecodeError::Malformed(said)) if said.contains(none)));
    }
    assert_eq!(stop("FINISH_REASON_UNSPECIFIED"), Err(DecodeError::Cut));
    // With nothing but the reason: the vendor sends no content then.
    let bare = "data: {\"candidates\":[{\"finishReason\":\"SAFETY\",\"index\":0}]}\n\n";
    assert_eq!(answer(bare).map(|got| got.stop), Ok(Stop::Refused));
}

#[test]
fn a_blocked_prompt_is_content_refused() {
    let blocked = "data: {\"promptFeedback\":{\"blockReason\":\"PROHIBITED_CONTENT\"},\"usageMetadata\":{\"promptTokenCount\":9}}\n\n";
    match answer(blocked) {
        Err(DecodeError::Trouble(Trouble::Refused { said })) => {
            assert!(said.contains("PROHIBITED_CONTENT"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unfinished_stream_is_cut_and_never_an_answer() {
    let half = event(json!([{ "text": "half" }]), None);
    assert_eq!(answer(&half), Err(DecodeError::Cut));
    assert_eq!(answer(&(half + "data: [DONE]\n\n")), Err(DecodeError::Cut));
    assert_eq!(answer(""), Err(DecodeError::Cut));
}

#[test]
fn only_the_first_candidate_is_read_and_nothing_after_its_end_but_the_usage() {
    let mut first = chunk(json!([{ "text": "one" }]), Some("STOP"));
    let second = json!({ "index": 1, "content": { "parts": [{ "text": "two" }] } });
    first["candidates"]
        .as_array_mut()
        .expect("a list")
        .insert(0, second);
    let usage = "data: {\"usageMetadata\":{\"promptTokenCount\":9}}\n\n";
    let more = event(json!([{ "text": "three" }]), None);
    let got = answer(&format!("data: {first}\n\n{more}{usage}")).expect("a good stream");
    assert_eq!((got.text.as_str(), got.usage.input), ("one", 9));
}

#[test]
fn limits_hold() {
    let too_large = |result: Result<Answer, DecodeError>, what: &str| match result {
        Err(DecodeError::TooLarge { what: got, .. }) => assert_eq!(got, what),
        other => panic!("{what}: {:?}", other.map(|answer| answer.text.len())),
    };
    let long = "x".repeat(1_000_000);
    too_large(answer(&format!("data: {}", long.repeat(2))), "a line");
    too_large(
        answer(&event(json!([{ "text": long }]), None).repeat(5)),
        "text",
    );
    let thought = json!([{ "text": long, "thought": true }]);
    too_large(answer(&event(thought, None).repeat(5)), "thinking");
    let signature = json!([{ "text": "", "thoughtSignature": long }]);
    too_large(answer(&event(signature, None).repeat(5)), "thinking");
    let call = json!([{ "functionCall": { "name": "x" } }]);
    too_large(
        answer(&event(call, None).repeat(MAX_CALLS + 1)),
        "tool calls",
    );
    let call =
        json!([{ "functionCall": { "name": "x", "args": { "a": "x".repeat(MAX_ARGUMENTS) } } }]);
    too_large(answer(&event(call, None)), "a call's arguments");
    too_large(answer(&format!("[{}", " ".repeat(MAX_BODY))), "a body");
    too_large(
        answer(&format!("[{}0]", "0,".repeat(1_000_000))),
        "values in a body",
    );
}

#[test]
fn an_error_in_a_stream_has_its_type_and_stays() {
    let error = json!({ "error": { "code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE" } });
    let begun = event(json!([{ "text": "half" }]), None);
    // As an event, and as the bare body that follows good events.
    for text in [
        format!("{begun}data: {error}\n\n"),
        format!("{begun}{error:#}\n"),
        format!("[{error}]"),
    ] {
        match answer(&text) {
            Err(DecodeError::Trouble(trouble)) => {
                assert!(
                    matches!(trouble, Trouble::Overloaded { status: 503, .. }),
                    "{text}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
    let quota = json!({ "error": { "status": "RESOURCE_EXHAUSTED", "message": "slow down" } });
    assert!(matches!(
        answer(&format!("data: {quota}\n\n")),
        Err(DecodeError::Trouble(Trouble::Quota { .. }))
    ));
    let mut decoder = GenerateContent.decoder();
    let first = decoder.feed(b"<html>\n").expect_err("not a stream");
    assert_eq!(decoder.feed(begun.as_bytes()), Err(first.clone()));
    assert_eq!(decoder.finish(), Err(first));
}

#[test]
fn troubles_have_their_types() {
    let kind = |code: u16, status: &str, message: &str, details: Value| {
        let error =
            json!({ "code": code, "status": status, "message": message, "details": details });
        GenerateContent.refusal(code, None, json!({ "error": error }).to_string().as_bytes())
    };
    let none = json!([]);
    assert!(matches!(
        kind(
            400,
            "INVALID_ARGUMENT",
            "API key not valid. Please pass a valid API key.",
            json!([{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID" }])
        ),
        Trouble::Auth { .. }
    ));
    assert!(matches!(
        kind(403, "PERMISSION_DENIED", "no", none.clone()),
        Trouble::Auth { .. }
    ));
    assert!(matches!(
        kind(
            429,
            "RESOURCE_EXHAUSTED",
            "You exceeded your current quota: input_token_count",
            json!([{ "quotaId": "x" }, { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "36.2s" }])
        ),
        Trouble::Quota {
            retry_after: Some(37),
            ..
        }
    ));
    assert!(matches!(
        kind(
            400,
            "INVALID_ARGUMENT",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            none.clone()
        ),
        Trouble::ContextTooLong { .. }
    ));
    assert!(matches!(
        kind(404, "NOT_FOUND", "models/x is not found", none.clone()),
        Trouble::ModelNotFound { .. }
    ));
    assert!(matches!(
        kind(503, "UNAVAILABLE", "overloaded", none.clone()),
        Trouble::Overloaded { status: 503, .. }
    ));
    let odd = kind(400, "INVALID_ARGUMENT", "\u{1b}[2JContents are wrong", none);
    assert!(
        matches!(odd, Trouble::Malformed { status: 400, .. })
            && !odd.to_string().contains('\u{1b}')
    );
    let bare = |status, body: &[u8]| GenerateContent.refusal(status, Some("17"), body);
    assert!(matches!(
        bare(502, b"<html>\xff"),
        Trouble::Overloaded {
            retry_after: Some(17),
            ..
        }
    ));
    assert!(matches!(
        bare(429, b"[{\"error\":{\"code\":429,\"message\":\"slow down\"}}]"),
        Trouble::Quota { retry_after: Some(17), said } if said == "slow down"
    ));
}

fn endpoint(model: &str, more: Value) -> Endpoint {
    let mut provider = json!({ "kind": "gemini" });
    for (key, value) in more.as_object().expect("an object") {
        provider[key] = value.clone();
    }
    let provider: Provider = serde_json::from_value(provider).expect("a provider");
    Endpoint::new("google", &provider, &USUAL, model).expect("a good endpoint")
}

fn try_ask(model: &str, messages: Vec<Message>, blobs: &Blobs) -> Result<Value, RequestError> {
    let completion = Completion {
        messages,
        tools: vec![],
        max_tokens: None,
    };
    let outbound = GenerateContent.request(&endpoint(model, json!({})), &completion, &[], blobs)?;
    Ok(serde_json::from_slice(&outbound.body).expect("JSON"))
}

fn ask(model: &str, messages: Vec<Message>, blobs: &Blobs) -> Value {
    try_ask(model, messages, blobs).expect("a good request")
}

fn attach(bytes: &'static [u8], media_type: MediaType, blobs: &mut Blobs) -> Attachment {
    let id = Digest::of(bytes);
    blobs.insert(id, Bytes::from_static(bytes));
    Attachment {
        id,
        media_type,
        name: "a file".to_owned(),
        bytes: bytes.len() as u64,
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
    let mut blobs = Blobs::new();
    let messages = vec![
        Message::text(Role::System, "Be brief."),
        Message {
            attachments: vec![
                attach(b"\x89PNG\r\n\x1a\n....", MediaType::Png, &mut blobs),
                attach(b"%PDF-1.7", MediaType::Pdf, &mut blobs),
            ],
            ..Message::text(Role::User, "What is it?")
        },
        Message {
            tool_calls: expected().tool_calls,
            thinking: expected().thinking,
            ..Message::text(Role::Assistant, "Looking.")
        },
        // In the order in which they were done; they go out in the order of the calls.
        result("call-1", "two"),
        result("fc8w1x", "one"),
        Message::text(Role::System, "Now be long."),
        Message::text(Role::User, "And?"),
        Message::text(Role::User, "Go on."),
    ];
    let tool = Tool {
        name: "file.read".parse().expect("a tool name"),
        description: "Reads.".to_owned(),
        schema: json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": { "path": { "type": "string", "maxLength": 9, "pattern": "^a" }, "$ref": { "const": 1 } },
            "required": ["path"],
            "additionalProperties": false,
        }),
        effects: Effects::worst_case(),
        place: Place::Hands,
    };
    let completion = Completion {
        messages,
        tools: vec![tool.name.clone()],
        max_tokens: Some(50),
    };
    let endpoint = endpoint(
        "models/gemini-3-pro-preview",
        json!({ "thinking-tokens": 100 }),
    );
    let outbound = GenerateContent
        .request(&endpoint, &completion, &[tool], &blobs)
        .expect("a good request");
    assert_eq!(
        outbound.url,
        "https://generativelanguage.googleapis.com:443/v1beta/models/gemini-3-pro-preview:streamGenerateContent?alt=sse"
    );
    let header = Attach::Header {
        name: "x-goog-api-key",
        before: "",
        secret: "google".parse().expect("a name"),
    };
    assert_eq!(outbound.attach, Some(header));
    let body: Value = serde_json::from_slice(&outbound.body).expect("JSON");
    let wanted = json!({
        "systemInstruction": { "parts": [{ "text": "Be brief." }, { "text": "Now be long." }] },
        "contents": [
            { "role": "user", "parts": [
                { "inlineData": { "mimeType": "image/png", "data": "iVBORw0KGgouLi4u" } },
                { "text": "a file:" },
                { "inlineData": { "mimeType": "application/pdf", "data": "JVBERi0xLjc=" } },
                { "text": "What is it?" },
            ] },
            { "role": "model", "parts": [
                { "text": "Looking." },
                { "functionCall": { "id": "fc8w1x", "name": "file__read", "args": { "path": "ä.txt", "deep": { "n": [1, null] } } },
                  "thoughtSignature": SIGNATURE },
                { "functionCall": { "name": "list", "args": {} } },
            ] },
            { "role": "user", "parts": [
                { "functionResponse": { "id": "fc8w1x", "name": "file__read", "response": { "output": "one" } } },
                { "functionResponse": { "name": "list", "response": { "output": "two" } } },
            ] },
            { "role": "user", "parts": [{ "text": "And?" }, { "text": "Go on." }] },
        ],
        "tools": [{ "functionDeclarations": [{
            "name": "file__read", "description": "Reads.",
            "parametersJsonSchema": {
                "type": "object",
                "properties": { "path": { "type": "string" }, "$ref": { "enum": [1] } },
                "required": ["path"],
                "additionalProperties": false,
            },
        }] }],
        "generationConfig": {
            "thinkingConfig": { "thinkingBudget": 100, "includeThoughts": true },
            "maxOutputTokens": 150,
        },
    });
    assert_eq!(body, wanted);
}

#[test]
fn another_vendors_round_of_calls_is_marked_where_the_model_wants_signatures() {
    let call = |id: &str| ToolCall {
        id: id.to_owned(),
        name: "list".to_owned(),
        arguments: json!({}),
        signature: None,
    };
    let messages = vec![
        Message::text(Role::User, "hi"),
        Message {
            tool_calls: vec![call("toolu_1"), call("toolu_2")],
            ..Message::text(Role::Assistant, "")
        },
        result("toolu_1", "a"),
        result("toolu_2", "b"),
    ];
    let body = ask("gemini-3-flash", messages.clone(), &Blobs::new());
    let parts = &body["contents"][1]["parts"];
    assert_eq!(
        parts[0]["thoughtSignature"],
        json!("skip_thought_signature_validator")
    );
    assert_eq!(parts[1].get("thoughtSignature"), None);
    let older = ask("gemini-2.5-flash", messages, &Blobs::new());
    assert!(!older.to_string().contains("thoughtSignature"));
    assert_eq!(older.get("generationConfig"), None);
}

#[test]
fn an_id_that_is_used_again_names_the_latest_call() {
    let call = |id: &str, name: &str| ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: json!({}),
        signature: None,
    };
    let round = |first, second| Message {
        tool_calls: vec![call("call-0", first), call("call-1", second)],
        ..Message::text(Role::Assistant, "")
    };
    let messages = vec![
        Message::text(Role::User, "hi"),
        round("list", "time"),
        result("call-0", "a"),
        result("call-1", "b"),
        round("file.read", "sum"),
        result("call-1", "d"),
        result("call-0", "c"),
    ];
    let body = ask("gemini-2.5-flash", messages, &Blobs::new());
    let results = |at: usize| {
        let parts = body["contents"][at]["parts"].as_array().expect("a list");
        let told = |part: &Value| {
            let response = &part["functionResponse"];
            json!([response["name"], response["response"]["output"]])
        };
        parts.iter().map(told).collect::<Value>()
    };
    assert_eq!(results(2), json!([["list", "a"], ["time", "b"]]));
    assert_eq!(results(4), json!([["file__read", "c"], ["sum", "d"]]));
}

#[test]
fn a_schema_keeps_what_the_vendor_knows_and_is_cut_where_it_is_too_deep() {
    let given = json!({
        "type": "object",
        "$defs": { "row": { "type": ["string", "null"], "default": "x" } },
        "properties": {
            "rows": { "type": "array", "items": { "$ref": "#/$defs/row", "description": "a row" }, "uniqueItems": true },
            "away": { "$ref": "https://elsewhere.example/schema", "type": "string" },
            "any": true,
            "either": { "anyOf": [{ "type": "integer", "minimum": 1, "exclusiveMaximum": 9 }, { "const": "x" }] },
        },
    });
    let wanted = json!({
        "type": "object",
        "$defs": { "row": { "type": ["string", "null"] } },
        "properties": {
            "rows": { "type": "array", "items": { "$ref": "#/$defs/row" } },
            "away": { "type": "string" },
            "any": {},
            "either": { "anyOf": [{ "type": "integer", "minimum": 1 }, { "enum": ["x"] }] },
        },
    });
    assert_eq!(schema::subset(&given), wanted);
    let deep = (0..1000).fold(
        json!({ "type": "string" }),
        |inner, _| json!({ "items": inner }),
    );
    assert!(schema::subset(&deep).to_string().len() < 1000);
}

#[test]
fn what_cannot_be_asked_is_an_error() {
    let none = Blobs::new();
    let model = "gemini-2.5-flash";
    assert_eq!(try_ask(model, vec![], &none), Err(RequestError::Empty));
    let silent = vec![
        Message::text(Role::System, "x"),
        Message::text(Role::User, ""),
    ];
    assert_eq!(try_ask(model, silent, &none), Err(RequestError::Empty));
    let orphan = vec![Message::text(Role::User, "x"), result("x", "y")];
    assert_eq!(
        try_ask(model, orphan, &none),
        Err(RequestError::Unanswered(1))
    );
    let hi = vec![Message::text(Role::User, "hi")];
    for bad in ["a/b", "../x", "a?b", "a%2f", "models/", "ä"] {
        assert!(
            matches!(try_ask(bad, hi.clone(), &none), Err(RequestError::Model(_))),
            "{bad}"
        );
    }
    let mut blobs = Blobs::new();
    let gif = Message {
        attachments: vec![attach(b"GIF89a", MediaType::Gif, &mut blobs)],
        ..Message::text(Role::User, "x")
    };
    let digest = gif.attachments[0].id;
    assert!(matches!(
        try_ask(model, vec![gif.clone()], &blobs),
        Err(RequestError::Media(_))
    ));
    assert_eq!(
        try_ask(model, vec![gif], &none),
        Err(RequestError::Blob(digest))
    );
}

#[test]
fn the_list_of_models() {
    let outbound = GenerateContent
        .list_models(&endpoint(
            "m",
            json!({ "base-url": "http://localhost:9/v1beta" }),
        ))
        .expect("a list");
    assert_eq!(
        outbound.url,
        "http://127.0.0.1:9/v1beta/models?pageSize=1000"
    );
    let body = json!({ "nextPageToken": "x", "models": [
        { "name": "models/gemini-2.5-flash", "supportedGenerationMethods": ["generateContent", "countTokens"] },
        { "name": "models/text-embedding-004", "supportedGenerationMethods": ["embedContent"] },
        { "name": "tunedModels/mine" },
        { "name": 1 },
    ] });
    assert_eq!(
        GenerateContent.read_models(body.to_string().as_bytes()),
        Ok(vec!["gemini-2.5-flash".to_owned()])
    );
    for bad in ["", "{}", "[]", "{\"models\":{}}"] {
        assert!(
            GenerateContent.read_models(bad.as_bytes()).is_err(),
            "{bad}"
        );
    }
}
