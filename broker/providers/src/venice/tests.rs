//! What is Venice's own; the rest is tested with the protocol it shares.

use super::*;
use carapace_contract::config::Provider;
use carapace_contract::model::{Message, Role, Stop};

fn endpoint() -> Endpoint {
    let provider = Provider {
        withhold: Vec::new(),
        kind: "venice".parse().expect("a kind"),
        base_url: None,
        secret: None,
        auth: None,
        region: None,
        thinking_tokens: None,
        oauth: None,
        first_byte_ms: 1,
        deadline_ms: 2,
    };
    Endpoint::new("venice", &provider, &USUAL, "llama-3.3-70b").expect("a good endpoint")
}

#[test]
fn neither_a_prompt_of_its_own_nor_the_web_comes_in() {
    let completion = Completion {
        messages: vec![Message::text(Role::User, "hi")],
        tools: Vec::new(),
        max_tokens: Some(5),
    };
    let outbound = Venice
        .request(&endpoint(), &completion, &[], &Blobs::new())
        .expect("a good request");
    assert_eq!(
        outbound.url,
        "https://api.venice.ai:443/api/v1/chat/completions"
    );
    let body: Value = serde_json::from_slice(&outbound.body).expect("JSON");
    assert_eq!(
        body["venice_parameters"],
        json!({
            "include_venice_system_prompt": false,
            "enable_web_search": "off",
            "enable_web_scraping": false,
        })
    );
    assert_eq!(body["messages"][0]["content"], "hi");
    assert_eq!(
        endpoint().secret().map(|name| name.as_str()),
        Some("venice")
    );
}

#[test]
fn its_sample_is_read() {
    let sample = include_bytes!("samples/two-calls.txt");
    for size in [1, 7, sample.len()] {
        let mut decoder = Venice.decoder();
        for part in sample.chunks(size) {
            decoder.feed(part).expect("the sample");
        }
        let answer = decoder.finish().expect("the sample");
        assert_eq!(answer.stop, Stop::ToolCalls);
        let names: Vec<_> = answer
            .tool_calls
            .iter()
            .map(|call| call.name.as_str())
            .collect();
        assert_eq!(names, ["list", "memory.read"]);
        assert_eq!((answer.usage.input, answer.usage.output), (211, 44));
    }
}
