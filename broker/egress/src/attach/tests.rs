use super::*;
use carapace_contract::id::SecretName;
use proptest::prelude::*;
use reqwest::header::AUTHORIZATION;
use std::time::Duration;

fn name() -> SecretName {
    "cloud".parse().unwrap()
}

fn get(url: &str) -> Request {
    Request::new(reqwest::Method::GET, url.parse().unwrap())
}

fn key(text: &str) -> Credential {
    Credential::Key(Secret::from(text))
}

fn text(request: &Request, name: &str) -> String {
    let value = request.headers().get(name).unwrap();
    assert!(value.is_sensitive(), "{name}");
    value.to_str().unwrap().to_owned()
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH
}

#[test]
fn bearer_header_query_and_oauth_are_put_where_they_belong() {
    let mut request = get("https://api.example.com/v1?alt=sse");
    let derived = attach(
        &mut request,
        &Attach::Bearer { secret: name() },
        &key("sk-1+2"),
        now(),
    );
    assert_eq!(text(&request, "authorization"), "Bearer sk-1+2");
    assert_eq!(derived.unwrap()[0].as_slice(), b"Bearer sk-1+2");

    let mut request = get("https://api.example.com/v1");
    let how = Attach::Header {
        name: "x-api-key",
        before: "",
        secret: name(),
    };
    assert!(
        attach(&mut request, &how, &key("sk-1"), now())
            .unwrap()
            .is_empty()
    );
    assert_eq!(text(&request, "x-api-key"), "sk-1");

    let mut request = get("https://api.example.com/v1?alt=sse");
    let how = Attach::Query {
        name: "key",
        secret: name(),
    };
    let derived = attach(&mut request, &how, &key("a/b +c"), now()).unwrap();
    assert_eq!(request.url().query(), Some("alt=sse&key=a%2Fb+%2Bc"));
    assert_eq!(derived[0].as_slice(), b"a%2Fb+%2Bc");

    let mut request = get("https://api.example.com/v1");
    let login = Credential::Oauth {
        access_token: Secret::from("at"),
        refresh_token: Some(Secret::from("rt")),
        expires: None,
    };
    attach(
        &mut request,
        &Attach::Oauth { secret: name() },
        &login,
        now(),
    )
    .unwrap();
    assert_eq!(text(&request, "authorization"), "Bearer at");
}

#[test]
fn a_place_that_is_taken_is_not_overwritten() {
    let mut request = get("https://api.example.com/v1?key=mine");
    request
        .headers_mut()
        .insert(AUTHORIZATION, HeaderValue::from_static("mine"));
    for how in [
        Attach::Bearer { secret: name() },
        Attach::Query {
            name: "key",
            secret: name(),
        },
        Attach::Header {
            name: "not a header",
            before: "",
            secret: name(),
        },
    ] {
        let result = attach(&mut request, &how, &key("sk-1"), now());
        assert!(matches!(result, Err(AttachError::Taken(_))), "{how:?}");
    }
}

#[test]
fn another_kind_of_secret_is_refused() {
    let login = Credential::Oauth {
        access_token: Secret::from("at"),
        refresh_token: None,
        expires: None,
    };
    let sigv4 = Attach::Sigv4 {
        secret: name(),
        region: "us-east-1".to_owned(),
        service: "bedrock",
    };
    for (how, credential) in [
        (Attach::Bearer { secret: name() }, &login),
        (Attach::Oauth { secret: name() }, &key("k")),
        (sigv4, &key("k")),
    ] {
        let result = attach(&mut get("https://a.example.com/"), &how, credential, now());
        assert!(matches!(result, Err(AttachError::Kind { .. })), "{how:?}");
    }
}

proptest! {
    #[test]
    fn a_secret_with_control_characters_is_refused_everywhere(
        before in "[ -~]{0,9}", bad in "[\\x00-\\x1f\\x7f]", after in "[ -~]{0,9}",
    ) {
        let secret = format!("{before}{bad}{after}");
        for how in [
            Attach::Bearer { secret: name() },
            Attach::Query { name: "key", secret: name() },
            Attach::Header { name: "x-api-key", before: "", secret: name() },
        ] {
            let mut request = get("https://a.example.com/");
            let refused = attach(&mut request, &how, &key(&secret), now());
            prop_assert_eq!(refused.unwrap_err(), AttachError::Bytes { place: "on a request" });
            prop_assert_eq!(request.headers().len(), 0);
            prop_assert_eq!(request.url().query(), None);
        }
    }

    #[test]
    fn a_header_with_a_secret_never_shows_it_in_debug(secret in "[!-~]{8,40}") {
        let mut request = get("https://a.example.com/");
        attach(&mut request, &Attach::Bearer { secret: name() }, &key(&secret), now()).unwrap();
        let shown = format!("{:?}", request.headers());
        prop_assert!(!shown.contains(&secret));
    }
}

/// The values of AWS's signature test suite: key, scope and moment are the same in all of it.
const ID: &str = "AKIDEXAMPLE";
const KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2015-08-30 12:36:00 UTC.
const AT: u64 = 1_440_938_160;

struct Case {
    name: &'static str,
    post: bool,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    session: Option<&'static str>,
    signature: &'static str,
}

impl Case {
    const GET: Self = Self {
        name: "",
        post: false,
        path: "/",
        headers: &[],
        body: "",
        session: None,
        signature: "",
    };
    const POST: Self = Self {
        post: true,
        ..Self::GET
    };
}

/// Requests and signatures as published.
const PUBLISHED: &[Case] = &[
    Case {
        name: "get-vanilla",
        signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ..Case::GET
    },
    Case {
        name: "get-vanilla-query-order-key-case",
        path: "/?Param2=value2&Param1=value1",
        signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ..Case::GET
    },
    Case {
        name: "get-vanilla-empty-query-key",
        path: "/?Param1=value1",
        signature: "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
        ..Case::GET
    },
    Case {
        name: "get-unreserved",
        path: "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ..Case::GET
    },
    Case {
        name: "get-relative-normalized",
        path: "/example/..",
        signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ..Case::GET
    },
    Case {
        name: "get-slashes-normalized",
        path: "//example//",
        signature: "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
        ..Case::GET
    },
    Case {
        name: "get-header-value-trim",
        headers: &[("my-header1", "value1"), ("my-header2", "\"a   b   c\"")],
        signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ..Case::GET
    },
    Case {
        name: "get-header-key-duplicate",
        headers: &[
            ("my-header1", "value2"),
            ("my-header1", "value2"),
            ("my-header1", "value1"),
        ],
        signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        ..Case::GET
    },
    Case {
        name: "get-vanilla-with-session-token",
        session: Some("6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"),
        signature: "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
        ..Case::GET
    },
    Case {
        name: "get-header-value-order",
        headers: &[
            ("my-header1", "value4"),
            ("my-header1", "value1"),
            ("my-header1", "value3"),
            ("my-header1", "value2"),
        ],
        signature: "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
        ..Case::GET
    },
    Case {
        name: "get-slash-pointless-dot-normalized",
        path: "/./example",
        signature: "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5",
        ..Case::GET
    },
    Case {
        name: "get-vanilla-query-unreserved",
        path: "/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        signature: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
        ..Case::GET
    },
    Case {
        name: "post-vanilla",
        signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ..Case::POST
    },
    Case {
        name: "post-vanilla-query",
        path: "/?Param1=value1",
        signature: "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
        ..Case::POST
    },
    Case {
        name: "post-header-key-sort",
        headers: &[("my-header1", "value1")],
        signature: "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        ..Case::POST
    },
    Case {
        name: "post-sts-header-before",
        session: Some(
            "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==",
        ),
        signature: "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
        ..Case::POST
    },
];

#[test]
fn requests_are_signed_as_aws_publishes() {
    for case in PUBLISHED {
        let url = format!("https://example.amazonaws.com{}", case.path);
        let method = if case.post {
            reqwest::Method::POST
        } else {
            reqwest::Method::GET
        };
        let mut request = Request::new(method, url.parse().unwrap());
        for (name, value) in case.headers {
            request.headers_mut().append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        *request.body_mut() = Some(case.body.into());
        let keys = Credential::Aws {
            access_key_id: Secret::from(ID),
            secret_access_key: Secret::from(KEY),
            session_token: case.session.map(Secret::from),
        };
        let how = Attach::Sigv4 {
            secret: name(),
            region: "us-east-1".to_owned(),
            service: "service",
        };
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(AT);
        let derived = attach(&mut request, &how, &keys, at).unwrap();
        let header = text(&request, "authorization");
        assert!(
            header.ends_with(&format!("Signature={}", case.signature)),
            "{}: {header}",
            case.name
        );
        assert!(header.starts_with(&format!(
            "AWS4-HMAC-SHA256 Credential={ID}/20150830/us-east-1/service/aws4_request, "
        )));
        assert_eq!(derived[0].as_slice(), case.signature.as_bytes());
        assert_eq!(derived[1].as_slice(), header.as_bytes());
        assert_eq!(text(&request, "x-amz-date"), "20150830T123600Z");
        assert_eq!(
            request.headers().contains_key("x-amz-security-token"),
            case.session.is_some()
        );
    }
}

#[test]
fn a_signature_covers_body_path_and_headers() {
    let sign = |path: &str, header: &'static str, body: &'static str| {
        let mut request = get(&format!(
            "https://bedrock-runtime.eu-west-1.amazonaws.com{path}"
        ));
        request
            .headers_mut()
            .insert("x-a", HeaderValue::from_static(header));
        *request.body_mut() = Some(body.into());
        let keys = Credential::Aws {
            access_key_id: Secret::from(ID),
            secret_access_key: Secret::from(KEY),
            session_token: None,
        };
        let how = Attach::Sigv4 {
            secret: name(),
            region: "eu-west-1".to_owned(),
            service: "bedrock",
        };
        attach(&mut request, &how, &keys, now()).unwrap()[0].clone()
    };
    let first = sign("/model/a%3A0/converse", "1", "{}");
    for other in [
        sign("/model/b%3A0/converse", "1", "{}"),
        sign("/model/a%3A0/converse", "2", "{}"),
        sign("/model/a%3A0/converse", "1", "{ }"),
    ] {
        assert_ne!(first, other);
    }
}
