//! What keeps secrets: the vault's file, and what takes them out of text.

use carapace_scrub::{Scrubber, patterns};
use sha2::{Digest as _, Sha256};

/// The vault's file: as it is, and once more with a checksum that fits.
pub fn vault_file(data: &[u8]) {
    shell(data);
    let mut whole = data.to_vec();
    whole.extend(Sha256::digest(data));
    shell(&whole);
}

fn shell(file: &[u8]) {
    let Ok(parsed) = carapace_vault::parse(file) else {
        return;
    };
    assert!((1..=8).contains(&parsed.slots().len()));
    let cut = &file[..file.len() - 1];
    assert!(carapace_vault::parse(cut).is_err(), "a cut file");
    let long = [file, b"\0"].concat();
    assert!(carapace_vault::parse(&long).is_err(), "a longer file");
    let mut flipped = file.to_vec();
    let at = usize::from(file[file.len() - 1]) % file.len();
    flipped[at] ^= 1;
    assert!(carapace_vault::parse(&flipped).is_err(), "a flipped bit");
}

/// Text that comes in pieces, with secrets in it. The first byte says how it is cut; `{0}` to `{3}`
/// stand for the secrets, `{0h}` for one in hexadecimal, `{0r}` for one back to front, `{0u}` for one in
/// upper case.
pub fn scrub_stream(data: &[u8]) {
    const SECRETS: [&str; 4] = [
        "sk-ant-api03-Zq7wLr2XvB9mTn4KdY8s",
        "correct horse/battery+staple==",
        "AKIAQ3EGWJ4RT7VN2XHZ",
        "ya29.a0-_A\"\\\u{fc}\u{1f980}x9",
    ];
    const LONGEST: usize = 2_048;
    let Some((&cut, text)) = data.split_first() else {
        return;
    };
    let mut text = String::from_utf8_lossy(&text[..text.len().min(LONGEST)]).into_owned();
    for (number, secret) in SECRETS.iter().enumerate() {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let reversed: String = secret.chars().rev().collect();
        for (mark, written) in [
            ("", (*secret).to_owned()),
            ("h", hex),
            ("r", reversed),
            ("u", secret.to_ascii_uppercase()),
        ] {
            text = text.replacen(&format!("{{{number}{mark}}}"), &written, 8);
        }
    }
    let named = SECRETS
        .iter()
        .enumerate()
        .map(|(number, secret)| (format!("s{number}"), secret.as_bytes()));
    let scrubber = Scrubber::new(named, []);

    let (whole, hits) = scrubber.text(&text);
    let mut stream = scrubber.stream();
    let (mut shown, mut found) = (String::new(), Vec::new());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let mut end = usize::from(cut).max(1).min(rest.len());
        while !rest.is_char_boundary(end) {
            end += 1;
        }
        let (piece, after) = rest.split_at(end);
        let (clean, more) = stream.push(piece);
        shown.push_str(&clean);
        found.extend(more);
        rest = after;
    }
    let (clean, more) = stream.finish();
    shown.push_str(&clean);
    found.extend(more);

    assert_eq!(shown, whole, "the cut made a difference");
    assert_eq!(found, hits, "what was found depends on the cut");
    for secret in SECRETS {
        assert!(!shown.contains(secret), "a secret survived");
    }
    assert_eq!(hits.is_empty(), whole == text.as_str());
}

/// What a person pastes: the shapes of keys. A key that stands by itself is taken out whatever stands
/// around it.
pub fn paste_patterns(data: &[u8]) {
    const KEYS: [&str; 4] = [
        "sk-ant-api03-Zq7wLr2XvB9mTn4KdY8sJh5f",
        "sk-proj-4tYb8Qn2Wc6Zr0Xk5Mv9Lp3Js7",
        "AKIAQ3EGWJ4RT7VN2XHZ",
        "ghp_9sK2mQ7xT4vB8nL1cR6wY3zD5fG0hJ",
    ];
    const LONGEST: usize = 4_096;
    let text = String::from_utf8_lossy(&data[..data.len().min(LONGEST)]).into_owned();
    redacted(&text);
    let half = text.len() / 2;
    let half = (half..=text.len()).find(|at| text.is_char_boundary(*at));
    let (before, after) = text.split_at(half.unwrap_or(text.len()));
    for key in KEYS {
        let planted = format!("{before}\n\n{key}\n\n{after}");
        let clean = redacted(&planted);
        let left = clean.matches(key).count();
        assert!(left == 0, "a key survived");
    }
}

fn redacted(text: &str) -> String {
    let found = patterns::find(text);
    let (clean, same) = patterns::redact(text);
    assert_eq!(found, same);
    let (mut rebuilt, mut done) = (String::new(), 0);
    for one in &found {
        assert!(
            one.range.start >= done && !one.range.is_empty(),
            "out of order"
        );
        // Slicing fails where a range cuts a character.
        rebuilt.push_str(&text[done..one.range.start]);
        rebuilt.push_str(&format!("[key {}]", one.kind));
        done = one.range.end;
    }
    rebuilt.push_str(&text[done..]);
    assert_eq!(rebuilt, clean, "more was changed than was found");
    rebuilt
}
