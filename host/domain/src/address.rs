//! Which IP addresses are public. Everything else is refused to plugins unless the operator named the host.
//! The table follows the IANA special-purpose registries (RFC 6890 and its successors) and what cloud
//! providers answer metadata requests on.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressClass {
    /// Anybody may reach it.
    Public,
    /// `0.0.0.0/8`, `::`.
    Unspecified,
    /// `127.0.0.0/8`, `::1`.
    Loopback,
    /// `10.0.0.0/8`, `172.16.0.0/12`, `192.168.0.0/16`, `fc00::/7`.
    Private,
    /// `169.254.0.0/16`, `fe80::/10`.
    LinkLocal,
    /// Where a cloud provider tells a machine its credentials.
    Metadata,
    /// `100.64.0.0/10`, behind a carrier's address translation.
    Carrier,
    /// `224.0.0.0/4`, `ff00::/8`.
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
    /// Addresses of examples.
    Documentation,
    /// `198.18.0.0/15`, `2001:2::/48`.
    Benchmarking,
    /// An IPv6 address that wraps an IPv4 address in a way that leads who knows where: 6to4, Teredo,
    /// IPv4-compatible, translation prefixes of a local network.
    Transition,
    /// `fec0::/10`.
    SiteLocal,
    /// Not assigned for general use.
    Reserved,
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Unspecified => "unspecified",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::Metadata => "cloud metadata",
            Self::Carrier => "carrier-grade NAT",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Documentation => "documentation",
            Self::Benchmarking => "benchmarking",
            Self::Transition => "IPv6 transition",
            Self::SiteLocal => "site-local",
            Self::Reserved => "reserved",
        })
    }
}

/// Whether anybody on the internet may reach this address.
pub fn is_public(ip: IpAddr) -> bool {
    class(ip) == AddressClass::Public
}

/// What an address is for. An IPv4 address inside an IPv6 address is judged as itself.
pub fn class(ip: IpAddr) -> AddressClass {
    match ip {
        IpAddr::V4(v4) => class_v4(v4),
        IpAddr::V6(v6) => class_v6(v6),
    }
}

fn class_v4(ip: Ipv4Addr) -> AddressClass {
    use AddressClass::*;
    match ip.octets() {
        [169, 254, 169, 253 | 254] | [169, 254, 170, 2 | 23] => Metadata,
        // Alibaba's, inside the carrier range; Azure's, inside a public one.
        [100, 100, 100, 200] | [168, 63, 129, 16] => Metadata,
        [0, ..] => Unspecified,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Private,
        [100, 64..=127, ..] => Carrier,
        [127, ..] => Loopback,
        [169, 254, ..] => LinkLocal,
        // IETF protocol assignments, AS112, the former 6to4 relays, AMT.
        [192, 0, 0, _] | [192, 31, 196, _] | [192, 88, 99, _] | [192, 52, 193, _] | [192, 175, 48, _] => {
            Reserved
        }
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Documentation,
        [198, 18 | 19, ..] => Benchmarking,
        [224..=239, ..] => Multicast,
        [255, 255, 255, 255] => Broadcast,
        [240..=255, ..] => Reserved,
        _ => Public,
    }
}

fn class_v6(ip: Ipv6Addr) -> AddressClass {
    use AddressClass::*;
    let embedded = || {
        let [.., a, b, c, d] = ip.octets();
        class_v4(Ipv4Addr::new(a, b, c, d))
    };
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Loopback,
        // IPv4-mapped, and the well-known NAT64 prefix by which IPv6-only networks reach IPv4.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => embedded(),
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 1, ..] => Transition,
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => Metadata,
        [0xfc00..=0xfdff, ..] => Private,
        [0xfe80..=0xfebf, ..] => LinkLocal,
        [0xfec0..=0xfeff, ..] => SiteLocal,
        [0xff00..=0xffff, ..] => Multicast,
        [0x2001, 0, ..] | [0x2002, ..] => Transition,
        [0x2001, 2, 0, ..] => Benchmarking,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Documentation,
        // The rest of 2001::/23: protocol assignments, ORCHID.
        [0x2001, 0x1..=0x1ff, ..] => Reserved,
        [0x2620, 0x4f, 0x8000, ..] => Reserved,
        [0x2000..=0x3fff, ..] => Public,
        _ => Reserved,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn classes_of_known_addresses() {
        use AddressClass::*;
        let table = [
            ("8.8.8.8", Public),
            ("1.1.1.1", Public),
            ("172.15.255.255", Public),
            ("172.32.0.0", Public),
            ("100.63.255.255", Public),
            ("100.128.0.0", Public),
            ("223.255.255.255", Public),
            ("0.0.0.0", Unspecified),
            ("0.1.2.3", Unspecified),
            ("10.0.0.1", Private),
            ("172.16.0.0", Private),
            ("172.31.255.255", Private),
            ("192.168.1.1", Private),
            ("100.64.0.1", Carrier),
            ("100.127.255.255", Carrier),
            ("127.0.0.1", Loopback),
            ("127.255.255.254", Loopback),
            ("169.254.0.1", LinkLocal),
            ("169.254.169.254", Metadata),
            ("169.254.170.2", Metadata),
            ("100.100.100.200", Metadata),
            ("168.63.129.16", Metadata),
            ("192.0.0.192", Reserved),
            ("192.88.99.1", Reserved),
            ("192.0.2.1", Documentation),
            ("198.51.100.1", Documentation),
            ("203.0.113.255", Documentation),
            ("198.19.255.255", Benchmarking),
            ("224.0.0.1", Multicast),
            ("239.255.255.255", Multicast),
            ("240.0.0.1", Reserved),
            ("255.255.255.255", Broadcast),
            ("2606:4700:4700::1111", Public),
            ("2a00:1450:4001:81b::200e", Public),
            ("::", Unspecified),
            ("::1", Loopback),
            ("::2", Transition),
            ("::127.0.0.1", Transition),
            ("::8.8.8.8", Transition),
            ("::ffff:127.0.0.1", Loopback),
            ("::ffff:10.1.2.3", Private),
            ("::ffff:169.254.169.254", Metadata),
            ("::ffff:8.8.8.8", Public),
            ("::ffff:0:127.0.0.1", Transition),
            ("64:ff9b::7f00:1", Loopback),
            ("64:ff9b::a9fe:a9fe", Metadata),
            ("64:ff9b::808:808", Public),
            ("64:ff9b:1::808:808", Transition),
            ("64:ff9b:2::808:808", Reserved),
            ("100::1", Reserved),
            ("2001::7f00:1", Transition),
            ("2001:2::1", Benchmarking),
            ("2001:10::1", Reserved),
            ("2001:20::1", Reserved),
            ("2001:200::1", Public),
            ("2001:db8::1", Documentation),
            ("3fff::1", Documentation),
            ("3fff:1000::1", Public),
            ("2002:7f00:1::", Transition),
            ("2002:808:808::", Transition),
            ("5f00::1", Reserved),
            ("fc00::1", Private),
            ("fd12:3456::1", Private),
            ("fd00:ec2::254", Metadata),
            ("fe80::1", LinkLocal),
            ("febf::1", LinkLocal),
            ("fec0::1", SiteLocal),
            ("ff02::1", Multicast),
        ];
        for (text, expected) in table {
            assert_eq!(class(text.parse().unwrap()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_wrapping_makes_an_ipv4_address_public(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            let nat64 = Ipv6Addr::from_bits(0x0064_ff9b << 96 | u128::from(bits));
            prop_assert_eq!(class(v4.to_ipv6_mapped().into()), class(v4.into()));
            prop_assert_eq!(class(nat64.into()), class(v4.into()));
            prop_assert!(!is_public(v4.to_ipv6_compatible().into()) );
        }

        #[test]
        fn what_the_standard_library_calls_special_is_not_public(bits: u32) {
            let ip = Ipv4Addr::from_bits(bits);
            let special = ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_multicast()
                || ip.is_broadcast() || ip.is_documentation() || ip.is_unspecified();
            prop_assert!(!special || !is_public(ip.into()));
        }
    }
}
