//! Prints how fast 100 secrets are looked for, what that takes of memory, and how long making it ready takes.

use carapace_scrub::{Scrubber, patterns};
use std::hint::black_box;
use std::time::Instant;

fn main() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let secrets: Vec<(String, Vec<u8>)> = (0..100)
        .map(|number| {
            let body = (0..40).map(|_| letters[random() as usize % 64]);
            (
                format!("s{number}"),
                b"sk-ant-".iter().copied().chain(body).collect(),
            )
        })
        .collect();
    let build = || {
        Scrubber::new(
            secrets
                .iter()
                .map(|(name, value)| (name.clone(), &value[..])),
            [],
        )
    };
    let begin = Instant::now();
    let scrubber = build();
    let ready = begin.elapsed();
    println!(
        "build        {:8.2} ms, {} KiB",
        ready.as_secs_f64() * 1e3,
        scrubber.memory() / 1024
    );

    let words = [
        "the ",
        "agent ",
        "answers ",
        "with ",
        "one ",
        "of ",
        "several, ",
        "documents.\n",
        "if (x == 10) ",
        "return ",
    ];
    let prose: String = (0..1 << 18)
        .map(|_| words[random() as usize % words.len()])
        .collect();
    let json = serde_json::Value::String(prose.clone()).to_string();
    let base64: String = (0..1 << 21)
        .map(|_| char::from(letters[random() as usize % 62]))
        .collect();
    for (name, text) in [
        ("prose", &prose),
        ("prose, JSON", &json),
        ("base64", &base64),
    ] {
        rate(name, text.len(), || {
            assert!(scrubber.text(black_box(text)).1.is_empty())
        });
        rate(&format!("{name}, 4 KiB"), text.len(), || {
            for piece in text.as_bytes().chunks(4096) {
                assert!(!scrubber.contains(black_box(piece)));
            }
        });
    }
    rate("stream of 24 B", 1 << 18, || {
        let mut stream = scrubber.stream();
        for piece in prose.as_bytes()[..1 << 18].chunks(24) {
            black_box(stream.push(str::from_utf8(piece).unwrap_or("")));
        }
    });
    patterns::find(&prose);
    rate("patterns", prose.len(), || {
        black_box(patterns::find(black_box(&prose)));
    });
}

/// The best of several runs.
fn rate(name: &str, bytes: usize, mut run: impl FnMut()) {
    let best = (0..7)
        .map(|_| {
            let begin = Instant::now();
            run();
            begin.elapsed()
        })
        .min()
        .unwrap_or_default();
    println!(
        "{name:20} {:6.3} GB/s",
        bytes as f64 / best.as_secs_f64() / 1e9
    );
}
