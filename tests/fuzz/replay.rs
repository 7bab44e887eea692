//! Every decoder with its corpus, and with seeded variants of it, on a stable toolchain: the same
//! functions that the fuzzer runs. The variants are the same in every run.

#[path = "src/lib.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Variants of each target.
const VARIANTS: usize = 2_000;
/// A variant is cut to this many bytes: what is longer is more of the same.
const LONGEST: usize = 16 * 1024;

/// What formats are made of.
const WORDS: &[&[u8]] = &[
    b"\0",
    b"\x01",
    b"\x7f",
    b"\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x80\x80\x80\x80\x10",
    b"\n",
    b"\r\n",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[[[[[[[[",
    b",",
    b":",
    b"'",
    b"\"\"\"",
    b"#",
    b"=",
    b"1e999",
    b"-0",
    b"9223372036854775808",
    b"null",
    b"true",
    b"../",
    b"\xe2\x80\xae",
    b"\xc3",
    b"data: ",
    b"data: [DONE]\n\n",
    b" then ",
    b";",
    b"allow-missing",
    b"[[mounts]]",
    b"event: ",
    b"\tnull",
    b"%2e",
    b"@",
    b"127.0.0.1",
    b"[::ffff:",
    b"{0}",
    b"{1h}",
    b"{3}",
    b"CRPVAULT",
    b"\x1b[2J",
];

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `limit`; 0 where that is 0.
    fn below(&mut self, limit: usize) -> usize {
        (self.roll() % limit.max(1) as u64) as usize
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// The corpus of a target, in the order of names.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let entries =
        std::fs::read_dir(folder().join("corpus").join(target)).expect("a target has a corpus");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            (
                path.clone(),
                std::fs::read(&path).expect("a file of the corpus"),
            )
        })
        .collect()
}

fn variant(dice: &mut Dice, seeds: &[(PathBuf, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = seeds[dice.below(seeds.len())].1.clone();
    for _ in 0..=dice.below(6) {
        let at = dice.below(bytes.len() + 1);
        let end = (at + 1 + dice.below(32)).min(bytes.len());
        let word = WORDS[dice.below(WORDS.len())];
        match dice.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            1 if at < bytes.len() => bytes[at] = dice.roll() as u8,
            2 => drop(bytes.splice(at..at, word.iter().copied())),
            3 => drop(bytes.splice(at..end, word.iter().copied())),
            4 => drop(bytes.drain(at..end)),
            5 => {
                let copied = bytes[at..end].to_vec();
                let to = dice.below(bytes.len() + 1);
                bytes.splice(to..to, copied);
            }
            6 => bytes.truncate(at),
            _ => {
                let other = &seeds[dice.below(seeds.len())].1;
                let from = dice.below(other.len() + 1);
                bytes.splice(at.., other[from..].iter().copied());
            }
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

fn replay(name: &str) {
    let (_, target) = targets::TARGETS
        .iter()
        .find(|(known, _)| *known == name)
        .expect("a target");
    let seeds = corpus(name);
    assert!(!seeds.is_empty(), "an empty corpus shows nothing");
    for (path, bytes) in &seeds {
        attempt(*target, bytes, path);
    }
    let mut dice = Dice(
        name.bytes()
            .fold(0, |seed, byte| seed << 8 ^ u64::from(byte) ^ seed >> 56),
    );
    for _ in 0..VARIANTS {
        let bytes = variant(&mut dice, &seeds);
        attempt(
            *target,
            &bytes,
            &Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}")),
        );
    }
}

/// Runs a target; what it fails on is kept in `path` and named.
fn attempt(target: targets::Target, bytes: &[u8], path: &Path) {
    if catch_unwind(AssertUnwindSafe(|| target(bytes))).is_err() {
        std::fs::write(path, bytes).expect("the input is kept");
        panic!(
            "the input is in {}; add it to the corpus once it is mended",
            path.display()
        );
    }
}

macro_rules! replayed {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name));
        })*

        #[test]
        fn every_target_is_replayed_and_has_a_fuzzer() {
            let replayed = [$(stringify!($name)),*];
            let known: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(known, replayed);
            for name in known {
                assert!(folder().join("fuzz_targets").join(name).with_extension("rs").is_file(), "{name}");
            }
        }
    };
}

replayed! {
    zmtp_decoder request_claim down_word json_limits launch_frames config_toml cage_toml control_ask openai_stream
    openai_responses_stream anthropic_stream gemini_stream ollama_stream bedrock_stream
    offline_grammar audit_verify boot_report vault_file scrub_stream paste_patterns url_guard resolve_frames replay_lines owner_message
    rows plan_json rules_yaml judge_answer
    oauth_answer
}

#[test]
fn the_corpus_reaches_what_it_is_about() {
    // A corpus that is refused at its first byte would make every replay pass.
    let read = |target: &str, name: &str| {
        std::fs::read(folder().join("corpus").join(target).join(name)).expect("a file")
    };
    let log = read("audit_verify", "intact");
    let report = carapace_store::audit::verify(&log[..], &[7; 32], None).expect("reads");
    assert!(report.intact && report.records == 4, "{report:?}");
    assert!(
        carapace_ipc_proto::words::Request::decode_claim(&read("request_claim", "invoke")).is_ok()
    );
    assert!(carapace_ipc_proto::words::Down::read(&read("down_word", "invoke")).is_ok());
    assert!(carapace_ipc_proto::launch::Order::decode(&read("launch_frames", "launch")).is_some());
    for file in ["mounts", "secrets"] {
        let text = String::from_utf8(read("cage_toml", file)).expect("a text");
        carapace_jail::config::CageConfig::parse(&text).expect("is taken");
    }
    for file in ["provider", "everything"] {
        let text = String::from_utf8(read("config_toml", file)).expect("a text");
        carapace_contract::config::Config::parse(&text).expect("is taken");
    }
    for (file, count) in [("default", 8), ("none", 0), ("words", 2)] {
        let text = String::from_utf8(read("rules_yaml", file)).expect("a text");
        let rules = carapace_policy::rules::Rules::read(&text).expect("rules");
        assert_eq!(rules.iter().count(), count, "{file}");
    }
    assert_eq!(
        read("rules_yaml", "default"),
        carapace_policy::rules::DEFAULT_TEXT.as_bytes(),
        "the corpus has the default rules as they are"
    );
    for file in ["conditions", "fenced"] {
        let text = String::from_utf8(read("judge_answer", file)).expect("a text");
        carapace_policy::rules::compiled(&text).expect("conditions");
    }
    for file in [
        "secret_put",
        "secret_aws",
        "unlock",
        "protect",
        "login",
        "attach_file",
    ] {
        serde_json::from_slice::<carapace_contract::control::Ask>(&read("control_ask", file))
            .expect("is taken");
    }
    for (target, name, file, calls) in [
        ("openai_stream", "openai-compatible", "calls", 1),
        ("openai_responses_stream", "openai-responses", "calls", 2),
        ("anthropic_stream", "anthropic", "calls", 2),
        ("gemini_stream", "gemini", "calls", 2),
        ("ollama_stream", "ollama", "calls", 2),
        ("bedrock_stream", "bedrock", "frames", 2),
    ] {
        let kind = carapace_providers::kind(name).expect("a kind of this build");
        let mut decoder = kind.codec.decoder();
        decoder.feed(&read(target, file)[1..]).expect("is taken");
        let answer = decoder.finish().expect("is an answer");
        assert_eq!(answer.tool_calls.len(), calls, "{target}");
    }
    for file in ["passphrase", "three_slots"] {
        let mut vault = read("vault_file", file);
        vault.extend(<sha2::Sha256 as sha2::Digest>::digest(&vault));
        carapace_vault::parse(&vault).expect("the shell of a vault");
    }
    for (file, keys) in [("vendors", 4), ("aws", 3), ("words", 0)] {
        let text = String::from_utf8(read("paste_patterns", file)).expect("a text");
        let found = carapace_scrub::patterns::find(&text);
        assert_eq!(found.len(), keys, "{file}: {found:?}");
    }
    for file in ["hostile_number", "hostile_mapped", "good"] {
        let text = String::from_utf8(read("url_guard", file)).expect("an address");
        let passes = carapace_egress::guard::check_url(&text).is_ok();
        assert_eq!(passes, file == "good", "{text}");
    }
    let mut answer = [0; carapace_ipc_proto::resolve::ANSWER];
    answer.copy_from_slice(&read("resolve_frames", "answer"));
    assert!(carapace_ipc_proto::resolve::Answer::decode(&answer).is_some());
    let text = String::from_utf8(read("replay_lines", "task")).expect("a text");
    let (out, fault) = targets::replayed(&text);
    assert!(fault.is_none(), "{fault:?}");
    assert_eq!(out.len(), 4, "{out:?}");
    for name in ["json", "yaml"] {
        let text = String::from_utf8(read("rows", name)).expect("a text");
        assert!(targets::endorses(&text), "{text}");
    }
    serde_json::from_slice::<Vec<carapace_policy::plan::Step>>(&read("plan_json", "steps"))
        .expect("is taken");
    let mut frames = carapace_ipc_proto::zmtp::Decoder::new(4096);
    let stream = read("zmtp_decoder", "two_frames");
    frames.room()[..stream.len() - 1].copy_from_slice(&stream[1..]);
    frames.filled(stream.len() - 1);
    assert_eq!(
        frames.next_frame().expect("keeps the rules"),
        Some(b"hello".as_slice())
    );
}
