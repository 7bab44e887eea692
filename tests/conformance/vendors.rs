//! The kinds of providers: how each is configured, where its key is on a request, and how it wants a picture.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use carapace_contract::control::Ask;
use carapace_contract::secret::{NewSecret, SecretText};
use carapace_harness::control::{put_key, secret_name};
use carapace_harness::http::Received;
use serde_json::Value;
use std::net::SocketAddr;

/// One provider of the configuration.
pub struct Vendor {
    /// Its name there, and that of its secret.
    pub name: &'static str,
    /// Its kind.
    pub kind: &'static str,
    /// What its base address ends with.
    base: &'static str,
    /// Further settings.
    settings: &'static str,
    /// The header that carries the key, and what stands before it.
    header: (&'static str, &'static str),
    /// Whether the foreign vendor counts tokens in this protocol.
    pub tells_usage: bool,
    /// Where the picture is: a pointer into the newest message, and what stands before its base64.
    picture: (&'static str, &'static str),
}

const BEARER: (&str, &str) = ("authorization", "Bearer ");

/// Bytes that only the test knows.
const ACCESS_KEY_ID: &str = "AKIATESTTESTTESTTEST";
const SECRET_ACCESS_KEY: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYTESTTESTKEY1";
const SESSION_TOKEN: &str = "FwoGZXIvYXdzEtestsessiontoken0123456789";

pub const VENDORS: &[Vendor] = &[
    Vendor {
        name: "anthropic",
        kind: "anthropic",
        base: "",
        settings: "",
        header: ("x-api-key", ""),
        tells_usage: true,
        picture: ("/messages", ""),
    },
    Vendor {
        name: "openai",
        kind: "openai",
        base: "/v1",
        settings: "",
        header: BEARER,
        tells_usage: true,
        picture: ("/messages", "data:image/png;base64,"),
    },
    Vendor {
        name: "openai-responses",
        kind: "openai-responses",
        base: "/v1",
        settings: "",
        header: BEARER,
        tells_usage: true,
        picture: ("/input", "data:image/png;base64,"),
    },
    Vendor {
        name: "openai-compatible",
        kind: "openai-compatible",
        base: "/v1",
        settings: "auth = \"api-key\"",
        header: BEARER,
        tells_usage: true,
        picture: ("/messages", "data:image/png;base64,"),
    },
    Vendor {
        name: "gemini",
        kind: "gemini",
        base: "/v1beta",
        settings: "",
        header: ("x-goog-api-key", ""),
        tells_usage: true,
        picture: ("/contents", ""),
    },
    Vendor {
        name: "bedrock-bearer",
        kind: "bedrock",
        base: "",
        settings: "region = \"eu-central-1\"\nauth = \"bearer\"",
        header: BEARER,
        tells_usage: true,
        picture: ("/messages", ""),
    },
    Vendor {
        name: "bedrock-signed",
        kind: "bedrock",
        base: "",
        settings: "region = \"eu-central-1\"\nauth = \"sigv4\"",
        header: ("authorization", "AWS4-HMAC-SHA256 "),
        tells_usage: true,
        picture: ("/messages", ""),
    },
    Vendor {
        name: "ollama",
        kind: "ollama",
        base: "",
        settings: "auth = \"bearer\"",
        header: BEARER,
        tells_usage: false,
        picture: ("/messages", ""),
    },
    Vendor {
        name: "venice",
        kind: "venice",
        base: "/v1",
        settings: "",
        header: BEARER,
        tells_usage: true,
        picture: ("/messages", "data:image/png;base64,"),
    },
];

impl Vendor {
    fn is_signed(&self) -> bool {
        self.header.1.starts_with("AWS4")
    }

    fn key(&self) -> String {
        format!("key-of-{}-0123456789abcdef", self.name)
    }

    /// Its part of `config.toml`.
    pub fn config(&self, address: SocketAddr) -> String {
        format!(
            "\n[providers.{}]\nkind = \"{}\"\nbase-url = \"http://{address}{}\"\nfirst-byte-ms = 8000\ndeadline-ms = 15000\n{}\n",
            self.name, self.kind, self.base, self.settings
        )
    }

    /// Stores its secret.
    pub fn put(&self) -> Ask {
        if !self.is_signed() {
            return put_key(self.name, &self.key());
        }
        let text = |text: &str| SecretText::new(text.to_owned());
        Ask::SecretPut {
            name: secret_name(self.name),
            secret: NewSecret::Aws {
                access_key_id: text(ACCESS_KEY_ID),
                secret_access_key: text(SECRET_ACCESS_KEY),
                session_token: Some(text(SESSION_TOKEN)),
            },
            each_session: false,
            origins: Vec::new(),
            staged: false,
        }
    }

    /// Whether its key, and nothing else that proves who asks, is on a request.
    pub fn key_is_on(&self, request: &Received) -> Result<(), String> {
        let (name, before) = self.header;
        let value = request
            .header(name)
            .and_then(|value| value.strip_prefix(before))
            .ok_or_else(|| format!("no {name} with {before:?}"))?;
        let right = if self.is_signed() {
            let scope = format!("Credential={ACCESS_KEY_ID}/");
            value.starts_with(&scope)
                && value.contains("/eu-central-1/bedrock/aws4_request")
                && value.contains("Signature=")
                && request.header("x-amz-security-token") == Some(SESSION_TOKEN)
                && !format!("{request:?}").contains(SECRET_ACCESS_KEY)
        } else {
            value == self.key()
        };
        let others = ["authorization", "x-api-key", "x-goog-api-key", "api-key"];
        let more = others
            .iter()
            .any(|other| *other != name && request.header(other).is_some());
        if right && !more && !request.path.contains(&self.key()) {
            Ok(())
        } else {
            Err(format!("the key is not as it should be: {name} {value:?}"))
        }
    }

    /// Whether a picture is in a request, as this vendor wants it.
    pub fn image_is_in(&self, body: &Value, bytes: &[u8]) -> Result<(), String> {
        let (list, before) = self.picture;
        let coded = format!("{before}{}", BASE64.encode(bytes));
        let newest = body
            .pointer(list)
            .and_then(Value::as_array)
            .and_then(|all| all.last())
            .ok_or_else(|| format!("{list} is not in {body}"))?;
        let parts: Vec<&Value> = ["content", "parts"]
            .iter()
            .filter_map(|key| newest[*key].as_array())
            .flatten()
            .collect();
        let found = match self.kind {
            "ollama" => newest["images"][0] == coded.as_str(),
            "anthropic" => parts.iter().any(|part| {
                let source = &part["source"];
                part["type"] == "image"
                    && source["type"] == "base64"
                    && source["media_type"] == "image/png"
                    && source["data"] == coded.as_str()
            }),
            "openai-responses" => parts
                .iter()
                .any(|part| part["type"] == "input_image" && part["image_url"] == coded.as_str()),
            "gemini" => parts.iter().any(|part| {
                let inline = &part["inlineData"];
                inline["mimeType"] == "image/png" && inline["data"] == coded.as_str()
            }),
            "bedrock" => parts.iter().any(|part| {
                let image = &part["image"];
                image["format"] == "png" && image["source"]["bytes"] == coded.as_str()
            }),
            _ => parts.iter().any(|part| {
                part["type"] == "image_url" && part["image_url"]["url"] == coded.as_str()
            }),
        };
        if found {
            Ok(())
        } else {
            Err(format!("it is not as {} wants it: {newest}", self.kind))
        }
    }
}
