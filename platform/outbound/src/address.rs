//! Which addresses may be called.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// IPv4 networks that are not of the public internet, after the registry of special-purpose addresses of IANA.
const NOT_PUBLIC: [(Ipv4Addr, u8); 18] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),        // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),       // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),    // shared by providers, and metadata of Alibaba
    (Ipv4Addr::new(127, 0, 0, 0), 8),      // loopback
    (Ipv4Addr::new(168, 63, 129, 16), 32), // Azure's own service for its machines
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local, and metadata of most clouds
    (Ipv4Addr::new(172, 16, 0, 0), 12),    // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),     // protocol assignments, and metadata of Oracle
    (Ipv4Addr::new(192, 0, 2, 0), 24),     // documentation
    (Ipv4Addr::new(192, 31, 196, 0), 24),  // AS112
    (Ipv4Addr::new(192, 52, 193, 0), 24),  // AMT
    (Ipv4Addr::new(192, 88, 99, 0), 24),   // relays of 6to4
    (Ipv4Addr::new(192, 168, 0, 0), 16),   // private
    (Ipv4Addr::new(192, 175, 48, 0), 24),  // AS112
    (Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24),  // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),   // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 3),      // multicast, reserved, broadcast
];

/// What of 2000::/3 is not of the public internet. All else outside of 2000::/3 is not either: loopback, unspecified, IPv4 in IPv6
/// (mapped, compatible, translated: 64:ff9b::/96), unique local, link-local, site-local, multicast.
const NOT_PUBLIC_V6: [(Ipv6Addr, u8); 5] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments: Teredo, benchmarks, ORCHID
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4: IPv4 in IPv6
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48), // AS112
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Whether the address is one of the public internet, and not one that stands for another.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !NOT_PUBLIC.iter().any(|(network, prefix)| {
            let mask = u32::MAX << (32 - prefix);
            v4.to_bits() & mask == network.to_bits()
        }),
        IpAddr::V6(v6) => {
            v6.to_bits() >> 125 == 0b001
                && !NOT_PUBLIC_V6.iter().any(|(network, prefix)| {
                    let mask = u128::MAX << (128 - prefix);
                    v6.to_bits() & mask == network.to_bits()
                })
        }
    }
}

/// What the settings say about addresses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Networks {
    pub(crate) allow: Vec<IpNet>,
    pub(crate) deny: Vec<IpNet>,
}

impl Networks {
    /// Whether the address may be called. What is denied stays so, whatever is allowed.
    pub(crate) fn permits(&self, address: IpAddr) -> bool {
        let among = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&address));
        !among(&self.deny) && (is_public(address) || among(&self.allow))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_public_internet_is_public() {
        let private = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.9",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:7f00:1::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for text in private {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "168.63.129.15",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00:1450::1",
            "2003::1",
        ];
        for text in public {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn settings_allow_more_and_deny_more() {
        let networks = Networks {
            allow: vec!["127.0.0.0/8".parse().unwrap(), "10.1.0.0/16".parse().unwrap()],
            deny: vec!["10.1.9.0/24".parse().unwrap(), "8.8.8.8/32".parse().unwrap()],
        };
        let permits = |text: &str| networks.permits(text.parse().unwrap());
        assert!(permits("127.0.0.1") && permits("10.1.2.3") && permits("1.1.1.1"));
        assert!(!permits("10.1.9.1") && !permits("10.2.0.1") && !permits("8.8.8.8"));
        assert!(
            !permits("::ffff:127.0.0.1"),
            "another spelling is another network"
        );
    }

    proptest! {
        #[test]
        fn no_ipv6_address_that_has_a_private_one_within_is_public(v4: u32, within in 0..5_u8) {
            let v4 = v4 & 0x00ff_ffff | 0x7f00_0000;
            let v4 = u128::from(v4);
            let v6 = match within {
                0 => 0xffff << 32 | v4,
                1 => v4,
                2 => 0x64_ff9b << 96 | v4,
                3 => 0x2002 << 112 | v4 << 80,
                _ => 0xffff_0000 << 32 | v4,
            };
            prop_assert!(!is_public(Ipv6Addr::from_bits(v6).into()));
        }

        #[test]
        fn what_the_standard_library_calls_private_is_not_public(v4: u32) {
            let v4 = Ipv4Addr::from_bits(v4);
            let special = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
                || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified();
            prop_assert!(!special || !is_public(v4.into()));
        }
    }
}
