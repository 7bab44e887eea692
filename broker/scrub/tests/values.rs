//! Exact values in every writing.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use carapace_scrub::{Encoding, Scrubber};
use proptest::prelude::*;
use std::borrow::Cow;

const KEY: &str = "sk-Ab+9/zQ_w7~Lx0Vt3Rn5Ye";

fn scrubber(values: &[(&str, &str)]) -> Scrubber {
    let pairs = values
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_bytes()));
    Scrubber::new(pairs, [])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn each(text: &str, write: impl Fn(char) -> String) -> String {
    text.chars().map(write).collect()
}

fn interleave(text: &str, separator: &str) -> String {
    text.chars()
        .map(String::from)
        .collect::<Vec<_>>()
        .join(separator)
}

/// How many ways `written` knows.
const WAYS: usize = 34;

/// The value in one of the ways; bytes around it in the encoded text where alignment matters.
fn written(value: &str, way: usize) -> String {
    let backwards = |text: &str| text.chars().rev().collect::<String>();
    let upper_if = |number: usize, text: String| {
        if number.is_multiple_of(2) {
            text.to_uppercase()
        } else {
            text
        }
    };
    match way {
        0 => value.to_owned(),
        1 => value.to_uppercase(),
        2 => backwards(value),
        3 => hex(value.as_bytes()),
        4 => hex(value.as_bytes()).to_uppercase(),
        5 => value
            .bytes()
            .enumerate()
            .map(|(at, byte)| upper_if(at, format!("{byte:02x}")))
            .collect(),
        6..=8 => STANDARD.encode(format!("{}{value}:tail", &"pre"[..way - 6])),
        9..=11 => URL_SAFE_NO_PAD.encode(format!("{}{value}?", &"pre"[..way - 9])),
        12 => each(value, |c| format!("%{:02X}", c as u32)),
        13 => each(value, |c| format!("%{:02x}", c as u32)),
        14 => each(value, |c| {
            if c.is_ascii_alphanumeric() {
                c.into()
            } else {
                format!("%{:02X}", c as u32)
            }
        }),
        15 => each(value, |c| format!("\\u{:04x}", c as u32)),
        16 => each(value, |c| format!("\\u{:04X}", c as u32)),
        17 => each(value, |c| {
            if "\"\\/".contains(c) {
                format!("\\{c}")
            } else {
                c.into()
            }
        }),
        18 => each(value, |c| format!("\\x{:02x}", c as u32)),
        19 => each(value, |c| format!("&#x{:x};", c as u32)),
        20 => each(value, |c| format!("&#{};", c as u32)),
        21 => each(value, |c| format!("%25{:02X}", c as u32)),
        22 => interleave(value, " "),
        23 => interleave(value, "-"),
        24 => interleave(value, "\n"),
        25 => interleave(value, "\", \""),
        26 => interleave(value, "\u{200b}"),
        27 => STANDARD.encode(hex(value.as_bytes())),
        28 => hex(STANDARD.encode(value).as_bytes()),
        29 => STANDARD.encode(STANDARD.encode(value)),
        30 => backwards(&STANDARD.encode(value)),
        31 => STANDARD.encode(value.bytes().flat_map(|byte| [byte, 0]).collect::<Vec<_>>()),
        32 => interleave(&hex(value.as_bytes()), ":"),
        _ => each(value, |c| match c {
            'a'..='z' => char::from((c as u8 - b'a' + 13) % 26 + b'a').into(),
            'A'..='Z' => char::from((c as u8 - b'A' + 13) % 26 + b'A').into(),
            other => other.into(),
        }),
    }
}

#[test]
fn every_way_of_writing_is_found_and_replaced() {
    let scrub = scrubber(&[("openai", KEY)]);
    for way in 0..WAYS {
        let text = format!("before <{}> after", written(KEY, way));
        let (clean, hits) = scrub.text(&text);
        assert!(!hits.is_empty(), "{way}: {text}");
        assert!(
            clean.starts_with("before <") && clean.ends_with("> after"),
            "{way}: {clean}"
        );
        assert!(clean.contains("[secret openai]"), "{way}: {clean}");
        assert!(!scrub.contains(clean.as_bytes()), "{way}: {clean}");
        assert!(
            hits.iter().all(|hit| hit.name == "openai" && hit.at >= 8),
            "{way}"
        );
    }
}

#[test]
fn the_encoding_is_named() {
    let scrub = scrubber(&[("a", KEY)]);
    let encoding = |way| scrub.find(written(KEY, way).as_bytes())[0].encoding;
    assert_eq!(encoding(0), Encoding::Plain);
    assert_eq!(encoding(1), Encoding::Case);
    assert_eq!(encoding(2), Encoding::Reversed);
    assert_eq!(encoding(3), Encoding::Hex);
    assert_eq!(encoding(7), Encoding::Base64);
    assert_eq!(encoding(15), Encoding::Escaped);
    assert_eq!(encoding(22), Encoding::Separated);
    assert_eq!(encoding(29), Encoding::Twice);
}

#[test]
fn base32_and_wrapped_base64_are_found() {
    // RFC 4648 of the letters below, made with coreutils
    let scrub = scrubber(&[("a", "correct-horse-9")]);
    assert_eq!(
        scrub.find(b"MNXXE4TFMN2C22DPOJZWKLJZ")[0].encoding,
        Encoding::Base32
    );
    let long = STANDARD.encode(format!(
        "{}correct-horse-9{}",
        "x".repeat(70),
        "y".repeat(70)
    ));
    for width in [5, 60, 76] {
        let lines: Vec<String> = long
            .as_bytes()
            .chunks(width)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        assert!(scrub.contains(lines.join("\n").as_bytes()), "{width}");
        assert!(scrub.contains(lines.join("\r\n").as_bytes()), "{width}");
        assert!(scrub.contains(lines.join("\\n").as_bytes()), "{width}");
    }
}

#[test]
fn utf16_bytes_are_found() {
    let scrub = scrubber(&[("a", KEY)]);
    let little: Vec<u8> = KEY.bytes().flat_map(|byte| [byte, 0]).collect();
    let big: Vec<u8> = KEY.bytes().flat_map(|byte| [0, byte]).collect();
    for bytes in [little, big] {
        let (clean, hits) = scrub.bytes(&bytes);
        assert_eq!(hits.len(), 1);
        assert!(clean.windows(10).any(|part| part == b"[secret a]"));
    }
}

#[test]
fn a_part_of_a_value_is_no_hit() {
    let scrub = scrubber(&[("a", KEY)]);
    for part in [&KEY[1..], &KEY[..KEY.len() - 1], &KEY[..KEY.len() / 2]] {
        assert!(!scrub.contains(part.as_bytes()), "{part}");
    }
    let framed = scrubber(&[("a", "!!password1!!")]);
    assert!(framed.contains(b"x!!password1!!x"));
    assert!(!framed.contains(b"password1"));
    assert!(!framed.contains(b"!!password1!"));
}

#[test]
fn values_without_letters_are_found_as_they_are() {
    let scrub = scrubber(&[("signs", "!@#$%^&*()"), ("cyrillic", "пароль-мой")]);
    assert_eq!(
        scrub.text("a !@#$%^&*() b пароль-мой c").0,
        "a [secret signs] b [secret cyrillic] c"
    );
    assert!(scrub.contains(STANDARD.encode("пароль-мой").as_bytes()));
    let escaped = each("пароль-мой", |c| format!("\\u{:04x}", c as u32));
    assert!(scrub.contains(escaped.as_bytes()));
}

#[test]
fn short_values_are_left_out() {
    let scrub = scrubber(&[("short", "hunter2"), ("long", "hunter2-hunter2")]);
    assert!(!scrub.contains(b"hunter2"));
    assert!(scrub.contains(b"hunter2-hunter2"));
}

#[test]
fn overlapping_secrets_are_both_gone_and_the_longer_wins() {
    let scrub = scrubber(&[
        ("left", "abcdefgh1234"),
        ("right", "1234ijklmnop"),
        ("inner", "cdefgh12"),
    ]);
    assert_eq!(
        scrub.text("-abcdefgh1234ijklmnop-").0,
        "-[secret left][secret right]-"
    );
    assert_eq!(
        scrub.text("abcdefgh1234 cdefgh12").0,
        "[secret left] [secret inner]"
    );
}

#[test]
fn each_line_of_a_private_key_counts() {
    let (first, second) = ("MIIEvQIBADANBgkqhkiG9w0B", "AQEFAASCBKcwggSjAgEAAoIB");
    let pem = format!(
        "-----BEGIN PRIVATE {0}-----\n{first}\n{second}\n-----END PRIVATE {0}-----\n",
        "KEY"
    );
    let scrub = scrubber(&[
        ("pem", &pem),
        (
            "json",
            &pem.replace('\n', "\\n")
                .replace("MII", "MIJ")
                .replace("AQE", "AQF"),
        ),
    ]);
    assert_eq!(
        scrub
            .text(&pem.replace('\n', "\\n"))
            .0
            .matches("[secret")
            .count(),
        1
    );
    assert_eq!(
        scrub.text(&format!("just {second}.")).0,
        "just [secret pem]."
    );
    assert_eq!(
        scrub
            .text(&format!("just {}.", first.replace("MII", "MIJ")))
            .0,
        "just [secret json]."
    );
    assert!(!scrub.contains(b"-----BEGIN PRIVATE KEY-----"));
}

#[test]
fn a_canary_says_that_it_is_one() {
    let scrub = Scrubber::new(
        [("a".to_owned(), KEY.as_bytes())],
        [("bird".to_owned(), &b"canary-5501-xyz"[..])],
    );
    let hits = scrub.find(format!("{KEY} canary-5501-xyz").as_bytes());
    assert_eq!(
        hits.iter()
            .map(|hit| (hit.name.as_str(), hit.canary))
            .collect::<Vec<_>>(),
        [("a", false), ("bird", true)]
    );
}

#[test]
fn a_transient_value_is_known_only_with_it() {
    let scrub = scrubber(&[("a", KEY)]);
    let more = scrub.with_transient("access", b"transient-token-77");
    let text = format!("{KEY} transient-token-77");
    assert_eq!(more.text(&text).0, "[secret a] [secret access]");
    assert_eq!(scrub.text(&text).0, "[secret a] transient-token-77");
    assert_eq!(scrub.with_transient("x", b"short").text("short").0, "short");
}

#[test]
fn json_is_clean_at_every_depth_in_strings_keys_numbers_and_arrays() {
    let scrub = scrubber(&[("a", KEY), ("pin", "8675309867530")]);
    let letters: Vec<String> = KEY.chars().map(String::from).collect();
    let mut value = serde_json::json!({
        "deep": [{"x/y": {"text": format!("is {KEY}!")}}],
        KEY: 1,
        "number": 8_675_309_867_530_u64,
        "letters": letters,
        "fine": ["a", 1, null],
    });
    let hits = scrub.json(&mut value);
    assert_eq!(value["deep"][0]["x/y"]["text"], "is [secret a]!");
    assert_eq!(value["[secret a]"], 1);
    assert_eq!(value["number"], "[secret pin]");
    assert_eq!(value["letters"], "[secret a]");
    assert_eq!(value["fine"], serde_json::json!(["a", 1, null]));
    let paths: Vec<_> = hits.iter().filter_map(|hit| hit.path.as_deref()).collect();
    for path in ["/deep/0/x~1y/text", "/[secret a]", "/number", "/letters"] {
        assert!(paths.contains(&path), "{path}: {paths:?}");
    }
    assert!(!scrub.contains(value.to_string().as_bytes()));
}

#[test]
fn nothing_of_a_value_is_in_debug() {
    assert_eq!(
        format!("{:?}", scrubber(&[("a", KEY)])),
        "Scrubber(1 secrets)"
    );
}

#[test]
fn a_stream_keeps_back_only_what_may_begin_a_secret() {
    let scrub = scrubber(&[("a", "zq9xk7wv5jpt")]);
    let mut stream = scrub.stream();
    assert_eq!(stream.push("Hello, dear 88").0, "Hello, dear 88");
    assert_eq!(stream.push(" zq9x").0, " ");
    assert_eq!(stream.push(" 88 ").0, "zq9x 88 ");
    assert_eq!(stream.push("zq9xk7wv").0, "");
    let (shown, hits) = stream.push("5jpt. 88 ");
    assert_eq!(shown, "[secret a]. 88 ");
    assert_eq!(hits[0].at, "Hello, dear 88 zq9x 88 ".len());
    assert_eq!(stream.finish().0, "");
}

#[test]
fn a_value_of_one_letter_does_not_stall() {
    let value = "a".repeat(4000);
    let scrub = scrubber(&[("a", &value)]);
    let text = "a".repeat(400_000);
    let (clean, _) = scrub.text(&text);
    assert!(clean.len() < 400_000 / 4000 * 20);
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9]{16,48}",
        "[A-Za-z0-9+/_.-]{20,40}",
        "[!-~]{20,40}",
        "[a-f0-9]{32}",
        "(sk|pk)-[A-Za-z0-9-]{20,50}",
    ]
    // a value of few different characters is not one
    .prop_filter("too simple", |value| {
        let letters: std::collections::BTreeSet<_> =
            value.chars().filter(char::is_ascii_alphanumeric).collect();
        letters.len() >= 8
    })
}

fn surroundings() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,60}",
        "\\PC{0,30}",
        "([a-z]{1,8}[ ,.\\n]){0,20}",
        "([%\\\\&#ux0-9a-f;]){0,30}",
    ]
}

/// The text through a stream, cut after so many bytes each, at characters.
fn streamed(scrub: &Scrubber, text: &str, cuts: &[usize]) -> (String, Vec<carapace_scrub::Hit>) {
    let mut stream = scrub.stream();
    let (mut clean, mut hits, mut rest) = (String::new(), Vec::new(), text);
    for cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let mut cut = (*cut).clamp(1, rest.len());
        while !rest.is_char_boundary(cut) {
            cut += 1;
        }
        let (piece, later) = rest.split_at(cut);
        let (shown, found) = stream.push(piece);
        clean.push_str(&shown);
        hits.extend(found);
        rest = later;
    }
    let (shown, found) = stream.finish();
    clean.push_str(&shown);
    hits.extend(found);
    (clean, hits)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_value_survives_in_any_writing_or_cut(
        value in value(), other in value(), way in 0..WAYS, before in surroundings(), after in surroundings(),
        cuts in prop::collection::vec(1usize..20, 1..8),
    ) {
        let scrub = scrubber(&[("one", &value), ("two", &other)]);
        let secret = written(&value, way);
        // apart, so that the writing itself is what stands there
        let text = format!("{before} . {secret} . {after}");
        let (clean, hits) = scrub.text(&text);
        prop_assert!(hits.iter().any(|hit| hit.name == "one"), "way {way}: {secret}");
        prop_assert!(!clean.contains(&secret));
        prop_assert!(!scrub.contains(clean.as_bytes()), "{}", clean);
        let (in_pieces, found) = streamed(&scrub, &text, &cuts);
        prop_assert_eq!(&in_pieces, &clean);
        prop_assert_eq!(found, hits);
    }

    #[test]
    fn text_without_secrets_is_unchanged_whole_and_in_pieces(
        value in value(), text in prop::collection::vec(surroundings(), 0..8),
        cuts in prop::collection::vec(1usize..20, 1..8),
    ) {
        let scrub = scrubber(&[("one", &value)]);
        let text = text.concat();
        let (clean, hits) = scrub.text(&text);
        prop_assert!(matches!(clean, Cow::Borrowed(_)) && hits.is_empty());
        prop_assert_eq!(&*clean, &*text);
        prop_assert_eq!(streamed(&scrub, &text, &cuts).0, text);
    }

    #[test]
    fn beginnings_and_ends_of_values_pass_in_pieces(
        value in "[A-Za-z0-9+/-]{16,30}", part in 1usize..15, way in 0..WAYS, cuts in prop::collection::vec(1usize..6, 1..8),
    ) {
        let scrub = scrubber(&[("one", &value)]);
        let secret = written(&value, way);
        let part = part.min(secret.len());
        let cut: String = secret.chars().take(part).collect();
        let text = format!("{cut}{cut} {secret}{cut}{secret}{cut}");
        let (clean, hits) = scrub.text(&text);
        let (in_pieces, found) = streamed(&scrub, &text, &cuts);
        prop_assert_eq!(&in_pieces, &*clean);
        prop_assert_eq!(found, hits);
    }

    #[test]
    fn any_bytes_are_taken(value in prop::collection::vec(any::<u8>(), 8..40), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let scrub = Scrubber::new([("one".to_owned(), &value[..])], []);
        let mut text = bytes.clone();
        text.extend_from_slice(&value);
        text.extend_from_slice(&bytes);
        prop_assert!(scrub.contains(&text));
        prop_assert!(!scrub.contains(&scrub.bytes(&text).0));
    }

    #[test]
    fn nothing_is_kept_back_that_begins_no_secret(text in "[ -$'-.:-@\\[\\]^_`{|}~]{0,40}") {
        // signs only, and every needle of this value begins with a letter or digit
        let mut stream = scrubber(&[("one", "abcdefgh12345678")]).stream();
        prop_assert_eq!(stream.push(&text).0, text);
    }
}
