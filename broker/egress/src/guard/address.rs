//! Which addresses are somebody else's machine on the public internet, and which are not: the
//! special-purpose registries of IANA (IPv4 and IPv6), what cloud vendors put their metadata on, and the
//! forms in which an IPv6 address carries an IPv4 one.
//!
//! IPv6 is closed: outside 2000::/3 nothing passes, listed or not.

use super::Refused;
use ipnet::{Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(first: u16, second: u16, third: u16, fourth: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(
        Ipv6Addr::new(first, second, third, fourth, 0, 0, 0, 0),
        length,
    )
}

const METADATA: &str = "the metadata service of a cloud";
const PRIVATE: &str = "a private network";
const SHARED: &str = "the shared network of a provider or tailnet";
const LOOPBACK: &str = "this machine";

/// IPv4 ranges that are refused, the narrower before the wider, each with what is there.
pub(super) const REFUSED_V4: &[(Ipv4Net, &str)] = &[
    (v4(169, 254, 169, 254, 32), METADATA),
    (v4(100, 100, 100, 200, 32), METADATA),
    (v4(168, 63, 129, 16, 32), METADATA), // public by number, but each Azure host answers it itself
    (v4(192, 0, 0, 192, 32), METADATA),
    (v4(0, 0, 0, 0, 8), "no network"), // RFC 791; 0.0.0.0 reaches this machine
    (v4(10, 0, 0, 0, 8), PRIVATE),     // RFC 1918
    (v4(100, 64, 0, 0, 10), SHARED),   // RFC 6598
    (v4(127, 0, 0, 0, 8), LOOPBACK),   // RFC 1122
    (v4(169, 254, 0, 0, 16), "the local link"), // RFC 3927
    (v4(172, 16, 0, 0, 12), PRIVATE),  // RFC 1918
    (v4(192, 0, 0, 0, 24), "for protocols"), // RFC 6890
    (v4(192, 0, 2, 0, 24), "for documentation"), // RFC 5737
    (v4(192, 88, 99, 0, 24), "a 6to4 relay"), // RFC 7526
    (v4(192, 168, 0, 0, 16), PRIVATE), // RFC 1918
    (v4(198, 18, 0, 0, 15), "for measurements"), // RFC 2544
    (v4(198, 51, 100, 0, 24), "for documentation"), // RFC 5737
    (v4(203, 0, 113, 0, 24), "for documentation"), // RFC 5737
    (v4(224, 0, 0, 0, 4), "many machines at once"), // RFC 5771
    (v4(240, 0, 0, 0, 4), "reserved"), // RFC 1112; with the broadcast address
];

/// IPv6 ranges that are refused, the narrower before the wider, each with what is there.
pub(super) const REFUSED_V6: &[(Ipv6Net, &str)] = &[
    (
        Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128),
        METADATA,
    ),
    (
        Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128),
        "no network",
    ),
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), LOOPBACK),
    (v6(0, 0, 0, 0, 96), "an IPv4 address in an outdated form"), // RFC 4291, IPv4-compatible
    (
        Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96),
        "a translated IPv4 address", // RFC 2765
    ),
    (v6(0x64, 0xff9b, 0, 0, 96), "a translated IPv4 address"), // RFC 6052
    (v6(0x64, 0xff9b, 1, 0, 48), "a translated IPv4 address"), // RFC 8215
    (v6(0x100, 0, 0, 0, 64), "a place where all is discarded"), // RFC 6666
    (v6(0x100, 0, 0, 1, 64), "a placeholder"),                 // RFC 9780
    (v6(0x2001, 0, 0, 0, 32), "a Teredo tunnel"),              // RFC 4380
    (v6(0x2001, 2, 0, 0, 48), "for measurements"),             // RFC 5180
    (v6(0x2001, 0x10, 0, 0, 28), "an identifier, no place"),   // RFC 4843, ORCHID
    (v6(0x2001, 0x20, 0, 0, 28), "an identifier, no place"),   // RFC 7343, ORCHIDv2
    (v6(0x2001, 0x30, 0, 0, 28), "an identifier, no place"),   // RFC 9374
    (v6(0x2001, 0, 0, 0, 23), "for protocols"),                // RFC 2928
    (v6(0x2001, 0xdb8, 0, 0, 32), "for documentation"),        // RFC 3849
    (v6(0x2002, 0, 0, 0, 16), "a 6to4 tunnel"),                // RFC 3056
    (v6(0x3fff, 0, 0, 0, 20), "for documentation"),            // RFC 9637
    (v6(0x5f00, 0, 0, 0, 16), "a path through a network"),     // RFC 9602
    (v6(0xfc00, 0, 0, 0, 7), PRIVATE),                         // RFC 4193
    (v6(0xfe80, 0, 0, 0, 10), "the local link"),               // RFC 4291
    (v6(0xfec0, 0, 0, 0, 10), PRIVATE),                        // RFC 3879, site-local
    (v6(0xff00, 0, 0, 0, 8), "many machines at once"),         // RFC 4291
];

/// The only part of IPv6 that is given out for machines on the internet (RFC 4291, 2.4).
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 0, 3);

/// Whether a connection to this address leads to the public internet.
///
/// # Errors
/// [`Refused::Address`] says what is there instead.
pub fn check_address(address: IpAddr) -> Result<(), Refused> {
    match refusal(address) {
        None => Ok(()),
        Some((why, carries)) => Err(Refused::Address {
            address,
            why,
            carries,
        }),
    }
}

/// The same for what a private origin of the owner resolves to: private networks and this machine are right
/// for it, metadata services, the local link and what is no single machine are not.
pub(crate) fn check_owners(address: IpAddr) -> Result<(), Refused> {
    match refusal(address) {
        Some((why, None)) if [PRIVATE, SHARED, LOOPBACK].contains(&why) => Ok(()),
        _ => check_address(address),
    }
}

fn refusal(address: IpAddr) -> Option<(&'static str, Option<Ipv4Addr>)> {
    match address {
        IpAddr::V4(address) => refusal_v4(address).map(|why| (why, None)),
        IpAddr::V6(address) => refusal_v6(address),
    }
}

fn refusal_v4(address: Ipv4Addr) -> Option<&'static str> {
    REFUSED_V4
        .iter()
        .find(|(net, _)| net.contains(&address))
        .map(|(_, why)| *why)
}

fn refusal_v6(address: Ipv6Addr) -> Option<(&'static str, Option<Ipv4Addr>)> {
    // The system connects to what is carried, so the address is what it carries.
    if let Some(mapped) = address.to_ipv4_mapped() {
        return refusal_v4(mapped).map(|why| (why, None));
    }
    let carried = carried(address);
    if let Some((_, why)) = REFUSED_V6.iter().find(|(net, _)| net.contains(&address)) {
        return Some((why, carried));
    }
    if !GLOBAL_V6.contains(&address) {
        return Some(("not given out to anybody", carried));
    }
    // An ISATAP interface under any prefix leads to the IPv4 address in it.
    carried.and_then(refusal_v4).map(|why| (why, carried))
}

/// The IPv4 address in an IPv6 one: IPv4-compatible, translated, 6to4, Teredo, ISATAP.
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let parts = address.segments();
    let of = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    let last = of(parts[6], parts[7]);
    match parts {
        [0, 0, 0, 0, 0, 0, high, _] if high != 0 => Some(last),
        [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0 | 1, ..] => Some(last),
        [0x2002, high, low, ..] => Some(of(high, low)),
        // Teredo hides the client's address by inverting it (RFC 4380, 4).
        [0x2001, 0, ..] => Some(of(!parts[6], !parts[7])),
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => Some(last),
        _ => None,
    }
}
