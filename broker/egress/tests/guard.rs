//! The guard, with a corpus of hostile addresses and properties over every range.

use carapace_egress::guard::{Guard, Refused, check_address, check_url};
use carapace_providers::Origin;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const HOSTILE: &str = include_str!("hostile_urls.txt");
const GOOD: &str = include_str!("good_urls.txt");

/// The addresses of a corpus file.
fn corpus(file: &str) -> Vec<String> {
    file.lines()
        .filter(|line| !line.starts_with("# "))
        .map(|line| serde_json::from_str(&format!("\"{line}\"")).expect(line))
        .collect()
}

/// Written down again from the registries, on purpose not read from the code.
const RANGES_V4: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

const RANGES_V6: &[&str] = &[
    "::/128",
    "::1/128",
    "::/96",
    "::ffff:0:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001::/32",
    "2001::/23",
    "2001:2::/48",
    "2001:10::/28",
    "2001:20::/28",
    "2001:30::/28",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fd00:ec2::254/128",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

#[test]
fn every_hostile_address_is_refused() {
    let hostile = corpus(HOSTILE);
    assert!(hostile.len() >= 220, "{}", hostile.len());
    let passed: Vec<_> = hostile
        .iter()
        .filter(|text| check_url(text).is_ok())
        .collect();
    assert!(
        passed.is_empty(),
        "{} of {}: {passed:#?}",
        passed.len(),
        hostile.len()
    );
    assert!(matches!(check_url(""), Err(Refused::Form)));
}

#[test]
fn good_addresses_pass_and_keep_their_host() {
    let good = corpus(GOOD);
    assert!(good.len() >= 25);
    for text in good {
        let target = check_url(&text).unwrap_or_else(|refused| panic!("{text}: {refused}"));
        assert_eq!(
            target.url().host_str(),
            Some(target.origin().host()),
            "{text}"
        );
        assert!(!target.is_exempt());
    }
}

#[test]
fn the_ends_of_every_range_are_refused_and_their_neighbours_judged_for_themselves() {
    let nets: Vec<IpNet> = RANGES_V4
        .iter()
        .chain(RANGES_V6)
        .map(|net| net.parse().unwrap())
        .collect();
    for net in &nets {
        for address in [net.network(), net.broadcast()] {
            assert!(check_address(address).is_err(), "{address} of {net}");
        }
    }
    for public in [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "2000::",
        "2001:200::",
        "2001:db7:ffff::",
        "2001:db9::",
        "2001:ffff::",
        "2003::",
        "3ffe:ffff::",
        "3fff:1000::",
    ] {
        assert_eq!(check_address(public.parse().unwrap()), Ok(()), "{public}");
    }
}

#[test]
fn an_exempt_origin_is_exactly_that_origin() {
    let exempt = [
        "http://127.0.0.1:11434",
        "https://nas.lan:8443",
        "https://10.0.0.5:443",
    ]
    .map(|text| Origin::of(text).unwrap());
    let guard = Guard::new(vec![], exempt.to_vec());
    for text in [
        "http://127.0.0.1:11434/v1",
        "http://localhost:11434/v1",
        "http://0x7f.1:11434/",
        "https://nas.lan:8443/v1",
        "https://10.0.0.5/",
    ] {
        let target = guard
            .check_url(text)
            .unwrap_or_else(|refused| panic!("{text}: {refused}"));
        assert!(target.is_exempt());
        assert_eq!(target.url().host_str(), Some(target.origin().host()));
    }
    for text in [
        "http://127.0.0.1:11435/v1",
        "https://127.0.0.1:11434/v1",
        "http://127.0.0.2:11434/v1",
        "http://[::1]:11434/v1",
        "http://user@127.0.0.1:11434/v1",
        "https://nas.lan/v1",
        "https://nas.lan:8444/v1",
        "https://nas.lan.:8443/v1",
        "https://x.nas.lan:8443/v1",
        "http://nas.lan:8443/v1",
        "https://10.0.0.6/",
        "http://10.0.0.5:443/",
    ] {
        assert!(guard.check_url(text).is_err(), "{text}");
    }
}

#[test]
fn one_bad_answer_refuses_all_of_them() {
    let of = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| text.parse().unwrap())
            .collect::<Vec<IpAddr>>()
    };
    let check = |exempt, texts: &[&str]| Guard::check_answer("api.example.com", exempt, &of(texts));
    assert_eq!(check(false, &["8.8.8.8", "2606:4700::1"]), Ok(()));
    for mixed in [
        &["8.8.8.8", "10.0.0.1"][..],
        &["127.0.0.1", "8.8.8.8"],
        &["2606:4700::1", "::1"],
        &["8.8.8.8", "::ffff:10.0.0.1"],
    ] {
        assert!(
            matches!(check(false, mixed), Err(Refused::Address { .. })),
            "{mixed:?}"
        );
    }
    assert!(matches!(
        check(false, &[]),
        Err(Refused::Answers { count: 0, .. })
    ));
    assert!(matches!(
        check(false, &["8.8.8.8"; 65]),
        Err(Refused::Answers { count: 65, .. })
    ));
    // Private is what the owner allowed; a metadata service is not.
    assert_eq!(
        check(
            true,
            &[
                "10.0.0.1",
                "fd00::1",
                "127.0.0.1",
                "100.64.0.1",
                "::1",
                "8.8.8.8",
                "::ffff:192.168.0.1"
            ]
        ),
        Ok(())
    );
    for never in [
        "169.254.169.254",
        "fd00:ec2::254",
        "100.100.100.200",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "fe80::1",
        "2002:a00:1::",
        "64:ff9b::a00:1",
        "192.0.2.1",
    ] {
        assert!(check(true, &[never]).is_err(), "{never}");
    }
}

#[test]
fn a_refusal_names_the_carried_address_and_nothing_of_path_and_query() {
    let text = check_url("https://[64:ff9b::a9fe:a9fe]/secret-path?secret=query")
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("169.254.169.254") && text.contains("remedy"),
        "{text}"
    );
    for text in corpus(HOSTILE) {
        let marked = format!("{text}?canary-canary");
        if let Err(refused) = check_url(&marked) {
            let shown = format!("{refused} {refused:?}");
            let in_host = !text.contains("://") || text.ends_with("://");
            assert!(in_host || !shown.contains("canary"), "{marked}: {shown}");
        }
    }
}

fn in_v4() -> impl Strategy<Value = Ipv4Addr> {
    let nets: Vec<Ipv4Net> = RANGES_V4.iter().map(|net| net.parse().unwrap()).collect();
    (proptest::sample::select(nets), any::<u32>()).prop_map(|(net, bits)| {
        let host = bits & u32::from(net.hostmask());
        Ipv4Addr::from(u32::from(net.network()) | host)
    })
}

fn in_v6() -> impl Strategy<Value = Ipv6Addr> {
    let nets: Vec<Ipv6Net> = RANGES_V6.iter().map(|net| net.parse().unwrap()).collect();
    (proptest::sample::select(nets), any::<u128>()).prop_map(|(net, bits)| {
        let host = bits & u128::from(net.hostmask());
        Ipv6Addr::from(u128::from(net.network()) | host)
    })
}

/// All forms in which an IPv6 address carries this IPv4 address.
fn carrying(address: Ipv4Addr, fill: u64) -> Vec<Ipv6Addr> {
    let v4 = u128::from(u32::from(address));
    let fill = u128::from(fill);
    let low = fill & 0xffff_ffff;
    [
        v4,
        0xffff << 32 | v4,
        0xffff << 48 | v4,
        0x64_ff9b << 96 | v4,
        0x64_ff9b_0001 << 80 | v4,
        0x2002 << 112 | v4 << 80 | fill,
        0x2001_0000 << 96 | low << 64 | (v4 ^ 0xffff_ffff),
        0x2001_0000 << 96 | v4 << 64 | fill,
        0x2600_1f00 << 96 | low << 64 | 0x5efe << 32 | v4,
        0x2600_1f00 << 96 | low << 64 | 0x0200_5efe << 32 | v4,
    ]
    .map(Ipv6Addr::from)
    .to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_address_of_a_refused_range_is_refused(v4 in in_v4(), v6 in in_v6()) {
        prop_assert!(check_address(IpAddr::V4(v4)).is_err(), "{}", v4);
        prop_assert!(check_address(IpAddr::V6(v6)).is_err(), "{}", v6);
        let (as_v4, as_v6) = (format!("https://{v4}/"), format!("https://[{v6}]/"));
        prop_assert!(check_url(&as_v4).is_err() && check_url(&as_v6).is_err());
    }

    #[test]
    fn every_form_that_carries_a_refused_address_is_refused(v4 in in_v4(), fill in any::<u64>()) {
        for form in carrying(v4, fill) {
            prop_assert!(check_address(IpAddr::V6(form)).is_err(), "{}", form);
            prop_assert!(Guard::check_answer("a.example.com", false, &[IpAddr::V6(form)]).is_err());
        }
    }

    #[test]
    fn every_spelling_of_a_refused_address_is_refused(v4 in in_v4()) {
        let number = u32::from(v4);
        let [a, b, c, d] = v4.octets();
        let full_width: String = v4
            .to_string()
            .chars()
            .map(|c| c.to_digit(10).map_or('\u{3002}', |digit| char::from_u32(0xff10 + digit).unwrap()))
            .collect();
        let percent: String = v4.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect();
        for spelling in [
            format!("{number}"),
            format!("{number:#x}"),
            format!("0{number:o}"),
            format!("{a:#x}.{b:#X}.0{c:o}.{d}").replace("0X", "0x"),
            format!("{a}.{}", number & 0x00ff_ffff),
            format!("{a}.{b}.{}", number & 0xffff),
            format!("000{a:o}.{b}.{c}.{d}."),
            full_width,
            percent,
        ] {
            let result = check_url(&format!("https://{spelling}/"));
            prop_assert!(matches!(result, Err(Refused::Address { .. })), "{}: {:?}", spelling, result);
        }
    }

    #[test]
    fn outside_of_2000_3_no_ipv6_address_passes(bits in any::<u128>()) {
        let address = Ipv6Addr::from(bits);
        if check_address(IpAddr::V6(address)).is_ok() {
            let global = bits >> 125 == 1;
            let mapped = address.to_ipv4_mapped().is_some_and(|v4| check_address(IpAddr::V4(v4)).is_ok());
            prop_assert!(global || mapped);
        }
    }

    #[test]
    fn any_text_is_judged_and_what_passes_is_https_to_a_public_host(text in "\\PC{0,60}") {
        for text in [text.clone(), format!("https://{text}"), format!("https://{text}.example.com/")] {
            if let Ok(target) = check_url(&text) {
                prop_assert!(target.origin().is_https() && target.origin().port() == 443);
                if let Some(address) = target.origin().address() {
                    prop_assert!(check_address(address).is_ok());
                }
                // Its one spelling is judged the same.
                prop_assert!(check_url(target.url().as_str()).is_ok());
            }
        }
    }
}
