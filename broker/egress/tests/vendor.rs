//! Request, sender, decoder and the fake vendor together.

#[path = "../../../tests/harness/src/fake_openai.rs"]
#[allow(dead_code)] // a test uses its part
mod fake_openai;
#[path = "../../../tests/harness/src/http.rs"]
#[allow(dead_code)] // a test uses its part
mod http;
mod world;

use carapace_contract::config::Provider;
use carapace_contract::model::{Answer, Completion, Message, Role, Stop};
use carapace_egress::{Egress, SendError};
use carapace_providers::{Blobs, DecodeError, Endpoint, Kind, Trouble, kind};
use fake_openai::{Call, FakeOpenai, Fault, Turn};
use serde_json::json;

fn known() -> &'static Kind {
    kind("openai-compatible").unwrap()
}

async fn ask(
    server: &FakeOpenai,
    egress: &Egress,
) -> Result<Result<Answer, DecodeError>, SendError> {
    let provider = Provider {
        withhold: Vec::new(),
        kind: "openai-compatible".parse().expect("a kind"),
        base_url: Some(server.base_url()),
        secret: None,
        auth: None,
        region: None,
        thinking_tokens: None,
        oauth: None,
        first_byte_ms: 60_000,
        deadline_ms: 60_000,
    };
    let endpoint = Endpoint::new("local", &provider, &known().usual, "fake").unwrap();
    let completion = Completion {
        messages: vec![Message::text(Role::User, "hi")],
        tools: vec![],
        max_tokens: None,
    };
    let (what, _home) = world::recorded(&origin(server), None).await;
    let outbound = known()
        .codec
        .request(&endpoint, &completion, &[], &Blobs::new())
        .unwrap();
    let mut response = egress.send(&what, outbound).await?;
    let mut decoder = known().codec.decoder();
    while let Some(bytes) = response.chunk().await? {
        if let Err(error) = decoder.feed(&bytes) {
            return Ok(Err(error));
        }
    }
    Ok(decoder.finish())
}

fn origin(server: &FakeOpenai) -> String {
    format!("http://{}", server.address())
}

fn sender(server: &FakeOpenai) -> Egress {
    Egress::new(world::settings(&[&origin(server)])).unwrap()
}

#[tokio::test]
async fn text_and_parallel_calls_arrive_as_scripted() {
    let call = |id: &str, path: &str| Call {
        id: id.to_owned(),
        name: "read".to_owned(),
        arguments: json!({ "path": path }).to_string(),
    };
    let server = FakeOpenai::start([
        Turn::Text(vec!["Grü".to_owned(), "ße \"x\"\n".to_owned()]),
        Turn::Both(
            vec!["now".to_owned()],
            vec![call("a", "one.txt"), call("b", "zwei ä.txt")],
        ),
    ])
    .unwrap();
    let egress = sender(&server);
    let first = ask(&server, &egress).await.unwrap().unwrap();
    assert_eq!(
        (first.text.as_str(), first.stop, first.usage.input),
        ("Grüße \"x\"\n", Stop::End, 11)
    );
    let second = ask(&server, &egress).await.unwrap().unwrap();
    let paths: Vec<_> = second
        .tool_calls
        .iter()
        .map(|call| call.arguments["path"].clone())
        .collect();
    assert_eq!(
        (paths, second.stop),
        (vec![json!("one.txt"), json!("zwei ä.txt")], Stop::ToolCalls)
    );
    let received = server.received();
    assert_eq!(received.len(), 2);
    assert!(
        received[0].path == "/v1/chat/completions" && received[0].body.contains("\"stream\":true")
    );
}

#[tokio::test]
async fn faults_have_their_types() {
    let server = FakeOpenai::start([
        Turn::Fault(Fault::Status(429, "slow down".to_owned(), Some(3))),
        Turn::Fault(Fault::Status(500, "boom".to_owned(), None)),
        Turn::Fault(Fault::Cut("half".to_owned())),
        Turn::Fault(Fault::Garbage),
        Turn::Fault(Fault::Redirect("http://169.254.169.254/".to_owned())),
        Turn::Fault(Fault::LongLine(10 * 1024 * 1024)),
    ])
    .unwrap();
    let egress = sender(&server);
    let Err(SendError::Status {
        status,
        retry_after,
        body,
    }) = ask(&server, &egress).await
    else {
        panic!("a status")
    };
    assert!(matches!(
        known().codec.refusal(status, retry_after.as_deref(), &body),
        Trouble::Quota {
            retry_after: Some(3),
            ..
        }
    ));
    let Err(SendError::Status { status: 500, .. }) = ask(&server, &egress).await else {
        panic!("a status")
    };
    let cut = ask(&server, &egress).await;
    assert!(matches!(cut, Err(SendError::Cut(_))), "{cut:?}");
    let garbage = ask(&server, &egress).await;
    assert!(matches!(garbage, Err(SendError::NotHttp(_))), "{garbage:?}");
    let redirect = ask(&server, &egress).await;
    assert!(
        matches!(&redirect, Err(SendError::Redirect { host, refused: Some(_) }) if host == "169.254.169.254"),
        "{redirect:?}"
    );
    let long = ask(&server, &egress).await;
    assert!(
        matches!(long, Ok(Err(DecodeError::TooLarge { what: "a line", .. }))),
        "{long:?}"
    );
}
