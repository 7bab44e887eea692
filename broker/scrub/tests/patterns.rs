//! Shapes of keys. The made-up keys are put together here at run time, so that no scanner of sources sees one.

use carapace_scrub::patterns::{find, redact};

/// Letters and digits without meaning.
fn noise(length: usize) -> String {
    let letters = b"a7Kq2Zx9mB4vT1nR8cW5yL3pD6hJ0sGfQe";
    (0..length)
        .map(|at| char::from(letters[at * 7 % letters.len()]))
        .collect()
}

fn hex(length: usize) -> String {
    (0..length)
        .map(|at| char::from(b"0123456789abcdef"[at * 11 % 16]))
        .collect()
}

fn upper(length: usize) -> String {
    (0..length)
        .map(|at| char::from(b"QZ7JX2KW4VN5PBTM"[at * 5 % 16]))
        .collect()
}

#[test]
fn keys_of_todays_vendors_are_seen() {
    let jwt = format!("eyJ{}.eyJ{}.{}", noise(30), noise(60), noise(43));
    let samples = [
        (
            "anthropic",
            format!("sk-{}-api03-{}-{}AA", "ant", noise(40), noise(50)),
        ),
        ("anthropic", format!("sk-{}-oat01-{}", "ant", noise(80))),
        ("openai", format!("sk-{}-{}", "proj", noise(120))),
        ("openai", format!("sk-{}", noise(48))),
        ("openrouter", format!("sk-or-v1-{}", hex(64))),
        ("google", format!("AI{}{}", "za", noise(35))),
        ("google-oauth", format!("ya{}.{}", 29, noise(100))),
        ("aws-key-id", format!("{}{}", "AKIA", upper(16))),
        ("aws-key-id", format!("{}{}", "ASIA", upper(16))),
        ("github", format!("{}_{}", "ghp", noise(36))),
        ("github", format!("{}_{}", "gho", noise(36))),
        ("github", format!("{}_{}", "ghu", noise(36))),
        ("github", format!("{}_{}", "ghs", noise(36))),
        ("github", format!("{}_{}", "ghr", noise(36))),
        (
            "github",
            format!("github_{}_{}_{}", "pat", noise(22), noise(59)),
        ),
        ("gitlab", format!("{}-{}", "glpat", noise(20))),
        (
            "slack",
            format!("{}-{}-{}", "xoxb", "123456789012", noise(24)),
        ),
        ("slack", format!("{}-{}", "xoxp", noise(40))),
        ("slack", format!("{}-1-A0{}", "xapp", noise(40))),
        ("telegram", format!("{}:AA{}", 123_456_789, noise(33))),
        (
            "discord",
            format!("M{}.{}.{}", noise(25), noise(6), noise(38)),
        ),
        ("stripe", format!("sk_{}_{}", "live", noise(24))),
        ("stripe", format!("rk_{}_{}", "live", noise(24))),
        ("stripe", format!("pk_{}_{}", "live", noise(24))),
        ("npm", format!("{}_{}", "npm", noise(36))),
        ("pypi", format!("{}-AgEI{}", "pypi", noise(100))),
        ("hugging-face", format!("{}_{}", "hf", noise(34))),
        ("aws-session", format!("IQoJb3JpZ2lu{}", noise(300))),
        ("1password", format!("ops_{}{}", "eyJ", noise(200))),
        (
            "bitwarden",
            format!(
                "0.{}-{}-{}-{}-{}.{}:{}==",
                hex(8),
                hex(4),
                hex(4),
                hex(4),
                hex(12),
                noise(30),
                noise(22)
            ),
        ),
        ("age", format!("AGE-{}-KEY-1{}", "SECRET", upper(58))),
        (
            "venice",
            format!("VENICE-{}-KEY-{}", "INFERENCE", noise(40)),
        ),
        ("jwt", jwt),
    ];
    for (kind, key) in samples {
        for text in [
            key.clone(),
            format!("use \"{key}\", please"),
            format!("KEY={key}\n"),
        ] {
            let found = find(&text);
            assert_eq!(found.len(), 1, "{kind}: {text}: {found:?}");
            assert_eq!(found[0].kind, kind, "{text}");
            let (clean, _) = redact(&text);
            assert!(!clean.contains(&key[key.len() - 12..]), "{kind}: {clean}");
        }
    }
}

#[test]
fn only_the_secret_part_of_a_frame_is_taken() {
    let word = noise(40);
    let samples = [
        (
            format!("Authorization: Bearer {word}"),
            "Authorization: Bearer [key bearer]",
        ),
        (format!("X-API-Key: {word}"), "X-API-Key: [key api-key]"),
        (
            format!("https://h.example/?api_key={word}&q=1"),
            "https://h.example/?api_key=[key api-key]&q=1",
        ),
        (
            format!("\"apiKey\": \"{word}\""),
            "\"apiKey\": \"[key api-key]\"",
        ),
        (
            format!("aws_secret_access_key = {word}"),
            "aws_secret_access_key = [key aws-secret]",
        ),
        (
            "postgres://me:hunter2@db.example/x".into(),
            "postgres://me:[key url-password]@db.example/x",
        ),
        (
            "mongodb+srv://me:hunter2@db.example".into(),
            "mongodb+srv://me:[key url-password]@db.example",
        ),
        (
            "redis://:hunter2@db.example".into(),
            "redis://:[key url-password]@db.example",
        ),
        (
            "mysql://a:hunter2@h".into(),
            "mysql://a:[key url-password]@h",
        ),
        ("amqp://a:hunter2@h".into(), "amqp://a:[key url-password]@h"),
        (
            format!(
                "https://hooks.slack.com/services/T{}/B{}/{}",
                upper(8),
                upper(8),
                noise(24)
            ),
            "https://hooks.slack.com/services/[key slack-webhook]",
        ),
    ];
    for (text, clean) in samples {
        assert_eq!(redact(&text).0, clean);
    }
}

#[test]
fn private_keys_of_every_kind_are_seen_also_when_cut_or_escaped() {
    for kind in ["", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED "] {
        let begin = format!("-----BEGIN {kind}PRIVATE {}-----", "KEY");
        let end = format!("-----END {kind}PRIVATE {}-----", "KEY");
        let (first, second) = (noise(64), noise(32));
        for text in [
            format!("{begin}\n{first}\n{second}=\n{end}"),
            format!("{begin}\\n{first}\\n{second}=\\n{end}"),
            format!("{begin}\n{first}\n{second}"),
            format!(
                "{begin}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n{first}\n{second}\n{end}"
            ),
        ] {
            let (clean, found) = redact(&text);
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(clean, "[key private-key]", "{text}");
        }
    }
    let pgp = format!(
        "-----BEGIN PGP PRIVATE {0} BLOCK-----\n\n{1}\n=abcd\n-----END PGP PRIVATE {0} BLOCK-----",
        "KEY",
        noise(64)
    );
    assert_eq!(redact(&pgp).0, "[key private-key]");
}

#[test]
fn ordinary_text_is_left_alone() {
    let image = format!(
        "data:image/png;base64,iVBORw0KGgo{}",
        noise(400).replace('_', "A")
    );
    let texts = [
        "commit 3f786850e387550fdab836ed7e6dc881de23001b",
        "id 123e4567-e89b-12d3-a456-426614174000",
        "let api_key = config.provider.openai.api_key.clone();",
        "api_key: Option<SecretRef>,",
        "the bearer of this letter, responsible for everything",
        "task-sk-learn and risk-adjusted returns; ask-for-a-very-long-hyphenated-name-here-please",
        "postgres://localhost/test and https://example.com:8080/a@b",
        "postgres://user:${PASSWORD}@host/db",
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD\n-----END PUBLIC KEY-----",
        "a PEM private key begins with -----BEGIN PRIVATE KEY----- and then base64",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "version 1.2.3, 12:30:45, 2026-01-01T00:00:00Z, +49 30 123456",
        "fn secret_key(&self) -> SecretKey; token = next_token_from_the_stream(input)",
        image.as_str(),
    ];
    for text in texts {
        assert_eq!(find(text), [], "{text}");
        assert!(matches!(redact(text).0, std::borrow::Cow::Borrowed(_)));
    }
}
