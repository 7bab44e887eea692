//! Answers as Ollama sends them, in every split; requests as it wants them; and what is neither.

use super::*;
use crate::codec::{MAX_ARGUMENTS, MAX_CALLS, Piece};
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
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n....";

fn decode(parts: &[&[u8]]) -> Result<(Answer, Vec<Piece>), DecodeError> {
    let mut decoder = Chat.decoder();
    let mut pieces = Vec::new();
    for part in parts {
        pieces.extend(decoder.feed(part)?);
    }
    decoder.finish().map(|answer| (answer, pieces))
}

fn answer(text: &str) -> Result<Answer, DecodeError> {
    decode(&[text.as_bytes()]).map(|(answer, _)| answer)
}

fn line(message: Value) -> String {
    format!("{}\n", json!({ "message": message, "done": false }))
}

fn end(reason: &str) -> String {
    let message = json!({ "role": "assistant", "content": "" });
    format!(
        "{}\n",
        json!({ "message": message, "done": true, "done_reason": reason })
    )
}

fn thought(maker: &str) -> Thinking {
    Thinking {
        maker: maker.to_owned(),
        text: "I need both files.".to_owned(),
        signature: None,
        id: None,
        hidden: false,
    }
}

fn expected() -> Answer {
    let call = |id: &str, name: &str, arguments| ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments,
        signature: None,
    };
    Answer {
        text: "Grüße, 世界 🦀".to_owned(),
        tool_calls: vec![
            call(
                "call_1",
                "file.read",
                json!({ "path": "ä.txt", "deep": { "n": [1, null] } }),
            ),
            call("call-1", "list", json!({})),
        ],
        thinking: vec![thought("ollama")],
        stop: Stop::ToolCalls,
        usage: Usage {
            input: 26,
            output: 282,
            ..Usage::default()
        },
    }
}

#[test]
fn thought_text_parallel_calls_and_usage_come_out_of_a_stream() {
    let (got, pieces) = decode(&[STREAM.as_bytes()]).expect("a good stream");
    assert_eq!(got, expected());
    let started = |index, name: &str| Piece::CallStarted {
        index,
        name: name.to_owned(),
    };
    let told = [
        Piece::Reasoning("I need ".to_owned()),
        Piece::Reasoning("both files.".to_owned()),
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
    for at in 0..bytes.len() - 1 {
        assert_eq!(
            decode(&[&bytes[..at]]),
            Err(DecodeError::Cut),
            "cut at {at}"
        );
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(decode(&single).expect("a good stream").0, expected());
    let without_the_last_line_feed = &bytes[..bytes.len() - 1];
    assert_eq!(
        decode(&[without_the_last_line_feed])
            .expect("a good stream")
            .0,
        expected()
    );
}

proptest! {
    #[test]
    fn any_split_gives_the_same_answer(sizes in prop::collection::vec(1usize..60, 1..100)) {
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
        let length = bytes.len();
        // Its last two bytes may be missing: `}` and the line feed; without the brace it is cut.
        prop_assert_eq!(decode(&[&bytes[..cut % (length - 1)]]), Err(DecodeError::Cut));
        bytes[at % length] = byte;
        let _ = decode(&[&bytes]);
    }
}

#[test]
fn an_answer_in_one_piece_is_read_too() {
    let body = json!({ "model": "m", "message": { "role": "assistant", "content": "hi" }, "done": true,
                       "done_reason": "length", "prompt_eval_count": 1, "eval_count": 2 });
    let got = answer(&format!("\n {body}")).expect("a good body");
    assert_eq!(
        (got.text.as_str(), got.stop, got.usage.output),
        ("hi", Stop::Length, 2)
    );
}

#[test]
fn the_reason_for_stopping() {
    let text = line(json!({ "content": "x" }));
    let call = line(json!({ "tool_calls": [{ "function": { "name": "list" } }] }));
    let rows = [
        (text.clone() + &end("stop"), Stop::End),
        (text.clone() + &end("length"), Stop::Length),
        (text + &end("a new one"), Stop::End),
        (call.clone() + &end("stop"), Stop::ToolCalls),
        (call + &end("length"), Stop::Length),
    ];
    for (stream, stop) in rows {
        assert_eq!(
            answer(&stream).map(|answer| answer.stop),
            Ok(stop),
            "{stream}"
        );
    }
}

#[test]
fn what_comes_after_the_end_is_not_read() {
    let got = answer(&(end("stop") + &line(json!({ "content": "more" })) + "not JSON\n"));
    assert_eq!(got.map(|answer| answer.text), Ok(String::new()));
}

#[test]
fn arguments_that_are_no_object_are_an_error() {
    let calls = |arguments: Value| {
        line(json!({ "tool_calls": [{ "function": { "name": "x", "arguments": arguments } }] }))
            + &end("stop")
    };
    for good in [json!({}), json!(null), json!("{}"), json!("")] {
        let got = answer(&calls(good.clone())).expect("no arguments");
        assert_eq!(got.tool_calls[0].arguments, json!({}), "{good}");
    }
    for bad in [json!([1]), json!(1), json!("[1]"), json!("{")] {
        assert!(
            matches!(answer(&calls(bad.clone())), Err(DecodeError::Malformed(_))),
            "{bad}"
        );
    }
}

#[test]
fn limits_hold() {
    let too_large = |result: Result<Answer, DecodeError>, what: &str| match result {
        Err(DecodeError::TooLarge { what: got, .. }) => assert_eq!(got, what),
        other => panic!("{what}: {:?}", other.map(|answer| answer.text.len())),
    };
    too_large(
        answer(&"x".repeat(crate::codec::ndjson::MAX_LINE + 1)),
        "a line",
    );
    too_large(
        answer(&line(json!({ "content": "x".repeat(1_000_000) })).repeat(5)),
        "text",
    );
    too_large(
        answer(&line(json!({ "thinking": "x".repeat(1_000_000) })).repeat(5)),
        "thinking",
    );
    let call = line(json!({ "tool_calls": [{ "function": { "name": "x" } }] }));
    too_large(answer(&call.repeat(MAX_CALLS + 1)), "tool calls");
    let long = json!({ "name": "x", "arguments": { "a": "x".repeat(MAX_ARGUMENTS) } });
    too_large(
        answer(&line(json!({ "tool_calls": [{ "function": long }] }))),
        "a call's arguments",
    );
    let many = format!("{{\"message\":{}}}\n", "[],".repeat(1_000_000));
    too_large(answer(&many), "values in a body");
}

#[test]
fn an_error_in_a_stream_has_its_type_and_stays() {
    let trouble = |error: &str| {
        let begun = line(json!({ "content": "x" }));
        match answer(&format!("{begun}{}\n", json!({ "error": error }))) {
            Err(DecodeError::Trouble(trouble)) => trouble,
            other => panic!("{other:?}"),
        }
    };
    let crash = trouble("an error was encountered while running the model: CUDA error");
    assert!(matches!(crash, Trouble::Overloaded { status: 0, .. }) && crash.retryable());
    assert!(matches!(
        trouble("model 'm' not found"),
        Trouble::ModelNotFound { .. }
    ));
    assert!(matches!(
        trouble("the request exceeds the available context size"),
        Trouble::ContextTooLong { .. }
    ));
    let mut decoder = Chat.decoder();
    let first = decoder.feed(b"<html>\n").expect_err("not a line");
    assert_eq!(decoder.feed(end("stop").as_bytes()), Err(first.clone()));
    assert_eq!(decoder.finish(), Err(first));
}

#[test]
fn troubles_have_their_types() {
    let kind = |status, said: &str| {
        Chat.refusal(
            status,
            Some("17"),
            json!({ "error": said }).to_string().as_bytes(),
        )
    };
    assert!(matches!(kind(401, "unauthorized"), Trouble::Auth { .. }));
    assert!(matches!(
        kind(404, "model 'm' not found"),
        Trouble::ModelNotFound { .. }
    ));
    assert!(matches!(
        kind(400, "the input length exceeds the context length"),
        Trouble::ContextTooLong { .. }
    ));
    assert!(matches!(
        kind(
            503,
            "server busy, please try again. maximum pending requests exceeded"
        ),
        Trouble::Overloaded {
            status: 503,
            retry_after: Some(17),
            ..
        }
    ));
    assert!(matches!(
        kind(429, "you have reached your usage limit"),
        Trouble::Quota {
            retry_after: Some(17),
            ..
        }
    ));
    let teapot = kind(400, "\u{1b}[2Jm does not support tools");
    assert!(
        matches!(&teapot, Trouble::Malformed { status: 400, said } if said.contains("does not support tools"))
    );
    assert!(!teapot.to_string().contains('\u{1b}'));
    assert!(matches!(
        Chat.refusal(500, None, b"\xff"),
        Trouble::Overloaded { status: 500, .. }
    ));
}

fn endpoint(more: Value) -> Endpoint {
    let mut provider = json!({ "kind": "ollama" });
    for (key, value) in more.as_object().expect("an object") {
        provider[key] = value.clone();
    }
    let provider: Provider = serde_json::from_value(provider).expect("a provider");
    Endpoint::new("local", &provider, &USUAL, "qwen3:8b").expect("a good endpoint")
}

fn completion(messages: Vec<Message>, max_tokens: Option<u32>) -> Completion {
    Completion {
        messages,
        tools: vec![],
        max_tokens,
    }
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

#[test]
fn a_request_follows_the_published_schema() {
    let mut blobs = Blobs::new();
    let round = Message {
        tool_calls: expected().tool_calls,
        thinking: vec![thought("anthropic"), thought("ollama")],
        ..Message::text(Role::Assistant, "Looking.")
    };
    let result = |id: &str, text| Message {
        tool_call_id: Some(id.to_owned()),
        ..Message::text(Role::Tool, text)
    };
    let messages = vec![
        Message::text(Role::System, "Be brief."),
        Message {
            attachments: vec![
                attach(PNG, MediaType::Png, &mut blobs),
                attach(b"some text", MediaType::Text, &mut blobs),
            ],
            ..Message::text(Role::User, "What is it?")
        },
        round,
        result("call_1", "one"),
        result("call-1", "two"),
    ];
    let tool = Tool {
        name: "file.read".parse().expect("a tool name"),
        description: "Reads.".to_owned(),
        schema: json!({ "type": "object" }),
        effects: Effects::worst_case(),
        place: Place::Hands,
    };
    let endpoint = endpoint(json!({ "thinking-tokens": 100 }));
    let outbound = Chat
        .request(&endpoint, &completion(messages, Some(50)), &[tool], &blobs)
        .expect("a good request");
    assert_eq!(outbound.url, "http://127.0.0.1:11434/api/chat");
    assert_eq!(outbound.attach, None);
    let body: Value = serde_json::from_slice(&outbound.body).expect("JSON");
    let wanted = json!({
        "model": "qwen3:8b",
        "stream": true,
        "think": true,
        "options": { "num_predict": 150 },
        "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": "What is it?\n\nDocument \"a file\":\n\nsome text",
              "images": ["iVBORw0KGgouLi4u"] },
            { "role": "assistant", "content": "Looking.", "thinking": "I need both files.",
              "tool_calls": [
                { "id": "call_1", "function": { "name": "file__read", "arguments": { "path": "ä.txt", "deep": { "n": [1, null] } } } },
                { "id": "call-1", "function": { "name": "list", "arguments": {} } },
              ] },
            { "role": "tool", "tool_name": "file__read", "tool_call_id": "call_1", "content": "one" },
            { "role": "tool", "tool_name": "list", "tool_call_id": "call-1", "content": "two" },
        ],
        "tools": [{ "type": "function", "function": {
            "name": "file__read", "description": "Reads.", "parameters": { "type": "object" } } }],
    });
    assert_eq!(body, wanted);
}

#[test]
fn without_a_budget_no_thought_is_asked_for() {
    let asked = completion(vec![Message::text(Role::User, "hi")], None);
    let outbound = Chat
        .request(&endpoint(json!({})), &asked, &[], &Blobs::new())
        .expect("a good request");
    let body: Value = serde_json::from_slice(&outbound.body).expect("JSON");
    let wanted = json!({ "model": "qwen3:8b", "stream": true, "think": false,
                         "messages": [{ "role": "user", "content": "hi" }] });
    assert_eq!(body, wanted);
}

#[test]
fn what_cannot_be_asked_is_an_error() {
    let ask = |message: Message, blobs: &Blobs| {
        Chat.request(
            &endpoint(json!({})),
            &completion(vec![message], None),
            &[],
            blobs,
        )
    };
    let empty = Chat.request(
        &endpoint(json!({})),
        &completion(vec![], None),
        &[],
        &Blobs::new(),
    );
    assert_eq!(empty, Err(RequestError::Empty));
    let orphan = Message {
        tool_call_id: Some("x".to_owned()),
        ..Message::text(Role::Tool, "x")
    };
    assert_eq!(ask(orphan, &Blobs::new()), Err(RequestError::Unanswered(0)));
    for (bytes, media) in [
        (&b"%PDF-1.7"[..], MediaType::Pdf),
        (b"GIF89a", MediaType::Gif),
    ] {
        let mut blobs = Blobs::new();
        let attachment = attach(bytes, media, &mut blobs);
        let message = Message {
            attachments: vec![attachment.clone()],
            ..Message::text(Role::User, "x")
        };
        assert!(matches!(
            ask(message.clone(), &blobs),
            Err(RequestError::Media(_))
        ));
        assert_eq!(
            ask(message, &Blobs::new()),
            Err(RequestError::Blob(attachment.id))
        );
    }
}

#[test]
fn the_list_of_models() {
    let endpoint = endpoint(json!({ "base-url": "http://localhost:9/ollama/" }));
    let outbound = Chat.list_models(&endpoint).expect("a list");
    assert_eq!(outbound.url, "http://127.0.0.1:9/ollama/api/tags");
    let body = json!({ "models": [{ "name": "qwen3:8b", "size": 1 }, { "model": "b" }, { "name": 1 }, 2] });
    assert_eq!(
        Chat.read_models(body.to_string().as_bytes()),
        Ok(vec!["qwen3:8b".to_owned(), "b".to_owned()])
    );
    for bad in ["", "{}", "[]", "{\"models\":{}}"] {
        assert!(Chat.read_models(bad.as_bytes()).is_err(), "{bad}");
    }
}
