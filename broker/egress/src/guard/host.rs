//! Names that are refused before anybody is asked what they stand for.

/// Names of this machine and of metadata services, which some resolvers answer.
const NAMES: &[&str] = &[
    "localhost",
    "localhost.localdomain",
    "localhost6",
    "localhost6.localdomain6",
    "ip6-localhost",
    "ip6-loopback",
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "kubernetes.default.svc",
];

/// Ends of names that never lead to the public internet: RFC 6761, 6762 (with its appendix G), 7686, 8375, 9476,
/// and what home routers and clouds use.
const ENDS: &[&str] = &[
    "localhost",
    "localdomain",
    "localdomain6",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "test",
    "invalid",
    "onion",
    "alt",
    "arpa",
];

/// Why a name is refused; `None` where it may be resolved. The name is in ASCII and lower case, as `url` gives it.
pub(super) fn refusal(name: &str) -> Option<&'static str> {
    // One dot at the end says that the name is complete, which it is anyway.
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() || name.len() > 253 {
        return Some("no name of a host");
    }
    if !name.split('.').all(is_label) {
        return Some("no name of a host");
    }
    if NAMES.contains(&name) {
        return Some("this machine or a metadata service");
    }
    let Some((_, end)) = name.rsplit_once('.') else {
        return Some("a name of the local network");
    };
    if ENDS.contains(&end) {
        return Some("a name of the local network");
    }
    if end.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some("no name of a host");
    }
    None
}

/// RFC 1123, with the underscore that is found in practice.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
}
