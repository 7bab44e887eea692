//! What decides where bytes may go: addresses as text, and what a resolver says.

use carapace_egress::guard::{check_address, check_url};
use carapace_ipc_proto::resolve::{ADDRESSES, ANSWER, Answer, NAME, QUESTION, Question, Status};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr as _;

/// An address as a person or a server writes it, and the same bytes as addresses in numbers. What
/// passes is compared with a second opinion that knows no table of the guard's.
pub fn url_guard(data: &[u8]) {
    if let Ok(target) = check_url(&String::from_utf8_lossy(data)) {
        let url = target.url();
        let host = url.host_str().expect("a host");
        assert_eq!(url.scheme(), "https");
        assert_eq!(url.port_or_known_default(), Some(443));
        assert!(url.username().is_empty() && url.password().is_none());
        assert_eq!(target.origin().host(), host);
        assert!(!target.is_exempt(), "nothing is exempt");
        match literal(host) {
            Some(address) => assert!(is_public(address), "{address} passed as {host:?}"),
            None => assert!(is_public_name(host), "{host:?} passed"),
        }
        let again = check_url(url.as_str()).expect("what passed passes as it is written then");
        assert_eq!(again.url(), url);
    }
    if let Some(bytes) = data.first_chunk::<4>() {
        in_numbers(IpAddr::V4(Ipv4Addr::from(*bytes)));
    }
    if let Some(bytes) = data.first_chunk::<16>() {
        in_numbers(IpAddr::V6(Ipv6Addr::from(*bytes)));
    }
}

fn in_numbers(address: IpAddr) {
    if check_address(address).is_ok() {
        assert!(is_public(address), "{address} passed");
    }
}

/// The address that a host is: in brackets, or as old C libraries read numbers (`0x7f.1`).
fn literal(host: &str) -> Option<IpAddr> {
    if let Some(inner) = host.strip_prefix('[') {
        let address = Ipv6Addr::from_str(inner.strip_suffix(']')?).expect("an IPv6 address");
        return Some(IpAddr::V6(address));
    }
    let parts: Vec<u64> = host
        .trim_end_matches('.')
        .split('.')
        .map(number)
        .collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    if first.len() > 3 {
        return None;
    }
    let mut bits = *last;
    for (place, part) in first.iter().enumerate() {
        bits |= part.checked_shl(24 - 8 * place as u32)?;
    }
    u32::try_from(bits)
        .ok()
        .map(|bits| IpAddr::V4(Ipv4Addr::from(bits)))
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some("") => Some(0),
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => u64::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    }
}

fn is_public_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    let end = name.rsplit('.').next().unwrap_or_default();
    name.contains('.')
        && name.is_ascii()
        && !name.contains(|c: char| c.is_ascii_uppercase() || c.is_whitespace() || c == '%')
        && !end.bytes().all(|byte| byte.is_ascii_digit())
        && !["localhost", "local", "internal", "arpa", "onion", "test"].contains(&end)
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(inner) => is_public_v4(inner),
            None => {
                let [a, b, ..] = address.segments();
                a >> 13 == 1
                    && a != 0x2002
                    && !(a == 0x2001 && (b < 0x200 || b == 0xdb8))
                    && !(a == 0x3fff && b < 0x1000)
            }
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, d] = address.octets();
    !(address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && b & 0b1100_0000 == 64)
        || (a == 198 && b & 0b1111_1110 == 18)
        || (a == 192 && b == 0 && c == 0)
        || [a, b, c, d] == [168, 63, 129, 16])
}

/// The link between broker and resolver: one meaning has one form.
pub fn resolve_frames(data: &[u8]) {
    let question: [u8; QUESTION] = filled(data);
    let asked = Question::decode(&question);
    if let Some(name) = &asked.name {
        assert!((1..=NAME).contains(&name.as_str().len()));
        assert!(literal(name.as_str()).is_none(), "an address as a name");
        assert_eq!(asked.encode(), question);
    }
    let frame: [u8; ANSWER] = filled(data);
    if let Some(answer) = Answer::decode(&frame) {
        assert!(answer.addresses.len() <= ADDRESSES);
        assert_eq!(answer.addresses.is_empty(), answer.status != Status::Found);
        assert_eq!(answer.encode(), frame);
    }
}

/// The beginning of the bytes, filled up with zeros.
fn filled<const SIZE: usize>(data: &[u8]) -> [u8; SIZE] {
    let mut frame = [0; SIZE];
    let count = data.len().min(SIZE);
    frame[..count].copy_from_slice(&data[..count]);
    frame
}
