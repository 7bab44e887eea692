//! Who links what. The lists are short on purpose: a line that is added brings its reason.

use std::collections::BTreeSet;
use std::process::Command;

/// What none of the confined programs links, and the supervisor neither: network, TLS, keyrings,
/// databases, an event loop that could carry them.
const FORBIDDEN: &[&str] = &[
    "reqwest",
    "hyper",
    "hyper-util",
    "h2",
    "rustls",
    "tokio-rustls",
    "native-tls",
    "openssl",
    "ring",
    "aws-lc-rs",
    "rusqlite",
    "libsqlite3-sys",
    "keyring",
    "keyring-core",
    "zbus",
    "tokio",
    "mio",
    "socket2",
    "zeromq",
    "async-std",
    "smol",
    "ureq",
    "minreq",
    "curl",
    "hickory-resolver",
    "tungstenite",
    "carapace-store",
    "carapace-egress",
    "carapace-providers",
    "carapace-policy",
    "carapace-broker",
];

fn closure(package: &str) -> BTreeSet<String> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "tree",
            "--locked",
            "--offline",
            "-p",
            package,
            "-e",
            "normal",
            "--prefix",
            "none",
            "-f",
            "{p}",
        ])
        .current_dir(carapace_harness::programs::repository())
        .output()
        .expect("cargo starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_confined_programs_link_no_network_tls_keyring_or_database() {
    for package in ["carapace-worker", "carapace-hands"] {
        let closure = closure(package);
        assert!(
            closure.contains("carapace-jail"),
            "the list is of the right package: {closure:?}"
        );
        let found: Vec<_> = FORBIDDEN
            .iter()
            .filter(|name| closure.contains(**name))
            .collect();
        assert!(found.is_empty(), "{package} links {found:?}");
    }
    // The list would find them: the broker has what they must not have.
    let broker = closure("carapace-broker");
    for name in ["reqwest", "rusqlite", "tokio"] {
        assert!(broker.contains(name), "{name}");
    }
}

#[test]
fn the_supervisor_parses_nothing_from_the_line_and_has_no_network() {
    let closure = closure("carapace-supervisor");
    let allowed = ["carapace-store", "carapace-contract"];
    let found: Vec<_> = FORBIDDEN
        .iter()
        .chain(["prost"].iter())
        .filter(|name| closure.contains(**name) && !allowed.contains(name))
        .collect();
    assert!(found.is_empty(), "carapace-supervisor links {found:?}");
}

#[test]
fn only_egress_sends_and_only_the_store_has_the_database() {
    let direct = |package: &str, name: &str| {
        let manifest = carapace_harness::programs::repository()
            .join(package)
            .join("Cargo.toml");
        std::fs::read_to_string(manifest)
            .expect("a manifest")
            .lines()
            .any(|line| line.starts_with(name))
    };
    let packages = [
        "ipc-proto",
        "supervisor",
        "supervisor/jail",
        "supervisor/cli",
        "agent-worker",
        "agent-worker/hands",
        "broker",
        "broker/contract",
        "broker/policy",
        "broker/store",
        "broker/egress",
        "broker/providers",
        "broker/scrub",
        "broker/vault",
        "helpers/resolver",
        "helpers/secret",
    ];
    let who = |name: &str| {
        packages
            .iter()
            .filter(|package| direct(package, name))
            .copied()
            .collect::<Vec<_>>()
    };
    assert_eq!(who("reqwest"), ["broker/egress"]);
    assert_eq!(who("rusqlite"), ["broker/store"]);
    assert_eq!(who("hickory-resolver"), ["helpers/resolver"]);
    assert_eq!(who("rustls"), ["broker/egress"]);
    assert_eq!(who("aes-gcm"), ["broker/vault"]);
    assert_eq!(who("keyring-core"), ["helpers/secret"]);
    assert_eq!(who("carapace-vault"), ["broker", "broker/egress"]);
}

#[test]
fn the_helpers_hold_nothing_of_the_broker() {
    let own = [
        "carapace-store",
        "carapace-egress",
        "carapace-providers",
        "carapace-policy",
        "carapace-vault",
    ];
    let others = [
        "reqwest",
        "hyper",
        "rustls",
        "native-tls",
        "openssl",
        "ring",
        "aws-lc-rs",
        "rusqlite",
        "prost",
    ];
    for package in ["carapace-resolver", "carapace-secret-helper"] {
        let closure = closure(package);
        let found: Vec<_> = own
            .iter()
            .chain(&others)
            .filter(|name| closure.contains(**name))
            .collect();
        assert!(found.is_empty(), "{package} links {found:?}");
    }
}

#[test]
fn a_secret_is_revealed_only_where_it_is_kept_or_sent() {
    let output = Command::new("git")
        .args([
            "grep",
            "--untracked",
            "-lE",
            r"\.(expose|reveal)\(\)",
            "--",
            "*.rs",
        ])
        .current_dir(carapace_harness::programs::repository())
        .output()
        .expect("git starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let allowed = [
        "broker/vault/",
        "broker/egress/",
        // the vault's keeper, and the two OAuth requests that carry a code or a refresh token in their body
        "broker/src/keeper.rs",
        "broker/src/own.rs",
        "broker/src/boot.rs",
        // the person's hand
        "supervisor/cli/",
        "helpers/secret/",
        "broker/contract/src/secret.rs",
        "tests/",
    ];
    for path in text.lines() {
        assert!(
            allowed.iter().any(|place| path.starts_with(place)),
            "{path}"
        );
    }
    assert!(
        text.contains("broker/egress/"),
        "the search finds what there is"
    );
}

#[test]
fn unsafe_code_is_in_one_crate() {
    let output = Command::new("git")
        .args([
            "grep",
            "--untracked",
            "-lE",
            r"\bunsafe\b *(\{|fn|impl|extern)",
            "--",
            "*.rs",
        ])
        .current_dir(carapace_harness::programs::repository())
        .output()
        .expect("git starts");
    let text = String::from_utf8_lossy(&output.stdout);
    for path in text.lines() {
        assert!(path.starts_with("supervisor/jail/"), "{path}");
    }
    assert!(!text.is_empty(), "the search finds what there is");
}
