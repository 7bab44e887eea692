//! A model request and its answer, in the broker's own words. Providers translate to and from
//! their vendors' formats.

use crate::id::{Digest, ToolName};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who said a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions of the system.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool.
    Tool,
}

/// A call of a tool that the model asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// Unique within the turn; comes back with the result.
    pub id: String,
    /// The tool, as the model wrote it: it may not exist.
    pub name: String,
    /// The arguments, an object.
    pub arguments: Value,
    /// What the vendor wants back with this call, opaque (Gemini's thought signature).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// What an attachment is, of the kinds that models read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MediaType {
    /// A PNG picture.
    #[serde(rename = "image/png")]
    Png,
    /// A JPEG picture.
    #[serde(rename = "image/jpeg")]
    Jpeg,
    /// A GIF picture; the first frame counts.
    #[serde(rename = "image/gif")]
    Gif,
    /// A WebP picture.
    #[serde(rename = "image/webp")]
    Webp,
    /// A PDF document.
    #[serde(rename = "application/pdf")]
    Pdf,
    /// A text document, UTF-8.
    #[serde(rename = "text/plain")]
    Text,
}

impl MediaType {
    /// Its name (RFC 6838).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Pdf => "application/pdf",
            Self::Text => "text/plain",
        }
    }

    /// What the bytes are, told by how they begin; text where they are UTF-8 without control characters
    /// but white space.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let known: [(&[u8], Self); 5] = [
            (b"\x89PNG\r\n\x1a\n", Self::Png),
            (b"\xff\xd8\xff", Self::Jpeg),
            (b"GIF87a", Self::Gif),
            (b"GIF89a", Self::Gif),
            (b"%PDF-", Self::Pdf),
        ];
        if let Some((_, media)) = known.iter().find(|(start, _)| bytes.starts_with(start)) {
            return Some(*media);
        }
        if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            return Some(Self::Webp);
        }
        let text = std::str::from_utf8(bytes).ok()?;
        let plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
        text.chars().all(plain).then_some(Self::Text)
    }

    /// Whether it is a picture.
    pub const fn is_image(self) -> bool {
        matches!(self, Self::Png | Self::Jpeg | Self::Gif | Self::Webp)
    }
}

/// The most bytes of one attachment.
pub const MAX_ATTACHMENT: usize = 5 * 1024 * 1024;
/// The most attachments of one message.
pub const MAX_ATTACHMENTS: usize = 8;

/// A picture or document that belongs to a message. Its bytes stay in the broker; a confined
/// process sees this description, and the broker puts the bytes into the request to the model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Attachment {
    /// SHA-256 of its bytes; names an attachment of the same session only.
    pub id: Digest,
    /// What it is.
    pub media_type: MediaType,
    /// Its file name, for people and models; no path.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// What a model thought before it answered, as its vendor wants it back within the same turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Thinking {
    /// The kind of provider that made it (`anthropic`, …): only given back to the same kind.
    pub maker: String,
    /// The thought, or a summary of it; may be empty.
    #[serde(default)]
    pub text: String,
    /// The vendor's signature over it, or its encrypted form; opaque.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// The vendor's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// True where the vendor shows nothing of it and `signature` is all there is.
    #[serde(default)]
    pub hidden: bool,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// Its text; may be empty beside tool calls.
    #[serde(default)]
    pub content: String,
    /// Only on assistant messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Only on tool messages: which call this answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// Only on user messages: pictures and documents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Only on assistant messages: what came before the text and the calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thinking: Vec<Thinking>,
}

impl Message {
    /// A message with text only.
    pub fn text(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            tool_calls: Vec::new(),
            tool_call_id: None,
            attachments: Vec::new(),
            thinking: Vec::new(),
        }
    }
}

/// What a worker may say in `model.complete`: a closed form. Provider and model are not in it;
/// they come from the session's route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Completion {
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// Names of the tools to offer; the broker adds their schemas.
    #[serde(default)]
    pub tools: Vec<ToolName>,
    /// At most this many tokens in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// It was done.
    End,
    /// It wants the tool calls answered.
    ToolCalls,
    /// It reached the token limit.
    Length,
    /// The vendor refused the content.
    Refused,
}

/// Tokens as the vendor counted them; zero where it does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Usage {
    /// All tokens read, those of the cache included.
    pub input: u64,
    /// All tokens written, thinking included.
    pub output: u64,
    /// Of `input`: read from the vendor's cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_read: u64,
    /// Of `input`: written to the vendor's cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A model's whole answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Its text; may be empty beside tool calls.
    pub text: String,
    /// Calls it wants made, in order.
    #[serde(default)]
    pub tool_calls: Vec<ToolCall>,
    /// What it thought first, to be given back within the turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thinking: Vec<Thinking>,
    /// Why it stopped.
    pub stop: Stop,
    /// What it cost.
    #[serde(default)]
    pub usage: Usage,
}
