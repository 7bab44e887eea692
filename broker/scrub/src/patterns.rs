//! The shapes of today's keys, for values that the vault does not know: what a person pastes, what a tool
//! finds. A shape is a guess: it misses keys without one, and may take something else for a key.

use regex::{Regex, RegexSet};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

/// Something that looks like a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Whose key or which kind, for a person: `anthropic`, `private-key`.
    pub kind: &'static str,
    /// Where it stands, in bytes; in a header or URL only the secret part.
    pub range: Range<usize>,
}

/// Everything that looks like a key, in order, without overlap. Of two that begin together the longer one,
/// of equals the one whose kind stands first in the table.
pub fn find(text: &str) -> Vec<Found> {
    let table = &*TABLE;
    let mut found = Vec::new();
    for number in table.any.matches(text) {
        let shape = &SHAPES[number];
        for captures in table.each[number].captures_iter(text) {
            let Some(whole) = captures.get(1).or_else(|| captures.get(0)) else {
                continue;
            };
            if !shape.mixed || is_mixed(whole.as_str()) {
                found.push((whole.range(), number));
            }
        }
    }
    found.sort_by_key(|(range, number)| (range.start, usize::MAX - range.end, *number));
    let mut end = 0;
    found.retain(|(range, _)| {
        let apart = range.start >= end;
        if apart {
            end = range.end;
        }
        apart
    });
    let found = found.into_iter().map(|(range, number)| Found {
        kind: SHAPES[number].kind,
        range,
    });
    found.collect()
}

/// The text with `[key KIND]` for everything that looks like a key. Borrowed when nothing does.
pub fn redact(text: &str) -> (Cow<'_, str>, Vec<Found>) {
    let found = find(text);
    if found.is_empty() {
        return (Cow::Borrowed(text), found);
    }
    let mut clean = String::with_capacity(text.len());
    let mut done = 0;
    for Found { kind, range } in &found {
        clean.push_str(&text[done..range.start]);
        clean.push_str(&format!("[key {kind}]"));
        done = range.end;
    }
    clean.push_str(&text[done..]);
    (Cow::Owned(clean), found)
}

struct Shape {
    kind: &'static str,
    /// The first group, if there is one, is the secret part.
    regex: &'static str,
    /// Only what has letters and digits counts: the frame alone would also fit words and code.
    mixed: bool,
}

const fn shape(kind: &'static str, regex: &'static str) -> Shape {
    Shape {
        kind,
        regex,
        mixed: false,
    }
}

const fn framed(kind: &'static str, regex: &'static str) -> Shape {
    Shape {
        kind,
        regex,
        mixed: true,
    }
}

const SHAPES: &[Shape] = &[
    shape(
        "anthropic",
        r"\bsk-ant-[A-Za-z0-9]{2,12}-[A-Za-z0-9_-]{20,}",
    ),
    shape(
        "openai",
        r"\bsk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,}",
    ),
    shape("openrouter", r"\bsk-or-v1-[a-f0-9]{32,}"),
    framed("openai", r"\bsk-([A-Za-z0-9]{32,})\b"),
    shape("groq", r"\bgsk_[A-Za-z0-9]{40,}"),
    shape("xai", r"\bxai-[A-Za-z0-9]{40,}"),
    shape("perplexity", r"\bpplx-[A-Za-z0-9]{40,}"),
    framed(
        "venice",
        r"\bVENICE-(?:INFERENCE|ADMIN)-KEY-[A-Za-z0-9_-]{20,}",
    ),
    framed(
        "venice",
        r"(?i)\bvenice[_-]?(?:api[_-]?)?key[^A-Za-z0-9\n]{1,6}([A-Za-z0-9_-]{32,})",
    ),
    shape("google", r"\bAIza[A-Za-z0-9_-]{35}"),
    shape("google-oauth", r"\bya29\.[A-Za-z0-9_.-]{20,}"),
    shape("google-oauth", r"\bGOCSPX-[A-Za-z0-9_-]{20,}"),
    shape("aws-key-id", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
    shape(
        "aws-secret",
        r#"(?i)\b(?:aws_?)?secret_?(?:access_?)?key["']?\s*[:=]\s*["']?([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+]|$)"#,
    ),
    shape(
        "aws-session",
        r"\b(?:IQoJb3JpZ2lu|FwoGZXIvYXdz)[A-Za-z0-9/+=_-]{60,}",
    ),
    framed(
        "aws-session",
        r#"(?i)session_?token["']?\s*[:=]\s*["']?([A-Za-z0-9/+=]{80,})"#,
    ),
    shape("github", r"\bgh[pousr]_[A-Za-z0-9]{20,}"),
    shape("github", r"\bgithub_pat_[A-Za-z0-9_]{22,}"),
    shape(
        "gitlab",
        r"\bgl(?:pat|dt|rt|ptt|cbt|ft|soat)-[A-Za-z0-9_-]{20,}",
    ),
    shape("slack", r"\bxox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,}"),
    shape("slack", r"\bxapp-[0-9]-[A-Za-z0-9-]{10,}"),
    shape(
        "slack-webhook",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/(T?[A-Za-z0-9]{6,}/[A-Za-z0-9/]{16,})",
    ),
    shape("telegram", r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"),
    shape(
        "discord",
        r"\b(?:mfa\.[A-Za-z0-9_-]{80,}|[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40})",
    ),
    shape(
        "discord-webhook",
        r"discord(?:app)?\.com/api/webhooks/[0-9]{15,21}/([A-Za-z0-9_-]{40,})",
    ),
    shape(
        "stripe",
        r"\b(?:[srp]k_(?:live|test)|whsec)_[A-Za-z0-9]{16,}",
    ),
    shape("npm", r"\bnpm_[A-Za-z0-9]{36}"),
    shape("pypi", r"\bpypi-[A-Za-z0-9_-]{50,}"),
    shape("hugging-face", r"\b(?:hf|api_org)_[A-Za-z]{30,}"),
    framed("hugging-face", r"\bhf_[A-Za-z0-9]{30,}"),
    shape(
        "sendgrid",
        r"\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}",
    ),
    shape("1password", r"\bops_eyJ[A-Za-z0-9_-]{50,}"),
    shape(
        "bitwarden",
        r"\b0\.[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}\.[A-Za-z0-9]{20,}:[A-Za-z0-9+/]{20,}={0,2}",
    ),
    shape("age", r"\bAGE-SECRET-KEY-1[A-Z0-9]{58}"),
    shape("age", r"\bAGE-PLUGIN-[A-Z0-9-]+-1[A-Z0-9]{20,}"),
    shape("digitalocean", r"\bdo[opr]_v1_[a-f0-9]{64}"),
    shape(
        "jwt",
        r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    ),
    // To the end line of the same kind or, where the text was cut, as far as the body goes.
    shape(
        "private-key",
        r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=\s\\:,.()@_-]{16,}?-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----",
    ),
    shape(
        "private-key",
        r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:\s|\\[nr])*(?:[A-Za-z0-9-]+: [^\n\\]*(?:\s|\\[nr])+)*[A-Za-z0-9+/=]{16,}(?:(?:\s|\\[nr])+[A-Za-z0-9+/=]{16,})*",
    ),
    shape(
        "url-password",
        r#"(?i)\b(?:postgres(?:ql)?|mysql|mariadb|mongodb(?:\+srv)?|rediss?|amqps?|mssql|ftp|https?)://[^\s:/@"'<>]*:([^\s/@"'<>$\{]{3,})@"#,
    ),
    framed("bearer", r"(?i)\bbearer\s+([A-Za-z0-9._~+/-]{16,}=*)"),
    framed(
        "basic",
        r"(?i)\bauthorization[^A-Za-z0-9\n]{1,4}basic\s+([A-Za-z0-9+/]{12,}={0,2})",
    ),
    framed(
        "api-key",
        r#"(?i)\b(?:x-)?(?:[a-z0-9]+[_-])?api[_-]?key["']?\s*[:=]\s*["']?([A-Za-z0-9_.~+/-]{16,}=*)"#,
    ),
    framed(
        "token",
        r#"(?i)\b(?:access|refresh|auth|client|secret|private)[_-]?(?:token|secret|key)["']?\s*[:=]\s*["']?([A-Za-z0-9_.~+/-]{20,}=*)"#,
    ),
];

struct Table {
    any: RegexSet,
    each: Vec<Regex>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    // `\b` of ASCII only: the fast engines can do no other
    let ascii = |shape: &Shape| shape.regex.replace(r"\b", r"(?-u:\b)");
    let regexes: Vec<String> = SHAPES.iter().map(ascii).collect();
    Table {
        any: RegexSet::new(&regexes).expect("the table is compiled by every test of this file"),
        each: regexes
            .iter()
            .map(|regex| Regex::new(regex).expect("as above"))
            .collect(),
    }
});

fn is_mixed(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    digits >= 2 && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}
